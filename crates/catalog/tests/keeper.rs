//! A root that is followed: what is published answers, what is bad is refused, what is rolled back is gone from the next moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use graven_catalog::root::{Publish, publish, rollback};
use graven_catalog::{Catalog, Condition, Directory, Keeper, KeeperOptions, TableName};
use graven_format::{Builder, Options};
use tempfile::TempDir;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn carve(folder: &TempDir, pairs: u32, value: &str) -> PathBuf {
    let path = folder.path().join(format!("{pairs}-{value}.graven"));
    let mut builder = Builder::new(Options::default());
    (0..pairs).for_each(|i| builder.add(format!("k{i}").as_bytes(), value.as_bytes()).unwrap());
    builder.write(&path).unwrap();
    path
}

fn put(root: &Directory, table: &str, file: &Path, version: &str) {
    let options = Publish {
        version: Some(version.parse().unwrap()),
        note: String::new(),
        switch: true,
        force: false,
        progress: &mut |_, _| true,
    };
    publish(root, &table.parse().unwrap(), file, options).unwrap();
}

/// The value of a key that every table has, and the version it comes from.
fn answer(catalog: &Catalog, table: &str) -> Option<(String, String)> {
    let snapshot = catalog.snapshot();
    let version = snapshot.named(table)?.current()?;
    let mut value = Vec::new();
    version.store().get(b"k0", &mut value).unwrap();
    Some((version.name().to_string(), String::from_utf8(value).unwrap()))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

fn is(name: &str, value: &str) -> Option<(String, String)> {
    Some((name.to_owned(), value.to_owned()))
}

fn condition(catalog: &Catalog, table: &str) -> Condition {
    catalog.snapshot().named(table).unwrap().condition().clone()
}

fn start(folder: &TempDir, poll: Duration) -> (Directory, Arc<Catalog>, Keeper) {
    let root = Directory::create(&folder.path().join("root")).unwrap();
    let catalog = Catalog::empty();
    let options = KeeperOptions { poll, ..KeeperOptions::default() };
    let keeper = Keeper::start(Arc::new(root.clone()), Arc::clone(&catalog), options).unwrap();
    (root, catalog, keeper)
}

#[test]
fn what_is_published_answers_without_a_restart_and_what_is_rolled_back_does_not() {
    let folder = tempfile::tempdir().unwrap();
    // So seldom that only the watch can be what has seen it.
    let (root, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    assert!(!catalog.snapshot().is_ready());
    put(&root, "prices", &carve(&folder, 10, "a"), "v1");
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    assert!(catalog.snapshot().is_ready());
    put(&root, "prices", &carve(&folder, 10, "b"), "v2");
    until("v2", || answer(&catalog, "prices") == is("v2", "b"));
    assert!(catalog.snapshot().named("prices").unwrap().version("v1").is_some(), "it may still be named");
    put(&root, "users", &carve(&folder, 10, "u"), "v1");
    until("a table that came later", || answer(&catalog, "users") == is("v1", "u"));
    rollback(&root, &"prices".parse().unwrap(), None, "").unwrap();
    until("v1 again", || answer(&catalog, "prices") == is("v1", "a"));
    until("frozen", || condition(&catalog, "prices") == Condition::Frozen);
}

#[test]
fn where_a_root_cannot_be_watched_it_is_looked_at_now_and_then() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start(&folder, Duration::from_millis(5));
    put(&root, "prices", &carve(&folder, 10, "a"), "v1");
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    fs::rename(folder.path().join("root/prices"), folder.path().join("elsewhere")).unwrap();
    until("the table is gone", || answer(&catalog, "prices").is_none());
    fs::rename(folder.path().join("elsewhere"), folder.path().join("root/prices")).unwrap();
    keeper.look();
    until("the table is back", || answer(&catalog, "prices") == is("v1", "a"));
}

#[test]
fn a_version_that_is_not_right_is_refused_by_name_and_the_one_before_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_millis(5));
    put(&root, "prices", &carve(&folder, 5_000, "a"), "v1");
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    let table = folder.path().join("root/prices");
    let whole = fs::read(carve(&folder, 5_000, "b")).unwrap();
    let (mut damaged, mut small) = (whole.clone(), carve(&folder, 3, "c"));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(table.join("table.toml"), "min-pairs = 100\nprobe = \"must\"\n").unwrap();
    fs::write(table.join("must"), "k7\n").unwrap();
    let bad: [(&str, Vec<u8>); 5] = [
        ("damaged", damaged),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("foreign", b"key value\n".to_vec()),
        ("empty", Vec::new()),
        ("small", fs::read(std::mem::take(&mut small)).unwrap()),
    ];
    for (name, bytes) in bad {
        fs::write(table.join(format!("{name}.graven")), bytes).unwrap();
        fs::write(table.join("CURRENT"), format!("{name}\n")).unwrap();
        until(
            name,
            || matches!(condition(&catalog, "prices"), Condition::Refused { version, .. } if version.as_str() == name),
        );
        assert_eq!(answer(&catalog, "prices"), is("v1", "a"), "beside {name}");
    }
    for nothing in ["", "not a name!\n", "no-such-version\n"] {
        fs::write(table.join("CURRENT"), nothing).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(answer(&catalog, "prices"), is("v1", "a"), "beside {nothing:?}");
    }
    put(&root, "prices", &carve(&folder, 5_000, "d"), "v9");
    until("what is right", || answer(&catalog, "prices") == is("v9", "d"));
}

#[test]
fn a_server_that_starts_on_a_bad_version_answers_from_the_newest_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    {
        let root = Directory::create(&folder.path().join("root")).unwrap();
        for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
            put(&root, "prices", &carve(&folder, 5_000, value), version);
        }
    }
    for version in ["v3", "v2"] {
        let path = folder.path().join(format!("root/prices/{version}.graven"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let (_, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    let table: TableName = "prices".parse().unwrap();
    assert!(matches!(
        condition(&catalog, table.as_str()),
        Condition::Refused { version, .. } if version.as_str() == "v3"
    ));
    assert!(catalog.snapshot().is_ready());
}
