//! The rows of an input for a table with columns: a key, and a field for each column that is
//! wanted.

use std::collections::VecDeque;
use std::sync::Arc;

use graven_format::{ColumnType, FieldInput, Options, RowBuilder};

use crate::columns::FirstRow;
use crate::composed::Composition;
use crate::compressed::Compression;
use crate::csv::{CsvReader, CsvRows};
use crate::error::{Cause, Error, Fault, LikelyColumns, LikelyFields, Position};
use crate::format::Format;
use crate::further_files::{FirstFile, FurtherFiles, FurtherSource, OpenedFile, is_chained};
use crate::input::{Input, Meter};
use crate::json::{DocumentTexts, LineTexts, ObjectRows, Texts};
use crate::judge::{self, FirstRows};
use crate::likely;
use crate::lines::LineReader;
use crate::options::{KeyColumns, ReadOptions};
use crate::pairs::{key_of, stopped_or};
#[cfg(feature = "parquet")]
use crate::parquet::ParquetDataset;
use crate::row::{Cell, Rows};
use crate::stanzas::StanzaColumns;
use crate::tsv::{self, TsvRows};

/// Which columns a table is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnOptions {
    /// The columns by name or number, or the fields of JSON objects, in this order; none: all but
    /// the key, in the order of the input.
    pub columns: Option<Vec<String>>,
    /// Columns whose type is said; that of the others follows from all their fields.
    pub types: Vec<(String, ColumnType)>,
}

/// The rows of an input.
///
/// ```
/// use graven_format::Options;
/// use graven_ingest::{ColumnOptions, Input, ReadOptions, TableRows};
///
/// let people = "id,name,born\n7,Ada,1815\n9,Grace,1906\n";
/// let input = Input::from_reader("people.csv", people.as_bytes())?; // or Input::open(path)
/// let read = ReadOptions { format: Some(graven_ingest::Format::Csv), ..ReadOptions::default() };
/// let mut rows = TableRows::new(input, &read, &ColumnOptions::default())?;
/// let mut builder = rows.builder(Options::default())?;
/// rows.add_to(&mut builder)?;
///
/// let (table, _) = builder.finish()?;
/// let mut value = Vec::new();
/// assert!(table.get(b"9", &mut value)?);
/// assert_eq!(table.row(&value)?.get("born")?.as_i64(), Some(1906));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(missing_debug_implementations)]
pub struct TableRows {
    name: String,
    compression: Option<Compression>,
    format: Format,
    meter: Arc<Meter>,
    /// Lines before those that are counted.
    skipped: u64,
    key: String,
    key_position: usize,
    /// Names of the columns as far as they are known, with the types that were said.
    columns: Vec<(String, Option<ColumnType>)>,
    reader: RowSource,
    ignored: Vec<String>,
    are_keys_numbers: bool,
    /// Whether the input declares what its columns hold.
    is_typed: bool,
    /// The files behind the one that is read.
    further: Option<FurtherFiles>,
}

/// What rows come from.
pub(crate) enum RowSource {
    /// A key and all columns.
    Rows(Box<dyn Rows>),
    /// Objects, whose fields may be others from line to line.
    Objects(Box<ObjectRows>),
    /// Stanzas, whose fields may be others from one to the next.
    Stanzas(Box<StanzaColumns>),
}

/// The columns of a csv or tsv that are wanted.
pub(crate) struct ChosenColumns {
    pub(crate) key: String,
    key_position: usize,
    pub(crate) names: Vec<String>,
    /// The key first; none where there is no row.
    pub(crate) places: Vec<usize>,
    pub(crate) ignored: Vec<String>,
    declared: Option<DeclaredTypes>,
    /// Whether the first row has their names.
    has_header: bool,
}

/// What an input with a schema says of its columns.
pub(crate) struct DeclaredTypes {
    /// Of each column that is wanted; none of one that is text all the same.
    columns: Vec<Option<ColumnType>>,
    is_key_number: bool,
}

impl TableRows {
    /// Decides how to read `input`, and reads its header where it has one. The first row of a csv
    /// or tsv is one unless it is said to be none.
    ///
    /// # Errors
    /// When the input is something else than rows, or can be read in more than one way; [`Cause`]
    /// lists the reasons.
    pub fn new(mut input: Input, read: &ReadOptions, columns: &ColumnOptions) -> Result<Self, Error> {
        let skipped = input.skip_lines(read.skip)?;
        let (mut name, meter, compression) = (input.name().to_owned(), input.meter(), input.compression());
        let mut parts = VecDeque::from(input.parts().to_vec());
        let opened = open(input, read, columns, None);
        let (format, reader, chosen) = opened.map_err(|fault| {
            let fault = stopped_or(fault, &meter).behind(skipped);
            match parts.front() {
                // A line is one of the first file.
                Some(first) if parts.len() > 1 && fault.position.line.is_some() => {
                    fault.in_input(&first.path.display().to_string())
                }
                _ => fault,
            }
            .of_compressed(&name, compression)
        })?;
        let mut further = None;
        if parts.len() > 1 && is_chained(format) {
            name = parts.pop_front().map(|part| part.path.display().to_string()).unwrap_or_default();
            let first = FirstFile::new(&name, format, &chosen, columns);
            let read = ReadOptions { header: Some(chosen.has_header), ..read.clone() };
            let read = if format == Format::Jsonl { ReadOptions { header: None, ..read } } else { read };
            let files =
                FurtherFiles { parts, read, columns: columns.clone(), first, meter: Arc::clone(&meter) };
            files.check()?;
            further = Some(files);
        }
        let ChosenColumns { key, key_position, names, ignored, declared, .. } = chosen;
        let is_same = |one: &str, other: &str| match format {
            Format::Deb822 => one.eq_ignore_ascii_case(other),
            _ => one == other,
        };
        let said = |(column, name): (usize, &String)| {
            let said = columns.types.iter().rev().find(|(said, _)| is_same(said, name));
            let declared = || declared.as_ref()?.columns.get(column).copied().flatten();
            (name.clone(), said.map(|&(_, column_type)| column_type).or_else(declared))
        };
        let columns: Vec<_> = names.iter().enumerate().map(said).collect();
        Ok(Self {
            name,
            compression,
            format,
            meter,
            skipped,
            key,
            key_position,
            columns,
            reader,
            ignored,
            are_keys_numbers: declared.as_ref().is_none_or(|declared| declared.is_key_number),
            is_typed: declared.is_some(),
            further,
        })
    }

    /// The form in which the input is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Columns that were met so far and are not in the rows: their names, or their numbers where
    /// there are no names. Of the fields of a jsonl the first hundred.
    pub fn ignored(&self) -> &[String] {
        match &self.reader {
            RowSource::Rows(_) => &self.ignored,
            RowSource::Objects(objects) => objects.ignored(),
            RowSource::Stanzas(stanzas) => stanzas.ignored(),
        }
    }

    /// A builder for these columns.
    ///
    /// # Errors
    /// [`Cause::Table`] when a table has no such columns.
    pub fn builder(&self, options: Options) -> Result<RowBuilder, Error> {
        let mut builder = RowBuilder::new(self.key.clone(), options);
        builder.key_position(self.key_position);
        for (name, column_type) in &self.columns {
            let added = builder.column(name, *column_type);
            added.map_err(|error| self.fail(Position::WHOLE, Cause::Table(error.into())))?;
        }
        Ok(builder)
    }

    /// Adds all rows that are left, of all files, to a table that is being built, by a builder of
    /// [`Self::builder`].
    ///
    /// # Errors
    /// The first row that cannot be read, or [`Cause::Table`] when the builder does not take it.
    pub fn add_to(&mut self, builder: &mut RowBuilder) -> Result<(), Error> {
        loop {
            self.add_file_to(builder)?;
            let Some(opened) = self.further.as_mut().and_then(|further| further.open_next()) else { break };
            let OpenedFile { name, compression, skipped, source } = opened?;
            (self.name, self.compression, self.skipped) = (name, compression, skipped);
            match (&mut self.reader, source) {
                (RowSource::Objects(objects), FurtherSource::Texts(texts)) => objects.go_on_with(texts),
                (_, FurtherSource::Texts(_)) => {}
                (reader, FurtherSource::Rows(rows, ignored)) => {
                    *reader = rows;
                    let further = ignored.into_iter().filter(|name| !self.ignored.contains(name));
                    let further: Vec<String> = further.collect();
                    self.ignored.extend(further);
                }
            }
        }
        builder.key_is_number(self.are_keys_numbers && builder.rows() > 0);
        Ok(())
    }

    fn add_file_to(&mut self, builder: &mut RowBuilder) -> Result<(), Error> {
        let Self { reader, columns, are_keys_numbers, is_typed, .. } = self;
        let added = match reader {
            RowSource::Rows(rows) => {
                let added = add_rows(rows.as_mut(), builder, are_keys_numbers, *is_typed);
                added.map_err(|fault| match rows.input() {
                    Some(input) => fault.in_input(&input),
                    None => fault,
                })
            }
            RowSource::Objects(objects) => objects.add_to(builder, are_keys_numbers),
            RowSource::Stanzas(stanzas) => {
                let named: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
                stanzas.add_to(&named, builder, are_keys_numbers)
            }
        };
        added.map_err(|fault| {
            let fault = stopped_or(fault, &self.meter).behind(self.skipped);
            fault.of_compressed(&self.name, self.compression)
        })
    }

    fn fail(&self, position: Position, cause: Cause) -> Error {
        Fault::new(position, cause).of_compressed(&self.name, self.compression)
    }
}

fn add_rows(
    rows: &mut dyn Rows,
    builder: &mut RowBuilder,
    are_numbers: &mut bool,
    is_typed: bool,
) -> Result<(), Fault> {
    while rows.advance()? {
        let row = rows.row();
        // What has a schema can say that a key is empty.
        let key = key_of(&row, is_typed)?;
        *are_numbers = *are_numbers && is_whole_number(key);
        let mut fields = Vec::with_capacity(row.len());
        for i in 1..row.len() {
            fields.push(match row.cell(i) {
                Some(Cell::Bytes(cell) | Cell::Json(cell)) => FieldInput::Cell(cell),
                _ => FieldInput::Null,
            });
        }
        builder.add(key, &fields).map_err(|error| Fault::new(row.position(), Cause::Table(error.into())))?;
    }
    Ok(())
}

/// Whether a key is a whole number in its one spelling, which JSON has without quotes.
pub(crate) fn is_whole_number(key: &[u8]) -> bool {
    let digits = key.strip_prefix(b"-").unwrap_or(key);
    let is_spelled = match digits {
        [b'0'] => key.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_spelled && digits.len() <= 15
}

/// The form of an input of rows.
pub(crate) fn form_of(input: &Input, read: &ReadOptions) -> Result<Format, Fault> {
    let key = read.key.clone().or_else(|| Some(KeyColumns::from("1")));
    let asks = ReadOptions { key, ..read.clone() };
    match judge::format(input, read)? {
        // Where the name says nothing, columns are asked for all the same.
        Format::Data => judge::format(input, &asks),
        format => Ok(format),
    }
}

/// Opens an input; `first` is the file that it is a further one to.
pub(crate) fn open(
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
    first: Option<&FirstFile>,
) -> Result<(Format, RowSource, ChosenColumns), Fault> {
    let format = form_of(&input, read)?;
    if !is_chained(format) && format != Format::Parquet {
        judge::is_one(&input, format)?;
    }
    let (reader, chosen) = match format {
        Format::Csv => csv(input, read, columns, first)?,
        Format::Tsv => tsv(input, read, columns, first)?,
        Format::Jsonl | Format::Json => objects(format, input, read, columns)?,
        Format::Deb822 => stanzas(input, read, columns)?,
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet(input, read, columns)?,
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            return Err(Fault::new(Position::WHOLE, Cause::Content(crate::content::Content::Parquet)));
        }
        Format::Data => {
            return Err(Fault::new(Position::WHOLE, Cause::NotForFormat { what: "columns", format }));
        }
    };
    // A column that does not exist has no type. The fields of objects are known at the end.
    if !matches!(format, Format::Jsonl | Format::Json | Format::Deb822)
        && let Some((name, _)) = columns.types.iter().find(|(name, _)| !chosen.names.contains(name))
    {
        let cause = Cause::UntypedColumn { wanted: name.clone(), columns: chosen.names };
        return Err(Fault::new(Position::WHOLE, cause));
    }
    Ok((format, reader, chosen))
}

fn csv(
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
    first: Option<&FirstFile>,
) -> Result<(RowSource, ChosenColumns), Fault> {
    let delimiter = read.delimiter.unwrap_or(b',');
    let first_rows = FirstRows::of_csv(&input, delimiter, read);
    if read.delimiter.is_none()
        && let Some(content) = first_rows.other_columns(&input, read)
    {
        return Err(Fault::new(Position::WHOLE, Cause::Content(content)));
    }
    let mut csv_reader = CsvReader::new(input.into_reader(), delimiter, read.comment.clone());
    let Some(row) = csv_reader.next_row()? else {
        let rows = CsvRows::new(csv_reader, Vec::new(), 0, false, Vec::new(), read);
        return Ok((RowSource::Rows(Box::new(rows)), ChosenColumns::nothing()));
    };
    let mut cells: Vec<String> = row.cells().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    first_rows.widen(&mut cells, read);
    let chosen = ChosenColumns::of(&cells, row.line(), &first_rows, read, columns, first)?;
    let (places, is_row) = (chosen.places.clone(), !chosen.has_header);
    let rows = CsvRows::new(csv_reader, places, cells.len(), is_row, Vec::new(), read);
    Ok((RowSource::Rows(Composition::of_key(read).of(Box::new(rows))), chosen))
}

fn tsv(
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
    first: Option<&FirstFile>,
) -> Result<(RowSource, ChosenColumns), Fault> {
    let first_rows = FirstRows::of_tsv(&input, read);
    let mut lines = LineReader::new(input.into_reader(), tsv::LINE_BYTES_MAX, read.comment.clone());
    let (mut chosen, mut width) = (ChosenColumns::nothing(), 0);
    if lines.advance()? {
        let (number, text) = lines.line();
        let name = |name| String::from_utf8_lossy(name).into_owned();
        let mut cells: Vec<String> = text.split(|&byte| byte == b'\t').map(name).collect();
        first_rows.widen(&mut cells, read);
        chosen = ChosenColumns::of(&cells, number, &first_rows, read, columns, first)?;
        width = cells.len();
    }
    let rows = TsvRows::of_columns(lines, width, chosen.places.clone(), !chosen.has_header, read);
    Ok((RowSource::Rows(Composition::of_key(read).of(Box::new(rows))), chosen))
}

fn objects(
    format: Format,
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
) -> Result<(RowSource, ChosenColumns), Fault> {
    let likely = match read.key {
        None if read.at.is_empty() => {
            likely::fields(input.head()).map(|likely| Box::new(LikelyFields { value: None, ..likely }))
        }
        _ => None,
    };
    let (texts, has_names): (Box<dyn Texts>, bool) = if format == Format::Json {
        let texts = DocumentTexts::new(input.into_reader(), &read.at)?;
        let has_names = texts.are_members() && read.key.is_none();
        (Box::new(texts), has_names)
    } else {
        (lines_of(input, read), false)
    };
    let keys = match &read.key {
        Some(keys) => keys.0.clone(),
        None if has_names => Vec::new(),
        None => vec!["key".into()],
    };
    let mut names = columns.columns.clone().unwrap_or_default();
    let key_position = names.iter().position(|name| keys.contains(name));
    names.retain(|name| !keys.contains(name));
    let rows = ObjectRows::new(texts, &keys, read.separator(), columns, &names, likely);
    let chosen = ChosenColumns {
        key: if keys.is_empty() { "key".into() } else { key_name(&keys, read) },
        key_position: key_position.unwrap_or_default(),
        names,
        places: Vec::new(),
        ignored: Vec::new(),
        declared: None,
        has_header: false,
    };
    Ok((RowSource::Objects(Box::new(rows)), chosen))
}

/// The lines of a jsonl.
pub(crate) fn lines_of(input: Input, read: &ReadOptions) -> Box<dyn Texts> {
    Box::new(LineTexts::new(input.into_reader(), read))
}

fn stanzas(
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
) -> Result<(RowSource, ChosenColumns), Fault> {
    let rows = StanzaColumns::new(Box::new(input.into_reader()), read, columns)?;
    let keys = rows.keys();
    let mut names = columns.columns.clone().unwrap_or_default();
    let key_position = names.iter().position(|name| keys.contains(name));
    names.retain(|name| !keys.contains(name));
    let chosen = ChosenColumns {
        key: key_name(keys, read),
        key_position: key_position.unwrap_or_default(),
        names,
        ..ChosenColumns::nothing()
    };
    Ok((RowSource::Stanzas(Box::new(rows)), chosen))
}

/// What the column of a key is called that is made of these: put together as the key is.
fn key_name(names: &[String], read: &ReadOptions) -> String {
    names.join(&*String::from_utf8_lossy(read.separator()))
}

#[cfg(feature = "parquet")]
fn parquet(
    input: Input,
    read: &ReadOptions,
    columns: &ColumnOptions,
) -> Result<(RowSource, ChosenColumns), Fault> {
    let dataset = ParquetDataset::open(input)?;
    let names = dataset.names();
    if read.key.is_none() && !names.iter().any(|name| name == "key") {
        let likely = dataset
            .likely_key(read)
            .map(|column| FirstRow::of_names(names, LikelyColumns::default()).label(column, true));
        let cause = Cause::KeyUndecided { columns: names.to_vec(), likely };
        return Err(Fault::new(Position::WHOLE, cause));
    }
    let by_default = read.key.clone().unwrap_or_else(|| "key".into());
    let read = &ReadOptions { key: Some(by_default), ..read.clone() };
    let first = FirstRow::of_names(names, LikelyColumns::default());
    let whole = |fault: Fault| Fault::new(Position::WHOLE, fault.cause);
    let keys = first.find_keys(read).map_err(whole)?;
    let wanted: Vec<usize> = match &columns.columns {
        Some(names) => names
            .iter()
            .map(|name| first.find(crate::error::Role::Column, name).map_err(whole))
            .collect::<Result<_, _>>()?,
        None => (0..names.len()).collect(),
    };
    let places: Vec<usize> = wanted.iter().copied().filter(|column| !keys.contains(column)).collect();
    let ignored = (0..names.len()).filter(|column| !keys.contains(column) && !places.contains(column));
    let is_key_number = match keys[..] {
        [key] => matches!(dataset.column_type(key), Some(ColumnType::Int | ColumnType::UInt)),
        _ => false,
    };
    let chosen = ChosenColumns {
        key: key_name(&keys.iter().map(|&key| names[key].clone()).collect::<Vec<_>>(), read),
        key_position: wanted.iter().position(|column| keys.contains(column)).unwrap_or_default(),
        names: places.iter().map(|&column| names[column].clone()).collect(),
        ignored: ignored.map(|column| names[column].clone()).collect(),
        declared: Some(DeclaredTypes {
            columns: places.iter().map(|&column| dataset.column_type(column)).collect(),
            is_key_number,
        }),
        has_header: true,
        places: keys.into_iter().chain(places).collect(),
    };
    let rows = dataset.rows(&chosen.places, chosen.ignored.clone(), read)?;
    Ok((RowSource::Rows(Composition::of_key(read).of(Box::new(rows))), chosen))
}

impl ChosenColumns {
    /// The columns of an input without a row.
    fn nothing() -> Self {
        let (key, names, places, ignored) = ("key".into(), Vec::new(), Vec::new(), Vec::new());
        Self { key, key_position: 0, names, places, ignored, declared: None, has_header: true }
    }

    /// The columns that are wanted of a first row, in the order of the first file where this is a further one.
    fn of(
        cells: &[String],
        line: u64,
        first_rows: &FirstRows,
        read: &ReadOptions,
        columns: &ColumnOptions,
        first_file: Option<&FirstFile>,
    ) -> Result<Self, Fault> {
        let fail = |cause| Fault::new(Position::line(line), cause);
        let has_header = read.header.unwrap_or(true);
        if read.header.is_none() && !first_rows.begin_with_names() && !asks_by_name(read, columns) {
            return Err(fail(Cause::HeaderDoubtful { cells: cells.to_vec() }));
        }
        let trimmed: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        let first = FirstRow {
            cells: &trimmed,
            is_header: has_header,
            may_be_header: has_header,
            line,
            likely: LikelyColumns::default(),
        };
        let keys = first.find_keys(read)?;
        let wanted: Vec<usize> = match &columns.columns {
            Some(names) => names
                .iter()
                .map(|name| first.find(crate::error::Role::Column, name))
                .collect::<Result<_, _>>()?,
            None => (0..cells.len()).collect(),
        };
        let key_position = wanted.iter().position(|column| keys.contains(column));
        let name = |&column: &usize| {
            match &cells[column] {
                // A row that is wider than the names has columns without one.
                cell if has_header && !(cell.is_empty() && read.short_rows) => cell.clone(),
                _ => (column + 1).to_string(),
            }
        };
        let places: Vec<usize> = wanted.iter().copied().filter(|column| !keys.contains(column)).collect();
        let ignored = (0..cells.len()).filter(|column| !keys.contains(column) && !places.contains(column));
        let chosen = Self {
            key: key_name(&keys.iter().map(name).collect::<Vec<_>>(), read),
            key_position: key_position.unwrap_or_default(),
            names: places.iter().map(name).collect(),
            ignored: ignored.map(|column| name(&column)).collect(),
            places: keys.into_iter().chain(places).collect(),
            declared: None,
            has_header,
        };
        match first_file {
            Some(first_file) => first_file.arrange(chosen).map_err(fail),
            None => Ok(chosen),
        }
    }
}

/// Whether a column is asked for by its name, which only a header has.
fn asks_by_name(read: &ReadOptions, columns: &ColumnOptions) -> bool {
    let is_name = |wanted: &String| wanted.parse::<usize>().is_err();
    read.names_a_column() || columns.columns.iter().flatten().any(is_name)
}
