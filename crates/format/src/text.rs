//! The `.data` text: one `key value` pair a line, byte for byte. `docs/TEXT.md` is the rule; this
//! is the reader.
//!
//! [`Blocks`] cuts a stream into blocks of whole lines, [`Lines`] reads the pairs of one block,
//! and [`for_each_pair`] is the two together. They are apart so that one thread can read blocks
//! while others parse them.

use std::fmt;
use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2, memchr3, memrchr};

use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Bytes a block holds unless one line alone is longer: large enough that a read costs little,
/// small enough for a cache.
pub const BLOCK_BYTES: usize = 1 << 20;

/// The longest line that can still be a pair: the longest key, a separator, the longest value, and
/// `\r\n`.
const LINE_BYTES_MAX: usize = KEY_BYTES_MAX + VALUE_BYTES_MAX + 3;

/// UTF-8's mark at the beginning of a text. Editors write it, and it is no part of the first key.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What of a text that begins with line number `line` is to be read.
fn without_mark(text: &[u8], line: u64) -> &[u8] {
    match line {
        1 => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
        _ => text,
    }
}

/// One key and its value, borrowed from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Everything up to the first space or tab.
    pub key: &'a [u8],
    /// Everything after that one separator, up to the end of the line.
    pub value: &'a [u8],
    /// The line, counted from 1.
    pub line: u64,
}

/// Why a line is not a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLine {
    /// The line begins with a space or a tab.
    EmptyKey,
    /// The key has more than [`KEY_BYTES_MAX`] bytes.
    KeyTooLong,
    /// The value has more than [`VALUE_BYTES_MAX`] bytes.
    ValueTooLong,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => f.write_str("the line begins with a separator; a key must come first"),
            Self::KeyTooLong => write!(f, "the key is longer than {KEY_BYTES_MAX} bytes"),
            Self::ValueTooLong => write!(f, "the value is longer than {VALUE_BYTES_MAX} bytes"),
        }
    }
}

/// What can go wrong while text is read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text could not be read any further.
    Read {
        /// The line that was being read, counted from 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a pair.
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: BadLine,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { line, source } => write!(f, "line {line}: cannot read further: {source}"),
            Self::Line { line, reason } => write!(f, "line {line}: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Line { .. } => None,
        }
    }
}

/// A run of whole lines.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The bytes of the lines, ends included; only the last line of a text may lack its end.
    pub bytes: Vec<u8>,
    /// The number of the first line, counted from 1.
    pub first_line: u64,
}

impl Block {
    /// The pairs of this block.
    pub fn lines(&self) -> Lines<'_> {
        Lines { rest: without_mark(&self.bytes, self.first_line), line: self.first_line }
    }
}

/// Cuts a stream of text into blocks of whole lines, counting the lines as it goes.
#[derive(Debug)]
pub struct Blocks<R> {
    source: R,
    tail: Vec<u8>,
    next_line: u64,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Starts at the first line of `source`, which needs no buffer of its own.
    pub fn new(source: R) -> Self {
        Self::from_line(source, 1)
    }

    /// Starts at what is line number `line` of the whole text.
    pub(crate) fn from_line(source: R, line: u64) -> Self {
        Self { source, tail: Vec::new(), next_line: line, ended: false }
    }

    /// Fills `block` with the next lines, at least one and about [`BLOCK_BYTES`] of them; `false`
    /// at the end of the text.
    ///
    /// # Errors
    /// [`Error::Read`] when the source fails, [`Error::Line`] when a line is too long to be a
    /// pair.
    pub fn next_into(&mut self, block: &mut Block) -> Result<bool, Error> {
        block.bytes.clear();
        block.bytes.append(&mut self.tail);
        block.first_line = self.next_line;
        let mut searched = 0;
        let mut wanted = BLOCK_BYTES;
        while !self.ended {
            let room = wanted.saturating_sub(block.bytes.len()).max(BLOCK_BYTES / 4);
            let read =
                (&mut self.source).take(room as u64).read_to_end(&mut block.bytes).map_err(|source| {
                    let lines_before = memchr_iter(b'\n', &block.bytes).count() as u64;
                    Error::Read { line: self.next_line + lines_before, source }
                })?;
            self.ended = read == 0;
            if self.ended {
                break;
            }
            if let Some(at) = memrchr(b'\n', &block.bytes[searched..]) {
                self.tail.extend_from_slice(&block.bytes[searched + at + 1..]);
                block.bytes.truncate(searched + at + 1);
                break;
            }
            searched = block.bytes.len();
            if let Some(reason) = too_long(without_mark(&block.bytes, self.next_line)) {
                return Err(Error::Line { line: self.next_line, reason });
            }
            wanted = (searched * 2).min(LINE_BYTES_MAX + 1);
        }
        self.next_line += memchr_iter(b'\n', &block.bytes).count() as u64;
        Ok(!block.bytes.is_empty())
    }
}

/// Why `start`, in which no line ends, cannot become a pair however it goes on: so that a line
/// without an end is not gathered to the last byte of memory.
fn too_long(start: &[u8]) -> Option<BadLine> {
    // A key of the greatest length may still be followed by `\r`.
    let undecided = start.len() <= KEY_BYTES_MAX + 1;
    let key = &start[..start.len().min(KEY_BYTES_MAX + 1)];
    match memchr2(b' ', b'\t', key) {
        Some(0) => Some(BadLine::EmptyKey),
        Some(_) if start.len() > LINE_BYTES_MAX => Some(BadLine::ValueTooLong),
        None if !undecided => Some(BadLine::KeyTooLong),
        _ => None,
    }
}

/// The pairs of a block, in order; empty lines are passed over.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    line: u64,
}

impl<'a> Lines<'a> {
    /// Reads `text`, whose first line has the number 1.
    ///
    /// ```
    /// use graven_format::text::Lines;
    ///
    /// let pairs: Vec<_> = Lines::new(b"a 1\nb two words\n").map(Result::unwrap).collect();
    /// assert_eq!(pairs[1].key, b"b");
    /// assert_eq!(pairs[1].value, b"two words");
    /// ```
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: without_mark(text, 1), line: 1 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Pair<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let line = self.line;
            let first = memchr3(b' ', b'\t', b'\n', self.rest).unwrap_or(self.rest.len());
            let end = match self.rest.get(first) {
                None | Some(b'\n') => first,
                Some(_) => first + memchr(b'\n', &self.rest[first..]).unwrap_or(self.rest.len() - first),
            };
            let text = &self.rest[..end];
            let ended = end < self.rest.len();
            self.rest = &self.rest[(end + 1).min(self.rest.len())..];
            self.line += 1;
            // Only a `\r` that stands before `\n` belongs to the line's end.
            let text = match text {
                [head @ .., b'\r'] if ended => head,
                _ => text,
            };
            if text.is_empty() {
                continue;
            }
            return Some(match split(text, first) {
                Ok((key, value)) => Ok(Pair { key, value, line }),
                Err(reason) => Err(Error::Line { line, reason }),
            });
        }
    }
}

/// The key and the value of one line, which is given without its end and is not empty.
///
/// # Errors
/// Why it is no pair.
///
/// ```
/// use graven_format::text::pair_of_line;
///
/// assert_eq!(pair_of_line(b"key two words"), Ok((&b"key"[..], &b"two words"[..])));
/// ```
pub fn pair_of_line(line: &[u8]) -> Result<(&[u8], &[u8]), BadLine> {
    split(line, memchr2(b' ', b'\t', line).unwrap_or(line.len()))
}

/// Cuts a line at its first separator, which is at `first` unless that is behind its end.
fn split(line: &[u8], first: usize) -> Result<(&[u8], &[u8]), BadLine> {
    let key = &line[..first.min(line.len())];
    let value = line.get(first + 1..).unwrap_or_default();
    if key.is_empty() {
        Err(BadLine::EmptyKey)
    } else if key.len() > KEY_BYTES_MAX {
        Err(BadLine::KeyTooLong)
    } else if value.len() > VALUE_BYTES_MAX {
        Err(BadLine::ValueTooLong)
    } else {
        Ok((key, value))
    }
}

/// Calls `each` with every pair of `source`, in order, holding one block of the text at a time.
///
/// # Errors
/// [`Error::Read`] when the source fails, [`Error::Line`] at the first line that is not a pair.
///
/// ```
/// let mut keys = Vec::new();
/// graven_format::text::for_each_pair(&b"a 1\n\nb 2\n"[..], |pair| keys.push(pair.key.to_vec()))?;
/// assert_eq!(keys, [b"a", b"b"]);
/// # Ok::<(), graven_format::text::Error>(())
/// ```
pub fn for_each_pair(source: impl Read, mut each: impl FnMut(Pair<'_>)) -> Result<(), Error> {
    let mut blocks = Blocks::new(source);
    let mut block = Block::default();
    while blocks.next_into(&mut block)? {
        for pair in block.lines() {
            each(pair?);
        }
    }
    Ok(())
}
