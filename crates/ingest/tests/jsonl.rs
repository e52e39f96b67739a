//! JSON lines: what stands in a field is what is stored.

use graven_ingest::{Cause, Error, Format, Input, Nulls, Pairs, ReadOptions, Role};

fn read_as(text: &str, options: &ReadOptions) -> Result<Vec<(String, String)>, Error> {
    let options = ReadOptions { format: Some(Format::Jsonl), ..options.clone() };
    let input = Input::from_reader("t.jsonl", std::io::Cursor::new(text.to_owned()))?;
    let mut pairs = Pairs::new(input, &options)?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        read.push((
            String::from_utf8(pair.key.to_vec()).unwrap(),
            String::from_utf8(pair.value.to_vec()).unwrap(),
        ));
    }
    Ok(read)
}

fn read(text: &str) -> Result<Vec<(String, String)>, Error> {
    read_as(text, &ReadOptions::default())
}

#[test]
fn what_is_no_string_is_stored_as_it_is_written() {
    for written in [
        "35.0",
        "-0",
        "1E400",
        "12345678901234567890.12345678901234567890",
        "true",
        "false",
        "[]",
        "[1, 2.50 , \"\\u00e9\"]",
        "{\"a\" : {\"b\":[null]} }",
        "{\"a\":1,\"a\":2}",
    ] {
        let text = format!("{{\"key\":\"k\",\"value\": {written} }}\n");
        assert_eq!(read(&text).unwrap(), [("k".to_owned(), written.to_owned())]);
    }
}

#[test]
fn a_string_is_stored_as_what_it_stands_for() {
    for (written, text) in [
        (r#""plain""#, "plain"),
        (r#""""#, ""),
        (r#""a\"b\\c\/d\n\té""#, "a\"b\\c/d\n\té"),
        (r#""\u00e9\ud83d\ude00""#, "é😀"),
        (r#""true""#, "true"),
    ] {
        let line = format!("{{\"key\":\"k\",\"value\":{written}}}");
        assert_eq!(read(&line).unwrap(), [("k".to_owned(), text.to_owned())]);
    }
}

#[test]
fn keys_are_strings_numbers_or_booleans() {
    for (written, key) in
        [("7", "7"), ("7.10", "7.10"), ("true", "true"), (r#""""#, ""), (r#""\u0061""#, "a")]
    {
        let line = format!("{{\"key\":{written},\"value\":\"\"}}");
        assert_eq!(read(&line).unwrap(), [(key.to_owned(), String::new())]);
    }
    for (written, found) in [("[1]", "an array"), ("{}", "an object")] {
        let error = read(&format!("{{\"key\":{written},\"value\":\"\"}}")).unwrap_err();
        assert!(matches!(&error.cause, Cause::CompositeKey { found: what } if *what == found), "{error}");
    }
    let error = read("{\"key\":null,\"value\":1}").unwrap_err();
    assert!(matches!(error.cause, Cause::Null { role: Role::Key }));
}

#[test]
fn a_null_value_is_what_is_chosen() {
    let text = "{\"key\":1,\"value\":null}\n{\"key\":2,\"value\":2}\n{\"key\":3,\"value\": null }\n";
    let error = read(text).unwrap_err();
    assert!(matches!(error.cause, Cause::Null { role: Role::Value }));
    assert_eq!(error.position.line, Some(1));
    for (nulls, expected) in [
        (Nulls::Skip, &[("2", "2")][..]),
        (Nulls::Empty, &[("1", ""), ("2", "2"), ("3", "")]),
        (Nulls::Json, &[("1", "null"), ("2", "2"), ("3", "null")]),
    ] {
        let read = read_as(text, &ReadOptions { nulls, ..ReadOptions::default() }).unwrap();
        let read: Vec<(&str, &str)> =
            read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, expected);
    }
    // A null key is no pair, whatever becomes of values.
    let options = ReadOptions { nulls: Nulls::Json, ..ReadOptions::default() };
    assert!(matches!(read_as("{\"key\":null,\"value\":1}", &options).unwrap_err().cause, Cause::Null { .. }));
}

#[test]
fn errors_name_the_line_and_the_column() {
    for (line, column, what) in [
        ("[1]", Some(1), "invalid type: sequence, expected an object"),
        ("{\"key\":1,\"value\":1} x", Some(21), "trailing characters"),
        ("{\"key\":1,\"value\":\"a", Some(19), "EOF while parsing a string"),
        ("{\"key\":1,\"value\":01}", Some(19), "invalid number"),
        ("{\"key\":1,\"value\":\"\\ud800\"}", Some(18), "unexpected end of hex escape"),
        ("{\"key\":1,\"value_base64\":\"!\"}", Some(25), "expected base64: Invalid symbol 33, offset 0."),
        ("{\"key\":1,\"value_base64\":12}", Some(25), "expected base64: a string, found a number"),
        ("{\"key\":1}", None, "there is no field `value` for the value; the fields are key"),
        ("{}", None, "there is no field `key` for the key; there is none at all"),
        ("{\"key\":1,\"value\":1,\"value\":2}", None, "there is more than one field `value`"),
    ] {
        let text = format!("{{\"key\":0,\"value\":0}}\n{line}\n");
        let error = read(&text).unwrap_err();
        assert_eq!((error.position.line, error.position.column), (Some(2), column), "{line}: {error}");
        assert_eq!(error.cause.to_string(), what, "{line}");
    }
}

#[test]
fn fields_that_nobody_asked_for_are_reported_once() {
    let text = "{\"key\":1,\"a\":{\"key\":2},\"value\":1,\"b\":0}\n{\"b\":0,\"key\":2,\"c\":0,\"value\":2}\n";
    let options = ReadOptions { format: Some(Format::Jsonl), ..ReadOptions::default() };
    let mut pairs = Pairs::new(Input::from_reader("t", text.as_bytes()).unwrap(), &options).unwrap();
    while pairs.next_pair().unwrap().is_some() {}
    assert_eq!(pairs.ignored(), ["a", "b", "c"]);
}
