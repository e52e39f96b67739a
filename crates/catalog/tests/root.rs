//! A root in a directory: versions published, switched, rolled back and removed, by one and by several at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use graven_catalog::root::{
    Publish, Published, Retention, SwitchTarget, Verb, publish, resume, retain, rollback, switch,
};
use graven_catalog::{Directory, Root, RootError, TableName, VersionName};
use graven_format::{Builder, Options};
use tempfile::TempDir;

fn table() -> TableName {
    "prices".parse().unwrap()
}

fn name(text: &str) -> VersionName {
    text.parse().unwrap()
}

/// A carved file of so many pairs, in which every value is the same.
fn carve(folder: &TempDir, pairs: u32, value: &str) -> PathBuf {
    let path = folder.path().join(format!("{pairs}-{value}.graven"));
    let mut builder = Builder::new(Options::default());
    (0..pairs).for_each(|i| builder.add(format!("k{i}").as_bytes(), value.as_bytes()).unwrap());
    builder.write(&path).unwrap();
    path
}

fn put(root: &dyn Root, file: &Path, version: &str) -> Result<Published, RootError> {
    let options = Publish {
        version: Some(name(version)),
        note: format!("as {version}"),
        switch: true,
        force: false,
        progress: &mut |_, _| true,
    };
    publish(root, &table(), file, options)
}

fn current(root: &dyn Root) -> Option<String> {
    root.current(&table()).unwrap().known().map(|current| current.version().to_string())
}

fn names(root: &dyn Root) -> Vec<String> {
    root.versions(&table()).unwrap().into_iter().map(|version| version.name.to_string()).collect()
}

/// Everything in the table's directory but its lock.
fn files(folder: &TempDir) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder.path().join("root/prices"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    files.sort();
    files
}

fn root(folder: &TempDir) -> Directory {
    Directory::create(&folder.path().join("root")).unwrap()
}

#[test]
fn a_version_is_a_copy_that_later_writes_to_the_file_do_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 100, "first");
    let whole = fs::read(&file).unwrap();
    let published = put(&root, &file, "v1").unwrap();
    assert_eq!(
        (published.version, published.switched.unwrap().unwrap().version()),
        (name("v1"), &name("v1"))
    );
    fs::write(&file, b"something else").unwrap();
    assert_eq!(fs::read(folder.path().join("root/prices/v1.graven")).unwrap(), whole);
    assert_eq!(root.tables().unwrap(), [table()]);
    assert_eq!(files(&folder), ["CURRENT", "v1.graven"]);
}

#[test]
fn what_is_not_whole_or_exists_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    put(&root, &carve(&folder, 100, "good"), "v1").unwrap();
    let before = files(&folder);
    let damaged = carve(&folder, 1_000, "bad");
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    assert!(matches!(put(&root, &damaged, "v2"), Err(RootError::File { .. })));
    fs::write(&damaged, b"key value\n").unwrap();
    assert!(matches!(put(&root, &damaged, "v2"), Err(RootError::File { .. })));
    assert!(matches!(put(&root, &carve(&folder, 5, "other"), "v1"), Err(RootError::VersionExists { .. })));
    let stopped = publish(
        &root,
        &table(),
        &carve(&folder, 20_000, "stopped"),
        Publish {
            version: None,
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| false,
        },
    );
    assert!(matches!(stopped, Err(RootError::Stopped)));
    assert_eq!((files(&folder), current(&root).as_deref()), (before, Some("v1")));
}

#[test]
fn versions_without_a_name_are_named_by_the_time_and_sort_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 3, "x");
    let mut made = Vec::new();
    for _ in 0..12 {
        let options = Publish {
            version: None,
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| true,
        };
        made.push(publish(&root, &table(), &file, options).unwrap().version.to_string());
    }
    assert_eq!(names(&root), made);
    assert_eq!(current(&root), made.last().cloned());
}

#[test]
fn a_version_that_a_gate_keeps_out_is_there_and_is_not_switched_to_but_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    put(&root, &carve(&folder, 100, "a"), "v1").unwrap();
    let settings = folder.path().join("root/prices/table.toml");
    fs::write(&settings, "min-pairs = 50\nmax-change = \"50%\"\nprobe = \"must\"\n").unwrap();
    fs::write(folder.path().join("root/prices/must"), "k7 a\n").unwrap();
    let refused = put(&root, &carve(&folder, 10, "b"), "v2").unwrap().switched.unwrap().unwrap_err();
    let RootError::Refused { refusals, .. } = &refused else { panic!("{refused}") };
    assert_eq!(refusals.len(), 4, "{refused}");
    assert_eq!((names(&root), current(&root).as_deref()), (vec!["v1".into(), "v2".into()], Some("v1")));

    let by_hand = SwitchTarget::Version(name("v2"));
    assert!(matches!(
        switch(&root, &table(), &by_hand, "", false, &mut |_, _| true),
        Err(RootError::Refused { .. })
    ));
    let forced = switch(&root, &table(), &by_hand, "I know", true, &mut |_, _| true).unwrap();
    let newest = forced.history().next().unwrap();
    assert!(newest.forced && newest.verb == Verb::Switch && newest.note == "I know");
    fs::write(&settings, "min-pair = 50\n").unwrap();
    let unknown = put(&root, &carve(&folder, 100, "c"), "v3").unwrap().switched.unwrap();
    assert!(matches!(unknown, Err(RootError::Settings { .. })), "{unknown:?}");
}

#[test]
fn a_rollback_freezes_and_never_goes_back_to_what_was_bad() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    assert!(matches!(rollback(&root, &table(), None, ""), Err(RootError::NoTable { .. })));
    for (version, value) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        put(&root, &carve(&folder, 10, value), version).unwrap();
    }
    assert_eq!(rollback(&root, &table(), None, "wrong\nprices").unwrap().version(), &name("v2"));
    let newest = root.current(&table()).unwrap().known().unwrap().history().next().cloned().unwrap();
    assert_eq!((newest.from, newest.note.as_str()), (Some(name("v3")), "wrong prices"));

    // The next nightly version is kept, and waits.
    let waits = put(&root, &carve(&folder, 10, "d"), "v4").unwrap().switched.unwrap();
    assert!(matches!(waits, Err(RootError::Frozen { .. })), "{waits:?}");
    assert!(matches!(
        switch(&root, &table(), &SwitchTarget::Latest, "", true, &mut |_, _| true),
        Err(RootError::Frozen { .. })
    ));
    assert_eq!(rollback(&root, &table(), None, "").unwrap().version(), &name("v1"));
    assert!(matches!(rollback(&root, &table(), None, ""), Err(RootError::NothingToRollBackTo { .. })));
    let bad = name("v3");
    assert!(matches!(rollback(&root, &table(), Some(&bad), ""), Err(RootError::Bad { .. })));

    assert!(!resume(&root, &table(), "mended").unwrap().is_frozen());
    assert!(matches!(
        switch(&root, &table(), &SwitchTarget::Version(bad), "", false, &mut |_, _| true),
        Err(RootError::Bad { .. })
    ));
    assert_eq!(
        switch(&root, &table(), &SwitchTarget::Latest, "", false, &mut |_, _| true).unwrap().version(),
        &name("v4")
    );
    let no_such =
        switch(&root, &table(), &SwitchTarget::Version(name("v9")), "", false, &mut |_, _| true).unwrap_err();
    assert_eq!(no_such.to_string(), "prices has no version v9; it has v4, v3, v2, v1");
}

#[test]
fn a_current_that_a_person_wrote_is_obeyed_and_one_that_says_nothing_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    for (version, value) in [("v1", "a"), ("v2", "b")] {
        put(&root, &carve(&folder, 10, value), version).unwrap();
    }
    let path = folder.path().join("root/prices/CURRENT");
    fs::write(&path, "v1\n").unwrap();
    assert_eq!(current(&root).as_deref(), Some("v1"));
    assert_eq!(
        put(&root, &carve(&folder, 10, "c"), "v3").unwrap().switched.unwrap().unwrap().version(),
        &name("v3")
    );
    assert_eq!(rollback(&root, &table(), None, "").unwrap().version(), &name("v1"));
    for text in ["", "no such name!\n"] {
        fs::write(&path, text).unwrap();
        assert_eq!(current(&root), None);
        assert!(matches!(rollback(&root, &table(), None, ""), Err(RootError::Current { .. })));
    }
}

#[test]
fn retention_spares_what_answers_what_is_gone_back_to_and_what_is_recent() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 3, "x");
    for i in 0..9 {
        put(&root, &file, &format!("v{i}")).unwrap();
    }
    rollback(&root, &table(), Some(&name("v4")), "").unwrap();
    resume(&root, &table(), "").unwrap();
    let day = Duration::from_secs(24 * 3600);
    let retention = Retention { keep: 1, grace: day };
    let now = SystemTime::now();
    assert!(retain(&root, &table(), retention, now).unwrap().is_empty(), "all answered today");
    let removed = retain(&root, &table(), retention, now + 2 * day).unwrap();
    let kept = names(&root);
    // v4 answers, v7 is what a rollback goes back to, the others are newer than what answers.
    assert_eq!(kept, ["v4", "v5", "v6", "v7", "v8"], "removed {removed:?}");
}

#[test]
fn two_publishers_at_once_leave_one_switched_and_both_versions_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    put(&root, &carve(&folder, 10, "zero"), "v0").unwrap();
    let (a, b) = (carve(&folder, 10, "a"), carve(&folder, 10, "b"));
    for round in 0..100 {
        let names = [format!("v{round}a"), format!("v{round}b")];
        let both = std::thread::scope(|scope| {
            let one = scope.spawn(|| put(&root, &a, &names[0]).unwrap());
            let other = scope.spawn(|| put(&root, &b, &names[1]).unwrap());
            [one.join().unwrap(), other.join().unwrap()]
        });
        let switched: Vec<_> = both.iter().map(|published| published.switched.as_ref().unwrap()).collect();
        let now = current(&root).unwrap();
        assert!(names.contains(&now), "{now} after {names:?}");
        for outcome in switched.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(outcome, RootError::Overtaken { .. }), "{outcome}");
        }
        assert!(switched.iter().any(|outcome| outcome.is_ok()), "{switched:?}");
    }
    assert_eq!(names(&root).len(), 201);
    assert_eq!(files(&folder).len(), 202);
}

#[test]
fn what_a_killed_publisher_has_left_goes_with_the_next_and_what_a_living_one_writes_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 10, "a");
    put(&root, &file, "v1").unwrap();
    let table_folder = folder.path().join("root/prices");
    fs::write(table_folder.join(".graven-dead.partial"), b"half").unwrap();
    let living = fs::File::create(table_folder.join(".graven-living.partial")).unwrap();
    rustix::fs::flock(&living, rustix::fs::FlockOperation::LockExclusive).unwrap();
    put(&root, &file, "v2").unwrap();
    assert_eq!(files(&folder), [".graven-living.partial", "CURRENT", "v1.graven", "v2.graven"]);
    drop(living);
    put(&root, &file, "v3").unwrap();
    assert!(!files(&folder).contains(&".graven-living.partial".to_owned()));
}

#[test]
fn a_current_that_somebody_wrote_by_hand_is_read_as_far_as_it_can_be_and_mended_by_a_switch() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 10, "a");
    put(&root, &file, "v1").unwrap();
    put(&root, &file, "v2").unwrap();
    let path = folder.path().join("root/prices/CURRENT");
    for text in
        ["v1", "v1\r\n", " v1 \t\n", "v1\nwhat somebody else notes\n\n", "v1\r\nv2 yesterday publish\r\n"]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(current(&root).as_deref(), Some("v1"), "{text:?}");
        let next = to(&root, "v2").unwrap();
        assert_eq!(next.rollback_target(|_| true), Some(&name("v1")), "{text:?}");
        assert!(
            !text.contains("notes")
                || fs::read_to_string(&path).unwrap().contains("what somebody else notes")
        );
    }
    let large = [&b"v1\n"[..], &vec![b'\n'; 10 << 20]].concat();
    for bytes in [&large[..], b"", b"\n\n", b"\xff\xfe", b"\x7fELF\x02\0\0", b"v1 v2\n", &[0; 100]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(current(&root), None);
        let refused = rollback(&root, &table(), None, "").unwrap_err();
        assert!(matches!(refused, RootError::Current { .. }), "{refused}");
        assert_eq!(root.tables().unwrap(), [table()]);
        assert_eq!(to(&root, "v2").unwrap().version(), &name("v2"));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(root.current(&table()), Err(RootError::Io { .. })));
    assert!(matches!(to(&root, "v2"), Err(RootError::Io { .. })));
}

fn to(root: &dyn Root, version: &str) -> Result<graven_catalog::root::Current, RootError> {
    switch(root, &table(), &SwitchTarget::Version(name(version)), "", false, &mut |_, _| true)
}

/// Makes what is no file, and what whoever opens it may have to wait for.
#[cfg(target_os = "linux")]
fn make_pipe(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// A socket is no file either.
#[cfg(not(target_os = "linux"))]
fn make_pipe(path: &std::path::Path) {
    std::os::unix::net::UnixListener::bind(path).unwrap();
}

#[test]
fn what_is_no_version_is_not_taken_for_one_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 10, "a");
    for version in ["CURRENT", "table.toml", "v1.graven", "_"] {
        assert!(put(&root, &file, version).unwrap().switched.unwrap().is_ok(), "{version}");
    }
    let all = names(&root);
    assert_eq!(all, ["CURRENT", "_", "table.toml", "v1.graven"]);
    let table_folder = folder.path().join("root/prices");
    fs::create_dir(table_folder.join("folder.graven")).unwrap();
    make_pipe(&table_folder.join("pipe.graven"));
    std::os::unix::fs::symlink("nowhere", table_folder.join("link.graven")).unwrap();
    std::os::unix::fs::symlink("loop.graven", table_folder.join("loop.graven")).unwrap();
    std::os::unix::fs::symlink("loop", folder.path().join("root/loop")).unwrap();
    assert_eq!(root.tables().unwrap(), [table()]);
    for foreign in [".graven", "a b.graven", "v2.graven.bak", "-.graven"] {
        fs::write(table_folder.join(foreign), b"").unwrap();
    }
    assert_eq!(names(&root), all);
    for version in ["folder", "pipe"] {
        let refused = to(&root, version).unwrap_err().to_string();
        assert!(refused.contains(version) && refused.contains("not a file"), "{refused}");
    }
    assert!(matches!(to(&root, "link"), Err(RootError::NoVersion { .. })));
    for version in ["folder", "pipe", "link"] {
        let refused = put(&root, &file, version).unwrap_err();
        assert!(matches!(refused, RootError::VersionExists { .. }), "{refused}");
    }
    assert_eq!(names(&root), all);
}

#[test]
fn a_root_is_for_everybody_to_read_whom_the_mask_of_the_process_lets() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    put(&root, &carve(&folder, 10, "a"), "v1").unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    let mask = u32::from_str_radix(mask, 8).unwrap();
    for file in ["v1.graven", "CURRENT", ".lock"] {
        let about = fs::metadata(folder.path().join("root/prices").join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o666 & !mask, "{file}");
    }
}

#[test]
fn a_table_that_is_a_link_to_a_directory_is_a_table_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("root/prices")).unwrap();
    let file = carve(&folder, 10, "a");
    put(&root, &file, "v1").unwrap();
    put(&root, &file, "v2").unwrap();
    rollback(&root, &table(), None, "").unwrap();
    assert_eq!(root.tables().unwrap(), [table()]);
    assert_eq!(files(&folder), ["CURRENT", "v1.graven", "v2.graven"]);
    assert!(fs::symlink_metadata(folder.path().join("root/prices")).unwrap().is_symlink());
}

#[test]
fn where_the_clock_is_set_back_nothing_recent_is_removed_and_new_names_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let file = carve(&folder, 3, "x");
    let day = Duration::from_secs(24 * 3600);
    let ahead = VersionName::at(SystemTime::now() + 30 * day);
    put(&root, &file, ahead.as_str()).unwrap();
    for _ in 0..3 {
        let options = Publish {
            version: None,
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| true,
        };
        let published = publish(&root, &table(), &file, options).unwrap();
        assert!(published.version > ahead, "{}", published.version);
        assert_eq!(names(&root).last().cloned(), current(&root));
    }
    let retention = Retention { keep: 1, grace: day };
    let back = SystemTime::now() - 10 * day;
    assert!(retain(&root, &table(), retention, back).unwrap().is_empty());
    assert_eq!(retain(&root, &table(), retention, SystemTime::now() + 2 * day).unwrap().len(), 2);
}
