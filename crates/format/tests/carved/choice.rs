//! What shapes a table: the pairs that are in it, and nothing else; and which codec is taken where
//! none is named.

use std::collections::BTreeMap;

use graven_format::{Builder, Codec, CodecChoice, Duplicates, Options, Purpose, Store};
use tempfile::TempDir;

use crate::samples::folder_in_memory;

type Pair = (Vec<u8>, Vec<u8>);

fn options(duplicates: Duplicates, dir: &TempDir) -> Options {
    Options { duplicates, temporary_dir: dir.path().into(), ..Options::default() }
}

fn carved(pairs: &[Pair], options: Options) -> Vec<u8> {
    let path = options.temporary_dir.join("table");
    let mut builder = Builder::new(options);
    pairs.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    builder.write(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// The pairs that are left of `pairs`, in the order of a table.
fn left(table: &[u8]) -> Vec<Pair> {
    Store::from_bytes(table).unwrap().iter().collect::<Result<_, _>>().unwrap()
}

fn line(i: usize) -> Pair {
    (format!("key/{i}").into_bytes(), format!("value number {i} of a kind").into_bytes())
}

/// Tables in which the pairs that are replaced are nothing like those that are left.
fn with_strange_duplicates() -> Vec<(&'static str, Vec<Pair>)> {
    let strange = |i: usize, len: usize| -> Pair {
        (line(i).0, (0..len).map(|at| (i * 7919 + at * at * 31) as u8 | 0x80).collect())
    };
    let lines = |n: usize| (0..n).map(line);
    let fixed = |i: usize| -> Pair { (line(i).0, format!("{i:08}").into_bytes()) };
    vec![
        ("one line of 200", std::iter::once(strange(7, 3000)).chain(lines(200)).collect()),
        ("all lines of 200", (0..200).map(|i| strange(i, 40)).chain(lines(200)).collect()),
        ("a length of its own", std::iter::once(strange(7, 9)).chain((0..500).map(fixed)).collect()),
        ("more than a small table", (0..9000).map(|i| strange(i, 60)).chain(lines(9000)).collect()),
        ("long values", (0..400).map(|i| strange(i, 400)).chain(lines(400)).collect()),
        ("one key only", (0..300).map(|i| (b"k".to_vec(), line(i).1)).collect()),
    ]
}

#[test]
fn a_value_that_is_not_in_the_table_does_not_shape_it() {
    for (name, mut pairs) in with_strange_duplicates() {
        for duplicates in [Duplicates::Last, Duplicates::First] {
            for purpose in [Purpose::Ram, Purpose::Disk] {
                let dir = folder_in_memory();
                let options = |duplicates| Options { purpose, ..options(duplicates, &dir) };
                let table = carved(&pairs, options(duplicates));
                let mut model = BTreeMap::new();
                for (key, value) in &pairs {
                    match duplicates {
                        Duplicates::First => drop(model.entry(key.clone()).or_insert_with(|| value.clone())),
                        _ => drop(model.insert(key.clone(), value.clone())),
                    }
                }
                let mut left = left(&table);
                assert!(
                    carved(&left, options(Duplicates::Error)) == table,
                    "{name}, {duplicates:?}, {purpose:?}"
                );
                left.sort();
                assert_eq!(left, model.into_iter().collect::<Vec<_>>(), "{name}");
            }
            pairs.reverse();
        }
    }
}

#[test]
fn what_was_replaced_is_counted_though_the_table_is_carved_anew() {
    for (name, pairs) in with_strange_duplicates() {
        let dir = folder_in_memory();
        let mut builder = Builder::new(options(Duplicates::Last, &dir));
        pairs.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
        let (store, built) = builder.finish().unwrap();
        assert_eq!(built.pairs + built.duplicates, pairs.len() as u64, "{name}");
        let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        assert_eq!((built.input_bytes, built.carved_bytes), (bytes as u64, store.carved_bytes()), "{name}");
    }
}

#[test]
fn what_is_taken_for_a_small_table_is_never_larger_than_what_could_have_been_named() {
    let zones = [
        "Europe/Andorra",
        "Asia/Dubai",
        "America/Argentina/Ushuaia",
        "Pacific/Pago_Pago",
        "Antarctica/Vostok",
    ];
    let zone = |i: usize| -> Pair {
        let place = format!("{:+05}{:+06}\t{}/{i}", i * 13 % 9000, i * 29 % 17_000, zones[i % zones.len()]);
        (format!("{}{}", char::from(b'A' + (i % 26) as u8), i).into_bytes(), place.into_bytes())
    };
    let number = |i: usize| -> Pair { (i.to_string().into_bytes(), (i * i % 977).to_string().into_bytes()) };
    let bytes = |i: usize| -> Pair {
        (vec![i as u8, (i >> 8) as u8, 0], (0..20).map(|at| (i * 31 + at * 77) as u8).collect())
    };
    let kinds: [(&str, &dyn Fn(usize) -> Pair); 4] =
        [("zones", &zone), ("lines", &line), ("numbers", &number), ("bytes", &bytes)];
    for (name, pair) in kinds {
        for count in [0, 1, 2, 5, 20, 50, 312, 1000, 4000] {
            let pairs: Vec<Pair> = (0..count).map(pair).collect();
            for purpose in [Purpose::Ram, Purpose::Disk] {
                let dir = folder_in_memory();
                let sized = |codec| {
                    carved(&pairs, Options { codec, purpose, ..options(Duplicates::Error, &dir) }).len()
                };
                let smallest = Codec::ALL.map(|codec| sized(CodecChoice::Fixed(codec))).into_iter().min();
                assert!(Some(sized(CodecChoice::Auto)) <= smallest, "{count} {name}, {purpose:?}");
            }
        }
    }
}
