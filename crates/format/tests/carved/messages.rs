//! What errors say: what was expected, and what was found instead.

use graven_format::layout::*;
use graven_format::{Codec, CodecChoice, Error, Options, Problem, Store};
use tempfile::TempDir;

use crate::page;
use crate::samples::{Keys, Values, carve, pairs};

fn table(keys: Keys, values: Values) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let codec = CodecChoice::Fixed(Codec::Raw);
    let options = Options { codec, threads: 1, temporary_dir: dir.path().into(), ..Options::default() };
    carve(&pairs(keys, values, 100, 1), options, &dir.path().join("table")).unwrap()
}

/// Says what is wrong with `bytes`, once every checksum is right.
fn said(mut bytes: Vec<u8>) -> String {
    page::seal_buckets(&mut bytes);
    page::seal(&mut bytes);
    Store::from_bytes(&bytes).and_then(|store| store.verify()).unwrap_err().to_string()
}

#[test]
fn a_header_that_was_changed_is_told_by_what_it_says_and_what_it_has_to_say() {
    let (numbers, bytes) = (table(Keys::Uuid4, Values::Letters), table(Keys::Urls, Values::Letters));
    let changed = |table: &[u8], at: usize, width: usize, number: u128| {
        let mut bytes = table.to_vec();
        page::put(&mut bytes, at, width, number);
        said(bytes)
    };
    let index = page::section_field(&numbers, Section::Index);
    let index_offset = page::integer(&numbers, index + ENTRY_START, 8);
    let index_bytes = page::integer(&numbers, index + ENTRY_LENGTH, 8);
    // Values are stored as they are.
    let value_bytes = page::integer(&numbers, VALUE_BYTES_OFFSET, 8);
    let stored_key_bytes = page::integer(&bytes, STORED_KEY_BYTES_OFFSET, 8);
    assert!(value_bytes > 0 && stored_key_bytes > 1);
    for (found, says) in [
        (
            changed(&numbers, KEY_LENGTH_BITS_OFFSET, 1, 2),
            "expected the bits of a key length to be 0, found 2",
        ),
        (
            changed(&bytes, GROUP_BUCKETS_OFFSET, 1, 3),
            "expected the buckets that share a check to be 1, 2, 4, 7, 14 or 28, found 3",
        ),
        (
            changed(&numbers, COUNT_WIDTH_OFFSET, 1, 0),
            "expected the width of a record count to be 1 or 2, found 0",
        ),
        (changed(&numbers, KEY_DIGITS_OFFSET, 1, 7), "expected the digits of a key to be 0, found 7"),
        (changed(&numbers, KEY_KIND_OFFSET, 1, 9), "expected the kind of keys to be at most 3, found 9"),
        (changed(&bytes, KEY_MASK_OFFSET, 1, 1), "keys are bytes, and have bits that differ or are fixed"),
        (changed(&numbers, KEY_FIXED_OFFSET, 16, u128::MAX), "bits of keys are both fixed and not"),
        (changed(&numbers, SHARD_OFFSET, 1, 5), "expected a byte without a meaning to be 0, found 5"),
        (changed(&numbers, PAIRS_OFFSET, 8, 99), "expected the number of pairs to be 100, found 99"),
        (changed(&numbers, PAIRS_OFFSET, 8, 101), "expected the number of pairs to be 100, found 101"),
        (
            changed(&numbers, KEY_BYTES_OFFSET, 8, 3601),
            "expected the sum of the lengths of keys to be 3600, found 3601",
        ),
        (
            changed(&numbers, VALUE_BYTES_OFFSET, 8, 0),
            &format!("expected the sum of the lengths of values to be {value_bytes}, found 0"),
        ),
        (
            changed(&numbers, STORED_KEY_BYTES_OFFSET, 8, 1),
            "expected the sum of the stored keys to be 0, found 1",
        ),
        (
            changed(&bytes, STORED_KEY_BYTES_OFFSET, 8, 0),
            &format!("expected the sum of the stored keys to be {stored_key_bytes}, found 0"),
        ),
        (
            changed(&numbers, STORED_VALUE_BYTES_OFFSET, 8, u64::MAX.into()),
            &format!("expected the sum of the stored values to be {value_bytes}, found {}", u64::MAX),
        ),
        (
            changed(&numbers, index + ENTRY_START, 8, index_offset + 1),
            &format!("expected the offset of a section to be {index_offset}, found {}", index_offset + 1),
        ),
        (
            changed(&numbers, index + ENTRY_LENGTH, 8, u64::MAX.into()),
            &format!("expected the end of a section to be at most {}, found {}", numbers.len(), u64::MAX),
        ),
        (
            changed(&numbers, BUCKET_BITS_OFFSET, 1, 1),
            &format!("expected the length of the index to be {LINE_BYTES}, found {index_bytes}"),
        ),
        (changed(&numbers, numbers.len() - 1, 1, 4), "expected what is between sections to be 0, found 4"),
    ] {
        assert!(found.contains(says), "{found}\ndoes not say\n{says}");
    }
}

#[test]
fn a_bucket_that_is_shorter_than_it_says_is_told_by_both_lengths() {
    let mut bytes = table(Keys::Uuid4, Values::Letters);
    let fullest =
        (0..page::buckets(&bytes)).max_by_key(|&bucket| page::bucket(&bytes, bucket).len()).unwrap();
    let range = page::bucket(&bytes, fullest);
    // So many records have more tags and words than the bucket has bytes.
    page::put(&mut bytes, range.start, 1, 255);
    page::seal_buckets(&mut bytes);
    page::seal(&mut bytes);
    let Err(Error::Damaged { problem: Problem::Short { least, found, .. }, .. }) =
        Store::from_bytes(&bytes).unwrap().verify()
    else {
        panic!("a bucket that is too short")
    };
    assert_eq!(found, range.len() as u64);
    assert!(least > 127, "{least}");
}

#[test]
fn a_key_in_the_wrong_bucket_is_said_to_be_misplaced() {
    let mut bytes = table(Keys::Urls, Values::Letters);
    let holding: Vec<u64> = (0..page::buckets(&bytes))
        .filter(|&bucket| page::bucket(&bytes, bucket).len() > 40)
        .take(2)
        .collect();
    let (first, second) = (page::bucket(&bytes, holding[0]), page::bucket(&bytes, holding[1]));
    // As long as both are, the bytes of one stand for those of the other.
    if first.len() <= second.len() {
        let moved = bytes[first.clone()].to_vec();
        bytes[second.start..second.start + moved.len()].copy_from_slice(&moved);
    } else {
        let moved = bytes[second.clone()].to_vec();
        bytes[first.start..first.start + moved.len()].copy_from_slice(&moved);
    }
    assert!(said(bytes).contains("a key lies where no lookup finds it"));
}

#[test]
fn damage_of_the_header_is_told_with_the_byte_where_it_is() {
    let table = table(Keys::Urls, Values::Letters);
    let offset_of = |at: usize, width: usize, number: u128| {
        let mut bytes = table.clone();
        page::put(&mut bytes, at, width, number);
        page::seal_header(&mut bytes);
        match Store::from_bytes(&bytes).and_then(|store| store.verify()).unwrap_err() {
            Error::Damaged { section: "header", offset, .. } => offset as usize,
            other => panic!("{other}"),
        }
    };
    let index = page::section_field(&table, Section::Index);
    let records = page::section_field(&table, Section::Records);
    assert!(index != records);
    for at in [
        BUCKET_BITS_OFFSET,
        KEY_KIND_OFFSET,
        GROUP_BUCKETS_OFFSET,
        COUNT_WIDTH_OFFSET,
        KEY_CODEC_OFFSET,
        VALUE_CODEC_OFFSET,
    ] {
        assert_eq!(offset_of(at, 1, 77), at);
    }
    for at in [PAIRS_OFFSET, KEY_BYTES_OFFSET, VALUE_BYTES_OFFSET, STORED_KEY_BYTES_OFFSET] {
        assert_eq!(offset_of(at, 8, 1), at);
    }
    for entry in [index, records] {
        let start = entry + ENTRY_START;
        assert_eq!(offset_of(start, 8, page::integer(&table, start, 8) + 64), start);
        assert_eq!(offset_of(entry + ENTRY_LENGTH, 8, u64::MAX.into()), entry + ENTRY_LENGTH);
    }
}
