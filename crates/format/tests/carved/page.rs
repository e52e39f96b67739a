//! A carved file read by its page, `docs/FORMAT.md`, alone: where everything lies, where a key
//! belongs, and how to give bytes that were changed the checksums they would have. It calls
//! nothing of the crate but names of the layout.

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

/// Where the entry of the directory begins that describes a section; that of nothing where it has
/// none.
pub(crate) fn section_field(bytes: &[u8], section: Section) -> usize {
    let mut name = section.name().as_bytes().to_vec();
    name.resize(ENTRY_START, 0);
    let entries = (HEADER_BYTES..).step_by(SECTION_BYTES).take(bytes[SECTION_COUNT_OFFSET].into());
    entries.clone().find(|&at| bytes.get(at..at + ENTRY_START) == Some(&name)).unwrap_or(bytes.len())
}

/// Where a section lies; empty where the header says something impossible.
pub(crate) fn section(bytes: &[u8], section: Section) -> Range<usize> {
    let at = section_field(bytes, section);
    let (offset, len) = (integer(bytes, at + ENTRY_START, 8), integer(bytes, at + ENTRY_LENGTH, 8));
    if offset + len > bytes.len() as u128 { 0..0 } else { offset as usize..(offset + len) as usize }
}

/// What every key begins with.
fn prefix(bytes: &[u8]) -> &[u8] {
    &bytes[section(bytes, Section::Prefix)]
}

/// How many buckets share a check.
fn group_buckets(bytes: &[u8]) -> usize {
    usize::from(bytes[GROUP_BUCKETS_OFFSET]).clamp(1, LINE_BUCKETS as usize)
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

/// Where the buckets from `first` up to `end` of a line lie, in one piece.
fn buckets_of_line(bytes: &[u8], line: usize, first: usize, end: usize) -> Range<usize> {
    let shift = integer(bytes, line + LINE_SHIFT_OFFSET, 2) as u32 & LINE_SHIFT_MAX;
    let end_of = |at| (integer(bytes, line + LINE_ENDS_OFFSET + 2 * at, 2) as usize) << shift;
    let start = if first == 0 { 0 } else { end_of(first - 1) };
    line_start(bytes, line) + start..line_start(bytes, line) + end_of(end - 1).max(start)
}

/// Where a bucket lies, without the check that begins its group.
pub(crate) fn bucket(bytes: &[u8], bucket: u64) -> Range<usize> {
    let at = (bucket % LINE_BUCKETS) as usize;
    let range = buckets_of_line(bytes, line(bytes, bucket), at, at + 1);
    let check = if at.is_multiple_of(group_buckets(bytes)) { GROUP_CRC_BYTES } else { 0 };
    range.start + check..range.end.max(range.start + check)
}

/// Where the group of a bucket lies, from its check on.
pub(crate) fn group(bytes: &[u8], bucket: u64) -> Range<usize> {
    let at = (bucket % LINE_BUCKETS) as usize;
    let first = at - at % group_buckets(bytes);
    buckets_of_line(
        bytes,
        line(bytes, bucket),
        first,
        (first + group_buckets(bytes)).min(LINE_BUCKETS as usize),
    )
}

/// The bucket that a key belongs to; `None` where no key of the table is written so. The key's
/// number, where it spells one, is `number`.
pub(crate) fn bucket_of(bytes: &[u8], key: &[u8], number: Option<u128>) -> Option<u64> {
    let bits = integer(bytes, BUCKET_BITS_OFFSET, 1) as u32;
    let seed = integer(bytes, SEED_OFFSET, 8) as u64;
    let rest = key.strip_prefix(prefix(bytes))?;
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

const MULTIPLIERS: [u64; 3] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0xD6E8_FEB8_6659_FD93];

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn permute(number: u128, high_bits: u32, low_bits: u32, seed: u64) -> (u64, u64) {
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

/// The number that a UUID, a hexadecimal or a decimal key spells behind the prefix, by the kind in
/// the header.
pub(crate) fn number_of(bytes: &[u8], key: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(key.get(prefix(bytes).len()..)?).ok()?;
    match bytes[KEY_KIND_OFFSET] {
        1 => u128::from_str_radix(&text.replace('-', ""), 16).ok(),
        2 => u128::from_str_radix(text, 16).ok(),
        3 => text.parse().ok(),
        _ => None,
    }
}

/// The check of the group of a bucket.
pub(crate) fn group_crc(bytes: &[u8], bucket: u64) -> u32 {
    let buckets = group_buckets(bytes);
    let number =
        bucket / LINE_BUCKETS * (LINE_BUCKETS / buckets as u64) + bucket % LINE_BUCKETS / buckets as u64;
    let identity = integer(bytes, IDENTITY_OFFSET, 8) as u64;
    let mut covered = Vec::new();
    if buckets > 1 {
        let line = line(bytes, bucket);
        covered.extend_from_slice(&bytes[line..line + LINE_BYTES]);
        covered[..LINE_BASE_BYTES].fill(0);
    }
    covered.extend_from_slice(&bytes[group(bytes, bucket)][GROUP_CRC_BYTES..]);
    covered.resize(covered.len().next_multiple_of(8), 0);
    let mut lanes = [fold(identity ^ number, MULTIPLIERS[2]) as u32, 0, 0, 0];
    for (i, word) in covered.chunks(8).enumerate() {
        lanes[i % 4] = crc32c::crc32c_append(lanes[i % 4], word);
    }
    crc32c::crc32c(&lanes.map(u32::to_le_bytes).concat())
}

/// Gives every group that lies inside the file its check.
pub(crate) fn seal_buckets(bytes: &mut [u8]) {
    let lines = section(bytes, Section::Index).len() / LINE_BYTES;
    for number in (0..buckets(bytes).min(lines as u64 * LINE_BUCKETS)).step_by(group_buckets(bytes)) {
        let range = group(bytes, number);
        if range.len() >= GROUP_CRC_BYTES && range.end <= bytes.len() {
            let crc = group_crc(bytes, number);
            put(bytes, range.start, 4, crc.into());
        }
    }
}

/// Gives the sections and the header their checksums.
pub(crate) fn seal(bytes: &mut [u8]) {
    for part in Section::ALL {
        let (field, crc) = (section_field(bytes, part), crc32c::crc32c(&bytes[section(bytes, part)]));
        if field + SECTION_BYTES <= bytes.len() {
            put(bytes, field + ENTRY_CRC, 4, crc.into());
        }
    }
    seal_header(bytes);
}

/// Gives the header its checksum.
pub(crate) fn seal_header(bytes: &mut [u8]) {
    let end = HEADER_BYTES + usize::from(bytes[SECTION_COUNT_OFFSET]) * SECTION_BYTES;
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_OFFSET]);
    let crc = crc32c::crc32c_append(crc, bytes.get(HEADER_BYTES..end).unwrap_or_default());
    put(bytes, HEADER_CRC_OFFSET, 4, crc.into());
}

/// The file with other contents in some of its sections, and all that follows from where they end.
pub(crate) fn with_sections(bytes: &[u8], others: &[(Section, &[u8])]) -> Vec<u8> {
    let entries = usize::from(bytes[SECTION_COUNT_OFFSET]);
    let mut new = bytes[..HEADER_BYTES + entries * SECTION_BYTES].to_vec();
    for field in (HEADER_BYTES..).step_by(SECTION_BYTES).take(entries) {
        let (start, len) = (integer(bytes, field + ENTRY_START, 8), integer(bytes, field + ENTRY_LENGTH, 8));
        let other = others.iter().find(|(section, _)| section_field(bytes, *section) == field);
        let content = other.map_or(&bytes[start as usize..(start + len) as usize], |(_, content)| content);
        append_section(&mut new, field, content);
    }
    end_file(&mut new);
    new
}

/// The file with a section more, the last, that nobody knows.
pub(crate) fn with_another(bytes: &[u8], name: &[u8; 8], content: &[u8], required: bool) -> Vec<u8> {
    let entries = usize::from(bytes[SECTION_COUNT_OFFSET]);
    let directory = HEADER_BYTES + entries * SECTION_BYTES;
    let mut new = bytes[..directory].to_vec();
    new.extend_from_slice(name);
    new.resize(directory + SECTION_BYTES, 0);
    new[directory + ENTRY_FLAGS] = required.into();
    new[SECTION_COUNT_OFFSET] += 1;
    for field in (HEADER_BYTES..).step_by(SECTION_BYTES).take(entries) {
        let (start, len) = (integer(bytes, field + ENTRY_START, 8), integer(bytes, field + ENTRY_LENGTH, 8));
        append_section(&mut new, field, &bytes[start as usize..(start + len) as usize]);
    }
    append_section(&mut new, directory, content);
    let crc = crc32c::crc32c(content);
    put(&mut new, directory + ENTRY_CRC, 4, crc.into());
    end_file(&mut new);
    new
}

fn append_section(bytes: &mut Vec<u8>, field: usize, content: &[u8]) {
    bytes.resize(bytes.len().next_multiple_of(SECTION_ALIGNMENT), 0);
    let start = bytes.len() as u128;
    put(bytes, field + ENTRY_START, 8, start);
    put(bytes, field + ENTRY_LENGTH, 8, content.len() as u128);
    bytes.extend_from_slice(content);
}

/// Adds what follows the last section, says so in the header and gives all their checksums.
fn end_file(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(SECTION_ALIGNMENT) + TAIL_BYTES, 0);
    let len = bytes.len() as u128;
    put(bytes, FILE_BYTES_OFFSET, 8, len);
    seal(bytes);
}
