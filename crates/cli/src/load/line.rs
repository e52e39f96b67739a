//! One connection as the engine sees it: what is in flight on it, what is still to be written, and what has been read.

use std::collections::VecDeque;
use std::ops::Range;

use super::answers::{Ear, Heard};
use super::pool::Expected;
use super::target::Language;

/// The least room that a read gets, in bytes; more than most answers of a full pipeline.
const READ_BYTES_MIN: usize = 16 * 1024;

/// Whether a connection is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    /// Since this time.
    Connecting(u64),
    Open,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// When it was meant to be sent, in nanoseconds of the clock.
    pub(super) intended: u64,
    /// When it was sent.
    pub(super) sent: u64,
    /// When the system had taken it whole; 0 before.
    pub(super) written: u64,
    /// Its place in the pool.
    pub(super) item: usize,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) state: State,
    pub(super) in_flight: VecDeque<Asked>,
    /// Bytes of the pool that are not written yet.
    pub(super) unsent: Range<usize>,
    ear: Ear,
    language: Language,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// When the first byte of the next answer came; 0 before.
    pub(super) first_byte: u64,
    /// A timer will say when it may be used again.
    pub(super) waits: bool,
    /// It stands in the queue of those that have room.
    pub(super) queued: bool,
}

impl Line {
    pub(super) fn new(language: Language, depth: usize) -> Self {
        Self {
            state: State::Closed,
            in_flight: VecDeque::with_capacity(depth),
            unsent: 0..0,
            ear: Ear::new(language),
            language,
            input: Vec::new(),
            start: 0,
            end: 0,
            first_byte: 0,
            waits: false,
            queued: false,
        }
    }

    /// Forgets everything about the connection that is gone, but not what is in flight.
    pub(super) fn reset(&mut self) {
        self.state = State::Closed;
        self.unsent = 0..0;
        self.ear = Ear::new(self.language);
        (self.start, self.end) = (0, 0);
        self.first_byte = 0;
    }

    /// What has been read and not understood yet.
    #[inline]
    pub(super) fn heard(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    #[inline]
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Whether a part of an answer is here.
    pub(super) fn is_amid_answer(&self) -> bool {
        !self.heard().is_empty() || self.ear.is_amid_answer()
    }

    /// Room for the next read.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
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
    pub(super) fn was_read(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// Reads what has come as the answer to the first request in flight, of which `expected` is true.
    #[inline]
    pub(super) fn hear(&mut self, expected: Expected<'_>, ended: bool) -> Heard {
        self.ear.hear(&self.input[self.start..self.end], expected, ended)
    }
}
