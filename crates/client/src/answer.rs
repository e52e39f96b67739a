//! What came back for a lookup, whatever the protocol: each protocol is a file that reads one.

use std::ops::Range;

use graven_wire::address::Protocol;
use graven_wire::{Recognized, recognize};

use crate::error::Error;
use crate::{http, memcached, redis};

/// What came back for a lookup.
pub(crate) struct Answer {
    /// `None` when the server does not have the key.
    pub(crate) value: Option<ValueLocation>,
    pub(crate) keep_alive: bool,
}

/// Where a value is.
pub(crate) enum ValueLocation {
    /// In the bytes that were decoded.
    At(Range<usize>),
    /// Put together in the room that was given.
    Whole,
}

impl ValueLocation {
    /// The place of `value`, which is a part of `received`.
    pub(crate) fn of(value: &[u8], received: &[u8]) -> Self {
        let start = value.as_ptr().addr() - received.as_ptr().addr();
        Self::At(start..start + value.len())
    }
}

/// What a lookup was, and what to call the server in errors.
#[derive(Clone, Copy)]
pub(crate) struct LookupContext<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) name: &'a str,
    pub(crate) key: &'a [u8],
}

impl LookupContext<'_> {
    /// The error that says that `received` cannot be read.
    pub(crate) fn malformed(self, received: &[u8], reason: impl ToString) -> Error {
        let Self { protocol, name, .. } = self;
        let found = recognize(received).filter(|found| *found != Recognized::Protocol(protocol));
        Error::Malformed { target: name.to_owned(), protocol, found, reason: reason.to_string() }
    }
}

/// The first answer in `received` and the bytes it takes, or `None` when it is not whole. `ended`
/// says that the server has closed the connection. A value that came in several pieces is put
/// together in `whole`.
pub(crate) fn decode(
    asked: LookupContext<'_>,
    received: &[u8],
    ended: bool,
    whole: &mut Vec<u8>,
) -> Result<Option<(Answer, usize)>, Error> {
    match asked.protocol {
        Protocol::Http => http::decode(asked, received, ended, whole),
        Protocol::Redis => redis::decode(asked, received),
        Protocol::Memcached => memcached::decode(asked, received),
    }
}

/// Enough of what a server said to tell what it is about: the first line, escaped where it is not
/// printable.
pub(crate) fn first_line(text: &[u8]) -> String {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line[..line.len().min(200)].trim_ascii().escape_ascii().to_string()
}
