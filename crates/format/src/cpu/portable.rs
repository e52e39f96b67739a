//! The inner steps in plain Rust, for every processor.

use super::{CHECK_LANES, Cpu, LANES, check_of_lanes};
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

/// As [`super::check`].
pub(super) fn check(seed: u32, head: &[u8], bytes: &[u8]) -> u32 {
    let mut lanes = [seed, 0, 0, 0];
    for (i, word) in head.chunks(8).chain(bytes.chunks(8)).enumerate() {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        let lane = &mut lanes[i % CHECK_LANES];
        *lane = crc32c::crc32c_append(*lane, &padded);
    }
    check_of_lanes(lanes)
}
