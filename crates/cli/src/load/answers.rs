//! What an answer means: the codecs of `graven-wire` read it, here it is told whether it is a hit, a miss, a refusal, or
//! something other than what the data says.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_wire::{Decoded, http, memcached, resp};
use serde::Deserialize;

use super::pool::Expected;
use super::target::Language;

/// The largest answer that is taken, in bytes; a larger one is garbage.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A value; of several keys, at least one.
    Hit,
    /// No such key; of several, none of them.
    Miss,
    /// The server answered that it would not or could not.
    Refused,
    /// Not what the data says. Only where answers are compared with it.
    Wrong,
}

/// What one answer says about the keys of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Keys with a value.
    pub(crate) hits: u32,
    /// Keys that are not there.
    pub(crate) misses: u32,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole answer of this many bytes, after which the server may close.
    Answer {
        verdict: Verdict,
        consumed: usize,
        closes: bool,
    },
    /// Bytes that belong to an answer that goes on.
    Part(usize),
    NeedMore,
    /// No answer, and why.
    Garbage(String),
}

/// The ear of one connection.
#[derive(Debug)]
pub(crate) struct Ear {
    language: Heed,
}

#[derive(Debug)]
enum Heed {
    Http(http::Limits),
    Redis(resp::ReplyDecoder),
    Memcached(memcached::ReplyDecoder, Count),
}

/// The values of one request that memcached has named so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    named: u32,
    is_wrong: bool,
}

impl Ear {
    /// An ear at the beginning of a connection.
    pub(crate) fn new(language: Language) -> Self {
        Self {
            language: match language {
                Language::Http => {
                    Heed::Http(http::Limits { body_bytes_max: ANSWER_BYTES_MAX, ..http::Limits::default() })
                }
                Language::Redis => Heed::Redis(resp::ReplyDecoder::new(resp::ReplyLimits {
                    reply_bytes_max: ANSWER_BYTES_MAX,
                    ..resp::ReplyLimits::default()
                })),
                Language::Memcached => Heed::Memcached(
                    memcached::ReplyDecoder::new(memcached::ReplyLimits {
                        value_bytes_max: ANSWER_BYTES_MAX,
                        ..memcached::ReplyLimits::default()
                    }),
                    Count::default(),
                ),
            },
        }
    }

    /// Reads what `bytes` begin with, as the answer to a request of which `expected` is true. `ended` says that the server
    /// closed the connection after them.
    #[inline]
    pub(crate) fn hear(&mut self, bytes: &[u8], expected: Expected<'_>, ended: bool) -> Heard {
        match &mut self.language {
            Heed::Http(limits) => hear_http(bytes, expected, ended, limits),
            Heed::Redis(decoder) => hear_redis(decoder, bytes, expected),
            Heed::Memcached(decoder, count) => hear_memcached(decoder, count, bytes, expected),
        }
    }

    /// Whether a part of an answer has come, besides what has not been consumed.
    pub(crate) fn is_amid_answer(&self) -> bool {
        matches!(&self.language, Heed::Memcached(_, count) if count.named > 0)
    }
}

#[inline]
fn hear_http(bytes: &[u8], expected: Expected<'_>, ended: bool, limits: &http::Limits) -> Heard {
    let asked = if expected.keys == 1 { http::Method::Get } else { http::Method::Post };
    let (response, consumed) = match http::decode_response(bytes, asked, ended, limits) {
        Decoded::Message(response, consumed) => (response, consumed),
        Decoded::NeedMore | Decoded::Invalid(http::Error::Truncated) => return Heard::NeedMore,
        Decoded::Invalid(error) => return Heard::Garbage(error.to_string()),
    };
    let verdict = match response.status {
        100..200 => return Heard::Part(consumed),
        200..300 if expected.keys > 1 => {
            let mut body = Vec::new();
            response.body.append_to(&mut body);
            match many_http(&body, expected) {
                Some(verdict) => verdict,
                None => return Heard::Garbage("the body is not a list of as many values as keys".into()),
            }
        }
        200..300 => {
            let mut pieces = response.body.pieces();
            let first = pieces.next().unwrap_or_default();
            if first.len() == response.body.len() {
                one(Some(first), expected)
            } else {
                let mut body = Vec::new();
                response.body.append_to(&mut body);
                one(Some(&body), expected)
            }
        }
        404 if expected.keys == 1 => one(None, expected),
        _ => refused(),
    };
    Heard::Answer { verdict, consumed, closes: !response.keep_alive }
}

#[inline]
fn hear_redis(decoder: &mut resp::ReplyDecoder, bytes: &[u8], expected: Expected<'_>) -> Heard {
    use resp::Reply;
    let (reply, consumed) = match decoder.decode(bytes) {
        Decoded::Message(reply, consumed) => (reply, consumed),
        Decoded::NeedMore => return Heard::NeedMore,
        Decoded::Invalid(invalid) => return Heard::Garbage(invalid.to_string()),
    };
    let verdict = match reply {
        Reply::Bulk(value) if expected.keys == 1 => one(Some(value), expected),
        Reply::Null if expected.keys == 1 => one(None, expected),
        Reply::Error(_) => refused(),
        Reply::Array(items) if expected.keys > 1 && items.len() == expected.keys => {
            let mut values = Vec::with_capacity(expected.keys);
            for item in items {
                match item {
                    Reply::Bulk(value) => values.push(Some(value)),
                    Reply::Null => values.push(None),
                    _ => return Heard::Garbage("the array holds something other than values".into()),
                }
            }
            many(values.into_iter(), expected)
        }
        _ => return Heard::Garbage("the reply is of another type than the command's".into()),
    };
    Heard::Answer { verdict, consumed, closes: false }
}

#[inline]
fn hear_memcached(
    decoder: &mut memcached::ReplyDecoder,
    count: &mut Count,
    bytes: &[u8],
    expected: Expected<'_>,
) -> Heard {
    use memcached::Reply;
    let (reply, consumed) = match decoder.decode(bytes) {
        Decoded::Message(reply, consumed) => (reply, consumed),
        Decoded::NeedMore => return Heard::NeedMore,
        Decoded::Invalid(invalid) => return Heard::Garbage(invalid.to_string()),
    };
    let keys = expected.keys as u32;
    match reply {
        Reply::Value { .. } if count.named == keys => {
            return Heard::Garbage("more values than keys were asked for".into());
        }
        Reply::Value { value, .. } => {
            // Keys that are not there are left out of the answer.
            let wanted = expected.values.map(|values| values.flatten().nth(count.named as usize));
            count.is_wrong |= wanted.is_some_and(|wanted| wanted != Some(value));
            count.named += 1;
            return Heard::Part(consumed);
        }
        Reply::End => {}
        Reply::Error(_) => {
            *count = Count::default();
            return Heard::Answer { verdict: refused(), consumed, closes: false };
        }
        _ => return Heard::Garbage("the reply is of another kind than the command's".into()),
    }
    let Count { named, is_wrong } = std::mem::take(count);
    let there = expected.values.map(|values| values.flatten().count() as u32);
    let outcome = match there {
        _ if is_wrong => Outcome::Wrong,
        Some(there) if there != named => Outcome::Wrong,
        _ if named > 0 => Outcome::Hit,
        _ => Outcome::Miss,
    };
    Heard::Answer { verdict: Verdict { outcome, hits: named, misses: keys - named }, consumed, closes: false }
}

fn refused() -> Verdict {
    Verdict { outcome: Outcome::Refused, hits: 0, misses: 0 }
}

#[inline]
fn one(value: Option<&[u8]>, expected: Expected<'_>) -> Verdict {
    let is_wrong = expected.values.is_some_and(|mut values| values.next() != Some(value));
    let hits = u32::from(value.is_some());
    let outcome = match value {
        _ if is_wrong => Outcome::Wrong,
        Some(_) => Outcome::Hit,
        None => Outcome::Miss,
    };
    Verdict { outcome, hits, misses: 1 - hits }
}

fn many<'v>(mut found: impl Iterator<Item = Option<&'v [u8]>> + Clone, expected: Expected<'_>) -> Verdict {
    let hits = found.clone().flatten().count() as u32;
    let is_wrong = expected.values.is_some_and(|mut values| !values.all(|value| found.next() == Some(value)));
    let outcome = match hits {
        _ if is_wrong => Outcome::Wrong,
        0 => Outcome::Miss,
        _ => Outcome::Hit,
    };
    Verdict { outcome, hits, misses: expected.keys as u32 - hits }
}

/// The body of graven's batch lookup.
#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    values: Vec<Option<Listed<'a>>>,
}

/// A value: text as it is, any other bytes in base64.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Bytes { base64: String },
}

fn many_http(body: &[u8], expected: Expected<'_>) -> Option<Verdict> {
    let batch: Batch<'_> = serde_json::from_slice(body).ok()?;
    if batch.values.len() != expected.keys {
        return None;
    }
    let mut values = Vec::with_capacity(batch.values.len());
    for value in &batch.values {
        values.push(match value {
            None => None,
            Some(Listed::Text(text)) => Some(Cow::Borrowed(text.as_bytes())),
            Some(Listed::Bytes { base64 }) => Some(Cow::Owned(STANDARD.decode(base64).ok()?)),
        });
    }
    Some(many(values.iter().map(Option::as_deref), expected))
}

#[cfg(test)]
mod tests {
    use super::super::pool::Values;
    use super::*;

    /// What a pool keeps of these values.
    fn kept(values: &[Option<&str>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend_from_slice(&value.map_or(u32::MAX, |value| value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        bytes
    }

    /// Hears `bytes` in one piece, and asserts that any two pieces say the same.
    fn hear(language: Language, expected: &[Option<&str>], bytes: &str) -> Heard {
        let kept = kept(expected);
        let expected = Expected { keys: expected.len(), values: Some(Values::of(&kept)) };
        let in_two = |cut: usize| {
            let mut ear = Ear::new(language);
            let (mut start, mut end) = (0, cut);
            loop {
                match ear.hear(&bytes.as_bytes()[start..end], expected, false) {
                    Heard::Part(consumed) => start += consumed,
                    Heard::NeedMore if end < bytes.len() => end = bytes.len(),
                    Heard::Answer { verdict, consumed, closes } => {
                        return Heard::Answer { verdict, consumed: start + consumed, closes };
                    }
                    heard => return heard,
                }
            }
        };
        let whole = in_two(bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(in_two(cut), whole, "{bytes:?} cut at {cut}");
        }
        whole
    }

    fn answer(bytes: &str, outcome: Outcome, hits: u32, misses: u32) -> Heard {
        Heard::Answer { verdict: Verdict { outcome, hits, misses }, consumed: bytes.len(), closes: false }
    }

    #[test]
    fn every_language_tells_hits_misses_refusals_and_wrong_answers_apart() {
        use Language::{Http, Memcached, Redis};
        use Outcome::{Hit, Miss, Refused, Wrong};
        let there: &[Option<&str>] = &[Some("ab")];
        let absent: &[Option<&str>] = &[None];
        for (language, expected, bytes, outcome, hits, misses) in [
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
            assert_eq!(hear(language, expected, bytes), answer(bytes, outcome, hits, misses), "{bytes:?}");
        }
    }

    #[test]
    fn the_answers_to_several_keys_are_compared_one_by_one() {
        use Language::{Http, Memcached, Redis};
        use Outcome::{Hit, Miss, Wrong};
        let some: &[Option<&str>] = &[Some("a"), None, Some("c")];
        let none: &[Option<&str>] = &[None, None];
        let http = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        for (language, expected, bytes, outcome, hits, misses) in [
            (Http, some, http(r#"{"values":["a",null,{"base64":"Yw=="}]}"#), Hit, 2, 1),
            (Http, some, http(r#"{"values":["a",null,"\u0063"]}"#), Hit, 2, 1),
            (Http, some, http(r#"{"values":[null,"a","c"]}"#), Wrong, 2, 1),
            (Http, none, http(r#"{"values":[null,null]}"#), Miss, 0, 2),
            (Redis, some, "*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n".into(), Hit, 2, 1),
            (Redis, some, "*3\r\n$-1\r\n$1\r\na\r\n$1\r\nc\r\n".into(), Wrong, 2, 1),
            (Memcached, some, "VALUE a 0 1\r\na\r\nVALUE c 0 1\r\nc\r\nEND\r\n".into(), Hit, 2, 1),
            (Memcached, some, "VALUE a 0 1\r\na\r\nEND\r\n".into(), Wrong, 1, 2),
            (Memcached, none, "END\r\n".into(), Miss, 0, 2),
        ] {
            assert_eq!(hear(language, expected, &bytes), answer(&bytes, outcome, hits, misses), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_garbage() {
        use Language::{Http, Memcached, Redis};
        let one: &[Option<&str>] = &[Some("a")];
        let two: &[Option<&str>] = &[Some("a"), Some("b")];
        for (language, expected, bytes) in [
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
            assert!(matches!(hear(language, expected, bytes), Heard::Garbage(_)), "{bytes:?}");
        }
    }

    #[test]
    fn answers_are_taken_as_they_are_unless_they_are_compared() {
        let expected = Expected { keys: 1, values: None };
        let heard = Ear::new(Language::Redis).hear(b"$1\r\nx\r\n", expected, false);
        assert_eq!(heard, answer("$1\r\nx\r\n", Outcome::Hit, 1, 0));
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        let kept = kept(&[Some("ab")]);
        let expected = Expected { keys: 1, values: Some(Values::of(&kept)) };
        let bytes = b"HTTP/1.0 200 OK\r\n\r\nab";
        let mut ear = Ear::new(Language::Http);
        assert_eq!(ear.hear(bytes, expected, false), Heard::NeedMore);
        let Heard::Answer { verdict, closes: true, .. } = ear.hear(bytes, expected, true) else {
            panic!("no answer at the end")
        };
        assert_eq!(verdict.outcome, Outcome::Hit);
    }
}
