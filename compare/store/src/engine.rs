//! What an engine must do, and how it is checked and timed. The loops are compiled once for each engine, so that a lookup
//! costs no indirect call.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::keys::Keys;
use crate::pairs::Pairs;

/// Keys of a batch.
pub(crate) const BATCH: usize = 16;

/// Pairs that can be looked up.
pub(crate) trait Engine {
    /// Puts the value of `key` in the place of what was in `value`; `false` when there is none.
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool;

    /// Looks up several keys at a time and hands each value to `each`, copied out, in the order of the keys. An engine that
    /// has nothing better takes one after the other, and the processor overlaps what it can.
    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]; BATCH], value: &mut Vec<u8>, mut each: impl FnMut(Option<&[u8]>)) {
        for key in keys {
            let found = self.get(key, value);
            each(found.then_some(value));
        }
    }
}

/// How keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The next key is known before this one is answered.
    Independent,
    /// Which key is next follows from the last byte of this one's value.
    Dependent,
    /// Sixteen keys at a time.
    Batched,
    /// As independent, with keys that are not there.
    Missing,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Independent, Self::Dependent, Self::Batched, Self::Missing];
}

/// An [`Engine`] of any type.
pub(crate) trait Timed {
    /// Looks up every pair, in every way, and every missing key, and fails at the first wrong answer.
    fn check(&mut self, pairs: &Pairs, missing: &Keys) -> Result<()>;

    /// Looks up `count` keys and returns the nanoseconds for each. Keys are those that are there or, for
    /// [`Mode::Missing`], those that are not.
    fn time(&mut self, mode: Mode, keys: &Keys, count: usize) -> Result<f64>;
}

impl<E: Engine> Timed for E {
    fn check(&mut self, pairs: &Pairs, missing: &Keys) -> Result<()> {
        let mut value = Vec::new();
        for (key, expected) in pairs.iter() {
            let right = self.get(key, &mut value) && value == expected;
            ensure!(right, "a wrong value for {}", key.escape_ascii());
        }
        for start in (0..pairs.len().saturating_sub(BATCH)).step_by(BATCH) {
            let (mut i, mut right) = (start, true);
            self.get_many(&std::array::from_fn(|i| pairs.get(start + i).0), &mut value, |found| {
                right &= found == Some(pairs.get(i).1);
                i += 1;
            });
            ensure!(right && i == start + BATCH, "a wrong value in the batch at pair {start}");
        }
        for i in 0..missing.len() {
            let found = self.get(missing.get(i), &mut value);
            ensure!(!found, "a value for {}, which is not there", missing.get(i).escape_ascii());
        }
        Ok(())
    }

    fn time(&mut self, mode: Mode, keys: &Keys, count: usize) -> Result<f64> {
        let mut value = Vec::with_capacity(4096);
        let mut found = 0;
        let start = Instant::now();
        match mode {
            Mode::Independent | Mode::Missing => {
                for i in 0..count {
                    found += usize::from(self.get(keys.get(i), &mut value));
                    black_box(&value);
                }
            }
            Mode::Dependent => {
                let mut i = 0;
                for _ in 0..count {
                    found += usize::from(self.get(keys.get(i), &mut value));
                    i += 1 + usize::from(value.last().map_or(0, |last| last & 1));
                    i = if i < keys.len() { i } else { 0 };
                }
            }
            Mode::Batched => {
                for i in (0..count).step_by(BATCH) {
                    self.get_many(&std::array::from_fn(|j| keys.get(i + j)), &mut value, |value| {
                        found += usize::from(black_box(value).is_some());
                    });
                }
            }
        }
        let nanoseconds = start.elapsed().as_nanos() as f64 / count as f64;
        let expected = if mode == Mode::Missing { 0 } else { count };
        ensure!(found == expected, "{found} of {count} keys were found, not {expected}");
        Ok(nanoseconds)
    }
}
