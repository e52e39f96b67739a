//! `.data` text, pair by pair: where blanks are dropped or lines are passed over, and for whoever
//! wants no table. [`graven_format::Builder::add_text`] reads the plain form on all threads.

use std::io::Read;

use graven_format::text;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use memchr::memchr2;

use crate::error::{Fault, Position};
use crate::lines::LineReader;
use crate::options::ReadOptions;
use crate::row::{CellKind, CellSpan, InputRow, Rows};

/// The longest line: the longest key and value, and room for blanks around them.
const LINE_BYTES_MAX: usize = KEY_BYTES_MAX + VALUE_BYTES_MAX + (16 << 20);

/// The rows of a `.data` text: the key, then the value.
pub(crate) struct DataRows<R> {
    lines: LineReader<R>,
    cells: [CellSpan; 2],
    trim: bool,
}

impl<R: Read> DataRows<R> {
    pub(crate) fn new(source: R, options: &ReadOptions) -> Self {
        let nothing = CellSpan { start: 0, end: 0, kind: CellKind::Bytes };
        let lines = LineReader::new(source, LINE_BYTES_MAX, options.comment.clone());
        Self { lines, cells: [nothing; 2], trim: options.trim }
    }
}

impl<R: Read + Send> Rows for DataRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        let [key, value] = &mut self.cells;
        loop {
            if !self.lines.advance()? {
                return Ok(false);
            }
            let (_, line) = self.lines.line();
            *value = CellSpan { start: 0, end: line.len(), ..*value };
            if !self.trim {
                break;
            }
            value.trim(line);
            if value.start < value.end {
                break;
            }
        }
        let (number, line) = self.lines.line();
        if self.trim {
            let text = &line[value.start..value.end];
            let len = memchr2(b' ', b'\t', text).unwrap_or(text.len());
            *key = CellSpan { start: value.start, end: value.start + len, ..*key };
            value.start = key.end;
            value.trim(line);
        } else {
            let pair = text::pair_of_line(line);
            let pair = pair.map_err(|reason| Fault::new(Position::line(number), reason.into()))?;
            *key = CellSpan { start: 0, end: pair.0.len(), ..*key };
            *value = CellSpan { start: line.len() - pair.1.len(), end: line.len(), ..*value };
        }
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let (line, bytes) = self.lines.line();
        InputRow { bytes, cells: &self.cells, position: Position::line(line) }
    }

    fn ignored(&self) -> &[String] {
        &[]
    }
}
