//! An invertible mixing of the numbers of up to 128 bits: a Feistel network of three rounds over
//! two halves.
//!
//! Because it is invertible, a number's place in hash order and what is left of it name the number
//! exactly, so nothing but the remainder is stored (quotienting, as in Cleary's compact hashing,
//! 1984). Feistel networks are permutations whatever their round function (Luby and Rackoff,
//! 1988); the round function here is one folded multiplication.

/// Odd constants with irregular bits, one a round. On disk by their effect: never change.
const MULTIPLIERS: [u64; 3] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0xD6E8_FEB8_6659_FD93];

/// A permutation of the numbers below `1 << (high_bits + low_bits)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    low_bits: u32,
    high_mask: u64,
    low_mask: u64,
    keys: [u64; 3],
}

/// A permuted number in its two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Halves {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

impl Permutation {
    /// The permutation of numbers whose halves have so many bits, at most 64 each, that `seed`
    /// chooses.
    pub(crate) fn new(high_bits: u32, low_bits: u32, seed: u64) -> Self {
        let key = |round: u64| fold(seed ^ MULTIPLIERS[2], MULTIPLIERS[0].wrapping_mul(2 * round + 1));
        Self {
            low_bits,
            high_mask: ones(high_bits),
            low_mask: ones(low_bits),
            keys: [key(1), key(2), key(3)],
        }
    }

    /// Where the number goes that has these halves.
    #[inline(always)]
    pub(crate) fn forward(&self, Halves { mut high, mut low }: Halves) -> Halves {
        high ^= self.round(0, low) & self.high_mask;
        low ^= self.round(1, high) & self.low_mask;
        high ^= self.round(2, low) & self.high_mask;
        Halves { high, low }
    }

    /// Where a number came from: the inverse of [`Self::forward`].
    pub(crate) fn backward(&self, Halves { mut high, mut low }: Halves) -> u128 {
        high ^= self.round(2, low) & self.high_mask;
        low ^= self.round(1, high) & self.low_mask;
        high ^= self.round(0, low) & self.high_mask;
        u128::from(high) << self.low_bits | u128::from(low)
    }

    #[inline(always)]
    fn round(&self, round: usize, half: u64) -> u64 {
        fold(half ^ self.keys[round], MULTIPLIERS[round])
    }
}

/// The two halves of a 128-bit product, folded together; the low half's high bits are good, the
/// high half's low bits are good, and their sum spreads every input bit over all output bits.
#[inline(always)]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// A mask of the lowest `bits` bits, at most 64.
fn ones(bits: u32) -> u64 {
    u64::MAX.unbounded_shr(64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(permutation: &Permutation, number: u128) -> Halves {
        let high = (number >> permutation.low_bits) as u64;
        permutation.forward(Halves { high, low: number as u64 & permutation.low_mask })
    }

    #[test]
    fn every_width_is_permuted_and_comes_back() {
        for width in 0..=128_u32 {
            for low_bits in [width / 2, width.saturating_sub(64), width.min(64)] {
                let permutation = Permutation::new(width - low_bits, low_bits, 7);
                for i in 0..50_u128 {
                    let spread = i.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
                    let number = spread & u128::MAX.unbounded_shr(128 - width);
                    let mixed = forward(&permutation, number);
                    assert_eq!(mixed.high & !ones(width - low_bits), 0, "width {width}");
                    assert_eq!(mixed.low & !ones(low_bits), 0, "width {width}");
                    assert_eq!(permutation.backward(mixed), number, "width {width}");
                }
            }
        }
    }

    #[test]
    fn small_widths_are_permuted_without_a_collision() {
        for width in 1..=16 {
            let permutation = Permutation::new(width - width / 2, width / 2, 1);
            let mut seen = vec![false; 1 << width];
            for number in 0..1_u128 << width {
                let Halves { high, low } = forward(&permutation, number);
                assert!(
                    !std::mem::replace(&mut seen[(high << (width / 2) | low) as usize], true),
                    "width {width}"
                );
            }
        }
    }

    #[test]
    fn consecutive_numbers_spread_over_the_buckets_as_chance_would() {
        for (width, step) in [(122, 1_u128), (122, 1 << 60), (64, 1), (64, 1 << 20), (128, 1 << 100), (40, 1)]
        {
            let permutation = Permutation::new(width - width / 2, width / 2, 0);
            let mut counts = vec![0_u32; 1 << 12];
            for i in 0..1_u128 << 15 {
                let number = i.wrapping_mul(step) & u128::MAX >> (128 - width);
                counts[(forward(&permutation, number).high >> (width - width / 2 - 12)) as usize] += 1;
            }
            let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 8.0).powi(2) / 8.0).sum();
            // 4,095 degrees of freedom: the mean is 4,095, the deviation 90.
            assert!((3_600.0..4_600.0).contains(&chi), "width {width} step {step}: {chi}");
        }
    }
}
