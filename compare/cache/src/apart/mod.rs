//! Whether keys and values should lie apart: three layouts of the same pairs on disk, read past the page cache and without
//! a cache of ours.

mod absent;
mod folder;
mod layouts;
mod pointer;
mod values;

use std::path::PathBuf;

use anyhow::Result;

use crate::closed_loop::{Measured, Questions};
use crate::draws::Spread;
use crate::median::median_of;
use crate::pairs::Pairs;
use crate::rounds::Rounds;

use layouts::{Files, Layout};

/// Bytes, reads and lookups a second of three layouts: keys with their values, keys apart in memory, keys apart on disk
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The pairs, as `.data` text, no key twice: every value is compared
    pairs: PathBuf,
    /// Where the files are made, and removed at the end: a folder on the disk that is measured [default: that of PAIRS]
    #[arg(long)]
    folder: Option<PathBuf>,
    #[command(flatten)]
    rounds: Rounds,
}

/// What is measured of each layout: whether the keys are there, and how many lookups are under way.
const CASES: [(bool, usize); 4] = [(true, 1), (true, IN_FLIGHT_MAX), (false, 1), (false, IN_FLIGHT_MAX)];

/// The most lookups that are under way.
const IN_FLIGHT_MAX: usize = 64;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { pairs: path, rounds, .. } = arguments;
    let folder = folder::make(arguments.folder.as_deref(), path)?;
    eprintln!("carving in {}", folder.path().display());
    let held = Pairs::read(path)?;
    let files = Files::make(&held, folder.path(), IN_FLIGHT_MAX)?;
    let absent = absent::keys(&held, files.index())?;
    let mut showed = Layout::ALL.map(|_| CASES.map(|_| Vec::<Measured>::new()));
    for round in 0..rounds.rounds {
        for (case, (there, in_flight)) in CASES.into_iter().enumerate() {
            let questions = Questions { pairs: if there { &held } else { &absent }, there };
            for (layout, showed) in Layout::ALL.into_iter().zip(&mut showed) {
                let draws = questions.pairs.draw(Spread::Uniform, round)?;
                let measured = files.look_up(layout, questions, draws, rounds.run(in_flight))?;
                let which = if there { "hits" } else { "misses" };
                eprintln!("{layout}: {:.0} {which}/s with {in_flight} under way", measured.rate);
                showed[case].push(measured);
            }
        }
    }
    println!(
        "| layout, values raw | file bytes a pair | memory bytes a key | reads a hit | reads a miss \
         | hits/s, 1 under way | hits/s, {IN_FLIGHT_MAX} | misses/s, 1 under way | misses/s, {IN_FLIGHT_MAX} |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let pairs = held.len() as f64;
    for (layout, [hit, hits, miss, misses]) in Layout::ALL.into_iter().zip(&showed) {
        let reads = |runs: &[Measured]| median_of(runs, |run| run.reads_each);
        let rate = |runs: &[Measured]| median_of(runs, |run| run.rate);
        println!(
            "| {layout} | {:.2} | {:.3} | {:.3} | {:.3} | {:.0} | {:.0} | {:.0} | {:.0} |",
            files.file_bytes(layout) as f64 / pairs,
            files.memory_bytes(layout) as f64 / pairs,
            reads(hit),
            reads(miss),
            rate(hit),
            rate(hits),
            rate(miss),
            rate(misses),
        );
    }
    Ok(())
}
