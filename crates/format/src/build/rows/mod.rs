//! The builder of tables with columns. What columns hold is known when all rows were seen: until
//! then rows are kept as they were given, and then each is written as the value of its key.

mod choose;
mod codes;
mod encode;
mod input;
mod statistics;

use std::path::Path;

use super::input::{Chunk, FRAMED_BYTES, Kept};
use super::options::{Built, Options};
use super::output::Output;
use super::plan::{LongChoice, Price};
use super::sample::{Sample, Turn, hash};
use super::survey::Totals;
use super::{Builder, CarvedFile};
use crate::error::Error;
use crate::layout::{COLUMN_NAME_BYTES_MAX, COLUMNS_MAX, SCHEMA_BYTES_MAX};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::row::bits::bits_for;
use crate::row::json::read_string;
use crate::row::schema::{Coding, Column, TextCode};
use crate::row::{ColumnType, KeyColumn, Schema};
use crate::store::Store;
use codes::ColumnTexts;
use encode::RowEncoder;
pub use input::FieldInput;
use input::{GivenKind, KeptField, KeptFields, keep};
use statistics::Statistics;

/// Bytes that are kept of a row of the sample.
const SAMPLED_BYTES: usize = 4096;

/// Rows of the sample.
const SAMPLED_ROWS: usize = 8192;

/// Bytes of all dictionaries together: half of what the section of columns may have, which leaves room for the longest names
/// and codes.
const DICTIONARIES_BYTES_MAX: u64 = SCHEMA_BYTES_MAX / 2;

/// Takes rows and carves a table with columns of them.
///
/// ```
/// use graven_format::{ColumnType, FieldInput, Options, RowBuilder};
///
/// let mut builder = RowBuilder::new("iata", Options::default());
/// builder.column("city", Some(ColumnType::Text))?; // or None: what all fields have in common
/// builder.column("latitude", None)?;
/// builder.add(b"OSL", &[FieldInput::Text("Oslo"), FieldInput::Float64(60.1976)])?;
/// builder.add(b"LHR", &[FieldInput::Text("London"), FieldInput::Float64(51.4706)])?;
/// let (store, built) = builder.finish()?;
/// assert_eq!(built.pairs, 2);
///
/// let mut value = Vec::new();
/// assert!(store.get(b"OSL", &mut value)?);
/// assert_eq!(store.row(&value)?.get("latitude")?.as_f64(), Some(60.1976));
/// # Ok::<(), graven_format::Error>(())
/// ```
#[allow(missing_debug_implementations)]
pub struct RowBuilder {
    options: Options,
    key: KeyColumn,
    columns: Vec<GivenColumn>,
    /// Of each column of the table, where its fields are among those that were added.
    sources: Vec<usize>,
    rows: u64,
    kept: Kept,
    chunk: Chunk,
    sample: Sample,
    turn: Turn,
    row: Vec<u8>,
    room: Vec<u8>,
}

/// A column, as far as it is known.
struct GivenColumn {
    name: String,
    said: Option<ColumnType>,
    /// The kinds that its fields had where they are added [again](RowBuilder::add_again).
    was: u16,
    seen: Statistics,
}

impl RowBuilder {
    /// A table without rows yet, whose keys the source calls `key`.
    pub fn new(key: impl Into<String>, options: Options) -> Self {
        let mut sample = Sample::new(options.duplicates);
        sample.keep_most(SAMPLED_ROWS, SAMPLED_BYTES);
        Self {
            key: KeyColumn { name: key.into(), position: 0, is_number: false },
            columns: Vec::new(),
            sources: Vec::new(),
            rows: 0,
            kept: Kept::new(&options.temporary_dir, options.memory_bytes / 3),
            chunk: Chunk::framed(),
            sample,
            turn: Turn::default(),
            row: Vec::new(),
            room: Vec::new(),
            options,
        }
    }

    /// Says how many columns stand before the key where the table is written out again; without
    /// it, none do.
    pub fn key_position(&mut self, position: usize) {
        self.key.position = position;
    }

    /// Says that JSON has the keys as numbers, without quotes.
    pub fn key_is_number(&mut self, is_number: bool) {
        self.key.is_number = is_number;
    }

    /// Adds a column, behind those there are, and gives its place. Rows that were added before have
    /// no such field. What it holds follows from all its fields unless it is said; then a field that
    /// is no such value is an error.
    ///
    /// # Errors
    /// [`Error::RepeatedColumn`], and [`Error::TooLarge`] for a longer name, or more columns, than a
    /// table has.
    pub fn column(&mut self, name: &str, column_type: Option<ColumnType>) -> Result<usize, Error> {
        let limits = [
            ("the length of a column's name", name.len(), COLUMN_NAME_BYTES_MAX),
            ("the number of columns", self.columns.len() + 1, COLUMNS_MAX),
        ];
        if let Some(&(what, found, most)) = limits.iter().find(|(_, len, most)| len > most) {
            return Err(Error::TooLarge { what, most: most as u64, found: found as u64 });
        }
        if self.columns.iter().any(|column| column.name == name) {
            return Err(Error::RepeatedColumn { name: name.to_owned() });
        }
        let seen = Statistics::after(self.rows);
        self.sources.push(self.columns.len());
        self.columns.push(GivenColumn { name: name.to_owned(), said: column_type, was: 0, seen });
        Ok(self.columns.len() - 1)
    }

    /// Has the table its columns in this order of their places, which are the places of all columns
    /// that were added. Fields are added in the order of [`Self::column`] all the same.
    ///
    /// # Panics
    /// When `order` is not the places of all columns.
    pub fn order(&mut self, order: &[usize]) {
        let mut places = order.to_vec();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..self.columns.len()), "the places of all columns");
        self.sources = order.to_vec();
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The number of rows that were added, those of one key all counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the row of a key: a field for each column, in their order; those behind the last given
    /// are missing.
    ///
    /// # Errors
    /// [`Error::Field`] when a field does not have the type that was said of its column,
    /// [`Error::TooLarge`] for a longer key or row than a table holds, or more fields than columns;
    /// [`Error::Io`] when a temporary file cannot be written. The row is not added.
    pub fn add(&mut self, key: &[u8], fields: &[FieldInput<'_>]) -> Result<(), Error> {
        self.row.clear();
        if fields.len() > self.columns.len() {
            let (most, found) = (self.columns.len() as u64, fields.len() as u64);
            return Err(Error::TooLarge { what: "the number of fields", most, found });
        }
        for (field, column) in fields.iter().zip(&self.columns) {
            if keep(*field, column.said, &mut self.room, &mut self.row).is_err() {
                return Err(Error::Field {
                    column: column.name.clone(),
                    expected: column.said,
                    found: shown(*field),
                });
            }
        }
        let limits = [
            ("a key's length", key.len(), KEY_BYTES_MAX),
            ("a row's length", self.row.len(), VALUE_BYTES_MAX),
        ];
        if let Some(&(what, found, most)) = limits.iter().find(|(_, len, most)| len > most) {
            return Err(Error::TooLarge { what, most: most as u64, found: found as u64 });
        }
        let mut kept = KeptFields(&self.row);
        for column in &mut self.columns {
            column.seen.see(kept.next().unwrap_or(KeptField::MISSING));
        }
        self.rows += 1;
        if self.chunk.block.bytes.is_empty() {
            self.turn = Turn { block: self.kept.blocks(), pair: 0 };
        }
        self.sample.see(hash(key), self.turn, key, &self.row);
        self.turn.pair += 1;
        self.chunk.push(key, &self.row);
        if self.chunk.block.bytes.len() >= FRAMED_BYTES { self.flush() } else { Ok(()) }
    }

    /// Carves the table in memory.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] where duplicates are errors, [`Error::TooLarge`] when the columns
    /// take more than a table has room for, [`Error::Io`] when a temporary file or memory fails.
    pub fn finish(self) -> Result<(Store, Built), Error> {
        let (output, built) = self.carve_to(Output::memory())?;
        Ok((Store::from_region(output.into_region(built.carved_bytes)?)?, built))
    }

    /// Carves the table into a file, as [`Builder::write`] does.
    ///
    /// # Errors
    /// As [`Self::finish`], [`Error::Io`] when the file cannot be written, and
    /// [`Error::NotDurable`].
    pub fn write(self, path: &Path) -> Result<Built, Error> {
        self.carve(path)?.publish()
    }

    /// As [`Self::write`], for whoever wants to see what it came to before the file replaces
    /// another.
    ///
    /// # Errors
    /// As [`Self::finish`], and [`Error::Io`] when the file cannot be written.
    pub fn carve(self, path: &Path) -> Result<CarvedFile, Error> {
        let (output, built) = self.carve_to(Output::file(path)?)?;
        Ok(CarvedFile { output, built })
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.chunk.block.bytes.is_empty() {
            return Ok(());
        }
        self.kept.push(std::mem::replace(&mut self.chunk, Chunk::framed()))
    }

    fn carve_to(mut self, output: Output) -> Result<(Output, Built), Error> {
        self.flush()?;
        let input_bytes = self.kept.bytes();
        let mut columns: Vec<Option<GivenColumn>> = self.columns.drain(..).map(Some).collect();
        self.columns = self.sources.iter().filter_map(|&source| columns[source].take()).collect();
        let schema = self.schema()?;
        // These are null in JSON as NaN is, and could not be told from it.
        let has_lost_infinities = self.columns.iter().zip(&schema.columns).any(|(given, column)| {
            given.seen.has_infinities && given.said.is_none() && column.column_type == ColumnType::Json
        });
        let mut again = self.without_rows();
        let kept = std::mem::replace(&mut self.kept, Kept::new(&self.options.temporary_dir, 0));
        let (schema, builder) = encode_rows(schema, &self.sources, kept, self.options)?;
        let (output, built) = builder.with_schema(schema.to_bytes())?.carve_to(output)?;
        if built.duplicates == 0 || has_lost_infinities {
            return Ok((output, Built { input_bytes, ..built }));
        }
        // What rows that are gone have in common shaped the columns: it is carved anew from those
        // that are left.
        let (left, output) = output.into_store(built.carved_bytes)?;
        for pair in left.iter() {
            let (key, value) = pair?;
            again.options.progress.check()?;
            again.add_again(&key, left.row(&value)?)?;
        }
        drop(left);
        let duplicates = built.duplicates;
        let (output, built) = again.carve_to(output)?;
        Ok((output, Built { duplicates, input_bytes, ..built }))
    }
}

/// What a field of a column was given as whose type nobody said and that became one of JSON, by the kinds that it was given
/// as.
fn given_of_json(text: Vec<u8>, was: impl Fn(GivenKind) -> bool) -> (GivenKind, Vec<u8>) {
    let number = if was(GivenKind::Number) { GivenKind::Number } else { GivenKind::Float32 };
    let string = [GivenKind::Text, GivenKind::Cell, GivenKind::Bytes].into_iter().find(|kind| was(*kind));
    match text.first() {
        Some(b'n') => (number, b"NaN".to_vec()),
        Some(b'-' | b'0'..=b'9') => (number, text),
        Some(b'"') => match string.zip(read_string(&text)) {
            Some((kind, string)) => (kind, string),
            None => (GivenKind::Json, text),
        },
        _ => (GivenKind::Json, text),
    }
}

/// The beginning of a field, for messages.
fn shown(field: FieldInput<'_>) -> String {
    const CHARS: usize = 40;
    let text = match field {
        FieldInput::Cell(text) | FieldInput::Bytes(text) => text.escape_ascii().to_string(),
        FieldInput::Text(text) | FieldInput::Number(text) | FieldInput::Json(text) => {
            text.escape_debug().to_string()
        }
        FieldInput::Bool(value) => value.to_string(),
        FieldInput::Int(number) => number.to_string(),
        FieldInput::UInt(number) => number.to_string(),
        FieldInput::Float32(number) => number.to_string(),
        FieldInput::Float64(number) => number.to_string(),
        FieldInput::Missing | FieldInput::Null | FieldInput::Uuid(_) => format!("{field:?}"),
    };
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl RowBuilder {
    /// The same columns, as they were said, without a row.
    fn without_rows(&self) -> Self {
        let mut same = Self::new(self.key.name.clone(), self.options.clone());
        same.key = self.key.clone();
        same.sources = (0..self.columns.len()).collect();
        same.columns = self
            .columns
            .iter()
            .map(|column| GivenColumn {
                name: column.name.clone(),
                said: column.said,
                was: column.seen.kinds,
                seen: Statistics::default(),
            })
            .collect();
        same
    }

    /// Adds a row of a table that was made of these columns, its fields as they were given.
    fn add_again(&mut self, key: &[u8], row: crate::row::Row<'_>) -> Result<(), Error> {
        let mut texts: Vec<(GivenKind, Vec<u8>)> = Vec::new();
        for (field, column) in row.fields().zip(&self.columns) {
            let (field, kinds) = (field?, column.was);
            let mut text = Vec::new();
            let was = |kind: GivenKind| kinds & kind.bit() != 0;
            let kind = if field.is_missing() {
                GivenKind::Missing
            } else if !field.write_text(&mut text)? {
                // An empty cell is null but in a column of text.
                let may_be_cell = was(GivenKind::Cell) && !field.column().column_type().takes_empty();
                if may_be_cell { GivenKind::Cell } else { GivenKind::Null }
            } else {
                match field.column().column_type() {
                    ColumnType::Json if column.said.is_none() => {
                        let (kind, given) = given_of_json(text, was);
                        text = given;
                        kind
                    }
                    ColumnType::Json => GivenKind::Json,
                    ColumnType::Bytes if was(GivenKind::Bytes) => GivenKind::Bytes,
                    ColumnType::Bool if was(GivenKind::Bool) => GivenKind::Bool,
                    ColumnType::Float32 => GivenKind::Float32,
                    _ if text.is_empty() && was(GivenKind::Text) => GivenKind::Text,
                    _ if was(GivenKind::Cell) => GivenKind::Cell,
                    _ if was(GivenKind::Number) => GivenKind::Number,
                    _ => GivenKind::Text,
                }
            };
            texts.push((kind, text));
        }
        let fields: Vec<FieldInput<'_>> = texts
            .iter()
            .map(|(kind, text)| {
                let utf8 = || std::str::from_utf8(text).unwrap_or_default();
                match kind {
                    GivenKind::Missing => FieldInput::Missing,
                    GivenKind::Null => FieldInput::Null,
                    GivenKind::Cell => FieldInput::Cell(text),
                    GivenKind::Text => FieldInput::Text(utf8()),
                    GivenKind::Bytes => FieldInput::Bytes(text),
                    GivenKind::Bool => FieldInput::Bool(text == b"true"),
                    GivenKind::Number if matches!(&text[..], b"NaN" | b"inf" | b"-inf") => {
                        FieldInput::Float64(utf8().parse().unwrap_or(f64::NAN))
                    }
                    GivenKind::Number => FieldInput::Number(utf8()),
                    GivenKind::Float32 => FieldInput::Float32(utf8().parse().unwrap_or(f32::NAN)),
                    GivenKind::Json => FieldInput::Json(utf8()),
                }
            })
            .collect();
        self.add(key, &fields)
    }

    /// The columns as they are stored.
    fn schema(&mut self) -> Result<Schema, Error> {
        let mut columns = self.choose_columns();
        let mut codes = self.choose_codes(&columns);
        if self.is_zstd_cheaper(&columns, codes.iter().map(|code| code.saves).sum()) {
            codes.clear();
        }
        let mut texts = Vec::new();
        for codes::ChosenCode { column, code, .. } in codes {
            if let Coding::Variable { code, base, .. } = &mut columns[column].coding {
                (*code, *base) = (Some(texts.len()), 0);
            }
            texts.push(code);
        }
        self.lengths(&mut columns, &texts)?;
        self.key.position = self.key.position.min(columns.len());
        let schema = Schema::new(self.key.clone(), columns, texts);
        Ok(schema.expect("the builder makes sound columns"))
    }

    /// Columns whose dictionaries the schema has room for: of more, the largest are given up.
    fn choose_columns(&self) -> Vec<Column> {
        let column = |given: &GivenColumn, may_have_dictionary| {
            choose::column(&given.name, given.said, &given.seen, may_have_dictionary)
        };
        let mut columns: Vec<Column> = self.columns.iter().map(|given| column(given, true)).collect();
        let mut sizes: Vec<(u64, usize)> = columns.iter().map(choose::dictionary_bytes).zip(0..).collect();
        sizes.sort_unstable();
        let mut total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
        while total > DICTIONARIES_BYTES_MAX
            && let Some((bytes, i)) = sizes.pop()
        {
            columns[i] = column(&self.columns[i], false);
            total -= bytes;
        }
        columns
    }

    /// Codes for the columns of text.
    fn choose_codes(&self, columns: &[Column]) -> Vec<codes::ChosenCode> {
        let is_text = |column: &Column| matches!(column.coding, Coding::Variable { .. });
        let mut texts: Vec<ColumnTexts<'_>> = (0..columns.len())
            .filter(|&column| is_text(&columns[column]))
            .map(|column| ColumnTexts { column, sample: Vec::new(), bytes: self.columns[column].seen.bytes })
            .collect();
        for row in self.sample.values() {
            let fields: Vec<KeptField<'_>> = KeptFields(row).collect();
            for texts in &mut texts {
                if let Some(field) = fields.get(self.sources[texts.column])
                    && !matches!(field.kind(), GivenKind::Missing | GivenKind::Null)
                {
                    texts.sample.push(field.text());
                }
            }
        }
        codes::choose(texts, self.options.codec, Price::of(&self.options))
    }

    /// Whether whole rows through zstd, with texts as they are, cost less than codes for texts, which
    /// save so much. The builder of pairs chooses zstd by the same costs.
    fn is_zstd_cheaper(&self, columns: &[Column], codes_save: u64) -> bool {
        if codes_save == 0 {
            return false;
        }
        let mut columns = columns.to_vec();
        end_last(&mut columns);
        let Some(schema) = Schema::new(self.key.clone(), columns, Vec::new()) else { return false };
        let mut encoder = RowEncoder::new(&schema, &self.sources);
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        for fields in self.sample.values() {
            // The end of a long row is cut off.
            if encoder.encode(fields, &mut row).is_some() {
                rows.push(row.clone());
            }
        }
        let sample: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let texts: u64 = self.columns.iter().zip(&schema.columns).fold(0, |bytes, (given, column)| {
            if let Coding::Variable { .. } = column.coding { bytes + given.seen.bytes } else { bytes }
        });
        let value_bytes = texts + schema.fixed_bytes as u64 * self.rows;
        let totals = Totals { pairs: self.rows, key_bytes: 0, value_bytes };
        let price = Price::of(&self.options);
        LongChoice::new(self.options.codec, &sample, &totals)
            .is_some_and(|long| long.cost(price) < value_bytes.saturating_sub(codes_save))
    }

    /// Finds the lengths of texts that go through a code, or are not known before they are written.
    fn lengths(&mut self, columns: &mut [Column], codes: &[TextCode]) -> Result<(), Error> {
        let variables: Vec<usize> = (0..columns.len())
            .filter(|&column| matches!(columns[column].coding, Coding::Variable { .. }))
            .collect();
        let Some((_, before)) = variables.split_last() else { return Ok(()) };
        end_last(columns);
        let unknown: Vec<usize> = before
            .iter()
            .copied()
            .filter(|&column| {
                matches!(columns[column].coding, Coding::Variable { code: Some(_), .. })
                    || columns[column].column_type == ColumnType::Json
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        // The layout does not matter here.
        let widest = Schema::new(self.key.clone(), columns.to_vec(), codes.to_vec());
        let widest = widest.expect("the builder makes sound columns");
        let mut encoder = RowEncoder::new(&widest, &self.sources);
        let (mut most, sources) = (vec![0; unknown.len()], &self.sources);
        self.kept.for_each(|fields| {
            let fields: Vec<KeptField<'_>> = KeptFields(fields).collect();
            for (most, &column) in most.iter_mut().zip(&unknown) {
                if let Some(field) = fields.get(sources[column]) {
                    *most = encoder.stored_len(*field, &widest.columns[column]).max(*most);
                }
            }
            Ok(())
        })?;
        for (most, column) in most.into_iter().zip(unknown) {
            if let Coding::Variable { bits, .. } = &mut columns[column].coding {
                *bits = bits_for(most as u64);
            }
        }
        Ok(())
    }
}

/// Takes the length from the last column of texts: where its field ends follows from the row.
fn end_last(columns: &mut [Column]) {
    let texts = |column: &&mut Column| matches!(column.coding, Coding::Variable { .. });
    if let Some(last) = columns.iter_mut().rfind(texts)
        && let Coding::Variable { bits, base, .. } = &mut last.coding
    {
        (*bits, *base) = (0, 0);
    }
}

/// Writes all rows into a builder of pairs, on all threads, and counts the bytes of texts.
fn encode_rows(
    mut schema: Schema,
    sources: &[usize],
    kept: Kept,
    options: Options,
) -> Result<(Schema, Builder), Error> {
    let mut builder = Builder::new(options);
    let encoders = builder.add_kept(
        kept,
        || RowEncoder::new(&schema, sources),
        |encoder, fields, row| encoder.encode(fields, row).ok_or(Error::InputChanged),
    )?;
    let counted: Vec<Vec<u64>> = encoders.into_iter().map(RowEncoder::into_bytes).collect();
    for (place, column) in schema.columns.iter_mut().enumerate() {
        column.counts.bytes = counted.iter().map(|bytes| bytes[place]).sum();
    }
    Ok((schema, builder))
}
