//! Follows a root: loads the versions that its tables are to answer with, and switches to them.
//!
//! One thread a root. It looks when the root says that something has changed, and every now and then besides. A version is
//! opened, asked its gates, verified whole, brought to where it is kept, and switched to; what fails in one of these is
//! refused by name, and the version before goes on answering.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use graven_format::{Storage, Store};

use crate::catalog::{Catalog, Condition, TableId, TableState};
use crate::loading::keep;
use crate::memory::available_bytes;
use crate::root::{
    Current, CurrentState, GateContext, Root, RootError, TableName, TableSettings, TableStorage, VersionName,
    refusals, watch_directory,
};

/// How a root is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperOptions {
    /// How often the root is looked at although nothing is known to have changed. Default: 5 seconds.
    pub poll: Duration,
    /// Bytes a second that a version is verified with at most while another answers; `None` as fast as it goes. Default:
    /// 200 MB.
    pub load_rate: Option<u64>,
    /// Versions that may be named whichever answers, as long as they are in the root.
    pub hold: Vec<(TableName, VersionName)>,
    /// Where versions are kept whose `table.toml` does not say it; `None` in memory where they have room, else on disk.
    pub storage: Option<TableStorage>,
    /// The only table that is followed; `None` for all that the root has. Default: `None`.
    pub only: Option<TableName>,
    /// Tables that are not followed, because something else answers by their names. Default: none.
    pub except: BTreeSet<TableName>,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(5),
            load_rate: Some(200_000_000),
            hold: Vec::new(),
            storage: None,
            only: None,
            except: BTreeSet::new(),
        }
    }
}

impl KeeperOptions {
    /// Whether a table of the root is followed.
    pub fn follows(&self, table: &TableName) -> bool {
        self.only.as_ref().is_none_or(|only| only == table) && !self.except.contains(table)
    }
}

/// A thread that follows a root, until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    wake: Sender<()>,
    over: Arc<AtomicBool>,
    /// Locked by the thread for as long as it acts by them.
    options: Arc<Mutex<KeeperOptions>>,
    /// Gives the tables that it followed.
    thread: Option<JoinHandle<Vec<TableId>>>,
}

fn locked(options: &Mutex<KeeperOptions>) -> MutexGuard<'_, KeeperOptions> {
    // They are replaced as a whole.
    options.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Looks at `root` once, so that the tables and what they can answer with at once are in `catalog` when this returns; then
    /// a thread follows it.
    ///
    /// # Errors
    /// When the root cannot be read, or the thread cannot be started.
    pub fn start(
        root: Arc<dyn Root>,
        catalog: Arc<Catalog>,
        options: KeeperOptions,
    ) -> Result<Self, RootError> {
        Self::start_with(root, catalog, options, Box::new(available_bytes))
    }

    /// As [`Self::start`], where `available_bytes` says how much memory there is to take.
    pub(crate) fn start_with(
        root: Arc<dyn Root>,
        catalog: Arc<Catalog>,
        options: KeeperOptions,
        available_bytes: AvailableBytes,
    ) -> Result<Self, RootError> {
        let (wake, woken) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let mut following = RootFollower {
            root,
            catalog,
            options,
            available_bytes,
            over: Arc::clone(&over),
            tables: BTreeMap::new(),
            root_fails: false,
            not_held: BTreeSet::new(),
        };
        for table in following.root.tables()? {
            if following.options.follows(&table) {
                following.begin(table);
            }
        }
        // Where it cannot be watched, it is looked at now and then.
        let watched = following.root.directory().map(|path| watch_directory(&path, wake.clone()));
        if let Some(Err(error)) = &watched {
            tracing::info!(%error, "the root cannot be watched; it is looked at every {:?}", following.options.poll);
        }
        let builder = thread::Builder::new().name("keeper".into());
        let options = Arc::new(Mutex::new(following.options.clone()));
        let started = builder.spawn({
            let options = Arc::clone(&options);
            move || following.run(&woken, &options)
        });
        let thread = started.map_err(|source| RootError::Io {
            doing: "start a thread for",
            path: "the root".into(),
            source,
        })?;
        Ok(Self { wake, over, options, thread: Some(thread) })
    }

    /// Follows the root in another way from now on. It waits until nothing is under way that began by the former options,
    /// such as loading a version. Tables that are no longer followed go on answering; versions that are no longer to be held
    /// are given up.
    pub fn set_options(&self, options: KeeperOptions) {
        *locked(&self.options) = options;
        self.look();
    }

    /// Ends the thread, when it has loaded what it is loading, and gives the tables that it followed. They go on answering.
    pub fn stop(mut self) -> Vec<TableId> {
        self.over.store(true, Ordering::Relaxed);
        self.look();
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Has the root looked at now.
    pub fn look(&self) {
        // Where the thread has ended there is nothing to look for.
        let _ = self.wake.send(());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.look();
    }
}

/// Says how many bytes of memory there are to take, where that is known.
pub(crate) type AvailableBytes = Box<dyn Fn() -> Option<u64> + Send>;

pub(crate) struct RootFollower {
    pub(crate) root: Arc<dyn Root>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) options: KeeperOptions,
    pub(crate) available_bytes: AvailableBytes,
    pub(crate) over: Arc<AtomicBool>,
    tables: BTreeMap<TableName, FollowedTable>,
    /// The last look at the root failed, and that was logged.
    root_fails: bool,
    /// Versions that are to be held and cannot be, which was logged.
    not_held: BTreeSet<(TableName, VersionName)>,
}

/// What is known of a table that is followed.
#[derive(Debug)]
struct FollowedTable {
    id: TableId,
    /// Listings since it was last seen; it is removed after two.
    missing: u32,
    /// What was refused, by what it was refused for, so that it is not tried again before something changes.
    refused: Option<(VersionName, Seen)>,
    /// The last trouble that was logged.
    logged: Option<String>,
}

/// What a decision was made from.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    current: CurrentState,
    settings: Option<TableSettings>,
    /// The version's bytes and time; another file under its name is another chance.
    file: Option<(u64, std::time::SystemTime)>,
    /// The probe, and whether the marker is there.
    beside: (Option<Vec<u8>>, bool),
}

/// Why a version is not switched to.
pub(crate) type Reason = String;

/// What a version has to pass beside being whole.
struct Gates<'s> {
    settings: &'s TableSettings,
    /// The version that it may not differ too much from.
    compared_with: Option<Arc<Store>>,
}

impl RootFollower {
    fn run(mut self, woken: &Receiver<()>, options: &Mutex<KeeperOptions>) -> Vec<TableId> {
        lower_priority();
        while !self.over.load(Ordering::Relaxed) {
            let wanted = locked(options);
            self.options.clone_from(&wanted);
            self.look();
            drop(wanted);
            self.catalog.drop_unused();
            match woken.recv_timeout(self.options.poll) {
                Err(RecvTimeoutError::Disconnected) => break,
                // What has changed together is looked at together.
                Ok(()) => while woken.try_recv().is_ok() {},
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.tables.values().map(|table| table.id).collect()
    }

    /// Looks at the root once.
    fn look(&mut self) {
        let mut listed = match self.root.tables() {
            Ok(listed) => listed,
            Err(error) => {
                if !std::mem::replace(&mut self.root_fails, true) {
                    tracing::warn!(%error, "the root cannot be read; what is served stays as it is");
                }
                return;
            }
        };
        self.root_fails = false;
        listed.retain(|table| self.options.follows(table));
        self.tables.retain(|table, _| self.options.follows(table));
        for table in &listed {
            self.tables
                .entry(table.clone())
                .or_insert_with(|| FollowedTable::new(&self.catalog, table))
                .missing = 0;
        }
        let catalog = &self.catalog;
        self.tables.retain(|name, table| {
            if !listed.contains(name) {
                table.missing += 1;
            }
            let stays = table.missing < 2;
            if !stays {
                catalog.remove(table.id);
                tracing::info!(table = name.as_str(), "removed");
            }
            stays
        });
        for name in listed {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            self.follow(&name);
            self.hold(&name);
        }
    }

    /// Has the versions of a table that are held on purpose at hand.
    fn hold(&mut self, name: &TableName) {
        let Some(id) = self.tables.get(name).map(|table| table.id) else { return };
        let wanted: Vec<VersionName> = self
            .options
            .hold
            .iter()
            .filter(|(table, _)| table == name)
            .map(|(_, version)| version.clone())
            .collect();
        let snapshot = self.catalog.snapshot();
        let held = snapshot.table(id).into_iter().flat_map(TableState::held);
        for version in held.filter(|version| !wanted.contains(version.name())) {
            self.catalog.release(id, version.name());
            tracing::info!(table = name.as_str(), version = version.name().as_str(), "no longer held");
        }
        self.not_held.retain(|(table, version)| table != name || wanted.contains(version));
        for version in wanted {
            let snapshot = self.catalog.snapshot();
            let is_held = snapshot.table(id).is_some_and(|table| table.holds(&version));
            if is_held {
                continue;
            }
            match self.open_held(name, id, &version) {
                Ok(store) => {
                    tracing::info!(table = name.as_str(), version = version.as_str(), "held");
                    self.catalog.hold(id, version, store);
                }
                Err(reason) => {
                    if self.not_held.insert((name.clone(), version.clone())) {
                        tracing::warn!(
                            table = name.as_str(),
                            version = version.as_str(),
                            "it cannot be held: {reason}"
                        );
                    }
                }
            }
        }
    }

    fn open_held(
        &mut self,
        name: &TableName,
        id: TableId,
        version: &VersionName,
    ) -> Result<Arc<Store>, Reason> {
        // What answers already is not loaded twice.
        if let Some(known) =
            self.catalog.snapshot().table(id).and_then(|table| table.version(version.as_str()))
        {
            return Ok(Arc::clone(known.store()));
        }
        let settings = self.root.settings(name).map_err(|error| error.to_string())?;
        let file = self.root.open(name, version).map_err(|error| error.to_string())?;
        let store = Store::from_file(file, Storage::Memory).map_err(|error| error.to_string())?;
        store.verify_with(|_, _| {}).map_err(|error| error.to_string())?;
        let storage = self.place(name, id, &store, &settings)?;
        keep(store, storage).map(Arc::new)
    }

    /// At the start: has a table answer from its file at once, if it can.
    fn begin(&mut self, name: TableName) {
        let followed = FollowedTable::new(&self.catalog, &name);
        let id = followed.id;
        self.tables.insert(name.clone(), followed);
        let Ok(state) = self.root.current(&name) else { return };
        let Some(current) = state.known() else { return };
        self.catalog.require(id);
        let Ok(settings) = self.root.settings(&name) else { return };
        let gates = self.gates(&name, id, current, &settings);
        let opened = self.open(&name, current.version(), gates.as_ref());
        if let Ok(store) = opened {
            self.catalog.switch_to(id, current.version().clone(), store);
        }
    }

    fn follow(&mut self, name: &TableName) {
        let Some(id) = self.tables.get(name).map(|table| table.id) else { return };
        match self.try_follow(name, id) {
            Ok(()) => {
                if let Some(table) = self.tables.get_mut(name) {
                    table.logged = None;
                }
            }
            Err(trouble) => self.log_once(name, trouble),
        }
    }

    fn log_once(&mut self, name: &TableName, trouble: String) {
        let Some(table) = self.tables.get_mut(name) else { return };
        if table.logged.as_ref() != Some(&trouble) {
            tracing::warn!(table = name.as_str(), "{trouble}");
            table.logged = Some(trouble);
        }
    }

    fn try_follow(&mut self, name: &TableName, id: TableId) -> Result<(), Reason> {
        let state = self.root.current(name).map_err(|error| error.to_string())?;
        let current = match &state.current {
            None => return Ok(()),
            Some(Err(reason)) => return Err(format!("CURRENT: {reason}; what answers stays as it is")),
            Some(Ok(current)) => current.clone(),
        };
        let settings = self.root.settings(name);
        let wanted = current.version().clone();
        let is_loaded = self.serving(id).is_some_and(|(version, store)| {
            version == wanted && (store.is_loaded() || store.disk().is_some() || store.is_mapped())
        });
        if is_loaded {
            let frozen = if current.is_frozen() { Condition::Frozen } else { Condition::Serving };
            self.set_condition(id, frozen);
            return Ok(());
        }
        let seen = self.see(name, &wanted, state, settings.as_ref().ok());
        let known = self.tables.get(name).and_then(|table| table.refused.as_ref());
        if known.is_some_and(|(version, before)| *version == wanted && *before == seen) {
            return Ok(());
        }
        let settings = settings.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let gates = self.gates(name, id, &current, &settings);
        match self.switch(name, id, &wanted, &settings, gates) {
            Ok(()) => {
                tracing::info!(
                    table = name.as_str(),
                    version = wanted.as_str(),
                    seconds = began.elapsed().as_secs_f64(),
                    "switched"
                );
                self.catalog.set_last_switch(id, began.elapsed());
                if let Some(table) = self.tables.get_mut(name) {
                    table.refused = None;
                }
                if current.is_frozen() {
                    self.set_condition(id, Condition::Frozen);
                }
                Ok(())
            }
            Err(reason) => {
                if let Some(table) = self.tables.get_mut(name) {
                    table.refused = Some((wanted.clone(), seen));
                }
                let answers = self.fall_back(name, id, &wanted, &current, &settings);
                self.set_condition(
                    id,
                    Condition::Refused { version: wanted.clone(), reason: reason.clone() },
                );
                Err(format!("{name}@{wanted} is refused: {reason}; {answers}"))
            }
        }
    }

    /// What the decision about `wanted` is made from.
    fn see(
        &self,
        name: &TableName,
        wanted: &VersionName,
        current: CurrentState,
        settings: Option<&TableSettings>,
    ) -> Seen {
        let versions = self.root.versions(name).unwrap_or_default();
        let file = versions.iter().find(|version| version.name == *wanted);
        let beside = |file: String| self.root.beside(name, &file).ok().flatten();
        let probe = settings.and_then(|settings| settings.probe.clone()).and_then(beside);
        let marker = settings.and_then(|settings| settings.require_marker.as_ref());
        let marker = marker.and_then(|marker| beside(format!("{wanted}.{marker}")));
        Seen {
            current,
            settings: settings.cloned(),
            file: file.map(|version| (version.bytes, version.put)),
            beside: (probe, marker.is_some()),
        }
    }

    /// The gates for the version that is to answer; `None` where it was gone back to or let in by force. What it is compared
    /// with is the version before it in the history, as when it was published, so that every server decides alike.
    fn gates<'s>(
        &self,
        name: &TableName,
        id: TableId,
        current: &Current,
        settings: &'s TableSettings,
    ) -> Option<Gates<'s>> {
        if !current.asks_gates() {
            return None;
        }
        let serving = self.serving(id).filter(|(version, _)| version != current.version());
        let before = current.rollback_target(|_| true).filter(|_| settings.max_change.is_some());
        let before = before.filter(|before| serving.as_ref().is_none_or(|(version, _)| version != *before));
        let before = before.and_then(|before| self.open(name, before, None).ok());
        let compared_with = before.map(Arc::new).or(serving.map(|(_, store)| store));
        Some(Gates { settings, compared_with })
    }

    fn serving(&self, id: TableId) -> Option<(VersionName, Arc<Store>)> {
        let snapshot = self.catalog.snapshot();
        let version = snapshot.table(id)?.current()?;
        Some((version.name().clone(), Arc::clone(version.store())))
    }

    fn set_condition(&self, id: TableId, condition: Condition) {
        let snapshot = self.catalog.snapshot();
        if snapshot.table(id).is_some_and(|table| *table.condition() != condition) {
            self.catalog.set_condition(id, condition);
        }
    }

    /// Where nothing that is right answers, has the newest version of the history answer that passes; says what answers.
    fn fall_back(
        &mut self,
        name: &TableName,
        id: TableId,
        refused: &VersionName,
        current: &Current,
        settings: &TableSettings,
    ) -> String {
        let bad = current.bad();
        let serving = self.serving(id).map(|(version, _)| version).filter(|version| version != refused);
        if let Some(version) = serving.as_ref().filter(|version| !bad.contains(version)) {
            return format!("{name}@{version} goes on answering");
        }
        let mut tried = vec![refused.clone()];
        for entry in current.history() {
            if tried.contains(&entry.version) || bad.contains(&entry.version) {
                continue;
            }
            tried.push(entry.version.clone());
            let gates = Gates { settings, compared_with: None };
            if self.switch(name, id, &entry.version, settings, Some(gates)).is_ok() {
                return format!("{name}@{} answers, the newest of its history that passes", entry.version);
            }
        }
        if let Some(version) = serving {
            return format!(
                "{name}@{version} goes on answering although it was rolled back from, for no other can"
            );
        }
        self.catalog.withdraw(id);
        "no version of it answers".to_owned()
    }

    /// Opens a version as far as its header, and asks the gates.
    fn open(
        &self,
        name: &TableName,
        version: &VersionName,
        gates: Option<&Gates<'_>>,
    ) -> Result<Store, Reason> {
        let file = self.root.open(name, version).map_err(|error| error.to_string())?;
        let store = Store::from_file(file, Storage::Memory).map_err(|error| error.to_string())?;
        let Some(Gates { settings, compared_with }) = gates else { return Ok(store) };
        let probe = settings.probe.as_ref().map(|file| match self.root.beside(name, file) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("there is no {file}")),
            Err(error) => Err(error.to_string()),
        });
        let marker = match &settings.require_marker {
            Some(marker) => {
                let file = format!("{version}.{marker}");
                let there = self.root.beside(name, &file).map_err(|error| error.to_string())?;
                Some((file, there.is_some()))
            }
            None => None,
        };
        let context = GateContext { current: compared_with.clone(), probe, marker };
        let refusals = refusals(settings, &store, &context);
        if refusals.is_empty() {
            return Ok(store);
        }
        Err(refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Loads a version, and switches to it.
    fn switch(
        &mut self,
        name: &TableName,
        id: TableId,
        version: &VersionName,
        settings: &TableSettings,
        gates: Option<Gates<'_>>,
    ) -> Result<(), Reason> {
        let serving = self.serving(id);
        let is_first = serving.is_none();
        let store = self.open(name, version, gates.as_ref())?;
        // What has to go where memory is short is not held here: neither the version that answers, unless it is this one and
        // answers from its file, nor the one that the gates compare with.
        drop(gates);
        let serving = serving.filter(|(serving, _)| serving == version).map(|(_, serving)| serving);
        let total = store.carved_bytes();
        self.catalog.set_condition(id, Condition::Loading { version: version.clone(), done: 0, total });
        self.verify(id, version, &store, is_first || serving.is_some())?;
        let storage = self.place(name, id, &store, settings)?;
        let store = match storage {
            TableStorage::Ram => {
                // What answers from its file already is brought into memory where it is.
                let store = serving.clone().unwrap_or_else(|| Arc::new(store));
                store.load().map_err(|error| error.to_string())?;
                store
            }
            other => Arc::new(keep(store, other)?),
        };
        let is_serving = serving.is_some_and(|serving| Arc::ptr_eq(&serving, &store));
        if is_serving {
            self.catalog.set_condition(id, Condition::Serving);
        } else {
            self.catalog.switch_to(id, version.clone(), store);
        }
        Ok(())
    }
}

impl FollowedTable {
    fn new(catalog: &Catalog, name: &TableName) -> Self {
        Self { id: catalog.add(name.clone()), missing: 0, refused: None, logged: None }
    }
}

/// Has the calling thread give way to those that answer; where that is refused, it goes on as it is.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // On Linux, this is the thread and not the process.
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), 10);
    }
}
