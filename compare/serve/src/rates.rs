//! Requests a second: every server that speaks a protocol in turn, round after round, the bare loop in each round.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;

use crate::load::{self, Plan};
use crate::pairs::Pairs;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::servers::{Server, System};
use crate::stop::Stop;
use crate::table::Table;

/// How the servers are asked.
pub(crate) struct Course<'a> {
    pub(crate) protocols: &'a [Protocol],
    pub(crate) depths: &'a [usize],
    pub(crate) connections: Option<usize>,
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
    pub(crate) misses_percent: f64,
}

impl Course<'_> {
    /// Fewer connections where each asks much at once, so that what is in flight stays of one size.
    fn connections(&self, depth: usize) -> usize {
        self.connections.unwrap_or(if depth < 64 { 50 } else { 20 })
    }
}

/// What was measured of one server in one protocol at one depth.
struct Figures {
    protocol: Protocol,
    system: System,
    /// The best round's.
    rate: f64,
    /// Medians of the rounds.
    waits: [Duration; PERCENTILES.len()],
}

const PERCENTILES: [f64; 3] = [0.5, 0.99, 0.999];

/// Measures, and returns a table for each depth.
pub(crate) fn measure(course: &Course<'_>, servers: &[Server], pairs: &Pairs, stop: &Stop) -> Result<String> {
    let mut tables: BTreeMap<usize, Vec<Figures>> = BTreeMap::new();
    for &protocol in course.protocols {
        let mut pool = Pool::draw(protocol, pairs, course.misses_percent, &mut Rng::with_seed(0));
        for &depth in course.depths {
            let connections = course.connections(depth);
            let plan = Plan { connections, depth, length: course.length };
            tables.entry(depth).or_default().extend(side_by_side(course, &plan, servers, &mut pool, stop)?);
        }
    }
    let mut text = String::new();
    for (&depth, figures) in &tables {
        text += &format!("### Depth {depth}, {} connections\n\n", course.connections(depth));
        text += &table(figures).markdown();
        text += "\n";
    }
    Ok(text)
}

/// Measures all servers that speak the protocol of the pool, each once a round.
fn side_by_side(
    course: &Course<'_>,
    plan: &Plan,
    servers: &[Server],
    pool: &mut Pool,
    stop: &Stop,
) -> Result<Vec<Figures>> {
    let protocol = pool.protocol();
    let fixed = protocol.fixed_expected();
    let speaking: Vec<&Server> =
        servers.iter().filter(|server| server.protocols.contains(&protocol)).collect();
    let mut rounds: Vec<Vec<(f64, [Duration; PERCENTILES.len()])>> = vec![vec![]; speaking.len()];
    for round in 1..=course.rounds {
        for (server, measured) in speaking.iter().zip(&mut rounds) {
            let answers = server.answers(&fixed);
            let done = server.awake(|| load::run(server.address(), plan, pool, answers, stop))?;
            eprintln!(
                "{}, depth {}, round {round} of {}: {} {:.0}/s, p99.9 {} µs",
                protocol.name(),
                plan.depth,
                course.rounds,
                server.system.name(),
                done.rate,
                microseconds(done.waits.percentile(0.999)),
            );
            measured.push((done.rate, PERCENTILES.map(|part| done.waits.percentile(part))));
        }
    }
    let figures = speaking.iter().zip(rounds).map(|(server, rounds)| Figures {
        protocol,
        system: server.system,
        rate: rounds.iter().map(|(rate, _)| *rate).fold(0.0, f64::max),
        waits: std::array::from_fn(|i| median(rounds.iter().map(|(_, waits)| waits[i]).collect())),
    });
    Ok(figures.collect())
}

/// The one in the middle, or the lower of two.
pub(crate) fn median(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    waits[(waits.len() - 1) / 2]
}

pub(crate) fn microseconds(wait: Duration) -> String {
    format!("{:.0}", wait.as_secs_f64() * 1e6)
}

fn table(figures: &[Figures]) -> Table {
    let mut table = Table::new(
        2,
        &[
            "protocol",
            "server",
            "requests/s",
            "to the bare loop",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "p99.9 to the bare loop",
        ],
    );
    for row in figures {
        let bare = figures
            .iter()
            .find(|bare| bare.system == System::Bare && bare.protocol == row.protocol)
            .expect("the bare loop speaks every protocol and is always measured");
        let [p50, p99, p999] = row.waits;
        table.push(vec![
            row.protocol.name().to_owned(),
            row.system.name().to_owned(),
            format!("{:.0}", row.rate),
            format!("{:.3}", row.rate / bare.rate),
            microseconds(p50),
            microseconds(p99),
            microseconds(p999),
            format!("{:.2}", p999.as_secs_f64() / bare.waits[2].as_secs_f64()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, median, table};
    use crate::protocol::Protocol;
    use crate::servers::System;

    fn figures(protocol: Protocol, system: System, rate: f64, micros: u64) -> Figures {
        let waits = [1, 2, 3].map(|part| Duration::from_micros(part * micros));
        Figures { protocol, system, rate, waits }
    }

    #[test]
    fn ratios_are_to_the_bare_loop_in_the_same_protocol() {
        let table = table(&[
            figures(Protocol::Http, System::Bare, 1000.0, 10),
            figures(Protocol::Http, System::Graven, 930.0, 11),
            figures(Protocol::Resp, System::Bare, 2000.0, 20),
            figures(Protocol::Resp, System::Redis, 1440.0, 30),
        ]);
        let rows = table.markdown();
        let rows: Vec<&str> = rows.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| http | bare loop | 1000 | 1.000 | 10 | 20 | 30 | 1.00 |",
                "| http | graven | 930 | 0.930 | 11 | 22 | 33 | 1.10 |",
                "| resp | bare loop | 2000 | 1.000 | 20 | 40 | 60 | 1.00 |",
                "| resp | redis-server | 1440 | 0.720 | 30 | 60 | 90 | 1.50 |",
            ]
        );
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        let micros = |all: &[u64]| median(all.iter().copied().map(Duration::from_micros).collect());
        assert_eq!(micros(&[3, 1, 2]), Duration::from_micros(2));
        assert_eq!(micros(&[4, 1, 2, 3]), Duration::from_micros(2));
    }
}
