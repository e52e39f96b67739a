//! Which key a value of memcached's belongs to: an answer names the key of each value, leaves out
//! the keys that are not there, and need not keep the order of the request.

use std::ops::Range;

use crate::requests::{ExpectedAnswer, ExpectedValues};

/// Matches the values of one answer to the keys of its request. It is used again for the next.
#[derive(Debug, Default)]
pub(super) struct ValueMatcher {
    /// Where the next key stands in the request, while values come in its order.
    key_at: usize,
    /// Where its value stands among the expected ones.
    value_at: usize,
    /// All keys of the request, sorted, from when a value came out of order; empty before.
    slots: Vec<KeySlot>,
}

/// A key of a request, and the value that is expected for it.
#[derive(Debug)]
struct KeySlot {
    key: Range<usize>,
    /// `None` for a key that is not there.
    value: Option<Range<usize>>,
    is_answered: bool,
}

/// The bytes of a request before its first key.
const COMMAND: &[u8] = b"get ";

impl ValueMatcher {
    /// Whether `value` is what a key of the request called `key` must have, each key being good
    /// for one value.
    pub(super) fn matches(
        &mut self,
        expected: &ExpectedAnswer<'_>,
        values: ExpectedValues<'_>,
        key: &[u8],
        value: &[u8],
    ) -> bool {
        if self.slots.is_empty() {
            if let Some(is_right) = self.matches_next(expected.request, values, key, value) {
                return is_right;
            }
            self.sort(expected.request, values);
        }
        let request = expected.request;
        let from = self.slots.partition_point(|slot| &request[slot.key.clone()] < key);
        let same = self.slots[from..].iter_mut().take_while(|slot| &request[slot.key.clone()] == key);
        match same.into_iter().find(|slot| !slot.is_answered) {
            Some(slot) => {
                slot.is_answered = true;
                slot.value.clone().is_some_and(|expected| values.bytes()[expected] == *value)
            }
            None => false,
        }
    }

    /// Compares with the next key that is there; `None` when that is another one.
    fn matches_next(
        &mut self,
        request: &[u8],
        values: ExpectedValues<'_>,
        key: &[u8],
        value: &[u8],
    ) -> Option<bool> {
        let (mut key_at, mut value_at) = (self.key_at.max(COMMAND.len()), self.value_at);
        loop {
            let rest = request.get(key_at..)?;
            let is_same = rest.starts_with(key) && matches!(rest.get(key.len()), Some(b' ' | b'\r'));
            let (expected, expected_end) = values.at(value_at)?;
            if !is_same && expected.is_some() {
                return None;
            }
            let end = if is_same { key_at + key.len() } else { key_in(request, key_at)?.end };
            (key_at, value_at) = (end + 1, expected_end);
            if is_same {
                (self.key_at, self.value_at) = (key_at, value_at);
                return Some(expected.is_some_and(|expected| values.bytes()[expected] == *value));
            }
        }
    }

    /// Lists all keys. Those before the next one that are there have been answered.
    fn sort(&mut self, request: &[u8], values: ExpectedValues<'_>) {
        let (mut key_at, mut value_at) = (COMMAND.len(), 0);
        while let (Some(key), Some((value, value_end))) = (key_in(request, key_at), values.at(value_at)) {
            let is_answered = key.start < self.key_at;
            (key_at, value_at) = (key.end + 1, value_end);
            self.slots.push(KeySlot { key, value, is_answered });
        }
        self.slots.sort_unstable_by(|a, b| request[a.key.clone()].cmp(&request[b.key.clone()]));
    }

    /// Forgets the request.
    pub(super) fn reset(&mut self) {
        (self.key_at, self.value_at) = (0, 0);
        self.slots.clear();
    }
}

/// The key that begins at `start` of a request.
fn key_in(request: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = request.get(start..)?;
    let len = rest.iter().position(|&byte| byte == b' ' || byte == b'\r')?;
    Some(start..start + len)
}
