//! Answers of every protocol, whole and in pieces, right and wrong.

use super::*;
use crate::requests::{ExpectedValues, append_expected};

/// A key of a request, and its value.
type KeyAndValue = (&'static str, Option<&'static str>);

/// What a pool keeps of the values of these pairs, and memcached's request for their keys.
fn kept(pairs: &[KeyAndValue]) -> (Vec<u8>, String) {
    let (mut bytes, mut request) = (Vec::new(), "get".to_owned());
    for (key, value) in pairs {
        bytes.extend_from_slice(&value.map_or(u32::MAX, |value| value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        request.push_str(&format!(" {key}"));
    }
    (bytes, request + "\r\n")
}

/// Reads `bytes` in one piece, and asserts that any two pieces say the same.
fn read(protocol: Protocol, pairs: &[KeyAndValue], bytes: &str) -> ReplyProgress {
    let (values, request) = kept(pairs);
    let values = Some(ExpectedValues::of(&values));
    let expected = ExpectedAnswer { request: request.as_bytes(), keys: pairs.len(), fields: 0, values };
    let in_two = |cut: usize| {
        let mut reader = ReplyReader::new(protocol);
        let (mut start, mut end) = (0, cut);
        loop {
            match reader.read(&bytes.as_bytes()[start..end], expected, false) {
                ReplyProgress::Part(consumed) => start += consumed,
                ReplyProgress::NeedMore if end < bytes.len() => end = bytes.len(),
                ReplyProgress::Answer { checked, consumed, closes } => {
                    return ReplyProgress::Answer { checked, consumed: start + consumed, closes };
                }
                progress => return progress,
            }
        }
    };
    let whole = in_two(bytes.len());
    for cut in 0..bytes.len() {
        assert_eq!(in_two(cut), whole, "{bytes:?} cut at {cut}");
    }
    whole
}

fn answer(bytes: &str, kind: AnswerKind, hits: u32, misses: u32) -> ReplyProgress {
    ReplyProgress::Answer {
        checked: CheckedAnswer { kind, hits, misses },
        consumed: bytes.len(),
        closes: false,
    }
}

#[test]
fn every_protocol_tells_hits_misses_refusals_and_wrong_answers_apart() {
    use AnswerKind::{Hit, Miss, Refused, Wrong};
    use Protocol::{Http, Memcached, Redis};
    let there: &[KeyAndValue] = &[("k", Some("ab"))];
    let absent: &[KeyAndValue] = &[("k", None)];
    for (protocol, expected, bytes, kind, hits, misses) in [
        (Http, there, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", Hit, 1, 0),
        (
            Http,
            there,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
            Hit,
            1,
            0,
        ),
        (Http, there, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nax", Wrong, 1, 0),
        (Http, there, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Wrong, 0, 1),
        (Http, absent, "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", Miss, 0, 1),
        (Http, absent, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", Wrong, 1, 0),
        (Http, there, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Refused, 0, 0),
        (
            Http,
            there,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            Hit,
            1,
            0,
        ),
        (Redis, there, "$2\r\nab\r\n", Hit, 1, 0),
        (Redis, there, "$2\r\nxb\r\n", Wrong, 1, 0),
        (Redis, there, "$-1\r\n", Wrong, 0, 1),
        (Redis, absent, "_\r\n", Miss, 0, 1),
        (Redis, there, "-ERR no\r\n", Refused, 0, 0),
        (Memcached, there, "VALUE k 0 2\r\nab\r\nEND\r\n", Hit, 1, 0),
        (Memcached, there, "VALUE k 0 2\r\naa\r\nEND\r\n", Wrong, 1, 0),
        (Memcached, there, "END\r\n", Wrong, 0, 1),
        (Memcached, absent, "END\r\n", Miss, 0, 1),
        (Memcached, absent, "VALUE k 0 2\r\nab\r\nEND\r\n", Wrong, 1, 0),
        (Memcached, there, "SERVER_ERROR out\r\n", Refused, 0, 0),
    ] {
        assert_eq!(read(protocol, expected, bytes), answer(bytes, kind, hits, misses), "{bytes:?}");
    }
}

#[test]
fn the_answers_to_several_keys_are_compared_one_by_one() {
    use AnswerKind::{Hit, Miss, Wrong};
    use Protocol::{Http, Memcached, Redis};
    let some: &[KeyAndValue] = &[("a", Some("a")), ("b", None), ("c", Some("c"))];
    let none: &[KeyAndValue] = &[("a", None), ("b", None)];
    let rows: &[KeyAndValue] = &[("a", Some(r#"{"base64":"Yw==","b":1.50}"#)), ("b", None)];
    let http = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (protocol, expected, bytes, kind, hits, misses) in [
        (Http, some, http(r#"{"values":["a",null,{"base64":"Yw=="}]}"#), Hit, 2, 1),
        (Http, some, http(r#"{"values":["a",null,"\u0063"]}"#), Hit, 2, 1),
        (Http, rows, http(r#"{"values":[{"base64":"Yw==","b":1.50},null]}"#), Hit, 1, 1),
        (Http, rows, http(r#"{"values":[{"base64":"Yw==","b":1.5},null]}"#), Wrong, 1, 1),
        (Http, some, http(r#"{"values":[null,"a","c"]}"#), Wrong, 2, 1),
        (Http, none, http(r#"{"values":[null,null]}"#), Miss, 0, 2),
        (Redis, some, "*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n".into(), Hit, 2, 1),
        (Redis, some, "*3\r\n$-1\r\n$1\r\na\r\n$1\r\nc\r\n".into(), Wrong, 2, 1),
        (Memcached, some, "VALUE a 0 1\r\na\r\nVALUE c 0 1\r\nc\r\nEND\r\n".into(), Hit, 2, 1),
        (Memcached, some, "VALUE a 0 1\r\na\r\nEND\r\n".into(), Wrong, 1, 2),
        (Memcached, none, "END\r\n".into(), Miss, 0, 2),
    ] {
        assert_eq!(read(protocol, expected, &bytes), answer(&bytes, kind, hits, misses), "{bytes:?}");
    }
}

/// What the answer of a Redis to a request for two fields is, whose row has these, if it is there.
fn fields(row: Option<[Option<&str>; 2]>, bytes: &str) -> ReplyProgress {
    let row = row.map(|fields| {
        let mut row = Vec::new();
        fields.iter().for_each(|field| append_expected(field.map(str::as_bytes), &mut row));
        row
    });
    let mut values = Vec::new();
    append_expected(row.as_deref(), &mut values);
    let values = Some(ExpectedValues::of(&values));
    let expected = ExpectedAnswer { request: b"HMGET", keys: 1, fields: 2, values };
    ReplyReader::new(Protocol::Redis).read(bytes.as_bytes(), expected, false)
}

#[test]
fn the_fields_of_a_row_are_compared_one_by_one() {
    use AnswerKind::{Hit, Miss, Refused, Wrong};
    let row = Some([Some("a"), None]);
    for (row, bytes, kind, hits, misses) in [
        (row, "*2\r\n$1\r\na\r\n$-1\r\n", Hit, 1, 0),
        (row, "*2\r\n$1\r\na\r\n$1\r\na\r\n", Wrong, 1, 0),
        (row, "*2\r\n$-1\r\n$1\r\na\r\n", Wrong, 1, 0),
        (row, "*2\r\n$-1\r\n$-1\r\n", Wrong, 0, 1),
        (Some([None, None]), "*2\r\n$-1\r\n$-1\r\n", Miss, 0, 1),
        (None, "*2\r\n_\r\n_\r\n", Miss, 0, 1),
        (None, "*2\r\n$1\r\na\r\n$-1\r\n", Wrong, 1, 0),
        (row, "-WRONGTYPE\r\n", Refused, 0, 0),
    ] {
        assert_eq!(fields(row, bytes), answer(bytes, kind, hits, misses), "{bytes:?}");
    }
    for bytes in ["*1\r\n$1\r\na\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "$1\r\na\r\n", "_\r\n"] {
        assert!(matches!(fields(row, bytes), ReplyProgress::Garbage(_)), "{bytes:?}");
    }
}

#[test]
fn what_is_no_answer_is_garbage() {
    use Protocol::{Http, Memcached, Redis};
    let one: &[KeyAndValue] = &[("a", Some("a"))];
    let two: &[KeyAndValue] = &[("a", Some("a")), ("b", Some("b"))];
    for (protocol, expected, bytes) in [
        (Http, one, "garbage garbage\r\n\r\n"),
        (Http, two, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        (Http, two, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"values\":[\"\"]}"),
        (Redis, one, "garbage\r\n"),
        (Redis, one, ":1\r\n"),
        (Redis, two, "*1\r\n$1\r\na\r\n"),
        (Redis, two, "*2\r\n$1\r\na\r\n:1\r\n"),
        (Memcached, one, "garbage\r\n"),
        (Memcached, one, "VALUE a 0 1\r\na\r\nVALUE a 0 1\r\na\r\n"),
        (Memcached, one, "STAT a 1\r\n"),
    ] {
        assert!(matches!(read(protocol, expected, bytes), ReplyProgress::Garbage(_)), "{bytes:?}");
    }
}

#[test]
fn answers_are_taken_as_they_are_unless_they_are_compared() {
    let expected = ExpectedAnswer { request: &[], keys: 1, fields: 0, values: None };
    let progress = ReplyReader::new(Protocol::Redis).read(b"$1\r\nx\r\n", expected, false);
    assert_eq!(progress, answer("$1\r\nx\r\n", AnswerKind::Hit, 1, 0));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let (values, _) = kept(&[("k", Some("ab"))]);
    let expected =
        ExpectedAnswer { request: &[], keys: 1, fields: 0, values: Some(ExpectedValues::of(&values)) };
    let bytes = b"HTTP/1.0 200 OK\r\n\r\nab";
    let mut reader = ReplyReader::new(Protocol::Http);
    assert_eq!(reader.read(bytes, expected, false), ReplyProgress::NeedMore);
    let ReplyProgress::Answer { checked, closes: true, .. } = reader.read(bytes, expected, true) else {
        panic!("no answer at the end")
    };
    assert_eq!(checked.kind, AnswerKind::Hit);
}

#[test]
fn a_value_of_memcached_counts_for_the_key_that_it_names() {
    use AnswerKind::{Hit, Wrong};
    let one: &[KeyAndValue] = &[("k", Some("ab"))];
    let some: &[KeyAndValue] = &[("a", Some("1")), ("b", None), ("c", Some("3")), ("d", Some("4"))];
    let twice: &[KeyAndValue] = &[("a", Some("1")), ("b", Some("2")), ("a", Some("1"))];
    let value = |key: &str, value: &str| format!("VALUE {key} 0 {}\r\n{value}\r\n", value.len());
    for (pairs, values, kind) in [
        // The right value under another key, and under one that only begins or ends as the key
        // does.
        (one, &[("x", "ab")][..], Wrong),
        (one, &[("kk", "ab")], Wrong),
        (one, &[("K", "ab")], Wrong),
        (one, &[("k", "ab")], Hit),
        // Any order is right, as long as each key has its own value.
        (some, &[("a", "1"), ("c", "3"), ("d", "4")], Hit),
        (some, &[("d", "4"), ("c", "3"), ("a", "1")], Hit),
        (some, &[("a", "1"), ("d", "4"), ("c", "3")], Hit),
        (some, &[("c", "3"), ("a", "1"), ("d", "4")], Hit),
        (some, &[("c", "1"), ("a", "3"), ("d", "4")], Wrong),
        (some, &[("d", "4"), ("c", "3")], Wrong),
        (some, &[("d", "4"), ("d", "4"), ("a", "1")], Wrong),
        (some, &[("a", "1"), ("a", "1"), ("c", "3")], Wrong),
        (some, &[("d", "4"), ("c", "3"), ("x", "1")], Wrong),
        // A value for a key that is not there.
        (some, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], Wrong),
        (some, &[("d", "4"), ("b", "2"), ("c", "3"), ("a", "1")], Wrong),
        (some, &[("a", "1"), ("c", "3"), ("b", "2")], Wrong),
        // A key that was asked for twice has two values.
        (twice, &[("a", "1"), ("b", "2"), ("a", "1")], Hit),
        (twice, &[("a", "1"), ("a", "1"), ("b", "2")], Hit),
        (twice, &[("b", "2"), ("a", "1"), ("a", "1")], Hit),
        (twice, &[("b", "2"), ("a", "1")], Wrong),
        (twice, &[("b", "2"), ("b", "2"), ("a", "1")], Wrong),
    ] {
        let bytes: String = values.iter().map(|(key, text)| value(key, text)).collect::<String>() + "END\r\n";
        let hits = values.len() as u32;
        let expected = answer(&bytes, kind, hits, pairs.len() as u32 - hits);
        assert_eq!(read(Protocol::Memcached, pairs, &bytes), expected, "{pairs:?} {bytes:?}");
    }
}

#[test]
fn a_reader_forgets_an_answer_before_the_next() {
    let pairs: &[KeyAndValue] = &[("a", Some("1")), ("b", Some("2"))];
    let (values, request) = kept(pairs);
    let values = Some(ExpectedValues::of(&values));
    let expected = ExpectedAnswer { request: request.as_bytes(), keys: 2, fields: 0, values };
    let mut reader = ReplyReader::new(Protocol::Memcached);
    let mut kinds = Vec::new();
    for answer in [
        "VALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n",
        "VALUE b 0 1\r\n1\r\nEND\r\n",
        "VALUE b 0 1\r\n2\r\nSERVER_ERROR busy\r\n",
        "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n",
    ] {
        let mut rest = answer.as_bytes();
        loop {
            match reader.read(rest, expected, false) {
                ReplyProgress::Part(consumed) => rest = &rest[consumed..],
                ReplyProgress::Answer { checked, .. } => break kinds.push(checked.kind),
                progress => panic!("{answer:?}: {progress:?}"),
            }
        }
    }
    assert_eq!(kinds, [AnswerKind::Hit, AnswerKind::Wrong, AnswerKind::Refused, AnswerKind::Hit]);
}
