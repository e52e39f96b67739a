//! A sample of the pairs that does not depend on their order or on who reads them: those whose
//! keys have the smallest hashes. The hash of the largest of them tells how many different keys
//! there are (the k-minimum-values sketch of Bar-Yossef et al., 2002).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use xxhash_rust::xxh3::xxh3_64;

use super::options::Duplicates;

/// Pairs in a full sample.
const PAIRS: usize = 8192;

/// Bytes that are kept of a key or a value.
pub(crate) const PIECE_BYTES: usize = 2048;

/// The same of a sample of few long pieces: what a codec makes of the beginning of a long value is
/// not what it makes of the whole.
const LONG_PAIRS: usize = 64;
const LONG_PIECE_BYTES: usize = 128 << 10;

/// Where in the input a pair is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) block: u64,
    pub(crate) pair: u64,
}

/// A pair of the sample, as much of it as is kept, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sampled {
    turn: Turn,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// The hash of a key by which pairs come into samples.
#[inline]
pub(crate) fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The pairs with the smallest hashes among those seen; of those with one key the one that the
/// table will have, so that what a table leaves out does not shape it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pairs: BTreeMap<u64, Sampled>,
    /// Hashes from here on are not among the smallest.
    bound: u64,
    takes_first: bool,
    pairs_max: usize,
    piece_bytes: usize,
}

impl Sample {
    pub(crate) fn new(duplicates: Duplicates) -> Self {
        Self {
            pairs: BTreeMap::new(),
            bound: u64::MAX,
            takes_first: duplicates == Duplicates::First,
            pairs_max: PAIRS,
            piece_bytes: PIECE_BYTES,
        }
    }

    /// A sample of fewer pairs, of which more is kept.
    pub(crate) fn of_long(duplicates: Duplicates) -> Self {
        Self { pairs_max: LONG_PAIRS, piece_bytes: LONG_PIECE_BYTES, ..Self::new(duplicates) }
    }

    /// Has it keep so many pairs, and so many bytes of each.
    pub(crate) fn keep_most(&mut self, pairs_max: usize, piece_bytes: usize) {
        (self.pairs_max, self.piece_bytes) = (pairs_max, piece_bytes);
    }

    /// Sees a pair whose key has this [`hash`].
    #[inline]
    pub(crate) fn see(&mut self, hash: u64, turn: Turn, key: &[u8], value: &[u8]) {
        if hash < self.bound {
            let most = self.piece_bytes;
            self.keep(hash, turn, &key[..key.len().min(most)], &value[..value.len().min(most)]);
        }
    }

    #[cold]
    fn keep(&mut self, hash: u64, turn: Turn, key: &[u8], value: &[u8]) {
        let sampled = || Sampled { turn, key: key.to_vec(), value: value.to_vec() };
        match self.pairs.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(sampled());
            }
            Entry::Occupied(mut entry) if (turn < entry.get().turn) == self.takes_first => {
                entry.insert(sampled());
            }
            Entry::Occupied(_) => return,
        }
        if self.pairs.len() > self.pairs_max {
            self.pairs.pop_last();
        }
        if self.pairs.len() == self.pairs_max {
            self.bound = self.pairs.last_key_value().map_or(u64::MAX, |(&hash, _)| hash.saturating_add(1));
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (hash, Sampled { turn, key, value }) in other.pairs {
            if hash < self.bound {
                self.keep(hash, turn, &key, &value);
            }
        }
    }

    /// About how many different keys were seen; exact while the sample holds them all.
    pub(crate) fn distinct(&self) -> u64 {
        match self.pairs.last_key_value() {
            Some((&largest, _)) if self.pairs.len() == self.pairs_max => {
                ((self.pairs_max as u128 - 1) * u128::from(u64::MAX) / u128::from(largest.max(1))) as u64
            }
            _ => self.pairs.len() as u64,
        }
    }

    pub(crate) fn keys(&self) -> Vec<&[u8]> {
        self.pairs.values().map(|sampled| sampled.key.as_slice()).collect()
    }

    pub(crate) fn values(&self) -> Vec<&[u8]> {
        self.pairs.values().map(|sampled| sampled.value.as_slice()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(i: usize) -> Turn {
        Turn { block: i as u64 / 1000, pair: i as u64 % 1000 }
    }

    #[test]
    fn the_sample_does_not_depend_on_who_reads_and_has_the_value_that_counts() {
        let pairs: Vec<_> =
            (0..60_000_u32).map(|i| ((i % 30_000).to_string(), (i / 3).to_string())).collect();
        for duplicates in [Duplicates::First, Duplicates::Last] {
            let sample = || Sample::new(duplicates);
            let mut forward = sample();
            let (mut odd, mut even) = (sample(), sample());
            for (i, (key, value)) in pairs.iter().enumerate() {
                forward.see(hash(key.as_bytes()), turn(i), key.as_bytes(), value.as_bytes());
            }
            for (i, (key, value)) in pairs.iter().enumerate().rev() {
                let half = if i % 2 == 1 { &mut odd } else { &mut even };
                half.see(hash(key.as_bytes()), turn(i), key.as_bytes(), value.as_bytes());
            }
            even.merge(odd);
            assert_eq!(even.pairs, forward.pairs);
            assert_eq!(forward.pairs.len(), PAIRS);
            let counts = if duplicates == Duplicates::First { 0 } else { 30_000 };
            for Sampled { key, value, .. } in forward.pairs.values() {
                let i: usize = std::str::from_utf8(key).unwrap().parse().unwrap();
                assert_eq!(*value, pairs[i + counts].1.as_bytes());
            }
            let error = forward.distinct() as f64 / 30_000.0 - 1.0;
            assert!(error.abs() < 0.05, "{error}");
        }
    }
}
