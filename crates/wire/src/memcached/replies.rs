//! The client's direction: bytes in, one line of an answer out, with the value behind it where there is one.

use std::fmt;

use super::KEY_BYTES_MAX;
use super::decode::Keys;
use crate::{Decoded, decimal};

/// One reply, borrowed from the bytes it was decoded from. A `get` is answered by any number of values and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply<'b> {
    /// `VALUE key flags length [cas]` and the value.
    Value {
        /// The key asked for.
        key: &'b [u8],
        /// Client flags.
        flags: u32,
        /// The CAS number that `gets` asked for.
        cas: Option<u64>,
        /// The value.
        value: &'b [u8],
    },
    /// `END`: no more values or statistics.
    End,
    /// `VA`: a value that `mg` asked for.
    MetaValue {
        /// What else was asked for.
        flags: MetaFlags<'b>,
        /// The value.
        value: &'b [u8],
    },
    /// `HD`: there is such a key, its value was not asked for.
    MetaHit {
        /// What else was asked for.
        flags: MetaFlags<'b>,
    },
    /// `EN`: there is no such key.
    MetaMiss {
        /// What identifies the request.
        flags: MetaFlags<'b>,
    },
    /// `MN`: everything before the noop has been answered.
    MetaNoop,
    /// `VERSION`.
    Version(&'b [u8]),
    /// `STAT name value`.
    Stat {
        /// Its name.
        name: &'b [u8],
        /// Its value.
        value: &'b [u8],
    },
    /// `OK` or `RESET`.
    Done,
    /// `ERROR`, `CLIENT_ERROR …`, `SERVER_ERROR …` and the like, the whole line.
    Error(&'b [u8]),
}

/// What a meta reply says about a value: words whose first byte is the flag and whose rest is its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaFlags<'b>(Keys<'b>);

impl<'b> MetaFlags<'b> {
    /// The token of `flag`, which may be empty; `None` when the reply does not carry it.
    pub fn token(&self, flag: u8) -> Option<&'b [u8]> {
        self.0.into_iter().find(|word| word[0] == flag).map(|word| &word[1..])
    }
}

/// What a reply may hold before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Bytes of a line, its end not counted. Passing it is [`InvalidReply::LineTooLong`]. Default 2,048.
    pub line_bytes_max: usize,
    /// Bytes of a value. Passing it is [`InvalidReply::ValueTooLarge`]. Default 1 GiB.
    pub value_bytes_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line_bytes_max: 2_048, value_bytes_max: 1 << 30 }
    }
}

/// Bytes that are no reply. The connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidReply {
    /// A line that memcached does not answer a read with.
    Unknown,
    /// A `VALUE` or `VA` whose numbers are none, or whose key is longer than 250 bytes.
    Malformed,
    /// A value is not followed by CR LF.
    ValueEnd,
    /// Passed [`ReplyLimits::line_bytes_max`].
    LineTooLong,
    /// Passed [`ReplyLimits::value_bytes_max`].
    ValueTooLarge,
}

impl fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the reply is no line that memcached answers a read with",
            Self::Malformed => "the reply announces a value without saying how long it is",
            Self::ValueEnd => "a value in the reply does not end with CR LF",
            Self::LineTooLong => "a line in the reply is longer than the limit",
            Self::ValueTooLarge => "a value in the reply is larger than the limit",
        })
    }
}

impl std::error::Error for InvalidReply {}

/// Decodes replies, and remembers how far it has looked for the end of a line.
///
/// ```
/// use graven_wire::Decoded;
/// use graven_wire::memcached::{Reply, ReplyDecoder, ReplyLimits};
///
/// let mut decoder = ReplyDecoder::new(ReplyLimits::default());
/// let Decoded::Message(Reply::MetaValue { flags, value }, 15) = decoder.decode(b"VA 2 kabc\r\nhi\r\nEN\r\n") else {
///     panic!("not a value");
/// };
/// assert_eq!((value, flags.token(b'k')), (&b"hi"[..], Some(&b"abc"[..])));
/// ```
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    limits: ReplyLimits,
    searched: usize,
}

impl ReplyDecoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, searched: 0 }
    }

    /// Decodes the reply that `bytes` begin with.
    ///
    /// After [`Decoded::NeedMore`] call again with the same bytes and more behind them. After a message call with what
    /// follows the consumed bytes. After [`Decoded::Invalid`] the connection is lost.
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Reply<'b>, InvalidReply> {
        let found = memchr::memchr(b'\n', &bytes[self.searched..]).map(|at| self.searched + at);
        let end = found.unwrap_or(bytes.len());
        let line = &bytes[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.limits.line_bytes_max {
            return Decoded::Invalid(InvalidReply::LineTooLong);
        }
        let Some(end) = found else {
            self.searched = bytes.len();
            return Decoded::NeedMore;
        };
        // While a value is on its way, the line before it is found again at once.
        self.searched = end;
        let after_line = end + 1;
        let mut words = Keys::of(line);
        let reply = match words.next().unwrap_or_default() {
            b"VALUE" => return self.value(bytes, words, after_line),
            b"VA" => return self.meta_value(bytes, words, after_line),
            b"HD" => Reply::MetaHit { flags: MetaFlags(words) },
            b"EN" => Reply::MetaMiss { flags: MetaFlags(words) },
            b"END" => Reply::End,
            b"MN" => Reply::MetaNoop,
            b"VERSION" => Reply::Version(words.rest.trim_ascii()),
            b"STAT" => Reply::Stat { name: words.next().unwrap_or_default(), value: words.rest.trim_ascii() },
            b"OK" | b"RESET" => Reply::Done,
            b"ERROR" | b"ERROR:" | b"CLIENT_ERROR" | b"SERVER_ERROR" | b"BADCLASS" => Reply::Error(line),
            _ => return Decoded::Invalid(InvalidReply::Unknown),
        };
        self.searched = 0;
        Decoded::Message(reply, after_line)
    }

    fn value<'b>(
        &mut self,
        bytes: &'b [u8],
        mut words: Keys<'b>,
        start: usize,
    ) -> Decoded<Reply<'b>, InvalidReply> {
        let key = words.next().filter(|key| key.len() <= KEY_BYTES_MAX);
        let flags = words.next().and_then(decimal::unsigned).and_then(|flags| u32::try_from(flags).ok());
        let len = words.next().and_then(decimal::unsigned);
        let cas = words.next();
        let (Some(key), Some(flags), Some(len), None) = (key, flags, len, words.next()) else {
            return Decoded::Invalid(InvalidReply::Malformed);
        };
        let cas = match cas.map(decimal::unsigned) {
            Some(None) => return Decoded::Invalid(InvalidReply::Malformed),
            cas => cas.flatten(),
        };
        self.block(bytes, start, len, |value| Reply::Value { key, flags, cas, value })
    }

    fn meta_value<'b>(
        &mut self,
        bytes: &'b [u8],
        mut words: Keys<'b>,
        start: usize,
    ) -> Decoded<Reply<'b>, InvalidReply> {
        let Some(len) = words.next().and_then(decimal::unsigned) else {
            return Decoded::Invalid(InvalidReply::Malformed);
        };
        self.block(bytes, start, len, |value| Reply::MetaValue { flags: MetaFlags(words), value })
    }

    fn block<'b>(
        &mut self,
        bytes: &'b [u8],
        start: usize,
        len: u64,
        reply: impl FnOnce(&'b [u8]) -> Reply<'b>,
    ) -> Decoded<Reply<'b>, InvalidReply> {
        let Some(len) = usize::try_from(len).ok().filter(|&len| len <= self.limits.value_bytes_max) else {
            return Decoded::Invalid(InvalidReply::ValueTooLarge);
        };
        let end = start.saturating_add(len);
        match bytes.get(end..end.saturating_add(2)) {
            None => Decoded::NeedMore,
            Some(b"\r\n") => {
                self.searched = 0;
                Decoded::Message(reply(&bytes[start..end]), end + 2)
            }
            Some(_) => Decoded::Invalid(InvalidReply::ValueEnd),
        }
    }
}
