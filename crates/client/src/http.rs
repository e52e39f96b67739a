//! Answers in HTTP/1.1: 200 with the value, or 404.

use graven_wire::Decoded;
use graven_wire::http::{self, Limits, Method};

use crate::ANSWER_BYTES_MAX;
use crate::answer::{Answer, LookupContext, ValueLocation, first_line};
use crate::error::Error;

pub(crate) fn decode(
    asked: LookupContext<'_>,
    received: &[u8],
    ended: bool,
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
            Decoded::Invalid(reason) => return Err(asked.malformed(received, reason)),
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
                let target = asked.name.to_owned();
                return Err(Error::Status { target, status, text: first_line(&text) });
            }
        };
        return Ok(Some((Answer { value, keep_alive: response.keep_alive }, passed + bytes)));
    }
}

fn value_in(received: &[u8], body: &http::Body<'_>, whole: &mut Vec<u8>) -> ValueLocation {
    let mut pieces = body.pieces();
    match (pieces.next(), pieces.next()) {
        (None, _) => ValueLocation::At(0..0),
        (Some(only), None) => ValueLocation::of(only, received),
        _ => {
            whole.clear();
            body.append_to(whole);
            ValueLocation::Whole
        }
    }
}
