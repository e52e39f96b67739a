//! The server's mouth: replies in RESP2 and RESP3. Nothing here fails, and nothing allocates but the output itself.

use super::Version;
use crate::decimal;

/// The end of every line and of every bulk string.
pub const CRLF: &[u8] = b"\r\n";

/// Appends `+OK`.
pub fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// Appends a simple string: a word without line ends, which are written as blanks.
pub fn simple(out: &mut Vec<u8>, text: &[u8]) {
    line(out, b'+', text);
}

/// Appends an error: its code in capitals, a blank, and what happened. Line ends are written as blanks.
pub fn error(out: &mut Vec<u8>, text: &[u8]) {
    line(out, b'-', text);
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(CRLF);
}

/// Appends an integer.
pub fn integer(out: &mut Vec<u8>, number: i64) {
    out.push(b':');
    decimal::push(out, number);
    out.extend_from_slice(CRLF);
}

/// Appends a bulk string.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 32);
    bulk_head(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(CRLF);
}

/// Appends a bulk string of the first `len` of `bytes`. Where these go on far enough behind it, a short one costs no call: a
/// fixed number of bytes is copied, and what is too much is cut off.
#[inline]
pub fn bulk_prefix(out: &mut Vec<u8>, bytes: &[u8], len: usize) {
    const SHORT: usize = 32;
    let (Some(text), true) = (bytes.first_chunk::<SHORT>(), len <= SHORT) else {
        return bulk(out, &bytes[..len]);
    };
    // `$32`, two ends of lines and the text.
    let mut reply = [0; SHORT + 16];
    let digit = |digit: usize| b'0' + (digit % 10) as u8;
    let start = if len < 10 {
        reply[..4].copy_from_slice(&[b'$', digit(len), b'\r', b'\n']);
        reply[4..4 + SHORT].copy_from_slice(text);
        4
    } else {
        reply[..5].copy_from_slice(&[b'$', digit(len / 10), digit(len), b'\r', b'\n']);
        reply[5..5 + SHORT].copy_from_slice(text);
        5
    };
    let end = start + len;
    reply[end..end + 2].copy_from_slice(CRLF);
    let before = out.len();
    out.extend_from_slice(&reply);
    out.truncate(before + end + 2);
}

/// Appends what stands before a bulk string of `len` bytes; the bytes and [`CRLF`] follow by other means.
#[inline]
pub fn bulk_head(out: &mut Vec<u8>, len: usize) {
    out.push(b'$');
    decimal::push_len(out, len);
    out.extend_from_slice(CRLF);
}

/// Appends a number with a fraction. RESP2 has no type of its own for it.
pub fn double(out: &mut Vec<u8>, version: Version, number: f64) {
    let text = number.to_string();
    if version == Version::Resp2 {
        return bulk(out, text.as_bytes());
    }
    out.push(b',');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(CRLF);
}

/// Appends a text that is meant for people. RESP2 has no type of its own for it.
pub fn verbatim(out: &mut Vec<u8>, version: Version, text: &[u8]) {
    if version == Version::Resp2 {
        return bulk(out, text);
    }
    out.push(b'=');
    decimal::push_len(out, text.len() + 4);
    out.extend_from_slice(b"\r\ntxt:");
    out.extend_from_slice(text);
    out.extend_from_slice(CRLF);
}

/// Appends "there is no such value".
#[inline]
pub fn null(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(match version {
        Version::Resp2 => b"$-1\r\n",
        Version::Resp3 => b"_\r\n",
    });
}

/// Appends "there is no such array".
pub fn null_array(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(match version {
        Version::Resp2 => b"*-1\r\n",
        Version::Resp3 => b"_\r\n",
    });
}

/// Appends the announcement of an array of `count` replies, which follow.
pub fn array_head(out: &mut Vec<u8>, count: usize) {
    head(out, b'*', count);
}

/// Appends the announcement of a set of `count` replies, which follow. RESP2 has an array of them.
pub fn set_head(out: &mut Vec<u8>, version: Version, count: usize) {
    head(out, if version == Version::Resp2 { b'*' } else { b'~' }, count);
}

/// Appends the announcement of a message of `count` parts, which follow, that answers no command.
/// RESP2 has an array of them.
pub fn push_head(out: &mut Vec<u8>, version: Version, count: usize) {
    head(out, if version == Version::Resp2 { b'*' } else { b'>' }, count);
}

/// Appends the announcement of a map of `pairs` keys and values, which follow in turn. RESP2 has an array of both.
pub fn map_head(out: &mut Vec<u8>, version: Version, pairs: usize) {
    match version {
        Version::Resp2 => head(out, b'*', pairs * 2),
        Version::Resp3 => head(out, b'%', pairs),
    }
}

fn head(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    decimal::push(out, count);
    out.extend_from_slice(CRLF);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_bulk_string_is_written_as_a_long_one_whatever_lies_behind_it() {
        let bytes: Vec<u8> = (0..200).collect();
        for len in 0..120 {
            for behind in [0, 1, 31, 32, 80] {
                let (mut expected, mut found) = (b"before".to_vec(), b"before".to_vec());
                bulk(&mut expected, &bytes[..len]);
                bulk_prefix(&mut found, &bytes[..len + behind], len);
                assert_eq!(found, expected);
            }
        }
    }
}
