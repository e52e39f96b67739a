//! A root that is followed: what is published answers, what is bad is refused, what is rolled back is gone from the next moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use graven_catalog::root::{Publish, SwitchTarget, VersionName, publish, resume, rollback, switch};
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

/// A version that must not answer.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    /// What is said of it.
    reason: &'static str,
    /// Whether it is a whole carved file, which a gate keeps out.
    is_whole: bool,
}

/// One of every kind, for a table whose version `v1` has 5,000 pairs with the value `good`.
fn bad_versions(folder: &TempDir) -> Vec<Bad> {
    let read = |pairs, value: &str| fs::read(carve(folder, pairs, value)).unwrap();
    let whole = read(5_000, "good");
    let (mut damaged, mut older) = (whole.clone(), whole.clone());
    damaged[whole.len() / 2] ^= 1;
    // The version of the format stands behind eight bytes that say what it is.
    older[8] = 1;
    let mut keyless = Builder::new(Options::default());
    (0..5_000).for_each(|i| keyless.add(format!("j{i}").as_bytes(), b"good").unwrap());
    let path = folder.path().join("keyless.graven");
    keyless.write(&path).unwrap();
    let bad = |name, bytes, reason, is_whole| Bad { name, bytes, reason, is_whole };
    vec![
        bad("damaged", damaged, "expected the checksum", false),
        bad("truncated", whole[..whole.len() / 2].to_vec(), "bytes", false),
        bad("foreign", b"key value\n".to_vec(), "carved file", false),
        bad("older", older, "version 1", false),
        bad("empty", Vec::new(), "carved file", false),
        bad("small", read(3, "good"), "min-pairs: expected at least 100 pairs, found 3", true),
        bad("fewer", read(2_000, "good"), "max-change: expected pairs within 50% of 5000, found 2000", true),
        bad(
            "longer",
            read(5_000, "good good good good"),
            "max-change: expected bytes of keys and values",
            true,
        ),
        bad("keyless", fs::read(path).unwrap(), "probe: the key k7 is missing", true),
        bad("other", read(5_000, "evil"), "probe: expected the value good of the key k8, found evil", true),
        bad("unmarked", read(5_000, "good"), "require-marker: there is no unmarked.ready", true),
    ]
}

#[test]
fn every_kind_of_bad_version_is_refused_by_name_by_publishers_and_servers_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_millis(5));
    let prices: TableName = "prices".parse().unwrap();
    put(&root, "prices", &carve(&folder, 5_000, "good"), "v1");
    until("v1", || answer(&catalog, "prices") == is("v1", "good"));
    let table = folder.path().join("root/prices");
    let settings = "min-pairs = 100\nmax-change = \"50%\"\nprobe = \"must\"\nrequire-marker = \"ready\"\n";
    fs::write(table.join("must"), "k7\nk8 good\n").unwrap();
    fs::write(table.join("v1.ready"), "").unwrap();
    fs::write(table.join("table.toml"), settings).unwrap();
    let before = fs::read_to_string(table.join("CURRENT")).unwrap();
    let history = before.split_once('\n').unwrap().1;
    for Bad { name, bytes, reason, is_whole } in bad_versions(&folder) {
        let version: VersionName = name.parse().unwrap();
        let (file, here) = (folder.path().join("bad"), table.join(format!("{name}.graven")));
        fs::write(&file, &bytes).unwrap();
        if name != "unmarked" {
            fs::write(table.join(format!("{name}.ready")), "").unwrap();
        }
        let options = Publish {
            version: Some(version.clone()),
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| true,
        };
        let refused = match publish(&root, &prices, &file, options) {
            Err(error) => {
                assert!(!is_whole && !here.exists(), "{name}: {error}");
                fs::copy(&file, &here).unwrap();
                error
            }
            Ok(published) => {
                assert!(is_whole, "{name}");
                published.switched.unwrap().unwrap_err()
            }
        };
        assert!(refused.to_string().contains(reason), "{name}: {refused}");
        let target = SwitchTarget::Version(version.clone());
        let refused = switch(&root, &prices, &target, "", false, &mut |_, _| true).unwrap_err().to_string();
        assert!(refused.contains(reason) && refused.contains(name), "{name}: {refused}");
        assert_eq!(fs::read_to_string(table.join("CURRENT")).unwrap(), before, "{name}");

        // A publisher that asks no gates.
        let forged = format!("{name}\n{name} 2026-11-26T02:00:00Z switch\n{history}");
        fs::write(table.join("CURRENT"), &forged).unwrap();
        let is_refused = |catalog: &Catalog| {
            matches!(condition(catalog, "prices"), Condition::Refused { version: found, reason: said }
                if found == version && said.contains(reason))
        };
        until(name, || is_refused(&catalog));
        assert_eq!(answer(&catalog, "prices"), is("v1", "good"), "beside {name}");
        let restarted = start(&folder, Duration::from_secs(3600));
        until(name, || is_refused(&restarted.1));
        assert_eq!(answer(&restarted.1, "prices"), is("v1", "good"), "beside {name} after a restart");
        assert!(restarted.1.snapshot().is_ready(), "{name}");
        if name == "unmarked" {
            fs::write(table.join("unmarked.ready"), "").unwrap();
            until("it is marked", || answer(&catalog, "prices") == is("unmarked", "good"));
        }
        fs::write(table.join("CURRENT"), &before).unwrap();
        until("v1 again", || {
            answer(&catalog, "prices") == is("v1", "good")
                && condition(&catalog, "prices") == Condition::Serving
        });
    }

    // What is whole can be let in by force, and going back from there asks no gate.
    let fewer = SwitchTarget::Version("fewer".parse().unwrap());
    switch(&root, &prices, &fewer, "", true, &mut |_, _| true).unwrap();
    until("by force", || answer(&catalog, "prices") == is("fewer", "good"));
    let restarted = start(&folder, Duration::from_secs(3600));
    until("by force", || answer(&restarted.1, "prices") == is("fewer", "good"));
    drop(restarted);
    rollback(&root, &prices, None, "").unwrap();
    until("v1 again", || answer(&catalog, "prices") == is("v1", "good"));
    until("frozen", || condition(&catalog, "prices") == Condition::Frozen);
    let damaged = SwitchTarget::Version("damaged".parse().unwrap());
    resume(&root, &prices, "").unwrap();
    switch(&root, &prices, &damaged, "", true, &mut |_, _| true).unwrap_err();
}

#[test]
fn a_current_that_says_nothing_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start(&folder, Duration::from_secs(3600));
    put(&root, "prices", &carve(&folder, 10, "a"), "v1");
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    let table = folder.path().join("root/prices");
    let large = "v1\n".repeat(3 << 20);
    let current = table.join("CURRENT");
    for (i, nothing) in ["", "not a name!\n", "no-such-version\n", "v1\0\n", &large].into_iter().enumerate() {
        fs::write(&current, nothing).unwrap();
        // Another table is looked at behind this one: when it answers, this one was looked at.
        let later = format!("z{i}");
        put(&root, &later, &carve(&folder, 10, "z"), "v1");
        keeper.look();
        until(&later, || {
            catalog.snapshot().named(&later).is_some() && answer(&catalog, &later) == is("v1", "z")
        });
        assert_eq!(
            answer(&catalog, "prices"),
            is("v1", "a"),
            "beside {:?}",
            &nothing[..nothing.len().min(20)]
        );
    }
    put(&root, "prices", &carve(&folder, 10, "d"), "v9");
    until("what is right", || answer(&catalog, "prices") == is("v9", "d"));
}

#[test]
fn a_table_that_is_a_link_to_a_directory_is_watched_too() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    let elsewhere = Directory::create(&folder.path().join("elsewhere")).unwrap();
    put(&elsewhere, "prices", &carve(&folder, 10, "a"), "v1");
    std::os::unix::fs::symlink(folder.path().join("elsewhere/prices"), folder.path().join("root/prices"))
        .unwrap();
    until("v1", || {
        catalog.snapshot().named("prices").is_some() && answer(&catalog, "prices") == is("v1", "a")
    });
    for (version, value) in [("v2", "b"), ("v3", "c")] {
        put(&root, "prices", &carve(&folder, 10, value), version);
        until(version, || answer(&catalog, "prices") == is(version, value));
    }
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
    until(
        "v3 is refused",
        || matches!(condition(&catalog, table.as_str()), Condition::Refused { version, .. } if version.as_str() == "v3"),
    );
    assert!(catalog.snapshot().is_ready());
}

#[test]
fn a_version_that_was_rolled_back_from_gives_way_where_the_one_gone_back_to_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        put(&root, "prices", &carve(&folder, 5_000, value), version);
    }
    until("v3", || answer(&catalog, "prices") == is("v3", "c"));
    let path = folder.path().join("root/prices/v1.graven");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let v1 = "v1".parse().unwrap();
    rollback(&root, &"prices".parse().unwrap(), Some(&v1), "").unwrap();
    until("v2", || {
        let snapshot = catalog.snapshot();
        snapshot.named("prices").unwrap().current().unwrap().name().as_str() == "v2"
    });
    assert_eq!(answer(&catalog, "prices"), is("v2", "b"));
    until(
        "it is refused",
        || matches!(condition(&catalog, "prices"), Condition::Refused { version, .. } if version.as_str() == "v1"),
    );
}

#[test]
fn a_table_that_something_else_answers_for_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = Directory::create(&folder.path().join("root")).unwrap();
    for table in ["prices", "users", "urls"] {
        put(&root, table, &carve(&folder, 10, table), "v1");
    }
    let catalog = Catalog::empty();
    let options = KeeperOptions { poll: Duration::from_millis(5), ..KeeperOptions::default() };
    let only = KeeperOptions { only: Some("prices".parse().unwrap()), ..options.clone() };
    let one = Keeper::start(Arc::new(root.clone()), Arc::clone(&catalog), only).unwrap();
    assert_eq!(catalog.snapshot().tables().count(), 1);
    assert_eq!(answer(&catalog, "prices"), is("v1", "prices"));
    let except = KeeperOptions { except: ["prices".parse().unwrap()].into(), ..options.clone() };
    let all = Keeper::start(Arc::new(root.clone()), Arc::clone(&catalog), except).unwrap();
    assert_eq!(answer(&catalog, "users"), is("v1", "users"));

    // Once the options are set, it is left alone, though it is in the root.
    let none = KeeperOptions { only: Some("no-such-table".parse().unwrap()), ..options.clone() };
    one.set_options(none);
    put(&root, "prices", &carve(&folder, 10, "other"), "v2");
    put(&root, "users", &carve(&folder, 10, "new"), "v2");
    until("the other tables", || answer(&catalog, "users") == is("v2", "new"));
    assert_eq!(answer(&catalog, "prices"), is("v1", "prices"));

    // And followed again.
    all.set_options(options);
    until("the table again", || answer(&catalog, "prices") == is("v2", "other"));
    let mut followed: Vec<_> = all.stop().into_iter().map(|id| id.index()).collect();
    followed.sort_unstable();
    assert_eq!(followed, [0, 1, 2]);
    drop(one);
    assert_eq!(answer(&catalog, "prices"), is("v2", "other"), "it goes on answering");
}

#[test]
fn versions_are_held_and_given_up_as_the_options_say() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start(&folder, Duration::from_secs(3600));
    for version in ["v1", "v2", "v3"] {
        put(&root, "prices", &carve(&folder, 10, version), version);
        until(version, || answer(&catalog, "prices") == is(version, version));
    }
    let is_there = || catalog.snapshot().named("prices").unwrap().version("v1").is_some();
    assert!(!is_there());
    let hold = vec![("prices".parse().unwrap(), "v1".parse().unwrap())];
    keeper.set_options(KeeperOptions { hold, ..KeeperOptions::default() });
    until("held", is_there);
    keeper.set_options(KeeperOptions::default());
    until("given up", || !is_there());
    until("given back", || catalog.drop_unused() > 0 || catalog.unnamed() == 0);
}

/// A keeper that is busy for as long as it lives: with `large@v2`, which it verifies a byte a second, while `large@v1` answers.
fn start_busy(folder: &TempDir) -> (Directory, Arc<Catalog>, Keeper) {
    let root = Directory::create(&folder.path().join("root")).unwrap();
    put(&root, "large", &carve(folder, 50_000, "a"), "v1");
    for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        put(&root, "prices", &carve(folder, 5_000, value), version);
    }
    let catalog = Catalog::empty();
    let options =
        KeeperOptions { poll: Duration::from_secs(3600), load_rate: Some(1), ..KeeperOptions::default() };
    let keeper = Keeper::start(Arc::new(root.clone()), Arc::clone(&catalog), options).unwrap();
    until("all is loaded", || {
        let tables = catalog.snapshot();
        ["large", "prices"]
            .iter()
            .all(|table| tables.named(table).unwrap().current().unwrap().store().is_loaded())
    });
    put(&root, "large", &carve(folder, 50_000, "b"), "v2");
    until("it is busy", || matches!(condition(&catalog, "large"), Condition::Loading { .. }));
    (root, catalog, keeper)
}

#[test]
fn a_rollback_waits_for_nothing_that_is_verified_and_answers_from_the_file_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start_busy(&folder);
    let prices = "prices".parse().unwrap();
    rollback(&root, &prices, Some(&"v1".parse().unwrap()), "").unwrap();
    until("v1", || answer(&catalog, "prices") == is("v1", "a"));
    assert!(!catalog.snapshot().named("prices").unwrap().current().unwrap().store().is_loaded());
    assert!(matches!(condition(&catalog, "large"), Condition::Loading { .. }), "it is still busy");
}

#[test]
fn a_version_that_is_overtaken_while_it_is_verified_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start_busy(&folder);
    rollback(&root, &"large".parse().unwrap(), None, "").unwrap();
    // It verifies the rest as fast as it can, and would switch then.
    drop(keeper);
    until("it has ended", || Arc::strong_count(&catalog) == 1);
    let snapshot = catalog.snapshot();
    let large = snapshot.named("large").unwrap();
    assert_eq!((answer(&catalog, "large"), large.counts().switches), (is("v1", "a"), 0));
}

#[test]
fn a_version_that_others_were_published_after_while_it_is_verified_answers_until_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start_busy(&folder);
    put(&root, "large", &carve(&folder, 50_000, "c"), "v3");
    // It verifies the rest as fast as it can.
    drop(keeper);
    until("it has ended", || Arc::strong_count(&catalog) == 1);
    assert_eq!(answer(&catalog, "large"), is("v2", "b"));
}

#[test]
fn a_table_that_something_else_answers_for_is_not_gone_back_with_either() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start(&folder, Duration::from_secs(3600));
    for table in ["prices", "users"] {
        for (version, value) in [("v1", "a"), ("v2", "b")] {
            put(&root, table, &carve(&folder, 10, value), version);
            until(version, || answer(&catalog, table) == is(version, value));
        }
    }
    let except = ["prices".parse().unwrap()].into();
    keeper.set_options(KeeperOptions { except, ..KeeperOptions::default() });
    for table in ["prices", "users"] {
        rollback(&root, &table.parse().unwrap(), None, "").unwrap();
    }
    until("the other table", || answer(&catalog, "users") == is("v1", "a"));
    // Both threads look at them in this order.
    keeper.stop();
    assert_eq!(answer(&catalog, "prices"), is("v2", "b"));
}

#[test]
fn a_table_that_was_rolled_back_never_stands_as_serving_before_it_is_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        put(&root, "prices", &carve(&folder, 5_000, value), version);
        until(version, || answer(&catalog, "prices") == is(version, value));
    }
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let stands = |catalog: &Catalog| {
        let snapshot = catalog.snapshot();
        let table = snapshot.named("prices").unwrap();
        (table.current().unwrap().name().to_string(), table.condition().clone())
    };
    for (to, value) in [("v2", "b"), ("v1", "a")] {
        rollback(&root, &"prices".parse().unwrap(), Some(&to.parse().unwrap()), "").unwrap();
        until(to, || {
            let (version, condition) = stands(&catalog);
            seen.lock().unwrap().push((version.clone(), condition.clone()));
            version == to && condition == Condition::Frozen && {
                let snapshot = catalog.snapshot();
                let store = snapshot.named("prices").unwrap().current().unwrap().store();
                store.is_loaded()
            }
        });
        assert_eq!(answer(&catalog, "prices"), is(to, value));
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(!seen.contains(&(to.to_owned(), Condition::Serving)), "{seen:?}");
        resume(&root, &"prices".parse().unwrap(), "").unwrap();
        until("resumed", || condition(&catalog, "prices") == Condition::Serving);
    }
}

#[test]
fn going_back_to_the_version_before_loads_nothing_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, _keeper) = start(&folder, Duration::from_secs(3600));
    let prices: TableName = "prices".parse().unwrap();
    for (version, value) in [("v1", "a"), ("v2", "b")] {
        put(&root, "prices", &carve(&folder, 5_000, value), version);
        until(version, || answer(&catalog, "prices") == is(version, value));
    }
    let state = || catalog.snapshot().named("prices").unwrap().clone();
    let (loads, before) = (state().counts().loads, Arc::downgrade(state().version("v1").unwrap().store()));
    for _ in 0..3 {
        rollback(&root, &prices, None, "").unwrap();
        until("v1", || answer(&catalog, "prices") == is("v1", "a"));
        until("frozen", || condition(&catalog, "prices") == Condition::Frozen);
        resume(&root, &prices, "").unwrap();
        let v2 = SwitchTarget::Version("v2".parse().unwrap());
        switch(&root, &prices, &v2, "", true, &mut |_, _| true).unwrap();
        until("v2", || answer(&catalog, "prices") == is("v2", "b"));
    }
    assert!(Arc::ptr_eq(&before.upgrade().unwrap(), state().version("v1").unwrap().store()));
    assert_eq!(state().counts().loads, loads);
    put(&root, "prices", &carve(&folder, 5_000, "c"), "v3");
    until("v3", || answer(&catalog, "prices") == is("v3", "c"));
    until("v1 is let go", || {
        catalog.drop_unused();
        before.strong_count() == 0
    });
    assert_eq!(catalog.unnamed(), 0);
}

#[test]
fn a_version_that_was_rolled_back_from_goes_on_where_no_other_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (root, catalog, keeper) = start(&folder, Duration::from_millis(5));
    for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        put(&root, "prices", &carve(&folder, 5_000, value), version);
        until(version, || answer(&catalog, "prices") == is(version, value));
    }
    for version in ["v1", "v2"] {
        let path = folder.path().join(format!("root/prices/{version}.graven"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let v1: VersionName = "v1".parse().unwrap();
    rollback(&root, &"prices".parse().unwrap(), Some(&v1), "").unwrap();
    let is_refused =
        || matches!(condition(&catalog, "prices"), Condition::Refused { version, .. } if version == v1);
    until("v1 is refused", is_refused);
    assert_eq!(answer(&catalog, "prices"), is("v3", "c"));
    for i in 0..3 {
        let later = format!("z{i}");
        put(&root, &later, &carve(&folder, 10, "z"), "v1");
        keeper.look();
        until(&later, || answer(&catalog, &later) == is("v1", "z"));
        assert!(is_refused() && answer(&catalog, "prices") == is("v3", "c"));
    }
}

#[test]
fn a_switch_wakes_those_that_wait_and_what_is_said_of_a_table_does_not() {
    let catalog = Catalog::empty();
    let wakes = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let woken = Arc::clone(&wakes);
    let _subscription = catalog.subscribe(move || {
        woken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let woken = || wakes.load(std::sync::atomic::Ordering::Relaxed);
    let id = catalog.add("prices".parse().unwrap());
    catalog.set_condition(id, Condition::Frozen);
    let generation = catalog.generation();
    assert_eq!(woken(), 0);
    let (store, _) = Builder::new(Options::default()).finish().unwrap();
    catalog.switch_to(id, "v1".parse().unwrap(), store);
    assert_eq!((woken(), catalog.generation()), (1, generation + 1));
}
