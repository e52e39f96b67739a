//! A run from its beginning to its end: the server's addresses, the connections, the threads, and
//! what they add up to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io, thread};

use graven_wire::address::Location;
use graven_wire::target::HandshakeRefused;
use graven_wire::{PROBE, Recognized, recognize};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::live::Live;
use crate::plan::{LoadPlan, PlanError};
use crate::process::Watched;
use crate::recorder::{GaveUp, Recorder};
use crate::report::{ProcessUse, Report};
use crate::requests::RequestPool;
use crate::security::PeerSecurity;
use crate::sockets::{PeerAddress, Sockets, SystemClock};
use crate::transport::TimeSource as _;
use crate::worker::{ThreadShare, Worker};

/// Why nothing could be measured.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The plan cannot be carried out.
    Plan(PlanError),
    /// The host's name has no address.
    UnknownHost(io::Error),
    /// Not one connection was made.
    Unconnected(io::Error),
    /// The server did not agree to the user, the password or the database.
    LoginRefused(HandshakeRefused),
    /// No connection with TLS can be made.
    Tls(String),
    /// The system refused something that every run needs.
    System(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::LoginRefused(refused) => refused.fmt(f),
            Self::UnknownHost(source) => write!(f, "the host of the target is not known: {source}"),
            Self::Unconnected(source) => write!(f, "no connection to the target was made: {source}"),
            Self::Tls(reason) => write!(f, "no connection with TLS can be made: {reason}"),
            Self::System(source) => write!(f, "the run could not go on: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Plan(source) => Some(source),
            Self::LoginRefused(source) => Some(source),
            Self::UnknownHost(source) | Self::Unconnected(source) | Self::System(source) => Some(source),
            Self::Tls(_) => None,
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
    pub(crate) started_at: SystemTime,
    /// What the server used, where it is local.
    pub(crate) server: Option<ProcessUse>,
    pub(crate) load_tester: Option<ProcessUse>,
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
    plan.check().map_err(Error::Plan)?;
    let security = PeerSecurity::new(plan).map_err(Error::Tls)?;
    let (addresses, resolved_in) = resolve(plan.target.location())?;
    allow_descriptors(plan.connections);
    let clock = SystemClock(Instant::now());
    let mut unconnected = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        // Before the connections are made, for it looks at every process of the machine.
        let mut watched = [Watched::listening_at(&address), Watched::own()];
        match open(plan, pool, &address, &security, clock, stop)? {
            Ok(workers) => {
                let started_at = SystemTime::now();
                let start = clock.now();
                let mut recorder =
                    run_all(workers, start, plan.warm_up, stop, live, &mut watched).map_err(Error::System)?;
                if recorder.gave_up == Some(GaveUp::Unanswered(None)) {
                    let own = Recognized::Protocol(plan.target.protocol());
                    let found = probe(&address, plan.timeout.min(PROBE_PATIENCE));
                    let found = found.ok().flatten().filter(|found| *found != own);
                    recorder.gave_up = Some(GaveUp::Unanswered(found));
                }
                let [server, load_tester] = watched.map(|watched| watched.and_then(|watched| watched.end()));
                let measured_from = start + plan.warm_up.as_nanos() as u64;
                let seconds = recorder.ended.saturating_sub(measured_from) as f64 / 1e9;
                let measured = Measured { recorder, resolved_in, seconds, started_at, server, load_tester };
                return Ok(Report::new(plan, &measured));
            }
            Err(error) => unconnected = error,
        }
    }
    Err(why_unconnected(unconnected))
}

/// How long a server that has answered nothing is waited for, when it is asked what it speaks.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Asks a server what it speaks.
fn probe(address: &PeerAddress, timeout: Duration) -> io::Result<Option<Recognized>> {
    fn ask(mut stream: impl Read + Write) -> io::Result<Option<Recognized>> {
        let mut answer = [0; 64];
        stream.write_all(PROBE)?;
        let bytes = stream.read(&mut answer)?;
        Ok(recognize(&answer[..bytes]))
    }
    match address {
        PeerAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            ask(stream)
        }
        PeerAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            ask(stream)
        }
    }
}

/// A server that refuses a login has not refused the connection.
fn why_unconnected(error: io::Error) -> Error {
    match error.downcast::<HandshakeRefused>() {
        Ok(refused) => Error::LoginRefused(refused),
        Err(error) => Error::Unconnected(error),
    }
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
    security: &PeerSecurity,
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
        let sockets = Sockets::new(address.clone(), clock, share.connections, security.clone())
            .map_err(Error::System)?;
        let mut worker = Worker::new(plan, pool, clock, sockets, share);
        if let Err(error) = worker.open(stop) {
            return Ok(Err(error));
        }
        workers.push(worker);
    }
    Ok(Ok(workers))
}

/// Runs all workers; `watched` is measured from the end of the warm-up on.
fn run_all(
    workers: Workers<'_>,
    start: u64,
    warm_up: Duration,
    stop: &AtomicBool,
    live: Option<&Live>,
    watched: &mut [Option<Watched>],
) -> io::Result<Recorder> {
    let began = Instant::now();
    let mut recorders = thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let done = done.clone();
                thread::Builder::new().name("load".into()).spawn_scoped(scope, move || {
                    let recorder = worker.run(start, stop, live);
                    // Nobody listens any more after the warm-up.
                    let _ = done.send(());
                    recorder
                })
            })
            .collect::<io::Result<_>>()?;
        if !warm_up.is_zero() {
            // A run that is stopped meanwhile does not wait for its end.
            let _ = is_done.recv_timeout(warm_up.saturating_sub(began.elapsed()));
        }
        watched.iter_mut().flatten().for_each(Watched::restart);
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| io::Error::other("a thread of the load has panicked"))?)
            .collect::<io::Result<Vec<Recorder>>>()
    })?;
    let mut all = recorders.remove(0);
    recorders.into_iter().for_each(|recorder| all.add(recorder));
    Ok(all)
}
