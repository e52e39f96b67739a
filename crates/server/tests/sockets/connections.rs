//! Connections as such: many at once, slow ones, silent ones, limits, and the end of a server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Stream, serve, serve_from_everywhere, socket_path, table, threads};
use graven_server::{Error, Listener, Location, ServerOptions};

const ASK: &[u8] = b"GET /?key=k HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn one_pair() -> Arc<graven_format::Store> {
    table([(&b"k"[..], &b"value"[..])])
}

/// The answer to `ASK`, up to and including its value.
fn answer(stream: &mut Stream) -> String {
    String::from_utf8(stream.until(b"\r\n\r\nvalue")).unwrap()
}

#[test]
fn a_thousand_connections_at_once_are_all_answered() {
    for count in [1, 2] {
        serve(&one_pair(), &threads(count), &["127.0.0.1:0"], |server| {
            let mut streams: Vec<Stream> = (0..1000).map(|_| server.connect()).collect();
            streams.iter_mut().for_each(|stream| stream.send(ASK));
            for stream in &mut streams {
                assert!(answer(stream).starts_with("HTTP/1.1 200 OK\r\n"));
            }
        });
    }
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    let keys: Vec<String> = (0..10_000).map(|i| format!("key-{i}")).collect();
    let store = table(keys.iter().map(|key| (key.as_bytes(), key.as_bytes())));
    serve(&store, &threads(2), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let mut requests = String::new();
        for key in &keys {
            requests.push_str(&format!("GET /v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        }
        let Stream::Tcp(tcp) = &stream else { panic!("a TCP stream") };
        let mut writer = tcp.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                writer.write_all(requests.as_bytes()).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let answers = String::from_utf8(stream.rest()).unwrap();
            let mut rest = answers.as_str();
            for key in &keys {
                let (head, after) = rest.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                rest = after.strip_prefix(key.as_str()).unwrap();
            }
            assert_eq!(rest, "");
        });
    });
}

#[test]
fn a_peer_that_reads_late_gets_all_answers_and_disturbs_nobody() {
    let value = vec![b'v'; 1 << 20];
    let store = table([(&b"k"[..], &value[..])]);
    serve(&store, &threads(1), &["127.0.0.1:0"], |server| {
        let mut slow = server.connect();
        slow.send(&ASK.repeat(100));
        assert_eq!(slow.exactly(1), b"H");
        let mut other = server.connect();
        other.send(b"HEAD /?key=k HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(other.until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200 OK\r\n"));
        slow.end_output();
        for _ in 0..100 {
            let head = String::from_utf8(slow.until(b"\r\n\r\n")).unwrap();
            assert!(head.contains("\r\nContent-Length: 1048576\r\n"), "{head}");
            assert!(slow.exactly(value.len()) == value);
        }
        assert_eq!(slow.rest(), b"");
    });
}

/// Bytes that no code makes shorter, so that they lie in the table as they are.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn large_values_come_whole_and_in_order_in_every_protocol() {
    let (small, large, huge) = (noise(100, 1), noise(40_000, 2), noise(3 << 20, 3));
    let store = table([(&b"small"[..], &small[..]), (&b"large"[..], &large[..]), (&b"huge"[..], &huge[..])]);
    let values = [("huge", &huge), ("small", &small), ("large", &large), ("huge", &huge), ("large", &large)];
    let bulk = |value: &[u8]| [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
    let item = |key: &str, value: &[u8]| {
        [format!("VALUE {key} 0 {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
    };
    let meta = |value: &[u8]| [format!("VA {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
    let keys = values.map(|(key, _)| key).join(" ");
    let resp_asks: String = values.iter().map(|(key, _)| format!("GET {key}\r\n")).collect();
    let memcached_asks: String = values.iter().map(|(key, _)| format!("mg {key} v\r\n")).collect();
    let conversations = [
        (
            format!("{resp_asks}MGET {keys}\r\nGETRANGE huge 5 -6\r\nPING\r\n"),
            [
                values.map(|(_, value)| bulk(value)).concat(),
                b"*5\r\n".to_vec(),
                values.map(|(_, value)| bulk(value)).concat(),
                bulk(&huge[5..huge.len() - 5]),
                b"+PONG\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            format!("{memcached_asks}get {keys}\r\nmn\r\n"),
            [
                values.map(|(_, value)| meta(value)).concat(),
                values.map(|(key, value)| item(key, value)).concat(),
                b"END\r\nMN\r\n".to_vec(),
            ]
            .concat(),
        ),
    ];
    let http_asks: String = values
        .iter()
        .map(|(key, _)| format!("GET /v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    serve_from_everywhere(&store, &threads(1), &["127.0.0.1:0"], |server| {
        for (asks, answers) in &conversations {
            let mut stream = server.connect();
            stream.send(asks.as_bytes());
            assert!(stream.exactly(answers.len()) == *answers, "{asks}");
        }
        let mut stream = server.connect();
        stream.send(http_asks.as_bytes());
        for (key, value) in values {
            stream.until(b"\r\n\r\n");
            assert!(stream.exactly(value.len()) == *value, "{key}");
        }
        // One that comes alone is answered with those of other connections.
        for (key, value) in values {
            stream.send(format!("GET /?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
            stream.until(b"\r\n\r\n");
            assert!(stream.exactly(value.len()) == *value, "{key} alone");
        }
    });
}

#[test]
fn peers_that_read_no_large_values_cost_the_server_no_copy_of_them() {
    let value = noise(32 << 20, 4);
    let store = table([(&b"k"[..], &value[..])]);
    // The values that wait come to a hundred times what all connections may hold.
    let mut options = threads(1);
    options.limits.buffered_bytes_max = 3 << 20;
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        let mut waiting: Vec<Stream> = (0..10).map(|_| server.connect()).collect();
        waiting.iter_mut().for_each(|stream| stream.send(ASK));
        let mut other = server.connect();
        other.send(b"HEAD /?key=k HTTP/1.1\r\nHost: localhost\r\n\r\n");
        other.until(b"\r\n\r\n");
        for stream in &mut waiting {
            stream.until(b"\r\n\r\n");
            assert!(stream.exactly(value.len()) == value);
        }
    });
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_within_it_stay() {
    let mut options = threads(2);
    options.limits.connections_max = 3;
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let mut within: Vec<Stream> = (0..3).map(|_| server.connect()).collect();
        for stream in &mut within {
            stream.send(ASK);
            answer(stream);
        }
        let mut beyond = server.connect();
        // A read that gives up after a while is no close.
        let closed = beyond.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(closed, Ok(0) | Err(ErrorKind::ConnectionReset)), "{closed:?}");
        within[0].send(ASK);
        answer(&mut within[0]);
    });
}

#[test]
fn a_connection_that_begins_with_a_control_character_is_answered_in_http() {
    serve(&one_pair(), &threads(1), &["127.0.0.1:0"], |server| {
        // 22 begins a TLS handshake, which is answered as one.
        for byte in (0..=31).chain([127]).filter(|byte| !b"\r\n\x16".contains(byte)) {
            let mut stream = server.connect();
            stream.send(&[&[byte][..], b"ing\r\n\r\n"].concat());
            let answer = String::from_utf8(stream.rest()).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{byte}: {answer}");
        }
        // The next one begins an inline command.
        let mut stream = server.connect();
        stream.send(b" PING\r\n");
        assert_eq!(stream.until(b"\r\n"), b"+PONG\r\n");
    });
}

#[test]
fn a_request_that_does_not_become_whole_gets_408() {
    let mut options = threads(1);
    options.timeouts.request = Duration::from_millis(100);
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let mut slow = server.connect();
        slow.send(b"GET /?key=k HTTP/1.1\r\nHo");
        let rest = String::from_utf8(slow.rest()).unwrap();
        assert!(rest.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{rest}");
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time_without_a_word() {
    let mut options = threads(1);
    options.timeouts.http_idle = Some(Duration::from_millis(100));
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let mut idle = server.connect();
        idle.send(ASK);
        answer(&mut idle);
        assert_eq!(idle.rest(), b"");
    });
}

#[test]
fn a_peer_that_never_reads_is_closed_after_the_write_timeout() {
    let value = vec![b'v'; 32 << 20];
    let store = table([(&b"k"[..], &value[..])]);
    let mut options = threads(1);
    options.timeouts.write = Duration::from_millis(100);
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        let mut deaf = server.connect();
        deaf.send(ASK);
        // The server's close shows in the socket's state without a byte being read.
        let Stream::Tcp(tcp) = &deaf else { panic!("a TCP stream") };
        let start = Instant::now();
        while (&*tcp).write(b"G").is_ok() {
            assert!(start.elapsed() < Duration::from_secs(15), "the connection stays open");
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_connection_that_needs_more_than_all_may_hold_together_is_closed() {
    let value = vec![b'v'; 32 << 20];
    let store = table([(&b"k"[..], &value[..])]);
    let mut options = threads(1);
    options.limits.buffered_bytes_max = 1 << 20;
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        let mut greedy = server.connect();
        greedy.send(ASK);
        let mut taken = Vec::new();
        // Closed with answers unsent: either an early end or a reset.
        let _ = greedy.read_to_end(&mut taken);
        assert!(taken.len() < value.len());
    });
}

#[test]
fn what_clients_say_of_themselves_counts_as_held_by_their_connections() {
    let mut options = threads(1);
    options.limits.buffered_bytes_max = 64 << 10;
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let text = "t".repeat(1_024);
        let said = format!(
            "CLIENT SETNAME {text}\r\nCLIENT SETINFO LIB-NAME {text}\r\nCLIENT SETINFO LIB-VER {text}\r\n"
        );
        // Each holds 3 KiB from then on. As many as may are kept; with the next one, one is closed.
        let mut streams: Vec<Stream> = (0..21).map(|_| server.connect()).collect();
        for stream in &mut streams {
            stream.send(said.as_bytes());
            assert_eq!(stream.exactly(15), b"+OK\r\n+OK\r\n+OK\r\n");
        }
        for stream in &mut streams {
            stream.send(b"PING\r\n");
            assert_eq!(stream.exactly(7), b"+PONG\r\n");
        }
        let mut one_more = server.connect();
        one_more.send(said.as_bytes());
        // It was weighed when it is answered or closed.
        let mut first = [0];
        if one_more.read(&mut first).is_ok_and(|bytes| bytes > 0) {
            assert_eq!(one_more.exactly(14), b"OK\r\n+OK\r\n+OK\r\n");
        }
        streams.push(one_more);
        let lasts = |stream: &mut Stream| {
            let mut rest = Vec::new();
            let _ = stream.write_all(b"QUIT\r\n");
            let _ = stream.read_to_end(&mut rest);
            rest == b"+OK\r\n"
        };
        assert_eq!(streams.iter_mut().map(lasts).filter(|lasts| *lasts).count(), 21);
    });
}

#[test]
fn a_shutdown_answers_what_was_sent_and_closes_what_is_idle() {
    for count in [1, 2] {
        let value = vec![b'v'; 8 << 20];
        let store = table([(&b"k"[..], &value[..])]);
        serve(&store, &threads(count), &["127.0.0.1:0"], |server| {
            let mut idle = server.connect();
            let mut busy: Vec<Stream> = (0..4).map(|_| server.connect()).collect();
            for stream in &mut busy {
                stream.send(&ASK.repeat(2));
                // The first byte of the answer says that the server is at work.
                assert_eq!(stream.exactly(1), b"H");
            }
            server.shutdown.trigger();
            assert_eq!(idle.rest(), b"");
            for stream in &mut busy {
                let rest = stream.rest();
                assert!(rest.len() > 2 * value.len(), "{} bytes", rest.len());
                assert!(rest.ends_with(&value));
            }
        });
    }
}

#[test]
fn a_shutdown_resets_nobody_who_is_still_sending() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    for _ in 0..5 {
        serve(&one_pair(), &threads(2), &["127.0.0.1:0"], |server| {
            std::thread::scope(|scope| {
                for _ in 0..16 {
                    let mut stream = server.connect();
                    let asked = &asked;
                    scope.spawn(move || {
                        // Several at a time, so that the shutdown comes between the first and the last.
                        let requests = ASK.repeat(7);
                        let mut room = [0; 4096];
                        loop {
                            // What is sent behind the end of the answers is thrown away and not refused.
                            if stream.write_all(&requests).is_err() {
                                break;
                            }
                            match stream.read(&mut room) {
                                Ok(0) => break,
                                Ok(_) => asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                                Err(error) => panic!("{error}"),
                            };
                        }
                    });
                }
                let before = asked.load(std::sync::atomic::Ordering::Relaxed);
                while asked.load(std::sync::atomic::Ordering::Relaxed) < before + 500 {
                    std::thread::yield_now();
                }
                server.shutdown.trigger();
            });
        });
    }
}

#[test]
fn a_shutdown_waits_no_longer_than_its_bound() {
    let mut options = threads(2);
    options.timeouts.drain = Duration::from_millis(100);
    let start = Instant::now();
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let mut half = server.connect();
        half.send(ASK);
        answer(&mut half);
        half.send(b"GET /");
        server.shutdown.trigger();
        assert_eq!(half.rest(), b"");
    });
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_shutdown_does_not_wait_for_clients_that_say_nothing_and_stay() {
    let mut options = threads(2);
    options.timeouts.drain = Duration::from_secs(60);
    let (mut idle, began) = (Vec::new(), Instant::now());
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        for _ in 0..10 {
            let mut stream = server.connect();
            stream.send(b"PING\r\n");
            assert_eq!(stream.until(b"\r\n"), b"+PONG\r\n");
            idle.push(stream);
        }
        server.shutdown.trigger();
    });
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn nobody_is_accepted_while_a_shutdown_waits_for_others() {
    let mut options = threads(1);
    options.timeouts.drain = Duration::from_secs(60);
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let Location::Tcp { host, port } = server.endpoints[0].location.clone() else { panic!("a port") };
        let mut half = server.connect();
        half.send(ASK);
        answer(&mut half);
        half.send(b"GET /");
        server.shutdown.trigger();
        let began = Instant::now();
        while TcpStream::connect((host.as_str(), port)).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30), "it still listens");
        }
        // Who was there first is still answered.
        half.send(&ASK[5..]);
        assert!(String::from_utf8_lossy(&half.rest()).starts_with("HTTP/1.1 200 OK\r\n"));
    });
}

#[test]
fn nothing_is_accepted_after_a_shutdown() {
    let address =
        serve(&one_pair(), &threads(1), &["127.0.0.1:0"], |server| server.endpoints[0].location.clone());
    let Location::Tcp { host, port } = address else { panic!("a TCP address") };
    assert_eq!(TcpStream::connect((host, port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_pipeline_of_a_million_commands_is_answered_to_the_last() {
    const DEEP: usize = 1_000_000;
    serve(&one_pair(), &threads(1), &["127.0.0.1:0"], |server| {
        let Stream::Tcp(mut tcp) = server.connect() else { panic!("a TCP stream") };
        let mut writer = tcp.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                writer.write_all(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(DEEP)).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let (mut room, mut at) = (vec![0; 1 << 16], 0);
            let answer = b"$5\r\nvalue\r\n";
            loop {
                let bytes = tcp.read(&mut room).unwrap();
                if bytes == 0 {
                    break;
                }
                for byte in &room[..bytes] {
                    assert_eq!(*byte, answer[at % answer.len()]);
                    at += 1;
                }
            }
            assert_eq!(at, DEEP * answer.len());
        });
    });
}

/// Set in the process that has few descriptors.
const FEW_DESCRIPTORS: &str = "GRAVEN_TEST_FEW_DESCRIPTORS";

#[test]
fn when_descriptors_run_out_accepting_waits_without_spinning_and_goes_on_later() {
    if std::env::var_os(FEW_DESCRIPTORS).is_none() {
        let name = "connections::when_descriptors_run_out_accepting_waits_without_spinning_and_goes_on_later";
        let status = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(FEW_DESCRIPTORS, "1")
            .status()
            .unwrap();
        return assert!(status.success());
    }
    serve(&one_pair(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut early = server.connect();
        early.send(ASK);
        answer(&mut early);
        let status = std::fs::File::open("/proc/self/stat").unwrap();
        let mut fillers: Vec<std::fs::File> =
            std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        // One descriptor is left for the client's end of a connection, none for the server's.
        fillers.pop();
        let mut late = server.connect();
        late.send(ASK);
        let Stream::Tcp(tcp) = &late else { panic!("a TCP stream") };
        tcp.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let busy_before = busy_ticks(&status);
        assert!(matches!(
            late.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut
        ));
        let busy = busy_ticks(&status) - busy_before;
        assert!(busy < 20, "{busy} hundredths of a second of work in half a second of waiting");
        early.send(ASK);
        answer(&mut early);
        drop(fillers);
        assert!(answer(&mut late).starts_with("HTTP/1.1 200 OK\r\n"));
    });
}

/// The processor time that this process has used, in hundredths of a second.
fn busy_ticks(mut status: &std::fs::File) -> u64 {
    use std::io::{Seek, SeekFrom};
    let mut text = String::new();
    status.seek(SeekFrom::Start(0)).unwrap();
    status.read_to_string(&mut text).unwrap();
    // After the name in parentheses, user and system time are the 12th and 13th fields.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_taken_port_is_said_to_be_taken() {
    let options = ServerOptions::default();
    let first = Listener::bind(&"127.0.0.1:0".parse().unwrap(), &options).unwrap();
    let Err(error) = Listener::bind(first.endpoint(), &options) else { panic!("bound twice") };
    assert!(matches!(error, Error::AddressInUse { .. }));
    assert_eq!(error.to_string(), format!("{} is in use by another process", first.endpoint()));
}

#[test]
fn an_address_of_another_machine_is_said_to_be_foreign() {
    let error = Listener::bind(&"192.0.2.1:0".parse().unwrap(), &ServerOptions::default()).unwrap_err();
    assert!(matches!(error, Error::AddressNotAvailable { .. }), "{error}");
}

#[test]
fn a_socket_file_is_taken_while_served_replaced_when_abandoned_and_removed_in_the_end() {
    let path = socket_path();
    let endpoint = format!("unix:{}", path.display()).parse().unwrap();
    let options = ServerOptions::default();
    let first = Listener::bind(&endpoint, &options).unwrap();
    assert!(matches!(Listener::bind(&endpoint, &options), Err(Error::AddressInUse { .. })));
    drop(first);
    assert!(!path.exists());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::bind(&endpoint, &options).unwrap());
    assert!(!path.exists());
    std::fs::write(&path, "not a socket").unwrap();
    assert!(matches!(Listener::bind(&endpoint, &options), Err(Error::AddressInUse { .. })));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_shutdown_ends_those_who_never_stop_sending_behind_an_answer() {
    let mut options = threads(1);
    options.timeouts.drain = Duration::from_secs(60);
    let began = Instant::now();
    serve(&one_pair(), &options, &["127.0.0.1:0"], |server| {
        let Stream::Tcp(tcp) = server.connect() else { panic!("a TCP stream") };
        let mut writer = tcp.try_clone().unwrap();
        std::thread::scope(|scope| {
            // Until the server has closed: it reads and throws away what comes behind its last answer.
            scope.spawn(move || while writer.write_all(&b"GET k\r\n".repeat(1_000)).is_ok() {});
            let mut reader = tcp;
            let mut answers = vec![0; 1_100];
            reader.read_exact(&mut answers).unwrap();
            server.shutdown.trigger();
            let mut room = vec![0; 1 << 16];
            while let Ok(bytes @ 1..) = reader.read(&mut room) {
                answers.extend_from_slice(&room[..bytes]);
            }
            assert!(answers.chunks(11).all(|answer| answer == b"$5\r\nvalue\r\n"));
            drop(reader);
        });
    });
    assert!(began.elapsed() < Duration::from_secs(30), "the drain has waited for its bound");
}
