//! The few inner steps of a lookup that a processor's own instructions do several times faster,
//! behind one trait.
//!
//! A lookup is compiled once for each implementation, and the store picks one when it is opened.
//! Both give the same answers on all bytes; tests hold them against each other.

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod neon;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

/// What every processor that this program is compiled for has.
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
pub(crate) use neon::Neon as Baseline;
pub(crate) use portable::Portable;
#[cfg(not(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")))]
pub(crate) use portable::Portable as Baseline;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::X86;

use crate::codec::{Alphabet, UNPACKED};

/// Lanes of a check.
pub(crate) const CHECK_LANES: usize = 4;

/// Bytes of tags that are looked at at a time.
pub(crate) const LANES: usize = 16;

/// The inner steps of a lookup.
pub(crate) trait Cpu: Copy {
    /// The number that a canonical lower-case UUID stands for.
    fn parse_uuid(self, text: &[u8]) -> Option<u128>;

    /// The bits of `number` under `mask`, moved together.
    fn gather(self, number: u64, mask: u64) -> u64;

    /// A bit for each lane that equals `tag`, the lowest for the first.
    fn equal(self, lanes: [u8; LANES], tag: u8) -> u32;

    /// The bytes that are packed from bit `bit` of `bytes` on; zeros stand for what is behind its
    /// end.
    fn unpack(self, alphabet: &Alphabet, bytes: &[u8], bit: usize) -> [u8; UNPACKED];
}

/// The first sixteen of `bytes`, with zeros where there are fewer.
#[inline(always)]
pub(crate) fn lanes(bytes: &[u8]) -> [u8; LANES] {
    match bytes.first_chunk::<LANES>() {
        Some(lanes) => *lanes,
        None => last_lanes(bytes),
    }
}

#[cold]
#[inline(never)]
fn last_lanes(bytes: &[u8]) -> [u8; LANES] {
    let mut lanes = [0; LANES];
    lanes[..bytes.len()].copy_from_slice(bytes);
    lanes
}

/// The check of `head`, which has a multiple of 32 bytes, and of `bytes`: words of eight bytes,
/// the last filled up with zeros, are dealt out to four lanes in turn; the CRC-32C of each, the
/// first continued from `seed`, are sixteen bytes, whose CRC-32C it is. Four, because a processor
/// can begin one a cycle, and ends it three later.
pub(crate) fn check(seed: u32, head: &[u8], bytes: &[u8]) -> u32 {
    debug_assert_eq!(head.len() % (8 * CHECK_LANES), 0);
    #[cfg(target_arch = "x86_64")]
    if let Some(check) = x86::checked(seed, head, bytes) {
        return check;
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
    if let Some(check) = neon::checked(seed, head, bytes) {
        return check;
    }
    portable::check(seed, head, bytes)
}

/// As [`check`], with the processor's own step from a lane and a word to the lane. Each caller is
/// compiled with the instructions that its step needs, and this and the step into it: a call for
/// each check, and none for a word.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
#[inline(always)]
fn check_by(seed: u32, head: &[u8], bytes: &[u8], step: impl Fn(u32, u64) -> u32) -> u32 {
    let mut lanes = [!seed, !0, !0, !0];
    let (blocks, rest) = bytes.as_chunks::<{ 8 * CHECK_LANES }>();
    // A loop for each, where `for` would have one that asks each time which it is in.
    head.as_chunks().0.iter().chain(blocks).for_each(|block| {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = step(*lane, u64::from_le_bytes(*word));
        }
    });
    for (lane, word) in lanes.iter_mut().zip(rest.chunks(8)) {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        *lane = step(*lane, u64::from_le_bytes(padded));
    }
    check_of_lanes(lanes.map(|lane| !lane))
}

/// The check that has these lanes.
#[inline(always)]
fn check_of_lanes(lanes: [u32; CHECK_LANES]) -> u32 {
    let mut bytes = [0; 4 * CHECK_LANES];
    for (bytes, lane) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(lanes) {
        *bytes = lane.to_le_bytes();
    }
    crc32c::crc32c(&bytes)
}
