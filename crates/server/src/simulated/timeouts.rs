//! How long the loop waits for peers that take their time, by a clock that the test owns.

use std::sync::Arc;
use std::time::Duration;

use graven_access::Access;
use graven_catalog::Catalog;
use graven_format::{Builder, Codec, CodecChoice, Purpose, Storage, Store};

use super::World;
use super::server::SimulatedServer;
use crate::options::ServerOptions;

/// What a connection may last longer than its timeout: it is looked at once a second, and a tick is 250 ms.
const GRACE_MS: u64 = 1_750;

const IDLE_MS: u64 = 20_000;
const HTTP_IDLE_MS: u64 = 8_000;
const REQUEST_MS: u64 = 12_000;
const STALLED_MS: u64 = 4_000;
const WRITE_MS: u64 = 16_000;
const DRAIN_MS: u64 = 6_000;
/// Eight ticks, the first of which may be nearly over when it begins.
const LINGER_MS: u64 = 1_750;

/// The length of the one value, whose key is `k`.
const VALUE_LEN: usize = 5_000;

fn options() -> ServerOptions {
    let mut options = ServerOptions::default();
    options.timeouts.idle = Some(Duration::from_millis(IDLE_MS));
    options.timeouts.http_idle = Some(Duration::from_millis(HTTP_IDLE_MS));
    options.timeouts.request = Duration::from_millis(REQUEST_MS);
    options.timeouts.stalled = Duration::from_millis(STALLED_MS);
    options.timeouts.write = Duration::from_millis(WRITE_MS);
    options.timeouts.drain = Duration::from_millis(DRAIN_MS);
    options.limits.connection_buffered_bytes_max = 64 << 10;
    options
}

/// How a peer reads.
#[derive(Clone, Copy, Debug)]
enum ReadingManner {
    All,
    /// Nothing until this time, and then all.
    From(u64),
    /// So many bytes each half of a second.
    Slowly(usize),
}

/// What a peer does, by milliseconds since the server began.
#[derive(Clone, Debug)]
struct Script {
    sends: Vec<(u64, Vec<u8>)>,
    reads: ReadingManner,
    /// When it has sent its last byte, and says so.
    ends: Option<u64>,
    /// Bytes that may be on their way to it.
    room: usize,
}

/// What became of its connection, and when.
#[derive(Clone, Debug, Default)]
struct ConnectionOutcome {
    received: Vec<u8>,
    /// The server has sent its last byte.
    ended: Option<u64>,
    closed: Option<u64>,
}

impl Script {
    fn sends<B: AsRef<[u8]>>(sends: impl IntoIterator<Item = (u64, B)>) -> Self {
        let sends = sends.into_iter().map(|(at, bytes)| (at, bytes.as_ref().to_vec())).collect();
        Self { sends, reads: ReadingManner::All, ends: None, room: 100_000 }
    }
}

fn store(storage: Storage) -> Arc<Store> {
    let purpose = if storage == Storage::Disk { Purpose::Disk } else { Purpose::Ram };
    let options =
        graven_format::Options { purpose, codec: CodecChoice::Fixed(Codec::Raw), ..Default::default() };
    let mut builder = Builder::new(options);
    builder.add(b"k", &[b'v'; VALUE_LEN]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    builder.write(&path).unwrap();
    let store = Store::open_as(&path, storage).unwrap();
    store.load().unwrap();
    Arc::new(store)
}

/// Has peers do as they are told; `look` may do more, at each time that the loop waits. The server stops at `stops`, or once all
/// connections are closed.
fn outcomes_of(
    server: &SimulatedServer,
    store: Arc<Store>,
    scripts: &[Script],
    stops: Option<u64>,
    mut look: impl FnMut(&mut World, u64),
) -> Vec<ConnectionOutcome> {
    let wires: Vec<usize> = scripts.iter().map(|script| server.connect(script.room)).collect();
    let mut outcomes = vec![ConnectionOutcome::default(); scripts.len()];
    let mut sent = vec![0; scripts.len()];
    let mut read_last = vec![0; scripts.len()];
    server.run(&Catalog::new("table", "only", store), &Access::open(), |world| {
        let now = u64::try_from(world.elapsed.as_millis()).unwrap();
        for (i, (&wire, script)) in wires.iter().zip(scripts).enumerate() {
            let outcome = &mut outcomes[i];
            let most = match script.reads {
                ReadingManner::All => usize::MAX,
                ReadingManner::From(time) if now >= time => usize::MAX,
                ReadingManner::From(_) => 0,
                ReadingManner::Slowly(bytes) if now >= read_last[i] + 500 => {
                    read_last[i] = now;
                    bytes
                }
                ReadingManner::Slowly(_) => 0,
            };
            outcome.received.extend(world.receive(wire, most));
            if world.wires[wire].server_ended || world.is_closed(wire) {
                outcome.ended.get_or_insert(now);
            }
            if world.is_closed(wire) {
                outcome.closed.get_or_insert(now);
                continue;
            }
            while let Some((at, bytes)) = script.sends.get(sent[i])
                && *at <= now
            {
                world.send(wire, bytes);
                sent[i] += 1;
            }
            if script.ends.is_some_and(|at| at <= now) && !world.wires[wire].peer_ended {
                world.end(wire);
            }
        }
        look(world, now);
        let are_closed = wires.iter().all(|&wire| world.is_closed(wire));
        if are_closed || stops.is_some_and(|at| at <= now) {
            server.shutdown.trigger();
        }
    });
    let mut world = server.handle.world();
    let now = u64::try_from(world.elapsed.as_millis()).unwrap();
    for (&wire, outcome) in wires.iter().zip(&mut outcomes) {
        outcome.received.extend(world.receive(wire, usize::MAX));
        outcome.ended.get_or_insert(now);
        outcome.closed.get_or_insert(now);
    }
    outcomes
}

fn outcomes(scripts: &[Script], stops: Option<u64>) -> Vec<ConnectionOutcome> {
    outcomes_with(options(), scripts, stops)
}

fn outcomes_with(options: ServerOptions, scripts: &[Script], stops: Option<u64>) -> Vec<ConnectionOutcome> {
    let server = SimulatedServer::new(1, options);
    outcomes_of(&server, store(Storage::Memory), scripts, stops, |_, _| {})
}

#[track_caller]
fn assert_at(at: Option<u64>, expected: u64) {
    let at = at.unwrap();
    assert!((expected..=expected + GRACE_MS).contains(&at), "{at} instead of {expected}");
}

fn answer() -> Vec<u8> {
    [format!("${VALUE_LEN}\r\n").as_bytes(), &[b'v'; VALUE_LEN], b"\r\n"].concat()
}

const HTTP: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn idle_connections_are_closed_as_what_they_speak_has_it() {
    let http_again = (0..5).map(|i| (i * 6_000, HTTP));
    let redis_again = (0..5).map(|i| (i * 15_000, "PING\r\n"));
    let outcomes = outcomes(
        &[
            Script::sends::<&str>([]),
            Script::sends([(0, HTTP)]),
            Script::sends(http_again),
            Script::sends([(0, "PING\r\n")]),
            Script::sends(redis_again),
            Script::sends([(3_000, "version\r\n")]),
        ],
        None,
    );
    let closed: Vec<Option<u64>> = outcomes.iter().map(|outcome| outcome.closed).collect();
    assert_at(closed[0], HTTP_IDLE_MS);
    assert_at(closed[1], HTTP_IDLE_MS);
    assert_at(closed[2], 24_000 + HTTP_IDLE_MS);
    assert_at(closed[3], IDLE_MS);
    assert_at(closed[4], 60_000 + IDLE_MS);
    assert_at(closed[5], 3_000 + IDLE_MS);
    assert_eq!(outcomes[4].received, b"+PONG\r\n".repeat(5));
    // None is told of it.
    assert!(outcomes[0].received.is_empty() && outcomes[3].received == b"+PONG\r\n");
}

#[test]
fn connections_stay_open_for_ever_where_there_is_no_idle_timeout() {
    let mut options = options();
    (options.timeouts.idle, options.timeouts.http_idle) = (None, None);
    let scripts = [
        Script::sends::<&str>([]),
        Script::sends([(0, HTTP)]),
        Script::sends([(0, "PING\r\n"), (10_000_000, "PING\r\n")]),
    ];
    let outcomes = outcomes_with(options, &scripts, Some(20_000_000));
    outcomes.iter().for_each(|outcome| assert_at(outcome.ended, 20_000_000));
    assert_eq!(outcomes[2].received, b"+PONG\r\n".repeat(2));
}

#[test]
fn a_request_has_to_become_whole_in_its_time_however_many_bytes_come() {
    let slow = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: 1\r\n";
    let bytes = |from: u64, text: &'static str| {
        text.as_bytes().iter().zip(0..).map(move |(byte, i)| (from + i * 1_500, [*byte]))
    };
    let outcomes = outcomes(
        &[
            Script::sends(bytes(1_000, slow)),
            Script::sends(bytes(5_000, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")),
            Script::sends(bytes(0, "get kkkkkkkkkkkkkkkkkkkkk\r\n")),
            // Each became whole in its time, though some bytes wait at every moment.
            Script::sends([
                (0, "PING\r\nPI"),
                (8_000, "NG\r\nPI"),
                (16_000, "NG\r\nPI"),
                (24_000, "NG\r\nPI"),
                (32_000, "NG\r\n"),
            ]),
        ],
        None,
    );
    for (i, began) in [(0, 1_000), (1, 5_000), (2, 0)] {
        // It sends on, and is read from until it knows.
        assert_at(outcomes[i].ended, began + REQUEST_MS);
        assert_at(outcomes[i].closed, outcomes[i].ended.unwrap() + LINGER_MS);
    }
    let told = String::from_utf8_lossy(&outcomes[0].received);
    assert!(told.starts_with("HTTP/1.1 408 ") && told.ends_with("The request did not become whole in time"));
    // Neither Redis nor memcached would say anything.
    assert!(outcomes[1].received.is_empty() && outcomes[2].received.is_empty());
    assert_at(outcomes[3].closed, 32_000 + IDLE_MS);
    assert_eq!(outcomes[3].received, b"+PONG\r\n".repeat(5));
}

#[test]
fn who_reads_a_byte_now_and_then_is_waited_for_and_who_reads_none_is_not() {
    let get = |reads| Script { reads, room: 100, ..Script::sends([(0, "GET k\r\n")]) };
    let outcomes = outcomes(
        &[
            get(ReadingManner::From(1_000_000)),
            get(ReadingManner::Slowly(40)),
            get(ReadingManner::From(14_000)),
        ],
        None,
    );
    assert_at(outcomes[0].closed, WRITE_MS);
    assert!(outcomes[0].received.len() <= 100);
    assert_eq!(outcomes[1].received, answer());
    assert!(outcomes[1].closed.unwrap() > 60_000);
    assert_eq!(outcomes[2].received, answer());
    assert_at(outcomes[2].closed, 14_000 + IDLE_MS);
}

#[test]
fn who_sends_more_than_may_wait_and_reads_nothing_is_told_and_closed() {
    let flood = |reads, ends| {
        let sends = Script::sends([(0, b"GET k\r\n".repeat(40_000))]);
        Script { reads, ends, room: 2_000, ..sends }
    };
    let refusal = b"-ERR as many requests wait as one connection may have waiting, and no answer is read: read answers while sending\r\n";
    let scripts = [
        flood(ReadingManner::From(10_000), Some(10_000)),
        flood(ReadingManner::From(1_000_000), None),
        // It has read, if late, before it was too late, and has every answer.
        flood(ReadingManner::From(3_000), Some(3_000)),
    ];
    let outcomes = outcomes(&scripts, None);
    assert!(outcomes[0].received.ends_with(refusal));
    let answers = outcomes[0].received.len() - refusal.len();
    assert!(answers < 1_000_000 && answers.is_multiple_of(answer().len()), "{answers}");
    // The end is sent behind what it reads, from when it reads on.
    assert_at(outcomes[0].ended, 10_000);
    assert_at(outcomes[1].closed, STALLED_MS + WRITE_MS);
    assert_eq!(outcomes[2].received.len(), 40_000 * answer().len());
}

#[test]
fn a_connection_that_has_ended_is_read_from_until_its_peer_closes_or_for_two_seconds() {
    let close = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let goes_on = || [(0, close)].into_iter().chain((1..40).map(|i| (i * 250, "more")));
    let outcomes = outcomes(
        &[
            Script::sends([(0, close)]),
            Script { ends: Some(1_000), ..Script::sends([(0, close)]) },
            Script::sends(goes_on()),
            // What is no request ends a connection, too.
            Script::sends([(0, "*1\r\n$x\r\n")]),
        ],
        None,
    );
    for outcome in &outcomes {
        assert!(outcome.ended.unwrap() < 500);
        assert!(!outcome.received.is_empty());
    }
    for i in [0, 2, 3] {
        assert_at(outcomes[i].closed, LINGER_MS);
    }
    assert!((1_000..1_500).contains(&outcomes[1].closed.unwrap()));
}

#[test]
fn a_shutdown_answers_what_was_sent_and_ends_who_sends_on() {
    let stop = 3_000;
    let scripts = [
        Script::sends([(0, "PING\r\n")]),
        Script::sends([(0, "PING\r\n"), (stop, "PING\r\n")]),
        // Half a request, that becomes whole while the server waits for it, and one that does not.
        Script::sends([(0, "PI"), (stop + 3_000, "NG\r\n")]),
        Script::sends([(0, "PI")]),
        Script { reads: ReadingManner::From(stop + 4_000), room: 100, ..Script::sends([(0, "GET k\r\n")]) },
        Script { reads: ReadingManner::From(1_000_000), room: 100, ..Script::sends([(0, "GET k\r\n")]) },
        // All of this was sent before, though no more than a part of it was read.
        Script::sends([(stop - 1, "GET xx\r\n".repeat(12_000))]),
    ];
    let server = SimulatedServer::new(1, options());
    // Two that send as fast as they are read from: what, and how long one answer is. Reads end inside a request of the first, and
    // between two of the second.
    let mut chatty = [("PING\r\n", b"+PONG\r\n".len()), ("GET xx\r\n", b"$-1\r\n".len())]
        .map(|(request, len)| (server.connect(1 << 20), request.repeat(8192), len, 0, None));
    let outcomes = outcomes_of(&server, store(Storage::Memory), &scripts, Some(stop), |world, now| {
        for (wire, requests, _, received, ended) in &mut chatty {
            *received += world.receive(*wire, usize::MAX).len();
            if world.wires[*wire].server_ended {
                ended.get_or_insert(now);
            }
            while now >= stop && ended.is_none() && world.unread(*wire) < 1 << 20 {
                world.send(*wire, requests.as_bytes());
            }
        }
        if now >= stop && chatty.iter().any(|(.., ended)| ended.is_none()) {
            world.elapsed += Duration::from_millis(10);
        }
    });
    assert_eq!(outcomes[0].received, b"+PONG\r\n");
    assert_eq!(outcomes[1].received, b"+PONG\r\n".repeat(2));
    for outcome in &outcomes[..2] {
        let (ended, closed) = (outcome.ended.unwrap(), outcome.closed.unwrap());
        assert!((stop..stop + 300).contains(&ended), "{ended}");
        assert!((stop + 250..stop + 2_000).contains(&closed), "{closed}");
    }
    assert_eq!(outcomes[2].received, b"+PONG\r\n");
    assert!((stop + 3_000..stop + 3_600).contains(&outcomes[2].ended.unwrap()));
    assert!(outcomes[3].received.is_empty() && outcomes[5].received.len() <= 100);
    for i in [3, 5] {
        assert!((stop + DRAIN_MS..stop + DRAIN_MS + 300).contains(&outcomes[i].closed.unwrap()));
    }
    assert!(outcomes[6].received == b"$-1\r\n".repeat(12_000));
    assert_eq!(outcomes[4].received, answer());
    assert!(outcomes[4].ended.unwrap() < stop + 5_000);
    for (_, request, len, received, ended) in chatty {
        // They were answered for a moment, and no answer was cut.
        assert!(
            received > 10_000 * len && received.is_multiple_of(len),
            "{received} bytes for {}",
            &request[..4]
        );
        assert!((stop + 500..stop + 600).contains(&ended.unwrap()), "{ended:?} for {}", &request[..4]);
    }
}

#[test]
fn requests_wait_for_the_disk_as_long_as_it_takes_and_few_are_read_meanwhile() {
    let server = SimulatedServer::new(1, options());
    let scripts = [
        Script::sends([(0, "GET k\r\n")]),
        // It sends no more, and has its answer nevertheless.
        Script { ends: Some(1_000), ..Script::sends([(0, "GET k\r\n")]) },
        Script::sends((0..50).map(|i| (i * 1_000, b"GET k\r\n".repeat(1_000)))),
    ];
    let (ends_at, mut most_read) = (500_000, 0);
    let outcomes = outcomes_of(&server, store(Storage::Disk), &scripts, None, |world, now| {
        if now >= ends_at {
            while world.end_a_read() {}
        } else {
            let sent = 7_000 * (now as usize / 1_000 + 1).min(50);
            most_read = most_read.max(sent.saturating_sub(world.unread(2)));
        }
    });
    assert!((16 << 10..(16 << 10) + 2 * 7_000).contains(&most_read), "{most_read}");
    assert_eq!((&outcomes[0].received, &outcomes[1].received), (&answer(), &answer()));
    assert_eq!(outcomes[2].received.len(), 50_000 * answer().len());
    assert_at(outcomes[0].closed, ends_at + IDLE_MS);
    assert_at(outcomes[1].closed, ends_at);
}

#[test]
fn others_can_see_how_much_waits_and_since_when_nothing_was_heard() {
    let server = SimulatedServer::new(1, options());
    let scripts = [
        Script::sends([(4_000, "PI")]),
        Script {
            room: 1_000,
            reads: ReadingManner::From(1_000_000),
            ..Script::sends([(4_000, "GET k\r\n")])
        },
    ];
    let mut seen = Vec::new();
    let began = std::cell::Cell::new(None);
    let outcomes = outcomes_of(&server, store(Storage::Memory), &scripts, Some(12_000), |_, now| {
        let all = server.clients.all();
        began.set(began.get().or_else(|| all.first().map(|client| client.connected)));
        if (10_000..11_000).contains(&now) {
            seen = all
                .iter()
                .map(|client| {
                    let state = client.state();
                    (state.input_bytes, state.output_bytes, state.active - began.get().unwrap())
                })
                .collect();
        }
    });
    let [(input, 0, active), (0, output, _)] = seen[..] else { panic!("{seen:?}") };
    let taken = outcomes[1].received.len();
    assert!(taken > 0 && taken < answer().len());
    assert_eq!((input, output), (2, answer().len() - taken));
    assert!((3_750..4_600).contains(&active.as_millis()), "{active:?}");
}
