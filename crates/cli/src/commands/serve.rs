//! `graven serve`: loads a table and puts it on the network until it is told to stop.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::ValueEnum;
use graven_format::Duplicates;
use graven_server::{Address, Endpoint, Error, Listener, Options, Shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::LevelFilter;

use crate::failure::{Failure, Outcome, reason};
use crate::resident::resident_bytes;
use crate::text_file::{Loaded, TextFile};

/// Answer lookups in a table until SIGINT or SIGTERM, which finish what is in flight; a second one ends at once
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table, as `.data` text; `-` is standard input
    path: PathBuf,
    /// Where to listen: HOST:PORT or unix:PATH. May be repeated; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: Vec<Endpoint>,
    /// Which value counts when a key comes more than once
    #[arg(long, value_enum, default_value_t = Keep::Last)]
    duplicates: Keep,
    /// How many threads answer [default: one a core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// How much to log on standard error: off, error, warn, info or debug. No level logs single requests
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

/// [`Duplicates`] as the command line spells them.
#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    /// The last one; the number of replaced pairs is reported
    Last,
    /// The first one; the number of skipped pairs is reported
    First,
    /// None: a second value is an error
    Error,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    tracing_subscriber::fmt().with_max_level(arguments.log).with_writer(io::stderr).with_target(false).init();
    let mut options = Options::default();
    if let Some(threads) = arguments.threads {
        options.threads = threads;
    }
    // Bound before the table is read, so that a taken port is told at once.
    let listeners =
        arguments.listen.iter().map(|endpoint| listen(endpoint, &options)).collect::<Outcome<Vec<_>>>()?;
    let text = TextFile::open(&arguments.path)?;
    let name = text.name().to_owned();
    let loaded = text.load(arguments.duplicates.into())?;
    let shutdown = Shutdown::new();
    stop_on_signals(&shutdown)?;
    announce(&name, &loaded, arguments.duplicates, &listeners);
    graven_server::run(listeners, &loaded.store, &options, &shutdown)
        .map_err(|error| Failure::new(format!("cannot serve any longer: {error}")))?;
    Ok(ExitCode::SUCCESS)
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

/// What was loaded and where it can be asked. A standard output that nobody reads is no reason not to serve.
fn announce(name: &str, loaded: &Loaded, keep: Keep, listeners: &[Listener]) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", loaded_line(name, loaded));
    if loaded.duplicates > 0 {
        let what = match keep {
            Keep::First => "skipped, because their key had come before",
            _ => "replaced, because their key came again",
        };
        let _ = writeln!(out, "{} pairs were {what}", loaded.duplicates);
    }
    for listener in listeners {
        let _ = writeln!(out, "listening on {}", listener.endpoint());
    }
    let _ = out.flush();
}

fn loaded_line(name: &str, loaded: &Loaded) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let resident = match resident_bytes() {
        Some(bytes) => format!("{:.1} MB resident", megabytes(bytes)),
        None => "resident memory unknown".into(),
    };
    format!(
        "loaded {name}: {} pairs, {:.1} MB of text, in {:.3} s, {resident}",
        loaded.store.len(),
        megabytes(loaded.text_bytes),
        loaded.took.as_secs_f64(),
    )
}

impl From<Keep> for Duplicates {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Last => Self::Last,
            Keep::First => Self::First,
            Keep::Error => Self::Error,
        }
    }
}
