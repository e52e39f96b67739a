//! What two policies are worth in front of the same table: lookups within one process, in turns.

use anyhow::Result;
use graven_format::Store;

use crate::buckets::{Blocks, Buckets};
use crate::caches::{PERCENTS, Policy, entries};
use crate::closed_loop::{self, Measured, Questions, Run};
use crate::draws::Spread;
use crate::median::median_of;
use crate::pairs::Pairs;
use crate::plots::{Line, Names, Plot, Plots};
use crate::rounds::Rounds;
use crate::table::Table;

/// Lookups a second and their waits in one process, by how keys are drawn, the size of the cache and its policy
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    rounds: Rounds,
    /// Lookups that may wait for reads at once
    #[arg(long, default_value_t = 64,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4096))]
    in_flight: usize,
    /// Lookups that fill a cache before the first round, for each block that it may hold
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    warm_up: u64,
    #[command(flatten)]
    plots: Plots,
}

/// Keys that are drawn before anything is measured, as a draw takes as long as a small part of a lookup. After the last comes
/// the first again, which takes longer than a round unless nearly every block is in the cache.
const DRAWN: usize = 1 << 22;

/// The seeds of the draws that warm a cache up and of those that are measured, so that no policy can learn what comes.
const WARM_UP_SEED: u64 = 1;
const MEASURED_SEED: u64 = 2;

/// A policy with its cache, which stays from one round to the next.
struct Contender {
    /// Which blocks stay
    policy: Policy,
    /// The blocks
    cache: Box<Blocks>,
    /// What each round showed
    rounds: Vec<Measured>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.plots.prepare()?;
    let mut lines = Vec::new();
    let (store, pairs) = arguments.table.open()?;
    println!("| keys | cache, % of the blocks | policy | lookups/s | p50 us | p99 us | hits |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    for spread in Spread::ALL {
        let drawn: Vec<usize> = pairs.draw(spread, MEASURED_SEED)?.take(DRAWN).collect();
        let mut policies = Policy::ALL.map(|policy| Line::new(policy, policy.hue(), spread));
        for percent in PERCENTS {
            let contenders = measure(arguments, &store, &pairs, spread, &drawn, percent)?;
            for (contender, line) in contenders.iter().zip(&mut policies) {
                let showed = |number: fn(&Measured) -> f64| median_of(&contender.rounds, number);
                let rate = showed(|round| round.rate);
                line.numbers.push(rate);
                println!(
                    "| {spread} | {percent} | {} | {rate:.0} | {:.1} | {:.1} | {:.2}% |",
                    contender.policy,
                    showed(|round| round.p50_us),
                    showed(|round| round.p99_us),
                    showed(|round| round.at_once) * 100.0,
                );
            }
        }
        lines.extend(policies);
    }
    arguments.plots.draw(&Plot {
        file: "cache-lookups.svg",
        title: "Lookups in a table on disk behind a cache, in one process",
        across: "size of the cache, % of the table's blocks",
        up: "lookups/s",
        percents: &PERCENTS,
        names: Names::Above,
        lines,
    })
}

/// All policies with caches of one size, in turns.
fn measure(
    arguments: &Arguments,
    store: &Store,
    pairs: &Pairs,
    spread: Spread,
    drawn: &[usize],
    percent: u64,
) -> Result<Vec<Contender>> {
    let entries = entries(store.info().buckets, percent);
    let Arguments { rounds, in_flight, .. } = arguments;
    let questions = Questions { pairs, there: true };
    let run = rounds.run(*in_flight);
    let look_up = |cache: &Blocks, draws: &mut dyn Iterator<Item = usize>, run: Run| {
        let mut buckets = Buckets::new(store, questions, cache, run)?;
        closed_loop::run(&mut buckets, questions, draws, run)
    };
    let warming = entries.get().saturating_mul(usize::try_from(arguments.warm_up)?);
    let mut contenders = Vec::new();
    for policy in Policy::ALL {
        eprintln!("{spread}, {percent}% of the blocks: filling {policy}");
        let cache = policy.cache(entries);
        let mut draws = pairs.draw(spread, WARM_UP_SEED)?.take(warming);
        look_up(&*cache, &mut draws, Run { lasts: None, ..run })?;
        contenders.push(Contender { policy, cache, rounds: Vec::new() });
    }
    for round in 0..rounds.rounds {
        // Each round begins elsewhere in what was drawn, all policies at the same place.
        let (before, after) = drawn.split_at((round * drawn.len() as u64 / rounds.rounds) as usize);
        for Contender { policy, cache, rounds: showed } in &mut contenders {
            let mut draws = after.iter().chain(before).copied().cycle();
            let measured = look_up(&**cache, &mut draws, run)?;
            eprintln!("  {policy}: {:.0} lookups/s, {:.2}% hits", measured.rate, measured.at_once * 100.0);
            showed.push(measured);
        }
    }
    Ok(contenders)
}
