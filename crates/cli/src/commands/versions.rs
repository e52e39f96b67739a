//! `graven versions`: what a root has of its tables, and which versions answer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use bytesize::ByteSize;
use graven_catalog::root::{CurrentState, VersionFile};
use graven_catalog::{Directory, Root, TableName};
use serde::Serialize;

use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::object_store;
use crate::root::{TablePath, explain};

/// List the versions of tables, and which of them answer
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when it was listed, 1 when there is no such table, 2 when the root cannot be read."
)]
pub(crate) struct Arguments {
    /// A root, or one table of it
    #[arg(value_name = "ROOT[/TABLE]")]
    path: PathBuf,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let (root, tables) = tables(&arguments.path)?;
    let mut listed = Vec::new();
    for table in tables {
        let cannot = |error| explain(&error, "");
        let state = root.current(&table).map_err(cannot)?;
        let versions = root.versions(&table).map_err(cannot)?;
        listed.push(ListedTable::of(table, &state, &versions));
    }
    if arguments.json {
        say(serde_json::to_string_pretty(&listed).map_err(|error| Failure::new(error.to_string()))?)?;
    } else if listed.is_empty() {
        say(format_args!("{} has no tables", arguments.path.display()))?;
    } else {
        let mut text = String::new();
        listed.iter().for_each(|table| table.write(&mut text));
        say(text.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The root and its tables that a path means: a directory with versions or a `CURRENT` in it is a table.
fn tables(path: &Path) -> Outcome<(Box<dyn Root>, Vec<TableName>)> {
    if object_store::is_url(path) {
        return tables_of_url(path);
    }
    let has_versions = || {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| {
            name == "CURRENT" || Path::new(&name).extension().is_some_and(|extension| extension == "graven")
        })
    };
    if has_versions() {
        let text = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let at: TablePath = text.display().to_string().parse().map_err(Failure::new)?;
        let root = at.open()?;
        return Ok((root, vec![at.table]));
    }
    let root = Directory::open(path).map_err(|error| explain(&error, ""))?;
    let tables = root.tables().map_err(|error| explain(&error, ""))?;
    Ok((Box::new(root), tables))
}

/// As [`tables`] of a URL: what has versions or a `CURRENT` is a table.
fn tables_of_url(path: &Path) -> Outcome<(Box<dyn Root>, Vec<TableName>)> {
    let cannot = |error| explain(&error, "");
    if let Ok(at) = path.display().to_string().parse::<TablePath>() {
        let root = at.open()?;
        let has_versions = !root.versions(&at.table).map_err(cannot)?.is_empty();
        if has_versions || root.current(&at.table).map_err(cannot)?.current.is_some() {
            return Ok((root, vec![at.table]));
        }
    }
    let root = object_store::open(path)?;
    let tables = root.tables().map_err(cannot)?;
    Ok((root, tables))
}

#[derive(Serialize)]
struct ListedTable {
    table: TableNameText,
    /// The version that answers.
    current: Option<String>,
    /// What is wrong with `CURRENT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    frozen: bool,
    versions: Vec<ListedVersion>,
    history: Vec<ListedEntry>,
}

type TableNameText = String;

#[derive(Serialize)]
struct ListedVersion {
    version: String,
    bytes: u64,
    put: String,
    current: bool,
    bad: bool,
}

#[derive(Serialize)]
struct ListedEntry {
    version: String,
    time: String,
    verb: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    forced: bool,
    note: String,
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

impl ListedTable {
    fn of(table: TableName, state: &CurrentState, versions: &[VersionFile]) -> Self {
        let current = state.known();
        let bad = current.map(|current| current.bad()).unwrap_or_default();
        let answering = current.map(|current| current.version());
        let version = |version: &VersionFile| ListedVersion {
            version: version.name.to_string(),
            bytes: version.bytes,
            put: rfc3339(version.put),
            current: Some(&version.name) == answering,
            bad: bad.contains(&version.name),
        };
        let history = current.into_iter().flat_map(|current| current.history());
        Self {
            table: table.to_string(),
            current: answering.map(ToString::to_string),
            error: state.current.as_ref().and_then(|current| current.as_ref().err()).map(ToString::to_string),
            frozen: current.is_some_and(|current| current.is_frozen()),
            versions: versions.iter().map(version).collect(),
            history: history
                .map(|entry| ListedEntry {
                    version: entry.version.to_string(),
                    time: rfc3339(entry.time),
                    verb: entry.verb.as_str(),
                    from: entry.from.as_ref().map(ToString::to_string),
                    forced: entry.forced,
                    note: entry.note.clone(),
                })
                .collect(),
        }
    }

    fn write(&self, text: &mut String) {
        let state = match (&self.current, &self.error) {
            (_, Some(error)) => format!("CURRENT is not understood: {error}"),
            (None, None) => "no version answers".to_owned(),
            (Some(_), None) if self.frozen => "frozen until `graven resume`".to_owned(),
            (Some(_), None) => String::new(),
        };
        text.push_str(&format!(
            "{}{}\n",
            self.table,
            if state.is_empty() { state } else { format!(": {state}") }
        ));
        let width = self.versions.iter().map(|version| version.version.len()).max().unwrap_or(0);
        for version in self.versions.iter().rev() {
            let mark = if version.current { "*" } else { " " };
            let size = ByteSize(version.bytes).display().si().to_string();
            let bad = if version.bad { "  bad" } else { "" };
            text.push_str(&format!("{mark} {:width$}  {size:>9}  {}{bad}\n", version.version, version.put));
        }
        if let Some(current) = self
            .current
            .as_ref()
            .filter(|current| !self.versions.iter().any(|version| version.version == **current))
        {
            text.push_str(&format!("* {current}  is not there\n"));
        }
        if let Some(entry) = self.history.first() {
            let from = entry.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
            let forced = if entry.forced { ", forced" } else { "" };
            let note = if entry.note.is_empty() { String::new() } else { format!(": {}", entry.note) };
            text.push_str(&format!(
                "  last: {} to {}{from} at {}{forced}{note}\n",
                entry.verb, entry.version, entry.time
            ));
        }
    }
}
