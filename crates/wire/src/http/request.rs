//! Requests: read strictly for the server, written for clients.

use std::mem::MaybeUninit;

use super::body::{self, Body, Framing};
use super::error::Error;
use super::fields::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, Accept, EntityTags, IF_NONE_MATCH, wants_coding,
};
use super::head::{Facts, error_of, every_line_ends_in_crlf, place, within};
use super::hosts::{Hosts, authority};
use super::percent::{is_http, split_scheme};
use super::{HEADERS_MAX, Limits, Version, ZSTD};
use crate::Decoded;

/// What a request asks to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: as `GET`, and the answer has no body.
    Head,
    /// `POST`
    Post,
    /// `OPTIONS`
    Options,
    /// Any other method.
    Other,
}

impl Method {
    /// The method's name, as requests spell it; `None` for [`Method::Other`].
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Get => Some("GET"),
            Self::Head => Some("HEAD"),
            Self::Post => Some("POST"),
            Self::Options => Some("OPTIONS"),
            Self::Other => None,
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// One whole request, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked.
    pub method: Method,
    /// Of what, as it was sent; see [`split_target`](super::split_target).
    pub target: &'a [u8],
    /// The version of the request line.
    pub version: Version,
    /// Whether the client expects the connection to stay open after the answer.
    pub keep_alive: bool,
    /// The values of `If-None-Match`.
    pub if_none_match: Option<EntityTags<'a>>,
    /// The values of `Accept`.
    pub accept: Option<Accept<'a>>,
    /// The value of `Authorization`, where there is one.
    pub authorization: Option<&'a [u8]>,
    /// Whether the client wants the coding `zstd` at least as much as the content as it is.
    pub takes_zstd: bool,
    /// The host that is asked, where it is none of those that a [`RequestDecoder`](super::RequestDecoder) was told; `None`
    /// from [`decode_request`], which was told of none.
    pub misdirected_to: Option<&'a [u8]>,
    /// The body; empty when none was sent.
    pub body: Body<'a>,
}

/// A head that was read, and what its headers demand of the decoder.
struct ReadHead<'a> {
    request: Request<'a>,
    framing: Option<Framing>,
    expects_continue: bool,
    bytes: usize,
}

/// Reads the request that `bytes` begin with: [`Decoded::Message`] when its head and its body are there as a whole.
///
/// A request whose body is still on its way is [`Decoded::NeedMore`]; ask [`expects_continue`] then whether the client
/// waits to be told to send it.
pub fn decode_request<'a>(bytes: &'a [u8], limits: &Limits) -> Decoded<Request<'a>, Error> {
    decode_for(bytes, limits, None)
}

/// As [`decode_request`], by a server that is asked under `hosts`.
#[inline]
pub(super) fn decode_for<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    hosts: Option<&Hosts>,
) -> Decoded<Request<'a>, Error> {
    let head = match read_head(bytes, limits, hosts) {
        Decoded::Message(head, _) => head,
        Decoded::NeedMore => return Decoded::NeedMore,
        Decoded::Invalid(error) => return Decoded::Invalid(error),
    };
    let Some(framing) = head.framing else { return Decoded::Message(head.request, head.bytes) };
    match body::decode(&bytes[head.bytes..], framing, false, limits) {
        Decoded::Message(body, body_bytes) => {
            Decoded::Message(Request { body, ..head.request }, head.bytes + body_bytes)
        }
        Decoded::NeedMore => Decoded::NeedMore,
        Decoded::Invalid(error) => Decoded::Invalid(error),
    }
}

/// Whether `bytes`, which [`decode_request`] needs more of, hold the whole head of a request whose client waits for
/// `100 Continue` before it sends the body.
pub fn expects_continue(bytes: &[u8], limits: &Limits) -> bool {
    matches!(read_head(bytes, limits, None), Decoded::Message(head, _) if head.expects_continue)
}

#[inline]
fn read_head<'a>(bytes: &'a [u8], limits: &Limits, hosts: Option<&Hosts>) -> Decoded<ReadHead<'a>, Error> {
    let visible = within(bytes, limits.head_bytes_max);
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let lines = &mut lines[..limits.headers_max.min(HEADERS_MAX)];
    let head_bytes = match parsed.parse_with_uninit_headers(visible, lines) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if visible.len() == bytes.len() => return Decoded::NeedMore,
        Ok(httparse::Status::Partial) => return Decoded::Invalid(too_large(visible)),
        Err(httparse::Error::Version) => return Decoded::Invalid(version_error(visible)),
        Err(error) => return Decoded::Invalid(error_of(error)),
    };
    match understand(&parsed, &visible[..head_bytes], hosts) {
        Ok(head) => Decoded::Message(head, head_bytes),
        Err(error) => Decoded::Invalid(error),
    }
}

#[inline]
fn understand<'a>(
    parsed: &httparse::Request<'_, 'a>,
    head: &'a [u8],
    allowed: Option<&Hosts>,
) -> Result<ReadHead<'a>, Error> {
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Error::BadStartLine);
    };
    let target = target.as_bytes();
    if !every_line_ends_in_crlf(head) {
        return Err(Error::BareLineFeed);
    }
    let (method, version) = (Method::of(method), Version::of_minor(minor));
    if !is_target(target, method) {
        return Err(Error::BadTarget);
    }
    let (mut facts, mut host, mut hosts, mut expects_continue) = (Facts::default(), None, 0, false);
    let (mut if_none_match, mut accept, mut accept_encoding, mut authorization) = (None, None, None, None);
    // Of several lines the span from the first value to the last.
    let joined = |span: Option<&'a [u8]>, value| {
        let place = place(value, head);
        let start = span.map_or(place.start, |span| self::place(span, head).start);
        Some(&head[start..place.end])
    };
    for &httparse::Header { name, value } in &*parsed.headers {
        // The length tells most names apart before any byte is compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                host = Some(value);
                hosts += 1;
            }
            6 if name.eq_ignore_ascii_case(ACCEPT) => accept = joined(accept, value),
            6 if name.eq_ignore_ascii_case("expect") && version == Version::Http11 => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Error::UnsupportedExpectation);
                }
                expects_continue = true;
            }
            10 if name.eq_ignore_ascii_case("connection") => facts.connection(value),
            13 if name.eq_ignore_ascii_case(IF_NONE_MATCH) => {
                if_none_match = joined(if_none_match, value);
            }
            // Of several, which nobody sends who means well, the span is nobody's token.
            13 if name.eq_ignore_ascii_case(AUTHORIZATION) => authorization = joined(authorization, value),
            14 if name.eq_ignore_ascii_case("content-length") => facts.content_length(value)?,
            15 if name.eq_ignore_ascii_case(ACCEPT_ENCODING) => {
                accept_encoding = joined(accept_encoding, value)
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => facts.transfer_encoding(value),
            _ => {}
        }
    }
    match host {
        None if version == Version::Http11 => return Err(Error::MissingHost),
        Some(host) if hosts > 1 || !is_host(host) => return Err(Error::BadHost),
        _ => {}
    }
    let framing = facts.framing(version)?;
    let keep_alive = facts.stays(version);
    let body = Body::default();
    let (if_none_match, accept) = (if_none_match.map(EntityTags), accept.map(Accept));
    let takes_zstd = accept_encoding.is_some_and(|span| wants_coding(span, ZSTD));
    let misdirected_to = allowed.and_then(|allowed| misdirected_to(target, host, allowed));
    let request = Request {
        method,
        target,
        version,
        keep_alive,
        if_none_match,
        accept,
        authorization,
        takes_zstd,
        misdirected_to,
        body,
    };
    Ok(ReadHead { request, framing, expects_continue, bytes: head.len() })
}

/// The host that is asked, where that is none of `hosts`: the target's or that of the header, of which either may be missing.
fn misdirected_to<'a>(target: &'a [u8], host: Option<&'a [u8]>, hosts: &Hosts) -> Option<&'a [u8]> {
    let absolute = if target.starts_with(b"/") { None } else { split_scheme(target) };
    let asked = [absolute.map(|(_, rest)| authority(rest)), host];
    asked.into_iter().flatten().find(|host| !hosts.allow(host))
}

/// Which limit a head without an end has passed.
#[cold]
fn too_large(visible: &[u8]) -> Error {
    let line = visible.trim_ascii_start();
    if memchr::memchr(b'\n', line).is_some() { Error::HeadTooLarge } else { Error::TargetTooLong }
}

/// Whether what stands in the version's place is another version of HTTP or no version at all.
#[cold]
fn version_error(visible: &[u8]) -> Error {
    let stated = visible.trim_ascii_start().splitn(3, |&byte| byte == b' ').nth(2).unwrap_or(&[]);
    match stated {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', ..] => Error::UnsupportedVersion,
        [b'H', b'T', b'T', b'P', b'/', b'0' | b'2'..=b'9', ..] => Error::UnsupportedVersion,
        _ => Error::BadStartLine,
    }
}

/// Whether `target` has the origin form, the absolute form, or `*` with `OPTIONS`. `httparse` has seen to the characters;
/// a `#` never belongs to a target. The authority form belongs to `CONNECT`, which is not spoken here, but whose request
/// is understood well enough to refuse it by name.
fn is_target(target: &[u8], method: Method) -> bool {
    if memchr::memchr(b'#', target).is_some() {
        return false;
    }
    target.starts_with(b"/")
        || match split_scheme(target) {
            Some((scheme, rest)) => is_http(scheme) && !matches!(rest, [] | [b'/' | b'?', ..]),
            None => (target == b"*" && method == Method::Options) || method == Method::Other,
        }
}

/// Whether `host` has the form of a host and an optional port; it may be empty.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', ..] => match memchr::memchr(b']', host) {
            Some(end) if host[1..end].iter().all(|b| b.is_ascii_hexdigit() || b":.".contains(b)) => {
                (&host[..0], &host[end + 1..])
            }
            _ => return false,
        },
        _ => host.split_at(memchr::memchr(b':', host).unwrap_or(host.len())),
    };
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    port_is_good && name.iter().all(|&byte| HOST_BYTES[usize::from(byte)])
}

/// Letters, digits, `-._~%` and the sub-delimiters of RFC 3986.
static HOST_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let extra = b"-._~%!$&'()*+,;=";
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < extra.len() {
        allowed[extra[i] as usize] = true;
        i += 1;
    }
    allowed
};

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method's name, such as `GET`.
    pub method: &'a str,
    /// The target in origin form, escaped.
    pub target: &'a [u8],
    /// The value of `Host`.
    pub host: &'a str,
    /// Whether to ask the server to close after its answer.
    pub close: bool,
    /// Further header lines, name and value.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, which gets a `Content-Length`; `None` sends neither.
    pub body: Option<&'a [u8]>,
}

/// Appends a whole request to `out`. The caller vouches that target, host and headers hold no CR, LF or space that would
/// break the head; [`escape`](super::escape) sees to that for keys.
pub fn encode_request(request: &RequestHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.target);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(request.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    if request.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    for (name, value) in request.headers {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(body) = request.body {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(request.body.unwrap_or_default());
}
