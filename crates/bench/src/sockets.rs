//! Real connections: TCP and Unix sockets, and an epoll that waits for them and for a timer that
//! is finer than its own.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::security::PeerSecurity;
#[cfg(feature = "tls")]
use crate::security::TlsPeer;
use crate::transport::{Readiness, TimeSource, Transport};

/// News taken from the system at once; few enough that what is due meanwhile is not kept waiting.
const EVENTS_MAX: usize = 256;

/// The timer's token: no connection has this number.
const TIMER: Token = Token(usize::MAX);

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
    timer: OwnedFd,
    /// When the timer goes off; 0 when it does not.
    timer_at: u64,
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
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self {
            address,
            clock,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            timer,
            timer_at: 0,
            streams: (0..connections).map(|_| None).collect(),
            security,
        })
    }

    /// Sets the timer, unless it is set to this very time.
    fn wake_at(&mut self, until: u64, now: u64) -> io::Result<()> {
        if self.timer_at != until {
            let left = until - now;
            let it_value = Timespec::try_from(Duration::from_nanos(left)).map_err(io::Error::other)?;
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(
                &self.timer,
                TimerfdTimerFlags::empty(),
                &Itimerspec { it_interval: never, it_value },
            )?;
            self.timer_at = until;
        }
        Ok(())
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
        let timeout = if until <= now {
            Some(Duration::ZERO)
        } else {
            self.wake_at(until, now)?;
            None
        };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            if event.token() == TIMER {
                self.timer_at = 0;
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
