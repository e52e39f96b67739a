//! AskedFields of JSON objects, for a key and a value.

use std::fmt;

use graven_format::BASE64_SUFFIX;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{IGNORED_MAX, Texts, append, names_of, offset_of, said};
use crate::composed::write_name;
use crate::error::{Cause, Fault, LikelyFields, Position, Role};
use crate::options::{ReadOptions, ValueColumns};
use crate::row::{CellKind, CellSpan, InputRow, Rows};

/// The rows of JSON texts: the parts of the key, then the value, or its members.
pub(crate) struct FieldRows<T> {
    texts: T,
    fields: AskedFields,
    /// The fields that may be key and value, where none was named.
    likely: Option<Box<LikelyFields>>,
    /// Whether a text is the value, and its name is the key.
    are_members: bool,
    /// Whether the name of a text is the key.
    has_names: bool,
    bytes: Vec<u8>,
    cells: Vec<CellSpan>,
    ignored: Vec<String>,
}

/// What is asked of an object.
struct AskedFields {
    names: Vec<String>,
    /// So many of them are parts of the key.
    keys: usize,
    /// Whether all others are one further cell, an object.
    takes_others: bool,
    /// Whether a field of the value that is missing is passed over.
    may_miss: bool,
}

impl<T: Texts> FieldRows<T> {
    /// The rows of `texts`, which are the members of a document where `has_names` is true: without a
    /// key the name of a text is the key, and without a value all of a text is the value.
    /// `likely` are the fields that may be key and value, for the message that one is missing.
    pub(crate) fn new(
        texts: T,
        has_names: bool,
        likely: Option<Box<LikelyFields>>,
        options: &ReadOptions,
    ) -> Result<Self, Fault> {
        let has_names = has_names && options.key.is_none();
        let are_members = has_names && options.value.is_none();
        let mut names = match &options.key {
            None if has_names => Vec::new(),
            None => vec!["key".to_owned()],
            Some(key) => key.0.clone(),
        };
        let keys = names.len();
        let (mut takes_others, mut may_miss) = (false, false);
        match &options.value {
            None if are_members => {}
            None => {
                if let Some(column) = names.iter().find(|name| *name == "value") {
                    let column = column.clone();
                    return Err(Fault::new(Position::WHOLE, Cause::KeyIsValue { column }));
                }
                names.push("value".to_owned());
            }
            Some(ValueColumns::One(value)) => names.push(value.clone()),
            Some(ValueColumns::Object(values)) => {
                may_miss = true;
                names.extend(values.iter().cloned());
            }
            Some(ValueColumns::AllOthers) => takes_others = true,
        }
        let fields = AskedFields { names, keys, takes_others, may_miss };
        let (bytes, cells, ignored) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { texts, fields, likely, are_members, has_names, bytes, cells, ignored })
    }

    /// Appends the cells of the text that is being read. What is wrong with it, and at which byte,
    /// where that is known.
    fn read(&mut self) -> Result<(), (Option<usize>, Cause)> {
        let Self { texts, fields, likely, are_members, has_names, bytes, cells, ignored } = self;
        let text = texts.text();
        if *has_names {
            let name = std::str::from_utf8(texts.name().unwrap_or(b"\"\"")).unwrap_or("\"\"");
            let kind = append(name, false, bytes).map_err(|cause| (None, cause))?;
            cells.push(CellSpan { start: 0, end: bytes.len(), kind });
        }
        let wrong = |error: serde_json::Error| (Some(offset_of(&error, text)), Cause::Json(said(&error)));
        if *are_members {
            let raw: &RawValue = serde_json::from_slice(text).map_err(wrong)?;
            let start = bytes.len();
            let kind = append(raw.get(), false, bytes).map_err(|cause| (Some(0), cause))?;
            cells.push(CellSpan { start, end: bytes.len(), kind });
            return Ok(());
        }
        let mut found =
            FoundFields { fields: vec![FoundField::default(); fields.names.len()], others: Vec::new() };
        let mut json = serde_json::Deserializer::from_slice(text);
        let seed = ObjectSeed { asked: fields, ignored, found: &mut found };
        seed.deserialize(&mut json).and_then(|()| json.end()).map_err(wrong)?;
        for ((name, found), i) in fields.names.iter().zip(&found.fields).zip(0..) {
            let role = if i < fields.keys { Role::Key } else { Role::Value };
            if found.count > 1 {
                return Err((None, Cause::RepeatedField { wanted: name.clone() }));
            }
            let start = bytes.len();
            let kind = match found.raw {
                None if role == Role::Value && fields.may_miss => CellKind::Missing,
                None => {
                    return Err((
                        None,
                        Cause::NoField {
                            role,
                            wanted: name.as_str().into(),
                            fields: names_of(text),
                            likely: likely.clone(),
                        },
                    ));
                }
                Some(raw) => {
                    let offset = raw.get().as_ptr().addr() - text.as_ptr().addr();
                    append(raw.get(), found.is_base64, bytes).map_err(|cause| (Some(offset), cause))?
                }
            };
            cells.push(CellSpan { start, end: bytes.len(), kind });
        }
        if fields.takes_others {
            let start = bytes.len();
            bytes.push(b'{');
            // Behind the last one stands no comma.
            bytes.extend_from_slice(found.others.strip_suffix(b",").unwrap_or_default());
            bytes.push(b'}');
            cells.push(CellSpan { start, end: bytes.len(), kind: CellKind::Json });
        }
        Ok(())
    }
}

impl<T: Texts> Rows for FieldRows<T> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !self.texts.advance()? {
            return Ok(false);
        }
        self.bytes.clear();
        self.cells.clear();
        self.read().map_err(|(offset, cause)| {
            let place = offset.map_or(self.texts.position(), |offset| self.texts.position_of(offset));
            Fault::new(place, cause)
        })?;
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        InputRow { bytes: &self.bytes, cells: &self.cells, position: self.texts.position() }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// A field that is asked for.
#[derive(Clone, Copy, Default)]
struct FoundField<'t> {
    raw: Option<&'t RawValue>,
    is_base64: bool,
    count: usize,
    /// Whether the value that comes next is its.
    is_next: bool,
}

/// What an object has.
struct FoundFields<'t> {
    /// Of the fields that are asked for, in their order.
    fields: Vec<FoundField<'t>>,
    /// All others, each as it is written and with a comma behind it.
    others: Vec<u8>,
}

/// Reads an object for the fields that are asked for.
struct ObjectSeed<'a, 't> {
    asked: &'a AskedFields,
    ignored: &'a mut Vec<String>,
    found: &'a mut FoundFields<'t>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { asked, ignored, found } = self;
        while let Some(name) = map.next_key_seed(FieldNameSeed { asked, ignored, found: &mut *found })? {
            match name {
                FoundName::Ignored => {
                    map.next_value::<IgnoredAny>()?;
                }
                FoundName::Other => {
                    found.others.extend_from_slice(map.next_value::<&RawValue>()?.get().as_bytes());
                    found.others.push(b',');
                }
                FoundName::Asked => {
                    let raw = map.next_value::<&RawValue>()?;
                    found.fields.iter_mut().filter(|field| field.is_next).for_each(|field| {
                        field.raw = Some(raw);
                        field.is_next = false;
                    });
                }
            }
        }
        Ok(())
    }
}

/// What the name of a field says of it.
enum FoundName {
    Asked,
    /// It is one of those that are taken without being asked for.
    Other,
    Ignored,
}

/// Reads the name of a field.
struct FieldNameSeed<'a, 't> {
    asked: &'a AskedFields,
    ignored: &'a mut Vec<String>,
    found: &'a mut FoundFields<'t>,
}

impl<'de> DeserializeSeed<'de> for FieldNameSeed<'_, '_> {
    type Value = FoundName;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<FoundName, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldNameSeed<'_, '_> {
    type Value = FoundName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<FoundName, E> {
        let mut is_asked = false;
        for (field, wanted) in self.found.fields.iter_mut().zip(&self.asked.names) {
            let is_base64 = match name.strip_prefix(wanted.as_str()) {
                Some("") => false,
                Some(BASE64_SUFFIX) => true,
                _ => continue,
            };
            *field = FoundField { is_base64, is_next: true, count: field.count + 1, ..*field };
            is_asked = true;
        }
        if is_asked {
            return Ok(FoundName::Asked);
        }
        if self.asked.takes_others {
            write_name(name, &mut self.found.others);
            return Ok(FoundName::Other);
        }
        if self.ignored.len() < IGNORED_MAX && !self.ignored.iter().any(|other| other == name) {
            self.ignored.push(name.to_owned());
        }
        Ok(FoundName::Ignored)
    }
}
