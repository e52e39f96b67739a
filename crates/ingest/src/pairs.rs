//! The pairs of an input, whatever its form.

use std::path::Path;
use std::sync::Arc;

use graven_format::text::Pair;
use graven_format::{Builder, KEY_BYTES_MAX, VALUE_BYTES_MAX};

use crate::columns::FirstRow;
use crate::composed::{Composition, write_string};
use crate::compressed::Compression;
use crate::csv::{CsvReader, CsvRows};
use crate::data::DataRows;
#[cfg(feature = "parquet")]
use crate::error::LikelyColumns;
use crate::error::{Cause, Error, Fault, LikelyFields, Position, Role};
use crate::format::Format;
use crate::input::{Input, Meter};
use crate::json::{self, DocumentTexts, FieldRows, LineTexts};
use crate::judge::{self, FirstRows};
use crate::likely;
use crate::lists::Lists;
use crate::options::{Nulls, ReadOptions, ValueType};
#[cfg(feature = "parquet")]
use crate::parquet::ParquetDataset;
use crate::row::{Cell, InputRow, Rows};
use crate::stanzas::StanzaRows;
use crate::tsv::TsvRows;

/// The pairs of an input.
///
/// ```
/// use graven_ingest::{Input, Pairs, ReadOptions};
///
/// let input = Input::from_reader("cities.jsonl", &br#"{"key": "Oslo", "value": {"lat": 59.90}}"#[..])?;
/// let mut pairs = Pairs::new(input, &ReadOptions::default())?;
/// let pair = pairs.next_pair()?.expect("there is one");
/// assert_eq!((pair.key, pair.value), (&b"Oslo"[..], &br#"{"lat": 59.90}"#[..]));
/// # Ok::<(), graven_ingest::Error>(())
/// ```
#[allow(missing_debug_implementations)]
pub struct Pairs {
    name: String,
    compression: Option<Compression>,
    format: Format,
    nulls: Nulls,
    values: ValueForm,
    /// Whether all values so far are JSON objects or arrays, or were made JSON.
    are_json: bool,
    meter: Arc<Meter>,
    /// Lines before those that are counted.
    skipped: u64,
    /// The first pair, once it is known.
    first: Option<(Vec<u8>, Vec<u8>)>,
    are_values_aligned: bool,
    reader: PairSource,
    /// Room for a value that becomes another.
    room: Vec<u8>,
}

/// What becomes of values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueForm {
    /// They stay what they are.
    Bytes,
    /// Text has to be JSON.
    CheckedJson,
    /// Text becomes a JSON string.
    Quoted,
}

/// What the pairs come from.
enum PairSource {
    /// Plain `.data` text, which [`Builder::add_text`] reads on all threads.
    Text(Input),
    /// Rows of a key and a value.
    Rows(Box<dyn Rows>),
    /// Nothing is left.
    Ended,
}

impl Pairs {
    /// Decides how to read `input`, and reads its header where it has one.
    ///
    /// # Errors
    /// When the input is something else than pairs, or can be read in more than one way; [`Cause`]
    /// lists the reasons.
    pub fn new(mut input: Input, options: &ReadOptions) -> Result<Self, Error> {
        let skipped = input.skip_lines(options.skip)?;
        let (name, meter, compression) = (input.name().to_owned(), input.meter(), input.compression());
        let open = || {
            let format = judge::format(&input, options)?;
            if format != Format::Parquet {
                judge::is_one(&input, format)?;
            }
            let is_plain = format == Format::Data
                && !options.trim
                && skipped == 0
                && options.value_type != ValueType::Json;
            let are_values_aligned = is_plain && judge::are_values_aligned(&input);
            let first = if is_plain { first_of_text(&input, options) } else { None };
            let reader = reader(format, input, options, skipped)?;
            let (name, meter) = (name.clone(), Arc::clone(&meter));
            let nulls = options.nulls;
            let values = match (options.value_type, format) {
                (ValueType::Found | ValueType::Bytes, _) => ValueForm::Bytes,
                (ValueType::Json, Format::Jsonl | Format::Json) => ValueForm::Quoted,
                (ValueType::Json, _) => ValueForm::CheckedJson,
            };
            let are_json = options.value_type != ValueType::Bytes;
            Ok(Self {
                name,
                compression,
                format,
                nulls,
                values,
                are_json,
                meter,
                skipped,
                first,
                are_values_aligned,
                reader,
                room: Vec::new(),
            })
        };
        open().map_err(|fault: Fault| {
            stopped_or(fault, &meter).behind(skipped).of_compressed(&name, compression)
        })
    }

    /// The form in which the input is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Columns or fields that were met so far and are not in the pairs: their names, or their
    /// numbers where there are no names. Of the fields of a jsonl the first hundred.
    pub fn ignored(&self) -> &[String] {
        match &self.reader {
            PairSource::Rows(rows) => rows.ignored(),
            PairSource::Text(_) | PairSource::Ended => &[],
        }
    }

    /// The first pair, once it was read; of `.data` text at once. It tells a person whether the
    /// input is read as was meant.
    pub fn first(&self) -> Option<(&[u8], &[u8])> {
        self.first.as_ref().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Whether most values begin with a blank, as they do where people aligned them: the first
    /// separator ends a key, and all others belong to the value unless [`ReadOptions::trim`] drops
    /// them.
    pub fn are_values_aligned(&self) -> bool {
        self.are_values_aligned
    }

    /// Reads the next pair; `None` at the end.
    ///
    /// # Errors
    /// The first thing that is no pair. Nothing is read behind it.
    pub fn next_pair(&mut self) -> Result<Option<Pair<'_>>, Error> {
        let Self {
            name,
            compression,
            format,
            nulls,
            values,
            are_json,
            meter,
            skipped,
            first,
            reader,
            room,
            ..
        } = self;
        // A form whose fields have ends can say that a key is empty.
        let takes_empty_keys = matches!(format, Format::Jsonl | Format::Json | Format::Parquet);
        let mut pair = reader.next_pair(*nulls, *values, takes_empty_keys, are_json, room);
        if let Ok(Some(pair)) = &mut pair {
            pair.line += *skipped;
        }
        if let (None, Ok(Some(pair))) = (&first, &pair) {
            *first = Some((pair.key.to_vec(), pair.value.to_vec()));
        }
        pair.map_err(|fault| stopped_or(fault, meter).behind(*skipped).of_compressed(name, *compression))
    }

    /// Adds all pairs that are left to a table that is being built.
    ///
    /// # Errors
    /// As [`Self::next_pair`], and [`Cause::Table`] when the builder fails.
    pub fn add_to(&mut self, builder: &mut Builder) -> Result<(), Error> {
        self.reader = match std::mem::replace(&mut self.reader, PairSource::Ended) {
            PairSource::Text(input) => {
                let added = builder.add_text(input.into_source());
                return added.map_err(|error| {
                    stopped_or(of_table(error), &self.meter).of_compressed(&self.name, self.compression)
                });
            }
            reader => reader,
        };
        self.add_each(|pair| builder.add(pair.key, pair.value).map_err(|error| Cause::Table(error.into())))?;
        builder.values_are_json(self.are_json && builder.pairs() > 0);
        Ok(())
    }

    /// Adds all pairs that are left to a table that is being built, each key with a JSON array of all
    /// its values, in order. Text becomes a JSON string. Needs so much memory, and a 256th of what is
    /// read; the rest waits in an unnamed file in `directory`.
    ///
    /// # Errors
    /// As [`Self::add_to`], [`Cause::ListTooLong`], and [`Cause::NotUtf8`] where a text cannot be a
    /// string.
    pub fn add_lists_to(
        &mut self,
        builder: &mut Builder,
        memory_bytes: u64,
        directory: &Path,
    ) -> Result<(), Error> {
        if self.values == ValueForm::Bytes {
            self.values = ValueForm::Quoted;
        }
        let mut lists = Lists::new(memory_bytes, directory);
        self.add_each(|pair| lists.add(pair.key, pair.value))?;
        let added = lists.add_to(builder);
        added.map_err(|fault| stopped_or(fault, &self.meter).of_compressed(&self.name, self.compression))?;
        builder.values_are_json(true);
        Ok(())
    }

    fn add_each(&mut self, mut add: impl FnMut(&Pair<'_>) -> Result<(), Cause>) -> Result<(), Error> {
        while let Some(pair) = self.next_pair()? {
            let line = pair.line;
            if let Err(cause) = add(&pair) {
                let position = if line > 0 { Position::line(line) } else { Position::WHOLE };
                let mut fault = Fault::new(position, cause);
                fault.input = self.reader.input().map(Into::into);
                return Err(fault.of_compressed(&self.name, self.compression));
            }
        }
        Ok(())
    }
}

/// The first pair of `.data` text, as far as the head has it.
fn first_of_text(input: &Input, options: &ReadOptions) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut rows = DataRows::new(input.head(), options);
    if !rows.advance().ok()? {
        return None;
    }
    let row = rows.row();
    match (row.cell(0), row.cell(1)) {
        (Some(Cell::Bytes(key)), Some(Cell::Bytes(value))) => Some((key.to_vec(), value.to_vec())),
        _ => None,
    }
}

/// A reader that was told to stop fails in one way or another, by where it was.
pub(crate) fn stopped_or(fault: Fault, meter: &Meter) -> Fault {
    if meter.is_stopped() { Fault::new(fault.position, Cause::Stopped) } else { fault }
}

fn of_text(error: graven_format::text::Error) -> Fault {
    use graven_format::text::Error;
    match error {
        Error::Line { line, reason } => Fault::new(Position::line(line), reason.into()),
        Error::Read { line, source } => Fault::new(Position::line(line), Cause::reading(source)),
        other => Fault::new(Position::WHOLE, Cause::Table(Box::new(graven_format::Error::Text(other)))),
    }
}

fn of_table(error: graven_format::Error) -> Fault {
    match error {
        graven_format::Error::Text(error) => of_text(error),
        graven_format::Error::Stopped => Fault::new(Position::WHOLE, Cause::Stopped),
        error => Fault::new(Position::WHOLE, Cause::Table(error.into())),
    }
}

fn reader(format: Format, input: Input, options: &ReadOptions, skipped: u64) -> Result<PairSource, Fault> {
    Ok(PairSource::Rows(match format {
        Format::Data
            if !options.trim
                && options.comment.is_none()
                && skipped == 0
                && options.value_type != ValueType::Json =>
        {
            return Ok(PairSource::Text(input));
        }
        Format::Data => Box::new(DataRows::new(input.into_reader(), options)),
        Format::Tsv => {
            let first_rows = FirstRows::of_tsv(&input, options);
            let (rows, composition) = TsvRows::new(input.into_reader(), options, &first_rows)?;
            check_header(&first_rows, options)?;
            check_key(&first_rows, options)?;
            composition.of(Box::new(rows))
        }
        Format::Csv => csv(input, options)?,
        Format::Jsonl => {
            let likely = likely_fields(&input, options);
            let texts = LineTexts::new(input.into_reader(), options);
            let rows = FieldRows::new(texts, false, likely, options)?;
            Composition::of_fields(options).of(Box::new(rows))
        }
        Format::Json => {
            let likely = likely_fields(&input, options);
            let texts = DocumentTexts::new(input.into_reader(), &options.at)?;
            let has_names = texts.are_members();
            let rows = FieldRows::new(texts, has_names, likely, options)?;
            Composition::of_fields(options).of(Box::new(rows))
        }
        Format::Deb822 => {
            let rows = StanzaRows::new(input.into_reader(), options)?;
            Composition::of_fields(options).of(Box::new(rows))
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet(input, options)?,
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            return Err(Fault::new(Position::WHOLE, Cause::Content(crate::content::Content::Parquet)));
        }
    }))
}

/// Refuses a first row that looks like a header where nobody said whether it is, and one that does
/// not look like it where names are needed.
fn check_header(rows: &FirstRows, options: &ReadOptions) -> Result<(), Fault> {
    match rows.header() {
        _ if options.header.is_some() || options.names_a_column() => Ok(()),
        _ if options.names_members() => match rows.first() {
            Some(cells) if !rows.begin_with_names() => {
                Err(Fault::new(Position::WHOLE, Cause::HeaderDoubtful { cells: cells.to_vec() }))
            }
            _ => Ok(()),
        },
        Some(cells) => Err(Fault::new(Position::WHOLE, Cause::HeaderUndecided { cells: cells.to_vec() })),
        None => Ok(()),
    }
}

/// Refuses the first column as the key of a tsv where it cannot be and another one can.
fn check_key(rows: &FirstRows, options: &ReadOptions) -> Result<(), Fault> {
    if options.repeated_keys || options.key.is_some() || options.value.is_some() {
        return Ok(());
    }
    match rows.better_key(options) {
        Some(cause) => Err(Fault::new(Position::WHOLE, cause)),
        None => Ok(()),
    }
}

/// The fields that may be key and value, where nobody named them.
fn likely_fields(input: &Input, options: &ReadOptions) -> Option<Box<LikelyFields>> {
    let is_said = options.key.is_some() || options.value.is_some() || !options.at.is_empty();
    if is_said { None } else { likely::fields(input.head()).map(Box::new) }
}

fn csv(input: Input, options: &ReadOptions) -> Result<Box<dyn Rows>, Fault> {
    let delimiter = options.delimiter.unwrap_or(b',');
    let first_rows = FirstRows::of_csv(&input, delimiter, options);
    if options.delimiter.is_none()
        && let Some(content) = first_rows.other_columns(&input, options)
    {
        return Err(Fault::new(Position::WHOLE, Cause::Content(content)));
    }
    let mut csv_reader = CsvReader::new(input.into_reader(), delimiter, options.comment.clone());
    let has_header = options.has_header();
    let Some(row) = csv_reader.next_row()? else {
        return Ok(Box::new(CsvRows::new(csv_reader, Vec::new(), 0, false, Vec::new(), options)));
    };
    let mut names: Vec<String> =
        row.cells().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    first_rows.widen(&mut names, options);
    let first = FirstRow {
        likely: first_rows.likely(),
        cells: &names,
        is_header: has_header,
        may_be_header: first_rows.begin_with_names(),
        line: row.line(),
    };
    let chosen = options.choose(first)?;
    check_header(&first_rows, options)?;
    let rows = CsvRows::new(csv_reader, chosen.wanted, names.len(), !has_header, chosen.ignored, options);
    Ok(chosen.composition.of(Box::new(rows)))
}

#[cfg(feature = "parquet")]
fn parquet(input: Input, options: &ReadOptions) -> Result<Box<dyn Rows>, Fault> {
    let dataset = ParquetDataset::open(input)?;
    // Where the value has to be said, what may be key and value is for the message.
    let is_asked = options.value.is_none() && dataset.names().len() > 2;
    let likely = if is_asked { dataset.likely(options) } else { LikelyColumns::default() };
    let first = FirstRow::of_names(dataset.names(), likely);
    let chosen = options.choose(first).map_err(|fault| Fault::new(Position::WHOLE, fault.cause))?;
    let rows = dataset.rows(&chosen.wanted, chosen.ignored, options)?;
    Ok(chosen.composition.of(Box::new(rows)))
}

impl PairSource {
    /// What people call the file that the last pair is in, where there are several.
    fn input(&self) -> Option<String> {
        match self {
            Self::Rows(rows) => rows.input(),
            Self::Text(_) | Self::Ended => None,
        }
    }

    fn next_pair<'a>(
        &'a mut self,
        nulls: Nulls,
        values: ValueForm,
        takes_empty_keys: bool,
        are_json: &mut bool,
        room: &'a mut Vec<u8>,
    ) -> Result<Option<Pair<'a>>, Fault> {
        if let Self::Text(_) = self
            && let Self::Text(input) = std::mem::replace(self, Self::Ended)
        {
            *self = Self::Rows(Box::new(DataRows::new(input.into_reader(), &ReadOptions::default())));
        }
        match self {
            Self::Rows(rows) => next_of_rows(rows.as_mut(), nulls, values, takes_empty_keys, are_json, room),
            Self::Text(_) | Self::Ended => Ok(None),
        }
    }
}

/// The next row as a pair; rows whose value is null are as `nulls` says.
fn next_of_rows<'a>(
    rows: &'a mut dyn Rows,
    nulls: Nulls,
    values: ValueForm,
    takes_empty_keys: bool,
    are_json: &mut bool,
    room: &'a mut Vec<u8>,
) -> Result<Option<Pair<'a>>, Fault> {
    loop {
        if !rows.advance()? {
            return Ok(None);
        }
        let is_null = matches!(rows.row().cell(1), Some(Cell::Null));
        if !(is_null && nulls == Nulls::Skip) {
            break;
        }
    }
    let row = rows.row();
    let in_input = |fault: Fault| match rows.input() {
        Some(input) => fault.in_input(&input),
        None => fault,
    };
    let fail = |cause| in_input(Fault::new(row.position(), cause));
    let key = key_of(&row, takes_empty_keys).map_err(in_input)?;
    let cell = match (row.cell(1), nulls) {
        (Some(cell @ (Cell::Bytes(_) | Cell::Json(_))), _) => cell,
        (_, Nulls::Empty) => Cell::Bytes(b""),
        (_, Nulls::Json) => Cell::Json(b"null"),
        _ => return Err(fail(Cause::Null { role: Role::Value })),
    };
    let value = match (cell, values) {
        (Cell::Json(value), form) => {
            *are_json &= form != ValueForm::Bytes || matches!(value.first(), Some(b'{' | b'['));
            value
        }
        (Cell::Bytes(value), ValueForm::Bytes) => {
            *are_json = false;
            value
        }
        (Cell::Bytes(value), ValueForm::CheckedJson) => {
            json::check(value).map_err(|what| fail(Cause::NotJson(what)))?;
            value
        }
        (Cell::Bytes(value), ValueForm::Quoted) => {
            room.clear();
            write_string(std::str::from_utf8(value).map_err(|_| fail(Cause::NotUtf8))?, room);
            room.as_slice()
        }
        (Cell::Null | Cell::Missing, _) => return Err(fail(Cause::Null { role: Role::Value })),
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(fail(Cause::ValueTooLong));
    }
    Ok(Some(Pair { key, value, line: row.position().line.unwrap_or_default() }))
}

/// The key of a row, its first cell.
pub(crate) fn key_of<'a>(row: &InputRow<'a>, takes_empty_keys: bool) -> Result<&'a [u8], Fault> {
    let fail = |cause| Fault::new(row.position(), cause);
    let key = match row.cell(0) {
        Some(Cell::Bytes(key)) => key,
        Some(Cell::Json(key)) if matches!(key.first(), Some(b'{' | b'[')) => {
            return Err(fail(Cause::CompositeKey { found: json::kind_of(key) }));
        }
        Some(Cell::Json(key)) => key,
        Some(Cell::Null | Cell::Missing) | None => return Err(fail(Cause::Null { role: Role::Key })),
    };
    match key.len() {
        0 if !takes_empty_keys => Err(fail(Cause::EmptyKey)),
        len if len > KEY_BYTES_MAX => Err(fail(Cause::KeyTooLong)),
        _ => Ok(key),
    }
}
