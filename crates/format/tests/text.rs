//! The text reader held against a naive one that was written from `docs/TEXT.md` alone, and its
//! limits.

use std::io::{self, Cursor, Read};

use graven_format::text::{BLOCK_BYTES, BadLine, Block, Blocks, Error, Lines, Pair, for_each_pair};
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use proptest::prelude::*;
use proptest::sample::select;

/// A pair with its line, or the number of a line that begins with a separator or has a key that is
/// too long.
type Read1 = Result<(u64, Vec<u8>, Vec<u8>), u64>;

/// What the text says, byte by byte, until the first bad line.
fn naive(text: &[u8]) -> Vec<Read1> {
    let text = if text.len() >= 3 && text[..3] == [0xEF, 0xBB, 0xBF] { &text[3..] } else { text };
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    for &byte in text {
        if byte == b'\n' {
            let line = lines.last_mut().unwrap();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            lines.push(Vec::new());
        } else {
            lines.last_mut().unwrap().push(byte);
        }
    }
    let mut read = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let number = i as u64 + 1;
        let mut separator = None;
        for (at, &byte) in line.iter().enumerate() {
            if separator.is_none() && (byte == b' ' || byte == b'\t') {
                separator = Some(at);
            }
        }
        let key = &line[..separator.unwrap_or(line.len())];
        if line.is_empty() {
            continue;
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            read.push(Err(number));
            return read;
        }
        let value = separator.map_or(&[][..], |at| &line[at + 1..]);
        read.push(Ok((number, key.to_vec(), value.to_vec())));
    }
    read
}

fn owned(pair: Result<Pair<'_>, Error>) -> Read1 {
    match pair {
        Ok(pair) => Ok((pair.line, pair.key.to_vec(), pair.value.to_vec())),
        Err(Error::Line { line, reason: BadLine::EmptyKey | BadLine::KeyTooLong }) => Err(line),
        Err(error) => panic!("{error}"),
    }
}

/// What the reader makes of a source, until the first bad line.
fn read(source: impl Read) -> Vec<Read1> {
    let mut pairs = Vec::new();
    let mut blocks = Blocks::new(source);
    let mut block = Block::default();
    loop {
        match blocks.next_into(&mut block) {
            Ok(true) => {}
            Ok(false) => return pairs,
            Err(error) => {
                pairs.push(owned(Err(error)));
                return pairs;
            }
        }
        for pair in block.lines() {
            pairs.push(owned(pair));
            if pairs.last().is_some_and(|pair| pair.is_err()) {
                return pairs;
            }
        }
    }
}

/// Gives its bytes in pieces of these lengths, over and over, and is interrupted before each, as a
/// pipe may be.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: &'a [usize],
    next: usize,
    interrupted: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.lengths[self.next % self.lengths.len()].min(buffer.len()).min(self.rest.len());
        self.next += 1;
        buffer[..length].copy_from_slice(&self.rest[..length]);
        self.rest = &self.rest[length..];
        Ok(length)
    }
}

/// Text in which everything that means something is frequent.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        2 => Just(b'\n'), 2 => Just(b'\r'), 1 => Just(b' '), 1 => Just(b'\t'), 4 => select(&b"ab"[..]), 1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_pieces_reads_as_the_naive_reader_reads_it(
        text in texts(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let pieces = Pieces { rest: &text, lengths: &lengths, next: 0, interrupted: false };
        prop_assert_eq!(read(pieces), naive(&text));
    }

    #[test]
    fn lines_of_a_slice_read_as_the_naive_reader_reads_them(text in texts()) {
        let mut pairs = Vec::new();
        for pair in Lines::new(&text) {
            pairs.push(owned(pair));
            if pairs.last().is_some_and(|pair| pair.is_err()) {
                break;
            }
        }
        prop_assert_eq!(pairs, naive(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn blocks_may_end_anywhere_in_a_line(
        unit in texts(),
        shift in 0..200_usize,
        long_line in prop_oneof![Just(0), 0..3 * BLOCK_BYTES],
    ) {
        let mut text = vec![b'x'; shift];
        text.extend(unit.repeat(3 * BLOCK_BYTES / 2 / (unit.len() + 1)));
        text.extend_from_slice(b"\nlong ");
        text.resize(text.len() + long_line, b'y');
        text.extend(&unit);
        prop_assert!(read(&text[..]) == naive(&text), "unit {:?}", unit);
    }
}

#[test]
fn a_carriage_return_belongs_to_the_end_of_a_line_only_before_a_line_feed() {
    let text = b"a 1\r\nb 2\r\r\nc\r 3\n\r\nd\r\ne 5\r";
    let expected: [(u64, &[u8], &[u8]); 5] =
        [(1, b"a", b"1"), (2, b"b", b"2\r"), (3, b"c\r", b"3"), (5, b"d", b""), (6, b"e", b"5\r")];
    let expected: Vec<Read1> =
        expected.map(|(line, key, value)| Ok((line, key.to_vec(), value.to_vec()))).into();
    assert_eq!(read(&text[..]), expected);
}

#[test]
fn only_the_first_separator_parts_key_and_value() {
    let text = b"a  two spaces\nb\t\ttabs \nc \n";
    let expected: [(u64, &[u8], &[u8]); 3] =
        [(1, b"a", b" two spaces"), (2, b"b", b"\ttabs "), (3, b"c", b"")];
    let expected: Vec<Read1> =
        expected.map(|(line, key, value)| Ok((line, key.to_vec(), value.to_vec()))).into();
    assert_eq!(read(&text[..]), expected);
}

fn first_error(source: impl Read) -> Error {
    for_each_pair(source, |_| {}).expect_err("the text has a bad line")
}

#[test]
fn a_line_that_begins_with_a_separator_is_named() {
    for text in ["a 1\n\n 3\n", "a 1\n\n\t3", "a 1\r\n\r\n \r\n"] {
        assert_eq!(
            first_error(text.as_bytes()).to_string(),
            "line 3: the line begins with a separator; a key must come first"
        );
    }
}

#[test]
fn a_key_may_be_of_the_greatest_length_and_not_longer() {
    let key = vec![b'k'; KEY_BYTES_MAX];
    for (end, value) in [("", ""), ("\n", ""), ("\r\n", ""), (" v", "v"), ("\tv\r\n", "v")] {
        let text = [&b"a 1\n"[..], &key, end.as_bytes()].concat();
        assert_eq!(read(&text[..])[1], Ok((2, key.clone(), value.as_bytes().to_vec())));

        let text = [&b"a 1\nk"[..], &key, end.as_bytes()].concat();
        assert_eq!(first_error(&text[..]).to_string(), "line 2: the key is longer than 65536 bytes");
    }
}

#[test]
fn a_line_that_never_ends_is_an_error_and_not_endless_memory() {
    let endless = |start: &'static [u8]| Cursor::new(start).chain(io::repeat(b'x'));
    let error = |start| first_error(endless(start)).to_string();
    assert_eq!(error(b"a 1\nb"), "line 2: the key is longer than 65536 bytes");
    assert_eq!(error(b"a 1\n "), "line 2: the line begins with a separator; a key must come first");
    assert_eq!(error(b"a 1\nb "), "line 2: the value is longer than 536870912 bytes");
}

#[test]
fn a_value_may_be_of_the_greatest_length_and_not_longer() {
    let mut text = vec![b'v'; 2 + VALUE_BYTES_MAX];
    text[..2].copy_from_slice(b"k ");
    let pair = Lines::new(&text).next().unwrap().unwrap();
    assert_eq!(pair.value.len(), VALUE_BYTES_MAX);
    text.push(b'v');
    let error = Lines::new(&text).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "line 1: the value is longer than 536870912 bytes");
}

#[test]
fn a_read_that_fails_names_the_line_it_was_in() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    let error = first_error(Cursor::new(b"a 1\nb 2\nc").chain(Broken));
    assert_eq!(error.to_string(), "line 3: cannot read further: the disk is on fire");
}
