//! Hit ratios of two policies over the same lookups: an exact LRU, and quick_cache's Clock-PRO, which graven uses.

use anyhow::Result;

use crate::caches::{Cache, PERCENTS, Policy, entries};
use crate::draws::{Draws, Spread};
use crate::plots::{Line, Names, Plot, Plots};

/// How often each policy finds the block of a key, by the size of the cache and how keys are drawn
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Blocks that the table has
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Keys in a block
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    keys_per_block: u64,
    /// Lookups that are counted; as many before them fill the cache
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    lookups: u64,
    #[command(flatten)]
    plots: Plots,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.plots.prepare()?;
    let mut lines = Vec::new();
    println!("| keys | cache, % of the table | exact LRU, hits | Clock-PRO, hits |");
    println!("| --- | ---: | ---: | ---: |");
    for spread in Spread::ALL {
        let draws = draw(arguments, spread)?;
        let mut policies = Policy::ALL.map(|policy| Line::new(policy, policy.hue(), spread));
        for percent in PERCENTS {
            let [exact, clock] = Policy::ALL.map(|policy| {
                let cache = policy.cache(entries(arguments.blocks, percent));
                hits(&draws, &*cache) * 100.0
            });
            println!("| {spread} | {percent} | {exact:.2}% | {clock:.2}% |");
            policies.iter_mut().zip([exact, clock]).for_each(|(line, hits)| line.numbers.push(hits));
        }
        lines.extend(policies);
    }
    arguments.plots.draw(&Plot {
        file: "cache-hits.svg",
        title: "How often a block is found in the cache",
        across: "size of the cache, % of the table's blocks",
        up: "hits, % of lookups",
        percents: &PERCENTS,
        names: Names::Below,
        lines,
    })
}

/// The blocks that are looked into, one after the other. A key's rank says nothing of its block, as the order of a carved
/// file is that of a hash.
fn draw(arguments: &Arguments, spread: Spread) -> Result<Vec<u64>> {
    let &Arguments { blocks, keys_per_block, lookups, .. } = arguments;
    let count = usize::try_from(2 * lookups)?;
    Ok(match spread {
        Spread::Uniform => Draws::new(spread, blocks, 2)?.take(count).collect(),
        Spread::Zipf => {
            let ranks = Draws::new(spread, blocks * keys_per_block, 1)?.map(|rank| rank + 1);
            ranks.take(count).map(|rank| scatter(rank) % blocks).collect()
        }
    })
}

/// The finisher of splitmix64.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// The part of the second half of `draws` that `cache` finds.
fn hits(draws: &[u64], cache: &dyn Cache<()>) -> f64 {
    let look = |&block: &u64| {
        let hit = cache.get(block).is_some();
        if !hit {
            cache.put(block, ());
        }
        hit
    };
    let (before, counted) = draws.split_at(draws.len() / 2);
    before.iter().for_each(|block| {
        look(block);
    });
    counted.iter().filter(|block| look(block)).count() as f64 / counted.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits_of(policy: Policy, draws: &[u64], size: u64) -> f64 {
        hits(draws, &*policy.cache(entries(size, 100)))
    }

    #[test]
    fn an_exact_lru_forgets_what_was_asked_for_longest_ago() {
        let draws = [1, 2, 3, 1, 2, 3];
        assert_eq!(hits_of(Policy::Lru, &draws, 2), 0.0);
        assert_eq!(hits_of(Policy::Lru, &draws, 3), 1.0);
    }

    #[test]
    fn a_cache_of_a_tenth_holds_a_tenth_of_uniform_lookups() {
        let arguments =
            Arguments { blocks: 4_096, keys_per_block: 8, lookups: 200_000, plots: Plots::default() };
        let draws = draw(&arguments, Spread::Uniform).unwrap();
        for policy in Policy::ALL {
            let ratio = hits_of(policy, &draws, 409);
            assert!((0.09..0.11).contains(&ratio), "{policy}: {ratio}");
        }
    }
}
