//! The pairs of an input, whatever its form.

use std::io::Read;
use std::sync::Arc;

use graven_format::text::Pair;
use graven_format::{Builder, KEY_BYTES_MAX, VALUE_BYTES_MAX};

use crate::columns::FirstRow;
use crate::compressed::Compression;
use crate::content::Content;
use crate::csv::{CsvReader, CsvRows};
use crate::data::DataRows;
use crate::error::{Cause, Error, Fault, Position, Role};
use crate::format::Format;
use crate::input::{Input, Meter};
use crate::jsonl::{self, JsonlRows};
use crate::judge::{self, FirstRows};
use crate::options::{Nulls, ReadOptions};
#[cfg(feature = "parquet")]
use crate::parquet::ParquetDataset;
use crate::row::{Cell, InputRow, Rows};
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
    meter: Arc<Meter>,
    /// The first pair, once it is known.
    first: Option<(Vec<u8>, Vec<u8>)>,
    are_values_aligned: bool,
    reader: PairSource,
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
    pub fn new(input: Input, options: &ReadOptions) -> Result<Self, Error> {
        let (name, meter, compression) = (input.name().to_owned(), input.meter(), input.compression());
        let open = || {
            let format = judge::format(&input, options)?;
            let is_plain = format == Format::Data && !options.trim;
            let are_values_aligned = is_plain && judge::are_values_aligned(&input);
            let first = if is_plain { first_of_text(&input, options) } else { None };
            let reader = reader(format, input, options)?;
            let (name, meter) = (name.clone(), Arc::clone(&meter));
            let nulls = options.nulls;
            Ok(Self { name, compression, format, nulls, meter, first, are_values_aligned, reader })
        };
        open().map_err(|fault: Fault| stopped_or(fault, &meter).of_compressed(&name, compression))
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
        let Self { name, compression, format, nulls, meter, first, reader, .. } = self;
        // A form whose fields have ends can say that a key is empty.
        let pair = reader.next_pair(*nulls, matches!(format, Format::Jsonl | Format::Parquet));
        if let (None, Ok(Some(pair))) = (&first, &pair) {
            *first = Some((pair.key.to_vec(), pair.value.to_vec()));
        }
        pair.map_err(|fault| stopped_or(fault, meter).of_compressed(name, *compression))
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
        while let Some(pair) = self.next_pair()? {
            let line = pair.line;
            if let Err(error) = builder.add(pair.key, pair.value) {
                let position = if line > 0 { Position::line(line) } else { Position::WHOLE };
                let mut fault = Fault::new(position, Cause::Table(error.into()));
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

fn reader(format: Format, input: Input, options: &ReadOptions) -> Result<PairSource, Fault> {
    Ok(PairSource::Rows(match format {
        Format::Data if !options.trim && options.comment.is_none() => return Ok(PairSource::Text(input)),
        Format::Data => Box::new(DataRows::new(input.into_reader(), options)),
        Format::Tsv => {
            let first_rows = FirstRows::of_tsv(&input, options);
            let rows = TsvRows::new(input.into_reader(), options, first_rows.begin_with_names())?;
            check_header(&first_rows, options)?;
            Box::new(rows)
        }
        Format::Csv => Box::new(csv(input, options)?),
        Format::Jsonl => Box::new(JsonlRows::new(input.into_reader(), options)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet(input, options)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(Fault::new(Position::WHOLE, Cause::Content(Content::Parquet))),
    }))
}

/// Refuses a first row that looks like a header where nobody said whether it is.
fn check_header(rows: &FirstRows, options: &ReadOptions) -> Result<(), Fault> {
    match rows.header() {
        Some(cells) if options.header.is_none() && !options.names_a_column() => {
            Err(Fault::new(Position::WHOLE, Cause::HeaderUndecided { cells: cells.to_vec() }))
        }
        _ => Ok(()),
    }
}

fn csv(input: Input, options: &ReadOptions) -> Result<CsvRows<Box<dyn Read + Send>>, Fault> {
    let delimiter = options.delimiter.unwrap_or(b',');
    let first_rows = FirstRows::of_csv(&input, delimiter, options);
    if options.delimiter.is_none()
        && let Some(delimiter) = first_rows.other_delimiter(&input, options)
    {
        return Err(Fault::new(Position::WHOLE, Cause::Content(Content::Columns { delimiter })));
    }
    let mut csv_reader = CsvReader::new(input.into_reader(), delimiter, options.comment.clone());
    let has_header = options.header.unwrap_or_else(|| options.names_a_column());
    let Some(row) = csv_reader.next_row()? else {
        return Ok(CsvRows::new(csv_reader, Vec::new(), 0, false, Vec::new(), options));
    };
    let names: Vec<String> =
        row.cells().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let first = FirstRow {
        cells: &names,
        is_header: has_header,
        may_be_header: first_rows.begin_with_names(),
        line: row.line(),
    };
    let chosen = options.choose(first)?;
    check_header(&first_rows, options)?;
    let columns = vec![chosen.key, chosen.value];
    Ok(CsvRows::new(csv_reader, columns, names.len(), !has_header, chosen.ignored, options))
}

#[cfg(feature = "parquet")]
fn parquet(input: Input, options: &ReadOptions) -> Result<crate::parquet::ParquetRows, Fault> {
    let dataset = ParquetDataset::open(input)?;
    let first = FirstRow { cells: dataset.names(), is_header: true, may_be_header: true, line: 0 };
    let chosen = options.choose(first).map_err(|fault| Fault::new(Position::WHOLE, fault.cause))?;
    dataset.rows(&[chosen.key, chosen.value], chosen.ignored, options)
}

impl PairSource {
    /// What people call the file that the last pair is in, where there are several.
    fn input(&self) -> Option<String> {
        match self {
            Self::Rows(rows) => rows.input(),
            Self::Text(_) | Self::Ended => None,
        }
    }

    fn next_pair(&mut self, nulls: Nulls, takes_empty_keys: bool) -> Result<Option<Pair<'_>>, Fault> {
        if let Self::Text(_) = self
            && let Self::Text(input) = std::mem::replace(self, Self::Ended)
        {
            *self = Self::Rows(Box::new(DataRows::new(input.into_reader(), &ReadOptions::default())));
        }
        match self {
            Self::Rows(rows) => next_of_rows(rows.as_mut(), nulls, takes_empty_keys),
            Self::Text(_) | Self::Ended => Ok(None),
        }
    }
}

/// The next row as a pair; rows whose value is null are as `nulls` says.
fn next_of_rows(
    rows: &mut dyn Rows,
    nulls: Nulls,
    takes_empty_keys: bool,
) -> Result<Option<Pair<'_>>, Fault> {
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
    let value = match (row.cell(1), nulls) {
        (Some(Cell::Bytes(value) | Cell::Json(value)), _) => value,
        (_, Nulls::Empty) => b"",
        (_, Nulls::Json) => b"null",
        _ => return Err(fail(Cause::Null { role: Role::Value })),
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
            return Err(fail(Cause::CompositeKey { found: jsonl::kind_of(key) }));
        }
        Some(Cell::Json(key)) => key,
        Some(Cell::Null) | None => return Err(fail(Cause::Null { role: Role::Key })),
    };
    match key.len() {
        0 if !takes_empty_keys => Err(fail(Cause::EmptyKey)),
        len if len > KEY_BYTES_MAX => Err(fail(Cause::KeyTooLong)),
        _ => Ok(key),
    }
}
