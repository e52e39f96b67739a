//! Stanzas of fields, as Debian's package indexes have: what a key, a value and a column are.

use std::io::Cursor;

use graven_format::{ColumnType, Options, Store};
use graven_ingest::{
    ColumnOptions, Error, Format, Input, KeyColumns, Pairs, ReadOptions, TableRows, ValueColumns,
};

const INDEX: &str = "Package: a\nVersion: 1.50\nSize: 12\nDescription: first\n second\n .\n  third  \n\n\n\
                     Package: b\nSize:  7 \nHomepage: https://b.example/x:y\nVersion: 2\n";

fn stanzas() -> ReadOptions {
    ReadOptions { format: Some(Format::Deb822), ..ReadOptions::default() }
}

fn input(text: &str) -> Input {
    Input::from_reader("Packages", Cursor::new(text.to_owned())).unwrap()
}

fn read(text: &str, options: &ReadOptions) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Pairs::new(input(text), options)?;
    let mut read = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while let Some(pair) = pairs.next_pair()? {
        read.push((text(pair.key), text(pair.value)));
    }
    Ok(read)
}

fn assert_pairs(text: &str, options: &ReadOptions, expected: &[(&str, &str)]) {
    let found = read(text, options).unwrap();
    let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn without_a_word_the_first_field_is_the_key_and_the_stanza_the_value() {
    let expected = [
        ("a", "Package: a\nVersion: 1.50\nSize: 12\nDescription: first\n second\n .\n  third  "),
        ("b", "Package: b\nSize:  7 \nHomepage: https://b.example/x:y\nVersion: 2"),
    ];
    assert_pairs(INDEX, &ReadOptions::default(), &expected);
    assert_pairs(INDEX, &stanzas(), &expected);
    // One stanza could be text; said to be one, it is read.
    assert_pairs("Package: a\nX: y\n", &stanzas(), &[("a", "Package: a\nX: y")]);
    // Lines of blanks end a stanza too, and line ends are as they are in Unix.
    let windows = "\n \nPackage: a\r\nX:\r\n y\r\n\t\r\nPackage: b\r\n";
    assert_pairs(windows, &stanzas(), &[("a", "Package: a\nX:\n y"), ("b", "Package: b")]);
}

#[test]
fn a_field_goes_on_to_the_next_one_and_keeps_the_blanks_inside() {
    let description = ReadOptions { value: Some("Description".into()), ..stanzas() };
    assert_pairs(
        &INDEX[..INDEX.find("\n\n").unwrap()],
        &description,
        &[("a", "first\n second\n .\n  third")],
    );
    let folded = "Package: a\nDescription:\n first\n# a comment\n second\n";
    let with_comments = ReadOptions { comment: Some(b"#".to_vec()), ..description };
    assert_pairs(folded, &with_comments, &[("a", "\n first\n second")]);
    // A comment that looks like a field takes over no line of the one before it.
    let old = "Package: a\nDescription: first\n#Old: b\n second\n";
    assert_pairs(old, &with_comments, &[("a", "first\n second")]);
    let error = read(old, &stanzas()).unwrap_err().to_string();
    assert!(error.starts_with("Packages:3: expected the name of a field"), "{error}");
}

#[test]
fn case_does_not_count_in_the_names_of_fields() {
    let version = ReadOptions { key: Some("PACKAGE".into()), value: Some("version".into()), ..stanzas() };
    assert_pairs("Package: a\nVersion: 1\n\npackage: b\nVERSION: 2\n", &version, &[("a", "1"), ("b", "2")]);
    let error = read("Package: a\nSize: 1\nsize: 2\n", &stanzas()).unwrap_err().to_string();
    assert!(error.starts_with("Packages:3: there is more than one field `size`"), "{error}");
    let columns = ColumnOptions {
        columns: Some(vec!["size".into(), "VERSION".into()]),
        types: vec![("Version".into(), ColumnType::Text)],
    };
    let some = table(&columns, &stanzas()).unwrap();
    assert_eq!(json(&some, "a"), r#"{"size":12,"VERSION":"1.50"}"#);
    let all = ColumnOptions { types: vec![("VERSION".into(), ColumnType::Text)], ..ColumnOptions::default() };
    assert!(json(&table(&all, &stanzas()).unwrap(), "a").starts_with(r#"{"Version":"1.50","Size":12,"#));
}

#[test]
fn a_type_of_a_field_that_no_stanza_has_is_refused() {
    let columns =
        ColumnOptions { types: vec![("Versoin".into(), ColumnType::Text)], ..ColumnOptions::default() };
    let error = table(&columns, &stanzas()).unwrap_err().to_string();
    assert!(
        error.contains("a type is said of column Versoin; the columns are description, homepage"),
        "{error}"
    );
}

#[test]
fn fields_are_named_for_keys_and_values() {
    let by = |key: &[&str], value| ReadOptions {
        key: Some(KeyColumns(key.iter().map(|&key| key.into()).collect())),
        value,
        ..stanzas()
    };
    let version = by(&["Package"], Some("Version".into()));
    assert_pairs(INDEX, &version, &[("a", "1.50"), ("b", "2")]);
    let mut pairs = Pairs::new(input(INDEX), &version).unwrap();
    while pairs.next_pair().unwrap().is_some() {}
    assert_eq!(pairs.ignored(), ["Size", "Description", "Homepage"]);

    let two = by(&["Package", "Version"], Some(ValueColumns::Object(vec!["Size".into(), "Homepage".into()])));
    assert_pairs(
        INDEX,
        &two,
        &[("a:1.50", r#"{"Size":"12"}"#), ("b:2", r#"{"Size":"7","Homepage":"https://b.example/x:y"}"#)],
    );
    let all = by(&["Version"], Some(ValueColumns::AllOthers));
    let first = r#"{"Package":"a","Size":"12","Description":"first\n second\n .\n  third"}"#;
    assert_eq!(read(INDEX, &all).unwrap()[0], ("1.50".to_owned(), first.to_owned()));
}

#[test]
fn what_is_no_stanza_is_named_with_its_line() {
    let homepage = ReadOptions { value: Some("Homepage".into()), ..stanzas() };
    for (text, options, expected) in [
        ("Package: a\n\n X: b\n", stanzas(), "Packages:3: expected the name of a field and a colon"),
        ("Package: a\nno colon here\n", stanzas(), "Packages:2: expected the name of a field and a colon"),
        ("Package: a\n: b\n", stanzas(), "Packages:2: expected the name of a field and a colon"),
        ("Package: a\nX: 1\nY: 2\nX: 3\n", stanzas(), "Packages:4: there is more than one field `X`"),
        (
            "\nPackage: a\n\nX: 1\n",
            stanzas(),
            "Packages:4: there is no field `Package` for the key; the fields are X",
        ),
        (INDEX, homepage, "Packages:1: there is no field `Homepage` for the value; the fields are Package, "),
        ("Package:\n\n", stanzas(), "Packages:1: the key is empty"),
        (
            INDEX,
            ReadOptions { header: Some(true), ..stanzas() },
            "Packages: the input is read as deb822, which has no header",
        ),
        (
            INDEX,
            ReadOptions { at: vec!["a".into()], ..stanzas() },
            "Packages: the input is read as deb822, which has no members",
        ),
    ] {
        let error = read(text, &options).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(read("", &stanzas()).unwrap(), []);
}

fn table(columns: &ColumnOptions, read: &ReadOptions) -> Result<Store, Error> {
    let mut rows = TableRows::new(input(INDEX), read, columns)?;
    let mut builder = rows.builder(Options { temporary_dir: std::env::temp_dir(), ..Options::default() })?;
    rows.add_to(&mut builder)?;
    Ok(builder.finish().unwrap().0)
}

fn json(store: &Store, key: &str) -> String {
    let (mut value, mut json) = (Vec::new(), Vec::new());
    assert!(store.get(key.as_bytes(), &mut value).unwrap(), "{key}");
    store.row(&value).unwrap().write_json(&mut json).unwrap();
    String::from_utf8(json).unwrap()
}

#[test]
fn columns_take_their_types_from_all_stanzas_and_what_is_not_there_stays_missing() {
    let all = table(&ColumnOptions::default(), &stanzas()).unwrap();
    assert_eq!(json(&all, "a"), r#"{"Version":1.50,"Size":12,"Description":"first\n second\n .\n  third"}"#);
    assert_eq!(json(&all, "b"), r#"{"Version":2,"Size":7,"Homepage":"https://b.example/x:y"}"#);
    assert_eq!(all.schema().unwrap().key().name, "Package");

    let columns = ColumnOptions {
        columns: Some(vec!["Size".into(), "Version".into()]),
        types: vec![("Version".into(), ColumnType::Text)],
    };
    let some = table(&columns, &ReadOptions::default()).unwrap();
    assert_eq!(json(&some, "a"), r#"{"Size":12,"Version":"1.50"}"#);
    let int = ColumnOptions { types: vec![("Version".into(), ColumnType::Int)], ..ColumnOptions::default() };
    let error = table(&int, &stanzas()).unwrap_err().to_string();
    assert!(error.starts_with("Packages:1: column `Version`: expected a whole number"), "{error}");
}
