//! `mg`: what was asked for, and the answer that is shaped by it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::decode::{Keys, Request};
use super::{KEY_BYTES_MAX, Mistake};
use crate::decimal;

/// A `mg` request, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MetaGet<'b> {
    key_as_sent: &'b [u8],
    /// The words behind the key.
    flags: &'b [u8],
    /// One bit for every flag, see [`bit`].
    asked: u64,
}

/// What there is to say about a value that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Bytes of the value.
    pub len: usize,
    /// Client flags (`f`).
    pub flags: u32,
    /// CAS number (`c`).
    pub cas: u64,
}

/// An opaque token takes no more bytes than this.
const OPAQUE_BYTES_MAX: usize = 31;

/// The bit of a flag, which is a letter.
const fn bit(flag: u8) -> u64 {
    1 << (flag - b'A')
}

/// Reads what follows `mg `.
#[inline]
pub(super) fn read(rest: &[u8]) -> Request<'_> {
    let mut words = Keys::of(rest);
    let Some(key) = words.next() else { return Request::Mistake(Mistake::Unknown) };
    if key.len() > KEY_BYTES_MAX {
        return Request::Mistake(Mistake::BadFormat);
    }
    let mut get = MetaGet { key_as_sent: key, flags: words.rest, asked: 0 };
    if words.rest == b" v" {
        // What most clients ask for.
        get.asked = bit(b'v');
        return Request::MetaGet(get);
    }
    for flag in words {
        let (Some(&letter @ b'A'..=b'z'), token) = (flag.first(), &flag[1..]) else {
            return Request::Mistake(Mistake::FlagInvalid);
        };
        if get.asked & bit(letter) != 0 {
            return Request::Mistake(Mistake::FlagTwice);
        }
        get.asked |= bit(letter);
        match letter {
            b'v' | b'k' | b'f' | b'c' | b's' | b't' | b'b' | b'q' | b'h' | b'l' | b'u' => {}
            b'O' if token.len() > OPAQUE_BYTES_MAX => return Request::Mistake(Mistake::OpaqueTooLong),
            b'O' => {}
            // A new expiry, a renewal when little time is left: nothing here expires.
            b'T' | b'R' if decimal::signed(token).is_some() => {}
            b'N' if decimal::signed(token).is_some() => {}
            b'T' | b'R' | b'N' => return Request::Mistake(Mistake::FlagToken),
            _ => return Request::Mistake(Mistake::FlagInvalid),
        }
    }
    if get.asked & bit(b'b') != 0 && STANDARD.decode_slice(key, &mut [0; KEY_BYTES_MAX]).is_err() {
        return Request::Mistake(Mistake::KeyEncoding);
    }
    if get.asked & bit(b'N') != 0 {
        // It would create an entry on a miss.
        return Request::Write { noreply: false };
    }
    Request::MetaGet(get)
}

impl<'b> MetaGet<'b> {
    /// The key that is meant. With the flag `b` it was sent as base64 and is decoded into `scratch`.
    #[inline]
    pub fn key<'s>(&self, scratch: &'s mut [u8; KEY_BYTES_MAX]) -> &'s [u8]
    where
        'b: 's,
    {
        if self.asked & bit(b'b') == 0 {
            return self.key_as_sent;
        }
        // The decoder has decoded this key before, so this cannot fail.
        let len = STANDARD.decode_slice(self.key_as_sent, scratch).unwrap_or(0);
        &scratch[..len]
    }

    /// The key as it was sent, when that is the key that is meant: without the flag `b`.
    #[inline]
    pub fn plain_key(&self) -> Option<&'b [u8]> {
        (self.asked & bit(b'b') == 0).then_some(self.key_as_sent)
    }

    /// Whether the value is wanted (`v`), not only word of it.
    #[inline]
    pub fn wants_value(&self) -> bool {
        self.asked & bit(b'v') != 0
    }

    /// Whether the CAS number is wanted (`c`).
    #[inline]
    pub fn wants_cas(&self) -> bool {
        self.asked & bit(b'c') != 0
    }

    /// Appends the answer to a hit: `VA` with the value where it is wanted, else `HD`.
    #[inline]
    pub fn hit(&self, out: &mut Vec<u8>, item: Item, value: &[u8]) {
        self.hit_head(out, item);
        if self.wants_value() {
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends the first line of the answer to a hit. When [`wants_value`](Self::wants_value), the value and CR LF follow
    /// by other means.
    #[inline]
    pub fn hit_head(&self, out: &mut Vec<u8>, item: Item) {
        if self.wants_value() {
            out.extend_from_slice(b"VA ");
            decimal::push_len(out, item.len);
        } else {
            out.extend_from_slice(b"HD");
        }
        // `v` and `q` alone put nothing on the line.
        if self.asked & !(bit(b'v') | bit(b'q')) != 0 {
            self.hit_flags(out, item);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the answer to a miss: `EN` with what identifies the request, nothing at all with `q`.
    #[inline]
    pub fn miss(&self, out: &mut Vec<u8>) {
        if self.asked & bit(b'q') != 0 {
            return;
        }
        out.extend_from_slice(b"EN");
        for flag in Keys::of(self.flags) {
            self.identify(out, flag);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn hit_flags(&self, out: &mut Vec<u8>, item: Item) {
        for flag in Keys::of(self.flags) {
            match flag[0] {
                b'f' => number(out, b" f", u64::from(item.flags)),
                b'c' => number(out, b" c", item.cas),
                b's' => number(out, b" s", item.len as u64),
                b't' => out.extend_from_slice(b" t-1"),
                // Nobody keeps count of who was here before.
                b'h' => out.extend_from_slice(b" h0"),
                b'l' => out.extend_from_slice(b" l0"),
                _ => self.identify(out, flag),
            }
        }
    }

    /// The flags that hits and misses share: the key and its encoding, the opaque token.
    fn identify(&self, out: &mut Vec<u8>, flag: &[u8]) {
        match flag[0] {
            b'k' => {
                out.extend_from_slice(b" k");
                out.extend_from_slice(self.key_as_sent);
            }
            b'b' => out.extend_from_slice(b" b"),
            b'O' => {
                out.push(b' ');
                out.extend_from_slice(flag);
            }
            _ => {}
        }
    }
}

fn number(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    decimal::push(out, number);
}

impl std::fmt::Debug for MetaGet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MetaGet({} {:?})", self.key_as_sent.escape_ascii(), Keys::of(self.flags))
    }
}
