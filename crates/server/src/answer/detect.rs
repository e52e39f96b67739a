//! Which protocol a connection speaks, told from its first bytes.
//!
//! - 0x80 opens memcached's old binary protocol, which is not spoken here.
//! - `*` opens a RESP array.
//! - A memcached command in lower case (`get`, `mg`, `stats`, `quit`…) is memcached, although an inline Redis command may be
//!   spelled the same way: Redis clients send arrays, and people who type to Redis by hand can write `GET`.
//! - A method of HTTP in capitals is HTTP; `GET`, which is a command of Redis, too, only when a path or a URL follows.
//! - A control character is left to HTTP, which refuses it with words.
//! - Everything else is an inline Redis command.

/// A protocol that a connection can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Resp,
    Memcached,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detected {
    Is(Protocol),
    NeedMore,
}

const HTTP_METHODS: [&[u8]; 9] =
    [b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI"];

const MEMCACHED_COMMANDS: [&[u8]; 27] = [
    b"get",
    b"gets",
    b"gat",
    b"gats",
    b"mg",
    b"mn",
    b"ms",
    b"md",
    b"ma",
    b"me",
    b"set",
    b"add",
    b"replace",
    b"append",
    b"prepend",
    b"cas",
    b"delete",
    b"incr",
    b"decr",
    b"touch",
    b"stats",
    b"version",
    b"verbosity",
    b"flush_all",
    b"quit",
    b"watch",
    b"cache_memlimit",
];

/// The longest of the names above.
const NAME_BYTES_MAX: usize = 14;

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
        Some(b'*') => return Detected::Is(Protocol::Resp),
        // The decoder knows it by this byte and refuses it.
        Some(0x80) => return Detected::Is(Protocol::Memcached),
        Some(0..=31 | 127) => return Detected::Is(Protocol::Http),
        _ => {}
    }
    let Some(end) = line.iter().position(|byte| b" \r\n".contains(byte)) else {
        return if line.len() > NAME_BYTES_MAX { Detected::Is(Protocol::Resp) } else { Detected::NeedMore };
    };
    let (name, rest) = line.split_at(end);
    if MEMCACHED_COMMANDS.contains(&name) {
        Detected::Is(Protocol::Memcached)
    } else if HTTP_METHODS.contains(&name) {
        Detected::Is(Protocol::Http)
    } else if name == b"GET" {
        get_of_what(&rest[1..])
    } else {
        Detected::Is(Protocol::Resp)
    }
}

/// `GET` is followed by a path or a URL in HTTP, and by a key in an inline Redis command.
fn get_of_what(target: &[u8]) -> Detected {
    for opening in [&b"/"[..], b"http://", b"https://"] {
        let common = opening.len().min(target.len());
        if target[..common].eq_ignore_ascii_case(&opening[..common]) {
            return if common == opening.len() { Detected::Is(Protocol::Http) } else { Detected::NeedMore };
        }
    }
    Detected::Is(Protocol::Resp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opening_is_told_apart_and_no_piece_of_it_is_mistaken() {
        use Protocol::{Http, Memcached, Resp};
        for (opening, language) in [
            (&b"*1\r\n$4\r\nPING\r\n"[..], Resp),
            (b"PING\r\n", Resp),
            (b"ping\r\n", Resp),
            (b"GET key\r\n", Resp),
            (b"GET httpkey\r\n", Resp),
            (b"a-long-word-of-a-hand", Resp),
            (b"\r\nINFO server\r\n", Resp),
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
    fn no_name_is_longer_than_the_longest() {
        let names = HTTP_METHODS.iter().chain(&MEMCACHED_COMMANDS);
        assert_eq!(names.map(|name| name.len()).max(), Some(NAME_BYTES_MAX));
    }
}
