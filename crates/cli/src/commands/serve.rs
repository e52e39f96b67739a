//! `graven serve`: opens or carves a table and puts it on the network until it is told to stop.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use graven_catalog::Catalog;
use graven_format::{Storage as Kept, Store};
use graven_ingest::ReadOptions;
use graven_server::{Address, Endpoint, Error, Listener, Options, Shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::LevelFilter;

use crate::carve;
use crate::console::count;
use crate::descriptors;
use crate::duplicates::Keep;
use crate::failure::{Failure, Outcome, reason};
use crate::limits::Limits;
use crate::memory;
use crate::resident::resident_bytes;
use crate::storage::{Place, Storage};
use crate::table::{Carved, Table, explain};

/// Answer lookups in a table until SIGINT or SIGTERM, which finish what is in flight; a second one ends at once
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table: a carved file; or text, tsv, csv or jsonl, where `-` is standard input
    path: PathBuf,
    /// Where to listen: HOST:PORT or unix:PATH. May be repeated; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: Vec<Endpoint>,
    /// Which value counts when a key of a text comes more than once [default: last]
    #[arg(long, value_enum)]
    duplicates: Option<Keep>,
    /// Drop spaces and tabs around the keys and values of a text
    #[arg(long)]
    trim: bool,
    /// How many threads answer [default: one a core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    storage: Storage,
    #[command(flatten)]
    limits: Limits,
    /// How much to log on standard error: off, error, warn, info or debug. No level logs single requests
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    // A log that cannot be written is no reason to end.
    tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_max_level(arguments.log)
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    let mut options = arguments.limits.to_options(arguments.threads);
    arguments.storage.tell(&mut options);
    // Bound before the table is read, so that a taken port is told at once.
    let listeners =
        arguments.listen.iter().map(|endpoint| listen(endpoint, &options)).collect::<Outcome<Vec<_>>>()?;
    let table = Loaded::from(arguments)?;
    let shutdown = Shutdown::new();
    stop_on_signals(&shutdown)?;
    announce(&table.said, &listeners);
    let connections = descriptors::allow(options.connections_max);
    if connections < options.connections_max as u64 {
        tracing::debug!("the system allows {connections} connections; `ulimit -n` raises that");
    }
    let catalog = Catalog::new(&table.name, "opened", table.store);
    graven_server::run(listeners, &catalog, &options, &shutdown)
        .map_err(|error| Failure::new(format!("cannot serve any longer: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// A table that can answer, and what is said of it.
struct Loaded {
    name: String,
    store: Arc<Store>,
    said: Vec<String>,
}

impl Loaded {
    fn from(arguments: &Arguments) -> Outcome<Self> {
        let started = Instant::now();
        match (Table::open(&arguments.path)?, arguments.duplicates) {
            (Table::Carved(carved), None) => Self::opened(carved, arguments, started),
            (Table::Carved(Carved { name, .. }), Some(_)) => Err(Failure::new(format!(
                "{name} is a carved file, which has no duplicates; leave --duplicates to `graven build`"
            ))),
            (Table::Text(text), _)
                if matches!(arguments.storage.storage, Some(Place::Mmap | Place::Disk)) =>
            {
                let name = text.name();
                Err(Failure::new(format!(
                    "{name} is text, which is carved in memory; `graven build {name} -o FILE --for disk` makes a file that is \
                     served from disk"
                )))
            }
            (Table::Text(text), keep) => {
                let name = text.name().to_owned();
                let read = ReadOptions { trim: arguments.trim, ..ReadOptions::default() };
                memory::end_without(true);
                let loaded = carve::in_memory(text, &read, keep)?;
                memory::end_without(false);
                let size = format!("{:.1} MB of text", megabytes(loaded.text_bytes));
                let mut said = vec![line("loaded", &name, &loaded.store, &size, started)];
                if loaded.duplicates > 0 {
                    said.push(keep.unwrap_or(Keep::Last).report(loaded.duplicates));
                }
                Ok(Self { name, store: Arc::new(loaded.store), said })
            }
        }
    }

    /// Opens a carved file where it is to be kept; in memory it answers from the file until it is there.
    fn opened(carved: Carved, arguments: &Arguments, started: Instant) -> Outcome<Self> {
        let Carved { name, store } = carved;
        let (place, why) = arguments.storage.choose(store.carved_bytes());
        let kept = match place {
            Place::Ram => Ok(*store),
            Place::Mmap => store.keep_in(Kept::Mapped),
            Place::Disk => store.keep_in(Kept::Disk),
        };
        let store = kept.map_err(|error| explain(&name, &error))?;
        let size = format!("{:.1} MB carved", megabytes(store.carved_bytes()));
        let mut said = vec![line("opened", &name, &store, &size, started), format!("storage {place}: {why}")];
        if place == Place::Disk && !store.is_empty() {
            said.push(format!(
                "index {:.1} MB in memory, {:.2} bits a key; cache {}",
                megabytes(store.index_bytes()),
                store.index_bytes() as f64 * 8.0 / store.len() as f64,
                arguments.storage.cache_size(),
            ));
        }
        let store: Arc<Store> = store.into();
        if place != Place::Ram {
            return Ok(Self { name, store, said });
        }
        let loading = Arc::clone(&store);
        // Not waited for at the end: a large file takes longer to read than anyone waits for a stop.
        thread::Builder::new()
            .name("load".into())
            .spawn({
                let name = name.clone();
                move || load(&name, &loading)
            })
            .map_err(|error| Failure::new(format!("cannot start a thread: {}", reason(&error))))?;
        Ok(Self { name, store, said })
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

fn listen(endpoint: &Endpoint, options: &Options) -> Outcome<Listener> {
    Listener::bind(endpoint, options).map_err(|error| {
        let advice = match (&error, &endpoint.address) {
            (Error::AddressInUse { .. }, Address::Tcp(host, port)) => {
                let next = Endpoint {
                    address: Address::Tcp(host.clone(), port.checked_add(1).unwrap_or(0)),
                    ..endpoint.clone()
                };
                format!("stop that process, or try `--listen {next}`")
            }
            (Error::AddressInUse { .. }, Address::Unix(_)) => {
                "stop that process, or name another path".into()
            }
            (Error::PermissionDenied { .. }, Address::Tcp(..)) => "try a port above 1023".into(),
            (Error::PermissionDenied { .. }, Address::Unix(_)) => {
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

/// The first signal triggers `shutdown`; the second ends the process as it would have without a handler.
fn stop_on_signals(shutdown: &Shutdown) -> Outcome<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", reason(&error))))?;
    let shutdown = shutdown.clone();
    let watch = move || {
        for signal in signals.forever() {
            if shutdown.is_triggered() {
                std::process::exit(128 + signal);
            }
            shutdown.trigger();
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .map_err(|error| Failure::new(format!("cannot watch for signals: {}", reason(&error))))?;
    Ok(())
}

/// What there is and where it can be asked. A standard output that nobody reads is no reason not to serve.
fn announce(said: &[String], listeners: &[Listener]) {
    let mut out = io::stdout().lock();
    for line in said {
        let _ = writeln!(out, "{line}");
    }
    for listener in listeners {
        let _ = writeln!(out, "listening on {}", listener.endpoint());
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
