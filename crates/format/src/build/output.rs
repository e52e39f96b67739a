//! Where a carved table goes: into memory, or into a file that has no name until it is whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::region::Region;

fn writing(source: io::Error) -> Error {
    Error::Io { doing: "write the output", source }
}

/// A table in the making, written piece by piece at given places.
pub(crate) enum Output {
    /// Pieces, and where they go.
    Memory(Vec<(u64, Vec<u8>)>),
    /// A file that will replace whatever has this path.
    File { file: tempfile::NamedTempFile, path: PathBuf },
}

impl Output {
    pub(crate) fn memory() -> Self {
        Self::Memory(Vec::new())
    }

    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".graven-").tempfile_in(dir).map_err(writing)?;
        Ok(Self::File { file, path: path.into() })
    }

    /// Writes `piece` at `offset`.
    pub(crate) fn write(&mut self, offset: u64, piece: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Memory(pieces) => pieces.push((offset, piece)),
            Self::File { file, .. } => file.as_file().write_all_at(&piece, offset).map_err(writing)?,
        }
        Ok(())
    }

    /// The whole table, in memory.
    pub(crate) fn into_region(self, len: u64) -> Result<Region, Error> {
        let memory = |source| Error::Io { doing: "get memory", source };
        let mut region = Region::zeroed(len as usize).map_err(memory)?;
        match self {
            Self::Memory(pieces) => {
                for (offset, piece) in pieces {
                    region.bytes_mut()[offset as usize..][..piece.len()].copy_from_slice(&piece);
                }
            }
            Self::File { file, .. } => file.as_file().read_exact_at(region.bytes_mut(), 0).map_err(memory)?,
        }
        Ok(region)
    }

    /// Gives the file its name, when all of it is on disk.
    pub(crate) fn publish(self) -> Result<(), Error> {
        if let Self::File { file, path } = self {
            file.as_file().sync_all().map_err(writing)?;
            file.persist(&path).map_err(|error| writing(error.error))?;
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(writing)?;
        }
        Ok(())
    }
}
