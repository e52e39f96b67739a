//! Rows that have fewer columns than others, where that is said to be right.

use std::io::Cursor;

use graven_format::Options;
use graven_ingest::{ColumnOptions, Error, Format, Input, Pairs, ReadOptions, TableRows, ValueColumns};

fn options(format: Format, key: &str, value: ValueColumns) -> ReadOptions {
    let (key, value) = (Some(key.into()), Some(value));
    ReadOptions { format: Some(format), key, value, short_rows: true, ..ReadOptions::default() }
}

fn read(text: &str, options: &ReadOptions) -> Result<Vec<String>, Error> {
    let mut pairs = Pairs::new(Input::from_reader("t", Cursor::new(text.to_owned()))?, options)?;
    let mut read = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        read.push(format!("{}={}", pair.key.escape_ascii(), String::from_utf8_lossy(pair.value)));
    }
    Ok(read)
}

const TSV: &str = "a\tb\nc\td\te\nf\n";
const CSV: &str = "a,b\nc,d,\"e\"\nf\n";

#[test]
fn what_a_row_lacks_is_empty_and_the_widest_of_the_first_rows_counts() {
    for (text, format) in [(TSV, Format::Tsv), (CSV, Format::Csv)] {
        assert_eq!(read(text, &options(format, "1", "3".into())).unwrap(), ["a=", "c=e", "f="]);
        let all = ReadOptions { header: Some(false), ..options(format, "1", ValueColumns::AllOthers) };
        let expected = [r#"a={"2":"b","3":""}"#, r#"c={"2":"d","3":"e"}"#, r#"f={"2":"","3":""}"#];
        assert_eq!(read(text, &all).unwrap(), expected);
        let strict = ReadOptions { short_rows: false, ..options(format, "1", "2".into()) };
        let error = read(text, &strict).unwrap_err().to_string();
        assert_eq!(error, "t:2: expected 2 columns as in the first row, found 3");
        // A key may not be empty, nor lacking.
        let by_last = options(format, "3", "1".into());
        assert_eq!(read(text, &by_last).unwrap_err().to_string(), "t:1: the key is empty");
        let error = read(text, &options(format, "4", "1".into())).unwrap_err().to_string();
        assert_eq!(error, "t:1: the key is column 4, the row has 3 columns");
    }
}

#[test]
fn a_row_that_is_wider_than_the_first_ones_is_an_error_with_its_line() {
    let mut text = "k\tv\n".repeat(200);
    text.push_str("k\tv\tw\n");
    let error = read(&text, &options(Format::Tsv, "1", "2".into())).unwrap_err().to_string();
    assert_eq!(error, "t:201: expected at most 2 columns as in the first rows, found 3");
    let text = text.replace('\t', ",");
    let error = read(&text, &options(Format::Csv, "1", "2".into())).unwrap_err().to_string();
    assert_eq!(error, "t:201: expected at most 2 columns as in the first rows, found 3");
}

#[test]
fn columns_behind_the_names_are_called_by_their_number() {
    for (text, format) in [("id\tn\n1\n2\t3\tx\n", Format::Tsv), ("id,n\n1\n2,3,x\n", Format::Csv)] {
        let options = ReadOptions { format: Some(format), short_rows: true, ..ReadOptions::default() };
        let input = Input::from_reader("t", Cursor::new(text.to_owned())).unwrap();
        let mut rows = TableRows::new(input, &options, &ColumnOptions::default()).unwrap();
        let mut builder =
            rows.builder(Options { temporary_dir: std::env::temp_dir(), ..Options::default() }).unwrap();
        rows.add_to(&mut builder).unwrap();
        let (store, _) = builder.finish().unwrap();
        let json = |key: &[u8]| {
            let (mut value, mut json) = (Vec::new(), Vec::new());
            assert!(store.get(key, &mut value).unwrap());
            store.row(&value).unwrap().write_json(&mut json).unwrap();
            String::from_utf8(json).unwrap()
        };
        assert_eq!(json(b"1"), r#"{"n":null,"3":""}"#);
        assert_eq!(json(b"2"), r#"{"n":3,"3":"x"}"#);
    }
}
