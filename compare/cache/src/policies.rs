//! Hit ratios of two policies over the same lookups: an exact LRU, and quick_cache's Clock-PRO, which graven uses.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use lru::LruCache;
use quick_cache::sync::Cache;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};

/// How often each policy finds the block of a key, by the size of the cache and how keys are drawn
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Blocks that the table has
    #[arg(long, default_value_t = 65_536)]
    blocks: u64,
    /// Keys in a block
    #[arg(long, default_value_t = 64)]
    keys_per_block: u64,
    /// Lookups that are counted; as many before them fill the cache
    #[arg(long, default_value_t = 4_000_000)]
    lookups: u64,
}

/// Sizes of the cache, in percent of the table.
const PERCENTS: [u64; 6] = [1, 5, 10, 25, 50, 100];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("| keys | cache, % of the table | exact LRU, hits | Clock-PRO, hits |");
    println!("| --- | ---: | ---: | ---: |");
    for (name, exponent) in [("uniform", None), ("zipf(0.99)", Some(0.99))] {
        let draws = draw(arguments, exponent)?;
        for percent in PERCENTS {
            let size = usize::try_from(arguments.blocks * percent / 100)?.max(1);
            let exact = lru_hits(&draws, size)?;
            let clock = clock_hits(&draws, size);
            println!("| {name} | {percent} | {:.2}% | {:.2}% |", exact * 100.0, clock * 100.0);
        }
    }
    Ok(())
}

/// The blocks that are looked into, one after the other. A key's rank says nothing of its block, as the order of a carved
/// file is that of a hash.
fn draw(arguments: &Arguments, exponent: Option<f64>) -> Result<Vec<u64>> {
    let mut random = SmallRng::seed_from_u64(1);
    let keys = arguments.blocks * arguments.keys_per_block;
    let zipf = exponent.map(|exponent| Zipf::new(keys as f64, exponent)).transpose()?;
    let mut numbers = fastrand::Rng::with_seed(2);
    Ok((0..2 * arguments.lookups)
        .map(|_| match &zipf {
            Some(zipf) => scatter(zipf.sample(&mut random) as u64) % arguments.blocks,
            None => numbers.u64(..arguments.blocks),
        })
        .collect())
}

/// The finisher of splitmix64.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

fn lru_hits(draws: &[u64], size: usize) -> Result<f64> {
    let mut cache = LruCache::new(NonZeroUsize::new(size).context("a cache has room")?);
    Ok(hits(draws, |block| {
        let hit = cache.get(&block).is_some();
        if !hit {
            cache.put(block, ());
        }
        hit
    }))
}

fn clock_hits(draws: &[u64], size: usize) -> f64 {
    let cache = Cache::new(size);
    hits(draws, |block| {
        let hit = cache.get(&block).is_some();
        if !hit {
            cache.insert(block, ());
        }
        hit
    })
}

/// The part of the second half of `draws` that `look` finds.
fn hits(draws: &[u64], mut look: impl FnMut(u64) -> bool) -> f64 {
    let (before, counted) = draws.split_at(draws.len() / 2);
    before.iter().for_each(|&block| {
        look(block);
    });
    counted.iter().filter(|&&block| look(block)).count() as f64 / counted.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_lru_forgets_what_was_asked_for_longest_ago() {
        let draws = [1, 2, 3, 1, 2, 3];
        assert_eq!(lru_hits(&draws, 2).unwrap(), 0.0);
        assert_eq!(lru_hits(&draws, 3).unwrap(), 1.0);
    }

    #[test]
    fn a_cache_of_a_tenth_holds_a_tenth_of_uniform_lookups() {
        let arguments = Arguments { blocks: 4_096, keys_per_block: 8, lookups: 200_000 };
        let draws = draw(&arguments, None).unwrap();
        for ratio in [lru_hits(&draws, 409).unwrap(), clock_hits(&draws, 409)] {
            assert!((0.09..0.11).contains(&ratio), "{ratio}");
        }
    }
}
