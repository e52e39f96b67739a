//! The files of the three layouts, and how each looks up a key.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use graven_format::{Builder, Codec, CodecChoice, Duplicates, Options, Purpose, Storage, Store};

use super::pointer::Pointer;
use super::values::{ValueFile, ValueReads};
use crate::buckets::{Buckets, TAKEN_MAX};
use crate::caches::Nothing;
use crate::closed_loop::{self, Answers, Lookup, Measured, Questions, Run, Source};
use crate::hear::hear;
use crate::pairs::Pairs;

/// How keys and values lie.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// In one table, on disk
    Together,
    /// Pointers to the values in a table in memory, values on disk
    KeysInMemory,
    /// Pointers to the values in a table on disk, values in a second file there
    KeysOnDisk,
}

impl Layout {
    /// All, in the order in which the table lists them.
    pub(super) const ALL: [Self; 3] = [Self::Together, Self::KeysInMemory, Self::KeysOnDisk];
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Together => "together",
            Self::KeysInMemory => "keys apart, in memory",
            Self::KeysOnDisk => "keys apart, on disk",
        })
    }
}

/// The files of all layouts, opened.
pub(super) struct Files {
    /// Keys with their values
    together: Store,
    /// Keys with pointers, in memory: carved as graven carves a table for memory, so that an index takes as little as it can
    index: Store,
    /// Keys with pointers, on disk
    keys: Store,
    /// Values, on disk
    values: ValueFile,
}

impl Files {
    /// Makes the files of `pairs` in `folder`, of which at most `in_flight` reads are made at once.
    pub(super) fn make(pairs: &Pairs, folder: &Path, in_flight: usize) -> Result<Self> {
        let open = |name: &str, with: With| {
            let path = folder.join(name);
            builder(pairs, folder, Purpose::Disk, with)?.write(&path)?;
            Store::open_as(&path, Storage::Disk).with_context(|| format!("cannot open {}", path.display()))
        };
        let together = open("together.graven", With::Values).context("cannot carve the pairs")?;
        let keys = open("keys.graven", With::Pointers)?;
        let (index, _) = builder(pairs, folder, Purpose::Ram, With::Pointers)?.finish()?;
        let values = ValueFile::make(&folder.join("values"), pairs, &together, in_flight)?;
        Ok(Self { together, index, keys, values })
    }

    /// The index in memory, which holds every key.
    pub(super) fn index(&self) -> &Store {
        &self.index
    }

    /// Bytes of a layout's files. The index in memory counts, as it has to outlive the process somewhere.
    pub(super) fn file_bytes(&self, layout: Layout) -> u64 {
        match layout {
            Layout::Together => self.together.info().file_bytes,
            Layout::KeysInMemory => self.index.info().file_bytes + self.values.len,
            Layout::KeysOnDisk => self.keys.info().file_bytes + self.values.len,
        }
    }

    /// Bytes that a layout keeps in memory to find a key.
    pub(super) fn memory_bytes(&self, layout: Layout) -> u64 {
        match layout {
            Layout::Together => self.together.index_bytes(),
            Layout::KeysInMemory => self.index.info().file_bytes,
            Layout::KeysOnDisk => self.keys.index_bytes(),
        }
    }

    /// Lookups in a layout, made as `run` says.
    pub(super) fn look_up(
        &self,
        layout: Layout,
        questions: Questions<'_>,
        draws: impl Iterator<Item = usize>,
        run: Run,
    ) -> Result<Measured> {
        let buckets = |store| Buckets::new(store, questions, &Nothing, run);
        let values = || ValueReads::new(&self.values, run);
        match layout {
            Layout::Together => closed_loop::run(&mut buckets(&self.together)?, questions, draws, run),
            Layout::KeysInMemory => {
                let (index, pointer) = (&self.index, Vec::new());
                let mut source = KeysInMemory { index, questions, values: values()?, pointer };
                closed_loop::run(&mut source, questions, draws, run)
            }
            Layout::KeysOnDisk => {
                let (keys, values) = (buckets(&self.keys)?, values()?);
                let mut source = KeysOnDisk { keys, values, left: false };
                closed_loop::run(&mut source, questions, draws, run)
            }
        }
    }
}

/// What stands beside a key.
#[derive(Clone, Copy)]
enum With {
    /// Its value
    Values,
    /// A pointer to it
    Pointers,
}

/// A table of all pairs. Nothing in it is compressed, so that the layouts differ in nothing else.
fn builder(pairs: &Pairs, folder: &Path, purpose: Purpose, with: With) -> Result<Builder> {
    let (codec, duplicates) = (CodecChoice::Fixed(Codec::Raw), Duplicates::Error);
    let temporary_dir = folder.to_owned();
    let mut builder =
        Builder::new(Options { codec, duplicates, purpose, temporary_dir, ..Options::default() });
    let mut offset = 0;
    for number in 0..pairs.len() {
        let (key, value) = (pairs.key(number), pairs.value(number));
        match with {
            With::Values => builder.add(key, value)?,
            With::Pointers => builder.add(key, &Pointer { offset, len: value.len() }.pack()?)?,
        }
        offset += value.len() as u64;
    }
    Ok(builder)
}

/// What a table of pointers says of a key.
fn pointer(bytes: &[u8]) -> Result<Pointer> {
    Ok(Pointer::unpack(bytes.try_into().context("the table holds something else than pointers")?))
}

/// Lookups whose keys are in memory.
struct KeysInMemory<'f> {
    /// Pointers by key
    index: &'f Store,
    /// What is asked
    questions: Questions<'f>,
    /// The second step of a lookup
    values: ValueReads<'f>,
    /// Room for a pointer
    pointer: Vec<u8>,
}

impl Source for KeysInMemory<'_> {
    fn ask(&mut self, lookup: Lookup, answers: &mut Answers<'_>) -> Result<()> {
        self.pointer.clear();
        if !self.index.get(self.questions.key(lookup.number), &mut self.pointer)? {
            return answers.give(lookup, None);
        }
        self.values.ask(lookup, pointer(&self.pointer)?)
    }

    fn take(&mut self, sleeps: bool, answers: &mut Answers<'_>) -> Result<()> {
        hear(&mut [&mut self.values.reader], sleeps)?;
        self.values.take_in(answers).map(drop)
    }

    fn reads(&self) -> u64 {
        self.values.reads
    }
}

/// Lookups of two reads each, one behind the other.
struct KeysOnDisk<'f> {
    /// The first step: pointers
    keys: Buckets<'f>,
    /// The second
    values: ValueReads<'f>,
    /// Reads that have ended may have been left, for which no bell is rung again
    left: bool,
}

/// What is to be done with the pointer of a lookup: its value is read.
fn follow<'v>(
    values: &'v mut ValueReads<'_>,
    answers: &'v mut Answers<'_>,
) -> impl FnMut(Lookup, Option<&[u8]>) -> Result<()> {
    |lookup, bytes| match bytes {
        Some(bytes) => values.ask(lookup, pointer(bytes)?),
        None => answers.give(lookup, None),
    }
}

impl Source for KeysOnDisk<'_> {
    fn ask(&mut self, lookup: Lookup, answers: &mut Answers<'_>) -> Result<()> {
        self.keys.look_up(lookup, &mut follow(&mut self.values, answers))
    }

    fn take(&mut self, sleeps: bool, answers: &mut Answers<'_>) -> Result<()> {
        let Self { keys, values, left } = self;
        let sleeps = sleeps && !*left;
        match (keys.is_busy(), values.is_busy()) {
            (true, false) => hear(&mut [&mut keys.reader], sleeps)?,
            (false, true) => hear(&mut [&mut values.reader], sleeps)?,
            _ => hear(&mut [&mut keys.reader, &mut values.reader], sleeps)?,
        }
        let found = keys.take_in(&mut follow(values, answers))?;
        let read = values.take_in(answers)?;
        *left = found == TAKEN_MAX || read == TAKEN_MAX;
        Ok(())
    }

    fn reads(&self) -> u64 {
        self.keys.reads() + self.values.reads
    }
}

#[cfg(test)]
mod tests {
    use graven_blocks::DiskReads;

    use super::super::absent;
    use super::*;

    const PAIRS: usize = 5_000;
    const IN_FLIGHT: usize = 8;

    /// Pairs whose values are of 0 to 999 bytes.
    fn pairs() -> Pairs {
        let mut pairs = Pairs::default();
        for number in 0..PAIRS {
            let key = format!("key-{:05}", number * 7);
            pairs.push(key.as_bytes(), &vec![number as u8; number * 13 % 1_000]);
        }
        pairs
    }

    #[test]
    fn every_layout_answers_with_as_many_reads_as_it_must() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let held = pairs();
        let files = Files::make(&held, folder.path(), IN_FLIGHT).unwrap();
        let absent = absent::keys(&held, files.index()).unwrap();
        for (layout, reads_of_a_hit, reads_of_a_miss) in
            [(Layout::Together, 1, 1), (Layout::KeysInMemory, 1, 0), (Layout::KeysOnDisk, 2, 1)]
        {
            let reads = |pairs, there, in_flight| {
                let questions = Questions { pairs, there };
                let run = Run { how: DiskReads::Auto, in_flight, lasts: None };
                files.look_up(layout, questions, 0..PAIRS, run).unwrap().reads_each
            };
            assert_eq!(reads(&held, true, 1), f64::from(reads_of_a_hit), "{layout}");
            // Lookups of one bucket at one time share its read.
            assert!(reads(&held, true, IN_FLIGHT) <= f64::from(reads_of_a_hit), "{layout}");
            assert!(reads(&absent, false, 1) <= f64::from(reads_of_a_miss), "{layout}");
        }
    }

    #[test]
    fn pairs_whose_keys_come_twice_or_that_are_too_few_are_refused() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let mut pairs = Pairs::default();
        pairs.push(b"a", b"1");
        let error = Files::make(&pairs, folder.path(), IN_FLIGHT).err().unwrap();
        assert!(error.to_string().contains("take more pairs"), "{error:#}");
        pairs.push(b"a", b"2");
        let error = Files::make(&pairs, folder.path(), IN_FLIGHT).err().unwrap();
        assert!(format!("{error:#}").contains("cannot carve the pairs"), "{error:#}");
    }
}
