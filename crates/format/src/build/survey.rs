//! What the first reading learns of the pairs.

use super::options::Duplicates;
use super::sample::{Sample, Turn};
use crate::key::KeySurvey;

/// Values of up to this many bytes have a length of one byte.
pub(crate) const SHORT_VALUE_BYTES: usize = 254;

/// How many pairs there are, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) pairs: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// Values longer than [`SHORT_VALUE_BYTES`].
    pub(crate) long_values: u64,
    longest_value: usize,
    shortest_value: Option<usize>,
}

impl Totals {
    #[inline]
    pub(crate) fn see(&mut self, key_len: usize, value_len: usize) {
        self.pairs += 1;
        self.key_bytes += key_len as u64;
        self.value_bytes += value_len as u64;
        self.long_values += u64::from(value_len > SHORT_VALUE_BYTES);
        self.longest_value = self.longest_value.max(value_len);
        self.shortest_value = Some(self.shortest_value.unwrap_or(usize::MAX).min(value_len));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.long_values += other.long_values;
        self.longest_value = self.longest_value.max(other.longest_value);
        self.shortest_value = match (self.shortest_value, other.shortest_value) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// The length of every value, where they all have the same.
    pub(crate) fn fixed_value(&self) -> Option<usize> {
        self.shortest_value.filter(|&shortest| shortest == self.longest_value)
    }
}

/// What was learnt of the pairs seen so far. Of a key that came more than once the totals count every value, the sample has
/// the one that the table will have.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(crate) totals: Totals,
    pub(crate) keys: KeySurvey,
    pub(crate) sample: Sample,
    /// Where in the input the next pair is.
    turn: Turn,
}

impl Survey {
    pub(crate) fn new(duplicates: Duplicates) -> Self {
        let (totals, keys) = (Totals::default(), KeySurvey::default());
        Self { totals, keys, sample: Sample::new(duplicates), turn: Turn::default() }
    }

    /// The next pairs are those of this block of the input.
    pub(crate) fn begin_block(&mut self, block: u64) {
        self.turn = Turn { block, pair: 0 };
    }

    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        self.totals.see(key.len(), value.len());
        self.keys.see(key);
        self.sample.see(self.turn, key, value);
        self.turn.pair += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.totals.merge(other.totals);
        self.keys.merge(other.keys);
        self.sample.merge(other.sample);
    }
}
