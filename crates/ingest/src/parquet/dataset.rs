//! The files of a table, and the columns that they have together.

use std::sync::Arc;

use super::footer::{ParquetFile, SharedFile};
use super::group::{ColumnSource, GroupTask, RowBatch};
use super::nested::{FileColumn, SharedColumns, columns_of};
use super::pages::PageMemory;
use super::rows::{MEMORY_BYTES, ParquetRows};
use super::{UnreadFile, guarded};
use crate::error::{Fault, LikelyColumns};
use crate::input::{Input, Meter};
use crate::likely;
use crate::options::ReadOptions;
use crate::parquet_problem::{ParquetPlace, ParquetProblem};
use crate::parts::PartFile;
use crate::row::{CellKind, CellSpan};

use graven_format::{ColumnType, Source};

/// Opened files whose columns are the same.
pub(crate) struct ParquetDataset {
    files: Vec<OpenFile>,
    names: Vec<String>,
    /// Of each column the type that the files declare; none of one that folders name.
    types: Vec<Option<ColumnType>>,
    meter: Arc<Meter>,
}

struct OpenFile {
    part: PartFile,
    file: SharedFile,
    columns: SharedColumns,
}

impl OpenFile {
    fn new(part: PartFile, file: ParquetFile) -> Result<Self, Fault> {
        let schema = guarded(|| Ok(columns_of(file.metadata.file_metadata().schema())));
        let columns =
            schema.map_err(|problem| UnreadFile::Problem(ParquetPlace::default(), problem).of(&part.path))?;
        Ok(Self { part, file: Arc::new(file), columns: columns.into() })
    }

    /// The names of its columns, those of folders behind them where no column has the name.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.columns.iter().map(|column| column.node.name.clone()).collect();
        for (name, _) in &self.part.partitions {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn column(&self, name: &str) -> Option<&FileColumn> {
        self.columns.iter().find(|column| column.node.name == name)
    }

    fn source(&self, name: &str) -> Option<ColumnSource> {
        if let Some(column) = self.column(name) {
            return Some(ColumnSource::InFile { node: column.node.clone(), leaves: column.leaves.clone() });
        }
        let (_, value) = self.part.partitions.iter().find(|(partition, _)| partition == name)?;
        Some(ColumnSource::InPath(value.clone()))
    }

    /// What of a column is another than in the first file.
    fn difference(&self, first: &Self, name: &str) -> Option<String> {
        let described = |file: &Self| match (file.column(name), file.source(name)) {
            (Some(column), _) => Some(column.described.clone()),
            (None, Some(_)) => Some("the name of a folder".to_owned()),
            (None, None) => None,
        };
        match (described(self), described(first)) {
            (None, None) => None,
            (None, Some(_)) => Some(format!("it has no column {name}")),
            (Some(_), None) => Some(format!("it has a further column {name}")),
            (Some(found), Some(expected)) if found == expected => None,
            (Some(found), Some(expected)) => Some(format!("column {name} is {found}, expected {expected}")),
        }
    }

    fn differs(&self, first: &Self, how: String) -> Fault {
        let first = first.part.path.display().to_string();
        let problem = ParquetProblem::SchemaDiffers { first, how };
        UnreadFile::Problem(ParquetPlace::default(), problem).of(&self.part.path)
    }
}

impl ParquetDataset {
    /// Opens the files of an input and reads their footers.
    pub(crate) fn open(input: Input) -> Result<Self, Fault> {
        let (meter, parts) = (input.meter(), input.parts().to_vec());
        let mut files = Vec::with_capacity(parts.len());
        let mut first = match input.into_source() {
            Source::File(file) => Some(file),
            Source::Stream(_) => None,
        };
        for part in parts {
            let file = match first.take() {
                Some(file) => ParquetFile::of(&part.path, file),
                None => ParquetFile::open(&part.path),
            };
            files.push(OpenFile::new(part.clone(), file.map_err(|misread| misread.of(&part.path))?)?);
        }
        let names = files.first().map(OpenFile::names).unwrap_or_default();
        let column_type = |name: &String| files.first()?.column(name)?.column_type;
        let types = names.iter().map(column_type).collect();
        Ok(Self { names, types, meter, files })
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The declared type of a column; none of one that folders name.
    pub(crate) fn column_type(&self, column: usize) -> Option<ColumnType> {
        self.types.get(column).copied().flatten()
    }

    /// The column that may be the key, for a message.
    pub(crate) fn likely_key(&self, options: &ReadOptions) -> Option<usize> {
        likely::key(&self.first_rows(options), self.names.len())
    }

    /// The columns that may be key and value, for a message.
    pub(crate) fn likely(&self, options: &ReadOptions) -> LikelyColumns {
        likely::columns(&self.first_rows(options), self.names.len())
    }

    /// The texts of the first rows of the first row group that has any; what is null, a list or an
    /// object is empty. No rows, where they cannot be read: that is for who reads them to say.
    fn first_rows(&self, options: &ReadOptions) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let groups = self
            .files
            .iter()
            .flat_map(|file| (0..file.file.metadata.num_row_groups()).map(move |group| (file, group)));
        let Some((file, group)) = groups.into_iter().find(|(file, group)| file.file.rows(*group) > 0) else {
            return rows;
        };
        let columns: Arc<[ColumnSource]> = self.names.iter().filter_map(|name| file.source(name)).collect();
        let width = columns.len();
        let task = GroupTask {
            file: Arc::clone(&file.file),
            file_number: 0,
            group,
            first_row: 1,
            columns,
            trim: options.trim,
        };
        let memory = Arc::new(PageMemory::new(options.memory_bytes.unwrap_or(MEMORY_BYTES) / 2));
        // Without a column that its first file has, its rows are not those of the table.
        if width == self.names.len() {
            let read = task.read(&memory, &self.meter, |batch| {
                rows.extend(texts_of(&batch, width).take(likely::ROWS_MAX - rows.len()));
                rows.len() < likely::ROWS_MAX
            });
            if read.is_err() {
                rows.clear();
            }
        }
        rows
    }

    /// The rows, with the cells of these columns.
    pub(crate) fn rows(
        self,
        columns: &[usize],
        ignored: Vec<String>,
        options: &ReadOptions,
    ) -> Result<ParquetRows, Fault> {
        let Some(first) = self.files.first() else { return Ok(ParquetRows::none()) };
        let takes_all = ignored.is_empty();
        let mut tasks = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let further = if takes_all { file.names() } else { Vec::new() };
            let wanted = columns.iter().map(|&column| &self.names[column]);
            for name in wanted.clone().chain(&further) {
                if let Some(how) = file.difference(first, name) {
                    return Err(file.differs(first, how));
                }
            }
            let sources: Arc<[ColumnSource]> = wanted.filter_map(|name| file.source(name)).collect();
            let mut first_row = 1;
            for group in 0..file.file.metadata.num_row_groups() {
                tasks.push(GroupTask {
                    file: Arc::clone(&file.file),
                    file_number: number,
                    group,
                    first_row,
                    columns: Arc::clone(&sources),
                    trim: options.trim,
                });
                first_row += file.file.rows(group);
            }
        }
        ParquetRows::new(tasks, columns.len(), ignored, &self.meter, options)
    }
}

/// The rows of a batch as texts that a key would have.
fn texts_of(batch: &RowBatch, width: usize) -> impl Iterator<Item = Vec<String>> {
    let text = |cell: &CellSpan| match (cell.kind, &batch.bytes[cell.start..cell.end]) {
        (CellKind::Null | CellKind::Missing, _) | (CellKind::Json, [b'{' | b'[', ..]) => String::new(),
        (_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    batch.cells.chunks_exact(width).map(move |row| row.iter().map(text).collect())
}
