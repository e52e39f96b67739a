//! The tables, the version of each that answers, and those that are still in use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use graven_format::Store;

use crate::root::{TableName, VersionName};
use crate::version::TableVersion;

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

/// How it stands with where a table's versions are fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceCondition {
    /// They are here, or nothing is in the way.
    #[default]
    Fine,
    /// A version is being fetched: so many bytes of it are here, of so many.
    Fetching {
        /// The version.
        version: VersionName,
        /// Bytes that are here.
        done: u64,
        /// Bytes that there are.
        total: u64,
    },
    /// Something is in the way; what is here goes on answering.
    Failing {
        /// What is.
        reason: String,
    },
}

/// What has happened to a table since it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Versions that began to be brought to where they answer from.
    pub loads: u64,
    /// Versions that were refused.
    pub refused: u64,
    /// Times that another version came to answer.
    pub switches: u64,
    /// How long the last of these took, from the first look at the version until it answered.
    pub last_switch: Duration,
}

/// One table as it is at one moment.
#[derive(Clone, Debug)]
pub struct TableState {
    id: TableId,
    name: TableName,
    current: Option<Arc<TableVersion>>,
    former: Option<Arc<TableVersion>>,
    held: Vec<Arc<TableVersion>>,
    condition: Condition,
    source: SourceCondition,
    fetched: Option<Arc<[VersionName]>>,
    counts: TableCounts,
    /// The server is not ready without it.
    is_required: bool,
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
    pub fn current(&self) -> Option<&Arc<TableVersion>> {
        self.current.as_ref()
    }

    /// The version that answered before that one, where it is still at hand.
    pub(crate) fn former(&self) -> Option<&Arc<TableVersion>> {
        self.former.as_ref()
    }

    /// How the table stands.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// How it stands with where its versions are fetched from.
    pub fn source(&self) -> &SourceCondition {
        &self.source
    }

    /// The versions that were fetched from elsewhere and are here, whichever answers; `None` where none is fetched.
    pub fn fetched(&self) -> Option<&[VersionName]> {
        self.fetched.as_deref()
    }

    /// What has happened to it.
    pub fn counts(&self) -> TableCounts {
        self.counts
    }

    /// Whether the server is not ready while this table has no version: one that was asked for, that was to answer at the
    /// start, or that has answered. A table that comes later, and is still loading, keeps nobody from the others.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// The version of this name, where it is current, the one before, or held on purpose.
    pub fn version(&self, name: &str) -> Option<&Arc<TableVersion>> {
        let all = self.current.iter().chain(&self.former).chain(&self.held);
        all.into_iter().find(|version| version.name().as_str() == name)
    }

    /// Whether a version is held on purpose.
    pub(crate) fn holds(&self, name: &VersionName) -> bool {
        self.held.iter().any(|version| version.name() == name)
    }

    /// The versions that are held on purpose.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Arc<TableVersion>> {
        self.held.iter()
    }

    /// Every version that may be named.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<TableVersion>> {
        let unheld = self.current.iter().chain(&self.former).filter(|version| !self.holds(version.name()));
        unheld.chain(&self.held)
    }
}

/// Tables by their numbers, in parts of equal length: a snapshot shares with the one before all parts but the one that has
/// changed, so that a change among very many tables copies little.
#[derive(Clone, Debug, Default)]
struct TableList {
    parts: Vec<Arc<Vec<Arc<TableState>>>>,
}

/// Tables in a part: about as many as there are parts of a few thousand tables.
const PART_TABLES: usize = 64;

impl TableList {
    fn len(&self) -> usize {
        let last = self.parts.last().map_or(0, |part| part.len());
        self.parts.len().saturating_sub(1) * PART_TABLES + last
    }

    fn get(&self, i: usize) -> Option<&TableState> {
        self.parts.get(i / PART_TABLES)?.get(i % PART_TABLES).map(|table| &**table)
    }

    fn get_mut(&mut self, i: usize) -> Option<&mut TableState> {
        let part = Arc::make_mut(self.parts.get_mut(i / PART_TABLES)?);
        part.get_mut(i % PART_TABLES).map(Arc::make_mut)
    }

    fn push(&mut self, table: TableState) {
        match self.parts.last_mut().filter(|part| part.len() < PART_TABLES) {
            Some(part) => Arc::make_mut(part).push(Arc::new(table)),
            None => self.parts.push(Arc::new(vec![Arc::new(table)])),
        }
    }
}

/// All tables as they are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every table that there ever was, by its number: one that goes and comes back has the number that it had.
    tables: TableList,
    by_name: Arc<BTreeMap<TableName, TableId>>,
    default: Option<TableId>,
}

impl Condition {
    /// The version that is loading or refused.
    fn version(&self) -> Option<&VersionName> {
        match self {
            Self::Loading { version, .. } | Self::Refused { version, .. } => Some(version),
            Self::Serving | Self::Frozen => None,
        }
    }
}

impl Snapshot {
    fn reserve(&mut self, name: TableName) -> TableId {
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        let id = TableId(self.tables.len() as u32);
        Arc::make_mut(&mut self.by_name).insert(name.clone(), id);
        self.tables.push(TableState {
            id,
            name,
            current: None,
            former: None,
            held: Vec::new(),
            condition: Condition::Serving,
            source: SourceCondition::Fine,
            fetched: None,
            counts: TableCounts::default(),
            is_required: false,
            is_there: false,
        });
        id
    }

    fn table_mut(&mut self, id: TableId) -> Option<&mut TableState> {
        self.tables.get_mut(id.index())
    }

    /// The tables that there are, in order of their names.
    pub fn tables(&self) -> impl Iterator<Item = &TableState> {
        self.by_name.values().filter_map(|id| self.table(*id))
    }

    /// A table by its number; `None` once it was removed.
    pub fn table(&self, id: TableId) -> Option<&TableState> {
        self.tables.get(id.index()).filter(|table| table.is_there)
    }

    /// A table by its name.
    pub fn named(&self, name: &str) -> Option<&TableState> {
        self.table(*self.by_name.get(name)?)
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

    /// Whether a default table was chosen, which need not be there.
    pub fn is_default_chosen(&self) -> bool {
        self.default.is_some()
    }

    /// Whether a table is there, and every one that must answer does.
    pub fn is_ready(&self) -> bool {
        self.tables().any(|table| table.current.is_some()) && self.missing().next().is_none()
    }

    /// The tables that must answer, and do not.
    pub fn missing(&self) -> impl Iterator<Item = &TableState> {
        self.tables().filter(|table| table.is_required && table.current.is_none())
    }
}

/// The tables that are served, and the version of each that answers.
#[derive(Debug)]
pub struct Catalog {
    state: Mutex<State>,
    /// How many changes there were. Written after the snapshot, so that whoever sees a new number finds the new snapshot.
    generation: AtomicU64,
}

/// Whether a change is one that threads have to see which have nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    No,
    Subscribers,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// Versions that no table names any longer, held here so that no thread that answers is ever the one that gives back
    /// their memory.
    unnamed: Vec<Arc<TableVersion>>,
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
        self.add_all([name])[0]
    }

    /// As [`Self::add`] of many, in one change.
    pub fn add_all(&self, names: impl IntoIterator<Item = TableName>) -> Vec<TableId> {
        let mut added = Vec::new();
        self.change(Wakes::No, |snapshot, _| {
            for name in names {
                let id = snapshot.reserve(name);
                if let Some(table) = snapshot.table_mut(id) {
                    table.is_there = true;
                }
                added.push(id);
            }
        });
        added
    }

    /// The number that the table of this name has or will have. It need not be there.
    pub fn reserve(&self, name: TableName) -> TableId {
        let mut reserved = TableId(0);
        self.change(Wakes::No, |snapshot, _| reserved = snapshot.reserve(name));
        reserved
    }

    /// Makes the server unready while this table has no version.
    pub fn require(&self, id: TableId) {
        self.change(Wakes::No, |snapshot, _| {
            if let Some(table) = snapshot.table_mut(id) {
                table.is_required = true;
            }
        });
    }

    /// Removes a table: who asks for it from now on is told that there is none.
    pub fn remove(&self, id: TableId) {
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            let Some(table) = snapshot.table_mut(id) else { return };
            (table.is_there, table.is_required) = (false, false);
            (table.condition, table.counts) = (Condition::Serving, TableCounts::default());
            (table.source, table.fetched) = (SourceCondition::Fine, None);
            unnamed.extend(table.current.take());
            unnamed.extend(table.former.take());
            unnamed.append(&mut table.held);
        });
    }

    /// Chooses the table that is asked where none is named; `None` leaves it to be the only one.
    pub fn set_default(&self, id: Option<TableId>) {
        self.change(Wakes::No, |snapshot, _| snapshot.default = id);
    }

    /// Says how a table stands. A version that is loading or refused is counted when that is new.
    pub fn set_condition(&self, id: TableId, condition: Condition) {
        self.change(Wakes::No, |snapshot, _| {
            let Some(table) = snapshot.table_mut(id) else { return };
            let (before, now) = (table.condition.version(), condition.version());
            match condition {
                Condition::Loading { .. } if before != now => table.counts.loads += 1,
                Condition::Refused { .. } if table.condition != condition => table.counts.refused += 1,
                _ => {}
            }
            table.condition = condition;
        });
    }

    /// Says how it stands with where a table's versions are fetched from.
    pub fn set_source(&self, id: TableId, source: SourceCondition) {
        self.change(Wakes::No, |snapshot, _| {
            if let Some(table) = snapshot.table_mut(id) {
                table.source = source;
            }
        });
    }

    /// Says which versions of a table were fetched from elsewhere and are here.
    pub fn set_fetched(&self, id: TableId, fetched: Vec<VersionName>) {
        self.change(Wakes::No, |snapshot, _| {
            if let Some(table) = snapshot.table_mut(id) {
                table.fetched = Some(fetched.into());
            }
        });
    }

    /// Notes how long it took until the version answered that does now.
    pub fn set_last_switch(&self, id: TableId, last_switch: Duration) {
        self.change(Wakes::No, |snapshot, _| {
            if let Some(table) = snapshot.table_mut(id) {
                table.counts.last_switch = last_switch;
            }
        });
    }

    /// Makes `store` the version of a table that answers, as `version`, and tells the subscribers. The former one may be
    /// named until there is another; it lives until [`Self::drop_unused`] finds that nothing holds it any longer. A version
    /// may answer again with the store that it had: going back to the former one loads nothing.
    pub fn switch_to(&self, id: TableId, version: VersionName, store: impl Into<Arc<Store>>) {
        self.switch_with(id, version, store, Condition::Serving);
    }

    /// As [`Self::switch_to`], and says in the same step how the table stands.
    pub(crate) fn switch_with(
        &self,
        id: TableId,
        version: VersionName,
        store: impl Into<Arc<Store>>,
        condition: Condition,
    ) {
        let store = store.into();
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            let Some(table) = snapshot.table_mut(id) else { return };
            let next = Arc::new(TableVersion::new(table.name.clone(), version, store));
            let name = next.name().clone();
            let before = table.current.replace(next);
            if before.as_ref().is_some_and(|before| *before.name() == name) {
                // The same version from another place: not a switch that people mean, and the former one stays.
                unnamed.extend(before);
            } else {
                table.counts.switches += u64::from(before.is_some());
                unnamed.extend(std::mem::replace(&mut table.former, before));
            }
            table.condition = condition;
            table.is_required = true;
        });
    }

    /// Has no version of a table answer any longer: none of them was found to be right.
    pub fn withdraw(&self, id: TableId) {
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            if let Some(table) = snapshot.table_mut(id) {
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
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            let Some(table) = snapshot.table_mut(id) else { return };
            let held = Arc::new(TableVersion::new(table.name.clone(), version, store));
            unnamed.extend(table.held.extract_if(.., |known| known.name() == held.name()));
            table.held.push(held);
        });
    }

    /// No longer holds a version of a table on purpose.
    pub fn release(&self, id: TableId, version: &VersionName) {
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            if let Some(table) = snapshot.table_mut(id) {
                unnamed.extend(table.held.extract_if(.., |held| held.name() == version));
            }
        });
    }

    /// Lets the former version of a table no longer be named, as when memory is short.
    pub fn forget_former(&self, id: TableId) {
        self.change(Wakes::Subscribers, |snapshot, unnamed| {
            if let Some(table) = snapshot.table_mut(id) {
                unnamed.extend(table.former.take());
            }
        });
    }

    /// The version that answers for the default table.
    ///
    /// # Panics
    /// When there is none.
    pub fn current(&self) -> Arc<TableVersion> {
        let snapshot = self.snapshot();
        let current = snapshot.default_table().and_then(TableState::current);
        Arc::clone(current.expect("the default table has a version"))
    }

    /// Gives back the versions that no table names and nothing holds any longer, on the calling thread, and returns how many
    /// these were. Giving back a large one takes milliseconds.
    pub fn drop_unused(&self) -> usize {
        let unused: Vec<_> = {
            let mut state = self.state();
            let State { snapshot, unnamed, .. } = &mut *state;
            // A version that has come back has the store that it had: that one is given back with the last of its versions.
            let mut stores = BTreeSet::new();
            unnamed.retain(|version| {
                let named = snapshot.named(version.table().as_str());
                let is_named = named.is_some_and(|table| {
                    table.versions().any(|named| Arc::ptr_eq(named.store(), version.store()))
                });
                !is_named && stores.insert(version.store().serial())
            });
            let unused = |version: &mut Arc<TableVersion>| {
                Arc::strong_count(version) == 1 && Arc::strong_count(version.store()) == 1
            };
            unnamed.extract_if(.., unused).collect()
        };
        unused.len()
    }

    /// Versions that no table names and that are still held.
    pub fn unnamed(&self) -> usize {
        self.state().unnamed.len()
    }

    /// Has `wake` called at every change by which another version answers or one is let go, from the thread that makes it,
    /// until the subscription is dropped. It must return soon and not call back. What is merely said of a table can wait
    /// until somebody asks.
    pub fn subscribe(&self, wake: impl Fn() + Send + Sync + 'static) -> Subscription {
        let subscriber = Arc::new(Subscriber { wake: Box::new(wake) });
        self.state().subscribers.push(Arc::downgrade(&subscriber));
        Subscription(subscriber)
    }

    fn change(&self, wakes: Wakes, change: impl FnOnce(&mut Snapshot, &mut Vec<Arc<TableVersion>>)) {
        let mut state = self.state();
        let mut snapshot = Snapshot::clone(&state.snapshot);
        change(&mut snapshot, &mut state.unnamed);
        state.snapshot = Arc::new(snapshot);
        self.generation.fetch_add(1, Ordering::Release);
        if wakes == Wakes::No {
            return;
        }
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
