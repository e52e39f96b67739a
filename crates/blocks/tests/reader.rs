//! Pieces of a table come as they were carved, however they are read, whoever waits for them, and how many are taken at once.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graven_blocks::{BlockReader, DiskReads, FileReader, Read};
use graven_format::{Block, Builder, Error, Looked, Options, Piece, Purpose, Storage, Store};
use rustix::event::{PollFd, PollFlags, poll};
use tempfile::TempDir;

const PAIRS: usize = 20_000;

/// Longer than a bucket holds, and than what rooms are kept for.
const LARGE_BYTES: usize = 100_000;

fn key(i: usize) -> String {
    format!("key-{i}")
}

fn value(i: usize) -> String {
    if i % 5_000 == 7 { "v".repeat(LARGE_BYTES) } else { format!("value-{i}") }
}

fn carve(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("table.graven");
    let mut builder = Builder::new(Options { purpose: Purpose::Disk, ..Options::default() });
    for i in 0..PAIRS {
        builder.add(key(i).as_bytes(), value(i).as_bytes()).unwrap();
    }
    builder.write(&path).unwrap();
    path
}

/// Reads every piece that one of the keys lies in, many more at once than the reader gives the disk, and compares each value.
/// Returns how many keys were answered.
fn ask_for_all(path: &Path, how: DiskReads, most: usize, listens: bool) -> usize {
    let store = Store::open_as(path, Storage::Disk).unwrap();
    let mut reader = FileReader::new(how, 5).unwrap();
    let mut keys: HashMap<u64, Vec<usize>> = HashMap::new();
    for i in 0..PAIRS {
        let piece = store.piece(key(i).as_bytes()).unwrap().unwrap();
        let together = keys.entry(piece.start()).or_default();
        if together.is_empty() {
            reader.ask(read(&store, piece));
        }
        together.push(i);
    }
    let mut answered = 0;
    while !keys.is_empty() {
        if listens {
            reader.flush();
            poll(&mut [PollFd::new(&reader.listen().unwrap(), PollFlags::IN)], None).unwrap();
        } else {
            reader.wait().unwrap();
        }
        loop {
            let mut elsewhere = Vec::new();
            let taken = reader.take(most, &mut |Read { piece, .. }, bytes| {
                let block = block(&store, piece, bytes).unwrap();
                for i in keys.remove(&piece.start()).unwrap() {
                    match look(&store, i, piece, &block) {
                        None => answered += 1,
                        Some(large) => {
                            keys.insert(large.start(), vec![i]);
                            elsewhere.push(large);
                        }
                    }
                }
            });
            assert!(taken <= most);
            elsewhere.into_iter().for_each(|piece| reader.ask(read(&store, piece)));
            // The descriptor is not written again for what was left; who waits finds it.
            if taken < most || !listens {
                break;
            }
        }
    }
    answered
}

fn read(store: &Store, piece: Piece) -> Read {
    let file = Arc::clone(store.disk().unwrap());
    Read { file, store: store.serial(), piece, span: store.span(&piece) }
}

fn block(store: &Store, piece: &Piece, bytes: io::Result<&[u8]>) -> Result<Block, Error> {
    let source = |source| Error::Read { offset: piece.start(), bytes: piece.len() as u64, source };
    bytes.map_err(source).and_then(|bytes| store.block(piece, bytes))
}

/// Compares the value of the `i`th key, unless it lies elsewhere.
fn look(store: &Store, i: usize, piece: &Piece, block: &Block) -> Option<Piece> {
    let mut found = Vec::new();
    match store.look(key(i).as_bytes(), piece, block, &mut found).unwrap() {
        Looked::Found => assert_eq!(found, value(i).as_bytes()),
        Looked::Missing => panic!("{} is missing", key(i)),
        Looked::Elsewhere(elsewhere) => return Some(elsewhere),
    }
    None
}

#[test]
fn every_piece_comes_whichever_way_it_is_read_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = carve(&folder);
    for how in [DiskReads::Auto, DiskReads::Threads] {
        for most in [1, 3, usize::MAX] {
            for listens in [false, true] {
                let answered = ask_for_all(&path, how, most, listens);
                assert_eq!(answered, PAIRS, "{how:?}, {most} at once, listening: {listens}");
            }
        }
    }
}

#[test]
fn who_waits_sleeps_until_a_read_has_ended() {
    const READS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_as(&carve(&folder), Storage::Disk).unwrap();
    for how in [DiskReads::Auto, DiskReads::Threads] {
        let mut reader = FileReader::new(how, 4).unwrap();
        let mut waits = 0;
        for i in 0..READS {
            reader.ask(read(&store, store.piece(key(i).as_bytes()).unwrap().unwrap()));
            let mut taken = 0;
            while taken == 0 {
                reader.wait().unwrap();
                waits += 1;
                taken = reader.take(usize::MAX, &mut |_, bytes| assert!(bytes.is_ok()));
            }
        }
        // It may be woken once more for a read that was taken before it was told of.
        assert!(waits <= 2 * READS, "{how:?}: {waits} waits for {READS} reads");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn threads_end_with_their_reader() {
    use std::time::{Duration, Instant};

    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name.starts_with("disk-"))).count()
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_as(&carve(&folder), Storage::Disk).unwrap();
    let mut reader = FileReader::new(DiskReads::Threads, 4).unwrap();
    reader.ask(read(&store, store.piece(key(1).as_bytes()).unwrap().unwrap()));
    reader.wait().unwrap();
    assert!(threads() > 0);
    drop(reader);
    // Those of other tests end too.
    let began = Instant::now();
    while threads() > 0 {
        assert!(began.elapsed() < Duration::from_secs(120), "{} threads are left", threads());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_file_cut_short_while_it_is_read_gives_errors_for_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = carve(&folder);
    let whole = std::fs::metadata(&path).unwrap().len();
    for how in [DiskReads::Auto, DiskReads::Threads] {
        let copy = folder.path().join("cut.graven");
        std::fs::copy(&path, &copy).unwrap();
        let store = Store::open_as(&copy, Storage::Disk).unwrap();
        let mut reader = FileReader::new(how, 8).unwrap();
        std::fs::OpenOptions::new().write(true).open(&copy).unwrap().set_len(whole / 2).unwrap();
        let (mut right, mut gone) = (0, 0);
        for i in (0..PAIRS).step_by(97) {
            let piece = store.piece(key(i).as_bytes()).unwrap().unwrap();
            reader.ask(read(&store, piece));
            reader.wait().unwrap();
            let mut outcome = None;
            while outcome.is_none() {
                reader.take(1, &mut |read, bytes| outcome = Some(block(&store, &read.piece, bytes)));
            }
            match outcome.unwrap() {
                Ok(block) => {
                    look(&store, i, &piece, &block);
                    right += 1;
                }
                Err(Error::Read { source, .. }) => {
                    assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
                    gone += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(right > 10 && gone > 10, "{right} right, {gone} gone");
    }
}

#[test]
fn a_reader_can_go_while_reads_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_as(&carve(&folder), Storage::Disk).unwrap();
    for how in [DiskReads::Auto, DiskReads::Threads] {
        for round in 0..50 {
            let mut reader = FileReader::new(how, 64).unwrap();
            for i in 0..64 {
                let piece = store.piece(key(i * 31 + round).as_bytes()).unwrap().unwrap();
                reader.ask(read(&store, piece));
            }
            reader.flush();
        }
    }
}
