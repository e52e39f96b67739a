//! Blocks of pairs that do not fit into memory between the two readings, in a temporary file that
//! shrinks while they are read.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::temporary::{PAGE_BYTES, TemporaryFile};
use crate::error::Error;

fn spooling(source: io::Error) -> Error {
    Error::Io { doing: "keep the input in a temporary file beside the output", source }
}

/// What the bytes of a block are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BlockForm {
    /// Lines of text.
    #[default]
    Lines,
    /// Pairs with their lengths before them.
    Framed,
    /// What [`PairStreams`](super::pair_streams::PairStreams) makes of either.
    Packed,
}

/// A block that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpooledBlock {
    /// Which one of the input it is.
    number: u64,
    offset: u64,
    len: u64,
    pub(crate) form: BlockForm,
    pub(crate) first_line: u64,
    /// Bytes that it had in the input.
    pub(crate) given_bytes: u64,
}

/// Blocks in a temporary file, written by several threads.
#[derive(Debug)]
pub(crate) struct Spool {
    file: TemporaryFile,
    end: AtomicU64,
    blocks: Mutex<Vec<SpooledBlock>>,
}

impl Spool {
    pub(crate) fn create(beside: &Path) -> Result<Self, Error> {
        let file = TemporaryFile::create(beside).map_err(spooling)?;
        Ok(Self { file, end: AtomicU64::new(0), blocks: Mutex::default() })
    }

    /// Writes block number `number`, which is `bytes` in this form.
    pub(crate) fn write(
        &self,
        number: u64,
        bytes: &[u8],
        form: BlockForm,
        (first_line, given_bytes): (u64, u64),
    ) -> Result<(), Error> {
        let len = bytes.len() as u64;
        // Each has pages of its own, so that all of them can be given back.
        let offset = self.end.fetch_add(len.next_multiple_of(PAGE_BYTES), Ordering::Relaxed);
        self.file.write(bytes, offset).map_err(spooling)?;
        let block = SpooledBlock { number, offset, len, form, first_line, given_bytes };
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).push(block);
        Ok(())
    }

    /// What was written, in the order of the input.
    pub(crate) fn blocks(&self) -> Vec<SpooledBlock> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        blocks.sort_unstable_by_key(|block| block.number);
        blocks
    }

    /// Puts the bytes of a block in place of what is in `bytes`.
    pub(crate) fn read(&self, block: &SpooledBlock, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.resize(block.len as usize, 0);
        self.file.read(bytes, block.offset).map_err(spooling)
    }

    /// Gives back the room of a block, which is not read again.
    pub(crate) fn give_back(&self, block: &SpooledBlock) {
        self.file.give_back(block.offset..(block.offset + block.len).next_multiple_of(PAGE_BYTES));
    }
}
