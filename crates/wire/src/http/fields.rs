//! Header fields that are lists: all lines of one name together, what `Accept` and `Accept-Encoding` prefer, which tags
//! `If-None-Match` names.

/// The values of all `Accept` lines, of which there is one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept<'a>(pub(super) &'a [u8]);

/// The values of all `If-None-Match` lines, of which there is one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTags<'a>(pub(super) &'a [u8]);

pub(super) const ACCEPT: &str = "accept";
pub(super) const ACCEPT_ENCODING: &str = "accept-encoding";
pub(super) const AUTHORIZATION: &str = "authorization";
pub(super) const IF_NONE_MATCH: &str = "if-none-match";

impl Accept<'_> {
    /// How much a media type is wanted, such as `application/json`: from 0, not at all, to 1000. The range that says most
    /// about the type counts: `application/json` more than `application/*`, and that more than `*/*`.
    ///
    /// What is no media range is passed over, and a weight that is none is 0.
    pub fn quality_of(self, media_type: &str) -> u16 {
        self.range_of(media_type).1
    }

    /// Whether `media_type` is wanted rather than `other`, which is what is given by default: it is wanted more, or as much
    /// and by its name.
    pub fn prefer(self, media_type: &str, other: &str) -> bool {
        let (precision, quality) = self.range_of(media_type);
        let other = self.quality_of(other);
        quality > other || (quality == other && quality > 0 && precision == BY_NAME)
    }

    /// How precisely the range that counts says what it says about a media type, and what that is.
    fn range_of(self, media_type: &str) -> (u8, u16) {
        let main = media_type.split_once('/').map_or(media_type, |(main, _)| main);
        let ranges = members(ACCEPT, self.0).filter_map(|member| {
            let mut parts = parts(member, b';');
            let range = parts.next()?;
            let precision = if range.eq_ignore_ascii_case(media_type.as_bytes()) {
                BY_NAME
            } else if range.strip_suffix(b"/*").is_some_and(|of| of.eq_ignore_ascii_case(main.as_bytes())) {
                2
            } else if range == b"*/*" {
                1
            } else {
                return None;
            };
            Some((precision, weight(parts)))
        });
        ranges.max_by_key(|&(precision, _)| precision).unwrap_or((0, 0))
    }
}

impl EntityTags<'_> {
    /// Whether they name the entity tag, whose quotes are part of it, by the weak comparison that RFC 9110 wants here; `*`
    /// names every tag.
    pub fn name(self, tag: &[u8]) -> bool {
        let mut named = members(IF_NONE_MATCH, self.0);
        named.any(|member| member == b"*" || member.strip_prefix(b"W/").unwrap_or(member) == tag)
    }
}

/// The members of the list that is in all lines of one name: they are one list, as if their values stood in one line with
/// commas between them (RFC 9110, 5.3). `span` goes from the first value to the end of the last, with whatever lines there
/// are between them. A comma within quotes parts nothing.
fn members<'a>(name: &'static str, span: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let values = span.split(|&byte| byte == b'\n').enumerate().filter_map(move |(i, line)| {
        if i == 0 {
            return Some(line);
        }
        let (found, value) = line.split_at(memchr::memchr(b':', line)?);
        found.eq_ignore_ascii_case(name.as_bytes()).then(|| &value[1..])
    });
    values.flat_map(|value| parts(value, b',')).filter(|member| !member.is_empty())
}

/// A media range that is a media type.
const BY_NAME: u8 = 3;

/// The parts of `list` between `separator`s that stand outside of quotes, without the blanks around them.
fn parts(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == separator && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

/// The weight among the parameters of a member, in thousandths; all of them where there is none.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let weight = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at(memchr::memchr(b'=', parameter)?);
        name.trim_ascii().eq_ignore_ascii_case(b"q").then(|| value[1..].trim_ascii())
    });
    weight.map_or(1000, thousandths)
}

/// Whether the values of all `Accept-Encoding` lines, which are `span`, want `coding`, and want the content as it is no more
/// than that (RFC 9110, 12.5.3). `*` is every coding that is not named. A weight that is none is 0.
pub(super) fn wants_coding(span: &[u8], coding: &str) -> bool {
    let (mut named, mut any, mut identity) = (None, None, None);
    for member in members(ACCEPT_ENCODING, span) {
        let mut parts = parts(member, b';');
        let Some(name) = parts.next() else { continue };
        let place = if name.eq_ignore_ascii_case(coding.as_bytes()) {
            &mut named
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut identity
        } else if name == b"*" {
            &mut any
        } else {
            continue;
        };
        // Named twice, it is wanted as much as it is wanted least.
        let weight = weight(parts);
        *place = Some(place.map_or(weight, |before: u16| before.min(weight)));
    }
    let wanted = named.or(any).unwrap_or(0);
    wanted > 0 && wanted >= identity.unwrap_or(0)
}

/// A weight such as `0.5` in thousandths: 0 or 1, with up to three digits behind the point.
fn thousandths(weight: &[u8]) -> u16 {
    let (whole, digits) = match weight {
        [whole @ b'0'..=b'1'] => (whole, &[][..]),
        [whole @ b'0'..=b'1', b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return 0,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |i: usize| digits.get(i).map_or(0, |digit| u16::from(digit - b'0'));
    let part = digit(0) * 100 + digit(1) * 10 + digit(2);
    let weight = u16::from(whole - b'0') * 1000 + part;
    if weight <= 1000 { weight } else { 0 }
}
