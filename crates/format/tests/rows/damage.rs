//! A damaged or forged schema, and damaged rows, cost an error and never a panic.

use graven_format::{Error, FieldInput, Options, RowBuilder, Store};

fn options() -> Options {
    Options { temporary_dir: std::env::temp_dir(), threads: 1, ..Options::default() }
}

fn table() -> Store {
    let mut builder = RowBuilder::new("id", options());
    for name in ["float", "int", "text", "date", "uuid", "few", "json", "time"] {
        builder.column(name, None).unwrap();
    }
    for i in 0..40_u32 {
        let texts = [
            format!("{}.5", i * 7),
            i.pow(3).to_string(),
            format!("text of some length {}", i * 99),
            format!("2026-01-{:02}", i % 28 + 1),
            format!("{i:08x}-0000-4000-8000-000000000000"),
            ["a", "b"][i as usize % 2].to_owned(),
            String::new(),
            format!("2026-01-{:02}T00:00:00.5Z", i % 28 + 1),
        ];
        let mut fields: Vec<FieldInput<'_>> =
            texts.iter().map(|text| FieldInput::Cell(text.as_bytes())).collect();
        fields[6] = [FieldInput::Json("[1]"), FieldInput::Null, FieldInput::Missing, FieldInput::Bool(true)]
            [i as usize % 4];
        builder.add(i.to_string().as_bytes(), &fields).unwrap();
    }
    builder.finish().unwrap().0
}

/// Reads all of a row in every way; what is JSON is so whatever the row has.
fn read(store: &Store, value: &[u8]) {
    let Ok(row) = store.row(value) else { return };
    for field in row.fields() {
        let Ok(field) = field else { continue };
        let _ =
            (field.value(), field.as_str(), field.as_bytes(), field.as_f64(), field.as_i64(), field.as_u64());
        let _ = (field.as_bool(), field.write_text(&mut Vec::new()));
        let mut json = Vec::new();
        match field.write_json(&mut json) {
            Ok(()) => assert_json(&json),
            Err(error) => assert!(matches!(error, Error::Row { column: Some(_), .. }) && json.is_empty()),
        }
    }
    for column in 0..row.schema().columns().len() {
        let _ = row.field(column).map(|field| field.value());
    }
    let mut json = Vec::new();
    if row.write_json(&mut json).is_ok() {
        assert_json(&json);
    }
}

fn assert_json(json: &[u8]) {
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(json);
    assert!(read.is_ok(), "{}", json.escape_ascii());
}

/// A table of two columns whose texts are in the schema, and of two whose texts are in the rows.
fn table_of_bare_texts() -> Store {
    let mut builder = RowBuilder::new("id", options());
    for name in ["json", "few", "decimal", "number"] {
        builder.column(name, None).unwrap();
    }
    for i in 0..300_u32 {
        let texts = [
            format!("[{i},\"{}\"]", i * 977),
            ["[1,22]", "{\"a\":1}"][i as usize % 2].to_owned(),
            format!("{i}.5e{}", i % 7 + 10),
            ["1.5e10", "2.50"][i as usize % 2].to_owned(),
        ];
        let fields = [
            FieldInput::Json(&texts[0]),
            FieldInput::Json(&texts[1]),
            FieldInput::Number(&texts[2]),
            FieldInput::Number(&texts[3]),
        ];
        builder.add(i.to_string().as_bytes(), &fields).unwrap();
    }
    builder.finish().unwrap().0
}

#[test]
fn forged_texts_that_are_no_json_are_errors_and_verify_finds_them() {
    let bytes = table_of_bare_texts().memory().to_vec();
    // Its own check value is that of another table, so that `verify` says so where the rows are sound.
    for (from, to, column) in [
        (&b"[1,22]"[..], &b"[1,22}"[..], "few"),
        (b"{\"a\":1}", b"{\"a\" 1}", "few"),
        (b"1.5e10", b"1.5e1x", "number"),
        (b"2.50", b"2.5.", "number"),
        (b"2.50", b"+2.5", "number"),
        (b"2.50", b" 2.5", "number"),
    ] {
        let forged = forged(&bytes, |schema| {
            let at = schema.windows(from.len()).position(|window| window == from).unwrap();
            schema[at..at + to.len()].copy_from_slice(to);
        });
        let store = Store::from_bytes(&forged).unwrap();
        let error = store.verify().unwrap_err();
        assert!(matches!(&error, Error::Row { column: Some(name), .. } if name == column), "{error}");
        let (mut damaged, mut value) = (0, Vec::new());
        for i in 0..300_u32 {
            value.clear();
            assert!(store.get(i.to_string().as_bytes(), &mut value).unwrap());
            read(&store, &value);
            damaged += u32::from(store.row(&value).unwrap().write_json(&mut Vec::new()).is_err());
        }
        assert_eq!(damaged, 150);
    }
}

#[test]
fn rows_whose_texts_are_no_json_cost_an_error() {
    let store = table_of_bare_texts();
    let (mut value, mut damaged) = (Vec::new(), 0);
    for i in 0..20_u32 {
        value.clear();
        assert!(store.get(i.to_string().as_bytes(), &mut value).unwrap());
        for at in 0..value.len() {
            for other in [0, b' ', b'"', b'[', b'x', 0xFF] {
                let mut forged = value.clone();
                forged[at] = other;
                read(&store, &forged);
                let row = store.row(&forged).unwrap();
                damaged += u32::from(row.write_json(&mut Vec::new()).is_err());
            }
        }
    }
    assert!(damaged > 100, "{damaged}");
}

#[test]
fn rows_of_any_bytes_cost_at_most_an_error() {
    let store = table();
    let mut value = Vec::new();
    assert!(store.get(b"7", &mut value).unwrap());
    for len in 0..value.len() {
        read(&store, &value[..len]);
    }
    assert!(matches!(store.row(&[]), Err(Error::Row { column: None, .. })));
    for at in 0..value.len() * 8 {
        let mut damaged = value.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        read(&store, &damaged);
    }
    for fill in [0x00, 0xFF, 0x55] {
        for len in 0..100 {
            read(&store, &vec![fill; len]);
        }
    }
}

#[test]
fn every_damaged_bit_of_a_schema_is_noticed() {
    let store = table();
    let bytes = store.memory().to_vec();
    let schema = store.info().sections.into_iter().find(|section| section.name == "schema").unwrap();
    for at in schema.offset..schema.offset + schema.bytes {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at as usize] ^= 1 << bit;
            let error = Store::from_bytes(&damaged).unwrap_err();
            assert!(matches!(error, Error::Damaged { section: "schema", .. }), "{error}");
        }
    }
}

/// The table with another schema, all of whose checksums are right.
fn forged(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    use graven_format::layout::*;
    let mut bytes = bytes.to_vec();
    let count = usize::from(bytes[SECTION_COUNT_OFFSET]);
    for entry in (0..count).map(|i| HEADER_BYTES + i * SECTION_BYTES) {
        if bytes[entry..].starts_with(b"schema\0\0") {
            let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let (start, len) = (number(entry + ENTRY_START), number(entry + ENTRY_LENGTH));
            change(&mut bytes[start..start + len]);
            let crc = crc32c::crc32c(&bytes[start..start + len]);
            bytes[entry + ENTRY_CRC..][..4].copy_from_slice(&crc.to_le_bytes());
            break;
        }
    }
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_OFFSET]);
    let crc = crc32c::crc32c_append(crc, &bytes[HEADER_BYTES..HEADER_BYTES + count * SECTION_BYTES]);
    bytes[HEADER_CRC_OFFSET..][..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn forged_schemas_are_refused_or_read_to_the_end() {
    let store = table();
    let bytes = store.memory().to_vec();
    let schema = store.info().sections.into_iter().find(|section| section.name == "schema").unwrap();
    let (mut opened, mut refused) = (0, 0);
    for at in 0..schema.bytes as usize {
        for other in [0, 1, 2, 3, 4, 7, 11, 63, 64, 65, 127, 128, 255] {
            let forged = forged(&bytes, |schema| schema[at] = other);
            match Store::from_bytes(&forged) {
                Err(error) => {
                    assert!(matches!(error, Error::Damaged { section: "schema", .. }), "{error}");
                    refused += 1;
                }
                Ok(store) => {
                    opened += 1;
                    for pair in store.iter().flatten() {
                        read(&store, &pair.1);
                    }
                }
            }
        }
    }
    assert!(opened > 100 && refused > 100, "{opened} {refused}");
}
