//! Waiting until servers hold a version that they fetch from an object store, so that they switch
//! to it together.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use graven_catalog::{TableName, VersionName};
use graven_client::ServerTrust;
use graven_wire::address::Address;
use serde::Deserialize;

use crate::console::warn;
use crate::failure::{Failure, Outcome};
use crate::quantity;
use crate::root::NOT_SWITCHED;
use crate::server_pages::{addresses, fetch_all, printable};
use crate::signals::STOPPED;
use crate::tls::{self, TrustFlags};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// How long one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Which servers are waited for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WhenHeldFlags {
    /// Wait until these servers hold the version, which they fetch from a bucket: HOST:PORT and
    /// the like, in one list; `-` reads one a line from standard input
    #[arg(long, value_name = "SERVERS", value_delimiter = ',')]
    when_held: Vec<String>,
    /// With --when-held: how long that may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = quantity::some_time, requires = "when_held")]
    timeout: Duration,
    #[command(flatten)]
    trust: TrustFlags,
}

/// What a server says of its tables.
#[derive(Deserialize)]
struct ServedTables {
    tables: Vec<FetchedTable>,
}

#[derive(Deserialize)]
struct FetchedTable {
    name: String,
    fetched: Option<Vec<String>>,
}

impl WhenHeldFlags {
    /// Whether any server is waited for.
    pub(crate) fn is_given(&self) -> bool {
        !self.when_held.is_empty()
    }

    /// Waits; the exit status where some do not hold the version in time.
    pub(crate) fn wait(
        &self,
        table: &TableName,
        version: &VersionName,
        stopped: &AtomicBool,
    ) -> Outcome<Option<ExitCode>> {
        let servers = addresses(&self.when_held)?;
        let trust = self.trust.trust();
        let began = Instant::now();
        loop {
            let without = without(&servers, table, version, &trust);
            if without.is_empty() {
                return Ok(None);
            }
            if stopped.load(Ordering::Relaxed) {
                return Err(Failure::new(STOPPED));
            }
            if began.elapsed() >= self.timeout {
                without.iter().for_each(warn);
                warn(format_args!("{table}@{version} is not switched to"));
                return Ok(Some(ExitCode::from(NOT_SWITCHED)));
            }
            thread::sleep(PAUSE);
        }
    }
}

/// A sentence for each server that does not hold the version.
fn without(
    servers: &[Address],
    table: &TableName,
    version: &VersionName,
    trust: &ServerTrust,
) -> Vec<String> {
    let answers = fetch_all(servers, "/v1/tables", ANSWER_TIME_MAX, trust);
    let held = |body: &[u8]| -> Result<(), String> {
        let tables: ServedTables = serde_json::from_slice(body)
            .map_err(|error| format!("what it says of its tables is not understood: {error}"))?;
        let found = tables.tables.into_iter().find(|found| found.name == table.as_str());
        let Some(found) = found else { return Err(format!("it has no table {table}")) };
        match found.fetched {
            None => Err(format!("its table {table} is not fetched from an object store")),
            Some(fetched) if fetched.iter().any(|found| found == version.as_str()) => Ok(()),
            Some(_) => Err(format!("it does not hold {table}@{version}")),
        }
    };
    let without = servers.iter().zip(answers).filter_map(|(server, answer)| match answer {
        Ok(page) if page.status == 200 => {
            held(&page.body).err().map(|says| format!("{server}: {}", printable(&says)))
        }
        Ok(page) => Some(format!("{server}: it answers /v1/tables with status {}", page.status)),
        Err(error) => Some(tls::explained(&error)),
    });
    without.collect()
}
