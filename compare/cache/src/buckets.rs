//! Lookups in a table on disk, with a cache of its blocks in front.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use graven_blocks::{BlockReader, FileReader, Read};
use graven_format::{Block, Looked, Piece, Store};

use crate::caches::Cache;
use crate::closed_loop::{Answers, Lookup, Questions, Run, Source};
use crate::hear::hear;

/// Reads that are taken in before others are asked for.
pub(crate) const TAKEN_MAX: usize = 16;

/// A cache as graven's server has it: blocks that are shared with who looks into them.
pub(crate) type Blocks = dyn Cache<Arc<Block>>;

/// Lookups whose blocks are being read.
pub(crate) struct Buckets<'s> {
    store: &'s Store,
    questions: Questions<'s>,
    cache: &'s Blocks,
    /// What reads the blocks
    pub(crate) reader: FileReader,
    /// Lookups that wait for a block, by where it begins
    waiting: HashMap<u64, Vec<Lookup>>,
    /// Reads that were asked for
    reads: u64,
    /// Their file
    file: Arc<File>,
    /// Room for a value
    value: Vec<u8>,
}

/// What is told a lookup's value, and `None` where the key is not there.
type Each<'e> = dyn FnMut(Lookup, Option<&[u8]>) -> Result<()> + 'e;

impl<'s> Buckets<'s> {
    /// Lookups of `questions` in `store`, which was opened on disk, made as `run` says.
    pub(crate) fn new(
        store: &'s Store,
        questions: Questions<'s>,
        cache: &'s Blocks,
        Run { how, in_flight, .. }: Run,
    ) -> Result<Self> {
        let file = Arc::clone(file(store)?);
        let reader = FileReader::new(how, in_flight)
            .context("the disk cannot be read so; with --threads it is read without io_uring")?;
        let waiting = HashMap::with_capacity(2 * in_flight);
        Ok(Self { store, questions, cache, reader, waiting, reads: 0, file, value: Vec::new() })
    }

    /// Whether reads are under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Looks up a key: `each` is told at once where no read is needed.
    pub(crate) fn look_up(&mut self, lookup: Lookup, each: &mut Each<'_>) -> Result<()> {
        match self.store.piece(self.questions.key(lookup.number))? {
            Some(piece) => self.look_into(piece, lookup, each),
            None => each(lookup, None),
        }
    }

    /// Looks into a block that is in the cache, or has it read.
    fn look_into(&mut self, piece: Piece, lookup: Lookup, each: &mut Each<'_>) -> Result<()> {
        if let Some(block) = self.cache.get(piece.start()) {
            return self.look(&piece, &block, lookup, each);
        }
        let waiting = self.waiting.entry(piece.start()).or_default();
        if waiting.is_empty() {
            let (file, span) = (Arc::clone(&self.file), self.store.span(&piece));
            self.reader.ask(Read { file, store: self.store.serial(), piece, span });
            self.reads += 1;
        }
        waiting.push(lookup);
        Ok(())
    }

    /// What `block` says, or else the block that it names.
    fn look(&mut self, piece: &Piece, block: &Block, lookup: Lookup, each: &mut Each<'_>) -> Result<()> {
        self.value.clear();
        match self.store.look(self.questions.key(lookup.number), piece, block, &mut self.value)? {
            Looked::Found => each(lookup, Some(&self.value)),
            Looked::Missing => each(lookup, None),
            Looked::Elsewhere(piece) => self.look_into(piece, lookup, each),
        }
    }

    /// Tells `each` of some lookups whose reads have ended, and tells how many reads these were.
    pub(crate) fn take_in(&mut self, each: &mut Each<'_>) -> Result<usize> {
        let mut ended: Vec<(Piece, io::Result<Block>)> = Vec::with_capacity(TAKEN_MAX);
        let store = self.store;
        let taken = self.reader.take(TAKEN_MAX, &mut |Read { piece, .. }, bytes| {
            let block = bytes.and_then(|bytes| store.block(piece, bytes).map_err(io::Error::other));
            ended.push((*piece, block));
        });
        for (piece, block) in ended {
            let block = Arc::new(block.context("a block cannot be read")?);
            for lookup in self.waiting.remove(&piece.start()).unwrap_or_default() {
                self.look(&piece, &block, lookup, each)?;
            }
            self.cache.put(piece.start(), block);
        }
        Ok(taken)
    }
}

impl Source for Buckets<'_> {
    fn ask(&mut self, lookup: Lookup, answers: &mut Answers<'_>) -> Result<()> {
        self.look_up(lookup, &mut |lookup, value| answers.give(lookup, value))
    }

    fn take(&mut self, sleeps: bool, answers: &mut Answers<'_>) -> Result<()> {
        hear(&mut [&mut self.reader], sleeps)?;
        self.take_in(&mut |lookup, value| answers.give(lookup, value)).map(drop)
    }

    fn reads(&self) -> u64 {
        self.reads
    }
}

/// The file of a table that was opened on disk.
fn file(store: &Store) -> Result<&Arc<File>> {
    store.disk().context("the table was not opened on disk")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use graven_blocks::DiskReads;
    use graven_format::{Builder, Codec, CodecChoice, Options, Purpose, Storage};

    use super::*;
    use crate::caches::{Nothing, Policy, entries};
    use crate::closed_loop;
    use crate::pairs::Pairs;

    const PAIRS: usize = 2_000;
    const EIGHT: Run = Run { how: DiskReads::Auto, in_flight: 8, lasts: None };

    /// Pairs whose keys leave this rest when they are divided by three. Values are of up to 30 bytes, but one in a hundred is too
    /// long for a bucket.
    fn pairs(rest: usize) -> Pairs {
        let mut pairs = Pairs::default();
        for number in 0..PAIRS {
            let bytes = if number.is_multiple_of(100) { 10_000 } else { number % 31 };
            pairs.push(format!("k{}", 3 * number + rest).as_bytes(), &vec![number as u8; bytes]);
        }
        pairs
    }

    fn carve(pairs: &Pairs, path: &Path) -> Store {
        let codec = CodecChoice::Fixed(Codec::Raw);
        let mut builder = Builder::new(Options { codec, purpose: Purpose::Disk, ..Options::default() });
        for number in 0..pairs.len() {
            builder.add(pairs.key(number), pairs.value(number)).unwrap();
        }
        builder.write(path).unwrap();
        Store::open_as(path, Storage::Disk).unwrap()
    }

    /// Reads that are made while every key is asked for once.
    fn reads(store: &Store, questions: Questions<'_>, cache: &Blocks) -> u64 {
        let mut buckets = Buckets::new(store, questions, cache, EIGHT).unwrap();
        let measured = closed_loop::run(&mut buckets, questions, 0..PAIRS, EIGHT).unwrap();
        assert_eq!(measured.reads_each, buckets.reads as f64 / PAIRS as f64);
        buckets.reads
    }

    #[test]
    fn what_is_in_the_cache_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = pairs(0);
        let store = carve(&pairs, &folder.path().join("table"));
        let questions = Questions { pairs: &pairs, there: true };
        // The buckets, and a block for each long value; more than enough, as a cache that is shared by threads is divided.
        let blocks = store.info().buckets + PAIRS as u64 / 100;
        for policy in Policy::ALL {
            let cache = policy.cache(entries(blocks * 10, 100));
            assert_eq!(reads(&store, questions, &*cache), blocks, "{policy}");
            assert_eq!(reads(&store, questions, &*cache), 0, "{policy}");
        }
        assert!(reads(&store, questions, &Nothing) > blocks);
    }

    #[test]
    fn keys_that_are_not_there_are_told_from_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        let (held, absent) = (pairs(0), pairs(1));
        let store = carve(&held, &folder.path().join("table"));
        assert!(reads(&store, Questions { pairs: &absent, there: false }, &Nothing) > 0);
        let wrong = Questions { pairs: &held, there: false };
        let mut buckets = Buckets::new(&store, wrong, &Nothing, EIGHT).unwrap();
        assert!(closed_loop::run(&mut buckets, wrong, 0..1, EIGHT).is_err());
    }
}
