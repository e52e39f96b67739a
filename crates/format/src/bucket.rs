//! A bucket: a few records in columns, so that one comparison over the tags finds the one that a
//! key has.
//!
//! `count | tags | wide words | fields | keys | values`. The fields are a string of bits: in a
//! narrow bucket a word a value, then what buckets and tags leave of numeric keys, or the lengths
//! of others. A wide bucket has words of 16 bits instead, which say in what form each value is,
//! and where a value lies that is too long.

use std::ops::Range;

use crate::codec::load;
use crate::cpu::{Cpu, LANES, lanes};
use crate::error::Problem;
use crate::key::Place;
use crate::layout::{INLINE_MAX_MOST, LARGE_REFERENCE_BYTES, LARGE_WORD, WIDE_LENGTH_BITS};

/// What the buckets of a table have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketShape {
    /// Bytes of the record count: 1 or 2.
    pub(crate) count_width: u8,
    /// Whether keys are numbers.
    pub(crate) numeric: bool,
    /// Bits that are stored of a numeric key beside its tag.
    pub(crate) rest_bits: u32,
    /// As many ones.
    pub(crate) rest_mask: u128,
    /// Bits of a key's length, and what is added to it; 0 for numeric keys.
    pub(crate) key_bits: u32,
    pub(crate) key_base: u32,
    /// Bits of a value's word in a narrow bucket.
    pub(crate) word_bits: u32,
    /// What is added to a word that is a length.
    pub(crate) word_base: u32,
    /// Values that lie in the section of shared values: so many of the highest words of a narrow
    /// bucket are their numbers.
    pub(crate) shared: u32,
    /// Bits that a byte of a packed value takes; 0 where values are stored in bytes.
    pub(crate) symbol_bits: u32,
    /// Of the two bytes that a bucket begins with, those bits that are the number of its records,
    /// and the one that says that it is wide.
    count_mask: u16,
    wide_mask: u16,
    /// How many records of a narrow bucket have words that are summed at once.
    near: usize,
    sums: Sums,
}

/// How a value is stored. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Form {
    /// Through the codec of the values.
    Main = 0,
    /// As it is.
    Raw = 1,
    /// Through the codec of long values.
    Long = 2,
    /// In a bucket, a number of a shared value; elsewhere, through the codec of long values
    /// without the dictionary.
    Apart = 3,
}

impl Form {
    pub(crate) const fn of(number: u8) -> Self {
        match number & 3 {
            0 => Self::Main,
            1 => Self::Raw,
            2 => Self::Long,
            _ => Self::Apart,
        }
    }
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
    /// The value is here: its form, its stored bytes, and the length that its word has.
    Inline { form: Form, bytes: &'a [u8], length: u32 },
    /// A shared value.
    Shared(u32),
    /// The value is too long for a bucket and lies behind those of its line.
    Large(LargeReference),
}

/// Where a large value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LargeReference {
    /// Bytes from the base of the bucket's line.
    pub(crate) offset: i64,
    /// Bytes that are stored.
    pub(crate) stored: u32,
    /// Bytes that they stand for.
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) form: Form,
}

impl LargeReference {
    pub(crate) fn to_bytes(self) -> [u8; LARGE_REFERENCE_BYTES] {
        let mut bytes = [0; LARGE_REFERENCE_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stored.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.crc.to_le_bytes());
        bytes[20] = self.form as u8;
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (stored, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        let [form @ 0..4, 0, 0, 0] = *rest.first_chunk::<4>()? else { return None };
        Some(Self {
            offset: i64::from_le_bytes(*offset),
            stored: u32::from_le_bytes(*stored),
            len: u32::from_le_bytes(*len),
            crc: u32::from_le_bytes(*crc),
            form: Form::of(form),
        })
    }
}

/// Words that are summed at a time.
const EIGHT: usize = 8;

/// Sums eight words of a narrow bucket, which lie in one word of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// Whether they can be summed so: they are lengths, and their bits are none, or three to
    /// eight.
    hold: bool,
    /// The bits of a word, and of every other of eight.
    word: u64,
    even: u64,
    bits: u32,
    /// Adds four numbers of twice the bits, in the highest of them.
    times: u64,
    shift: u32,
    sum: u64,
}

impl Sums {
    fn new(bits: u32, are_lengths: bool) -> Self {
        let hold = are_lengths && (bits == 0 || (3..=8).contains(&bits));
        if !hold {
            return Self::default();
        }
        let ones = |bits: u32| u64::MAX.unbounded_shr(64 - bits);
        let every_other = |ones: u64| (0..4).fold(0, |all, i| all | ones << (2 * i * bits));
        Self {
            hold,
            word: ones(bits),
            even: every_other(ones(bits)),
            bits,
            times: every_other(1),
            shift: 6 * bits,
            sum: ones(2 * bits),
        }
    }

    /// The sum of the eight words that are the lowest bits of `words`. With three bits and more,
    /// it has no more than twice the bits of one.
    #[inline(always)]
    fn of(&self, words: u64) -> usize {
        let pairs = (words & self.even) + (words >> self.bits & self.even);
        (pairs.wrapping_mul(self.times) >> self.shift & self.sum) as usize
    }
}

/// What the plan or the header says of all buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    pub(crate) count_width: u8,
    pub(crate) numeric: bool,
    pub(crate) rest_bits: u32,
    pub(crate) key_bits: u8,
    pub(crate) key_base: u32,
    pub(crate) word_bits: u8,
    pub(crate) word_base: u32,
    pub(crate) shared: u32,
    pub(crate) symbol_bits: u32,
}

impl BucketShape {
    pub(crate) fn new(widths: Widths) -> Self {
        let word_bits = u32::from(widths.word_bits);
        let wide_mask = 1 << (8 * widths.count_width - 1);
        let sums = Sums::new(word_bits, widths.shared == 0);
        Self {
            count_width: widths.count_width,
            numeric: widths.numeric,
            rest_bits: widths.rest_bits,
            rest_mask: u128::MAX.unbounded_shr(128 - widths.rest_bits),
            key_bits: widths.key_bits.into(),
            key_base: widths.key_base,
            word_bits,
            word_base: widths.word_base,
            shared: widths.shared.min(1 << word_bits),
            symbol_bits: widths.symbol_bits,
            count_mask: wide_mask - 1,
            wide_mask,
            near: if sums.hold { EIGHT } else { 0 },
            sums,
        }
    }

    /// The word of a narrow bucket from which on words are numbers of shared values.
    #[inline(always)]
    fn shared_from(&self) -> u32 {
        (1 << self.word_bits) - self.shared
    }

    /// The highest bit of a bucket's count, which says that it is wide, and the others' most.
    pub(crate) fn wide_flag(&self) -> u16 {
        self.wide_mask
    }

    /// The word that a value has in a narrow bucket, where it has one.
    fn narrow_word(&self, value: &Stored<'_>) -> Option<u32> {
        match *value {
            Stored::Inline { form: Form::Main, length, .. } => {
                length.checked_sub(self.word_base).filter(|&word| word < self.shared_from())
            }
            Stored::Shared(number) => (number < self.shared).then(|| self.shared_from() + number),
            _ => None,
        }
    }

    /// Appends a bucket of `records`, in this order, to `out`.
    pub(crate) fn encode(&self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let wide = !records.iter().all(|record| self.narrow_word(&record.value).is_some());
        let count = records.len() as u16 | if wide { self.wide_flag() } else { 0 };
        out.extend_from_slice(&count.to_le_bytes()[..usize::from(self.count_width)]);
        out.extend(records.iter().map(|record| record.tag));
        let mut fields = Fields::default();
        for record in records {
            if wide {
                let word = match record.value {
                    Stored::Inline { form, length, .. } => {
                        length as u16 | u16::from(form as u8) << WIDE_LENGTH_BITS
                    }
                    Stored::Shared(number) => number as u16 | 3 << WIDE_LENGTH_BITS,
                    Stored::Large(_) => LARGE_WORD,
                };
                out.extend_from_slice(&word.to_le_bytes());
            } else {
                fields.push(self.narrow_word(&record.value).unwrap_or_default().into(), self.word_bits, out);
            }
        }
        for record in records {
            if self.numeric {
                fields.push(record.rest, self.rest_bits, out);
            } else {
                fields.push((record.key.len() as u32 - self.key_base).into(), self.key_bits, out);
            }
        }
        let packed = !wide && self.symbol_bits > 0;
        if packed && self.numeric {
            records.iter().for_each(|record| self.pack(record, &mut fields, out));
        }
        fields.finish(out);
        records.iter().for_each(|record| out.extend_from_slice(record.key));
        if packed && !self.numeric {
            records.iter().for_each(|record| self.pack(record, &mut fields, out));
            fields.finish(out);
        }
        if packed {
            return;
        }
        for record in records {
            match record.value {
                Stored::Inline { bytes, .. } => out.extend_from_slice(bytes),
                Stored::Shared(_) => {}
                Stored::Large(reference) => out.extend_from_slice(&reference.to_bytes()),
            }
        }
    }

    /// Appends the bits of a packed value, without those that fill its last byte.
    fn pack(&self, record: &Record<'_>, fields: &mut Fields, out: &mut Vec<u8>) {
        let Stored::Inline { bytes, length, .. } = record.value else { return };
        let mut left = length * self.symbol_bits;
        for &byte in bytes {
            let bits = left.min(8);
            fields.push((byte & (u8::MAX >> (8 - bits))).into(), bits, out);
            left -= bits;
        }
    }

    /// Opens the bucket that is the first `len` of `bytes`; those behind may be loaded. Every
    /// range is checked, so that a file made to deceive costs an error and no more.
    #[inline(always)]
    pub(crate) fn open<'a, C: Cpu>(
        &'a self,
        cpu: C,
        bytes: &'a [u8],
        len: usize,
    ) -> Result<Bucket<'a, C>, Problem> {
        let Some(&head) = bytes.first_chunk() else { return Err(cut_short(self.count_width.into(), len)) };
        let head = u16::from_le_bytes(head);
        let (count, wide) = (usize::from(head & self.count_mask), head & self.wide_mask != 0);
        let tags = usize::from(self.count_width);
        let words = tags + count;
        let fields = 8 * words + count * if wide { 16 } else { self.word_bits as usize };
        if fields > 8 * len || len > bytes.len() {
            return Err(cut_short(fields.div_ceil(8), len.min(bytes.len())));
        }
        Ok(Bucket { cpu, shape: self, bytes, len, count, wide, tags, words, fields })
    }
}

/// Bits on their way into bytes.
#[derive(Default)]
struct Fields {
    pending: u128,
    bits: u32,
}

impl Fields {
    /// Appends the lowest `bits` of `field`, at most 120, which has no others.
    fn push(&mut self, field: u128, bits: u32, out: &mut Vec<u8>) {
        self.pending |= field << self.bits;
        self.bits += bits;
        while self.bits >= 8 {
            out.push(self.pending as u8);
            self.pending >>= 8;
            self.bits -= 8;
        }
    }

    /// Fills the last byte with zeros.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.bits > 0 {
            out.push(self.pending as u8);
        }
        *self = Self::default();
    }
}

#[cold]
fn cut_short(least: usize, found: usize) -> Problem {
    Problem::Short { what: "a bucket", least: least as u64, found: found as u64 }
}

/// A bucket that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<'a, C> {
    cpu: C,
    shape: &'a BucketShape,
    bytes: &'a [u8],
    len: usize,
    count: usize,
    wide: bool,
    tags: usize,
    /// Where the words begin, in bytes.
    words: usize,
    /// Where the rests or the lengths of keys begin, in bits.
    fields: usize,
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
            let mut candidates = self.cpu.equal(self.lanes(self.tags + from), tag);
            while candidates != 0 {
                let i = from + candidates.trailing_zeros() as usize;
                if i >= self.count {
                    // What is behind the tags.
                    return None;
                }
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

    /// The sixteen bytes at `at`, with zeros where there are fewer.
    #[inline(always)]
    fn lanes(&self, at: usize) -> [u8; LANES] {
        match self.bytes.len().checked_sub(LANES) {
            Some(last) if at <= last => *self.bytes[at..at + LANES].first_chunk().unwrap_or(&[0; LANES]),
            _ => lanes(self.bytes.get(at..).unwrap_or_default()),
        }
    }

    /// What is stored of the numeric key of record `i` beside its tag.
    #[inline(always)]
    pub(crate) fn rest(&self, i: usize) -> u128 {
        let bits = self.fields + i * self.shape.rest_bits as usize;
        u128::from_le_bytes(self.lanes(bits / 8)) >> (bits % 8) & self.shape.rest_mask
    }

    /// A number of up to 32 bits, from bit `at` on.
    #[inline(always)]
    fn field(&self, at: usize, bits: u32) -> usize {
        (load(self.bytes, at / 8) >> (at % 8) & u64::MAX.unbounded_shr(64 - bits)) as usize
    }

    #[inline(always)]
    fn key_len(&self, i: usize) -> usize {
        let bits = self.shape.key_bits;
        self.field(self.fields + i * bits as usize, bits) + self.shape.key_base as usize
    }

    /// Where the fields end, in bits.
    #[inline(always)]
    fn fields_end(&self) -> usize {
        let bits = if self.shape.numeric { self.shape.rest_bits } else { self.shape.key_bits };
        self.fields + self.count * bits as usize
    }

    /// Where the values begin, in bits.
    #[inline(always)]
    fn values(&self) -> usize {
        self.values_where(self.shape.symbol_bits > 0 && !self.wide)
    }

    /// As [`Self::values`], where it is known whether they are packed in a narrow bucket.
    #[inline(always)]
    fn values_where(&self, packed: bool) -> usize {
        let end = self.fields_end();
        if self.shape.numeric {
            return if packed { end } else { end.next_multiple_of(8) };
        }
        let keys: usize = (0..self.count).map(|i| self.key_len(i)).sum();
        end.next_multiple_of(8) + 8 * keys
    }

    /// Where the stored bytes of the key of record `i` lie in the bucket; empty for numeric keys.
    pub(crate) fn key(&self, i: usize) -> Result<Range<usize>, Problem> {
        let before: usize = (0..i).map(|j| self.key_len(j)).sum();
        let start = self.fields_end().div_ceil(8) + before;
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

    /// The word of record `i` of a narrow bucket.
    fn word(&self, i: usize) -> u32 {
        let bits = self.shape.word_bits;
        self.field(8 * self.words + i * bits as usize, bits) as u32
    }

    /// Where the stored value of record `i` lies in the bucket, or behind the buckets of its line.
    #[inline(always)]
    pub(crate) fn value(&self, i: usize) -> Result<ValuePlace, Problem> {
        if self.wide {
            return self.wide_value(i);
        }
        if i >= self.shape.near {
            return self.later_value(i);
        }
        let (before, len) = self.near_value(i);
        self.place(before, len)
    }

    /// Of the value of record `i`, one of the first in a narrow bucket of a table whose words are
    /// lengths of few bits: how many bytes of others are before it, and how many it has.
    #[inline(always)]
    fn near_value(&self, i: usize) -> (usize, usize) {
        let sums = &self.shape.sums;
        let words = load(self.bytes, self.words);
        let at = i as u32 * self.shape.word_bits;
        let base = self.shape.word_base as usize;
        let len = (words >> at & sums.word) as usize + base;
        (sums.of(words & ((1 << at) - 1)) + i * base, len)
    }

    /// Where the value of record `i` begins, in bytes, and how many it has, if it is one of those
    /// that nearly all are: [`ValuePlace::Inline`] in a narrow bucket, and near its beginning.
    /// `None` says nothing. [`Self::value`] knows all, and takes twice as long to say so.
    #[inline(always)]
    pub(crate) fn near_inline(&self, i: usize) -> Option<(usize, usize)> {
        if self.wide || i >= self.shape.near {
            return None;
        }
        let (before, len) = self.near_value(i);
        let start = self.values_where(false) / 8 + before;
        (start + len <= self.len).then_some((start, len))
    }

    /// The same of values that are packed: the bit where it begins, and how many bytes it has.
    #[inline(always)]
    pub(crate) fn near_packed(&self, i: usize) -> Option<(usize, usize)> {
        if self.wide || i >= self.shape.near {
            return None;
        }
        let (before, len) = self.near_value(i);
        let symbol_bits = self.shape.symbol_bits as usize;
        let bit = self.values_where(true) + before * symbol_bits;
        (bit + len * symbol_bits <= 8 * self.len).then_some((bit, len))
    }

    /// As [`Self::value`], of a record that is not among the first of a narrow bucket, or of a
    /// table whose words are not lengths of few bits.
    #[inline(never)]
    fn later_value(&self, i: usize) -> Result<ValuePlace, Problem> {
        let (base, shared) = (self.shape.word_base as usize, self.shape.shared_from());
        let word = self.word(i);
        if word >= shared {
            return Ok(ValuePlace::Shared(word - shared));
        }
        let before = if self.shape.sums.hold {
            // Eight words take as many bytes as one has bits.
            let (bits, behind) = (self.shape.word_bits, i % EIGHT);
            let sum = |eight| self.shape.sums.of(load(self.bytes, self.words + eight * bits as usize));
            let last = load(self.bytes, self.words + i / EIGHT * bits as usize);
            let first = last & ((1 << (behind as u32 * bits)) - 1);
            (0..i / EIGHT).map(sum).sum::<usize>() + self.shape.sums.of(first) + i * base
        } else {
            (0..i).map(|j| self.word(j)).filter(|&word| word < shared).map(|word| word as usize + base).sum()
        };
        self.place(before, word as usize + base)
    }

    /// The place of a value of `len` bytes in a narrow bucket, behind `before` bytes of others.
    #[inline(always)]
    fn place(&self, before: usize, len: usize) -> Result<ValuePlace, Problem> {
        let symbol_bits = self.shape.symbol_bits as usize;
        if symbol_bits > 0 {
            let bit = self.values() + before * symbol_bits;
            self.check_end((bit + len * symbol_bits).div_ceil(8))?;
            return Ok(ValuePlace::Packed { bit, len });
        }
        let start = self.values() / 8 + before;
        self.check_end(start + len)?;
        Ok(ValuePlace::Inline(start..start + len))
    }

    #[inline(always)]
    fn check_end(&self, end: usize) -> Result<(), Problem> {
        if end > self.len { Err(self.ends_beyond(end)) } else { Ok(()) }
    }

    #[cold]
    fn ends_beyond(&self, end: usize) -> Problem {
        Problem::Range { field: "the end of a value", most: self.len as u64, found: end as u64 }
    }

    /// The word of record `i` of a wide bucket, in its two parts.
    fn wide_word(&self, i: usize) -> (Form, u32) {
        let at = self.words + 2 * i;
        let word = self.bytes.get(at..at + 2).map_or(0, |word| u16::from_le_bytes([word[0], word[1]]));
        (Form::of((word >> WIDE_LENGTH_BITS) as u8), u32::from(word) & INLINE_MAX_MOST)
    }

    /// The bytes that a value with this word takes in a wide bucket.
    fn wide_size(&self, (form, length): (Form, u32)) -> usize {
        match form {
            Form::Apart if length == INLINE_MAX_MOST => LARGE_REFERENCE_BYTES,
            Form::Apart => 0,
            Form::Main if self.shape.symbol_bits > 0 => {
                (length as usize * self.shape.symbol_bits as usize).div_ceil(8)
            }
            _ => length as usize,
        }
    }

    #[inline(never)]
    fn wide_value(&self, i: usize) -> Result<ValuePlace, Problem> {
        let before: usize = (0..i).map(|j| self.wide_size(self.wide_word(j))).sum();
        let (form, length) = self.wide_word(i);
        let start = self.values() / 8 + before;
        let end = start + self.wide_size((form, length));
        self.check_end(end)?;
        Ok(match form {
            Form::Apart if length == INLINE_MAX_MOST => {
                let reference = LargeReference::from_bytes(&self.bytes[start..end]);
                ValuePlace::Large(reference.ok_or(Problem::Codec)?)
            }
            Form::Apart => ValuePlace::Shared(length),
            Form::Main if self.shape.symbol_bits > 0 => {
                ValuePlace::Packed { bit: 8 * start, len: length as usize }
            }
            Form::Main => ValuePlace::Inline(start..end),
            Form::Raw | Form::Long => ValuePlace::Other(form, start..end),
        })
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
    /// Here in its bucket, through the codec of the values.
    Inline(Range<usize>),
    /// Here from this bit on, so many bytes packed.
    Packed { bit: usize, len: usize },
    /// Here in another form.
    Other(Form, Range<usize>),
    /// In the section of shared values, under this number.
    Shared(u32),
    /// Behind the buckets of its line.
    Large(LargeReference),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_words_of_every_width_are_summed() {
        for bits in [0, 3, 4, 5, 6, 7, 8_u32] {
            let sums = Sums::new(bits, true);
            for words in [u64::MAX, 0x0123_4567_89AB_CDEF, 0x5555_5555_5555_5555, 1, 0] {
                let word = |i: u32| words.unbounded_shr(i * bits) & u64::MAX.unbounded_shr(64 - bits);
                assert_eq!(sums.of(words) as u64, (0..8).map(word).sum(), "{bits} bits of {words:x}");
            }
        }
        assert!(!Sums::new(2, true).hold && !Sums::new(9, true).hold && !Sums::new(6, false).hold);
    }
}
