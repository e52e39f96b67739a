//! The csv reader beside Python's `csv` with `strict=True`: the same rows that end in the same
//! lines, and the same errors.

use std::fs;
use std::process::Command;

use graven_ingest::{Cause, CsvReader};
use serde_json::{Value, json};

use crate::programs::started;

/// Reads a JSON array of texts and prints what Python makes of each: its rows that are not empty
/// with the lines in which they end, and the error.
const SCRIPT: &str = r#"
import csv, io, json, sys
csv.field_size_limit(1 << 30)
answers = []
for text in json.load(open(sys.argv[1])):
    rows, error = [], None
    reader = csv.reader(io.StringIO(text, newline=''), strict=True)
    try:
        rows = []
        for row in reader:
            if row:
                rows.append([row, reader.line_num])
    except csv.Error as wrong:
        error = str(wrong)
    answers.append([rows, error])
json.dump(answers, sys.stdout)
"#;

/// Every text of up to `longest` of `bytes`.
fn every_text(bytes: &[u8], longest: u32) -> Vec<String> {
    let mut texts = Vec::new();
    for len in 0..=longest {
        for number in 0..bytes.len().pow(len) {
            let mut rest = number;
            texts.push(
                (0..len)
                    .map(|_| {
                        let byte = bytes[rest % bytes.len()];
                        rest /= bytes.len();
                        char::from(byte)
                    })
                    .collect(),
            );
        }
    }
    texts
}

/// Longer texts, of rows that are often as they should be, from a generator whose seed is written
/// here.
fn longer_texts(count: usize) -> Vec<String> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let pieces =
        ["a", "b", " ", "\t", ";", ",", ",", ",", "\"", "\"", "\"\"", "\n", "\n", "\r\n", "\r", "\"x\"", "é"];
    (0..count).map(|_| (0..draw(40)).map(|_| pieces[draw(pieces.len())]).collect()).collect()
}

fn ours(text: &str) -> Value {
    let mut reader = CsvReader::new(text.as_bytes(), b',', None);
    let mut rows = Vec::new();
    let error = loop {
        match reader.next_row() {
            Ok(Some(row)) => {
                let cells: Vec<_> =
                    row.cells().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
                rows.push(json!([cells, row.line() + row.lines() - 1]));
            }
            Ok(None) => break Value::Null,
            Err(fault) => match fault.cause {
                Cause::OpenQuote => break "unexpected end of data".into(),
                Cause::AfterQuote { .. } => break "',' expected after '\"'".into(),
                cause => panic!("{cause}"),
            },
        }
    };
    json!([rows, error])
}

#[test]
fn rows_lines_and_errors_are_those_of_python() {
    let texts = [every_text(b"a,\"\n\r ", 6), longer_texts(30_000)].concat();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("texts.json");
    fs::write(&path, serde_json::to_vec(&texts).unwrap()).unwrap();
    let output = Command::new("python3").args(["-c", SCRIPT]).arg(&path).output();
    let output = started("python3", "python3", output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), texts.len());
    for (text, pythons) in texts.iter().zip(answers) {
        assert_eq!(ours(text), pythons, "{text:?}");
    }
}
