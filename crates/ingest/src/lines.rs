//! The lines of a stream, each of bounded length.

use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use crate::error::{Cause, Fault, Position};

/// Bytes that are read from the system at a time.
const READ_BYTES: usize = 256 * 1024;

/// UTF-8's mark at the beginning of a text. Editors write it, and no reader wants it.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Gives one line after the other.
pub(crate) struct LineReader<R> {
    source: BufReader<R>,
    text: Vec<u8>,
    /// Where in the text the line is.
    line: Range<usize>,
    number: u64,
    /// The longest line.
    most: usize,
    /// What lines begin with that are passed over.
    comment: Option<Vec<u8>>,
}

impl<R: Read> LineReader<R> {
    pub(crate) fn new(source: R, most: usize, comment: Option<Vec<u8>>) -> Self {
        let source = BufReader::with_capacity(READ_BYTES, source);
        Self { source, text: Vec::new(), line: 0..0, number: 0, most, comment }
    }

    /// Reads the next line that is neither empty nor a comment; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Fault> {
        while self.advance_to_any()? {
            if !self.line.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next line that is no comment; `false` at the end. A line that is too long is refused
    /// as soon as it is.
    pub(crate) fn advance_to_any(&mut self) -> Result<bool, Fault> {
        loop {
            self.text.clear();
            self.number += 1;
            let room = (self.most + BYTE_ORDER_MARK.len() + 2) as u64;
            let read = self.source.by_ref().take(room).read_until(b'\n', &mut self.text);
            let at = Position::line(self.number);
            if read.map_err(|error| Fault::new(at, Cause::reading(error)))? == 0 {
                return Ok(false);
            }
            self.line = self.bounds();
            let (_, line) = self.line();
            if line.len() > self.most {
                return Err(Fault::new(at, Cause::LineTooLong { most: self.most }));
            }
            let is_comment = self.comment.as_ref().is_some_and(|prefix| line.starts_with(prefix));
            if !is_comment {
                return Ok(true);
            }
        }
    }

    /// The number of the line that was read, from 1, and its bytes without its `\n` or `\r\n`.
    pub(crate) fn line(&self) -> (u64, &[u8]) {
        (self.number, &self.text[self.line.clone()])
    }

    /// Where in what was read the line is.
    fn bounds(&self) -> Range<usize> {
        let start = if self.number == 1 && self.text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let end = match &self.text[start..] {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => start + line.len(),
            line => start + line.len(),
        };
        start..end
    }
}
