//! A column without columns inside, as its values and levels come from the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use super::footer::SharedFile;
use super::guarded;
use super::pages::{ChunkPages, PageMemory};
use crate::input::Meter;
use crate::parquet_problem::ParquetProblem;

/// Values that are no nulls.
#[derive(Debug)]
pub(super) enum LeafValues {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

/// One leaf of the schema in one row group, and the part of it that was read.
pub(super) struct Leaf {
    reader: ColumnReader,
    problem: Arc<std::sync::Mutex<Option<ParquetProblem>>>,
    list_values: Arc<AtomicU64>,
    pub(super) max_definition: i16,
    max_repetition: i16,
    /// Rows that are left in the row group.
    left: u64,
    pub(super) values: LeafValues,
    pub(super) definitions: Vec<i16>,
    pub(super) repetitions: Vec<i16>,
    /// Values and levels of these that were taken.
    pub(super) value: usize,
    pub(super) level: usize,
    levels: usize,
}

impl Leaf {
    pub(super) fn open(
        file: &SharedFile,
        group: usize,
        column: usize,
        memory: &Arc<PageMemory>,
        meter: &Arc<Meter>,
    ) -> Result<Self, ParquetProblem> {
        let place = file.chunk(group, column)?;
        let descriptor = file.metadata.file_metadata().schema_descr().column(column);
        let (problem, list_values) = (Arc::default(), Arc::default());
        let pages = ChunkPages {
            file: Arc::clone(file),
            place,
            descriptor: Arc::clone(&descriptor),
            memory: Arc::clone(memory),
            meter: Arc::clone(meter),
            list_values: Arc::clone(&list_values),
            values: 0,
            has_dictionary: false,
            problem: Arc::clone(&problem),
        };
        let (max_definition, max_repetition) = (descriptor.max_def_level(), descriptor.max_rep_level());
        let reader = guarded(|| Ok(get_column_reader(descriptor, Box::new(pages))))?;
        let values = match &reader {
            ColumnReader::BoolColumnReader(_) => LeafValues::Bool(Vec::new()),
            ColumnReader::Int32ColumnReader(_) => LeafValues::Int32(Vec::new()),
            ColumnReader::Int64ColumnReader(_) => LeafValues::Int64(Vec::new()),
            ColumnReader::Int96ColumnReader(_) => LeafValues::Int96(Vec::new()),
            ColumnReader::FloatColumnReader(_) => LeafValues::Float(Vec::new()),
            ColumnReader::DoubleColumnReader(_) => LeafValues::Double(Vec::new()),
            ColumnReader::ByteArrayColumnReader(_) => LeafValues::Bytes(Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(_) => LeafValues::Fixed(Vec::new()),
        };
        Ok(Self {
            reader,
            problem,
            list_values,
            max_definition,
            max_repetition,
            left: file.rows(group),
            values,
            definitions: Vec::new(),
            repetitions: Vec::new(),
            value: 0,
            level: 0,
            levels: 0,
        })
    }

    /// Reads the next `rows` rows, which there must be.
    pub(super) fn read(&mut self, rows: usize) -> Result<(), ParquetProblem> {
        self.definitions.clear();
        self.repetitions.clear();
        self.values.clear();
        (self.value, self.level, self.levels) = (0, 0, 0);
        self.list_values.store(0, Ordering::Relaxed);
        let (found, values, levels) = self.read_some(rows)?;
        self.left = self.left.saturating_sub(rows as u64);
        if found != rows {
            let what = format!("expected {rows} more rows, found {found}");
            return Err(ParquetProblem::Damaged(what));
        }
        if self.max_repetition > 0 && self.repetitions.first().is_some_and(|&first| first != 0) {
            return Err(ParquetProblem::Damaged("it begins in the middle of a list".into()));
        }
        self.levels = if self.max_definition > 0 || self.max_repetition > 0 { levels } else { values };
        if self.left == 0 {
            let (found, ..) = self.read_some(1)?;
            if found > 0 {
                return Err(ParquetProblem::Damaged("it has more rows than its row group".into()));
            }
        }
        Ok(())
    }

    fn read_some(&mut self, rows: usize) -> Result<(usize, usize, usize), ParquetProblem> {
        let definitions = (self.max_definition > 0).then_some(&mut self.definitions);
        let repetitions = (self.max_repetition > 0).then_some(&mut self.repetitions);
        let (reader, values) = (&mut self.reader, &mut self.values);
        let read = guarded(|| match (reader, values) {
            (ColumnReader::BoolColumnReader(reader), LeafValues::Bool(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::Int32ColumnReader(reader), LeafValues::Int32(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::Int64ColumnReader(reader), LeafValues::Int64(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::Int96ColumnReader(reader), LeafValues::Int96(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::FloatColumnReader(reader), LeafValues::Float(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::DoubleColumnReader(reader), LeafValues::Double(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::ByteArrayColumnReader(reader), LeafValues::Bytes(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), LeafValues::Fixed(values)) => {
                reader.read_records(rows, definitions, repetitions, values)
            }
            _ => unreachable!("a leaf is opened with room for its values"),
        });
        read.map_err(|problem| {
            // What the pages said comes before what the crate makes of it.
            let said = self.problem.lock().ok().and_then(|mut slot| slot.take());
            said.unwrap_or(problem)
        })
    }

    /// The definition level of what comes next, and its repetition level; none behind the last.
    pub(super) fn peek(&self) -> Option<(i16, i16)> {
        if self.level >= self.levels {
            return None;
        }
        let level = |levels: &[i16]| levels.get(self.level).copied().unwrap_or_default();
        Some((level(&self.definitions), level(&self.repetitions)))
    }

    /// Takes what comes next: the place of its value, or nothing where there is none.
    pub(super) fn take(&mut self) -> Result<Option<usize>, ParquetProblem> {
        let Some((definition, _)) = self.peek() else {
            return Err(ParquetProblem::Damaged("its levels end in the middle of a row".into()));
        };
        self.level += 1;
        if definition < self.max_definition {
            return Ok(None);
        }
        self.value += 1;
        if self.value > self.values.len() {
            return Err(ParquetProblem::Damaged("it has fewer values than its levels say".into()));
        }
        Ok(Some(self.value - 1))
    }
}

impl LeafValues {
    fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Int96(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Fixed(values) => values.len(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Bool(values) => values.clear(),
            Self::Int32(values) => values.clear(),
            Self::Int64(values) => values.clear(),
            Self::Int96(values) => values.clear(),
            Self::Float(values) => values.clear(),
            Self::Double(values) => values.clear(),
            Self::Bytes(values) => values.clear(),
            Self::Fixed(values) => values.clear(),
        }
    }
}
