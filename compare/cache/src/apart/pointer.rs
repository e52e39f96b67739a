//! Where a value lies in the file of values: eight bytes that stand for it beside its key.

use anyhow::{Result, ensure};

/// Bits of the length; the others are the offset's.
const LEN_BITS: u32 = 24;

/// Bytes of a pointer.
pub(super) const POINTER_BYTES: usize = 8;

/// A place in the file of values, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// Where it begins
    pub(super) offset: u64,
    /// How long it is
    pub(super) len: usize,
}

impl Pointer {
    /// The bytes that stand for it.
    pub(super) fn pack(self) -> Result<[u8; POINTER_BYTES]> {
        let Self { offset, len } = self;
        ensure!(
            len < 1 << LEN_BITS && offset < 1 << (u64::BITS - LEN_BITS),
            "a value of {len} bytes at {offset} does not fit a pointer of {POINTER_BYTES} bytes; \
             take values below 16 MiB, and below 1 TiB together"
        );
        Ok((offset << LEN_BITS | len as u64).to_le_bytes())
    }

    /// What `bytes` stand for.
    pub(super) fn unpack(bytes: [u8; POINTER_BYTES]) -> Self {
        let packed = u64::from_le_bytes(bytes);
        Self { offset: packed >> LEN_BITS, len: (packed & ((1 << LEN_BITS) - 1)) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_comes_back_as_it_was_or_is_refused() {
        for (offset, len) in [(0, 0), (1, 2), ((1 << 40) - 1, (1 << 24) - 1)] {
            let pointer = Pointer { offset, len };
            assert_eq!(Pointer::unpack(pointer.pack().unwrap()), pointer);
        }
        for (offset, len) in [(0, 1 << 24), (1 << 40, 0)] {
            assert!(Pointer { offset, len }.pack().is_err());
        }
    }
}
