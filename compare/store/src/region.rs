//! Bytes in memory of their own, in huge pages where the system gives them: what graven does for its own table, done for
//! the rivals whose bytes lie where this program puts them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use memmap2::{Advice, MmapMut};

/// Bytes in huge pages.
pub(crate) struct Region {
    map: MmapMut,
    len: usize,
}

impl Region {
    /// So many zeroes.
    pub(crate) fn zeroed(len: usize) -> Result<Self> {
        let map = MmapMut::map_anon(len.max(1)).context("cannot get memory")?;
        // Advice: where the system has no huge pages, small ones do.
        let _ = map.advise(Advice::HugePage);
        Ok(Self { map, len })
    }

    /// A copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self> {
        let mut region = Self::zeroed(bytes.len())?;
        region.map[..bytes.len()].copy_from_slice(bytes);
        Ok(region)
    }

    /// A whole file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let context = || format!("cannot read {}", path.display());
        let mut file = File::open(path).with_context(context)?;
        let len = file.metadata().with_context(context)?.len() as usize;
        let mut region = Self::zeroed(len)?;
        file.read_exact(&mut region.map[..len]).with_context(context)?;
        Ok(region)
    }
}

impl AsRef<[u8]> for Region {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        &self.map[..self.len]
    }
}
