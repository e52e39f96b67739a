//! Temporary files of a build: without a name, and shorter on disk as they are read.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::positional::PositionalFile;

/// What the room of a file is given back in: a multiple of the blocks of usual file systems.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// A file without a name, which is gone when it is closed, in whatever way.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    file: File,
    /// Whether the file system gives back the room of a part of a file, as far as is known.
    gives_back: AtomicBool,
}

impl TemporaryFile {
    pub(crate) fn create(beside: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(beside)?, gives_back: AtomicBool::new(true) })
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// Gives the pages back that lie wholly in `range`, which is not read again.
    pub(crate) fn give_back(&self, range: Range<u64>) {
        let start = range.start.next_multiple_of(PAGE_BYTES);
        let end = range.end - range.end % PAGE_BYTES;
        if start < end && self.gives_back.load(Ordering::Relaxed) && punch(&self.file, start..end).is_err() {
            // A file system that cannot keeps the room until the file is closed.
            self.gives_back.store(false, Ordering::Relaxed);
        }
    }
}

/// Makes a hole of a part of a file.
#[cfg(target_os = "linux")]
fn punch(file: &File, range: Range<u64>) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};

    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, range.start, range.end - range.start)?)
}

#[cfg(not(target_os = "linux"))]
fn punch(_file: &File, _range: Range<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a file takes on disk.
    #[cfg(target_os = "linux")]
    fn taken(file: &TemporaryFile) -> u64 {
        use std::os::unix::fs::MetadataExt;

        file.file.sync_all().unwrap();
        file.file.metadata().unwrap().blocks() * 512
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn whole_pages_of_what_was_read_are_given_back_and_nothing_else_changes() {
        let directory = tempfile::tempdir().unwrap();
        let file = TemporaryFile::create(directory.path()).unwrap();
        let pages = 64;
        let bytes: Vec<u8> = (0..pages * PAGE_BYTES).map(|i| (i % 251) as u8 + 1).collect();
        file.write(&bytes, 0).unwrap();
        let before = taken(&file);
        // Nothing, less than a page, parts of two pages.
        for range in [0..0, 5..PAGE_BYTES, PAGE_BYTES - 1..PAGE_BYTES + 1] {
            file.give_back(range);
            assert_eq!(taken(&file), before);
        }
        let (start, end) = (PAGE_BYTES + 1, (pages - 1) * PAGE_BYTES - 1);
        file.give_back(start..end);
        // Without holes, as on some network file systems, nothing is given back.
        if file.gives_back.load(Ordering::Relaxed) {
            assert_eq!(taken(&file), before - (pages - 4) * PAGE_BYTES);
        }
        let (first, last) = ((2 * PAGE_BYTES) as usize, ((pages - 2) * PAGE_BYTES) as usize);
        let mut again = vec![0; bytes.len()];
        file.read(&mut again, 0).unwrap();
        assert_eq!(again[..first], bytes[..first]);
        assert_eq!(again[last..], bytes[last..]);
    }

    #[test]
    fn a_file_system_that_gives_nothing_back_is_asked_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [1; 3 * PAGE_BYTES as usize]).unwrap();
        // A file that may not be written has no room to give back.
        let file = TemporaryFile { file: File::open(&path).unwrap(), gives_back: AtomicBool::new(true) };
        file.give_back(0..2 * PAGE_BYTES);
        assert!(!file.gives_back.load(Ordering::Relaxed));
        let mut bytes = [0; 3 * PAGE_BYTES as usize];
        file.read(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [1; 3 * PAGE_BYTES as usize]);
    }
}
