//! Carved tables: whatever bytes are opened, they are answered from or refused; and what is carved
//! of any pairs answers as a `BTreeMap` of them does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use graven_format::layout::{ENTRY_CRC, HEADER_BYTES, SECTION_BYTES, Section};
use graven_format::{Batch, Builder, Codec, CodecChoice, Duplicates, Options, Purpose, Store};
use xxhash_rust::xxh3::xxh3_64;

#[path = "../../crates/format/tests/carved/page.rs"]
#[allow(dead_code)]
pub(crate) mod page;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn options(codec: CodecChoice, purpose: Purpose) -> Options {
    Options { codec, purpose, threads: 1, temporary_dir: TEMPORARY_DIR.clone(), ..Options::default() }
}

/// In memory where the system has files there: a build with little memory makes two each time.
static TEMPORARY_DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
});

/// Bytes of an input that are looked at: enough for more pairs than a line of the index has
/// buckets, and few enough for hundreds of tables a second under the sanitizer.
const MODEL_BYTES_MAX: usize = 768;

/// Tables that are changed before they are opened, with the pairs they were made of.
static TABLES: LazyLock<Vec<(Vec<u8>, Pairs)>> = LazyLock::new(|| {
    use Codec::{Huffman, Packed, Raw, Symbols};
    let uuid = |i: u64| format!("{:08x}-0000-4000-8000-{:012x}", i * 0x9E37_79B1 % (1 << 32), i * 977);
    let make = |key: &dyn Fn(u64) -> String, value: &dyn Fn(u64) -> String, codec, purpose| {
        let pairs: Pairs = (0..40).map(|i| (key(i).into_bytes(), value(i).into_bytes())).collect();
        let path = std::env::temp_dir().join(format!("graven-fuzz-{}", std::process::id()));
        let mut builder = Builder::new(options(CodecChoice::Fixed(codec), purpose));
        pairs.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
        builder.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (bytes, pairs)
    };
    let words = |i: u64| "carved once, read forever; ".repeat((i % 5) as usize);
    let long = |i: u64| "0123456789".repeat((i % 3 * 60) as usize);
    vec![
        make(&uuid, &words, Raw, Purpose::Ram),
        make(&uuid, &|i| (i * i).to_string(), Huffman, Purpose::Disk),
        make(&|i| (i * 7).to_string(), &long, Symbols, Purpose::Ram),
        make(&|i| format!("user:{}", i << 40), &|i| format!("{i:08}"), Raw, Purpose::Ram),
        make(&|i| format!("{:06x}", i * 9973), &long, Huffman, Purpose::Ram),
        make(&|i| format!("/path/{}/{i}", words(i)), &words, Symbols, Purpose::Ram),
        make(&|i| "k".repeat(i as usize), &long, Symbols, Purpose::Disk),
        make(&uuid, &|i| format!("{:x}", i * i * 7919), Packed, Purpose::Ram),
        make(&|i| format!("/path/{}/{i}", words(i)), &long, Packed, Purpose::Ram),
    ]
});

/// The first byte chooses: the rest is the file, or says how to change one of [`TABLES`], whose
/// checksums are then made right again: that of the records only where the byte's highest bit is
/// clear, so that lookups check for themselves.
pub fn open(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let table = TABLES.get(usize::from(choice & 0x0F));
    let Some((bytes, pairs)) = table else { return ask_everything(rest, &TABLES[0].1) };
    let mut bytes = bytes.clone();
    for change in rest.as_chunks::<5>().0 {
        let [low, high, how, a, b] = *change;
        let at = usize::from(u16::from_le_bytes([low, high]));
        // Half of the changes hit the header, where most can be said.
        let at =
            if how & 0x80 == 0 { at % (HEADER_BYTES + 4 * SECTION_BYTES) } else { at % (bytes.len() - 8) };
        match how % 5 {
            0 => bytes[at] = a,
            1 => bytes[at] ^= a,
            2 => page::put(&mut bytes, at, 2, u16::from_le_bytes([a, b]).into()),
            3 => page::put(&mut bytes, at, 4, u32::from_le_bytes([a, b, a, b]).into()),
            _ => page::put(&mut bytes, at, 8, u64::MAX as u128 >> (a % 64) << (b % 8)),
        }
    }
    page::seal_buckets(&mut bytes);
    page::seal(&mut bytes);
    if choice & 0x80 != 0 {
        let crc = page::section_field(&bytes, Section::Records) + ENTRY_CRC;
        if let Some(crc) = bytes.get_mut(crc) {
            *crc ^= 1;
        }
        page::seal_header(&mut bytes);
    }
    ask_everything(&bytes, pairs);
}

fn ask_everything(bytes: &[u8], pairs: &Pairs) {
    let Ok(store) = Store::from_bytes(bytes) else { return };
    let (mut value, mut batch) = (Vec::new(), Batch::default());
    for (key, _) in pairs {
        value.clear();
        let found = store.get(key, &mut value);
        assert!(matches!(found, Ok(true)) || value.is_empty());
        let _ = store.contains(key);
        if store.get_many(&[key, b"absent", key], &mut batch).is_ok() {
            assert_eq!(batch.value(0, &store), batch.value(2, &store));
        }
    }
    // What is no key of the table may be one of this.
    let _ = store.get(b"", &mut value);
    let verified = store.verify();
    let mut listed = 0;
    for pair in store.iter() {
        match pair {
            Ok((key, value)) if verified.is_ok() => {
                let mut again = Vec::new();
                assert!(store.get(&key, &mut again).unwrap(), "a key that is listed is found");
                assert_eq!(again, value, "with the value that it is listed with");
                listed += 1;
            }
            Ok(_) => {}
            Err(_) => assert!(verified.is_err(), "what cannot be listed is found by verify"),
        }
    }
    assert!(verified.is_err() || listed == store.len());
}

/// The first byte says how to build, the second what keys are; then come pairs: a length of the
/// key, a length of the value and how often it is repeated, then both.
pub fn model(input: &[u8]) {
    let [how, kind, rest @ ..] = &input[..input.len().min(MODEL_BYTES_MAX)] else { return };
    // Training takes ten times as long as all the rest, and dictionaries thirty times. Which tables
    // are trained is drawn from all bytes of the input: by a bit of their own, a fuzzer that keeps
    // what reaches new code would soon make no others.
    let has_byte_keys = matches!(kind % 6, 0 | 5);
    let codec = match (how % 4, xxh3_64(input) % 32) {
        (0, 0) => match how >> 6 {
            0 => CodecChoice::Auto,
            1 => CodecChoice::Smallest,
            _ => CodecChoice::Fixed(Codec::Zstd),
        },
        (0, _) => CodecChoice::Fastest,
        (3, ..2) if how & 32 == 0 => CodecChoice::Fixed(Codec::Symbols),
        (2, ..8) => CodecChoice::Fixed(Codec::Huffman),
        (3, ..8) => CodecChoice::Fixed(Codec::Packed),
        (2, _) if !has_byte_keys => CodecChoice::Fixed(Codec::Huffman),
        (3, _) if !has_byte_keys => CodecChoice::Fixed(Codec::Packed),
        _ => CodecChoice::Fixed(Codec::Raw),
    };
    let purpose = if how & 4 == 0 { Purpose::Ram } else { Purpose::Disk };
    let first_counts = how & 8 != 0;
    let duplicates = if first_counts { Duplicates::First } else { Duplicates::Last };
    let memory_bytes = if how & 16 == 0 { 1 << 30 } else { 1 };
    let mut builder = Builder::new(Options { duplicates, memory_bytes, ..options(codec, purpose) });
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut rest = rest;
    while let [key_len, value_len, times, tail @ ..] = rest {
        let (key, tail) = tail.split_at(usize::from(key_len % 40).min(tail.len()));
        let (value, tail) = tail.split_at(usize::from(*value_len).min(tail.len()));
        rest = tail;
        let (key, value) = (spell(*kind, key), value.repeat(1 + usize::from(times % 8)));
        builder.add(&key, &value).unwrap();
        if first_counts {
            model.entry(key).or_insert(value);
        } else {
            model.insert(key, value);
        }
    }
    let (store, built) = builder.finish().unwrap();
    assert_eq!(built.pairs, model.len() as u64);
    let mut found = Vec::new();
    for (key, value) in &model {
        for key in [&key[..], &key[1.min(key.len())..], &[key, b"0".as_slice()].concat()] {
            found.clear();
            let held = store.get(key, &mut found).unwrap();
            assert_eq!(held.then_some(&found), model.get(key));
            assert_eq!(store.contains(key).unwrap(), held);
        }
        found.clear();
        assert!(store.get(key, &mut found).unwrap() && found == *value);
        let place = store.find(key, &mut found).unwrap();
        assert_eq!(place.value(&found, &store), Some(&value[..]));
    }
    let keys: Vec<&[u8]> = model.keys().map(Vec::as_slice).chain([b"".as_slice()]).collect();
    let mut batch = Batch::default();
    store.get_many(&keys, &mut batch).unwrap();
    for (i, &key) in keys.iter().enumerate() {
        assert_eq!(batch.value(i, &store), model.get(key).map(Vec::as_slice));
    }
    let listed: BTreeMap<_, _> = store.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(listed, model);
    store.verify().unwrap();
}

/// A key of a kind that the file tells apart, from bytes.
fn spell(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut number = [0; 16];
    let len = bytes.len().min(16);
    number[..len].copy_from_slice(&bytes[..len]);
    let number = u128::from_le_bytes(number);
    match kind % 6 {
        0 => bytes.to_vec(),
        1 => (number as u64).to_string().into_bytes(),
        2 => format!("{number:032x}").into_bytes(),
        3 => {
            let hex = format!("{number:032x}");
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").into_bytes()
        }
        4 => format!("user:{}", number as u32).into_bytes(),
        _ => [b"https://example.com/", bytes].concat(),
    }
}
