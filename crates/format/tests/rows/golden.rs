//! Tables with columns that stay readable forever, each beside its rows as text, and carved again
//! of these byte for byte.
//!
//! While no version is released, `GRAVEN_GOLDEN=write cargo test -p graven-format --test rows
//! golden` writes them anew.

use std::fs;
use std::path::PathBuf;

use graven_format::{CodecChoice, FieldInput, Options, Purpose, RowBuilder, Store};

/// A name, how it is carved, and how many rows it has.
const GOLDENS: [(&str, CodecChoice, Purpose, u64); 3] = [
    ("every_coding", CodecChoice::Auto, Purpose::Ram, 700),
    ("raw_texts", CodecChoice::Fastest, Purpose::Disk, 60),
    ("no_rows", CodecChoice::Auto, Purpose::Ram, 0),
];

const COLUMNS: [&str; 14] = [
    "whole", "unsigned", "fixed", "shortest", "float32", "float", "bool", "text", "words", "day", "time",
    "uuid", "json", "bytes",
];

fn carve(codec: CodecChoice, purpose: Purpose, rows: u64, threads: usize) -> Store {
    let temporary_dir = std::env::temp_dir();
    let mut builder =
        RowBuilder::new("key", Options { codec, purpose, threads, temporary_dir, ..Options::default() });
    for name in COLUMNS {
        builder.column(name, None).unwrap();
    }
    for i in 0..rows {
        let mixed = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let fixed = format!("{}.{:02}", mixed >> 55, mixed % 100);
        let shortest = format!("{:?}", (mixed >> 48) as f64 / 1000.0);
        let text = format!("a name {}", mixed >> 44);
        let day = format!("20{:02}-{:02}-{:02}", mixed % 90, mixed % 12 + 1, mixed % 28 + 1);
        let time = format!("2026-{:02}-01 {:02}:{:02}:00.250", mixed % 12 + 1, mixed % 24, mixed % 60);
        let json = format!("{{\"a\":[{}]}}", mixed % 10);
        let bytes = mixed.to_le_bytes();
        let fields = [
            FieldInput::Int((mixed >> 20).cast_signed() - 5_000_000),
            FieldInput::UInt(u64::MAX - mixed / 4),
            FieldInput::Number(&fixed),
            FieldInput::Cell(shortest.as_bytes()),
            FieldInput::Float32((mixed >> 40) as f32 / 7.0),
            FieldInput::Float64((mixed >> 11) as f64 / 7.0),
            FieldInput::Bool(mixed >> 63 == 1),
            FieldInput::Text(&text),
            FieldInput::Text(["red", "green", "blue", ""][(mixed >> 62) as usize]),
            FieldInput::Cell(day.as_bytes()),
            FieldInput::Cell(time.as_bytes()),
            FieldInput::Uuid(u128::from(mixed) << 64 | u128::from(mixed >> 3)),
            match mixed >> 62 {
                0 => FieldInput::Null,
                1 => FieldInput::Missing,
                2 => FieldInput::Json(&json),
                _ => FieldInput::Text("é\n"),
            },
            FieldInput::Bytes(&bytes[..(mixed >> 61) as usize]),
        ];
        builder.add(format!("row {i}").as_bytes(), &fields).unwrap();
    }
    builder.finish().unwrap().0
}

/// A line for each row, in order: the key, a tab and the row as JSON.
fn lines(store: &Store) -> String {
    let mut lines: Vec<String> = store
        .iter()
        .map(|pair| {
            let (key, value) = pair.unwrap();
            let mut json = Vec::new();
            store.row(&value).unwrap().write_json(&mut json).unwrap();
            format!("{}\t{}\n", String::from_utf8(key).unwrap(), String::from_utf8(json).unwrap())
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[test]
fn golden_rows_are_read_and_carved_again_byte_for_byte() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rows/golden");
    let writes = std::env::var("GRAVEN_GOLDEN").is_ok_and(|how| how == "write");
    for (name, codec, purpose, rows) in GOLDENS {
        let path = folder.join(name);
        let carved = carve(codec, purpose, rows, 1);
        if writes {
            fs::create_dir_all(&folder).unwrap();
            fs::write(path.with_extension("graven"), carved.memory()).unwrap();
            fs::write(path.with_extension("tsv"), lines(&carved)).unwrap();
        }
        let store = Store::open(&path.with_extension("graven")).unwrap();
        store.verify().unwrap();
        assert_eq!(store.len(), rows);
        assert_eq!(lines(&store), fs::read_to_string(path.with_extension("tsv")).unwrap(), "{name}");
        store.load().unwrap();
        for threads in [1, 3] {
            let again = carve(codec, purpose, rows, threads);
            assert!(again.memory() == store.memory(), "{name} is carved otherwise now");
        }
        let names: Vec<&str> = store.schema().unwrap().columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, COLUMNS, "{name}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2 * GOLDENS.len(), "every golden file is read");
}
