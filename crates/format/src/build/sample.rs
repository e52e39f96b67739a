//! A sample of the pairs that does not depend on their order or on who reads them: those whose keys have the smallest
//! hashes. The hash of the largest of them tells how many different keys there are (the k-minimum-values sketch of
//! Bar-Yossef et al., 2002).

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

/// Pairs in a full sample.
const PAIRS: usize = 8192;

/// Bytes that are kept of a key or a value.
const PIECE_BYTES: usize = 2048;

/// The pairs with the smallest hashes among those seen.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pairs: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
    /// Hashes from here on are not among the smallest.
    bound: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self { pairs: BTreeMap::new(), bound: u64::MAX }
    }
}

impl Sample {
    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        let hash = xxh3_64(key);
        if hash < self.bound {
            self.keep(hash, &key[..key.len().min(PIECE_BYTES)], &value[..value.len().min(PIECE_BYTES)]);
        }
    }

    #[cold]
    fn keep(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        let kept = self.pairs.entry(hash).or_insert_with(|| (key.to_vec(), value.to_vec()));
        // Of several values of one key the smallest, whichever came first.
        if value < kept.1.as_slice() {
            kept.1 = value.to_vec();
        }
        if self.pairs.len() > PAIRS {
            self.pairs.pop_last();
        }
        if self.pairs.len() == PAIRS {
            self.bound = self.pairs.last_key_value().map_or(u64::MAX, |(&hash, _)| hash.saturating_add(1));
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (hash, (key, value)) in other.pairs {
            if hash < self.bound {
                self.keep(hash, &key, &value);
            }
        }
    }

    /// About how many different keys were seen; exact while the sample holds them all.
    pub(crate) fn distinct(&self) -> u64 {
        match self.pairs.last_key_value() {
            Some((&largest, _)) if self.pairs.len() == PAIRS => {
                ((PAIRS as u128 - 1) * u128::from(u64::MAX) / u128::from(largest.max(1))) as u64
            }
            _ => self.pairs.len() as u64,
        }
    }

    pub(crate) fn keys(&self) -> Vec<&[u8]> {
        self.pairs.values().map(|(key, _)| key.as_slice()).collect()
    }

    pub(crate) fn values(&self) -> Vec<&[u8]> {
        self.pairs.values().map(|(_, value)| value.as_slice()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_does_not_depend_on_order_or_on_who_reads() {
        let pairs: Vec<_> = (0..30_000_u32).map(|i| (i.to_string(), (i / 3).to_string())).collect();
        let mut forward = Sample::default();
        pairs.iter().for_each(|(key, value)| forward.see(key.as_bytes(), value.as_bytes()));
        let (mut odd, mut even) = (Sample::default(), Sample::default());
        for (i, (key, value)) in pairs.iter().enumerate().rev() {
            if i % 2 == 1 { &mut odd } else { &mut even }.see(key.as_bytes(), value.as_bytes());
        }
        even.merge(odd);
        assert_eq!(even.pairs, forward.pairs);
        assert_eq!(forward.pairs.len(), PAIRS);
        let error = forward.distinct() as f64 / 30_000.0 - 1.0;
        assert!(error.abs() < 0.05, "{error}");
    }
}
