//! Rows in are rows out: random tables against a map, in memory, from files and on disk, whatever
//! the memory and the threads; and always the same bytes.

use std::collections::BTreeMap;

use graven_format::{CodecChoice, FieldInput, Options, Purpose, RowBuilder, Storage, Store};
use proptest::prelude::*;

/// A field with its own text.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    Missing,
    Null,
    Cell(Vec<u8>),
    Text(String),
    Number(String),
    Bool(bool),
    Json(String),
}

impl Given {
    fn input(&self) -> FieldInput<'_> {
        match self {
            Self::Missing => FieldInput::Missing,
            Self::Null => FieldInput::Null,
            Self::Cell(text) => FieldInput::Cell(text),
            Self::Text(text) => FieldInput::Text(text),
            Self::Number(text) => FieldInput::Number(text),
            Self::Bool(value) => FieldInput::Bool(*value),
            Self::Json(text) => FieldInput::Json(text),
        }
    }
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-999_i64..999, 0_u32..1000).prop_map(|(whole, part)| format!("{whole}.{part:03}")),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        (0_u32..50).prop_map(|number| number.to_string()),
        Just("35.0".to_owned()),
        Just("-0".to_owned()),
    ]
}

/// The fields of a column: all of one kind, or of several.
fn column(rows: usize) -> BoxedStrategy<Vec<Given>> {
    let cells = |inner: BoxedStrategy<Given>| proptest::collection::vec(inner, rows).boxed();
    prop_oneof![
        cells(number().prop_map(|text| Given::Cell(text.into_bytes())).boxed()),
        cells(number().prop_map(Given::Number).boxed()),
        cells((0_i64..5).prop_map(|number| Given::Number(number.to_string())).boxed()),
        cells("[a-zé\"\\\\\n]{0,12}".prop_map(Given::Text).boxed()),
        cells("[0-9.,-]{0,6}".prop_map(|text| Given::Cell(text.into_bytes())).boxed()),
        cells(proptest::collection::vec(any::<u8>(), 0..9).prop_map(Given::Cell).boxed()),
        cells(any::<bool>().prop_map(Given::Bool).boxed()),
        cells(
            prop_oneof![
                Just(Given::Missing),
                Just(Given::Null),
                number().prop_map(Given::Number),
                "[a-z]{0,5}".prop_map(Given::Text),
                any::<bool>().prop_map(Given::Bool),
                Just(Given::Json("[1, {\"a\": \"é\"}]".into())),
            ]
            .boxed()
        ),
        cells(prop_oneof![3 => Just(Given::Missing), 1 => (0_i64..9).prop_map(|i| Given::Number(i.to_string()))].boxed()),
        cells(prop_oneof![3 => Just(Given::Null), 1 => "[a-z]{0,9}".prop_map(Given::Text)].boxed()),
    ]
    .boxed()
}

fn tables() -> impl Strategy<Value = Vec<Vec<Given>>> {
    (1_usize..60, 0_usize..7).prop_flat_map(|(rows, columns)| {
        proptest::collection::vec(column(rows), columns).prop_map(move |columns| {
            (0..rows).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
        })
    })
}

fn build(
    rows: &[Vec<Given>],
    codec: CodecChoice,
    purpose: Purpose,
    threads: usize,
    memory_bytes: u64,
) -> Store {
    let temporary_dir = std::env::temp_dir();
    let options = Options { codec, purpose, threads, memory_bytes, temporary_dir, ..Options::default() };
    let mut builder = RowBuilder::new("id", options);
    for column in 0..rows[0].len() {
        builder.column(&format!("c{column}"), None).unwrap();
    }
    for (i, row) in rows.iter().enumerate() {
        let fields: Vec<FieldInput<'_>> = row.iter().map(Given::input).collect();
        builder.add(format!("key {i}").as_bytes(), &fields).unwrap();
    }
    builder.finish().unwrap().0
}

fn agree(store: &Store, rows: &[Vec<Given>]) {
    let schema = store.schema().unwrap();
    let names: Vec<String> = (0..rows[0].len()).rev().map(|column| format!("c{column}")).collect();
    let wanted = schema.project(&names).unwrap();
    let mut found = BTreeMap::new();
    for pair in store.iter() {
        let (key, value) = pair.unwrap();
        found.insert(key, value);
    }
    assert_eq!(found.len(), rows.len());
    for (i, given) in rows.iter().enumerate() {
        let mut value = Vec::new();
        assert!(store.get(format!("key {i}").as_bytes(), &mut value).unwrap());
        assert_eq!(found[format!("key {i}").as_bytes()], value);
        let row = store.row(&value).unwrap();
        let mut fields: Vec<_> = wanted.fields(row).map(Result::unwrap).collect();
        fields.reverse();
        for (column, (given, field)) in given.iter().zip(fields).enumerate() {
            let about = &schema.columns()[column];
            let takes_empty = ["text", "bytes", "json"].contains(&about.column_type().name());
            let text = field.as_bytes();
            let is_json = about.column_type().name() == "json";
            field.value().unwrap();
            match given {
                Given::Missing => assert!(field.is_missing()),
                Given::Null => assert!(field.is_null()),
                Given::Cell(cell) if cell.is_empty() && !takes_empty => assert!(field.is_null()),
                Given::Cell(cell) => assert_eq!(text.as_deref(), Some(&cell[..])),
                Given::Text(given) if is_json => {
                    let text = String::from_utf8(text.unwrap().into_owned()).unwrap();
                    assert!(text.starts_with('"') && text.ends_with('"') && text.len() >= given.len() + 2);
                }
                Given::Text(given) => assert_eq!(text.as_deref(), Some(given.as_bytes())),
                Given::Number(given) | Given::Json(given) => {
                    assert_eq!(text.as_deref(), Some(given.as_bytes()));
                }
                Given::Bool(given) => assert_eq!(text.as_deref(), Some(given.to_string().as_bytes())),
            }
            let again = row.field(column).unwrap();
            assert_eq!(again.as_bytes(), field.as_bytes());
        }
        for (field, again) in row.fields().zip(0..) {
            assert_eq!(field.unwrap().as_bytes(), row.field(again).unwrap().as_bytes());
        }
        row.write_json(&mut Vec::new()).unwrap();
    }
    store.verify().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_in_are_rows_out(rows in tables(), codec in 0..3_usize, disk in any::<bool>()) {
        let codec = [CodecChoice::Auto, CodecChoice::Smallest, CodecChoice::Fastest][codec];
        let purpose = if disk { Purpose::Disk } else { Purpose::Ram };
        let store = build(&rows, codec, purpose, 1, 1 << 30);
        agree(&store, &rows);
        let again = build(&rows, codec, purpose, 3, 1 << 30);
        prop_assert!(store.memory() == again.memory());
    }
}

#[test]
fn large_tables_are_the_same_in_every_place_and_with_little_memory() {
    let rows: Vec<Vec<Given>> = (0..20_000_u64)
        .map(|i| {
            let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            vec![
                Given::Cell(format!("{}.{:06}", mixed % 90, mixed >> 45).into_bytes()),
                Given::Cell(
                    format!("the description of item {} in {}", mixed >> 50, mixed % 97).into_bytes(),
                ),
                if i % 5 == 0 {
                    Given::Cell(Vec::new())
                } else {
                    Given::Cell((mixed % 1000).to_string().into_bytes())
                },
                Given::Cell(format!("name {}", mixed >> 44).into_bytes()),
            ]
        })
        .collect();
    for codec in [CodecChoice::Auto, CodecChoice::Fixed(graven_format::Codec::Zstd)] {
        let whole = build(&rows, codec, Purpose::Ram, 2, 1 << 30);
        agree(&whole, &rows);
        let spilled = build(&rows, codec, Purpose::Ram, 1, 1 << 16);
        assert_eq!(whole.memory().len(), spilled.memory().len());
        assert!(whole.memory() == spilled.memory());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.graven");
        std::fs::write(&path, whole.memory()).unwrap();
        for storage in [Storage::Memory, Storage::Mapped, Storage::Disk] {
            agree(&Store::open_as(&path, storage).unwrap(), &rows[..rows.len()]);
        }
    }
}
