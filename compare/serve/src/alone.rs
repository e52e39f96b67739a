//! `compare-serve load`: the load alone, against any server that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;

use crate::compare::{at_least_one, positive};
use crate::load::{self, Answers, Plan};
use crate::machine;
use crate::pairs::Pairs;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::stop::Stop;
use crate::transport::Endpoint;

/// Ask a server for random keys, check every answer, and print the rate
#[derive(clap::Args)]
pub(crate) struct Arguments {
    protocol: Protocol,
    address: SocketAddr,
    /// The pairs that the server has, as `.data` text without duplicate keys
    text: PathBuf,
    /// The server answers every request as if this were the value
    #[arg(long, value_name = "VALUE")]
    fixed: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    depth: usize,
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    connections: usize,
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    seconds: f64,
    /// Requests in a hundred that are for keys that are not there
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    misses: f64,
    /// The core that the load comes from
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    load_core: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stop = Stop::on_signals()?;
    machine::pin_to(arguments.load_core)?;
    let pairs = Pairs::read(&arguments.text)?;
    let mut pool = Pool::draw(arguments.protocol, &pairs, arguments.misses, &mut Rng::with_seed(0));
    let plan = Plan {
        connections: arguments.connections,
        depth: arguments.depth,
        length: Duration::from_secs_f64(arguments.seconds),
    };
    let mut fixed = Vec::new();
    let answers = match &arguments.fixed {
        Some(value) => {
            arguments.protocol.write_expected(b"", Some(value.as_bytes()), &mut fixed);
            Answers::Fixed(&fixed)
        }
        None => Answers::OfTheTable,
    };
    let measured = load::run(&Endpoint::plain(arguments.address), &plan, &mut pool, answers, &stop)?;
    let micros = |part| measured.waits.percentile(part).as_secs_f64() * 1e6;
    println!(
        "{:.0} requests/s, p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs",
        measured.rate,
        micros(0.5),
        micros(0.99),
        micros(0.999)
    );
    Ok(())
}
