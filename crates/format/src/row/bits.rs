//! Numbers of any width in the fixed part of a row: the first bit is the lowest of the first byte.

use crate::codec::load;

/// How many bits all numbers up to `most` need.
pub(crate) fn bits_for(most: u64) -> u32 {
    u64::BITS - most.leading_zeros()
}

/// The `width` bits, at most 64, that begin at bit `at`; behind the end there are zeros.
#[inline(always)]
pub(crate) fn get(bytes: &[u8], at: usize, width: u32) -> u64 {
    let (byte, shift) = (at / 8, (at % 8) as u32);
    let mut number = load(bytes, byte) >> shift;
    if shift + width > 64 {
        let behind = bytes.get(byte + 8).copied().unwrap_or_default();
        number |= u64::from(behind) << (64 - shift);
    }
    if width < 64 { number & ((1 << width) - 1) } else { number }
}

/// Writes the `width` lowest bits of `number` at bit `at`, where there are zeros.
pub(crate) fn put(bytes: &mut [u8], at: usize, width: u32, number: u64) {
    let number = if width < 64 { number & ((1 << width) - 1) } else { number };
    let shifted = u128::from(number) << (at % 8);
    let touched = (at % 8 + width as usize).div_ceil(8);
    for (byte, more) in bytes[at / 8..][..touched].iter_mut().zip(shifted.to_le_bytes()) {
        *byte |= more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_were_written() {
        for width in 0..=64 {
            for at in 0..20 {
                let number = 0xDEAD_BEEF_1234_5677_u64 & if width < 64 { (1 << width) - 1 } else { u64::MAX };
                let mut bytes = vec![0; (at + width as usize).div_ceil(8)];
                put(&mut bytes, at, width, number);
                assert_eq!(get(&bytes, at, width), number, "{width} at {at}");
                let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
                assert_eq!(ones, number.count_ones());
            }
        }
        assert_eq!(
            (bits_for(0), bits_for(1), bits_for(2), bits_for(255), bits_for(u64::MAX)),
            (0, 1, 2, 8, 64)
        );
        assert_eq!(get(&[1], 100, 64), 0);
    }
}
