//! Bytes in JSON: a string where they are UTF-8, otherwise base64 under the same name with `_base64` behind it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_format::BASE64_SUFFIX;

/// The field `name` for `bytes`: its name and its text, which is base64 where they are not UTF-8.
///
/// ```
/// use graven_ingest::json_field;
///
/// assert_eq!(json_field("key", b"a"), ("key".into(), "a".into()));
/// assert_eq!(json_field("key", b"\xff"), ("key_base64".into(), "/w==".into()));
/// ```
pub fn json_field<'a>(name: &'a str, bytes: &'a [u8]) -> (Cow<'a, str>, Cow<'a, str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (name.into(), text.into()),
        Err(_) => (format!("{name}{BASE64_SUFFIX}").into(), STANDARD.encode(bytes).into()),
    }
}
