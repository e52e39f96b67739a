//! Fetches the versions of a root in an object store into a directory, which is a root of its own
//! and followed as one.
//!
//! One thread looks at the store now and then, another fetches what is to be here (`plan.rs`). A
//! version has its name in the directory once it is whole, verified and on disk, and `CURRENT` is
//! written after the version that it names. So whatever happens to the store or to this process,
//! the directory is a root from which the versions that are here are served.

mod fetch;
mod look;
mod plan;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::catalog::{Catalog, SourceCondition};
use crate::keeper::start_thread;
use crate::pull::look::ReadObjects;
use crate::pull::plan::{AnsweringVersions, LocalVersions, RemoteTable, WantedVersion};
use crate::retry::Retry;
use crate::root::{BucketRoot, Directory, Root, RootError, TableName, VersionName};

/// Which process fetches into a directory.
const LOCK: &str = ".fetching";

/// How versions are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullOptions {
    /// How often the store is looked at, give or take a tenth. Default: 5 seconds.
    pub poll: Duration,
    /// Bytes a second that are fetched at most; `None` as fast as it goes. Default: `None`.
    pub rate: Option<u64>,
    /// Bytes of versions that may be here; `None` for as many as there is room for. Default:
    /// `None`.
    pub bytes_max: Option<u64>,
    /// The only table that is fetched; `None` for all that the root has. Default: `None`.
    pub only: Option<TableName>,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { poll: Duration::from_secs(5), rate: None, bytes_max: None, only: None }
    }
}

/// Threads that fetch the versions of a root, until it is dropped: then they have ended, and
/// another may fetch into the directory.
#[derive(Debug)]
pub struct Puller {
    pulling: Arc<Pulling>,
    threads: Vec<JoinHandle<()>>,
}

impl Puller {
    /// Looks at the store once, so that the tables are known when this returns; then threads
    /// fetch their versions into `directory`. Where the store cannot be reached and versions are
    /// here, these are served.
    ///
    /// # Errors
    /// When the store cannot be read and nothing is here, when the directory cannot be written,
    /// and when another process fetches into it.
    pub fn start(
        bucket: BucketRoot,
        directory: Directory,
        catalog: Arc<Catalog>,
        options: PullOptions,
    ) -> Result<Self, RootError> {
        let path = directory.directory().unwrap_or_default();
        let lock = lock(&path)?;
        let pulling = Arc::new(Pulling {
            bucket,
            directory,
            catalog,
            over: AtomicBool::new(false),
            state: Mutex::new(PullState { options, ..PullState::default() }),
            changed: Condvar::new(),
            _lock: lock,
        });
        for table in pulling.directory.tables()? {
            pulling.directory.make_table(&table)?;
        }
        let mut small = ReadObjects::new();
        if let Err(error) = pulling.look_with(&mut small) {
            let has_current = |table: &TableName| {
                pulling.directory.current(table).is_ok_and(|current| current.known().is_some())
            };
            if !pulling.directory.tables()?.iter().any(has_current) {
                return Err(error);
            }
            tracing::warn!("{error}; what is in {} is served", path.display());
        }
        // Those that are to answer now; one that comes later keeps nobody from the others.
        let tables: Vec<TableName> = {
            let state = pulling.state();
            let answers = state.remote.iter().filter(|(_, listed)| listed.current.is_some());
            answers.map(|(table, _)| table.clone()).collect()
        };
        tables.into_iter().for_each(|table| pulling.catalog.require(pulling.catalog.add(table)));
        let (looking, fetching) = (Arc::clone(&pulling), Arc::clone(&pulling));
        let mut puller = Self { pulling, threads: Vec::new() };
        puller.threads.push(start_thread("look", move || looking.keep_looking(small))?);
        puller.threads.push(start_thread("fetch", move || fetching.keep_fetching())?);
        Ok(puller)
    }

    /// Looks at the store now.
    pub fn look(&self) {
        self.pulling.state().is_asked = true;
        self.pulling.changed.notify_all();
    }

    /// Fetches in another way from now on.
    pub fn set_options(&self, options: PullOptions) {
        self.pulling.state().options = options;
        self.look();
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        self.pulling.over.store(true, Ordering::Relaxed);
        // So that nobody begins to wait who has not seen it.
        drop(self.pulling.state());
        self.pulling.changed.notify_all();
        // What they wait for of the store.
        self.pulling.bucket.objects().stop();
        for thread in self.threads.drain(..) {
            // One that has panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// Keeps other processes from fetching into the directory.
fn lock(directory: &Path) -> Result<File, RootError> {
    let path = directory.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(RootError::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RootError::io("use", directory)(std::io::Error::other(
            "another process fetches into it; give each a directory of its own",
        ))),
        Err(error) => Err(RootError::io("lock", path)(error.into())),
    }
}

/// What the threads have in common.
#[derive(Debug)]
struct Pulling {
    bucket: BucketRoot,
    directory: Directory,
    catalog: Arc<Catalog>,
    over: AtomicBool,
    state: Mutex<PullState>,
    /// There is something to look at or to fetch, or it is over.
    changed: Condvar,
    _lock: File,
}

type VersionKey = (TableName, VersionName);

#[derive(Debug, Default)]
struct PullState {
    options: PullOptions,
    /// What the store had at the last look that came to an end.
    remote: BTreeMap<TableName, RemoteTable>,
    /// Looks at which a table was missing that is here.
    missing: BTreeMap<TableName, u32>,
    /// What is to be fetched, the most urgent first.
    wanted: Vec<WantedVersion>,
    /// What could not be fetched, and when that is tried again.
    failed: BTreeMap<VersionKey, FailedFetch>,
    /// What failed of single tables at the last look that came to an end.
    failing: BTreeMap<TableName, String>,
    /// Why the last look failed.
    unreachable: Option<String>,
    /// The store is to be looked at now.
    is_asked: bool,
}

#[derive(Debug)]
struct FailedFetch {
    /// The object, as it was listed then: another is tried at once.
    object: graven_objects::ObjectInfo,
    reason: String,
    /// It was fetched and is not what it is to be.
    is_damaged: bool,
    /// `None` where it stays wrong until another object is there.
    retry: Option<Retry>,
}

impl Pulling {
    fn state(&self) -> MutexGuard<'_, PullState> {
        // Each part of it is replaced as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The versions that are here.
    fn local(&self) -> Result<LocalVersions, RootError> {
        let mut local = LocalVersions::new();
        for table in self.directory.tables()? {
            let versions = self.directory.versions(&table)?;
            local.insert(table, versions.into_iter().map(|version| (version.name, version.bytes)).collect());
        }
        Ok(local)
    }

    /// The versions that `CURRENT` names here, and those that are served: these are others where
    /// a gate keeps the former out, or they are not loaded yet.
    fn answers(&self, local: &LocalVersions) -> AnsweringVersions {
        let snapshot = self.catalog.snapshot();
        let answers = |table: &TableName| {
            let state = self.directory.current(table).ok();
            let named = state.and_then(|state| Some(state.known()?.version().clone()));
            let served =
                snapshot.named(table.as_str()).and_then(|known| Some(known.current()?.name().clone()));
            (table.clone(), named.into_iter().chain(served).collect())
        };
        local.keys().map(answers).collect()
    }

    fn set_source(&self, table: &TableName, source: SourceCondition) {
        let snapshot = self.catalog.snapshot();
        let known = snapshot.named(table.as_str());
        if known.is_some_and(|known| *known.source() == source)
            || (known.is_none() && source == SourceCondition::Fine)
        {
            return;
        }
        self.catalog.set_source(self.catalog.reserve(table.clone()), source);
    }
}
