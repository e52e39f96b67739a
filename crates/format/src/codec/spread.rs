//! Moving the numbers of a string of bits apart, eight at a time, each into a byte of its own.

/// How eight numbers of up to eight bits, one behind the other, are moved apart: in three steps,
/// each of which parts every run of numbers into two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    steps: [Step; 3],
    /// Where the numbers come to be.
    pub(crate) mask: u64,
}

/// The first halves stay, the second are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    shift: u32,
    stays: u64,
    moved: u64,
}

impl Spread {
    /// For numbers of `bits` bits, at most eight.
    pub(crate) fn new(bits: u32) -> Self {
        let step = |width: u32, run: u32| {
            let lanes = (0..64).step_by(2 * width as usize);
            let stays = lanes.fold(0, |mask, at| mask | u64::MAX.unbounded_shr(64 - run) << at);
            Step { shift: width - run, stays, moved: stays << width }
        };
        let last = step(8, bits);
        Self { steps: [step(32, 4 * bits), step(16, 2 * bits), last], mask: last.stays | last.moved }
    }

    /// The lowest eight numbers of `word`, the first in the lowest byte.
    #[inline(always)]
    pub(crate) fn apply(&self, mut word: u64) -> u64 {
        for Step { shift, stays, moved } in self.steps {
            word = word & stays | word << shift & moved;
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_are_moved_apart() {
        for bits in 0..=8_u32 {
            for word in [u64::MAX, 0x0123_4567_89AB_CDEF, 0x5555_5555_5555_5555, 0x8000_0000_0000_0001] {
                let number = |i: u32| word.unbounded_shr(i * bits) & u64::MAX.unbounded_shr(64 - bits);
                let expected = (0..8).fold(0, |all, i| all | number(i) << (8 * i));
                assert_eq!(expected & !Spread::new(bits).mask, 0);
                assert_eq!(Spread::new(bits).apply(word), expected, "{bits} bits of {word:x}");
            }
        }
    }
}
