//! Keys of several columns, and values that are objects of several.

use graven_ingest::{Cause, Error, Format, Input, KeyColumns, Pairs, ReadOptions, ValueColumns};

fn read(format: Format, text: &[u8], options: &ReadOptions) -> Result<Vec<(String, String)>, Error> {
    let options = ReadOptions { format: Some(format), ..options.clone() };
    let mut pairs = Pairs::new(Input::from_reader("t", std::io::Cursor::new(text.to_vec()))?, &options)?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        read.push((text(pair.key), text(pair.value)));
    }
    Ok(read)
}

fn keys(names: &[&str]) -> Option<KeyColumns> {
    Some(KeyColumns(names.iter().map(|&name| name.into()).collect()))
}

fn members(names: &[&str]) -> Option<ValueColumns> {
    Some(ValueColumns::Object(names.iter().map(|&name| name.into()).collect()))
}

#[track_caller]
fn assert_reads(format: Format, text: &str, options: &ReadOptions, expected: &[(&str, &str)]) {
    let read = read(format, text.as_bytes(), options).unwrap();
    let read: Vec<(&str, &str)> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(read, expected, "{format}: {text}");
}

const CSV: &str = "country,code,name,price\nAD,7,\"Andorra, la \"\"Vella\"\"\",35.0\nAE,007,,\n";

#[test]
fn a_key_of_several_columns_is_their_cells_in_the_order_asked_for() {
    let by = |names: &[&str]| ReadOptions {
        key: keys(names),
        value: Some("price".into()),
        ..ReadOptions::default()
    };
    assert_reads(Format::Csv, CSV, &by(&["country", "code"]), &[("AD:7", "35.0"), ("AE:007", "")]);
    assert_reads(Format::Csv, CSV, &by(&["2", "country"]), &[("7:AD", "35.0"), ("007:AE", "")]);
    let tsv = CSV.replace("\"Andorra, la \"\"Vella\"\"\"", "A").replace(',', "\t");
    let other = ReadOptions { key_separator: Some(b"/-".to_vec()), ..by(&["country", "code"]) };
    assert_reads(Format::Tsv, &tsv, &other, &[("AD/-7", "35.0"), ("AE/-007", "")]);
    let jsonl = "{\"country\":\"AD\",\"code\":7.0,\"price\":true}\n";
    assert_reads(Format::Jsonl, jsonl, &by(&["country", "code"]), &[("AD:7.0", "true")]);
}

#[test]
fn no_two_keys_of_other_parts_are_the_same() {
    let read = |separator: &str, text: &str| {
        let options = ReadOptions {
            key: keys(&["1", "2"]),
            key_separator: Some(separator.into()),
            value: Some("3".into()),
            ..ReadOptions::default()
        };
        read(Format::Csv, text.as_bytes(), &options)
    };
    assert_eq!(read(":", "a,b:c,1\n").unwrap()[0].0, "a:b:c");
    assert_eq!(read("::", "a,:b,1\n").unwrap()[0].0, "a:::b");
    for (separator, text) in
        [(":", "x,y,1\na:b,c,1\n"), ("::", "x,y,1\na:,b,1\n"), ("aba", "x,y,1\ncab,d,1\n")]
    {
        let error = read(separator, text).unwrap_err();
        assert_eq!(error.position.line, Some(2));
        assert!(matches!(error.cause, Cause::SeparatorInKey { part: 1, .. }), "{error}");
    }
    // An empty part is one too.
    assert_eq!(read(":", ",,1\n").unwrap()[0].0, ":");
    let long = format!("{},b,1\n", "a".repeat(65_536));
    assert!(matches!(read(":", &long).unwrap_err().cause, Cause::KeyTooLong));
}

#[test]
fn a_value_of_several_columns_is_an_object_of_what_their_cells_hold() {
    let of = |value| ReadOptions { key: keys(&["code"]), value, ..ReadOptions::default() };
    let (first, second) =
        ("{\"price\":\"35.0\",\"name\":\"Andorra, la \\\"Vella\\\"\"}", "{\"price\":\"\",\"name\":\"\"}");
    assert_reads(Format::Csv, CSV, &of(members(&["price", "name"])), &[("7", first), ("007", second)]);
    let tsv = "id\ta\tb\n1\t\\\t\u{1}\n";
    let all = ReadOptions { value: Some(ValueColumns::AllOthers), ..ReadOptions::default() };
    assert_reads(Format::Tsv, tsv, &all, &[("1", "{\"a\":\"\\\\\",\"b\":\"\\u0001\"}")]);
    let no_header = ReadOptions { header: Some(false), ..all.clone() };
    assert_reads(Format::Csv, "1,x\n", &no_header, &[("1", "{\"2\":\"x\"}")]);
    let jsonl = "{\"key\":1,\"b\" : [ 1.0 ],\"\\u0061\":\"\\u0061\"}\n{\"key\":2}\n";
    assert_reads(Format::Jsonl, jsonl, &all, &[("1", "{\"b\":[ 1.0 ],\"a\":\"\\u0061\"}"), ("2", "{}")]);
    let some = ReadOptions { value: members(&["a", "c"]), ..ReadOptions::default() };
    assert_reads(Format::Jsonl, jsonl, &some, &[("1", "{\"a\":\"a\"}"), ("2", "{}")]);
}

#[test]
fn what_is_no_text_is_base64_in_an_object() {
    let options = ReadOptions { value: Some(ValueColumns::AllOthers), ..ReadOptions::default() };
    let read = read(Format::Csv, b"id,a\n1,\xFFx\n", &options).unwrap();
    assert_eq!(read, [("1".to_owned(), "{\"a_base64\":\"/3g=\"}".to_owned())]);
}

#[test]
fn names_of_members_come_from_a_header_without_a_doubt() {
    let options = ReadOptions { value: Some(ValueColumns::AllOthers), ..ReadOptions::default() };
    for format in [Format::Csv, Format::Tsv] {
        let text = |text: &str| if format == Format::Tsv { text.replace(',', "\t") } else { text.to_owned() };
        let cause = |of: &str| read(format, text(of).as_bytes(), &options).unwrap_err().cause;
        assert!(matches!(cause("1,Ada,1815\n2,Grace,1906\n"), Cause::HeaderDoubtful { .. }));
        let named = ReadOptions { header: Some(true), ..options.clone() };
        let repeated = read(format, text("id,a,a\n1,2,3\n").as_bytes(), &named).unwrap_err();
        assert_eq!(
            repeated.to_string(),
            "t:1: more than one column is named a, and a value has one member of a name"
        );
    }
}
