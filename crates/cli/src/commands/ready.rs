//! `graven ready`: whether servers are ready to answer, for scripts and probes.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use graven_client::ServerTrust;
use graven_wire::address::Address;

use crate::console::{say, warn};
use crate::failure::Outcome;
use crate::quantity;
use crate::server_pages::{addresses, fetch_all, printable};
use crate::tls::{self, TrustFlags};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Say whether servers are ready: whether every table that must answer does
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Servers: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH; `-` reads one a line from standard input
    #[arg(required = true)]
    addresses: Vec<String>,
    #[command(flatten)]
    trust: TrustFlags,
    /// Wait until they are, so long at most
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantity::any_time)]
    wait: Duration,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = quantity::some_time)]
    timeout: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let servers = addresses(&arguments.addresses)?;
    let trust = arguments.trust.trust();
    let until = Instant::now() + arguments.wait;
    loop {
        let unready = unready(&servers, arguments.timeout, &trust);
        if unready.is_empty() {
            say("ready")?;
            return Ok(ExitCode::SUCCESS);
        }
        if Instant::now() >= until {
            unready.iter().for_each(warn);
            return Ok(ExitCode::from(1));
        }
        thread::sleep(PAUSE);
    }
}

/// A sentence for each server that is not ready.
fn unready(servers: &[Address], timeout: Duration, trust: &ServerTrust) -> Vec<String> {
    let answers = fetch_all(servers, "/readyz", timeout, trust);
    let unready = servers.iter().zip(answers).filter_map(|(server, answer)| match answer {
        Ok(page) if page.status == 200 => None,
        Ok(page) => Some(format!(
            "{server} is not ready: {}",
            printable(String::from_utf8_lossy(&page.body).trim_end())
        )),
        Err(error) => Some(tls::explained(&error)),
    });
    unready.collect()
}
