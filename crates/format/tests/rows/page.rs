//! Rows read by their page, `docs/FORMAT.md`, alone, and its worked example held against the code.

use graven_format::{CodecChoice, FieldInput, Options, RowBuilder, Store};

const PAGE: &str = include_str!("../../../../docs/FORMAT.md");

/// What is left of a section.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, len: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn integer(&mut self, width: usize) -> u64 {
        self.take(width).iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn name(&mut self) -> String {
        let len = self.integer(1) as usize;
        String::from_utf8(self.take(len).to_vec()).unwrap()
    }
}

struct PageColumn {
    name: String,
    column_type: u64,
    form: u64,
    digits: u64,
    absent: u64,
    coding: u64,
    bits: u64,
    base: u64,
    entries: Vec<Vec<u8>>,
}

/// The columns of a schema without codes.
fn columns(section: &[u8]) -> Vec<PageColumn> {
    let mut bytes = Bytes(section);
    bytes.take(3);
    bytes.name();
    assert_eq!(bytes.integer(1), 0, "no codes");
    let count = bytes.integer(2);
    let columns = (0..count)
        .map(|_| {
            let name = bytes.name();
            let [column_type, form, digits, absent] = [(); 4].map(|()| bytes.integer(1));
            bytes.take(16);
            let coding = bytes.integer(1);
            let (mut bits, mut base, mut entries) = (0, 0, Vec::new());
            match coding {
                0 => (bits, base) = (bytes.integer(1), bytes.integer(8)),
                1 => bits = if column_type == 3 { 32 } else { 64 },
                2 => bits = 128,
                3 => {
                    for _ in 0..bytes.integer(4) {
                        let len = bytes.integer(4) as usize;
                        entries.push(bytes.take(len).to_vec());
                    }
                    let numbers = entries.len() + [0, 1, 1, 2][absent as usize];
                    while numbers > 1 << bits {
                        bits += 1;
                    }
                }
                4 => {
                    (bits, base) = (bytes.integer(1), bytes.integer(4));
                    assert_eq!(bytes.integer(1), 0);
                    bytes.take(8);
                }
                other => panic!("{other}"),
            }
            PageColumn { name, column_type, form, digits, absent, coding, bits, base, entries }
        })
        .collect();
    assert!(bytes.0.is_empty());
    columns
}

fn bits(row: &[u8], at: u64, width: u64) -> u128 {
    (0..width).fold(0, |number, i| {
        let bit = row[((at + i) / 8) as usize] >> ((at + i) % 8) & 1;
        number | u128::from(bit) << i
    })
}

/// The texts of a row; those without a value are none.
fn texts(columns: &[PageColumn], row: &[u8]) -> Vec<Option<Vec<u8>>> {
    let says_absent = |column: &PageColumn| column.coding == 3 || (column.coding == 0 && column.bits < 64);
    let absent_bits =
        |column: &PageColumn| if says_absent(column) { 0 } else { [0, 1, 1, 2][column.absent as usize] };
    let fixed: u64 = columns.iter().map(|column| absent_bits(column) + column.bits).sum();
    let mut behind = fixed.div_ceil(8) as usize;
    let last = columns.iter().rposition(|column| column.coding == 4);
    let mut at = 0;
    let mut texts = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        let mut is_absent = bits(row, at, absent_bits(column)) > 0;
        at += absent_bits(column);
        let number = bits(row, at, column.bits);
        at += column.bits;
        if column.coding == 3 {
            is_absent = number >= column.entries.len() as u128;
        } else if says_absent(column) {
            is_absent = number + [0, 1, 1, 2][column.absent as usize] >= 1 << column.bits;
        }
        let text = match column.coding {
            0 => whole(column, (number as u64).wrapping_add(column.base).cast_signed()),
            1 => f64::from_bits(number as u64).to_string(),
            2 => {
                let hex = format!("{number:032x}");
                [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
            }
            3 if is_absent => String::new(),
            3 => String::from_utf8(column.entries[number as usize].clone()).unwrap(),
            _ => {
                let len =
                    if Some(i) == last { row.len() - behind } else { (number as u64 + column.base) as usize };
                behind += len;
                String::from_utf8(row[behind - len..behind].to_vec()).unwrap()
            }
        };
        texts.push((!is_absent).then(|| text.into_bytes()));
    }
    assert_eq!(behind, row.len());
    texts
}

fn whole(column: &PageColumn, number: i64) -> String {
    match column.column_type {
        0 => ["false", "true"][usize::from(number == 1)].to_owned(),
        1 => number.to_string(),
        2 => number.cast_unsigned().to_string(),
        9 => format!("day {number}"),
        _ => {
            let power = 10_i64.pow(column.digits as u32);
            let sign = if number < 0 { "-" } else { "" };
            let (whole, part) = (number.abs() / power, number.abs() % power);
            let text = format!("{sign}{whole}.{part:0width$}", width = column.digits as usize);
            match column.form {
                0 => text,
                1 => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                _ if text.trim_end_matches('0').ends_with('.') => text.trim_end_matches('0').to_owned() + "0",
                _ => text.trim_end_matches('0').to_owned(),
            }
        }
    }
}

fn section(store: &Store) -> &[u8] {
    let sections = store.info().sections;
    let schema = sections.iter().find(|section| section.name == "schema").unwrap();
    &store.memory()[schema.offset as usize..][..schema.bytes as usize]
}

#[test]
fn rows_are_read_by_their_page_alone() {
    let options = Options {
        codec: CodecChoice::Fastest,
        temporary_dir: std::env::temp_dir(),
        threads: 1,
        ..Options::default()
    };
    let mut builder = RowBuilder::new("id", options);
    let names = [
        "whole", "large", "fixed", "fewest", "point", "float", "text", "few", "uuid", "flag", "json", "last",
    ];
    for name in names {
        builder.column(name, None).unwrap();
    }
    let row = |i: u64| -> Vec<Option<Vec<u8>>> {
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let texts = [
            Some(((mixed >> 30).cast_signed() - 1_000_000).to_string()),
            (!i.is_multiple_of(3)).then(|| (u64::MAX - mixed / 2).to_string()),
            Some(format!("-{}.{:02}", (mixed >> 50) + 1, mixed % 100)),
            Some(format!("{}", (mixed >> 40) as f64 / 1000.0)),
            Some(format!("{:?}", (mixed >> 50) as f64 / 8.0)),
            Some(format!(
                "{}",
                f64::from_bits(mixed >> 12 | 0x3FF0 << 48) * 10_f64.powi((i % 12) as i32 - 6)
            )),
            (!i.is_multiple_of(5)).then(|| format!("text {}", mixed >> 44)),
            Some(["red", "green", "blue"][(mixed >> 60) as usize % 3].to_owned()),
            Some(format!("{:08x}-0000-4000-8000-{:012x}", mixed >> 32, mixed >> 20)),
            Some(i.is_multiple_of(2).to_string()),
            match i % 4 {
                0 => None,
                1 => Some("[1]".into()),
                _ => Some(mixed.to_string()),
            },
            (!i.is_multiple_of(7)).then(|| "x".repeat(i as usize % 9 + 1) + &mixed.to_string()),
        ];
        texts.into_iter().map(|text| text.map(String::into_bytes)).collect()
    };
    for i in 0..6000 {
        let given = row(i);
        let fields: Vec<FieldInput<'_>> = given
            .iter()
            .enumerate()
            .map(|(column, text)| match text {
                None if column == 10 => FieldInput::Missing,
                None => FieldInput::Null,
                Some(text) if column == 10 => FieldInput::Json(std::str::from_utf8(text).unwrap()),
                Some(text) => FieldInput::Cell(text),
            })
            .collect();
        builder.add(i.to_string().as_bytes(), &fields).unwrap();
    }
    let store = builder.finish().unwrap().0;
    let columns = columns(section(&store));
    let found: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(found, names);
    let codings: Vec<u64> = columns.iter().map(|column| column.coding).collect();
    assert_eq!(codings, [0, 0, 0, 0, 0, 1, 4, 3, 2, 0, 4, 4]);
    for i in 0..6000_u64 {
        let mut value = Vec::new();
        assert!(store.get(i.to_string().as_bytes(), &mut value).unwrap());
        assert_eq!(texts(&columns, &value), row(i), "{i}");
    }
}

/// The table of the worked example.
fn example() -> Store {
    let options = Options { temporary_dir: std::env::temp_dir(), threads: 1, ..Options::default() };
    let mut builder = RowBuilder::new("id", options);
    for name in ["name", "score", "age"] {
        builder.column(name, None).unwrap();
    }
    builder.key_is_number(true);
    builder.add(b"7", &[FieldInput::Text("Ada"), FieldInput::Number("1.50"), FieldInput::Null]).unwrap();
    builder.add(b"9", &[FieldInput::Text("Grace"), FieldInput::Number("-0.25"), FieldInput::Int(5)]).unwrap();
    builder.finish().unwrap().0
}

/// As `xxd -g 1` prints it, without the text.
fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate().map(|(i, line)| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:02x}: {}\n", i * 16, hex.join(" "))
    });
    lines.collect()
}

#[test]
fn the_worked_example_of_rows_is_what_the_builder_carves() {
    let store = example();
    let mut shown = format!("schema\n{}", dump(section(&store)));
    for key in ["7", "9"] {
        let mut value = Vec::new();
        assert!(store.get(key.as_bytes(), &mut value).unwrap());
        shown.push_str(&format!("the value of {key}\n{}", dump(&value)));
    }
    let blocks: Vec<&str> = PAGE.split("```").collect();
    let found =
        blocks.iter().find(|block| block.trim_start().starts_with("schema\n")).map(|block| block.trim());
    assert_eq!(found, Some(shown.trim()), "the example of rows on the page is to be\n{shown}");
}

#[test]
fn the_page_names_every_type_and_limit_of_rows() {
    use graven_format::ColumnType;
    use graven_format::layout::{COLUMN_NAME_BYTES_MAX, COLUMNS_MAX, SCHEMA_BYTES_MAX, TEXT_CODES_MAX};
    for column_type in ColumnType::ALL {
        let row = format!("| {} {column_type} |", column_type as u8);
        assert!(PAGE.contains(&row), "{row}");
    }
    for (what, most) in [
        ("bytes of the schema", SCHEMA_BYTES_MAX as usize),
        ("columns", COLUMNS_MAX),
        ("bytes of a column's name", COLUMN_NAME_BYTES_MAX),
        ("codes of texts", TEXT_CODES_MAX),
    ] {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {what} |"))).unwrap();
        let digits: String = row.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, most.to_string(), "{what}");
    }
}
