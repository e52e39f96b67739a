//! What an answer means: the codecs of `graven-wire` read it; here it is decided whether it is a
//! hit, a miss, a refusal, or something other than what the data says.

mod value_matcher;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graven_wire::address::Protocol;
use graven_wire::{Decoded, http, memcached, resp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::requests::{ExpectedAnswer, ExpectedValues};
use value_matcher::ValueMatcher;

/// The largest answer that is taken, in bytes; a larger one is garbage.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
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
pub(crate) struct CheckedAnswer {
    pub(crate) kind: AnswerKind,
    /// Keys with a value.
    pub(crate) hits: u32,
    /// Keys that are not there.
    pub(crate) misses: u32,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReplyProgress {
    /// A whole answer of this many bytes, after which the server may close.
    Answer {
        checked: CheckedAnswer,
        consumed: usize,
        closes: bool,
    },
    /// Bytes that belong to an answer that goes on.
    Part(usize),
    NeedMore,
    /// No answer, and why.
    Garbage(String),
}

/// Reads the replies of one connection.
#[derive(Debug)]
pub(crate) struct ReplyReader {
    state: ReaderState,
}

#[derive(Debug)]
enum ReaderState {
    Http(http::Limits),
    Redis(resp::ReplyDecoder),
    Memcached(memcached::ReplyDecoder, ValuesSoFar),
}

/// The values of one answer that memcached has sent so far.
#[derive(Debug, Default)]
struct ValuesSoFar {
    count: u32,
    is_wrong: bool,
    matcher: ValueMatcher,
}

impl ReplyReader {
    /// A reader at the beginning of a connection.
    pub(crate) fn new(protocol: Protocol) -> Self {
        let state = match protocol {
            Protocol::Http => ReaderState::Http(http::Limits {
                body_bytes_max: ANSWER_BYTES_MAX,
                ..http::Limits::default()
            }),
            Protocol::Redis => ReaderState::Redis(resp::ReplyDecoder::new(resp::ReplyLimits {
                reply_bytes_max: ANSWER_BYTES_MAX,
                ..resp::ReplyLimits::default()
            })),
            Protocol::Memcached => ReaderState::Memcached(
                memcached::ReplyDecoder::new(memcached::ReplyLimits {
                    value_bytes_max: ANSWER_BYTES_MAX,
                    ..memcached::ReplyLimits::default()
                }),
                ValuesSoFar::default(),
            ),
        };
        Self { state }
    }

    /// Reads what `bytes` begin with, as the answer to a request that must be answered with
    /// `expected`. `ended` says that the server closed the connection after them.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8], expected: ExpectedAnswer<'_>, ended: bool) -> ReplyProgress {
        match &mut self.state {
            ReaderState::Http(limits) => read_http(bytes, expected, ended, limits),
            ReaderState::Redis(decoder) => read_redis(decoder, bytes, expected),
            ReaderState::Memcached(decoder, so_far) => read_memcached(decoder, so_far, bytes, expected),
        }
    }

    /// Whether a part of an answer has come, besides what has not been consumed.
    pub(crate) fn is_amid_answer(&self) -> bool {
        matches!(&self.state, ReaderState::Memcached(_, so_far) if so_far.count > 0)
    }
}

#[inline]
fn read_http(
    bytes: &[u8],
    expected: ExpectedAnswer<'_>,
    ended: bool,
    limits: &http::Limits,
) -> ReplyProgress {
    let asked = if expected.keys == 1 { http::Method::Get } else { http::Method::Post };
    let (response, consumed) = match http::decode_response(bytes, asked, ended, limits) {
        Decoded::Message(response, consumed) => (response, consumed),
        Decoded::NeedMore | Decoded::Invalid(http::Error::Truncated) => return ReplyProgress::NeedMore,
        Decoded::Invalid(error) => return ReplyProgress::Garbage(error.to_string()),
    };
    let checked = match response.status {
        100..200 => return ReplyProgress::Part(consumed),
        200..300 if expected.keys > 1 => {
            let mut body = Vec::new();
            response.body.append_to(&mut body);
            match many_http(&body, expected) {
                Some(checked) => checked,
                None => {
                    return ReplyProgress::Garbage("the body is not a list of as many values as keys".into());
                }
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
    ReplyProgress::Answer { checked, consumed, closes: !response.keep_alive }
}

#[inline]
fn read_redis(decoder: &mut resp::ReplyDecoder, bytes: &[u8], expected: ExpectedAnswer<'_>) -> ReplyProgress {
    use resp::Reply;
    let (reply, consumed) = match decoder.decode(bytes) {
        Decoded::Message(reply, consumed) => (reply, consumed),
        Decoded::NeedMore => return ReplyProgress::NeedMore,
        Decoded::Invalid(invalid) => return ReplyProgress::Garbage(invalid.to_string()),
    };
    let checked = match reply {
        Reply::Error(_) => refused(),
        Reply::Array(items) if expected.fields > 0 && items.len() == expected.fields => {
            match values_in(items) {
                Some(fields) => fields_of_one(&fields, expected),
                None => return ReplyProgress::Garbage(NOT_VALUES.into()),
            }
        }
        _ if expected.fields > 0 => {
            return ReplyProgress::Garbage(
                "the reply is no array of as many fields as were asked for".into(),
            );
        }
        Reply::Bulk(value) if expected.keys == 1 => one(Some(value), expected),
        Reply::Null if expected.keys == 1 => one(None, expected),
        Reply::Array(items) if expected.keys > 1 && items.len() == expected.keys => match values_in(items) {
            Some(values) => many(values.into_iter(), expected),
            None => return ReplyProgress::Garbage(NOT_VALUES.into()),
        },
        _ => return ReplyProgress::Garbage("the reply is of another type than the command's".into()),
    };
    ReplyProgress::Answer { checked, consumed, closes: false }
}

const NOT_VALUES: &str = "the array holds something other than values";

/// The values and nulls that an array consists of.
fn values_in(items: resp::Items<'_>) -> Option<Vec<Option<&[u8]>>> {
    items
        .map(|item| match item {
            resp::Reply::Bulk(value) => Some(Some(value)),
            resp::Reply::Null => Some(None),
            _ => None,
        })
        .collect()
}

#[inline]
fn read_memcached(
    decoder: &mut memcached::ReplyDecoder,
    so_far: &mut ValuesSoFar,
    bytes: &[u8],
    expected: ExpectedAnswer<'_>,
) -> ReplyProgress {
    use memcached::Reply;
    let (reply, consumed) = match decoder.decode(bytes) {
        Decoded::Message(reply, consumed) => (reply, consumed),
        Decoded::NeedMore => return ReplyProgress::NeedMore,
        Decoded::Invalid(invalid) => return ReplyProgress::Garbage(invalid.to_string()),
    };
    let keys = expected.keys as u32;
    match reply {
        Reply::Value { .. } if so_far.count == keys => {
            return ReplyProgress::Garbage("more values than keys were asked for".into());
        }
        Reply::Value { key, value, .. } => {
            if let Some(values) = expected.values
                && !so_far.is_wrong
            {
                so_far.is_wrong = !so_far.matcher.matches(&expected, values, key, value);
            }
            so_far.count += 1;
            return ReplyProgress::Part(consumed);
        }
        Reply::End => {}
        Reply::Error(_) => {
            so_far.reset();
            return ReplyProgress::Answer { checked: refused(), consumed, closes: false };
        }
        _ => return ReplyProgress::Garbage("the reply is of another kind than the command's".into()),
    }
    let count = so_far.count;
    let is_wrong =
        so_far.is_wrong || expected.values.is_some_and(|values| values.flatten().count() as u32 != count);
    let kind = match count {
        _ if is_wrong => AnswerKind::Wrong,
        0 => AnswerKind::Miss,
        _ => AnswerKind::Hit,
    };
    so_far.reset();
    let checked = CheckedAnswer { kind, hits: count, misses: keys - count };
    ReplyProgress::Answer { checked, consumed, closes: false }
}

impl ValuesSoFar {
    fn reset(&mut self) {
        (self.count, self.is_wrong) = (0, false);
        self.matcher.reset();
    }
}

fn refused() -> CheckedAnswer {
    CheckedAnswer { kind: AnswerKind::Refused, hits: 0, misses: 0 }
}

#[inline]
fn one(value: Option<&[u8]>, expected: ExpectedAnswer<'_>) -> CheckedAnswer {
    let is_wrong = expected.values.is_some_and(|mut values| values.next() != Some(value));
    let hits = u32::from(value.is_some());
    let kind = match value {
        _ if is_wrong => AnswerKind::Wrong,
        Some(_) => AnswerKind::Hit,
        None => AnswerKind::Miss,
    };
    CheckedAnswer { kind, hits, misses: 1 - hits }
}

/// The fields of one row. A key that is not there has none, and so has a row of nulls.
fn fields_of_one(fields: &[Option<&[u8]>], expected: ExpectedAnswer<'_>) -> CheckedAnswer {
    let is_hit = fields.iter().any(Option::is_some);
    let is_wrong = expected.values.is_some_and(|mut values| match values.next().flatten() {
        Some(row) => !ExpectedValues::of(row).eq(fields.iter().copied()),
        None => is_hit,
    });
    let kind = match is_hit {
        _ if is_wrong => AnswerKind::Wrong,
        true => AnswerKind::Hit,
        false => AnswerKind::Miss,
    };
    CheckedAnswer { kind, hits: u32::from(is_hit), misses: u32::from(!is_hit) }
}

fn many<'v>(
    mut found: impl Iterator<Item = Option<&'v [u8]>> + Clone,
    expected: ExpectedAnswer<'_>,
) -> CheckedAnswer {
    let hits = found.clone().flatten().count() as u32;
    let is_wrong = expected.values.is_some_and(|mut values| !values.all(|value| found.next() == Some(value)));
    let kind = match hits {
        _ if is_wrong => AnswerKind::Wrong,
        0 => AnswerKind::Miss,
        _ => AnswerKind::Hit,
    };
    CheckedAnswer { kind, hits, misses: expected.keys as u32 - hits }
}

/// The body of graven's batch lookup.
#[derive(Deserialize)]
struct MgetBody<'a> {
    #[serde(borrow)]
    values: Vec<Option<&'a RawValue>>,
}

/// A value that is no text, in base64.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BytesValue {
    base64: String,
}

/// A value: text as it is, any other bytes in base64, and rows as the objects that they are.
fn mget_value<'a>(value: &'a RawValue, is_row: bool) -> Option<Cow<'a, [u8]>> {
    let json = value.get();
    if json.starts_with('"') {
        return match serde_json::from_str::<Cow<'a, str>>(json).ok()? {
            Cow::Borrowed(text) => Some(Cow::Borrowed(text.as_bytes())),
            Cow::Owned(text) => Some(Cow::Owned(text.into_bytes())),
        };
    }
    match serde_json::from_str::<BytesValue>(json) {
        Ok(BytesValue { base64 }) if !is_row => Some(Cow::Owned(STANDARD.decode(base64).ok()?)),
        _ => json.starts_with('{').then_some(Cow::Borrowed(json.as_bytes())),
    }
}

fn many_http(body: &[u8], expected: ExpectedAnswer<'_>) -> Option<CheckedAnswer> {
    let body: MgetBody<'_> = serde_json::from_slice(body).ok()?;
    if body.values.len() != expected.keys {
        return None;
    }
    let is_row = expected.fields > 0;
    let values = body.values.iter().map(|value| match value {
        None => Some(None),
        Some(value) => mget_value(value, is_row).map(Some),
    });
    let values: Vec<Option<Cow<'_, [u8]>>> = values.collect::<Option<_>>()?;
    Some(many(values.iter().map(Option::as_deref), expected))
}

#[cfg(test)]
mod tests;
