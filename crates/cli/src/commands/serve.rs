//! `graven serve`: puts tables on the network until it is told to stop: those of a root, or files.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use graven_catalog::root::{Root, TableStorage};
use graven_catalog::{
    Catalog, Directory, FileKeeper, FileStamp, Keeper, KeeperOptions, ServedFile, Snapshot, TableId,
    TableState, VersionName,
};
use graven_format::Storage;
use graven_server::{Endpoint, Error, Listener, Location, ServerOptions};

use crate::console::count;
use crate::descriptors;
use crate::failure::{Failure, Outcome, cannot_start_thread};
use crate::first_request;
use crate::loaded::{Loaded, load_anew, megabytes};
use crate::log;
use crate::options::serve::ServeOptions;
use crate::root::explain;
use crate::signals::ServerSignals;
use crate::table::Table;
use crate::table_source::{FileSource, Sources};

/// How often files are looked at that are served by themselves.
const FILES_POLL: Duration = Duration::from_secs(1);

/// Answer lookups in tables over HTTP, Redis and memcached
///
/// SIGINT and SIGTERM finish what is in flight and end the server; a second one ends it at once.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A carved file, or text, tsv, csv or jsonl, where `-` is standard input; NAME=FILE names its table; a directory is a
    /// root with all its tables
    #[arg(value_name = "TABLE", required = true)]
    tables: Vec<PathBuf>,
    #[command(flatten)]
    options: ServeOptions,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { tables, options } = arguments;
    log::start(options.log, options.log_format);
    let sources = Sources::sort_out(tables)?;
    // Bound before the tables are read, so that a taken port is told at once.
    let listeners = options
        .listen
        .iter()
        .map(|endpoint| listen(endpoint, &options.server))
        .collect::<Outcome<Vec<_>>>()?;
    let followers = Followers::default();
    let signals = ServerSignals::watch({
        let followers = followers.clone();
        move || followers.reload()
    })?;
    let wanted = options.server.limits.connections_max;
    let connections = descriptors::allow(wanted);
    if connections < wanted as u64 {
        tracing::debug!("the system allows {connections} connections; `ulimit -n` raises that");
    }
    let catalog = Catalog::empty();
    let files: Vec<ServedTable> =
        sources.files.iter().map(|source| ServedTable::new(source, &catalog)).collect();
    choose_default(options, &sources, &catalog)?;
    for root in &sources.roots {
        let root = open_root(root)?;
        let keeper = Keeper::start(Arc::new(root), Arc::clone(&catalog), keeper_options(options));
        followers.add_root(keeper.map_err(|error| explain(&error, ""))?);
    }
    followers.add_files(
        FileKeeper::start(Arc::clone(&catalog), served(&files, options, &catalog), FILES_POLL),
        files.len(),
    )?;
    let mut start = Start {
        options: options.clone(),
        endpoints: listeners.iter().map(|listener| listener.endpoint().clone()).collect(),
        signals: signals.clone(),
        catalog: Arc::clone(&catalog),
        has_roots: !sources.roots.is_empty(),
        files: files.iter().map(|file| file.id).collect(),
        said: Vec::new(),
        began: Instant::now(),
    };
    // A carved file is open in a moment, in which clients wait to be accepted. While anything else is read, they are
    // told that it is.
    let mut slow = Vec::new();
    for file in files {
        match (!comes_slowly(&file.path)).then(|| Table::open(&file.path)).transpose()? {
            Some(Table::Carved(carved)) => {
                let loaded = Loaded::from(Table::Carved(carved), options, start.began)?;
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

/// A table that one file answers for.
struct ServedTable {
    id: TableId,
    name: graven_catalog::TableName,
    path: PathBuf,
    /// The file as it is before it is opened.
    stamp: Option<FileStamp>,
}

impl ServedTable {
    fn new(source: &FileSource, catalog: &Catalog) -> Self {
        let id = catalog.add(source.name.clone());
        catalog.require(id);
        let stamp = FileStamp::of(&source.path);
        Self { id, name: source.name.clone(), path: source.path.clone(), stamp }
    }
}

/// The files whose changes are noticed, with `--watch` to answer by.
fn served(files: &[ServedTable], options: &ServeOptions, catalog: &Arc<Catalog>) -> Vec<ServedFile> {
    let lasting = files.iter().filter(|file| !comes_slowly(&file.path));
    let served = lasting.map(|file| {
        let reload = options.watch.then(|| {
            let (path, options, catalog, id) =
                (file.path.clone(), options.clone(), Arc::clone(catalog), file.id);
            let reload = move || {
                let snapshot = catalog.snapshot();
                let answers = snapshot.table(id).and_then(TableState::current);
                let was_carved = answers.is_some_and(|version| version.store().written().is_some());
                let store = Table::open(&path).and_then(|table| match table {
                    // Half a copy of something else may well read as text.
                    Table::Text(text) if was_carved => {
                        Err(Failure::new(format!("{} was a carved file and is none any longer", text.name())))
                    }
                    table => load_anew(table, &options),
                });
                store.map_err(|failure| failure.to_string())
            };
            Box::new(reload) as graven_catalog::Reload
        });
        let (table, name, path) = (file.id, file.name.clone(), file.path.clone());
        ServedFile { table, name, path, stamp: file.stamp, reload }
    });
    served.collect()
}

/// A root, which may have no tables yet. A directory of files without one was not meant to be a root.
fn open_root(path: &Path) -> Outcome<Directory> {
    let root = Directory::open(path).map_err(|error| explain(&error, ""))?;
    let has_tables = root.tables().is_ok_and(|tables| !tables.is_empty());
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    if !has_tables && files.next().is_some() {
        let path = path.display();
        return Err(Failure::new(format!(
            "{path} is a directory with files and no tables; name one file in it, or make it a root with `graven publish FILE \
             {path}/TABLE`"
        )));
    }
    Ok(root)
}

/// The table that is asked where none is named. What is asked of a file has to be there.
fn choose_default(options: &ServeOptions, sources: &Sources, catalog: &Catalog) -> Outcome<()> {
    let Some(name) = &options.default else { return Ok(()) };
    let names: Vec<&str> = sources.files.iter().map(|source| source.name.as_str()).collect();
    if sources.roots.is_empty() && !names.contains(&name.as_str()) {
        let names = names.join(", ");
        return Err(Failure::new(format!("--default {name}: there is no such table; there are {names}")));
    }
    catalog.set_default(Some(catalog.reserve(name.clone())));
    Ok(())
}

fn keeper_options(options: &ServeOptions) -> KeeperOptions {
    KeeperOptions {
        poll: options.poll,
        load_rate: (options.load_rate > 0).then_some(options.load_rate),
        hold: options.hold.clone(),
        storage: options.storage.map(|storage| match storage {
            Storage::Memory => TableStorage::Ram,
            Storage::Mapped => TableStorage::Mmap,
            Storage::Disk => TableStorage::Disk,
        }),
    }
}

/// The threads that look for new versions.
#[derive(Clone, Default)]
struct Followers(Arc<Mutex<FollowedSources>>);

#[derive(Default)]
struct FollowedSources {
    roots: Vec<Keeper>,
    files: Option<FileKeeper>,
    watches: bool,
}

impl Followers {
    fn add_root(&self, keeper: Keeper) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).roots.push(keeper);
    }

    fn add_files(&self, keeper: Result<FileKeeper, graven_catalog::RootError>, files: usize) -> Outcome<()> {
        let keeper = keeper.map_err(|error| explain(&error, ""))?;
        let mut following = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        following.watches = files > 0;
        following.files = Some(keeper);
        Ok(())
    }

    /// What SIGHUP asks for. Logs are standard error and never rotated here.
    fn reload(&self) {
        let following = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        following.roots.iter().for_each(Keeper::look);
        following.files.iter().for_each(FileKeeper::look);
        match following.roots.len() {
            0 => tracing::info!("SIGHUP: nothing to reload; restart the server for other options"),
            roots => tracing::info!("SIGHUP: looking at {}", count(roots as u64, "root")),
        }
    }
}

/// What there is to do until all tables answer.
struct Start {
    options: ServeOptions,
    endpoints: Vec<Endpoint>,
    signals: ServerSignals,
    catalog: Arc<Catalog>,
    has_roots: bool,
    files: Vec<TableId>,
    said: Vec<String>,
    began: Instant,
}

impl Start {
    /// Loads tables, which are opened first where they are not open, on a thread of their own. If that fails, the server stops.
    fn load(mut self, slow: Vec<(ServedTable, Option<Table>)>) -> Outcome<JoinHandle<Outcome<()>>> {
        let load = move || {
            for (file, table) in slow {
                let table = table.map_or_else(|| Table::open(&file.path), Ok);
                match table.and_then(|table| Loaded::from(table, &self.options, self.began)) {
                    Ok(loaded) => self.answer(&file, loaded),
                    Err(failure) => {
                        self.signals.shutdown.trigger();
                        return Err(failure);
                    }
                }
            }
            let pairs: u64 = pairs(&self.catalog.snapshot());
            let listening: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
            let threads = self.options.server.threads;
            tracing::info!(threads, listening = listening.join(" "), pairs, "serving");
            self.announce();
            Ok(())
        };
        thread::Builder::new().name("carve".into()).spawn(load).map_err(|error| cannot_start_thread(&error))
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
        let snapshot = self.catalog.snapshot();
        let mut out = io::stdout().lock();
        for line in self.said.iter().cloned().chain(self.said_of_roots(&snapshot)) {
            let _ = writeln!(out, "{line}");
        }
        for endpoint in &self.endpoints {
            let _ = writeln!(out, "listening on {endpoint}");
        }
        if let Some(curl) = first_request::curl(&snapshot, self.endpoints.iter()) {
            let _ = writeln!(out, "try: {curl}");
        }
        let _ = out.flush();
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
