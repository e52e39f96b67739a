//! Tables that are served while somebody writes over their file, cuts it, or puts another in its
//! place: what is answered is right, or an error.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use graven_format::{Batch, Change, Codec, CodecChoice, Error, Options, Purpose, Storage, Store};
use tempfile::TempDir;

use crate::samples::{Keys, Random, carve, folder_in_memory};

/// Events of each storage, and checked lookups among them.
const EVENTS: usize = 50;
const LOOKUPS: usize = 1_000_000;

/// Pairs of a table.
const PAIRS: u64 = 5_000;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The same keys with other values in every edition; the values have lengths that do not tell the
/// editions apart. In every other edition some keys are others.
fn edition(number: u64) -> Pairs {
    let mut random = Random(1);
    (0..PAIRS)
        .map(|i| {
            let key = Keys::Uuid4.key(i, &mut random);
            let other = Keys::Uuid4.key(i, &mut random);
            let key = if number % 2 == 1 && i % 16 == 0 { other } else { key };
            let value = format!("{:04}", (i * 7919 + number * 31) % 10_000);
            (key, value.repeat(1 + i as usize % 9).into_bytes())
        })
        .collect()
}

struct Files {
    dir: TempDir,
    /// Editions as they were carved, the first that which is served.
    editions: Vec<Vec<u8>>,
}

impl Files {
    fn new(purpose: Purpose) -> Self {
        let dir = folder_in_memory();
        let path = dir.path().join("table");
        let carve = |number, codec| {
            let codec = CodecChoice::Fixed(codec);
            let options = Options { codec, purpose, temporary_dir: dir.path().into(), ..Options::default() };
            carve(&edition(number), options, &path).unwrap()
        };
        // The same shape, other values, other keys; another codec of the same pairs.
        let editions = vec![
            carve(0, Codec::Raw),
            carve(1, Codec::Raw),
            carve(2, Codec::Raw),
            carve(0, Codec::Packed),
            carve(0, Codec::Huffman),
        ];
        Self { dir, editions }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("table")
    }

    /// What happens to the file, as event number `event`; `at` says where.
    fn happen(&self, event: usize, at: u64) {
        let path = self.path();
        let other = &self.editions[1 + event % (self.editions.len() - 1)];
        match event % 5 {
            // Over the whole of it, as cp does.
            0 => fs::write(&path, other).unwrap(),
            // Over a part of it, as cp that is not done.
            1 => {
                let cut = 1 + at as usize % (other.len() - 1);
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, &other[..cut], 0).unwrap();
            }
            2 => {
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(at % (self.editions[0].len() as u64 / 2)).unwrap();
            }
            3 => {
                let new = self.dir.path().join("new");
                fs::write(&new, other).unwrap();
                fs::rename(new, &path).unwrap();
            }
            _ => {
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                let at = at as usize % (other.len() / 2);
                std::os::unix::fs::FileExt::write_all_at(&file, &other[at..], at as u64).unwrap();
            }
        }
    }
}

/// Serves the first edition from `storage` while things happen to its file, and holds every answer
/// against it. Returns how many answers were values or misses, and how many were errors.
fn serve(storage: Storage, purpose: Purpose) -> (usize, usize) {
    let (files, pairs) = (Files::new(purpose), edition(0));
    let absent = edition(1);
    let model: HashMap<&[u8], &[u8]> = pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let (mut random, mut value, mut batch) = (Random(5), Vec::new(), Batch::default());
    let (mut answers, mut errors) = (0, 0);
    for event in 0..EVENTS {
        fs::remove_file(files.path()).unwrap_or_default();
        fs::write(files.path(), &files.editions[0]).unwrap();
        let store = Store::open_as(&files.path(), storage).unwrap();
        assert_eq!(store.changed().unwrap(), None);
        for asked in 0..LOOKUPS / EVENTS {
            if asked == LOOKUPS / EVENTS / 8 {
                files.happen(event, random.number());
                let changed = store.changed().unwrap();
                let expected = if event % 5 == 3 { Change::Replaced } else { Change::Contents };
                assert_eq!(changed, Some(expected), "event {event}");
                if storage == Storage::Memory && event % 2 == 0 {
                    // What is loaded now is the table or nothing.
                    assert_eq!(store.load().is_ok(), event % 5 == 3);
                }
            }
            let i = random.below(PAIRS) as usize;
            // Of the other edition's keys some are not in this table.
            let from = if asked % 8 == 7 { &absent } else { &pairs };
            let (key, _) = &from[i];
            let expected = model.get(key.as_slice()).copied();
            value.clear();
            let found = if asked % 16 == 5 {
                store.get_many(&[key], &mut batch).map(|()| {
                    value.extend_from_slice(batch.value(0, &store).unwrap_or_default());
                    batch.value(0, &store).is_some()
                })
            } else {
                store.get(key, &mut value)
            };
            match found {
                Ok(found) => {
                    assert_eq!(found.then_some(value.as_slice()), expected, "{storage:?}, event {event}");
                    answers += 1;
                }
                Err(Error::Damaged { .. } | Error::Io { .. } | Error::Read { .. }) => errors += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    (answers, errors)
}

#[test]
fn a_file_that_is_overwritten_while_it_is_loaded_gives_no_wrong_answer() {
    for purpose in [Purpose::Ram, Purpose::Disk] {
        let (answers, errors) = serve(Storage::Memory, purpose);
        assert!(answers > LOOKUPS / 4 && errors > LOOKUPS / 4, "{answers} answers, {errors} errors");
    }
}

#[test]
fn a_file_that_is_overwritten_while_it_is_mapped_gives_no_wrong_answer() {
    let (answers, errors) = serve(Storage::Mapped, Purpose::Ram);
    assert!(answers > LOOKUPS / 4 && errors > LOOKUPS / 4, "{answers} answers, {errors} errors");
}

#[test]
fn a_file_that_is_overwritten_on_disk_gives_no_wrong_answer() {
    let (answers, errors) = serve(Storage::Disk, Purpose::Disk);
    assert!(answers > LOOKUPS / 4 && errors > LOOKUPS / 4, "{answers} answers, {errors} errors");
}

/// What somebody does to the file of a table, and what the table says of it then.
type Deed = (&'static str, fn(&Path), Option<Change>);

/// Nothing here changes the size of the file, but for where that is the deed.
const DEEDS: [Deed; 15] = [
    ("nothing", |_| {}, None),
    ("read it", |path| drop(fs::read(path).unwrap()), None),
    ("made another file beside it", |path| fs::write(path.with_extension("new"), "x").unwrap(), None),
    ("overwrote it with the same bytes", |path| fs::write(path, fs::read(path).unwrap()).unwrap(), CONTENTS),
    ("overwrote a byte in place", |path| write_at(path, 100), CONTENTS),
    ("cut it", |path| open(path).set_len(100).unwrap(), CONTENTS),
    ("emptied it", |path| drop(fs::File::create(path).unwrap()), CONTENTS),
    ("appended to it", |path| write_at(path, fs::metadata(path).unwrap().len()), CONTENTS),
    ("touched it", |path| open(path).set_modified(SystemTime::now()).unwrap(), CONTENTS),
    ("changed its mode", |path| set_mode(path, 0o600), Some(Change::Status)),
    ("linked it", |path| fs::hard_link(path, path.with_extension("link")).unwrap(), Some(Change::Status)),
    (
        "overwrote a byte and put its time back",
        |path| {
            write_at(path, 100);
            open(path).set_modified(long_ago()).unwrap();
        },
        Some(Change::Status),
    ),
    (
        "renamed another over it",
        |path| {
            fs::copy(path, path.with_extension("new")).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
        Some(Change::Replaced),
    ),
    (
        "removed it and made it anew",
        |path| {
            let bytes = fs::read(path).unwrap();
            // Its place stays taken, so that the new one gets another.
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path, bytes).unwrap();
        },
        Some(Change::Replaced),
    ),
    ("removed it", |path| fs::remove_file(path).unwrap(), Some(Change::Removed)),
];

const CONTENTS: Option<Change> = Some(Change::Contents);

fn open(path: &Path) -> fs::File {
    OpenOptions::new().write(true).open(path).unwrap()
}

fn write_at(path: &Path, at: u64) {
    std::os::unix::fs::FileExt::write_all_at(&open(path), b"x", at).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// A time of which every later one differs, however coarse the clock of the file system.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

#[test]
fn a_table_tells_what_became_of_its_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    let purpose = Purpose::Disk;
    carve(&edition(0), Options { purpose, temporary_dir: dir.path().into(), ..Options::default() }, &path)
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    for storage in [Storage::Memory, Storage::Mapped, Storage::Disk] {
        for (deed, act, expected) in DEEDS {
            let served = dir.path().join("served");
            for entry in fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()) {
                if entry != path {
                    fs::remove_file(entry).unwrap();
                }
            }
            fs::write(&served, &bytes).unwrap();
            set_mode(&served, 0o644);
            open(&served).set_modified(long_ago()).unwrap();
            // The time of the last change of status cannot be set: it has to go by.
            let store = loop {
                let store = Store::open_as(&served, storage).unwrap();
                let probe = dir.path().join("probe");
                fs::write(&probe, "").unwrap();
                let ticked = |path| {
                    let about = fs::metadata(path).unwrap();
                    (about.ctime(), about.ctime_nsec())
                };
                if ticked(&probe) > ticked(&served) {
                    break store;
                }
            };
            assert_eq!(store.changed().unwrap(), None, "{storage:?}");
            act(&served);
            assert_eq!(store.changed().unwrap(), expected, "{storage:?}: somebody {deed}");
            // What was asked once is told again.
            assert_eq!(store.changed().unwrap(), expected, "{storage:?}: somebody {deed}");
        }
    }
}

#[test]
fn a_path_that_leads_through_no_folder_is_an_error_and_not_that_the_file_is_gone() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("table");
    carve(&edition(0), Options { temporary_dir: dir.path().into(), ..Options::default() }, &path).unwrap();
    let store = Store::open(&path).unwrap();
    fs::rename(&folder, dir.path().join("elsewhere")).unwrap();
    assert_eq!(store.changed().unwrap(), Some(Change::Removed));
    fs::write(&folder, "a file").unwrap();
    let error = store.changed().unwrap_err();
    assert!(error.to_string().contains("what the system says of the file"), "{error}");
}

#[test]
fn a_table_that_is_kept_elsewhere_goes_on_to_watch_its_first_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    let options = Options { temporary_dir: dir.path().into(), ..Options::default() };
    carve(&edition(0), options, &path).unwrap();
    open(&path).set_modified(long_ago()).unwrap();
    for storage in [Storage::Mapped, Storage::Disk] {
        let store = Store::open(&path).unwrap();
        fs::copy(&path, dir.path().join("new")).unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        let store = store.keep_in(storage).unwrap();
        assert_eq!(store.changed().unwrap(), Some(Change::Replaced), "{storage:?}");
    }
    assert_eq!(Store::from_bytes(&fs::read(&path).unwrap()).unwrap().changed().unwrap(), None);
}

#[test]
fn the_identity_is_that_of_the_pairs_and_of_how_they_are_stored() {
    let dir = TempDir::new().unwrap();
    let identity = |pairs: &Pairs, options: Options| {
        let options = Options { temporary_dir: dir.path().into(), ..options };
        carve(pairs, options, &dir.path().join("table")).unwrap();
        let store = Store::open(&dir.path().join("table")).unwrap();
        store.verify().unwrap();
        store.identity()
    };
    let pairs = edition(0);
    let raw = || Options { codec: CodecChoice::Fixed(Codec::Raw), ..Options::default() };
    let first = identity(&pairs, raw());
    let mut other = pairs.clone();
    other.reverse();
    assert_eq!(identity(&other, raw()), first, "the order does not matter");
    let again: Pairs =
        [(pairs[7].0.clone(), b"replaced".to_vec())].into_iter().chain(pairs.clone()).collect();
    assert_eq!(identity(&again, raw()), first, "nor does a value that was replaced");
    assert_eq!(identity(&pairs, Options { threads: 3, memory_bytes: 1, ..raw() }), first);
    let mut others = vec![
        identity(&pairs[1..].to_vec(), raw()),
        identity(&pairs, Options { codec: CodecChoice::Fixed(Codec::Huffman), ..raw() }),
        identity(&pairs, Options { purpose: Purpose::Disk, ..raw() }),
        identity(&pairs, Options { bucket_records: Some(16), ..raw() }),
    ];
    other[3].1.reverse();
    other[3].1.push(b'1');
    others.push(identity(&other, raw()));
    assert!(others.iter().all(|&other| other != first));
}
