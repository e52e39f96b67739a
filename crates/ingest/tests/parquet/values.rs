//! What values of every type become.

use std::fs;
use std::path::Path;

use graven_format::ColumnType;
use graven_ingest::{Cause, ColumnOptions, Nulls, PartFile, ReadOptions};

use crate::support::{fixture, key, pairs, row, table, table_of, write};

/// Compares every row of a file with what was written beside it.
fn compare(file: &str, expected: &str) {
    let store = table_of(&fixture(file), &ReadOptions::default()).unwrap();
    let expected = fs::read_to_string(fixture(expected)).unwrap();
    for line in expected.lines() {
        let (key, json) = line.split_once('\t').unwrap();
        assert_eq!(row(&store, key), json, "{file}: {key}");
    }
    assert_eq!(store.len(), expected.lines().count() as u64);
}

#[test]
fn every_type_of_pyarrow_is_read_as_it_was_written() {
    compare("arrow-plain.parquet", "arrow.jsonl");
}

#[test]
fn the_delta_encodings_and_split_bytes_hold_the_same() {
    compare("arrow-delta.parquet", "arrow.jsonl");
}

#[test]
fn times_of_96_bits_are_read() {
    compare("int96.parquet", "int96.jsonl");
}

#[test]
fn types_and_compressions_of_duckdb_are_read() {
    for codec in ["snappy", "zstd", "gzip", "lz4"] {
        compare(&format!("duckdb-{codec}.parquet"), "duckdb.jsonl");
    }
}

#[test]
fn declared_types_are_those_of_the_columns() {
    let store = table_of(&fixture("arrow-plain.parquet"), &ReadOptions::default()).unwrap();
    let schema = store.schema().unwrap();
    for (name, expected) in [
        ("flag", ColumnType::Bool),
        ("int8", ColumnType::Int),
        ("uint64", ColumnType::UInt),
        ("half", ColumnType::Float32),
        ("single", ColumnType::Float32),
        ("double", ColumnType::Float64),
        ("money", ColumnType::Decimal),
        ("day", ColumnType::Date),
        ("clock", ColumnType::Text),
        ("local", ColumnType::Timestamp),
        ("utc", ColumnType::Timestamp),
        ("text", ColumnType::Text),
        ("bytes", ColumnType::Bytes),
        ("uuid", ColumnType::Uuid),
        ("list", ColumnType::Json),
        ("struct", ColumnType::Json),
        ("nothing", ColumnType::Text),
    ] {
        let column = schema.columns().iter().find(|column| column.name() == name).unwrap();
        assert_eq!(column.column_type(), expected, "{name}");
    }
}

#[test]
fn another_type_that_is_said_counts() {
    let columns = ColumnOptions {
        columns: Some(vec!["bytes".into(), "int32".into()]),
        types: vec![("int32".into(), ColumnType::Text)],
    };
    let parts = vec![PartFile::new(fixture("arrow-plain.parquet"))];
    let store = table(parts, &ReadOptions::default(), &columns).unwrap();
    assert_eq!(row(&store, "key-00002"), r#"{"bytes_base64":"AgD/","int32":"0"}"#);
}

#[test]
fn one_column_is_the_value_and_another_the_key() {
    let read = ReadOptions { value: Some("int16".into()), ..key("uuid") };
    let read = ReadOptions { nulls: Nulls::Json, ..read };
    let error = pairs(&fixture("arrow-plain.parquet"), &read).unwrap_err().to_string();
    assert!(error.ends_with("arrow-plain.parquet:4: the key is null"), "{error}");

    let read = ReadOptions { value: Some("struct".into()), nulls: Nulls::Skip, ..key("key") };
    let found = pairs(&fixture("arrow-plain.parquet"), &read).unwrap();
    assert_eq!(found[1], ("key-00001".into(), r#"{"x":0.5,"name":"n1","inner":{"y":1}}"#.into()));
    assert_eq!(found.len(), 13, "two of fifteen are null");
}

#[test]
fn a_null_value_is_what_the_options_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("a", Some(1)), ("b", None)], &[("", Some(3))]]);
    let read = |nulls| pairs(&path, &ReadOptions { nulls, ..ReadOptions::default() });
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(read(Nulls::Skip).unwrap(), [pair("a", "1"), pair("", "3")]);
    assert_eq!(read(Nulls::Empty).unwrap(), [pair("a", "1"), pair("b", ""), pair("", "3")]);
    assert_eq!(read(Nulls::Json).unwrap()[1], pair("b", "null"));
    let error = read(Nulls::Refuse).unwrap_err().to_string();
    assert!(error.ends_with("t.parquet:2: the value is null"), "{error}");
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let read = key("uuid4");
    let error = table_of(&fixture("duckdb-zstd.parquet"), &read).unwrap_err().to_string();
    assert!(
        error.contains("no column for the key is named uuid4; the columns are key, flag, huge"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("a", Some(1))]]);
    let error = table_of(&path, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("which column is the key? The columns are id, n"), "{error}");
}

#[test]
fn a_column_that_may_be_the_key_is_one_of_which_no_value_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let likely = |path: &Path| match table_of(path, &ReadOptions::default()).unwrap_err().cause {
        Cause::KeyUndecided { likely, .. } => likely,
        other => panic!("{other}"),
    };
    // Empty row groups say nothing.
    let rows = [("a", Some(1)), ("b", Some(2)), ("c", None)];
    assert_eq!(likely(&write(folder.path(), "1.parquet", &[&[], &rows])).as_deref(), Some("id"));
    let rows = [("a", Some(1)), ("b", Some(2)), ("a", Some(3))];
    assert_eq!(likely(&write(folder.path(), "2.parquet", &[&rows])).as_deref(), Some("n"));
    let rows = [("a", Some(1)), ("a", None)];
    assert_eq!(likely(&write(folder.path(), "3.parquet", &[&rows])), None);
    assert_eq!(likely(&write(folder.path(), "4.parquet", &[])), None);
    // What comes again behind the first rows does not count.
    let ids: Vec<String> = (0..5000).map(|i| (i % 4999).to_string()).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), Some(1))).collect();
    assert_eq!(likely(&write(folder.path(), "5.parquet", &[&rows])).as_deref(), Some("id"));
    // Measures and lists are none where there is another.
    assert_eq!(likely(&fixture("no-key.parquet")).as_deref(), Some("sensor id"));
}

#[test]
fn rows_that_cannot_be_read_leave_the_question_which_column_is_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("a", Some(1)), ("b", Some(2))]]);
    let bytes = std::fs::read(&path).unwrap();
    let mut found = std::collections::BTreeSet::new();
    for at in 4..40 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).unwrap();
        match table_of(&path, &ReadOptions::default()).unwrap_err().cause {
            Cause::KeyUndecided { likely, .. } => found.insert(likely),
            other => panic!("{other}"),
        };
    }
    assert!(found.contains(&None), "{found:?}");
}

#[test]
fn rows_come_in_the_order_of_the_file_whatever_the_threads() {
    let ids: Vec<String> = (0..20_000).map(|i| format!("{:x}", i * 7919 % 20_011)).collect();
    let rows: Vec<(&str, Option<i64>)> = ids.iter().zip(0..).map(|(id, i)| (id.as_str(), Some(i))).collect();
    let groups: Vec<&[(&str, Option<i64>)]> = rows.chunks(777).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &groups);
    for threads in [1, 2, 7] {
        let read = ReadOptions { threads, memory_bytes: Some(64 << 20), ..ReadOptions::default() };
        let found = pairs(&path, &read).unwrap();
        assert!(
            found.iter().zip(&rows).all(|((id, n), row)| id == row.0 && *n == row.1.unwrap().to_string())
        );
        assert_eq!(found.len(), rows.len());
    }
}
