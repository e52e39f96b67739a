//! Where the bytes of a table are: in memory, checked or not, or in a file.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::disk::Disk;
use crate::error::Error;
use crate::layout::TAIL_BYTES;
use crate::mapping::Mapping;
use crate::positional::PositionalFile;
use crate::region::Region;

/// Where the bytes of a table are.
#[derive(Debug)]
pub(crate) enum Home {
    /// In memory, and all checksums were seen to be right.
    Memory(Region),
    /// In memory, and something in it is damaged or was not checked yet.
    Doubtful(Region),
    /// In a file, until all of it is in memory and was checked.
    File { file: Arc<File>, len: u64, memory: OnceLock<Region> },
    /// In a file that is mapped. Its bytes may change between two looks, so they are copied before
    /// they are checked.
    Mapped(Mapping),
    /// On disk, for good.
    Disk(Disk),
}

/// Bytes of a file that were read before they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Window {
    start: usize,
    /// Those bytes, and behind them as many as a reader may touch.
    bytes: Vec<u8>,
}

impl Home {
    pub(crate) fn file(file: Arc<File>) -> Result<Self, Error> {
        let len = len_of(&file)?;
        Ok(Self::File { file, len, memory: OnceLock::new() })
    }

    pub(crate) fn mapped(file: &File) -> Result<Self, Error> {
        let mapping = Mapping::of(file, len_of(file)? as usize);
        mapping.map(Self::Mapped).map_err(|source| Error::Io { doing: "map the file", source })
    }

    /// The same bytes, now that they were checked.
    pub(crate) fn trusted(self) -> Self {
        match self {
            Self::Doubtful(region) => Self::Memory(region),
            other => other,
        }
    }

    /// Bytes of the table.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(region) | Self::Doubtful(region) => region.bytes().len() as u64,
            Self::File { len, .. } => *len,
            Self::Mapped(mapping) => mapping.bytes().len() as u64,
            Self::Disk(disk) => disk.len(),
        }
    }

    /// The whole table in memory, checked.
    #[inline(always)]
    pub(crate) fn memory(&self) -> Option<&Region> {
        match self {
            Self::Memory(region) => Some(region),
            Self::Doubtful(_) | Self::Mapped(_) | Self::Disk(_) => None,
            Self::File { memory, .. } => memory.get(),
        }
    }

    /// The whole file, where it is mapped.
    pub(crate) fn mapped_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Mapped(mapping) => Some(mapping.bytes()),
            _ => None,
        }
    }

    /// The bytes of `range`, and behind them as many of the next as a reader may touch; from a
    /// file they come into `scratch`.
    pub(crate) fn read<'s>(
        &'s self,
        range: Range<usize>,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s [u8], Error> {
        let io = |source| Error::Io { doing: "read the file", source };
        let cut = || io(std::io::ErrorKind::UnexpectedEof.into());
        match self {
            Self::Memory(region) | Self::Doubtful(region) => {
                let bytes = region.bytes_from(range.start);
                if bytes.len() < range.len() { Err(cut()) } else { Ok(bytes) }
            }
            Self::File { file, len, memory } => {
                if let Some(region) = memory.get() {
                    return Ok(region.bytes_from(range.start));
                }
                if range.end as u64 > *len {
                    return Err(cut());
                }
                scratch.clear();
                scratch.resize(range.len() + TAIL_BYTES, 0);
                file.read_exact_at(&mut scratch[..range.len()], range.start as u64).map_err(io)?;
                Ok(scratch)
            }
            Self::Mapped(mapping) => {
                let bytes = mapping.bytes().get(range).ok_or_else(cut)?;
                scratch.clear();
                scratch.extend_from_slice(bytes);
                scratch.resize(bytes.len() + TAIL_BYTES, 0);
                Ok(scratch)
            }
            Self::Disk(disk) => disk.read(range, TAIL_BYTES, scratch),
        }
    }

    /// Fills `room` with the bytes from `start` on.
    pub(crate) fn read_into(&self, start: usize, room: &mut [u8]) -> Result<(), Error> {
        let io = |source| Error::Io { doing: "read the file", source };
        let bytes = match self {
            Self::Memory(region) | Self::Doubtful(region) => region.bytes(),
            Self::Mapped(mapping) => mapping.bytes(),
            Self::File { file, memory, .. } => match memory.get() {
                Some(region) => region.bytes(),
                None => return file.read_exact_at(room, start as u64).map_err(io),
            },
            Self::Disk(disk) => {
                let mut scratch = Vec::new();
                let bytes = disk.read(start..start + room.len(), 0, &mut scratch)?;
                room.copy_from_slice(&bytes[..room.len()]);
                return Ok(());
            }
        };
        let found = start.checked_add(room.len()).and_then(|end| bytes.get(start..end));
        room.copy_from_slice(found.ok_or_else(|| io(std::io::ErrorKind::UnexpectedEof.into()))?);
        Ok(())
    }

    /// As [`Self::read`], for sequential readers: what has to be read is read into `window` with
    /// `ahead` bytes of what comes next.
    pub(crate) fn read_ahead<'s>(
        &'s self,
        range: Range<usize>,
        ahead: usize,
        window: &'s mut Window,
    ) -> Result<&'s [u8], Error> {
        let Self::File { len, memory, .. } = self else { return self.read(range, &mut window.bytes) };
        if let Some(region) = memory.get() {
            return Ok(region.bytes_from(range.start));
        }
        let there = range.start.checked_sub(window.start).filter(|at| {
            at.checked_add(range.len() + TAIL_BYTES).is_some_and(|end| end <= window.bytes.len())
        });
        if let Some(at) = there {
            return Ok(&window.bytes[at..]);
        }
        let wide = range.start..range.end.saturating_add(ahead).min(*len as usize).max(range.end);
        window.start = range.start;
        // What comes next may be unreadable where this is not.
        if self.read(wide, &mut window.bytes).is_err() {
            window.bytes.clear();
            return self.read(range, &mut window.bytes);
        }
        Ok(&window.bytes)
    }

    /// Reads the whole file into memory.
    pub(crate) fn load(&self) -> Result<Region, Error> {
        let io = |source| Error::Io { doing: "read the file into memory", source };
        match self {
            Self::File { file, len, .. } => Region::read_at(file, 0, *len as usize).map_err(io),
            Self::Memory(region) | Self::Doubtful(region) => {
                Region::read(region.bytes(), region.bytes().len()).map_err(io)
            }
            Self::Mapped(_) | Self::Disk(_) => Err(io(std::io::ErrorKind::Unsupported.into())),
        }
    }
}

fn len_of(file: &File) -> Result<u64, Error> {
    let about = file.metadata();
    about.map(|about| about.len()).map_err(|source| Error::Io { doing: "read the size of the file", source })
}
