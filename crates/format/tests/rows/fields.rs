//! What a field is given as, by each of the ways to ask for it, however it is stored.

use graven_format::{ColumnType, Duplicates, FieldInput, FieldValue, Options, RowBuilder, Store, TextRoom};

use crate::texts::{options, table};

/// The same cells so often that a dictionary pays, and so many different ones that none does.
fn few_and_many(few: [&str; 3], many: impl Fn(u64) -> String) -> [Vec<String>; 2] {
    let few = (0..3000).map(|i| few[i % 3].to_owned()).collect();
    [few, (0..3000_u64).map(|i| many(i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20)).collect()]
}

#[test]
fn numbers_with_a_point_are_given_as_the_nearest_float_however_they_are_stored() {
    use ColumnType::{Decimal, Float32, Float64, Int, Text, UInt};
    let decimals = few_and_many(["1.50", "-2.25", "300.00"], |i| format!("{}.{:02}", i % 5000, i % 100));
    let mixed = few_and_many(["1e5", "2.50", "3"], |i| format!("{i}e-{}", i % 7 + 1));
    let floats = few_and_many(["0.1", "2.5", "-3e+20"], |i| format!("{:?}", i as f64 * 1e-3 + 0.1));
    let singles = few_and_many(["0.1", "2.5", "-3.0"], |i| format!("{:?}", i as f32 * 0.3));
    let whole = few_and_many(["-7", "0", "12"], |i| (i.cast_signed() - 1_000_000).to_string());
    let large = few_and_many(["18446744073709551615", "0", "7"], |i| (u64::MAX - i).to_string());
    for (said, tables) in [
        (Decimal, &decimals),
        (Decimal, &mixed),
        (Decimal, &large),
        (Float64, &floats),
        (Float64, &mixed),
        (Float32, &singles),
        (Int, &whole),
        (UInt, &large),
    ] {
        for cells in tables {
            let store = table(cells, Some(said));
            let mut row = Vec::new();
            for (i, cell) in cells.iter().enumerate() {
                row.clear();
                store.get(i.to_string().as_bytes(), &mut row).unwrap();
                let field = store.row(&row).unwrap().get("c").unwrap();
                let expected = match said {
                    Float32 => f64::from(cell.parse::<f32>().unwrap()),
                    _ => cell.parse::<f64>().unwrap(),
                };
                assert_eq!(field.as_f64(), Some(expected), "{said:?} {cell}");
                assert_eq!(field.as_bool(), None);
                assert_eq!(
                    field.as_i64(),
                    cell.parse().ok().filter(|_| matches!(said, Int | UInt)),
                    "{cell}"
                );
                assert_eq!(
                    field.as_u64(),
                    cell.parse().ok().filter(|_| matches!(said, Int | UInt)),
                    "{cell}"
                );
                assert!(field.has_value() && !field.is_null());
            }
        }
    }
    let texts = table(&["1.5".to_owned(), "x".to_owned()], Some(Text));
    let mut row = Vec::new();
    texts.get(b"0", &mut row).unwrap();
    assert_eq!(texts.row(&row).unwrap().get("c").unwrap().as_f64(), None);
}

#[test]
fn times_and_days_are_given_as_numbers_however_they_are_stored() {
    let times = few_and_many(
        ["1970-01-01T00:00:01.500Z", "1969-12-31T23:59:59.999Z", "2000-01-01T00:00:00.000Z"],
        |i| format!("2026-01-{:02}T{:02}:00:{:02}.{:03}Z", i % 28 + 1, i % 24, i % 60, i % 1000),
    );
    for cells in &times {
        let store = table(cells, None);
        let column = &store.schema().unwrap().columns()[0];
        assert_eq!((column.column_type(), column.is_utc()), (ColumnType::Timestamp, true));
        let mut row = Vec::new();
        for (i, cell) in cells.iter().enumerate() {
            row.clear();
            store.get(i.to_string().as_bytes(), &mut row).unwrap();
            let value = store.row(&row).unwrap().get("c").unwrap().value().unwrap();
            let FieldValue::Timestamp { ticks, digits: 3 } = value else { panic!("{value:?}") };
            let expected = match cell.as_str() {
                "1970-01-01T00:00:01.500Z" => 1_500,
                "1969-12-31T23:59:59.999Z" => -1,
                "2000-01-01T00:00:00.000Z" => 946_684_800_000,
                _ => {
                    let number =
                        |range: std::ops::Range<usize>| cell.get(range).unwrap().parse::<i64>().unwrap();
                    let days = 1_767_225_600_000 + (number(8..10) - 1) * 86_400_000;
                    days + number(11..13) * 3_600_000 + number(17..19) * 1_000 + number(20..23)
                }
            };
            assert_eq!(ticks, expected, "{cell}");
        }
    }
    let days =
        few_and_many(["1970-01-02", "1969-12-31", "2000-01-01"], |i| format!("2026-01-{:02}", i % 28 + 1));
    for cells in &days {
        let store = table(cells, None);
        let mut row = Vec::new();
        for (i, cell) in cells.iter().enumerate() {
            row.clear();
            store.get(i.to_string().as_bytes(), &mut row).unwrap();
            let value = store.row(&row).unwrap().get("c").unwrap().value().unwrap();
            let expected = match cell.as_str() {
                "1970-01-02" => 1,
                "1969-12-31" => -1,
                "2000-01-01" => 10_957,
                other => 20_454 + other[8..].parse::<i64>().unwrap() - 1,
            };
            assert_eq!(value, FieldValue::Date(expected), "{cell}");
        }
    }
    // Of times that name no zone it is not known that they are in UTC.
    let local = table(&["2026-11-27 07:34:25".to_owned()], None);
    let column = &local.schema().unwrap().columns()[0];
    assert_eq!((column.column_type(), column.is_utc()), (ColumnType::Timestamp, false));
    assert!(!table(&["1".to_owned()], None).schema().unwrap().columns()[0].is_utc());
}

#[test]
fn decimals_have_the_digits_that_all_of_them_have() {
    let cases: [(&[&str], Option<u8>); 5] = [
        (&["1.50", "2.25", "3.00"], Some(2)),
        (&["1.50", "2.2", "3.00"], None),
        (&["1.50", "1e5", "3.00"], None),
        (&["100000000000.5", "-7.5", "0.5"], Some(1)),
        (&["7", "8", "10000000000000000000000"], None),
    ];
    for (cells, digits) in cases {
        // So that they are stored as numbers where they can be, and by a dictionary.
        for times in [1, 1000] {
            let cells: Vec<String> = cells.repeat(times).into_iter().map(str::to_owned).collect();
            let store = table(&cells, Some(ColumnType::Decimal));
            let column = &store.schema().unwrap().columns()[0];
            if !column.encoding().contains("bytes") || digits.is_none() {
                assert_eq!(column.digits(), digits, "{} … as {}", cells[0], column.encoding());
            }
        }
    }
    for said in [ColumnType::Int, ColumnType::Float64, ColumnType::Text] {
        assert_eq!(table(&["1".to_owned()], Some(said)).schema().unwrap().columns()[0].digits(), None);
    }
}

#[test]
fn every_field_is_lent_as_it_is_copied() {
    let mut builder = RowBuilder::new("key", options());
    let names = [
        "bool", "int", "uint", "float32", "float64", "decimal", "text", "bytes", "uuid", "json", "date",
        "time", "few",
    ];
    for name in names {
        builder.column(name, None).unwrap();
    }
    assert_eq!(builder.columns(), names.len());
    let rows = 2000_u64;
    assert_eq!(builder.rows(), 0);
    let given = |i: u64| {
        [
            i.is_multiple_of(2).to_string(),
            (i.cast_signed() - 1000).to_string(),
            (u64::MAX - i).to_string(),
            format!("{:?}", i as f32 * 0.3),
            format!("{:?}", (i as f64).sqrt()),
            format!("{i}.{:02}", i % 100),
            format!("a text of {} words, number {i}", ["few", "some", "many"][i as usize % 3]),
            format!("bytes {i}"),
            format!("00000000-0000-4000-8000-{i:012x}"),
            format!("{{\"a\": [{i}, \"é\"]}}"),
            format!("20{:02}-01-02", i % 100),
            format!("2026-01-02T03:{:02}:{:02}Z", i / 60 % 60, i % 60),
            ["a", "bb", ""][i as usize % 3].to_owned(),
        ]
    };
    for i in 0..rows {
        let texts = given(i);
        let float32 = texts[3].parse().unwrap();
        let fields: Vec<FieldInput<'_>> = texts
            .iter()
            .zip(names)
            .map(|(text, name)| match name {
                "bool" => FieldInput::Bool(text == "true"),
                "int" | "uint" | "float64" | "decimal" => FieldInput::Number(text),
                "float32" => FieldInput::Float32(float32),
                "bytes" => FieldInput::Bytes(text.as_bytes()),
                "json" => FieldInput::Json(text),
                // Now and then there is none.
                "few" if i % 7 == 0 => FieldInput::Null,
                _ => FieldInput::Text(text),
            })
            .collect();
        builder.add(i.to_string().as_bytes(), &fields).unwrap();
    }
    assert_eq!(builder.rows(), rows);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let built = builder.write(&path).unwrap();
    assert_eq!(built.carved_bytes, std::fs::metadata(&path).unwrap().len());
    let store = Store::open(&path).unwrap();
    let coded: Vec<&str> = store
        .schema()
        .unwrap()
        .columns()
        .iter()
        .filter(|column| column.is_coded())
        .map(|column| column.name())
        .collect();
    assert_eq!(coded, ["text", "bytes", "json"]);
    let (mut row, mut room) = (Vec::new(), TextRoom::default());
    let projection = store.schema().unwrap().project(&["few", "int"]).unwrap();
    for i in 0..rows {
        row.clear();
        store.get(i.to_string().as_bytes(), &mut row).unwrap();
        let fields = store.row(&row).unwrap();
        for (column, (name, text)) in names.iter().zip(given(i)).enumerate() {
            let field = fields.get(name).unwrap();
            let is_null = *name == "few" && i % 7 == 0;
            assert_eq!(field.as_bytes().as_deref(), (!is_null).then_some(text.as_bytes()), "{name} of {i}");
            assert_eq!(field.as_str().as_deref(), (!is_null).then_some(text.as_str()));
            let lent = field.lend_text(&mut room).unwrap();
            assert_eq!(lent.map(|lent| lent.bytes()), (!is_null).then_some(text.as_bytes()), "{name} of {i}");
            let lent = fields.lend_text(column, &mut room).unwrap();
            assert_eq!(lent.map(|lent| lent.bytes()), (!is_null).then_some(text.as_bytes()), "{name} of {i}");
            if let Some(lent) = lent {
                assert_eq!(lent.len(), text.len());
                assert!(lent.with_bytes_behind().starts_with(text.as_bytes()));
            }
            assert_eq!(field.as_bool(), (*name == "bool").then_some(i % 2 == 0));
        }
        let few =
            if i % 7 == 0 { "null".to_owned() } else { format!("\"{}\"", ["a", "bb", ""][i as usize % 3]) };
        let members = format!("\"few\":{few},\"int\":{}", i.cast_signed() - 1000);
        let mut json = Vec::new();
        projection.write_json(fields, &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), format!("{{{members}}}"));
        let mut json = Vec::new();
        fields.write_members(projection.columns(), &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), members);
    }
    room.give_back(0);
    assert_eq!(format!("{room:?}").matches("long: []").count(), 1);
}

#[test]
fn columns_say_how_their_fields_are_stored_and_what_they_take() {
    let many = |make: &dyn Fn(u64) -> String| -> Vec<String> {
        (0..3000_u64).map(|i| make(i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20)).collect()
    };
    let same = |text: &str| vec![text.to_owned(); 50];
    for (cells, encoding, fixed_bits, variable_bytes) in [
        (same("x"), "the same everywhere", 0, 0),
        (same(""), "the same everywhere", 0, 0),
        (["a", "b"].repeat(100).into_iter().map(str::to_owned).collect(), "1 bit, one of 2 values", 1, 0),
        (["true", "false"].repeat(100).into_iter().map(str::to_owned).collect(), "1 bit", 1, 0),
        (many(&|i| (i % 4096).to_string()), "12 bits", 12, 0),
        (many(&|i| format!("{}.{:02}", i % 655, i % 100)), "16 bits, 2 digits behind the point", 16, 0),
        (
            many(&|i| format!("{:?}", f64::from_bits(i << 12 | 0x3FF0_0000_0000_0000) * 1e-3)),
            "64 bits",
            64,
            0,
        ),
        (many(&|i| format!("{:?}", (i % 1000) as f32 / 10.0)), "10 bits, 1 digits behind the point", 10, 0),
        (many(&|i| format!("{:?}", f32::from_bits(0x2000_0000 | (i % (1 << 29)) as u32))), "32 bits", 32, 0),
        (many(&|i| format!("{:032x}", u128::from(i) << 64 | u128::from(i))), "bytes", 0, 3000 * 32),
    ] {
        let said = match encoding {
            "bytes" => Some(ColumnType::Bytes),
            "10 bits, 1 digits behind the point" | "32 bits" => Some(ColumnType::Float32),
            _ => None,
        };
        let store = table(&cells, said);
        let column = &store.schema().unwrap().columns()[0];
        let said = (column.encoding(), column.fixed_bits(), column.variable_bytes());
        let is_code = encoding == "bytes" && said.0 == "text code 0" && said.2 < variable_bytes;
        assert!(
            is_code || said == (encoding.to_owned(), fixed_bits, variable_bytes),
            "{said:?} for {encoding}"
        );
    }
    let store = rows_of(&[FieldInput::Null; 3], &[], Some(ColumnType::Int));
    assert_eq!(store.schema().unwrap().columns()[0].encoding(), "no value");
}

#[test]
fn columns_of_many_different_texts_have_dictionaries_as_long_as_the_schema_has_room_for_them() {
    let (columns, rows) = (90, 4_000);
    let text = |column: usize, row: usize| format!("column {column}: {:0>48}", (row * 7 + column) % 1_000);
    let mut builder = RowBuilder::new("key", options());
    for column in 0..columns {
        builder.column(&column.to_string(), None).unwrap();
    }
    for row in 0..rows {
        let texts: Vec<String> = (0..columns).map(|column| text(column, row)).collect();
        let fields: Vec<FieldInput<'_>> = texts.iter().map(|text| FieldInput::Text(text)).collect();
        builder.add(row.to_string().as_bytes(), &fields).unwrap();
    }
    let store = builder.finish().unwrap().0;
    let with = |word: &str| {
        store.schema().unwrap().columns().iter().filter(|column| column.encoding().contains(word)).count()
    };
    let dictionaries = with("one of 1000 values");
    assert!((25..60).contains(&dictionaries), "{dictionaries}");
    let mut value = Vec::new();
    for row in [0, 1, rows - 1] {
        value.clear();
        store.get(row.to_string().as_bytes(), &mut value).unwrap();
        for column in 0..columns {
            let found = store.row(&value).unwrap();
            assert_eq!(found.get(&column.to_string()).unwrap().as_str().unwrap(), text(column, row));
        }
    }
}

#[test]
fn texts_of_every_length_come_back() {
    let lens = [0, 1, 125, 126, 127, 128, 129, 254, 255, 256, 16_381, 16_382, 16_383, 16_384, 70_000];
    let texts: Vec<String> = lens.iter().map(|&len| "ab".repeat(len).split_off(len)).collect();
    for again in [false, true] {
        let mut builder = RowBuilder::new("key", Options { duplicates: Duplicates::Last, ..options() });
        for name in ["first", "second"] {
            builder.column(name, None).unwrap();
        }
        let row = |i: usize| [FieldInput::Text(&texts[i]), FieldInput::Text(&texts[texts.len() - 1 - i])];
        if again {
            builder.add(b"0", &row(3)).unwrap();
        }
        (0..texts.len()).for_each(|i| builder.add(i.to_string().as_bytes(), &row(i)).unwrap());
        let store = builder.finish().unwrap().0;
        let mut value = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            value.clear();
            store.get(i.to_string().as_bytes(), &mut value).unwrap();
            let row = store.row(&value).unwrap();
            assert!(row.get("first").unwrap().as_str().as_deref() == Some(text));
            assert!(
                row.get("second").unwrap().as_str().as_ref()
                    == Some(&texts[texts.len() - 1 - i].as_str().into())
            );
        }
    }
}

/// Rows of one column each, and the type that it gets; `before` are added first, and replaced.
fn rows_of(given: &[FieldInput<'_>], before: &[FieldInput<'_>], said: Option<ColumnType>) -> Store {
    let mut builder = RowBuilder::new("key", Options { duplicates: Duplicates::Last, ..options() });
    builder.column("c", said).unwrap();
    for given in [before, given] {
        for (i, field) in given.iter().enumerate() {
            builder.add(i.to_string().as_bytes(), &[*field]).unwrap();
        }
    }
    builder.finish().unwrap().0
}

fn json_of(store: &Store, rows: usize) -> Vec<String> {
    let json = |i: usize| {
        let (mut row, mut json) = (Vec::new(), Vec::new());
        store.get(i.to_string().as_bytes(), &mut row).unwrap();
        store.row(&row).unwrap().write_json(&mut json).unwrap();
        String::from_utf8(json).unwrap()
    };
    (0..rows).map(json).collect()
}

#[test]
fn numbers_that_json_does_not_have_are_null_in_it_and_floats_elsewhere() {
    use ColumnType::{Float32, Float64, Json};
    let (nan, inf) = (FieldInput::Float64(f64::NAN), FieldInput::Float64(f64::NEG_INFINITY));
    for (given, said, expected, json) in [
        (&[FieldInput::Text("a"), nan, inf][..], None, Json, &["\"a\"", "null", "null"][..]),
        (&[FieldInput::Int(1), nan], None, Json, &["1", "null"]),
        (&[FieldInput::Bool(true), FieldInput::Float32(f32::INFINITY)], None, Json, &["true", "null"]),
        (&[FieldInput::Json("[1]"), nan, nan], None, Json, &["[1]", "null", "null"]),
        (&[FieldInput::Json("[1]"), nan], Some(Json), Json, &["[1]", "null"]),
        (&[FieldInput::Float64(1.5), nan, inf], None, Float64, &["1.5", "null", "null"]),
        (&[nan, nan], None, Float64, &["null", "null"]),
        (&[FieldInput::Float32(f32::NAN), FieldInput::Float32(1.0)], None, Float32, &["null", "1.0"]),
    ] {
        let store = rows_of(given, &[], said);
        assert_eq!(store.schema().unwrap().columns()[0].column_type(), expected, "{given:?}");
        store.verify().unwrap();
        let json: Vec<String> = json.iter().map(|json| format!("{{\"c\":{json}}}")).collect();
        assert_eq!(json_of(&store, given.len()), json, "{given:?}");
    }
    let store = rows_of(&[FieldInput::Float64(1.5), nan, inf], &[], None);
    for (key, expected) in [("1", f64::NAN), ("2", f64::NEG_INFINITY)] {
        let mut row = Vec::new();
        store.get(key.as_bytes(), &mut row).unwrap();
        let float = store.row(&row).unwrap().get("c").unwrap().as_f64().unwrap();
        assert_eq!(float.to_bits(), expected.to_bits());
    }
}

#[test]
fn what_was_replaced_gives_no_column_another_type_whatever_it_was() {
    use ColumnType::{Bool, Float32, Float64, Int, Json, Text};
    let texts = [FieldInput::Text("a \"b\"\n"), FieldInput::Text(""), FieldInput::Text("null")];
    let floats = [FieldInput::Float64(0.1), FieldInput::Float64(f64::NAN), FieldInput::Float64(-2.0)];
    let ints = [FieldInput::Int(-5), FieldInput::Int(7), FieldInput::Int(i64::MAX)];
    let bools = [FieldInput::Bool(true), FieldInput::Bool(false), FieldInput::Null];
    let singles = [FieldInput::Float32(0.1), FieldInput::Float32(f32::NAN), FieldInput::Float32(7.0)];
    let mixed = [FieldInput::Json("{\"a\": 1}"), FieldInput::Text("a"), FieldInput::Number("1.50")];
    for (given, column_type) in
        [(texts, Text), (floats, Float64), (ints, Int), (bools, Bool), (singles, Float32), (mixed, Json)]
    {
        let plain = rows_of(&given, &[], None);
        assert_eq!(plain.schema().unwrap().columns()[0].column_type(), column_type);
        for before in
            [FieldInput::Json("[1]"), FieldInput::Bool(true), FieldInput::Text("x"), FieldInput::Null]
        {
            let again = rows_of(&given, &[before], None);
            assert!(again.memory() == plain.memory(), "{given:?} behind {before:?}");
        }
    }
    // An empty text of a hash is no null, and a null of a database no empty text.
    let cells = |second| [FieldInput::Cell(b"7"), second, FieldInput::Cell(b"8")];
    for (second, column_type, json) in [
        (FieldInput::Text(""), Text, "\"\""),
        (FieldInput::Null, Int, "null"),
        (FieldInput::Cell(b""), Int, "null"),
        (FieldInput::Missing, Int, ""),
    ] {
        for before in [FieldInput::Cell(b"x"), FieldInput::Cell(b""), FieldInput::Null] {
            let (plain, again) =
                (rows_of(&cells(second), &[], None), rows_of(&cells(second), &[before], None));
            let types = [&plain, &again].map(|store| store.schema().unwrap().columns()[0].column_type());
            assert_eq!(
                (types, plain.memory() == again.memory()),
                ([column_type; 2], true),
                "{second:?} {before:?}"
            );
            assert!(json_of(&again, 2)[1].contains(json), "{second:?} {before:?}");
        }
        let words = [FieldInput::Cell(b"a"), second, FieldInput::Cell(b"b")];
        let (plain, again) = (rows_of(&words, &[], None), rows_of(&words, &[FieldInput::Cell(b"7")], None));
        assert!(plain.memory() == again.memory(), "{second:?}");
    }
    // An infinity in a column of JSON could not be told from NaN: that is not carved anew.
    let given = [FieldInput::Float64(1.5), FieldInput::Float64(f64::INFINITY)];
    let store = rows_of(&given, &[FieldInput::Text("x")], None);
    assert_eq!(json_of(&store, 2), ["{\"c\":1.5}", "{\"c\":null}"]);
    store.verify().unwrap();
}

#[test]
fn rows_that_are_carved_anew_are_given_as_they_were() {
    let given: [[FieldInput<'_>; 9]; 3] = [
        [
            FieldInput::Bool(true),
            FieldInput::Bytes(b"\xFF\0"),
            FieldInput::Json("{\"b\": [1, 2]}"),
            FieldInput::Float32(0.1),
            FieldInput::Float64(f64::NAN),
            FieldInput::Number("1.50"),
            FieldInput::Cell(b"x"),
            FieldInput::Null,
            FieldInput::Missing,
        ],
        [
            FieldInput::Bool(false),
            FieldInput::Bytes(b""),
            FieldInput::Json("null"),
            FieldInput::Float32(f32::NAN),
            FieldInput::Float64(-1e300),
            FieldInput::Number("7.25"),
            FieldInput::Cell(b""),
            FieldInput::Text("true"),
            FieldInput::Text("here"),
        ],
        [
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
            FieldInput::Null,
        ],
    ];
    let carved = |again: bool| {
        let mut builder = RowBuilder::new("key", Options { duplicates: Duplicates::Last, ..options() });
        builder.key_position(1);
        for i in 0..9 {
            builder.column(&format!("c{i}"), None).unwrap();
        }
        if again {
            // What is replaced may have any type: without it the table is carved anew.
            let texts: [FieldInput<'_>; 9] = std::array::from_fn(|_| FieldInput::Text("replaced"));
            builder.add(b"0", &texts).unwrap();
        }
        for i in 0..300_u32 {
            builder.add(i.to_string().as_bytes(), &given[i as usize % 3]).unwrap();
        }
        builder.finish().unwrap().0
    };
    let (plain, again) = (carved(false), carved(true));
    let types = |store: &Store| {
        store.schema().unwrap().columns().iter().map(|column| column.column_type()).collect::<Vec<_>>()
    };
    assert_eq!(types(&plain), types(&again));
    assert!(plain.memory() == again.memory());
    let (mut row, mut json) = (Vec::new(), Vec::new());
    again.get(b"0", &mut row).unwrap();
    again.row(&row).unwrap().write_json(&mut json).unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        "{\"c0\":true,\"c1_base64\":\"/wA=\",\"c2\":{\"b\": [1, 2]},\"c3\":0.1,\"c4\":null,\"c5\":1.50,\"c6\":\"x\",\"c7\":null}"
    );
}
