//! JSON lines: each an object with a key and a value, which are strings, or base64 where the field's name ends in `_base64`.

use std::fmt;
use std::io::Read;

use graven_format::text::Pair;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{Fields, at, lines};
use crate::failure::Outcome;
use crate::json_bytes::{SUFFIX, decode};

/// The longest line: the longest key and value with every byte escaped, and room for other fields.
const LINE_BYTES_MAX: usize = 6 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) + (16 << 20);

pub(super) fn for_each(
    fields: &Fields,
    name: &str,
    source: impl Read,
    mut each: impl FnMut(Pair<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let wanted = Wanted {
        key: fields.key.as_deref().unwrap_or("key"),
        value: fields.value.as_deref().unwrap_or("value"),
    };
    let (mut key, mut value) = (Vec::new(), Vec::new());
    lines::for_each(name, source, LINE_BYTES_MAX, |line, text| {
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let object = Object { wanted, key: &mut key, value: &mut value };
        object.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            at(name, line, format_args!("{what}, at column {}", error.column()))
        })?;
        each(Pair { key: &key, value: &value, line })
    })
}

/// The names of the two fields.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    key: &'a str,
    value: &'a str,
}

/// What the name of a field says of it.
enum Field {
    Key { base64: bool },
    Value { base64: bool },
    Other,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Wanted<'_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        let is = |wanted: &str| match name.strip_prefix(wanted) {
            Some("") => Some(false),
            Some(SUFFIX) => Some(true),
            _ => None,
        };
        Ok(match (is(self.key), is(self.value)) {
            (Some(base64), _) => Field::Key { base64 },
            (None, Some(base64)) => Field::Value { base64 },
            (None, None) => Field::Other,
        })
    }
}

/// An object, whose key and value go where it says.
struct Object<'a, 'o> {
    wanted: Wanted<'a>,
    key: &'o mut Vec<u8>,
    value: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { wanted, key, value } = self;
        let (mut keys, mut values) = (0, 0);
        while let Some(field) = map.next_key_seed(wanted)? {
            match field {
                Field::Key { base64 } => {
                    keys += 1;
                    map.next_value_seed(Text { out: key, base64 })?;
                }
                Field::Value { base64 } => {
                    values += 1;
                    map.next_value_seed(Text { out: value, base64 })?;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        for (name, count) in [(wanted.key, keys), (wanted.value, values)] {
            match count {
                0 => return Err(M::Error::custom(format_args!("the object has no field `{name}`"))),
                1 => {}
                _ => {
                    return Err(M::Error::custom(format_args!(
                        "the object has more than one field `{name}`"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A string, whose bytes go to `out`.
struct Text<'o> {
    out: &'o mut Vec<u8>,
    base64: bool,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.out.clear();
        if self.base64 {
            *self.out = decode(text).map_err(|error| E::custom(format_args!("not base64: {error}")))?;
        } else {
            self.out.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}
