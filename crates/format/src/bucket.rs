//! A bucket: a few records in columns, so that one comparison over the tags finds the one that a key has.
//!
//! `crc | count | tags | value lengths | keys | values`, where the keys of a numeric table are what its buckets and tags
//! leave of them, packed bit by bit, and other keys are their lengths and then their bytes.

use std::ops::Range;

use crate::cpu::{Cpu, LANES, Portable, lanes};
use crate::error::Problem;
use crate::key::Place;
use crate::layout::{BUCKET_CRC_BYTES, LARGE_REFERENCE_BYTES};

/// What the buckets of a table have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketShape {
    /// Bytes of the record count: 1 or 2.
    pub(crate) count_width: u8,
    /// Bytes of a key's length: 1, 2 or 4, or 0 for numeric keys.
    pub(crate) key_width: u8,
    /// Bits that are stored of a numeric key beside its tag.
    pub(crate) rest_bits: u32,
    /// As many ones.
    pub(crate) rest_mask: u128,
    /// Bytes of a value's length: 1 or 2, or 0 where all values have `value_fixed` bytes.
    pub(crate) value_width: u8,
    /// Bytes of every value where they have no length of their own.
    pub(crate) value_fixed: u32,
}

/// The stored form of a record, before it is in a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) tag: u8,
    pub(crate) rest: u128,
    /// Stored key bytes; empty for numeric keys.
    pub(crate) key: &'a [u8],
    pub(crate) value: Stored<'a>,
}

/// A stored value, or where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// The value is here.
    Inline(&'a [u8]),
    /// The value is too long for a bucket and lies behind those of its line.
    Large(LargeReference),
}

/// Where a large value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LargeReference {
    /// Bytes from the base of the bucket's line.
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

impl LargeReference {
    pub(crate) fn to_bytes(self) -> [u8; LARGE_REFERENCE_BYTES] {
        let mut bytes = [0; LARGE_REFERENCE_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let crc = rest.first_chunk()?;
        Some(Self {
            offset: u64::from_le_bytes(*offset),
            len: u32::from_le_bytes(*len),
            crc: u32::from_le_bytes(*crc),
        })
    }
}

impl BucketShape {
    /// Appends a bucket of `records`, in this order, to `out`, but for its checksum, which [`seal`] writes.
    pub(crate) fn encode(&self, records: &[Record<'_>], out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; BUCKET_CRC_BYTES]);
        out.extend_from_slice(&(records.len() as u16).to_le_bytes()[..usize::from(self.count_width)]);
        out.extend(records.iter().map(|record| record.tag));
        let width = usize::from(self.value_width);
        if width > 0 {
            for record in records {
                let len = match record.value {
                    Stored::Inline(value) => value.len() as u32,
                    Stored::Large(_) => self.large_mark(),
                };
                out.extend_from_slice(&len.to_le_bytes()[..width]);
            }
        }
        if self.key_width > 0 {
            for record in records {
                out.extend_from_slice(
                    &(record.key.len() as u32).to_le_bytes()[..usize::from(self.key_width)],
                );
            }
            records.iter().for_each(|record| out.extend_from_slice(record.key));
        } else {
            let (mut pending, mut bits) = (0_u128, 0);
            for record in records {
                pending |= record.rest << bits;
                bits += self.rest_bits;
                // Up to 7 bits wait here, and a rest has at most 120.
                while bits >= 8 {
                    out.push(pending as u8);
                    pending >>= 8;
                    bits -= 8;
                }
            }
            if bits > 0 {
                out.push(pending as u8);
            }
        }
        for record in records {
            match record.value {
                Stored::Inline(value) => out.extend_from_slice(value),
                Stored::Large(reference) => out.extend_from_slice(&reference.to_bytes()),
            }
        }
    }

    /// The length that stands for a value that is elsewhere; no value in a bucket is as long.
    pub(crate) fn large_mark(&self) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(self.value_width.max(1)))
    }

    /// Opens the bucket that is the first `len` of `bytes`, once its checksum is seen to be right; the bytes behind it are
    /// loaded but do not count.
    pub(crate) fn open_checked<'a, C: Cpu>(
        &'a self,
        cpu: C,
        number: u64,
        bytes: &'a [u8],
        len: usize,
    ) -> Result<Bucket<'a, C>, Problem> {
        let possible = BUCKET_CRC_BYTES..=bytes.len();
        let Some((stored, rest)) =
            bytes.split_first_chunk::<BUCKET_CRC_BYTES>().filter(|_| possible.contains(&len))
        else {
            return Err(cut_short(len.max(BUCKET_CRC_BYTES), len.min(bytes.len())));
        };
        let (expected, found) =
            (u32::from_le_bytes(*stored), crc32c(cpu, number, rest, len - BUCKET_CRC_BYTES));
        if expected != found {
            return Err(Problem::Checksum { expected, found });
        }
        self.open(cpu, bytes, len)
    }

    /// Opens a bucket whose checksum was checked before. Every range is still checked, so that a file made to deceive
    /// costs an error and no more.
    #[inline(always)]
    pub(crate) fn open<'a, C: Cpu>(
        &'a self,
        cpu: C,
        bytes: &'a [u8],
        len: usize,
    ) -> Result<Bucket<'a, C>, Problem> {
        let count = match bytes.get(BUCKET_CRC_BYTES..BUCKET_CRC_BYTES + 2) {
            Some(&[count, _]) if self.count_width == 1 => usize::from(count),
            Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
            _ => return Err(cut_short(BUCKET_CRC_BYTES + usize::from(self.count_width), len)),
        };
        let tags = BUCKET_CRC_BYTES + usize::from(self.count_width);
        let value_lengths = tags + count;
        let keys = value_lengths + count * usize::from(self.value_width);
        if keys > len || len > bytes.len() {
            return Err(cut_short(keys, len.min(bytes.len())));
        }
        Ok(Bucket { cpu, shape: self, bytes, len, count, tags, value_lengths, keys })
    }
}

#[cold]
fn cut_short(least: usize, found: usize) -> Problem {
    Problem::Short { what: "a bucket", least: least as u64, found: found as u64 }
}

/// Writes the checksum of a bucket, padding included, into its first bytes.
pub(crate) fn seal(bucket: u64, bytes: &mut [u8]) {
    let crc = crc32c(Portable, bucket, &bytes[BUCKET_CRC_BYTES..], bytes.len() - BUCKET_CRC_BYTES);
    bytes[..BUCKET_CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// The checksum of the bucket whose first `len` bytes behind its checksum are those of `rest`: CRC-32C, begun with the
/// bucket's number, of these bytes and as many zeros as make a multiple of eight.
#[inline(always)]
fn crc32c(cpu: impl Cpu, bucket: u64, rest: &[u8], len: usize) -> u32 {
    !cpu.crc32c_words(!(bucket as u32), rest, len)
}

/// A bucket whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<'a, C> {
    cpu: C,
    shape: &'a BucketShape,
    bytes: &'a [u8],
    len: usize,
    count: usize,
    tags: usize,
    value_lengths: usize,
    keys: usize,
}

impl<'a, C: Cpu> Bucket<'a, C> {
    /// Records in this bucket.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The tag of record `i`.
    pub(crate) fn tag(&self, i: usize) -> u8 {
        self.bytes[self.tags + i]
    }

    /// The record of the numeric key at `place`.
    #[inline(always)]
    pub(crate) fn find_number(&self, place: Place) -> Option<usize> {
        self.find(place.tag, |i| self.rest(i) == place.rest)
    }

    /// The first record with `tag` that `is_it`.
    #[inline(always)]
    pub(crate) fn find(&self, tag: u8, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut from = 0;
        loop {
            let seen = self.bytes.get(self.tags + from..).map_or([0; LANES], lanes);
            let valid = u32::MAX.unbounded_shr(32_u32.saturating_sub((self.count - from) as u32));
            let mut candidates = self.cpu.equal(seen, tag) & valid;
            while candidates != 0 {
                let i = from + candidates.trailing_zeros() as usize;
                if is_it(i) {
                    return Some(i);
                }
                candidates &= candidates - 1;
            }
            from += LANES;
            if from >= self.count {
                return None;
            }
        }
    }

    /// What is stored of the numeric key of record `i` beside its tag.
    #[inline(always)]
    pub(crate) fn rest(&self, i: usize) -> u128 {
        let bits = i * self.shape.rest_bits as usize;
        let at = self.keys + bits / 8;
        let word = self.bytes.get(at..).map_or([0; LANES], lanes);
        u128::from_le_bytes(word) >> (bits % 8) & self.shape.rest_mask
    }

    /// Where the keys end and the values begin.
    #[inline(always)]
    fn values(&self) -> usize {
        let width = usize::from(self.shape.key_width);
        if width == 0 {
            return self.keys + (self.count * self.shape.rest_bits as usize).div_ceil(8);
        }
        let keys: usize = (0..self.count).map(|i| self.key_len(i)).sum();
        self.keys + self.count * width + keys
    }

    #[inline(always)]
    fn key_len(&self, i: usize) -> usize {
        let width = usize::from(self.shape.key_width);
        let at = self.keys + i * width;
        let mut len = [0; 4];
        if let Some(bytes) = self.bytes.get(at..at + width) {
            len[..width].copy_from_slice(bytes);
        }
        u32::from_le_bytes(len) as usize
    }

    /// Where the stored bytes of the key of record `i` lie in the bucket; empty for numeric keys.
    pub(crate) fn key(&self, i: usize) -> Result<Range<usize>, Problem> {
        let width = usize::from(self.shape.key_width);
        let before: usize = (0..i).map(|j| self.key_len(j)).sum();
        let start = self.keys + self.count * width + before;
        let end = start + self.key_len(i);
        if end > self.len {
            return Err(Problem::Range {
                field: "the end of a key",
                most: self.len as u64,
                found: end as u64,
            });
        }
        Ok(start..end)
    }

    /// Where the stored value of record `i` lies in the bucket, or behind the buckets of its line.
    #[inline(always)]
    pub(crate) fn value(&self, i: usize) -> Result<ValuePlace, Problem> {
        let lengths = &self.bytes[self.value_lengths..];
        let (before, len) = match self.shape.value_width {
            0 => (i * self.shape.value_fixed as usize, self.shape.value_fixed),
            1 => {
                let mut before = self.cpu.sum(lanes(lengths), i, LARGE_REFERENCE_BYTES as u8);
                let mut from = LANES;
                while from < i {
                    before += self.cpu.sum(lanes(&lengths[from..]), i - from, LARGE_REFERENCE_BYTES as u8);
                    from += LANES;
                }
                (before, u32::from(lengths[i]))
            }
            _ => {
                let len = |i: usize| u32::from(u16::from_le_bytes([lengths[2 * i], lengths[2 * i + 1]]));
                let size = |len: u32| if len == 0xFFFF { LARGE_REFERENCE_BYTES } else { len as usize };
                ((0..i).map(|j| size(len(j))).sum(), len(i))
            }
        };
        let start = self.values() + before;
        let large = self.shape.value_width > 0 && len == self.shape.large_mark();
        let end = start + if large { LARGE_REFERENCE_BYTES } else { len as usize };
        if end > self.len {
            return Err(Problem::Range {
                field: "the end of a value",
                most: self.len as u64,
                found: end as u64,
            });
        }
        if large {
            let reference = LargeReference::from_bytes(&self.bytes[start..end]);
            return reference.map(ValuePlace::Large).ok_or(Problem::Codec);
        }
        Ok(ValuePlace::Inline(start..end))
    }

    /// The bucket's bytes from `start` on, with those behind the bucket that may be loaded.
    #[inline(always)]
    pub(crate) fn bytes_from(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..).unwrap_or_default()
    }
}

/// Where a stored value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValuePlace {
    /// Here in its bucket.
    Inline(Range<usize>),
    /// Behind the buckets of its line.
    Large(LargeReference),
}
