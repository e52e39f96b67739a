//! What an input is taken for where nobody says it: right, or refused with what it could be.

use std::fs;
use std::path::PathBuf;

use graven_ingest::{Cause, Content, Error, Format, Input, LikelyColumns, Pairs, ReadOptions};

const FIRST_TWO: LikelyColumns = LikelyColumns { key: 0, value: 1 };

/// A file of that name and content, in a directory of its own.
fn file(name: &str, text: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    (directory, path)
}

type OwnedPair = (String, String);

fn read_as(name: &str, text: &[u8], options: &ReadOptions) -> Result<(Format, Vec<OwnedPair>), Error> {
    let (_directory, path) = file(name, text);
    let mut pairs = Pairs::new(Input::open(&path)?, options)?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        read.push((text(pair.key), text(pair.value)));
    }
    Ok((pairs.format(), read))
}

fn read(name: &str, text: &[u8]) -> Result<(Format, Vec<OwnedPair>), Error> {
    read_as(name, text, &ReadOptions::default())
}

#[track_caller]
fn assert_reads(name: &str, text: &[u8], format: Format, expected: &[(&str, &str)]) {
    let (found, pairs) = read(name, text).unwrap();
    assert_eq!(found, format, "{name}");
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected, "{name}");
}

/// Asserts that the content is named, and that nothing is read when it is.
#[track_caller]
fn assert_content(name: &str, text: &[u8], content: Content) {
    match read(name, text).map_err(|error| error.cause) {
        Err(Cause::Content(found)) => assert_eq!(found, content, "{name}: {}", text.escape_ascii()),
        other => panic!("{name}: {}: {other:?}", text.escape_ascii()),
    }
}

#[test]
fn an_extension_says_the_form_and_one_of_a_compression_is_passed_over() {
    assert_reads("t.data", b"a b,1\tc", Format::Data, &[("a", "b,1\tc")]);
    assert_reads("t.tsv", b"a b\t1\tc\n", Format::Tsv, &[("a b", "1\tc")]);
    assert_reads("t.tab", b"a b\t1\n", Format::Tsv, &[("a b", "1")]);
    assert_reads("t.CSV", b"a b,1\n", Format::Csv, &[("a b", "1")]);
    assert_reads("t.ndjson", br#"{"key":"a","value":"1"}"#, Format::Jsonl, &[("a", "1")]);
    assert_eq!(Format::of("t.jsonl.zst".as_ref()), Some(Format::Jsonl));
    assert_eq!(Format::of("csv".as_ref()), None);
}

#[test]
fn without_an_extension_the_first_lines_say_the_form() {
    assert_reads("t", b"a 1\nb 2\n", Format::Data, &[("a", "1"), ("b", "2")]);
    assert_reads("t", b"a\t1\nb\t2 3\n", Format::Data, &[("a", "1"), ("b", "2 3")]);
    assert_reads("t", b"word\nlist\n", Format::Data, &[("word", ""), ("list", "")]);
    let lines = b"{\"key\":\"a\",\"value\":1}\n\n{\"key\":\"b\",\"value\":2}\n";
    for name in ["t", "t.txt", "t.json"] {
        assert_reads(name, lines, Format::Jsonl, &[("a", "1"), ("b", "2")]);
    }
    assert_reads("t.json", br#" {"value":1,"key":"a"} "#, Format::Jsonl, &[("a", "1")]);
}

#[test]
fn a_json_document_is_read_where_its_members_are_alike_or_it_is_an_array() {
    let pair = [("a", "1"), ("b", "2")];
    let array = b"[{\"key\":\"a\",\"value\":1},\n {\"key\":\"b\",\"value\":2}]\n";
    for name in ["t.json", "t", "t.json.gz"] {
        assert_reads(name, array, Format::Json, &pair);
        assert_reads(name, b"[]", Format::Json, &[]);
        assert_reads(name, b"{\"a\":1,\n\"b\":\"2\"}", Format::Json, &pair);
        assert_reads(name, b"{\"a\":1,\"b\":2}\n", Format::Json, &pair);
        let lists = [("a", "[1]"), ("b", "[]")];
        assert_reads(name, b"{\"a\":[1],\"b\":[]}", Format::Json, &lists);
        let objects = [("AD", "{\"name\":\"Andorra\"}"), ("AE", "{}")];
        assert_reads(name, br#"{"AD":{"name":"Andorra"},"AE":{}}"#, Format::Json, &objects);
    }
    // Longer than what is looked at.
    let (long, other) = ("x".repeat(100_000), "y".repeat(100_000));
    let text = format!("{{\"AD\":\"{long}\",\"AE\":\"{other}\"}}");
    assert_reads(
        "t.json",
        format!("{{\"A\":1,{}", &text[1..]).as_bytes(),
        Format::Json,
        &[("A", "1"), ("AD", &long), ("AE", &other)],
    );
}

#[test]
fn a_json_object_whose_pairs_may_be_elsewhere_is_refused() {
    let within = |member: Option<&str>, field: Option<&str>| Content::JsonObject {
        member: member.map(Into::into),
        field: field.map(Into::into),
    };
    for name in ["t.json", "t", "t.data"] {
        let rows = b"{\n \"date\": 1, \"rows\" : [\n{\"id\":1}]}\n";
        assert_content(name, rows, within(Some("rows"), Some("id")));
        assert_content(name, b"{\n\"data\": {\"a\":1}}", within(Some("data"), None));
        let package = b"{\"name\":\"x\",\n \"dependencies\":{\"a\":\"1\"}}";
        assert_content(name, package, within(Some("dependencies"), None));
        assert_content(name, b"{\n\"a\":1}", within(None, None));
        assert_content(name, b"{\"a\":\n[[1]],\"b\":[]}", within(None, None));
    }
    for name in ["t.jsonl", "t.data", "t.csv", "t.tsv"] {
        assert_content(name, b"[{\"key\":\"a\"}]", Content::JsonArray);
    }
    // Who says it is answered.
    for options in [
        ReadOptions { format: Some(Format::Json), ..ReadOptions::default() },
        ReadOptions { at: vec!["b".into()], ..ReadOptions::default() },
    ] {
        assert!(read_as("t", b"{\"a\":1,\"b\":{\"c\":2}}", &options).is_ok(), "{options:?}");
    }
}

#[test]
fn json_lines_under_another_extension_are_named() {
    let lines = b"{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":2}\n";
    for name in ["t.data", "t.csv", "t.tsv"] {
        assert_content(name, lines, Content::JsonLines);
    }
}

#[test]
fn text_that_begins_like_json_is_text() {
    assert_reads("t", b"[INFO] started\n", Format::Data, &[("[INFO]", "started")]);
    assert_reads("t", b"[1] one\n[2] two\n", Format::Data, &[("[1]", "one"), ("[2]", "two")]);
    assert_reads("t", b"{a} 1\n", Format::Data, &[("{a}", "1")]);
}

#[test]
fn columns_that_text_would_take_into_the_key_are_named() {
    let unicode = b"0041;LATIN CAPITAL LETTER A;Lu\n0042;LATIN CAPITAL LETTER B;Lu\n";
    assert_content("UnicodeData.txt", unicode, Content::Columns { delimiter: b';', likely: FIRST_TWO });
    assert_content("t", b"a,1\n", Content::Columns { delimiter: b',', likely: FIRST_TWO });
    assert_content(
        "t",
        b"id,name\n1,\"Ada, Countess\"\n2,Grace Hopper\n",
        Content::Columns { delimiter: b',', likely: FIRST_TWO },
    );
    assert_content("t", b"a|b|c d\ne|f|g h\n", Content::Columns { delimiter: b'|', likely: FIRST_TWO });
    assert_content("t", b"a b\t1\nc\t2\n", Content::Columns { delimiter: b'\t', likely: FIRST_TWO });
    // Not in every key, not as often in every line, or not in the keys.
    assert_reads("t", b"a,b 1\nc 2\n", Format::Data, &[("a,b", "1"), ("c", "2")]);
    assert_reads("t", b"a,b 1\nc,d,e 2\n", Format::Data, &[("a,b", "1"), ("c,d,e", "2")]);
    assert_reads("t", b"a 1,2\nb 3,4\n", Format::Data, &[("a", "1,2"), ("b", "3,4")]);
    assert_reads("t", b"user,1 Ada\n", Format::Data, &[("user,1", "Ada")]);
}

#[test]
fn a_csv_with_another_delimiter_is_named() {
    for (text, delimiter) in [
        (&b"a;1\nb;2\n"[..], b';'),
        (b"a\t1\nb\t2\n", b'\t'),
        (b"a|1|x\nb|2|y\n", b'|'),
        // The commas are those of numbers.
        (b"a;1,5\nb;2,5\n", b';'),
        (b"a;x, y;z\nb;x;z\n", b';'),
    ] {
        assert_content("t.csv", text, Content::Columns { delimiter, likely: FIRST_TWO });
    }
    let semicolon = ReadOptions { delimiter: Some(b';'), ..ReadOptions::default() };
    let pairs = [("a".to_owned(), "1,5".to_owned()), ("b".to_owned(), "2,5".to_owned())];
    for name in ["t.csv", "t", "t.txt"] {
        assert_eq!(read_as(name, b"a;1,5\nb;2,5\n", &semicolon).unwrap(), (Format::Csv, pairs.to_vec()));
    }
    let comma = ReadOptions { delimiter: Some(b','), ..ReadOptions::default() };
    assert_eq!(read_as("t.csv", b"a;b,1\n", &comma).unwrap().1, [("a;b".to_owned(), "1".to_owned())]);
    assert_reads("t.csv", b"a,x;y\nb,x;y;z\n", Format::Csv, &[("a", "x;y"), ("b", "x;y;z")]);
}

#[test]
fn comments_are_named_unless_all_lines_begin_so() {
    for (text, prefix) in [
        (&b"# a table\na 1\n"[..], "#"),
        (b"#\na 1\n", "#"),
        (b"#a\nb 1\n", "#"),
        (b"// suffixes\ncom\n", "//"),
        (b"-- a dump\na 1\n", "--"),
        (b"; a zone\na 1\n", ";"),
    ] {
        for name in ["t", "t.tab", "t.csv"] {
            assert_content(name, text, Content::Comment { prefix });
        }
        let options = ReadOptions { comment: Some(prefix.into()), ..ReadOptions::default() };
        assert_eq!(read_as("t", text, &options).unwrap().1.len(), 1);
    }
    assert_reads("t.csv", b"#fff,white\n#000,black\n", Format::Csv, &[("#fff", "white"), ("#000", "black")]);
    assert_reads("t", b"#fff white\n#000 black\n", Format::Data, &[("#fff", "white"), ("#000", "black")]);
    assert_reads("t.data", b"# x\na 1\n", Format::Data, &[("#", "x"), ("a", "1")]);
}

#[test]
fn bytes_that_no_text_has_are_named_where_the_form_was_guessed() {
    for name in ["t", "t.csv", "t.tsv", "t.jsonl"] {
        assert_content(name, b"a\x00,1\n", Content::NulBytes);
    }
    assert_reads("t.data", b"a\x00 1\n", Format::Data, &[("a\0", "1")]);
    let data = ReadOptions { format: Some(Format::Data), ..ReadOptions::default() };
    assert_eq!(read_as("t", b"a\x00 1\n", &data).unwrap().1, [("a\0".to_owned(), "1".to_owned())]);
}

#[test]
fn foreign_files_are_named_whatever_is_said_of_them() {
    let foreign: [(&[u8], Content); 6] = [
        (b"PAR1\x15\x04\x15\x0c", Content::Parquet),
        (b"SQLite format 3\0\x10\x00", Content::Sqlite),
        (b"\xFF\xFEa\0 \x001\0\n\0", Content::Utf16),
        (b"a\0 \x001\0\n\0", Content::Utf16),
        (b"\xFD7zXZ\0\x00", Content::OtherCompression("xz")),
        (b"\xEF\xBB\xBF<?xml version", Content::OtherKind("an XML document")),
    ];
    for (text, content) in foreign {
        if content == Content::Parquet && cfg!(feature = "parquet") {
            continue;
        }
        for name in ["t", "t.data", "t.csv", "t.tsv", "t.jsonl"] {
            assert_content(name, text, content.clone());
        }
        for format in Format::ALL {
            let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
            let cause = read_as("t", text, &options).unwrap_err().cause;
            assert!(matches!(&cause, Cause::Content(found) if *found == content), "{cause}");
        }
    }
}

#[test]
fn lines_that_end_in_carriage_returns_are_read_in_a_csv_and_named_elsewhere() {
    assert_reads("t.csv", b"a,1\rb,2\r", Format::Csv, &[("a", "1"), ("b", "2")]);
    for (name, text) in [
        ("t", &b"a 1\rb 2\r"[..]),
        ("t.data", b"a 1\rb 2\r"),
        ("t.tsv", b"a\t1\rb\t2\r"),
        ("t.jsonl", b"{\"key\":\"a\",\"value\":1}\r{\"key\":\"b\",\"value\":2}\r"),
    ] {
        match read(name, text).map_err(|error| error.cause) {
            Err(Cause::Content(Content::LoneCarriageReturns)) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    // At the end of everything it is a byte of the value.
    assert_reads("t.data", b"a 1\r", Format::Data, &[("a", "1\r")]);
}

#[test]
fn a_byte_order_mark_is_dropped_in_every_form() {
    for (name, text) in [
        ("t", &b"a 1\n"[..]),
        ("t.data", b"a 1\n"),
        ("t.tsv", b"a\t1\n"),
        ("t.csv", b"a,1\n"),
        ("t.csv", b"\"a\",1\n"),
        ("t.jsonl", b"{\"key\":\"a\",\"value\":1}\n"),
        ("t", b"{\"key\":\"a\",\"value\":1}\n{\"key\":\"a\",\"value\":1}\n"),
    ] {
        let with_mark = [b"\xEF\xBB\xBF", text].concat();
        assert_eq!(read(name, &with_mark).unwrap(), read(name, text).unwrap(), "{name}");
        assert_eq!(read(name, &with_mark).unwrap().1[0], ("a".to_owned(), "1".to_owned()));
    }
    let options = ReadOptions { key: Some("id".into()), value: Some("n".into()), ..ReadOptions::default() };
    let pairs = read_as("t.csv", b"\xEF\xBB\xBFid,n\na,1\n", &options).unwrap().1;
    assert_eq!(pairs, [("a".to_owned(), "1".to_owned())]);
    // Anywhere else it is bytes like others.
    assert_reads("t.data", b"a 1\n\xEF\xBB\xBFb 2\n", Format::Data, &[("a", "1"), ("\u{feff}b", "2")]);
}

/// The cause for a csv that is read with the given columns, or without.
fn csv_cause(text: &str, key: Option<&str>, value: Option<&str>, header: Option<bool>) -> Option<Cause> {
    let options = ReadOptions {
        key: key.map(Into::into),
        value: value.map(Into::into),
        header,
        ..ReadOptions::default()
    };
    read_as("t.csv", text.as_bytes(), &options).err().map(|error| error.cause)
}

#[test]
fn more_than_two_columns_need_a_value() {
    let wide = "id,name,born\n7,Ada,1815\n";
    for key in [None, Some("id"), Some("1"), Some("3")] {
        match csv_cause(wide, key, None, None) {
            Some(Cause::ValueUndecided { columns, .. }) => assert_eq!(columns, ["id", "name", "born"]),
            other => panic!("{key:?}: {other:?}"),
        }
    }
    match csv_cause("7,Ada,1815\n9,Grace,1906\n", None, None, None) {
        Some(Cause::ValueUndecided { columns, .. }) => assert_eq!(columns, ["1", "2", "3"]),
        other => panic!("{other:?}"),
    }
    assert!(csv_cause("7,Ada,1815\n9,Grace,1906\n", None, Some("2"), None).is_none());
}

#[test]
fn a_key_that_would_be_its_own_value_is_refused_unless_it_is_asked_for() {
    for (key, header) in [(Some("2"), None), (Some("name"), None), (Some("2"), Some(true))] {
        let cause = csv_cause("id,name\n7,Ada\n", key, None, header);
        assert!(matches!(cause, Some(Cause::KeyIsValue { .. })), "{key:?}: {cause:?}");
    }
    let options = |key: &str, value: &str| ReadOptions {
        key: Some(key.into()),
        value: Some(value.into()),
        ..ReadOptions::default()
    };
    let same = [("Ada".to_owned(), "Ada".to_owned())];
    assert_eq!(read_as("t.csv", b"id,name\n7,Ada\n", &options("name", "name")).unwrap().1, same);
    assert_eq!(read_as("t.tsv", b"7\tAda\n", &options("2", "2")).unwrap().1, same);
    assert_eq!(read_as("t.jsonl", br#"{"id":7,"name":"Ada"}"#, &options("name", "name")).unwrap().1, same);
    let cause =
        read_as("t.jsonl", b"{}", &ReadOptions { key: Some("value".into()), ..ReadOptions::default() });
    assert!(matches!(cause.unwrap_err().cause, Cause::KeyIsValue { .. }));
}

#[test]
fn a_first_row_that_looks_like_a_header_has_to_be_said_to_be_one_or_not() {
    for text in
        ["key,value\na,b\n", "code,amount\nA,1\nB,2.5\n", "user_id,email\nu1,a@b.c\n", "ID,Name\nx,y\n"]
    {
        for name in ["t.csv", "t.tsv"] {
            let text = if name == "t.tsv" { text.replace(',', "\t") } else { text.to_owned() };
            let cause = read(name, text.as_bytes()).unwrap_err().cause;
            assert!(matches!(cause, Cause::HeaderUndecided { .. }), "{name}: {text}: {cause:?}");
            let rows = text.lines().count();
            for (header, pairs) in [(true, rows - 1), (false, rows)] {
                let options = ReadOptions { header: Some(header), ..ReadOptions::default() };
                assert_eq!(
                    read_as(name, text.as_bytes(), &options).unwrap().1.len(),
                    pairs,
                    "{name}: {text}"
                );
            }
        }
    }
    for text in
        ["apple,fruit\nleek,vegetable\n", "a,1\nb,2\n", "k1,NA\nk2,1\nk3,2\n", "7,1\n8,2\n", "a,a\nb,1\n"]
    {
        assert!(read("t.csv", text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn columns_are_found_by_name_or_number_and_the_others_are_reported() {
    let text = b"\n\nno;word;id;word\n1;one;a;x\n2;\"two;three\";b;y\n";
    let options = |key: &str, value: &str, header| ReadOptions {
        delimiter: Some(b';'),
        key: Some(key.into()),
        value: Some(value.into()),
        header,
        ..ReadOptions::default()
    };
    let expected = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    for (key, value, header) in [("id", "no", None), ("3", "1", Some(true)), ("id", "1", None)] {
        assert_eq!(read_as("t.csv", text, &options(key, value, header)).unwrap().1, expected);
    }
    let (_directory, path) = file("t.csv", text);
    let mut pairs = Pairs::new(Input::open(&path).unwrap(), &options("id", "no", None)).unwrap();
    assert!(pairs.next_pair().unwrap().is_some());
    assert_eq!(pairs.ignored(), ["2", "4"], "two columns have one name");

    let error = read_as("t.csv", text, &options("id", "what", None)).unwrap_err();
    assert!(matches!(&error.cause, Cause::UnknownColumn { wanted, .. } if wanted == "what"));
    assert_eq!(error.position.line, Some(3), "the header is in the third line");
    let error = read_as("t.csv", text, &options("id", "word", None)).unwrap_err();
    assert!(matches!(error.cause, Cause::RepeatedColumn { .. }));
    let error = read_as("t.csv", text, &options("id", "5", None)).unwrap_err();
    assert!(matches!(error.cause, Cause::NoSuchColumn { wanted: 5, found: 4, .. }));
    let error = read_as("t.csv", text, &options("id", "no", Some(false))).unwrap_err();
    assert!(matches!(error.cause, Cause::UnknownColumn { .. }));
    // A name that is a number.
    let years = b"year,2019,2020\nx,1,2\n";
    let options = ReadOptions {
        header: Some(true),
        key: Some("year".into()),
        value: Some("2020".into()),
        ..ReadOptions::default()
    };
    assert_eq!(read_as("t.csv", years, &options).unwrap().1, [("x".to_owned(), "2".to_owned())]);
}

#[test]
fn a_tsv_has_columns_where_they_are_asked_for() {
    let text = b"id\tname\tborn\n7\tAda\t1815\n9\t\t1906\n";
    let options =
        ReadOptions { key: Some("born".into()), value: Some("name".into()), ..ReadOptions::default() };
    let expected = [("1815".to_owned(), "Ada".to_owned()), ("1906".to_owned(), String::new())];
    assert_eq!(read_as("t.tsv", text, &options).unwrap().1, expected);
    let error = read_as("t.tsv", b"id\tname\tborn\n7\tAda\n", &options).unwrap_err();
    assert!(matches!(error.cause, Cause::ColumnCount { expected: 3, found: 2 }));
    assert_eq!(error.position.line, Some(2));
    let options = ReadOptions { header: Some(true), ..ReadOptions::default() };
    let expected = [("7".to_owned(), "Ada\t1815".to_owned()), ("9".to_owned(), "\t1906".to_owned())];
    assert_eq!(read_as("t.tsv", text, &options).unwrap().1, expected);
}

#[test]
fn quotes_that_make_one_cell_of_many_rows_are_suspected() {
    let mut rows: Vec<String> = (0..600).map(|i| format!("k{i},v{i}")).collect();
    rows[10] = "k10,\"v10".into();
    rows[500] = "k500,v500\"".into();
    let text = rows.join("\n");
    let error = read("t.csv", text.as_bytes()).unwrap_err();
    assert!(matches!(error.cause, Cause::RowsInQuotes { lines: 489, columns: 2 }), "{error}");
    assert_eq!(error.position.line, Some(11));
    let options = ReadOptions { rows_in_quotes: true, ..ReadOptions::default() };
    assert_eq!(read_as("t.csv", text.as_bytes(), &options).unwrap().1.len(), 110);
    for end in ["\r\n", "\r"] {
        assert!(matches!(
            read("t.csv", text.replace('\n', end).as_bytes()).unwrap_err().cause,
            Cause::RowsInQuotes { lines: 489, .. }
        ));
    }
    rows[500] = "k500,\"v500".into();
    let error = read("t.csv", rows.join("\n").as_bytes()).unwrap_err();
    assert!(matches!(error.cause, Cause::AfterQuote { line: 501, .. }), "{error}");
    assert_eq!((error.position.line, error.position.column), (Some(11), Some(5)));
    let poem = "k,\"no comma,\nnone\nnone\nhere, one\nnone\nnone\"\n";
    assert_eq!(read("t.csv", poem.as_bytes()).unwrap().1.len(), 1);
}

#[test]
fn aligned_values_keep_their_blanks_unless_they_are_trimmed() {
    let text = b"a      1 \nlonger 2\nb      3\t\n  c 4\n";
    let trim = ReadOptions { trim: true, ..ReadOptions::default() };
    let expected =
        [("a", "1"), ("longer", "2"), ("b", "3"), ("c", "4")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(read_as("t.data", text, &trim).unwrap().1, expected);
    let (_directory, path) = file("t.data", &text[..text.len() - 6]);
    let pairs = Pairs::new(Input::open(&path).unwrap(), &ReadOptions::default()).unwrap();
    assert!(pairs.are_values_aligned());
    assert_eq!(pairs.first(), Some((&b"a"[..], &b"     1 "[..])));
    assert_eq!(
        read_as("t.csv", b" a , 1\n\tb, 2 \n", &trim).unwrap().1,
        expected_pairs(&[("a", "1"), ("b", "2")])
    );
    assert_eq!(read_as("t.tsv", b" a \t 1\n", &trim).unwrap().1, expected_pairs(&[("a", "1")]));
    let error = read_as("t.csv", b"  ,1\n", &trim).unwrap_err();
    assert!(matches!(error.cause, Cause::EmptyKey));
}

fn expected_pairs(pairs: &[(&str, &str)]) -> Vec<OwnedPair> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn lines_are_counted_with_those_that_are_passed_over() {
    for end in ["\n", "\r\n"] {
        for (name, lines) in [
            ("t.data", ["a 1", "", "# x", "b 2", "", " no key"]),
            ("t.tsv", ["a\t1", "", "# x", "b\t2", "", "no tab"]),
            ("t.csv", ["a,1", "", "# x", "b,2", "", "one column"]),
            ("t.jsonl", [r#"{"key":1,"value":1}"#, "", "# x", r#"{"key":2,"value":2}"#, "  ", "no object"]),
        ] {
            let options = ReadOptions { comment: Some("#".into()), ..ReadOptions::default() };
            let error = read_as(name, lines.join(end).as_bytes(), &options).unwrap_err();
            assert_eq!(error.position.line, Some(6), "{name}: {error}");
        }
    }
}

/// A source that never ends.
struct Endless;

impl std::io::Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let line = b"key value\n";
        let len = bytes.len() / line.len() * line.len();
        bytes[..len].chunks_exact_mut(line.len()).for_each(|room| room.copy_from_slice(line));
        Ok(len)
    }
}

#[test]
fn a_reading_tells_how_far_it_is_and_ends_when_it_is_told_to() {
    for options in [ReadOptions::default(), ReadOptions { trim: true, ..ReadOptions::default() }] {
        let input = Input::from_reader("endless", Endless).unwrap();
        let meter = input.meter();
        let head = meter.read();
        assert!(head > 0, "what it is was looked at");
        let mut pairs = Pairs::new(input, &options).unwrap();
        for _ in 0..200_000 {
            assert!(pairs.next_pair().unwrap().is_some());
        }
        assert!(meter.read() > head);
        meter.stop();
        let error = loop {
            match pairs.next_pair() {
                Ok(pair) => assert!(pair.is_some()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error.cause, Cause::Stopped), "{error}");
    }
    let input = Input::from_reader("endless", Endless).unwrap();
    input.meter().stop();
    let mut builder = graven_format::Builder::new(graven_format::Options::default());
    let error = Pairs::new(input, &ReadOptions::default()).unwrap().add_to(&mut builder).unwrap_err();
    assert!(matches!(error.cause, Cause::Stopped), "{error}");
}

#[test]
fn what_cannot_be_opened_or_read_is_an_error_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let open = |path: PathBuf| Input::open(&path).err().map(|error| error.cause);
    assert!(matches!(open(directory.path().join("nowhere")), Some(Cause::Open(_))));
    assert!(matches!(open(directory.path().into()), Some(Cause::Directory)));
    struct Fails(usize);
    impl std::io::Read for Fails {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            let Some(left) = self.0.checked_sub(1) else { return Err(std::io::Error::from_raw_os_error(5)) };
            self.0 = left;
            bytes[..4].copy_from_slice(b"a 1\n");
            Ok(4)
        }
    }
    let error = Input::from_reader("broken", Fails(3)).err().unwrap();
    assert!(matches!(error.cause, Cause::Read(_)), "{error}");
    let mut pairs =
        Pairs::new(Input::from_reader("broken", Fails(20_000)).unwrap(), &ReadOptions::default()).unwrap();
    let error = loop {
        match pairs.next_pair() {
            Ok(pair) => assert!(pair.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.cause, Cause::Read(_)), "{error}");
    assert_eq!(error.position.line, Some(20_001));
}

#[test]
fn stanzas_are_read_and_what_only_looks_like_a_field_is_text() {
    let stanzas = b"Package: a\nVersion: 1\nDescription: x\n y\n\nPackage: b\nVersion: 2\n";
    assert_reads(
        "Packages",
        stanzas,
        Format::Deb822,
        &[("a", "Package: a\nVersion: 1\nDescription: x\n y"), ("b", "Package: b\nVersion: 2")],
    );
    assert_reads("status.txt", b"A: x\nB:\n\nA: d\n", Format::Deb822, &[("x", "A: x\nB:"), ("d", "A: d")]);
    assert_reads("t", b"a: 1\nb: 2\n\nc: 3\n", Format::Data, &[("a:", "1"), ("b:", "2"), ("c:", "3")]);
    assert_reads("t", b"a:1 x\n\na:1 y\n", Format::Data, &[("a:1", "x"), ("a:1", "y")]);
    let data = ReadOptions { format: Some(Format::Data), ..ReadOptions::default() };
    assert_eq!(read_as("t", b"a: 1\n\na: 2\n", &data).unwrap().1.len(), 2);
}
