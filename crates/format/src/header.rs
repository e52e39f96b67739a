//! The header and the directory: the first bytes of a carved file, which say what it is and where
//! its sections lie.

use crate::checksum::crc32c;
use crate::codec::Codec;
use crate::error::{Error, Problem};
use crate::key::{KeyKind, KeyShape};
use crate::layout::*;

/// Bytes from the start of a file in which header and directory lie, whatever they say.
pub(crate) const HEAD_BYTES_MAX: usize = HEADER_BYTES + SECTIONS_MAX * SECTION_BYTES;

/// Where a section lies and what its checksum is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub(crate) name: [u8; ENTRY_START],
    pub(crate) required: bool,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

impl SectionEntry {
    /// The entry of a section.
    pub(crate) fn of(section: Section, offset: u64, len: u64, crc: u32) -> Self {
        let mut name = [0; ENTRY_START];
        name[..section.name().len()].copy_from_slice(section.name().as_bytes());
        Self { name, required: section.is_required(), offset, len, crc }
    }

    /// The section, where this version knows it.
    pub(crate) fn section(&self) -> Option<Section> {
        Section::ALL.into_iter().find(|section| self.name() == section.name().as_bytes())
    }

    /// The name, without the zeros behind it.
    pub(crate) fn name(&self) -> &[u8] {
        let len = self.name.iter().position(|&byte| byte == 0).unwrap_or(ENTRY_START);
        &self.name[..len]
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// A header that was checked: every field is in its range and every section inside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: u64,
    pub(crate) file_bytes: u64,
    pub(crate) pairs: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) stored_key_bytes: u64,
    pub(crate) stored_value_bytes: u64,
    pub(crate) seed: u64,
    /// The shape of the keys, but for their prefix, which is a section.
    pub(crate) keys: KeyShape,
    pub(crate) key_codec: Codec,
    pub(crate) value_codec: Codec,
    pub(crate) long_codec: Codec,
    pub(crate) key_length_bits: u8,
    pub(crate) value_word_bits: u8,
    pub(crate) count_width: u8,
    pub(crate) bucket_bits: u8,
    pub(crate) group_buckets: u8,
    pub(crate) key_length_base: u32,
    pub(crate) value_word_base: u32,
    pub(crate) inline_max: u32,
    pub(crate) shared_values: u32,
    pub(crate) sections: Vec<SectionEntry>,
}

fn put<const N: usize>(bytes: &mut [u8], offset: usize, field: [u8; N]) {
    bytes[offset..offset + N].copy_from_slice(&field);
}

fn get<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[offset + i])
}

impl Header {
    /// Where a section lies; one that is not there is empty.
    pub(crate) fn section(&self, section: Section) -> SectionEntry {
        let name = section.name().as_bytes();
        self.sections.iter().find(|entry| entry.name() == name).copied().unwrap_or_default()
    }

    /// Whether there is such a section.
    pub(crate) fn has(&self, section: Section) -> bool {
        self.sections.iter().any(|entry| entry.name() == section.name().as_bytes())
    }

    /// Where the entry of a section begins in the file, for errors.
    fn entry_offset(&self, section: Section) -> usize {
        let name = section.name().as_bytes();
        let at = self.sections.iter().position(|entry| entry.name() == name).unwrap_or_default();
        HEADER_BYTES + at * SECTION_BYTES
    }

    /// The header and the directory.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + self.sections.len() * SECTION_BYTES];
        put(&mut bytes, MAGIC_OFFSET, MAGIC);
        put(&mut bytes, VERSION_OFFSET, VERSION.to_le_bytes());
        put(&mut bytes, IDENTITY_OFFSET, self.identity.to_le_bytes());
        put(&mut bytes, FILE_BYTES_OFFSET, self.file_bytes.to_le_bytes());
        put(&mut bytes, PAIRS_OFFSET, self.pairs.to_le_bytes());
        put(&mut bytes, KEY_BYTES_OFFSET, self.key_bytes.to_le_bytes());
        put(&mut bytes, VALUE_BYTES_OFFSET, self.value_bytes.to_le_bytes());
        put(&mut bytes, STORED_KEY_BYTES_OFFSET, self.stored_key_bytes.to_le_bytes());
        put(&mut bytes, STORED_VALUE_BYTES_OFFSET, self.stored_value_bytes.to_le_bytes());
        put(&mut bytes, SEED_OFFSET, self.seed.to_le_bytes());
        put(&mut bytes, KEY_MASK_OFFSET, self.keys.mask.to_le_bytes());
        put(&mut bytes, KEY_FIXED_OFFSET, self.keys.fixed.to_le_bytes());
        put(&mut bytes, KEY_KIND_OFFSET, [self.keys.kind as u8]);
        put(&mut bytes, KEY_DIGITS_OFFSET, [self.keys.digits]);
        put(&mut bytes, KEY_CODEC_OFFSET, [self.key_codec as u8]);
        put(&mut bytes, VALUE_CODEC_OFFSET, [self.value_codec as u8]);
        put(&mut bytes, LONG_CODEC_OFFSET, [self.long_codec as u8]);
        put(&mut bytes, KEY_LENGTH_BITS_OFFSET, [self.key_length_bits]);
        put(&mut bytes, VALUE_WORD_BITS_OFFSET, [self.value_word_bits]);
        put(&mut bytes, COUNT_WIDTH_OFFSET, [self.count_width]);
        put(&mut bytes, BUCKET_BITS_OFFSET, [self.bucket_bits]);
        put(&mut bytes, GROUP_BUCKETS_OFFSET, [self.group_buckets]);
        put(&mut bytes, SECTION_COUNT_OFFSET, [self.sections.len() as u8]);
        put(&mut bytes, KEY_LENGTH_BASE_OFFSET, self.key_length_base.to_le_bytes());
        put(&mut bytes, VALUE_WORD_BASE_OFFSET, self.value_word_base.to_le_bytes());
        put(&mut bytes, INLINE_MAX_OFFSET, self.inline_max.to_le_bytes());
        put(&mut bytes, SHARED_VALUES_OFFSET, self.shared_values.to_le_bytes());
        for (entry, section) in bytes[HEADER_BYTES..].chunks_exact_mut(SECTION_BYTES).zip(&self.sections) {
            put(entry, 0, section.name);
            put(entry, ENTRY_START, section.offset.to_le_bytes());
            put(entry, ENTRY_LENGTH, section.len.to_le_bytes());
            put(entry, ENTRY_CRC, section.crc.to_le_bytes());
            put(entry, ENTRY_FLAGS, u32::from(section.required).to_le_bytes());
        }
        let crc = checksum(&bytes);
        put(&mut bytes, HEADER_CRC_OFFSET, crc.to_le_bytes());
        bytes
    }

    /// What follows from how the table is made, from the contents of its small sections, `small`,
    /// and from its pairs, of which `pairs` is the sum of [`crate::checksum::pair`].
    pub(crate) fn identity_of(&self, small: &[(Section, &[u8])], pairs: u64) -> u64 {
        let mut bytes = self.to_bytes();
        // What follows from the pairs, or from where things lie.
        bytes[IDENTITY_OFFSET..SEED_OFFSET].fill(0);
        bytes[SECTION_COUNT_OFFSET] = 0;
        bytes.truncate(HEADER_CRC_OFFSET);
        for (section, content) in small {
            // A table without these is what it was before there were any.
            if matches!(section, Section::Schema | Section::ValueType) && content.is_empty() {
                continue;
            }
            bytes.extend_from_slice(section.name().as_bytes());
            bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
            bytes.extend_from_slice(content);
        }
        xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, pairs)
    }

    /// Reads the header of a file of `file_bytes` bytes, which begins with `start`, and checks
    /// every field of it.
    pub(crate) fn from_bytes(start: &[u8], file_bytes: u64) -> Result<Self, Error> {
        if start.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(Error::NotCarved);
        }
        let Some(bytes) = start.get(..HEADER_BYTES) else {
            return Err(Error::Length { expected: HEADER_BYTES as u64, found: file_bytes });
        };
        let version = u32::from_le_bytes(get(bytes, VERSION_OFFSET));
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        let count = usize::from(bytes[SECTION_COUNT_OFFSET]);
        if count > SECTIONS_MAX {
            return Err(range(
                SECTION_COUNT_OFFSET,
                "the number of sections",
                SECTIONS_MAX as u64,
                count as u64,
            ));
        }
        let Some(bytes) = start.get(..HEADER_BYTES + count * SECTION_BYTES) else {
            let expected = (HEADER_BYTES + count * SECTION_BYTES) as u64;
            return Err(Error::Length { expected, found: file_bytes });
        };
        let (expected, found) = (u32::from_le_bytes(get(bytes, HEADER_CRC_OFFSET)), checksum(bytes));
        if expected != found {
            return Err(damaged(HEADER_CRC_OFFSET, Problem::Checksum { expected, found }));
        }
        let flags = u32::from_le_bytes(get(bytes, FLAGS_OFFSET));
        if flags != 0 {
            return Err(Error::Flags { found: flags });
        }
        let number = |offset| u64::from_le_bytes(get(bytes, offset));
        let word = |offset| u32::from_le_bytes(get(bytes, offset));
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
        let (mask, fixed) = (
            u128::from_le_bytes(get(bytes, KEY_MASK_OFFSET)),
            u128::from_le_bytes(get(bytes, KEY_FIXED_OFFSET)),
        );
        if fixed & mask != 0 {
            let said = "bits of keys are both fixed and not";
            return Err(damaged(KEY_FIXED_OFFSET, Problem::Contradiction { said }));
        }
        let header = Self {
            identity: number(IDENTITY_OFFSET),
            file_bytes,
            pairs: number(PAIRS_OFFSET),
            key_bytes: number(KEY_BYTES_OFFSET),
            value_bytes: number(VALUE_BYTES_OFFSET),
            stored_key_bytes: number(STORED_KEY_BYTES_OFFSET),
            stored_value_bytes: number(STORED_VALUE_BYTES_OFFSET),
            seed: number(SEED_OFFSET),
            keys: KeyShape {
                kind,
                prefix: Vec::new(),
                digits: byte(KEY_DIGITS_OFFSET, "the digits of a key", 32)?,
                mask,
                fixed,
            },
            key_codec: codec(KEY_CODEC_OFFSET, "the codec of the keys")?,
            value_codec: codec(VALUE_CODEC_OFFSET, "the codec of the values")?,
            long_codec: codec(LONG_CODEC_OFFSET, "the codec of long values")?,
            key_length_bits: byte(KEY_LENGTH_BITS_OFFSET, "the bits of a key length", KEY_LENGTH_BITS_MAX)?,
            value_word_bits: byte(VALUE_WORD_BITS_OFFSET, "the bits of a value's word", VALUE_WORD_BITS_MAX)?,
            count_width: byte(COUNT_WIDTH_OFFSET, "the width of a record count", 2)?,
            bucket_bits: byte(BUCKET_BITS_OFFSET, "the bucket bits", BUCKET_BITS_MAX)?,
            group_buckets: byte(GROUP_BUCKETS_OFFSET, "the buckets of a group", LINE_BUCKETS as u8)?,
            key_length_base: word(KEY_LENGTH_BASE_OFFSET),
            value_word_base: word(VALUE_WORD_BASE_OFFSET),
            inline_max: word(INLINE_MAX_OFFSET),
            shared_values: word(SHARED_VALUES_OFFSET),
            sections: bytes[HEADER_BYTES..]
                .chunks_exact(SECTION_BYTES)
                .map(|entry| SectionEntry {
                    name: get(entry, 0),
                    required: entry[ENTRY_FLAGS] & 1 == 1,
                    offset: u64::from_le_bytes(get(entry, ENTRY_START)),
                    len: u64::from_le_bytes(get(entry, ENTRY_LENGTH)),
                    crc: u32::from_le_bytes(get(entry, ENTRY_CRC)),
                })
                .collect(),
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
        if numeric && self.key_length_bits != 0 {
            let found = self.key_length_bits.into();
            return Err(differs(KEY_LENGTH_BITS_OFFSET, "the bits of a key length", 0, found));
        }
        let most = if numeric { 0 } else { 1 << KEY_LENGTH_BITS_MAX };
        if self.key_length_base > most {
            let found = self.key_length_base.into();
            return Err(range(KEY_LENGTH_BASE_OFFSET, "the base of a key length", most.into(), found));
        }
        let width = u64::from(self.count_width);
        if !COUNT_WIDTHS.contains(&width) {
            return Err(unknown(COUNT_WIDTH_OFFSET, "the width of a record count", &COUNT_WIDTHS, width));
        }
        let group = u64::from(self.group_buckets);
        if !GROUPS.contains(&self.group_buckets) {
            return Err(unknown(GROUP_BUCKETS_OFFSET, "the buckets that share a check", &GROUP_SIZES, group));
        }
        let digits = u64::from(self.keys.digits);
        if self.keys.kind != KeyKind::Hex && digits != 0 {
            return Err(differs(KEY_DIGITS_OFFSET, "the digits of a key", 0, digits));
        }
        if !numeric && (self.keys.mask | self.keys.fixed) != 0 {
            let said = "keys are bytes, and have bits that differ or are fixed";
            return Err(damaged(KEY_MASK_OFFSET, Problem::Contradiction { said }));
        }
        for (offset, codec, known) in [
            (KEY_CODEC_OFFSET, self.key_codec, &KEY_CODECS[..]),
            (VALUE_CODEC_OFFSET, self.value_codec, &VALUE_CODECS),
            (LONG_CODEC_OFFSET, self.long_codec, &LONG_CODECS),
        ] {
            if !known.contains(&(codec as u64)) {
                return Err(unknown(offset, "the codec", known, codec as u64));
            }
        }
        for (field, offset, found) in [
            ("the longest value in a bucket", INLINE_MAX_OFFSET, self.inline_max),
            ("the base of a value's length", VALUE_WORD_BASE_OFFSET, self.value_word_base),
            ("the number of shared values", SHARED_VALUES_OFFSET, self.shared_values),
        ] {
            if found > INLINE_MAX_MOST {
                return Err(range(offset, field, INLINE_MAX_MOST.into(), found.into()));
            }
        }
        if self.pairs > PAIRS_MAX {
            return Err(range(PAIRS_OFFSET, "the number of pairs", PAIRS_MAX, self.pairs));
        }
        if numeric && u32::from(self.bucket_bits) > self.keys.mask.count_ones() {
            let most = self.keys.mask.count_ones().into();
            return Err(range(BUCKET_BITS_OFFSET, "the bucket bits", most, self.bucket_bits.into()));
        }
        self.check_directory()?;
        let index = self.section(Section::Index).len;
        let expected = crate::index::lines(1 << self.bucket_bits) * LINE_BYTES as u64;
        if index != expected {
            let at = self.entry_offset(Section::Index) + ENTRY_LENGTH;
            return Err(differs(at, "the length of the index", expected, index));
        }
        Ok(())
    }

    /// Checks that the sections are known or optional, come once, follow each other and end where
    /// the file does.
    fn check_directory(&self) -> Result<(), Error> {
        let mut end = (HEADER_BYTES + self.sections.len() * SECTION_BYTES) as u64;
        for (i, entry) in self.sections.iter().enumerate() {
            let at = HEADER_BYTES + i * SECTION_BYTES;
            match entry.section() {
                None if entry.required => {
                    return Err(Error::Section { name: entry.name().escape_ascii().to_string() });
                }
                Some(section) if entry.len > section.bytes_max() => {
                    let most = section.bytes_max();
                    return Err(range(at + ENTRY_LENGTH, "the length of a section", most, entry.len));
                }
                _ => {}
            }
            if self.sections[..i].iter().any(|before| before.name == entry.name) {
                let said = "two sections have one name";
                return Err(damaged(at, Problem::Contradiction { said }));
            }
            let start = end.next_multiple_of(SECTION_ALIGNMENT as u64);
            if entry.offset != start {
                return Err(differs(at + ENTRY_START, "the offset of a section", start, entry.offset));
            }
            end = entry.offset.saturating_add(entry.len);
            if end > self.file_bytes {
                return Err(range(at + ENTRY_LENGTH, "the end of a section", self.file_bytes, end));
            }
        }
        let expected = end.next_multiple_of(SECTION_ALIGNMENT as u64) + TAIL_BYTES as u64;
        if expected != self.file_bytes {
            return Err(Error::Length { expected, found: self.file_bytes });
        }
        Ok(())
    }
}

/// CRC-32C of the header before the place where it stands, and of the directory.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c(crc32c(0, &bytes[..HEADER_CRC_OFFSET]), &bytes[HEADER_BYTES..])
}

/// What widths and codecs can be.
const COUNT_WIDTHS: [u64; 2] = [1, 2];
const GROUP_SIZES: [u64; 6] = [1, 2, 4, 7, 14, 28];
const KEY_CODECS: [u64; 3] = [Codec::Raw as u64, Codec::Huffman as u64, Codec::Symbols as u64];
const VALUE_CODECS: [u64; 4] =
    [Codec::Raw as u64, Codec::Huffman as u64, Codec::Symbols as u64, Codec::Packed as u64];
const LONG_CODECS: [u64; 2] = [Codec::Raw as u64, Codec::Zstd as u64];

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
