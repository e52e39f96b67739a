//! Nodes that fetch the versions of a root in an object store and answer from them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use graven_catalog::root::{resume, rollback};
use graven_catalog::{
    Catalog, Condition, Directory, Keeper, KeeperOptions, PullOptions, Puller, RootError, SourceCondition,
};

use crate::fake_s3::Fault;
use crate::{PATIENCE, Shop, table, until};

/// A node with a directory.
struct Node {
    catalog: Arc<Catalog>,
    _puller: Puller,
    _keeper: Keeper,
}

impl Node {
    fn start(shop: &Shop, directory: &Path, bytes_max: Option<u64>) -> Result<Self, RootError> {
        let catalog = Catalog::empty();
        let directory = Directory::create(directory)?;
        let poll = Duration::from_millis(20);
        let options = PullOptions { poll, bytes_max, ..PullOptions::default() };
        let puller = Puller::start(shop.bucket(), directory.clone(), Arc::clone(&catalog), options)?;
        let options = KeeperOptions { poll, ..KeeperOptions::default() };
        let keeper = Keeper::start(Arc::new(directory), Arc::clone(&catalog), options)?;
        Ok(Self { catalog, _puller: puller, _keeper: keeper })
    }

    /// The version that answers, and that every answer is from it.
    fn answers(&self) -> Option<String> {
        let snapshot = self.catalog.snapshot();
        let version = snapshot.named("prices")?.current()?;
        let mut value = Vec::new();
        for key in ["k0", "k57", "k99"] {
            value.clear();
            assert!(version.store().get(key.as_bytes(), &mut value).unwrap());
            assert_eq!(value, version.name().as_str().as_bytes());
        }
        Some(version.name().to_string())
    }

    fn until_answers(&self, version: &str) {
        until(&format!("{version} does not answer"), || self.answers().as_deref() == Some(version));
    }

    fn source(&self) -> SourceCondition {
        self.catalog.snapshot().named("prices").map(|table| table.source().clone()).unwrap_or_default()
    }
}

fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory.join("prices")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".graven")).collect()
}

#[test]
fn a_node_with_an_empty_disk_answers_and_follows() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    shop.publish("v2");
    node.until_answers("v2");
    rollback(&shop.bucket(), &table(), None, "wrong").unwrap();
    node.until_answers("v1");
    let condition = || node.catalog.snapshot().named("prices").unwrap().condition().clone();
    until("it is not frozen", || condition() == Condition::Frozen);
    // What is there and not switched to is fetched all the same.
    shop.publish("v3");
    until("v3 is not fetched", || files(folder.path()).contains("v3.graven"));
    resume(&shop.bucket(), &table(), "").unwrap();
    until("it is frozen", || condition() == Condition::Serving);
    assert_eq!(node.answers().unwrap(), "v1");
}

#[test]
fn a_look_that_finds_nothing_new_is_one_request() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    shop.store.take_log();
    let mut log = Vec::new();
    until("it does not look", || {
        log.extend(shop.store.take_log());
        log.len() >= 5
    });
    assert!(log.iter().all(|request| request.method == "GET" && request.key.is_empty()), "{log:?}");
}

#[test]
fn a_node_starts_from_what_is_here_while_the_store_cannot_be_reached_and_goes_on_when_it_can() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    drop(node);
    shop.store.fail(|_| Some(Fault::Status(403, "AccessDenied")));
    let node = Node::start(&shop, folder.path(), None).unwrap();
    assert!(node.catalog.snapshot().is_ready());
    assert_eq!(node.answers().unwrap(), "v1");
    until(
        "it does not say so",
        || matches!(node.source(), SourceCondition::Failing { reason } if reason.contains("403")),
    );
    shop.store.mend();
    shop.publish("v2");
    node.until_answers("v2");
    until("it still says so", || node.source() == SourceCondition::Fine);
}

#[test]
fn a_node_that_has_nothing_and_cannot_reach_the_store_says_why() {
    let shop = Shop::new();
    shop.store.fail(|_| Some(Fault::Status(403, "SignatureDoesNotMatch")));
    let folder = tempfile::tempdir().unwrap();
    let error = Node::start(&shop, folder.path(), None).err().unwrap().to_string();
    assert!(error.contains("s3://shop/root") && error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
}

#[test]
fn two_processes_do_not_fetch_into_one_directory() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(&shop, folder.path(), None).unwrap();
    let error = Node::start(&shop, folder.path(), None).err().unwrap().to_string();
    assert!(error.contains("another process"), "{error}");
}

#[test]
fn a_version_that_is_damaged_in_the_store_never_answers_and_is_said_and_a_mended_one_does() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    let whole = std::fs::read(shop.file("v2", 100)).unwrap();
    let mut damaged = whole.clone();
    let at = damaged.len() - 100;
    damaged[at] ^= 1;
    shop.store.put("root/prices/v2.graven", &damaged);
    shop.store.put("root/prices/CURRENT", b"v2\n");
    until(
        "it is not said",
        || matches!(node.source(), SourceCondition::Failing { reason } if reason.contains("v2")),
    );
    assert_eq!(node.answers().unwrap(), "v1");
    assert!(!files(folder.path()).contains("v2.graven"));
    shop.store.put("root/prices/v2.graven", &whole);
    node.until_answers("v2");
}

#[test]
fn whatever_the_store_does_under_load_no_answer_is_wrong_and_it_goes_on_without_a_restart() {
    let shop = Shop::new();
    shop.publish("v00");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v00");
    let (is_over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    /// Ends those who ask, however the test ends.
    struct AtTheEnd<'a>(&'a AtomicBool);
    impl Drop for AtTheEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    assert!(node.answers().is_some(), "nothing answers");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _end = AtTheEnd(&is_over);
        let faults = [
            (Fault::Status(500, "InternalError"), 8),
            (Fault::Status(503, "SlowDown"), 8),
            (Fault::Status(403, "AccessDenied"), 8),
            (Fault::Status(403, "RequestTimeTooSkewed"), 8),
            (Fault::Truncated, 8),
            // As of a store that is killed.
            (Fault::Silence, 8),
            (Fault::OtherRange, 8),
            (Fault::Whole, 8),
            (Fault::Flipped, 8),
            (Fault::Swapped, 8),
            (Fault::Slow(Duration::from_millis(200)), 8),
            (Fault::Slow(Duration::from_secs(5)), 1),
        ];
        for (i, (fault, times)) in faults.into_iter().enumerate() {
            let version = format!("v{:02}", i + 1);
            shop.publish(&version);
            let mut count = 0;
            // A while of nothing but this, in the middle of which the next version is looked for.
            shop.store.fail(move |_| {
                count += 1;
                (count <= times).then_some(fault)
            });
            until(&format!("{version} does not answer after {fault:?}"), || {
                node.answers().as_deref() == Some(version.as_str())
            });
            shop.store.mend();
        }
    });
    assert!(asked.into_inner() > 100);
}

#[test]
fn old_versions_go_where_there_is_no_room_and_what_a_rollback_needs_stays() {
    let shop = Shop::new();
    shop.publish("v1");
    let bytes = shop.store.get("root/prices/v1.graven").unwrap().len() as u64;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), Some(bytes * 3 + bytes / 2)).unwrap();
    for version in ["v1", "v2", "v3", "v4", "v5"] {
        if version != "v1" {
            shop.publish(version);
        }
        node.until_answers(version);
        assert!(files(folder.path()).len() <= 3);
    }
    let here = files(folder.path());
    assert!(here.contains("v5.graven") && here.contains("v4.graven"), "{here:?}");
    drop(node);
}

#[test]
fn what_the_store_has_no_longer_goes_and_a_store_that_has_nothing_takes_nothing() {
    let shop = Shop::new();
    for version in ["v1", "v2", "v3"] {
        shop.publish(version);
    }
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v3");
    shop.publish("v4");
    node.until_answers("v4");
    until("v2 is not here", || files(folder.path()).len() >= 3);
    shop.store.remove("root/prices/v2.graven");
    until("v2 stays", || !files(folder.path()).contains("v2.graven"));
    for key in shop.store.keys() {
        shop.store.remove(&key);
    }
    until("it is not said", || matches!(node.source(), SourceCondition::Failing { .. }));
    assert_eq!(node.answers().unwrap(), "v4");
    assert!(files(folder.path()).contains("v4.graven"));
}

#[test]
fn settings_come_with_the_versions() {
    let shop = Shop::new();
    shop.publish("v1");
    shop.store.put(
        "root/prices/table.toml",
        b"probe = \"must.txt\"\nrequire-marker = \"ready\"\nstorage = \"disk\"\n",
    );
    shop.store.put("root/prices/must.txt", b"k7\n");
    shop.store.put("root/prices/v1.ready", b"");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    until("it does not answer from disk", || {
        let snapshot = node.catalog.snapshot();
        let version = snapshot.named("prices").and_then(|table| table.current().cloned());
        version.is_some_and(|version| version.store().disk().is_some())
    });
    assert_eq!(std::fs::read(folder.path().join("prices/must.txt")).unwrap(), b"k7\n");
    shop.store.remove("root/prices/table.toml");
    until("table.toml stays", || !folder.path().join("prices/table.toml").exists());
}

#[test]
fn what_is_wrong_with_one_table_keeps_no_other_from_following() {
    let shop = Shop::new();
    shop.publish("v1");
    let object = shop.store.get("root/prices/v1.graven").unwrap();
    let large = vec![b'x'; (1 << 20) + 1];
    for table in ["a-current", "a-settings", "a-probe", "a-hidden", "z-long", "z-junk"] {
        shop.store.put(&format!("root/{table}/v1.graven"), &object);
        shop.store.put(&format!("root/{table}/CURRENT"), b"v1\n");
    }
    shop.store.put("root/a-current/CURRENT", &large);
    shop.store.put("root/a-settings/table.toml", &large);
    shop.store.put("root/a-probe/table.toml", b"probe = \"must.txt\"\n");
    shop.store.put("root/a-probe/must.txt", b"k7\n");
    shop.store.put("root/a-hidden/table.toml", b"probe = \".\"\n");
    shop.store.put("root/z-long/table.toml", format!("probe = \"{}\"\n", "x".repeat(300)).as_bytes());
    shop.store.put("root/z-junk/CURRENT", b"\xff\n");
    shop.store.fail(|request| {
        (request.key == "root/a-probe/must.txt").then_some(Fault::Status(403, "AccessDenied"))
    });
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    shop.publish("v2");
    node.until_answers("v2");
    rollback(&shop.bucket(), &table(), None, "wrong").unwrap();
    node.until_answers("v1");
    assert_eq!(node.source(), SourceCondition::Fine);
    for (table, reason) in [
        ("a-current", "at most 1048576 bytes"),
        ("a-settings", "at most 1048576 bytes"),
        ("a-probe", "403"),
        ("z-junk", "UTF-8"),
    ] {
        let reason_is = |found: &SourceCondition| matches!(found, SourceCondition::Failing { reason: found } if found.contains(reason));
        until(&format!("{table} does not say {reason}"), || {
            node.catalog.snapshot().named(table).is_some_and(|table| reason_is(table.source()))
        });
    }
    // No version gets by a gate that is not known.
    assert!(!folder.path().join("a-settings/CURRENT").exists());
    // What was known goes on to count.
    shop.store.put("root/prices/CURRENT", &large);
    until("it is not said", || matches!(node.source(), SourceCondition::Failing { .. }));
    assert_eq!(node.answers().unwrap(), "v1");
    resume(&shop.bucket(), &table(), "").unwrap_err();
    shop.store.put("root/prices/CURRENT", b"v2\n");
    node.until_answers("v2");
    until("it is said still", || node.source() == SourceCondition::Fine);
}

#[test]
fn a_current_that_names_what_is_nowhere_is_said_and_does_not_count_until_it_is_there() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    shop.store.put("root/prices/CURRENT", b"v2\n");
    until(
        "it is not said",
        || matches!(node.source(), SourceCondition::Failing { reason } if reason.contains("prices has no version v2; it has v1; switch to one that is there")),
    );
    drop(node);
    // What is here answers after a restart too.
    shop.store.fail(|_| Some(Fault::Status(403, "AccessDenied")));
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    shop.store.mend();
    shop.store.put("root/prices/v2.graven", &std::fs::read(shop.file("v2", 100)).unwrap());
    node.until_answers("v2");
}

#[test]
fn a_copy_that_is_damaged_is_fetched_once_more() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    let mut flips = 1;
    shop.store.fail(move |request| {
        let is_of_version = request.method == "GET" && request.key == "root/prices/v2.graven";
        let flipped = (is_of_version && flips > 0).then_some(Fault::Flipped);
        flips -= i32::from(flipped.is_some());
        flipped
    });
    shop.store.put("root/prices/v2.graven", &std::fs::read(shop.file("v2", 100)).unwrap());
    shop.store.put("root/prices/CURRENT", b"v2\n");
    node.until_answers("v2");
}

#[test]
fn a_probe_that_was_removed_here_comes_back() {
    let shop = Shop::new();
    shop.publish("v1");
    shop.store.put("root/prices/table.toml", b"probe = \"must.txt\"\n");
    shop.store.put("root/prices/must.txt", b"k7\n");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    let probe = folder.path().join("prices/must.txt");
    std::fs::remove_file(&probe).unwrap();
    until("it does not come back", || probe.exists());
}

#[test]
fn a_node_that_is_dropped_while_the_store_says_nothing_leaves_its_directory_to_another() {
    let shop = Shop::new();
    shop.publish("v1");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    node.until_answers("v1");
    let began = Instant::now();
    shop.store.fail(|_| Some(Fault::Slow(PATIENCE)));
    shop.store.take_log();
    until("it does not look", || !shop.store.take_log().is_empty());
    drop(node);
    shop.store.mend();
    let node = Node::start(&shop, folder.path(), None).unwrap();
    shop.publish("v2");
    node.until_answers("v2");
    assert!(began.elapsed() < PATIENCE);
}
