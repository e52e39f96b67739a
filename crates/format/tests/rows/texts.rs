//! Texts of a source without types: what they are taken for, and that they come back byte for byte.

use graven_format::{ColumnType, FieldInput, Options, RowBuilder, Store};

pub(crate) fn options() -> Options {
    Options { temporary_dir: std::env::temp_dir(), threads: 2, ..Options::default() }
}

/// A table of one column, a row a cell; keys are the numbers of the rows.
pub(crate) fn table<C: AsRef<[u8]>>(cells: &[C], said: Option<ColumnType>) -> Store {
    let mut builder = RowBuilder::new("key", options());
    builder.column("c", said).unwrap();
    for (i, cell) in cells.iter().enumerate() {
        builder.add(i.to_string().as_bytes(), &[FieldInput::Cell(cell.as_ref())]).unwrap();
    }
    builder.finish().unwrap().0
}

/// The texts and the JSON of all fields.
fn fields(store: &Store, rows: usize) -> Vec<(Option<String>, String)> {
    let mut value = Vec::new();
    (0..rows)
        .map(|i| {
            value.clear();
            assert!(store.get(i.to_string().as_bytes(), &mut value).unwrap());
            let field = store.row(&value).unwrap().get("c").unwrap();
            let mut json = Vec::new();
            field.write_json(&mut json).unwrap();
            (field.as_str().map(|text| text.into_owned()), String::from_utf8(json).unwrap())
        })
        .collect()
}

/// So many different cells that a dictionary does not pay.
fn many(make: impl Fn(u64) -> String) -> Vec<String> {
    (0..5000_u64).map(|i| make(i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20)).collect()
}

#[test]
fn columns_are_what_all_their_cells_are() {
    use ColumnType::*;
    for (cells, expected) in [
        (&["true", "false", ""][..], Bool),
        (&["True", "False"], Text),
        (&["7", "-12", "0", ""], Int),
        (&["9223372036854775808", "1"], UInt),
        (&["-1", "18446744073709551615"], Decimal),
        (&["1.50", "12.25", "-3.00"], Decimal),
        (&["1.5", "12.25", "3"], Float64),
        (&["1.5", "12.25", "3.0"], Float64),
        (&["1.5", "12.25", "3.0", "3"], Decimal),
        (&["1e5", "2.5"], Decimal),
        (&["1e+16", "2.5"], Float64),
        (&["0.30000000000000004", "2.5"], Float64),
        (&["0.300000000000000040", "2.5"], Decimal),
        (&["+1", "2"], Text),
        (&["007", "8"], Text),
        (&["-0", "8"], Decimal),
        (&["1,5", "2"], Text),
        (&["NaN", "2.5"], Text),
        (&["1", "x"], Text),
        (&[" 1", "2"], Text),
        (&["2026-11-27", "2024-02-29"], Date),
        (&["2026-11-27", "2023-02-29"], Text),
        (&["2026-11-27T07:34:25Z", "1969-11-27T07:34:25Z"], Timestamp),
        (&["2026-11-27 07:34:25.125", "1969-11-27 07:34:25.000"], Timestamp),
        (&["2026-11-27 07:34:25.125", "1969-11-27 07:34:25"], Text),
        (&["123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], Uuid),
        (&["123E4567-e89b-12d3-a456-426614174000"], Text),
        (&["", ""], Text),
        (&["é", "x"], Text),
    ] {
        let store = table(cells, None);
        let column = &store.schema().unwrap().columns()[0];
        assert_eq!(column.column_type(), expected, "{cells:?}");
        for (cell, (text, json)) in cells.iter().zip(fields(&store, cells.len())) {
            let is_null = cell.is_empty() && expected != Text;
            assert_eq!(text.as_deref(), (!is_null).then_some(*cell), "{cells:?}");
            let quoted = matches!(expected, Text | Date | Timestamp | Uuid);
            let written = if is_null {
                "null".to_owned()
            } else if quoted {
                format!("\"{cell}\"")
            } else {
                (*cell).to_owned()
            };
            assert_eq!(json, written, "{cells:?}");
        }
        store.verify().unwrap();
    }
}

#[test]
fn many_different_texts_of_every_shape_come_back() {
    let bits = |number: u64| f64::from_bits(number << 12 | 0x3FF0_0000_0000_0000);
    for (name, cells, bits_most) in [
        ("whole numbers", many(|i| (i.cast_signed() - 5_000_000_000_000).to_string()), 45),
        ("six decimals at most", many(|i| format!("{}", (i % 1_000_000) as f64 / 1e6)), 20),
        ("two decimals", many(|i| format!("{}.{:02}", i % 1000, i % 100)), 17),
        ("python floats", many(|i| format!("{:?}", bits(i) * 1e-3)), 64),
        ("large exponents", many(|i| format!("{:e}", (i + 1) as f64 * 1e250)), u32::MAX),
        ("days", many(|i| format!("20{:02}-{:02}-{:02}", i % 100, i % 12 + 1, i / 100 % 28 + 1)), 16),
        (
            "times",
            many(|i| {
                format!(
                    "2026-01-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                    i % 28 + 1,
                    i % 24,
                    i % 60,
                    i / 7 % 60,
                    i % 1000
                )
            }),
            32,
        ),
        (
            "uuids",
            many(|i| {
                format!("{i:08x}-0000-4000-8000-{i:012x}")
                    .replace(" ", "")
                    .chars()
                    .take(8)
                    .collect::<String>()
                    + "-0000-4000-8000-"
                    + &format!("{:012x}", i)
            }),
            128,
        ),
        ("text", many(|i| format!("name {i} é \"q\" \n")), u32::MAX),
    ] {
        let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
        let store = table(&texts, None);
        let column = &store.schema().unwrap().columns()[0];
        assert!(column.fixed_bits() <= bits_most, "{name}: {}", column.encoding());
        for (cell, (text, _)) in cells.iter().zip(fields(&store, cells.len())) {
            assert_eq!(text.as_ref(), Some(cell), "{name}");
        }
    }
}

#[test]
fn few_different_texts_are_numbered_whatever_they_are() {
    for cells in [["1.50", "2", "x"], ["1e5", "2.50", "3"], ["100000000000", "2", "-7000000000"]] {
        let cells: Vec<&str> = (0..3000).map(|i| cells[i % 3]).collect();
        let store = table(&cells, None);
        let column = &store.schema().unwrap().columns()[0];
        assert_eq!(column.encoding(), "2 bits, one of 3 values");
        for (cell, (text, _)) in cells.iter().zip(fields(&store, cells.len())) {
            assert_eq!(text.as_deref(), Some(*cell));
        }
    }
    let store = table(&["same"; 500], None);
    assert_eq!(store.schema().unwrap().fixed_bytes(), 0);
    assert_eq!(store.schema().unwrap().columns()[0].encoding(), "the same everywhere");
}

#[test]
fn a_type_that_was_said_is_kept_to() {
    use graven_format::Error;
    for (said, good, bad) in [
        (ColumnType::Int, "-5", "5.0"),
        (ColumnType::UInt, "5", "-5"),
        (ColumnType::Float64, "5", "x"),
        (ColumnType::Float32, "0.5", "inf."),
        (ColumnType::Decimal, "5.10", "+5"),
        (ColumnType::Bool, "true", "1"),
        (ColumnType::Date, "2026-01-02", "2026-13-02"),
        (ColumnType::Timestamp, "2026-01-02T00:00:00Z", "2026-01-02"),
        (ColumnType::Uuid, "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
        (ColumnType::Json, "[1, {}]", "[1"),
    ] {
        let store = table(&[good, ""], Some(said));
        assert_eq!(store.schema().unwrap().columns()[0].column_type(), said);
        let mut builder = RowBuilder::new("key", options());
        builder.column("c", Some(said)).unwrap();
        let error = builder.add(b"k", &[FieldInput::Cell(bad.as_bytes())]).unwrap_err();
        assert!(
            matches!(&error, Error::Field { column, expected, found }
            if column == "c" && *expected == Some(said) && found == bad),
            "{error}"
        );
        assert_eq!(builder.rows(), 0);
    }
    let store = table(&["007", "8", ""], Some(ColumnType::Text));
    assert_eq!(fields(&store, 3)[0], (Some("007".into()), "\"007\"".into()));
    assert_eq!(fields(&store, 3)[2], (Some(String::new()), "\"\"".into()));
    // A number that was told to be one need not be written as one would be.
    let store = table(&["1.50", "+2", "1e3", "NaN"], Some(ColumnType::Float64));
    let json: Vec<String> = fields(&store, 4).into_iter().map(|(_, json)| json).collect();
    assert_eq!(json, ["1.5", "2.0", "1000.0", "null"]);
}

#[test]
fn typed_fields_are_what_they_are() {
    let mut builder = RowBuilder::new("key", options());
    for name in ["bool", "int", "uint", "float32", "float64", "bytes", "uuid", "json", "mixed", "text"] {
        builder.column(name, None).unwrap();
    }
    for i in 0..2000_u32 {
        let uuid = u128::from(i) << 90 | 7;
        let text = format!("t{i}");
        let json = format!("[{i}]");
        let mixed = match i % 4 {
            0 => FieldInput::Text("a \"b\""),
            1 => FieldInput::Number("1.50"),
            2 => FieldInput::Null,
            _ => FieldInput::Json("{\"a\": 1}"),
        };
        let bytes = [0xFF, i as u8];
        let fields = [
            FieldInput::Bool(i % 2 == 0),
            FieldInput::Int(i64::from(i) - 1000),
            FieldInput::UInt(u64::MAX - u64::from(i)),
            FieldInput::Float32(i as f32 * 0.3),
            FieldInput::Float64(f64::from(i).sqrt()),
            FieldInput::Bytes(&bytes),
            FieldInput::Uuid(uuid),
            FieldInput::Json(&json),
            mixed,
            FieldInput::Text(&text),
        ];
        // The last is left out now and then.
        let given = if i % 3 == 0 { &fields[..9] } else { &fields[..] };
        builder.add(i.to_string().as_bytes(), given).unwrap();
    }
    let (store, _) = builder.finish().unwrap();
    let schema = store.schema().unwrap();
    use graven_format::FieldValue;
    let types: Vec<&str> = schema.columns().iter().map(|column| column.column_type().name()).collect();
    assert_eq!(types, ["bool", "int", "uint", "float32", "float64", "bytes", "uuid", "json", "json", "text"]);
    assert_eq!((schema.columns()[8].nulls(), schema.columns()[9].missing()), (500, 667));
    let mut value = Vec::new();
    for i in 0..2000_u32 {
        value.clear();
        assert!(store.get(i.to_string().as_bytes(), &mut value).unwrap());
        let row = store.row(&value).unwrap();
        let get = |name: &str| row.get(name).unwrap().value().unwrap();
        assert_eq!(get("bool"), FieldValue::Bool(i % 2 == 0));
        assert_eq!(get("int"), FieldValue::Int(i64::from(i) - 1000));
        assert_eq!(get("uint"), FieldValue::UInt(u64::MAX - u64::from(i)));
        assert_eq!(get("float32"), FieldValue::Float32(i as f32 * 0.3));
        assert_eq!(get("float64"), FieldValue::Float64(f64::from(i).sqrt()));
        assert_eq!(get("bytes"), FieldValue::Bytes(vec![0xFF, i as u8].into()));
        assert_eq!(get("uuid"), FieldValue::Uuid(u128::from(i) << 90 | 7));
        assert_eq!(get("json"), FieldValue::Json(format!("[{i}]").into()));
        let mixed = ["\"a \\\"b\\\"\"", "1.50", "null", "{\"a\": 1}"][i as usize % 4];
        let mut json = Vec::new();
        row.write_json(&mut json).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(json.contains(&format!(",\"mixed\":{mixed}")), "{json}");
        assert_eq!(json.contains("\"text\":\"t"), i % 3 != 0, "{json}");
        assert!(json.contains("\"bytes_base64\":\"/"), "{json}");
        assert_eq!(row.get("text").unwrap().is_missing(), i % 3 == 0);
    }
}

#[test]
fn whole_numbers_are_given_as_what_has_them() {
    let numbers = |cells: &[&str]| {
        let store = table(cells, None);
        let mut value = Vec::new();
        let field = |i: usize, value: &mut Vec<u8>| {
            value.clear();
            assert!(store.get(i.to_string().as_bytes(), value).unwrap());
            let row = store.row(value).unwrap();
            let field = row.get("c").unwrap();
            (field.as_i64(), field.as_u64())
        };
        (0..cells.len()).map(|i| field(i, &mut value)).collect::<Vec<_>>()
    };
    let large = [(None, Some(9_223_372_036_854_775_808)), (Some(7), Some(7)), (Some(0), Some(0))];
    assert_eq!(numbers(&["9223372036854775808", "7", "0"]), large);
    let signed = [(Some(-9_223_372_036_854_775_808), None), (Some(7), Some(7)), (Some(-1), None)];
    assert_eq!(numbers(&["-9223372036854775808", "7", "-1"]), signed);
    assert_eq!(numbers(&["1.5", "2.5"]), [(None, None), (None, None)]);
}

#[test]
fn names_are_told_apart_and_bounded() {
    use graven_format::Error;
    let mut builder = RowBuilder::new("key", options());
    builder.column("a", None).unwrap();
    assert!(matches!(builder.column("a", None), Err(Error::RepeatedColumn { name }) if name == "a"));
    assert!(matches!(builder.column(&"x".repeat(256), None), Err(Error::TooLarge { most: 255, .. })));
    for i in 1..1024 {
        builder.column(&i.to_string(), None).unwrap();
    }
    assert!(matches!(builder.column("one more", None), Err(Error::TooLarge { most: 1024, found: 1025, .. })));
    builder.add(b"k", &[FieldInput::Int(1)]).unwrap();
    let store = builder.finish().unwrap().0;
    let mut value = Vec::new();
    store.get(b"k", &mut value).unwrap();
    let row = store.row(&value).unwrap();
    assert_eq!(row.get("a").unwrap().as_i64(), Some(1));
    assert!(row.get("1023").unwrap().is_missing());
    assert!(matches!(row.get("b"), Err(Error::NoColumn { name }) if name == "b"));
    assert!(
        matches!(store.schema().unwrap().project(&["a", "b"]), Err(Error::NoColumn { name }) if name == "b")
    );
}

#[test]
fn rows_of_keys_that_come_again_leave_no_trace() {
    let rows = |mut builder: RowBuilder, first: bool| {
        builder.column("n", None).unwrap();
        builder.column("t", None).unwrap();
        if first {
            builder.add(b"3", &[FieldInput::Cell(b"no number"), FieldInput::Null]).unwrap();
        }
        for i in 0..100_u32 {
            let text = format!("{}", i * 7);
            builder
                .add(i.to_string().as_bytes(), &[FieldInput::Cell(text.as_bytes()), FieldInput::Text("x")])
                .unwrap();
        }
        builder.finish().unwrap().0
    };
    let plain = rows(RowBuilder::new("key", options()), false);
    let again = rows(RowBuilder::new("key", options()), true);
    assert_eq!(again.schema().unwrap().columns()[0].column_type(), ColumnType::Int);
    assert_eq!(plain.identity(), again.identity());
    assert_eq!(plain.memory(), again.memory());
}

#[test]
fn a_table_of_pairs_has_no_columns_and_one_without_rows_has() {
    use graven_format::{Builder, Error};
    let mut builder = Builder::new(options());
    builder.add(b"k", b"v").unwrap();
    let store = builder.finish().unwrap().0;
    assert!(store.schema().is_none());
    assert!(matches!(store.row(b"v"), Err(Error::NoColumns)));
    for said in ColumnType::ALL.into_iter().map(Some).chain([None]) {
        let mut builder = RowBuilder::new("key", options());
        builder.column("c", said).unwrap();
        let store = builder.finish().unwrap().0;
        assert_eq!((store.len(), store.schema().unwrap().columns().len()), (0, 1));
        let mut builder = RowBuilder::new("key", options());
        builder.column("c", said).unwrap();
        builder.add(b"k", &[FieldInput::Null]).unwrap();
        let store = builder.finish().unwrap().0;
        let mut value = Vec::new();
        store.get(b"k", &mut value).unwrap();
        assert!(store.row(&value).unwrap().get("c").unwrap().is_null());
    }
}

#[test]
fn columns_are_put_into_the_order_that_is_asked_for() {
    let rows = |order: Option<&[usize]>, duplicate: bool| {
        let mut builder = RowBuilder::new("key", options());
        for name in ["a", "b", "c"] {
            builder.column(name, None).unwrap();
        }
        if duplicate {
            builder.add(b"7", &[FieldInput::Null]).unwrap();
        }
        for i in 0..300_u32 {
            let (a, c) = (format!("text {}", i * 77), format!("other {}", i * 99));
            let fields = [FieldInput::Text(&a), FieldInput::Int(i.into()), FieldInput::Text(&c)];
            builder.add(i.to_string().as_bytes(), &fields).unwrap();
        }
        if let Some(order) = order {
            builder.order(order);
        }
        builder.finish().unwrap().0
    };
    for duplicate in [false, true] {
        let store = rows(Some(&[2, 0, 1]), duplicate);
        let mut value = Vec::new();
        assert!(store.get(b"7", &mut value).unwrap());
        let mut json = Vec::new();
        store.row(&value).unwrap().write_json(&mut json).unwrap();
        assert_eq!(json, br#"{"c":"other 693","a":"text 539","b":7}"#);
    }
    assert_eq!(rows(Some(&[0, 1, 2]), false).memory(), rows(None, false).memory());
}

#[test]
fn rows_longer_than_what_a_sample_keeps_of_them_are_whole() {
    // Read as lengths and kinds, what is in the text would be fields.
    let long = |row: i64| format!("{row}{}", "\u{1}\u{2}~+9".repeat(2_000));
    let mut builder = RowBuilder::new("key", options());
    for name in ["before", "long", "c", "d", "e", "f"] {
        builder.column(name, None).unwrap();
    }
    for row in 0..300 {
        let (long, number) = (long(row), row.to_string());
        let cells =
            [&*number, &*long, "x", &*number, "1.50", "y"].map(|cell| FieldInput::Cell(cell.as_bytes()));
        builder.add(number.as_bytes(), &cells).unwrap();
    }
    let (store, _) = builder.finish().unwrap();
    for row in 0..300_i64 {
        let mut value = Vec::new();
        assert!(store.get(row.to_string().as_bytes(), &mut value).unwrap());
        let fields = store.row(&value).unwrap();
        assert_eq!(fields.get("long").unwrap().as_str().unwrap(), long(row));
        assert_eq!(fields.get("d").unwrap().as_i64(), Some(row));
        assert_eq!(fields.get("f").unwrap().as_str().unwrap(), "y");
    }
}
