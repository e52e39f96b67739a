//! What a bucket stores of keys and values, and what it stands for.

use std::ops::Range;

use crate::bucket::{Bucket, Form, LargeReference, ValuePlace};
use crate::checksum::crc32c;
use crate::codec::{Values, append, is_plain_frame};
use crate::cpu::Cpu;
use crate::error::{Error, Problem};
use crate::index::{self, Line};
use crate::key::Place;
use crate::layout::{PART_BYTES, PART_ENTRY_BYTES, Section};
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

    /// A value that is not in its bucket in the codec of the values, in memory: left there if it
    /// is large and stored as it is, or has more than `most` bytes, else appended. `number` is that
    /// of its bucket, which begins at `start` in the file.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn other_in<C: Cpu>(
        &self,
        cpu: C,
        region: &Region,
        (number, start): (u64, usize),
        bucket: &Bucket<'_, C>,
        value: ValuePlace,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<Found, Error> {
        let before = out.len();
        if let ValuePlace::Large(reference) = value {
            let line = self.line(number)?;
            let large = self.large(&line, reference)?;
            if self.values.is_raw(reference.form) {
                return Ok(Found::InTable(large.contents()));
            }
            if reference.len as usize > most {
                return Ok(Found::Large(self.large_value(large)));
            }
            large
                .append(&self.values, region.bytes_from(large.start), out)
                .map_err(|problem| damaged(Section::Records, large.start, problem))?;
            return Ok(Found::Copied(before..out.len()));
        }
        self.append_inside(cpu, bucket, value, out)
            .map_err(|problem| damaged(Section::Records, start, problem))?;
        Ok(Found::Copied(before..out.len()))
    }

    /// Appends a value that is in its bucket, in whatever form.
    pub(crate) fn append_inside<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        value: ValuePlace,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match value {
            ValuePlace::Inline(inside) => {
                self.values.append_main(bucket.bytes_from(inside.start), inside.len(), out)
            }
            ValuePlace::Packed { bit, len } => self.values.unpack(cpu, bucket.bytes_from(0), bit, len, out),
            ValuePlace::Other(Form::Raw, inside) => {
                append(None, bucket.bytes_from(inside.start), inside.len(), inside.len(), out)
            }
            ValuePlace::Other(Form::Long, inside) => {
                let stored = bucket.bytes_from(inside.start).get(..inside.len());
                self.values.append_long(stored.ok_or(Problem::Codec)?, out)
            }
            ValuePlace::Shared(number) => self.values.append_shared(number, out),
            ValuePlace::Other(..) | ValuePlace::Large(_) => Err(Problem::Codec),
        }
    }

    /// Appends the value of record `i` of a bucket that was read and checked; its group begins at
    /// `start` in the file.
    pub(crate) fn append_value<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        i: usize,
        line: &Line,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let at = |problem| damaged(Section::Records, start, problem);
        match bucket.value(i).map_err(at)? {
            ValuePlace::Large(reference) => self.append_large(line, reference, out),
            value => self.append_inside(cpu, bucket, value, out).map_err(at),
        }
    }

    /// Where a value that is not in its bucket lies in the file.
    pub(crate) fn large(&self, line: &Line, reference: LargeReference) -> Result<Large, Error> {
        let base = index::base(line);
        let start = base.checked_add_signed(reference.offset);
        let end = start.map_or(u64::MAX, |start| start.saturating_add(reference.stored.into()));
        let at = self.records_start + base.min(self.records_len) as usize;
        if end > self.records_len {
            let (field, most) = ("the end of a large value", self.records_len);
            return Err(damaged(Section::Records, at, Problem::Range { field, most, found: end }));
        }
        let large = Large { start: self.records_start + start.unwrap_or_default() as usize, reference };
        if reference.len as usize > VALUE_BYTES_MAX {
            let (field, most) = ("the length of a value", VALUE_BYTES_MAX as u64);
            return Err(damaged(
                Section::Records,
                at,
                Problem::Range { field, most, found: reference.len.into() },
            ));
        }
        let least =
            large.table_bytes() + if self.values.is_raw(reference.form) { reference.len as usize } else { 0 };
        if (reference.stored as usize) < least {
            let (least, found) = (least as u64, reference.stored.into());
            return Err(damaged(
                Section::Records,
                at,
                Problem::Short { what: "a large value", least, found },
            ));
        }
        Ok(large)
    }

    /// Appends a value that is not in its bucket, read and checked part by part.
    #[inline(never)]
    pub(crate) fn append_large(
        &self,
        line: &Line,
        reference: LargeReference,
        value: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let before = value.len();
        let large = self.large(line, reference)?;
        let done = self.append_parts(&large, value);
        if done.is_err() {
            value.truncate(before);
        }
        done
    }

    fn append_parts(&self, large: &Large, value: &mut Vec<u8>) -> Result<(), Error> {
        let at = |problem| damaged(Section::Records, large.start, problem);
        let mut table = vec![0; large.table_bytes()];
        self.home.read_into(large.start, &mut table)?;
        if !table.is_empty() {
            large.check(&table).map_err(at)?;
        }
        let mut scratch = Vec::new();
        for part in large.parts(&table).map_err(at)? {
            let start = large.start + part.stored.start;
            let stored = self.home.read(start..start + part.stored.len(), &mut scratch)?;
            part.check(&stored[..part.stored.len()])
                .and_then(|()| {
                    self.values.append_part(large.reference.form, stored, part.stored.len(), part.len, value)
                })
                .map_err(|problem| damaged(Section::Records, start, problem))?;
        }
        Ok(())
    }
}

/// A value that is not in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Large {
    /// Where its stored bytes begin in the file.
    pub(crate) start: usize,
    pub(crate) reference: LargeReference,
}

/// A part of a large value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which of the value's stored bytes are its.
    pub(crate) stored: Range<usize>,
    /// How many bytes these stand for.
    pub(crate) len: usize,
    crc: u32,
}

impl Part {
    pub(crate) fn check(&self, stored: &[u8]) -> Result<(), Problem> {
        compare(self.crc, crc32c(0, stored))
    }
}

fn compare(expected: u32, found: u32) -> Result<(), Problem> {
    if expected == found { Ok(()) } else { Err(Problem::Checksum { expected, found }) }
}

impl Large {
    fn count(&self) -> usize {
        (self.reference.len as usize).div_ceil(PART_BYTES).max(1)
    }

    /// Bytes that say where its parts end; none where there is one.
    pub(crate) fn table_bytes(&self) -> usize {
        if self.count() > 1 { self.count() * PART_ENTRY_BYTES } else { 0 }
    }

    /// Where the parts lie in the file, one behind the other.
    pub(crate) fn contents(&self) -> Range<usize> {
        let start = self.start + self.table_bytes();
        start..start + self.reference.len as usize
    }

    /// Checks what its reference has a checksum of: what is said of its parts, or its one part.
    pub(crate) fn check(&self, stored: &[u8]) -> Result<(), Problem> {
        if stored.len() < self.covered() {
            return Err(Problem::Codec);
        }
        compare(self.reference.crc, self.crc(stored))
    }

    /// Checks all of its stored bytes, which are `stored`.
    pub(crate) fn check_all(&self, stored: &[u8]) -> Result<(), Problem> {
        self.check(stored)?;
        self.parts(stored)?.iter().try_for_each(|part| part.check(&stored[part.stored.clone()]))
    }

    /// Which of its stored bytes, which are `stored`, are the frames of its parts; `None` where
    /// these are not one [plain frame](is_plain_frame) each, one behind the other.
    pub(crate) fn frames(&self, stored: &[u8]) -> Option<Range<usize>> {
        let mut end = self.table_bytes();
        for part in self.parts(stored).ok()? {
            let follows = part.stored.start == end;
            end = part.stored.end;
            if !follows || !is_plain_frame(stored.get(part.stored)?, part.len) {
                return None;
            }
        }
        (end == stored.len()).then(|| self.table_bytes()..end)
    }

    /// Bytes that the checksum in its reference covers.
    fn covered(&self) -> usize {
        if self.count() > 1 { self.table_bytes() } else { self.reference.stored as usize }
    }

    /// The checksum that belongs into its reference.
    pub(crate) fn crc(&self, stored: &[u8]) -> u32 {
        crc32c(0, &stored[..self.covered()])
    }

    /// Appends the value, all of whose stored bytes `stored` begins with.
    pub(crate) fn append(&self, values: &Values, stored: &[u8], value: &mut Vec<u8>) -> Result<(), Problem> {
        let before = value.len();
        for part in self.parts(stored)? {
            let bytes = stored.get(part.stored.start..).unwrap_or_default();
            let done = values.append_part(self.reference.form, bytes, part.stored.len(), part.len, value);
            if done.is_err() {
                value.truncate(before);
                return done;
            }
        }
        Ok(())
    }

    /// The parts, by the table that `stored` begins with. Each is inside the value's stored bytes.
    pub(crate) fn parts(&self, stored: &[u8]) -> Result<Vec<Part>, Problem> {
        let LargeReference { len, stored: all, crc, .. } = self.reference;
        let (len, all) = (len as usize, all as usize);
        if self.count() == 1 {
            return Ok(vec![Part { stored: 0..all, len, crc }]);
        }
        let (entries, _) =
            stored.get(..self.table_bytes()).ok_or(Problem::Codec)?.as_chunks::<PART_ENTRY_BYTES>();
        let mut start = self.table_bytes();
        let part = |(i, entry): (usize, &[u8; PART_ENTRY_BYTES])| {
            let [a, b, c, d, e, f, g, h] = *entry;
            let end = u32::from_le_bytes([a, b, c, d]) as usize + self.table_bytes();
            if end < start || end > all {
                return Err(Problem::Range {
                    field: "the end of a part",
                    most: all as u64,
                    found: end as u64,
                });
            }
            let stored = std::mem::replace(&mut start, end)..end;
            let len = (len - i * PART_BYTES).min(PART_BYTES);
            Ok(Part { stored, len, crc: u32::from_le_bytes([e, f, g, h]) })
        };
        entries.iter().enumerate().map(part).collect()
    }
}
