//! A build that is killed at any moment leaves the file that was there, or the new one, whole, and
//! nothing else.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use graven_format::{Builder, Codec, CodecChoice, Options, Store};
use tempfile::TempDir;

use crate::samples::{Keys, Values, pairs};

/// Kills of builds that replace a file, and of builds that make the first.
const KILLS: u32 = 100;

/// The directory that the test of this name is to build in, when it is the build that will be
/// killed.
const DIR: &str = "GRAVEN_TEST_BUILD_IN";

fn build(dir: &std::path::Path) {
    // The input is spooled and the records are spilled: there are temporary files of both kinds to
    // be left behind.
    let options = Options {
        memory_bytes: 200_000,
        temporary_dir: dir.into(),
        threads: 2,
        codec: CodecChoice::Fixed(Codec::Huffman),
        ..Options::default()
    };
    let pairs = pairs(Keys::Uuid4, Values::Letters, 40_000, 2);
    println!("\nbuilding");
    std::io::stdout().flush().unwrap();
    let mut builder = Builder::new(options);
    for (key, value) in pairs {
        builder.add(&key, &value).unwrap();
    }
    builder.write(&dir.join("table")).unwrap();
}

#[test]
fn a_build_that_is_killed_leaves_the_old_file_or_the_new_one_and_nothing_else() {
    if let Some(dir) = std::env::var_os(DIR) {
        return build(dir.as_ref());
    }
    let dir = TempDir::new().unwrap();
    let table = dir.path().join("table");
    let spawn = || {
        let name = "kill::a_build_that_is_killed_leaves_the_old_file_or_the_new_one_and_nothing_else";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "building"));
        (child, lines)
    };
    // The shortest of a few, because other work may slow one down.
    let whole = (0..3).map(|_| {
        let (mut child, lines) = spawn();
        let start = Instant::now();
        drop(lines.collect::<Vec<_>>());
        assert!(child.wait().unwrap().success());
        start.elapsed()
    });
    let whole = whole.min().unwrap();
    let new = std::fs::read(&table).unwrap();
    assert_eq!(std::fs::metadata(&table).unwrap().mode() & 0o400, 0o400);

    let mut old = Builder::new(Options::default());
    old.add(b"old", b"value").unwrap();
    let old_path = dir.path().join("old");
    old.write(&old_path).unwrap();
    let old = std::fs::read(&old_path).unwrap();
    std::fs::remove_file(&old_path).unwrap();

    let (mut killed, mut finished) = (0, 0);
    for i in 0..KILLS {
        let replaces = i % 2 == 0;
        if replaces {
            std::fs::write(&table, &old).unwrap();
        } else {
            std::fs::remove_file(&table).unwrap_or_default();
        }
        let (mut child, lines) = spawn();
        // Spread over the whole of a build and a little more, whatever that takes here and now.
        let moment = Duration::from_micros(u64::from(i) * whole.as_micros() as u64 / u64::from(KILLS));
        let until = Instant::now() + moment;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        if child.wait().unwrap().success() {
            finished += 1
        } else {
            killed += 1
        }
        drop(lines);

        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "table"), "{moment:?}: {left:?} are left");
        match std::fs::read(&table) {
            Ok(bytes) if bytes == new => Store::open(&table).unwrap().verify().unwrap(),
            Ok(bytes) => {
                assert!(replaces && bytes == old, "{moment:?}: neither the old file nor the new one")
            }
            Err(_) => assert!(!replaces, "{moment:?}: the old file is gone"),
        }
    }
    assert!(killed >= KILLS / 4, "{killed} killed, {finished} finished");
}
