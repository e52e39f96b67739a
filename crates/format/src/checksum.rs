//! CRC-32C (Castagnoli), the checksum of everything in a carved file, and what binds a table's
//! parts together.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::key::{Order, fold};

/// The checksum of `bytes`, continued from `before`; 0 begins one.
#[inline(always)]
pub(crate) fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// What the check of group number `group` begins with in the table with this identity. On disk by
/// its effect: never change.
///
/// Mixed by a multiplication, so that two tables or two groups that are taken for each other are
/// so once in 2^32, and not all of them together.
#[inline(always)]
pub(crate) fn group_seed(identity: u64, group: u64) -> u32 {
    fold(identity ^ group, 0xD6E8_FEB8_6659_FD93) as u32
}

/// What a pair adds to the identity of its table; the sum does not depend on the order of the
/// pairs. The order of a key names it, or is its hash.
#[inline(always)]
pub(crate) fn pair(order: Order, value: &[u8]) -> u64 {
    let seed = fold(order.high ^ 0x9E37_79B9_7F4A_7C15, order.low ^ 0xC2B2_AE3D_27D4_EB4F);
    xxh3_64_with_seed(value, seed)
}
