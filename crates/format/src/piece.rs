//! Lookups in a table on disk, apart from the reading: which piece of the file an answer lies in, and the answer from that
//! piece once somebody has read it. So who asks decides how it is read, and how many pieces at a time.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use crate::bucket::ValuePlace;
use crate::checksum::crc32c;
use crate::cpu::Portable;
use crate::error::{Error, Problem};
use crate::home::Home;
use crate::layout::{Section, TAIL_BYTES};
use crate::store::{Store, damaged};

/// A piece of the file that one read fetches: a bucket, or a value too long for its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    start: u64,
    len: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// The bucket of this number.
    Bucket(u64),
    /// A value with this CRC-32C.
    Value(u32),
}

impl Piece {
    /// Where it begins, in bytes from the start of the file; in a file that is whole, no two begin at the same place.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Its bytes, at most 1 GiB.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it is a value that is too long for its bucket, so that the bucket was read before.
    pub fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Value(_))
    }

    /// Whether it has none, which no builder writes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Which bytes of the file to read for a piece: more than its own where the disk is read in whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where to begin, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes to read; at the end of the file there may be fewer.
    pub len: usize,
    /// How many of them come before the piece.
    pub skip: usize,
    /// What offset, length and the address of the buffer have to be multiples of.
    pub alignment: usize,
}

/// The bytes of a piece, read and checked.
#[derive(Clone, Debug)]
pub struct Block(Box<[u8]>);

impl Block {
    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }
}

/// What a block says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The value was appended.
    Found,
    /// The table does not hold the key.
    Missing,
    /// The value is too long for its bucket: this piece holds it.
    Elsewhere(Piece),
}

impl Store {
    /// The file of a table that is on disk, to read pieces from; `None` where lookups need no reading.
    pub fn disk(&self) -> Option<&Arc<File>> {
        match &self.home {
            Home::Disk(disk) => Some(disk.file()),
            _ => None,
        }
    }

    /// Bytes of the index, which is all that a table on disk keeps in memory of its file.
    pub fn index_bytes(&self) -> u64 {
        self.header.section(Section::Index).len
    }

    /// The piece that the answer to `key` lies in, from memory alone; `None` when the table cannot hold such a key.
    ///
    /// # Errors
    /// When the index says what it cannot say.
    pub fn piece(&self, key: &[u8]) -> Result<Option<Piece>, Error> {
        let Some(order) = self.keys.order(Portable, key) else { return Ok(None) };
        self.bucket_piece(self.keys.place(order).bucket).map(Some)
    }

    /// The piece that is bucket number `bucket`, from memory alone; `None` beyond [`Self::buckets`].
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn piece_of_bucket(&self, bucket: u64) -> Result<Option<Piece>, Error> {
        if bucket >= self.buckets() { Ok(None) } else { self.bucket_piece(bucket).map(Some) }
    }

    fn bucket_piece(&self, bucket: u64) -> Result<Piece, Error> {
        let range = self.range(bucket, &mut Vec::new())?;
        self.check_length(bucket, &range)?;
        Ok(Piece { start: range.start as u64, len: range.len() as u32, kind: Kind::Bucket(bucket) })
    }

    /// Which bytes to read for `piece`.
    pub fn span(&self, piece: &Piece) -> Span {
        let alignment = match &self.home {
            Home::Disk(disk) => disk.alignment(),
            _ => 1,
        };
        let skip = piece.start as usize % alignment;
        let len = (skip + piece.len()).next_multiple_of(alignment);
        Span { offset: piece.start - skip as u64, len, skip, alignment }
    }

    /// The block of `piece`, whose bytes `read` begins with; those behind do not count.
    ///
    /// # Errors
    /// [`Error::Read`] when these are fewer bytes than the piece has, [`Error::Damaged`] when they are not what was carved.
    pub fn block(&self, piece: &Piece, read: &[u8]) -> Result<Block, Error> {
        let Some(bytes) = read.get(..piece.len()) else {
            let source = std::io::ErrorKind::UnexpectedEof.into();
            return Err(Error::Read { offset: piece.start, bytes: piece.len() as u64, source });
        };
        let mut block = Vec::with_capacity(bytes.len() + TAIL_BYTES);
        block.extend_from_slice(bytes);
        block.resize(bytes.len() + TAIL_BYTES, 0);
        let at = |problem| damaged(Section::Records, piece.start as usize, problem);
        match piece.kind {
            Kind::Bucket(number) => {
                self.buckets.open_checked(Portable, number, &block, piece.len()).map(drop).map_err(at)?;
            }
            Kind::Value(expected) => {
                let found = crc32c(0, bytes);
                if found != expected {
                    return Err(at(Problem::Checksum { expected, found }));
                }
            }
        }
        Ok(Block(block.into_boxed_slice()))
    }

    /// Reads `piece`, and waits for it: one read of the file.
    ///
    /// # Errors
    /// As [`Self::block`], and [`Error::Read`] when the system refuses.
    pub fn read_piece(&self, piece: &Piece) -> Result<Block, Error> {
        let mut scratch = Vec::new();
        let range = piece.start as usize..piece.start as usize + piece.len();
        self.block(piece, self.home.read(range, &mut scratch)?)
    }

    /// Calls `each` with every key of the bucket that `piece` is, whose block is `block`; a piece that is a value has none.
    ///
    /// # Errors
    /// As [`Self::look`]; keys before the damage were given.
    pub fn keys_of(&self, piece: &Piece, block: &Block, each: impl FnMut(&[u8])) -> Result<(), Error> {
        let Kind::Bucket(number) = piece.kind else { return Ok(()) };
        let at = |problem| damaged(Section::Records, piece.start as usize, problem);
        let bucket = self.buckets.open(Portable, &block.0, piece.len()).map_err(at)?;
        self.each_key(&bucket, number, each).map_err(at)
    }

    /// What `block`, which is that of `piece`, says about `key`; a value that is found is appended to `value`.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the block says what no builder writes.
    pub fn look(
        &self,
        key: &[u8],
        piece: &Piece,
        block: &Block,
        value: &mut Vec<u8>,
    ) -> Result<Looked, Error> {
        let start = piece.start as usize;
        let at = |problem| damaged(Section::Records, start, problem);
        let Kind::Bucket(number) = piece.kind else {
            self.append_stored_value(&block.0, piece.len(), value).map_err(at)?;
            return Ok(Looked::Found);
        };
        let cpu = Portable;
        let bucket = self.buckets.open(cpu, &block.0, piece.len()).map_err(at)?;
        let Some(order) = self.keys.order(cpu, key) else { return Ok(Looked::Missing) };
        let Some(i) = self.find_record(&bucket, start, self.keys.place(order), key)? else {
            return Ok(Looked::Missing);
        };
        match bucket.value(i).map_err(at)? {
            ValuePlace::Inline(inside) => {
                self.append_stored_value(bucket.bytes_from(inside.start), inside.len(), value).map_err(at)?;
                Ok(Looked::Found)
            }
            ValuePlace::Large(reference) => {
                let Range { start, .. } = self.large_range(number, reference)?;
                let kind = Kind::Value(reference.crc);
                Ok(Looked::Elsewhere(Piece { start: start as u64, len: reference.len, kind }))
            }
        }
    }
}
