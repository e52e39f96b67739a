//! Lookups in a table on disk, apart from the reading: which piece of the file an answer lies in,
//! and the answer from that piece once somebody has read it. So who asks decides how it is read,
//! and how many pieces at a time.

use std::fs::File;
use std::sync::Arc;

use crate::bucket::{Bucket, LargeReference, ValuePlace};
use crate::cpu::Portable;
use crate::error::Error;
use crate::home::Home;
use crate::index::Line;
use crate::layout::{Section, TAIL_BYTES};
use crate::store::{Store, damaged};
use crate::stored::Large;

/// A piece of the file that one read fetches: a bucket, with those that share its check where
/// several do, or a value too long for its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    start: u64,
    len: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// The bucket of this number, with those that share its check.
    Bucket(u64),
    /// A value that is stored so.
    Value(LargeReference),
}

impl Piece {
    /// Where it begins, in bytes from the start of the file; in a file that is whole, what begins
    /// at one place has the same bytes.
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

    /// The piece that a large value is.
    pub(crate) fn of_value(large: Large) -> Self {
        Self { start: large.start as u64, len: large.reference.stored, kind: Kind::Value(large.reference) }
    }

    /// How the value that it is is stored; `None` of a bucket.
    pub(crate) fn reference(&self) -> Option<LargeReference> {
        match self.kind {
            Kind::Value(reference) => Some(reference),
            Kind::Bucket(_) => None,
        }
    }

    /// Whether it has none, which no builder writes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Which bytes of the file to read for a piece: more than its own where the disk is read in whole
/// sectors.
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
    /// The piece's bytes, and behind them as many as a reader may touch.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

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
    /// The file of a table that is on disk, to read pieces from; `None` where lookups need no
    /// reading.
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

    /// The piece that the answer to `key` lies in, from memory alone; `None` when the table cannot
    /// hold such a key.
    ///
    /// # Errors
    /// When the index says what it cannot say.
    pub fn piece(&self, key: &[u8]) -> Result<Option<Piece>, Error> {
        let Some(order) = self.keys.order(Portable, key) else { return Ok(None) };
        self.bucket_piece(self.keys.place(order).bucket).map(Some)
    }

    /// The piece that is bucket number `bucket`, from memory alone; `None` beyond
    /// [`Self::buckets`].
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn piece_of_bucket(&self, bucket: u64) -> Result<Option<Piece>, Error> {
        if bucket >= self.buckets() { Ok(None) } else { self.bucket_piece(bucket).map(Some) }
    }

    fn bucket_piece(&self, bucket: u64) -> Result<Piece, Error> {
        let range = self.group_by(&self.line(bucket)?, bucket)?;
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
    /// [`Error::Read`] when these are fewer bytes than the piece has, [`Error::Damaged`] when they
    /// are not what was carved.
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
                let line = self.line(number)?;
                self.check_group(number, &line, &block, piece.len()).map_err(at)?;
            }
            Kind::Value(reference) => {
                Large { start: piece.start as usize, reference }.check_all(bytes).map_err(at)?;
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

    /// Calls `each` with every key of the bucket that `piece` is, whose block is `block`; a piece
    /// that is a value has none.
    ///
    /// # Errors
    /// As [`Self::look`]; keys before the damage were given.
    pub fn keys_of(&self, piece: &Piece, block: &Block, each: impl FnMut(&[u8])) -> Result<(), Error> {
        let Kind::Bucket(number) = piece.kind else { return Ok(()) };
        let at = |problem| damaged(Section::Records, piece.start as usize, problem);
        let line = self.line(number)?;
        let bucket = self.open_in_group(Portable, number, &line, &block.0, piece.len(), false).map_err(at)?;
        self.each_key(&bucket, number, each).map_err(at)
    }

    /// What `block`, which is that of `piece`, says about `key`; a value that is found is appended
    /// to `value`.
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
        if let Kind::Value(reference) = piece.kind {
            let large = Large { start, reference };
            large.append(&self.values, &block.0, value).map_err(at)?;
            return Ok(Looked::Found);
        }
        let Some((bucket, i, line)) = self.record_in(key, piece, block)? else {
            return Ok(Looked::Missing);
        };
        match bucket.value(i).map_err(at)? {
            ValuePlace::Large(reference) => {
                Ok(Looked::Elsewhere(Piece::of_value(self.large(&line, reference)?)))
            }
            _ => {
                self.append_value(Portable, &bucket, i, &line, start, value)?;
                Ok(Looked::Found)
            }
        }
    }

    /// The record of `key` in the block of `piece`: its bucket, its number there, and the line of
    /// the index; `None` where there is none, or `piece` is not that of the key's bucket.
    pub(crate) fn record_in<'b>(
        &'b self,
        key: &[u8],
        piece: &Piece,
        block: &'b Block,
    ) -> Result<Option<(Bucket<'b, Portable>, usize, Line)>, Error> {
        let Kind::Bucket(number) = piece.kind else { return Ok(None) };
        let start = piece.start as usize;
        let at = |problem| damaged(Section::Records, start, problem);
        let Some(order) = self.keys.order(Portable, key) else { return Ok(None) };
        let place = self.keys.place(order);
        // The key's own bucket, which shares its check with that of the piece.
        if self.groups.number(place.bucket) != self.groups.number(number) {
            return Ok(None);
        }
        let line = self.line(number)?;
        let bucket =
            self.open_in_group(Portable, place.bucket, &line, &block.0, piece.len(), false).map_err(at)?;
        let found = self.find_record(&bucket, start, place, key)?;
        Ok(found.map(|i| (bucket, i, line)))
    }
}
