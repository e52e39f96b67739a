//! Pairs on their way from the order of the input to the order of the file: in partitions, each a
//! run of whole lines of the index, in memory as long as they fit, then in an unnamed temporary
//! file, which shrinks while the partitions are taken out.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use memmap2::MmapMut;

use super::temporary::{PAGE_BYTES, TemporaryFile};
use crate::error::Error;

/// Bytes that a partition asks the system for at a time. What it does not use of them takes none.
const PIECE_BYTES: usize = 256 << 10;

/// What stands before the records of a block: the number of the block, `u64`, and how many bytes
/// they have, `u32`. A block has no more than one pair above
/// [`FRAMED_BYTES`](super::input::FRAMED_BYTES), so they are fewer than 4 GiB.
const HEAD_BYTES: usize = 12;

/// Memory of a partition, from its beginning as far as it is used.
#[derive(Debug)]
struct PartitionMemory {
    memory: MmapMut,
    used: usize,
}

/// What one partition has in memory lies in mappings of its own, which go back to the system when
/// it is carved. An allocator would keep what it has freed: records of all partitions lie there in
/// turn, and the last of them is freed at the very end.
#[derive(Debug, Default)]
struct Partition {
    pieces: Vec<PartitionMemory>,
    /// Where in the temporary file the rest of it is.
    runs: Vec<Range<u64>>,
}

impl Partition {
    fn add(&mut self, block: u64, records: &[u8]) -> io::Result<()> {
        let len = HEAD_BYTES + records.len();
        if self.pieces.last().is_none_or(|piece| piece.memory.len() - piece.used < len) {
            self.pieces.push(PartitionMemory { memory: MmapMut::map_anon(PIECE_BYTES.max(len))?, used: 0 });
        }
        if let Some(PartitionMemory { memory, used }) = self.pieces.last_mut() {
            let (head, room) = memory[*used..*used + len].split_at_mut(HEAD_BYTES);
            head[..8].copy_from_slice(&block.to_le_bytes());
            head[8..].copy_from_slice(&(records.len() as u32).to_le_bytes());
            room.copy_from_slice(records);
            *used += len;
        }
        Ok(())
    }
}

/// The records of a partition that was taken out.
#[derive(Debug)]
pub(crate) struct Taken {
    pieces: Vec<PartitionMemory>,
    spilled: Vec<u8>,
}

impl Taken {
    /// The records of each block, in the order of the input.
    pub(crate) fn blocks(&self) -> Vec<&[u8]> {
        let mut blocks = Vec::new();
        let pieces = self.pieces.iter().map(|piece| &piece.memory[..piece.used]);
        for mut rest in pieces.chain([self.spilled.as_slice()]) {
            while let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
                let [block @ .., a, b, c, d] = *head;
                let (records, behind) = behind.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
                blocks.push((u64::from_le_bytes(block), records));
                rest = behind;
            }
        }
        blocks.sort_unstable_by_key(|&(block, _)| block);
        blocks.into_iter().map(|(_, records)| records).collect()
    }
}

/// Which partitions were read from the temporary file.
#[derive(Debug, Default)]
struct ReadPartitions {
    /// All before this one.
    before: usize,
    /// Others, with where they were.
    others: BTreeMap<usize, Vec<Range<u64>>>,
}

/// All partitions.
#[derive(Debug)]
pub(crate) struct Partitions {
    partitions: Vec<Mutex<Partition>>,
    bytes: AtomicU64,
    memory_bytes: u64,
    file: OnceLock<TemporaryFile>,
    /// Where the temporary file ends.
    end: Mutex<u64>,
    read: Mutex<ReadPartitions>,
    beside: PathBuf,
}

fn spilling(source: io::Error) -> Error {
    Error::Io { doing: "keep records in a temporary file beside the output", source }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Partitions {
    /// `count` empty partitions that may take `memory_bytes` of memory; a temporary file goes into
    /// `beside`.
    pub(crate) fn new(count: usize, memory_bytes: u64, beside: &Path) -> Self {
        Self {
            partitions: (0..count).map(|_| Mutex::default()).collect(),
            bytes: AtomicU64::new(0),
            memory_bytes,
            file: OnceLock::new(),
            end: Mutex::new(0),
            read: Mutex::default(),
            beside: beside.into(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Takes the records of block number `block`, those of each partition in the vector of its
    /// number, and leaves the vectors empty.
    pub(crate) fn add(&self, block: u64, records: &mut [Vec<u8>]) -> Result<(), Error> {
        for (partition, records) in self.partitions.iter().zip(records) {
            if !records.is_empty() {
                self.bytes.fetch_add((HEAD_BYTES + records.len()) as u64, Ordering::Relaxed);
                let added = lock(partition).add(block, records);
                added.map_err(|source| Error::Io { doing: "get memory", source })?;
                records.clear();
            }
        }
        if self.bytes.load(Ordering::Relaxed) > self.memory_bytes { self.spill() } else { Ok(()) }
    }

    /// Writes all that is in memory to the temporary file, in the order of the partitions.
    fn spill(&self) -> Result<(), Error> {
        let mut end = lock(&self.end);
        if self.bytes.load(Ordering::Relaxed) <= self.memory_bytes {
            return Ok(());
        }
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let file = TemporaryFile::create(&self.beside).map_err(spilling)?;
                self.file.get_or_init(|| file)
            }
        };
        // What is before was written earlier, of partitions that are read later.
        *end = end.next_multiple_of(PAGE_BYTES);
        let mut run = Vec::new();
        for partition in &self.partitions {
            run.clear();
            let mut partition = lock(partition);
            for piece in std::mem::take(&mut partition.pieces) {
                run.extend_from_slice(&piece.memory[..piece.used]);
            }
            if run.is_empty() {
                continue;
            }
            let start = *end;
            *end += run.len() as u64;
            partition.runs.push(start..*end);
            drop(partition);
            file.write(&run, start).map_err(spilling)?;
            self.bytes.fetch_sub(run.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes out all records of a partition.
    pub(crate) fn take(&self, number: usize) -> Result<Taken, Error> {
        let Partition { pieces, runs } = std::mem::take(&mut *lock(&self.partitions[number]));
        let held: usize = pieces.iter().map(|piece| piece.used).sum();
        self.bytes.fetch_sub(held as u64, Ordering::Relaxed);
        let mut spilled = Vec::new();
        if let Some(file) = self.file.get() {
            spilled = vec![0; runs.iter().map(|run| run.end - run.start).sum::<u64>() as usize];
            let mut room = spilled.as_mut_slice();
            for run in &runs {
                let (these, rest) = room.split_at_mut((run.end - run.start) as usize);
                file.read(these, run.start).map_err(spilling)?;
                room = rest;
            }
            self.give_back(file, number, runs);
        }
        Ok(Taken { pieces, spilled })
    }

    /// Gives back the room of a partition that was read, when those before it were. Of each run the
    /// page before it then goes as well, whose beginning another partition had.
    fn give_back(&self, file: &TemporaryFile, number: usize, runs: Vec<Range<u64>>) {
        let mut read = lock(&self.read);
        read.others.insert(number, runs);
        loop {
            let before = read.before;
            let Some(runs) = read.others.remove(&before) else { return };
            for run in runs {
                file.give_back(run.start - run.start % PAGE_BYTES..run.end);
            }
            read.before += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds blocks in an order that is not theirs, and takes them out on several threads.
    fn come_back(memory_bytes: u64) {
        let directory = tempfile::tempdir().unwrap();
        let count = 7;
        let partitions = Partitions::new(count, memory_bytes, directory.path());
        let records = |block: u64, partition: usize| {
            // Some have nothing in some partition.
            let len = ((block * 37 + partition as u64 * 101) % 5 * 700) as usize;
            vec![(block + partition as u64) as u8; len]
        };
        for block in (0..40_u64).map(|i| i ^ 5) {
            let mut these: Vec<Vec<u8>> = (0..count).map(|partition| records(block, partition)).collect();
            partitions.add(block, &mut these).unwrap();
            assert!(these.iter().all(Vec::is_empty));
        }
        let threads = 3;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let partitions = &partitions;
                scope.spawn(move || {
                    // The last ones first.
                    for number in (0..count).rev().filter(|number| number % threads == thread) {
                        let taken = partitions.take(number).unwrap();
                        let expected: Vec<Vec<u8>> =
                            (0..40).map(|block| records(block, number)).filter(|of| !of.is_empty()).collect();
                        assert!(taken.blocks() == expected, "partition {number}");
                    }
                });
            }
        });
        assert_eq!(partitions.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(lock(&partitions.read).before, if partitions.file.get().is_some() { count } else { 0 });
    }

    #[test]
    fn records_come_back_in_the_order_of_the_input_whatever_memory_there_is() {
        [u64::MAX, 100_000, 5000, 0].into_iter().for_each(come_back);
    }
}
