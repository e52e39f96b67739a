//! Pairs on their way from the order of the input to the order of the file: in partitions, each a
//! run of whole lines of the index, in memory as long as they fit, then in an unnamed temporary
//! file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

use crate::error::Error;

/// Bytes that a partition asks the system for at a time. What it does not use of them takes none.
const PIECE_BYTES: usize = 256 << 10;

/// The records of one block that fall into one partition, in the order of the input.
#[derive(Clone, Copy, Debug)]
struct Segment {
    block: u64,
    /// The piece that they are in, where they begin there, and how many bytes they have.
    piece: usize,
    start: usize,
    len: usize,
}

/// A segment that was written to the temporary file.
#[derive(Clone, Copy, Debug)]
struct Spilled {
    block: u64,
    offset: u64,
    len: usize,
}

/// What one partition has in memory lies in mappings of its own, which go back to the system when
/// it is carved. An allocator would keep what it has freed: segments of all partitions lie there
/// in turn, and the last of them is freed at the very end.
#[derive(Debug, Default)]
struct Partition {
    pieces: Vec<MmapMut>,
    /// Bytes of the last piece that are used.
    used: usize,
    segments: Vec<Segment>,
    spilled: Vec<Spilled>,
}

impl Partition {
    fn add(&mut self, block: u64, records: &[u8]) -> io::Result<()> {
        let room = self.pieces.last().map_or(0, |piece| piece.len() - self.used);
        if room < records.len() {
            self.pieces.push(MmapMut::map_anon(PIECE_BYTES.max(records.len()))?);
            self.used = 0;
        }
        let segment = Segment { block, piece: self.pieces.len() - 1, start: self.used, len: records.len() };
        self.pieces[segment.piece][segment.start..][..segment.len].copy_from_slice(records);
        self.used += segment.len;
        self.segments.push(segment);
        Ok(())
    }

    fn records(&self, segment: &Segment) -> &[u8] {
        &self.pieces[segment.piece][segment.start..][..segment.len]
    }
}

/// All partitions.
#[derive(Debug)]
pub(crate) struct Partitions {
    partitions: Vec<Mutex<Partition>>,
    bytes: AtomicU64,
    memory_bytes: u64,
    spill: Mutex<Option<(File, u64)>>,
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
        let partitions = (0..count).map(|_| Mutex::default()).collect();
        let bytes = AtomicU64::new(0);
        Self { partitions, bytes, memory_bytes, spill: Mutex::new(None), beside: beside.into() }
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Takes the records of block number `block`, those of each partition in the vector of its
    /// number, and leaves the vectors empty.
    pub(crate) fn add(&self, block: u64, records: &mut [Vec<u8>]) -> Result<(), Error> {
        for (partition, records) in self.partitions.iter().zip(records) {
            if !records.is_empty() {
                self.bytes.fetch_add(records.len() as u64, Ordering::Relaxed);
                let added = lock(partition).add(block, records);
                added.map_err(|source| Error::Io { doing: "get memory", source })?;
                records.clear();
            }
        }
        if self.bytes.load(Ordering::Relaxed) > self.memory_bytes { self.spill() } else { Ok(()) }
    }

    /// Writes all segments in memory to the temporary file.
    fn spill(&self) -> Result<(), Error> {
        let mut spill = lock(&self.spill);
        if self.bytes.load(Ordering::Relaxed) <= self.memory_bytes {
            return Ok(());
        }
        if spill.is_none() {
            *spill = Some((tempfile::tempfile_in(&self.beside).map_err(spilling)?, 0));
        }
        let Some((file, end)) = spill.as_mut() else { return Ok(()) };
        let mut run = Vec::new();
        for partition in &self.partitions {
            let mut partition = lock(partition);
            run.clear();
            for segment in std::mem::take(&mut partition.segments) {
                let Segment { block, len, .. } = segment;
                partition.spilled.push(Spilled { block, offset: *end + run.len() as u64, len });
                run.extend_from_slice(partition.records(&segment));
            }
            partition.pieces = Vec::new();
            drop(partition);
            file.write_all_at(&run, *end).map_err(spilling)?;
            *end += run.len() as u64;
            self.bytes.fetch_sub(run.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes out all records of a partition, in the order of the input.
    pub(crate) fn take(&self, number: usize) -> Result<Vec<u8>, Error> {
        let partition = std::mem::take(&mut *lock(&self.partitions[number]));
        let file = match lock(&self.spill).as_ref() {
            Some((file, _)) => Some(file.try_clone().map_err(spilling)?),
            None => None,
        };
        let (segments, spilled) = (partition.segments.iter(), partition.spilled.iter());
        let mut sources: Vec<Result<&Segment, &Spilled>> = segments.map(Ok).chain(spilled.map(Err)).collect();
        sources.sort_unstable_by_key(|source| match source {
            Ok(segment) => segment.block,
            Err(spilled) => spilled.block,
        });
        let len = |source: &Result<&Segment, &Spilled>| match source {
            Ok(segment) => segment.len,
            Err(spilled) => spilled.len,
        };
        let bytes = sources.iter().map(len).sum();
        let mut records = Vec::with_capacity(bytes);
        for source in sources {
            match (source, &file) {
                (Ok(segment), _) => {
                    self.bytes.fetch_sub(segment.len as u64, Ordering::Relaxed);
                    records.extend_from_slice(partition.records(segment));
                }
                (Err(spilled), Some(file)) => {
                    let start = records.len();
                    records.resize(start + spilled.len, 0);
                    file.read_exact_at(&mut records[start..], spilled.offset).map_err(spilling)?;
                }
                (Err(_), None) => {}
            }
        }
        Ok(records)
    }
}
