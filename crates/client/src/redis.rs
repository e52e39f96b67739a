//! Answers in RESP: a bulk string, or null.

use graven_wire::Decoded;
use graven_wire::resp::{Reply, ReplyDecoder, ReplyLimits};

use crate::ANSWER_BYTES_MAX;
use crate::answer::{Answer, LookupContext, ValueLocation, first_line};
use crate::error::Error;

/// The bytes around a value: `$`, its length and two line ends.
const FRAME_BYTES_MAX: usize = 32;

pub(crate) fn decode(asked: LookupContext<'_>, received: &[u8]) -> Result<Option<(Answer, usize)>, Error> {
    let limits =
        ReplyLimits { reply_bytes_max: ANSWER_BYTES_MAX + FRAME_BYTES_MAX, ..ReplyLimits::default() };
    let (reply, bytes) = match ReplyDecoder::new(limits).decode(received) {
        Decoded::Message(reply, bytes) => (reply, bytes),
        Decoded::NeedMore => return Ok(None),
        Decoded::Invalid(reason) => return Err(asked.malformed(received, reason)),
    };
    let value = match reply {
        Reply::Bulk(value) => Some(ValueLocation::of(value, received)),
        Reply::Null => None,
        Reply::Error(text) => {
            return Err(Error::Refused { target: asked.name.to_owned(), text: first_line(text) });
        }
        _ => return Err(asked.malformed(received, "the reply is of another type than that of GET")),
    };
    Ok(Some((Answer { value, keep_alive: true }, bytes)))
}
