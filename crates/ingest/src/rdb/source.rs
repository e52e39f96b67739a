//! The bytes of a dump, in order: counted, with their checksum, and never more of them in memory
//! than were there.

use std::io::{self, Read};

use super::crc64;
use super::damage::{RdbDamage, RdbFault};
use crate::error::{Cause, Fault, Position};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// A dump that is read from its beginning to its end.
pub(super) struct DumpBytes<R> {
    source: R,
    chunk: Vec<u8>,
    /// What of the chunk was read, was taken, and is in the checksum.
    end: usize,
    at: usize,
    summed: usize,
    crc: u64,
    /// Bytes of the dump before the chunk.
    before: u64,
    /// Room for a compressed string.
    pub(super) packed: Vec<u8>,
}

/// A fault at a place of a dump.
pub(super) fn damage(offset: u64, fault: RdbFault) -> Fault {
    Fault::new(Position::WHOLE, Cause::Rdb(Box::new(RdbDamage { offset, key: None, fault })))
}

impl<R: Read> DumpBytes<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            chunk: vec![0; CHUNK_BYTES],
            end: 0,
            at: 0,
            summed: 0,
            crc: 0,
            before: 0,
            packed: Vec::new(),
        }
    }

    /// Bytes that were taken.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    pub(super) fn fail(&self, fault: RdbFault) -> Fault {
        damage(self.offset(), fault)
    }

    /// The checksum of what was taken.
    pub(super) fn checksum(&mut self) -> u64 {
        self.crc = crc64::update(self.crc, &self.chunk[self.summed..self.at]);
        self.summed = self.at;
        self.crc
    }

    /// Reads on where all was taken; `false` at the end.
    pub(super) fn has_more(&mut self) -> Result<bool, Fault> {
        if self.at < self.end {
            return Ok(true);
        }
        self.checksum();
        self.before += self.end as u64;
        (self.at, self.end, self.summed) = (0, 0, 0);
        loop {
            match self.source.read(&mut self.chunk) {
                Ok(read) => {
                    self.end = read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::new(Position::WHOLE, Cause::reading(error))),
            }
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        if !self.has_more()? {
            return Err(self.fail(RdbFault::Ends { expected: 1 }));
        }
        let byte = self.chunk[self.at];
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        if let Some(here) = self.chunk[self.at..self.end].first_chunk::<N>() {
            bytes = *here;
            self.at += N;
            return Ok(bytes);
        }
        let mut filled = 0;
        self.each(N as u64, |here| {
            bytes[filled..filled + here.len()].copy_from_slice(here);
            filled += here.len();
        })?;
        Ok(bytes)
    }

    /// Appends the next `len` bytes to `out`, which grows as they come.
    pub(super) fn append(&mut self, len: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.each(len as u64, |here| out.extend_from_slice(here))
    }

    /// Passes over the next `len` bytes.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), Fault> {
        self.each(len, |_| {})
    }

    fn each(&mut self, len: u64, mut take: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut left = len;
        while left > 0 {
            if !self.has_more()? {
                return Err(self.fail(RdbFault::Ends { expected: left }));
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.at);
            take(&self.chunk[self.at..self.at + here]);
            self.at += here;
            left -= here as u64;
        }
        Ok(())
    }
}
