//! Files that are served by themselves: what is put in their place answers, and what cannot be read is tried again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use graven_catalog::root::VersionName;
use graven_catalog::{Catalog, Condition, FileKeeper, ServedFile, TableId};
use graven_format::{Builder, FileStamp, Options, Store};
use tempfile::TempDir;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);

fn carve(path: &Path, value: &str) {
    let mut builder = Builder::new(Options::default());
    builder.add(b"key", value.as_bytes()).unwrap();
    let new = path.with_extension("new");
    builder.write(&new).unwrap();
    fs::rename(new, path).unwrap();
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

struct Watched {
    folder: TempDir,
    catalog: Arc<Catalog>,
    table: TableId,
    /// How often it was read.
    reads: Arc<AtomicU32>,
    keeper: FileKeeper,
}

impl Watched {
    /// A file that answers, of which so many reads fail from now on.
    fn start(failures: u32) -> Self {
        let (folder, catalog) = (tempfile::tempdir().unwrap(), Catalog::empty());
        let (name, path) = ("prices".parse().unwrap(), folder.path().join("prices.graven"));
        carve(&path, "a");
        let table = catalog.add("prices".parse().unwrap());
        let store = Store::open(&path).unwrap();
        catalog.switch_to(table, VersionName::of_identity(store.identity()), store);
        let reads = Arc::new(AtomicU32::new(0));
        let reload = {
            let (path, reads) = (path.clone(), Arc::clone(&reads));
            move || match reads.fetch_add(1, Ordering::SeqCst) < failures {
                true => Err("the medium fails".to_owned()),
                false => Store::open(&path).map_err(|error| error.to_string()),
            }
        };
        let stamp = FileStamp::of(&path);
        let file = ServedFile { table, name, path, stamp, reload: Some(Box::new(reload)) };
        let keeper = FileKeeper::start(Arc::clone(&catalog), vec![file], POLL).unwrap();
        Self { folder, catalog, table, reads, keeper }
    }

    fn replace(&self, value: &str) {
        carve(&self.folder.path().join("prices.graven"), value);
    }

    fn answer(&self) -> String {
        let snapshot = self.catalog.snapshot();
        let mut value = Vec::new();
        snapshot.table(self.table).unwrap().current().unwrap().store().get(b"key", &mut value).unwrap();
        String::from_utf8(value).unwrap()
    }

    fn condition(&self) -> Condition {
        self.catalog.snapshot().table(self.table).unwrap().condition().clone()
    }
}

#[test]
fn a_file_that_could_not_be_read_is_tried_again_though_it_has_not_changed() {
    let watched = Watched::start(3);
    watched.replace("b");
    until("it is refused", || matches!(watched.condition(), Condition::Refused { .. }));
    assert_eq!(watched.answer(), "a");
    until("it is read", || watched.answer() == "b");
    assert_eq!(watched.condition(), Condition::Serving);
    assert_eq!(watched.reads.load(Ordering::SeqCst), 4);
    let counts = watched.catalog.snapshot().table(watched.table).unwrap().counts();
    assert_eq!((counts.refused, counts.switches), (1, 1), "it was one version");
    let files = watched.keeper.stop();
    assert_eq!(files[0].stamp, FileStamp::of(&files[0].path));
}

#[test]
fn a_file_that_is_put_in_the_place_of_one_that_could_not_be_read_is_read_at_once() {
    let watched = Watched::start(1);
    watched.replace("b");
    until("it is refused", || matches!(watched.condition(), Condition::Refused { .. }));
    watched.replace("c");
    until("it is read", || watched.answer() == "c");
}

#[test]
fn a_file_that_was_renamed_or_linked_alone_is_not_read_again() {
    let watched = Watched::start(0);
    let path = watched.folder.path().join("prices.graven");
    fs::hard_link(&path, path.with_extension("link")).unwrap();
    // What would be read is counted when the thread has ended, which looks a last time before.
    let (reads, keeper) = (Arc::clone(&watched.reads), watched.keeper);
    (0..3).for_each(|_| keeper.look());
    keeper.stop();
    assert_eq!(reads.load(Ordering::SeqCst), 0);
}
