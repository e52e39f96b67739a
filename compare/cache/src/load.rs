//! The load that `graven bench` puts on a server, and what it reports.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::server::Served;

/// What is served and asked, and for how long.
#[derive(clap::Args)]
pub(crate) struct Subject {
    /// The table, carved with `graven build --for disk`
    pub(crate) table: PathBuf,
    /// The keys, as `.data` text
    pub(crate) keys: PathBuf,
    /// The program that serves, and asks
    #[arg(long, default_value = "../../target/release/graven")]
    pub(crate) graven: PathBuf,
    /// How long each run takes, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Connections, each with 16 requests under way
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
}

impl Subject {
    /// Bytes of the table.
    pub(crate) fn table_bytes(&self) -> Result<u64> {
        let facts = std::fs::metadata(&self.table);
        Ok(facts.with_context(|| format!("cannot read {}", self.table.display()))?.len())
    }

    /// The load of keys that are drawn as `distribution` says, spelt as for `--dist`.
    pub(crate) fn load<'a>(&'a self, distribution: &'a str) -> Load<'a> {
        let Self { graven, keys, seconds, connections, .. } = self;
        Load { graven, keys, distribution, connections: *connections, seconds: *seconds }
    }

    /// A server of the table.
    pub(crate) fn served<'a>(&'a self, storage: &'a str, cache_bytes: u64) -> Served<'a> {
        Served { graven: &self.graven, table: &self.table, storage, cache_bytes }
    }
}

/// How a server is asked: 16 requests are under way on each connection, and every value is compared.
pub(crate) struct Load<'a> {
    /// The program that asks
    graven: &'a Path,
    /// The keys, as `.data` text
    keys: &'a Path,
    /// As `--dist` spells it
    distribution: &'a str,
    connections: u32,
    seconds: u32,
}

/// What a run showed.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    /// Requests a second
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Load<'_> {
    /// Asks the server at `address` for keys that `seed` draws.
    pub(crate) fn run(&self, address: &str, seed: u64) -> Result<Report> {
        let output = Command::new(self.graven)
            .args(["bench", &format!("redis://{address}"), "--json", "--verify"])
            .arg("--keys")
            .arg(self.keys)
            .args(["--dist", self.distribution, "--pipeline", "16", "--threads", "1"])
            .args(["-c", &self.connections.to_string(), "-d", &format!("{}s", self.seconds)])
            .args(["--seed", &seed.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("graven bench: {}", output.status);
        }
        let report: Value = serde_json::from_slice(&output.stdout)?;
        Ok(Report {
            rate: report["requests_per_second"].as_f64().context("a rate")?,
            p50_ms: wait_ms(&report, 50.0)?,
            p99_ms: wait_ms(&report, 99.0)?,
        })
    }
}

/// A percentile of the hits' waits, in milliseconds.
fn wait_ms(report: &Value, percent: f64) -> Result<f64> {
    let percentiles = report["runs"][0]["latency"]["hits"]["service"]["percentiles"].as_array();
    let percentile =
        percentiles.and_then(|all| all.iter().find(|one| one["percent"].as_f64() == Some(percent)));
    let wait_us = percentile.and_then(|one| one["us"].as_f64());
    Ok(wait_us.with_context(|| format!("the {percent}th percentile is not told"))? / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_told_in_milliseconds_or_missed() {
        let report = serde_json::json!({"runs": [{"latency": {"hits": {"service": {"percentiles": [
            {"percent": 50.0, "us": 250.0}, {"percent": 99.0, "us": 1500.0}]}}}}]});
        assert_eq!(wait_ms(&report, 99.0).unwrap(), 1.5);
        assert!(wait_ms(&report, 90.0).is_err());
    }
}
