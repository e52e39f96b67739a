//! A row: cells that are borrowed from the reader that read them.
//!
//! Every form that has columns is a [`Rows`]. A reader is made for the columns that are wanted, so
//! that one which can pass over the others does, and gives their cells in the order in which they
//! were asked for.

use crate::error::{Fault, Position};

/// What stands in one column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell<'a> {
    /// Text, or any bytes.
    Bytes(&'a [u8]),
    /// A JSON number, boolean, array or object, as it is written.
    Json(&'a [u8]),
    /// Nothing, and said so.
    Null,
    /// Nothing at all: a member that the object does not have.
    Missing,
}

/// What kind of cell a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    Bytes,
    Json,
    Null,
    Missing,
}

/// Where a cell lies in the bytes of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellSpan {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: CellKind,
}

impl CellSpan {
    /// Leaves out the spaces and tabs at both ends.
    pub(crate) fn trim(&mut self, bytes: &[u8]) {
        let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
        while self.start < self.end && is_blank(bytes[self.start]) {
            self.start += 1;
        }
        while self.start < self.end && is_blank(bytes[self.end - 1]) {
            self.end -= 1;
        }
    }
}

/// One row; it ends when the next one is read.
#[derive(Clone, Copy, Debug)]
pub struct InputRow<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) cells: &'a [CellSpan],
    pub(crate) position: Position,
}

impl<'a> InputRow<'a> {
    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The `i`th of the cells that were asked for.
    pub fn cell(&self, i: usize) -> Option<Cell<'a>> {
        let span = self.cells.get(i)?;
        let bytes = &self.bytes[span.start..span.end];
        Some(match span.kind {
            CellKind::Bytes => Cell::Bytes(bytes),
            CellKind::Json => Cell::Json(bytes),
            CellKind::Null => Cell::Null,
            CellKind::Missing => Cell::Missing,
        })
    }

    /// Where the row begins.
    pub fn position(&self) -> Position {
        self.position
    }
}

/// A reader of rows.
pub trait Rows: Send {
    /// Reads the next row that is not empty; `false` at the end.
    ///
    /// # Errors
    /// The first row that cannot be read. Nothing is read behind it.
    fn advance(&mut self) -> Result<bool, Fault>;

    /// The row that was read.
    fn row(&self) -> InputRow<'_>;

    /// The names, or the numbers where there are no names, of columns that were met and not asked
    /// for.
    fn ignored(&self) -> &[String];

    /// What people call the file that the row is in, where an input has several.
    fn input(&self) -> Option<String> {
        None
    }
}
