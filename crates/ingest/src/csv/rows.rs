//! Rows of which the wanted columns are known.

use std::io::Read;

use super::reader::CsvReader;
use crate::error::{Cause, Fault, Position};
use crate::options::ReadOptions;
use crate::row::{CellKind, CellSpan, InputRow, Rows};

/// The rows of a csv, all as wide as the first.
pub(crate) struct CsvRows<R> {
    reader: CsvReader<R>,
    columns: Vec<usize>,
    width: usize,
    /// Whether the reader holds a row that was not given yet: the first, from which the width is
    /// known.
    has_first: bool,
    cells: Vec<CellSpan>,
    ignored: Vec<String>,
    trim: bool,
    takes_rows_in_quotes: bool,
    /// Whether rows may have fewer columns.
    takes_short: bool,
    delimiter: u8,
}

/// Lines inside of a quoted cell from which on they are suspected to be rows.
const ROW_LIKE_LINES_MIN: u64 = 4;

/// How many whole lines a cell holds, if there are some and each has as many columns as a row. So
/// it looks where two quotes too many, some rows apart, make one cell of all that stands between
/// them; the grammar allows that.
fn row_like_lines(cell: &[u8], width: usize, delimiter: u8) -> Option<u64> {
    let end = if memchr::memchr(b'\n', cell).is_some() { b'\n' } else { b'\r' };
    // What stands before the first line end and behind the last is part of a line only.
    let (first, last) = (memchr::memchr(end, cell)?, memchr::memrchr(end, cell)?);
    let lines = cell.get(first + 1..last)?.split(|&byte| byte == end);
    let mut number = 0;
    for line in lines {
        if memchr::memchr_iter(delimiter, line).count() + 1 != width {
            return None;
        }
        number += 1;
    }
    (number >= ROW_LIKE_LINES_MIN).then_some(number)
}

impl<R: Read> CsvRows<R> {
    /// The rows that `reader` gives from here on, of which `columns` are wanted. It holds the
    /// first one where `has_first` is true.
    pub(crate) fn new(
        reader: CsvReader<R>,
        columns: Vec<usize>,
        width: usize,
        has_first: bool,
        ignored: Vec<String>,
        options: &ReadOptions,
    ) -> Self {
        Self {
            delimiter: reader.delimiter(),
            reader,
            columns,
            width,
            has_first,
            cells: Vec::new(),
            ignored,
            trim: options.trim,
            takes_rows_in_quotes: options.rows_in_quotes,
            takes_short: options.short_rows,
        }
    }
}

impl<R: Read + Send> Rows for CsvRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.has_first) && self.reader.next_row()?.is_none() {
            return Ok(false);
        }
        let row = self.reader.row();
        let position = Position::line(row.line());
        let (expected, found) = (self.width, row.len());
        if self.takes_short && found > expected {
            return Err(Fault::new(position, Cause::TooManyColumns { most: expected, found }));
        }
        if !self.takes_short && found != expected {
            return Err(Fault::new(position, Cause::ColumnCount { expected, found }));
        }
        if !self.takes_rows_in_quotes && row.lines() > ROW_LIKE_LINES_MIN {
            for cell in row.cells() {
                if let Some(lines) = row_like_lines(cell, self.width, self.delimiter) {
                    let cause = Cause::RowsInQuotes { lines, columns: self.width };
                    return Err(Fault::new(Position::line(row.line()), cause));
                }
            }
        }
        self.cells.clear();
        for &column in &self.columns {
            if column >= found {
                self.cells.push(CellSpan { start: 0, end: 0, kind: CellKind::Bytes });
                continue;
            }
            let span = row.span(column);
            let mut cell = CellSpan { start: span.start, end: span.end, kind: CellKind::Bytes };
            if self.trim {
                cell.trim(&row.bytes);
            }
            self.cells.push(cell);
        }
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let row = self.reader.row();
        InputRow { bytes: &row.bytes, cells: &self.cells, position: Position::line(row.line()) }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}
