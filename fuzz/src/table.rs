//! Carved tables: whatever bytes are opened, they are answered from or refused; and what is carved
//! of any pairs answers as a `BTreeMap` of them does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use graven_format::layout::{ENTRY_CRC, HEADER_BYTES, SECTION_BYTES, Section};
use graven_format::{
    Batch, Builder, Codec, CodecChoice, Duplicates, Encoding, Found, Located, Options, Purpose, Store,
};
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

fn uuid(i: u64) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", i * 0x9E37_79B1 % (1 << 32), i * 977)
}

/// A carved table, and its pairs.
fn make(
    key: &dyn Fn(u64) -> String,
    value: &dyn Fn(u64) -> String,
    codec: Codec,
    purpose: Purpose,
) -> (Vec<u8>, Pairs) {
    let pairs: Pairs = (0..40).map(|i| (key(i).into_bytes(), value(i).into_bytes())).collect();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("graven-fuzz-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let mut builder = Builder::new(options(CodecChoice::Fixed(codec), purpose));
    pairs.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    builder.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (bytes, pairs)
}

/// The same whose values are shared by many keys, or stored through zstd: with the dictionary, in
/// one frame without it, in several. A frame takes few bytes, so that changes hit what is read.
static LONG_TABLES: LazyLock<Vec<(Vec<u8>, Pairs)>> = LazyLock::new(|| {
    let few = |i: u64| format!("one of three values that many keys have: {}", i % 3 * 1_000_003);
    let text = |i: u64, bytes: u64| {
        let words = format!("page {i}, carved once and read forever; ");
        words.repeat(bytes as usize / words.len() + 1)
    };
    vec![
        make(&uuid, &few, Codec::Packed, Purpose::Ram),
        make(&|i| format!("user:{}", i << 40), &few, Codec::Zstd, Purpose::Disk),
        make(&uuid, &|i| text(i, 200 + i * 40), Codec::Zstd, Purpose::Ram),
        make(&uuid, &|i| if i % 13 == 0 { text(i, 16 << 10) } else { few(i) }, Codec::Zstd, Purpose::Ram),
        make(&uuid, &|i| if i == 7 { text(i, 270 << 10) } else { few(i) }, Codec::Zstd, Purpose::Disk),
    ]
});

/// Tables that are changed before they are opened, with the pairs they were made of.
static TABLES: LazyLock<Vec<(Vec<u8>, Pairs)>> = LazyLock::new(|| {
    use Codec::{Huffman, Packed, Raw, Symbols};
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
    ask_everything(&changed(bytes, choice, rest), pairs);
}

/// As [`open`], one of [`LONG_TABLES`]; and their values are asked for in every way that leaves them
/// where they are.
pub fn long(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((bytes, pairs)) = LONG_TABLES.get(usize::from(choice & 0x0F)) else { return };
    let bytes = changed(bytes, choice, rest);
    ask_everything(&bytes, pairs);
    let Ok(store) = Store::from_bytes(&bytes) else { return };
    for (key, _) in pairs {
        ask_for_parts(&store, key);
    }
}

fn ask_for_parts(store: &Store, key: &[u8]) {
    const LEFT_BYTES_MIN: usize = 1000;
    let (mut whole, mut room) = (Vec::new(), Vec::new());
    let got = store.get(key, &mut whole);
    let mut batch = Batch::default().leaving(LEFT_BYTES_MIN - 1);
    let sought = store.seek(key, &mut room, LEFT_BYTES_MIN - 1);
    if let (Ok(Found::Copied(range)), Ok(true)) = (&sought, &got) {
        assert_eq!(room[range.clone()], whole);
    }
    if store.get_many(&[key], &mut batch).is_ok() {
        let is_left = matches!(sought, Ok(Found::Large(_)));
        assert_eq!(matches!(batch.found(0), Found::Large(_)), is_left);
    }
    match store.locate(key) {
        Ok(Located::Missing) => assert!(!matches!(got, Ok(true))),
        Ok(Located::Short(len)) => assert!(!matches!(got, Ok(true)) || whole.len() == len),
        Ok(Located::Large(large)) => {
            room.clear();
            let read = store.read_part(&large, 0..large.len(), &mut room);
            assert_eq!(read.is_ok(), matches!(got, Ok(true)));
            assert_eq!(room, whole);
            room.clear();
            if store.read_part(&large, 100..150, &mut room).is_ok() && got.is_ok() {
                assert_eq!(room, whole[100.min(whole.len())..150.min(whole.len())]);
            }
            room.clear();
            let frames = match (store.frames(&large), store.read_frames(&large, &mut room)) {
                (Some(lent), read) => {
                    let lent = &store.memory()[lent];
                    assert!(read.is_err() || read.is_ok_and(|read| &room[read.unwrap()] == lent));
                    lent
                }
                (None, Ok(Some(read))) if !store.is_loaded() => &room[read],
                (None, _) => return,
            };
            assert_eq!(large.encoding(), Encoding::Zstd);
            // What every decoder makes of them is the value.
            let mut decoded = vec![0; large.len()];
            let len = zstd_safe::decompress(&mut decoded[..], frames);
            assert_eq!(len == Ok(large.len()), got.is_ok());
            assert!(got.is_err() || decoded == whole);
        }
        Err(_) => {}
    }
}

/// A table that is changed as `rest` says.
fn changed(bytes: &[u8], choice: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
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
    bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_tables_have_shared_values_and_frames_of_one_part_and_of_several() {
        let (mut shared, mut frames) = (0, Vec::new());
        for (bytes, pairs) in LONG_TABLES.iter() {
            let store = Store::from_bytes(bytes).unwrap();
            shared += u64::from(store.info().shared_values > 0);
            for (key, value) in pairs {
                if let Located::Large(large) = store.locate(key).unwrap()
                    && large.encoding() == Encoding::Zstd
                {
                    assert!(store.frames(&large).is_some());
                    frames.push(value.len());
                }
            }
        }
        assert!(shared >= 2, "{shared} tables have shared values");
        assert!(frames.iter().any(|&len| len <= 128 << 10) && frames.iter().any(|&len| len > 256 << 10));
    }
}
