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
enum PeerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
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
}

impl Sockets {
    /// Room for `connections` connections to `address`.
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub(crate) fn new(address: PeerAddress, clock: SystemClock, connections: usize) -> io::Result<Self> {
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
        }
    }
}

impl Transport for Sockets {
    fn connect(&mut self, connection: usize) -> io::Result<()> {
        let mut stream = PeerStream::open(&self.address)?;
        stream.register(self.poll.registry(), connection)?;
        self.streams[connection] = Some(stream);
        Ok(())
    }

    fn is_connected(&mut self, connection: usize) -> io::Result<bool> {
        match &self.streams[connection] {
            Some(PeerStream::Tcp(stream)) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => stream.set_nodelay(true).map(|()| true),
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Some(PeerStream::Unix(stream)) => match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(true),
            },
            None => Err(not_open()),
        }
    }

    #[inline]
    fn read(&mut self, connection: usize, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.streams[connection] {
            Some(PeerStream::Tcp(stream)) => stream.read(room),
            Some(PeerStream::Unix(stream)) => stream.read(room),
            None => Err(not_open()),
        }
    }

    #[inline]
    fn write(&mut self, connection: usize, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.streams[connection] {
            Some(PeerStream::Tcp(stream)) => stream.write(bytes),
            Some(PeerStream::Unix(stream)) => stream.write(bytes),
            None => Err(not_open()),
        }
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
