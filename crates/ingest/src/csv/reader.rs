//! Finds the cells of one row after the other.

use std::io::Read;
use std::ops::Range;

use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use memchr::{memchr, memchr2, memchr2_iter, memchr3};

use crate::error::{Cause, Fault, Position};
use crate::placed_bytes::PlacedBytes;

/// Bytes that the cells of a row may have: the longest key and value, and room for other columns.
const ROW_BYTES_MAX: usize = KEY_BYTES_MAX + VALUE_BYTES_MAX + (16 << 20);

/// Bytes that are read from the source at a time.
const READ_BYTES: usize = 256 * 1024;

/// What ended a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Delimiter,
    Row,
    Input,
}

/// Reads the rows of a csv, and knows where it is.
///
/// ```
/// use graven_ingest::CsvReader;
///
/// let mut reader = CsvReader::new(&b"id,motto\n7,\"no, \"\"thanks\"\"\"\n"[..], b',', None);
/// assert!(reader.next_row()?.is_some());
/// let row = reader.next_row()?.expect("there is a second row");
/// assert_eq!(row.cells().collect::<Vec<_>>(), [&b"7"[..], b"no, \"thanks\""]);
/// assert_eq!(row.line(), 2);
/// # Ok::<(), graven_ingest::Fault>(())
/// ```
#[derive(Debug)]
pub struct CsvReader<R> {
    bytes: PlacedBytes<R>,
    delimiter: u8,
    comment: Option<Vec<u8>>,
    row: CsvRow,
}

/// One row of a csv.
#[derive(Debug, Default)]
pub struct CsvRow {
    /// Its cells, one behind the other.
    pub(super) bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    line: u64,
    lines: u64,
}

impl CsvRow {
    /// The number of its cells, which is 1 or more.
    #[allow(clippy::len_without_is_empty, reason = "no row is empty")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its cells, without the quotes around them.
    pub fn cells(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| &self.bytes[self.span(i)])
    }

    /// The line that it begins in, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many lines it lies in: more than one where a cell holds line ends.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn span(&self, i: usize) -> Range<usize> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        start..self.ends[i]
    }
}

impl<R: Read> CsvReader<R> {
    /// Reads `source`, whose columns `delimiter` separates: neither a quote nor a line end. Lines
    /// that begin with `comment` are passed over.
    pub fn new(source: R, delimiter: u8, comment: Option<Vec<u8>>) -> Self {
        let bytes = PlacedBytes::new(source, READ_BYTES);
        Self { bytes, delimiter, comment, row: CsvRow::default() }
    }

    /// Reads the next row that is neither empty nor a comment; `None` at the end.
    ///
    /// # Errors
    /// [`Cause::OpenQuote`], [`Cause::AfterQuote`], [`Cause::RowTooLong`] and [`Cause::Read`].
    /// Nothing is read behind them.
    pub fn next_row(&mut self) -> Result<Option<&CsvRow>, Fault> {
        if self.bytes.are_untouched() {
            self.bytes.pass_over_the_mark()?;
        }
        loop {
            match self.bytes.look(1)?.first().copied() {
                None => return Ok(None),
                Some(b'\n' | b'\r') => self.end_line()?,
                _ if self.at_a_comment()? => self.pass_over_the_line()?,
                _ => break,
            }
        }
        self.row.bytes.clear();
        self.row.ends.clear();
        self.row.line = self.bytes.line();
        loop {
            let end = match self.bytes.look(1)? {
                [b'"', ..] => self.quoted_cell()?,
                _ => self.plain_cell()?,
            };
            self.row.ends.push(self.row.bytes.len());
            if end != End::Delimiter {
                let ended = u64::from(end == End::Row);
                self.row.lines = self.bytes.line() - self.row.line + 1 - ended;
                return Ok(Some(&self.row));
            }
        }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The row that was read last.
    pub(super) fn row(&self) -> &CsvRow {
        &self.row
    }

    fn fault(&self, cause: Cause) -> Fault {
        Fault::new(self.bytes.position(), cause)
    }

    fn at_a_comment(&mut self) -> Result<bool, Fault> {
        let Some(comment) = self.comment.take() else { return Ok(false) };
        let starts = self.bytes.look(comment.len()).map(|next| next.starts_with(&comment));
        self.comment = Some(comment);
        starts
    }

    fn pass_over_the_line(&mut self) -> Result<(), Fault> {
        loop {
            let next = self.bytes.look(1)?;
            match memchr2(b'\n', b'\r', next) {
                _ if next.is_empty() => return Ok(()),
                Some(at) => {
                    self.bytes.take(at);
                    return self.end_line();
                }
                None => {
                    let len = next.len();
                    self.bytes.take(len);
                }
            }
        }
    }

    /// Takes the line end that comes next.
    fn end_line(&mut self) -> Result<(), Fault> {
        let bytes = if self.bytes.look(2)?.starts_with(b"\r\n") { 2 } else { 1 };
        self.bytes.take(bytes);
        self.bytes.begin_line();
        Ok(())
    }

    /// Adds the next `bytes` to the cell.
    fn keep(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.row.bytes.len() + bytes > ROW_BYTES_MAX {
            return Err(self.fault(Cause::RowTooLong { most: ROW_BYTES_MAX }));
        }
        self.row.bytes.extend_from_slice(self.bytes.take(bytes));
        Ok(())
    }

    /// Reads what is not quoted.
    fn plain_cell(&mut self) -> Result<End, Fault> {
        let delimiter = self.delimiter;
        loop {
            let next = self.bytes.look(1)?;
            if next.is_empty() {
                return Ok(End::Input);
            }
            let Some(at) = memchr3(delimiter, b'\n', b'\r', next) else {
                let len = next.len();
                self.keep(len)?;
                continue;
            };
            let is_delimiter = next[at] == delimiter;
            self.keep(at)?;
            if is_delimiter {
                self.bytes.take(1);
                return Ok(End::Delimiter);
            }
            self.end_line()?;
            return Ok(End::Row);
        }
    }

    /// Reads a cell whose opening quote comes next.
    fn quoted_cell(&mut self) -> Result<End, Fault> {
        let (opened, cell_start) = (self.bytes.position(), self.row.bytes.len());
        self.bytes.take(1);
        loop {
            let next = self.bytes.look(1)?;
            if next.is_empty() {
                return Err(Fault::new(opened, Cause::OpenQuote));
            }
            let len = memchr(b'"', next).unwrap_or(next.len());
            let found = len < next.len();
            self.keep_lines(cell_start, len).map_err(|fault| match fault.cause {
                // A quote that is not closed gathers the rest of the input.
                Cause::RowTooLong { .. } => Fault { position: opened, ..fault },
                _ => fault,
            })?;
            if !found {
                continue;
            }
            let delimiter = self.delimiter;
            match *self.bytes.look(2)? {
                [_, b'"', ..] => {
                    self.bytes.take(1);
                    self.keep(1)?;
                }
                [_] => {
                    self.bytes.take(1);
                    return Ok(End::Input);
                }
                [_, next, ..] if next == delimiter => {
                    self.bytes.take(2);
                    return Ok(End::Delimiter);
                }
                [_, b'\n' | b'\r', ..] => {
                    self.bytes.take(1);
                    self.end_line()?;
                    return Ok(End::Row);
                }
                [_, found, ..] => {
                    self.bytes.take(1);
                    let Position { line, column } = self.bytes.position();
                    let (line, column) = (line.unwrap_or_default(), column.unwrap_or_default());
                    return Err(Fault::new(opened, Cause::AfterQuote { line, column, found, delimiter }));
                }
                [] => return Err(Fault::new(opened, Cause::OpenQuote)),
            }
        }
    }

    /// Adds the next `bytes` to the cell, which begins at `cell_start`, and counts the lines that
    /// end in them.
    fn keep_lines(&mut self, cell_start: usize, bytes: usize) -> Result<(), Fault> {
        let offset = self.bytes.at();
        let first = self.row.bytes.len();
        self.keep(bytes)?;
        let cell = &self.row.bytes[cell_start..];
        for at in memchr2_iter(b'\n', b'\r', &cell[first - cell_start..]) {
            let at_in_cell = first - cell_start + at;
            // `\r\n` is one end, which was counted at its `\r`.
            let is_second = cell[at_in_cell] == b'\n' && at_in_cell > 0 && cell[at_in_cell - 1] == b'\r';
            self.bytes.begin_lines(u64::from(!is_second), offset + at as u64 + 1);
        }
        Ok(())
    }
}
