//! Lookups as HTTP/1.1: `GET PATH?key=K` out, 200 with the value or 404 in.

use std::ops::Range;

use graven_wire::Decoded;
use graven_wire::http::{self, Limits, Method, RequestHead};

use crate::ANSWER_BYTES_MAX;
use crate::error::Error;
use crate::target::Target;

/// What came back for a lookup.
pub(crate) struct Answer {
    /// `None` when the server does not have the key.
    pub(crate) value: Option<Value>,
    pub(crate) keep_alive: bool,
}

/// Where the value is.
pub(crate) enum Value {
    /// In the bytes that were decoded.
    At(Range<usize>),
    /// Put together in the room that was given.
    Whole,
}

pub(crate) fn encode_lookup(target: &Target, key: &[u8], out: &mut Vec<u8>) {
    let mut escaped = [target.path().as_bytes(), b"?key="].concat();
    http::escape(key, &mut escaped);
    let head = RequestHead {
        method: "GET",
        target: &escaped,
        host: target.authority(),
        close: false,
        headers: &[],
        body: None,
    };
    http::encode_request(&head, out);
}

/// The first answer in `received` and the bytes it takes, or `None` when it is not whole. `ended` says that the server has
/// closed the connection, `name` what to call it in errors.
pub(crate) fn decode_answer(
    received: &[u8],
    ended: bool,
    name: &str,
    whole: &mut Vec<u8>,
) -> Result<Option<(Answer, usize)>, Error> {
    let limits = Limits { body_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
    let mut passed = 0;
    loop {
        if passed == received.len() {
            return Ok(None);
        }
        let rest = &received[passed..];
        let (response, bytes) = match http::decode_response(rest, Method::Get, ended, &limits) {
            Decoded::Message(response, bytes) => (response, bytes),
            Decoded::NeedMore => return Ok(None),
            Decoded::Invalid(http::Error::Truncated) => return Ok(None),
            Decoded::Invalid(reason) => {
                return Err(Error::Malformed { target: name.to_owned(), reason: reason.message() });
            }
        };
        // 100 to 199 announce the answer.
        if response.status < 200 {
            passed += bytes;
            continue;
        }
        let value = match response.status {
            200 => Some(value_in(received, &response.body, whole)),
            404 => None,
            status => {
                let mut text = Vec::new();
                response.body.append_to(&mut text);
                return Err(Error::Status { target: name.to_owned(), status, text: first_line(&text) });
            }
        };
        return Ok(Some((Answer { value, keep_alive: response.keep_alive }, passed + bytes)));
    }
}

fn value_in(received: &[u8], body: &http::Body<'_>, whole: &mut Vec<u8>) -> Value {
    let mut pieces = body.pieces();
    match (pieces.next(), pieces.next()) {
        (None, _) => Value::At(0..0),
        (Some(only), None) => {
            let start = only.as_ptr().addr() - received.as_ptr().addr();
            Value::At(start..start + only.len())
        }
        _ => {
            whole.clear();
            body.append_to(whole);
            Value::Whole
        }
    }
}

/// Enough of an error's body to tell what it is about.
fn first_line(text: &[u8]) -> String {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line[..line.len().min(200)].trim_ascii().escape_ascii().to_string()
}
