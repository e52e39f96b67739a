//! The pairs that a table is built from, in blocks, read twice: once to learn what they have in
//! common, once to carve them. What fits stays in memory in between; a file is read again; a
//! stream is kept in an unnamed temporary file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::text::{Block, Blocks, Pair};

/// Bytes of pairs after which a framed block is full.
pub(crate) const FRAMED_BYTES: usize = 1 << 20;

/// Bytes of a file that are kept between the two readings: what is in the page cache is read again
/// in the time that new memory for it would take.
const FILE_KEPT_BYTES: u64 = 8 << 20;

/// A block of pairs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) block: Block,
    /// Whether the pairs are framed by their lengths rather than by separators and line ends.
    framed: bool,
}

impl Chunk {
    /// An empty block to which pairs are pushed.
    pub(crate) fn framed() -> Self {
        Self { block: Block::default(), framed: true }
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
    pub(crate) fn for_each(&self, mut each: impl FnMut(Pair<'_>) -> Result<(), Error>) -> Result<(), Error> {
        if !self.framed {
            return self.block.lines().try_for_each(|pair| each(pair?));
        }
        let mut rest = self.block.bytes.as_slice();
        while let Some((lengths, tail)) = rest.split_first_chunk::<8>() {
            let [a, b, c, d, e, f, g, h] = *lengths;
            let (key, tail) = tail.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
            let (value, tail) = tail.split_at(u32::from_le_bytes([e, f, g, h]) as usize);
            each(Pair { key, value, line: self.block.first_line })?;
            rest = tail;
        }
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
    /// They were written here, so many of them: framed `u8`, line `u64`, length `u64`, bytes.
    Spool { file: BufWriter<File>, blocks: u64 },
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
}

fn spooling(source: io::Error) -> Error {
    Error::Io { doing: "keep the input in a temporary file beside the output", source }
}

impl Kept {
    /// Nothing yet, and at most `memory_bytes` of it in memory; what temporary files there must be
    /// are in `beside`.
    pub(crate) fn new(beside: &Path, memory_bytes: u64) -> Self {
        let (chunks, rests) = (Vec::new(), Vec::new());
        Self { chunks, chunk_bytes: 0, rests, blocks: 0, bytes: 0, memory_bytes, beside: beside.into() }
    }

    /// Keeps a framed block.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<(), Error> {
        let (number, fits) = self.count(&chunk.block, self.memory_bytes);
        if fits {
            self.chunks.push((number, chunk));
            return Ok(());
        }
        self.spool(&chunk.block, true)
    }

    /// Counts a block, and says its number and whether it may stay in memory, beside which there
    /// may be so many bytes at most.
    fn count(&mut self, block: &Block, most: u64) -> (u64, bool) {
        let bytes = block.bytes.len() as u64;
        let fits = self.rests.is_empty() && self.chunk_bytes + bytes <= most;
        self.chunk_bytes += if fits { bytes } else { 0 };
        self.bytes += bytes;
        self.blocks += 1;
        (self.blocks - 1, fits)
    }

    fn spool(&mut self, block: &Block, framed: bool) -> Result<(), Error> {
        if !matches!(self.rests.last(), Some(Rest::Spool { .. })) {
            let file = tempfile::tempfile_in(&self.beside).map_err(spooling)?;
            self.rests.push(Rest::Spool { file: BufWriter::with_capacity(1 << 20, file), blocks: 0 });
        }
        if let Some(Rest::Spool { file, blocks }) = self.rests.last_mut() {
            *blocks += 1;
            file.write_all(&[framed.into()])
                .and_then(|()| file.write_all(&block.first_line.to_le_bytes()))
                .and_then(|()| file.write_all(&(block.bytes.len() as u64).to_le_bytes()))
                .and_then(|()| file.write_all(&block.bytes))
                .map_err(spooling)?;
        }
        Ok(())
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
        for (_, chunk) in &self.chunks {
            chunk.for_each(|pair| each(pair.value))?;
        }
        for rest in &mut self.rests {
            let Rest::Spool { file, blocks } = rest else { continue };
            file.flush().map_err(spooling)?;
            let mut again = file.get_ref().try_clone().map_err(spooling)?;
            again.rewind().map_err(spooling)?;
            let mut reading = Reading::Spool(BufReader::with_capacity(1 << 20, again), *blocks);
            let mut chunk = Chunk::default();
            while reading.next(&mut chunk)? {
                chunk.for_each(|pair| each(pair.value))?;
            }
            // The place is that of all who have the file.
            file.get_mut().seek(SeekFrom::End(0)).map_err(spooling)?;
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

    /// Reads the next block and says which it is and whether it is to be given back with
    /// [`Self::give_back`].
    pub(crate) fn next(&mut self, block: &mut Block) -> Result<Option<(u64, bool)>, Error> {
        if !self.blocks.next_into(block)? {
            return Ok(None);
        }
        let memory = self.kept.memory_bytes;
        let most = if self.again.is_some() { memory.min(FILE_KEPT_BYTES) } else { memory };
        let (number, fits) = self.kept.count(block, most);
        let len = block.bytes.len() as u64;
        if !fits {
            match (self.again.take(), self.kept.rests.last_mut()) {
                (Some(file), _) => {
                    let rest = Rest::Again { file, offset: self.offset, line: block.first_line, bytes: len };
                    self.kept.rests.push(rest);
                    self.reads_again = true;
                }
                (None, Some(Rest::Again { bytes, .. })) if self.reads_again => *bytes += len,
                _ => self.kept.spool(block, false)?,
            }
        }
        self.offset += len;
        Ok(Some((number, fits)))
    }

    /// Keeps a block that was read.
    pub(crate) fn give_back(&mut self, number: u64, block: Block) {
        self.kept.chunks.push((number, Chunk { block, framed: false }));
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
    /// So many blocks to come.
    Spool(BufReader<File>, u64),
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
        } else {
            while !self.reading.next(chunk)? {
                match self.rests.next() {
                    Some(rest) => self.reading = Reading::new(rest)?,
                    None => return Ok(None),
                }
            }
        }
        self.bytes += chunk.block.bytes.len() as u64;
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
            Rest::Spool { file, blocks } => {
                let mut file = file.into_inner().map_err(|error| spooling(error.into_error()))?;
                file.rewind().map_err(spooling)?;
                Ok(Self::Spool(BufReader::with_capacity(1 << 20, file), blocks))
            }
        }
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, Error> {
        match self {
            Self::Nothing => Ok(false),
            Self::Text(blocks, left) => {
                chunk.framed = false;
                let more = blocks.next_into(&mut chunk.block)?;
                match left.checked_sub(chunk.block.bytes.len() as u64) {
                    Some(rest) if more || rest == 0 => *left = rest,
                    _ => return Err(Error::InputChanged),
                }
                Ok(more)
            }
            Self::Spool(file, left) => {
                if *left == 0 {
                    return Ok(false);
                }
                *left -= 1;
                let (mut framed, mut number) = ([0], [0; 8]);
                file.read_exact(&mut framed).map_err(spooling)?;
                chunk.framed = framed == [1];
                file.read_exact(&mut number).map_err(spooling)?;
                chunk.block.first_line = u64::from_le_bytes(number);
                file.read_exact(&mut number).map_err(spooling)?;
                chunk.block.bytes.resize(u64::from_le_bytes(number) as usize, 0);
                file.read_exact(&mut chunk.block.bytes).map_err(spooling)?;
                Ok(true)
            }
        }
    }
}
