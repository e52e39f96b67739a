//! Files that were cut off or changed: an error, or what was written; never a panic.

use std::fs;
use std::path::Path;

use graven_ingest::{Cause, ParquetProblem, ReadOptions};

use crate::support::{fixture, key, table_of, write};

/// What a file is read as: its number of rows, or the error.
fn read(folder: &Path, bytes: &[u8]) -> Result<u64, String> {
    let path = folder.join("damaged.parquet");
    fs::write(&path, bytes).unwrap();
    let read = ReadOptions { threads: 1, memory_bytes: Some(32 << 20), ..ReadOptions::default() };
    table_of(&path, &read).map(|store| store.len()).map_err(|error| error.to_string())
}

#[test]
fn every_file_that_is_cut_off_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["duckdb-snappy.parquet", "duckdb-zstd.parquet", "int96.parquet"] {
        let bytes = fs::read(fixture(file)).unwrap();
        for end in 0..bytes.len() {
            let error = read(folder.path(), &bytes[..end]).unwrap_err();
            assert!(error.contains("damaged.parquet"), "{file} cut at {end}: {error}");
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_a_table() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["duckdb-snappy.parquet", "duckdb-zstd.parquet", "int96.parquet"] {
        let bytes = fs::read(fixture(file)).unwrap();
        let mut errors = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= [0x01, 0x80, 0xFF][at % 3];
            errors += u32::from(read(folder.path(), &changed).is_err());
        }
        assert!(errors > 100, "{file}: {errors} errors");
    }
}

#[test]
fn a_changed_byte_of_a_page_with_a_checksum_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(fixture("arrow-delta.parquet")).unwrap();
    let footer = u32::from_le_bytes(*bytes[bytes.len() - 8..].first_chunk().unwrap()) as usize;
    let pages = 4..bytes.len() - 8 - footer;
    let whole = table_of(&fixture("arrow-delta.parquet"), &ReadOptions::default()).unwrap();
    let mut errors = 0;
    for at in pages.clone().step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let path = folder.path().join("damaged.parquet");
        fs::write(&path, &changed).unwrap();
        match table_of(&path, &ReadOptions { threads: 1, ..ReadOptions::default() }) {
            // What is in the header of a page and not read, as least and greatest values.
            Ok(store) => assert!(store.memory() == whole.memory(), "byte {at} makes other values"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors * 7 > pages.len() / 3, "{errors} errors");
}

#[test]
fn an_error_names_file_row_group_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("key-1", Some(1))], &[("key-2", Some(2))]]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).rposition(|bytes| bytes == b"key-2").unwrap();
    // Of statistics in the footer it is the last, of the pages the first.
    let at = bytes.windows(5).position(|bytes| bytes == b"key-2").unwrap_or(at);
    bytes[at] = 0xFF;
    fs::write(&path, &bytes).unwrap();
    let read = ReadOptions { key: Some("id".into()), ..ReadOptions::default() };
    let error = table_of(&path, &read).unwrap_err().to_string();
    assert!(
        error.contains("t.parquet: row group 1, column id: the Parquet data is damaged: a text is not UTF-8"),
        "{error}"
    );
}

#[test]
fn rows_that_take_no_bytes_are_bounded_by_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let alike = vec![("k", None); 3_000_000];
    let path = write(folder.path(), "alike.parquet", &[&alike]);
    let bytes = fs::metadata(&path).unwrap().len();
    let error = table_of(&path, &key("id")).err().unwrap();
    let most = 1_000_000 + 1_000 * bytes;
    match error.cause {
        Cause::Parquet { ref problem, .. } => {
            assert_eq!(**problem, ParquetProblem::TooManyRows { bytes, most, found: 3_000_000 });
        }
        other => panic!("{other}"),
    }
    let path = write(folder.path(), "fewer.parquet", &[&alike[..900_000]]);
    assert_eq!(table_of(&path, &key("id")).unwrap().len(), 1);
}
