//! One element of a reply at a time: what it is, where it ends, and the lazy walk over those that hold others.

use super::decode::{LengthPrefix, length};
use super::replies::{InvalidReply, Reply, ReplyWalk};
use crate::decimal;

/// The elements of an array, a set, a push or a map (keys and values in turn), read as they are asked for.
///
/// It is an iterator, and a cheap copy of it starts again where the original stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Items<'b> {
    bytes: &'b [u8],
    left: usize,
}

impl<'b> Items<'b> {
    /// `bytes` hold `left` whole elements, as the decoder has found.
    pub(super) fn new(bytes: &'b [u8], left: usize) -> Self {
        Self { bytes, left }
    }
}

impl<'b> Iterator for Items<'b> {
    type Item = Reply<'b>;

    fn next(&mut self) -> Option<Reply<'b>> {
        self.left = self.left.checked_sub(1)?;
        // The decoder has found these elements whole and right, so neither step can fail.
        let end = ReplyWalk::new().run(self.bytes, usize::MAX, usize::MAX).ok()??;
        let (element, rest) = self.bytes.split_at_checked(end)?;
        self.bytes = rest;
        whole(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl std::fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// The reply that `bytes` are, from first to last, attributes before it left out.
pub(super) fn whole(bytes: &[u8]) -> Option<Reply<'_>> {
    let mut at = 0;
    loop {
        match element(bytes, at) {
            Element::Leaf(reply, _) => return Some(reply),
            Element::Aggregate { kind: Aggregate::Attribute, next, count } => {
                let mut walk = ReplyWalk::new();
                at = next;
                for _ in 0..count * 2 {
                    at += walk.run(&bytes[at..], usize::MAX, usize::MAX).ok()??;
                }
            }
            Element::Aggregate { kind, next, count } => {
                let items = bytes.get(next..)?;
                return Some(match kind {
                    Aggregate::Array => Reply::Array(Items::new(items, count)),
                    Aggregate::Set => Reply::Set(Items::new(items, count)),
                    Aggregate::Push => Reply::Push(Items::new(items, count)),
                    Aggregate::Map | Aggregate::Attribute => Reply::Map(Items::new(items, count * 2)),
                });
            }
            Element::Unfinished | Element::Wrong(_) => return None,
        }
    }
}

/// What holds other elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Array,
    Set,
    Push,
    /// Counted in pairs.
    Map,
    /// Counted in pairs; stands before the element it belongs to.
    Attribute,
}

/// What stands at one place of a reply.
pub(super) enum Element<'b> {
    /// A reply that holds no others, and where it ends.
    Leaf(Reply<'b>, usize),
    /// The announcement of `count` others (or pairs), which begin at `next`.
    Aggregate {
        kind: Aggregate,
        next: usize,
        count: usize,
    },
    Unfinished,
    Wrong(InvalidReply),
}

/// Bytes of a line such as `+OK` or `-ERR …`, line end not counted.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;

pub(super) fn element(bytes: &[u8], at: usize) -> Element<'_> {
    let Some(&kind) = bytes.get(at) else { return Element::Unfinished };
    let aggregate = match kind {
        b'$' | b'=' | b'!' => return blob(bytes, at, kind),
        b'*' => Aggregate::Array,
        b'%' => Aggregate::Map,
        b'~' => Aggregate::Set,
        b'>' => Aggregate::Push,
        b'|' => Aggregate::Attribute,
        _ => return line(bytes, at, kind),
    };
    match length(bytes, at + 1) {
        LengthPrefix::Is(count, next) => Element::Aggregate { kind: aggregate, next, count },
        LengthPrefix::Unfinished => Element::Unfinished,
        LengthPrefix::Wrong => null_of_old(bytes, at, kind == b'*'),
    }
}

/// `$-1` and `*-1`, the nulls of RESP2.
fn null_of_old(bytes: &[u8], at: usize, allowed: bool) -> Element<'_> {
    const REST: &[u8] = b"-1\r\n";
    let found = &bytes[at + 1..bytes.len().min(at + 1 + REST.len())];
    match allowed && REST.starts_with(found) {
        true if found.len() == REST.len() => Element::Leaf(Reply::Null, at + 1 + REST.len()),
        true => Element::Unfinished,
        false => Element::Wrong(InvalidReply::Length),
    }
}

fn blob(bytes: &[u8], at: usize, kind: u8) -> Element<'_> {
    let (len, start) = match length(bytes, at + 1) {
        LengthPrefix::Is(len, start) => (len, start),
        LengthPrefix::Unfinished => return Element::Unfinished,
        LengthPrefix::Wrong => return null_of_old(bytes, at, kind == b'$'),
    };
    let end = start.saturating_add(len);
    match bytes.get(end..end.saturating_add(2)) {
        Some(b"\r\n") => {}
        Some(_) => return Element::Wrong(InvalidReply::BulkEnd),
        None => return Element::Unfinished,
    }
    let blob = &bytes[start..end];
    let reply = match (kind, blob) {
        (b'$', _) => Reply::Bulk(blob),
        (b'!', _) => Reply::Error(blob),
        (_, [a, b, c, b':', text @ ..]) => Reply::Verbatim { format: [*a, *b, *c], text },
        _ => return Element::Wrong(InvalidReply::Value),
    };
    Element::Leaf(reply, end + 2)
}

fn line(bytes: &[u8], at: usize, kind: u8) -> Element<'_> {
    if !matches!(kind, b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(') {
        return Element::Wrong(InvalidReply::UnknownType(kind));
    }
    let rest = &bytes[at + 1..];
    let window = &rest[..rest.len().min(LINE_BYTES_MAX + 1)];
    let Some(len) = memchr::memchr2(b'\r', b'\n', window) else {
        return match window.len() > LINE_BYTES_MAX {
            true => Element::Wrong(InvalidReply::LineTooLong),
            false => Element::Unfinished,
        };
    };
    match rest[len..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] => return Element::Unfinished,
        _ => return Element::Wrong(InvalidReply::LineEnd),
    }
    let text = &rest[..len];
    let reply = match (kind, text) {
        (b'+', _) => Some(Reply::Simple(text)),
        (b'-', _) => Some(Reply::Error(text)),
        (b':', _) => decimal::signed(text).map(Reply::Integer),
        (b'_', b"") => Some(Reply::Null),
        (b'#', b"t") => Some(Reply::Boolean(true)),
        (b'#', b"f") => Some(Reply::Boolean(false)),
        (b',', _) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map(Reply::Double),
        (b'(', _) => {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            all_digits.then_some(Reply::BigNumber(text))
        }
        _ => None,
    };
    match reply {
        Some(reply) => Element::Leaf(reply, at + 1 + len + 2),
        None => Element::Wrong(InvalidReply::Value),
    }
}
