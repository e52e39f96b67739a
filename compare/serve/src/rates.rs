//! Requests a second: in each round every server in every protocol that it speaks and at every depth, beside the bare loop.
//! What disturbs a machine for a while then falls on one round of all, and not on all rounds of one.

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

/// A server in one protocol at one depth, and its rounds.
struct Entrant<'a> {
    server: &'a Server,
    pool: usize,
    plan: Plan,
    rounds: Vec<(f64, [Duration; PERCENTILES.len()])>,
}

/// The tables, and how far they can be trusted.
pub(crate) struct Tables {
    pub(crate) text: String,
    /// The median round of the bare loop, in percent of its best, where it is least: far below a hundred on a machine that
    /// others disturbed.
    pub(crate) steadiness_percent: f64,
}

/// Measures, and returns a table for each depth.
pub(crate) fn measure(course: &Course<'_>, servers: &[Server], pairs: &Pairs, stop: &Stop) -> Result<Tables> {
    let draw = |&protocol| Pool::draw(protocol, pairs, course.misses_percent, &mut Rng::with_seed(0));
    let mut pools: Vec<Pool> = course.protocols.iter().map(draw).collect();
    let mut entrants = entrants(course, servers);
    for round in 1..=course.rounds {
        eprintln!("round {round} of {}", course.rounds);
        for entrant in &mut entrants {
            entrant.take_part(&mut pools[entrant.pool], stop)?;
        }
    }
    let bare = entrants.iter().filter(|entrant| entrant.server.system == System::Bare);
    let steadiness_percent = bare.map(|bare| steadiness_percent(bare.rates())).fold(100.0, f64::min);
    let mut tables: BTreeMap<usize, Vec<Figures>> = BTreeMap::new();
    for entrant in entrants {
        tables.entry(entrant.plan.depth).or_default().push(entrant.figures(course.protocols));
    }
    let mut text = String::new();
    for (&depth, figures) in &tables {
        text += &format!("### Depth {depth}, {} connections\n\n", course.connections(depth));
        text += &table(figures).markdown();
        text += "\n";
    }
    Ok(Tables { text, steadiness_percent })
}

/// In the order in which they take part: those that are compared follow each other.
fn entrants<'a>(course: &Course<'_>, servers: &'a [Server]) -> Vec<Entrant<'a>> {
    let mut entrants = Vec::new();
    for (pool, protocol) in course.protocols.iter().enumerate() {
        for &depth in course.depths {
            let plan = Plan { connections: course.connections(depth), depth, length: course.length };
            let speaking = servers.iter().filter(|server| server.protocols.contains(protocol));
            entrants.extend(speaking.map(|server| Entrant { server, pool, plan, rounds: Vec::new() }));
        }
    }
    entrants
}

impl Entrant<'_> {
    fn take_part(&mut self, pool: &mut Pool, stop: &Stop) -> Result<()> {
        let (server, protocol) = (self.server, pool.protocol());
        let fixed = protocol.fixed_expected();
        let answers = server.answers(&fixed);
        let done = server.awake(|| load::run(&server.endpoint(), &self.plan, pool, answers, stop))?;
        let waits = PERCENTILES.map(|part| done.waits.percentile(part));
        eprintln!(
            "{}, depth {}: {} {:.0}/s, p99.9 {} µs",
            protocol.name(),
            self.plan.depth,
            server.system.name(),
            done.rate,
            microseconds(waits[2]),
        );
        self.rounds.push((done.rate, waits));
        Ok(())
    }

    fn rates(&self) -> Vec<f64> {
        self.rounds.iter().map(|(rate, _)| *rate).collect()
    }

    fn figures(self, protocols: &[Protocol]) -> Figures {
        Figures {
            protocol: protocols[self.pool],
            system: self.server.system,
            rate: self.rates().into_iter().fold(0.0, f64::max),
            waits: std::array::from_fn(|i| median(self.rounds.iter().map(|(_, waits)| waits[i]).collect())),
        }
    }
}

/// The median in percent of the highest.
fn steadiness_percent(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[(rates.len() - 1) / 2] * 100.0 / rates[rates.len() - 1]
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

    use super::{Figures, median, steadiness_percent, table};
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
    fn a_machine_is_as_steady_as_the_median_is_close_to_the_best() {
        assert_eq!(steadiness_percent(vec![150.0, 90.0, 75.0]), 60.0);
        assert_eq!(steadiness_percent(vec![100.0]), 100.0);
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        let micros = |all: &[u64]| median(all.iter().copied().map(Duration::from_micros).collect());
        assert_eq!(micros(&[3, 1, 2]), Duration::from_micros(2));
        assert_eq!(micros(&[4, 1, 2, 3]), Duration::from_micros(2));
    }
}
