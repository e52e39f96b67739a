//! Rows of csv, tsv and JSON lines for tables with columns: what comes into which column, and where
//! what cannot be read is.

#[path = "support/row_tables.rs"]
mod row_tables;

use graven_format::{ColumnType, Store};
use graven_ingest::{ColumnOptions, Format, Input, ReadOptions};
use row_tables::{json, table_of};

fn table(text: &str, read: &ReadOptions, columns: &ColumnOptions) -> Result<Store, String> {
    let input = Input::from_reader("rows", std::io::Cursor::new(text.to_owned())).unwrap();
    table_of(input, read, columns)
}

fn read(format: Format) -> ReadOptions {
    ReadOptions { format: Some(format), ..ReadOptions::default() }
}

fn named(columns: &[&str]) -> ColumnOptions {
    ColumnOptions { columns: Some(columns.iter().map(|&name| name.into()).collect()), types: Vec::new() }
}

#[test]
fn columns_come_in_the_order_in_which_they_are_asked_for() {
    let text = "id,name,born,died\n7,Ada,1815,1852\n9,Grace,1906,1992\n";
    let all = table(text, &read(Format::Csv), &ColumnOptions::default()).unwrap();
    assert_eq!(json(&all, "7"), r#"{"name":"Ada","born":1815,"died":1852}"#);
    let some = table(text, &read(Format::Csv), &named(&["died", "2"])).unwrap();
    assert_eq!(json(&some, "9"), r#"{"died":1992,"name":"Grace"}"#);
    let by_name = ReadOptions { key: Some("name".into()), ..read(Format::Csv) };
    let by_name = table(text, &by_name, &ColumnOptions::default()).unwrap();
    assert_eq!(json(&by_name, "Ada"), r#"{"id":7,"born":1815,"died":1852}"#);
    assert_eq!(
        (by_name.schema().unwrap().key().name.as_str(), by_name.schema().unwrap().key().position),
        ("name", 1)
    );
    let tsv = table(&text.replace(',', "\t"), &read(Format::Tsv), &named(&["born"])).unwrap();
    assert_eq!(json(&tsv, "7"), r#"{"born":1815}"#);
}

#[test]
fn objects_bring_their_columns_with_them() {
    let text = r#"
{"id":1,"a":1.50,"b":"x"}
{"b":"y","id":2,"c":[1, 2]}

{"id":3,"a":null,"d":{"e":"\u00e9"}}
"#;
    let by_id = ReadOptions { key: Some("id".into()), ..read(Format::Jsonl) };
    let store = table(text, &by_id, &ColumnOptions::default()).unwrap();
    assert!(store.schema().unwrap().key().is_number);
    for (key, expected) in [
        ("1", r#"{"a":1.50,"b":"x"}"#),
        // A member that comes for the first time stands behind the one before it.
        ("2", r#"{"c":[1, 2],"b":"y"}"#),
        ("3", r#"{"a":null,"d":{"e":"\u00e9"}}"#),
    ] {
        assert_eq!(json(&store, key), expected);
    }
    let store = table(text, &by_id, &named(&["c", "b"])).unwrap();
    assert_eq!(json(&store, "2"), r#"{"c":[1, 2],"b":"y"}"#);
    assert_eq!(json(&store, "3"), "{}");
    let bytes = ColumnOptions { columns: None, types: vec![("p".into(), ColumnType::Bytes)] };
    let store = table("{\"key\":\"k\",\"p_base64\":\"AP8=\"}\n", &read(Format::Jsonl), &bytes).unwrap();
    assert_eq!(json(&store, "k"), r#"{"p_base64":"AP8="}"#);
    assert!(!store.schema().unwrap().key().is_number);
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let said = |said| ColumnOptions { columns: None, types: vec![("a".to_owned(), said)] };
    let int = said(ColumnType::Int);
    let by_id = ReadOptions { key: Some("id".into()), ..read(Format::Jsonl) };
    for (text, options, columns, expected) in [
        ("id,a\n1,2\n2,x\n", read(Format::Csv), &int, "rows:3: column `a`: expected a whole number"),
        ("id\ta\n1\t2\n2\t\n3\t1.0\n", read(Format::Tsv), &int, "rows:4: column `a`: expected a whole"),
        ("{\"id\":1,\"a\":2}\n{\"id\":2,\"a\":\"x\"}\n", by_id.clone(), &int, "rows:2: column `a`: expected"),
        ("id,a\n1\n", read(Format::Csv), &int, "rows:2: expected 2 columns as in the first row, found 1"),
        ("id,a\n,1\n", read(Format::Csv), &int, "rows:2: the key is empty"),
        ("{\"a\":1}\n", by_id.clone(), &int, "rows:1: there is no field `id` for the key"),
        (
            "{\"id\":[1],\"a\":1}\n",
            by_id.clone(),
            &int,
            "rows:1: expected a string, a number or a boolean as key",
        ),
        ("{\"id\":null}\n", by_id.clone(), &int, "rows:1: the key is null"),
        ("{\"id\":1,\"a\":1,\"a\":2}\n", by_id.clone(), &int, "rows:1:19: there is more than one field `a`"),
        ("{\"id\":1,\"a\":}\n", by_id, &int, "rows:1:13: "),
        (
            "1,2\n3,4\n",
            read(Format::Csv),
            &ColumnOptions::default(),
            "rows:1: the first row does not look like",
        ),
        ("id,b\n1,2\n", read(Format::Csv), &int, "rows: a type is said of column a; the columns are b"),
        ("a 1\n", read(Format::Data), &int, "rows: the input is read as data, which has no columns"),
    ] {
        let error = table(text, &options, columns).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn more_columns_than_a_table_has_are_refused_in_every_form() {
    let names: Vec<String> = (0..1100).map(|i| format!("c{i}")).collect();
    let csv = format!("{}\n", names.join(","));
    let error = table(&csv, &read(Format::Csv), &ColumnOptions::default()).unwrap_err();
    assert!(error.contains("the number of columns is 1025, the most is 1024"), "{error}");
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let object = format!("{{\"key\":1,{}}}\n", members.join(","));
    let error = table(&object, &read(Format::Jsonl), &ColumnOptions::default()).unwrap_err();
    assert!(error.contains("the number of columns is 1025, the most is 1024"), "{error}");
}
