//! The languages that are measured: how a request is written, and what the right answer to it is. Written from their
//! specifications, so that the measuring shares nothing with what is measured.

use crate::answer::{Verdict, judge_bytes, judge_http};

/// What servers without a table answer: as many bytes as a value of `graven gen` has on the average.
pub(crate) const FIXED_VALUE: &str = "a_fixed_answer_of_thirty_bytes";
const FIXED_KEY: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1: `GET /?key=K`
    Http,
    /// RESP2: `GET K`
    Resp,
    /// memcached's text: `get K`
    Mc,
    /// memcached's meta text: `mg K v`
    Mg,
}

impl Protocol {
    pub(crate) const ALL: [Self; 4] = [Self::Http, Self::Resp, Self::Mc, Self::Mg];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Resp => "resp",
            Self::Mc => "mc",
            Self::Mg => "mg",
        }
    }

    /// Line ends in each request that [`Protocol::write_request`] writes.
    pub(crate) fn lines_in_request(self) -> usize {
        match self {
            Self::Http => 3,
            Self::Resp => 5,
            Self::Mc | Self::Mg => 1,
        }
    }

    /// Asks for `key`.
    pub(crate) fn write_request(self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Http => {
                out.extend_from_slice(b"GET /?key=");
                write_percent_encoded(key, out);
                out.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
            }
            Self::Resp => {
                out.extend_from_slice(format!("*2\r\n$3\r\nGET\r\n${}\r\n", key.len()).as_bytes());
                out.extend_from_slice(key);
                out.extend_from_slice(b"\r\n");
            }
            Self::Mc => out.extend_from_slice(&[b"get ", key, b"\r\n"].concat()),
            Self::Mg => out.extend_from_slice(&[b"mg ", key, b" v\r\n"].concat()),
        }
    }

    /// What [`Protocol::judge`] needs to know of the right answer: all of its bytes or, since the heads of HTTP differ from
    /// server to server, those of its body.
    pub(crate) fn write_expected(self, key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
        match (self, value) {
            (Self::Http, value) => out.extend_from_slice(value.unwrap_or_default()),
            (Self::Resp, Some(value)) => write_sized(b"$", value, b"\r\n", out),
            (Self::Resp, None) => out.extend_from_slice(b"$-1\r\n"),
            (Self::Mc, Some(value)) => {
                write_sized(&[b"VALUE ", key, b" 0 "].concat(), value, b"\r\nEND\r\n", out);
            }
            (Self::Mc, None) => out.extend_from_slice(b"END\r\n"),
            (Self::Mg, Some(value)) => write_sized(b"VA ", value, b"\r\n", out),
            (Self::Mg, None) => out.extend_from_slice(b"EN\r\n"),
        }
    }

    /// Holds the first answer in `received` against what is `expected` of it; a miss of HTTP may have any body.
    #[inline]
    pub(crate) fn judge(self, received: &[u8], expected: &[u8], found: bool) -> Verdict {
        match (self, found) {
            (Self::Http, true) => judge_http(received, b"200", Some(expected)),
            (Self::Http, false) => judge_http(received, b"404", None),
            _ => judge_bytes(received, expected),
        }
    }

    /// What is expected of a server that answers the fixed string.
    pub(crate) fn fixed_expected(self) -> Vec<u8> {
        let mut expected = Vec::new();
        self.write_expected(FIXED_KEY.as_bytes(), Some(FIXED_VALUE.as_bytes()), &mut expected);
        expected
    }

    /// The whole answer with the fixed string, as short as the protocol has it.
    pub(crate) fn fixed_answer(self) -> Vec<u8> {
        match self {
            Self::Http => {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{FIXED_VALUE}", FIXED_VALUE.len())
                    .into_bytes()
            }
            _ => self.fixed_expected(),
        }
    }
}

fn write_sized(before: &[u8], value: &[u8], after: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    out.extend_from_slice(format!("{}\r\n", value.len()).as_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(after);
}

fn write_percent_encoded(key: &[u8], out: &mut Vec<u8>) {
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIXED_VALUE, Protocol};
    use crate::answer::Verdict;

    fn request(protocol: Protocol, key: &[u8]) -> String {
        let mut out = Vec::new();
        protocol.write_request(key, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn expected(protocol: Protocol, value: Option<&[u8]>) -> String {
        let mut out = Vec::new();
        protocol.write_expected(b"k", value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_written_as_each_protocol_has_them() {
        assert_eq!(request(Protocol::Http, b"a b"), "GET /?key=a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(request(Protocol::Resp, b"ab"), "*2\r\n$3\r\nGET\r\n$2\r\nab\r\n");
        assert_eq!(request(Protocol::Mc, b"ab"), "get ab\r\n");
        assert_eq!(request(Protocol::Mg, b"ab"), "mg ab v\r\n");
    }

    #[test]
    fn every_request_has_the_lines_that_the_bare_loop_counts() {
        for protocol in Protocol::ALL {
            let lines = request(protocol, b"key").matches('\n').count();
            assert_eq!(lines, protocol.lines_in_request(), "{protocol:?}");
        }
    }

    #[test]
    fn answers_are_expected_as_each_protocol_has_them() {
        assert_eq!(expected(Protocol::Resp, Some(b"v1")), "$2\r\nv1\r\n");
        assert_eq!(expected(Protocol::Resp, None), "$-1\r\n");
        assert_eq!(expected(Protocol::Mc, Some(b"v1")), "VALUE k 0 2\r\nv1\r\nEND\r\n");
        assert_eq!(expected(Protocol::Mc, None), "END\r\n");
        assert_eq!(expected(Protocol::Mg, Some(b"v1")), "VA 2\r\nv1\r\n");
        assert_eq!(expected(Protocol::Mg, None), "EN\r\n");
        assert_eq!(expected(Protocol::Http, Some(b"v1")), "v1");
    }

    #[test]
    fn the_fixed_answer_is_what_is_expected_of_it_and_nothing_else_is() {
        assert_eq!(FIXED_VALUE.len(), 30);
        for protocol in Protocol::ALL {
            let (mut answer, expected) = (protocol.fixed_answer(), protocol.fixed_expected());
            assert_eq!(
                protocol.judge(&answer, &expected, true),
                Verdict::Right(answer.len()),
                "{protocol:?}"
            );
            let place = answer.windows(5).position(|bytes| bytes == b"fixed").unwrap();
            answer[place] = b'F';
            assert_eq!(protocol.judge(&answer, &expected, true), Verdict::Wrong, "{protocol:?}");
        }
    }
}
