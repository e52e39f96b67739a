//! The keys that are asked for, and their values where answers are to be compared with them. They
//! come from whoever starts a run; nothing here reads a file.

use std::collections::HashMap;

use crate::requests::append_expected;

/// The most keys that are held; further ones are left out, and counted.
pub const KEYS_MAX: usize = 1 << 24;

/// The most bytes of keys and values that are held; a pair that would pass it is left out, and
/// counted.
pub const KEY_SET_BYTES_MAX: u64 = 4 << 30;

/// Keys and their values, one behind the other.
///
/// ```
/// let mut keys = graven_bench::KeySet::new(true);
/// keys.push(b"colour", b"green");
/// assert_eq!((keys.len(), keys.has_values()), (1, true));
/// ```
#[derive(Debug)]
pub struct KeySet {
    bytes: Vec<u8>,
    spans: Vec<KeySpan>,
    keeps_values: bool,
    has_values: bool,
    left_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct KeySpan {
    start: u64,
    key_len: u32,
    value_len: u32,
}

impl KeySet {
    /// No keys yet. Values are kept only when they are to be compared with answers.
    pub fn new(keeps_values: bool) -> Self {
        Self { bytes: Vec::new(), spans: Vec::new(), keeps_values, has_values: false, left_out: 0 }
    }

    /// Adds a pair, or leaves it out when there is no more room.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let kept = if self.keeps_values { value } else { &[] };
        let start = self.bytes.len() as u64;
        let lengths = (u32::try_from(key.len()), u32::try_from(kept.len()));
        let (Ok(key_len), Ok(value_len)) = lengths else {
            self.left_out += 1;
            return;
        };
        let end = start + u64::from(key_len) + u64::from(value_len);
        if self.spans.len() == KEYS_MAX || end > KEY_SET_BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.has_values |= !value.is_empty();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(kept);
        self.spans.push(KeySpan { start, key_len, value_len });
    }

    /// Adds a key with the fields that `HMGET` must answer for it; `None` for one without a value.
    pub fn push_fields<'f>(&mut self, key: &[u8], fields: impl IntoIterator<Item = Option<&'f [u8]>>) {
        let mut value = Vec::new();
        fields.into_iter().for_each(|field| append_expected(field, &mut value));
        self.push(key, &value);
    }

    /// Keeps only the keys that `takes` accepts; the others are left out.
    pub fn retain(&mut self, takes: impl Fn(&[u8]) -> bool) {
        let before = self.spans.len();
        let bytes = &self.bytes;
        self.spans.retain(|span| takes(span.key(bytes)));
        self.left_out += (before - self.spans.len()) as u64;
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether any key had a value: a list of keys alone has none.
    pub fn has_values(&self) -> bool {
        self.has_values
    }

    /// Keys that are not asked for, because there is no room for them or because the protocol has
    /// no way to say them.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn key(&self, i: usize) -> &[u8] {
        self.spans[i].key(&self.bytes)
    }

    /// Every key with the value that counts: the last one, where a key comes more than once.
    pub(crate) fn index(&self) -> HashMap<&[u8], &[u8]> {
        self.spans.iter().map(|span| (span.key(&self.bytes), span.value(&self.bytes))).collect()
    }
}

impl KeySpan {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.start as usize..][..self.key_len as usize]
    }

    fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.start as usize + self.key_len as usize..][..self.value_len as usize]
    }
}
