//! The files of a table, and the columns that they have together.

use std::sync::Arc;

use super::footer::{ParquetFile, SharedFile};
use super::group::{ColumnSource, GroupTask};
use super::nested::{FileColumn, SharedColumns, columns_of};
use super::rows::ParquetRows;
use super::{UnreadFile, guarded};
use crate::error::Fault;
use crate::input::{Input, Meter};
use crate::options::ReadOptions;
use crate::parquet_problem::{ParquetPlace, ParquetProblem};
use crate::parts::PartFile;

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
