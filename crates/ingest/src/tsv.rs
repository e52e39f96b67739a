//! Tab-separated text, in which nothing is quoted: a key, a tab and a value; or columns, where
//! they are asked for.

use std::io::Read;

use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use memchr::{memchr, memchr_iter};

use crate::columns::FirstRow;
use crate::composed::Composition;
use crate::error::{Cause, Fault, Position};
use crate::judge::FirstRows;
use crate::lines::LineReader;
use crate::options::ReadOptions;
use crate::row::{CellKind, CellSpan, InputRow, Rows};

/// The longest line: the longest key and value, and room for other columns.
pub(crate) const LINE_BYTES_MAX: usize = KEY_BYTES_MAX + VALUE_BYTES_MAX + (16 << 20);

/// What a line is cut into.
enum Shape {
    /// The key, and behind the first tab the value with all further tabs.
    Pair,
    /// So many columns, of which these are wanted; rows may have fewer.
    Columns { width: usize, wanted: Vec<usize>, takes_short: bool },
}

/// The rows of a tsv.
pub(crate) struct TsvRows<R> {
    lines: LineReader<R>,
    shape: Shape,
    /// Whether the first row is read already: it says how many columns there are.
    has_first: bool,
    cells: Vec<CellSpan>,
    /// Where the columns of the row end.
    ends: Vec<usize>,
    ignored: Vec<String>,
    trim: bool,
}

impl<R: Read> TsvRows<R> {
    /// Reads the header, where there is one, and chooses the columns; what is made of their cells
    /// comes with them.
    pub(crate) fn new(
        source: R,
        options: &ReadOptions,
        first_rows: &FirstRows,
    ) -> Result<(Self, Composition), Fault> {
        let mut lines = LineReader::new(source, LINE_BYTES_MAX, options.comment.clone());
        let has_header = options.has_header();
        let mut composition = Composition::default();
        let in_columns = options.key.is_some() || options.value.is_some();
        let (mut shape, mut ignored, mut has_first) = (Shape::Pair, Vec::new(), false);
        if (has_header || in_columns) && lines.advance()? {
            has_first = !has_header;
            if in_columns {
                let (number, text) = lines.line();
                let name = |name| String::from_utf8_lossy(name).trim().to_owned();
                let mut names: Vec<String> = text.split(|&byte| byte == b'\t').map(name).collect();
                first_rows.widen(&mut names, options);
                let row = FirstRow {
                    cells: &names,
                    is_header: has_header,
                    may_be_header: first_rows.begin_with_names(),
                    line: number,
                    likely: first_rows.likely(),
                };
                let chosen = options.choose(row)?;
                let (wanted, takes_short) = (chosen.wanted, options.short_rows);
                shape = Shape::Columns { width: names.len(), wanted, takes_short };
                composition = chosen.composition;
                ignored = chosen.ignored;
            }
        }
        let (cells, ends) = (Vec::new(), Vec::new());
        let rows = Self { lines, shape, has_first, cells, ends, ignored, trim: options.trim };
        Ok((rows, composition))
    }

    /// The rows of lines of so many columns, of which some are wanted, from the one that was read
    /// where that is no header.
    pub(crate) fn of_columns(
        lines: LineReader<R>,
        width: usize,
        wanted: Vec<usize>,
        has_first: bool,
        options: &ReadOptions,
    ) -> Self {
        let (takes_short, trim) = (options.short_rows, options.trim);
        let (shape, ignored) = (Shape::Columns { width, wanted, takes_short }, Vec::new());
        Self { lines, shape, has_first, cells: Vec::new(), ends: Vec::new(), ignored, trim }
    }
}

impl<R: Read + Send> Rows for TsvRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.has_first) && !self.lines.advance()? {
            return Ok(false);
        }
        let (line, text) = self.lines.line();
        self.cells.clear();
        let position = Position::line(line);
        let cell = |start, end| CellSpan { start, end, kind: CellKind::Bytes };
        match &self.shape {
            Shape::Pair => {
                let tab = memchr(b'\t', text).ok_or_else(|| Fault::new(position, Cause::NoTab))?;
                self.cells.extend([cell(0, tab), cell(tab + 1, text.len())]);
            }
            Shape::Columns { width, wanted, takes_short } => {
                self.ends.clear();
                self.ends.extend(memchr_iter(b'\t', text).chain([text.len()]));
                let (expected, found) = (*width, self.ends.len());
                if *takes_short && found > expected {
                    let cause = Cause::TooManyColumns { most: expected, found };
                    return Err(Fault::new(position, cause));
                }
                if !takes_short && found != expected {
                    return Err(Fault::new(position, Cause::ColumnCount { expected, found }));
                }
                for &column in wanted {
                    if column >= found {
                        self.cells.push(cell(0, 0));
                        continue;
                    }
                    let start = column.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
                    self.cells.push(cell(start, self.ends[column]));
                }
            }
        }
        if self.trim {
            self.cells.iter_mut().for_each(|cell| cell.trim(text));
        }
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let (line, bytes) = self.lines.line();
        InputRow { bytes, cells: &self.cells, position: Position::line(line) }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}
