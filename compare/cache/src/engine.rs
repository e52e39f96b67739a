//! Lookups in a table on disk within one process, beside fio's reads of the same file in the same minute.

use std::process::Command;

use anyhow::{Context, Result, bail};
use graven_format::Store;
use serde_json::Value;

use crate::buckets::Buckets;
use crate::caches::Nothing;
use crate::closed_loop::{self, Measured, Questions, Run};
use crate::draws::Spread;
use crate::median::median;
use crate::pairs::Pairs;
use crate::rounds::Rounds;
use crate::table::Table;

/// Lookups a second by the number under way, beside the reads that fio gets of the same file
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    rounds: Rounds,
    /// Lookups under way at once, and fio's reads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64],
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4096))]
    in_flight: Vec<usize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (store, pairs) = arguments.table.open()?;
    println!(
        "| under way | fio, reads/s | graven, lookups/s | reads a lookup | ratio, median | ratio, best |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for &in_flight in &arguments.in_flight {
        let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut reads_each = 0.0;
        for round in 0..arguments.rounds.rounds {
            let fio = fio_reads(arguments, in_flight)?;
            let looked = look_up(&store, &pairs, round, arguments.rounds.run(in_flight))?;
            eprintln!("{in_flight} under way: fio {fio:.0}, graven {:.0}", looked.rate);
            reads_each = looked.reads_each;
            ratios.push(looked.rate / fio);
            theirs.push(fio);
            ours.push(looked.rate);
        }
        let (fio, graven) = (median(&mut theirs), median(&mut ours));
        let ratio = median(&mut ratios);
        let best = ratios.last().copied().unwrap_or_default();
        println!("| {in_flight} | {fio:.0} | {graven:.0} | {reads_each:.4} | {ratio:.2} | {best:.2} |");
    }
    Ok(())
}

/// Looks up random keys without a cache.
fn look_up(store: &Store, pairs: &Pairs, seed: u64, run: Run) -> Result<Measured> {
    let questions = Questions { pairs, there: true };
    let mut buckets = Buckets::new(store, questions, &Nothing, run)?;
    closed_loop::run(&mut buckets, questions, pairs.draw(Spread::Uniform, seed)?, run)
}

/// Random reads of 4 KiB of the same file, past the page cache.
fn fio_reads(arguments: &Arguments, in_flight: usize) -> Result<f64> {
    let output = Command::new("fio")
        .args(["--name=reads", "--readonly", "--rw=randread", "--bs=4k", "--direct=1", "--ioengine=io_uring"])
        .args(["--time_based", "--output-format=json"])
        .arg(format!("--filename={}", arguments.table.table.display()))
        .arg(format!("--iodepth={in_flight}"))
        .arg(format!("--runtime={}", arguments.rounds.seconds))
        .output()
        .context("cannot start fio; on Debian, `apt-get install fio` installs it")?;
    if !output.status.success() {
        bail!("fio: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&output.stdout).context("fio reports in JSON")?;
    report["jobs"][0]["read"]["iops"].as_f64().context("fio tells its reads a second")
}
