//! The rows of a row group, as batches of cells.

use std::path::Path;
use std::sync::Arc;

use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::footer::SharedFile;
use super::leaf::Leaf;
use super::nested::{NodeShape, SchemaNode};
use super::pages::PageMemory;
use super::scalar::ScalarKind;
use crate::input::Meter;
use crate::parquet_problem::{ParquetPlace, ParquetProblem};
use crate::row::{CellKind, CellSpan};

/// Bytes of cells in a batch, the last row not counted in.
const BATCH_BYTES: usize = 256 * 1024;

/// Rows that are decoded at a time, and are in a batch.
const BATCH_ROWS: u64 = 4096;

/// Bytes of the cells of a row: the longest key and value, and as much again for columns that go
/// into neither.
const ROW_BYTES_MAX: u64 = 2 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) as u64;

/// Bytes of pages that rows which are decoded at a time are meant to have, on average.
const DECODED_BYTES: u64 = 1 << 20;

/// Values of lists that rows which are decoded at a time are meant to have, on average.
const DECODED_VALUES: u64 = 1 << 18;

/// Rows whose cells lie one behind the other.
#[derive(Debug, Default)]
pub(super) struct RowBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) cells: Vec<CellSpan>,
    pub(super) rows: usize,
    /// The number of the first row in its file, from 1.
    pub(super) first_row: u64,
    /// The file among those that are read.
    pub(super) file: usize,
}

impl RowBatch {
    /// Bytes that it takes in memory.
    pub(super) fn len(&self) -> usize {
        self.bytes.capacity() + self.cells.capacity() * size_of::<CellSpan>()
    }
}

/// Where the cells of a column come from.
#[derive(Clone, Debug)]
pub(super) enum ColumnSource {
    /// A column of the file, with its leaves among all of the schema.
    InFile { node: SchemaNode, leaves: Vec<usize> },
    /// The name of a folder around the file; none is null.
    InPath(Option<String>),
}

/// A row group that is to be read.
#[derive(Clone, Debug)]
pub(super) struct GroupTask {
    pub(super) file: SharedFile,
    pub(super) file_number: usize,
    pub(super) group: usize,
    pub(super) first_row: u64,
    pub(super) columns: Arc<[ColumnSource]>,
    pub(super) trim: bool,
}

/// What went wrong, and where.
#[derive(Debug)]
pub(super) struct GroupFault {
    pub(super) place: ParquetPlace,
    pub(super) problem: ParquetProblem,
}

/// A column while it is read.
struct OpenColumn<'a> {
    source: &'a ColumnSource,
    leaves: Vec<Leaf>,
}

impl GroupTask {
    /// The path of its file.
    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    fn fail(&self, column: &ColumnSource, problem: ParquetProblem) -> GroupFault {
        let column = match column {
            ColumnSource::InFile { node, .. } => Some(node.name.clone()),
            ColumnSource::InPath(_) => None,
        };
        GroupFault { place: ParquetPlace { row_group: Some(self.group), column }, problem }
    }

    /// Reads all rows, and gives each batch to `put` until that says that nobody wants more.
    pub(super) fn read(
        &self,
        memory: &Arc<PageMemory>,
        meter: &Arc<Meter>,
        mut put: impl FnMut(RowBatch) -> bool,
    ) -> Result<(), GroupFault> {
        let mut left = self.file.rows(self.group);
        if left == 0 {
            return Ok(());
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut step = BATCH_ROWS;
        for source in self.columns.iter() {
            let mut leaves = Vec::new();
            if let ColumnSource::InFile { leaves: places, .. } = source {
                for &place in places {
                    let leaf = Leaf::open(&self.file, self.group, place, memory, meter);
                    leaves.push(leaf.map_err(|problem| self.fail(source, problem))?);
                    let values = self.file.metadata.row_group(self.group).column(place).num_values();
                    let a_row = values.max(0).cast_unsigned().div_ceil(left).max(1);
                    step = step.min((DECODED_VALUES / a_row).max(1));
                }
            }
            columns.push(OpenColumn { source, leaves });
        }
        let places: Vec<usize> = self.leaves().collect();
        let bytes_a_row = self.file.unpacked_bytes(self.group, &places).div_ceil(left).max(1);
        step = step.min((DECODED_BYTES / bytes_a_row).max(1));
        let mut batch = self.new_batch(self.first_row);
        let mut next_row = self.first_row;
        let mut text = Vec::new();
        while left > 0 {
            let rows = left.min(step);
            left -= rows;
            for OpenColumn { source, leaves } in &mut columns {
                for leaf in leaves {
                    leaf.read(rows as usize).map_err(|problem| self.fail(source, problem))?;
                }
            }
            for _ in 0..rows {
                let row_start = batch.bytes.len();
                for column in &mut columns {
                    let cell = column.write(self.trim, &mut text, &mut batch.bytes);
                    batch.cells.push(cell.map_err(|problem| self.fail(column.source, problem))?);
                    let found = (batch.bytes.len() - row_start) as u64;
                    if found > ROW_BYTES_MAX {
                        let (what, most) = ("the length of a row", ROW_BYTES_MAX);
                        return Err(self.fail(column.source, ParquetProblem::TooLarge { what, most, found }));
                    }
                }
                batch.rows += 1;
                next_row += 1;
                if batch.bytes.len() >= BATCH_BYTES || batch.rows as u64 >= BATCH_ROWS {
                    let full = std::mem::replace(&mut batch, self.new_batch(next_row));
                    if !put(full) {
                        return Ok(());
                    }
                }
            }
            for OpenColumn { source, leaves } in &columns {
                if leaves.iter().any(|leaf| leaf.peek().is_some()) {
                    let problem = ParquetProblem::Damaged("its levels contradict each other".into());
                    return Err(self.fail(source, problem));
                }
            }
        }
        if batch.rows > 0 {
            put(batch);
        }
        Ok(())
    }

    /// The leaves that are read.
    pub(super) fn leaves(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().flat_map(|source| {
            match source {
                ColumnSource::InFile { leaves, .. } => leaves.as_slice(),
                ColumnSource::InPath(_) => &[],
            }
            .iter()
            .copied()
        })
    }

    fn new_batch(&self, first_row: u64) -> RowBatch {
        RowBatch { first_row, file: self.file_number, ..RowBatch::default() }
    }
}

impl OpenColumn<'_> {
    /// Appends the cell of the next row.
    fn write(
        &mut self,
        trim: bool,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<CellSpan, ParquetProblem> {
        let start = out.len();
        let span = |end: usize, kind: CellKind| CellSpan { start, end, kind };
        let node = match self.source {
            ColumnSource::InFile { node, .. } => node,
            ColumnSource::InPath(None) => return Ok(span(start, CellKind::Null)),
            ColumnSource::InPath(Some(name)) => {
                out.extend_from_slice(name.as_bytes());
                return Ok(span(out.len(), CellKind::Bytes));
            }
        };
        if let (NodeShape::Scalar { kind, .. }, [leaf]) = (&node.shape, &mut self.leaves[..]) {
            let Some(at) = leaf.take()? else { return Ok(span(start, CellKind::Null)) };
            kind.write(&leaf.values, at, out)?;
            let mut cell = span(out.len(), kind.cell());
            if trim && *kind == ScalarKind::Text {
                cell.trim(out);
            }
            return Ok(cell);
        }
        if node.take_null(&mut self.leaves)? {
            return Ok(span(start, CellKind::Null));
        }
        text.clear();
        node.write_json(&mut self.leaves, text)?;
        out.extend_from_slice(text);
        Ok(span(out.len(), CellKind::Json))
    }
}
