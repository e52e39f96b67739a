//! What the first reading learns of the pairs.

use super::options::Duplicates;
use super::sample::{Sample, Turn, hash};
use crate::key::KeySurvey;

/// How many pairs there are, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) pairs: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
}

impl Totals {
    #[inline]
    pub(crate) fn see(&mut self, key_len: usize, value_len: usize) {
        self.pairs += 1;
        self.key_bytes += key_len as u64;
        self.value_bytes += value_len as u64;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
    }
}

/// What was learnt of the pairs seen so far. Of a key that came more than once the totals count
/// every value, the sample has the one that the table will have.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(crate) totals: Totals,
    pub(crate) keys: KeySurvey,
    pub(crate) sample: Sample,
    /// Fewer pairs, of which more is kept.
    pub(crate) long: Sample,
    /// Where in the input the next pair is.
    turn: Turn,
}

impl Survey {
    pub(crate) fn new(duplicates: Duplicates) -> Self {
        let (totals, keys) = (Totals::default(), KeySurvey::default());
        let (sample, long) = (Sample::new(duplicates), Sample::of_long(duplicates));
        Self { totals, keys, sample, long, turn: Turn::default() }
    }

    /// The next pairs are those of this block of the input.
    pub(crate) fn begin_block(&mut self, block: u64) {
        self.turn = Turn { block, pair: 0 };
    }

    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        self.totals.see(key.len(), value.len());
        self.keys.see(key);
        let hash = hash(key);
        self.sample.see(hash, self.turn, key, value);
        self.long.see(hash, self.turn, key, value);
        self.turn.pair += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.totals.merge(other.totals);
        self.keys.merge(other.keys);
        self.sample.merge(other.sample);
        self.long.merge(other.long);
    }
}
