//! Real connections: TCP and Unix sockets, and the system's way to wait for many of them.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::security::PeerSecurity;
#[cfg(feature = "tls")]
use crate::security::TlsPeer;
use crate::timer::{TIMER, Timer};
use crate::transport::{Readiness, TimeSource, Transport};

/// News taken from the system at once; few enough that what is due meanwhile is not kept waiting.
const EVENTS_MAX: usize = 256;

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum PeerAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The system's monotonic clock, from a moment that all threads share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock(pub(crate) Instant);

impl TimeSource for SystemClock {
    #[inline]
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

#[derive(Debug)]
pub(crate) enum PeerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsPeer>),
}

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Sockets {
    address: PeerAddress,
    clock: SystemClock,
    poll: Poll,
    events: Events,
    timer: Timer,
    streams: Vec<Option<PeerStream>>,
    security: PeerSecurity,
}

impl Sockets {
    /// Room for `connections` connections to `address`, made as `security` says.
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub(crate) fn new(
        address: PeerAddress,
        clock: SystemClock,
        connections: usize,
        security: PeerSecurity,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry())?;
        Ok(Self {
            address,
            clock,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            timer,
            streams: (0..connections).map(|_| None).collect(),
            security,
        })
    }
}

fn not_open() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl PeerStream {
    fn open(address: &PeerAddress) -> io::Result<Self> {
        Ok(match address {
            PeerAddress::Tcp(address) => Self::Tcp(TcpStream::connect(*address)?),
            PeerAddress::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        })
    }

    fn register(&mut self, registry: &Registry, connection: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, Token(connection), interest),
            Self::Unix(stream) => registry.register(stream, Token(connection), interest),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.transport().register(registry, connection),
        }
    }

    fn is_connected(&mut self, now: u64) -> io::Result<bool> {
        let _ = now;
        match self {
            Self::Tcp(stream) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => stream.set_nodelay(true).map(|()| true),
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Self::Unix(stream) => match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(true),
            },
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                if tls.connected_at.is_none() && tls.transport().is_connected(now)? {
                    tls.connected_at = Some(now);
                }
                if tls.connected_at.is_some() { tls.shake_hands() } else { Ok(false) }
            }
        }
    }

    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(room),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write(bytes),
        }
    }
}

impl Transport for Sockets {
    fn connect(&mut self, connection: usize) -> io::Result<()> {
        let mut stream = self.security.secure(PeerStream::open(&self.address)?)?;
        stream.register(self.poll.registry(), connection)?;
        self.streams[connection] = Some(stream);
        Ok(())
    }

    fn is_connected(&mut self, connection: usize) -> io::Result<bool> {
        let now = self.clock.now();
        self.streams[connection].as_mut().ok_or_else(not_open)?.is_connected(now)
    }

    #[cfg(feature = "tls")]
    fn connected_below_tls(&self, connection: usize) -> Option<u64> {
        match &self.streams[connection] {
            Some(PeerStream::Tls(tls)) => tls.connected_at,
            _ => None,
        }
    }

    #[inline]
    fn read(&mut self, connection: usize, room: &mut [u8]) -> io::Result<usize> {
        self.streams[connection].as_mut().ok_or_else(not_open)?.read(room)
    }

    #[inline]
    fn write(&mut self, connection: usize, bytes: &[u8]) -> io::Result<usize> {
        self.streams[connection].as_mut().ok_or_else(not_open)?.write(bytes)
    }

    fn close(&mut self, connection: usize) {
        self.streams[connection] = None;
    }

    fn wait(&mut self, until: u64, ready: &mut Vec<Readiness>) -> io::Result<()> {
        ready.clear();
        let now = self.clock.now();
        let timeout = if until <= now { Some(Duration::ZERO) } else { self.timer.wake_at(until, now)? };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            if event.token() == TIMER {
                self.timer.went_off();
            } else {
                ready.push(Readiness {
                    connection: event.token().0,
                    readable: event.is_readable() || event.is_error(),
                    writable: event.is_writable(),
                    ended: event.is_read_closed(),
                });
            }
        }
        Ok(())
    }
}
