//! A version brought to where it is kept: read whole, and put into memory as far as there is room.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use graven_format::{Storage, Store};

use crate::catalog::{Condition, TableId};
use crate::keeper::{Reason, RootFollower};
use crate::root::{TableName, TableSettings, TableStorage, VersionName};

/// How long memory is waited for that a version is about to give back.
const LETTING_GO_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const LETTING_GO_PAUSE: Duration = Duration::from_millis(20);

impl RootFollower {
    /// Reads every byte of a version, no faster than allowed while others answer.
    pub(crate) fn verify(
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
                self.catalog.set_condition(id, Condition::Loading { version: version.clone(), done, total });
            }
        });
        verified.map_err(|error| error.to_string())
    }

    /// Where a version is kept. Where memory is short for it beside those that are there, the former version goes; if that is
    /// not enough, the one that answers does so from disk.
    pub(crate) fn place(
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
        self.catalog.forget_former(id);
        if self.let_go_until(fits) {
            return Ok(TableStorage::Ram);
        }
        if let Some(version) = self.in_memory(id) {
            let opened = self.root.open(name, &version).map_err(|error| error.to_string())?;
            let on_disk = Store::from_file(opened, Storage::Disk).map_err(|error| error.to_string())?;
            tracing::info!(
                table = name.as_str(),
                version = version.as_str(),
                "answers from disk while memory is short"
            );
            self.catalog.switch_to(id, version, on_disk);
            self.catalog.forget_former(id);
            if self.let_go_until(fits) {
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

    /// The version of a table that answers, where it does from memory.
    fn in_memory(&self, id: TableId) -> Option<VersionName> {
        let snapshot = self.catalog.snapshot();
        let version = snapshot.table(id)?.current()?;
        version.store().is_loaded().then(|| version.name().clone())
    }

    /// Gives back versions that nobody names as they are no longer used, until it is so, or until that has taken too long.
    fn let_go_until(&self, is_so: impl Fn() -> bool) -> bool {
        let began = Instant::now();
        loop {
            self.catalog.drop_unused();
            if is_so() {
                return true;
            }
            if self.catalog.unnamed() == 0 || began.elapsed() >= LETTING_GO_MAX {
                return false;
            }
            thread::sleep(LETTING_GO_PAUSE);
        }
    }
}

/// Has a store where it is to be kept.
pub(crate) fn keep(store: Store, storage: TableStorage) -> Result<Store, Reason> {
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
            let is_there = |version: &TableVersion| {
                let store = version.store();
                store.is_loaded() || store.is_mapped() || store.disk().is_some()
            };
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
}
