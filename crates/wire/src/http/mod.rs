//! HTTP/1.1 and HTTP/1.0, both directions: requests in and responses out for the server, the other way for clients.
//!
//! Heads are read by `httparse`; what it leaves to its caller is decided here, strictly: how a body is framed, which
//! `Host` is acceptable, where a line ends, what a limit answers. Pure: no socket, no clock (the `Date` text is handed in).
//!
//! ```
//! use graven_wire::{Decoded, http};
//!
//! let bytes = b"GET /?key=a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n";
//! let Decoded::Message(request, consumed) = http::decode_request(bytes, &http::Limits::default()) else { panic!() };
//! assert_eq!((request.method, consumed), (http::Method::Get, bytes.len()));
//!
//! let (path, query) = http::split_target(request.target);
//! let raw = http::find_parameter(query.unwrap(), b"key").unwrap();
//! let mut room = Vec::new();
//! let key = http::unescape(raw, http::UriComponent::Query, &mut room);
//! assert_eq!((path, key), (&b"/"[..], Ok(&b"a b"[..])));
//! ```

mod body;
mod decoder;
mod error;
mod fields;
mod head;
mod hosts;
mod percent;
mod request;
mod response;
mod secret;

pub use body::{Body, encode_chunk, encode_last_chunk};
pub use decoder::RequestDecoder;
pub use error::Error;
pub use fields::{Accept, EntityTags};
pub use hosts::Hosts;
pub use percent::{BadEscape, UriComponent, escape, find_parameter, is_plain, split_target, unescape};
pub use request::{Method, Request, RequestHead, decode_request, encode_request, expects_continue};
pub use response::{
    ConnectionHeader, Length, ReadyHead, Representation, Response, ResponseHead, decode_response,
    encode_head, encode_response, reason,
};
pub use secret::is_same_secret;

/// The name of the one content coding that is known here.
const ZSTD: &str = "zstd";

/// What a decoder accepts before it says that a message is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest head, in bytes: request or status line, headers and the empty line. Passed: 414 when the request line
    /// alone is longer, else 431.
    pub head_bytes_max: usize,
    /// The largest number of header lines, at most [`HEADERS_MAX`]. Passed: 431.
    pub headers_max: usize,
    /// The longest body, in bytes, without its framing. Passed: 413.
    pub body_bytes_max: usize,
}

/// More header lines than this are refused whatever [`Limits::headers_max`] says.
pub const HEADERS_MAX: usize = 128;

/// The bytes that a chunked body may spend on sizes, extensions and trailers. Passed: 413. It keeps a body that comes
/// in tiny chunks from costing more to walk than its data is worth.
pub const CHUNK_FRAMING_BYTES_MAX: usize = 64 * 1024;

impl Default for Limits {
    /// 32 KiB of head, 64 header lines, 1 MiB of body.
    fn default() -> Self {
        Self { head_bytes_max: 32 * 1024, headers_max: 64, body_bytes_max: 1024 * 1024 }
    }
}

/// The version that a message states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: the connection ends with the answer unless `Connection: keep-alive` asks otherwise.
    Http10,
    /// HTTP/1.1: the connection stays unless `Connection: close` says otherwise.
    Http11,
}

impl Version {
    fn of_minor(minor: u8) -> Self {
        if minor == 0 { Self::Http10 } else { Self::Http11 }
    }
}

/// Whether a line that was sent to a server of another language is of an HTTP request with a body, such as any web page can
/// make a browser send: the body would be taken for commands. Redis looks for the same two words.
#[cold]
pub(crate) fn is_sent_by_browser(line: &[u8]) -> bool {
    let word = line.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty());
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"Host:"))
}
