//! A file that is read piece by piece, past the page cache where the file system allows that, with
//! its index in memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Error;
use crate::positional::PositionalFile;
use crate::region::Region;

/// Sectors that disks have, in bytes, in the order in which they are tried.
const ALIGNMENTS: [usize; 2] = [512, 4096];

/// A file on disk, and the part of it that is held in memory.
#[derive(Debug)]
pub(crate) struct Disk {
    file: Arc<File>,
    len: u64,
    alignment: usize,
    /// Where `index` lies in the file.
    index_start: usize,
    index: Region,
}

impl Disk {
    /// `file` of `len` bytes, whose `index`, which was checked, begins at `index_start`.
    pub(crate) fn of(file: Arc<File>, len: u64, index_start: usize, index: Region) -> io::Result<Self> {
        if let Some(direct) = reopen_direct(&file) {
            for alignment in ALIGNMENTS {
                // The kernel says no where it has to be read in larger sectors, or cannot be read
                // past the cache at all.
                if read_aligned(&direct, 0..1, alignment, &mut Vec::new()).is_ok() {
                    return Ok(Self { file: Arc::new(direct), len, alignment, index_start, index });
                }
            }
        }
        // Only advice: reading on would bring into memory what nobody asked for.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        Ok(Self { file, len, alignment: 1, index_start, index })
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn alignment(&self) -> usize {
        self.alignment
    }

    /// The bytes of `range`, from memory where they are there.
    pub(crate) fn read<'s>(
        &'s self,
        range: Range<usize>,
        behind: usize,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s [u8], Error> {
        let held = range.start.checked_sub(self.index_start).and_then(|start| {
            self.index.bytes().get(start..start + range.len())?;
            Some(self.index.bytes_from(start))
        });
        if let Some(bytes) = held {
            return Ok(bytes);
        }
        let (offset, bytes) = (range.start as u64, range.len());
        read_aligned(&self.file, range, self.alignment, scratch).map_err(|source| Error::Read {
            offset,
            bytes: bytes as u64,
            source,
        })?;
        scratch.resize(bytes + behind, 0);
        Ok(scratch)
    }
}

/// The same file, opened for reads past the page cache; `None` where the system has no way to
/// that.
///
/// The path could name another file by now, so the descriptor itself is opened again, and compared
/// by device and inode.
#[cfg(target_os = "linux")]
fn reopen_direct(file: &File) -> Option<File> {
    use std::fs::OpenOptions;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    let flags = OFlags::DIRECT.bits().cast_signed();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let direct = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let (ours, theirs) = (file.metadata().ok()?, direct.metadata().ok()?);
    ((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())).then_some(direct)
}

#[cfg(not(target_os = "linux"))]
fn reopen_direct(_: &File) -> Option<File> {
    None
}

/// Reads `range`, and what of the sectors that it touches is not in it, and leaves the range alone
/// in `scratch`.
fn read_aligned(file: &File, range: Range<usize>, alignment: usize, scratch: &mut Vec<u8>) -> io::Result<()> {
    let skip = range.start % alignment;
    let len = (skip + range.len()).next_multiple_of(alignment);
    scratch.clear();
    scratch.resize(len + alignment, 0);
    let aligned = scratch.as_ptr().align_offset(alignment);
    let room = &mut scratch[aligned..aligned + len];
    let mut done = 0;
    while done < skip + range.len() {
        match file.read_at(&mut room[done..], (range.start - skip + done) as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    scratch.copy_within(aligned + skip..aligned + skip + range.len(), 0);
    scratch.truncate(range.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_read_with_any_alignment() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8).collect();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let mut scratch = Vec::new();
        for alignment in [1, 512, 4096] {
            for range in [0..1, 0..10_000, 511..513, 4095..4097, 9_999..10_000, 5_000..5_000] {
                read_aligned(&file, range.clone(), alignment, &mut scratch).unwrap();
                assert_eq!(scratch, &bytes[range]);
            }
            let beyond = read_aligned(&file, 9_999..10_001, alignment, &mut scratch).unwrap_err();
            assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
