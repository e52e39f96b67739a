//! Request targets: path and query apart, and keys in them escaped and unescaped.
//!
//! Written here and not taken from a crate, because the crates decode `+` and `%` leniently and into allocations of their
//! own, and an answer must never be the value of another key than the one that was asked for.

/// Where in a target an escaped key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriComponent {
    /// In the path: `%XX` is a byte, everything else is itself.
    Path,
    /// In the query: `%XX` is a byte, and `+` is a space.
    Query,
}

/// A `%` that is not followed by two hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape;

impl std::fmt::Display for BadEscape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a % is not followed by two hexadecimal digits")
    }
}

impl std::error::Error for BadEscape {}

/// The path of a request target and its query, if there is a `?`. The absolute form (`http://host/path`) loses its
/// scheme and host; nothing is normalised or decoded.
#[inline]
pub fn split_target(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    if let Some(query) = target.strip_prefix(b"/?") {
        return (b"/", Some(query));
    }
    let target = if target.starts_with(b"/") { target } else { origin_form(target) };
    match memchr::memchr(b'?', target) {
        // `http://host?query` asks for the root.
        Some(0) => (b"/", Some(&target[1..])),
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

#[cold]
fn origin_form(target: &[u8]) -> &[u8] {
    let after_scheme = match split_scheme(target) {
        Some((scheme, rest)) if is_http(scheme) => rest,
        _ => return target,
    };
    match memchr::memchr2(b'/', b'?', after_scheme) {
        Some(at) => &after_scheme[at..],
        None => b"/",
    }
}

/// What stands before and behind the first `://`.
pub(super) fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(target, b"://")?;
    Some((&target[..at], &target[at + 3..]))
}

pub(super) fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

/// The escaped value of the first parameter called `name` in a query that has one: an empty value is none, and neither is a
/// parameter without `=`.
#[inline]
pub fn find_parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // As a rule it is the first of one.
    if let Some(value) = query.strip_prefix(name).and_then(|behind| behind.strip_prefix(b"=")) {
        let value = &value[..memchr::memchr(b'&', value).unwrap_or(value.len())];
        if !value.is_empty() {
            return Some(value);
        }
    }
    search_parameter(query, name)
}

fn search_parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = query;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let (pair, after) = (&rest[..end], rest.get(end + 1..));
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (found, value) = (&pair[..equals], pair.get(equals + 1..).unwrap_or(&[]));
        let is_found = found == name || (!is_plain(found, UriComponent::Query) && spells(found, name));
        if is_found && !value.is_empty() {
            return Some(value);
        }
        rest = after?;
    }
}

fn spells(escaped: &[u8], name: &[u8]) -> bool {
    let mut room = Vec::new();
    unescape(escaped, UriComponent::Query, &mut room) == Ok(name)
}

/// Whether nothing in `escaped` is escaped, so that it stands for itself.
#[inline]
pub fn is_plain(escaped: &[u8], place: UriComponent) -> bool {
    match place {
        UriComponent::Path => memchr::memchr(b'%', escaped).is_none(),
        UriComponent::Query => memchr::memchr2(b'%', b'+', escaped).is_none(),
    }
}

/// The bytes that `escaped` stands for, decoded once: itself when nothing in it is escaped, else decoded into `room`,
/// whose former bytes are dropped.
///
/// # Errors
/// [`BadEscape`] when a `%` is not followed by two hexadecimal digits.
pub fn unescape<'a>(
    escaped: &'a [u8],
    place: UriComponent,
    room: &'a mut Vec<u8>,
) -> Result<&'a [u8], BadEscape> {
    if is_plain(escaped, place) {
        return Ok(escaped);
    }
    room.clear();
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        room.push(match byte {
            b'%' => {
                let [high, low] = [bytes.next(), bytes.next()].map(|digit| digit.copied().and_then(hex));
                high.ok_or(BadEscape)? << 4 | low.ok_or(BadEscape)?
            }
            b'+' if place == UriComponent::Query => b' ',
            byte => byte,
        });
    }
    Ok(room)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Appends `key` escaped so that it stands for itself in a path as well as in a query: letters, digits and `-._~` as they
/// are, every other byte as `%XX`.
pub fn escape(key: &[u8], out: &mut Vec<u8>) {
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
