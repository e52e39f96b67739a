//! The inner steps in plain Rust, for every processor.

use super::{Cpu, LANES};
use crate::codec::{Alphabet, UNPACKED};
use crate::key::digits;

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Cpu for Portable {
    #[inline(always)]
    fn parse_uuid(self, text: &[u8]) -> Option<u128> {
        digits::parse_uuid(text)
    }

    #[inline(always)]
    fn gather(self, number: u64, mask: u64) -> u64 {
        let (mut gathered, mut width, mut rest) = (0, 0, mask);
        while rest != 0 {
            let start = rest.trailing_zeros();
            let bits = (rest >> start).trailing_ones();
            gathered |= (number >> start & u64::MAX >> (64 - bits)) << width;
            width += bits;
            rest &= u64::MAX.unbounded_shl(start + bits);
        }
        gathered
    }

    #[inline(always)]
    fn crc32c_words(self, before: u32, bytes: &[u8], len: usize) -> u32 {
        let padding = [0; 8];
        let inverted = crc32c::crc32c_append(!before, &bytes[..len]);
        !crc32c::crc32c_append(inverted, &padding[..len.next_multiple_of(8) - len])
    }

    #[inline(always)]
    fn equal(self, lanes: [u8; LANES], tag: u8) -> u32 {
        lanes.iter().enumerate().fold(0, |mask, (i, &lane)| mask | u32::from(lane == tag) << i)
    }

    #[inline(always)]
    fn unpack(self, alphabet: &Alphabet, bytes: &[u8], bit: usize) -> [u8; UNPACKED] {
        let mut unpacked = [0; UNPACKED];
        for (i, eight) in unpacked.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *eight = alphabet.eight(bytes, bit + i * 8 * alphabet.bits() as usize);
        }
        unpacked
    }
}
