//! Files that say of themselves what is not so.

use std::fs;
use std::path::Path;

use graven_ingest::{Cause, ParquetProblem, ReadOptions};

use crate::support::{key, pairs, table_of, write};

fn damaged(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).unwrap();
    table_of(path, &key("id")).map(|store| store.len()).unwrap_err().to_string()
}

#[test]
fn a_footer_longer_than_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("a", Some(1))]]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 8;
    for len in [u32::MAX, 0x7FFF_FFFF, bytes.len() as u32] {
        bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
        let error = damaged(&path, &bytes);
        assert!(error.contains(&format!("its footer says that it has {len} bytes")), "{error}");
    }
}

#[test]
fn what_is_no_parquet_is_named_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    for bytes in [&b""[..], b"PAR1", b"PAR1\x00PAR1", b"id,n\na,1\n", &[0; 4096]] {
        let error = damaged(&path, bytes);
        assert!(error.contains("t.parquet: "), "{error}");
    }
    let error = damaged(&path, b"PAR1\0\0\0\0\0\0\0\0PARE");
    assert!(error.ends_with("its footer is encrypted, which is not read here"), "{error}");
}

#[test]
fn pages_above_the_memory_are_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(1 << 20);
    let path = write(folder.path(), "t.parquet", &[&[(&long[..60_000], Some(1)), (&long, Some(2))]]);
    let read = ReadOptions { memory_bytes: Some(1 << 20), ..ReadOptions::default() };
    let error = pairs(&path, &read).unwrap_err();
    let Cause::Parquet { problem, .. } = &error.cause else { panic!("{error}") };
    let is_memory =
        matches!(&**problem, ParquetProblem::Memory { most, found } if *most == 1 << 19 && found > most);
    assert!(is_memory, "{error}");
    let read = ReadOptions { memory_bytes: Some(16 << 20), ..ReadOptions::default() };
    assert!(
        pairs(&path, &read).unwrap_err().to_string().contains("t.parquet:2: the key is longer than 65536")
    );
}

#[test]
fn what_a_stream_holds_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.parquet", &[&[("a", Some(1))]]);
    let input = graven_ingest::Input::from_reader("a pipe", fs::File::open(path).unwrap()).unwrap();
    let error = graven_ingest::Pairs::new(input, &ReadOptions::default()).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "a pipe: parquet is read from its end, which a stream does not have");
}
