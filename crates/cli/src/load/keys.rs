//! The keys that are asked for, and their values where answers are to be compared with them. They come from whoever
//! starts a run; nothing here reads a file.

use std::collections::HashMap;

/// The most keys that are held; further ones are passed over, and counted.
pub(crate) const KEYS_MAX: usize = 1 << 24;

/// The most bytes of keys and values that are held; what would pass it is passed over, and counted.
pub(crate) const BYTES_MAX: u64 = 4 << 30;

/// Keys and their values, one behind the other.
#[derive(Debug)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    values_wanted: bool,
    has_values: bool,
    passed_over: u64,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    key_len: u32,
    value_len: u32,
}

impl Keys {
    /// None yet. Values are kept only when they are wanted.
    pub(crate) fn new(values_wanted: bool) -> Self {
        Self { bytes: Vec::new(), spans: Vec::new(), values_wanted, has_values: false, passed_over: 0 }
    }

    /// Adds a pair, or passes over it when there is no more room.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let kept = if self.values_wanted { value } else { &[] };
        let start = self.bytes.len() as u64;
        let lengths = (u32::try_from(key.len()), u32::try_from(kept.len()));
        let (Ok(key_len), Ok(value_len)) = lengths else {
            self.passed_over += 1;
            return;
        };
        let end = start + u64::from(key_len) + u64::from(value_len);
        if self.spans.len() == KEYS_MAX || end > BYTES_MAX {
            self.passed_over += 1;
            return;
        }
        self.has_values |= !value.is_empty();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(kept);
        self.spans.push(Span { start, key_len, value_len });
    }

    /// Keeps only the keys that `takes` accepts; the others are passed over.
    pub(crate) fn retain(&mut self, takes: impl Fn(&[u8]) -> bool) {
        let before = self.spans.len();
        let bytes = &self.bytes;
        self.spans.retain(|span| takes(span.key(bytes)));
        self.passed_over += (before - self.spans.len()) as u64;
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether any key had a value: a list of keys alone has none.
    pub(crate) fn has_values(&self) -> bool {
        self.has_values
    }

    /// Keys that are not asked for, because there is no room for them or because the language has no way to say them.
    pub(crate) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    pub(crate) fn key(&self, i: usize) -> &[u8] {
        self.spans[i].key(&self.bytes)
    }

    /// Every key with the value that counts: the last one, where a key comes more than once.
    pub(crate) fn index(&self) -> HashMap<&[u8], &[u8]> {
        self.spans.iter().map(|span| (span.key(&self.bytes), span.value(&self.bytes))).collect()
    }
}

impl Span {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.start as usize..][..self.key_len as usize]
    }

    fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.start as usize + self.key_len as usize..][..self.value_len as usize]
    }
}
