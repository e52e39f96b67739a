//! A fetcher over a reader whose reads end when the test says so: who is called when, what is read, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use graven_blocks::{BlockId, BlockReader, Cache, FetchCounts, Fetched, Fetcher, Read};
use graven_format::{Builder, Codec, CodecChoice, Error, Looked, Options, Piece, Purpose, Storage, Store};

/// What the reader was asked for, in order, and what has become of it.
#[derive(Debug, Default)]
struct Asked {
    reads: Vec<Read>,
    /// Reads that were begun.
    begun: usize,
    /// Numbers of reads that have ended and were not taken yet.
    ended: Vec<usize>,
    /// Numbers of reads that fail.
    failing: BTreeSet<usize>,
    /// Numbers of reads that bring other bytes.
    damaged: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Asked>>);

impl Disk {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap()
    }

    /// Has read number `i` end.
    fn end(&self, i: usize) {
        let mut asked = self.asked();
        assert!(i < asked.begun, "a read ends only once it was begun");
        asked.ended.push(i);
    }
}

impl BlockReader for Disk {
    fn ask(&mut self, read: Read) {
        self.asked().reads.push(read);
    }

    fn flush(&mut self) {
        let mut asked = self.asked();
        asked.begun = asked.reads.len();
    }

    fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize {
        let mut asked = self.asked();
        let count = most.min(asked.ended.len());
        let taken: Vec<usize> = asked.ended.drain(..count).collect();
        for i in taken {
            let Read { file, span, .. } = &asked.reads[i];
            // The file may be one that is read past the page cache.
            let mut room = vec![0; span.len + span.alignment];
            let start = room.as_ptr().align_offset(span.alignment);
            let read = file.read_at(&mut room[start..start + span.len], span.offset).unwrap();
            let bytes = &mut room[start..start + read][span.skip..];
            if asked.damaged.contains(&i) {
                bytes[0] ^= 1;
            }
            let result =
                if asked.failing.contains(&i) { Err(io::Error::other("broken")) } else { Ok(&bytes[..]) };
            ended(&asked.reads[i], result);
        }
        count
    }
}

const PAIRS: usize = 3_000;

/// Longer than a bucket holds.
const LARGE: usize = 7;
const LARGE_BYTES: usize = 100_000;

fn key(i: usize) -> Vec<u8> {
    format!("key-{i}").into_bytes()
}

fn value(i: usize) -> Vec<u8> {
    if i == LARGE {
        vec![b'v'; LARGE_BYTES]
    } else {
        format!("value-{i}-{}", "x".repeat(i % 50)).into_bytes()
    }
}

fn carve(path: &Path, pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Arc<Store> {
    let codec = CodecChoice::Fixed(Codec::Raw);
    let mut builder = Builder::new(Options { purpose: Purpose::Disk, codec, ..Options::default() });
    pairs.for_each(|(key, value)| builder.add(&key, &value).unwrap());
    builder.write(path).unwrap();
    Arc::new(Store::open_as(path, Storage::Disk).unwrap())
}

/// A fetcher, its reader, a table, and a key of each of its buckets.
struct Fixture {
    fetcher: Fetcher<Disk>,
    disk: Disk,
    store: Arc<Store>,
    keys: Vec<usize>,
    ready: Vec<usize>,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(slots_max: usize, cache: Option<Arc<Cache>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = carve(&folder.path().join("table"), (0..PAIRS).map(|i| (key(i), value(i))));
        let mut buckets = BTreeMap::new();
        for i in (0..PAIRS).filter(|&i| i != LARGE) {
            buckets.entry(store.piece(&key(i)).unwrap().unwrap().start()).or_insert(i);
        }
        let disk = Disk::default();
        let fetcher = Fetcher::new(disk.clone(), cache, slots_max);
        let keys = buckets.into_values().collect();
        Self { fetcher, disk, store, keys, ready: Vec::new(), folder }
    }

    /// The piece of the `n`th bucket.
    fn piece(&self, n: usize) -> Piece {
        self.store.piece(&key(self.keys[n])).unwrap().unwrap()
    }

    fn find(&mut self, n: usize) -> Option<Fetched> {
        let piece = self.piece(n);
        let found = self.fetcher.find(&self.store, &piece);
        if let Some(Ok(block)) = &found {
            let mut out = Vec::new();
            let looked = self.store.look(&key(self.keys[n]), &piece, block, &mut out).unwrap();
            assert_eq!((looked, out), (Looked::Found, value(self.keys[n])));
        }
        found
    }

    fn want(&mut self, n: usize) {
        let piece = self.piece(n);
        self.fetcher.want(&self.store, &piece);
    }

    /// A turn of `waiter`, which needs these buckets: whether it has all of them.
    fn turn(&mut self, waiter: usize, needs: &[usize]) -> bool {
        let here = needs.iter().filter(|&&n| self.find(n).is_some()).count();
        let waits = self.fetcher.settle(waiter);
        assert_eq!(waits, here < needs.len(), "it waits if something is not here");
        !waits
    }

    /// Those who can go on, in order.
    fn called(&mut self) -> Vec<usize> {
        self.fetcher.flush(&mut self.ready);
        self.fetcher.complete(&mut self.ready);
        let mut called = std::mem::take(&mut self.ready);
        called.sort_unstable();
        called
    }

    /// Those who can go on once read number `i` has ended.
    fn called_after(&mut self, i: usize) -> Vec<usize> {
        assert_eq!(self.called(), [0; 0], "nobody before it has ended");
        self.disk.end(i);
        self.called()
    }

    fn reads(&self) -> usize {
        let reads = self.disk.asked().reads.len();
        assert_eq!(self.fetcher.counts().reads, reads as u64);
        reads
    }
}

#[test]
fn a_block_that_many_wait_for_is_read_once_and_all_are_called() {
    let mut fixture = Fixture::new(8, None);
    for waiter in [5, 1, 3] {
        assert!(!fixture.turn(waiter, &[0]));
    }
    assert_eq!(fixture.reads(), 1);
    let read = fixture.disk.asked().reads[0].clone();
    assert_eq!((read.store, read.piece), (fixture.store.serial(), fixture.piece(0)));
    assert_eq!(read.span, fixture.store.span(&read.piece));
    assert_eq!(BlockId::of(&fixture.store, &read.piece).start, read.piece.start());
    assert_eq!(fixture.called_after(0), [1, 3, 5]);
    for waiter in [1, 5, 3] {
        assert!(fixture.turn(waiter, &[0]), "it is here for each of them");
        assert_eq!(fixture.called(), [0; 0]);
    }
    let expected = FetchCounts { reads: 1, read_bytes: read.span.len as u64, ..FetchCounts::default() };
    assert_eq!(fixture.fetcher.counts(), expected);
    // Nobody needs it any more, and there is no cache.
    assert!(!fixture.turn(1, &[0]));
    assert_eq!(fixture.reads(), 2);
    assert_eq!(fixture.fetcher.counts().read_bytes, 2 * read.span.len as u64);
}

#[test]
fn what_is_not_here_is_read_together_and_the_first_of_it_calls() {
    let mut fixture = Fixture::new(8, None);
    assert!(!fixture.turn(1, &[0, 1, 2]));
    assert_eq!(fixture.reads(), 3);
    // Another one waits for what is under way already.
    assert!(!fixture.turn(2, &[2]));
    assert_eq!(fixture.reads(), 3);
    assert_eq!(fixture.called_after(1), [0; 0], "it cannot go on without the first");
    assert_eq!(fixture.called_after(2), [2]);
    assert!(fixture.turn(2, &[2]));
    assert_eq!(fixture.called_after(0), [1]);
    assert!(fixture.turn(1, &[0, 1, 2]), "what came before is here for who asked for it");
    assert_eq!(fixture.reads(), 3);
}

#[test]
fn what_was_found_stays_here_while_something_else_is_waited_for() {
    let mut fixture = Fixture::new(8, None);
    assert!(!fixture.turn(1, &[0]));
    assert_eq!(fixture.called_after(0), [1]);
    assert!(!fixture.turn(1, &[0, 1]));
    assert_eq!(fixture.called_after(1), [1]);
    assert!(fixture.turn(1, &[0, 1]));
    assert_eq!(fixture.reads(), 2);
}

#[test]
fn what_is_read_ahead_is_here_when_it_is_needed() {
    let mut fixture = Fixture::new(8, None);
    fixture.find(0);
    fixture.want(1);
    assert!(fixture.fetcher.settle(1));
    assert_eq!(fixture.reads(), 2);
    assert_eq!(fixture.called_after(1), [0; 0]);
    assert_eq!(fixture.called_after(0), [1]);
    assert!(fixture.find(0).is_some());
    // It is here, and has to stay.
    fixture.want(1);
    fixture.find(2);
    assert!(fixture.fetcher.settle(1));
    assert_eq!(fixture.called_after(2), [1]);
    assert!(fixture.turn(1, &[1, 2]));
    assert_eq!(fixture.reads(), 3);
    // Under way, it is not read twice.
    fixture.want(3);
    assert!(fixture.fetcher.settle(1));
    fixture.want(3);
    assert!(fixture.fetcher.settle(2));
    assert_eq!(fixture.reads(), 4);
}

#[test]
fn a_cache_keeps_what_was_read_and_counts_what_it_had() {
    let cache = Arc::new(Cache::new(1 << 20, 4096));
    let mut fixture = Fixture::new(8, Some(Arc::clone(&cache)));
    let counted =
        |fixture: &Fixture| (fixture.fetcher.counts().cache_hits, fixture.fetcher.counts().cache_misses);
    assert!(!fixture.turn(1, &[0]));
    assert_eq!((counted(&fixture), cache.bytes()), ((0, 1), 0));
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(counted(&fixture), (0, 1), "what is under way was looked for once");
    assert_eq!(fixture.called_after(0), [1, 2]);
    assert!(fixture.turn(1, &[0]) && fixture.turn(2, &[0]));
    assert_eq!(counted(&fixture), (0, 1), "nor is what is held for them a hit");
    assert!(fixture.turn(3, &[0]));
    assert_eq!(counted(&fixture), (1, 1));
    assert!(cache.bytes() as usize > fixture.piece(0).len() && cache.evictions() == 0);
    // What is read ahead is no hit before it is used, and a miss where it is none.
    fixture.want(0);
    assert!(!fixture.fetcher.settle(3));
    fixture.want(1);
    assert!(fixture.fetcher.settle(3));
    assert_eq!((counted(&fixture), fixture.reads()), ((1, 2), 2));
    // Another thread's fetcher finds it.
    let mut other = Fetcher::new(Disk::default(), Some(cache), 8);
    let piece = fixture.piece(0);
    assert!(other.find(&fixture.store, &piece).is_some());
}

#[test]
fn a_cache_counts_the_blocks_that_go_for_others() {
    const BLOCKS: u64 = 40;
    let cache = Arc::new(Cache::new(10 * 4096, 4096));
    let mut fixture = Fixture::new(8, Some(Arc::clone(&cache)));
    let mut held = 0;
    for n in 0..BLOCKS as usize {
        assert!(!fixture.turn(1, &[n]));
        assert_eq!(fixture.called_after(n), [1]);
        assert!(fixture.turn(1, &[n]));
        held =
            (0..=n).filter(|&n| cache.holds(&BlockId::of(&fixture.store, &fixture.piece(n)))).count() as u64;
        assert_eq!(cache.evictions(), n as u64 + 1 - held);
    }
    assert!(held > 0 && held < BLOCKS, "{held} of {BLOCKS} are held");
}

#[test]
fn whoever_finds_no_slot_is_called_when_there_is_one() {
    let mut fixture = Fixture::new(2, None);
    assert!(
        !fixture.turn(1, &[0]) && !fixture.turn(2, &[1]) && !fixture.turn(3, &[2]) && !fixture.turn(4, &[3])
    );
    assert_eq!(fixture.reads(), 2);
    // One that is under way needs no slot of its own.
    assert!(!fixture.turn(5, &[1]));
    assert_eq!(fixture.called_after(0), [1], "the slot is taken until its waiter has used it");
    assert!(fixture.turn(1, &[0]));
    assert_eq!(fixture.called(), [3, 4]);
    assert!(!fixture.turn(4, &[3]) && !fixture.turn(3, &[2]));
    assert_eq!(fixture.reads(), 3);
    assert_eq!(fixture.called_after(1), [2, 5]);
    assert!(fixture.turn(2, &[1]));
    assert_eq!(fixture.called(), [0; 0], "another one needs it");
    assert!(fixture.turn(5, &[1]));
    assert_eq!(fixture.called(), [3]);
}

#[test]
fn what_is_read_ahead_takes_no_slot_from_those_who_wait_for_one() {
    let mut fixture = Fixture::new(2, None);
    assert!(!fixture.turn(1, &[0, 1, 2]));
    assert_eq!(fixture.reads(), 2, "as much as there are slots for");
    assert!(!fixture.turn(2, &[3]));
    fixture.called();
    fixture.disk.end(1);
    fixture.disk.end(0);
    assert_eq!(fixture.called(), [1]);
    // It has two of three, and no slot for the third: it lets go of both.
    assert!(!fixture.turn(1, &[0, 1, 2]));
    assert_eq!(fixture.called(), [1, 2]);
    assert!(!fixture.turn(2, &[3]));
    assert_eq!(fixture.reads(), 3);
}

#[test]
fn a_value_beside_its_bucket_is_read_though_there_is_no_slot() {
    let mut fixture = Fixture::new(1, None);
    let bucket = fixture.store.piece(&key(LARGE)).unwrap().unwrap();
    assert!(fixture.fetcher.find(&fixture.store, &bucket).is_none() && fixture.fetcher.settle(1));
    assert_eq!(fixture.called_after(0), [1]);
    let block = fixture.fetcher.find(&fixture.store, &bucket).unwrap().unwrap();
    let mut out = Vec::new();
    let looked = fixture.store.look(&key(LARGE), &bucket, &block, &mut out).unwrap();
    let Looked::Elsewhere(large) = looked else { panic!("{looked:?}") };
    assert!(fixture.fetcher.find(&fixture.store, &large).is_none() && fixture.fetcher.settle(1));
    assert_eq!(fixture.reads(), 2);
    assert_eq!(fixture.called_after(1), [1]);
    // The bucket is here still, and so is the value.
    assert!(fixture.fetcher.find(&fixture.store, &bucket).is_some());
    let block = fixture.fetcher.find(&fixture.store, &large).unwrap().unwrap();
    let looked = fixture.store.look(&key(LARGE), &large, &block, &mut out).unwrap();
    assert_eq!((looked, out), (Looked::Found, value(LARGE)));
    assert!(!fixture.fetcher.settle(1));
    assert_eq!(fixture.reads(), 2);
}

#[test]
fn whoever_is_gone_is_not_called_and_keeps_nothing() {
    let mut fixture = Fixture::new(1, None);
    assert!(
        !fixture.turn(1, &[0]) && !fixture.turn(2, &[0]) && !fixture.turn(3, &[1]) && !fixture.turn(4, &[1])
    );
    fixture.fetcher.forget(1);
    fixture.fetcher.forget(3);
    assert_eq!(fixture.called_after(0), [2]);
    fixture.fetcher.forget(2);
    assert_eq!(fixture.called(), [4], "the slot is free");
    assert!(!fixture.turn(4, &[1]));
    assert_eq!(fixture.reads(), 2);
    // A read that nobody waits for any more ends, and its slot is free then and not before.
    fixture.fetcher.forget(4);
    assert!(!fixture.turn(5, &[2]));
    assert_eq!(fixture.called_after(1), [0; 0]);
    assert_eq!(fixture.called(), [5]);
    // Whoever comes for it again while it is under way waits for the same read.
    assert!(!fixture.turn(5, &[2]));
    fixture.fetcher.forget(5);
    assert!(!fixture.turn(6, &[2]));
    assert_eq!(fixture.reads(), 3);
    assert_eq!(fixture.called_after(2), [6]);
    fixture.fetcher.forget(77);
}

#[test]
fn a_read_that_fails_is_told_to_all_who_wait_and_is_made_again_for_the_next() {
    let cache = Arc::new(Cache::new(1 << 20, 4096));
    let mut fixture = Fixture::new(8, Some(Arc::clone(&cache)));
    fixture.disk.asked().failing.insert(0);
    fixture.disk.asked().damaged.insert(1);
    assert!(!fixture.turn(1, &[0]) && !fixture.turn(2, &[0]) && !fixture.turn(3, &[1]));
    assert_eq!(fixture.called_after(0), [1, 2]);
    let piece = fixture.piece(0);
    for waiter in [1, 2] {
        match fixture.find(0).unwrap().unwrap_err().as_ref() {
            Error::Read { offset, bytes, source } => {
                assert_eq!((*offset, *bytes), (piece.start(), piece.len() as u64));
                assert_eq!(source.to_string(), "broken");
            }
            other => panic!("{other}"),
        }
        assert!(!fixture.fetcher.settle(waiter));
    }
    assert_eq!(fixture.called_after(1), [3]);
    assert!(matches!(fixture.find(1).unwrap().unwrap_err().as_ref(), Error::Damaged { .. }));
    assert!(!fixture.fetcher.settle(3));
    assert_eq!((fixture.fetcher.counts().errors, cache.bytes()), (2, 0));
    assert!(!fixture.turn(1, &[0]));
    assert_eq!(fixture.called_after(2), [1]);
    assert!(fixture.turn(1, &[0]));
    assert_eq!(fixture.fetcher.counts().errors, 2);
}

#[test]
fn the_blocks_of_two_tables_are_not_taken_for_each_other() {
    let cache = Arc::new(Cache::new(1 << 20, 4096));
    let mut fixture = Fixture::new(8, Some(cache));
    // At the same places of another file there are other values.
    let other = carve(
        &fixture.folder.path().join("other"),
        (0..PAIRS).map(|i| (key(i), value(i).iter().map(|byte| byte ^ 1).collect())),
    );
    let piece = fixture.piece(0);
    assert_eq!(other.piece(&key(fixture.keys[0])).unwrap().unwrap(), piece);
    assert!(!fixture.turn(1, &[0]));
    assert!(fixture.fetcher.find(&other, &piece).is_none() && fixture.fetcher.settle(2));
    assert_eq!(fixture.reads(), 2);
    assert_eq!(fixture.called_after(1), [2]);
    assert_eq!(fixture.called_after(0), [1]);
    assert!(fixture.turn(1, &[0]));
    let block = fixture.fetcher.find(&other, &piece).unwrap().unwrap();
    let mut out = Vec::new();
    other.look(&key(fixture.keys[0]), &piece, &block, &mut out).unwrap();
    out.iter_mut().for_each(|byte| *byte ^= 1);
    assert_eq!(out, value(fixture.keys[0]));
}

/// A table of one value, which is too long for its bucket, and the pieces of both.
fn large_value(fixture: &mut Fixture, waiter: usize, bytes: usize) -> (Arc<Store>, Piece) {
    let path = fixture.folder.path().join(bytes.to_string());
    let large = carve(&path, std::iter::once((b"large".to_vec(), vec![b'v'; bytes])));
    let bucket = large.piece(b"large").unwrap().unwrap();
    assert!(fixture.fetcher.find(&large, &bucket).is_none() && fixture.fetcher.settle(waiter));
    let number = fixture.reads() - 1;
    assert_eq!(fixture.called_after(number), [waiter]);
    let block = fixture.fetcher.find(&large, &bucket).unwrap().unwrap();
    let Ok(Looked::Elsewhere(value)) = large.look(b"large", &bucket, &block, &mut Vec::new()) else {
        panic!("a value elsewhere")
    };
    assert!(value.len() >= bytes, "it is one piece");
    assert!(fixture.fetcher.find(&large, &value).is_none() && fixture.fetcher.settle(waiter));
    (large, value)
}

/// More than all slots may have together, and far less.
const TOO_MANY_BYTES: usize = 65 << 20;
const SOME_BYTES: usize = 3 << 20;

#[test]
fn blocks_of_many_bytes_leave_no_slot_to_others_until_they_are_used() {
    let mut fixture = Fixture::new(8, None);
    assert!(!fixture.turn(3, &[1]));
    let (large, value) = large_value(&mut fixture, 1, TOO_MANY_BYTES);
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(fixture.reads(), 3, "there is no room beside it");
    // What others let go of is not the room that is needed.
    assert_eq!(fixture.called_after(0), [3]);
    assert!(fixture.turn(3, &[1]));
    assert_eq!(fixture.called_after(2), [1]);
    assert!(fixture.fetcher.find(&large, &value).unwrap().is_ok());
    assert!(!fixture.fetcher.settle(1));
    assert_eq!(fixture.called(), [2]);
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(fixture.reads(), 4);
}

#[test]
fn a_value_of_some_megabytes_leaves_slots_to_others() {
    let mut fixture = Fixture::new(8, None);
    large_value(&mut fixture, 1, SOME_BYTES);
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(fixture.reads(), 3);
}

#[test]
fn many_bytes_that_nobody_waits_for_any_more_make_room_when_they_have_come() {
    let mut fixture = Fixture::new(8, None);
    assert!(!fixture.turn(3, &[1]));
    large_value(&mut fixture, 1, TOO_MANY_BYTES);
    fixture.fetcher.forget(1);
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(fixture.reads(), 3);
    assert_eq!(fixture.called_after(2), [0; 0]);
    assert_eq!(fixture.called(), [2]);
    assert!(!fixture.turn(2, &[0]));
    assert_eq!(fixture.called_after(0), [3]);
    assert!(fixture.turn(3, &[1]));
    assert_eq!(fixture.called_after(3), [2]);
    assert!(fixture.turn(2, &[0]));
}

/// A small generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) as usize % bound
    }
}

/// Waiters that need some buckets one after the other come, go and are called, and reads end in any order: all get what they
/// need, nobody is forgotten, and nothing is under way twice.
#[test]
fn everybody_gets_what_it_needs_in_whatever_order_reads_end() {
    const WAITERS: usize = 12;
    for seed in 0..40 {
        let random = &mut Random(seed);
        let cache = (seed % 2 == 0).then(|| Arc::new(Cache::new(20_000, 4096)));
        let mut fixture = Fixture::new(1 + seed as usize % 5, cache);
        let buckets = fixture.keys.len();
        let mut needs: Vec<Vec<usize>> =
            (0..WAITERS).map(|_| (0..1 + random.below(6)).map(|_| random.below(buckets)).collect()).collect();
        let mut due: BTreeSet<usize> = (0..WAITERS).collect();
        let (mut under_way, mut seen, mut steps) = (BTreeMap::new(), 0, 0);
        while needs.iter().any(|needs| !needs.is_empty()) {
            steps += 1;
            assert!(steps < 10_000, "seed {seed}: {needs:?} are forgotten");
            while let Some(waiter) = due.pop_first() {
                // What comes next is read ahead.
                while let Some(&first) = needs[waiter].first() {
                    if fixture.find(first).is_none() {
                        needs[waiter].iter().skip(1).take(2).for_each(|&n| fixture.want(n));
                        break;
                    }
                    needs[waiter].remove(0);
                }
                assert_eq!(fixture.fetcher.settle(waiter), !needs[waiter].is_empty(), "seed {seed}");
            }
            due.extend(fixture.called());
            let asked = fixture.disk.asked().reads.clone();
            for (i, read) in asked.iter().enumerate().skip(seen) {
                let twice = under_way.insert(read.piece.start(), i);
                assert_eq!(twice, None, "seed {seed}: a block is read while it is under way");
            }
            seen = asked.len();
            if !under_way.is_empty() && due.is_empty() {
                let starts: Vec<u64> = under_way.keys().copied().collect();
                let start = starts[random.below(starts.len())];
                fixture.disk.end(under_way.remove(&start).unwrap());
                due.extend(fixture.called());
            }
        }
    }
}
