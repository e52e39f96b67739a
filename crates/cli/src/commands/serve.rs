//! `graven serve`: opens or carves a table and puts it on the network until it is told to stop.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use graven_catalog::{Catalog, TableId, TableName, VersionName};
use graven_format::{Storage, Store};
use graven_ingest::ReadOptions;
use graven_server::{Endpoint, Error, Listener, Location, ServerOptions};

use crate::carve;
use crate::console::count;
use crate::descriptors;
use crate::duplicates::Keep;
use crate::failure::{Failure, Outcome, cannot_start_thread};
use crate::first_request;
use crate::log;
use crate::memory;
use crate::options::serve::ServeOptions;
use crate::quantity::show_size;
use crate::resident::resident_bytes;
use crate::signals::ServerSignals;
use crate::storage;
use crate::table::{Carved, Table, explain};

/// Answer lookups in a table over HTTP, Redis and memcached
///
/// SIGINT and SIGTERM finish what is in flight and end the server; a second one ends it at once.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table: a carved file; or text, tsv, csv or jsonl, where `-` is standard input
    path: PathBuf,
    #[command(flatten)]
    options: ServeOptions,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { path, options } = arguments;
    log::start(options.log, options.log_format);
    // Bound before the table is read, so that a taken port is told at once.
    let listeners = options
        .listen
        .iter()
        .map(|endpoint| listen(endpoint, &options.server))
        .collect::<Outcome<Vec<_>>>()?;
    let signals = ServerSignals::watch(reload)?;
    let wanted = options.server.limits.connections_max;
    let connections = descriptors::allow(wanted);
    if connections < wanted as u64 {
        tracing::debug!("the system allows {connections} connections; `ulimit -n` raises that");
    }
    let catalog = Catalog::empty();
    let start = Start {
        path: path.clone(),
        options: options.clone(),
        endpoints: listeners.iter().map(|listener| listener.endpoint().clone()).collect(),
        signals: signals.clone(),
        catalog: Arc::clone(&catalog),
        table: catalog.add(TableName::of_file(path)),
        began: Instant::now(),
    };
    // A carved file is open in a moment, in which clients wait to be accepted. While anything else is read, they are
    // told that it is.
    let loading = match (!comes_slowly(path)).then(|| Table::open(path)).transpose()? {
        Some(Table::Carved(carved)) => {
            start.finish(Loaded::from(Table::Carved(carved), options, start.began)?);
            None
        }
        table => Some(start.load(table)?),
    };
    graven_server::run(listeners, &catalog, &options.server, &signals.shutdown).map_err(
        |error| match error {
            Error::Thread { source } => cannot_start_thread(&source),
            error => Failure::new(format!("cannot serve any longer: {error}")),
        },
    )?;
    if let Some(loading) = loading {
        // The server stops when loading has failed, or at a signal once it has not.
        loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether `path` is a pipe or the like, of which nobody knows when the first byte comes.
fn comes_slowly(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// What there is to do until the table answers.
struct Start {
    path: PathBuf,
    options: ServeOptions,
    endpoints: Vec<Endpoint>,
    signals: ServerSignals,
    catalog: Arc<Catalog>,
    table: TableId,
    began: Instant,
}

impl Start {
    /// Loads the table, which is opened first where it is not open, on a thread of its own. If that fails, the server stops.
    fn load(self, table: Option<Table>) -> Outcome<JoinHandle<Outcome<()>>> {
        let load = move || {
            let table = table.map_or_else(|| Table::open(&self.path), Ok);
            match table.and_then(|table| Loaded::from(table, &self.options, self.began)) {
                Ok(loaded) => {
                    let (threads, pairs) = (self.options.server.threads, loaded.store.len());
                    let listening: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
                    tracing::info!(threads, listening = listening.join(" "), pairs, "serving");
                    self.finish(loaded);
                    Ok(())
                }
                Err(failure) => {
                    self.signals.shutdown.trigger();
                    Err(failure)
                }
            }
        };
        thread::Builder::new().name("carve".into()).spawn(load).map_err(|error| cannot_start_thread(&error))
    }

    /// Has the table answer from now on.
    fn finish(&self, table: Loaded) {
        self.signals.serving();
        let version = VersionName::of_identity(table.store.identity());
        self.catalog.switch_to(self.table, version, Arc::clone(&table.store));
        announce(&table, &self.endpoints);
    }
}

/// A table that can answer, and what is said of it.
struct Loaded {
    store: Arc<Store>,
    said: Vec<String>,
}

impl Loaded {
    fn from(table: Table, options: &ServeOptions, started: Instant) -> Outcome<Self> {
        match (table, options.duplicates) {
            (Table::Carved(carved), None) => Self::opened(carved, options, started),
            (Table::Carved(Carved { name, .. }), Some(_)) => Err(Failure::new(format!(
                "{name} is a carved file, which has no duplicates; leave --duplicates to `graven build`"
            ))),
            (Table::Text(text), _) if matches!(options.storage, Some(Storage::Mapped | Storage::Disk)) => {
                let name = text.name();
                Err(Failure::new(format!(
                    "{name} is text, which is carved in memory; `graven build {name} -o FILE --for disk` makes a file that is \
                     served from disk"
                )))
            }
            (Table::Text(text), keep) => {
                let name = text.name().to_owned();
                let read = ReadOptions { trim: options.trim, ..ReadOptions::default() };
                memory::end_without(true);
                let loaded = carve::in_memory(text, &read, keep)?;
                memory::end_without(false);
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
    fn opened(carved: Carved, options: &ServeOptions, started: Instant) -> Outcome<Self> {
        let Carved { name, store } = carved;
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

fn listen(endpoint: &Endpoint, options: &ServerOptions) -> Outcome<Listener> {
    Listener::bind(endpoint, options).map_err(|error| {
        let advice = match (&error, &endpoint.location) {
            (Error::AddressInUse { .. }, Location::Tcp { host, port }) => {
                let port = port.checked_add(1).unwrap_or(0);
                let next =
                    Endpoint { location: Location::Tcp { host: host.clone(), port }, ..endpoint.clone() };
                format!("stop that process, or try `--listen {next}`")
            }
            (Error::AddressInUse { .. }, Location::Unix(_)) => {
                "stop that process, or name another path".into()
            }
            (Error::PermissionDenied { .. }, Location::Tcp { .. }) => "try a port above 1023".into(),
            (Error::PermissionDenied { .. }, Location::Unix(_)) => {
                "name a path in a directory of your own".into()
            }
            (Error::AddressNotAvailable { .. }, _) => {
                "try `--listen 127.0.0.1:8000`, or an address that `ip address` lists".into()
            }
            _ => "try `--listen 127.0.0.1:8000`".into(),
        };
        Failure::new(format!("{error}; {advice}"))
    })
}

/// What SIGHUP asks for. Logs are standard error and never rotated here, and a table is read once.
fn reload() {
    tracing::info!("SIGHUP: nothing to reload; restart the server for another table or other options");
}

/// What there is, where it can be asked, and how. A standard output that nobody reads is no reason
/// not to serve.
fn announce(table: &Loaded, endpoints: &[Endpoint]) {
    let mut out = io::stdout().lock();
    for line in &table.said {
        let _ = writeln!(out, "{line}");
    }
    for endpoint in endpoints {
        let _ = writeln!(out, "listening on {endpoint}");
    }
    if let Some(curl) = first_request::curl(&table.store, endpoints.iter()) {
        let _ = writeln!(out, "try: {curl}");
    }
    let _ = out.flush();
}

fn megabytes(bytes: u64) -> f64 {
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
