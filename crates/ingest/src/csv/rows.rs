//! Rows of which the wanted columns are known.

use std::io::Read;

use super::reader::CsvReader;
use crate::error::{Cause, Fault, Position};
use crate::row::{CellKind, CellSpan, Row, Rows};

/// The rows of a csv, all as wide as the first.
pub(crate) struct CsvRows<R> {
    reader: CsvReader<R>,
    columns: Vec<usize>,
    width: usize,
    /// Whether the reader holds a row that was not given yet: the first, from which the width is known.
    has_first: bool,
    cells: Vec<CellSpan>,
    ignored: Vec<String>,
    trim: bool,
}

impl<R: Read> CsvRows<R> {
    /// The rows that `reader` gives from here on, of which `columns` are wanted. It holds the first one where `has_first`
    /// is true.
    pub(crate) fn new(
        reader: CsvReader<R>,
        columns: Vec<usize>,
        width: usize,
        has_first: bool,
        ignored: Vec<String>,
        trim: bool,
    ) -> Self {
        Self { reader, columns, width, has_first, cells: Vec::new(), ignored, trim }
    }
}

impl<R: Read + Send> Rows for CsvRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.has_first) && self.reader.next_row()?.is_none() {
            return Ok(false);
        }
        let row = self.reader.row();
        let position = Position::line(row.line());
        if row.len() != self.width {
            let (expected, found) = (self.width, row.len());
            return Err(Fault::new(position, Cause::ColumnCount { expected, found }));
        }
        self.cells.clear();
        for &column in &self.columns {
            let span = row.span(column);
            let mut cell = CellSpan { start: span.start, end: span.end, kind: CellKind::Bytes };
            if self.trim {
                cell.trim(&row.bytes);
            }
            self.cells.push(cell);
        }
        Ok(true)
    }

    fn row(&self) -> Row<'_> {
        let row = self.reader.row();
        Row { bytes: &row.bytes, cells: &self.cells, position: Position::line(row.line()) }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}
