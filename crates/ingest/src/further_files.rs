//! Several files of text that are one table with columns: one is read behind the other, and each has to have the columns of
//! the first.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::compressed::Compression;
use crate::error::{Cause, Error, Fault, Position};
use crate::format::Format;
use crate::input::{Input, Meter};
use crate::json::Texts;
use crate::options::ReadOptions;
use crate::pairs::stopped_or;
use crate::parts::PartFile;
use crate::table_rows::{ChosenColumns, ColumnOptions, RowSource, form_of, lines_of, open};

/// Whether files of a form are read one behind the other.
pub(crate) fn is_chained(format: Format) -> bool {
    matches!(format, Format::Csv | Format::Tsv | Format::Jsonl)
}

/// What the others are compared with.
pub(crate) struct FirstFile {
    name: String,
    format: Format,
    key: String,
    columns: Vec<String>,
    /// Whether all columns are wanted, so that none may be added.
    takes_all: bool,
}

/// The files behind the one that is read.
pub(crate) struct FurtherFiles {
    pub(crate) parts: VecDeque<PartFile>,
    pub(crate) read: ReadOptions,
    pub(crate) columns: ColumnOptions,
    pub(crate) first: FirstFile,
    pub(crate) meter: Arc<Meter>,
}

/// One of them, at its first row.
pub(crate) struct OpenedFile {
    pub(crate) name: String,
    pub(crate) compression: Option<Compression>,
    /// Lines before those that are counted.
    pub(crate) skipped: u64,
    pub(crate) source: FurtherSource,
}

/// What its rows come from.
pub(crate) enum FurtherSource {
    /// Its rows, and the columns that are not in them.
    Rows(RowSource, Vec<String>),
    /// Objects, which go on with the columns of those before.
    Texts(Box<dyn Texts>),
}

impl FirstFile {
    pub(crate) fn new(name: &str, format: Format, chosen: &ChosenColumns, columns: &ColumnOptions) -> Self {
        Self {
            name: name.to_owned(),
            format,
            key: chosen.key.clone(),
            columns: chosen.names.clone(),
            takes_all: columns.columns.is_none(),
        }
    }

    /// The columns of a further file in the order of the first.
    pub(crate) fn arrange(&self, mut chosen: ChosenColumns) -> Result<ChosenColumns, Cause> {
        if chosen.key != self.key {
            return Err(self.differs(format!("its key is {}, expected {}", chosen.key, self.key)));
        }
        let (keys, found) = chosen.places.split_at(chosen.places.len() - chosen.names.len());
        let mut places = keys.to_vec();
        for name in &self.columns {
            match chosen.names.iter().position(|found| found == name) {
                Some(at) => places.push(found[at]),
                None => return Err(self.differs(format!("it has no column {name}"))),
            }
        }
        let is_further = |name: &&String| !self.columns.contains(name);
        if self.takes_all
            && let Some(name) = chosen.names.iter().find(is_further)
        {
            return Err(self.differs(format!("it has a further column {name}")));
        }
        chosen.names.clone_from(&self.columns);
        chosen.places = places;
        Ok(chosen)
    }

    fn differs(&self, how: String) -> Cause {
        Cause::FileDiffers { first: self.name.clone(), how }
    }
}

impl FurtherFiles {
    /// Looks at the columns of all, before any row is read. What is no file can be opened once alone.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut files = self.parts.iter().filter(|part| part.path.is_file());
        files.try_for_each(|part| self.open(part, Arc::default()).map(|_| ()))
    }

    /// Opens the next one.
    pub(crate) fn open_next(&mut self) -> Option<Result<OpenedFile, Error>> {
        let part = self.parts.pop_front()?;
        Some(self.open(&part, Arc::clone(&self.meter)))
    }

    fn open(&self, part: &PartFile, meter: Arc<Meter>) -> Result<OpenedFile, Error> {
        let Self { read, columns, first, .. } = self;
        let mut input = Input::open_metered(&part.path, Arc::clone(&meter))?;
        let skipped = input.skip_lines(read.skip)?;
        let (name, compression) = (input.name().to_owned(), input.compression());
        let source = || {
            // That the first has a header says nothing of the form of this one.
            let format = form_of(&input, &ReadOptions { header: None, ..read.clone() })?;
            if format != first.format {
                let (expected, found) = (first.format, format);
                let cause = Cause::FormDiffers { first: first.name.clone(), expected, found };
                return Err(Fault::new(Position::WHOLE, cause));
            }
            if format == Format::Jsonl {
                return Ok(FurtherSource::Texts(lines_of(input, read)));
            }
            let (_, rows, chosen) = open(input, read, columns, Some(first))?;
            Ok(FurtherSource::Rows(rows, chosen.ignored))
        };
        let source = source().map_err(|fault: Fault| {
            stopped_or(fault, &meter).behind(skipped).of_compressed(&name, compression)
        })?;
        Ok(OpenedFile { name, compression, skipped, source })
    }
}
