//! One connection as a worker sees it: what is in flight on it, what is still to be written, and
//! what has been read.

use std::collections::VecDeque;
use std::ops::Range;

use graven_wire::address::Protocol;

use crate::reply::{ReplyProgress, ReplyReader};
use crate::requests::ExpectedAnswer;

/// The least room that a read gets, in bytes; more than most answers of a full pipeline.
const READ_BYTES_MIN: usize = 16 * 1024;

/// Whether a connection is established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Closed,
    /// Since this time.
    Connecting(u64),
    /// Connected, and waiting for the server to agree to the handshake. Since the connection was
    /// begun.
    Greeting(u64),
    Open,
}

impl ConnectionState {
    /// Since when the connection is being made, if it is.
    pub(crate) fn unmade_since(self) -> Option<u64> {
        match self {
            Self::Connecting(since) | Self::Greeting(since) => Some(since),
            Self::Closed | Self::Open => None,
        }
    }
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    /// When it was meant to be sent, in nanoseconds of the clock.
    pub(crate) intended: u64,
    /// When it was sent.
    pub(crate) sent: u64,
    /// When the system had taken it whole; 0 before.
    pub(crate) written: u64,
    /// Its number in the pool.
    pub(crate) item: usize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct LoadConnection {
    pub(crate) state: ConnectionState,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// Bytes of the pool that are not written yet.
    pub(crate) unsent: Range<usize>,
    /// How many of them, from the first on, are not measured.
    pub(crate) unmeasured: usize,
    /// Bytes of the handshake that are written.
    pub(crate) greeted: usize,
    /// When the connection was made.
    pub(crate) connected_at: u64,
    reader: ReplyReader,
    protocol: Protocol,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// When the first byte of the next answer came; 0 before.
    pub(crate) first_byte: u64,
    /// Bytes of that answer that are consumed already.
    pub(crate) answer_bytes: u64,
    /// A timer says when it may be used again.
    pub(crate) waits: bool,
    /// It is in the queue of those that have room.
    pub(crate) queued: bool,
}

impl LoadConnection {
    pub(crate) fn new(protocol: Protocol, depth: usize) -> Self {
        Self {
            state: ConnectionState::Closed,
            in_flight: VecDeque::with_capacity(depth),
            unsent: 0..0,
            unmeasured: 0,
            greeted: 0,
            connected_at: 0,
            reader: ReplyReader::new(protocol),
            protocol,
            input: Vec::new(),
            start: 0,
            end: 0,
            first_byte: 0,
            answer_bytes: 0,
            waits: false,
            queued: false,
        }
    }

    /// Forgets everything about the connection that is gone, but not what is in flight.
    pub(crate) fn reset(&mut self) {
        self.state = ConnectionState::Closed;
        self.unsent = 0..0;
        (self.unmeasured, self.greeted) = (0, 0);
        self.reader = ReplyReader::new(self.protocol);
        (self.start, self.end) = (0, 0);
        (self.first_byte, self.answer_bytes) = (0, 0);
    }

    /// What has been received and not consumed yet.
    #[inline]
    pub(crate) fn received(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    #[inline]
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Whether a part of an answer is here.
    pub(crate) fn is_amid_answer(&self) -> bool {
        !self.received().is_empty() || self.reader.is_amid_answer()
    }

    /// Room for the next read.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.input.len() - self.end < READ_BYTES_MIN / 2 {
            self.make_room();
        }
        &mut self.input[self.end..]
    }

    #[cold]
    fn make_room(&mut self) {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.input.len() - self.end < READ_BYTES_MIN / 2 {
            self.input.resize((self.input.len() * 2).max(READ_BYTES_MIN), 0);
        }
    }

    #[inline]
    pub(crate) fn was_read(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// Reads what has come as the answer to the first request in flight, which must be answered
    /// with `expected`.
    #[inline]
    pub(crate) fn read_reply(&mut self, expected: ExpectedAnswer<'_>, ended: bool) -> ReplyProgress {
        self.reader.read(&self.input[self.start..self.end], expected, ended)
    }
}
