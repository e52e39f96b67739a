//! The tables, the version of each that answers, and those that are still in use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use graven_format::Store;

use crate::root::{TableName, VersionName};
use crate::version::Version;

/// A table's number, the same for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u32);

impl TableId {
    /// The number, counted from 0 in the order in which the tables came.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a table stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Its version answers, and nothing is under way.
    #[default]
    Serving,
    /// A version is on its way: so many bytes of it were read, of so many. Where none answers yet, the table is not ready.
    Loading {
        /// The version.
        version: VersionName,
        /// Bytes that were read.
        done: u64,
        /// Bytes that there are to read.
        total: u64,
    },
    /// The version that was to answer does not, and why; the one before goes on.
    Refused {
        /// The version.
        version: VersionName,
        /// Why.
        reason: String,
    },
    /// The table was rolled back, and nothing is switched to until it is resumed.
    Frozen,
}

/// One table as it is at one moment.
#[derive(Clone, Debug)]
pub struct TableState {
    id: TableId,
    name: TableName,
    current: Option<Arc<Version>>,
    former: Option<Arc<Version>>,
    held: Vec<Arc<Version>>,
    condition: Condition,
    is_there: bool,
}

impl TableState {
    /// The table's number.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The version that answers; `None` while there is none yet.
    pub fn current(&self) -> Option<&Arc<Version>> {
        self.current.as_ref()
    }

    /// How the table stands.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// The version of this name, where it is current, the one before, or held on purpose.
    pub fn version(&self, name: &str) -> Option<&Arc<Version>> {
        let all = self.current.iter().chain(&self.former).chain(&self.held);
        all.into_iter().find(|version| version.name().as_str() == name)
    }

    /// Every version that may be named.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.current.iter().chain(&self.former).chain(&self.held)
    }
}

/// All tables as they are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    tables: Vec<TableState>,
    by_name: BTreeMap<TableName, TableId>,
    default: Option<TableId>,
}

impl Snapshot {
    /// The tables that there are, in order of their names.
    pub fn tables(&self) -> impl Iterator<Item = &TableState> {
        self.by_name.values().map(|id| &self.tables[id.index()])
    }

    /// A table by its number; `None` once it was removed.
    pub fn table(&self, id: TableId) -> Option<&TableState> {
        self.tables.get(id.index()).filter(|table| table.is_there)
    }

    /// A table by its name.
    pub fn named(&self, name: &str) -> Option<&TableState> {
        let (_, id) = self.by_name.iter().find(|(known, _)| known.as_str() == name)?;
        self.table(*id)
    }

    /// The table that is asked where none is named: the one that was chosen, or the only one.
    pub fn default_table(&self) -> Option<&TableState> {
        match self.default {
            Some(id) => self.table(id),
            None => {
                let mut tables = self.tables();
                tables.next().filter(|_| tables.next().is_none())
            }
        }
    }

    /// Whether every table answers, and there is one.
    pub fn is_ready(&self) -> bool {
        !self.by_name.is_empty() && self.tables().all(|table| table.current.is_some())
    }
}

/// The tables that are served, and the version of each that answers.
#[derive(Debug)]
pub struct Catalog {
    state: Mutex<State>,
    /// How many changes there were. Written after the snapshot, so that whoever sees a new number finds the new snapshot.
    generation: AtomicU64,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// Versions that no table names any longer, held here so that no thread that answers is ever the one that gives back
    /// their memory.
    unnamed: Vec<Arc<Version>>,
    subscribers: Vec<Weak<Subscriber>>,
}

struct Subscriber {
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}

/// Being told of changes, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it ends"]
pub struct Subscription(#[expect(dead_code, reason = "its life is what counts")] Arc<Subscriber>);

impl Default for Catalog {
    fn default() -> Self {
        let snapshot = Arc::new(Snapshot::default());
        let state = State { snapshot, unnamed: Vec::new(), subscribers: Vec::new() };
        Self { state: Mutex::new(state), generation: AtomicU64::new(0) }
    }
}

impl Catalog {
    /// A catalog without tables.
    pub fn empty() -> Arc<Self> {
        Arc::default()
    }

    /// A catalog of the one table `table`, for which `store`, the version `version`, answers.
    ///
    /// # Panics
    /// When one of the names is none.
    pub fn new(table: &str, version: &str, store: impl Into<Arc<Store>>) -> Arc<Self> {
        let catalog = Self::empty();
        let id = catalog.add(table.parse().unwrap_or_else(|error| panic!("{table:?}: {error}")));
        catalog.switch_to(id, version.parse().unwrap_or_else(|error| panic!("{version:?}: {error}")), store);
        catalog
    }

    /// A number that changes with every change. One relaxed load: a thread that looks now and then sees a switch with its
    /// next look, and before that answers as it did.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The tables as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state().snapshot)
    }

    /// Adds a table that has no version yet, or finds the one of that name.
    pub fn add(&self, name: TableName) -> TableId {
        let mut added = TableId(0);
        self.change(|snapshot, _| {
            if let Some(id) = snapshot.by_name.get(&name) {
                added = *id;
                return;
            }
            added = TableId(snapshot.tables.len() as u32);
            snapshot.by_name.insert(name.clone(), added);
            snapshot.tables.push(TableState {
                id: added,
                name,
                current: None,
                former: None,
                held: Vec::new(),
                condition: Condition::Serving,
                is_there: true,
            });
        });
        added
    }

    /// Removes a table: who asks for it from now on is told that there is none.
    pub fn remove(&self, id: TableId) {
        self.change(|snapshot, unnamed| {
            let Some(table) = snapshot.tables.get_mut(id.index()) else { return };
            table.is_there = false;
            unnamed.extend(table.current.take());
            unnamed.extend(table.former.take());
            unnamed.append(&mut table.held);
            snapshot.by_name.remove(&table.name);
        });
    }

    /// Chooses the table that is asked where none is named; `None` leaves it to be the only one.
    pub fn set_default(&self, id: Option<TableId>) {
        self.change(|snapshot, _| snapshot.default = id);
    }

    /// Says how a table stands.
    pub fn set_condition(&self, id: TableId, condition: Condition) {
        self.change(|snapshot, _| {
            if let Some(table) = snapshot.tables.get_mut(id.index()) {
                table.condition = condition;
            }
        });
    }

    /// Makes `store` the version of a table that answers, as `version`, and tells the subscribers. The former one may be
    /// named until there is another; it lives until [`Self::drop_unused`] finds that nothing holds it any longer.
    pub fn switch_to(&self, id: TableId, version: VersionName, store: impl Into<Arc<Store>>) {
        let store = store.into();
        self.change(|snapshot, unnamed| {
            let Some(table) = snapshot.tables.get_mut(id.index()) else { return };
            let next = Arc::new(Version::new(table.name.clone(), version, store));
            unnamed.extend(table.former.take());
            table.former = table.current.replace(next);
            table.condition = Condition::Serving;
        });
    }

    /// Has no version of a table answer any longer: none of them was found to be right.
    pub fn withdraw(&self, id: TableId) {
        self.change(|snapshot, unnamed| {
            if let Some(table) = snapshot.tables.get_mut(id.index()) {
                unnamed.extend(table.current.take());
                unnamed.extend(table.former.take());
            }
        });
    }

    /// As [`Self::switch_to`] of the default table.
    ///
    /// # Panics
    /// When there is no default table, or `version` is no name.
    pub fn switch(&self, version: &str, store: impl Into<Arc<Store>>) {
        let id = self.snapshot().default_table().expect("there is a default table").id();
        self.switch_to(id, version.parse().unwrap_or_else(|error| panic!("{version:?}: {error}")), store);
    }

    /// Holds a version of a table so that it may be named, whichever answers.
    pub fn hold(&self, id: TableId, version: VersionName, store: impl Into<Arc<Store>>) {
        let store = store.into();
        self.change(|snapshot, unnamed| {
            let Some(table) = snapshot.tables.get_mut(id.index()) else { return };
            let held = Arc::new(Version::new(table.name.clone(), version, store));
            unnamed.extend(table.held.extract_if(.., |known| known.name() == held.name()));
            table.held.push(held);
        });
    }

    /// Lets the former version of a table no longer be named, as when memory is short.
    pub fn forget_former(&self, id: TableId) {
        self.change(|snapshot, unnamed| {
            if let Some(table) = snapshot.tables.get_mut(id.index()) {
                unnamed.extend(table.former.take());
            }
        });
    }

    /// The version that answers for the default table.
    ///
    /// # Panics
    /// When there is none.
    pub fn current(&self) -> Arc<Version> {
        let snapshot = self.snapshot();
        let current = snapshot.default_table().and_then(TableState::current);
        Arc::clone(current.expect("the default table has a version"))
    }

    /// Gives back the versions that no table names and nothing holds any longer, on the calling thread, and returns how many
    /// these were. Giving back a large one takes milliseconds.
    pub fn drop_unused(&self) -> usize {
        let unused: Vec<_> = {
            let mut state = self.state();
            let unused = |version: &mut Arc<Version>| {
                Arc::strong_count(version) == 1 && Arc::strong_count(version.store()) == 1
            };
            state.unnamed.extract_if(.., unused).collect()
        };
        unused.len()
    }

    /// Versions that no table names and that are still held.
    pub fn unnamed(&self) -> usize {
        self.state().unnamed.len()
    }

    /// Has `wake` called at every change, from the thread that makes it, until the subscription is dropped. It must return
    /// soon and not call back.
    pub fn subscribe(&self, wake: impl Fn() + Send + Sync + 'static) -> Subscription {
        let subscriber = Arc::new(Subscriber { wake: Box::new(wake) });
        self.state().subscribers.push(Arc::downgrade(&subscriber));
        Subscription(subscriber)
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot, &mut Vec<Arc<Version>>)) {
        let mut state = self.state();
        let mut snapshot = Snapshot::clone(&state.snapshot);
        change(&mut snapshot, &mut state.unnamed);
        state.snapshot = Arc::new(snapshot);
        self.generation.fetch_add(1, Ordering::Release);
        state.subscribers.retain(|subscriber| match subscriber.upgrade() {
            Some(subscriber) => {
                (subscriber.wake)();
                true
            }
            None => false,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No thread panics while it holds the lock with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
