//! Where a carved table goes: into memory, or into a file that appears when it is whole.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::new_file::{NewFile, Unpublished};
use crate::positional::PositionalFile;
use crate::region::Region;
use crate::store::{Storage, Store};

fn writing(source: io::Error) -> Error {
    Error::Io { doing: "write the output", source }
}

fn memory(source: io::Error) -> Error {
    Error::Io { doing: "get memory", source }
}

/// A table in the making, written piece by piece at given places.
#[derive(Debug)]
pub(crate) enum Output {
    /// Pieces, and where they go: each in a mapping of its own, which goes back to the system when
    /// it is copied to its place, as what an allocator gives may not.
    Memory(Vec<(u64, Region)>),
    /// A file that is not in its place yet.
    File(NewFile),
}

impl Output {
    pub(crate) fn memory() -> Self {
        Self::Memory(Vec::new())
    }

    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        NewFile::create(path).map(Self::File).map_err(writing)
    }

    /// Writes `piece` at `offset`.
    pub(crate) fn write(&mut self, offset: u64, piece: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Memory(pieces) => {
                pieces.push((offset, Region::read(&piece[..], piece.len()).map_err(memory)?));
                Ok(())
            }
            Self::File(new) => new.file().write_all_at(&piece, offset).map_err(writing),
        }
    }

    /// The `len` bytes at `offset`, which were written in one piece.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let file = match self {
            Self::Memory(pieces) => {
                let found = pieces.iter().find(|(at, piece)| *at == offset && piece.bytes().len() == len);
                return Ok(found.map(|(_, piece)| piece.bytes().to_vec()).unwrap_or_default());
            }
            Self::File(new) => new.file(),
        };
        let mut bytes = vec![0; len];
        let read = file.read_exact_at(&mut bytes, offset);
        read.map_err(|source| Error::Io { doing: "read the output again", source })?;
        Ok(bytes)
    }

    /// Writes `piece` over one of the same length at `offset`.
    pub(crate) fn rewrite(&mut self, offset: u64, piece: Vec<u8>) -> Result<(), Error> {
        if let Self::Memory(pieces) = self {
            pieces.retain(|(at, old)| *at != offset || old.bytes().len() != piece.len());
        }
        self.write(offset, piece)
    }

    /// The whole table, in memory.
    pub(crate) fn into_region(self, len: u64) -> Result<Region, Error> {
        let mut region = Region::zeroed(len as usize).map_err(memory)?;
        match self {
            Self::Memory(pieces) => {
                for (offset, piece) in pieces {
                    let piece = piece.bytes();
                    region.bytes_mut()[offset as usize..][..piece.len()].copy_from_slice(piece);
                }
            }
            Self::File(new) => new.file().read_exact_at(region.bytes_mut(), 0).map_err(memory)?,
        }
        Ok(region)
    }

    /// The table, and a place as this one was for another in its stead.
    pub(crate) fn into_store(self, len: u64) -> Result<(Store, Self), Error> {
        match self {
            Self::Memory(_) => Ok((Store::from_region(self.into_region(len)?)?, Self::memory())),
            Self::File(new) => {
                let again = |source| Error::Io { doing: "read the output again", source };
                let store = Store::from_file(new.file().try_clone().map_err(again)?, Storage::Memory)?;
                Ok((store, Self::file(new.path())?))
            }
        }
    }

    /// Gives the file its name, when all of it is on disk.
    pub(crate) fn publish(self) -> Result<(), Error> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(new) => new.publish().map_err(|error| match error {
                Unpublished::Before(source) => writing(source),
                Unpublished::After(source) => Error::NotDurable { source },
            }),
        }
    }
}
