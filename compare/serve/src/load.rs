//! The load: connections that each keep a number of requests in flight, from one thread, every answer held against what is
//! expected. A connection asks again once half of its answers have come, all that it asks in one write.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::answer::Verdict;
use crate::histogram::Histogram;
use crate::pool::Pool;
use crate::stop::Stop;
use crate::transport::{Endpoint, Transport};

/// How much is asked, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Requests of each connection that wait for their answers at once.
    pub(crate) depth: usize,
    pub(crate) length: Duration,
}

/// What is expected of the answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers<'a> {
    /// What the table has.
    OfTheTable,
    /// Always this, as [`crate::protocol::Protocol::fixed_expected`] has it.
    Fixed(&'a [u8]),
}

/// What came of it.
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) rate: f64,
    /// From the write of a request to the read of its answer.
    pub(crate) waits: Histogram,
}

/// How long the last answers may take when nothing more is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a wait is broken off to look at the clock and for a signal.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Events of one wake-up.
const EVENTS: usize = 256;
/// Bytes of one read.
const READ_BYTES: usize = 1 << 18;

/// Requests that were asked together and wait for their answers.
struct Asked {
    numbers: Range<usize>,
    at: Instant,
}

struct Connection {
    stream: Transport,
    asked: VecDeque<Asked>,
    in_flight: usize,
    /// What came of an answer that is not whole yet.
    begun: Vec<u8>,
    /// Where in the pool the bytes lie that the kernel did not take yet.
    unsent: Range<usize>,
    /// Whether an event is wanted once the kernel takes more.
    waits_for_room: bool,
}

struct Load<'a> {
    epoll: OwnedFd,
    pool: &'a mut Pool,
    answers: Answers<'a>,
    depth: usize,
    /// Whether connections ask again.
    asking: bool,
    buffer: Vec<u8>,
    answered: u64,
    waits: Histogram,
}

/// Asks the server at `endpoint` for so long, and then waits for the last answers.
pub(crate) fn run(
    endpoint: &Endpoint,
    plan: &Plan,
    pool: &mut Pool,
    answers: Answers<'_>,
    stop: &Stop,
) -> Result<Measured> {
    let mut load = Load {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?,
        pool,
        answers,
        depth: plan.depth,
        asking: true,
        buffer: vec![0; READ_BYTES],
        answered: 0,
        waits: Histogram::new(),
    };
    let mut connections = Vec::with_capacity(plan.connections);
    for i in 0..plan.connections {
        let connection = load.connect(endpoint, i);
        connections.push(connection.with_context(|| format!("cannot connect to {}", endpoint.address))?);
    }
    let start = Instant::now();
    for connection in &mut connections {
        load.ask(connection, start);
        load.send(connection, 0)?;
    }
    let end = start + plan.length;
    load.answer_until(&mut connections, |_| Instant::now() >= end, stop)?;
    let rate = load.answered as f64 / start.elapsed().as_secs_f64();
    load.asking = false;
    let patience = Instant::now() + PATIENCE;
    let done = |connections: &[Connection]| {
        connections.iter().all(|connection| connection.in_flight == 0) || Instant::now() > patience
    };
    load.answer_until(&mut connections, done, stop)?;
    let unanswered: usize = connections.iter().map(|connection| connection.in_flight).sum();
    ensure!(unanswered == 0, "{unanswered} requests were not answered in {} s", PATIENCE.as_secs());
    Ok(Measured { rate, waits: load.waits })
}

impl Load<'_> {
    fn connect(&self, endpoint: &Endpoint, number: usize) -> Result<Connection> {
        let mut stream = endpoint.connect()?;
        stream.shake_hands()?;
        stream.socket().set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, stream.socket(), data, epoll::EventFlags::IN)?;
        Ok(Connection {
            stream,
            asked: VecDeque::new(),
            in_flight: 0,
            begun: Vec::new(),
            unsent: 0..0,
            waits_for_room: false,
        })
    }

    /// Takes answers until `done`, which is asked after every wake-up.
    fn answer_until(
        &mut self,
        connections: &mut [Connection],
        done: impl Fn(&[Connection]) -> bool,
        stop: &Stop,
    ) -> Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        while !done(connections) {
            stop.check()?;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&LOOK)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for answers"),
            }
            for event in &events {
                let (number, flags) = (event.data.u64() as usize, event.flags);
                let connection = &mut connections[number];
                if flags != epoll::EventFlags::OUT {
                    self.receive(connection)?;
                }
                self.send(connection, number)?;
            }
        }
        Ok(())
    }

    /// Reads once, checks the answers that are whole, and asks again when enough of them came.
    fn receive(&mut self, connection: &mut Connection) -> Result<()> {
        let begun = connection.begun.len();
        if begun == self.buffer.len() {
            self.buffer.resize(2 * begun, 0);
        }
        self.buffer[..begun].copy_from_slice(&connection.begun);
        let end = match connection.stream.read(&mut self.buffer[begun..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(bytes) => begun + bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error).context("a connection was lost"),
        };
        let now = Instant::now();
        let mut start = 0;
        while let Some(asked) = connection.asked.front_mut() {
            let number = asked.numbers.start;
            let (expected, found) = match self.answers {
                Answers::OfTheTable => self.pool.expected(number),
                Answers::Fixed(expected) => (expected, true),
            };
            let received = &self.buffer[start..end];
            match self.pool.protocol().judge(received, expected, found) {
                Verdict::Right(bytes) => start += bytes,
                Verdict::Incomplete => break,
                Verdict::Wrong => return Err(self.wrong(number, expected, received)),
            }
            self.waits.record(now - asked.at);
            self.answered += 1;
            connection.in_flight -= 1;
            asked.numbers.start += 1;
            if asked.numbers.is_empty() {
                connection.asked.pop_front();
            }
        }
        ensure!(start == end || connection.in_flight > 0, "an answer came that nothing had asked for");
        connection.begun.clear();
        connection.begun.extend_from_slice(&self.buffer[start..end]);
        if self.asking && connection.in_flight <= self.depth / 2 && connection.unsent.is_empty() {
            self.ask(connection, now);
        }
        Ok(())
    }

    /// Has the connection ask as much as is missing to its depth.
    fn ask(&mut self, connection: &mut Connection, now: Instant) {
        let numbers = self.pool.next(self.depth - connection.in_flight);
        connection.unsent = self.pool.place(&numbers);
        connection.in_flight = self.depth;
        connection.asked.push_back(Asked { numbers, at: now });
    }

    /// Writes what is unsent, or as much of it as the kernel takes.
    fn send(&mut self, connection: &mut Connection, number: usize) -> Result<()> {
        while !connection.unsent.is_empty() {
            match connection.stream.write(self.pool.bytes(connection.unsent.clone())) {
                Ok(bytes) => connection.unsent.start += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a connection was lost"),
            }
        }
        if connection.stream.has_unsent() {
            match connection.stream.flush() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(error).context("a connection was lost");
                }
                _ => {}
            }
        }
        let waits_for_room = !connection.unsent.is_empty() || connection.stream.has_unsent();
        if waits_for_room != connection.waits_for_room {
            connection.waits_for_room = waits_for_room;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, waits_for_room);
            let data = epoll::EventData::new_u64(number as u64);
            epoll::modify(&self.epoll, connection.stream.socket(), data, flags)?;
        }
        Ok(())
    }

    fn wrong(&self, number: usize, expected: &[u8], received: &[u8]) -> anyhow::Error {
        const SHOWN: usize = 300;
        let request = self.pool.bytes(self.pool.place(&(number..number + 1)));
        let show = |bytes: &[u8]| bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
        anyhow::anyhow!(
            "a wrong answer to {}: expected {}, received {}",
            show(request),
            show(expected),
            show(received)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread;
    use std::time::Duration;

    use fastrand::Rng;

    use super::{Answers, Measured, Plan, run};
    use crate::ceiling;
    use crate::pairs::Pairs;
    use crate::pool::Pool;
    use crate::protocol::{FIXED_VALUE, Protocol};
    use crate::stop::Stop;
    use crate::transport::Endpoint;

    /// A bare loop that runs as long as the tests do.
    fn bare(protocol: Protocol) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || ceiling::serve(listener, protocol));
        address
    }

    fn load(protocol: Protocol, depth: usize, text: &str, answers: Answers<'_>) -> anyhow::Result<Measured> {
        let address = bare(protocol);
        let measure = |length| {
            let mut pool = Pool::draw(protocol, &Pairs::of(text), 0.0, &mut Rng::with_seed(1));
            run(
                &Endpoint::plain(address),
                &Plan { connections: 5, depth, length },
                &mut pool,
                answers,
                &Stop::default(),
            )
        };
        // A machine that does much else may not come to an answer in so short a time.
        match measure(Duration::from_millis(50)) {
            Ok(measured) if measured.rate == 0.0 => measure(Duration::from_secs(5)),
            measured => measured,
        }
    }

    #[test]
    fn the_bare_loop_answers_each_request_once_in_every_protocol_and_depth() {
        for protocol in Protocol::ALL {
            for depth in [1, 16, 1000] {
                let expected = protocol.fixed_expected();
                let measured = load(protocol, depth, "some-key v\n", Answers::Fixed(&expected)).unwrap();
                assert!(measured.rate > 0.0, "{protocol:?}: {} a second", measured.rate);
                let (half, most) = (measured.waits.percentile(0.5), measured.waits.percentile(1.0));
                assert!(Duration::ZERO < half && half <= most, "{protocol:?}: {half:?}, {most:?}");
            }
        }
    }

    #[test]
    fn the_first_wrong_answer_ends_the_load_and_is_shown() {
        let Err(error) = load(Protocol::Mg, 4, "some-key v\n", Answers::OfTheTable) else {
            panic!("a wrong answer was taken for the right one")
        };
        let error = error.to_string();
        assert!(error.contains("mg some-key v") && error.contains("VA 1"), "{error}");
        assert!(error.contains(FIXED_VALUE), "{error}");
    }

    #[test]
    fn an_answer_of_the_table_is_right_when_it_is_its_own() {
        let text = format!("some-key {FIXED_VALUE}\n");
        assert!(load(Protocol::Resp, 4, &text, Answers::OfTheTable).is_ok());
    }

    /// What the load says to whoever listens at the address.
    fn error_at(address: SocketAddr, length: Duration, stop: &Stop) -> String {
        let mut pool = Pool::draw(Protocol::Mg, &Pairs::of("k v\n"), 0.0, &mut Rng::with_seed(1));
        let plan = Plan { connections: 2, depth: 1, length };
        let Err(error) = run(&Endpoint::plain(address), &plan, &mut pool, Answers::OfTheTable, stop) else {
            panic!("nobody answered, and there is a figure")
        };
        error.to_string()
    }

    #[test]
    fn a_signal_ends_the_load() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let error = error_at(address, Duration::from_secs(1000), &Stop::stopped());
        assert_eq!(error, "stopped by a signal");
    }

    #[test]
    fn a_server_that_does_not_answer_or_closes_or_is_not_there_gives_no_figure() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let length = Duration::from_millis(10);
        let error = error_at(address, length, &Stop::default());
        assert!(error.contains("2 requests were not answered"), "{error}");
        let closing = thread::spawn(move || {
            // What the load before has left waiting is accepted first.
            for _ in 0..4 {
                drop(silent.accept());
            }
        });
        let error = error_at(address, length, &Stop::default());
        assert!(error.contains("closed a connection") || error.contains("was lost"), "{error}");
        closing.join().unwrap();
        let error = error_at(address, length, &Stop::default());
        assert!(error.contains("cannot connect"), "{error}");
    }
}
