//! Bytes in JSON: a string where they are UTF-8, otherwise base64 under the same name with `_base64` behind it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What is put behind the name of a field whose value is base64.
pub(crate) const SUFFIX: &str = "_base64";

/// The field `name` for `bytes`: its name and its text.
pub(crate) fn field<'a>(name: &'a str, bytes: &'a [u8]) -> (Cow<'a, str>, Cow<'a, str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (name.into(), text.into()),
        Err(_) => (format!("{name}{SUFFIX}").into(), STANDARD.encode(bytes).into()),
    }
}

/// The bytes that base64 stands for.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(text)
}
