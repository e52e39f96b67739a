//! Follows a root: loads the versions that its tables are to answer with, and switches to them.
//!
//! One thread a root, which is told by another (`rollbacks.rs`) where there is something to look
//! at. A version is opened, asked its gates, verified whole, brought to where it is kept, and
//! switched to (`loading.rs`); what fails in one of these is refused by name, and the version
//! before goes on answering.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::catalog::{Catalog, Condition, TableId, TableState};
use crate::loading::{Decision, NotSwitched, Reason, condition, is_settled};
use crate::memory::available_bytes;
use crate::retry::Retry;
use crate::rollbacks::RollbackFollower;
use crate::root::{
    CurrentState, Root, RootChange, RootError, TableName, TableSettings, TableStorage, VersionName,
    watch_directory,
};

/// How a root is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperOptions {
    /// How often the root is looked at although nothing is known to have changed. Default: 5
    /// seconds.
    pub poll: Duration,
    /// Bytes a second that a version is verified with at most while another answers; `None` as
    /// fast as it goes. Default: 200 MB.
    pub load_rate: Option<u64>,
    /// Versions that may be named whichever answers, as long as they are in the root.
    pub hold: Vec<(TableName, VersionName)>,
    /// Where versions are kept whose `table.toml` does not say it; `None` in memory where they
    /// have room, else on disk.
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

/// Threads that follow a root, until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    wake: Sender<RootChange>,
    over: Arc<AtomicBool>,
    shared: Arc<SharedRoot>,
    threads: Option<KeeperThreads>,
}

#[derive(Debug)]
struct KeeperThreads {
    rollbacks: JoinHandle<()>,
    /// Gives the tables that it followed.
    loading: JoinHandle<Vec<TableId>>,
}

impl Keeper {
    /// Looks at `root` once, so that the tables and what they can answer with at once are in
    /// `catalog` when this returns; then threads follow it.
    ///
    /// # Errors
    /// When the root cannot be read, or a thread cannot be started.
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
        let (look, told) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(SharedRoot {
            root,
            catalog,
            deciding: Mutex::new(Deciding { options: options.clone(), refused: BTreeMap::new() }),
            looking: Mutex::new(()),
        });
        let mut following = RootFollower {
            shared: Arc::clone(&shared),
            options,
            available_bytes,
            over: Arc::clone(&over),
            tables: BTreeMap::new(),
            root_fails: false,
            not_held: BTreeSet::new(),
        };
        let mut tables = shared.root.tables()?;
        tables.retain(|table| following.options.follows(table));
        following.know(&tables);
        tables.iter().for_each(|table| following.begin(table));
        // Where it cannot be watched, it is looked at now and then.
        let watched = shared.root.directory().map(|path| watch_directory(&path, wake.clone()));
        if let Some(Err(error)) = &watched {
            let poll = following.options.poll;
            tracing::info!(%error, "the root cannot be watched; it is looked at every {poll:?}");
        }
        let ahead = RollbackFollower { shared: Arc::clone(&shared), look, over: Arc::clone(&over) };
        let rollbacks = start_thread("rollbacks", move || ahead.run(&woken))?;
        let loading = start_thread("keeper", move || following.run(&told))?;
        Ok(Self { wake, over, shared, threads: Some(KeeperThreads { rollbacks, loading }) })
    }

    /// Follows the root in another way from now on. It waits until nothing is under way that began
    /// by the former options, such as loading a version. Tables that are no longer followed go on
    /// answering; versions that are no longer to be held are given up.
    pub fn set_options(&self, options: KeeperOptions) {
        let nobody_looks = self.shared.looking();
        self.shared.deciding().options = options;
        drop(nobody_looks);
        self.look();
    }

    /// Ends the threads, when what is loading is loaded, and gives the tables that were followed.
    /// They go on answering.
    pub fn stop(mut self) -> Vec<TableId> {
        self.end();
        let Some(KeeperThreads { rollbacks, loading }) = self.threads.take() else { return Vec::new() };
        // One that has panicked has followed nothing since.
        let _ = rollbacks.join();
        loading.join().unwrap_or_default()
    }

    /// Has the root looked at now.
    pub fn look(&self) {
        // Where the thread has ended there is nothing to look for.
        let _ = self.wake.send(RootChange::All);
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.look();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn start_thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RootError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|source| RootError::Io { doing: "start a thread for", path: "the root".into(), source })
}

/// What the threads that follow a root have in common.
#[derive(Debug)]
pub(crate) struct SharedRoot {
    pub(crate) root: Arc<dyn Root>,
    pub(crate) catalog: Arc<Catalog>,
    deciding: Mutex<Deciding>,
    /// Locked while the thread that loads looks at the root, before [`Self::deciding`].
    looking: Mutex<()>,
}

/// What the threads decide by. It is locked while `CURRENT` is read and followed, so that nobody
/// acts upon what another thread has overtaken.
#[derive(Debug)]
pub(crate) struct Deciding {
    pub(crate) options: KeeperOptions,
    /// Versions that `CURRENT` names and that were refused.
    pub(crate) refused: BTreeMap<TableName, VersionName>,
}

impl SharedRoot {
    pub(crate) fn deciding(&self) -> MutexGuard<'_, Deciding> {
        // Each part of it is replaced as a whole.
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looking(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says how many bytes of memory there are to take, where that is known.
pub(crate) type AvailableBytes = Box<dyn Fn() -> Option<u64> + Send>;

pub(crate) struct RootFollower {
    pub(crate) shared: Arc<SharedRoot>,
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
    refused: Option<RefusedVersion>,
    /// The last trouble that was logged.
    logged: Option<String>,
}

/// What came of looking at a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Followed {
    /// It answers as it is to, or nothing is new.
    Settled,
    /// A version was refused, and that is logged.
    Refused,
}

/// A version that was refused. It is not tried again before something changes that it was refused
/// for, or before a time where the trouble may pass by itself.
#[derive(Debug)]
struct RefusedVersion {
    version: VersionName,
    seen: Seen,
    retry: Option<Retry>,
}

impl RefusedVersion {
    fn is_tried(&self, version: &VersionName, seen: &Seen) -> bool {
        self.version != *version
            || self.seen != *seen
            || self.retry.is_some_and(|retry| retry.is_due(Instant::now()))
    }
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

impl RootFollower {
    /// Looks at what it is told of, until nobody tells any longer; gives the tables that it followed.
    fn run(mut self, told: &Receiver<RootChange>) -> Vec<TableId> {
        lower_priority();
        let shared = Arc::clone(&self.shared);
        let mut look = RootChange::All;
        while !self.over.load(Ordering::Relaxed) {
            let looking = shared.looking();
            self.options.clone_from(&shared.deciding().options);
            match look {
                RootChange::All => self.look(),
                RootChange::Tables(tables) => self.look_at(tables.into_iter().collect()),
            }
            drop(looking);
            shared.catalog.drop_unused();
            let Ok(next) = told.recv() else { break };
            // What has changed together is looked at together.
            look = told.try_iter().fold(next, RootChange::and);
        }
        self.tables.values().map(|table| table.id).collect()
    }

    /// Looks at the root once.
    fn look(&mut self) {
        let mut listed = match self.shared.root.tables() {
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
        self.know(&listed);
        let catalog = &self.shared.catalog;
        self.tables.retain(|name, table| {
            match listed.binary_search(name) {
                Ok(_) => table.missing = 0,
                Err(_) => table.missing += 1,
            }
            let stays = table.missing < 2;
            if !stays {
                catalog.remove(table.id);
                tracing::info!(event = "table_removed", table = name.as_str(), "removed");
            }
            stays
        });
        self.look_at(listed);
    }

    /// Makes tables known that are new.
    fn know(&mut self, listed: &[TableName]) {
        let new: Vec<TableName> =
            listed.iter().filter(|name| !self.tables.contains_key(*name)).cloned().collect();
        if new.is_empty() {
            return;
        }
        let ids = self.shared.catalog.add_all(new.iter().cloned());
        let followed = |id| FollowedTable { id, missing: 0, refused: None, logged: None };
        self.tables.extend(new.into_iter().zip(ids.into_iter().map(followed)));
    }

    /// Has tables answer as their `CURRENT` says. One that is not known is new, and comes with the
    /// next look at all.
    fn look_at(&mut self, tables: Vec<TableName>) {
        for name in tables {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            if !self.options.follows(&name) {
                continue;
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
        // Nothing is held here of versions that may have to give way.
        let (given_up, missing) = {
            let snapshot = self.shared.catalog.snapshot();
            let held = snapshot.table(id).into_iter().flat_map(TableState::held);
            let held: Vec<VersionName> = held.map(|version| version.name().clone()).collect();
            let given_up: Vec<_> = held.iter().filter(|version| !wanted.contains(version)).cloned().collect();
            let missing: Vec<_> = wanted.iter().filter(|version| !held.contains(version)).cloned().collect();
            (given_up, missing)
        };
        for version in given_up {
            self.shared.catalog.release(id, &version);
            tracing::info!(table = name.as_str(), version = version.as_str(), "no longer held");
        }
        self.not_held.retain(|(table, version)| table != name || wanted.contains(version));
        for version in missing {
            match self.open_held(name, id, &version) {
                Ok(store) => {
                    tracing::info!(table = name.as_str(), version = version.as_str(), "held");
                    self.shared.catalog.hold(id, version, store);
                }
                Err(reason) => {
                    if self.not_held.insert((name.clone(), version.clone())) {
                        tracing::warn!(
                            table = name.as_str(),
                            version = version.as_str(),
                            "it cannot be held: {}",
                            reason.text
                        );
                    }
                }
            }
        }
    }

    /// At the start: has a table answer from its file at once, if it can.
    fn begin(&mut self, name: &TableName) {
        let Some(id) = self.tables.get(name).map(|table| table.id) else { return };
        let Ok(state) = self.shared.root.current(name) else { return };
        let Some(current) = state.known() else { return };
        self.shared.catalog.require(id);
        let Ok(settings) = self.shared.root.settings(name) else { return };
        let decision = Decision { name, id, state: &state, settings: &settings };
        let opened = self.shared.open(name, current.version());
        let gates = self.gates(&decision, current);
        if let Ok(store) = opened
            && gates.is_none_or(|gates| self.ask(&decision, current.version(), &store, &gates).is_ok())
        {
            self.shared.catalog.switch_with(id, current.version().clone(), store, condition(current));
        }
    }

    fn follow(&mut self, name: &TableName) {
        let Some(id) = self.tables.get(name).map(|table| table.id) else { return };
        // What was overtaken is begun anew, with what CURRENT says by now.
        let result = loop {
            match self.try_follow(name, id) {
                Err(NotSwitched::Overtaken) if !self.over.load(Ordering::Relaxed) => {}
                Err(NotSwitched::Overtaken) => return,
                Err(NotSwitched::Refused(reason)) => break Err(reason.text),
                Ok(followed) => break Ok(followed),
            }
        };
        match result {
            Ok(Followed::Refused) => {}
            Ok(Followed::Settled) => {
                if let Some(table) = self.tables.get_mut(name) {
                    table.logged = None;
                }
            }
            Err(trouble) => self.log_once(name, None, trouble),
        }
    }

    /// Logs why a table does not answer as its `CURRENT` says, or why a version of it was refused.
    fn log_once(&mut self, name: &TableName, refused: Option<&VersionName>, trouble: String) {
        let Some(table) = self.tables.get_mut(name) else { return };
        if table.logged.as_ref() != Some(&trouble) {
            let event = if refused.is_some() { "version_refused" } else { "table_not_followed" };
            let version = refused.map(VersionName::as_str);
            tracing::warn!(event, table = name.as_str(), version, "{trouble}");
            table.logged = Some(trouble);
        }
    }

    fn try_follow(&mut self, name: &TableName, id: TableId) -> Result<Followed, NotSwitched> {
        let state = self.shared.root.current(name)?;
        let current = match &state.current {
            None => return Ok(Followed::Settled),
            Some(Err(reason)) => {
                return Err(format!("CURRENT: {reason}; what answers stays as it is").into());
            }
            Some(Ok(current)) => current,
        };
        let wanted = current.version();
        let serving = self.shared.serving(id).filter(|version| version.name() == wanted);
        if serving.as_ref().is_some_and(|version| is_settled(version.store())) {
            self.set_condition(id, condition(current));
            return Ok(Followed::Settled);
        }
        // From its file, since the start or a rollback.
        let answers_already = serving.is_some();
        drop(serving);
        let settings = self.shared.root.settings(name);
        let seen = self.see(name, wanted, state.clone(), settings.as_ref().ok());
        let known = self.tables.get(name).and_then(|table| table.refused.as_ref());
        if known.is_some_and(|refused| !refused.is_tried(wanted, &seen)) {
            return Ok(Followed::Settled);
        }
        let settings = settings?;
        let began = Instant::now();
        let decision = Decision { name, id, state: &state, settings: &settings };
        let gates = self.gates(&decision, current);
        match self.switch(&decision, wanted, gates) {
            Ok(()) => {
                tracing::info!(
                    event = if answers_already { "version_loaded" } else { "table_switched" },
                    table = name.as_str(),
                    version = wanted.as_str(),
                    seconds = began.elapsed().as_secs_f64(),
                    "{}",
                    if answers_already { "loaded" } else { "switched" }
                );
                if !(answers_already && current.was_gone_back_to()) {
                    self.shared.catalog.set_last_switch(id, began.elapsed());
                }
                if let Some(table) = self.tables.get_mut(name) {
                    table.refused = None;
                }
                self.shared.deciding().refused.remove(name);
                Ok(Followed::Settled)
            }
            Err(NotSwitched::Refused(reason)) => {
                let Reason { text: reason, may_pass } = reason;
                if let Some(table) = self.tables.get_mut(name) {
                    let before = table.refused.take().filter(|before| before.seen == seen);
                    let before = before.and_then(|before| before.retry);
                    let retry = || Retry::after(before, self.options.poll, began.elapsed(), Instant::now());
                    let retry = may_pass.then(retry);
                    table.refused = Some(RefusedVersion { version: wanted.clone(), seen, retry });
                }
                self.shared.deciding().refused.insert(name.clone(), wanted.clone());
                let answers = self.fall_back(&decision, current)?;
                self.set_condition(
                    id,
                    Condition::Refused { version: wanted.clone(), reason: reason.clone() },
                );
                let trouble = format!("{name}@{wanted} is refused: {reason}; {answers}");
                self.log_once(name, Some(wanted), trouble);
                Ok(Followed::Refused)
            }
            Err(NotSwitched::Overtaken) => Err(NotSwitched::Overtaken),
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
        let versions = self.shared.root.versions(name).unwrap_or_default();
        let file = versions.iter().find(|version| version.name == *wanted);
        let beside = |file: String| self.shared.root.beside(name, &file).ok().flatten();
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

    fn set_condition(&self, id: TableId, condition: Condition) {
        let snapshot = self.shared.catalog.snapshot();
        if snapshot.table(id).is_some_and(|table| *table.condition() != condition) {
            self.shared.catalog.set_condition(id, condition);
        }
    }
}

/// Has the calling thread give way to those that answer; where that is refused, it goes on as it
/// is.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // On Linux, this is the thread and not the process.
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), 10);
    }
}
