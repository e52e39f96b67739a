//! A table that `graven serve` answers from: opened or carved, kept where it is to be kept, and what is said of it.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use graven_format::{Storage, Store};
use graven_ingest::Input;
use graven_process::{end_without_memory, resident_bytes};

use crate::carve::{self, InMemoryTable};
use crate::console::count;
use crate::duplicates::Keep;
use crate::failure::{Failure, Outcome, cannot_start_thread};
use crate::options::serve::ServeOptions;
use crate::quantity::show_size;
use crate::shell;
use crate::storage;
use crate::table::{OpenTable, Table, explain};

/// A table that can answer, and what is said of it.
pub(crate) struct Loaded {
    pub(crate) store: Arc<Store>,
    pub(crate) said: Vec<String>,
}

impl Loaded {
    pub(crate) fn from(table: Table, options: &ServeOptions, started: Instant) -> Outcome<Self> {
        match (table, options.duplicates) {
            (Table::Carved(carved), None) => {
                check_columns(&carved, options)?;
                Self::opened(carved, options, started)
            }
            (Table::Carved(OpenTable { name, .. }), Some(_)) => Err(Failure::new(format!(
                "{name} is a carved file, which has no duplicates; leave --duplicates to `graven build`"
            ))),
            (Table::Text(text), keep) => {
                let name = text.name().to_owned();
                check_storage(&text, options)?;
                end_without_memory(true);
                let loaded = in_memory(text, options)?;
                end_without_memory(false);
                let size = format!("{:.1} MB of text", megabytes(loaded.text_bytes));
                let mut said = vec![line("loaded", &name, &loaded.store, &size, started)];
                if loaded.duplicates > 0 {
                    said.push(keep.unwrap_or(Keep::Last).report(loaded.duplicates));
                }
                Ok(Self { store: Arc::new(loaded.store), said })
            }
        }
    }

    /// Opens a carved file where it is to be kept; in memory it answers from the file until it is
    /// there.
    fn opened(carved: OpenTable, options: &ServeOptions, started: Instant) -> Outcome<Self> {
        let OpenTable { name, store } = carved;
        let (storage, why) = storage::choose(options.storage, store.carved_bytes());
        let kept = match storage {
            // It comes there later, while it answers.
            Storage::Memory => Ok(*store),
            other => store.keep_in(other),
        };
        let store = kept.map_err(|error| explain(&name, &error))?;
        let size = format!("{:.1} MB carved", megabytes(store.carved_bytes()));
        let mut said = vec![
            line("opened", &name, &store, &size, started),
            format!("storage {}: {why}", storage::word(storage)),
        ];
        if storage == Storage::Disk && !store.is_empty() {
            said.push(format!(
                "index {:.1} MB in memory, {:.2} bits a key; cache {}",
                megabytes(store.index_bytes()),
                store.index_bytes() as f64 * 8.0 / store.len() as f64,
                show_size(options.server.storage.cache_bytes),
            ));
        }
        let store: Arc<Store> = store.into();
        if storage != Storage::Memory {
            return Ok(Self { store, said });
        }
        let loading = Arc::clone(&store);
        // Not waited for at the end: a large file takes longer to read than anyone waits for a
        // stop.
        thread::Builder::new()
            .name("load".into())
            .spawn({
                let name = name.clone();
                move || load(&name, &loading)
            })
            .map_err(|error| cannot_start_thread(&error))?;
        Ok(Self { store, said })
    }
}

/// Carves a text as it is to be read.
fn in_memory(text: Input, options: &ServeOptions) -> Outcome<InMemoryTable> {
    let (read, columns) = (options.text.to_read_options(), options.text.to_column_options());
    if columns.is_none() && !options.text.types.is_empty() {
        return Err(Failure::new(
            "--types says what columns hold, and there are none; name them with `--columns`",
        ));
    }
    if columns.is_some() && options.duplicates == Some(Keep::List) {
        return Err(Failure::new(
            "--duplicates list makes lists of whole values, and --columns rows; leave out one of them",
        ));
    }
    carve::in_memory(text, &read, columns.as_ref(), options.duplicates)
}

/// A carved file has the columns that it was built with.
fn check_columns(carved: &OpenTable, options: &ServeOptions) -> Outcome<()> {
    match options.text.says_columns() {
        None => Ok(()),
        Some(flag) => Err(Failure::new(format!(
            "{} is a carved file, whose key and columns were chosen when it was built; leave {flag} to `graven build`",
            carved.name
        ))),
    }
}

/// A text can only be kept where it is carved.
fn check_storage(text: &Input, options: &ServeOptions) -> Outcome<()> {
    if matches!(options.storage, Some(Storage::Mapped | Storage::Disk)) {
        let name = text.name();
        let file = text.path().map_or_else(|| "-".to_owned(), |_| shell::file(name));
        return Err(Failure::new(format!(
            "{name} is text, which is carved in memory; `graven build {file} -o FILE --for disk` makes a file that is \
             served from disk"
        )));
    }
    Ok(())
}

fn load(name: &str, store: &Store) {
    let started = Instant::now();
    match store.load() {
        Ok(()) => tracing::info!(
            "{name} is in memory and was checked, in {:.3} s, {}",
            started.elapsed().as_secs_f64(),
            resident()
        ),
        Err(error) => tracing::warn!(
            "{}; answers go on coming from the file, each one checked, and with an error for what is damaged",
            explain(name, &error)
        ),
    }
}

/// Opens what a path holds by now, checks all of it, and has it where it is to be kept: for a server that goes on meanwhile.
pub(crate) fn load_anew(table: Table, options: &ServeOptions) -> Outcome<Store> {
    match table {
        Table::Text(text) => {
            check_storage(&text, options)?;
            Ok(in_memory(text, options)?.store)
        }
        Table::Carved(OpenTable { name, store }) => {
            let failed = |error| explain(&name, &error);
            let (storage, _) = storage::choose(options.storage, store.carved_bytes());
            store.verify().map_err(failed)?;
            if storage == Storage::Memory {
                store.load().map_err(failed)?;
                return Ok(*store);
            }
            store.keep_in(storage).map_err(failed)
        }
    }
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn resident() -> String {
    match resident_bytes() {
        Some(bytes) => format!("{:.1} MB resident", megabytes(bytes)),
        None => "resident memory unknown".into(),
    }
}

fn line(what: &str, name: &str, store: &Store, size: &str, started: Instant) -> String {
    format!(
        "{what} {name}: {}, {size}, in {:.3} s, {}",
        count(store.len(), "pair"),
        started.elapsed().as_secs_f64(),
        resident()
    )
}
