//! What connections cost that have asked once and then say nothing: memory, and the waits of those beside them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use rustix::net::sockopt::set_socket_linger;

use crate::answer::Verdict;
use crate::load::{self, Answers, Plan};
use crate::pairs::Pairs;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::rates::{median, microseconds};
use crate::servers::{Server, System};
use crate::stop::Stop;
use crate::table::Table;

/// How the servers are asked.
pub(crate) struct Course {
    /// Connections that say nothing.
    pub(crate) idle: usize,
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
}

/// Connections of the load beside the idle ones, and what each has in flight.
const BESIDE: usize = 50;
const DEPTH: usize = 1;
/// No answer to a single request takes as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server, how it is asked, and what was measured of it.
struct Entrant<'a> {
    server: &'a Server,
    pool: Pool,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    /// Resident bytes in the first round: after the load without idle connections, and after the load beside them.
    resident: Option<(u64, u64)>,
    /// 99th percentiles, one a round.
    without: Vec<Duration>,
    beside: Vec<Duration>,
}

/// Measures one server of each system and returns a table.
pub(crate) fn measure(course: &Course, servers: &[Server], pairs: &Pairs, stop: &Stop) -> Result<String> {
    let mut entrants = Vec::new();
    for (server, protocol) in System::ALL.into_iter().filter_map(|system| one_of(system, servers)) {
        let pool = Pool::draw(protocol, pairs, 0.0, &mut Rng::with_seed(0));
        entrants.push(Entrant { server, pool, figures: Figures::default() });
    }
    for round in 1..=course.rounds {
        eprintln!("{} idle connections, round {round} of {}", course.idle, course.rounds);
        for Entrant { server, pool, figures } in &mut entrants {
            server.awake(|| measure_round(course, server, pool, figures, stop))?;
        }
    }
    let mut table = Table::new(
        2,
        &[
            "server",
            "protocol",
            "resident MB",
            "growth MB",
            "p99 µs without",
            "p99 µs beside them",
            "beside to without",
        ],
    );
    for Entrant { server, pool, figures } in entrants {
        table.push(row(server.system, pool.protocol(), figures));
    }
    Ok(format!(
        "### Beside {} idle connections, {} rounds\n\n{}",
        course.idle,
        course.rounds,
        table.markdown()
    ))
}

/// The server of a system that speaks RESP, or else its first.
fn one_of(system: System, servers: &[Server]) -> Option<(&Server, Protocol)> {
    let of_system = || servers.iter().filter(|server| server.system == system);
    let with_resp = of_system().find(|server| server.protocols.contains(&Protocol::Resp));
    match with_resp {
        Some(server) => Some((server, Protocol::Resp)),
        None => of_system().next().map(|server| (server, server.protocols[0])),
    }
}

fn measure_round(
    course: &Course,
    server: &Server,
    pool: &mut Pool,
    figures: &mut Figures,
    stop: &Stop,
) -> Result<()> {
    let address = server.address();
    let fixed = pool.protocol().fixed_expected();
    let answers = server.answers(&fixed);
    let plan = Plan { connections: BESIDE, depth: DEPTH, length: course.length };
    figures.without.push(load::run(&server.endpoint(), &plan, pool, answers, stop)?.waits.percentile(0.99));
    let before = server.resident_bytes()?;
    let mut idle = Vec::with_capacity(course.idle);
    for _ in 0..course.idle {
        stop.check()?;
        idle.push(asked_once(address, pool, answers)?);
    }
    figures.beside.push(load::run(&server.endpoint(), &plan, pool, answers, stop)?.waits.percentile(0.99));
    let after = server.resident_bytes()?;
    figures.resident.get_or_insert((before, after));
    drop(idle);
    // Its answer comes behind the ends of the idle connections, which the next load is not to wait for.
    asked_once(address, pool, answers)?;
    Ok(())
}

/// A connection that has asked once and got the right answer. Its end leaves no port occupied.
pub(crate) fn asked_once(address: SocketAddr, pool: &mut Pool, answers: Answers<'_>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let number = pool.next(1);
    stream.write_all(pool.bytes(pool.place(&number)))?;
    let (expected, found) = match answers {
        Answers::OfTheTable => pool.expected(number.start),
        Answers::Fixed(expected) => (expected, true),
    };
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let bytes = stream.read(&mut buffer).context("an idle connection was not answered")?;
        ensure!(bytes > 0, "the server closed an idle connection");
        received.extend_from_slice(&buffer[..bytes]);
        match pool.protocol().judge(&received, expected, found) {
            Verdict::Right(_) => return Ok(stream),
            Verdict::Incomplete => {}
            Verdict::Wrong => bail!("a wrong answer: {}", received.escape_ascii()),
        }
    }
}

fn row(system: System, protocol: Protocol, figures: Figures) -> Vec<String> {
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let (before, after) = figures.resident.expect("there is at least one round");
    let (without, beside) = (median(figures.without), median(figures.beside));
    vec![
        system.name().to_owned(),
        protocol.name().to_owned(),
        megabytes(before as f64),
        megabytes(after as f64 - before as f64),
        microseconds(without),
        microseconds(beside),
        format!("{:.2}", beside.as_secs_f64() / without.as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, row};
    use crate::protocol::Protocol;
    use crate::servers::System;

    #[test]
    fn memory_may_grow_and_shrink_and_waits_are_medians() {
        let micros = |all: [u64; 3]| all.map(Duration::from_micros).to_vec();
        let figures = |before, after| Figures {
            resident: Some((before, after)),
            without: micros([100, 90, 500]),
            beside: micros([120, 700, 110]),
        };
        assert_eq!(
            row(System::Graven, Protocol::Resp, figures(40_000_000, 48_250_000)),
            ["graven", "resp", "40.0", "8.2", "100", "120", "1.20"]
        );
        assert_eq!(row(System::Redis, Protocol::Resp, figures(2_000_000, 1_000_000))[3], "-1.0");
    }
}
