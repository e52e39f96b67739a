//! What keeps a running server up to date: the threads that follow roots and files, and the configuration that is read again
//! at SIGHUP.

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use graven_catalog::root::TableStorage;
use graven_catalog::{
    Catalog, Directory, FileKeeper, Keeper, KeeperOptions, Root, RootError, ServedFile, TableId, TableName,
    TableState, VersionName,
};
use graven_format::{FileStamp, Storage, Store};
use graven_process::LogLevel;

use crate::config::{Config, Given};
use crate::console::count;
use crate::failure::{Failure, Outcome, cannot_start_thread};
use crate::loaded::load_anew;
use crate::object_store;
use crate::options::serve::{DECLARED, ServeOptions};
use crate::root::explain;
use crate::table::Table;
use crate::table_source::{FileSource, RootSource};
use crate::users::ServedUsers;

/// How often files are looked at that are served by themselves.
const FILES_POLL: Duration = Duration::from_secs(1);

/// A table that one file answers for.
#[derive(Clone, Debug)]
pub(crate) struct ServedTable {
    pub(crate) id: TableId,
    pub(crate) source: FileSource,
    /// The file that answers, as it was before it was opened.
    stamp: Option<FileStamp>,
}

/// The threads that look for new versions, and what they go by.
#[derive(Clone)]
pub(crate) struct Followers(Arc<FollowersInner>);

struct FollowersInner {
    given: Given,
    log: LogLevel,
    catalog: Arc<Catalog>,
    users: ServedUsers,
    following: Mutex<FollowingState>,
}

struct FollowingState {
    /// What is in effect.
    config: Config,
    roots: Vec<FollowedRoot>,
    files: Vec<ServedTable>,
    file_keeper: Option<FileKeeper>,
    /// All tables that were asked for at the start are loaded.
    has_started: bool,
    /// The configuration is to be read again as soon as they are.
    is_asked: bool,
}

struct FollowedRoot {
    source: RootSource,
    directory: Arc<Directory>,
    keeper: Keeper,
    /// What fetches into the directory, where the root is in an object store.
    puller: Option<object_store::Puller>,
}

/// What another configuration needs and may fail, before anything is changed by it.
struct Prepared {
    files: Vec<(FileSource, Option<FileStamp>, Store)>,
    roots: Vec<(RootSource, Arc<Directory>)>,
}

impl Followers {
    pub(crate) fn new(
        given: Given,
        config: Config,
        log: LogLevel,
        catalog: &Arc<Catalog>,
        users: ServedUsers,
    ) -> Self {
        let following = FollowingState {
            config,
            roots: Vec::new(),
            files: Vec::new(),
            file_keeper: None,
            has_started: false,
            is_asked: false,
        };
        let catalog = Arc::clone(catalog);
        Self(Arc::new(FollowersInner { given, log, catalog, users, following: Mutex::new(following) }))
    }

    fn following(&self) -> MutexGuard<'_, FollowingState> {
        self.0.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be called at SIGHUP. A thread of its own acts upon it, because loading tables takes long.
    pub(crate) fn at_sighup(&self) -> Outcome<impl Fn() + Send + 'static> {
        let (ask, asked) = channel();
        let followers = self.clone();
        let act = move || {
            while asked.recv().is_ok() {
                // What comes together is done once.
                while asked.try_recv().is_ok() {}
                followers.reload();
            }
        };
        let spawned = thread::Builder::new().name("reload".into()).spawn(act);
        spawned.map_err(|error| cannot_start_thread(&error))?;
        Ok(move || {
            // As long as this is called, that thread is there.
            let _ = ask.send(());
        })
    }

    /// Has the tables known to the catalog, and follows them. Those of roots answer when this returns, if they can; those in
    /// files, which it gives back, are the caller's to open.
    pub(crate) fn begin(&self) -> Outcome<Vec<ServedTable>> {
        let (mut following, catalog) = (self.following(), &self.0.catalog);
        let config = following.config.clone();
        following.files =
            config.sources.files.iter().map(|source| ServedTable::new(source, catalog)).collect();
        set_default(&config, catalog);
        for source in &config.sources.roots {
            let followed = follow(source, open_root(source, &config)?, &config, catalog);
            let followed = followed.map_err(|error| config.at(source.origin, explain(&error, "")))?;
            following.roots.push(followed);
        }
        following.follow_files(catalog).map_err(|error| explain(&error, ""))?;
        Ok(following.files.clone())
    }

    /// All tables that were asked for are loaded: from here on the configuration may change.
    pub(crate) fn started(&self) {
        let mut following = self.following();
        following.has_started = true;
        if std::mem::take(&mut following.is_asked) {
            drop(following);
            self.reload();
        }
    }

    /// What SIGHUP asks for. The log is standard error and never rotated here.
    fn reload(&self) {
        match self.0.users.reload() {
            Ok(None) => {}
            Ok(Some(users)) => {
                let who = count(users as u64, "user");
                tracing::info!(event = "users_reloaded", users, "SIGHUP: {who} may ask");
            }
            Err(failure) => {
                tracing::error!(event = "users_refused", "SIGHUP: {failure}; the users stay as they are");
            }
        }
        let mut following = self.following();
        if !following.config.has_file() {
            following.look();
            match following.roots.len() {
                // These are read elsewhere.
                0 if self.0.users.has_file() || following.config.options.has_files_reread() => {}
                0 => tracing::info!("SIGHUP: nothing to reload; restart the server for other options"),
                roots => tracing::info!("SIGHUP: looking at {}", count(roots as u64, "root")),
            }
            return;
        }
        if !following.has_started {
            following.is_asked = true;
            tracing::info!("SIGHUP: the configuration is read again when all tables are loaded");
            return;
        }
        let next = self.0.given.read().and_then(|next| {
            let (next, restart) = following.config.changed_to(next);
            let prepared = following.prepare(&next)?;
            Ok((next, restart, prepared))
        });
        match next {
            Ok((next, restart, prepared)) => {
                let changes = following.change(next, prepared, &self.0);
                tracing::info!(
                    event = "configuration_reloaded",
                    "SIGHUP: the configuration was read: {changes}"
                );
                if !restart.is_empty() {
                    let options = restart.join(", ");
                    tracing::warn!(event = "restart_needed", options, "needs a restart: {options}");
                }
            }
            Err(failure) => {
                tracing::error!(
                    event = "configuration_refused",
                    "SIGHUP: {failure}; everything stays as it is"
                );
            }
        }
    }
}

impl ServedTable {
    fn new(source: &FileSource, catalog: &Catalog) -> Self {
        let id = catalog.add(source.name.clone());
        catalog.require(id);
        Self { id, source: source.clone(), stamp: FileStamp::of(&source.path) }
    }

    /// The file as one whose changes are noticed, and that answers by them where it is watched.
    fn followed(&self, options: &ServeOptions, catalog: &Arc<Catalog>) -> ServedFile {
        let source = &self.source;
        let is_watched = source.watch.unwrap_or(options.watch);
        let reload = is_watched.then(|| {
            let (path, options) = (source.path.clone(), options_of(source, options));
            let (catalog, id) = (Arc::clone(catalog), self.id);
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
        let (name, path) = (source.name.clone(), source.path.clone());
        ServedFile { table: self.id, name, path, stamp: self.stamp, reload }
    }
}

/// A root, which may have no tables yet. A directory of files without one was not meant to be a root.
fn open_root(source: &RootSource, config: &Config) -> Outcome<Arc<Directory>> {
    let failed = |failure| config.at(source.origin, failure);
    if object_store::is_url(&source.path) {
        return object_store::directory(source, &config.options).map(Arc::new).map_err(failed);
    }
    let root = Directory::open(&source.path).map_err(|error| failed(explain(&error, "")))?;
    let has_tables = root.tables().is_ok_and(|tables| !tables.is_empty());
    let entries = fs::read_dir(&source.path).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    if !has_tables && files.next().is_some() {
        let path = source.path.display();
        return Err(failed(Failure::new(format!(
            "{path} is a directory with files and no tables; name one file in it, or make it a root with `graven publish FILE \
             {path}/TABLE`"
        ))));
    }
    Ok(Arc::new(root))
}

/// The options for a table in a file, which may have a storage of its own.
pub(crate) fn options_of(source: &FileSource, options: &ServeOptions) -> ServeOptions {
    ServeOptions { storage: source.storage.unwrap_or(options.storage), ..options.clone() }
}

/// How a root is followed; tables in `except` are others'.
fn keeper_options(source: &RootSource, config: &Config, except: BTreeSet<TableName>) -> KeeperOptions {
    let options = &config.options;
    let storage = source.storage.unwrap_or(options.storage);
    KeeperOptions {
        poll: options.poll,
        load_rate: (options.load_rate > 0).then_some(options.load_rate),
        hold: options.hold.clone(),
        storage: storage.map(|storage| match storage {
            Storage::Memory => TableStorage::Ram,
            Storage::Mapped => TableStorage::Mmap,
            Storage::Disk => TableStorage::Disk,
        }),
        only: source.only.clone(),
        except,
    }
}

/// The tables of a root that others answer for: those that are named one by one come before whole roots.
fn except(source: &RootSource, config: &Config) -> BTreeSet<TableName> {
    if source.only.is_some() { BTreeSet::new() } else { config.sources.names() }
}

fn follow(
    source: &RootSource,
    directory: Arc<Directory>,
    config: &Config,
    catalog: &Arc<Catalog>,
) -> Result<FollowedRoot, RootError> {
    if let Some(name) = &source.only {
        catalog.require(catalog.add(name.clone()));
    }
    let options = keeper_options(source, config, except(source, config));
    let puller = match object_store::is_url(&source.path) {
        true => Some(object_store::pull(source, &directory, &config.options, catalog)?),
        false => None,
    };
    let hidden = directory.tables()?.into_iter().filter(|table| options.except.contains(table));
    for table in hidden {
        let root = source.path.display();
        tracing::warn!("the table {table} of {root} does not answer: another is served by this name");
    }
    let root: Arc<dyn Root> = directory.clone();
    let keeper = Keeper::start(root, Arc::clone(catalog), options)?;
    Ok(FollowedRoot { source: source.clone(), directory, keeper, puller })
}

fn set_default(config: &Config, catalog: &Catalog) {
    let default = config.options.default.clone();
    catalog.set_default(default.map(|name| catalog.reserve(name)));
}

impl FollowingState {
    /// Has everything looked at now.
    fn look(&self) {
        self.roots.iter().for_each(|root| root.keeper.look());
        self.roots.iter().filter_map(|root| root.puller.as_ref()).for_each(|puller| puller.look());
        self.file_keeper.iter().for_each(FileKeeper::look);
    }

    fn follow_files(&mut self, catalog: &Arc<Catalog>) -> Result<(), RootError> {
        let lasting = self.files.iter().filter(|table| !table.source.comes_slowly());
        let files = lasting.map(|table| table.followed(&self.config.options, catalog)).collect();
        self.file_keeper = Some(FileKeeper::start(Arc::clone(catalog), files, FILES_POLL)?);
        Ok(())
    }

    /// Opens, checks and loads what `next` adds, so that what fails leaves everything as it is.
    fn prepare(&self, next: &Config) -> Outcome<Prepared> {
        let mut prepared = Prepared { files: Vec::new(), roots: Vec::new() };
        for source in &next.sources.files {
            if self.files.iter().any(|table| table.source.answers_alike(source)) {
                continue;
            }
            let stamp = FileStamp::of(&source.path);
            let store = Table::open(&source.path)
                .and_then(|table| load_anew(table, &options_of(source, &next.options)))
                .map_err(|failure| next.at(source.origin, failure))?;
            prepared.files.push((source.clone(), stamp, store));
        }
        for source in &next.sources.roots {
            if !self.roots.iter().any(|root| root.source.is_same(source)) {
                prepared.roots.push((source.clone(), open_root(source, next)?));
            }
        }
        Ok(prepared)
    }

    /// Serves by `next` from now on, and says what has changed. What is new answers before what is old is gone.
    fn change(&mut self, next: Config, prepared: Prepared, shared: &FollowersInner) -> String {
        let catalog = &shared.catalog;
        let options = DECLARED
            .iter()
            .filter(|declared| declared.show(&self.config.options) != declared.show(&next.options));
        let mut changes = Changes {
            changed: options.map(|declared| declared.name.to_owned()).collect(),
            ..Changes::default()
        };
        shared.log.set(next.options.log);
        let before = std::mem::replace(&mut self.config, next);
        let config = self.config.clone();
        let files = self.file_keeper.take().map(FileKeeper::stop).unwrap_or_default();

        // Nothing may follow a table any longer when something else comes to answer for it.
        let mut gone: Vec<TableId> = Vec::new();
        for mut root in std::mem::take(&mut self.roots) {
            match config.sources.roots.iter().find(|source| source.is_same(&root.source)) {
                Some(source) => {
                    let others = &except(&root.source, &before) | &except(source, &config);
                    root.keeper.set_options(keeper_options(source, &config, others));
                    root.source = source.clone();
                    self.roots.push(root);
                }
                None => {
                    gone.extend(root.keeper.stop());
                    let name = root.source.only.as_ref();
                    gone.extend(name.map(|name| catalog.reserve(name.clone())));
                    changes.removed.push(root.source.path.display().to_string());
                }
            }
        }
        let former = std::mem::take(&mut self.files);
        for mut table in former {
            if let Some(file) = files.iter().find(|file| file.table == table.id) {
                table.stamp = file.stamp;
            }
            let name = &table.source.name;
            match config.sources.files.iter().find(|source| source.name == *name) {
                Some(source) if table.source.answers_alike(source) => {
                    if table.source.watch != source.watch {
                        changes.changed.push(format!("watch of {name}"));
                    }
                    table.source = source.clone();
                    self.files.push(table);
                }
                Some(_) => changes.changed.push(name.to_string()),
                None => {
                    changes.removed.push(name.to_string());
                    gone.push(table.id);
                }
            }
        }

        for (source, stamp, store) in prepared.files {
            let id = catalog.add(source.name.clone());
            if !changes.changed.iter().any(|name| name == source.name.as_str()) {
                changes.added.push(source.name.to_string());
            }
            catalog.switch_to(id, VersionName::of_identity(store.identity()), store);
            self.files.push(ServedTable { id, source, stamp });
        }
        for (source, directory) in prepared.roots {
            match follow(&source, directory, &config, catalog) {
                Ok(root) => {
                    changes.added.push(source.path.display().to_string());
                    self.roots.push(root);
                }
                Err(error) => tracing::error!("{}: {}", source.path.display(), explain(&error, "")),
            }
        }
        set_default(&config, catalog);

        let claimed = self.claimed();
        let snapshot = catalog.snapshot();
        for id in gone {
            if snapshot.table(id).is_some_and(|table| !claimed.contains(table.name())) {
                catalog.remove(id);
            }
        }
        catalog.drop_unused();
        for root in &self.roots {
            if let Some(puller) = &root.puller {
                puller.set_options(object_store::pull_options(&root.source, &config.options));
            }
            root.keeper.set_options(keeper_options(&root.source, &config, except(&root.source, &config)));
        }
        if let Err(error) = self.follow_files(catalog) {
            tracing::error!("{}; changes of files are not noticed", explain(&error, ""));
        }
        changes.to_string()
    }

    /// The tables that answer by the configuration.
    fn claimed(&self) -> BTreeSet<TableName> {
        let mut claimed = self.config.sources.names();
        for root in self.roots.iter().filter(|root| root.source.only.is_none()) {
            // What cannot be listed now is removed by its keeper, or not at all.
            claimed.extend(root.directory.tables().into_iter().flatten());
        }
        claimed
    }
}

/// What another configuration has changed, for the log.
#[derive(Default)]
struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)];
        let said: Vec<String> = all
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect();
        f.write_str(if said.is_empty() { "nothing has changed" } else { "" })?;
        f.write_str(&said.join("; "))
    }
}
