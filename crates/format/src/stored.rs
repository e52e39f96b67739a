//! What a bucket stores of keys and values, and what it stands for.

use std::ops::Range;

use crate::bucket::{Bucket, LargeReference};
use crate::checksum::crc32c;
use crate::codec::Decoder;
use crate::cpu::Cpu;
use crate::error::{Error, Problem};
use crate::index;
use crate::key::Place;
use crate::layout::Section;
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::lookup::Found;
use crate::region::Region;
use crate::store::{Store, damaged};

impl Store {
    #[inline(always)]
    pub(crate) fn find_record<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        start: usize,
        place: Place,
        key: &[u8],
    ) -> Result<Option<usize>, Error> {
        if self.keys.is_numeric() {
            return Ok(bucket.find_number(place));
        }
        self.find_bytes(bucket, place, key).map_err(|problem| damaged(Section::Records, start, problem))
    }

    #[inline(never)]
    fn find_bytes<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        place: Place,
        key: &[u8],
    ) -> Result<Option<usize>, Problem> {
        let wanted = self.keys.stored_bytes(key);
        let mut decoded = Vec::new();
        let mut problem = None;
        let found = bucket.find(place.tag, |i| {
            decoded.clear();
            let same = self.append_key(bucket, i, &mut decoded).map(|()| decoded == wanted);
            same.unwrap_or_else(|why| {
                problem = Some(why);
                true
            })
        });
        problem.map_or(Ok(found), Err)
    }

    /// Appends the key of record `i`, but for the prefix, where keys are bytes.
    fn append_key<C: Cpu>(&self, bucket: &Bucket<'_, C>, i: usize, key: &mut Vec<u8>) -> Result<(), Problem> {
        let range = bucket.key(i)?;
        append(self.key_decoder.as_ref(), bucket.bytes_from(range.start), range.len(), KEY_BYTES_MAX, key)
    }

    /// Appends the key of record `i` of bucket `number`.
    pub(crate) fn append_whole_key<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        number: u64,
        i: usize,
        key: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        if self.keys.is_numeric() {
            let place = Place { bucket: number, tag: bucket.tag(i), rest: bucket.rest(i) };
            self.keys.write_number(place, key);
            return Ok(());
        }
        key.extend_from_slice(&self.keys.shape().prefix);
        self.append_key(bucket, i, key)
    }

    /// Appends the value whose stored bytes are the first `len` of `stored`.
    #[inline(always)]
    pub(crate) fn append_stored_value(
        &self,
        stored: &[u8],
        len: usize,
        value: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        append(self.value_decoder.as_ref(), stored, len, VALUE_BYTES_MAX, value)
    }

    /// Bytes of the file.
    pub(crate) fn read<'s>(
        &'s self,
        range: Range<usize>,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s [u8], Error> {
        self.home.read(range, scratch)
    }

    /// Where a value that is not in its bucket lies in the file.
    pub(crate) fn large_range(&self, bucket: u64, reference: LargeReference) -> Result<Range<usize>, Error> {
        let records = self.header.section(Section::Records);
        let base = index::base(&self.line(bucket, &mut Vec::new())?);
        let start = base.saturating_add(reference.offset);
        let end = start.saturating_add(reference.len.into());
        if end > records.len {
            let problem = Problem::Range { field: "the end of a large value", most: records.len, found: end };
            return Err(damaged(
                Section::Records,
                (records.offset + base.min(records.len)) as usize,
                problem,
            ));
        }
        Ok((records.offset + start) as usize..(records.offset + end) as usize)
    }

    /// A value that is not in its bucket, in memory: left there if it needs no decoder, else appended.
    #[inline(never)]
    pub(crate) fn large_in(
        &self,
        region: &Region,
        bucket: u64,
        reference: LargeReference,
        value: &mut Vec<u8>,
    ) -> Result<Found, Error> {
        let Range { start, end } = self.large_range(bucket, reference)?;
        let (stored, len) = (region.bytes_from(start), end - start);
        check_large(reference, &stored[..len], start)?;
        if self.value_decoder.is_none() && len <= VALUE_BYTES_MAX {
            return Ok(Found::InTable(start..end));
        }
        let before = value.len();
        self.append_stored_value(stored, len, value)
            .map_err(|problem| damaged(Section::Records, start, problem))?;
        Ok(Found::Copied(before..value.len()))
    }

    /// Appends a value that is not in its bucket.
    #[inline(never)]
    pub(crate) fn append_large(
        &self,
        bucket: u64,
        reference: LargeReference,
        value: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Range { start, end } = self.large_range(bucket, reference)?;
        let (len, mut scratch) = (end - start, Vec::new());
        let stored = self.home.read(start..end, &mut scratch)?;
        check_large(reference, &stored[..len], start)?;
        self.append_stored_value(stored, len, value)
            .map_err(|problem| damaged(Section::Records, start, problem))
    }
}

/// Whether the stored bytes of a large value, which begin at `start` in the file, are those that its bucket refers to. In
/// memory, too: a reference is the one thing in a bucket that says where else to look.
fn check_large(reference: LargeReference, stored: &[u8], start: usize) -> Result<(), Error> {
    let (expected, found) = (reference.crc, crc32c(0, stored));
    if expected == found {
        return Ok(());
    }
    Err(damaged(Section::Records, start, Problem::Checksum { expected, found }))
}

/// Appends what the first `len` of `stored` stand for, at most `most` bytes.
#[inline(always)]
fn append(
    decoder: Option<&Decoder>,
    stored: &[u8],
    len: usize,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match decoder {
        Some(decoder) => {
            let start = out.len();
            decoder.decode(stored, len, most, out).map_err(|_| {
                out.truncate(start);
                Problem::Codec
            })
        }
        None if len > most => Err(Problem::Range {
            field: "the length of a key or value",
            most: most as u64,
            found: len as u64,
        }),
        None => {
            copy(stored, len, out);
            Ok(())
        }
    }
}

/// Appends the first `len` of `stored`. Short values are copied in one block of fixed size, because a length that has just
/// been loaded is a branch that cannot be predicted.
#[inline(always)]
fn copy(stored: &[u8], len: usize, out: &mut Vec<u8>) {
    match stored.first_chunk::<64>() {
        Some(block) if len <= 64 => {
            let start = out.len();
            out.extend_from_slice(block);
            out.truncate(start + len);
        }
        _ => out.extend_from_slice(&stored[..len]),
    }
}
