//! Pairs and rows as text that `graven build` reads again: `.data`, JSON lines or csv.

use std::io::Write;

use clap::ValueEnum;
use graven_format::{Error, Field, KeyColumn, Schema, Store};
use serde::ser::{SerializeMap, Serializer};

use crate::failure::Failure;
use crate::json_bytes;
use crate::table;

/// The forms that can be written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DumpFormat {
    /// A line is a key, a space and a value; keys and values must fit that
    Data,
    /// A line is a JSON object; what is not UTF-8 is base64
    Jsonl,
    /// Rows of a table with columns, below their names
    Csv,
}

/// What a reader of text drops at its beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Writes the pairs of one table.
pub(crate) enum PairWriter<'s> {
    Data(Option<&'s Schema>),
    Jsonl(Option<&'s Schema>),
    /// JSON lines whose values are JSON.
    JsonlOfJson,
    Csv(&'s Schema, bool),
}

/// Why a pair cannot be written.
pub(crate) enum Refused {
    /// What of it a line of `.data` text cannot hold.
    Data(String),
    /// The row is damaged.
    Row(Error),
}

impl Refused {
    pub(crate) fn explain(&self, name: &str) -> Failure {
        match self {
            Self::Data(objection) => Failure::new(format!(
                "{name}: {objection}, which the .data text cannot hold; use `--format jsonl`"
            )),
            Self::Row(error) => table::explain(name, error),
        }
    }
}

impl<'s> PairWriter<'s> {
    /// A writer of a form; none for a csv where values have no columns.
    pub(crate) fn new(store: &'s Store, form: DumpFormat, has_header: bool) -> Option<Self> {
        let schema = store.schema();
        Some(match form {
            DumpFormat::Data => Self::Data(schema),
            DumpFormat::Jsonl if store.values_are_json() => Self::JsonlOfJson,
            DumpFormat::Jsonl => Self::Jsonl(schema),
            DumpFormat::Csv => Self::Csv(schema?, has_header),
        })
    }

    /// Appends what stands before the first pair.
    pub(crate) fn write_header(&self, out: &mut Vec<u8>) {
        if let Self::Csv(schema, true) = self {
            let names = schema.columns().iter().map(|column| column.name().as_bytes());
            let KeyColumn { name, position, .. } = schema.key();
            let before = names.clone().take(*position);
            let all = before.chain([name.as_bytes()]).chain(names.skip(*position));
            write_cells(all, out);
        }
    }

    /// Appends a pair, the first or another.
    pub(crate) fn write(
        &self,
        key: &[u8],
        value: &[u8],
        is_first: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        match self {
            Self::Data(schema) => {
                let mut json = Vec::new();
                let value = match schema {
                    Some(schema) => {
                        schema.row(value).and_then(|row| row.write_json(&mut json)).map_err(Refused::Row)?;
                        &json
                    }
                    None => value,
                };
                if let Some(objection) = objection(is_first, key, value) {
                    return Err(Refused::Data(objection));
                }
                for piece in [key, b" ", value, b"\n"] {
                    out.extend_from_slice(piece);
                }
                Ok(())
            }
            Self::Jsonl(None) => {
                // A vector takes all that is written.
                let _ = write_pair(key, value, out);
                Ok(())
            }
            Self::JsonlOfJson => {
                write_json_pair(key, value, out);
                Ok(())
            }
            Self::Jsonl(Some(schema)) => write_object(schema, key, value, out).map_err(Refused::Row),
            Self::Csv(schema, _) => write_row(schema, key, value, out).map_err(Refused::Row),
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
        let (name, text) = json_bytes::field(name, bytes);
        object.serialize_entry(&name, &text)?;
    }
    object.end()?;
    out.write_all(b"\n")
}

/// A pair whose value is JSON, as it is but for line ends: outside of strings, which hold none, these
/// are blanks like others.
fn write_json_pair(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let (name, text) = json_bytes::field("key", key);
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
    let (name, text) = json_bytes::field(name, key);
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
