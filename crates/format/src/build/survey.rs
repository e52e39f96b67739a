//! What the first reading learns of the pairs.

use super::sample::Sample;
use crate::key::KeySurvey;

/// What was learnt of the pairs seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) pairs: u64,
    pub(crate) keys: KeySurvey,
    pub(crate) value_bytes: u64,
    pub(crate) sample: Sample,
}

impl Survey {
    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.keys.see(key);
        self.value_bytes += value.len() as u64;
        self.sample.see(key, value);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.keys.merge(other.keys);
        self.value_bytes += other.value_bytes;
        self.sample.merge(other.sample);
    }
}
