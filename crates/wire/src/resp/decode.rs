//! What a server reads: bytes in, one request out, its arguments still lying where they arrived.

use super::inline::{self, Inline};
use super::{Invalid, Limits, key_read};
use crate::Decoded;

/// One request, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'b> {
    /// A command and its arguments; there is at least a name.
    Command(Args<'b>),
    /// A command typed as a line of text.
    Inline(Inline<'b>),
    /// A blank line or an array of no arguments: nothing is asked, nothing is answered.
    Empty,
}

/// Decodes requests, and remembers how far it has looked at one that is not whole yet.
///
/// Arguments already seen are not looked at again, so a request costs its length once, however many pieces it arrives in.
#[derive(Clone, Debug)]
pub struct RequestDecoder {
    limits: Limits,
    /// Bytes of the unfinished request already understood.
    seen: usize,
    /// Arguments of the unfinished array not understood yet.
    args_left: usize,
    args_count: usize,
    /// Where the arguments begin, after `*N\r\n`.
    args_start: usize,
    /// No read of a key that is short passes a limit.
    takes_short_reads: bool,
}

impl RequestDecoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        let takes_short_reads = key_read::fit(&limits);
        Self { limits, seen: 0, args_left: 0, args_count: 0, args_start: 0, takes_short_reads }
    }

    /// Whether the next bytes begin a request, and reads of keys that are short may be taken without a look at the limits.
    #[inline]
    pub(super) fn is_between_short_reads(&self) -> bool {
        self.seen == 0 && self.takes_short_reads
    }

    /// What is read next begins with an earlier request than where the last ended.
    pub fn rewind(&mut self) {
        *self = Self::new(self.limits);
    }

    /// The limits that it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes the request that `bytes` begin with.
    ///
    /// After [`Decoded::NeedMore`] call again with the same bytes and more behind them. After a message call with what
    /// follows the consumed bytes. After [`Decoded::Invalid`] the connection is lost. To go back to an earlier request, go
    /// on there with a clone of the decoder as it was before that request.
    #[inline]
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
        match bytes.first() {
            None => Decoded::NeedMore,
            Some(b'*') => self.array(bytes),
            Some(_) => self.inline(bytes),
        }
    }

    #[inline]
    fn array<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
        if self.seen == 0 {
            match length(bytes, 1) {
                LengthPrefix::Is(0, next) => return Decoded::Message(Request::Empty, next),
                LengthPrefix::Is(count, next) if count <= self.limits.args_max => {
                    self.args_count = count;
                    self.args_left = count;
                    self.args_start = next;
                    self.seen = next;
                }
                LengthPrefix::Unfinished => return Decoded::NeedMore,
                _ => return negative_count(bytes),
            }
        }
        let Limits { arg_bytes_max, request_bytes_max, .. } = self.limits;
        let mut at = self.seen;
        while self.args_left > 0 {
            self.seen = at;
            match bytes.get(at) {
                Some(b'$') => {}
                Some(&found) => return Decoded::Invalid(Invalid::ExpectedDollar(found)),
                None => return Decoded::NeedMore,
            }
            let (start, len) = match length(bytes, at + 1) {
                LengthPrefix::Is(len, start) if len <= arg_bytes_max => (start, len),
                LengthPrefix::Unfinished => return Decoded::NeedMore,
                _ => return Decoded::Invalid(Invalid::ArgumentLength),
            };
            at = start.saturating_add(len).saturating_add(2);
            if at > request_bytes_max {
                return Decoded::Invalid(Invalid::RequestTooBig);
            }
            match bytes.get(at - 2..at) {
                Some(b"\r\n") => {}
                Some(_) => return Decoded::Invalid(Invalid::ArgumentEnd),
                None => return Decoded::NeedMore,
            }
            self.args_left -= 1;
        }
        self.seen = 0;
        let args = Args { bytes: &bytes[self.args_start..at], left: self.args_count };
        Decoded::Message(Request::Command(args), at)
    }

    #[cold]
    fn inline<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
        let limit = self.limits.inline_bytes_max;
        let found = memchr::memchr(b'\n', &bytes[self.seen..]).map(|at| at + self.seen);
        let line = match found {
            Some(end) => bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]),
            // The last byte may be the CR of a line that is exactly as long as the limit.
            None => bytes.strip_suffix(b"\r").unwrap_or(bytes),
        };
        if line.len() > limit {
            return Decoded::Invalid(Invalid::InlineTooBig);
        }
        let Some(end) = found else {
            self.seen = bytes.len();
            return Decoded::NeedMore;
        };
        self.seen = 0;
        if crate::http::is_sent_by_browser(line) {
            return Decoded::Invalid(Invalid::HttpRequest);
        }
        match inline::read(line) {
            Ok(None) => Decoded::Message(Request::Empty, end + 1),
            Ok(Some(inline)) => Decoded::Message(Request::Inline(inline), end + 1),
            Err(invalid) => Decoded::Invalid(invalid),
        }
    }
}

/// Redis takes an array of a negative number of arguments for an empty one.
#[cold]
fn negative_count<'b>(bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
    match (bytes.get(1), length(bytes, 2)) {
        (Some(b'-'), LengthPrefix::Is(1.., next)) => Decoded::Message(Request::Empty, next),
        (Some(b'-'), LengthPrefix::Unfinished) => Decoded::NeedMore,
        _ => Decoded::Invalid(Invalid::ArgumentCount),
    }
}

/// A length as it stands between its type byte and CR LF.
pub(super) enum LengthPrefix {
    /// Its value, and where the bytes after the line end begin.
    Is(usize, usize),
    Unfinished,
    Wrong,
}

/// More digits than this say more than any limit allows.
const LENGTH_DIGITS_MAX: usize = 10;

#[inline]
pub(super) fn length(bytes: &[u8], start: usize) -> LengthPrefix {
    // Nearly all lengths have one digit or two.
    match bytes.get(start..) {
        Some([one @ b'0'..=b'9', b'\r', b'\n', ..]) => LengthPrefix::Is(usize::from(one - b'0'), start + 3),
        Some([ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ..]) => {
            LengthPrefix::Is(usize::from(ten - b'0') * 10 + usize::from(one - b'0'), start + 4)
        }
        _ => long_length(bytes, start),
    }
}

#[inline(never)]
fn long_length(bytes: &[u8], start: usize) -> LengthPrefix {
    let mut value = 0usize;
    let mut at = start;
    loop {
        match bytes.get(at) {
            Some(&digit @ b'0'..=b'9') => {
                if (value == 0 && at > start) || at - start == LENGTH_DIGITS_MAX {
                    return LengthPrefix::Wrong;
                }
                let Some(next) =
                    value.checked_mul(10).and_then(|ten| ten.checked_add(usize::from(digit - b'0')))
                else {
                    return LengthPrefix::Wrong;
                };
                value = next;
                at += 1;
            }
            Some(b'\r') if at > start => {
                return match bytes.get(at + 1) {
                    Some(b'\n') => LengthPrefix::Is(value, at + 2),
                    Some(_) => LengthPrefix::Wrong,
                    None => LengthPrefix::Unfinished,
                };
            }
            Some(_) => return LengthPrefix::Wrong,
            None => return LengthPrefix::Unfinished,
        }
    }
}

/// The arguments of a command, read from the request one at a time as they are asked for.
///
/// It is an iterator, and a cheap copy of it starts again where the original stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Args<'b> {
    bytes: &'b [u8],
    left: usize,
}

impl<'b> Args<'b> {
    /// The argument behind `i` others.
    pub(super) fn at(mut self, i: usize) -> Option<&'b [u8]> {
        self.nth(i)
    }

    /// The first `count` of them, or all where they are fewer.
    pub(super) fn first(self, count: usize) -> Self {
        Self { left: self.left.min(count), ..self }
    }
}

impl<'b> Iterator for Args<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        self.left = self.left.checked_sub(1)?;
        // The decoder has read these very bytes before, so neither of the two can fail.
        let LengthPrefix::Is(len, start) = length(self.bytes, 1) else { return None };
        let (arg, rest) = self.bytes.get(start..)?.split_at_checked(len)?;
        self.bytes = rest.get(2..)?;
        Some(arg)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Args<'_> {}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.map(|arg| arg.escape_ascii().to_string())).finish()
    }
}
