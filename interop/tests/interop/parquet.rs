//! Parquet files of pyarrow and DuckDB, of all types, compressions and encodings, built and asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::started;
use crate::support::graven;

/// Rows of each file: several pages and row groups.
const ROWS: u32 = 2000;

/// The Python that has pyarrow and duckdb.
fn python() -> String {
    std::env::var("GRAVEN_TEST_PARQUET").unwrap_or_else(|_| {
        panic!("set GRAVEN_TEST_PARQUET to a Python that has pyarrow and duckdb, as `.ci/run interop` does")
    })
}

/// Runs graven, and gives what it printed.
fn run(arguments: &[&str]) -> String {
    let output = graven().args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "graven {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_pyarrow_and_duckdb_write_is_read_value_by_value() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/parquet_files.py");
    let python = python();
    let written = Command::new(&python).arg(script).arg(folder.path()).arg(ROWS.to_string()).status();
    assert!(started(&python, "python3", written).success());
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "parquet") {
            continue;
        }
        files += 1;
        let own = file.with_extension("jsonl");
        let expected = if own.exists() { own } else { folder.path().join("arrow.jsonl") };
        let expected = fs::read_to_string(expected).unwrap();
        let table = file.with_extension("graven");
        run(&["build", file.to_str().unwrap(), "-o", table.to_str().unwrap()]);
        let keys: Vec<&str> = expected.lines().map(|line| line.split_once('\t').unwrap().0).collect();
        let asked = [&["get", "--with-keys", table.to_str().unwrap()], &keys[..]].concat();
        let found = run(&asked);
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{}", file.display());
        }
        assert_eq!(found.lines().count(), keys.len(), "{}", file.display());
    }
    assert_eq!(files, 11, "pyarrow and duckdb write eleven files");
}
