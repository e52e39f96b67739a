//! Comparing what a secret may be part of.

use std::hint::black_box;

/// Whether two texts are the same, in a time that depends on their lengths alone, so that nobody learns from it how much of a
/// secret was right. Sixteen bytes at a time; the crate `subtle` looks at each by itself, which is 700 instructions for a header.
///
/// ```
/// use graven_wire::http::is_same_secret;
///
/// assert!(is_same_secret(b"Bearer abc", b"Bearer abc"));
/// assert!(!is_same_secret(b"Bearer abc", b"Bearer abd") && !is_same_secret(b"Bearer abc", b"Bearer ab"));
/// ```
#[inline]
pub fn is_same_secret(one: &[u8], other: &[u8]) -> bool {
    const AT_ONCE: usize = 16;
    if one.len() != other.len() {
        return false;
    }
    let differ =
        |one: &[u8; AT_ONCE], other: &[u8; AT_ONCE]| u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
    let difference = match (one.last_chunk(), other.last_chunk()) {
        // The last sixteen overlap those before them.
        (Some(end), Some(other_end)) => {
            let chunks = one.as_chunks().0.iter().zip(other.as_chunks().0);
            chunks.fold(differ(end, other_end), |difference, (one, other)| difference | differ(one, other))
        }
        _ => one.iter().zip(other).fold(0, |difference, (one, other)| difference | u128::from(one ^ other)),
    };
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_anywhere_are_not_the_same() {
        for len in 0..100 {
            let text: Vec<u8> = (0..len).collect();
            assert!(is_same_secret(&text, &text.clone()));
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x80;
                assert!(!is_same_secret(&text, &other), "{place} of {len}");
                for second in place + 1..text.len() {
                    other[second] ^= 0x80;
                    assert!(!is_same_secret(&text, &other), "{place} and {second} of {len}");
                    other[second] ^= 0x80;
                }
            }
        }
        let header = b"Bearer 0123456789abcdef0123456789abcdef0123456789";
        assert!(is_same_secret(header, header) && is_same_secret(b"", b""));
        assert!(
            !is_same_secret(header, &header[1..]) && !is_same_secret(header, &header[..header.len() - 1])
        );
        for place in 0..header.len() {
            let mut other = *header;
            other[place] ^= 1;
            assert!(!is_same_secret(header, &other), "{place}");
        }
    }
}
