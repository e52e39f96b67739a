//! Lookups in a table on disk within one process, beside fio's reads of the same file in the same minute.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use graven_disk::{DiskReads, Reader};
use graven_format::{Looked, Store};
use serde_json::Value;

/// Lookups a second by the number under way, beside the reads that fio gets of the same file
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table, carved with `graven build --for disk`
    table: PathBuf,
    /// Its pairs, as `.data` text: every value is compared
    pairs: PathBuf,
    /// How long each run takes, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Runs of each, one after the other; the median of their ratios counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Reads under way at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64],
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4096))]
    in_flight: Vec<usize>,
    /// Threads instead of io_uring
    #[arg(long)]
    threads: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let pairs = read_pairs(arguments)?;
    let store = Store::open_on_disk(&arguments.table)?;
    println!(
        "| under way | fio, reads/s | graven, lookups/s | reads a lookup | ratio, median | ratio, best |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for &in_flight in &arguments.in_flight {
        let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut reads_each = 0.0;
        for round in 0..arguments.rounds {
            let fio = fio_reads(arguments, in_flight)?;
            let looked = look_up(&store, &pairs, in_flight, round, arguments)?;
            eprintln!("{in_flight} under way: fio {fio:.0}, graven {:.0}", looked.each_second);
            reads_each = looked.reads_each;
            ratios.push(looked.each_second / fio);
            theirs.push(fio);
            ours.push(looked.each_second);
        }
        let (fio, graven) = (median(&mut theirs), median(&mut ours));
        let ratio = median(&mut ratios);
        let best = ratios.last().copied().unwrap_or_default();
        println!("| {in_flight} | {fio:.0} | {graven:.0} | {reads_each:.4} | {ratio:.2} | {best:.2} |");
    }
    Ok(())
}

type Pairs = Vec<(Box<[u8]>, Box<[u8]>)>;

fn read_pairs(arguments: &Arguments) -> Result<Pairs> {
    let file =
        File::open(&arguments.pairs).with_context(|| format!("cannot read {}", arguments.pairs.display()))?;
    let mut pairs = Pairs::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let at =
            line.iter().position(|&byte| byte == b' ').context("a line has a key, a blank and a value")?;
        pairs.push((line[..at].into(), line[at + 1..].into()));
    }
    ensure!(!pairs.is_empty(), "{} has no pairs", arguments.pairs.display());
    Ok(pairs)
}

/// Reads that are taken in before others are asked for.
const TAKEN_MAX: usize = 16;

struct Rate {
    each_second: f64,
    reads_each: f64,
}

/// Looks up random keys, as many at a time as there may be reads under way, and compares every value.
fn look_up(store: &Store, pairs: &Pairs, in_flight: usize, seed: u64, arguments: &Arguments) -> Result<Rate> {
    let file = store.disk().context("the table is opened on disk")?;
    let how = if arguments.threads { DiskReads::Threads } else { DiskReads::IoUring };
    let mut reader = Reader::new(file, how, in_flight)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut waiting: HashMap<u64, Vec<usize>> = HashMap::with_capacity(2 * in_flight);
    let (mut lookups, mut reads) = (0_u64, 0_u64);
    let mut value = Vec::new();
    let (begun, lasts) = (Instant::now(), Duration::from_secs(arguments.seconds));
    loop {
        if begun.elapsed() < lasts {
            while waiting.len() < in_flight {
                let pair = random.usize(..pairs.len());
                let piece = store.piece(&pairs[pair].0)?.context("the table may hold its own keys")?;
                let asks = waiting.entry(piece.start()).or_default();
                if asks.is_empty() {
                    reader.ask(piece, store.span(&piece));
                    reads += 1;
                }
                asks.push(pair);
            }
        } else if waiting.is_empty() {
            break;
        }
        reader.wait()?;
        let mut wrong = Ok(());
        reader.take(TAKEN_MAX, |piece, bytes| {
            let looked = bytes.map_err(anyhow::Error::from).and_then(|bytes| {
                let block = store.block(&piece, bytes)?;
                for pair in waiting.remove(&piece.start()).unwrap_or_default() {
                    let (key, expected) = &pairs[pair];
                    value.clear();
                    let looked = store.look(key, &piece, &block, &mut value)?;
                    ensure!(looked == Looked::Found && *value == **expected, "a wrong answer");
                    lookups += 1;
                }
                Ok(())
            });
            if let Err(error) = looked {
                wrong = Err(error);
            }
        });
        wrong?;
    }
    let each_second = lookups as f64 / begun.elapsed().as_secs_f64();
    Ok(Rate { each_second, reads_each: reads as f64 / lookups as f64 })
}

/// Random reads of 4 KiB of the same file, past the page cache.
fn fio_reads(arguments: &Arguments, in_flight: usize) -> Result<f64> {
    let output = Command::new("fio")
        .args(["--name=reads", "--readonly", "--rw=randread", "--bs=4k", "--direct=1", "--ioengine=io_uring"])
        .args(["--time_based", "--output-format=json"])
        .arg(format!("--filename={}", arguments.table.display()))
        .arg(format!("--iodepth={in_flight}"))
        .arg(format!("--runtime={}", arguments.seconds))
        .output()
        .context("cannot start fio; on Debian, `apt-get install fio` installs it")?;
    if !output.status.success() {
        bail!("fio: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&output.stdout).context("fio reports in JSON")?;
    report["jobs"][0]["read"]["iops"].as_f64().context("fio tells its reads a second")
}

/// The one in the middle; the numbers are in order afterwards.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
