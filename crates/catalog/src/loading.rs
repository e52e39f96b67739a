//! Brings a version to where it answers from: opened, asked its gates, verified whole, loaded,
//! switched to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use graven_format::{Storage, Store};

use crate::catalog::{Condition, TableId};
use crate::keeper::{RootFollower, SharedRoot};
use crate::root::{
    Current, CurrentState, GateContext, RootError, TableName, TableSettings, TableStorage, VersionName,
    refusals,
};
use crate::version::TableVersion;

/// How long memory is waited for that a version is about to give back.
const LETTING_GO_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const LETTING_GO_PAUSE: Duration = Duration::from_millis(20);

/// Why a version is refused.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) text: String,
    /// It may go well later, though nothing has changed: where memory or descriptors are short, or
    /// the medium fails for a moment.
    pub(crate) may_pass: bool,
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, may_pass: false }
    }
}

impl From<graven_format::Error> for Reason {
    fn from(error: graven_format::Error) -> Self {
        use graven_format::Error::{Io, Read};
        Self { may_pass: matches!(error, Io { .. } | Read { .. }), text: error.to_string() }
    }
}

impl From<RootError> for Reason {
    fn from(error: RootError) -> Self {
        Self { may_pass: matches!(error, RootError::Io { .. }), text: error.to_string() }
    }
}

/// Why there was no switch.
#[derive(Debug)]
pub(crate) enum NotSwitched {
    /// The version does not answer.
    Refused(Reason),
    /// `CURRENT` says something else by now.
    Overtaken,
}

impl<R: Into<Reason>> From<R> for NotSwitched {
    fn from(reason: R) -> Self {
        Self::Refused(reason.into())
    }
}

/// What there is to decide about, and by what.
#[derive(Clone, Copy)]
pub(crate) struct Decision<'d> {
    pub(crate) name: &'d TableName,
    pub(crate) id: TableId,
    pub(crate) state: &'d CurrentState,
    pub(crate) settings: &'d TableSettings,
}

/// What a version has to pass beside being whole.
pub(crate) struct Gates {
    /// The version that it may not differ too much from.
    compared_with: Option<Arc<Store>>,
}

/// Whether a store was verified and is where it is to stay, and not one that answers from its file
/// until it is loaded.
pub(crate) fn is_settled(store: &Store) -> bool {
    store.is_loaded() || store.is_mapped() || store.disk().is_some()
}

impl SharedRoot {
    /// The version that answers.
    pub(crate) fn serving(&self, id: TableId) -> Option<Arc<TableVersion>> {
        self.catalog.snapshot().table(id)?.current().map(Arc::clone)
    }

    /// Opens a version as far as its header.
    pub(crate) fn open(&self, name: &TableName, version: &VersionName) -> Result<Store, Reason> {
        Ok(Store::from_file(self.root.open(name, version)?, Storage::Memory)?)
    }

    /// What answers or answered as `version`, or is held as such, where it is still the table of
    /// the file of that name.
    pub(crate) fn held(&self, id: TableId, version: &VersionName, opened: &Store) -> Option<Arc<Store>> {
        let snapshot = self.catalog.snapshot();
        let store = snapshot.table(id)?.version(version.as_str())?.store();
        let is_whole = is_settled(store) && store.identity() == opened.identity();
        is_whole.then(|| Arc::clone(store))
    }

    /// Has a version answer, unless the decision was overtaken.
    fn switch_to(
        &self,
        decision: &Decision<'_>,
        version: &VersionName,
        store: Arc<Store>,
    ) -> Result<(), NotSwitched> {
        self.unless_overtaken(decision, |condition| {
            let serving = self.serving(decision.id);
            if serving.is_some_and(|serving| Arc::ptr_eq(serving.store(), &store)) {
                self.catalog.set_condition(decision.id, condition);
            } else {
                self.catalog.switch_with(decision.id, version.clone(), store, condition);
            }
        })
    }

    /// Has the version whose store has this number answer from disk, unless another one answers by
    /// now: it may have been gone back from.
    fn move_to(&self, name: &TableName, id: TableId, serial: u64, on_disk: Store) {
        let _deciding = self.deciding();
        let snapshot = self.catalog.snapshot();
        let Some(table) = snapshot.table(id) else { return };
        let Some(version) = table.current().filter(|version| version.store().serial() == serial) else {
            return;
        };
        tracing::info!(
            table = name.as_str(),
            version = version.name().as_str(),
            "answers from disk while memory is short"
        );
        self.catalog.switch_with(id, version.name().clone(), on_disk, table.condition().clone());
    }

    /// Does what was decided, unless `CURRENT` says by now that it was not to be done. It is given
    /// how a table stands that answers as `CURRENT` says.
    fn unless_overtaken(
        &self,
        decision: &Decision<'_>,
        act: impl FnOnce(Condition),
    ) -> Result<(), NotSwitched> {
        let _deciding = self.deciding();
        // One that cannot be read now says nothing new.
        let now = self.root.current(decision.name);
        let now = now.as_ref().unwrap_or(decision.state);
        let known = now.known().zip(decision.state.known());
        if now != decision.state && known.is_none_or(|(now, decided)| !now.stands_by(decided)) {
            return Err(NotSwitched::Overtaken);
        }
        act(now.known().map_or(Condition::Serving, condition));
        Ok(())
    }
}

/// How a table stands that answers as its `CURRENT` says.
pub(crate) fn condition(current: &Current) -> Condition {
    if current.is_frozen() { Condition::Frozen } else { Condition::Serving }
}

impl RootFollower {
    /// The gates for the version that is to answer; `None` where it was gone back to or let in by
    /// force. What it is compared with is the version before it in the history, as when it was
    /// published, so that every server decides alike.
    pub(crate) fn gates(&self, decision: &Decision<'_>, current: &Current) -> Option<Gates> {
        if !current.asks_gates() {
            return None;
        }
        let Decision { name, id, settings, .. } = *decision;
        let serving = self.shared.serving(id).filter(|version| version.name() != current.version());
        let before = current.rollback_target(|_| true).filter(|_| settings.max_change.is_some());
        let before = before.filter(|before| serving.as_ref().is_none_or(|version| version.name() != *before));
        let before = before.and_then(|before| self.shared.open(name, before).ok());
        let serving = || serving.as_ref().map(|version| Arc::clone(version.store()));
        Some(Gates { compared_with: before.map(Arc::new).or_else(serving) })
    }

    /// Asks the gates.
    pub(crate) fn ask(
        &self,
        decision: &Decision<'_>,
        version: &VersionName,
        store: &Store,
        gates: &Gates,
    ) -> Result<(), Reason> {
        let Decision { name, settings, .. } = *decision;
        let root = &self.shared.root;
        let probe = settings.probe.as_ref().map(|file| match root.beside(name, file) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("there is no {file}")),
            Err(error) => Err(error.to_string()),
        });
        let marker = match &settings.require_marker {
            Some(marker) => {
                let file = format!("{version}.{marker}");
                let there = root.beside(name, &file)?;
                Some((file, there.is_some()))
            }
            None => None,
        };
        let context = GateContext { current: gates.compared_with.clone(), probe, marker };
        let refusals = refusals(settings, store, &context);
        if refusals.is_empty() {
            return Ok(());
        }
        Err(refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into())
    }

    /// Where nothing that is right answers, has the newest version of the history answer that
    /// passes; says what answers.
    pub(crate) fn fall_back(
        &self,
        decision: &Decision<'_>,
        current: &Current,
    ) -> Result<String, NotSwitched> {
        let Decision { name, id, .. } = *decision;
        let (bad, refused) = (current.bad(), current.version());
        // Its name alone: it may have to give way for one that is tried.
        let serving = self.shared.serving(id).map(|version| version.name().clone());
        if let Some(version) = serving.filter(|version| version != refused && !bad.contains(version)) {
            return Ok(format!("{name}@{version} goes on answering"));
        }
        let mut tried = vec![refused.clone()];
        for entry in current.history() {
            if tried.contains(&entry.version) || bad.contains(&entry.version) {
                continue;
            }
            tried.push(entry.version.clone());
            match self.switch(decision, &entry.version, Some(Gates { compared_with: None })) {
                Ok(()) => {
                    return Ok(format!(
                        "{name}@{} answers, the newest of its history that passes",
                        entry.version
                    ));
                }
                Err(NotSwitched::Refused(_)) => {}
                Err(NotSwitched::Overtaken) => return Err(NotSwitched::Overtaken),
            }
        }
        // Where it was gone back at once, what answered before is the former one.
        let goes_on = {
            let snapshot = self.shared.catalog.snapshot();
            let table = snapshot.table(id);
            let known = table.into_iter().flat_map(|table| [table.current(), table.former()]);
            known.flatten().find(|version| version.name() != refused).cloned()
        };
        if let Some(version) = goes_on {
            self.shared.switch_to(decision, version.name(), Arc::clone(version.store()))?;
            return Ok(format!(
                "{} goes on answering although it was rolled back from, for no other can",
                version.label()
            ));
        }
        self.shared.unless_overtaken(decision, |_| self.shared.catalog.withdraw(id))?;
        Ok("no version of it answers".to_owned())
    }

    /// Has a version at hand that is to be held on purpose.
    pub(crate) fn open_held(
        &self,
        name: &TableName,
        id: TableId,
        version: &VersionName,
    ) -> Result<Arc<Store>, Reason> {
        let opened = self.shared.open(name, version)?;
        // What answers already is not loaded twice.
        if let Some(known) = self.shared.held(id, version, &opened) {
            return Ok(known);
        }
        let settings = self.shared.root.settings(name)?;
        opened.verify_with(|_, _| {})?;
        let storage = self.place(name, id, &opened, &settings)?;
        keep(opened, storage).map(Arc::new)
    }

    /// Loads a version, and switches to it. One that is still at hand has nothing to be loaded.
    pub(crate) fn switch(
        &self,
        decision: &Decision<'_>,
        version: &VersionName,
        gates: Option<Gates>,
    ) -> Result<(), NotSwitched> {
        let Decision { name, id, settings, .. } = *decision;
        let opened = self.shared.open(name, version)?;
        let held = self.shared.held(id, version, &opened);
        if let Some(gates) = gates {
            self.ask(decision, version, held.as_deref().unwrap_or(&opened), &gates)?;
        }
        if let Some(held) = held {
            return self.shared.switch_to(decision, version, held);
        }
        let total = opened.carved_bytes();
        let loading = Condition::Loading { version: version.clone(), done: 0, total };
        self.shared.catalog.set_condition(id, loading);
        // What answers is not held here, for it may have to give way.
        let serving = self.shared.serving(id).map(|serving| serving.name().clone());
        let is_serving = serving.as_ref() == Some(version);
        // What answers was not verified yet, or is not whole.
        let is_doubtful = is_serving || serving.as_ref() == decision.state.known().map(Current::version);
        self.verify(id, version, &opened, is_doubtful || serving.is_none())?;
        let storage = self.place(name, id, &opened, settings)?;
        let from_file = || {
            let serving = self.shared.serving(id).filter(|serving| serving.name() == version)?;
            let store = serving.store();
            (!is_settled(store) && store.identity() == opened.identity()).then(|| Arc::clone(store))
        };
        let store = match storage {
            TableStorage::Ram => {
                // What answers from its file already is brought into memory where it is.
                let store = from_file().unwrap_or_else(|| Arc::new(opened));
                store.load()?;
                store
            }
            other => Arc::new(keep(opened, other)?),
        };
        self.shared.switch_to(decision, version, store)
    }

    /// Reads every byte of a version, no faster than allowed while others answer.
    fn verify(
        &self,
        id: TableId,
        version: &VersionName,
        store: &Store,
        in_a_hurry: bool,
    ) -> Result<(), Reason> {
        let rate = self.options.load_rate.filter(|_| !in_a_hurry);
        let (began, mut told) = (Instant::now(), Instant::now());
        let verified = store.verify_with(|done, total| {
            if let Some(rate) = rate.filter(|_| !self.over.load(Ordering::Relaxed)) {
                let due = Duration::from_secs_f64(done as f64 / rate as f64);
                thread::sleep(due.saturating_sub(began.elapsed()).min(Duration::from_secs(1)));
            }
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                let loading = Condition::Loading { version: version.clone(), done, total };
                self.shared.catalog.set_condition(id, loading);
            }
        });
        Ok(verified?)
    }

    /// Where a version is kept. Where memory is short for it beside those that are there, the former
    /// version goes; if that is not enough, the one that answers does so from disk.
    fn place(
        &self,
        name: &TableName,
        id: TableId,
        store: &Store,
        settings: &TableSettings,
    ) -> Result<TableStorage, Reason> {
        let wish = settings.storage.or(self.options.storage);
        if matches!(wish, Some(TableStorage::Mmap | TableStorage::Disk)) {
            return Ok(wish.unwrap_or(TableStorage::Disk));
        }
        let fits =
            || (self.available_bytes)().is_none_or(|available| store.carved_bytes() <= available / 4 * 3);
        if fits() {
            return Ok(TableStorage::Ram);
        }
        self.shared.catalog.forget_former(id);
        if self.let_go_until(fits) {
            return Ok(TableStorage::Ram);
        }
        if let Some((version, serial)) = self.in_memory(id) {
            let opened = self.shared.root.open(name, &version)?;
            let on_disk = Store::from_file(opened, Storage::Disk)?;
            self.shared.move_to(name, id, serial, on_disk);
            if self.let_go_until(fits) {
                return Ok(TableStorage::Ram);
            }
        }
        match wish {
            None => Ok(TableStorage::Disk),
            Some(_) => Err(Reason {
                text: format!(
                    "it has {} bytes, and too few of memory are available; serve it from disk with `storage = \"disk\"` in table.toml",
                    store.carved_bytes()
                ),
                may_pass: true,
            }),
        }
    }

    /// The version of a table that answers, and its store's number, where it does from memory.
    fn in_memory(&self, id: TableId) -> Option<(VersionName, u64)> {
        let version = self.shared.serving(id).filter(|version| version.store().is_loaded())?;
        Some((version.name().clone(), version.store().serial()))
    }

    /// Gives back versions that nobody names as they are no longer used, until it is so, or until
    /// that has taken too long.
    fn let_go_until(&self, is_so: impl Fn() -> bool) -> bool {
        let catalog = &self.shared.catalog;
        let began = Instant::now();
        loop {
            catalog.drop_unused();
            if is_so() {
                return true;
            }
            if catalog.unnamed() == 0 || began.elapsed() >= LETTING_GO_MAX {
                return false;
            }
            thread::sleep(LETTING_GO_PAUSE);
        }
    }
}

/// Has a store where it is to be kept.
fn keep(store: Store, storage: TableStorage) -> Result<Store, Reason> {
    let kept = match storage {
        TableStorage::Ram => store.load().map(|()| store),
        TableStorage::Mmap => store.keep_in(Storage::Mapped),
        TableStorage::Disk => store.keep_in(Storage::Disk),
    };
    Ok(kept?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, Weak};
    use std::thread;
    use std::time::{Duration, Instant};

    use graven_format::{Builder, Options, Store};
    use tempfile::TempDir;

    use crate::catalog::{Catalog, Condition};
    use crate::keeper::{Keeper, KeeperOptions};
    use crate::root::{Directory, Publish, publish};
    use crate::version::TableVersion;

    /// Nothing here takes this long, and nothing has to wait until it is given up that memory is
    /// let go.
    const PATIENCE: Duration = super::LETTING_GO_MAX;

    /// A root whose versions all have `bytes`, and a server with so much memory for them.
    struct Fixture {
        folder: TempDir,
        root: Directory,
        catalog: Arc<Catalog>,
        bytes: u64,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = Directory::create(&folder.path().join("root")).unwrap();
            let mut fixture = Self { folder, root, catalog: Catalog::empty(), bytes: 0 };
            fixture.publish("v1");
            let path = fixture.folder.path().join("root/prices/v1.graven");
            fixture.bytes = std::fs::metadata(path).unwrap().len();
            fixture
        }

        fn publish(&self, version: &str) {
            let path = self.folder.path().join("file");
            let mut builder = Builder::new(Options::default());
            (0..5_000).for_each(|i| {
                builder.add(format!("k{i}").as_bytes(), version.as_bytes()).unwrap();
            });
            builder.write(&path).unwrap();
            let options = Publish {
                version: Some(version.parse().unwrap()),
                note: String::new(),
                switch: true,
                force: false,
                progress: &mut |_, _| true,
            };
            publish(&self.root, &"prices".parse().unwrap(), &path, options).unwrap();
        }

        /// A keeper with room for so many tenths of a version, of which every one counts that is in memory,
        /// named or not.
        fn start(&self, tenths: u64) -> Keeper {
            let room = self.bytes * tenths / 10;
            let (catalog, seen) = (Arc::clone(&self.catalog), Mutex::new(Vec::<Weak<Store>>::new()));
            let available = move || {
                let (snapshot, mut seen) = (catalog.snapshot(), seen.lock().unwrap());
                let named = snapshot.tables().flat_map(|table| table.versions());
                for store in named.map(|version| version.store()) {
                    if !seen.iter().any(|known| known.as_ptr() == Arc::as_ptr(store)) {
                        seen.push(Arc::downgrade(store));
                    }
                }
                let loaded = seen.iter().filter_map(Weak::upgrade).filter(|store| store.is_loaded());
                Some(room.saturating_sub(loaded.map(|store| store.carved_bytes()).sum()))
            };
            let root = Arc::new(self.root.clone());
            let options = KeeperOptions::default();
            Keeper::start_with(root, Arc::clone(&self.catalog), options, Box::new(available)).unwrap()
        }

        fn until_settled(&self, version: &str) {
            let began = Instant::now();
            let is_there = |version: &TableVersion| super::is_settled(version.store());
            while !self.version(version, true).is_some_and(|version| is_there(&version)) {
                assert!(began.elapsed() < PATIENCE, "{version} does not answer from where it is kept");
                thread::yield_now();
            }
        }

        fn version(&self, name: &str, is_current: bool) -> Option<Arc<TableVersion>> {
            let snapshot = self.catalog.snapshot();
            let table = snapshot.named("prices")?;
            let found = if is_current { table.current()? } else { table.version(name)? };
            (found.name().as_str() == name).then(|| Arc::clone(found))
        }
    }

    #[test]
    fn where_two_versions_have_no_room_the_old_one_answers_from_disk_while_the_new_one_loads() {
        let fixture = Fixture::new();
        let _keeper = fixture.start(22);
        fixture.until_settled("v1");
        assert!(fixture.version("v1", true).unwrap().store().is_loaded());
        fixture.publish("v2");
        fixture.until_settled("v2");
        assert!(fixture.version("v2", true).unwrap().store().is_loaded());
        assert!(fixture.version("v1", false).unwrap().store().disk().is_some());
    }

    #[test]
    fn where_three_versions_have_no_room_the_oldest_goes() {
        let fixture = Fixture::new();
        let _keeper = fixture.start(30);
        fixture.until_settled("v1");
        for version in ["v2", "v3"] {
            fixture.publish(version);
            fixture.until_settled(version);
            assert!(fixture.version(version, true).unwrap().store().is_loaded(), "{version}");
        }
        assert!(fixture.version("v2", false).unwrap().store().is_loaded());
    }
    #[test]
    fn a_version_that_had_no_room_in_memory_is_tried_again_though_nothing_has_changed() {
        let fixture = Fixture::new();
        std::fs::write(fixture.folder.path().join("root/prices/table.toml"), "storage = \"ram\"\n").unwrap();
        let is_short = Arc::new(AtomicBool::new(true));
        let available = {
            let is_short = Arc::clone(&is_short);
            move || is_short.load(Ordering::SeqCst).then_some(0)
        };
        let (root, catalog) = (Arc::new(fixture.root.clone()), Arc::clone(&fixture.catalog));
        let options = KeeperOptions { poll: Duration::from_millis(2), ..KeeperOptions::default() };
        let _keeper = Keeper::start_with(root, catalog, options, Box::new(available)).unwrap();
        let began = Instant::now();
        let condition = || fixture.catalog.snapshot().named("prices").unwrap().condition().clone();
        while !matches!(condition(), Condition::Refused { .. }) {
            assert!(began.elapsed() < PATIENCE, "it is not refused");
            thread::yield_now();
        }
        is_short.store(false, Ordering::SeqCst);
        fixture.until_settled("v1");
        assert!(fixture.version("v1", true).unwrap().store().is_loaded());
    }
}
