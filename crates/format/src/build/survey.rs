//! What the first reading learns of the pairs.

use super::sample::Sample;
use crate::key::KeySurvey;

/// Values of up to this many bytes have a length of one byte.
pub(crate) const SHORT_VALUE_BYTES: usize = 254;

/// What was learnt of the pairs seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) pairs: u64,
    pub(crate) keys: KeySurvey,
    pub(crate) value_bytes: u64,
    /// Values longer than [`SHORT_VALUE_BYTES`].
    pub(crate) long_values: u64,
    pub(crate) longest_value: usize,
    shortest_value: Option<usize>,
    pub(crate) sample: Sample,
}

impl Survey {
    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.keys.see(key);
        self.value_bytes += value.len() as u64;
        self.long_values += u64::from(value.len() > SHORT_VALUE_BYTES);
        self.longest_value = self.longest_value.max(value.len());
        self.shortest_value = Some(self.shortest_value.unwrap_or(usize::MAX).min(value.len()));
        self.sample.see(key, value);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.keys.merge(other.keys);
        self.value_bytes += other.value_bytes;
        self.long_values += other.long_values;
        self.longest_value = self.longest_value.max(other.longest_value);
        self.shortest_value = match (self.shortest_value, other.shortest_value) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.sample.merge(other.sample);
    }

    /// The length of every value, where they all have the same.
    pub(crate) fn fixed_value(&self) -> Option<usize> {
        self.shortest_value.filter(|&shortest| shortest == self.longest_value)
    }
}
