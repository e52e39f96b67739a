//! The whole comparison: starts the servers, fills them, measures them side by side, and prints the tables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::certificate::{Certificate, KeyKind};
use crate::machine::Ticks;
use crate::pairs::Pairs;
use crate::protocol::Protocol;
use crate::servers::{self, Server, Setup, System};
use crate::stop::Stop;
use crate::{handshakes, idle, machine, rates, starts};

/// Serve the same pairs with graven and with other servers, and print what each does in Markdown
#[derive(clap::Args)]
#[group(id = "compare")]
pub(crate) struct Arguments {
    /// The pairs, as `.data` text without duplicate keys
    text: PathBuf,
    /// The `graven` binary [default: that of this repository's release build, or of the search path]
    #[arg(long, value_name = "PATH")]
    graven: Option<PathBuf>,
    /// Only these servers, and the bare loop that the ratios are to
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    only: Vec<System>,
    /// Only these protocols
    #[arg(long, value_delimiter = ',', value_name = "PROTOCOLS", default_value = "http,resp,mc,mg")]
    protocols: Vec<Protocol>,
    /// Requests of a connection that wait for their answers at once
    #[arg(long, value_delimiter = ',', value_name = "DEPTHS", default_value = "1,16,64",
        value_parser = at_least_one)]
    depth: Vec<usize>,
    /// Connections of the load [default: 50, or 20 from depth 64 on]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    connections: Option<usize>,
    /// Have all but the bare loop speak TLS, with a certificate of this kind. New connections are measured then, and neither starts
    /// nor idle connections
    #[arg(long, value_name = "KIND")]
    tls: Option<KeyKind>,
    /// Connections that say nothing, for the last table; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    idle: usize,
    /// Rounds of that table
    #[arg(long, value_name = "ROUNDS", default_value_t = 3, value_parser = at_least_one)]
    idle_rounds: usize,
    /// How often each server with the pairs is started again, for the first table; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 5)]
    starts: usize,
    /// How long each server is asked in each round
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    seconds: f64,
    /// Rounds of the other tables, of which each goes through all servers, protocols and depths
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    rounds: usize,
    /// Requests in a hundred that are for keys that are not there
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    misses: f64,
    /// The core that the servers run on
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    server_core: usize,
    /// The core that the load comes from
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    load_core: usize,
}

/// Requests that a pool has in any case.
const DEPTH_MAX: usize = 1000;
/// Descriptors and connections beside those that are idle.
const BESIDE_IDLE: usize = 1000;

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=DEPTH_MAX) => Ok(number),
        Ok(_) => Err(format!("it must be from 1 to {DEPTH_MAX}")),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number < 1e6 => Ok(number),
        Ok(_) => Err("it must be more than 0 and less than a million".to_owned()),
        Err(_) => Err("it is not a number".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.server_core != arguments.load_core, "servers and load need a core each");
    let stop = Stop::on_signals()?;
    let systems: Vec<System> = System::ALL
        .into_iter()
        .filter(|system| {
            arguments.only.is_empty() || *system == System::Bare || arguments.only.contains(system)
        })
        .collect();
    let graven = arguments.graven.as_deref();
    let versions = servers::versions(&systems, graven)?;
    machine::allow_descriptors((arguments.idle + 2 * BESIDE_IDLE) as u64)?;
    machine::pin_to(arguments.load_core)?;
    let pairs = Pairs::read(&arguments.text)?;
    let certificate = arguments.tls.map(Certificate::make).transpose()?;
    let setup = Setup {
        graven,
        text: &arguments.text,
        pairs: &pairs,
        core: arguments.server_core,
        connections: arguments.idle + BESIDE_IDLE,
        certificate: certificate.as_ref(),
    };
    let mut servers = Vec::new();
    for system in systems {
        servers.extend(servers::start(system, &arguments.protocols, &setup, &stop)?);
    }
    let length = Duration::from_secs_f64(arguments.seconds);
    let course = rates::Course {
        protocols: &arguments.protocols,
        depths: &arguments.depth,
        connections: arguments.connections,
        rounds: arguments.rounds,
        length,
        misses_percent: arguments.misses,
    };
    let before = Ticks::now()?;
    let mut started = String::new();
    if arguments.starts > 0 && certificate.is_none() {
        let resident = servers.iter().map(Server::resident_bytes).collect::<Result<Vec<_>>>()?;
        started = starts::measure(arguments.starts, &servers, &resident, &setup, &stop)?;
    }
    let mut tables = rates::measure(&course, &servers, &pairs, &stop)?;
    if let Some(certificate) = &certificate {
        let course = (arguments.rounds, length);
        tables.text += &handshakes::measure(certificate, course, &servers, &pairs, &stop)?;
    } else if arguments.idle > 0 {
        let course = idle::Course { idle: arguments.idle, rounds: arguments.idle_rounds, length };
        tables.text += &idle::measure(&course, &servers, &pairs, &stop)?;
    }
    println!(
        "{}; {versions}. {} pairs; the servers on core {} with one thread each, the load on core {}. Rounds: {} of {} s, \
         interleaved; a rate is that of the best round, a wait is the median of the rounds. How steady the machine was: the \
         bare loop's median round had at least {:.0} % of its best one's rate; the host took away {:.2} % of the processors' \
         time.\n",
        machine::describe(),
        pairs.len(),
        arguments.server_core,
        arguments.load_core,
        arguments.rounds,
        arguments.seconds,
        tables.steadiness_percent,
        Ticks::now()?.stolen_percent_since(before),
    );
    print!("{started}{}", tables.text);
    Ok(())
}
