//! Answers of memcached: `VALUE` and `END`, or `END` alone.

use graven_wire::Decoded;
use graven_wire::memcached::{Reply, ReplyDecoder, ReplyLimits};

use crate::ANSWER_BYTES_MAX;
use crate::answer::{Answer, LookupContext, ValueLocation, first_line};
use crate::error::Error;

pub(crate) fn decode(asked: LookupContext<'_>, received: &[u8]) -> Result<Option<(Answer, usize)>, Error> {
    let limits = ReplyLimits { value_bytes_max: ANSWER_BYTES_MAX, ..ReplyLimits::default() };
    let mut found = None;
    let mut passed = 0;
    loop {
        let (reply, bytes) = match ReplyDecoder::new(limits).decode(&received[passed..]) {
            Decoded::Message(reply, bytes) => (reply, bytes),
            Decoded::NeedMore => return Ok(None),
            Decoded::Invalid(reason) => return Err(asked.malformed(received, reason)),
        };
        passed += bytes;
        match reply {
            Reply::Value { key, value, .. } if key == asked.key && found.is_none() => {
                found = Some(ValueLocation::of(value, received));
            }
            Reply::Value { key, .. } => {
                let key = key.escape_ascii();
                return Err(asked
                    .malformed(received, format!("a value of the key {key} came, which was not asked for")));
            }
            Reply::End => return Ok(Some((Answer { value: found, keep_alive: true }, passed))),
            Reply::Error(text) => {
                return Err(Error::Refused { target: asked.name.to_owned(), text: first_line(text) });
            }
            _ => return Err(asked.malformed(received, "the reply is of another kind than that of get")),
        }
    }
}
