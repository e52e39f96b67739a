//! Who sends an HTTP request: what its `Authorization` says, which is remembered for the requests behind it.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A name, which may be missing, and a token.
pub(super) struct ClientLogin {
    pub(super) name: Option<Vec<u8>>,
    pub(super) token: Vec<u8>,
}

impl ClientLogin {
    /// Reads `Basic` (RFC 7617) and `Bearer` (RFC 6750); `None` for what is neither.
    pub(super) fn of(authorization: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b' ', authorization)?;
        let (scheme, rest) = (&authorization[..end], authorization[end..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Some(Self { name: None, token: rest.to_vec() });
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let pair = STANDARD.decode(rest).ok()?;
        let colon = memchr::memchr(b':', &pair)?;
        Some(Self { name: Some(pair[..colon].to_vec()), token: pair[colon + 1..].to_vec() })
    }
}

/// Whether two headers are the same, in a time that depends on their lengths alone: on a connection that a proxy shares among its
/// clients, the one may be another client's. Sixteen bytes at a time; `subtle` looks at each, which is 700 instructions a request.
#[inline]
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other));
    one.len() == other.len() && black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_differ_anywhere_are_not_the_same() {
        let header = b"Bearer 0123456789abcdef0123456789abcdef0123456789";
        assert!(is_same(header, header) && is_same(b"", b""));
        assert!(!is_same(header, &header[1..]) && !is_same(header, &header[..header.len() - 1]));
        for place in 0..header.len() {
            let mut other = *header;
            other[place] ^= 1;
            assert!(!is_same(header, &other), "{place}");
        }
    }

    #[test]
    fn a_name_and_a_token_are_read_of_basic_and_bearer() {
        let read = |header: &str| {
            ClientLogin::of(header.as_bytes()).map(|ClientLogin { name, token }| {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                (name.map(text), text(token))
            })
        };
        let basic = |name: &str, token: &str| Some((Some(name.to_owned()), token.to_owned()));
        let bearer = |token: &str| Some((None, token.to_owned()));
        for (header, credentials) in [
            ("Bearer abc", bearer("abc")),
            ("bEARER   abc", bearer("abc")),
            ("Basic c2hvcDphYmM=", basic("shop", "abc")),
            ("basic OmE6Yg==", basic("", "a:b")),
            ("Basic c2hvcA==", None),
            ("Basic c2hvcDphYmM", None),
            ("Basic ***", None),
            ("Digest username=\"a\"", None),
            ("Bearer", None),
            ("", None),
        ] {
            assert_eq!(read(header), credentials, "{header}");
        }
    }
}
