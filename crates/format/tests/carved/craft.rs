//! Files made to deceive: every checksum is right and what it covers is not. They cost a typed
//! error at most: no panic, no more memory than the file and one value take, no endless loop.

use std::process::Command;
use std::sync::LazyLock;

use graven_format::layout::*;
use graven_format::{
    Batch, Codec, CodecChoice, Encoding, Error, Found, Located, Options, Problem, Purpose, Storage, Store,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::page;
use crate::samples::{Keys, Values, carve, folder_in_memory, pairs};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn table(pairs: &Pairs, codec: Codec, purpose: Purpose) -> Vec<u8> {
    let dir = folder_in_memory();
    let codec = CodecChoice::Fixed(codec);
    let options =
        Options { codec, purpose, threads: 1, temporary_dir: dir.path().into(), ..Options::default() };
    carve(pairs, options, &dir.path().join("table")).unwrap()
}

/// Asks for everything; what comes of it does not matter, as long as something comes of it.
fn ask_everything(bytes: &[u8], pairs: &Pairs) -> Result<(), Error> {
    let store = Store::from_bytes(bytes)?;
    let (mut value, mut batch) = (Vec::new(), Batch::default());
    for (key, _) in pairs {
        value.clear();
        let found = store.get(key, &mut value);
        assert!(matches!(found, Ok(true)) || value.is_empty());
        let _ = store.contains(key);
        let _ = store.get_many(&[key, b"absent"], &mut batch);
    }
    let listed = store.iter().filter(Result::is_ok).count();
    assert!(listed < 1 << 20);
    store.verify()
}

#[test]
fn any_byte_of_the_header_may_say_anything() {
    for (keys, codec) in [(Keys::Uuid4, Codec::Raw), (Keys::LongPrefix, Codec::Symbols)] {
        let pairs = pairs(keys, Values::Letters, 40, 1);
        let whole = table(&pairs, codec, Purpose::Ram);
        ask_everything(&whole, &pairs).unwrap();
        for at in 0..HEADER_CRC_OFFSET {
            for found in [0, 1, 2, 3, 4, 7, 8, 12, 13, 16, 31, 32, 33, 40, 64, 127, 128, 129, 254, 255] {
                if found == whole[at] {
                    continue;
                }
                let mut bytes = whole.clone();
                bytes[at] = found;
                page::seal_header(&mut bytes);
                // The identity follows from all that the header says.
                assert!(ask_everything(&bytes, &pairs).is_err(), "byte {at} is {found} and nothing is wrong");
                if at >= SHARD_OFFSET {
                    assert!(Store::from_bytes(&bytes).is_err(), "byte {at} is {found}");
                }
            }
        }
    }
}

#[test]
fn any_number_of_the_header_may_be_as_large_as_it_gets() {
    let pairs = pairs(Keys::Sparse, Values::Long, 300, 1);
    let whole = table(&pairs, Codec::Huffman, Purpose::Ram);
    let len = whole.len() as u128;
    let large = [1 << 24, 1 << 32, 1 << 40, 1 << 48, 1 << 63, (1 << 64) - 1, (1 << 64) - 64, (1 << 64) - 512];
    for at in (FLAGS_OFFSET..HEADER_BYTES + 4 * SECTION_BYTES).step_by(4) {
        for number in large.into_iter().chain([0, len, len + 1, len - 1, len - 64]) {
            for width in [4, 8] {
                let mut bytes = whole.clone();
                page::put(&mut bytes, at, width, number % (1 << (8 * width)));
                page::seal_header(&mut bytes);
                let _ = ask_everything(&bytes, &pairs);
            }
        }
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused_by_name() {
    let pairs = pairs(Keys::Uuid4, Values::Letters, 300, 1);
    let whole = table(&pairs, Codec::Huffman, Purpose::Ram);
    let index = page::section_field(&whole, Section::Index);
    let code = page::section_field(&whole, Section::ValueCode);
    let index_len = index + ENTRY_LENGTH;
    let lies: &[(&str, usize, usize, u128)] = &[
        ("40 bucket bits and a short index", BUCKET_BITS_OFFSET, 1, 40),
        ("41 bucket bits", BUCKET_BITS_OFFSET, 1, 41),
        ("no bucket bits", BUCKET_BITS_OFFSET, 1, 0),
        ("a kind of keys that is none", KEY_KIND_OFFSET, 1, 4),
        ("keys of bytes that differ in bits", KEY_KIND_OFFSET, 1, 0),
        ("a number with a length", KEY_LENGTH_BITS_OFFSET, 1, 1),
        ("a number with the base of a length", KEY_LENGTH_BASE_OFFSET, 4, 1),
        ("words of 15 bits", VALUE_WORD_BITS_OFFSET, 1, 15),
        ("values of 16,384 bytes and more", VALUE_WORD_BASE_OFFSET, 4, 16_384),
        ("no count", COUNT_WIDTH_OFFSET, 1, 0),
        ("a count of three bytes", COUNT_WIDTH_OFFSET, 1, 3),
        ("checks of no bucket", GROUP_BUCKETS_OFFSET, 1, 0),
        ("checks of three buckets", GROUP_BUCKETS_OFFSET, 1, 3),
        ("checks of 56 buckets", GROUP_BUCKETS_OFFSET, 1, 56),
        ("a codec that is none", VALUE_CODEC_OFFSET, 1, 5),
        ("a key codec without a table", KEY_CODEC_OFFSET, 1, 1),
        ("a table without a codec", VALUE_CODEC_OFFSET, 1, 0),
        ("keys that are packed", KEY_CODEC_OFFSET, 1, 3),
        ("values of any length in a bucket", INLINE_MAX_OFFSET, 4, 0x4000),
        ("shared values of all numbers", SHARED_VALUES_OFFSET, 4, u32::MAX.into()),
        ("more pairs than there can be", PAIRS_OFFSET, 8, PAIRS_MAX as u128 + 1),
        ("bits that are fixed and not", KEY_FIXED_OFFSET, 16, u128::MAX),
        ("keys whose case does not count", KEY_CASE_OFFSET, 1, 1),
        ("a shard", SHARDS_OFFSET, 4, 2),
        ("an index that ends nowhere", index_len, 8, u64::MAX as u128),
        ("an index that ends one byte late", index_len, 8, page::integer(&whole, index_len, 8) + 1),
        ("a table of the whole file", code + ENTRY_LENGTH, 8, whole.len() as u128 - 512),
        ("a section of eight bits more", code + ENTRY_LENGTH, 8, 1 << 63),
        ("a section in another's place", code + ENTRY_START, 8, 0),
        ("a section with a flag that is none", code + ENTRY_FLAGS, 4, 3),
        ("two sections of one name", code, 8, page::integer(&whole, index, 8)),
        ("25 sections", SECTION_COUNT_OFFSET, 1, 25),
        ("a section less", SECTION_COUNT_OFFSET, 1, u128::from(whole[SECTION_COUNT_OFFSET]) - 1),
        ("33 digits", KEY_DIGITS_OFFSET, 1, 33),
        ("a length that is not the file's", FILE_BYTES_OFFSET, 8, whole.len() as u128 + 1),
        ("a feature", FLAGS_OFFSET, 4, 1),
        ("a version", VERSION_OFFSET, 4, 3),
        ("the version before", VERSION_OFFSET, 4, 1),
    ];
    for &(what, at, width, number) in lies {
        let mut bytes = whole.clone();
        page::put(&mut bytes, at, width, number);
        page::seal_header(&mut bytes);
        match Store::from_bytes(&bytes) {
            Err(Error::Damaged { .. }) => {}
            Err(Error::Version { .. }) => assert_eq!(at, VERSION_OFFSET),
            Err(Error::Flags { .. }) => assert_eq!(at, FLAGS_OFFSET),
            Err(Error::Length { .. }) => {
                assert!([FILE_BYTES_OFFSET, SECTION_COUNT_OFFSET].contains(&at), "{what}")
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn tables_of_symbols_that_are_no_code_are_refused() {
    let pairs = pairs(Keys::Uuid4, Values::Words, 200, 1);
    for codec in [Codec::Huffman, Codec::Symbols] {
        let whole = table(&pairs, codec, Purpose::Ram);
        let tables = page::section(&whole, Section::ValueCode);
        let mut refused = 0;
        for at in tables.clone() {
            for found in [0, 1, 2, 7, 8, 12, 13, 255, whole[at] ^ 1] {
                let mut bytes = whole.clone();
                bytes[at] = found;
                page::seal(&mut bytes);
                refused += usize::from(Store::from_bytes(&bytes).is_err());
                let _ = ask_everything(&bytes, &pairs[..5].to_vec());
            }
        }
        assert!(refused > tables.len(), "{refused} of {} bytes", tables.len());
    }
}

#[test]
fn shared_values_that_end_elsewhere_are_refused() {
    let pairs = pairs(Keys::Uuid4, Values::Few, 400, 1);
    let whole = table(&pairs, Codec::Huffman, Purpose::Ram);
    ask_everything(&whole, &pairs).unwrap();
    let count = page::integer(&whole, SHARED_VALUES_OFFSET, 4);
    let shared = page::section(&whole, Section::Shared);
    assert!(count > 4);
    let first = page::integer(&whole, shared.start, 4);
    let last = shared.start + 4 * (count as usize - 1);
    for (what, at, width, number) in [
        ("one value more", SHARED_VALUES_OFFSET, 4, count + 1),
        ("one value less", SHARED_VALUES_OFFSET, 4, count - 1),
        ("none at all", SHARED_VALUES_OFFSET, 4, 0),
        ("as many as there can be", SHARED_VALUES_OFFSET, 4, 16_383),
        ("more than there can be", SHARED_VALUES_OFFSET, 4, 16_384),
        ("a value that ends before it begins", shared.start + 4, 4, first - 1),
        ("a value that ends behind the last", shared.start, 4, u32::MAX.into()),
        ("a last value that ends a byte early", last, 4, page::integer(&whole, last, 4) - 1),
        ("a last value that ends a byte late", last, 4, page::integer(&whole, last, 4) + 1),
    ] {
        let mut bytes = whole.clone();
        page::put(&mut bytes, at, width, number);
        page::seal(&mut bytes);
        assert!(Store::from_bytes(&bytes).is_err(), "{what}");
    }
    // The first of two values takes a byte of the second: nothing but the identity tells.
    let mut bytes = whole.clone();
    page::put(&mut bytes, shared.start, 4, first + 1);
    page::seal(&mut bytes);
    assert!(ask_everything(&bytes, &pairs).is_err());
}

/// One pair whose value is too long for its bucket, and what its bucket and line say.
fn one_large() -> (Pairs, Vec<u8>) {
    let pairs = vec![(b"some/key".to_vec(), vec![b'a'; 48 * 4096])];
    let bytes = table(&pairs, Codec::Symbols, Purpose::Ram);
    (pairs, bytes)
}

/// What `get` says of the first key, and `verify` of all.
fn refusals(bytes: &[u8], pairs: &Pairs) -> [Result<(), Error>; 3] {
    let store = Store::from_bytes(bytes).unwrap();
    assert!(store.is_loaded(), "all checksums of sections are right");
    let mut value = Vec::new();
    let got = store.get(&pairs[0].0, &mut value).map(drop);
    let listed = store.iter().try_for_each(|pair| pair.map(drop));
    [got, listed, store.verify()]
}

/// Whatever part of a long value is damaged is not given, by any way to ask for it, and every other part is.
#[test]
fn damage_in_any_part_of_a_long_value_costs_that_part_and_no_other() {
    let part = 128 << 10;
    let value: Vec<u8> =
        (0..300_000_u32).map(|i| b"etaoinsh"[(i.wrapping_mul(0x9E37_79B1) >> 29) as usize]).collect();
    let dir = folder_in_memory();
    let path = dir.path().join("table");
    for codec in [Codec::Raw, Codec::Huffman, Codec::Symbols, Codec::Zstd] {
        let pairs = vec![(b"k".to_vec(), value.clone())];
        let codec = CodecChoice::Fixed(codec);
        let options = Options { codec, purpose: Purpose::Disk, threads: 1, ..Options::default() };
        let whole = carve(&pairs, options, &path).unwrap();
        let records = page::section(&whole, Section::Records);
        for at in (records.start..records.end - 512).step_by(records.len() / 37) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            for storage in [Storage::Disk, Storage::Mapped] {
                let store = Store::open_as(&path, storage).unwrap();
                let mut room = Vec::new();
                let got = store.get(b"k", &mut room);
                assert!(
                    matches!(got, Err(Error::Damaged { .. })) && room.is_empty(),
                    "{codec:?} at {at}: {got:?}"
                );
                let mut batch = Batch::default();
                assert!(store.get_many(&[b"k"], &mut batch).is_err() || batch.found(0) != &Found::Missing);
                let Ok(Located::Large(large)) = store.locate(b"k") else { continue };
                assert!(store.read_frames(&large, &mut room).is_err() || large.encoding() != Encoding::Zstd);
                let mut refused = 0;
                for i in 0..value.len().div_ceil(part) {
                    let range = i * part..((i + 1) * part).min(value.len());
                    match store.read_part(&large, range.clone(), &mut room) {
                        Ok(()) => assert!(room == value[range], "{codec:?} at {at}: part {i}"),
                        Err(error) => {
                            assert!(matches!(error, Error::Damaged { .. }) && room.is_empty(), "{error}");
                            refused += 1;
                        }
                    }
                    room.clear();
                }
                // One, or all where it is not known where they lie.
                assert!(refused == 1 || refused == 3, "{codec:?} at {at}: {refused}");
            }
        }
    }
}

#[test]
fn a_bucket_that_lies_about_what_it_holds_is_refused() {
    let (pairs, whole) = one_large();
    refusals(&whole, &pairs).into_iter().for_each(|whole| whole.unwrap());
    let (bucket, line) = (page::bucket(&whole, 0), page::line(&whole, 0));
    let reference = bucket.end - LARGE_REFERENCE_BYTES;
    let end = line + LINE_ENDS_OFFSET;
    // Count, tag, wide word; nothing of the key, which is all prefix; then the reference.
    assert_eq!(bucket.len(), 4 + LARGE_REFERENCE_BYTES);
    let (count, word) = (bucket.start, bucket.start + 2);
    let records = page::section(&whole, Section::Records).len() as u128;
    let lies: &[(&str, usize, usize, u128)] = &[
        ("127 records", count, 1, 255),
        ("127 records of a narrow bucket", count, 1, 127),
        ("a short value of 254 bytes", word, 2, 254),
        ("a raw value of 254 bytes", word, 2, 0x4000 + 254),
        ("a value in a codec that there is not", word, 2, 0x8000),
        ("a shared value that there is not", word, 2, 0xC000),
        ("a value at the end of all numbers", reference, 8, u64::MAX as u128),
        ("a value at the end of the numbers a file has", reference, 8, i64::MAX as u128),
        ("a value behind the records", reference, 8, records),
        ("a value of 4 GiB that are stored", reference + 8, 4, u32::MAX as u128),
        ("a value of 4 GiB", reference + 12, 4, u32::MAX as u128),
        ("a value of a byte more", reference + 12, 4, page::integer(&whole, reference + 12, 4) + 1),
        ("a value before the file", reference, 8, 1 << 63),
        ("a value in no form", reference + 20, 1, 4),
        ("a value in a form that there is not", reference + 20, 1, 2),
        ("a reference with more in it", reference + 21, 1, 1),
        ("a value that ends a byte late", reference + 8, 4, page::integer(&whole, reference + 8, 4) + 1),
        ("an end before its start", end, 2, 0),
        ("an end behind the records", end, 2, 0xFFFF),
        ("a start behind the records", line, 6, (1 << 48) - 1),
        ("units of 2 GiB", line + LINE_SHIFT_OFFSET, 2, 31),
        ("a group of three bytes", end, 2, 3),
        ("a bucket of two bytes", end, 2, 6),
    ];
    for &(what, at, width, number) in lies {
        let mut bytes = whole.clone();
        page::put(&mut bytes, at, width, number);
        page::seal_buckets(&mut bytes);
        page::seal(&mut bytes);
        for refusal in refusals(&bytes, &pairs) {
            assert!(matches!(refusal, Err(Error::Damaged { .. })), "{what}: {refusal:?}");
        }
    }
}

/// A table of `bytes` in each way that lookups can be answered from, with its name.
fn opened(bytes: &[u8], dir: &TempDir) -> Vec<(&'static str, Result<Store, Error>)> {
    let path = dir.path().join("crafted");
    std::fs::write(&path, bytes).unwrap();
    let from_file = |storage| Store::open_as(&path, storage);
    vec![
        ("in memory", Store::from_bytes(bytes)),
        ("from a file", from_file(Storage::Memory)),
        ("mapped", from_file(Storage::Mapped)),
        ("on disk", from_file(Storage::Disk)),
    ]
}

#[test]
fn a_large_value_that_ends_a_byte_behind_the_records_is_refused_whatever_its_checksum() {
    let dir = TempDir::new().unwrap();
    let pairs = vec![(b"some/key".to_vec(), vec![b'a'; 24 * 4096])];
    let whole = table(&pairs, Codec::Raw, Purpose::Ram);
    let end = page::section(&whole, Section::Records).end;
    let bucket = page::bucket(&whole, 0);
    let reference = bucket.end - LARGE_REFERENCE_BYTES;
    let len = page::integer(&whole, reference + 8, 4) as usize;
    for further in [0, 1, 2, 8] {
        let mut bytes = whole.clone();
        let value = &whole[end - len..(end + further).min(whole.len())];
        page::put(&mut bytes, reference + 8, 4, (len + further) as u128);
        page::put(&mut bytes, reference + 12, 4, (len + further) as u128);
        page::put(&mut bytes, reference + 16, 4, crc32c::crc32c(value).into());
        page::seal_buckets(&mut bytes);
        page::seal(&mut bytes);
        for (place, store) in opened(&bytes, &dir) {
            let (store, mut value) = (store.unwrap(), Vec::new());
            let found = store.get(&pairs[0].0, &mut value);
            if further == 0 {
                assert!(found.unwrap() && value == pairs[0].1, "{place}");
            } else {
                let refused = matches!(found, Err(Error::Damaged { problem: Problem::Range { .. }, .. }));
                assert!(refused && value.is_empty(), "{further} bytes further, {place}: {found:?}");
            }
        }
    }
}

#[test]
fn a_bucket_with_more_records_than_bytes_answers_nothing_not_even_that_a_key_is_missing() {
    let dir = TempDir::new().unwrap();
    let key = |i: usize| format!("key {i} {}", i * 7).into_bytes();
    let pairs: Pairs = (0..12).map(|i| (key(i), vec![b'v'; i])).collect();
    let whole = table(&pairs, Codec::Raw, Purpose::Ram);
    assert_eq!(whole[COUNT_WIDTH_OFFSET], 1);
    let number = page::bucket_of(&whole, &pairs[0].0, None).unwrap();
    let (bucket, bits) = (page::bucket(&whole, number), usize::from(whole[VALUE_WORD_BITS_OFFSET]));
    // Count, then of each record a tag and the word of its value.
    let head = |count: usize| 1 + count + (count * bits).div_ceil(8);
    let most = (0..118).rev().find(|&count| head(count) <= bucket.len()).unwrap();
    let asked: Vec<Vec<u8>> =
        (0..60).map(key).filter(|key| page::bucket_of(&whole, key, None) == Some(number)).collect();
    assert!(asked.iter().any(|key| pairs.iter().all(|(present, _)| present != key)));
    for count in [most + 1, most + 2, most + 9, 127, 255] {
        let mut bytes = whole.clone();
        bytes[bucket.start] = count as u8;
        page::seal_buckets(&mut bytes);
        page::seal(&mut bytes);
        for (place, store) in opened(&bytes, &dir) {
            let store = store.unwrap();
            for key in &asked {
                let found = store.get(key, &mut Vec::new());
                assert!(
                    matches!(found, Err(Error::Damaged { .. })),
                    "{count} records, {place}, {}: {found:?}",
                    key.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn keys_that_are_not_where_a_lookup_would_find_them_are_found_by_verify() {
    let pairs = pairs(Keys::Urls, Values::Letters, 300, 1);
    let mut bytes = table(&pairs, Codec::Raw, Purpose::Ram);
    bytes[SEED_OFFSET] ^= 1;
    page::seal(&mut bytes);
    let found = Store::from_bytes(&bytes).unwrap().verify();
    assert!(matches!(found, Err(Error::Damaged { problem: Problem::Misplaced, .. })), "{found:?}");
}

/// Stored bytes that stand for more than is said of them: 100 MB for 5.6 GB.
#[test]
fn a_value_that_decodes_to_gigabytes_is_refused_before_it_does() {
    let pairs = vec![(b"some/key".to_vec(), vec![b'a'; PART_BYTES])];
    let whole = table(&pairs, Codec::Symbols, Purpose::Ram);
    // One symbol of seven bytes and the escape, with a bit each: a stored byte stands for 56.
    let code = [&[1, 0, 7][..], b"aaaaaaa", &[1, 1]].concat();
    for (stored_len, len, refused) in [
        (2048, 56 * 2048, false),
        (2048, 56 * 2048 - 1, true),
        (2048, PART_BYTES, true),
        (100_000_000, PART_BYTES, true),
    ] {
        let bucket = page::group(&whole, 0);
        let records = [&whole[bucket], &vec![0; stored_len]].concat();
        let mut bytes =
            page::with_sections(&whole, &[(Section::ValueCode, &code), (Section::Records, &records)]);
        let end = page::bucket(&bytes, 0).end;
        let crc = crc32c::crc32c(&bytes[end..end + stored_len]);
        page::put(&mut bytes, end - 16, 4, stored_len as u128);
        page::put(&mut bytes, end - 12, 4, len as u128);
        page::put(&mut bytes, end - 8, 4, crc.into());
        page::put(&mut bytes, end - 4, 1, 0);
        page::seal_buckets(&mut bytes);
        page::seal(&mut bytes);
        let store = Store::from_bytes(&bytes).unwrap();
        let mut value = b"before".to_vec();
        let got = store.get(&pairs[0].0, &mut value);
        if refused {
            assert!(matches!(got, Err(Error::Damaged { problem: Problem::Codec, .. })), "{got:?}");
            assert_eq!(value, b"before");
        } else {
            assert!(got.unwrap());
            assert_eq!(value.len(), 6 + len);
        }
        assert!(value.capacity() < 1 << 20, "{} bytes", value.capacity());
    }
}

#[test]
fn sections_that_a_reader_does_not_know_are_passed_over_or_refused_by_name() {
    let pairs = pairs(Keys::Uuid4, Values::Letters, 300, 1);
    let whole = table(&pairs, Codec::Huffman, Purpose::Ram);
    for required in [false, true] {
        let bytes = page::with_another(&whole, b"ordered\0", b"columns", required);
        match Store::from_bytes(&bytes) {
            Ok(store) => {
                assert!(!required);
                assert!(store.is_loaded());
                let info = store.info();
                assert!(info.sections.iter().any(|section| section.name == "ordered" && section.bytes == 7));
                ask_everything(&bytes, &pairs).unwrap();
            }
            Err(Error::Section { name }) => assert!(required && name == "ordered"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_index_of_gigabytes_in_a_small_sparse_file_takes_no_memory() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    let pairs = pairs(Keys::Uuid4, Values::Letters, 300, 1);
    let whole = table(&pairs, Codec::Raw, Purpose::Disk);
    let index = page::section_field(&whole, Section::Index);
    let index_bytes = (1_u64 << 31).div_ceil(LINE_BUCKETS) * LINE_BYTES as u64;
    let mut bytes = whole[..HEADER_BYTES + usize::from(whole[SECTION_COUNT_OFFSET]) * SECTION_BYTES].to_vec();
    page::put(&mut bytes, BUCKET_BITS_OFFSET, 1, 31);
    page::put(&mut bytes, index + ENTRY_LENGTH, 8, index_bytes.into());
    let start = page::integer(&bytes, index + ENTRY_START, 8) as u64;
    let records = page::section_field(&bytes, Section::Records);
    page::put(&mut bytes, records + ENTRY_START, 8, (start + index_bytes).into());
    page::put(&mut bytes, records + ENTRY_LENGTH, 8, 0);
    let file_bytes = start + index_bytes + TAIL_BYTES as u64;
    page::put(&mut bytes, FILE_BYTES_OFFSET, 8, file_bytes.into());
    page::seal_header(&mut bytes);
    let file = std::fs::File::create(&path).unwrap();
    graven_format::PositionalFile::write_all_at(&file, &bytes, 0).unwrap();
    file.set_len(file_bytes).unwrap();
    let opened = Store::open_as(&path, Storage::Disk);
    assert!(matches!(opened, Err(Error::Damaged { section: "index", .. })), "{opened:?}");
}

#[test]
fn buckets_that_end_before_those_in_front_of_them_cost_an_error_at_most() {
    for (codec, purpose) in
        [(Codec::Huffman, Purpose::Ram), (Codec::Raw, Purpose::Ram), (Codec::Raw, Purpose::Disk)]
    {
        let pairs = pairs(Keys::Uuid4, Values::Letters, 3000, 1);
        let whole = table(&pairs, codec, purpose);
        let line = page::section(&whole, Section::Index).start;
        for at in 0..28 {
            let end = line + LINE_ENDS_OFFSET + 2 * at;
            for number in [0, 1, page::integer(&whole, end, 2) - 1, 0xFFFF] {
                let mut bytes = whole.clone();
                page::put(&mut bytes, end, 2, number);
                page::seal_buckets(&mut bytes);
                page::seal(&mut bytes);
                let some: Pairs = pairs.iter().step_by(40).cloned().collect();
                // A last bucket that reaches over what follows holds what it held.
                let may_be_right = at == 27 && number == 0xFFFF;
                let found = ask_everything(&bytes, &some);
                assert!(found.is_err() || may_be_right, "bucket {at} ends at {number}");
            }
        }
    }
}

#[test]
fn files_made_to_deceive_take_little_memory() {
    // The tests of this file again, in a process that is given 3 GiB of addresses: less than any
    // of the lengths that those files name, and enough for the largest value beside itself while
    // it grows.
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 3145728 && exec \"$0\" --test-threads 1 --skip take_little_memory craft::"])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_sparse_file_of_a_terabyte_is_refused_for_what_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    let pairs = pairs(Keys::Uuid4, Values::Letters, 300, 1);
    let mut bytes = table(&pairs, Codec::Huffman, Purpose::Ram);
    let file_bytes = 1_u64 << 40;
    for section in [Section::ValueCode, Section::Records] {
        let file = std::fs::File::create(&path).unwrap();
        let whole_bytes = bytes.clone();
        let grown = file_bytes - bytes.len() as u64;
        let field = page::section_field(&bytes, section) + ENTRY_LENGTH;
        let len = page::integer(&bytes, field, 8) + u128::from(grown);
        page::put(&mut bytes, field, 8, len);
        page::put(&mut bytes, FILE_BYTES_OFFSET, 8, file_bytes.into());
        // The first line's first bucket is said to reach to the end.
        if section == Section::Records {
            let line = page::section(&whole_bytes, Section::Index).start;
            page::put(&mut bytes, line + LINE_SHIFT_OFFSET, 2, 20);
            (0..28).for_each(|at| page::put(&mut bytes, line + LINE_ENDS_OFFSET + 2 * at, 2, 0xFFFF));
        }
        page::seal_header(&mut bytes);
        graven_format::PositionalFile::write_all_at(&file, &bytes, 0).unwrap();
        file.set_len(file_bytes).unwrap();
        match Store::open(&path) {
            Err(error) => assert!(matches!(error, Error::Damaged { section: "header", .. }), "{error}"),
            Ok(store) => {
                assert_eq!(section, Section::Records);
                let mut refused = store.scan(0, |_| {});
                let Err(Error::Damaged { section: "index", problem, .. }) = refused else {
                    panic!("{refused:?}")
                };
                assert!(matches!(problem, Problem::Range { field: "the length of a bucket", .. }));
                refused = store.scan(1, |_| {});
                assert!(refused.is_err());
            }
        }
        bytes = table(&pairs, Codec::Huffman, Purpose::Ram);
    }
}

/// Pairs and the files that are carved of them, to be changed.
static CHANGED: LazyLock<[(Pairs, Vec<u8>); 5]> = LazyLock::new(|| {
    [
        (Keys::Uuid4, Values::Letters, Codec::Huffman, Purpose::Ram),
        (Keys::Urls, Values::Words, Codec::Symbols, Purpose::Ram),
        (Keys::Hex8, Values::Fixed, Codec::Raw, Purpose::Disk),
        (Keys::Sparse, Values::Long, Codec::Symbols, Purpose::Disk),
        (Keys::Binary, Values::Long, Codec::Raw, Purpose::Ram),
    ]
    .map(|(keys, values, codec, purpose)| {
        let pairs = pairs(keys, values, 30, 1);
        let whole = table(&pairs, codec, purpose);
        (pairs, whole)
    })
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_changes_with_right_checksums_cost_an_error_at_most(
        kind in 0..CHANGED.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (pairs, whole) = &CHANGED[kind];
        let mut bytes = whole.clone();
        // One change in four hits the header, where most of what can be said is.
        for (i, (at, to)) in changes.iter().enumerate() {
            let at = if i % 4 == 0 { at.index(HEADER_BYTES) } else { at.index(bytes.len()) };
            bytes[at] = *to;
        }
        page::seal_buckets(&mut bytes);
        page::seal(&mut bytes);
        let _ = ask_everything(&bytes, pairs);
    }
}
