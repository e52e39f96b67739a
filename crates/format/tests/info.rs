//! What a table says of itself, and that options do what they say.

use graven_format::{Batch, Builder, Codec, CodecChoice, Error, KeyKind, Options, Stage, Storage, Store};

fn table(options: Options, pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Store {
    let mut builder = Builder::new(options);
    pairs.into_iter().for_each(|(key, value)| builder.add(&key, &value).unwrap());
    builder.finish().unwrap().0
}

fn numbered(prefix: &str, count: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..count)
        .map(|i| (format!("{prefix}{i:x}/"), format!("value {i}")))
        .map(|(k, v)| (k.into(), v.into()))
        .collect()
}

#[test]
fn keys_may_begin_alike_for_longer_than_a_header_can_say() {
    for len in [0, 1, 75, 76, 254, 255, 256, 300, 400, 5000] {
        let prefix = "p".repeat(len);
        let pairs = numbered(&prefix, 100);
        let store = table(Options::default(), pairs.clone());
        assert_eq!(store.info().key_prefix, &prefix.as_bytes()[..len.min(255)]);
        for (key, value) in pairs {
            let mut found = Vec::new();
            assert!(store.get(&key, &mut found).unwrap(), "a prefix of {len} bytes");
            assert_eq!(found, value);
        }
    }
}

#[test]
fn a_table_says_how_large_it_is_and_what_its_values_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    for are_json in [false, true] {
        let mut builder = Builder::new(Options::default());
        assert_eq!(builder.pairs(), 0);
        builder.values_are_json(are_json);
        for i in 0..300 {
            builder.add(format!("{}", i % 200).as_bytes(), b"1").unwrap();
        }
        assert_eq!(builder.pairs(), 300);
        builder.write(&path).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!((store.len(), store.values_are_json()), (200, are_json));
        assert_eq!(store.carved_bytes(), std::fs::metadata(&path).unwrap().len());
        assert_eq!(store.info().key_gain(), None, "keys are numbers");
    }
}

#[test]
fn a_table_says_where_it_is_and_when_its_file_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let mut builder = Builder::new(Options::default());
    numbered("", 1000).iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    builder.write(&path).unwrap();
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    for storage in [Storage::Memory, Storage::Mapped, Storage::Disk] {
        let store = Store::open_as(&path, storage).unwrap();
        assert_eq!(store.is_mapped(), storage == Storage::Mapped);
        assert_eq!((store.disk().is_some(), store.is_loaded()), (storage == Storage::Disk, false));
        assert_eq!(store.written(), Some(modified));
        let index = store.info().sections.into_iter().find(|section| section.name == "index").unwrap();
        assert_eq!(store.index_bytes(), index.bytes);
        assert_eq!(store.memory(), b"");
    }
    let bytes = std::fs::read(&path).unwrap();
    let store = Store::from_bytes(&bytes).unwrap();
    assert_eq!((store.written(), store.memory()), (None, &bytes[..]));
    let again = Store::from_bytes(&bytes).unwrap();
    assert_eq!(store.identity(), again.identity());
    assert_ne!(store.serial(), again.serial());
    assert_eq!((store.is_empty(), table(Options::default(), []).is_empty()), (false, true));
}

#[test]
fn what_a_prefix_of_keys_saves_is_told() {
    let store = table(Options::default(), numbered(&"p".repeat(90), 1000));
    let gain = store.info().key_gain().unwrap();
    assert!((0.9..1.0).contains(&gain), "{gain}");
}

#[test]
fn a_bucket_holds_as_many_records_as_it_is_told_within_the_square_root_of_two() {
    for records in [1, 2, 5, 33, 100, 1024] {
        let pairs = numbered("", 4000);
        let store = table(Options { bucket_records: Some(records), ..Options::default() }, pairs.clone());
        let mean = store.info().records_per_bucket() / f64::from(records);
        assert!((0.5_f64.sqrt() * 0.95..2.0_f64.sqrt() * 1.05).contains(&mean), "{records}: {mean}");
        store.verify().unwrap();
        assert_eq!(store.iter().count(), pairs.len());
    }
}

#[test]
fn what_a_codec_saves_is_told() {
    let text = |codec| {
        let pairs = numbered("k", 5000);
        let options = Options { codec: CodecChoice::Fixed(codec), ..Options::default() };
        (table(options, pairs.clone()).info(), pairs.iter().map(|(_, value)| value.len() as u64).sum::<u64>())
    };
    let (raw, bytes) = text(Codec::Raw);
    assert_eq!((raw.value_codec, raw.value_bytes, raw.stored_value_bytes), (Codec::Raw, bytes, bytes));
    assert_eq!(raw.value_gain(), 0.0);
    for codec in [Codec::Huffman, Codec::Symbols] {
        let (info, bytes) = text(codec);
        assert_eq!((info.value_codec, info.value_bytes), (codec, bytes));
        assert!((0.3..0.9).contains(&info.value_gain()), "{codec:?} saves {}", info.value_gain());
    }
}

#[test]
fn the_parts_of_a_table_lie_one_behind_the_other() {
    let info = table(Options::default(), numbered("", 1000)).info();
    assert_eq!((info.key_kind, info.key_gain().is_some()), (KeyKind::Bytes, true));
    let mut at = info.sections[0].offset;
    for section in &info.sections {
        assert_eq!(section.offset, at, "{}", section.name);
        at = (section.offset + section.bytes).next_multiple_of(64);
    }
    let index = info.sections.iter().find(|section| section.name == "index").unwrap();
    assert_eq!(info.index_bits_per_pair(), Some(index.bytes as f64 * 8.0 / 1000.0));
    assert_eq!(table(Options::default(), []).info().bytes_per_pair(), None);
}

#[test]
fn values_that_many_keys_have_are_stored_once() {
    let category = |i: u32| format!("category number {} of fifty", i % 50).into_bytes();
    let pairs = (0..5000_u32).map(|i| (i.to_string().into_bytes(), category(i)));
    let store = table(Options::default(), pairs.clone());
    store.verify().unwrap();
    let info = store.info();
    assert!(info.stored_value_bytes < 100, "{}", info.stored_value_bytes);
    assert!(info.bytes_per_pair().unwrap() < 3.5, "{:?}", info.bytes_per_pair());
    let mut batch = Batch::default();
    for (key, value) in pairs {
        store.get_many(&[&key, b"none"], &mut batch).unwrap();
        assert_eq!((batch.value(0, &store), batch.value(1, &store)), (Some(&value[..]), None));
    }
}

#[test]
fn a_build_and_a_check_say_how_far_they_are() {
    let options = Options { threads: 1, ..Options::default() };
    let mut builder = Builder::new(options.clone());
    assert_eq!(options.progress.now(), (Stage::Read, 0, 0));
    numbered("key-", 60_000).iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    let store = std::thread::scope(|scope| {
        let progress = &options.progress;
        let watched = scope.spawn(move || {
            let mut seen = Vec::new();
            while progress.now().0 != Stage::Carve {
                seen.push(progress.now());
                std::thread::yield_now();
            }
            seen
        });
        let store = builder.finish().unwrap().0;
        for (stage, done, total) in watched.join().unwrap() {
            assert!(stage == Stage::Read || (done <= total && total > 0), "{stage:?}: {done} of {total}");
        }
        store
    });
    let (stage, done, total) = options.progress.now();
    assert!(stage == Stage::Carve && done == total && total > 0, "{stage:?}: {done} of {total}");

    let mut told = Vec::new();
    store.verify_with(|done, total| told.push((done, total))).unwrap();
    let info = store.info();
    let section = |name| info.sections.iter().find(|section| section.name == name).unwrap().bytes;
    let total = section("index") + 2 * section("records");
    assert!(told.iter().all(|&(_, of)| of == total) && told.is_sorted(), "{told:?}");
    assert!(told[0].0 > 0 && told.last() == Some(&(total, total)), "{told:?}");
}

#[test]
fn of_several_bad_lines_the_first_is_named_however_many_threads_read() {
    let mut text = String::new();
    for i in 0..400_000 {
        text += &if i % 50_000 == 40_000 { format!(" {i}\n") } else { format!("key-{i} value\n") };
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, &text).unwrap();
    for threads in [1, 2, 4] {
        let mut builder = Builder::new(Options { threads, ..Options::default() });
        let file = std::fs::File::open(&path).unwrap();
        let error = builder.add_text(graven_format::Source::File(file)).unwrap_err();
        assert!(error.to_string().contains("line 40001"), "{threads} threads: {error}");
    }
}

#[test]
fn errors_say_what_is_behind_them() {
    use std::error::Error as _;
    let missing = Store::open(std::path::Path::new("/nowhere/table")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }));
    assert!(missing.source().is_some_and(|source| source.is::<std::io::Error>()));
    let mut builder = Builder::new(Options::default());
    let text = graven_format::Source::Stream(Box::new(&b" no-key\n"[..]));
    let bad = builder.add_text(text).and_then(|_| builder.finish().map(drop)).unwrap_err();
    assert!(bad.source().is_some_and(|source| source.to_string() == bad.to_string()), "{bad}");
    assert!(Error::Stopped.source().is_none());
}

#[test]
fn a_build_that_is_told_to_stop_stops() {
    let options = Options::default();
    let mut builder = Builder::new(options.clone());
    builder.add(b"a", b"1").unwrap();
    options.progress.stop();
    assert!(matches!(builder.finish(), Err(Error::Stopped)));
}
