//! Keys that are numbers written out: UUIDs, fixed-length hexadecimal, decimal. Only the canonical
//! spelling of a number counts, so that a number and its text name each other.

/// Bytes of a UUID's text.
pub(crate) const UUID_BYTES: usize = 36;

const LOW: u64 = 0x0F0F_0F0F_0F0F_0F0F;
const ONE: u64 = 0x0101_0101_0101_0101;

/// The eight nibbles that eight lower-case hexadecimal digits stand for, one a byte, and whether
/// they all were digits: a word that is 0 where they were.
#[inline(always)]
fn nibbles(text: u64) -> (u64, u64) {
    let letter = (text >> 6) & ONE;
    let nibble = (text & LOW) + letter * 9;
    let above_nine = ((nibble + ONE * 6) >> 4) & ONE;
    let spelled = nibble + ONE * 0x30 + above_nine * 0x27;
    (nibble, (spelled ^ text) | (nibble & !LOW))
}

/// Packs eight nibbles, the first in the lowest byte, into 32 bits, the first in the highest.
#[inline(always)]
fn pack(nibbles: u64) -> u64 {
    let pairs = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF;
    let quads = (pairs << 8 | pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    (quads << 16 | quads >> 32) & 0xFFFF_FFFF
}

#[inline(always)]
fn word(text: &[u8; UUID_BYTES], at: usize) -> u64 {
    u64::from_le_bytes([
        text[at],
        text[at + 1],
        text[at + 2],
        text[at + 3],
        text[at + 4],
        text[at + 5],
        text[at + 6],
        text[at + 7],
    ])
}

#[inline(always)]
fn half(text: &[u8; UUID_BYTES], at: usize) -> u64 {
    u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]))
}

/// The number that a canonical lower-case UUID stands for.
#[inline(always)]
pub(crate) fn parse_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; UUID_BYTES] = text.try_into().ok()?;
    let (a, bad_a) = nibbles(word(text, 0));
    let (b, bad_b) = nibbles(half(text, 9) | half(text, 14) << 32);
    let (c, bad_c) = nibbles(half(text, 19) | half(text, 24) << 32);
    let (d, bad_d) = nibbles(word(text, 28));
    let dashes = u32::from_le_bytes([text[8], text[13], text[18], text[23]]) ^ 0x2D2D_2D2D;
    if (bad_a | bad_b | bad_c | bad_d | u64::from(dashes)) != 0 {
        return None;
    }
    Some(u128::from(pack(a) << 32 | pack(b)) << 64 | u128::from(pack(c) << 32 | pack(d)))
}

/// Eight lower-case hexadecimal digits, the first in the lowest byte: what [`nibbles`] and [`pack`]
/// make a number of.
#[inline(always)]
fn spell(number: u32) -> [u8; 8] {
    let quads = u64::from(number) << 32 | u64::from(number) >> 16;
    let quads = (quads & 0xFFFF_0000_0000) | (quads & 0xFFFF);
    let pairs = (quads >> 8 | quads << 16) & 0x00FF_00FF_00FF_00FF;
    let nibbles = (pairs >> 4 | pairs << 8) & LOW;
    let above_nine = ((nibbles + ONE * 6) >> 4) & ONE;
    (nibbles + ONE * 0x30 + above_nine * 0x27).to_le_bytes()
}

/// Appends the canonical text of a UUID.
#[inline]
pub(crate) fn write_uuid(number: u128, text: &mut Vec<u8>) {
    let [a, b, c, d] = [96, 64, 32, 0].map(|shift| spell((number >> shift) as u32));
    let mut spelled = [b'-'; UUID_BYTES];
    spelled[..8].copy_from_slice(&a);
    spelled[9..13].copy_from_slice(&b[..4]);
    spelled[14..18].copy_from_slice(&b[4..]);
    spelled[19..23].copy_from_slice(&c[..4]);
    spelled[24..28].copy_from_slice(&c[4..]);
    spelled[28..].copy_from_slice(&d);
    text.extend_from_slice(&spelled);
}

/// The number that `digits` lower-case hexadecimal digits, at most 32, stand for.
#[inline]
pub(crate) fn parse_hex(text: &[u8], digits: usize) -> Option<u128> {
    if text.len() != digits || digits > 32 {
        return None;
    }
    let mut number = 0_u128;
    for &byte in text {
        let nibble = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(nibble);
    }
    Some(number)
}

/// Appends the lowest `digits` hexadecimal digits of `number`, lower-case.
pub(crate) fn write_hex(number: u128, digits: usize, text: &mut Vec<u8>) {
    for i in (0..digits).rev() {
        let nibble = (number >> (4 * i)) as u8 & 0x0F;
        text.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

/// The number that a decimal without leading zeros stands for, below 2^64.
#[inline]
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u128> {
    match text {
        [] | [b'0', _, ..] => return None,
        _ if text.len() > 20 => return None,
        _ => {}
    }
    let mut number = 0_u128;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u128::from(byte - b'0');
    }
    (number <= u128::from(u64::MAX)).then_some(number)
}

/// Appends a number in decimal.
pub(crate) fn write_decimal(number: u128, text: &mut Vec<u8>) {
    text.extend_from_slice(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_and_spelled_back() {
        let text = b"8a35eb59-62b3-481c-8875-1f248df4c952";
        let number = parse_uuid(text).unwrap();
        assert_eq!(number, 0x8a35_eb59_62b3_481c_8875_1f24_8df4_c952);
        let mut back = Vec::new();
        write_uuid(number, &mut back);
        assert_eq!(back, text);
    }

    #[test]
    fn every_nibble_of_a_uuid_is_spelled_at_every_place() {
        for at in 0..32 {
            for nibble in 0..16_u128 {
                let number =
                    nibble << (4 * at) | 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210 & !(0xF << (4 * at));
                let (mut text, mut digits) = (Vec::new(), Vec::new());
                write_uuid(number, &mut text);
                write_hex(number, 32, &mut digits);
                text.retain(|&byte| byte != b'-');
                assert_eq!(text, digits);
            }
        }
    }

    #[test]
    fn any_other_byte_at_any_place_is_not_a_uuid() {
        let text = *b"8a35eb59-62b3-481c-8875-1f248df4c952";
        for at in 0..UUID_BYTES {
            for byte in 0..=255_u8 {
                let mut other = text;
                other[at] = byte;
                let canonical =
                    if text[at] == b'-' { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') };
                assert_eq!(parse_uuid(&other).is_some(), canonical, "{at} {byte}");
            }
        }
        assert_eq!(parse_uuid(&text[..35]), None);
    }

    #[test]
    fn only_the_canonical_spelling_of_a_decimal_counts() {
        assert_eq!(parse_decimal(b"0"), Some(0));
        assert_eq!(parse_decimal(b"18446744073709551615"), Some(u128::from(u64::MAX)));
        for text in
            [&b""[..], b"00", b"01", b"+1", b"1 ", b"18446744073709551616", b"99999999999999999999999"]
        {
            assert_eq!(parse_decimal(text), None);
        }
    }

    #[test]
    fn hexadecimal_keeps_its_length() {
        assert_eq!(parse_hex(b"00ff", 4), Some(255));
        assert_eq!(parse_hex(b"0ff", 4), None);
        assert_eq!(parse_hex(b"00FF", 4), None);
        let mut text = Vec::new();
        write_hex(255, 4, &mut text);
        assert_eq!(text, b"00ff");
    }
}
