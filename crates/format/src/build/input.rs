//! The pairs that a table is built from, in blocks, read twice: once to learn what they have in
//! common, once to carve them. What fits stays in memory in between; a file is read again; a
//! stream is packed into an unnamed temporary file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pair_streams::PairStreams;
use super::spool::{BlockForm, Spool, SpooledBlock};
use crate::error::Error;
use crate::text::{Block, Blocks, Pair};

/// Bytes of pairs after which a framed block is full.
pub(crate) const FRAMED_BYTES: usize = 1 << 20;

/// Bytes of a file that are kept between the two readings: what is in the page cache is read again
/// in the time that new memory for it would take.
const FILE_KEPT_BYTES: u64 = 8 << 20;

/// Longer blocks are not packed, which needs memory for as much again: they are long values.
const PACKED_BYTES_MAX: usize = 2 << 20;

/// A block of pairs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) block: Block,
    form: BlockForm,
    /// Room for what was packed.
    streams: PairStreams,
}

impl Chunk {
    /// An empty block to which pairs are pushed.
    pub(crate) fn framed() -> Self {
        Self { form: BlockForm::Framed, ..Self::default() }
    }

    /// A block of lines.
    pub(crate) fn of_lines(block: Block) -> Self {
        Self { block, ..Self::default() }
    }

    /// Adds a pair: key length `u32`, value length `u32`, key, value.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let bytes = &mut self.block.bytes;
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }

    /// Calls `each` with every pair, in order.
    #[inline]
    pub(crate) fn for_each(
        &mut self,
        mut each: impl FnMut(Pair<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = self.block.first_line;
        match self.form {
            BlockForm::Lines => return self.block.lines().try_for_each(|pair| each(pair?)),
            BlockForm::Packed => {
                self.streams.unpack(&self.block.bytes)?;
                return self.streams.for_each(|key, value| each(Pair { key, value, line }));
            }
            BlockForm::Framed => {}
        }
        let mut rest = self.block.bytes.as_slice();
        while let Some((lengths, tail)) = rest.split_first_chunk::<8>() {
            let [a, b, c, d, e, f, g, h] = *lengths;
            let (key, tail) = tail.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
            let (value, tail) = tail.split_at(u32::from_le_bytes([e, f, g, h]) as usize);
            each(Pair { key, value, line })?;
            rest = tail;
        }
        Ok(())
    }

    fn read_from(&mut self, spool: &Spool, block: &SpooledBlock) -> Result<(), Error> {
        (self.form, self.block.first_line) = (block.form, block.first_line);
        spool.read(block, &mut self.block.bytes)
    }
}

/// Room for packing blocks, which is used again for each.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    streams: PairStreams,
    packed: Vec<u8>,
}

impl Packer {
    /// Writes a block, which is number `number` of the input, to `spool`: packed, unless it is
    /// long.
    pub(crate) fn write(&mut self, chunk: &mut Chunk, spool: &Spool, number: u64) -> Result<(), Error> {
        let of = (chunk.block.first_line, chunk.block.bytes.len() as u64);
        if chunk.block.bytes.len() > PACKED_BYTES_MAX {
            return spool.write(number, &chunk.block.bytes, chunk.form, of);
        }
        self.streams.clear();
        chunk.for_each(|pair| {
            self.streams.push(pair.key, pair.value);
            Ok(())
        })?;
        let len = self.streams.pack(&mut self.packed)?;
        spool.write(number, &self.packed[..len], BlockForm::Packed, of)
    }

    /// The same of a block of lines.
    pub(crate) fn write_lines(&mut self, block: &mut Block, spool: &Spool, number: u64) -> Result<(), Error> {
        let mut chunk = Chunk::of_lines(std::mem::take(block));
        self.write(&mut chunk, spool, number)?;
        *block = chunk.block;
        Ok(())
    }
}

/// Text to read.
#[allow(missing_debug_implementations)]
pub enum Source<'a> {
    /// A file, which can be read again.
    File(File),
    /// A stream, which cannot.
    Stream(Box<dyn Read + Send + 'a>),
}

/// Blocks that do not fit into memory.
enum Rest {
    /// They are read again, from this byte, which begins this line.
    Again { file: File, offset: u64, line: u64, bytes: u64 },
    /// They were written here.
    Spool(Arc<Spool>),
}

/// Where a block of text stays until the second reading.
pub(crate) enum Keeping {
    /// In memory: it is [given back](FirstPass::give_back).
    Memory,
    /// In a file, which is read again.
    File,
    /// Here, where whoever has read it [writes](Packer::write_lines) it.
    Spool(Arc<Spool>),
}

/// What is kept of the pairs between the two readings.
pub(crate) struct Kept {
    chunks: Vec<(u64, Chunk)>,
    chunk_bytes: u64,
    /// What comes after the blocks in memory, in order.
    rests: Vec<Rest>,
    /// Blocks that were read or pushed.
    blocks: u64,
    /// Bytes of all blocks.
    bytes: u64,
    memory_bytes: u64,
    beside: PathBuf,
    packer: Packer,
}

impl Kept {
    /// Nothing yet, and at most `memory_bytes` of it in memory; what temporary files there must be
    /// are in `beside`.
    pub(crate) fn new(beside: &Path, memory_bytes: u64) -> Self {
        Self {
            chunks: Vec::new(),
            chunk_bytes: 0,
            rests: Vec::new(),
            blocks: 0,
            bytes: 0,
            memory_bytes,
            beside: beside.into(),
            packer: Packer::default(),
        }
    }

    /// Keeps a framed block.
    pub(crate) fn push(&mut self, mut chunk: Chunk) -> Result<(), Error> {
        match self.reserve(chunk.block.bytes.len() as u64)? {
            (number, None) => self.chunks.push((number, chunk)),
            (number, Some(spool)) => self.packer.write(&mut chunk, &spool, number)?,
        }
        Ok(())
    }

    /// Counts a block of so many bytes, and says its number and where it is to be written; to
    /// nowhere, where it may stay in memory.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<(u64, Option<Arc<Spool>>), Error> {
        let (number, fits) = self.count(bytes, self.memory_bytes);
        Ok((number, if fits { None } else { Some(self.spool()?) }))
    }

    /// Says that a block has `bytes`, for which so many were [reserved](Self::reserve), and keeps
    /// it unless it was written.
    pub(crate) fn settle(&mut self, number: u64, bytes: u64, reserved: u64, unwritten: Option<Chunk>) {
        self.bytes = self.bytes - reserved + bytes;
        if let Some(chunk) = unwritten {
            self.chunk_bytes = self.chunk_bytes - reserved + bytes;
            self.chunks.push((number, chunk));
        }
    }

    /// Counts a block, and says its number and whether it may stay in memory, where there may be so
    /// many bytes at most.
    fn count(&mut self, bytes: u64, most: u64) -> (u64, bool) {
        let fits = self.rests.is_empty() && self.chunk_bytes + bytes <= most;
        self.chunk_bytes += if fits { bytes } else { 0 };
        self.bytes += bytes;
        self.blocks += 1;
        (self.blocks - 1, fits)
    }

    /// Where blocks go that are not kept in memory and cannot be read again.
    fn spool(&mut self) -> Result<Arc<Spool>, Error> {
        if let Some(Rest::Spool(spool)) = self.rests.last() {
            return Ok(Arc::clone(spool));
        }
        let spool = Arc::new(Spool::create(&self.beside)?);
        self.rests.push(Rest::Spool(Arc::clone(&spool)));
        Ok(spool)
    }

    /// Nothing but the pairs, in memory: for few enough of them.
    pub(crate) fn compact(self) -> Result<Self, Error> {
        let mut compact = Self::new(&self.beside, u64::MAX);
        let (mut chunk, mut pairs) = (Chunk::default(), Chunk::framed());
        let mut pass = SecondPass::new(self);
        while pass.next(&mut chunk)?.is_some() {
            chunk.for_each(|pair| {
                pairs.push(pair.key, pair.value);
                Ok(())
            })?;
        }
        compact.push(pairs)?;
        Ok(compact)
    }

    /// Calls `each` with the value of every pair that was [pushed](Self::push), which all stay.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        for (_, chunk) in &mut self.chunks {
            chunk.for_each(|pair| each(pair.value))?;
        }
        let mut chunk = Chunk::default();
        for rest in &self.rests {
            let Rest::Spool(spool) = rest else { continue };
            for block in spool.blocks() {
                chunk.read_from(spool, &block)?;
                chunk.for_each(|pair| each(pair.value))?;
            }
        }
        Ok(())
    }

    /// The same again, of what is in memory.
    pub(crate) fn copy(&self) -> Self {
        let mut copy = Self::new(&self.beside, self.memory_bytes);
        copy.chunks.clone_from(&self.chunks);
        (copy.chunk_bytes, copy.blocks, copy.bytes) = (self.chunk_bytes, self.blocks, self.bytes);
        copy
    }

    /// Blocks so far: the number of the next one.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes of all pairs with their separators or lengths.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The first reading of text.
pub(crate) struct FirstPass<'k, 'a> {
    blocks: Blocks<Box<dyn Read + Send + 'a>>,
    /// The file, where the text can be read again and none of it has to be yet.
    again: Option<File>,
    /// Whether the last of the rests is this text, to be read again.
    reads_again: bool,
    offset: u64,
    kept: &'k mut Kept,
}

impl<'k, 'a> FirstPass<'k, 'a> {
    pub(crate) fn new(source: Source<'a>, kept: &'k mut Kept) -> Result<Self, Error> {
        let (reader, again): (Box<dyn Read + Send + 'a>, _) = match source {
            Source::File(file) => {
                let again =
                    file.try_clone().map_err(|source| Error::Io { doing: "read the input", source })?;
                (Box::new(file), Some(again))
            }
            Source::Stream(stream) => (stream, None),
        };
        Ok(Self { blocks: Blocks::new(reader), again, reads_again: false, offset: 0, kept })
    }

    /// Reads the next block and says which it is and where it stays.
    pub(crate) fn next(&mut self, block: &mut Block) -> Result<Option<(u64, Keeping)>, Error> {
        if !self.blocks.next_into(block)? {
            return Ok(None);
        }
        let memory = self.kept.memory_bytes;
        let most = if self.again.is_some() { memory.min(FILE_KEPT_BYTES) } else { memory };
        let len = block.bytes.len() as u64;
        let (number, fits) = self.kept.count(len, most);
        let mut keeping = if fits { Keeping::Memory } else { Keeping::File };
        if !fits {
            match (self.again.take(), self.kept.rests.last_mut()) {
                (Some(file), _) => {
                    let rest = Rest::Again { file, offset: self.offset, line: block.first_line, bytes: len };
                    self.kept.rests.push(rest);
                    self.reads_again = true;
                }
                (None, Some(Rest::Again { bytes, .. })) if self.reads_again => *bytes += len,
                _ => keeping = Keeping::Spool(self.kept.spool()?),
            }
        }
        self.offset += len;
        Ok(Some((number, keeping)))
    }

    /// Keeps a block that was read.
    pub(crate) fn give_back(&mut self, number: u64, block: Block) {
        self.kept.chunks.push((number, Chunk::of_lines(block)));
    }

    /// Bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.kept.bytes
    }
}

/// The second reading, which gives up what was kept as it goes.
pub(crate) struct SecondPass {
    chunks: std::vec::IntoIter<(u64, Chunk)>,
    rests: std::vec::IntoIter<Rest>,
    reading: Reading,
    next: u64,
    bytes: u64,
}

enum Reading {
    Nothing,
    /// Text with so many bytes to come.
    Text(Blocks<File>, u64),
    /// Blocks to come, which are read for the last time.
    Spool(Arc<Spool>, std::vec::IntoIter<SpooledBlock>),
}

impl SecondPass {
    pub(crate) fn new(mut kept: Kept) -> Self {
        kept.chunks.sort_unstable_by_key(|&(number, _)| number);
        let (chunks, rests) = (kept.chunks.into_iter(), kept.rests.into_iter());
        Self { chunks, rests, reading: Reading::Nothing, next: 0, bytes: 0 }
    }

    /// Reads the next block into `chunk` and says which it is.
    ///
    /// # Errors
    /// [`Error::InputChanged`] when a file is not as long as it was.
    pub(crate) fn next(&mut self, chunk: &mut Chunk) -> Result<Option<u64>, Error> {
        if let Some((_, kept)) = self.chunks.next() {
            *chunk = kept;
            self.bytes += chunk.block.bytes.len() as u64;
        } else {
            self.bytes += loop {
                if let Some(bytes) = self.reading.next(chunk)? {
                    break bytes;
                }
                match self.rests.next() {
                    Some(rest) => self.reading = Reading::new(rest)?,
                    None => return Ok(None),
                }
            };
        }
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    /// Bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Reading {
    fn new(rest: Rest) -> Result<Self, Error> {
        match rest {
            Rest::Again { mut file, offset, line, bytes } => {
                let io = |source| Error::Io { doing: "read the input again", source };
                file.seek(SeekFrom::Start(offset)).map_err(io)?;
                Ok(Self::Text(Blocks::from_line(file, line), bytes))
            }
            Rest::Spool(spool) => {
                let blocks = spool.blocks().into_iter();
                Ok(Self::Spool(spool, blocks))
            }
        }
    }

    /// Reads the next block into `chunk`, and says how many bytes of the input it had.
    fn next(&mut self, chunk: &mut Chunk) -> Result<Option<u64>, Error> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(blocks, left) => {
                chunk.form = BlockForm::Lines;
                let more = blocks.next_into(&mut chunk.block)?;
                let len = chunk.block.bytes.len() as u64;
                match left.checked_sub(len) {
                    Some(rest) if more || rest == 0 => *left = rest,
                    _ => return Err(Error::InputChanged),
                }
                Ok(more.then_some(len))
            }
            Self::Spool(spool, blocks) => {
                let Some(block) = blocks.next() else { return Ok(None) };
                chunk.read_from(spool, &block)?;
                spool.give_back(&block);
                Ok(Some(block.given_bytes))
            }
        }
    }
}
