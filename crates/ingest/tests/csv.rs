//! The csv reader beside a transcription of Python's, on every short text over the bytes that
//! matter.

use graven_ingest::{Cause, CsvReader};

/// What a reader makes of a text: the rows that are not empty, and why it ended early.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    rows: Vec<Vec<Vec<u8>>>,
    error: Option<&'static str>,
}

const OPEN: &str = "a quote is not closed";
const AFTER: &str = "something follows a closing quote";

fn ours(text: &[u8]) -> Read {
    let mut reader = CsvReader::new(text, b',', None);
    let mut rows = Vec::new();
    loop {
        match reader.next_row() {
            Ok(Some(row)) => rows.push(row.cells().map(<[u8]>::to_vec).collect()),
            Ok(None) => return Read { rows, error: None },
            Err(fault) => {
                let error = match fault.cause {
                    Cause::OpenQuote => OPEN,
                    Cause::AfterQuote { .. } => AFTER,
                    cause => panic!("{cause}"),
                };
                return Read { rows, error: Some(error) };
            }
        }
    }
}

/// `_csv.c` of Python 3.11 with `strict=True`, state by state.
fn pythons(text: &[u8]) -> Read {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        StartRecord,
        StartField,
        InField,
        InQuotedField,
        QuoteInQuotedField,
        EatLineEnd,
    }
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let mut state = State::StartRecord;
    // A file that is opened with `newline=''` gives lines that end in `\n`, `\r\n` or `\r`; behind
    // each the reader is given `None`.
    let mut bytes = text.iter().copied().map(Some).collect::<Vec<_>>();
    let mut at = 0;
    while at < bytes.len() {
        let ends = match (bytes[at], bytes.get(at + 1)) {
            (Some(b'\r'), Some(Some(b'\n'))) => false,
            (Some(b'\r' | b'\n'), _) => true,
            _ => false,
        };
        at += 1;
        if ends {
            bytes.insert(at, None);
            at += 1;
        }
    }
    if bytes.last().is_some_and(Option::is_some) {
        bytes.push(None);
    }
    for byte in bytes {
        let mut save = |field: &mut Vec<u8>| row.push(std::mem::take(field));
        let line_end = |byte: Option<u8>| if byte.is_none() { State::StartRecord } else { State::EatLineEnd };
        state = match (state, byte) {
            (State::StartRecord, None) => State::StartRecord,
            (State::StartRecord, Some(b'\n' | b'\r')) => State::EatLineEnd,
            (State::StartField, None | Some(b'\n' | b'\r')) => {
                save(&mut field);
                line_end(byte)
            }
            (State::StartRecord | State::StartField, Some(b'"')) => State::InQuotedField,
            (State::StartRecord | State::StartField, Some(b',')) => {
                save(&mut field);
                State::StartField
            }
            (State::StartRecord | State::StartField, Some(other)) => {
                field.push(other);
                State::InField
            }
            (State::InField | State::QuoteInQuotedField, None | Some(b'\n' | b'\r')) => {
                save(&mut field);
                line_end(byte)
            }
            (State::InField | State::QuoteInQuotedField, Some(b',')) => {
                save(&mut field);
                State::StartField
            }
            (State::InField, Some(other)) => {
                field.push(other);
                State::InField
            }
            (State::InQuotedField, None) => State::InQuotedField,
            (State::InQuotedField, Some(b'"')) => State::QuoteInQuotedField,
            (State::InQuotedField, Some(other)) => {
                field.push(other);
                State::InQuotedField
            }
            (State::QuoteInQuotedField, Some(b'"')) => {
                field.push(b'"');
                State::InQuotedField
            }
            (State::QuoteInQuotedField, Some(_)) => return Read { rows, error: Some(AFTER) },
            (State::EatLineEnd, Some(b'\n' | b'\r')) => State::EatLineEnd,
            (State::EatLineEnd, None) => State::StartRecord,
            (State::EatLineEnd, Some(_)) => panic!("a line holds no line end"),
        };
        // Behind each line Python gives the row, unless a quote is open.
        if state == State::StartRecord && byte.is_none() && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
        }
    }
    let error = (state != State::StartRecord).then_some(OPEN);
    Read { rows, error }
}

/// Every text of up to `longest` of `bytes`.
fn every_text(bytes: &[u8], longest: u32, mut each: impl FnMut(&[u8])) {
    for len in 0..=longest {
        for number in 0..bytes.len().pow(len) {
            let mut rest = number;
            let text: Vec<u8> = (0..len)
                .map(|_| {
                    let byte = bytes[rest % bytes.len()];
                    rest /= bytes.len();
                    byte
                })
                .collect();
            each(&text);
        }
    }
}

#[test]
fn every_short_text_is_read_as_python_reads_it() {
    let mut seen = 0;
    every_text(b"a,\"\n\r", 8, |text| {
        assert_eq!(ours(text), pythons(text), "{}", text.escape_ascii());
        seen += 1;
    });
    assert_eq!(seen, (5_usize.pow(9) - 1) / 4);
}

/// A source that gives a byte at a time.
struct Drops<'a>(&'a [u8]);

impl std::io::Read for Drops<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let (Some((first, rest)), [room, ..]) = (self.0.split_first(), bytes) else { return Ok(0) };
        *room = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn rows_and_lines_do_not_depend_on_how_the_bytes_come() {
    every_text(b"a,\"\n\r", 6, |text| {
        let mut whole = CsvReader::new(text, b',', None);
        let mut drops = CsvReader::new(Drops(text), b',', None);
        loop {
            let (a, b) = (whole.next_row(), drops.next_row());
            assert_eq!(format!("{a:?}"), format!("{b:?}"), "{}", text.escape_ascii());
            if !matches!(a, Ok(Some(_))) {
                break;
            }
        }
    });
}

/// The lines at which rows begin, and in how many they lie.
fn lines(text: &[u8]) -> Vec<(u64, u64)> {
    let mut reader = CsvReader::new(text, b',', None);
    let mut lines = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        lines.push((row.line(), row.lines()));
    }
    lines
}

#[test]
fn a_row_knows_its_line_whatever_ends_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,1", "", "b,\"2", "2", "", "2\"", "c,3", "", "", "d,4"].join(end);
        assert_eq!(lines(text.as_bytes()), [(1, 1), (3, 4), (7, 1), (10, 1)], "{}", end.escape_debug());
    }
    assert_eq!(lines(b"a\r\r\nb\n\rc"), [(1, 1), (3, 1), (5, 1)]);
    assert_eq!(lines(b"\xEF\xBB\xBF\r\n\r\na,1\r\n"), [(3, 1)]);
}

#[test]
fn a_fault_in_quotes_is_where_the_quote_opens() {
    for (text, position, cause) in [
        (&b"a,\"x\nb,2\n"[..], (1, 3), "the quote that opens here is never closed"),
        (b"a,1\r\n\r\nb,\"x", (3, 3), "the quote that opens here is never closed"),
        (
            b"k,\"1\nl,2\nm,\"3\n",
            (1, 3),
            "the quote that opens here closes before line 3, column 4; expected `,` or the end of the line there, found `3`",
        ),
        (
            b"a,\"x\"y\n",
            (1, 3),
            "the quote that opens here closes before line 1, column 6; expected `,` or the end of the line there, found `y`",
        ),
        (
            b"\xEF\xBB\xBF\"a\" ,1\n",
            (1, 1),
            "the quote that opens here closes before line 1, column 4; expected `,` or the end of the line there, found ` `",
        ),
    ] {
        let mut reader = CsvReader::new(text, b',', None);
        let fault = loop {
            match reader.next_row() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{} is read", text.escape_ascii()),
                Err(fault) => break fault,
            }
        };
        let found = (fault.position.line.unwrap(), fault.position.column.unwrap());
        assert_eq!((found, fault.cause.to_string().as_str()), (position, cause), "{}", text.escape_ascii());
    }
}
