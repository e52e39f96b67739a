//! Responses: written for the server, read for clients.

use std::mem::MaybeUninit;

use super::body::{self, Body, Framing};
use super::error::Error;
use super::head::{Facts, error_of, within};
use super::request::Method;
use super::{HEADERS_MAX, Limits, Version, ZSTD};
use crate::Decoded;
use crate::decimal::push_len;

/// How the length of a response's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `Content-Length` with this many bytes. The answer to `HEAD` states the length that `GET` would get.
    Bytes(usize),
    /// `Transfer-Encoding: chunked`; see [`encode_chunk`](super::encode_chunk).
    Chunked,
    /// Neither, for a status that never has a body (1xx, 204, 304).
    Untold,
}

/// What a response says about the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionHeader {
    /// Nothing: the version's default holds.
    #[default]
    Unsaid,
    /// `Connection: keep-alive`, which an HTTP/1.0 client needs to see.
    KeepAlive,
    /// `Connection: close`: this is the last answer.
    Close,
}

/// Which representation of its content a response carries (RFC 9110, 3.2).
///
/// As wide as a pointer: beside pointers it leaves no padding, which is copied in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(usize)]
pub enum Representation {
    /// The only one that there is.
    #[default]
    Only,
    /// The content as it is, where it is there in the coding `zstd`, too.
    Identity,
    /// In the coding `zstd`.
    Zstd,
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    /// The status code, in three digits.
    pub status: u16,
    /// How the body's length is told.
    pub length: Length,
    /// The value of `Content-Type`, where there is a body to describe.
    pub content_type: Option<&'a str>,
    /// The value of `Date`: now, as RFC 9110 writes it. Empty leaves the header out, for a server without a clock.
    pub date: &'a str,
    /// What to say about the connection.
    pub connection: ConnectionHeader,
    /// The value of `ETag`, with its quotes.
    pub etag: Option<&'a str>,
    /// What is said with `Vary` and `Content-Encoding`.
    pub representation: Representation,
    /// The methods that the target does know, for 405 and for `OPTIONS`.
    pub allow: Option<&'a str>,
    /// Further header lines, name and value.
    pub headers: &'a [(&'a str, &'a str)],
    /// One more, behind those.
    pub last_header: Option<(&'a str, &'a str)>,
}

/// The reason phrase of a status code that graven sends; empty for others.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        204 => "No Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// Appends a response's head to `out`, the empty line included. Allocates nothing but what `out` needs to grow.
pub fn encode_head(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    encode_before_length(head, out);
    match head.length {
        Length::Bytes(bytes) => encode_length(bytes, out),
        Length::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        Length::Untold => out.extend_from_slice(b"\r\n"),
    }
}

/// The head of responses that differ in nothing but their length, encoded once.
///
/// ```
/// use graven_wire::http::{
///     ConnectionHeader, Length, ReadyHead, Representation, ResponseHead, encode_head,
/// };
///
/// let head = ResponseHead {
///     status: 200,
///     length: Length::Bytes(5),
///     content_type: Some("text/plain"),
///     date: "",
///     connection: ConnectionHeader::Unsaid,
///     etag: None,
///     representation: Representation::Only,
///     allow: None,
///     headers: &[],
///     last_header: None,
/// };
/// let (mut once, mut again) = (Vec::new(), Vec::new());
/// encode_head(&head, &mut once);
/// ReadyHead::new(&head).encode(5, &mut again);
/// assert_eq!(once, again);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadyHead(Vec<u8>);

impl ReadyHead {
    /// The head of responses that are like `head` but for their length.
    pub fn new(head: &ResponseHead<'_>) -> Self {
        let mut ready = Vec::new();
        encode_before_length(head, &mut ready);
        Self(ready)
    }

    /// Appends the head of a response of `bytes` bytes, the empty line included.
    #[inline]
    pub fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        encode_length(bytes, out);
    }
}

fn encode_before_length(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    if head.status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(head.status).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(content_type) = head.content_type {
        header("Content-Type: ", content_type, out);
    }
    if !head.date.is_empty() {
        header("Date: ", head.date, out);
    }
    match head.connection {
        ConnectionHeader::Unsaid => {}
        ConnectionHeader::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        ConnectionHeader::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
    if let Some(etag) = head.etag {
        header("ETag: ", etag, out);
    }
    if let Some(allow) = head.allow {
        header("Allow: ", allow, out);
    }
    if head.representation != Representation::Only {
        encode_representation(head, out);
    }
    for (name, value) in head.headers.iter().chain(&head.last_header) {
        out.extend_from_slice(name.as_bytes());
        header(": ", value, out);
    }
}

#[cold]
fn encode_representation(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Vary: Accept-Encoding\r\n");
    // 304 has no content that would be coded.
    if head.representation == Representation::Zstd && head.status != 304 {
        header("Content-Encoding: ", ZSTD, out);
    }
}

#[inline]
fn encode_length(bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    push_len(out, bytes);
    out.extend_from_slice(b"\r\n\r\n");
}

fn header(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole response to `out`; `head.length` must be [`Length::Bytes`] of `body`.
pub fn encode_response(head: &ResponseHead<'_>, body: &[u8], out: &mut Vec<u8>) {
    encode_head(head, out);
    out.extend_from_slice(body);
}

/// One whole response, borrowed from the bytes it came in. A header that was folded over several
/// lines keeps its line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code. One from 100 to 199 announces another response to the same request.
    pub status: u16,
    /// The version of the status line.
    pub version: Version,
    /// Whether the server keeps the connection open after this response.
    pub keep_alive: bool,
    /// The value of the first `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The value of the first `ETag`.
    pub etag: Option<&'a [u8]>,
    /// The value of the first `Allow`.
    pub allow: Option<&'a [u8]>,
    /// The body; empty when there is none.
    pub body: Body<'a>,
}

/// Reads the response that `bytes` begin with. `asked` is the method it answers, for `HEAD` gets no body; `ended` says
/// that the connection was closed after `bytes`, which is what ends a body that states no length.
pub fn decode_response<'a>(
    bytes: &'a [u8],
    asked: Method,
    ended: bool,
    limits: &Limits,
) -> Decoded<Response<'a>, Error> {
    let decoded = decode_open(bytes, asked, ended, limits);
    if ended && decoded == Decoded::NeedMore { Decoded::Invalid(Error::Truncated) } else { decoded }
}

fn decode_open<'a>(
    bytes: &'a [u8],
    asked: Method,
    ended: bool,
    limits: &Limits,
) -> Decoded<Response<'a>, Error> {
    let visible = within(bytes, limits.head_bytes_max);
    // As most responses have a few headers, room for all of them is not made ready.
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let lines = &mut lines[..limits.headers_max.min(HEADERS_MAX)];
    let mut parsed = httparse::Response::new(&mut []);
    // A header folded over several lines is obsolete, and a client has to read it all the same
    // (RFC 9112, 5.2).
    let mut reads = httparse::ParserConfig::default();
    reads.allow_obsolete_multiline_headers_in_responses(true);
    let head_bytes = match reads.parse_response_with_uninit_headers(&mut parsed, visible, lines) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if visible.len() == bytes.len() => return Decoded::NeedMore,
        Ok(httparse::Status::Partial) => return Decoded::Invalid(Error::HeadTooLarge),
        Err(httparse::Error::Version) => return Decoded::Invalid(Error::UnsupportedVersion),
        Err(error) => return Decoded::Invalid(error_of(error)),
    };
    let (response, framing) = match understand(&parsed, asked) {
        Ok(understood) => understood,
        Err(error) => return Decoded::Invalid(error),
    };
    match body::decode(&bytes[head_bytes..], framing, ended, limits) {
        Decoded::Message(body, body_bytes) => {
            Decoded::Message(Response { body, ..response }, head_bytes + body_bytes)
        }
        Decoded::NeedMore => Decoded::NeedMore,
        Decoded::Invalid(error) => Decoded::Invalid(error),
    }
}

fn understand<'a>(
    parsed: &httparse::Response<'_, 'a>,
    asked: Method,
) -> Result<(Response<'a>, Framing), Error> {
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else { return Err(Error::BadStartLine) };
    let version = Version::of_minor(minor);
    let mut facts = Facts::default();
    let (mut content_type, mut etag, mut allow) = (None, None, None);
    for &httparse::Header { name, value } in &*parsed.headers {
        match name.len() {
            4 if name.eq_ignore_ascii_case("etag") => etag = etag.or(Some(value)),
            5 if name.eq_ignore_ascii_case("allow") => allow = allow.or(Some(value)),
            10 if name.eq_ignore_ascii_case("connection") => facts.connection(value),
            12 if name.eq_ignore_ascii_case("content-type") => content_type = content_type.or(Some(value)),
            // The white space around a value may hold line ends.
            14 if name.eq_ignore_ascii_case("content-length") => {
                facts.content_length(value.trim_ascii())?;
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => facts.transfer_encoding(value),
            _ => {}
        }
    }
    let told = facts.framing(version)?;
    let bodiless = asked == Method::Head || matches!(status, 100..200 | 204 | 304);
    let framing = if bodiless { Framing::Length(0) } else { told.unwrap_or(Framing::UntilEnd) };
    let keep_alive = facts.stays(version) && framing != Framing::UntilEnd;
    let body = Body::default();
    Ok((Response { status, version, keep_alive, content_type, etag, allow, body }, framing))
}
