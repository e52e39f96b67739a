//! Whether the bytes that came are the right answer: all of it, a beginning of it, or something else.

use memchr::memchr_iter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The right answer, in so many bytes; what follows belongs to the next.
    Right(usize),
    /// Right as far as it goes; more bytes must come.
    Incomplete,
    Wrong,
}

/// An answer that must have exactly these bytes.
#[inline]
pub(crate) fn judge_bytes(received: &[u8], expected: &[u8]) -> Verdict {
    match received.get(..expected.len()) {
        Some(answer) if answer == expected => Verdict::Right(expected.len()),
        None if expected.starts_with(received) => Verdict::Incomplete,
        _ => Verdict::Wrong,
    }
}

/// An HTTP/1.1 answer that must have this status, a Content-Length and, unless any will do, this body.
#[inline]
pub(crate) fn judge_http(received: &[u8], status: &[u8; 3], body: Option<&[u8]>) -> Verdict {
    const VERSION: &[u8] = b"HTTP/1.1 ";
    let mut line_start = 0;
    let mut length = None;
    for line_end in memchr_iter(b'\n', received) {
        let Some(line) = received[line_start..line_end].strip_suffix(b"\r") else { return Verdict::Wrong };
        if line_start == 0 {
            if !line.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with(status)) {
                return Verdict::Wrong;
            }
        } else if line.is_empty() {
            let Some(length) = length else { return Verdict::Wrong };
            return judge_body(received, line_end + 1, length, body);
        } else if let Some(value) = content_length(line) {
            if length.is_some() {
                return Verdict::Wrong;
            }
            length = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
        }
        line_start = line_end + 1;
    }
    Verdict::Incomplete
}

fn judge_body(received: &[u8], start: usize, length: usize, body: Option<&[u8]>) -> Verdict {
    if body.is_some_and(|body| body.len() != length) {
        return Verdict::Wrong;
    }
    let come = &received[start..];
    match (come.get(..length), body) {
        (Some(came), Some(body)) if came != body => Verdict::Wrong,
        (Some(_), _) => Verdict::Right(start + length),
        (None, Some(body)) if !body.starts_with(come) => Verdict::Wrong,
        (None, _) => Verdict::Incomplete,
    }
}

/// The value of a Content-Length line.
fn content_length(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    name.eq_ignore_ascii_case(NAME).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Incomplete, Right, Wrong};
    use super::{judge_bytes, judge_http};

    const HIT: &[u8] =
        b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 5\r\nDate: now\r\n\r\nvalueHTTP/1.1 200 OK\r\n";
    const HIT_BYTES: usize = HIT.len() - 17;

    #[test]
    fn the_right_bytes_are_right_and_what_follows_is_left() {
        assert_eq!(judge_bytes(b"$1\r\na\r\n$2\r\n", b"$1\r\na\r\n"), Right(7));
        assert_eq!(judge_http(HIT, b"200", Some(b"value")), Right(HIT_BYTES));
    }

    #[test]
    fn a_wrong_value_is_noticed() {
        assert_eq!(judge_bytes(b"$1\r\nb\r\n", b"$1\r\na\r\n"), Wrong);
        assert_eq!(judge_http(HIT, b"200", Some(b"vaLue")), Wrong);
        assert_eq!(judge_http(HIT, b"200", Some(b"value2")), Wrong, "the right value is longer");
        assert_eq!(judge_http(HIT, b"200", Some(b"valu")), Wrong, "the right value is shorter");
    }

    #[test]
    fn an_answer_waits_at_every_cut_until_it_is_whole() {
        let answer = b"VALUE k 0 1\r\na\r\nEND\r\n";
        for cut in 0..answer.len() {
            assert_eq!(judge_bytes(&answer[..cut], answer), Incomplete, "cut at {cut}");
        }
        for cut in 0..HIT_BYTES {
            assert_eq!(judge_http(&HIT[..cut], b"200", Some(b"value")), Incomplete, "cut at {cut}");
        }
    }

    #[test]
    fn a_wrong_beginning_is_not_waited_for() {
        assert_eq!(judge_bytes(b"-ERR", b"$1\r\na\r\n"), Wrong);
        let (head, _) = HIT.split_at(HIT_BYTES - 5);
        assert_eq!(judge_http(&[head, b"vaX"].concat(), b"200", Some(b"value")), Wrong);
    }

    #[test]
    fn a_miss_is_a_miss_and_a_hit_is_a_hit() {
        let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nKey not found";
        assert_eq!(judge_http(missing, b"404", None), Right(missing.len()));
        assert_eq!(judge_http(missing, b"200", Some(b"Key not found")), Wrong);
        assert_eq!(judge_http(HIT, b"404", None), Wrong);
        assert_eq!(judge_bytes(b"$-1\r\n", b"$-1\r\n"), Right(5));
        assert_eq!(judge_bytes(b"$-1\r\n", b"$1\r\na\r\n"), Wrong);
        assert_eq!(judge_bytes(b"$1\r\na\r\n", b"$-1\r\n"), Wrong);
    }

    #[test]
    fn an_answer_of_http_needs_one_length_and_whole_line_ends() {
        assert_eq!(judge_http(b"HTTP/1.1 200 OK\r\n\r\n", b"200", Some(b"")), Wrong);
        assert_eq!(judge_http(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"200", Some(b"")), Wrong);
        let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(judge_http(twice, b"200", Some(b"")), Wrong);
        assert_eq!(judge_http(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"200", Some(b"")), Wrong);
    }
}
