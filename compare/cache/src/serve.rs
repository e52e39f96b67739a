//! graven with caches of several sizes, and with its three storages, under `graven bench`.

use anyhow::{Context, Result};

use crate::draws::Spread;
use crate::load::{Report, Subject};
use crate::plots::{Hue, Line, Names, Plot, Plots};
use crate::server::Server;

/// Requests a second, waits and hit ratios of graven by storage, size of the cache and how keys are drawn
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    plots: Plots,
}

/// Sizes of the cache, in percent of the table; 0 is none.
const PERCENTS: [u64; 7] = [0, 1, 5, 10, 25, 50, 100];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.plots.prepare()?;
    let (mut rates, mut waits) = (Vec::new(), Vec::new());
    let bytes = arguments.subject.table_bytes()?;
    println!("| storage | cache, % of the table | keys | requests/s | p50 ms | p99 ms | hits in the cache |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    for spread in Spread::ALL {
        let distribution = match spread {
            Spread::Uniform => "uniform",
            Spread::Zipf => "zipf:0.99",
        };
        for storage in ["ram", "mmap"] {
            measure(arguments, storage, None, distribution, 0)?;
        }
        let mut rate = Line::new("disk", Hue::Blue, spread);
        let (mut p50, mut p99) = (Line::new("p50", Hue::Blue, spread), Line::new("p99", Hue::Red, spread));
        for percent in PERCENTS {
            let report = measure(arguments, "disk", Some(percent), distribution, bytes * percent / 100)?;
            rate.numbers.push(report.rate);
            p50.numbers.push(report.p50_ms);
            p99.numbers.push(report.p99_ms);
        }
        rates.push(rate);
        waits.extend([p50, p99]);
    }
    let across = "size of the cache, % of the table";
    arguments.plots.draw(&Plot {
        file: "cache-rates.svg",
        title: "Requests that graven answers from disk",
        across,
        up: "requests/s",
        percents: &PERCENTS,
        names: Names::Above,
        lines: rates,
    })?;
    arguments.plots.draw(&Plot {
        file: "cache-waits.svg",
        title: "How long a request to graven waits for an answer from disk",
        across,
        up: "wait, ms",
        percents: &PERCENTS,
        names: Names::Above,
        lines: waits,
    })
}

fn measure(
    arguments: &Arguments,
    storage: &str,
    percent: Option<u64>,
    distribution: &str,
    cache_bytes: u64,
) -> Result<Report> {
    eprintln!("{storage}, {cache_bytes} bytes of cache, {distribution}");
    let served = arguments.subject.served(storage, cache_bytes);
    let server = Server::start(&served, None)?.with_context(|| {
        format!("{} serve was killed, or does not listen after 30 s", arguments.subject.graven.display())
    })?;
    let load = arguments.subject.load(distribution);
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
    Ok(report)
}
