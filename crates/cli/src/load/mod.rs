//! The load tester: it asks any HTTP, Redis or memcached server for the keys it is given, and measures from outside.
//! It knows `graven-wire` and sockets; neither the server of this house nor its table.
//!
//! A run is a [`Plan`]. The requests are drawn into a [`Pool`] before it begins; each thread has an engine, which sends
//! them by its schedule and counts into a tally of fixed size; at the end the tallies are added up into a [`Report`], and
//! from that come the summary and every file.

mod answers;
mod compare;
mod csv;
mod engine;
mod hgrm;
mod html;
mod keys;
mod line;
mod live;
mod pick;
mod plan;
mod plot;
mod pool;
mod report;
mod schedule;
mod series;
#[cfg(test)]
mod simulated;
mod sockets;
mod summary;
mod tally;
mod target;
#[cfg(test)]
mod tests;
mod transport;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use compare::compare;
pub(crate) use csv::write_csv;
pub(crate) use hgrm::write_hgrm;
pub(crate) use html::page;
pub(crate) use keys::Keys;
pub(crate) use live::Live;
pub(crate) use pick::Spread;
pub(crate) use plan::{CONNECTIONS_MAX, PIPELINE_MAX, Plan, THREADS_MAX};
pub(crate) use pool::{Draw, Pool};
pub(crate) use report::{Document, FORM, Report, Sweep};
pub(crate) use schedule::{Arrivals, Pace, Think};
pub(crate) use summary::{summary, sweep_table};
pub(crate) use target::{Language, Manner, Target};

use engine::{Engine, Part};
use sockets::{Address, Sockets, SystemClock};
use tally::Tally;
use target::Place;
use transport::Clock as _;

/// Why nothing could be measured.
#[derive(Debug)]
pub(crate) enum Error {
    /// The host's name has no address.
    UnknownHost(io::Error),
    /// Not one connection came about.
    Unconnected(io::Error),
    /// The system refused something that every run needs.
    System(io::Error),
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    /// How long the host's name took to resolve; `None` where there was none to resolve.
    resolved_in: Option<Duration>,
    /// The measured time, in seconds.
    seconds: f64,
}

/// Does what `plan` says until it is done or `stop` is set. Requests come from `pool`.
///
/// # Errors
/// When nothing could be measured.
pub(crate) fn run(
    plan: &Plan,
    pool: &Pool,
    stop: &AtomicBool,
    live: Option<&Live>,
) -> Result<Measured, Error> {
    let (addresses, resolved_in) = resolve(&plan.target.place)?;
    allow_descriptors(plan.connections);
    let clock = SystemClock(Instant::now());
    let mut unconnected = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match open(plan, pool, &address, clock, stop)? {
            Ok(engines) => {
                let start = clock.now();
                let tally = run_all(engines, start, stop, live).map_err(Error::System)?;
                let measured_from = start + plan.warm_up.as_nanos() as u64;
                let seconds = tally.ended.saturating_sub(measured_from) as f64 / 1e9;
                return Ok(Measured { tally, resolved_in, seconds });
            }
            Err(error) => unconnected = error,
        }
    }
    Err(Error::Unconnected(unconnected))
}

fn resolve(place: &Place) -> Result<(Vec<Address>, Option<Duration>), Error> {
    match place {
        Place::Unix(path) => Ok((vec![Address::Unix(path.clone())], None)),
        Place::Tcp(host, port) => {
            let began = Instant::now();
            let addresses: Vec<SocketAddr> =
                (host.as_str(), *port).to_socket_addrs().map_err(Error::UnknownHost)?.collect();
            let took = host.parse::<std::net::IpAddr>().is_err().then(|| began.elapsed());
            Ok((addresses.into_iter().map(Address::Tcp).collect(), took))
        }
    }
}

/// Descriptors that are not connections: files, epolls and timers.
const OTHER_DESCRIPTORS: u64 = 64;

/// Raises this process's limit of open descriptors as far as it may. Where that is not far enough, the connections that
/// do not come about say so.
fn allow_descriptors(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + OTHER_DESCRIPTORS;
    if current.is_some_and(|current| current < wanted) {
        let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

type Engines<'a> = Vec<Engine<'a, SystemClock, Sockets>>;

/// The threads' engines with their connections open, or why there is none.
fn open<'a>(
    plan: &'a Plan,
    pool: &'a Pool,
    address: &Address,
    clock: SystemClock,
    stop: &AtomicBool,
) -> Result<io::Result<Engines<'a>>, Error> {
    let share = |of: u64, index: usize| {
        let threads = plan.threads as u64;
        of / threads + u64::from((index as u64) < of % threads)
    };
    let mut engines = Vec::with_capacity(plan.threads);
    for index in 0..plan.threads {
        let part = Part {
            index,
            threads: plan.threads,
            connections: share(plan.connections as u64, index) as usize,
            requests: plan.requests.map(|requests| share(requests, index)),
        };
        let sockets = Sockets::new(address.clone(), clock, part.connections).map_err(Error::System)?;
        let mut engine = Engine::new(plan, pool, clock, sockets, part);
        if let Err(error) = engine.open(stop) {
            return Ok(Err(error));
        }
        engines.push(engine);
    }
    Ok(Ok(engines))
}

fn run_all(engines: Engines<'_>, start: u64, stop: &AtomicBool, live: Option<&Live>) -> io::Result<Tally> {
    let mut tallies = thread::scope(|scope| {
        let threads: Vec<_> = engines
            .into_iter()
            .map(|engine| {
                thread::Builder::new()
                    .name("load".into())
                    .spawn_scoped(scope, move || engine.run(start, stop, live))
            })
            .collect::<io::Result<_>>()?;
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| io::Error::other("a thread of the load has panicked"))?)
            .collect::<io::Result<Vec<Tally>>>()
    })?;
    let mut all = tallies.remove(0);
    tallies.into_iter().for_each(|tally| all.add(tally));
    Ok(all)
}
