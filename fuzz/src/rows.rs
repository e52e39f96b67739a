//! Tables with columns: whatever schema a file has and whatever bytes a row has, fields are read or
//! refused; and rows that are read of any input are the same however its bytes arrive, and come back.

use std::io::Cursor;
use std::sync::LazyLock;

use graven_format::layout::Section;
use graven_format::{ColumnType, FieldInput, Options, RowBuilder, Store};
use graven_ingest::{ColumnOptions, Compression, Format, Input, KeyColumns, ReadOptions, TableRows};

use crate::ingest::Drops;
use crate::table::page;

fn options() -> Options {
    Options { threads: 1, temporary_dir: std::env::temp_dir(), ..Options::default() }
}

/// A table with a column of every coding.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut builder = RowBuilder::new("id", options());
    for name in ["float", "whole", "text", "day", "uuid", "few", "json", "time", "bits", "words"] {
        builder.column(name, None).unwrap();
    }
    for i in 0..600_u64 {
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let texts = [
            format!("{}.5", i * 7),
            mixed.to_string(),
            format!("text {}", mixed >> 40),
            format!("20{:02}-{:02}-{:02}", i % 90, i % 12 + 1, mixed % 28 + 1),
            format!("{:08x}-0000-4000-8000-{:012x}", mixed >> 32, i),
            ["a", "b"][i as usize % 2].to_owned(),
            format!("2026-01-{:02}T00:{:02}:00.5Z", i % 28 + 1, mixed % 60),
        ];
        let cell = |i: usize| FieldInput::Cell(texts[i].as_bytes());
        let json = [FieldInput::Json("[1]"), FieldInput::Null, FieldInput::Missing, FieldInput::Text("x")];
        let fields = [
            cell(0),
            cell(1),
            cell(2),
            cell(3),
            cell(4),
            cell(5),
            json[i as usize % 4],
            cell(6),
            FieldInput::Float64(f64::from_bits(mixed >> 12 | 0x3FF0 << 48)),
            FieldInput::Text("carved once, read forever"),
        ];
        builder.add(i.to_string().as_bytes(), &fields).unwrap();
    }
    builder.finish().unwrap().0.memory().to_vec()
});

/// Reads all of a row in every way.
fn read(store: &Store, value: &[u8]) {
    let Ok(row) = store.row(value) else { return };
    let mut out = Vec::new();
    for field in row.fields().flatten() {
        let _ = (field.value(), field.as_str(), field.as_bytes(), field.as_bool());
        let _ = (field.as_f64(), field.as_i64(), field.as_u64());
        out.clear();
        let _ = (field.write_json(&mut out), field.write_text(&mut out));
    }
    for column in 0..row.schema().columns().len() {
        let _ = row.field(column).map(|field| field.value());
    }
    out.clear();
    let _ = row.write_json(&mut out);
}

/// The first byte says how many bytes of the schema are others, and which; or, from 128 on, how
/// many bytes a schema of its own has. The rest is a row.
pub fn row(input: &[u8]) {
    let [how, rest @ ..] = input else { return };
    let bytes = &*TABLE;
    let mut schema = bytes[page::section(bytes, Section::Schema)].to_vec();
    let value = if *how < 128 {
        let (patches, value) = rest.split_at(rest.len().min(usize::from(how % 16) * 3));
        for [low, high, byte] in patches.as_chunks::<3>().0 {
            let at = usize::from(u16::from_le_bytes([*low, *high])) % schema.len();
            schema[at] = *byte;
        }
        value
    } else {
        let (own, value) = rest.split_at(rest.len().min(usize::from(how - 128) * 8));
        schema = own.to_vec();
        value
    };
    let Ok(store) = Store::from_bytes(&page::with_sections(bytes, &[(Section::Schema, &schema)])) else {
        return;
    };
    read(&store, value);
    for (_, value) in store.iter().flatten().take(40) {
        read(&store, &value);
    }
}

/// The first two bytes choose the options; the rest is the input.
pub fn input(input: &[u8]) {
    let [how, what, text @ ..] = input else { return };
    let is = |bit: u8| what >> bit & 1 == 1;
    let format = match how & 8 {
        0 => [Format::Csv, Format::Tsv, Format::Jsonl, Format::Json][usize::from(how % 4)],
        _ => Format::Deb822,
    };
    let (has_names, two) = (!matches!(format, Format::Csv | Format::Tsv), is(6));
    let names = if has_names { ["a", "c"] } else { ["1", "2"] };
    let key: Vec<String> = names[..=usize::from(two)].iter().map(|&name| name.into()).collect();
    let read = ReadOptions {
        format: Some(format),
        key: is(0).then_some(KeyColumns(key)),
        header: is(1).then_some(is(2)),
        trim: is(3),
        rows_in_quotes: is(4),
        short_rows: is(7),
        ..ReadOptions::default()
    };
    let types = ColumnType::ALL.into_iter().nth(usize::from(how >> 4)).map(|said| ("b".to_owned(), said));
    let columns = ColumnOptions { columns: None, types: types.filter(|_| is(5)).into_iter().collect() };
    let table = |source: Result<Input, graven_ingest::Error>| {
        let build = || {
            let mut rows = TableRows::new(source?, &read, &columns)?;
            let mut builder = rows.builder(options())?;
            rows.add_to(&mut builder)?;
            Ok(builder)
        };
        build().map_err(|error: graven_ingest::Error| error.to_string())
    };
    let whole = table(Input::from_reader("fuzz", Cursor::new(text.to_vec())));
    if Compression::of(text).is_some() {
        return;
    }
    let parts = table(Input::from_reader("fuzz", Drops::of(text)));
    match (whole, parts) {
        (Ok(whole), Ok(parts)) => {
            let (Ok((whole, _)), Ok((parts, _))) = (whole.finish(), parts.finish()) else {
                panic!("rows that were added are no table");
            };
            assert!(whole.memory() == parts.memory());
            for pair in whole.iter() {
                let (_, value) = pair.unwrap();
                let row = whole.row(&value).unwrap();
                row.fields().for_each(|field| {
                    field.unwrap().value().unwrap();
                });
                row.write_json(&mut Vec::new()).unwrap();
            }
        }
        (whole, parts) => assert_eq!(whole.err(), parts.err()),
    }
}
