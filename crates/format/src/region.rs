//! Memory that holds a table: zeroed, in huge pages where the system gives them.

use std::fs::File;
use std::io::{self, Read};

use memmap2::MmapMut;

use crate::positional::PositionalFile;

/// Memory of a fixed size of its own mapping, which the system may back with huge pages: a lookup
/// touches one random place, and with small pages the walk to it costs as much as the place
/// itself.
#[derive(Debug)]
pub(crate) struct Region {
    map: MmapMut,
    len: usize,
}

impl Region {
    /// A region of `len` zero bytes.
    pub(crate) fn zeroed(len: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(len.max(1))?;
        #[cfg(target_os = "linux")]
        {
            // Advice: where the system has no huge pages, small ones do.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { map, len })
    }

    /// A region filled with the next `len` bytes of `source`.
    pub(crate) fn read(mut source: impl Read, len: usize) -> io::Result<Self> {
        let mut region = Self::zeroed(len)?;
        source.read_exact(region.bytes_mut())?;
        Ok(region)
    }

    /// A region filled with `len` bytes of `file` from `offset` on.
    pub(crate) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let mut region = Self::zeroed(len)?;
        file.read_exact_at(region.bytes_mut(), offset)?;
        Ok(region)
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[..self.len]
    }

    /// The bytes from `start` on; none when it lies behind the end.
    #[inline(always)]
    pub(crate) fn bytes_from(&self, start: usize) -> &[u8] {
        self.bytes().get(start..).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[..self.len]
    }
}

/// Bytes that one load brings into the cache.
const CACHE_LINE_BYTES: usize = 64;

/// Cache lines that are asked for without a branch on the length: of the buckets that lookups meet
/// in a table that was carved for memory, few take more. With four, a third of the lookups of the
/// reference pairs went on, which no processor can predict; six save some 3% of a lookup alone.
const LINES_AT_ONCE: usize = 6;

impl Region {
    /// Asks for the cache lines of `len` bytes from `start` on, without waiting for them.
    ///
    /// A loop that ends where the range does would be a branch on a length that has just been
    /// loaded, which cannot be predicted: the first lines are asked for without one, the last of
    /// them again where there are fewer.
    #[inline(always)]
    pub(crate) fn prefetch(&self, start: usize, len: usize) {
        let last = (start + len).saturating_sub(1);
        // Nearly all buckets have these.
        self.prefetch_line(start);
        self.prefetch_line(start + CACHE_LINE_BYTES);
        for line in 2..LINES_AT_ONCE {
            self.prefetch_line((start + line * CACHE_LINE_BYTES).min(last));
        }
        let mut at = start + LINES_AT_ONCE * CACHE_LINE_BYTES;
        while at & !(CACHE_LINE_BYTES - 1) <= last {
            self.prefetch_line(at);
            at += CACHE_LINE_BYTES;
        }
    }

    /// Asks for the cache line that holds the byte at `at`.
    #[inline(always)]
    pub(crate) fn prefetch_line(&self, at: usize) {
        prefetch_line(&self.map, at);
    }
}

/// Asks for the cache line that holds the byte at `at`, without waiting for it.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch_line(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch changes nothing but the cache and faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    {
        let address = bytes.as_ptr().wrapping_add(at);
        // SAFETY: as above; `core::arch` has no name for it on stable Rust.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = (bytes, at);
}

/// Asks for the cache lines of `len` bytes from `start` on.
pub(crate) fn prefetch_lines(bytes: &[u8], start: usize, len: usize) {
    (start..start + len).step_by(CACHE_LINE_BYTES).for_each(|at| prefetch_line(bytes, at));
}
