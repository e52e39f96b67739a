//! The real system: epoll through mio, sockets, and reads of files.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use graven_blocks::{DiskReads, FileReader};
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clients::Ends;
use crate::listener::{Listener, ListenerRules};
use crate::proxied::Proxied;
use crate::system::{Event, Stream, System, Wake};

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;

const WOKEN: Token = Token(usize::MAX);
const READS_ENDED: Token = Token(usize::MAX - 1);

/// The listeners' tokens count down from here; those of streams count up from 0.
const FIRST_LISTENER: usize = usize::MAX - 2;

/// Listeners that one loop may watch.
const LISTENERS_MAX: usize = 1 << 16;

/// A socket, TCP or Unix.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Either of them, behind a load balancer that says whom it passes on.
    Proxied(Box<Proxied<Socket>>),
    /// Any of them, with TLS on it, or about to have.
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls::Secured<Socket>>),
}

impl Socket {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
            Self::Proxied(stream) => stream.transport().source(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.transport().source(),
        }
    }
}

impl Stream for Socket {
    #[inline]
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
            Self::Proxied(stream) => stream.read(room),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(room),
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Proxied(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(parts),
            Self::Unix(stream) => stream.write_vectored(parts),
            Self::Proxied(stream) => stream.write_vectored(parts),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write_vectored(parts),
        }
    }

    fn end_output(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Proxied(stream) => stream.end_output(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.end_output(),
        }
    }

    fn peer(&self) -> String {
        match self {
            Self::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "a peer that left".to_owned(), |peer| peer.to_string())
            }
            Self::Unix(_) => "a local peer".to_owned(),
            Self::Proxied(stream) => stream.peer(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.peer(),
        }
    }

    fn ends(&self) -> Ends {
        match self {
            Self::Tcp(stream) => match (stream.peer_addr(), stream.local_addr()) {
                (Ok(peer), Ok(local)) => Ends::Tcp { peer, local },
                _ => Ends::Unknown,
            },
            Self::Unix(_) => Ends::Unix,
            Self::Proxied(stream) => stream.ends(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.ends(),
        }
    }

    fn descriptor(&self) -> i32 {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Proxied(stream) => stream.descriptor(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.descriptor(),
        }
    }

    #[inline]
    fn is_handshaking(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Proxied(stream) => stream.is_handshaking(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_handshaking(),
        }
    }

    fn awaits_proxy_header(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Proxied(stream) => stream.awaits_proxy_header(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.awaits_proxy_header(),
        }
    }

    fn announced(&self) -> Option<Ends> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Proxied(stream) => stream.announced(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.announced(),
        }
    }

    #[cfg(feature = "tls")]
    #[inline]
    fn may_have_more(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.may_have_more())
    }

    #[cfg(feature = "tls")]
    fn may_take_more(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.may_take_more())
    }

    #[cfg(feature = "tls")]
    fn has_unsent(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.has_unsent())
    }

    #[inline]
    fn held_bytes(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            Self::Proxied(stream) => stream.held_bytes(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.held_bytes(),
        }
    }

    #[cfg(feature = "tls")]
    fn certificate_name(&self) -> Option<Arc<str>> {
        if let Self::Tls(stream) = self { stream.certificate_name() } else { None }
    }
}

impl Wake for Waker {
    fn wake(&self) {
        if let Err(error) = Self::wake(self) {
            tracing::error!(%error, "an event loop could not be woken");
        }
    }
}

/// The system as one loop sees it.
#[derive(Debug)]
pub(crate) struct Os {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    disk_reads: DiskReads,
    reads_under_way_max: usize,
}

impl Os {
    /// The system for a loop that is woken by the second of what is returned. Its block reader reads files as `disk_reads`
    /// says, at most `reads_under_way_max` at once.
    pub(crate) fn new(disk_reads: DiskReads, reads_under_way_max: usize) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WOKEN)?);
        let events = Events::with_capacity(EVENTS_MAX);
        let listeners = Vec::new();
        Ok((Self { poll, events, listeners, disk_reads, reads_under_way_max }, waker))
    }

    /// Has the loop accept connections of `listeners`.
    pub(crate) fn listen(&mut self, mut listeners: Vec<Listener>) -> io::Result<()> {
        for (i, listener) in listeners.iter_mut().enumerate() {
            assert!(i < LISTENERS_MAX, "there are fewer descriptors than tokens");
            listener.register(self.poll.registry(), FIRST_LISTENER - i)?;
        }
        self.listeners = listeners;
        Ok(())
    }
}

impl System for Os {
    type Stream = Socket;
    type Reader = FileReader;

    #[inline]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        events.clear();
        match self.poll.poll(&mut self.events, timeout) {
            // What was left in `self.events` is from before.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            events.push(match event.token() {
                WOKEN => Event::Woken,
                READS_ENDED => Event::ReadsEnded,
                Token(token) if token > FIRST_LISTENER - LISTENERS_MAX => {
                    Event::Listener(FIRST_LISTENER - token)
                }
                Token(token) => Event::Stream {
                    token,
                    readable: event.is_readable(),
                    hung_up: event.is_read_closed() || event.is_error(),
                },
            });
        }
        Ok(())
    }

    fn watch(&mut self, stream: &mut Socket, token: usize) -> io::Result<()> {
        let interest = match stream {
            // It is told at once that it can write, and then why it is closed.
            Socket::Proxied(stream) if stream.is_untrusted() => Interest::READABLE | Interest::WRITABLE,
            // A handshake writes by itself, and must know when it can go on.
            #[cfg(feature = "tls")]
            Socket::Tls(_) => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::READABLE,
        };
        self.poll.registry().register(stream.source(), Token(token), interest)
    }

    fn watch_writable(&mut self, stream: &mut Socket, token: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().reregister(stream.source(), Token(token), interest)
    }

    fn listeners(&self) -> usize {
        self.listeners.len()
    }

    fn pause(&mut self, listener: usize) -> Option<Duration> {
        self.listeners[listener].pause()
    }

    fn accept(&mut self, listener: usize) -> io::Result<(Socket, ListenerRules)> {
        let listener = &self.listeners[listener];
        Ok((listener.accept()?, listener.rules()))
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn block_reader(&mut self) -> io::Result<FileReader> {
        let mut reader = FileReader::new(self.disk_reads, self.reads_under_way_max)?;
        let ended = reader.listen()?.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&ended), READS_ENDED, Interest::READABLE)?;
        Ok(reader)
    }
}
