//! Files of every kind of key and every codec, damaged at every bit and cut at every byte: what
//! they answer is right or a typed error, and `verify` finds the damage.
//!
//! A lookup reads the header and the small sections when the file is opened, then one line of the
//! index and the group of buckets that share a check, and a value that lies behind the buckets of
//! that line. A flip therefore concerns: in the header or a small section, the opening; in the
//! index, the keys of the 28 buckets of that line; in a group, the keys of its buckets; between
//! buckets, the keys of that line whose values lie there; between sections, nothing. Other keys
//! are answered from bytes that did not change. So for every flip the keys that it concerns are
//! asked, absent ones among them, and some that it does not.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use graven_format::layout::*;
use graven_format::{Codec, CodecChoice, Error, KeyKind, Options, PositionalFile, Store};
use tempfile::TempDir;

use crate::page;
use crate::samples::{Keys, Random, Values, carve, folder_in_memory};

/// The smallest file that is damaged.
const FILE_BYTES_MIN: usize = 12 * 1024;

struct Table {
    bytes: Vec<u8>,
    path: PathBuf,
    file: File,
    /// Keys with what is to be answered, `None` for those that are not in the table.
    asked: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Of each bucket, which of `asked` belong to it.
    of_bucket: Vec<Vec<usize>>,
    _dir: TempDir,
}

impl Table {
    fn new(keys: Keys, codec: Codec) -> Self {
        let dir = folder_in_memory();
        let path = dir.path().join("table");
        let mut random = Random(11);
        let mut pairs = BTreeMap::new();
        let mut bytes = Vec::new();
        while bytes.len() < FILE_BYTES_MIN {
            for i in 0..200 {
                let i = pairs.len() as u64 * 3 + i % 2;
                let key = keys.key(i, &mut random);
                let values = match i % 60 {
                    0 => Values::Long,
                    1..20 => Values::Few,
                    _ => Values::Letters,
                };
                pairs.insert(key, values.value(i, &mut random));
            }
            let codec = CodecChoice::Fixed(codec);
            let options =
                Options { codec, threads: 1, temporary_dir: dir.path().into(), ..Options::default() };
            let pairs: Vec<_> = pairs.clone().into_iter().collect();
            bytes = carve(&pairs, options, &path).unwrap();
        }
        let mut asked: Vec<_> = pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        for i in 0..pairs.len() as u64 {
            let key = keys.key(i * 3 + 2, &mut random);
            if !pairs.contains_key(&key) {
                asked.push((key, None));
            }
        }
        let mut of_bucket = vec![Vec::new(); page::buckets(&bytes) as usize];
        for (i, (key, _)) in asked.iter().enumerate() {
            if let Some(bucket) = page::bucket_of(&bytes, key, page::number_of(&bytes, key)) {
                of_bucket[bucket as usize].push(i);
            }
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        Self { bytes, path, file, asked, of_bucket, _dir: dir }
    }

    /// Of each byte from the index on, which of `asked` it concerns.
    fn concerned(&self) -> Vec<Vec<usize>> {
        let index = page::section(&self.bytes, Section::Index);
        let mut concerned = vec![Vec::new(); self.bytes.len()];
        let mut claimed = vec![false; self.bytes.len()];
        let lines: Vec<usize> = index.clone().step_by(LINE_BYTES).collect();
        for (number, &line) in lines.iter().enumerate() {
            let first = number * LINE_BUCKETS as usize;
            let of_line: Vec<usize> =
                self.of_bucket[first..].iter().take(LINE_BUCKETS as usize).flatten().copied().collect();
            concerned[line..line + LINE_BYTES].fill(of_line.clone());
            for bucket in first..(first + LINE_BUCKETS as usize).min(self.of_bucket.len()) {
                let range = page::group(&self.bytes, bucket as u64);
                let begins = page::bucket(&self.bytes, bucket as u64).start == range.start + GROUP_CRC_BYTES;
                let before = if begins { Vec::new() } else { concerned[range.start].clone() };
                claimed[range.clone()].fill(true);
                concerned[range].fill([before, self.of_bucket[bucket].clone()].concat());
            }
            let start = page::line_start(&self.bytes, line);
            let end =
                lines.get(number + 1).map_or(page::section(&self.bytes, Section::Records).end, |&next| {
                    page::line_start(&self.bytes, next)
                });
            for at in (start..end).filter(|&at| !claimed[at]) {
                // The large values of the line: which of them does not matter, for they are few.
                let large = |&i: &usize| self.asked[i].1.as_ref().is_some_and(|value| value.len() > 200);
                concerned[at] = of_line.iter().copied().filter(large).collect();
            }
        }
        concerned
    }

    /// Whether a byte lies between sections, or behind the last.
    fn is_gap(&self, at: usize) -> bool {
        let head = HEADER_BYTES + usize::from(self.bytes[SECTION_COUNT_OFFSET]) * SECTION_BYTES;
        at >= head && !Section::ALL.iter().any(|&section| page::section(&self.bytes, section).contains(&at))
    }

    /// Asks for one key: what is answered is right, or a typed error.
    fn ask(&self, store: &Store, i: usize, value: &mut Vec<u8>, at: &dyn Fn() -> String) -> bool {
        let (key, expected) = &self.asked[i];
        value.clear();
        match store.get(key, value) {
            Ok(found) => {
                let answered = found.then_some(value.as_slice());
                assert_eq!(answered, expected.as_deref(), "{} {}", key.escape_ascii(), at());
                true
            }
            Err(Error::Damaged { .. } | Error::Io { .. }) => {
                assert!(value.is_empty(), "{}", at());
                false
            }
            Err(error) => panic!("{error} {}", at()),
        }
    }

    /// Flips every bit in the file under an open table, and asks for the keys that the flip
    /// concerns: all of them at one flip in 32, one at each other flip, by turns, so that a
    /// bucket's flips come round to each of its keys many times.
    fn every_flip_in_the_file(&self) {
        let store = Store::open(&self.path).unwrap();
        let (concerned, mut value) = (self.concerned(), Vec::new());
        let (mut answers, mut errors) = (0, 0);
        let mut count = |answered| if answered { answers += 1 } else { errors += 1 };
        for at in 0..self.bytes.len() {
            for bit in 0..8 {
                let place = || format!("with bit {bit} of byte {at} flipped");
                self.file.write_all_at(&[self.bytes[at] ^ 1 << bit], at as u64).unwrap();
                let these = &concerned[at];
                let gap = self.is_gap(at);
                if at < page::section(&self.bytes, Section::Index).start {
                    let opened = Store::open(&self.path);
                    assert_eq!(opened.is_err(), !gap, "{}", place());
                    count(self.ask(&store, at % self.asked.len(), &mut value, &place));
                } else if (bit == at % 8 && at % 4 == 0) || these.len() < 2 {
                    these.iter().for_each(|&i| count(self.ask(&store, i, &mut value, &place)));
                    count(self.ask(&store, (at * 8 + bit) % self.asked.len(), &mut value, &place));
                } else {
                    count(self.ask(&store, these[(at / 8 * 7 + bit) % these.len()], &mut value, &place));
                }
                if bit == 7 - at % 8 && at % 16 == 0 && !gap {
                    assert!(store.load().is_err(), "{}", place());
                }
            }
            self.file.write_all_at(&self.bytes[at..=at], at as u64).unwrap();
        }
        assert!(answers > 1000 && errors > self.bytes.len() * 6, "{answers} answers, {errors} errors");
        store.load().unwrap();
        (0..self.asked.len())
            .for_each(|i| assert!(self.ask(&store, i, &mut value, &|| "when whole".to_owned())));
    }

    /// Flips a bit of every byte in memory, another bit in each byte and the next, and has the
    /// damage found.
    fn a_flip_of_every_byte_in_memory(&self) {
        let (concerned, mut value) = (self.concerned(), Vec::new());
        let mut bytes = self.bytes.clone();
        let records = page::section(&self.bytes, Section::Records);
        for at in 0..bytes.len() {
            let bit = at % 8;
            let place = || format!("with bit {bit} of byte {at} flipped");
            bytes[at] ^= 1 << bit;
            let opened = Store::from_bytes(&bytes);
            let gap = self.is_gap(at);
            let small = at < page::section(&self.bytes, Section::Index).start;
            assert_eq!(opened.is_err(), small && !gap, "{}", place());
            if let Ok(store) = opened {
                assert_eq!(store.is_loaded(), gap, "{}", place());
                for &i in &concerned[at] {
                    self.ask(&store, i, &mut value, &place);
                }
                if !records.contains(&at) || at % 16 == 5 {
                    let found = store.verify();
                    let Err(Error::Damaged { section, offset, .. }) = found else {
                        panic!("{found:?} {}", place())
                    };
                    assert!(offset == at as u64 || !gap, "{section} {offset} {}", place());
                }
            }
            bytes[at] ^= 1 << bit;
        }
        assert!(bytes == self.bytes);
    }

    /// Cuts the file at every length, before it is opened and after.
    fn every_cut(&self) {
        let store = Store::open(&self.path).unwrap();
        let mut value = Vec::new();
        for len in (0..self.bytes.len()).rev() {
            let refused = |opened: Result<Store, Error>| match opened {
                Err(Error::Length { .. }) => true,
                Err(Error::NotCarved) => len < MAGIC.len(),
                _ => false,
            };
            assert!(refused(Store::from_bytes(&self.bytes[..len])), "of {len} bytes");
            self.file.set_len(len as u64).unwrap();
            assert!(refused(Store::open(&self.path)), "of {len} bytes");
            if len % 512 == 511 {
                let place = || format!("cut to {len} bytes");
                let answered =
                    (0..self.asked.len()).filter(|&i| self.ask(&store, i, &mut value, &place)).count();
                // Those whose numbers the table's shape rules out need no byte of it.
                assert!(len < self.bytes.len() - 1024 || answered > 0);
            }
        }
        self.file.write_all_at(&self.bytes, 0).unwrap();
        assert!(refused_when_longer(&self.bytes));
    }
}

fn refused_when_longer(bytes: &[u8]) -> bool {
    let longer = [bytes, &[0]].concat();
    matches!(Store::from_bytes(&longer), Err(Error::Length { .. }))
}

fn is_right_or_an_error_after_any_damage(keys: Keys, kind: KeyKind, codec: Codec) {
    let table = Table::new(keys, codec);
    assert!(table.bytes.len() >= FILE_BYTES_MIN);
    assert_eq!(table.bytes[KEY_KIND_OFFSET], kind as u8);
    assert!(table.bytes[GROUP_BUCKETS_OFFSET] > 1);
    let long = codec == Codec::Zstd;
    assert_eq!(table.bytes[if long { LONG_CODEC_OFFSET } else { VALUE_CODEC_OFFSET }], codec as u8);
    let held = |bucket: &Vec<usize>| bucket.iter().any(|&i| table.asked[i].1.is_some());
    assert!(table.of_bucket.iter().filter(|bucket| held(bucket)).count() > table.of_bucket.len() / 2);
    table.every_cut();
    table.a_flip_of_every_byte_in_memory();
    table.every_flip_in_the_file();
}

macro_rules! tables {
    ($($name:ident: $keys:ident, $kind:ident, $codec:ident;)*) => {
        $(#[test]
        fn $name() {
            is_right_or_an_error_after_any_damage(Keys::$keys, KeyKind::$kind, Codec::$codec);
        })*
    };
}

tables! {
    damaged_uuids_with_raw_values_never_lie: Uuid4, Uuid, Raw;
    damaged_uuids_with_huffman_values_never_lie: Uuid4, Uuid, Huffman;
    damaged_uuids_with_symbol_values_never_lie: Uuid7, Uuid, Symbols;
    damaged_uuids_with_packed_values_never_lie: Uuid4, Uuid, Packed;
    damaged_bytes_with_packed_values_never_lie: Urls, Bytes, Packed;
    damaged_uuids_with_zstd_values_never_lie: Uuid4, Uuid, Zstd;
    damaged_hexadecimals_with_raw_values_never_lie: Hex32, Hex, Raw;
    damaged_hexadecimals_with_huffman_values_never_lie: Hex8, Hex, Huffman;
    damaged_hexadecimals_with_symbol_values_never_lie: Hex8, Hex, Symbols;
    damaged_decimals_with_raw_values_never_lie: Dense, Decimal, Raw;
    damaged_decimals_with_huffman_values_never_lie: Sparse, Decimal, Huffman;
    damaged_decimals_with_symbol_values_never_lie: PrefixedDecimal, Decimal, Symbols;
    damaged_bytes_with_raw_values_never_lie: Urls, Bytes, Raw;
    damaged_bytes_with_huffman_values_never_lie: Binary, Bytes, Huffman;
    damaged_bytes_with_symbol_values_never_lie: MixedUuid, Bytes, Symbols;
}
