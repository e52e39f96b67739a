//! Files of version 2 that stay readable forever, each beside the text it was carved of, and
//! carved again of that text byte for byte.
//!
//! While no version is released, `GRAVEN_GOLDEN=write cargo test -p graven-format --test carved
//! golden` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use graven_format::layout::*;
use graven_format::{Builder, Codec, CodecChoice, KeyKind, Options, Purpose, Source, Store};

use crate::model::agrees_everywhere;
use crate::samples::{Keys, Values, pairs};

/// A golden file: its name, what its text was made of, how it is carved, and what it says of
/// itself.
struct Golden {
    name: &'static str,
    text: (Keys, Values, u64),
    codec: CodecChoice,
    purpose: Purpose,
    kind: KeyKind,
    value_codec: Codec,
    file_bytes: u64,
}

const fn golden(
    name: &'static str,
    text: (Keys, Values, u64),
    codec: Codec,
    kind: KeyKind,
    file_bytes: u64,
) -> Golden {
    let (choice, purpose) = (CodecChoice::Fixed(codec), Purpose::Ram);
    Golden { name, text, codec: choice, purpose, kind, value_codec: codec, file_bytes }
}

const GOLDENS: [Golden; 15] = [
    golden("uuids_shared", (Keys::Uuid4, Values::Few, 100), Codec::Huffman, KeyKind::Uuid, 4_032),
    golden("uuids_raw", (Keys::Uuid4, Values::Letters, 100), Codec::Raw, KeyKind::Uuid, 5_312),
    golden("uuids_packed", (Keys::Uuid4, Values::Letters, 100), Codec::Packed, KeyKind::Uuid, 4_608),
    golden("bytes_packed", (Keys::Urls, Values::Letters, 60), Codec::Packed, KeyKind::Bytes, 3_200),
    // An upgrade of zstd may make other bytes of the same values: then these are read, and not
    // carved again.
    Golden {
        value_codec: Codec::Raw,
        ..golden("json_zstd", (Keys::Urls, Values::Json, 150), Codec::Zstd, KeyKind::Bytes, 8_128)
    },
    Golden {
        value_codec: Codec::Raw,
        purpose: Purpose::Disk,
        ..golden("large_zstd", (Keys::Hex8, Values::LongText, 60), Codec::Zstd, KeyKind::Hex, 14_592)
    },
    golden("uuids_huffman", (Keys::Uuid4, Values::Letters, 300), Codec::Huffman, KeyKind::Uuid, 12_288),
    golden(
        "decimals_symbols",
        (Keys::PrefixedDecimal, Values::Words, 300),
        Codec::Symbols,
        KeyKind::Decimal,
        4_032,
    ),
    golden("decimals_fixed", (Keys::Dense, Values::Fixed, 100), Codec::Raw, KeyKind::Decimal, 1_920),
    golden("hexadecimals_empty", (Keys::Hex32, Values::Empty, 100), Codec::Raw, KeyKind::Hex, 2_176),
    golden("urls_symbols", (Keys::Urls, Values::Json, 150), Codec::Symbols, KeyKind::Bytes, 5_760),
    golden("bytes_huffman", (Keys::MixedUuid, Values::Words, 100), Codec::Huffman, KeyKind::Bytes, 5_568),
    Golden {
        purpose: Purpose::Disk,
        ..golden("large_disk", (Keys::Hex8, Values::LongText, 60), Codec::Symbols, KeyKind::Hex, 9_664)
    },
    Golden {
        codec: CodecChoice::Auto,
        ..golden("nothing_auto", (Keys::Uuid4, Values::Letters, 0), Codec::Raw, KeyKind::Bytes, 512)
    },
    Golden {
        codec: CodecChoice::Auto,
        ..golden("one_auto", (Keys::Urls, Values::Letters, 1), Codec::Raw, KeyKind::Decimal, 640)
    },
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/carved/golden")
}

fn carve(golden: &Golden, text: &[u8], threads: usize) -> Vec<u8> {
    let dir = tempfile::TempDir::new().unwrap();
    let mut builder = Builder::new(Options {
        codec: golden.codec,
        purpose: golden.purpose,
        threads,
        temporary_dir: dir.path().into(),
        ..Options::default()
    });
    builder.add_text(Source::Stream(Box::new(text))).unwrap();
    let path = dir.path().join("table");
    builder.write(&path).unwrap();
    fs::read(path).unwrap()
}

fn write_anew() {
    fs::create_dir_all(folder()).unwrap();
    for golden in &GOLDENS {
        let (keys, values, count) = golden.text;
        let mut text = Vec::new();
        for (key, value) in pairs(keys, values, count, 1) {
            text.extend_from_slice(&[key.as_slice(), &value].join(&b' '));
            text.push(b'\n');
        }
        fs::write(folder().join(golden.name).with_extension("data"), &text).unwrap();
        fs::write(folder().join(golden.name).with_extension("graven"), carve(golden, &text, 1)).unwrap();
    }
}

#[test]
fn golden_files_are_read_and_carved_again_byte_for_byte() {
    if std::env::var("GRAVEN_GOLDEN").is_ok_and(|how| how == "write") {
        write_anew();
    }
    for golden in &GOLDENS {
        let name = golden.name;
        let path = folder().join(name).with_extension("graven");
        let bytes = fs::read(&path).unwrap();
        let text = fs::read(path.with_extension("data")).unwrap();
        let mut model = BTreeMap::new();
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let at = line.iter().position(|&byte| byte == b' ').unwrap();
            model.insert(line[..at].to_vec(), line[at + 1..].to_vec());
        }
        assert_eq!(model.len() as u64, golden.text.2, "{name}");
        agrees_everywhere(&path, &model);

        let info = Store::open(&path).unwrap().info();
        assert_eq!(bytes[VERSION_OFFSET..][..4], [2, 0, 0, 0], "{name}");
        assert_eq!((info.key_kind, info.value_codec), (golden.kind, golden.value_codec), "{name}");
        assert_eq!((info.file_bytes, bytes.len() as u64), (golden.file_bytes, golden.file_bytes), "{name}");
        for threads in [1, 3] {
            assert!(carve(golden, &text, threads) == bytes, "{name} is carved otherwise now");
        }
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, 2 * GOLDENS.len(), "every golden file is read");
}
