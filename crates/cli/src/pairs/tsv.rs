//! Tab-separated text: what stands before the first tab of a line is the key, what stands behind it the value.

use std::io::Read;

use graven_format::text::Pair;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::{at, lines};
use crate::failure::Outcome;

/// The longest line: the longest key, a tab, the longest value.
const LINE_BYTES_MAX: usize = KEY_BYTES_MAX + 1 + VALUE_BYTES_MAX;

pub(super) fn for_each(
    name: &str,
    source: impl Read,
    mut each: impl FnMut(Pair<'_>) -> Outcome<()>,
) -> Outcome<()> {
    lines::for_each(name, source, LINE_BYTES_MAX, |line, text| {
        let Some(tab) = text.iter().position(|&byte| byte == b'\t') else {
            return Err(at(name, line, "there is no tab between a key and a value"));
        };
        let (key, value) = (&text[..tab], &text[tab + 1..]);
        if key.is_empty() {
            return Err(at(name, line, "the line begins with a tab; a key must come first"));
        }
        each(Pair { key, value, line })
    })
}
