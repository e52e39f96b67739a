//! JSON lines: each an object with a key and a value. A string is stored as the text that it
//! stands for, or as the bytes where the field's name ends in `_base64`; a number, a boolean, an
//! array or an object as it is written.

use std::fmt;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_format::{BASE64_SUFFIX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Cause, Fault, Position, Role};
use crate::lines::LineReader;
use crate::options::ReadOptions;
use crate::row::{CellKind, CellSpan, InputRow, Rows};

/// The longest line: the longest key and value with every byte escaped, and room for other fields.
pub(crate) const LINE_BYTES_MAX: usize = 6 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) + (16 << 20);

/// The most names of fields that are kept of those nobody asked for.
pub(crate) const IGNORED_MAX: usize = 100;

/// The rows of a jsonl: the key, then the value.
pub(crate) struct JsonlRows<R> {
    lines: LineReader<R>,
    names: [String; 2],
    bytes: Vec<u8>,
    cells: [CellSpan; 2],
    ignored: Vec<String>,
}

/// The roles of the two fields, in the order of the cells.
const ROLES: [Role; 2] = [Role::Key, Role::Value];

impl<R: Read> JsonlRows<R> {
    pub(crate) fn new(source: R, options: &ReadOptions) -> Result<Self, Fault> {
        let name =
            |wanted: &Option<String>, otherwise: &str| wanted.clone().unwrap_or_else(|| otherwise.into());
        let names = [name(&options.key, "key"), name(&options.value, "value")];
        if options.value.is_none() && names[0] == names[1] {
            let [column, _] = names;
            return Err(Fault::new(Position::WHOLE, Cause::KeyIsValue { column }));
        }
        let nothing = CellSpan { start: 0, end: 0, kind: CellKind::Null };
        Ok(Self {
            lines: LineReader::new(source, LINE_BYTES_MAX, options.comment.clone()),
            names,
            bytes: Vec::new(),
            cells: [nothing; 2],
            ignored: Vec::new(),
        })
    }
}

impl<R: Read + Send> Rows for JsonlRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            if !self.lines.advance()? {
                return Ok(false);
            }
            if !self.lines.line().1.trim_ascii().is_empty() {
                break;
            }
        }
        let (line, text) = self.lines.line();
        let fields = ObjectSeed { names: &self.names, ignored: &mut self.ignored };
        let mut json = serde_json::Deserializer::from_slice(text);
        let found = fields.deserialize(&mut json).and_then(|found| json.end().map(|()| found));
        let found = found.map_err(|error| {
            Fault::new(Position::column(line, (error.column() as u64).max(1)), Cause::Json(said(&error)))
        })?;
        self.bytes.clear();
        for ((role, name), (cell, found)) in
            ROLES.into_iter().zip(&self.names).zip(self.cells.iter_mut().zip(found.fields))
        {
            let fail = |column: usize, cause| Fault::new(Position::column(line, column as u64 + 1), cause);
            if found.count > 1 {
                return Err(Fault::new(Position::line(line), Cause::RepeatedField { wanted: name.clone() }));
            }
            let Some(raw) = found.raw else {
                let fields = names_of(text);
                let cause = Cause::NoField { role, wanted: name.clone(), fields };
                return Err(Fault::new(Position::line(line), cause));
            };
            let start = self.bytes.len();
            let column = raw.get().as_ptr().addr() - text.as_ptr().addr();
            let kind =
                append(raw.get(), found.is_base64, &mut self.bytes).map_err(|cause| fail(column, cause))?;
            *cell = CellSpan { start, end: self.bytes.len(), kind };
        }
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let (line, _) = self.lines.line();
        InputRow { bytes: &self.bytes, cells: &self.cells, position: Position::line(line) }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// Appends what a JSON text stands for.
pub(crate) fn append(raw: &str, is_base64: bool, out: &mut Vec<u8>) -> Result<CellKind, Cause> {
    let is_string = raw.starts_with('"');
    if !is_string && is_base64 {
        return Err(Cause::Base64(format!("a string, found {}", kind_of(raw.as_bytes()))));
    }
    if !is_string {
        out.extend_from_slice(raw.as_bytes());
        return Ok(if raw == "null" { CellKind::Null } else { CellKind::Json });
    }
    let inside = &raw[1..raw.len() - 1];
    if !inside.contains('\\') && !is_base64 {
        out.extend_from_slice(inside.as_bytes());
        return Ok(CellKind::Bytes);
    }
    let text: String = serde_json::from_str(raw).map_err(|error| Cause::Json(said(&error)))?;
    if is_base64 {
        STANDARD.decode_vec(text, out).map_err(|error| Cause::Base64(error.to_string()))?;
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    Ok(CellKind::Bytes)
}

/// What is wrong, without the place: lines are counted elsewhere.
pub(crate) fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// What a JSON text is, in words.
pub(crate) fn kind_of(raw: &[u8]) -> &'static str {
    match raw.first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The names of an object's fields, for the message that one is missing.
pub(crate) fn names_of(text: &[u8]) -> Vec<String> {
    let object: Result<std::collections::BTreeMap<String, IgnoredAny>, _> = serde_json::from_slice(text);
    object.unwrap_or_default().into_keys().collect()
}

/// A field that is asked for.
#[derive(Clone, Copy, Default)]
struct FoundField<'t> {
    raw: Option<&'t RawValue>,
    is_base64: bool,
    count: usize,
}

/// What an object has of the two fields.
#[derive(Default)]
struct FoundFields<'t> {
    fields: [FoundField<'t>; 2],
}

/// Reads an object for the two fields that are asked for.
struct ObjectSeed<'a> {
    names: &'a [String; 2],
    ignored: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = FoundFields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = FoundFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = FoundFields::default();
        let Self { names, ignored } = self;
        while let Some(field) = map.next_key_seed(FieldNameSeed { names, ignored })? {
            if field.iter().all(Option::is_none) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&RawValue>()?;
            for (found, field) in found.fields.iter_mut().zip(field) {
                if let Some(Spelling { is_base64 }) = field {
                    *found = FoundField { raw: Some(raw), is_base64, count: found.count + 1 };
                }
            }
        }
        Ok(found)
    }
}

/// How a field that is asked for is written.
#[derive(Clone, Copy)]
struct Spelling {
    is_base64: bool,
}

/// Reads the name of a field, and says which of the two it is: one, both or neither.
struct FieldNameSeed<'a> {
    names: &'a [String; 2],
    ignored: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for FieldNameSeed<'_> {
    type Value = [Option<Spelling>; 2];

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldNameSeed<'_> {
    type Value = [Option<Spelling>; 2];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let asked = self.names.each_ref().map(|wanted| match name.strip_prefix(wanted.as_str()) {
            Some("") => Some(Spelling { is_base64: false }),
            Some(BASE64_SUFFIX) => Some(Spelling { is_base64: true }),
            _ => None,
        });
        let is_asked = asked.iter().any(Option::is_some);
        if !is_asked && self.ignored.len() < IGNORED_MAX && !self.ignored.iter().any(|other| other == name) {
            self.ignored.push(name.to_owned());
        }
        Ok(asked)
    }
}
