//! `compare-store lookups`: the same pairs in every engine, and one table of what each takes in bytes and in time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::alone::{Report, Step, report};
use crate::engine::{BATCH, Mode, Timed};
use crate::engines::{self, REFERENCE, Recipe, Rival};
use crate::keys::Keys;
use crate::pairs::Pairs;
use crate::sample::{self, Generator, Sample};
use crate::status;
use crate::table::Table;

/// Build the same pairs in every engine, check all answers, and time the lookups
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The pairs, as `.data` text without duplicate keys; without it, a sample is made
    text: Option<PathBuf>,
    /// The sample: letters and words are `graven gen`'s, stanzas and descriptions what `apt-cache dumpavail` says of packages
    #[arg(long, value_name = "KIND", default_value = "letters", conflicts_with = "text")]
    sample: Sample,
    /// How many pairs letters and words have
    #[arg(short = 'n', value_name = "PAIRS", default_value_t = 1_000_000)]
    pairs: u64,
    #[command(flatten)]
    generator: Generator,
    /// Only these engines, and the one that the ratios are to
    #[arg(long, value_delimiter = ',', value_name = "ENGINES")]
    only: Vec<String>,
    /// Lookups of each kind in each round, at most half as many as there are pairs
    #[arg(long, default_value_t = 500_000)]
    lookups: usize,
    /// Rounds, of which the best counts; building and opening are repeated as often, but for what takes over a second
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// An engine, with what was measured of it.
struct Contender {
    rival: &'static Rival,
    engine: Box<dyn Timed>,
    build_seconds: f64,
    open_seconds: Option<f64>,
    file_bytes: Option<u64>,
    resident_bytes: f64,
    /// The best of all rounds, for each mode.
    nanoseconds: [f64; Mode::ALL.len()],
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let rivals = chosen(&arguments.only)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let text = match &arguments.text {
        Some(text) => text.clone(),
        None => {
            let text = folder.path().join("sample.data");
            arguments.sample.write(&arguments.generator, arguments.pairs, &text)?;
            text
        }
    };
    let pairs = Pairs::read(&text)?;
    let count = arguments.lookups.min(pairs.len() / 2) / BATCH * BATCH;
    ensure!(count > 0, "{} has {} pairs, at least {} are needed", text.display(), pairs.len(), 2 * BATCH);
    let (present, missing) = (Keys::present(&pairs)?, Keys::missing(&pairs, count)?);
    let mut contenders = Vec::new();
    for rival in rivals {
        eprintln!("building {}", rival.name);
        let mut contender = contend(rival, &text, folder.path(), arguments.rounds)?;
        let checked = contender.engine.check(&pairs, &missing);
        checked.with_context(|| format!("{} gave a wrong answer", rival.name))?;
        contenders.push(contender);
    }
    let n = pairs.len();
    drop(pairs);
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for contender in &mut contenders {
            for (mode, best) in Mode::ALL.into_iter().zip(&mut contender.nanoseconds) {
                let keys = if mode == Mode::Missing { &missing } else { &present };
                *best = best.min(contender.engine.time(mode, keys, count)?);
            }
        }
    }
    println!("{}", status::machine());
    println!(
        "{n} pairs, {:.1} MB of text; {count} lookups of each kind a round, best of {} rounds; ns, and the ratio to \
         {REFERENCE}\n",
        megabytes(sample::file_bytes(&text)? as f64),
        arguments.rounds
    );
    print!("{}", table(&contenders, n).print(arguments.markdown));
    Ok(())
}

/// The engines that were asked for, in the order of the list, and the one that the ratios are to.
fn chosen(only: &[String]) -> Result<Vec<&'static Rival>> {
    only.iter().try_for_each(|name| engines::named(name).map(drop))?;
    let wanted = |rival: &&Rival| {
        only.is_empty() || rival.name == REFERENCE || only.iter().any(|name| name == rival.name)
    };
    Ok(engines::ALL.iter().filter(wanted).collect())
}

/// Measures building, opening and memory in processes of their own, then takes the engine into this one.
fn contend(rival: &'static Rival, text: &Path, folder: &Path, rounds: usize) -> Result<Contender> {
    let own = folder.join(rival.name);
    let built = best(rounds, || {
        if own.exists() {
            fs::remove_dir_all(&own)?;
        }
        fs::create_dir(&own)?;
        report(Step::Build, rival.name, text, &own)
    })?;
    let (engine, file_bytes, opened) = match rival.recipe {
        Recipe::Heap(build) => (build(text)?, None, None),
        Recipe::Files { open, .. } => {
            let opened = best(rounds, || report(Step::Open, rival.name, text, &own))?;
            (open(&own)?, Some(folder_bytes(&own)?), Some(opened))
        }
    };
    Ok(Contender {
        rival,
        engine,
        build_seconds: built.get("seconds")?,
        open_seconds: opened.as_ref().map(|opened| opened.get("seconds")).transpose()?,
        file_bytes,
        resident_bytes: opened.as_ref().unwrap_or(&built).get("resident_bytes")?,
        nanoseconds: [f64::INFINITY; Mode::ALL.len()],
    })
}

/// The fastest of so many runs of a step; one that takes over a second is long enough to be measured once.
fn best(rounds: usize, mut step: impl FnMut() -> Result<Report>) -> Result<Report> {
    let mut best = step()?;
    for _ in 1..rounds {
        if best.get("seconds")? > 1.0 {
            break;
        }
        let next = step()?;
        if next.get("seconds")? < best.get("seconds")? {
            best = next;
        }
    }
    Ok(best)
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}

fn megabytes(bytes: f64) -> f64 {
    bytes / 1e6
}

fn table(contenders: &[Contender], pairs: usize) -> Table {
    let reference = contenders.iter().find(|contender| contender.rival.name == REFERENCE);
    let mut table = Table::new(&[
        "engine",
        "file MB",
        "resident MB",
        "bytes a pair",
        "build s",
        "open ms",
        "independent",
        "dependent",
        "batches of 16",
        "missing",
    ]);
    for contender in contenders {
        let none = || "-".to_owned();
        let bytes = contender.file_bytes.map_or(contender.resident_bytes, |bytes| bytes as f64);
        let mut row = vec![
            contender.rival.name.to_owned(),
            contender.file_bytes.map_or_else(none, |bytes| format!("{:.1}", megabytes(bytes as f64))),
            format!("{:.1}", megabytes(contender.resident_bytes)),
            format!("{:.1}", bytes / pairs as f64),
            format!("{:.2}", contender.build_seconds),
            contender.open_seconds.map_or_else(none, |seconds| format!("{:.1}", seconds * 1e3)),
        ];
        for (i, nanoseconds) in contender.nanoseconds.iter().enumerate() {
            let ratio = reference.map(|reference| nanoseconds / reference.nanoseconds[i]);
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2}x)"));
            row.push(format!("{nanoseconds:.0}{ratio}"));
        }
        table.push(row);
    }
    table
}
