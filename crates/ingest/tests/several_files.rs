//! Several files of text that are one table with columns: read one behind the other, with the columns of the first.

#[path = "support/row_tables.rs"]
mod row_tables;

use std::fs;
use std::io::Write;
use std::path::Path;

use graven_format::{ColumnType, Options, Store};
use graven_ingest::{ColumnOptions, Format, Input, Pairs, PartFile, ReadOptions, TableRows};
use row_tables::{json, table_of};
use tempfile::TempDir;

/// Files by name in a folder of their own.
fn files(contents: &[(&str, &[u8])]) -> (TempDir, Vec<PartFile>) {
    let folder = tempfile::tempdir().unwrap();
    let parts = contents.iter().map(|(name, content)| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        PartFile::new(path)
    });
    let parts = parts.collect();
    (folder, parts)
}

fn build(parts: Vec<PartFile>, read: &ReadOptions, columns: &ColumnOptions) -> Result<Store, String> {
    let input = Input::open_parts("the files", parts).map_err(|error| error.to_string())?;
    table_of(input, read, columns)
}

/// What is wrong, without the folder.
fn refusal(folder: &Path, parts: Vec<PartFile>, read: &ReadOptions, columns: &ColumnOptions) -> String {
    build(parts, read, columns).unwrap_err().replace(&format!("{}/", folder.display()), "")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn types_follow_from_the_rows_of_all_files() {
    let (_folder, parts) = files(&[
        ("a.csv", b"id,stock,seen\n1,7,2026-11-27\n"),
        ("b.csv", b"id,stock,seen\n2,1.50,2026-11-28\n"),
        ("c.csv", b"id,stock,seen\n3,-4,never\n"),
        ("d.csv", b""),
        ("e.csv", b"id,stock,seen\n"),
    ]);
    let store = build(parts, &ReadOptions::default(), &ColumnOptions::default()).unwrap();
    assert_eq!(store.len(), 3);
    assert_eq!(json(&store, "1"), r#"{"stock":7,"seen":"2026-11-27"}"#);
    assert_eq!(json(&store, "2"), r#"{"stock":1.50,"seen":"2026-11-28"}"#);
    assert_eq!(json(&store, "3"), r#"{"stock":-4,"seen":"never"}"#);
    let types: Vec<ColumnType> =
        store.schema().unwrap().columns().iter().map(|column| column.column_type()).collect();
    assert_eq!(types, [ColumnType::Decimal, ColumnType::Text]);
    assert!(store.schema().unwrap().key().is_number);
}

#[test]
fn the_last_file_counts_where_a_key_comes_again_and_keys_are_numbers_in_all_or_none() {
    let (_folder, parts) = files(&[("a.csv", b"id,n\n1,1\n2,1\n"), ("b.csv", b"id,n\n2,2\nx,2\n")]);
    let store = build(parts, &ReadOptions::default(), &ColumnOptions::default()).unwrap();
    assert_eq!((json(&store, "1"), json(&store, "2")), (r#"{"n":1}"#.into(), r#"{"n":2}"#.into()));
    assert!(!store.schema().unwrap().key().is_number);
}

#[test]
fn columns_are_found_by_name_in_every_file_and_may_lie_elsewhere() {
    let (folder, parts) = files(&[("a.csv", b"id,n,t\n1,1,x\n"), ("b.csv.gz", &gzip(b"t,id,n\ny,2,2\n"))]);
    let store = build(parts.clone(), &ReadOptions::default(), &ColumnOptions::default());
    // Nobody said what the key is, and so it is the first column.
    assert!(store.unwrap_err().contains("its key is t, expected id"));
    let read = ReadOptions { key: Some("id".into()), ..ReadOptions::default() };
    let store = build(parts, &read, &ColumnOptions::default()).unwrap();
    assert_eq!(
        (json(&store, "1"), json(&store, "2")),
        (r#"{"n":1,"t":"x"}"#.into(), r#"{"n":2,"t":"y"}"#.into())
    );
    drop(folder);

    // Where columns are named, others may come and go.
    let (_folder, parts) = files(&[("a.tsv", b"id\tn\told\n1\t1\tx\n"), ("b.tsv", b"new\tid\tn\nz\t2\t2\n")]);
    let named = ColumnOptions { columns: Some(vec!["n".into()]), types: Vec::new() };
    let input = Input::open_parts("the files", parts).unwrap();
    let mut rows = TableRows::new(input, &read, &named).unwrap();
    let mut builder = rows.builder(Options::default()).unwrap();
    rows.add_to(&mut builder).unwrap();
    assert_eq!(rows.ignored(), ["old", "new"]);
    assert_eq!(json(&builder.finish().unwrap().0, "2"), r#"{"n":2}"#);
}

#[test]
fn a_file_with_other_columns_is_refused_by_name_before_a_row_is_read() {
    let all = ColumnOptions::default();
    let refused = |second: (&str, &[u8]), read: &ReadOptions| {
        // The row of the first file would be refused, too.
        let (folder, parts) = files(&[("a.csv", b"id,n\n1,1\n1,2,3\n"), second]);
        refusal(folder.path(), parts, read, &all)
    };
    let read = ReadOptions::default();
    for (content, how) in [
        (&b"id,m\n2,2\n"[..], "it has no column n"),
        (b"\n\nid\n2\n", "it has no column n"),
        (b"id,n,m\n2,2,3\n", "it has a further column m"),
        (b"n,id\n2,2\n", "its key is n, expected id"),
        (b"2,2\n", "its key is 2, expected id"),
    ] {
        let refused = refused(("b.csv", content), &read);
        let line = if content.starts_with(b"\n") { 3 } else { 1 };
        assert_eq!(refused, format!("b.csv:{line}: its columns are others than those of a.csv: {how}"));
    }
    assert_eq!(
        refused(("b.jsonl", b"{\"id\":1,\"n\":1}\n"), &read),
        "b.jsonl: it is read as jsonl, and a.csv as csv"
    );
    let no_header = ReadOptions { header: Some(false), ..read };
    assert_eq!(
        refused(("b.csv", b"2,2,2\n"), &no_header),
        "b.csv:1: its columns are others than those of a.csv: it has a further column 3"
    );
    let (folder, _) = files(&[]);
    let missing = folder.path().join("none.csv");
    let (_kept, mut parts) = files(&[("a.csv", b"id,n\n1,1\n")]);
    parts.push(PartFile::new(&missing));
    assert!(
        build(parts, &ReadOptions::default(), &all).unwrap_err().starts_with(&*missing.to_string_lossy())
    );
}

#[test]
fn what_is_wrong_with_a_row_is_named_with_its_file_and_line() {
    let csv: &[u8] = b"# of today\nid,n\n1,1\n";
    let (folder, parts) = files(&[("a.csv", csv), ("b.csv", b"# of\nid,n\n2,2\n3\n")]);
    let read = ReadOptions { skip: 1, ..ReadOptions::default() };
    let refused = refusal(folder.path(), parts, &read, &ColumnOptions::default());
    assert!(refused.starts_with("b.csv:4: "), "{refused}");

    let (folder, parts) =
        files(&[("a.jsonl", b"{\"key\":1,\"n\":1}\n"), ("b.jsonl", b"\n{\"key\":2,\"n\":1}\n{\n")]);
    let refused = refusal(folder.path(), parts, &ReadOptions::default(), &ColumnOptions::default());
    assert!(refused.starts_with("b.jsonl:3:"), "{refused}");

    let (folder, parts) = files(&[("a.csv", b"id,n\n1,1\n"), ("b.csv", b"id,n\n2,2\n3,x\n")]);
    let typed = ColumnOptions { columns: None, types: vec![("n".into(), ColumnType::Int)] };
    let input = Input::open_parts("the files", parts).unwrap();
    let mut rows = TableRows::new(input, &ReadOptions::default(), &typed).unwrap();
    let mut builder = rows.builder(Options::default()).unwrap();
    let error = rows.add_to(&mut builder).unwrap_err();
    assert_eq!(
        (error.input, error.position.line),
        (folder.path().join("b.csv").display().to_string(), Some(3))
    );
}

#[test]
fn objects_of_all_files_bring_their_columns_with_them() {
    let (_folder, parts) = files(&[
        ("a.jsonl", b"{\"key\":\"1\",\"n\":1}\n"),
        ("b.jsonl", b"{\"key\":\"2\",\"m\":true}\n{\"n\":2.5,\"key\":\"3\"}\n"),
    ]);
    let store = build(parts, &ReadOptions::default(), &ColumnOptions::default()).unwrap();
    assert_eq!(json(&store, "1"), r#"{"n":1}"#);
    assert_eq!(json(&store, "2"), r#"{"m":true}"#);
    assert_eq!(json(&store, "3"), r#"{"n":2.5}"#);
}

#[test]
fn pairs_and_forms_that_are_no_rows_are_read_of_one_file() {
    let (_folder, parts) = files(&[("a.csv", b"k,v\na,b\n"), ("b.csv", b"k,v\na,b\n")]);
    let error =
        Pairs::new(Input::open_parts("the files", parts).unwrap(), &ReadOptions::default()).err().unwrap();
    assert_eq!(error.to_string(), "the files: found 2 inputs, and csv is read of one");
    let (folder, parts) = files(&[("a.json", b"{\"a\":{\"n\":1}}"), ("b.json", b"{\"b\":{\"n\":1}}")]);
    let read = ReadOptions { format: Some(Format::Json), ..ReadOptions::default() };
    let refused = refusal(folder.path(), parts, &read, &ColumnOptions::default());
    assert_eq!(refused, "the files: found 2 inputs, and json is read of one");
}
