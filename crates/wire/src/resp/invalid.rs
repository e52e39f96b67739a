//! Requests after which a RESP connection cannot go on, and the words that Redis has for them.

use std::fmt;

/// Bytes that are no request. The answer is [`Invalid::encode`], then the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The number after `*` is no number in canonical form, or more than [`Limits::args_max`](super::Limits::args_max).
    ArgumentCount,
    /// The number after `$` is no number in canonical form, negative, or more than
    /// [`Limits::arg_bytes_max`](super::Limits::arg_bytes_max).
    ArgumentLength,
    /// An argument begins with this byte instead of `$`.
    ExpectedDollar(u8),
    /// The bytes that `$` announced are not followed by CR LF.
    ArgumentEnd,
    /// The request is longer than [`Limits::request_bytes_max`](super::Limits::request_bytes_max).
    RequestTooBig,
    /// An inline command is longer than [`Limits::inline_bytes_max`](super::Limits::inline_bytes_max).
    InlineTooBig,
    /// An inline command opens a quote and does not close it, or goes on right after a closed one.
    UnbalancedQuotes,
    /// An inline command is `POST` or `Host:`, from an HTTP client whose body would be taken for commands. There is no answer
    /// to it.
    HttpRequest,
}

impl Invalid {
    /// Appends the error reply, where there is one.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if *self == Self::HttpRequest {
            return;
        }
        super::reply::error(out, format!("ERR {self}").as_bytes());
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        match self {
            Self::ArgumentCount => f.write_str("invalid multibulk length"),
            Self::ArgumentLength => f.write_str("invalid bulk length"),
            Self::ExpectedDollar(found @ b' '..=b'~') => write!(f, "expected '$', got '{}'", *found as char),
            Self::ExpectedDollar(_) => f.write_str("expected '$', got ' '"),
            Self::ArgumentEnd => f.write_str("expected CR LF after the bulk string"),
            Self::RequestTooBig => f.write_str("too big request"),
            Self::InlineTooBig => f.write_str("too big inline request"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::HttpRequest => f.write_str("an HTTP request"),
        }
    }
}

impl std::error::Error for Invalid {}
