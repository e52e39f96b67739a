//! What an event loop asks of the system, as two small traits: streams, and everything else. [`crate::os`] is the real
//! system; a test can drive the same loop over one that it simulates.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use graven_blocks::BlockReader;

use crate::clients::Ends;
use crate::listener::ListenerRules;

/// A stream to one peer that never blocks.
pub(crate) trait Stream: Debug {
    /// Reads into `room`; 0 bytes at the end of the stream.
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize>;

    /// Writes as much of `bytes` as the system takes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// As [`Self::write`], of several parts in order.
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more will come, while what it sends is still received.
    fn end_output(&mut self) -> io::Result<()>;

    /// The peer's address for a log line.
    fn peer(&self) -> String;

    /// What both ends are called.
    fn ends(&self) -> Ends;

    /// The number that the system knows it by; -1 where it has none.
    fn descriptor(&self) -> i32;

    /// Whether both ends still agree upon how they talk; nothing is received before.
    #[inline]
    fn is_handshaking(&self) -> bool {
        false
    }

    /// Whether there may be more to read although the last read did not fill its room.
    #[inline]
    fn may_have_more(&self) -> bool {
        false
    }

    /// Whether the last write was ended early though the system would have taken more.
    fn may_take_more(&self) -> bool {
        false
    }

    /// Whether bytes of the stream's own wait until the system has room.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Bytes in buffers of the stream's own.
    #[inline]
    fn held_bytes(&self) -> usize {
        0
    }

    /// Whether it is not known yet whom a load balancer passes on.
    fn awaits_proxy_header(&self) -> bool {
        false
    }

    /// Both ends as a load balancer has announced them.
    fn announced(&self) -> Option<Ends> {
        None
    }

    /// The name in the certificate that the peer has shown, if it has shown one.
    fn certificate_name(&self) -> Option<Arc<str>> {
        None
    }
}

/// What wakes a loop from another thread.
pub(crate) trait Wake: Debug + Send + Sync {
    /// Has the loop told of [`Event::Woken`].
    fn wake(&self);
}

/// One thing that the system has to tell a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A stream that is watched under this token.
    Stream {
        token: usize,
        readable: bool,
        /// The peer will send no more than what the stream already has.
        hung_up: bool,
    },
    /// The loop was woken by another thread.
    Woken,
    /// Reads of blocks have ended.
    ReadsEnded,
    /// A listener may have connections waiting.
    Listener(usize),
}

/// The system that one loop runs on.
pub(crate) trait System: Sized {
    type Stream: Stream;
    type Reader: BlockReader;

    /// The time, by a clock that never goes back.
    fn now(&self) -> Instant;

    /// The time of day.
    fn time_of_day(&self) -> SystemTime;

    /// Waits until there are events, which replace those in `events`, or for `timeout`, or until a signal came.
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;

    /// Reports when `stream` has something to read, as events with `token`.
    fn watch(&mut self, stream: &mut Self::Stream, token: usize) -> io::Result<()>;

    /// Reports when `stream` has room to write, too. Events come when the kernel's buffer was full and has room again, so that
    /// this costs nothing as long as the peer reads.
    fn watch_writable(&mut self, stream: &mut Self::Stream, token: usize) -> io::Result<()>;

    /// How many listeners there are.
    fn listeners(&self) -> usize;

    /// How long no connection is to be taken at a listener, if that is so.
    fn pause(&mut self, listener: usize) -> Option<Duration> {
        let _ = listener;
        None
    }

    /// Takes a connection that waits at a listener, and what holds there.
    fn accept(&mut self, listener: usize) -> io::Result<(Self::Stream, ListenerRules)>;

    /// Closes the listeners.
    fn stop_listening(&mut self);

    /// A reader of blocks whose ended reads are reported as [`Event::ReadsEnded`].
    fn block_reader(&mut self) -> io::Result<Self::Reader>;
}
