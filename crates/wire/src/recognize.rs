//! Whose bytes these are: what a server sent that was expected to speak something else.

use std::fmt;

use crate::address::Protocol;

/// What a server speaks, as its first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recognized {
    /// One of the protocols that are spoken here.
    Protocol(Protocol),
    /// TLS.
    Tls,
    /// SSH.
    Ssh,
}

impl fmt::Display for Recognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(protocol) => protocol.fmt(f),
            Self::Tls => f.write_str("TLS"),
            Self::Ssh => f.write_str("SSH"),
        }
    }
}

/// How many bytes tell one protocol from another.
const BYTES_MAX: usize = 16;

/// The beginnings of answers that only memcached gives.
const MEMCACHED: [&[u8]; 8] =
    [b"VALUE ", b"END\r\n", b"ERROR\r\n", b"CLIENT_ERROR ", b"SERVER_ERROR ", b"EN\r\n", b"VA ", b"STAT "];

/// What to send to a server that closed a connection without a word: Redis, memcached and HTTP
/// servers answer it each in their own way, where they may not answer the beginning of another
/// protocol at all (Redis and memcached do not answer that of HTTP).
pub const PROBE: &[u8] = b"PING\r\n";

/// What the server speaks that sent `bytes` first; `None` when they may be anything's.
///
/// ```
/// use graven_wire::address::Protocol;
/// use graven_wire::{Recognized, recognize};
///
/// let answer = b"-ERR unknown command 'GET / HTTP/1.1'\r\n";
/// assert_eq!(recognize(answer), Some(Recognized::Protocol(Protocol::Redis)));
/// ```
pub fn recognize(bytes: &[u8]) -> Option<Recognized> {
    let start = &bytes[..bytes.len().min(BYTES_MAX)];
    if start.starts_with(b"HTTP/") {
        return Some(Recognized::Protocol(Protocol::Http));
    }
    if MEMCACHED.iter().any(|beginning| start.starts_with(beginning)) {
        return Some(Recognized::Protocol(Protocol::Memcached));
    }
    if start.starts_with(b"SSH-") {
        return Some(Recognized::Ssh);
    }
    match start {
        // An alert or a handshake, of any version.
        [0x15 | 0x16, 0x03, 0x00..=0x04, ..] => Some(Recognized::Tls),
        // A code in capitals, or a word such as OK.
        [b'-' | b'+', second, ..] if second.is_ascii_uppercase() => {
            Some(Recognized::Protocol(Protocol::Redis))
        }
        [b'$' | b'*' | b':' | b'%' | b'~' | b'>', second, ..]
            if second.is_ascii_digit() || *second == b'-' =>
        {
            Some(Recognized::Protocol(Protocol::Redis))
        }
        [b'_', b'\r', ..] => Some(Recognized::Protocol(Protocol::Redis)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_every_protocol_are_recognized() {
        let protocol = |protocol| Some(Recognized::Protocol(protocol));
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], protocol(Protocol::Http)),
            (b"HTTP/1.0 200 OK\r\n", protocol(Protocol::Http)),
            (b"-ERR wrong number of arguments for 'get' command\r\n", protocol(Protocol::Redis)),
            (b"-NOAUTH Authentication required.\r\n", protocol(Protocol::Redis)),
            (b"-DENIED Redis is running in protected mode", protocol(Protocol::Redis)),
            (b"+OK\r\n", protocol(Protocol::Redis)),
            (b"$-1\r\n", protocol(Protocol::Redis)),
            (b"$5\r\ngreen\r\n", protocol(Protocol::Redis)),
            (b"_\r\n", protocol(Protocol::Redis)),
            (b"ERROR\r\nERROR\r\n", protocol(Protocol::Memcached)),
            (b"END\r\n", protocol(Protocol::Memcached)),
            (b"CLIENT_ERROR line format\r\n", protocol(Protocol::Memcached)),
            (b"VALUE a 0 1\r\n1\r\nEND\r\n", protocol(Protocol::Memcached)),
            (b"\x15\x03\x01\x00\x02\x02\x16", Some(Recognized::Tls)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Some(Recognized::Ssh)),
            (b"220 mail.example ESMTP\r\n", None),
            (b"this is no answer\r\n", None),
            (b"- a list\r\n", None),
            (b"$HOME\r\n", None),
            (b"\x15", None),
            (b"", None),
        ] {
            assert_eq!(recognize(bytes), expected, "{:?}", bytes.escape_ascii());
        }
    }
}
