//! JSON objects as rows: each member is a field. Objects need not have the same members.

use std::collections::HashMap;
use std::fmt;

use graven_format::{BASE64_SUFFIX, ColumnType, FieldInput, KEY_BYTES_MAX, RowBuilder};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{IGNORED_MAX, Texts, append, names_of, offset_of, said};
use crate::composed::join;
use crate::error::{Cause, Fault, LikelyFields, Role};
use crate::row::{Cell, CellKind, CellSpan};
use crate::table_rows::{ColumnOptions, is_whole_number};

/// The rows of JSON objects.
pub(crate) struct ObjectRows {
    texts: Box<dyn Texts>,
    members: Members,
    separator: Vec<u8>,
    key: Vec<u8>,
    bytes: Vec<u8>,
    ignored: Vec<String>,
    /// The types of columns that are not known yet.
    types: Vec<(String, ColumnType)>,
}

/// Where the members of objects go: the parts of the key first, then the columns.
struct Members {
    /// How many parts the key has; none where it is the name of the object.
    keys: usize,
    /// The number of each in the order below.
    names: HashMap<String, usize>,
    /// In the order of the places, for objects whose members are in order.
    in_order: Vec<(String, MemberPlace)>,
    /// Whether a member that is none of these is a further column.
    takes_all: bool,
    /// The field that may be the key, where none was named.
    likely: Option<Box<LikelyFields>>,
    /// The places in the order in which objects have them: a member that comes for the first time
    /// stands behind the one that it comes behind there.
    order: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct MemberPlace {
    /// The parts of the key come first.
    at: usize,
    is_base64: bool,
}

impl Members {
    fn add(&mut self, name: &str, at: usize, is_bytes: bool) {
        for (name, is_base64) in [(name.to_owned(), false), (format!("{name}{BASE64_SUFFIX}"), true)] {
            if is_base64 && !is_bytes {
                continue;
            }
            let place = MemberPlace { at, is_base64 };
            self.names.insert(name.clone(), self.in_order.len());
            self.in_order.push((name, place));
        }
    }

    fn name_of(&self, place: MemberPlace) -> String {
        let name = self.in_order.iter().find(|(_, other)| other.at == place.at);
        name.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Puts a place into the order, behind another one or before all.
    fn order_behind(&mut self, at: usize, behind: Option<usize>) {
        let behind = behind.and_then(|behind| self.order.iter().position(|&other| other == behind));
        self.order.insert(behind.map_or(0, |behind| behind + 1), at);
    }

    /// The place of a member, which in most objects is the one behind `before`; and its number in
    /// that order.
    fn find(&self, name: &str, before: usize) -> Option<(MemberPlace, usize)> {
        match self.in_order.get(before) {
            Some((next, place)) if next == name => Some((*place, before + 1)),
            _ => self.names.get(name).map(|&at| (self.in_order[at].1, at + 1)),
        }
    }
}

impl ObjectRows {
    /// The rows of `texts`. Without `keys`, the key is the name of a text. `likely` may be the key.
    pub(crate) fn new(
        texts: Box<dyn Texts>,
        keys: &[String],
        separator: &[u8],
        columns: &ColumnOptions,
        names: &[String],
        likely: Option<Box<LikelyFields>>,
    ) -> Self {
        let takes_all = columns.columns.is_none();
        let mut members = Members {
            keys: keys.len(),
            names: HashMap::new(),
            in_order: Vec::new(),
            takes_all,
            likely,
            order: Vec::new(),
        };
        let types = columns.types.clone();
        for (name, at) in keys.iter().zip(0..) {
            members.add(name, at, true);
        }
        for (name, at) in names.iter().zip(keys.len()..) {
            members.add(name, at, is_bytes(&types, name));
        }
        let (separator, key) = (separator.to_owned(), Vec::new());
        Self { texts, members, separator, key, bytes: Vec::new(), ignored: Vec::new(), types }
    }

    /// Goes on with the objects of another file.
    pub(crate) fn go_on_with(&mut self, texts: Box<dyn Texts>) {
        self.texts = texts;
    }

    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Adds all rows that are left.
    pub(crate) fn add_to(&mut self, builder: &mut RowBuilder, are_numbers: &mut bool) -> Result<(), Fault> {
        let keys = self.members.keys;
        let mut spans: Vec<Option<CellSpan>> = Vec::new();
        let mut columns = 0;
        while self.texts.advance()? {
            let text = self.texts.text();
            let mut object = ObjectVisitor {
                members: &mut self.members,
                ignored: &mut self.ignored,
                types: &self.types,
                builder,
                behind: None,
                text_start: text.as_ptr().addr(),
                bytes: &mut self.bytes,
                spans: &mut spans,
                fault: None,
            };
            object.bytes.clear();
            object.spans.clear();
            object.spans.resize(columns + keys, None);
            let mut json = serde_json::Deserializer::from_slice(text);
            let read = (&mut object).deserialize(&mut json).and_then(|()| json.end());
            let fault = object.fault.take();
            if let Some((offset, cause)) = fault {
                return Err(Fault::new(self.texts.position_of(offset), cause));
            }
            read.map_err(|error| {
                Fault::new(self.texts.position_of(offset_of(&error, text)), Cause::Json(said(&error)))
            })?;
            columns = columns.max(spans.len() - keys);
            let fail = |cause| Fault::new(self.texts.position(), cause);
            self.key.clear();
            let is_number = key(&self.members, &spans, &self.bytes, &self.separator, text, &mut self.key);
            let is_number = match self.texts.name() {
                Some(name) if keys == 0 => {
                    let name = std::str::from_utf8(name).unwrap_or("\"\"");
                    append(name, false, &mut self.key).map_err(fail)?;
                    false
                }
                _ => is_number.map_err(fail)?,
            };
            if self.key.len() > KEY_BYTES_MAX {
                return Err(fail(Cause::KeyTooLong));
            }
            *are_numbers = *are_numbers && is_number;
            let field = |span: &Option<CellSpan>| {
                let Some(span) = span else { return FieldInput::Missing };
                let bytes = &self.bytes[span.start..span.end];
                match (span.kind, std::str::from_utf8(bytes)) {
                    (CellKind::Missing, _) => FieldInput::Missing,
                    (CellKind::Null, _) => FieldInput::Null,
                    (CellKind::Json, Ok(text)) => FieldInput::Json(text),
                    (CellKind::Bytes, Ok(text)) => FieldInput::Text(text),
                    (_, Err(_)) => FieldInput::Bytes(bytes),
                }
            };
            let fields: Vec<FieldInput<'_>> = spans[keys..].iter().map(field).collect();
            builder.add(&self.key, &fields).map_err(|error| fail(Cause::Table(error.into())))?;
        }
        let order = &self.members.order;
        let columns = order.iter().filter(|&&at| at >= keys).count();
        if self.members.takes_all && columns == builder.columns() {
            builder.key_position(order.iter().position(|&at| at < keys).unwrap_or_default());
            builder.order(&order.iter().filter_map(|at| at.checked_sub(keys)).collect::<Vec<_>>());
        }
        Ok(())
    }
}

/// Appends the key that the members of an object make; whether it is a whole number that JSON has
/// without quotes.
fn key(
    members: &Members,
    spans: &[Option<CellSpan>],
    bytes: &[u8],
    separator: &[u8],
    text: &[u8],
    key: &mut Vec<u8>,
) -> Result<bool, Cause> {
    let mut parts = Vec::with_capacity(members.keys);
    for (span, at) in spans[..members.keys].iter().zip(0..) {
        let Some(span) = span else {
            let wanted = members.name_of(MemberPlace { at, is_base64: false });
            return Err(Cause::NoField {
                role: Role::Key,
                wanted: wanted.into(),
                fields: names_of(text),
                likely: members.likely.clone(),
            });
        };
        let part = &bytes[span.start..span.end];
        parts.push(match span.kind {
            CellKind::Null | CellKind::Missing => Cell::Null,
            CellKind::Json => Cell::Json(part),
            CellKind::Bytes => Cell::Bytes(part),
        });
    }
    join(parts.iter().copied(), separator, key)?;
    Ok(matches!(parts[..], [Cell::Json(part)] if is_whole_number(part)))
}

fn is_bytes(types: &[(String, ColumnType)], name: &str) -> bool {
    types.iter().any(|(said, column_type)| said == name && *column_type == ColumnType::Bytes)
}

/// Reads an object: the span of each member that is wanted into its place.
struct ObjectVisitor<'a> {
    members: &'a mut Members,
    ignored: &'a mut Vec<String>,
    types: &'a [(String, ColumnType)],
    builder: &'a mut RowBuilder,
    /// The member before the one that comes next.
    behind: Option<usize>,
    text_start: usize,
    bytes: &'a mut Vec<u8>,
    spans: &'a mut Vec<Option<CellSpan>>,
    /// What is wrong, where it is not the JSON, and the byte of the text.
    fault: Option<(usize, Cause)>,
}

impl<'de> DeserializeSeed<'de> for &mut ObjectVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut before = 0;
        while let Some(found) = map.next_key_seed(NameSeed { visitor: self, before })? {
            let Some((place, next)) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            before = next;
            let raw = map.next_value::<&RawValue>()?;
            let column = raw.get().as_ptr().addr() - self.text_start;
            // The key is known before it is met.
            let is_key = place.at < self.members.keys;
            if is_key && self.members.takes_all && !self.members.order.contains(&place.at) {
                self.members.order_behind(place.at, self.behind);
            }
            self.behind = Some(place.at);
            if self.spans.len() <= place.at {
                self.spans.resize(place.at + 1, None);
            }
            if self.spans[place.at].is_some() {
                let wanted = self.members.name_of(place);
                self.fault.get_or_insert((column, Cause::RepeatedField { wanted }));
                continue;
            }
            let start = self.bytes.len();
            let is_base64 = place.is_base64 && raw.get() != "null";
            match append(raw.get(), is_base64, self.bytes) {
                Ok(kind) => self.spans[place.at] = Some(CellSpan { start, end: self.bytes.len(), kind }),
                Err(cause) => {
                    self.fault.get_or_insert((column, cause));
                }
            }
        }
        Ok(())
    }
}

/// Reads the name of a member, and says where it goes.
struct NameSeed<'v, 'a> {
    visitor: &'v mut ObjectVisitor<'a>,
    before: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, '_> {
    type Value = Option<(MemberPlace, usize)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_, '_> {
    type Value = Option<(MemberPlace, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let Self { visitor, before } = self;
        if let Some(found) = visitor.members.find(name, before) {
            return Ok(Some(found));
        }
        if !visitor.members.takes_all {
            let ignored = &mut visitor.ignored;
            if ignored.len() < IGNORED_MAX && !ignored.iter().any(|other| other == name) {
                ignored.push(name.to_owned());
            }
            return Ok(None);
        }
        let bytes = name.strip_suffix(BASE64_SUFFIX).filter(|name| is_bytes(visitor.types, name));
        let column = bytes.unwrap_or(name);
        let said = visitor.types.iter().rev().find(|(said, _)| said == column);
        match visitor.builder.column(column, said.map(|&(_, column_type)| column_type)) {
            Ok(column_at) => {
                let at = visitor.members.keys + column_at;
                visitor.members.add(column, at, bytes.is_some() || is_bytes(visitor.types, column));
                visitor.members.order_behind(at, visitor.behind);
            }
            Err(error) => {
                visitor.fault.get_or_insert((0, Cause::Table(error.into())));
                return Ok(None);
            }
        }
        Ok(visitor.members.find(name, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_any_order() {
        let mut members = Members {
            keys: 1,
            names: HashMap::new(),
            in_order: Vec::new(),
            takes_all: true,
            likely: None,
            order: Vec::new(),
        };
        members.add("key", 0, false);
        members.add("a", 1, false);
        members.add("b", 2, true);
        let place =
            |name: &str, before| members.find(name, before).map(|(place, _)| (place.at, place.is_base64));
        assert_eq!(place("a", 1), Some((1, false)));
        assert_eq!(place("b", 1), Some((2, false)));
        assert_eq!(place("b_base64", 0), Some((2, true)));
        assert_eq!(place("a_base64", 1), None);
    }
}
