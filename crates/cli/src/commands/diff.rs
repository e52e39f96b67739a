//! `graven diff`: what differs between two tables.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use graven_catalog::root::RootError;
use graven_catalog::{KeyChange, diff};
use graven_format::{Storage, Store};

use crate::console::{count, say};
use crate::failure::{Failure, Outcome, reason};
use crate::object_store;
use crate::root::{TablePath, explain as explain_root, parse_version};
use crate::table::{explain, open_carved};

/// Compare two tables: which keys were added, removed, changed
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when both hold the same pairs, 1 when they differ, 2 when they cannot be compared."
)]
pub(crate) struct Arguments {
    /// A carved file, or a table in a root, whose version that answers is taken unless one is named
    #[arg(value_name = "FILE|ROOT/TABLE[@VERSION]")]
    first: String,
    /// What it is compared with
    #[arg(value_name = "FILE|ROOT/TABLE[@VERSION]")]
    second: String,
    /// List the keys that differ: + added, - removed, ~ changed
    #[arg(long)]
    keys: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let (first, second) = (open(&arguments.first)?, open(&arguments.second)?);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let difference = diff(&first, &second, |key, change| {
        let mark = match change {
            KeyChange::Added => '+',
            KeyChange::Removed => '-',
            KeyChange::Changed => '~',
        };
        if arguments.keys && written.is_ok() {
            written = writeln!(out, "{mark} {}", key.escape_ascii());
        }
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::new(format!("cannot write to standard output: {}", reason(&error))));
        }
        _ => {}
    }
    drop(out);
    let difference = difference.map_err(|(which, error)| {
        let name = if which == "the first" { &arguments.first } else { &arguments.second };
        explain(name, &error)
    })?;
    if !arguments.keys {
        say(format_args!(
            "{} added, {} removed, {} changed, {} the same",
            difference.added,
            difference.removed,
            difference.changed,
            count(difference.same, "pair"),
        ))?;
    }
    let differs = difference.added + difference.removed + difference.changed > 0;
    Ok(ExitCode::from(u8::from(differs)))
}

/// Opens a carved file or a version in a root, and brings it into memory.
fn open(text: &str) -> Outcome<Store> {
    let store = match text.rsplit_once('@') {
        Some((table, version)) if !Path::new(text).exists() => {
            let at: TablePath = table.parse().map_err(Failure::new)?;
            let version = parse_version(version).map_err(Failure::new)?;
            let opened = at.open()?.open_whole(&at.table, &version, &mut |_, _| true);
            let file = opened.map_err(|error| match error {
                error @ RootError::NoVersion { .. } => Failure::new(error.to_string()),
                error => explain_root(&error, ""),
            })?;
            Store::from_file(file, Storage::Memory).map_err(|error| explain(text, &error))?
        }
        // A table stands for the version that answers.
        _ if Path::new(text).is_dir() || object_store::is_url(Path::new(text)) => {
            let at: TablePath = text.parse().map_err(Failure::new)?;
            let root = at.open()?;
            let state = root.current(&at.table).map_err(|error| explain_root(&error, ""))?;
            let Some(current) = state.known() else {
                return Err(Failure::new(format!(
                    "{text}: no version answers; name one, as in {text}@VERSION"
                )));
            };
            let file = root.open_whole(&at.table, current.version(), &mut |_, _| true);
            let file = file.map_err(|error| explain_root(&error, ""))?;
            Store::from_file(file, Storage::Memory).map_err(|error| explain(text, &error))?
        }
        _ => *open_carved(Path::new(text))?.map_err(|error| explain(text, &error))?.store,
    };
    store.load().map_err(|error| explain(text, &error))?;
    Ok(store)
}
