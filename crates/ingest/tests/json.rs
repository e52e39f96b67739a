//! JSON documents: which pairs they hold, and where what is wrong with them is.

use graven_format::{Options, Store};
use graven_ingest::{
    ColumnOptions, Error, Format, Input, KeyColumns, Pairs, ReadOptions, TableRows, ValueColumns,
};

fn json() -> ReadOptions {
    ReadOptions { format: Some(Format::Json), ..ReadOptions::default() }
}

fn at(names: &[&str]) -> ReadOptions {
    ReadOptions { at: names.iter().map(|&name| name.into()).collect(), ..json() }
}

/// Gives few bytes at a time.
struct Drops(Vec<u8>, usize);

impl std::io::Read for Drops {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.0[self.1..];
        let len = rest.len().min(3).min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        self.1 += len;
        Ok(len)
    }
}

fn read_as(text: &str, options: &ReadOptions) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Pairs::new(Input::from_reader("t", Drops(text.into(), 0))?, options)?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        read.push((text(pair.key), text(pair.value)));
    }
    Ok(read)
}

#[track_caller]
fn assert_reads(text: &str, options: &ReadOptions, expected: &[(&str, &str)]) {
    let read = read_as(text, options).unwrap();
    let read: Vec<(&str, &str)> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(read, expected, "{text}");
}

#[test]
fn a_member_is_a_pair_and_keeps_its_bytes() {
    let text = "\u{feff} {\"a\": 35.0 ,\"b\":\n\"x\\\"\\u00e9\",\r\n\t\"c\\n\":{\"d\" : [1E400, \"}\" ]}, \"\":true,\"e\":-0}\n";
    let expected =
        [("a", "35.0"), ("b", "x\"é"), ("c\n", "{\"d\" : [1E400, \"}\" ]}"), ("", "true"), ("e", "-0")];
    assert_reads(text, &json(), &expected);
    assert_reads("{}", &json(), &[]);
    assert_reads(" [ ] ", &json(), &[]);
}

#[test]
fn an_element_is_a_pair_by_its_fields() {
    assert_reads(
        "[{\"key\":1,\"value\":2.50},{\"value\":[ ],\"key\":\"b\"}]",
        &json(),
        &[("1", "2.50"), ("b", "[ ]")],
    );
    let text = "[{\"c\":\"AD\",\"n\":7,\"p\":1.0},\n{\"c\":\"AE\",\"n\":8,\"p\":null,\"q\":\"\"}]";
    let two = ReadOptions { key: Some(KeyColumns(vec!["c".into(), "n".into()])), ..json() };
    let all = ReadOptions { value: Some(ValueColumns::AllOthers), ..two.clone() };
    assert_reads(text, &all, &[("AD:7", "{\"p\":1.0}"), ("AE:8", "{\"p\":null,\"q\":\"\"}")]);
    let some = ValueColumns::Object(vec!["q".into(), "p".into()]);
    let some = ReadOptions { value: Some(some), ..two };
    assert_reads(text, &some, &[("AD:7", "{\"p\":1.0}"), ("AE:8", "{\"q\":\"\",\"p\":null}")]);
}

#[test]
fn members_that_are_objects_have_fields_and_keep_their_names() {
    let text = "{\"x\":{\"a\":1.0,\"b\":\"\\u0041\"},\"y\":{\"b\":2}}";
    let one = ReadOptions { value: Some("b".into()), ..json() };
    assert_reads(text, &one, &[("x", "A"), ("y", "2")]);
    let all = ReadOptions { value: Some(ValueColumns::AllOthers), ..json() };
    assert_reads(text, &all, &[("x", "{\"a\":1.0,\"b\":\"\\u0041\"}"), ("y", "{\"b\":2}")]);
    let by_field = ReadOptions { key: Some("b".into()), value: Some(ValueColumns::AllOthers), ..json() };
    assert_reads(text, &by_field, &[("A", "{\"a\":1.0}"), ("2", "{}")]);
}

#[test]
fn it_is_gone_down_into_members() {
    let text =
        "{\"other\":[{\"}\":\"\\\\\\\"\"}],\"a.b\":{\"x\":1,\"rows\":{\"k\":\"v\"},\"z\":[]},\"last\":0} ";
    assert_reads(text, &at(&["a.b", "rows"]), &[("k", "v")]);
    let error = read_as(text, &at(&["a.b", "row"])).unwrap_err();
    assert_eq!(error.to_string(), "t:1:62: the object has no member `row`; its members are x, rows, z");
    let error = read_as(text, &at(&["other", "x"])).unwrap_err();
    assert_eq!(error.to_string(), "t:1:10: expected an object to go down into, found `[`");
    let error = read_as("{\"a\":{},\n\"a\":{}}", &at(&["a"])).unwrap_err();
    assert_eq!(error.to_string(), "t:2:1: there is more than one field `a`");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let deep = format!("{{\"a\":\n{}", "[".repeat(1_000_000));
    let value = |value: &str| format!("{{\"a\":1,\n \"b\":\n  {value}}}");
    for (text, expected) in [
        ("", "t:1:1: expected an object or an array, found the end of the document"),
        ("\n 7", "t:2:2: expected an object or an array, found `7`"),
        ("{\"a\":1", "t:1:7: expected `,` or `}`, found the end of the document"),
        ("{\"a\":1]", "t:1:7: expected `,` or `}`, found `]`"),
        ("{\"a\":1,}", "t:1:8: expected the name of a member, a string, found `}`"),
        ("{\"a\" 1}", "t:1:6: expected `:`, found `1`"),
        ("{\"a\":}", "t:1:6: expected a value, found `}`"),
        ("{\"a\":1}\n{\"b\":2}", "t:2:1: expected the end of the document, found `{`"),
        ("[{\"key\":1,\"value\":2},]", "t:1:22: expected a value, found `]`"),
        ("[1,\n2]", "t:1:2: invalid type: integer `1`, expected an object"),
        ("[{\"key\":1,\"value\":[2}]", "t:1:21: expected `]`, found `}`"),
        ("{\"a\":1,\n\"b\":\"c", "t:2:5: what begins here has not ended at the end of the document"),
        ("{\"a\":1,\n\"b\":{\"c", "t:2:6: what begins here has not ended at the end of the document"),
        ("{\"a\":1,\n\"b\":{\"c\":[1,", "t:2:5: what begins here has not ended at the end of the document"),
        ("{\"a\":1,\n\"b\\", "t:2:1: what begins here has not ended at the end of the document"),
        ("{\"a\nb\":1}", "t:1:4: expected the end of a string before that of the line, found `\\n`"),
        (&deep, "t:2:129: arrays and objects lie deeper in each other here than 128 levels"),
        (&value("01"), "t:3:4: invalid number"),
        (&value("[1,\n 2,, 3]"), "t:4:4: expected value"),
        (&value("\"\\ud800\""), "t:3:3: unexpected end of hex escape"),
        (&value("null"), "t:3:3: the value is null"),
        ("[{\"key\":1}]", "t:1:2: there is no field `value` for the value; the fields are key"),
    ] {
        let error = read_as(text, &json()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{}", &text[..text.len().min(60)]);
    }
}

#[test]
fn lines_that_were_passed_over_are_counted() {
    let options = ReadOptions { skip: 2, ..json() };
    assert_reads("made by x\n\n{\"a\":1}", &options, &[("a", "1")]);
    let error = read_as("made by x\n\n{\"a\":1", &options).unwrap_err();
    assert_eq!(error.to_string(), "t:3:7: expected `,` or `}`, found the end of the document");
}

fn table(text: &str, read: &ReadOptions) -> Result<Store, Error> {
    let mut rows =
        TableRows::new(Input::from_reader("t", Drops(text.into(), 0))?, read, &ColumnOptions::default())?;
    let options = Options { temporary_dir: std::env::temp_dir(), ..Options::default() };
    let mut builder = rows.builder(options)?;
    rows.add_to(&mut builder)?;
    Ok(builder.finish().unwrap().0)
}

#[test]
fn members_and_elements_are_rows_of_a_table_with_columns() {
    let row = |store: &Store, key: &str| {
        let (mut value, mut json) = (Vec::new(), Vec::new());
        assert!(store.get(key.as_bytes(), &mut value).unwrap(), "{key}");
        store.row(&value).unwrap().write_json(&mut json).unwrap();
        String::from_utf8(json).unwrap()
    };
    let store = table("{\"x\\u0041\":{\"a\":1.50},\"y\":{\"b\":\"c\",\"a\":2.25}}", &json()).unwrap();
    assert_eq!(
        (row(&store, "xA"), row(&store, "y")),
        ("{\"a\":1.50}".into(), "{\"b\":\"c\",\"a\":2.25}".into())
    );
    let two = ReadOptions { key: Some(KeyColumns(vec!["c".into(), "n".into()])), ..at(&["rows"]) };
    let text = "{\"rows\":[\n{\"n\":1,\"c\":\"AD\",\"p\":\"x\"},{\"c\":\"AE\",\"n\":1}]}";
    let store = table(text, &two).unwrap();
    assert_eq!(row(&store, "AD:1"), "{\"p\":\"x\"}");
    assert_eq!(row(&store, "AE:1"), "{}");
    assert_eq!(store.schema().unwrap().key().name, "c:n");
    let error = table(&text.replace("\"AE\",", "\"A:E\","), &two).err().unwrap();
    assert_eq!(
        error.to_string(),
        "t:2:26: part 1 of the key holds `:`, or ends as that begins: other parts could make the same key"
    );
}
