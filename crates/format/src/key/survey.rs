//! Finding out what all keys of a table have in common, one key at a time.

use super::{KeyKind, KeyShape, digits};
use crate::layout::PREFIX_BYTES_MAX;

/// What the keys seen so far have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySurvey {
    first: Option<Vec<u8>>,
    /// The bytes of the first key that cannot be part of a number: what stands before its last run
    /// of digits.
    stem: usize,
    /// How many bytes of the first key all keys begin with.
    common: usize,
    uuid: Numbers,
    hex: Numbers,
    decimal: Numbers,
    /// The longest key, in bytes.
    pub(crate) longest: usize,
    /// The sum of the lengths, in bytes.
    pub(crate) bytes: u64,
}

/// The numbers that keys spell, as long as all of them do.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    all: bool,
    and: u128,
    or: u128,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { all: true, and: u128::MAX, or: 0 }
    }
}

impl Numbers {
    #[inline]
    fn see(&mut self, parse: impl FnOnce() -> Option<u128>) {
        if self.all {
            match parse() {
                Some(number) => {
                    self.and &= number;
                    self.or |= number;
                }
                None => self.all = false,
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.all &= other.all;
        self.and &= other.and;
        self.or |= other.or;
    }
}

impl KeySurvey {
    /// Sees a key. Numbers are looked for in whole keys, and after what all keys seen so far begin
    /// with up to the last byte that is not a digit.
    #[inline]
    pub(crate) fn see(&mut self, key: &[u8]) {
        self.longest = self.longest.max(key.len());
        self.bytes += key.len() as u64;
        let Some(first) = &self.first else {
            let digits =
                key.iter().rev().take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'-').count();
            self.first = Some(key.to_vec());
            self.stem = key.len() - digits;
            self.common = key.len().min(PREFIX_BYTES_MAX);
            return self.see_numbers(key);
        };
        if self.common > 0 && !key.starts_with(&first[..self.common]) {
            self.common = first.iter().zip(key).take(self.common).take_while(|(a, b)| a == b).count();
        }
        self.see_numbers(key);
    }

    #[inline]
    fn see_numbers(&mut self, key: &[u8]) {
        if !(self.uuid.all || self.hex.all || self.decimal.all) {
            return;
        }
        let stem = self.stem;
        let number = match &self.first {
            Some(first) if key.starts_with(&first[..stem]) => &key[stem..],
            _ => {
                self.uuid.all = false;
                self.hex.all = false;
                self.decimal.all = false;
                return;
            }
        };
        let digits = self.first.as_ref().map_or(0, Vec::len) - stem;
        self.uuid.see(|| digits::parse_uuid(number));
        self.hex.see(|| digits::parse_hex(number, digits));
        self.decimal.see(|| digits::parse_decimal(number));
    }

    /// Adds what another survey, of other keys of the same table, has seen.
    pub(crate) fn merge(&mut self, other: Self) {
        let Some(first) = other.first else { return };
        let (longest, bytes) = (self.longest.max(other.longest), self.bytes + other.bytes);
        self.see(&first);
        if let Some(mine) = &self.first {
            let common =
                first[..other.common.min(first.len())].iter().zip(mine).take_while(|(a, b)| a == b).count();
            self.common = self.common.min(common);
        }
        // Both looked for numbers behind their own first key's stem; only where those agree do
        // both speak of the same.
        self.uuid.merge(other.uuid);
        self.hex.merge(other.hex);
        self.decimal.merge(other.decimal);
        (self.longest, self.bytes) = (longest, bytes);
    }

    /// The shape that all keys seen have.
    pub(crate) fn shape(&self) -> KeyShape {
        let first = self.first.as_deref().unwrap_or_default();
        let stem = self.stem;
        let numeric =
            [(KeyKind::Uuid, self.uuid), (KeyKind::Decimal, self.decimal), (KeyKind::Hex, self.hex)]
                .into_iter()
                .find(|(_, numbers)| numbers.all && self.first.is_some() && stem <= PREFIX_BYTES_MAX);
        match numeric {
            Some((kind, numbers)) => {
                let mask = numbers.or & !numbers.and;
                let digits = if kind == KeyKind::Hex { (first.len() - stem) as u8 } else { 0 };
                KeyShape { kind, prefix: first[..stem].to_vec(), digits, mask, fixed: numbers.and & !mask }
            }
            None => {
                let prefix = first[..self.common].to_vec();
                KeyShape { kind: KeyKind::Bytes, prefix, digits: 0, mask: 0, fixed: 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(keys: &[&str]) -> KeyShape {
        let mut whole = KeySurvey::default();
        keys.iter().for_each(|key| whole.see(key.as_bytes()));
        for cut in 0..=keys.len() {
            let (mut left, mut right) = (KeySurvey::default(), KeySurvey::default());
            keys[..cut].iter().for_each(|key| left.see(key.as_bytes()));
            keys[cut..].iter().for_each(|key| right.see(key.as_bytes()));
            left.merge(right);
            assert_eq!(left.shape(), whole.shape(), "cut at {cut}");
            assert_eq!((left.longest, left.bytes), (whole.longest, whole.bytes));
        }
        whole.shape()
    }

    #[test]
    fn uuids_are_seen_and_their_version_is_taken_out() {
        let shape = shape(&["8a35eb59-62b3-481c-8875-1f248df4c952", "06bf4950-90ea-44d4-9df9-7fa724212196"]);
        assert_eq!(shape.kind, KeyKind::Uuid);
        assert_eq!(shape.mask >> 76 & 0xF, 0);
        assert_eq!(shape.fixed >> 76 & 0xF, 4);
    }

    #[test]
    fn one_key_of_another_kind_makes_them_bytes() {
        let shape =
            shape(&["8a35eb59-62b3-481c-8875-1f248df4c952", "8A35eb59-62b3-481c-8875-1f248df4c952", "8"]);
        assert_eq!(shape.kind, KeyKind::Bytes);
        assert_eq!(shape.prefix, b"8");
    }

    #[test]
    fn numbers_behind_a_common_beginning_are_numbers() {
        let users = shape(&["user:17", "user:4", "user:100"]);
        assert_eq!((users.kind, users.prefix.as_slice()), (KeyKind::Decimal, &b"user:"[..]));
        let hashes = shape(&["h/00ff", "h/a0e1"]);
        assert_eq!((hashes.kind, hashes.prefix.as_slice(), hashes.digits), (KeyKind::Hex, &b"h/"[..], 4));
    }

    #[test]
    fn text_keys_lose_their_common_beginning_alone() {
        let urls = shape(&["https://example.com/a?x", "https://example.com/b", "https://example.org/"]);
        assert_eq!((urls.kind, urls.prefix.as_slice()), (KeyKind::Bytes, &b"https://example."[..]));
        assert_eq!(shape(&[]).kind, KeyKind::Bytes);
    }
}
