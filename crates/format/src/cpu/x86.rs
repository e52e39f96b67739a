//! The inner steps with the instructions that x86-64 processors have had since 2013 (AVX2, BMI2,
//! SSE4.2).
//!
//! A UUID's 36 bytes are parsed in some forty instructions where plain code takes four times as
//! many; that decides whether the waits for memory of two lookups overlap, because the processor
//! looks only a few hundred instructions ahead.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Cpu, LANES};
use crate::codec::{Alphabet, UNPACKED};

/// A processor that was seen to have the instructions: only [`X86::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct X86(());

impl X86 {
    /// `Some` where this processor has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("sse4.2");
        has.then_some(Self(()))
    }
}

/// Bytes of a UUID's text.
const UUID_BYTES: usize = 36;

/// Where the dashes of a UUID are.
const DASHES: i32 = 1 << 8 | 1 << 13 | 1 << 18 | 1 << 23;

/// As [`super::check`], where this processor can do it.
pub(super) fn checked(seed: u32, head: &[u8], bytes: &[u8]) -> Option<u32> {
    // SAFETY: called where the processor has SSE4.2.
    is_x86_feature_detected!("sse4.2").then(|| unsafe { check(seed, head, bytes) })
}

#[target_feature(enable = "sse4.2")]
fn check(seed: u32, head: &[u8], bytes: &[u8]) -> u32 {
    super::check_by(seed, head, bytes, |lane, word| _mm_crc32_u64(u64::from(lane), word) as u32)
}

impl Cpu for X86 {
    #[inline(always)]
    fn parse_uuid(self, text: &[u8]) -> Option<u128> {
        let text: &[u8; UUID_BYTES] = text.try_into().ok()?;
        // SAFETY: `self` says that the processor has AVX2; the loads are of bytes 0..16, 16..32
        // and 20..36 of the 36.
        unsafe {
            let first = _mm_loadu_si128(text.as_ptr().cast());
            let middle = _mm_loadu_si128(text.as_ptr().add(16).cast());
            let last = _mm_loadu_si128(text.as_ptr().add(20).cast());
            let whole = _mm256_set_m128i(middle, first);
            let dashes = _mm256_movemask_epi8(_mm256_cmpeq_epi8(whole, _mm256_set1_epi8(b'-'.cast_signed())));
            // The first sixteen digits are bytes 0-7, 9-12 and 14-17, the others 19-22 and 24-35.
            let high = _mm_or_si128(
                _mm_shuffle_epi8(first, _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, -1, -1)),
                _mm_shuffle_epi8(
                    middle,
                    _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1),
                ),
            );
            let low = _mm_or_si128(
                _mm_shuffle_epi8(
                    middle,
                    _mm_setr_epi8(3, 4, 5, 6, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                ),
                _mm_shuffle_epi8(
                    last,
                    _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                ),
            );
            let text = _mm256_set_m128i(low, high);
            let above = |bound: u8| _mm256_cmpgt_epi8(text, _mm256_set1_epi8(bound.cast_signed() - 1));
            let digit = _mm256_andnot_si256(above(b'9' + 1), above(b'0'));
            let letter = _mm256_andnot_si256(above(b'f' + 1), above(b'a'));
            let spelled = _mm256_movemask_epi8(_mm256_or_si256(digit, letter));
            if spelled != -1 || dashes & DASHES != DASHES {
                return None;
            }
            let shifted = _mm256_and_si256(letter, _mm256_set1_epi8((b'a' - b'0' - 10).cast_signed()));
            let nibbles =
                _mm256_sub_epi8(_mm256_sub_epi8(text, _mm256_set1_epi8(b'0'.cast_signed())), shifted);
            let pairs = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(0x0110));
            let bytes = _mm256_packus_epi16(pairs, pairs);
            let high = _mm256_extract_epi64::<0>(bytes).cast_unsigned();
            let low = _mm256_extract_epi64::<2>(bytes).cast_unsigned();
            Some(u128::from(high.swap_bytes()) << 64 | u128::from(low.swap_bytes()))
        }
    }

    #[inline(always)]
    fn gather(self, number: u64, mask: u64) -> u64 {
        // SAFETY: `self` says that the processor has BMI2.
        unsafe { _pext_u64(number, mask) }
    }

    #[inline(always)]
    fn equal(self, lanes: [u8; LANES], tag: u8) -> u32 {
        // SAFETY: SSE2 is part of every x86_64; the load is of the whole array.
        unsafe {
            let lanes = _mm_loadu_si128(lanes.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(lanes, _mm_set1_epi8(tag.cast_signed()))).cast_unsigned()
        }
    }

    #[inline(always)]
    fn unpack(self, alphabet: &Alphabet, bytes: &[u8], bit: usize) -> [u8; UNPACKED] {
        let bits = alphabet.bits() as usize;
        // Four loads of eight bytes, each with what eight bytes are packed into.
        let Some(bytes) = bytes.get(bit / 8..bit / 8 + 3 * bits + 8) else {
            return super::Portable.unpack(alphabet, bytes, bit);
        };
        let mask = alphabet.spread.mask;
        let mut unpacked = [0; UNPACKED];
        // SAFETY: `self` says that the processor has AVX2 and BMI2. The loads are of eight bytes
        // from 0, `bits`, `2 * bits` and `3 * bits` on, which `bytes` has, and of the alphabet's 64
        // bytes in four parts; the store is to all of `unpacked`.
        unsafe {
            let eight = |part: usize| {
                let word = bytes.as_ptr().add(part * bits).cast::<u64>().read_unaligned();
                u64::from_le(word) >> (bit % 8)
            };
            // Macros, because a closure is compiled without the features, and its vectors go
            // through memory: half of the instructions.
            macro_rules! apart {
                ($part:expr) => {
                    _pdep_u64(eight($part), mask).cast_signed()
                };
            }
            let word = _mm256_set_epi64x(apart!(3), apart!(2), apart!(1), apart!(0));
            macro_rules! spelled {
                ($part:expr) => {
                    _mm256_shuffle_epi8(
                        _mm256_broadcastsi128_si256(_mm_loadu_si128(
                            alphabet.bytes.as_ptr().add(16 * $part).cast(),
                        )),
                        word,
                    )
                };
            }
            let mut text = spelled!(0);
            if bits > 4 {
                // The fifth bit, moved to the highest of its byte, chooses.
                let fifth = _mm256_slli_epi16::<3>(word);
                text = _mm256_blendv_epi8(text, spelled!(1), fifth);
                if bits > 5 {
                    let upper = _mm256_blendv_epi8(spelled!(2), spelled!(3), fifth);
                    text = _mm256_blendv_epi8(text, upper, _mm256_slli_epi16::<2>(word));
                }
            }
            _mm256_storeu_si256(unpacked.as_mut_ptr().cast(), text);
        }
        unpacked
    }
}
