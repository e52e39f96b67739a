//! A carved file read by its page, `docs/FORMAT.md`, alone: where everything lies, where a key belongs, and how to give
//! bytes that were changed the checksums they would have. It calls nothing of the crate but names of the layout.

use std::ops::Range;

use graven_format::layout::*;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The integer of `width` bytes at `at`; 0 behind the end.
pub(crate) fn integer(bytes: &[u8], at: usize, width: usize) -> u128 {
    let field = bytes.get(at..at + width).unwrap_or_default();
    field.iter().rev().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// Writes the integer of `width` bytes at `at`.
pub(crate) fn put(bytes: &mut [u8], at: usize, width: usize, number: u128) {
    bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
}

/// Where the field that describes a section begins.
pub(crate) fn section_field(section: Section) -> usize {
    SECTIONS_OFFSET + section as usize * SECTION_BYTES
}

/// Where a section lies; empty where the header says something impossible.
pub(crate) fn section(bytes: &[u8], section: Section) -> Range<usize> {
    let at = section_field(section);
    let (offset, len) = (integer(bytes, at, 8), integer(bytes, at + 8, 8));
    if offset + len > bytes.len() as u128 { 0..0 } else { offset as usize..(offset + len) as usize }
}

/// The number of buckets.
pub(crate) fn buckets(bytes: &[u8]) -> u64 {
    1 << (integer(bytes, BUCKET_BITS_OFFSET, 1) % 64)
}

/// Where the line of the index lies that a bucket is in.
pub(crate) fn line(bytes: &[u8], bucket: u64) -> usize {
    section(bytes, Section::Index).start + (bucket / LINE_BUCKETS) as usize * LINE_BYTES
}

/// Where the records of a line begin: its first bucket.
pub(crate) fn line_start(bytes: &[u8], line: usize) -> usize {
    let base = integer(bytes, line, LINE_BASE_BYTES) as usize;
    section(bytes, Section::Records).start.saturating_add(base)
}

/// Where a bucket lies.
pub(crate) fn bucket(bytes: &[u8], bucket: u64) -> Range<usize> {
    let (line, at) = (line(bytes, bucket), (bucket % LINE_BUCKETS) as usize);
    let shift = integer(bytes, line + LINE_SHIFT_OFFSET, 2) as u32 & LINE_SHIFT_MAX;
    let end_of = |at| (integer(bytes, line + LINE_ENDS_OFFSET + 2 * at, 2) as usize) << shift;
    let start = if at == 0 { 0 } else { end_of(at - 1) };
    line_start(bytes, line) + start..line_start(bytes, line) + end_of(at).max(start)
}

/// The bucket that a key belongs to; `None` where no key of the table is written so. The key's number, where it spells one,
/// is `number`.
pub(crate) fn bucket_of(bytes: &[u8], key: &[u8], number: Option<u128>) -> Option<u64> {
    let bits = integer(bytes, BUCKET_BITS_OFFSET, 1) as u32;
    let seed = integer(bytes, SEED_OFFSET, 8) as u64;
    let prefix = &bytes[PREFIX_OFFSET + 1..][..usize::from(bytes[PREFIX_OFFSET])];
    let rest = key.strip_prefix(prefix)?;
    let Some(number) = number else {
        return Some(xxh3_64_with_seed(rest, seed).checked_shr(64 - bits).unwrap_or(0));
    };
    let (mask, fixed) = (integer(bytes, KEY_MASK_OFFSET, 16), integer(bytes, KEY_FIXED_OFFSET, 16));
    if number & !mask != fixed {
        return None;
    }
    let places = (0..128).filter(|place| mask >> place & 1 == 1);
    let gathered = places.enumerate().fold(0, |all, (to, from)| all | (number >> from & 1) << to);
    let width = mask.count_ones();
    let high_bits = width.div_ceil(2).max(bits);
    let (high, _) = permute(gathered, high_bits, width - high_bits, seed);
    Some(high.checked_shr(high_bits - bits).unwrap_or(0))
}

fn permute(number: u128, high_bits: u32, low_bits: u32, seed: u64) -> (u64, u64) {
    const MULTIPLIERS: [u64; 3] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0xD6E8_FEB8_6659_FD93];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let ones = |bits: u32| ((1_u128 << bits) - 1) as u64;
    let round = |i: usize, half: u64| {
        let key = fold(seed ^ MULTIPLIERS[2], MULTIPLIERS[0].wrapping_mul(2 * i as u64 + 3));
        fold(half ^ key, MULTIPLIERS[i])
    };
    let (mut high, mut low) = ((number >> low_bits) as u64, number as u64 & ones(low_bits));
    high ^= round(0, low) & ones(high_bits);
    low ^= round(1, high) & ones(low_bits);
    high ^= round(2, low) & ones(high_bits);
    (high, low)
}

/// The number that a UUID, a hexadecimal or a decimal key spells behind the prefix, by the kind in the header.
pub(crate) fn number_of(bytes: &[u8], key: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(key.get(usize::from(bytes[PREFIX_OFFSET])..)?).ok()?;
    match bytes[KEY_KIND_OFFSET] {
        1 => u128::from_str_radix(&text.replace('-', ""), 16).ok(),
        2 => u128::from_str_radix(text, 16).ok(),
        3 => text.parse().ok(),
        _ => None,
    }
}

/// The checksum of a bucket that begins with four bytes for it.
pub(crate) fn bucket_crc(number: u64, bucket: &[u8]) -> u32 {
    let mut covered = bucket[BUCKET_CRC_BYTES..].to_vec();
    covered.resize(covered.len().next_multiple_of(8), 0);
    crc32c::crc32c_append(number as u32, &covered)
}

/// Gives every bucket that lies inside the file its checksum.
pub(crate) fn seal_buckets(bytes: &mut [u8]) {
    let lines = section(bytes, Section::Index).len() / LINE_BYTES;
    for number in 0..buckets(bytes).min(lines as u64 * LINE_BUCKETS) {
        seal_bucket(bytes, number);
    }
}

/// Gives a bucket its checksum, when it lies inside the file.
pub(crate) fn seal_bucket(bytes: &mut [u8], number: u64) {
    let range = bucket(bytes, number);
    if range.len() >= BUCKET_CRC_BYTES && range.end <= bytes.len() {
        let crc = bucket_crc(number, &bytes[range.clone()]);
        put(bytes, range.start, 4, crc.into());
    }
}

/// Gives the sections and the header their checksums.
pub(crate) fn seal(bytes: &mut [u8]) {
    for part in Section::ALL {
        let crc = crc32c::crc32c(&bytes[section(bytes, part)]);
        put(bytes, section_field(part) + 16, 4, crc.into());
    }
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_OFFSET]);
    put(bytes, HEADER_CRC_OFFSET, 4, crc.into());
}
