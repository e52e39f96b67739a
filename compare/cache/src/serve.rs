//! graven with caches of several sizes, and with its three storages, under `graven bench`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

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

/// A server that ends with it.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(arguments: &Arguments, storage: &str, cache_bytes: u64) -> Result<Self> {
        let mut process = Command::new(&arguments.graven)
            .arg("serve")
            .arg(&arguments.table)
            .args(["--listen", "127.0.0.1:0", "--storage", storage, "--log", "error"])
            .args(["--cache", &cache_bytes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; `cargo build --release` makes it", arguments.graven.display())
            })?;
        let out = process.stdout.take().context("its output is piped")?;
        let mut server = Self { process, address: String::new() };
        for line in BufReader::new(out).lines() {
            if let Some(address) = line?.strip_prefix("listening on ") {
                server.address = address.to_owned();
                return Ok(server);
            }
        }
        bail!("{} serve has ended", arguments.graven.display())
    }

    fn number(&self, name: &str) -> Result<u64> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(b"GET /stats.json HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").context("an answer has a body")?.1;
        let stats: Value = serde_json::from_str(body)?;
        stats[name].as_u64().with_context(|| format!("{name} is not told"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where that fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn measure(
    arguments: &Arguments,
    storage: &str,
    percent: Option<u64>,
    distribution: &str,
    cache_bytes: u64,
) -> Result<()> {
    eprintln!("{storage}, {cache_bytes} bytes of cache, {distribution}");
    let server = Server::start(arguments, storage, cache_bytes)?;
    let run = |seed: &str| -> Result<Value> {
        let output = Command::new(&arguments.graven)
            .args(["bench", &format!("redis://{}", server.address), "--json", "--verify"])
            .arg("--keys")
            .arg(&arguments.keys)
            .args(["--dist", distribution, "--pipeline", "16", "--threads", "1"])
            .args(["-c", &arguments.connections.to_string(), "-d", &format!("{}s", arguments.seconds)])
            .args(["--seed", seed])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("graven bench: {}", output.status);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    // Fills the cache, and the page cache; with other draws than those that are measured, which a cache could learn.
    run("1")?;
    let (hits, misses) = (server.number("cache_hits")?, server.number("cache_misses")?);
    let report = run("2")?;
    let hits = server.number("cache_hits")? - hits;
    let looked = hits + server.number("cache_misses")? - misses;
    let rate = report["requests_per_second"].as_f64().context("a rate")?;
    let (p50, p99) = (wait_ms(&report, 50.0)?, wait_ms(&report, 99.0)?);
    let percent = percent.map_or("-".into(), |percent| percent.to_string());
    let ratio = if looked == 0 { "-".into() } else { format!("{:.1}%", hits as f64 / looked as f64 * 100.0) };
    println!("| {storage} | {percent} | {distribution} | {rate:.0} | {p50:.3} | {p99:.3} | {ratio} |");
    Ok(())
}

/// A percentile of the hits' waits, in milliseconds.
fn wait_ms(report: &Value, percent: f64) -> Result<f64> {
    let percentiles = report["runs"][0]["latency"]["hits"]["service"]["percentiles"].as_array();
    let percentile =
        percentiles.and_then(|all| all.iter().find(|one| one["percent"].as_f64() == Some(percent)));
    let wait_us = percentile.and_then(|one| one["us"].as_f64());
    Ok(wait_us.with_context(|| format!("the {percent}th percentile is not told"))? / 1000.0)
}
