//! Requests of clients that repeat themselves: one client's requests differ in their targets and, as a rule, in nothing else,
//! so headers that are the same bytes as the last ones need not be read again.

use std::num::NonZeroU64;
use std::ops::Range;

use super::fields::{Accept, EntityTags};
use super::head::place;
use super::hosts::Hosts;
use super::request::{Method, Request, decode_for};
use super::secret::is_same_secret;
use super::{Body, Error, Limits, Version};
use crate::Decoded;

/// Headers longer than this are not remembered, in bytes.
const KNOWN_BYTES_MAX: usize = 2048;

/// A decoder of requests that remembers the headers of the last `GET`. It gives what
/// [`decode_request`](super::decode_request) would, request for request, says besides which are
/// [misdirected](Request::misdirected_to), and may serve any number of connections in turn.
///
/// ```
/// use graven_wire::{Decoded, http};
///
/// let mut decoder = http::RequestDecoder::new(http::Limits::default(), http::Hosts::any());
/// for key in ["a", "b"] {
///     let bytes = format!("GET /?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n");
///     let Decoded::Message(request, _) = decoder.decode(bytes.as_bytes()) else { panic!() };
///     assert!(request.target.ends_with(key.as_bytes()));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RequestDecoder {
    limits: Limits,
    hosts: Hosts,
    /// What followed the target, the empty line included; empty when nothing is known.
    known: Vec<u8>,
    /// How many have been known so far: the number of this one.
    number: u64,
    /// The number of the headers of the last request; 0 where they are not known.
    last: u64,
    keep_alive: bool,
    version: Version,
    if_none_match: Option<Range<usize>>,
    accept: Option<Range<usize>>,
    authorization: Option<Range<usize>>,
    takes_zstd: bool,
    misdirected_to: Option<Range<usize>>,
}

impl RequestDecoder {
    /// A decoder that knows no request yet, for a server that may be asked under `hosts`.
    pub fn new(limits: Limits, hosts: Hosts) -> Self {
        Self {
            limits,
            hosts,
            known: Vec::new(),
            number: 0,
            last: 0,
            keep_alive: false,
            version: Version::Http11,
            if_none_match: None,
            accept: None,
            authorization: None,
            takes_zstd: false,
            misdirected_to: None,
        }
    }

    /// Reads the request that `bytes` begin with, as [`decode_request`](super::decode_request) does.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Decoded<Request<'a>, Error> {
        if let Some((request, consumed)) = self.repeated(bytes) {
            self.last = self.number;
            return Decoded::Message(request, consumed);
        }
        self.last = 0;
        let decoded = decode_for(bytes, &self.limits, Some(&self.hosts));
        if let Decoded::Message(request, consumed) = &decoded {
            self.learn(request, &bytes[..*consumed]);
        }
        decoded
    }

    /// A number that two requests share only where what follows their targets is the same, byte by byte: that of the request that
    /// was decoded last, or none where that is not known.
    #[inline]
    pub fn headers_number(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.last)
    }

    /// The request that `bytes` begin with when only its target is new.
    #[inline]
    fn repeated<'a>(&self, bytes: &'a [u8]) -> Option<(Request<'a>, usize)> {
        let after_method = bytes.strip_prefix(METHOD).filter(|_| !self.known.is_empty())?;
        let target_bytes = memchr::memchr(b' ', after_method)?;
        let (target, rest) = after_method.split_at(target_bytes);
        let consumed = METHOD.len() + target_bytes + self.known.len();
        // The headers may be those of another connection, and hold its secret.
        let is_known = match self.authorization {
            None => rest.starts_with(&self.known),
            Some(_) => {
                rest.get(..self.known.len()).is_some_and(|headers| is_same_secret(headers, &self.known))
            }
        };
        let same = is_known && consumed <= self.limits.head_bytes_max;
        // Other targets are not wrong, but take the careful way.
        if !same || !target.starts_with(b"/") || !is_plain_ascii(target) {
            return None;
        }
        let headers = &rest[..self.known.len()];
        let header = |range: &Option<Range<usize>>| range.clone().map(|range| &headers[range]);
        let request = Request {
            method: Method::Get,
            target,
            version: self.version,
            keep_alive: self.keep_alive,
            if_none_match: header(&self.if_none_match).map(EntityTags),
            accept: header(&self.accept).map(Accept),
            authorization: header(&self.authorization),
            takes_zstd: self.takes_zstd,
            misdirected_to: header(&self.misdirected_to),
            body: Body::default(),
        };
        Some((request, consumed))
    }

    #[cold]
    fn learn(&mut self, request: &Request<'_>, bytes: &[u8]) {
        let method_and_target = METHOD.len() + request.target.len();
        // A head that begins with an empty line, names another host in its target, or has a body behind it, is passed over.
        let Some(headers) = bytes.get(method_and_target..).filter(|headers| {
            request.method == Method::Get
                && bytes.starts_with(METHOD)
                && request.target.starts_with(b"/")
                && headers.starts_with(b" HTTP/1.")
                && headers.len() <= KNOWN_BYTES_MAX
                && memchr::memmem::find(headers, b"\r\n\r\n") == Some(headers.len() - 4)
                && !frames_a_body(headers)
        }) else {
            return;
        };
        let range = |header: Option<&[u8]>| header.map(|value| place(value, headers));
        self.if_none_match = range(request.if_none_match.map(|tags| tags.0));
        self.accept = range(request.accept.map(|accept| accept.0));
        self.authorization = range(request.authorization);
        self.misdirected_to = range(request.misdirected_to);
        (self.keep_alive, self.version) = (request.keep_alive, request.version);
        self.takes_zstd = request.takes_zstd;
        self.number += 1;
        self.last = self.number;
        self.known.clear();
        self.known.extend_from_slice(headers);
    }
}

const METHOD: &[u8] = b"GET ";

/// Printable, and no `#`, which belongs to no target. Sixteen bytes at a time and without a branch for each; the last sixteen
/// overlap those before them.
#[inline]
fn is_plain_ascii(target: &[u8]) -> bool {
    const AT_ONCE: usize = 16;
    let all_plain = |bytes: &[u8]| {
        bytes.iter().fold(true, |plain, &byte| plain & (byte > b' ') & (byte < 0x7F) & (byte != b'#'))
    };
    let (chunks, rest) = target.as_chunks::<AT_ONCE>();
    let end = match target.last_chunk::<AT_ONCE>() {
        Some(last) => all_plain(last),
        None => all_plain(rest),
    };
    chunks.iter().fold(end, |plain, chunk| plain & all_plain(chunk))
}

/// Whether headers, which were read and found right, say anything of a body, even of an empty one: where they do, the bytes
/// behind them would have to be looked at again.
fn frames_a_body(headers: &[u8]) -> bool {
    headers.split(|&byte| byte == b'\n').any(|line| {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head_bytes_max: 4096, headers_max: 64, body_bytes_max: 1024 };

    #[test]
    fn two_requests_share_a_number_only_where_their_headers_are_the_same() {
        let mut decoder = RequestDecoder::new(LIMITS, Hosts::only(["h"]));
        let mut number = |request: &str| {
            assert!(matches!(decoder.decode(request.as_bytes()), Decoded::Message(..)), "{request}");
            decoder.headers_number()
        };
        let with =
            |token: &str| format!("GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
        let first = number(&with("one"));
        assert!(first.is_some());
        assert_eq!(number(&with("one").replace("/a", "/b")), first);
        let second = number(&with("two"));
        assert!(second.is_some() && second != first);
        // Those of another method are not known, and change nothing.
        assert_eq!(number(&with("one").replace("GET", "HEAD")), None);
        assert_eq!(number(&with("two")), second);
        let third = number(&with("one"));
        assert!(third.is_some() && third != first && third != second);
    }

    /// Whether the request that `next` begins with is known from `first`; if it is, it is what reading it would give.
    fn is_known(first: &[u8], next: &[u8], limits: Limits) -> bool {
        let mut decoder = RequestDecoder::new(limits, Hosts::only(["h"]));
        assert!(matches!(decoder.decode(first), Decoded::Message(..)), "{}", first.escape_ascii());
        let Some((request, consumed)) = decoder.repeated(next) else { return false };
        let read = decode_for(next, &limits, Some(&decoder.hosts));
        assert_eq!(read, Decoded::Message(request, consumed), "{}", next.escape_ascii());
        true
    }

    #[test]
    fn headers_that_come_again_are_not_read_again() {
        let long = |bytes: usize| format!(" HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "a".repeat(bytes));
        let empty = long(0).len();
        let (longest, too_long) = (long(KNOWN_BYTES_MAX - empty), long(KNOWN_BYTES_MAX - empty + 1));
        for (rest, known) in [
            (" HTTP/1.1\r\nHost: h\r\n\r\n", true),
            (" HTTP/1.0\r\n\r\n", true),
            (" HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
            (" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true),
            (" HTTP/1.1\r\nHost: elsewhere:80\r\n\r\n", true),
            (" HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, zstd\r\n\r\n", true),
            (" HTTP/1.1\r\nHost: h\r\nauthorization:  Bearer abc \r\n\r\n", true),
            (" HTTP/1.1\r\nAccept: a/b;q=0.5\r\nHost: h\r\nIf-None-Match: \"x\", \"y\"\r\n\r\n", true),
            (&longest, true),
            (&too_long, false),
            (" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", false),
            (" HTTP/1.1\r\nHost: h\r\ncontent-LENGTH: 2\r\n\r\nab", false),
            (" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
        ] {
            let (first, next) = (format!("GET /a{rest}"), format!("GET /?key=b{rest}GET /c"));
            assert_eq!(is_known(first.as_bytes(), next.as_bytes(), LIMITS), known, "{rest:?}");
        }
    }

    #[test]
    fn what_differs_in_more_than_the_target_is_read() {
        const REST: &str = " HTTP/1.1\r\nHost: h\r\n\r\n";
        let known = |first: &str, next: &str| is_known(first.as_bytes(), next.as_bytes(), LIMITS);
        let first = format!("GET /a{REST}");
        for (next, is_known) in [
            (format!("GET /{REST}"), true),
            (format!("GET /{}~{REST}", "b".repeat(100)), true),
            (format!("GET b{REST}"), false),
            (format!("GET http://h/{REST}"), false),
            (format!("GET /#{REST}"), false),
            (format!("GET /\u{e9}{REST}"), false),
            (format!("HEAD /a{REST}"), false),
            (format!("get /a{REST}"), false),
            (format!("\r\nGET /a{REST}"), false),
            ("GET /a HTTP/1.0\r\nHost: h\r\n\r\n".to_owned(), false),
            ("GET /a HTTP/1.1\r\nHost: H\r\n\r\n".to_owned(), false),
            (first[..first.len() - 1].to_owned(), false),
        ] {
            assert_eq!(known(&first, &next), is_known, "{next:?}");
        }
        // Nothing is learnt from these.
        for first in ["HEAD /a", "\r\nGET /a", "GET http://h/a", "OPTIONS *"] {
            assert!(!known(&format!("{first}{REST}"), &format!("GET /a{REST}")), "{first}");
        }
    }

    #[test]
    fn a_target_that_makes_the_head_too_long_is_read_although_its_headers_are_known() {
        const REST: &str = " HTTP/1.1\r\nHost: h\r\n\r\n";
        let limits = Limits { head_bytes_max: 100, ..LIMITS };
        let first = format!("GET /{REST}");
        let of = |bytes: usize| format!("GET /{}{REST}", "a".repeat(bytes - first.len()));
        assert!(is_known(first.as_bytes(), of(100).as_bytes(), limits));
        assert!(!is_known(first.as_bytes(), of(101).as_bytes(), limits));
    }

    #[test]
    fn a_byte_that_is_not_plain_is_seen_wherever_it_stands() {
        for len in 0..50 {
            let mut target = vec![b'a'; len];
            assert!(is_plain_ascii(&target));
            for at in 0..len {
                for byte in [0, b' ', b'#', 0x7F, 0x80, 0xFF] {
                    target[at] = byte;
                    assert!(!is_plain_ascii(&target), "{byte} at {at} of {len}");
                }
                target[at] = b'~';
            }
        }
    }
}
