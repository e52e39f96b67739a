//! Inputs of tables: whatever the bytes, the pairs and the error are the same however the bytes
//! arrive, no pair passes the limits, and what is read ends.

use std::io::{Cursor, Read};

use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use graven_ingest::{Compression, Format, Input, KeyColumns, Nulls, Pairs, ReadOptions, ValueColumns};

/// Pairs after which a reading is left: compressed bytes can stand for very many.
const PAIRS_MAX: usize = 20_000;

/// The first two bytes choose the options; the rest is the input.
pub fn pairs(input: &[u8]) {
    let [how, what, text @ ..] = input else { return };
    let options = options(*how, *what);
    let whole = read(Input::from_reader("fuzz", Cursor::new(text.to_vec())), &options);
    if Compression::of(text).is_none() {
        assert_eq!(read(Input::from_reader("fuzz", Drops::of(text)), &options), whole);
    }
}

fn options(how: u8, what: u8) -> ReadOptions {
    let is = |bit: u8| what >> bit & 1 == 1;
    let format = match how % 8 {
        0 => Some(Format::Csv),
        1 => Some(Format::Deb822),
        2 => Some(Format::Tsv),
        3 | 4 => Some(Format::Jsonl),
        5 => Some(Format::Data),
        _ => None,
    };
    let named = |name: &str, number: &str| Some(if is(0) { name } else { number }.to_owned());
    ReadOptions {
        format,
        key: if is(1) { named("key", "1").map(|name| KeyColumns(vec![name])) } else { None },
        value: if is(2) { named("value", "2").map(ValueColumns::One) } else { None },
        header: if is(3) { Some(is(0)) } else { None },
        delimiter: if is(4) { Some(b';') } else { None },
        comment: if is(5) { Some(b"#".to_vec()) } else { None },
        skip: u64::from(how >> 3 & 7 == 7),
        rows_in_quotes: is(6),
        short_rows: how >> 3 & 7 == 6,
        trim: is(7),
        nulls: match how >> 6 {
            0 => Nulls::Refuse,
            1 => Nulls::Skip,
            2 => Nulls::Empty,
            _ => Nulls::Json,
        },
        ..ReadOptions::default()
    }
}

/// What was read: the pairs with their lines, and why it ended early.
type Outcome = (Vec<(Vec<u8>, Vec<u8>, u64)>, Option<String>);

fn read(input: Result<Input, graven_ingest::Error>, options: &ReadOptions) -> Outcome {
    let mut read = Vec::new();
    let mut pairs = match input.and_then(|input| Pairs::new(input, options)) {
        Ok(pairs) => pairs,
        Err(error) => return (read, Some(error.to_string())),
    };
    // Several members may stand in one line.
    let is_document = pairs.format() == Format::Json;
    while read.len() < PAIRS_MAX {
        match pairs.next_pair() {
            Ok(Some(pair)) => {
                assert!(pair.key.len() <= KEY_BYTES_MAX && pair.value.len() <= VALUE_BYTES_MAX);
                let before = read.last().map_or(0, |&(.., line)| line);
                assert!(
                    pair.line > before || is_document && pair.line == before,
                    "line {} behind line {before}",
                    pair.line
                );
                read.push((pair.key.to_vec(), pair.value.to_vec(), pair.line));
            }
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error.to_string())),
        }
    }
    (read, None)
}

/// Gives a byte at a time.
pub(crate) struct Drops(Vec<u8>, usize);

impl Drops {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec(), 0)
    }
}

impl Read for Drops {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let (Some(&next), [room, ..]) = (self.0.get(self.1), bytes) else { return Ok(0) };
        *room = next;
        self.1 += 1;
        Ok(1)
    }
}
