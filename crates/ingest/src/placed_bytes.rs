//! The bytes of a stream, looked at before they are taken, and the line and column of the next one.

use std::io::{self, Read};
use std::ops::Range;

use crate::error::{Cause, Fault, Position};
use crate::lines::BYTE_ORDER_MARK;

/// A stream that is read in pieces. Who takes a line end says so, since forms differ in what one is.
#[derive(Debug)]
pub(crate) struct PlacedBytes<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer was read from the source and not taken yet.
    unread: Range<usize>,
    /// The offset of the end of what was read.
    offset: u64,
    /// The line of the next byte, counted from 1, and the offset at which it begins.
    line: u64,
    line_start: u64,
}

impl<R: Read> PlacedBytes<R> {
    /// The bytes of `source`, of which `read_bytes` are read at a time.
    pub(crate) fn new(source: R, read_bytes: usize) -> Self {
        Self { source, buffer: vec![0; read_bytes], unread: 0..0, offset: 0, line: 1, line_start: 0 }
    }

    /// Whether nothing was looked at yet.
    pub(crate) fn are_untouched(&self) -> bool {
        self.offset == 0
    }

    /// The bytes that come next, at least `least` of them unless the source ends.
    pub(crate) fn look(&mut self, least: usize) -> Result<&[u8], Fault> {
        while self.unread.len() < least {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            match self.source.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => break,
                Ok(read) => {
                    self.unread.end += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::new(Position::line(self.line), Cause::reading(error))),
            }
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    /// Takes bytes that were looked at, and gives them.
    pub(crate) fn take(&mut self, bytes: usize) -> &[u8] {
        let taken = self.unread.start..self.unread.start + bytes;
        self.unread.start = taken.end;
        &self.buffer[taken]
    }

    /// Takes the byte order mark, if there is one.
    pub(crate) fn pass_over_the_mark(&mut self) -> Result<(), Fault> {
        if self.look(BYTE_ORDER_MARK.len())?.starts_with(BYTE_ORDER_MARK) {
            self.take(BYTE_ORDER_MARK.len());
            self.line_start = BYTE_ORDER_MARK.len() as u64;
        }
        Ok(())
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> u64 {
        self.offset - self.unread.len() as u64
    }

    /// The line of the next byte, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The place of the next byte.
    pub(crate) fn position(&self) -> Position {
        let (line, column) = self.line_and_column();
        Position::column(line, column)
    }

    /// The same as numbers.
    pub(crate) fn line_and_column(&self) -> (u64, u64) {
        (self.line, self.at() - self.line_start + 1)
    }

    /// A line has ended before the next byte.
    pub(crate) fn begin_line(&mut self) {
        self.begin_lines(1, self.at());
    }

    /// So many lines have ended in what was taken, the last of them before the byte at `start`.
    pub(crate) fn begin_lines(&mut self, lines: u64, start: u64) {
        self.line += lines;
        self.line_start = start;
    }
}
