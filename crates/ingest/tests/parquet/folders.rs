//! Several files of one table.

use std::fs;

use graven_ingest::{ColumnOptions, Input, PartFile, TableRows};

use crate::support::{key, options, row, table, write, write_as};

#[test]
fn a_folder_of_parts_is_one_table_whose_folders_are_columns() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "dt=2026-11-26/n%3A=1/part-0.parquet", &[&[("a", Some(1))]]);
    write(root, "dt=2026-11-27/n%3A=__HIVE_DEFAULT_PARTITION__/part-0.parquet", &[&[("b", Some(2))]]);
    fs::write(root.join("_SUCCESS"), "").unwrap();
    fs::write(root.join("dt=2026-11-26/.part-0.crc"), "no parquet").unwrap();
    let parts = PartFile::all_of(root, Some("_SUCCESS")).unwrap();
    let store = table(parts.clone(), &key("id"), &ColumnOptions::default()).unwrap();
    assert_eq!(row(&store, "a"), r#"{"n":1,"dt":"2026-11-26","n:":1}"#);
    assert_eq!(row(&store, "b"), r#"{"n":2,"dt":"2026-11-27","n:":null}"#);

    let columns = ColumnOptions { columns: Some(vec!["n".into()]), ..ColumnOptions::default() };
    let store = table(parts, &key("dt"), &columns).unwrap();
    assert_eq!(row(&store, "2026-11-27"), r#"{"n":2}"#);
}

#[test]
fn a_schema_that_differs_says_how() {
    let folder = tempfile::tempdir().unwrap();
    let rows: &[&[(&str, Option<i64>)]] = &[&[("a", Some(1))]];
    let first = write(folder.path(), "0.parquet", rows);
    let differs = |schema: &str, wanted: Option<Vec<String>>| {
        let second = write_as(folder.path(), "1.parquet", schema, rows);
        let parts = vec![PartFile::new(&first), PartFile::new(second)];
        let columns = ColumnOptions { columns: wanted, ..ColumnOptions::default() };
        table(parts, &key("id"), &columns).map(|store| store.len()).map_err(|error| error.to_string())
    };
    for (schema, how) in [
        ("message m { required binary id (UTF8); optional int64 m; }", "it has no column n"),
        (
            "message m { required binary id (UTF8); optional int64 n (TIMESTAMP_MILLIS); }",
            "column n is int64 (timestamp { digits: 3, is_utc: true }), expected int64 (int)",
        ),
        (
            "message m { required binary id; optional int64 n; }",
            "column id is byte_array (bytes), expected byte_array (text)",
        ),
    ] {
        let error = differs(schema, None).unwrap_err();
        assert!(
            error.contains("1.parquet: its columns are others than those of") && error.ends_with(how),
            "{error}"
        );
    }
    // What may be null and what may not are no different.
    assert_eq!(differs("message other { optional binary id (UTF8); optional int64 n; }", None).err(), None);
}

#[test]
fn an_error_in_one_of_several_files_names_it_and_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "0.parquet", &[&[("a", Some(1))]]);
    let second = write(folder.path(), "1.parquet", &[&[("b", Some(1))], &[("c", None)]]);
    let input = Input::open_parts("both", vec![PartFile::new(first), PartFile::new(&second)]).unwrap();
    let mut rows = TableRows::new(input, &key("n"), &ColumnOptions::default()).unwrap();
    let mut builder = rows.builder(options()).unwrap();
    let error = rows.add_to(&mut builder).unwrap_err();
    assert_eq!(error.to_string(), format!("{}:2: the key is null", second.display()));
}
