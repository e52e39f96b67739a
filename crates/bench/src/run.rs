//! A run from its beginning to its end: the server's addresses, the connections, the threads, and
//! what they add up to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use graven_wire::address::Location;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::live::Live;
use crate::plan::LoadPlan;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::requests::RequestPool;
use crate::sockets::{PeerAddress, Sockets, SystemClock};
use crate::transport::TimeSource as _;
use crate::worker::{ThreadShare, Worker};

/// Why nothing could be measured.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host's name has no address.
    UnknownHost(io::Error),
    /// Not one connection was made.
    Unconnected(io::Error),
    /// The system refused something that every run needs.
    System(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost(source) => write!(f, "the host of the target is not known: {source}"),
            Self::Unconnected(source) => write!(f, "no connection to the target was made: {source}"),
            Self::System(source) => write!(f, "the run could not go on: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnknownHost(source) | Self::Unconnected(source) | Self::System(source) => Some(source),
        }
    }
}

/// What the threads of a run have measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) recorder: Recorder,
    /// How long the host's name took to resolve; `None` where there was none to resolve.
    pub(crate) resolved_in: Option<Duration>,
    /// The measured time, in seconds.
    pub(crate) seconds: f64,
}

/// Does what `plan` says until it is done or `stop` is set. Requests come from `pool`; `live`
/// shows the figures meanwhile.
///
/// # Errors
/// When nothing could be measured.
pub fn run(
    plan: &LoadPlan,
    pool: &RequestPool,
    stop: &AtomicBool,
    live: Option<&Live>,
) -> Result<Report, Error> {
    let (addresses, resolved_in) = resolve(plan.target.location())?;
    allow_descriptors(plan.connections);
    let clock = SystemClock(Instant::now());
    let mut unconnected = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match open(plan, pool, &address, clock, stop)? {
            Ok(workers) => {
                let start = clock.now();
                let recorder = run_all(workers, start, stop, live).map_err(Error::System)?;
                let measured_from = start + plan.warm_up.as_nanos() as u64;
                let seconds = recorder.ended.saturating_sub(measured_from) as f64 / 1e9;
                return Ok(Report::new(plan, &Measured { recorder, resolved_in, seconds }));
            }
            Err(error) => unconnected = error,
        }
    }
    Err(Error::Unconnected(unconnected))
}

fn resolve(location: &Location) -> Result<(Vec<PeerAddress>, Option<Duration>), Error> {
    match location {
        Location::Unix(path) => Ok((vec![PeerAddress::Unix(path.clone())], None)),
        Location::Tcp { host, port } => {
            let began = Instant::now();
            let addresses: Vec<SocketAddr> =
                (host.as_str(), *port).to_socket_addrs().map_err(Error::UnknownHost)?.collect();
            let took = host.parse::<std::net::IpAddr>().is_err().then(|| began.elapsed());
            Ok((addresses.into_iter().map(PeerAddress::Tcp).collect(), took))
        }
    }
}

/// Descriptors that are not connections: files, epolls and timers.
const OTHER_DESCRIPTORS: u64 = 64;

/// Raises this process's limit of open descriptors as far as it may. Where that is not far
/// enough, the connections that are not made say so.
fn allow_descriptors(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + OTHER_DESCRIPTORS;
    if current.is_some_and(|current| current < wanted) {
        let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

type Workers<'a> = Vec<Worker<'a, SystemClock, Sockets>>;

/// A worker for each thread, with its connections open, or why there is none.
fn open<'a>(
    plan: &'a LoadPlan,
    pool: &'a RequestPool,
    address: &PeerAddress,
    clock: SystemClock,
    stop: &AtomicBool,
) -> Result<io::Result<Workers<'a>>, Error> {
    let share = |of: u64, index: usize| {
        let threads = plan.threads as u64;
        of / threads + u64::from((index as u64) < of % threads)
    };
    let mut workers = Vec::with_capacity(plan.threads);
    for index in 0..plan.threads {
        let share = ThreadShare {
            index,
            threads: plan.threads,
            connections: share(plan.connections as u64, index) as usize,
            requests: plan.requests.map(|requests| share(requests, index)),
        };
        let sockets = Sockets::new(address.clone(), clock, share.connections).map_err(Error::System)?;
        let mut worker = Worker::new(plan, pool, clock, sockets, share);
        if let Err(error) = worker.open(stop) {
            return Ok(Err(error));
        }
        workers.push(worker);
    }
    Ok(Ok(workers))
}

fn run_all(workers: Workers<'_>, start: u64, stop: &AtomicBool, live: Option<&Live>) -> io::Result<Recorder> {
    let mut recorders = thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                thread::Builder::new()
                    .name("load".into())
                    .spawn_scoped(scope, move || worker.run(start, stop, live))
            })
            .collect::<io::Result<_>>()?;
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| io::Error::other("a thread of the load has panicked"))?)
            .collect::<io::Result<Vec<Recorder>>>()
    })?;
    let mut all = recorders.remove(0);
    recorders.into_iter().for_each(|recorder| all.add(recorder));
    Ok(all)
}
