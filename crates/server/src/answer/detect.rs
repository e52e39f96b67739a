//! Which protocol a connection speaks, told from its first bytes.
//!
//! - 0x80 opens memcached's old binary protocol, which is not spoken here.
//! - `*` opens a RESP array.
//! - A word in lower case is a command of memcached, unless it is none there and one of Redis (`ping`, `info`…). Some
//!   are both (`get`, `quit`…): Redis clients send arrays, and people who type to Redis by hand can write `GET`. Some are
//!   neither: memcached's clients send lines, and are told that there is no such command in memcached's words.
//! - A method of HTTP in capitals is HTTP; `GET`, which is a command of Redis, too, only when a path or a URL follows.
//! - A control character is left to HTTP, which refuses it with words.
//! - Everything else is an inline Redis command.

use graven_wire::address::Protocol;
use graven_wire::resp::Known;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detected {
    Is(Protocol),
    NeedMore,
}

const HTTP_METHODS: [&[u8]; 9] =
    [b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI"];

/// Commands of both in lower case that are memcached's.
const SHARED_COMMANDS: [&[u8]; 9] =
    [b"append", b"decr", b"get", b"incr", b"quit", b"set", b"shutdown", b"touch", b"watch"];

/// No more of a word is looked at: no name of a command or method is longer.
const WORD_BYTES_MAX: usize = 24;

/// A connection that begins with more CR and LF than this is left to HTTP, whose limits hold for it.
const LINE_ENDS_MAX: usize = 64;

pub(super) fn detect(bytes: &[u8]) -> Detected {
    let opening = &bytes[..bytes.len().min(LINE_ENDS_MAX)];
    let line = match opening.iter().position(|byte| !b"\r\n".contains(byte)) {
        Some(at) => &bytes[at..],
        None if opening.len() < LINE_ENDS_MAX => return Detected::NeedMore,
        None => return Detected::Is(Protocol::Http),
    };
    match line.first() {
        Some(b'*') => return Detected::Is(Protocol::Redis),
        // The decoder knows it by this byte and refuses it.
        Some(0x80) => return Detected::Is(Protocol::Memcached),
        Some(0..=31 | 127) => return Detected::Is(Protocol::Http),
        _ => {}
    }
    let beginning = &line[..line.len().min(WORD_BYTES_MAX + 1)];
    let Some(end) = beginning.iter().position(|byte| b" \t\r\n".contains(byte)) else {
        return match beginning.len() {
            ..=WORD_BYTES_MAX => Detected::NeedMore,
            _ if is_in_lower_case(beginning) => Detected::Is(Protocol::Memcached),
            _ => Detected::Is(Protocol::Redis),
        };
    };
    let (name, rest) = line.split_at(end);
    let is_memcached = || SHARED_COMMANDS.contains(&name) || !Known::knows(name);
    if is_in_lower_case(name) && is_memcached() {
        Detected::Is(Protocol::Memcached)
    } else if HTTP_METHODS.contains(&name) {
        Detected::Is(Protocol::Http)
    } else if name == b"GET" {
        get_of_what(&rest[1..])
    } else {
        Detected::Is(Protocol::Redis)
    }
}

/// Whether a word is spelled as memcached spells its commands.
fn is_in_lower_case(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_lowercase)
        && word.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// `GET` is followed by a path or a URL in HTTP, and by a key in an inline Redis command.
fn get_of_what(target: &[u8]) -> Detected {
    for opening in [&b"/"[..], b"http://", b"https://"] {
        let common = opening.len().min(target.len());
        if target[..common].eq_ignore_ascii_case(&opening[..common]) {
            return if common == opening.len() { Detected::Is(Protocol::Http) } else { Detected::NeedMore };
        }
    }
    Detected::Is(Protocol::Redis)
}

/// The protocol that the first bytes speak, as far as they tell.
#[cfg(feature = "tls")]
pub(crate) fn first_words(bytes: &[u8]) -> Protocol {
    match detect(bytes) {
        Detected::Is(protocol) => protocol,
        Detected::NeedMore => Protocol::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opening_is_told_apart_and_no_piece_of_it_is_mistaken() {
        use Protocol::{Http, Memcached, Redis};
        for (opening, language) in [
            (&b"*1\r\n$4\r\nPING\r\n"[..], Redis),
            (b"PING\r\n", Redis),
            (b"ping\r\n", Redis),
            (b"GET key\r\n", Redis),
            (b"GET httpkey\r\n", Redis),
            (b"ping\tx\r\n", Redis),
            (b"info\r\n", Redis),
            (b"hello 3\r\n", Redis),
            (b"client list\r\n", Redis),
            // A write, which is refused in the words of Redis.
            (b"lpush a b\r\n", Redis),
            (b"georadiusbymember\r\n", Redis),
            (b"Get key\r\n", Redis),
            (b" get key\r\n", Redis),
            (b"a-long-word-that-never-comes", Redis),
            (b"A_LONG_WORD_THAT_NEVER_COMES_TO_ITS_END", Redis),
            (b"\r\nINFO server\r\n", Redis),
            (b"GET / HTTP/1.1\r\n", Http),
            (b"GET http://a/ HTTP/1.1\r\n", Http),
            (b"GET HTTPS://a/ HTTP/1.1\r\n", Http),
            (b"\r\nGET / HTTP/1.1\r\n", Http),
            (b"OPTIONS * HTTP/1.1\r\n", Http),
            (b"PRI * HTTP/2.0\r\n", Http),
            (b"\x16\x03\x01", Http),
            (b"get key\r\n", Memcached),
            (b"mg key v\r\n", Memcached),
            (b"version\r\n", Memcached),
            (b"quit\r\n", Memcached),
            (b"get\tkey\r\n", Memcached),
            (b"lru_crawler metadump all\r\n", Memcached),
            (b"lru mode flat\r\n", Memcached),
            (b"slabs automove 1\r\n", Memcached),
            (b"watch fetchers\r\n", Memcached),
            (b"shutdown\r\n", Memcached),
            (b"refresh_certs\r\n", Memcached),
            (b"nothing like it\r\n", Memcached),
            (b"x\r\n", Memcached),
            (b"\r\nstats\r\n", Memcached),
            (b"a_long_word_that_never_comes_to_its_end", Memcached),
            (b"\x80\x00", Memcached),
        ] {
            for end in 0..=opening.len() {
                let detected = detect(&opening[..end]);
                let allowed = [Detected::NeedMore, Detected::Is(language)];
                assert!(allowed.contains(&detected), "{} of {}", end, opening.escape_ascii());
            }
            assert_eq!(detect(opening), Detected::Is(language), "{}", opening.escape_ascii());
        }
    }

    #[test]
    fn line_ends_before_a_word_are_passed_over_up_to_a_limit() {
        let after =
            |line_ends: usize, rest: &str| detect(format!("{}{rest}", "\n".repeat(line_ends)).as_bytes());
        for line_ends in [0, 1, LINE_ENDS_MAX - 1] {
            assert_eq!(after(line_ends, ""), Detected::NeedMore, "{line_ends}");
            assert_eq!(after(line_ends, "PING\r\n"), Detected::Is(Protocol::Redis), "{line_ends}");
        }
        for line_ends in [LINE_ENDS_MAX, LINE_ENDS_MAX + 1] {
            assert_eq!(after(line_ends, ""), Detected::Is(Protocol::Http), "{line_ends}");
            assert_eq!(after(line_ends, "PING\r\n"), Detected::Is(Protocol::Http), "{line_ends}");
        }
    }

    #[test]
    fn no_name_is_longer_than_what_is_looked_at() {
        let names = HTTP_METHODS.iter().chain(&SHARED_COMMANDS);
        assert!(names.map(|name| name.len()).max() < Some(WORD_BYTES_MAX));
    }
}
