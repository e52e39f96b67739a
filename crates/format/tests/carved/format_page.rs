//! `docs/FORMAT.md` held against the code: its table of fields, its numbers, and its worked
//! example.

use std::collections::BTreeMap;

use graven_format::layout::*;
use graven_format::{Builder, Codec, CodecChoice, KEY_BYTES_MAX, Options, Store, VALUE_BYTES_MAX};

const PAGE: &str = include_str!("../../../../docs/FORMAT.md");

/// The rows of the page's tables, cell by cell.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_header_table_names_every_field_where_the_code_has_it() {
    let fields: &[(&str, usize, &str)] = &[
        ("`MAGIC`", MAGIC_OFFSET, "8 bytes"),
        ("`VERSION`", VERSION_OFFSET, "u32"),
        ("`FLAGS`", FLAGS_OFFSET, "u32"),
        ("`IDENTITY`", IDENTITY_OFFSET, "u64"),
        ("`FILE_BYTES`", FILE_BYTES_OFFSET, "u64"),
        ("`PAIRS`", PAIRS_OFFSET, "u64"),
        ("`KEY_BYTES`", KEY_BYTES_OFFSET, "u64"),
        ("`VALUE_BYTES`", VALUE_BYTES_OFFSET, "u64"),
        ("`STORED_KEY_BYTES`", STORED_KEY_BYTES_OFFSET, "u64"),
        ("`STORED_VALUE_BYTES`", STORED_VALUE_BYTES_OFFSET, "u64"),
        ("`SEED`", SEED_OFFSET, "u64"),
        ("`KEY_MASK`", KEY_MASK_OFFSET, "u128"),
        ("`KEY_FIXED`", KEY_FIXED_OFFSET, "u128"),
        ("`KEY_KIND`", KEY_KIND_OFFSET, "u8"),
        ("`KEY_DIGITS`", KEY_DIGITS_OFFSET, "u8"),
        ("`KEY_CASE`", KEY_CASE_OFFSET, "u8"),
        ("`KEY_CODEC`", KEY_CODEC_OFFSET, "u8"),
        ("`VALUE_CODEC`", VALUE_CODEC_OFFSET, "u8"),
        ("`LONG_CODEC`", LONG_CODEC_OFFSET, "u8"),
        ("`KEY_LENGTH_BITS`", KEY_LENGTH_BITS_OFFSET, "u8"),
        ("`VALUE_WORD_BITS`", VALUE_WORD_BITS_OFFSET, "u8"),
        ("`COUNT_WIDTH`", COUNT_WIDTH_OFFSET, "u8"),
        ("`BUCKET_BITS`", BUCKET_BITS_OFFSET, "u8"),
        ("`GROUP_BUCKETS`", GROUP_BUCKETS_OFFSET, "u8"),
        ("`SECTION_COUNT`", SECTION_COUNT_OFFSET, "u8"),
        ("`KEY_LENGTH_BASE`", KEY_LENGTH_BASE_OFFSET, "u32"),
        ("`VALUE_WORD_BASE`", VALUE_WORD_BASE_OFFSET, "u32"),
        ("`INLINE_MAX`", INLINE_MAX_OFFSET, "u32"),
        ("`SHARED_VALUES`", SHARED_VALUES_OFFSET, "u32"),
        ("`SHARD`", SHARD_OFFSET, "u32"),
        ("`SHARDS`", SHARDS_OFFSET, "u32"),
        ("`HEADER_CRC`", HEADER_CRC_OFFSET, "u32"),
    ];
    let rows = rows();
    let named: Vec<_> = rows.iter().filter(|row| row[0].starts_with('`') && row.len() == 4).collect();
    let expected: Vec<_> =
        fields.iter().map(|&(name, offset, kind)| (name, offset.to_string(), kind)).collect();
    let found: Vec<_> = named.iter().map(|row| (row[0], row[1].to_owned(), row[2])).collect();
    assert_eq!(found, expected);
    // No constant of the layout is left out.
    let layout = include_str!("../../src/layout.rs");
    for line in layout.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().unwrap();
        let of_header = name.strip_suffix("_OFFSET").filter(|name| !name.starts_with("LINE_"));
        if let Some(name) = of_header {
            assert!(fields.iter().any(|field| field.0 == format!("`{name}`")), "{name} is not on the page");
        }
    }
}

#[test]
fn the_limits_on_the_page_are_those_of_the_code() {
    let limits: BTreeMap<&str, &str> =
        rows().into_iter().filter(|row| row.len() == 2).map(|row| (row[0], row[1])).collect();
    for (what, most) in [
        ("bytes of a key", KEY_BYTES_MAX as u64),
        ("bytes of a value", VALUE_BYTES_MAX as u64),
        ("pairs", PAIRS_MAX),
        ("bucket bits", BUCKET_BITS_MAX.into()),
        ("bytes of the prefix", PREFIX_BYTES_MAX as u64),
        ("bytes of a codec's table", CODE_BYTES_MAX),
        ("bytes of the dictionary", DICTIONARY_BYTES_MAX),
        ("bytes of the shared values", SHARED_BYTES_MAX),
        ("shared values", INLINE_MAX_MOST.into()),
        ("sections", SECTIONS_MAX as u64),
        ("bytes of a bucket", BUCKET_BYTES_MAX as u64),
        ("bytes of a stored value in a bucket", INLINE_MAX_MOST.into()),
    ] {
        let found = limits.get(what).unwrap_or_else(|| panic!("no limit for {what}"));
        let digits: String = found.split(' ').next().unwrap().chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, most.to_string(), "{what}");
    }
}

#[test]
fn the_numbers_in_the_text_of_the_page_are_those_of_the_code() {
    for said in [
        format!("header of {HEADER_BYTES} bytes"),
        format!("entries of {SECTION_BYTES} bytes"),
        format!("parts of {PART_BYTES} bytes"),
        format!("{TAIL_BYTES} zero bytes"),
        format!("lines of {LINE_BYTES} bytes"),
        format!("{LINE_BUCKETS} buckets"),
        format!("u16 at {LINE_SHIFT_OFFSET}"),
        format!("from byte {LINE_ENDS_OFFSET} on"),
        format!("{LARGE_REFERENCE_BYTES} bytes stand in its place"),
        format!("the lowest {TAG_BITS} bits"),
    ] {
        assert!(PAGE.contains(&said), "the page does not say \"{said}\"");
    }
    let permutation = include_str!("../../src/key/permute.rs");
    for constant in ["0x9E37_79B9_7F4A_7C15", "0xC2B2_AE3D_27D4_EB4F", "0xD6E8_FEB8_6659_FD93"] {
        assert!(PAGE.contains(constant) && permutation.contains(constant), "{constant}");
    }
}

/// The file of the worked example.
fn example() -> Vec<u8> {
    let dir = tempfile::TempDir::new().unwrap();
    // So small a table would be raw if nothing were said; the page shows a codec's table too.
    let codec = CodecChoice::Fixed(Codec::Huffman);
    let options = Options { codec, temporary_dir: dir.path().into(), threads: 1, ..Options::default() };
    let mut builder = Builder::new(options);
    for (key, value) in [("user:7", "ada"), ("user:12", "grace"), ("user:130", "")] {
        builder.add(key.as_bytes(), value.as_bytes()).unwrap();
    }
    let path = dir.path().join("table");
    builder.write(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// As `xxd -g 1` prints it, without the text; runs of lines of zeros are one line `*`.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        let zero = line.iter().all(|&byte| byte == 0);
        if zero && i > 0 {
            if !text.ends_with("*\n") {
                text.push_str("*\n");
            }
            continue;
        }
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{:04x}: {}\n", i * 16, hex.join(" ")));
    }
    text
}

#[test]
fn the_worked_example_is_what_the_builder_carves() {
    let bytes = example();
    let blocks: Vec<&str> = PAGE.split("```").collect();
    let shown =
        blocks.iter().find(|block| block.contains("0000: 67 72 61 76 65 6e")).map(|block| block.trim());
    let dumped = dump(&bytes);
    assert_eq!(shown, Some(dumped.trim()), "the example on the page is to be\n{dumped}");
    let store = Store::from_bytes(&bytes).unwrap();
    store.verify().unwrap();
    assert_eq!(store.len(), 3);
    assert!(PAGE.contains(&format!("{} bytes in all", bytes.len())), "{}", bytes.len());
}
