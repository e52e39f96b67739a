//! Decimal numbers as text: exact, without signs, spaces or zeros that the language at hand does not allow.

/// The value of a run of ASCII digits; leading zeros are allowed, a sign is not.
#[inline]
pub(crate) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The value of a run of ASCII digits with an optional `-` before it.
pub(crate) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(unsigned(digits)?),
        None => unsigned(text)?.try_into().ok(),
    }
}

/// The value of an integer written the one way that Redis writes it: no leading zero, no `-0`.
pub(crate) fn canonical(text: &[u8]) -> Option<i64> {
    match text {
        b"0" => Some(0),
        [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => signed(text),
        _ => None,
    }
}

/// The two digits of every number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut i = 0;
    while i < pairs.len() {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Appends a length as decimal text. Most have one digit or two.
#[inline]
pub(crate) fn push_len(out: &mut Vec<u8>, len: usize) {
    match len {
        0..10 => out.push(b'0' + len as u8),
        10..100 => out.extend_from_slice(&PAIRS[len]),
        _ => push_long(out, len),
    }
}

/// Apart, so that its room is not made for short ones.
#[inline(never)]
fn push_long(out: &mut Vec<u8>, len: usize) {
    push(out, len);
}

/// Appends `number` as decimal text.
pub(crate) fn push(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_runs_of_digits_are_numbers() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"007"), Some(7));
        for text in
            [&b""[..], b"+5", b"-5", b" 5", b"5 ", b"18446744073709551616", b"0x1", b"1/", b"1:", b"\xff"]
        {
            assert_eq!(unsigned(text), None, "{text:?}");
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        for text in [&b"-"[..], b"--1", b"+1", b"9223372036854775808", b""] {
            assert_eq!(signed(text), None, "{text:?}");
        }
    }

    #[test]
    fn lengths_are_written_as_all_numbers_are() {
        for len in (0..1_100).chain([99_999, usize::MAX]) {
            let mut out = b"$".to_vec();
            push_len(&mut out, len);
            assert_eq!(out, format!("${len}").as_bytes());
        }
    }

    #[test]
    fn a_canonical_number_has_one_spelling() {
        assert_eq!(canonical(b"0"), Some(0));
        assert_eq!(canonical(b"-12"), Some(-12));
        for text in [&b"00"[..], b"01", b"-0", b"-01", b"+1", b"-", b""] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }
}
