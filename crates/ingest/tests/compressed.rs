//! Compressed inputs: read as what was compressed, and refused where they are not whole.

use std::fs;
use std::io::Write;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use graven_ingest::{Cause, Compression, Content, Error, Format, Input, Pairs, ReadOptions};
use zstd_safe::{CCtx, CParameter};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(zstd_safe::compress_bound(text.len()));
    let mut context = CCtx::create();
    context.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
    context.compress2(&mut packed, text).unwrap();
    packed
}

/// A zstd frame that decoders pass over.
const SKIPPABLE: &[u8] = b"\x53\x2A\x4D\x18\x05\0\0\0hello";

type OwnedPairs = Vec<(Vec<u8>, Vec<u8>)>;

fn lines(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|i| format!("key{i} value {}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

fn read(name: &str, bytes: &[u8]) -> Result<OwnedPairs, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    let from_file = read_input(Input::open(&path)?)?;
    let from_stream = read_input(Input::from_reader(name, std::io::Cursor::new(bytes.to_vec()))?);
    assert_eq!(from_stream.unwrap(), from_file);
    Ok(from_file)
}

fn read_input(input: Input) -> Result<OwnedPairs, Error> {
    let mut pairs = Pairs::new(input, &ReadOptions::default())?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        read.push((pair.key.to_vec(), pair.value.to_vec()));
    }
    Ok(read)
}

#[test]
fn compressed_text_is_read_as_text_whatever_it_is_called() {
    let text = lines(0..50_000);
    let expected = read("t.data", &text).unwrap();
    assert_eq!(expected.len(), 50_000);
    for packed in [gzip(&text), zstd(&text)] {
        for name in ["t.data.gz", "t.data.zst", "t.data", "t"] {
            assert!(read(name, &packed).unwrap() == expected, "{name}");
        }
    }
}

#[test]
fn several_members_and_frames_are_one_text() {
    let (first, second) = (lines(0..3000), lines(3000..5000));
    let expected = read("t.data", &[first.clone(), second.clone()].concat()).unwrap();
    let members = [gzip(&first), gzip(b""), gzip(&second)].concat();
    let frames = [SKIPPABLE, &zstd(&first), &zstd(b""), SKIPPABLE, &zstd(&second), SKIPPABLE].concat();
    for packed in [members, frames] {
        assert!(read("t", &packed).unwrap() == expected);
    }
}

#[test]
fn the_name_behind_the_compression_says_the_form() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, format) in [
        ("t.csv.zst", &b"a b,1\n"[..], Format::Csv),
        ("t.tsv.gz", b"a b\t1\n", Format::Tsv),
        ("t.jsonl.gz", br#"{"key":"a b","value":1}"#, Format::Jsonl),
        ("t.data.gz", b"a b,1\n", Format::Data),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, if name.ends_with("zst") { zstd(text) } else { gzip(text) }).unwrap();
        let input = Input::open(&path).unwrap();
        assert!(input.compression().is_some());
        assert_eq!(Pairs::new(input, &ReadOptions::default()).unwrap().format(), format, "{name}");
    }
}

#[test]
fn what_is_cut_or_changed_is_an_error_and_never_fewer_pairs() {
    let text = lines(0..20_000);
    for (packed, compression) in [(gzip(&text), Compression::Gzip), (zstd(&text), Compression::Zstd)] {
        for cut in [packed.len() - 1, packed.len() - 4, packed.len() / 2, 12, 5] {
            assert_undecoded(&packed[..cut], compression, &format!("cut to {cut}"));
        }
        // The last bytes are a checksum of the content: of gzip those before the length, of zstd
        // all four.
        let checksum = packed.len() - if compression == Compression::Gzip { 8 } else { 4 };
        let mut damaged = packed.clone();
        damaged[checksum] ^= 1;
        assert_undecoded(&damaged, compression, "another checksum");
        assert_undecoded(&[&packed[..], b"trailing"].concat(), compression, "more behind it");
    }
}

#[track_caller]
fn assert_undecoded(bytes: &[u8], expected: Compression, what: &str) {
    let read = Input::from_reader("t", std::io::Cursor::new(bytes.to_vec())).and_then(read_input);
    match read.map(|pairs| pairs.len()).map_err(|error| error.cause) {
        Err(Cause::Compressed { compression, .. }) => assert_eq!(compression, expected, "{what}"),
        other => panic!("{expected}, {what}: {other:?}"),
    }
}

#[test]
fn what_is_inside_is_looked_at_too() {
    let mut tar = vec![0; 1024];
    tar[..6].copy_from_slice(b"a.data");
    tar[257..262].copy_from_slice(b"ustar");
    for (inside, content) in [
        (&tar[..], Content::Archive("tar")),
        (b"PAR1\x15\x04\x15\x0c", Content::Parquet),
        (&gzip(b"a 1\n"), Content::CompressedTwice),
        (&zstd(b"a 1\n"), Content::CompressedTwice),
        (b"{\"key\":1}", Content::JsonObject { member: None, field: None }),
    ] {
        for packed in [gzip(inside), zstd(inside)] {
            match read("t.gz", &packed).map_err(|error| error.cause) {
                Err(Cause::Content(found)) => assert_eq!(found, content),
                other => panic!("{content}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_frame_that_asks_for_more_memory_than_allowed_is_refused_before_it_gets_it() {
    // A window of 2^41 bytes.
    let frame = b"\x28\xB5\x2F\xFD\x00\xF8\x01\x00\x00";
    assert_undecoded(frame, Compression::Zstd, "a large window");
    // A single segment whose content is said to have 2^62 bytes.
    let frame = [b"\x28\xB5\x2F\xFD\xE0".as_slice(), &(1_u64 << 62).to_le_bytes(), b"\x01\0\0"].concat();
    assert_undecoded(&frame, Compression::Zstd, "a large segment");
}
