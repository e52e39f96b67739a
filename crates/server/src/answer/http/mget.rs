//! `POST /v1/mget`: many keys in one JSON document, many values in another, or one line each as they are found.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_blocks::BlockReader;
use graven_format::{Projection, Schema, Store};
use graven_wire::http::{encode_chunk, encode_last_chunk};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::to_writer;

use super::{JSON, LINES};
use crate::answer::key_list::KeyList;
use crate::answer::lookups::LookupOutcome;
use crate::answer::rows::{columns, row_cost};
use crate::answer::{After, ConnectionSlot, Responder};

/// Some programs on Windows begin every text with it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `{"values":[…]}`, in the order of the keys.
    Document,
    /// A line `{"key":…,"value":…}` for each key.
    Lines,
}

impl Layout {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Document => JSON,
            Self::Lines => LINES,
        }
    }
}

/// How the client learns where the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    Chunked,
    /// The connection closes, for HTTP/1.0.
    Closing,
}

/// A request for many keys, of which a part is answered.
#[derive(Debug)]
pub(super) struct ManyKeys {
    keys: KeyList,
    /// The version that the answer began with, and ends with.
    store: Arc<Store>,
    layout: Layout,
    ending: BodyEnd,
    keep_alive: bool,
    /// The columns that are asked for; `None` are all.
    columns: Option<Projection>,
    /// Something was written already.
    begun: bool,
}

/// `{"keys":[…]}`, and `"fields":[…]` where the table has columns. Read by hand, because what is derived takes `[[…]]` for the
/// same.
struct MgetRequest {
    keys: Vec<Key>,
    fields: Option<Vec<String>>,
}

/// Text as it is, any other bytes in base64.
enum Key {
    Text(String),
    Base64(String),
}

impl<'de> Deserialize<'de> for MgetRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MgetRequestVisitor)
    }
}

struct MgetRequestVisitor;

impl<'de> Visitor<'de> for MgetRequestVisitor {
    type Value = MgetRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"keys":["a","b"]}"#)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<MgetRequest, M::Error> {
        let (mut keys, mut fields) = (None, None);
        while let Some(field) = map.next_key::<String>()? {
            let is_double = match &*field {
                "keys" => keys.replace(map.next_value()?).is_some(),
                "fields" => fields.replace(map.next_value()?).is_some(),
                _ => {
                    return Err(de::Error::custom(format_args!(
                        "unknown field `{field}`, expected `keys` or `fields`"
                    )));
                }
            };
            if is_double {
                return Err(de::Error::custom(format_args!("duplicate field `{field}`")));
            }
        }
        Ok(MgetRequest { keys: keys.ok_or_else(|| de::Error::missing_field("keys"))?, fields })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a key; a key is a string or {"base64": …}"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Key, E> {
        Ok(Key::Text(text))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Key, M::Error> {
        only_field(map, "base64").map(Key::Base64)
    }
}

/// The value of the one field that an object has.
fn only_field<'de, M: MapAccess<'de>, T: Deserialize<'de>>(
    mut map: M,
    name: &'static str,
) -> Result<T, M::Error> {
    let mut found = None;
    while let Some(field) = map.next_key::<String>()? {
        if field != name {
            return Err(de::Error::custom(format_args!("unknown field `{field}`, expected `{name}`")));
        }
        if found.replace(map.next_value()?).is_some() {
            return Err(de::Error::duplicate_field(name));
        }
    }
    found.ok_or_else(|| de::Error::missing_field(name))
}

impl ManyKeys {
    /// Reads the keys in `body`, or says what is wrong with it.
    pub(super) fn read(
        body: &[u8],
        store: Arc<Store>,
        layout: Layout,
        ending: BodyEnd,
        keep_alive: bool,
    ) -> Result<Self, String> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let asked: MgetRequest = serde_json::from_slice(body)
            .map_err(|error| format!(r#"The body is not of the form {{"keys":["a","b"]}}: {error}"#))?;
        let mut keys = Vec::with_capacity(asked.keys.len());
        for key in asked.keys {
            keys.push(match key {
                Key::Text(text) => text.into_bytes(),
                Key::Base64(base64) => {
                    STANDARD.decode(&base64).map_err(|error| format!("A key is not base64: {error}"))?
                }
            });
        }
        let keys = KeyList::of(keys.iter().map(Vec::as_slice));
        let columns = asked.fields.map(|fields| columns(store.schema(), &fields)).transpose()?;
        Ok(Self { keys, store, layout, ending, keep_alive, columns, begun: false })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.keys.held_bytes()
    }

    /// Answers more of the keys, as far as there is room, as one chunk.
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let Self { keys, store, layout, ending, keep_alive, columns, begun } = self;
        let (schema, are_json) = (store.schema(), store.values_are_json());
        let mut chunk = Vec::new();
        let mut between: &[u8] = match (*begun, *layout) {
            (false, Layout::Document) => br#"{"values":["#,
            (true, Layout::Document) => b",",
            (_, Layout::Lines) => b"",
        };
        let room = responder.options.limits.output_bytes_max.saturating_sub(slot.out.len());
        let http = &responder.loop_counters.http;
        let stop = responder.lookups.each_of(store, keys, slot, http, |key, answer, slot| {
            slot.spend(row_cost(schema));
            chunk.extend_from_slice(between);
            if *layout == Layout::Document {
                between = b",";
                value(answer, schema, are_json, columns.as_ref(), &mut chunk);
            } else {
                chunk.extend_from_slice(br#"{"key":"#);
                text_or_base64(key, &mut chunk);
                chunk.extend_from_slice(br#","value":"#);
                value(answer, schema, are_json, columns.as_ref(), &mut chunk);
                chunk.extend_from_slice(b"}\n");
            }
            if chunk.len() >= room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if stop.is_none() && *layout == Layout::Document {
            if !*begun && chunk.is_empty() {
                chunk.extend_from_slice(between);
            }
            chunk.extend_from_slice(b"]}\n");
        }
        if !chunk.is_empty() {
            *begun = true;
            match ending {
                BodyEnd::Chunked => encode_chunk(&chunk, &mut slot.out),
                BodyEnd::Closing => slot.out.extend_from_slice(&chunk),
            }
        }
        if let Some(stop) = stop {
            return After::Unfinished(stop);
        }
        if *ending == BodyEnd::Chunked {
            encode_last_chunk(&mut slot.out);
        }
        if *keep_alive { After::Done } else { After::Close }
    }
}

/// A value as text, or as it is where values are JSON; or a row, all of it or some `columns`, as an
/// object.
fn value(
    answer: LookupOutcome<'_>,
    schema: Option<&Schema>,
    are_json: bool,
    columns: Option<&Projection>,
    out: &mut Vec<u8>,
) {
    const DAMAGED: &[u8] = br#"{"error":"damaged"}"#;
    match (answer, schema) {
        (LookupOutcome::Value(value), None) if are_json => {
            // A line end in JSON is a blank, and would end the line that the value is a part of.
            let start = out.len();
            out.extend_from_slice(value.bytes());
            let line_ends = out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r'));
            line_ends.for_each(|byte| *byte = b' ');
        }
        (LookupOutcome::Value(value), None) => text_or_base64(value.bytes(), out),
        (LookupOutcome::Value(value), Some(schema)) => {
            let start = out.len();
            let written = schema.row(value.bytes()).and_then(|row| match columns {
                Some(columns) => columns.write_json(row, out),
                None => row.write_json(out),
            });
            if written.is_err() {
                out.truncate(start);
                out.extend_from_slice(DAMAGED);
            }
        }
        (LookupOutcome::Missing, _) => out.extend_from_slice(b"null"),
        (LookupOutcome::Damaged | LookupOutcome::NotYet, _) => out.extend_from_slice(DAMAGED),
    }
}

fn text_or_base64(bytes: &[u8], out: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = match std::str::from_utf8(bytes) {
        Ok(text) => to_writer(out, text),
        Err(_) => {
            out.extend_from_slice(br#"{"base64":"#);
            let written = to_writer(&mut *out, &STANDARD.encode(bytes));
            out.push(b'}');
            written
        }
    };
}
