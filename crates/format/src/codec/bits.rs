//! Bits in bytes: the first bit is the lowest of the first byte.

/// Writes codes one behind the other.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// Appends the lowest `bits` bits of `code`, at most 32, which has no others.
    #[inline(always)]
    pub(crate) fn write(&mut self, code: u32, bits: u32, out: &mut Vec<u8>) {
        self.pending |= u64::from(code) << self.pending_bits;
        self.pending_bits += bits;
        if self.pending_bits >= 32 {
            out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.pending_bits -= 32;
        }
    }

    /// Fills the last byte with ones, which no reader takes for a symbol.
    #[inline(always)]
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let filled = self.pending | u64::MAX.unbounded_shl(self.pending_bits);
        let bytes = self.pending_bits.div_ceil(8) as usize;
        out.extend_from_slice(&filled.to_le_bytes()[..bytes]);
    }
}

/// The 8 bytes at `at`, or those there are of them, with zeros behind.
#[inline(always)]
pub(crate) fn load(bytes: &[u8], at: usize) -> u64 {
    match bytes.len().checked_sub(8) {
        Some(last) if at <= last => u64::from_le_bytes(*bytes[at..at + 8].first_chunk().unwrap_or(&[0; 8])),
        _ => load_last(bytes, at),
    }
}

#[cold]
#[inline(never)]
fn load_last(bytes: &[u8], at: usize) -> u64 {
    // What values and rows end with is read here, and few have fewer than 8 bytes.
    if let Some(last) = bytes.last_chunk() {
        let passed = at.saturating_sub(bytes.len() - 8).min(8) as u32;
        return u64::from_le_bytes(*last).unbounded_shr(8 * passed);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}
