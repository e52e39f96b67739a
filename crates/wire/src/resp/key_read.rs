//! The two commands that a server of a table hears most, read at once where they are spelled as nearly every client spells
//! them: their names and lengths are compared as words, and no argument is gone through twice.

use super::decode::RequestDecoder;
use super::hash::{HashPart, HashRead};
use super::{Command, Limits};

/// A read of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRead<'b> {
    /// `GET key`.
    Value {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `HGET key field`.
    Field {
        /// The key asked for.
        key: &'b [u8],
        /// The field of its hash.
        field: &'b [u8],
    },
}

impl<'b> From<KeyRead<'b>> for Command<'b> {
    /// The command that it is.
    fn from(read: KeyRead<'b>) -> Self {
        match read {
            KeyRead::Value { key } => Self::Get { key },
            KeyRead::Field { key, field } => {
                Self::Hash(HashRead { command: "hget", key, part: HashPart::Field(field) })
            }
        }
    }
}

/// What `GET` and `HGET` begin with up to their names.
const GET: u64 = u64::from_le_bytes(*b"*2\r\n$3\r\n");
const HGET: u64 = u64::from_le_bytes(*b"*3\r\n$4\r\n");

/// Their names in lower case and what follows, up to the length of the key.
const GET_NAME: u64 = u64::from_le_bytes(*b"get\r\n$\0\0");
const HGET_NAME: u64 = u64::from_le_bytes(*b"hget\r\n$\0");

/// The bits that tell lower case from upper in each of the names, and the bytes that they have.
const GET_CASE: u64 = u64::from_le_bytes(*b"   \0\0\0\0\0");
const HGET_CASE: u64 = u64::from_le_bytes(*b"    \0\0\0\0");
const GET_BYTES: u64 = (1 << (8 * 6)) - 1;
const HGET_BYTES: u64 = (1 << (8 * 7)) - 1;

/// Arguments above this length are left to the decoder.
const ARG_BYTES_MAX: usize = 99;

/// The longest of these requests.
const REQUEST_BYTES_MAX: usize = 16 + 2 * (ARG_BYTES_MAX + 7);

/// Whether no such request passes a limit.
pub(super) fn fit(limits: &Limits) -> bool {
    limits.args_max >= 3
        && limits.arg_bytes_max >= ARG_BYTES_MAX
        && limits.request_bytes_max >= REQUEST_BYTES_MAX
}

impl RequestDecoder {
    /// The `GET` or `HGET` that `bytes` begin with, and its length, where both of its arguments are short and it is here as a
    /// whole. What is not read so is for [`decode`](Self::decode), which reads these too and comes to the same.
    ///
    /// ```
    /// use graven_wire::resp::{KeyRead, Limits, RequestDecoder};
    ///
    /// let decoder = RequestDecoder::new(Limits::default());
    /// let bytes = b"*3\r\n$4\r\nHGET\r\n$5\r\nhello\r\n$2\r\nid\r\n";
    /// assert_eq!(decoder.key_read(bytes), Some((KeyRead::Field { key: b"hello", field: b"id" }, bytes.len())));
    /// assert_eq!(decoder.key_read(b"*1\r\n$4\r\nPING\r\n"), None);
    /// ```
    #[inline]
    pub fn key_read<'b>(&self, bytes: &'b [u8]) -> Option<(KeyRead<'b>, usize)> {
        if !self.is_between_short_reads() {
            return None;
        }
        let (words, _) = bytes.first_chunk::<16>()?.as_chunks::<8>();
        let (shape, name) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
        if shape == GET && (name | GET_CASE) & GET_BYTES == GET_NAME {
            let (key, end) = argument(bytes, 14)?;
            return Some((KeyRead::Value { key }, end));
        }
        if shape == HGET && (name | HGET_CASE) & HGET_BYTES == HGET_NAME {
            let (key, end) = argument(bytes, 15)?;
            if bytes.get(end) != Some(&b'$') {
                return None;
            }
            let (field, end) = argument(bytes, end + 1)?;
            return Some((KeyRead::Field { key, field }, end));
        }
        None
    }
}

/// The argument whose length of one digit or two is at `at`, and where what follows begins.
#[inline(always)]
fn argument(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    const LINE_END: u32 = u16::from_le_bytes(*b"\r\n") as u32;
    let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let first = (word & 0xFF).wrapping_sub(u32::from(b'0'));
    let second = (word >> 8 & 0xFF).wrapping_sub(u32::from(b'0'));
    let (len, start) = if word >> 16 == LINE_END && first.wrapping_sub(1) < 9 && second < 10 {
        (first * 10 + second, at + 4)
    } else if word >> 8 & 0xFFFF == LINE_END && first < 10 {
        (first, at + 3)
    } else {
        return None;
    };
    let end = start + len as usize;
    let (argument, rest) = bytes.get(start..)?.split_at_checked(len as usize)?;
    (rest.first_chunk() == Some(b"\r\n")).then_some((argument, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decoded;
    use crate::resp::{Request, request};

    fn command(arguments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        request::encode(&mut bytes, arguments.iter().copied());
        bytes
    }

    /// What is read at once is what the decoder reads, and nothing is read of what it refuses or waits for.
    fn same(bytes: &[u8], limits: Limits) -> Option<usize> {
        let (read, end) = RequestDecoder::new(limits).key_read(bytes)?;
        let mut decoder = RequestDecoder::new(limits);
        let Decoded::Message(Request::Command(args), consumed) = decoder.decode(bytes) else {
            panic!("{}", bytes.escape_ascii());
        };
        assert_eq!((Command::parse(args), consumed), (Ok(read.into()), end), "{}", bytes.escape_ascii());
        Some(end)
    }

    #[test]
    fn reads_of_keys_are_read_at_once_as_the_decoder_reads_them() {
        let limits = Limits::default();
        for len in [0, 1, 8, 9, 10, 11, 36, 98, 99] {
            let (key, field) = (vec![b'k'; len], vec![b'\n'; 99 - len]);
            for name in ["GET", "get", "gEt"] {
                let bytes = command(&[name.as_bytes(), &key]);
                assert_eq!(same(&bytes, limits), Some(bytes.len()));
            }
            for name in ["HGET", "hget", "hGeT"] {
                let bytes = [command(&[name.as_bytes(), &key, &field]), b"*1\r\n".to_vec()].concat();
                assert_eq!(same(&bytes, limits), Some(bytes.len() - 4));
                for cut in 0..bytes.len() - 4 {
                    assert_eq!(same(&bytes[..cut], limits), None);
                }
            }
        }
    }

    #[test]
    fn what_is_anything_else_is_left_to_the_decoder() {
        let limits = Limits::default();
        let long = [b'k'; 100];
        for bytes in [
            command(&[b"GET", &long]),
            command(&[b"HGET", b"a key of some length", &long]),
            command(&[b"GET", b"a key", b"and another"]),
            command(&[b"HGET", b"a key of some length"]),
            command(&[b"HLEN", b"a key", b"and another"]),
            command(&[b"TTL", b"a key of some length"]),
            b"*2\r\n$3\r\nGET\r\n$05\r\n01234\r\n".to_vec(),
            b"*2\r\n$3\r\nGET\r\n$-1\r\n\r\n\r\n".to_vec(),
            // The byte behind `9` is no digit.
            [&b"*2\r\n$3\r\nGET\r\n$:\r\n"[..], &long[..10], b"\r\n"].concat(),
            [&b"*2\r\n$3\r\nGET\r\n$1:\r\n"[..], &long[..20], b"\r\n"].concat(),
            [&b"*2\r\n$3\r\nGET\r\n$:0\r\n"[..], &long, b"\r\n"].concat(),
            b"GET a-key-of-some-length\r\n".to_vec(),
        ] {
            assert_eq!(same(&bytes, limits), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn one_byte_that_is_another_makes_no_difference_to_the_decoder() {
        let mut read = 0;
        for bytes in [command(&[b"GET", b"hello"]), command(&[b"HGET", b"0123456789a", b"field"])] {
            for at in 0..bytes.len() {
                for byte in 0..=u8::MAX {
                    let mut bytes = bytes.clone();
                    bytes[at] = byte;
                    read += usize::from(same(&bytes, Limits::default()).is_some());
                }
            }
        }
        // Bytes of arguments, and letters of names in the other case.
        assert!(read > 21 * 256, "{read}");
    }

    #[test]
    fn limits_that_such_reads_could_pass_are_left_to_the_decoder() {
        let bytes = command(&[b"GET", b"hello"]);
        let limits = Limits::default();
        for limits in [
            Limits { args_max: 2, ..limits },
            Limits { arg_bytes_max: 98, ..limits },
            Limits { request_bytes_max: 200, ..limits },
        ] {
            assert_eq!(same(&bytes, limits), None);
        }
    }
}
