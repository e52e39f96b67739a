//! The header: the first bytes of a carved file, which say what it is and where its sections lie.

use crate::checksum::crc32c;
use crate::codec::Codec;
use crate::error::{Error, Problem};
use crate::key::{KeyKind, KeyShape};
use crate::layout::*;

/// Where a section lies and what its checksum is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

/// A header that was checked: every field is in its range and every section inside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) file_bytes: u64,
    pub(crate) pairs: u64,
    pub(crate) seed: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) stored_key_bytes: u64,
    pub(crate) stored_value_bytes: u64,
    pub(crate) keys: KeyShape,
    pub(crate) key_width: u8,
    pub(crate) value_width: u8,
    pub(crate) count_width: u8,
    pub(crate) bucket_bits: u8,
    pub(crate) key_codec: Codec,
    pub(crate) value_codec: Codec,
    pub(crate) value_fixed: u32,
    pub(crate) inline_max: u32,
    pub(crate) sections: [SectionEntry; SECTIONS],
}

fn put<const N: usize>(bytes: &mut [u8], offset: usize, field: [u8; N]) {
    bytes[offset..offset + N].copy_from_slice(&field);
}

fn get<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[offset + i])
}

impl Header {
    pub(crate) fn section(&self, section: Section) -> SectionEntry {
        self.sections[section as usize]
    }

    pub(crate) fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put(&mut bytes, MAGIC_OFFSET, MAGIC);
        put(&mut bytes, VERSION_OFFSET, VERSION.to_le_bytes());
        put(&mut bytes, FILE_BYTES_OFFSET, self.file_bytes.to_le_bytes());
        put(&mut bytes, PAIRS_OFFSET, self.pairs.to_le_bytes());
        put(&mut bytes, SEED_OFFSET, self.seed.to_le_bytes());
        put(&mut bytes, KEY_BYTES_OFFSET, self.key_bytes.to_le_bytes());
        put(&mut bytes, VALUE_BYTES_OFFSET, self.value_bytes.to_le_bytes());
        put(&mut bytes, STORED_KEY_BYTES_OFFSET, self.stored_key_bytes.to_le_bytes());
        put(&mut bytes, STORED_VALUE_BYTES_OFFSET, self.stored_value_bytes.to_le_bytes());
        put(&mut bytes, KEY_MASK_OFFSET, self.keys.mask.to_le_bytes());
        put(&mut bytes, KEY_FIXED_OFFSET, self.keys.fixed.to_le_bytes());
        put(&mut bytes, KEY_KIND_OFFSET, [self.keys.kind as u8]);
        put(&mut bytes, KEY_DIGITS_OFFSET, [self.keys.digits]);
        put(&mut bytes, KEY_LENGTH_WIDTH_OFFSET, [self.key_width]);
        put(&mut bytes, VALUE_LENGTH_WIDTH_OFFSET, [self.value_width]);
        put(&mut bytes, COUNT_WIDTH_OFFSET, [self.count_width]);
        put(&mut bytes, BUCKET_BITS_OFFSET, [self.bucket_bits]);
        put(&mut bytes, KEY_CODEC_OFFSET, [self.key_codec as u8]);
        put(&mut bytes, VALUE_CODEC_OFFSET, [self.value_codec as u8]);
        put(&mut bytes, VALUE_FIXED_OFFSET, self.value_fixed.to_le_bytes());
        put(&mut bytes, INLINE_MAX_OFFSET, self.inline_max.to_le_bytes());
        for (i, section) in self.sections.iter().enumerate() {
            let at = SECTIONS_OFFSET + i * SECTION_BYTES;
            put(&mut bytes, at, section.offset.to_le_bytes());
            put(&mut bytes, at + 8, section.len.to_le_bytes());
            put(&mut bytes, at + 16, section.crc.to_le_bytes());
        }
        bytes[PREFIX_OFFSET] = self.keys.prefix.len() as u8;
        bytes[PREFIX_OFFSET + 1..][..self.keys.prefix.len()].copy_from_slice(&self.keys.prefix);
        let crc = crc32c(0, &bytes[..HEADER_CRC_OFFSET]);
        put(&mut bytes, HEADER_CRC_OFFSET, crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file of `file_bytes` bytes and checks every field of it.
    pub(crate) fn from_bytes(start: &[u8], file_bytes: u64) -> Result<Self, Error> {
        if start.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(Error::NotCarved);
        }
        let Some(bytes) = start.first_chunk::<HEADER_BYTES>() else {
            return Err(Error::Length { expected: HEADER_BYTES as u64, found: file_bytes });
        };
        let version = u32::from_le_bytes(get(bytes, VERSION_OFFSET));
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        let (expected, found) =
            (u32::from_le_bytes(get(bytes, HEADER_CRC_OFFSET)), crc32c(0, &bytes[..HEADER_CRC_OFFSET]));
        if expected != found {
            return Err(damaged(HEADER_CRC_OFFSET, Problem::Checksum { expected, found }));
        }
        let flags = u32::from_le_bytes(get(bytes, FLAGS_OFFSET));
        if flags != 0 {
            return Err(Error::Flags { found: flags });
        }
        let number = |offset| u64::from_le_bytes(get(bytes, offset));
        let byte = |offset: usize, field, most: u8| {
            let found = bytes[offset];
            if found > most { Err(range(offset, field, most.into(), found.into())) } else { Ok(found) }
        };
        let expected = number(FILE_BYTES_OFFSET);
        if expected != file_bytes {
            return Err(Error::Length { expected, found: file_bytes });
        }
        let kind = KeyKind::ALL
            [usize::from(byte(KEY_KIND_OFFSET, "the kind of keys", KeyKind::ALL.len() as u8 - 1)?)];
        let codec = |offset, field| {
            byte(offset, field, Codec::ALL.len() as u8 - 1).map(|i| Codec::ALL[usize::from(i)])
        };
        let prefix_bytes = usize::from(bytes[PREFIX_OFFSET]);
        let (mask, fixed) = (
            u128::from_le_bytes(get(bytes, KEY_MASK_OFFSET)),
            u128::from_le_bytes(get(bytes, KEY_FIXED_OFFSET)),
        );
        if fixed & mask != 0 {
            let said = "bits of keys are both fixed and not";
            return Err(damaged(KEY_FIXED_OFFSET, Problem::Contradiction { said }));
        }
        let header = Self {
            file_bytes,
            pairs: number(PAIRS_OFFSET),
            seed: number(SEED_OFFSET),
            key_bytes: number(KEY_BYTES_OFFSET),
            value_bytes: number(VALUE_BYTES_OFFSET),
            stored_key_bytes: number(STORED_KEY_BYTES_OFFSET),
            stored_value_bytes: number(STORED_VALUE_BYTES_OFFSET),
            keys: KeyShape {
                kind,
                prefix: bytes[PREFIX_OFFSET + 1..][..prefix_bytes].to_vec(),
                digits: byte(KEY_DIGITS_OFFSET, "the digits of a key", 32)?,
                mask,
                fixed,
            },
            key_width: byte(KEY_LENGTH_WIDTH_OFFSET, "the width of a key length", 4)?,
            value_width: byte(VALUE_LENGTH_WIDTH_OFFSET, "the width of a value length", 2)?,
            count_width: byte(COUNT_WIDTH_OFFSET, "the width of a record count", 2)?,
            bucket_bits: byte(BUCKET_BITS_OFFSET, "the bucket bits", BUCKET_BITS_MAX)?,
            key_codec: codec(KEY_CODEC_OFFSET, "the codec of the keys")?,
            value_codec: codec(VALUE_CODEC_OFFSET, "the codec of the values")?,
            value_fixed: u32::from_le_bytes(get(bytes, VALUE_FIXED_OFFSET)),
            inline_max: u32::from_le_bytes(get(bytes, INLINE_MAX_OFFSET)),
            sections: std::array::from_fn(|i| {
                let at = SECTIONS_OFFSET + i * SECTION_BYTES;
                SectionEntry {
                    offset: number(at),
                    len: number(at + 8),
                    crc: u32::from_le_bytes(get(bytes, at + 16)),
                }
            }),
        };
        header.check()?;
        // What no field covers is zero, so that a later version may give it a meaning.
        let written = header.to_bytes();
        match written.iter().zip(bytes).position(|(written, found)| written != found) {
            Some(at) => {
                let (expected, found) = (written[at].into(), bytes[at].into());
                Err(differs(at, "a byte without a meaning", expected, found))
            }
            None => Ok(header),
        }
    }

    /// Checks what fields say of each other.
    fn check(&self) -> Result<(), Error> {
        let numeric = self.keys.kind != KeyKind::Bytes;
        let width = u64::from(self.key_width);
        if numeric && width != 0 {
            return Err(differs(KEY_LENGTH_WIDTH_OFFSET, "the width of a key length", 0, width));
        }
        if !numeric && !KEY_WIDTHS.contains(&width) {
            return Err(unknown(KEY_LENGTH_WIDTH_OFFSET, "the width of a key length", &KEY_WIDTHS, width));
        }
        let width = u64::from(self.count_width);
        if !COUNT_WIDTHS.contains(&width) {
            return Err(unknown(COUNT_WIDTH_OFFSET, "the width of a record count", &COUNT_WIDTHS, width));
        }
        let digits = u64::from(self.keys.digits);
        if self.keys.kind != KeyKind::Hex && digits != 0 {
            return Err(differs(KEY_DIGITS_OFFSET, "the digits of a key", 0, digits));
        }
        if !numeric && (self.keys.mask | self.keys.fixed) != 0 {
            let said = "keys are bytes, and have bits that differ or are fixed";
            return Err(damaged(KEY_MASK_OFFSET, Problem::Contradiction { said }));
        }
        if self.inline_max > INLINE_MAX_MOST {
            let found = self.inline_max.into();
            return Err(range(
                INLINE_MAX_OFFSET,
                "the longest value in a bucket",
                INLINE_MAX_MOST.into(),
                found,
            ));
        }
        let (most, found) = (self.inline_max.into(), self.value_fixed.into());
        if self.value_width != 0 && found != 0 {
            return Err(differs(VALUE_FIXED_OFFSET, "the length of every value", 0, found));
        }
        if found > most {
            return Err(range(VALUE_FIXED_OFFSET, "the length of every value", most, found));
        }
        let tables = self.section(Section::Tables).len;
        if tables > TABLES_BYTES_MAX {
            let at = SECTIONS_OFFSET + Section::Tables as usize * SECTION_BYTES;
            return Err(range(at + 8, "the length of the tables", TABLES_BYTES_MAX, tables));
        }
        if self.pairs > PAIRS_MAX {
            return Err(range(PAIRS_OFFSET, "the number of pairs", PAIRS_MAX, self.pairs));
        }
        if numeric && u32::from(self.bucket_bits) > self.keys.mask.count_ones() {
            let most = self.keys.mask.count_ones().into();
            return Err(range(BUCKET_BITS_OFFSET, "the bucket bits", most, self.bucket_bits.into()));
        }
        let mut start = HEADER_BYTES as u64;
        for (i, section) in self.sections.iter().enumerate() {
            let at = SECTIONS_OFFSET + i * SECTION_BYTES;
            if section.offset != start {
                return Err(differs(at, "the offset of a section", start, section.offset));
            }
            let end = section.offset.saturating_add(section.len);
            if end > self.file_bytes {
                return Err(range(at + 8, "the end of a section", self.file_bytes, end));
            }
            start = end;
        }
        let index = self.section(Section::Index).len;
        let expected = crate::index::lines(1 << self.bucket_bits) * LINE_BYTES as u64;
        if index != expected {
            let at = SECTIONS_OFFSET + Section::Index as usize * SECTION_BYTES;
            return Err(differs(at + 8, "the length of the index", expected, index));
        }
        if start + TAIL_BYTES as u64 != self.file_bytes {
            return Err(Error::Length { expected: start + TAIL_BYTES as u64, found: self.file_bytes });
        }
        Ok(())
    }
}

/// The widths that lengths of keys and numbers of records can have, in bytes.
const KEY_WIDTHS: [u64; 3] = [1, 2, 4];
const COUNT_WIDTHS: [u64; 2] = [1, 2];

fn damaged(offset: usize, problem: Problem) -> Error {
    Error::Damaged { section: "header", offset: offset as u64, problem }
}

fn differs(offset: usize, field: &'static str, expected: u64, found: u64) -> Error {
    damaged(offset, Problem::Differs { field, expected, found })
}

fn unknown(offset: usize, field: &'static str, expected: &'static [u64], found: u64) -> Error {
    damaged(offset, Problem::Unknown { field, expected, found })
}

fn range(offset: usize, field: &'static str, most: u64, found: u64) -> Error {
    damaged(offset, Problem::Range { field, most, found })
}
