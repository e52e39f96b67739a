//! What a client reads: bytes in, one reply of RESP2 or RESP3 out, nested ones walked lazily.

use std::fmt;

use super::items::{Aggregate, Element, Items, element, whole};
use crate::Decoded;

/// One reply, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply<'b> {
    /// A word such as `OK`.
    Simple(&'b [u8]),
    /// An error: its code in capitals, a blank, what happened.
    Error(&'b [u8]),
    /// An integer.
    Integer(i64),
    /// A bulk string: what `GET` answers.
    Bulk(&'b [u8]),
    /// There is no such value, in any of the three spellings.
    Null,
    /// Replies in order.
    Array(Items<'b>),
    /// Keys and values in turn. RESP3.
    Map(Items<'b>),
    /// Replies in any order. RESP3.
    Set(Items<'b>),
    /// Not an answer but news from the server. RESP3.
    Push(Items<'b>),
    /// True or false. RESP3.
    Boolean(bool),
    /// A floating point number. RESP3.
    Double(f64),
    /// An integer of any length, as decimal text. RESP3.
    BigNumber(&'b [u8]),
    /// Text and its format: `txt` or `mkd`. RESP3.
    Verbatim {
        /// Three letters.
        format: [u8; 3],
        /// The text itself.
        text: &'b [u8],
    },
}

/// What a reply may hold before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Bytes of one reply as it is sent. Passing it is [`InvalidReply::TooBig`]. Default 1 GiB.
    pub reply_bytes_max: usize,
    /// Levels of arrays and maps inside each other, at most 16. Passing it is [`InvalidReply::TooDeep`]. Default 8.
    pub depth_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { reply_bytes_max: 1 << 30, depth_max: 8 }
    }
}

/// Bytes that are no reply. The connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidReply {
    /// No type begins with this byte.
    UnknownType(u8),
    /// A length or count is no number in canonical form. Streamed strings and arrays (`$?`) count among these.
    Length,
    /// A bulk string is not followed by CR LF.
    BulkEnd,
    /// A line ends with a CR or LF alone.
    LineEnd,
    /// A line such as `+OK` is longer than 65,536 bytes.
    LineTooLong,
    /// What stands between type and line end is not of that type.
    Value,
    /// Passed [`ReplyLimits::depth_max`].
    TooDeep,
    /// Passed [`ReplyLimits::reply_bytes_max`].
    TooBig,
}

impl fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => {
                write!(f, "the reply begins with '{}', which is no RESP type", byte.escape_ascii())
            }
            Self::Length => f.write_str("a length in the reply is no number"),
            Self::BulkEnd => f.write_str("a bulk string in the reply does not end with CR LF"),
            Self::LineEnd => f.write_str("a line in the reply does not end with CR LF"),
            Self::LineTooLong => f.write_str("a line in the reply is longer than 65,536 bytes"),
            Self::Value => f.write_str("a value in the reply is not of the type it begins with"),
            Self::TooDeep => f.write_str("the reply is nested too deep"),
            Self::TooBig => f.write_str("the reply is larger than the limit"),
        }
    }
}

impl std::error::Error for InvalidReply {}

/// Decodes replies, and remembers how far it has looked at one that is not whole yet.
///
/// ```
/// use graven_wire::Decoded;
/// use graven_wire::resp::{Reply, ReplyDecoder, ReplyLimits};
///
/// let mut decoder = ReplyDecoder::new(ReplyLimits::default());
/// let Decoded::Message(Reply::Array(items), 14) = decoder.decode(b"*2\r\n$1\r\na\r\n_\r\n") else {
///     panic!("not an array");
/// };
/// assert_eq!(items.collect::<Vec<_>>(), [Reply::Bulk(b"a"), Reply::Null]);
/// ```
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    limits: ReplyLimits,
    walk: ReplyWalk,
}

impl ReplyDecoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, walk: ReplyWalk::new() }
    }

    /// Decodes the reply that `bytes` begin with.
    ///
    /// After [`Decoded::NeedMore`] call again with the same bytes and more behind them. After a message call with what
    /// follows the consumed bytes. After [`Decoded::Invalid`] the connection is lost.
    #[inline]
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Reply<'b>, InvalidReply> {
        // Most replies hold no others and need no walk.
        if self.walk.is_new()
            && let Element::Leaf(reply, end) = element(bytes, 0)
            && end <= self.limits.reply_bytes_max
        {
            return Decoded::Message(reply, end);
        }
        match self.walk.run(bytes, self.limits.depth_max, self.limits.reply_bytes_max) {
            Ok(None) => Decoded::NeedMore,
            Err(invalid) => Decoded::Invalid(invalid),
            Ok(Some(end)) => match whole(&bytes[..end]) {
                Some(reply) => Decoded::Message(reply, end),
                None => Decoded::Invalid(InvalidReply::Value),
            },
        }
    }
}

/// Room for the open arrays of one reply; what [`ReplyLimits::depth_max`] can reach.
const DEPTH_MAX: usize = 16;

/// A walk over one reply to its end, which may stop for want of bytes and go on later.
#[derive(Clone, Debug)]
pub(super) struct ReplyWalk {
    /// Bytes of the reply already walked over.
    seen: usize,
    /// Elements still to come on each open level; level 0 is the reply itself.
    left: [usize; DEPTH_MAX + 1],
    depth: usize,
}

impl ReplyWalk {
    pub(super) fn new() -> Self {
        let mut left = [0; DEPTH_MAX + 1];
        left[0] = 1;
        Self { seen: 0, left, depth: 0 }
    }

    fn is_new(&self) -> bool {
        self.seen == 0
    }

    /// Where the reply ends; `None` when its end is not among `bytes`. After an end the walk is a new one.
    pub(super) fn run(
        &mut self,
        bytes: &[u8],
        depth_max: usize,
        bytes_max: usize,
    ) -> Result<Option<usize>, InvalidReply> {
        // What lies beyond the limit is never looked at, so that it does not matter whether it is there yet.
        let within = &bytes[..bytes.len().min(bytes_max)];
        loop {
            match element(within, self.seen) {
                Element::Leaf(_, end) => {
                    self.seen = end;
                    self.left[self.depth] -= 1;
                }
                Element::Aggregate { kind, next, count } => {
                    self.seen = next;
                    if kind != Aggregate::Attribute {
                        self.left[self.depth] -= 1;
                    }
                    if self.depth >= depth_max.min(DEPTH_MAX) {
                        return Err(InvalidReply::TooDeep);
                    }
                    self.depth += 1;
                    let pairs = matches!(kind, Aggregate::Map | Aggregate::Attribute);
                    self.left[self.depth] = if pairs { count.saturating_mul(2) } else { count };
                }
                Element::Wrong(invalid) => return Err(invalid),
                Element::Unfinished if bytes.len() > bytes_max => return Err(InvalidReply::TooBig),
                Element::Unfinished => return Ok(None),
            }
            while self.left[self.depth] == 0 {
                if self.depth == 0 {
                    let end = self.seen;
                    *self = Self::new();
                    return Ok(Some(end));
                }
                self.depth -= 1;
            }
        }
    }
}
