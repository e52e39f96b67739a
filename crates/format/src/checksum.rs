//! CRC-32C (Castagnoli), the checksum of everything in a carved file.

/// The checksum of `bytes`, continued from `before`; 0 begins one.
#[inline(always)]
pub(crate) fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}
