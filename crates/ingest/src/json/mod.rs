//! JSON: lines of objects, and documents of which each member or element is a pair. What is no
//! string is stored as it is written, a string as the text that it stands for.
//!
//! A [`Texts`] finds where one object after the other is; [`FieldRows`] takes fields out of them, and
//! [`ObjectRows`] all of them as the columns of a table.

mod columns;
mod document;
mod fields;
mod lines;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use serde::de::IgnoredAny;

use crate::error::{Cause, Fault, Position};
use crate::row::CellKind;

pub(crate) use columns::ObjectRows;
pub(crate) use document::{DocumentTexts, FirstMember, first_members};
pub(crate) use fields::FieldRows;
pub(crate) use lines::LineTexts;

/// The longest text: the longest key and value with every byte escaped, and room for other fields.
const TEXT_BYTES_MAX: usize = 6 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) + (16 << 20);

/// The most names of fields that are kept of those nobody asked for.
pub(crate) const IGNORED_MAX: usize = 100;

/// One JSON text after the other.
pub(crate) trait Texts: Send {
    /// Goes to the next one; `false` at the end.
    fn advance(&mut self) -> Result<bool, Fault>;

    /// The text.
    fn text(&self) -> &[u8];

    /// What the text is called, where it is a member of an object, as it is written.
    fn name(&self) -> Option<&[u8]>;

    /// Where the text begins.
    fn position(&self) -> Position;

    /// Where a byte of the text is.
    fn position_of(&self, offset: usize) -> Position;
}

/// Appends what a JSON text stands for.
fn append(raw: &str, is_base64: bool, out: &mut Vec<u8>) -> Result<CellKind, Cause> {
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

/// What is wrong, without the place: that is counted elsewhere.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Whether `text` is one JSON text; what is wrong where it is not.
pub(crate) fn check(text: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

/// The byte of `text` at which it is wrong.
fn offset_of(error: &serde_json::Error, text: &[u8]) -> usize {
    let before = error.line().saturating_sub(1);
    let line_start = match before.checked_sub(1) {
        Some(nth) => memchr::memchr_iter(b'\n', text).nth(nth).map_or(0, |at| at + 1),
        None => 0,
    };
    line_start + error.column().saturating_sub(1)
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
fn names_of(text: &[u8]) -> Vec<String> {
    let object: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_slice(text);
    object.unwrap_or_default().into_keys().collect()
}
