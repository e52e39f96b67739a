//! Brings a version to where it answers from: opened, asked its gates, verified whole, loaded,
//! switched to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use graven_format::{Storage, Store};

use crate::catalog::{Condition, TableId};
use crate::keeper::{FollowedRoot, RootFollower};
use crate::root::{
    Current, CurrentState, GateContext, TableName, TableSettings, TableStorage, VersionName, refusals,
};
use crate::version::TableVersion;

/// How long it is waited for that nobody uses a version any longer whose memory is needed.
const LETTING_GO_MAX: Duration = Duration::from_secs(10);

/// Why a version is refused.
pub(crate) type Reason = String;

/// Why there was no switch.
#[derive(Debug)]
pub(crate) enum NotSwitched {
    /// The version does not answer.
    Refused(Reason),
    /// `CURRENT` says something else by now.
    Overtaken,
}

impl From<Reason> for NotSwitched {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
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

impl FollowedRoot {
    /// The version that answers.
    pub(crate) fn serving(&self, id: TableId) -> Option<Arc<TableVersion>> {
        self.catalog.snapshot().table(id)?.current().map(Arc::clone)
    }

    /// Opens a version as far as its header.
    pub(crate) fn open(&self, name: &TableName, version: &VersionName) -> Result<Store, Reason> {
        let file = self.root.open(name, version).map_err(|error| error.to_string())?;
        Store::from_file(file, Storage::Memory).map_err(|error| error.to_string())
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
        self.unless_overtaken(decision, || {
            let serving = self.serving(decision.id);
            if serving.is_some_and(|serving| Arc::ptr_eq(serving.store(), &store)) {
                self.catalog.set_condition(decision.id, Condition::Serving);
            } else {
                self.catalog.switch_to(decision.id, version.clone(), store);
            }
        })
    }

    /// Does what was decided, unless `CURRENT` is another than that which it was decided by.
    fn unless_overtaken(&self, decision: &Decision<'_>, act: impl FnOnce()) -> Result<(), NotSwitched> {
        let _deciding = self.refused();
        if self.root.current(decision.name).is_ok_and(|now| now != *decision.state) {
            return Err(NotSwitched::Overtaken);
        }
        act();
        Ok(())
    }
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
                let there = root.beside(name, &file).map_err(|error| error.to_string())?;
                Some((file, there.is_some()))
            }
            None => None,
        };
        let context = GateContext { current: gates.compared_with.clone(), probe, marker };
        let refusals = refusals(settings, store, &context);
        if refusals.is_empty() {
            return Ok(());
        }
        Err(refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
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
        let serving = self.shared.serving(id).filter(|version| version.name() != refused);
        if let Some(version) = serving.as_ref().filter(|version| !bad.contains(version.name())) {
            return Ok(format!("{} goes on answering", version.label()));
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
        let snapshot = self.shared.catalog.snapshot();
        let former = || snapshot.table(id)?.versions().find(|version| version.name() != refused).cloned();
        if let Some(version) = serving.or_else(former) {
            self.shared.switch_to(decision, version.name(), Arc::clone(version.store()))?;
            return Ok(format!(
                "{} goes on answering although it was rolled back from, for no other can",
                version.label()
            ));
        }
        self.shared.unless_overtaken(decision, || self.shared.catalog.withdraw(id))?;
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
        let settings = self.shared.root.settings(name).map_err(|error| error.to_string())?;
        opened.verify_with(|_, _| {}).map_err(|error| error.to_string())?;
        let storage = self.place(name, id, &opened, &settings, false)?;
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
        let serving = self.shared.serving(id);
        let is_serving = serving.as_ref().is_some_and(|serving| serving.name() == version);
        self.verify(id, version, &opened, is_serving || serving.is_none())?;
        // Nothing here shall keep the memory of what answers, which may be needed.
        drop(serving);
        let storage = self.place(name, id, &opened, settings, !is_serving)?;
        let store = match (storage, self.shared.serving(id).filter(|_| is_serving)) {
            // What answers from its file already is brought into memory where it is.
            (TableStorage::Ram, Some(serving))
                if serving.name() == version && serving.store().identity() == opened.identity() =>
            {
                serving.store().load().map_err(|error| error.to_string())?;
                Arc::clone(serving.store())
            }
            _ => Arc::new(keep(opened, storage)?),
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
        verified.map_err(|error| error.to_string())
    }

    /// Where a version is kept. Where memory is short for it, the version before the one that
    /// answers goes, and then, if that is `beside_another`, the one that answers is served from
    /// disk.
    fn place(
        &self,
        name: &TableName,
        id: TableId,
        store: &Store,
        settings: &TableSettings,
        beside_another: bool,
    ) -> Result<TableStorage, Reason> {
        let wish = settings.storage.or(self.options.storage);
        if matches!(wish, Some(TableStorage::Mmap | TableStorage::Disk)) {
            return Ok(wish.unwrap_or(TableStorage::Disk));
        }
        let fits = |follower: &Self| {
            let available = (follower.available_bytes)();
            available.is_none_or(|available| store.carved_bytes() <= available / 4 * 3)
        };
        if fits(self) {
            return Ok(TableStorage::Ram);
        }
        self.shared.catalog.forget_former(id);
        self.let_go();
        if fits(self) {
            return Ok(TableStorage::Ram);
        }
        let loaded = self.shared.serving(id).filter(|version| beside_another && version.store().is_loaded());
        if let Some((version, serial)) =
            loaded.map(|version| (version.name().clone(), version.store().serial()))
        {
            let opened = self.shared.root.open(name, &version).map_err(|error| error.to_string())?;
            let on_disk = Store::from_file(opened, Storage::Disk).map_err(|error| error.to_string())?;
            tracing::info!(
                table = name.as_str(),
                version = version.as_str(),
                "answers from disk while memory is short"
            );
            {
                // It may have been gone back from meanwhile.
                let _deciding = self.shared.refused();
                if self.shared.serving(id).is_some_and(|serving| serving.store().serial() == serial) {
                    self.shared.catalog.switch_to(id, version, on_disk);
                }
            }
            self.let_go();
            if fits(self) {
                return Ok(TableStorage::Ram);
            }
        }
        match wish {
            None => Ok(TableStorage::Disk),
            Some(_) => Err(format!(
                "it has {} bytes, and too few of memory are available; serve it from disk with `storage = \"disk\"` in table.toml",
                store.carved_bytes()
            )),
        }
    }

    /// Waits until nobody uses the versions any longer that cannot be named.
    fn let_go(&self) {
        let began = Instant::now();
        self.shared.catalog.drop_unused();
        while self.shared.catalog.unnamed() > 0 && began.elapsed() < LETTING_GO_MAX {
            thread::sleep(Duration::from_millis(20));
            self.shared.catalog.drop_unused();
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
    kept.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, Weak};
    use std::thread;
    use std::time::{Duration, Instant};

    use graven_format::{Builder, Options, Store};
    use tempfile::TempDir;

    use crate::catalog::Catalog;
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

        /// A keeper with room for so many versions, of which every one counts that is in memory,
        /// named or not.
        fn start(&self, versions: f64) -> Keeper {
            let room = (self.bytes as f64 * versions) as u64;
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
        let _keeper = fixture.start(2.2);
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
        let _keeper = fixture.start(3.0);
        fixture.until_settled("v1");
        for version in ["v2", "v3"] {
            fixture.publish(version);
            fixture.until_settled(version);
            assert!(fixture.version(version, true).unwrap().store().is_loaded(), "{version}");
        }
        assert!(fixture.version("v2", false).unwrap().store().is_loaded());
    }
}
