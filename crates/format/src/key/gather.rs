//! Taking the bits under a mask out of a number, and putting them back.

use super::permute::Halves;
use crate::cpu::Cpu;

/// The bits under a mask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    high: u64,
    low: u64,
    low_width: u32,
    /// Of the bits moved together, how many are the low half.
    half_bits: u32,
    half_mask: u64,
    /// Whether the low half comes from the low word of the number alone.
    low_is_low: bool,
}

impl Gather {
    pub(crate) fn new(mask: u128) -> Self {
        let (high, low) = ((mask >> 64) as u64, mask as u64);
        Self { high, low, low_width: low.count_ones(), half_bits: 0, half_mask: 0, low_is_low: false }
    }

    /// The same, which makes halves of the bits: the lower of so many bits, at most 64, the other
    /// of as many at most.
    pub(crate) fn halved(self, half_bits: u32) -> Self {
        let low_is_low = half_bits > 0 && half_bits <= self.low_width;
        Self { half_bits, half_mask: u64::MAX.unbounded_shr(64 - half_bits), low_is_low, ..self }
    }

    /// The number of bits under the mask.
    pub(crate) fn width(&self) -> u32 {
        self.high.count_ones() + self.low_width
    }

    /// The bits under the mask, moved together, in two halves.
    #[inline(always)]
    pub(crate) fn gather(&self, cpu: impl Cpu, number: u128) -> Halves {
        let high = cpu.gather((number >> 64) as u64, self.high);
        let low = cpu.gather(number as u64, self.low);
        if !self.low_is_low {
            return self.halves(u128::from(high) << self.low_width | u128::from(low));
        }
        // The shifts of one word for most masks: those of two take four times the instructions.
        let moved = low >> 1 >> (self.half_bits - 1);
        Halves { high: high << (self.low_width - self.half_bits) | moved, low: low & self.half_mask }
    }

    #[inline(never)]
    fn halves(&self, gathered: u128) -> Halves {
        Halves { high: (gathered >> self.half_bits) as u64, low: gathered as u64 & self.half_mask }
    }

    /// The inverse of [`Self::gather`], of the halves one behind the other; the bits outside the
    /// mask are 0.
    pub(crate) fn scatter(&self, gathered: u128) -> u128 {
        let high = scatter((gathered >> self.low_width) as u64, self.high);
        u128::from(high) << 64 | u128::from(scatter(gathered as u64, self.low))
    }
}

fn scatter(gathered: u64, mask: u64) -> u64 {
    let (mut number, mut width, mut rest) = (0, 0, mask);
    while rest != 0 {
        let start = rest.trailing_zeros();
        let bits = (rest >> start).trailing_ones();
        number |= (gathered >> width & u64::MAX >> (64 - bits)) << start;
        width += bits;
        rest &= u64::MAX.unbounded_shl(start + bits);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Portable;

    fn naive(number: u128, mask: u128) -> u128 {
        let bits = (0..128).filter(|bit| mask >> bit & 1 == 1);
        bits.enumerate().fold(0, |gathered, (to, from)| gathered | (number >> from & 1) << to)
    }

    #[test]
    fn bits_are_gathered_and_scattered_back() {
        let number = 0x8a35_eb59_62b3_481c_8875_1f24_8df4_c952_u128;
        let v4 = !(0xF << 76 | 0x3 << 62);
        for mask in [0, 1, 1 << 127, u128::MAX, v4, 0xF0F0 << 60, u128::from(u64::MAX), u128::MAX / 3] {
            let width = mask.count_ones();
            for half_bits in width.saturating_sub(64)..=width.min(64) {
                let gather = Gather::new(mask).halved(half_bits);
                assert_eq!(gather.width(), width);
                let Halves { high, low } = gather.gather(Portable, number);
                let gathered = u128::from(high) << half_bits | u128::from(low);
                assert_eq!(gathered, naive(number, mask), "{mask:x} {half_bits}");
                assert_eq!(gather.scatter(gathered), number & mask, "{mask:x}");
            }
        }
    }
}
