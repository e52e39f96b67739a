//! Values that are passed over: every type of every version, to its last byte.

use std::io::Read;

use super::damage::RdbFault;
use super::source::DumpBytes;
use crate::error::Fault;

/// The types of values by their numbers in a dump. They never change.
pub(super) mod value_type {
    pub(in super::super) const STRING: u8 = 0;
    pub(in super::super) const LIST: u8 = 1;
    pub(in super::super) const SET: u8 = 2;
    pub(in super::super) const ZSET: u8 = 3;
    pub(in super::super) const HASH: u8 = 4;
    pub(in super::super) const ZSET_2: u8 = 5;
    pub(in super::super) const MODULE_BEFORE_RELEASE: u8 = 6;
    pub(in super::super) const MODULE: u8 = 7;
    pub(in super::super) const HASH_ZIPMAP: u8 = 9;
    pub(in super::super) const LIST_ZIPLIST: u8 = 10;
    pub(in super::super) const SET_INTSET: u8 = 11;
    pub(in super::super) const ZSET_ZIPLIST: u8 = 12;
    pub(in super::super) const HASH_ZIPLIST: u8 = 13;
    pub(in super::super) const LIST_QUICKLIST: u8 = 14;
    pub(in super::super) const STREAM: u8 = 15;
    pub(in super::super) const HASH_LISTPACK: u8 = 16;
    pub(in super::super) const ZSET_LISTPACK: u8 = 17;
    pub(in super::super) const LIST_QUICKLIST_2: u8 = 18;
    pub(in super::super) const STREAM_2: u8 = 19;
    pub(in super::super) const SET_LISTPACK: u8 = 20;
    pub(in super::super) const STREAM_3: u8 = 21;
    pub(in super::super) const HASH_TTL_BEFORE_RELEASE: u8 = 22;
    pub(in super::super) const HASH_LISTPACK_TTL_BEFORE_RELEASE: u8 = 23;
    pub(in super::super) const HASH_TTL: u8 = 24;
    pub(in super::super) const HASH_LISTPACK_TTL: u8 = 25;
}

/// Bytes of an entry's number in a stream, of a time, and of a node's number.
const STREAM_ID_BYTES: u64 = 16;
const TIME_BYTES: u64 = 8;

impl<R: Read> DumpBytes<R> {
    /// Passes over a value of a type that is neither string nor hash.
    pub(super) fn skip_value(&mut self, found: u8) -> Result<(), Fault> {
        use value_type::*;
        match found {
            LIST_ZIPLIST | SET_INTSET | ZSET_ZIPLIST | ZSET_LISTPACK | SET_LISTPACK => self.skip_string(),
            LIST | SET | LIST_QUICKLIST => self.skip_each(Self::skip_string),
            ZSET => self.skip_each(|bytes| {
                bytes.skip_string()?;
                // A score as text; the three greatest lengths stand for infinities and no number.
                match bytes.byte()? {
                    253.. => Ok(()),
                    len => bytes.skip(len.into()),
                }
            }),
            ZSET_2 => self.skip_each(|bytes| {
                bytes.skip_string()?;
                bytes.skip(8)
            }),
            LIST_QUICKLIST_2 => self.skip_each(|bytes| match bytes.length()? {
                1 | 2 => bytes.skip_string(),
                found => Err(bytes.fail(RdbFault::ListPart { found })),
            }),
            STREAM => self.skip_stream(1),
            STREAM_2 => self.skip_stream(2),
            STREAM_3 => self.skip_stream(3),
            MODULE => {
                self.length()?;
                self.skip_module_parts()
            }
            MODULE_BEFORE_RELEASE => Err(self.fail(RdbFault::OldModule)),
            found => Err(self.fail(RdbFault::Type { found })),
        }
    }

    /// Passes over as many things as a length says.
    fn skip_each(&mut self, skip: impl Fn(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let count = self.length()?;
        (0..count).try_for_each(|_| skip(self))
    }

    fn skip_lengths(&mut self, count: usize) -> Result<(), Fault> {
        (0..count).try_for_each(|_| self.length().map(|_| ()))
    }

    fn skip_stream(&mut self, version: u8) -> Result<(), Fault> {
        self.skip_each(|bytes| {
            bytes.skip_string()?;
            bytes.skip_string()
        })?;
        // The number of entries and the last one's; since 2 the first's, the greatest that was
        // deleted, and how many were ever added.
        self.skip_lengths(if version >= 2 { 8 } else { 3 })?;
        self.skip_each(|group| {
            group.skip_string()?;
            group.skip_lengths(if version >= 2 { 3 } else { 2 })?;
            group.skip_each(|pending| {
                pending.skip(STREAM_ID_BYTES + TIME_BYTES)?;
                pending.skip_lengths(1)
            })?;
            group.skip_each(|consumer| {
                consumer.skip_string()?;
                consumer.skip(if version >= 3 { 2 * TIME_BYTES } else { TIME_BYTES })?;
                consumer.skip_each(|pending| pending.skip(STREAM_ID_BYTES))
            })
        })
    }

    /// Passes over what a module has written, which says of each part what it is.
    pub(super) fn skip_module_parts(&mut self) -> Result<(), Fault> {
        loop {
            match self.length()? {
                0 => return Ok(()),
                1 | 2 => self.skip_lengths(1)?,
                3 => self.skip(4)?,
                4 => self.skip(8)?,
                5 => self.skip_string()?,
                found => return Err(self.fail(RdbFault::ModulePart { found })),
            }
        }
    }
}
