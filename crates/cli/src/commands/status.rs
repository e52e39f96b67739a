//! `graven status`: how the tables of servers stand, one line each.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::console::{say, warn};
use crate::failure::Outcome;
use crate::quantity;
use crate::server_pages::{addresses, fetch_all, printable};
use crate::tls::{self, TrustFlags};

/// Show which version of each table servers answer with, since when, and what is wrong
///
/// The exit status is 1 when a server does not answer, is not ready, or refuses a version.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Servers: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH; `-` reads one a line from standard input
    #[arg(required = true)]
    addresses: Vec<String>,
    #[command(flatten)]
    trust: TrustFlags,
    /// JSON, for programs
    #[arg(long)]
    json: bool,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = quantity::some_time)]
    timeout: Duration,
}

/// What a server says of itself.
#[derive(Deserialize)]
struct ServerStatus {
    ready: bool,
    tables: Vec<ReportedTable>,
}

#[derive(Deserialize)]
struct ReportedTable {
    name: String,
    state: String,
    reason: Option<String>,
    version: Option<String>,
    pairs: u64,
    bytes: u64,
    storage: Option<String>,
    age_seconds: Option<u64>,
    loading: Option<ReportedLoad>,
    source: Option<ReportedSource>,
}

/// How it stands with the object store that a table's versions come from.
#[derive(Deserialize)]
struct ReportedSource {
    state: String,
    reason: Option<String>,
    version: Option<String>,
    done_bytes: Option<u64>,
    total_bytes: Option<u64>,
}

impl ReportedSource {
    fn text(self) -> String {
        match (self.reason, self.version, self.done_bytes, self.total_bytes) {
            (None, Some(version), Some(done), Some(total)) => {
                let percent = (u128::from(done) * 100).checked_div(total.into()).unwrap_or(100);
                format!("{version} is being fetched, {percent} %")
            }
            (Some(reason), ..) => reason,
            _ => self.state,
        }
    }
}

#[derive(Deserialize)]
struct ReportedLoad {
    version: String,
    done_bytes: u64,
    total_bytes: u64,
}

/// One line: a table of a server, or a server that has none or says nothing.
#[derive(Serialize)]
struct StatusLine {
    server: String,
    table: Option<String>,
    version: Option<String>,
    /// Since the version was published, in seconds.
    age_seconds: Option<u64>,
    pairs: Option<u64>,
    bytes: Option<u64>,
    storage: Option<String>,
    state: String,
    reason: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let servers = addresses(&arguments.addresses)?;
    let answers = fetch_all(&servers, "/v1/tables", arguments.timeout, &arguments.trust.trust());
    let mut lines = Vec::new();
    let mut is_well = true;
    for (server, answer) in servers.iter().zip(answers) {
        let server = server.to_string();
        let report = match answer {
            Ok(page) if page.status == 200 => serde_json::from_slice::<ServerStatus>(&page.body)
                .map_err(|error| format!("what it says of its tables is not understood: {error}")),
            Ok(page) if page.status == 401 => {
                Err("it tells only users; name one, as in http://USER:TOKEN@HOST:PORT".to_owned())
            }
            Ok(page) => {
                Err(format!("it answers /v1/tables with status {}; is it graven 0.2 or newer?", page.status))
            }
            Err(error) => Err(tls::explained(&error)),
        };
        match report {
            Ok(report) => {
                is_well &= report.ready && report.tables.iter().all(|table| table.state != "refused");
                if report.tables.is_empty() {
                    lines.push(StatusLine::without_table(server, "empty", None));
                } else {
                    lines
                        .extend(report.tables.into_iter().map(|table| StatusLine::of(server.clone(), table)));
                }
            }
            Err(reason) => {
                is_well = false;
                lines.push(StatusLine::without_table(server, "no answer", Some(reason)));
            }
        }
    }
    if arguments.json {
        match serde_json::to_string(&lines) {
            Ok(json) => say(json)?,
            Err(error) => warn(error),
        }
    } else {
        say(printable(table(&lines).trim_end()))?;
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl StatusLine {
    fn without_table(server: String, state: &str, reason: Option<String>) -> Self {
        Self {
            server,
            table: None,
            version: None,
            age_seconds: None,
            pairs: None,
            bytes: None,
            storage: None,
            state: state.to_owned(),
            reason,
        }
    }

    fn of(server: String, table: ReportedTable) -> Self {
        let loading = table.loading.map(|load| {
            let percent = (load.done_bytes * 100).checked_div(load.total_bytes).unwrap_or(0);
            format!("{} is loading, {percent} %", load.version)
        });
        let is_there = table.version.is_some();
        Self {
            server,
            table: Some(table.name),
            version: table.version,
            age_seconds: table.age_seconds,
            pairs: is_there.then_some(table.pairs),
            bytes: is_there.then_some(table.bytes),
            storage: table.storage,
            state: table.state,
            reason: table.reason.or(loading).or(table.source.map(ReportedSource::text)),
        }
    }
}

/// The lines under their headings, in columns.
fn table(lines: &[StatusLine]) -> String {
    const HEADINGS: [&str; 7] = ["SERVER", "TABLE", "VERSION", "AGE", "PAIRS", "KEPT", "STATE"];
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    rows.extend(lines.iter().map(|line| {
        let state = match &line.reason {
            // In one line, whatever it is.
            Some(reason) => format!("{}: {}", line.state, reason.replace('\n', " ")),
            None => line.state.clone(),
        };
        [
            line.server.clone(),
            said(&line.table),
            said(&line.version),
            line.age_seconds.map_or_else(|| "-".to_owned(), age),
            said(&line.pairs.map(|pairs| pairs.to_string())),
            said(&line.storage),
            state,
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Seconds in the two largest units that say something: `3d 4h`, `5m 6s`.
fn age(seconds: u64) -> String {
    let parts =
        [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    let said = parts[first..].iter().take(2).filter(|(number, _)| *number > 0);
    let said: Vec<String> = said.map(|(number, unit)| format!("{number}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_its_two_largest_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (3661, "1h 1m"), (273_600, "3d 4h")]
        {
            assert_eq!(age(seconds), text);
        }
    }
}
