//! The two policies that are compared, each of which can be shared by threads as the cache of graven's server is.
//!
//! Both hold a number of entries rather than of bytes, and hash with the same function, so that nothing but the policy and its
//! own books differs. graven's server counts bytes; the blocks of a table are nearly of one size.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use quick_cache::DefaultHashBuilder;
use quick_cache::sync::Cache as Shared;

use crate::plots::Hue;

/// Values by the place of their block.
pub(crate) trait Cache<V> {
    /// The value, if it is there; the policy is told that it was asked for.
    fn get(&self, place: u64) -> Option<V>;

    /// Adds what was not there.
    fn put(&self, place: u64, value: V);
}

/// No cache.
pub(crate) struct Nothing;

impl<V> Cache<V> for Nothing {
    fn get(&self, _: u64) -> Option<V> {
        None
    }

    fn put(&self, _: u64, _: V) {}
}

/// Which entry has to go for another.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    /// The one that was asked for longest ago
    Lru,
    /// That of quick_cache, which graven uses
    ClockPro,
}

impl Policy {
    /// All, in the order in which tables list them.
    pub(crate) const ALL: [Self; 2] = [Self::Lru, Self::ClockPro];

    /// Its colour in plots.
    pub(crate) fn hue(self) -> Hue {
        match self {
            Self::Lru => Hue::Blue,
            Self::ClockPro => Hue::Red,
        }
    }

    /// A cache of at most `entries` values.
    pub(crate) fn cache<V: Clone + 'static>(self, entries: NonZeroUsize) -> Box<dyn Cache<V>> {
        match self {
            Self::Lru => {
                let cache = LruCache::with_hasher(entries, DefaultHashBuilder::default());
                Box::new(Mutex::new(cache))
            }
            Self::ClockPro => Box::new(Shared::new(entries.get())),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lru => "exact LRU",
            Self::ClockPro => "Clock-PRO",
        })
    }
}

/// Sizes of a cache that are measured, in percent of the table's blocks.
pub(crate) const PERCENTS: [u64; 6] = [1, 5, 10, 25, 50, 100];

/// Entries of a cache that holds `percent` percent of `blocks`, and at least one.
pub(crate) fn entries(blocks: u64, percent: u64) -> NonZeroUsize {
    let entries = usize::try_from(blocks * percent / 100).unwrap_or(usize::MAX);
    NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN)
}

impl<V: Clone> Cache<V> for Mutex<LruCache<u64, V, DefaultHashBuilder>> {
    fn get(&self, place: u64) -> Option<V> {
        self.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned()
    }

    fn put(&self, place: u64, value: V) {
        self.lock().unwrap_or_else(PoisonError::into_inner).put(place, value);
    }
}

impl<V: Clone> Cache<V> for Shared<u64, V> {
    fn get(&self, place: u64) -> Option<V> {
        self.get(&place)
    }

    fn put(&self, place: u64, value: V) {
        self.insert(place, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_holds_more_than_it_may_and_each_knows_what_it_holds() {
        for policy in Policy::ALL {
            let cache = policy.cache(entries(200, 50));
            for place in 0..1_000 {
                cache.put(place, place + 1);
            }
            let held: Vec<u64> = (0..1_000).filter(|&place| cache.get(place).is_some()).collect();
            assert!((1..=100).contains(&held.len()), "{policy} holds {}", held.len());
            assert!(held.iter().all(|&place| cache.get(place) == Some(place + 1)), "{policy}");
        }
    }

    #[test]
    fn a_small_part_of_a_small_table_is_still_one_block() {
        assert_eq!(entries(60, 1).get(), 1);
        assert_eq!(entries(65_536, 5).get(), 3_276);
    }
}
