//! New connections a second: each a whole TLS handshake, one request and its answer.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::answer::Verdict;
use crate::certificate::Certificate;
use crate::load::Answers;
use crate::pairs::Pairs;
use crate::pool::Pool;
use crate::servers::{Server, System};
use crate::stop::Stop;
use crate::table::Table;
use crate::transport::{Endpoint, Transport};

/// Connections that are made at once.
const CONNECTIONS: usize = 50;
/// How often a wait is broken off to look at the clock and for a signal.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 1 << 16;

/// What a server has done in a round.
struct Round {
    rate: f64,
    /// Its processor time in that, as a part of one core's.
    busy: f64,
}

/// A connection, the request of the pool that it asks, and what has come of the answer.
struct Attempt {
    transport: Transport,
    number: usize,
    begun: Vec<u8>,
    waits_for_room: bool,
}

/// Measures each server but the bare loop, which speaks no TLS, and returns a table.
pub(crate) fn measure(
    certificate: &Certificate,
    (rounds, length): (usize, Duration),
    servers: &[Server],
    pairs: &Pairs,
    stop: &Stop,
) -> Result<String> {
    let with_tls = servers.iter().filter(|server| server.system != System::Bare);
    let mut entrants: Vec<(&Server, Pool, Vec<Round>)> = with_tls
        .map(|server| {
            let pool = Pool::draw(server.protocols[0], pairs, 0.0, &mut Rng::with_seed(0));
            (server, pool, Vec::new())
        })
        .collect();
    for round in 1..=rounds {
        eprintln!("new connections, round {round} of {rounds}");
        for (server, pool, done) in &mut entrants {
            let fixed = pool.protocol().fixed_expected();
            let (endpoint, answers) = (server.endpoint(), server.answers(&fixed));
            let (before, began) = (server.processor_time()?, Instant::now());
            let rate = server.awake(|| run(&endpoint, length, pool, answers, stop))?;
            let busy = (server.processor_time()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
            eprintln!("{}: {rate:.0}/s", server.system.name());
            done.push(Round { rate, busy });
        }
    }
    let mut table = Table::new(2, &["protocol", "server", "new connections/s", "of its core in use, %"]);
    for (server, pool, done) in entrants {
        let best = done.into_iter().max_by(|one, other| one.rate.total_cmp(&other.rate));
        let best = best.context("there is a round at least")?;
        table.push(vec![
            pool.protocol().name().to_owned(),
            server.system.name().to_owned(),
            format!("{:.0}", best.rate),
            format!("{:.0}", best.busy * 100.0),
        ]);
    }
    Ok(format!(
        "### New connections, {CONNECTIONS} at once, each a whole handshake ({}) and one request\n\n{}\n",
        certificate.kind.name(),
        table.markdown()
    ))
}

/// Connects and asks for so long. Returns how many answers came a second.
fn run(
    endpoint: &Endpoint,
    length: Duration,
    pool: &mut Pool,
    answers: Answers<'_>,
    stop: &Stop,
) -> Result<f64> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?;
    let start = Instant::now();
    let mut attempts = Vec::with_capacity(CONNECTIONS);
    for i in 0..CONNECTIONS {
        attempts.push(Attempt::begin(endpoint, pool, &epoll, i)?);
    }
    let mut answered = 0u64;
    let mut events: Vec<epoll::Event> = Vec::with_capacity(CONNECTIONS);
    while start.elapsed() < length {
        stop.check()?;
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&LOOK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for answers"),
        }
        for event in &events {
            let i = event.data.u64() as usize;
            if attempts[i].go_on(pool, answers)? {
                answered += 1;
                // The former leaves the epoll as it is closed.
                attempts[i] = Attempt::begin(endpoint, pool, &epoll, i)?;
            } else {
                attempts[i].wait(&epoll, i)?;
            }
        }
    }
    ensure!(answered > 0, "no answer came in {} s", length.as_secs_f64());
    Ok(answered as f64 / start.elapsed().as_secs_f64())
}

impl Attempt {
    /// Connects, and writes a request, which is sent as soon as the handshake allows it.
    fn begin(endpoint: &Endpoint, pool: &mut Pool, epoll: &OwnedFd, i: usize) -> Result<Self> {
        let mut transport = endpoint.connect().context("cannot connect")?;
        transport.socket().set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(i as u64);
        epoll::add(epoll, transport.socket(), data, epoll::EventFlags::IN)?;
        let numbers = pool.next(1);
        transport.write_ahead(pool.bytes(pool.place(&numbers))).context("cannot write a request")?;
        let mut attempt = Self { transport, number: numbers.start, begun: Vec::new(), waits_for_room: false };
        attempt.flush()?;
        Ok(attempt)
    }

    fn flush(&mut self) -> Result<()> {
        match self.transport.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                Err(error).context("a connection was lost")
            }
            _ => Ok(()),
        }
    }

    /// Whether its answer has come.
    fn go_on(&mut self, pool: &Pool, answers: Answers<'_>) -> Result<bool> {
        let mut room = [0; 4096];
        loop {
            self.flush()?;
            match self.transport.read(&mut room) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(bytes) => self.begun.extend_from_slice(&room[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("a connection was lost"),
            }
            let (expected, found) = match answers {
                Answers::OfTheTable => pool.expected(self.number),
                Answers::Fixed(expected) => (expected, true),
            };
            match pool.protocol().judge(&self.begun, expected, found) {
                Verdict::Right(bytes) if bytes == self.begun.len() => return Ok(true),
                Verdict::Incomplete if self.begun.len() < ANSWER_BYTES_MAX => {}
                _ => bail!("a wrong answer: {}", self.begun.escape_ascii()),
            }
        }
    }

    /// Has the epoll say when it can go on.
    fn wait(&mut self, epoll: &OwnedFd, i: usize) -> Result<()> {
        let waits_for_room = self.transport.has_unsent();
        if waits_for_room != self.waits_for_room {
            self.waits_for_room = waits_for_room;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, waits_for_room);
            epoll::modify(epoll, self.transport.socket(), epoll::EventData::new_u64(i as u64), flags)?;
        }
        Ok(())
    }
}
