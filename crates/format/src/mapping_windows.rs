//! A file mapped for reading on Windows, where nobody can cut a file that is mapped.
//!
//! Its bytes are shared with everyone who may write the file, and may change between two looks: readers copy what they need
//! and check the copy, as in `mapping.rs`. Unlike there, a page that the disk fails to bring ends the process.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::slice;

use memmap2::{MmapOptions, MmapRaw};

/// A whole file, shared and for reading.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
}

impl Mapping {
    /// The first `len` bytes of `file`, which has them.
    pub(crate) fn of(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().len(len).map_raw_read_only(file)? })
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: that many bytes are mapped for reading until `self` is dropped. That they may change is what the file's first
        // lines speak of.
        unsafe { slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }
}
