//! graven with caches of several sizes, and with its three storages, under `graven bench`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::load::{Load, Report};
use crate::server::{Served, Server};

/// Requests a second, waits and hit ratios of graven by storage, size of the cache and how keys are drawn
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table, carved with `graven build --for disk`
    table: PathBuf,
    /// The keys, as `.data` text
    keys: PathBuf,
    /// The program that serves
    #[arg(long, default_value = "../../target/release/graven")]
    graven: PathBuf,
    /// How long each run takes, in seconds
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Connections, each with 16 requests under way
    #[arg(long, default_value_t = 4)]
    connections: u32,
}

/// Sizes of the cache, in percent of the table; 0 is none.
const PERCENTS: [u64; 7] = [0, 1, 5, 10, 25, 50, 100];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let bytes = std::fs::metadata(&arguments.table)
        .with_context(|| format!("cannot read {}", arguments.table.display()))?
        .len();
    println!("| storage | cache, % of the table | keys | requests/s | p50 ms | p99 ms | hits in the cache |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    for distribution in ["uniform", "zipf:0.99"] {
        for storage in ["ram", "mmap"] {
            measure(arguments, storage, None, distribution, 0)?;
        }
        for percent in PERCENTS {
            measure(arguments, "disk", Some(percent), distribution, bytes * percent / 100)?;
        }
    }
    Ok(())
}

fn measure(
    arguments: &Arguments,
    storage: &str,
    percent: Option<u64>,
    distribution: &str,
    cache_bytes: u64,
) -> Result<()> {
    eprintln!("{storage}, {cache_bytes} bytes of cache, {distribution}");
    let served = Served { graven: &arguments.graven, table: &arguments.table, storage, cache_bytes };
    let server = Server::start(&served, None)?.with_context(|| {
        format!("{} serve was killed, or does not listen after 30 s", arguments.graven.display())
    })?;
    let load = Load {
        graven: &arguments.graven,
        keys: &arguments.keys,
        distribution,
        connections: arguments.connections,
        seconds: arguments.seconds,
    };
    // Fills the cache, and the page cache; with other draws than those that are measured, which a cache could learn.
    load.run(server.address(), 1)?;
    let (hits, misses) = (server.number("cache_hits")?, server.number("cache_misses")?);
    let report = load.run(server.address(), 2)?;
    let hits = server.number("cache_hits")? - hits;
    let looked = hits + server.number("cache_misses")? - misses;
    let Report { rate, p50_ms, p99_ms } = report;
    let percent = percent.map_or("-".into(), |percent| percent.to_string());
    let ratio = if looked == 0 { "-".into() } else { format!("{:.1}%", hits as f64 / looked as f64 * 100.0) };
    println!("| {storage} | {percent} | {distribution} | {rate:.0} | {p50_ms:.3} | {p99_ms:.3} | {ratio} |");
    Ok(())
}
