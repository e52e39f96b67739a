//! The inner steps with the instructions of 64-bit ARM processors: NEON, which all of them have,
//! and CRC32, which nearly all have.
//!
//! There is no instruction that moves bits apart or together by a mask, as x86-64 has; numbers are
//! moved apart by looking each byte up where it lies, and bits are gathered in plain Rust.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::{Cpu, LANES, Portable};
use crate::codec::{Alphabet, UNPACKED};

/// Any processor that this program is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon;

/// Bytes of a UUID's text.
const UUID_BYTES: usize = 36;

/// Where the dashes of a UUID are.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// Bytes of a vector.
const VECTOR: usize = 16;

/// As [`super::check`], where this processor can do it.
pub(super) fn checked(seed: u32, head: &[u8], bytes: &[u8]) -> Option<u32> {
    // SAFETY: called where the processor has CRC32.
    is_aarch64_feature_detected!("crc").then(|| unsafe { check(seed, head, bytes) })
}

#[target_feature(enable = "crc")]
fn check(seed: u32, head: &[u8], bytes: &[u8]) -> u32 {
    super::check_by(seed, head, bytes, |lane, word| __crc32cd(lane, word))
}

#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; VECTOR]) -> uint8x16_t {
    // SAFETY: the load is of the whole array.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn stored(vector: uint8x16_t) -> [u8; VECTOR] {
    let mut bytes = [0; VECTOR];
    // SAFETY: the store is to the whole array.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vector) };
    bytes
}

/// The vector from byte `start` of `bytes` on; zeros where there is none, which no caller asks for.
#[inline]
#[target_feature(enable = "neon")]
fn load_from(bytes: &[u8], start: usize) -> uint8x16_t {
    load(bytes.get(start..).and_then(|bytes| bytes.first_chunk()).unwrap_or(&[0; VECTOR]))
}

/// `0, 1, 2, …`.
const ASCENDING: [u8; VECTOR] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[inline]
#[target_feature(enable = "neon")]
fn parse_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; UUID_BYTES] = text.try_into().ok()?;
    let (first, middle, last) = (load_from(text, 0), load_from(text, 16), load_from(text, 20));
    // The first sixteen digits are bytes 0-7, 9-12 and 14-17, the others 19-22 and 24-35.
    let high = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17];
    let low = [3, 4, 5, 6, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
    let high = vqtbl2q_u8(uint8x16x2_t(first, middle), load(&high));
    let low = vqtbl2q_u8(uint8x16x2_t(middle, last), load(&low));
    // A digit's distance from '0' is at most 9, a letter's from 'a' at most 5; those of others are larger.
    let read = |text: uint8x16_t| {
        let digit = vsubq_u8(text, vdupq_n_u8(b'0'));
        let letter = vsubq_u8(text, vdupq_n_u8(b'a'));
        let is_digit = vcleq_u8(digit, vdupq_n_u8(9));
        let is_letter = vcleq_u8(letter, vdupq_n_u8(5));
        let nibbles = vbslq_u8(is_digit, digit, vaddq_u8(letter, vdupq_n_u8(10)));
        (nibbles, vorrq_u8(is_digit, is_letter))
    };
    let ((high, high_spelled), (low, low_spelled)) = (read(high), read(low));
    let dashed = DASHES.iter().fold(0, |other, &at| other | (text[at] ^ b'-'));
    if vminvq_u8(vandq_u8(high_spelled, low_spelled)) != u8::MAX || dashed != 0 {
        return None;
    }
    // The even nibbles are the upper halves of the bytes.
    let bytes = vsliq_n_u8::<4>(vuzp2q_u8(high, low), vuzp1q_u8(high, low));
    Some(u128::from_be_bytes(stored(bytes)))
}

#[inline]
#[target_feature(enable = "neon")]
fn equal(lanes: [u8; LANES], tag: u8) -> u32 {
    const BITS: [u8; VECTOR] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    let bits = vandq_u8(vceqq_u8(load(&lanes), vdupq_n_u8(tag)), load(&BITS));
    u32::from(vaddv_u8(vget_low_u8(bits))) | u32::from(vaddv_u8(vget_high_u8(bits))) << 8
}

#[inline]
#[target_feature(enable = "neon")]
fn unpack(alphabet: &Alphabet, bytes: &[u8], bit: usize) -> [u8; UNPACKED] {
    let bits = alphabet.bits() as usize;
    // Sixteen numbers take twice as many bytes as a number has bits, so that the second sixteen begin at the
    // same bit of their byte; with that bit they take 13 bytes at most.
    let Some(bytes) = bytes.get(bit / 8..bit / 8 + 2 * bits + VECTOR) else {
        return Portable.unpack(alphabet, bytes, bit);
    };
    let bits = bits as u8;
    // Where each number begins, at most bit 7 + 15 * 6: its byte, and the bit in that.
    let begins = vmlaq_u8(vdupq_n_u8((bit % 8) as u8), load(&ASCENDING), vdupq_n_u8(bits));
    let byte = vshrq_n_u8::<3>(begins);
    let next = vaddq_u8(byte, vdupq_n_u8(1));
    let shift = vreinterpretq_s8_u8(vandq_u8(begins, vdupq_n_u8(7)));
    let (down, up) = (vnegq_s8(shift), vsubq_s8(vdupq_n_s8(8), shift));
    let mask = vdupq_n_u8((1 << bits) - 1);
    let [a, b, c, d] = std::array::from_fn(|part| load_from(&alphabet.bytes, VECTOR * part));
    let spelling = uint8x16x4_t(a, b, c, d);
    let sixteen = |start: usize| {
        let packed = load_from(bytes, start);
        let lower = vshlq_u8(vqtbl1q_u8(packed, byte), down);
        let upper = vshlq_u8(vqtbl1q_u8(packed, next), up);
        stored(vqtbl4q_u8(spelling, vandq_u8(vorrq_u8(lower, upper), mask)))
    };
    let mut unpacked = [0; UNPACKED];
    unpacked[..VECTOR].copy_from_slice(&sixteen(0));
    unpacked[VECTOR..].copy_from_slice(&sixteen(2 * usize::from(bits)));
    unpacked
}

// Every processor that this is compiled for has NEON: without it this file is left out.
impl Cpu for Neon {
    #[inline(always)]
    fn parse_uuid(self, text: &[u8]) -> Option<u128> {
        // SAFETY: the processor has NEON.
        unsafe { parse_uuid(text) }
    }

    #[inline(always)]
    fn gather(self, number: u64, mask: u64) -> u64 {
        Portable.gather(number, mask)
    }

    #[inline(always)]
    fn equal(self, lanes: [u8; LANES], tag: u8) -> u32 {
        // SAFETY: the processor has NEON.
        unsafe { equal(lanes, tag) }
    }

    #[inline(always)]
    fn unpack(self, alphabet: &Alphabet, bytes: &[u8], bit: usize) -> [u8; UNPACKED] {
        // SAFETY: the processor has NEON.
        unsafe { unpack(alphabet, bytes, bit) }
    }
}
