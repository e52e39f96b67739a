//! Who sends an HTTP request: what its `Authorization` says, which is remembered for the requests behind it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
