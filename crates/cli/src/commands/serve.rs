//! `graven serve`: puts tables on the network until it is told to stop: those of a root, or files.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use graven_catalog::{Catalog, Snapshot, TableId, TableState, VersionName};
use graven_process::{allow_connections, give_back_after_start, give_back_stack, start_log};
use graven_server::{
    Endpoint, Error, Listener, ListeningSocket, Location, RequestLogOptions, ServerOptions, StatusOptions,
};

use crate::access_log;
use crate::config::{Config, Given};
use crate::console::{count, say, warn};
use crate::failure::{Failure, Outcome, cannot_start_thread};
use crate::first_request;
use crate::followers::{Followers, ServedTable, options_of};
use crate::loaded::{Loaded, megabytes};
use crate::object_store;
use crate::options::serve::ServeFlags;
use crate::service_manager::{self, HandedSockets};
use crate::shell;
use crate::signals::ServerSignals;
use crate::table::Table;
use crate::tls;
use crate::users::{self, ServedUsers};

/// Answer lookups in tables over HTTP, Redis and memcached
///
/// SIGINT and SIGTERM finish what is in flight and end the server; a second one ends it at once. SIGHUP has it look at its
/// tables, read its configuration file, its users and its certificates again, and open its access log again.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A carved file, or text, tsv, csv or jsonl, where `-` is standard input; NAME=FILE names its table; a directory or
    /// s3://BUCKET/PREFIX is a root
    #[arg(value_name = "TABLE")]
    tables: Vec<PathBuf>,
    /// A configuration file with options and tables, or GRAVEN_CONFIG [default: none]
    ///
    /// TOML, as docs/CONFIGURATION.md has it. Flags come before environment variables (GRAVEN_ and the option's name), these
    /// before the file. SIGHUP has it read again.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,
    /// Print all options and tables as a configuration file that says where each comes from, and serve nothing
    #[arg(long, hide_short_help = true)]
    print_config: bool,
    #[command(flatten)]
    flags: ServeFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { tables, config, print_config, flags } = arguments;
    let mut sockets = HandedSockets::take()?;
    let given = Given::new(flags.0.clone(), tables.clone(), config.clone())?;
    let config = given.read()?;
    if *print_config {
        for warning in given.warnings() {
            warn(warning);
        }
        say(config.to_toml()?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = &config.options;
    let log = start_log(options.log, options.log_format);
    for warning in given.warnings() {
        tracing::warn!("{warning}");
    }
    // Bound before the tables are read, so that a taken port is told at once.
    let mut listeners = options
        .listen
        .iter()
        .map(|endpoint| listen(endpoint, &options.server, sockets.socket_of(endpoint)))
        .collect::<Outcome<Vec<_>>>()?;
    sockets.must_be_used()?;
    let certificates = tls::secure(&mut listeners, &config)?;
    users::check_reach(listeners.iter().map(Listener::endpoint), options)?;
    let users = ServedUsers::new(options)?;
    let access_log = access_log::open(&config)?;
    let reopened = access_log.clone();
    let access = Arc::clone(&users.access);
    let catalog = Catalog::empty();
    let followers = Followers::new(given, config.clone(), log, &catalog, users);
    let look_at_tables = followers.at_sighup()?;
    let signals = ServerSignals::watch(move || {
        certificates.reload();
        if let Some(access_log) = &reopened {
            access_log.reopen();
        }
        look_at_tables();
    })?;
    let wanted = options.server.limits.connections_max;
    let connections = allow_connections(wanted);
    if connections < wanted as u64 {
        tracing::debug!("the system allows {connections} connections; `ulimit -n` raises that");
    }
    let files = followers.begin()?;
    let mut start = Start {
        config: config.clone(),
        endpoints: listeners.iter().map(|listener| listener.endpoint().clone()).collect(),
        signals: signals.clone(),
        catalog: Arc::clone(&catalog),
        has_roots: !config.sources.roots.is_empty(),
        followers,
        files: files.iter().map(|file| file.id).collect(),
        said: Vec::new(),
        began: Instant::now(),
    };
    // A carved file is open in a moment, in which clients wait to be accepted. While anything else is read, they are
    // told that it is.
    let mut slow = Vec::new();
    for file in files {
        let source = &file.source;
        let table = (!source.comes_slowly()).then(|| Table::open(&source.path)).transpose();
        match table.map_err(|failure| config.at(source.origin, failure))? {
            Some(Table::Carved(carved)) => {
                let loaded = start.loaded(&file, Table::Carved(carved))?;
                start.answer(&file, loaded);
            }
            table => slow.push((file, table)),
        }
    }
    let loading = match slow.is_empty() {
        true => {
            start.announce();
            None
        }
        false => Some(start.load(slow)?),
    };
    let requests = RequestLogOptions { access_log, ..options.server.requests.clone() };
    let server = ServerOptions { status: status_options(&config), requests, ..options.server.clone() };
    give_back_stack();
    graven_server::run(listeners, &catalog, &access, &server, &signals.shutdown).map_err(
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

/// What the status page says of this build, and of what can be done about a table. Where all tables are of one root, that is
/// known.
fn status_options(config: &Config) -> StatusOptions {
    let commands = match (config.sources.roots.as_slice(), config.sources.files.as_slice()) {
        ([root], []) => {
            // Names of tables are plain words, which a shell reads as part of the word before them.
            let root = match object_store::is_url(&root.path) {
                true => root.path.clone(),
                false => std::path::absolute(&root.path).unwrap_or_else(|_| root.path.clone()),
            };
            let root = shell::file(&root.to_string_lossy());
            let table = format!("{}/{{table}}", root.trim_end_matches('/'));
            ["versions {}", "switch {} {version}", "rollback {}", "resume {}"]
                .map(|command| format!("graven {}", command.replace("{}", &table)))
                .into()
        }
        _ => Vec::new(),
    };
    StatusOptions {
        build: format!("commit {}", env!("GRAVEN_BUILT_COMMIT")),
        commands,
        ..config.options.server.status.clone()
    }
}

/// What there is to do until all tables answer.
struct Start {
    config: Config,
    endpoints: Vec<Endpoint>,
    signals: ServerSignals,
    catalog: Arc<Catalog>,
    has_roots: bool,
    followers: Followers,
    files: Vec<TableId>,
    said: Vec<String>,
    began: Instant,
}

impl Start {
    /// Loads tables, which are opened first where they are not open, on a thread of their own. If that fails, the server stops.
    fn load(mut self, slow: Vec<(ServedTable, Option<Table>)>) -> Outcome<JoinHandle<Outcome<()>>> {
        let load = move || {
            for (file, table) in slow {
                let table = table.map_or_else(|| Table::open(&file.source.path), Ok);
                match table.and_then(|table| self.loaded(&file, table)) {
                    Ok(loaded) => self.answer(&file, loaded),
                    Err(failure) => {
                        self.signals.shutdown.trigger();
                        return Err(failure);
                    }
                }
            }
            let pairs: u64 = pairs(&self.catalog.snapshot());
            let listening: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
            let threads = self.config.options.server.threads;
            let listening = listening.join(" ");
            tracing::info!(event = "serving", threads, listening, pairs, "serving");
            self.announce();
            Ok(())
        };
        thread::Builder::new().name("carve".into()).spawn(load).map_err(|error| cannot_start_thread(&error))
    }

    /// Loads a table as it is to be kept.
    fn loaded(&self, file: &ServedTable, table: Table) -> Outcome<Loaded> {
        let loaded = Loaded::from(table, &options_of(&file.source, &self.config.options), self.began);
        loaded.map_err(|failure| self.config.at(file.source.origin, failure))
    }

    /// Has a table answer from now on.
    fn answer(&mut self, file: &ServedTable, table: Loaded) {
        let version = VersionName::of_identity(table.store.identity());
        self.catalog.switch_to(file.id, version, table.store);
        self.said.extend(table.said);
    }

    /// Says what there is, where it can be asked, and how. A standard output that nobody reads is no reason not to serve.
    fn announce(&self) {
        self.signals.serving();
        self.followers.started();
        let snapshot = self.catalog.snapshot();
        let mut out = io::stdout().lock();
        for line in self.said.iter().cloned().chain(self.said_of_roots(&snapshot)) {
            let _ = writeln!(out, "{line}");
        }
        for endpoint in &self.endpoints {
            let _ = writeln!(out, "listening on {endpoint}");
        }
        let certificate = self.config.options.tls.certificate.as_deref();
        if let Some(curl) = first_request::curl(&snapshot, self.endpoints.iter(), certificate) {
            let _ = writeln!(out, "try: {curl}");
        }
        let _ = out.flush();
        if let Err(failure) = service_manager::say_when_ready(&self.catalog) {
            tracing::error!("{failure}");
        }
        give_back_after_start();
    }

    /// What is said of the tables of roots, which answer from their files while they are loaded.
    fn said_of_roots(&self, snapshot: &Snapshot) -> Vec<String> {
        if !self.has_roots {
            return Vec::new();
        }
        let said = |table: &TableState| match table.current() {
            Some(version) => {
                let store = version.store();
                let (pairs, bytes) = (count(store.len(), "pair"), megabytes(store.carved_bytes()));
                format!("{}: {pairs}, {bytes:.1} MB carved", version.label())
            }
            None => format!("{}: no version answers yet", table.name()),
        };
        let mut lines: Vec<_> =
            snapshot.tables().filter(|table| !self.files.contains(&table.id())).map(said).collect();
        if lines.is_empty() {
            lines.push("the root has no tables yet; `graven publish FILE ROOT/TABLE` adds one".to_owned());
        }
        lines
    }
}

/// Pairs of all tables.
fn pairs(snapshot: &Snapshot) -> u64 {
    snapshot.tables().filter_map(TableState::current).map(|version| version.store().len()).sum()
}

/// Listens on `endpoint`: by `socket`, where it was handed over.
fn listen(
    endpoint: &Endpoint,
    options: &ServerOptions,
    socket: Option<ListeningSocket>,
) -> Outcome<Listener> {
    let listener = match socket {
        Some(socket) => Listener::from_socket(endpoint, options, socket),
        None => Listener::bind(endpoint, options),
    };
    listener.map_err(|error| {
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
