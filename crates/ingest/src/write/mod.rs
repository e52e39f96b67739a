//! Pairs and rows as text that the readers of this crate read again: `.data`, JSON lines or csv.

mod json_bytes;

use std::fmt;
use std::io::Write;

use graven_format::{Error, Field, KeyColumn, Schema, Store, StorePairs};
use serde::ser::{SerializeMap, Serializer};

use crate::format::Format;

pub use json_bytes::json_field;

/// What a reader of text drops at its beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Writes the pairs of one table as text.
///
/// ```
/// use graven_format::{Builder, Options};
/// use graven_ingest::{Format, PairWriter};
///
/// let mut builder = Builder::new(Options::default());
/// builder.add(b"9", b"Grace")?;
/// let (table, _) = builder.finish()?;
///
/// let mut writer = PairWriter::new(&table, Format::Jsonl, true).expect("a form that has a writer");
/// let mut text = Vec::new();
/// writer.write_header(&mut text);
/// assert_eq!(writer.write_next(&mut table.iter(), &mut text, 256 * 1024)?, 1);
/// assert_eq!(text, br#"{"key":"9","value":"Grace"}"#.iter().chain(b"\n").copied().collect::<Vec<u8>>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PairWriter<'s> {
    form: PairForm<'s>,
    has_header: bool,
    is_first: bool,
}

#[derive(Debug)]
enum PairForm<'s> {
    Data(Option<&'s Schema>),
    Jsonl(Option<&'s Schema>),
    /// JSON lines whose values are JSON.
    JsonlOfJson,
    Csv(&'s Schema),
}

/// Why a pair cannot be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unwritable {
    /// What of it a line of `.data` text cannot hold.
    Data(String),
    /// The pair or its row is damaged.
    Row(Error),
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(objection) => write!(f, "{objection}, which the .data text cannot hold"),
            Self::Row(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unwritable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data(_) => None,
            Self::Row(error) => Some(error),
        }
    }
}

impl<'s> PairWriter<'s> {
    /// A writer of a form. None for those that are only read, and for a csv where values have no
    /// columns. `has_header` says whether a csv begins with the names of the columns.
    pub fn new(store: &'s Store, format: Format, has_header: bool) -> Option<Self> {
        let schema = store.schema();
        let form = match format {
            Format::Data => PairForm::Data(schema),
            Format::Jsonl if store.values_are_json() => PairForm::JsonlOfJson,
            Format::Jsonl => PairForm::Jsonl(schema),
            Format::Csv => PairForm::Csv(schema?),
            _ => return None,
        };
        Some(Self { form, has_header, is_first: true })
    }

    /// Appends what stands before the first pair.
    pub fn write_header(&self, out: &mut Vec<u8>) {
        if let PairForm::Csv(schema) = self.form
            && self.has_header
        {
            let names = schema.columns().iter().map(|column| column.name().as_bytes());
            let KeyColumn { name, position, .. } = schema.key();
            let before = names.clone().take(*position);
            let all = before.chain([name.as_bytes()]).chain(names.skip(*position));
            write_cells(all, out);
        }
    }

    /// Appends the pairs that `pairs` gives next, a line each, until `text` is `bytes` long or longer, and returns how many they
    /// are: 0 when there are no more.
    ///
    /// # Errors
    /// When the form cannot hold a pair, or it is damaged. The text ends with the pair before it.
    pub fn write_next(
        &mut self,
        pairs: &mut StorePairs<'_>,
        text: &mut Vec<u8>,
        bytes: usize,
    ) -> Result<u64, Unwritable> {
        let mut written = 0;
        for pair in pairs {
            let (key, value) = pair.map_err(Unwritable::Row)?;
            let before = text.len();
            if let Err(error) = self.write(&key, &value, text) {
                text.truncate(before);
                return Err(error);
            }
            written += 1;
            if text.len() >= bytes {
                break;
            }
        }
        Ok(written)
    }

    /// Appends a pair as a line; the first call is for the first line.
    fn write(&mut self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let is_first = std::mem::take(&mut self.is_first);
        match self.form {
            PairForm::Data(schema) => {
                let mut json = Vec::new();
                let value = match schema {
                    Some(schema) => {
                        let row = schema.row(value).and_then(|row| row.write_json(&mut json));
                        row.map_err(Unwritable::Row)?;
                        &json
                    }
                    None => value,
                };
                if let Some(objection) = objection(is_first, key, value) {
                    return Err(Unwritable::Data(objection));
                }
                for piece in [key, b" ", value, b"\n"] {
                    out.extend_from_slice(piece);
                }
                Ok(())
            }
            PairForm::Jsonl(None) => {
                // A vector takes all that is written.
                let _ = write_pair(key, value, out);
                Ok(())
            }
            PairForm::JsonlOfJson => {
                write_json_pair(key, value, out);
                Ok(())
            }
            PairForm::Jsonl(Some(schema)) => write_object(schema, key, value, out).map_err(Unwritable::Row),
            PairForm::Csv(schema) => write_row(schema, key, value, out).map_err(Unwritable::Row),
        }
    }
}

/// What of a pair a line of `.data` text cannot hold.
fn objection(is_first: bool, key: &[u8], value: &[u8]) -> Option<String> {
    let separates = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    if key.is_empty() {
        return Some("a key is empty".into());
    }
    let shown = || key[..key.len().min(80)].escape_ascii();
    if key.iter().any(separates) {
        return Some(format!("the key {} holds a space, a tab or a line end", shown()));
    }
    if is_first && key.starts_with(BYTE_ORDER_MARK) {
        return Some(format!("the first key, {}, begins with a byte order mark", shown()));
    }
    if value.contains(&b'\n') {
        return Some(format!("the value of {} holds a line end", shown()));
    }
    value.ends_with(b"\r").then(|| format!("the value of {} ends in a carriage return", shown()))
}

fn write_pair(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut object = json.serialize_map(None)?;
    for (name, bytes) in [("key", key), ("value", value)] {
        let (name, text) = json_field(name, bytes);
        object.serialize_entry(&name, &text)?;
    }
    object.end()?;
    out.write_all(b"\n")
}

/// A pair whose value is JSON, as it is but for line ends: outside of strings, which hold none, these
/// are blanks like others.
fn write_json_pair(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let (name, text) = json_field("key", key);
    // A vector takes all that is written.
    let _ = write!(out, "{{\"{name}\":");
    let _ = serde_json::Serializer::new(&mut *out).serialize_str(&text);
    out.extend_from_slice(b",\"value\":");
    let start = out.len();
    out.extend_from_slice(value);
    out[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    out.extend_from_slice(b"}\n");
}

/// A row as an object, with the key where its source had it.
fn write_object(schema: &Schema, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let row = schema.row(value)?;
    let KeyColumn { name, position, is_number } = schema.key();
    let columns: Vec<usize> = (0..schema.columns().len()).collect();
    let (before, behind) = columns.split_at(*position);
    out.push(b'{');
    row.write_members(before, out)?;
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    let (name, text) = json_field(name, key);
    let mut json = serde_json::Serializer::new(&mut *out);
    let _ = json.serialize_str(&name);
    out.push(b':');
    if *is_number {
        out.extend_from_slice(key);
    } else {
        let _ = serde_json::Serializer::new(&mut *out).serialize_str(&text);
    }
    let len = out.len();
    out.push(b',');
    row.write_members(behind, out)?;
    if out.len() == len + 1 {
        out.pop();
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

fn write_row(schema: &Schema, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let row = schema.row(value)?;
    let mut cells = Vec::with_capacity(schema.columns().len() + 1);
    for field in row.fields() {
        cells.push(field.and_then(text_of)?);
    }
    cells.insert(schema.key().position, key.to_vec());
    write_cells(cells.iter().map(Vec::as_slice), out);
    Ok(())
}

fn text_of(field: Field<'_>) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    field.write_text(&mut text)?;
    Ok(text)
}

/// A row of a csv, with quotes where it could be read in another way without them.
fn write_cells<'c>(cells: impl Iterator<Item = &'c [u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            out.push(b'"');
            for part in cell.split_inclusive(|&byte| byte == b'"') {
                out.extend_from_slice(part);
                if part.ends_with(b"\"") {
                    out.push(b'"');
                }
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(cell);
        }
    }
    // An empty line is no row.
    if out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}
