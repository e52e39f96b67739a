//! Carved tables held against a `BTreeMap`: every way to ask, every kind of key and value, every
//! option.

use std::collections::BTreeMap;
use std::path::Path;

use crate::samples::{Keys, Random, Values, carve, folder_in_memory, pairs};
use graven_format::{
    Batch, Builder, Codec, CodecChoice, Duplicates, Encoding, Error, Found, KEY_BYTES_MAX, KeyKind, Located,
    Looked, Options, Purpose, Source, Storage, Store, VALUE_BYTES_MAX,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const CODECS: [CodecChoice; 8] = [
    CodecChoice::Smallest,
    CodecChoice::Fastest,
    CodecChoice::Fixed(Codec::Zstd),
    CodecChoice::Fixed(Codec::Packed),
    CodecChoice::Auto,
    CodecChoice::Fixed(Codec::Raw),
    CodecChoice::Fixed(Codec::Huffman),
    CodecChoice::Fixed(Codec::Symbols),
];

fn options(dir: &Path) -> Options {
    Options { temporary_dir: dir.into(), threads: 1, ..Options::default() }
}

/// Keys that are not in the table, or are by chance, but look like one that is.
fn near(key: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = vec![Vec::new(), [key, b"0"].concat(), [b"0", key].concat(), key.to_ascii_uppercase()];
    for at in [0, key.len() / 2, key.len().wrapping_sub(1)].into_iter().filter(|&at| at < key.len()) {
        for flipped in [1, 0x20, 0x80] {
            let mut other = key.to_vec();
            other[at] ^= flipped;
            keys.push(other);
        }
        keys.push(key[..at].to_vec());
        keys.push(key[at + 1..].to_vec());
    }
    keys
}

/// Whether the table answers as the model does, by every way to ask it.
fn agrees(store: &Store, model: &Model) {
    assert_eq!(store.len(), model.len() as u64);
    assert_eq!(store.is_empty(), model.is_empty());
    let mut asked: Vec<Vec<u8>> = model.keys().cloned().collect();
    let step = (model.len() / 64).max(1);
    asked.extend(model.keys().step_by(step).flat_map(|key| near(key)));
    asked.extend(near(b"7"));

    let (mut value, mut room) = (b"before".to_vec(), b"before".to_vec());
    for key in &asked {
        value.truncate(6);
        let found = store.get(key, &mut value).unwrap();
        assert_eq!(found.then_some(&value[6..]), model.get(key).map(Vec::as_slice), "{}", key.escape_ascii());
        assert!(value.starts_with(b"before") && (found || value.len() == 6));
        assert_eq!(store.contains(key).unwrap(), found);
        let found = store.find(key, &mut room).unwrap();
        assert_eq!(found.value(&room, store), model.get(key).map(Vec::as_slice));
    }

    for key in &asked {
        agrees_in_parts(store, key, model.get(key).map(Vec::as_slice));
    }

    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let mut batch = Batch::default();
    for keys in [&asked[..], &[], &asked[..asked.len().min(1)], &asked[asked.len() / 3..]] {
        store.get_many(keys, &mut batch).unwrap();
        for (i, &key) in keys.iter().enumerate() {
            assert_eq!(batch.value(i, store), model.get(key).map(Vec::as_slice), "{}", key.escape_ascii());
        }
    }

    let listed: Vec<(Vec<u8>, Vec<u8>)> = store.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(listed.len(), model.len());
    assert_eq!(listed.iter().cloned().collect::<Model>(), *model);
    let mut scanned = Vec::new();
    for bucket in 0..=store.buckets() {
        store.scan(bucket, |entry| scanned.push((entry.key.to_vec(), entry.value.to_vec()))).unwrap();
    }
    assert_eq!(scanned, listed);
    let mut keys = Vec::new();
    for bucket in 0..=store.buckets() {
        store.keys_in(bucket, |key| keys.push(key.to_vec())).unwrap();
    }
    assert!(keys.iter().eq(listed.iter().map(|(key, _)| key)));
    store.verify().unwrap();
}

/// Whether a key's value is as long as it is said to be, and the same in parts and as frames.
fn agrees_in_parts(store: &Store, key: &[u8], expected: Option<&[u8]>) {
    let mut room = b"before".to_vec();
    let value = match store.locate(key).unwrap() {
        Located::Missing => return assert_eq!(expected, None),
        Located::Short(len) => return assert_eq!(Some(len), expected.map(<[u8]>::len)),
        Located::Large(value) => value,
    };
    let expected = expected.unwrap();
    assert_eq!((value.len(), value.is_empty()), (expected.len(), false));
    let part = 128 << 10;
    for range in [
        0..expected.len(),
        0..1,
        expected.len() / 2..expected.len() / 2 + 10,
        part - 3..part + 3,
        part..2 * part,
        expected.len() - 1..expected.len() + 7,
        expected.len()..usize::MAX,
        7..7,
    ] {
        room.truncate(6);
        store.read_part(&value, range.clone(), &mut room).unwrap();
        let there = range.start.min(expected.len())..range.end.min(expected.len());
        assert!(room[6..] == expected[there], "{range:?} of {}", expected.len());
    }
    let is_frames = value.encoding() == Encoding::Zstd;
    assert_eq!(store.frames(&value).is_some(), is_frames && store.is_loaded());
    let decodes = |frames: &[u8]| {
        let mut decoded = vec![0; expected.len() + 1];
        let len = zstd_safe::decompress(&mut decoded[..], frames).unwrap();
        assert!(decoded[..len] == *expected);
    };
    if let Some(frames) = store.frames(&value) {
        decodes(&store.memory()[frames]);
    }
    room.truncate(6);
    match store.read_frames(&value, &mut room).unwrap() {
        Some(frames) => decodes(&room[frames]),
        None => assert_eq!(room, b"before"),
    }
    assert_eq!(room.len() > 6, is_frames);

    let mut room = Vec::new();
    let (mut leaving, mut bringing) = (Batch::default().leaving(expected.len() - 1), Batch::default());
    store.get_many(&[key, b"absent"], &mut leaving).unwrap();
    store.get_many(&[key, b"absent"], &mut bringing).unwrap();
    assert_eq!((leaving.len(), leaving.found(1)), (2, &Found::Missing));
    assert_eq!(bringing.value(0, store), Some(expected));
    assert_eq!(store.seek(key, &mut room, expected.len() - 1).unwrap(), *leaving.found(0));
    match leaving.found(0) {
        Found::Large(left) => assert_eq!((left, leaving.value(0, store)), (&value, None)),
        found => {
            assert!(store.is_loaded() && value.encoding() == Encoding::Identity);
            assert_eq!(found.value(&room, store), Some(expected));
        }
    }
    let found = store.seek(key, &mut room, expected.len()).unwrap();
    assert_eq!(found.value(&room, store), Some(expected));
}

/// Whether blocks that are read from a table on disk say the same.
fn agrees_on_disk(path: &Path, model: &Model) {
    let store = Store::open_as(path, Storage::Disk).unwrap();
    let file = std::fs::read(path).unwrap();
    let mut pieces = Vec::new();
    for bucket in 0..store.buckets() {
        let piece = store.piece_of_bucket(bucket).unwrap().unwrap();
        let span = store.span(&piece);
        let begin = span.offset as usize + span.skip;
        assert!((begin as u64, span.skip < span.alignment) == (piece.start(), true));
        assert!(
            (span.offset as usize).is_multiple_of(span.alignment) && span.len.is_multiple_of(span.alignment)
        );
        assert!(span.skip + piece.len() <= span.len && span.len < span.skip + piece.len() + span.alignment);
        let bytes = &file[begin..begin + piece.len()];
        assert!(store.block(&piece, bytes).is_ok() && !piece.is_value());
        if let Some((last, before)) = bytes.split_last() {
            let damaged = [before, &[last ^ 1]].concat();
            assert!(store.block(&piece, before).is_err() && store.block(&piece, &damaged).is_err());
        }
        assert_eq!(piece.is_empty(), bytes.is_empty());
        pieces.push(piece);
    }
    assert_eq!(store.piece_of_bucket(store.buckets()).unwrap(), None);
    for (key, expected) in model {
        let (mut value, mut part) = (Vec::new(), Vec::new());
        let piece = store.piece(key).unwrap().unwrap();
        assert!(pieces.contains(&piece));
        let block = store.read_piece(&piece).unwrap();
        let looked = store.look(key, &piece, &block, &mut value).unwrap();
        match store.locate_in(key, &piece, &block).unwrap() {
            Located::Short(len) => {
                assert_eq!((looked, len), (Looked::Found, expected.len()));
            }
            Located::Large(large) => {
                let elsewhere = store.piece_of_value(&large);
                assert_eq!(looked, Looked::Elsewhere(elsewhere));
                assert!(elsewhere.is_value() && !elsewhere.is_empty());
                let block = store.read_piece(&elsewhere).unwrap();
                store.look(key, &elsewhere, &block, &mut value).unwrap();
                store.part_of(&elsewhere, &block, 3..9, &mut part).unwrap();
                assert_eq!(part, expected[3..9]);
                let frames = store.frames_in(&elsewhere, &block).map(|frames| {
                    let mut decoded = vec![0; expected.len()];
                    zstd_safe::decompress(&mut decoded[..], frames).unwrap();
                    decoded
                });
                assert_eq!(frames.is_some(), large.encoding() == Encoding::Zstd);
                assert!(frames.is_none_or(|frames| frames == *expected));
            }
            Located::Missing => panic!("{} is not there", key.escape_ascii()),
        }
        assert_eq!(value, *expected);
    }
}

/// Whether the file answers as the model does wherever it lies.
pub(crate) fn agrees_everywhere(path: &Path, model: &Model) {
    agrees(&Store::from_bytes(&std::fs::read(path).unwrap()).unwrap(), model);
    let store = Store::open(path).unwrap();
    assert!(!store.is_loaded());
    agrees(&store, model);
    store.load().unwrap();
    assert!(store.is_loaded());
    agrees(&store, model);
    agrees(&Store::open_as(path, Storage::Mapped).unwrap(), model);
    agrees_on_disk(path, model);
}

#[test]
fn a_bounded_batch_of_values_in_their_buckets_is_not_much_longer_than_its_bound() {
    let value = b"etaoin shrdlu ".repeat(1_000);
    let options = Options { codec: CodecChoice::Fixed(Codec::Huffman), ..Options::default() };
    let mut builder = Builder::new(options);
    let keys: Vec<String> = (0..100).map(|i| format!("k{i}")).collect();
    keys.iter().for_each(|key| builder.add(key.as_bytes(), &value).unwrap());
    let (store, _) = builder.finish().unwrap();
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    let (mut batch, mut answered) = (Batch::bounded(30_000), 0);
    while answered < keys.len() {
        store.get_many(&keys[answered..], &mut batch).unwrap();
        assert!((1..=7).contains(&batch.len()), "{} values of 14,000 bytes", batch.len());
        assert!((0..batch.len()).all(|i| batch.value(i, &store) == Some(&value)));
        answered += batch.len();
    }
}

#[test]
fn a_bounded_batch_ends_behind_the_value_that_passes_its_bound() {
    let value: Vec<u8> = (0..400_000_u32).map(|i| b"etaoin"[(i % 7 % 6) as usize]).collect();
    let options = Options { codec: CodecChoice::Fixed(Codec::Huffman), ..Options::default() };
    let mut builder = Builder::new(options);
    for key in ["a", "b", "c", "d"] {
        builder.add(key.as_bytes(), &value).unwrap();
    }
    builder.add(b"small", b"note").unwrap();
    let (store, _) = builder.finish().unwrap();
    let keys: [&[u8]; 7] = [b"small", b"a", b"none", b"b", b"small", b"c", b"d"];
    for (bound, answered) in [(0, 2), (399_999, 2), (500_000, 4), (usize::MAX, 7)] {
        let mut batch = Batch::bounded(bound);
        store.get_many(&keys, &mut batch).unwrap();
        assert_eq!(batch.len(), answered, "at most {bound} bytes");
        for (i, key) in keys[..answered].iter().enumerate() {
            let expected: Option<&[u8]> = match *key {
                b"none" => None,
                b"small" => Some(b"note"),
                _ => Some(&value),
            };
            assert!(batch.value(i, &store) == expected);
        }
    }
}

#[test]
fn every_kind_of_key_with_every_sort_of_value_answers_as_the_model() {
    let dir = folder_in_memory();
    let path = dir.path().join("table");
    for (k, keys) in Keys::ALL.into_iter().enumerate() {
        for (v, values) in Values::ALL.into_iter().enumerate() {
            let pairs = pairs(keys, values, 300, (k * 8 + v) as u64);
            let model: Model = pairs.iter().cloned().collect();
            for (c, codec) in CODECS.into_iter().enumerate() {
                let purpose = if (k + v + c) % 2 == 0 { Purpose::Ram } else { Purpose::Disk };
                carve(&pairs, Options { codec, purpose, ..options(dir.path()) }, &path).unwrap();
                agrees_everywhere(&path, &model);
            }
        }
    }
}

#[test]
fn few_pairs_of_every_kind_answer_as_the_model() {
    let dir = folder_in_memory();
    let path = dir.path().join("table");
    for keys in Keys::ALL {
        for count in [0, 1, 2, 3, 5, 16, 17, 33] {
            for purpose in [Purpose::Ram, Purpose::Disk] {
                let pairs = pairs(keys, Values::Letters, count, count);
                carve(&pairs, Options { purpose, ..options(dir.path()) }, &path).unwrap();
                agrees_everywhere(&path, &pairs.iter().cloned().collect());
            }
        }
    }
}

#[test]
fn buckets_of_a_disk_table_hold_more_records_than_one_vector() {
    let dir = folder_in_memory();
    let path = dir.path().join("table");
    for keys in [Keys::Uuid4, Keys::Sparse, Keys::Binary] {
        for values in [Values::Empty, Values::Fixed, Values::Words, Values::Long] {
            let pairs = pairs(keys, values, 2500, 5);
            carve(&pairs, Options { purpose: Purpose::Disk, ..options(dir.path()) }, &path).unwrap();
            let store = Store::open(&path).unwrap();
            assert!(store.buckets() * 4 < store.len());
            agrees_everywhere(&path, &pairs.iter().cloned().collect());
        }
    }
}

#[test]
fn threads_and_memory_change_no_byte() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    for (keys, values) in
        [(Keys::Uuid4, Values::Letters), (Keys::Urls, Values::Long), (Keys::Dense, Values::Json)]
    {
        let mut pairs = pairs(keys, values, 12_000, 3);
        let again: Vec<_> =
            pairs.iter().step_by(9).map(|(key, _)| (key.clone(), b"again".to_vec())).collect();
        pairs.extend(again);
        let of = |threads, memory_bytes| {
            carve(&pairs, Options { threads, memory_bytes, ..options(dir.path()) }, &path).unwrap()
        };
        let whole = of(1, 1 << 30);
        for (threads, memory_bytes) in [(2, 1 << 30), (1, 1), (3, 600_000), (4, 200_000)] {
            assert!(of(threads, memory_bytes) == whole, "{keys:?}: {threads} threads, {memory_bytes} bytes");
        }
        agrees(&Store::from_bytes(&whole).unwrap(), &pairs.into_iter().collect());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the table is left");
    }
}

/// The pairs as text, the first of them added one by one, the others from streams and files.
#[test]
fn text_from_files_and_streams_and_pairs_go_together_in_any_order_and_memory() {
    let dir = TempDir::new().unwrap();
    let text = |seed, count| {
        let mut random = Random(seed);
        let mut text = Vec::new();
        for i in 0..count {
            let key = Keys::Sparse.key(i, &mut random);
            let value = Values::Letters.value(i, &mut random);
            text.extend_from_slice(&[key, value].join(&b' '));
            text.push(b'\n');
        }
        text
    };
    let texts = [text(1, 25_000), text(2, 25_000), text(1, 500), text(3, 25_000)];
    let mut model = Model::new();
    for (i, text) in texts.iter().enumerate() {
        if i == 2 {
            model.insert(b"77".to_vec(), b"between".to_vec());
        }
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let at = line.iter().position(|&byte| byte == b' ').unwrap();
            model.insert(line[..at].to_vec(), line[at + 1..].to_vec());
        }
    }
    let mut built = Vec::new();
    for memory_bytes in [1 << 30, 6 << 20, 1] {
        // Which of the texts are files rather than streams.
        for files in [0b0000, 0b1111, 0b0101, 0b1010, 0b0011] {
            let options = Options { memory_bytes, threads: 1 + files % 3, ..options(dir.path()) };
            let mut builder = Builder::new(options);
            for (i, text) in texts.iter().enumerate() {
                if i == 2 {
                    builder.add(b"77", b"between").unwrap();
                }
                let path = dir.path().join("text");
                if files >> i & 1 == 1 {
                    std::fs::write(&path, text).unwrap();
                    let file = std::fs::File::open(&path).unwrap();
                    std::fs::remove_file(&path).unwrap();
                    builder.add_text(Source::File(file)).unwrap();
                } else {
                    builder.add_text(Source::Stream(Box::new(text.as_slice()))).unwrap();
                }
            }
            let path = dir.path().join("table");
            builder.write(&path).unwrap();
            built.push(std::fs::read(path).unwrap());
        }
    }
    assert!(built.iter().all(|bytes| *bytes == built[0]), "the same pairs make the same bytes");
    agrees(&Store::from_bytes(&built[0]).unwrap(), &model);
}

#[test]
fn a_key_that_comes_again_counts_as_the_option_says() {
    let dir = TempDir::new().unwrap();
    for keys in [Keys::Uuid4, Keys::Dense, Keys::Binary] {
        for memory_bytes in [1 << 30, 1] {
            let distinct = pairs(keys, Values::Letters, 3000, 8);
            let (mut first, mut last) = (Model::new(), Model::new());
            let of = |duplicates| {
                Builder::new(Options { duplicates, memory_bytes, threads: 2, ..options(dir.path()) })
            };
            let mut builders = [of(Duplicates::First), of(Duplicates::Last), of(Duplicates::Error)];
            for round in 0..3 {
                for (key, value) in distinct.iter().step_by(round + 1) {
                    let value = [value.as_slice(), &[round as u8]].concat();
                    builders.iter_mut().for_each(|builder| builder.add(key, &value).unwrap());
                    first.entry(key.clone()).or_insert(value.clone());
                    last.insert(key.clone(), value);
                }
            }
            let [builder_first, builder_last, builder_error] = builders;
            let (store, built) = builder_first.finish().unwrap();
            agrees(&store, &first);
            assert_eq!(built.duplicates, (distinct.len().div_ceil(2) + distinct.len().div_ceil(3)) as u64);
            agrees(&builder_last.finish().unwrap().0, &last);
            match builder_error.finish() {
                Err(Error::DuplicateKey { key }) => assert!(first.contains_key(&key)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn keys_and_values_up_to_their_limits_are_held_and_no_longer_ones() {
    let dir = TempDir::new().unwrap();
    for codec in CODECS {
        for key_byte in [b'k', 0xFE] {
            let mut model = Model::new();
            model.insert(vec![key_byte; KEY_BYTES_MAX], b"longest key".to_vec());
            model.insert(vec![key_byte; KEY_BYTES_MAX - 1], b"nearly".to_vec());
            for len in [254_u64, 255, 256, 511, 512, 513, 4095, 4096, 4097, 65_534, 65_535, 65_536, 3_000_000]
            {
                let letters = Random(len).number().to_le_bytes();
                let value = letters.iter().copied().cycle().take(len as usize).collect();
                model.insert(len.to_string().into_bytes(), value);
            }
            // What the codecs learn is nothing like the long ones.
            model.extend(pairs(Keys::Urls, Values::Letters, 1000, 1));
            for purpose in [Purpose::Ram, Purpose::Disk] {
                let mut builder = Builder::new(Options { codec, purpose, ..options(dir.path()) });
                model.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
                let too_long = builder.add(&[b'k'; KEY_BYTES_MAX + 1], b"");
                assert!(matches!(too_long, Err(Error::TooLarge { .. })));
                let too_long = builder.add(b"k", &vec![0; VALUE_BYTES_MAX + 1]);
                assert!(matches!(too_long, Err(Error::TooLarge { .. })));
                agrees(&builder.finish().unwrap().0, &model);
            }
        }
    }
}

/// Keys of bytes that the codec has never seen are stored in nearly three times their length.
#[test]
fn keys_that_grow_have_room_for_their_length() {
    for longest in [85_u32, 92, 93, 100, 101, 102, 103, 127, 128, 254, 255, 256, 23_800, 23_900, 26_300] {
        let mut builder = Builder::new(Options::default());
        let mut model: Model = (0..500_u64)
            .map(|i| {
                ([[b'a'; 40].as_slice(), &[b'a' + (i % 7) as u8, b'-'], i.to_string().as_bytes()].concat(), i)
            })
            .map(|(key, i)| (key, i.to_string().into_bytes()))
            .collect();
        for first in [b'B', 0xF0] {
            model.insert((0..longest).map(|i| first + (i % 14) as u8).collect(), b"unlike".to_vec());
        }
        model.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
        let (store, _) = builder.finish().unwrap();
        assert_ne!(store.info().key_codec, Codec::Raw);
        agrees(&store, &model);
    }
}

/// A key, of one of the kinds that the file tells apart or of a mix of them.
fn key(kind: usize) -> BoxedStrategy<Vec<u8>> {
    match kind {
        0 => "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}".boxed(),
        1 => "0000000[0-3]-0000-0000-0000-00000000000[0-9a-f]".boxed(),
        2 => "0|[1-9][0-9]{0,18}".boxed(),
        3 => "item-[x:](0|[1-9][0-9]{0,2})".boxed(),
        4 => "[0-9a-f]{6}".boxed(),
        5 => "k:[0-9a-f]{31}".boxed(),
        6 => return vec(any::<u8>(), 0..40).boxed(),
        7 => return vec(0_u8..2, 0..10).boxed(),
        _ => "[0-9a-fA-F-]{0,3}".boxed(),
    }
    .prop_map(String::into_bytes)
    .boxed()
}

fn value(kind: usize) -> BoxedStrategy<Vec<u8>> {
    match kind {
        0 => Just(Vec::new()).boxed(),
        1 => vec(any::<u8>(), 7).boxed(),
        2 => vec(b'a'..b'e', 0..60).boxed(),
        3 => vec(any::<u8>(), 0..600).boxed(),
        _ => prop_oneof![vec(any::<u8>(), 0..4), vec(Just(b'z'), 0..9000)].boxed(),
    }
}

fn any_pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    (0..9_usize, 0..5_usize).prop_flat_map(|(k, v)| vec((key(k), value(v)), 0..120))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_pairs_answer_as_the_model(
        pairs in any_pairs(),
        codec in proptest::sample::select(&CODECS[..]),
        disk in any::<bool>(),
        memory_bytes in prop_oneof![Just(1_u64), Just(1 << 30)],
        threads in 1..5_usize,
    ) {
        let dir = folder_in_memory();
        let path = dir.path().join("table");
        let purpose = if disk { Purpose::Disk } else { Purpose::Ram };
        let options = Options { codec, purpose, memory_bytes, threads, ..options(dir.path()) };
        let bytes = carve(&pairs, options.clone(), &path).unwrap();
        let model = pairs.iter().cloned().collect();
        agrees_everywhere(&path, &model);

        let sorted: Vec<_> = model.clone().into_iter().collect();
        let path = dir.path().join("sorted");
        if pairs.len() == sorted.len() {
            let sorted = carve(&sorted, Options { threads: 1, ..options }, &path).unwrap();
            prop_assert!(sorted == bytes, "the order of the pairs changes no byte");
        }
    }
}

#[test]
fn the_samples_are_of_the_kinds_that_they_are_meant_to_be() {
    let dir = TempDir::new().unwrap();
    let kinds = [
        KeyKind::Uuid,
        KeyKind::Uuid,
        KeyKind::Uuid,
        KeyKind::Bytes,
        KeyKind::Decimal,
        KeyKind::Decimal,
        KeyKind::Decimal,
        KeyKind::Hex,
        KeyKind::Hex,
        KeyKind::Bytes,
        KeyKind::Bytes,
        KeyKind::Bytes,
    ];
    for (keys, kind) in Keys::ALL.into_iter().zip(kinds) {
        let pairs = pairs(keys, Values::Fixed, 100, 1);
        let bytes = carve(&pairs, options(dir.path()), &dir.path().join("table")).unwrap();
        assert_eq!(bytes[graven_format::layout::KEY_KIND_OFFSET], kind as u8, "{keys:?}");
    }
}
