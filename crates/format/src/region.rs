//! Memory that holds a table: zeroed, in huge pages where the system gives them.

use std::io::{self, Read};

use memmap2::MmapMut;

/// Memory of a fixed size of its own mapping, which the system may back with huge pages: a lookup touches one random
/// place, and with small pages the walk to it costs as much as the place itself.
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

impl Region {
    /// Asks for the cache lines of `len` bytes from `start` on, without waiting for them.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn prefetch(&self, start: usize, len: usize) {
        #[cfg(target_arch = "x86_64")]
        for at in (start & !(CACHE_LINE_BYTES - 1)..(start + len).min(self.len)).step_by(CACHE_LINE_BYTES) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch changes nothing but the cache and faults on no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.map.as_ptr().wrapping_add(at).cast()) };
        }
    }
}
