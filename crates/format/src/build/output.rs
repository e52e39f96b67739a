//! Where a carved table goes: into memory, or into a file that has no name until it is whole.
//!
//! A file without a name is gone when its process ends, however it ends. Where the file system has no such files, it has a
//! temporary name, and goes when it is dropped.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::region::Region;

/// Who may read and write the file, before the process's mask takes its part.
const MODE: u32 = 0o666;

/// What the name of a file that is not yet in its place begins with.
const PREFIX: &str = ".graven-";

fn writing(source: io::Error) -> Error {
    Error::Io { doing: "write the output", source }
}

/// A table in the making, written piece by piece at given places.
pub(crate) enum Output {
    /// Pieces, and where they go.
    Memory(Vec<(u64, Vec<u8>)>),
    /// A file without a name that will replace whatever has this path.
    Unnamed { file: File, path: PathBuf },
    /// A file with a temporary name that will replace whatever has this path.
    Named { file: tempfile::NamedTempFile, path: PathBuf },
}

impl Output {
    pub(crate) fn memory() -> Self {
        Self::Memory(Vec::new())
    }

    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        if let Some(file) = unnamed(directory(path)).map_err(writing)? {
            return Ok(Self::Unnamed { file, path: path.into() });
        }
        Self::named(path)
    }

    fn named(path: &Path) -> Result<Self, Error> {
        let file = temporary_name().tempfile_in(directory(path)).map_err(writing)?;
        Ok(Self::Named { file, path: path.into() })
    }

    /// Writes `piece` at `offset`.
    pub(crate) fn write(&mut self, offset: u64, piece: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Memory(pieces) => {
                pieces.push((offset, piece));
                Ok(())
            }
            Self::Unnamed { file, .. } => file.write_all_at(&piece, offset).map_err(writing),
            Self::Named { file, .. } => file.as_file().write_all_at(&piece, offset).map_err(writing),
        }
    }

    /// The `len` bytes at `offset`, which were written in one piece.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let file = match self {
            Self::Memory(pieces) => {
                let found = pieces.iter().find(|(at, piece)| *at == offset && piece.len() == len);
                return Ok(found.map(|(_, piece)| piece.clone()).unwrap_or_default());
            }
            Self::Unnamed { file, .. } => file,
            Self::Named { file, .. } => file.as_file(),
        };
        let mut bytes = vec![0; len];
        let read = file.read_exact_at(&mut bytes, offset);
        read.map_err(|source| Error::Io { doing: "read the output again", source })?;
        Ok(bytes)
    }

    /// Writes `piece` over one of the same length at `offset`.
    pub(crate) fn rewrite(&mut self, offset: u64, piece: Vec<u8>) -> Result<(), Error> {
        if let Self::Memory(pieces) = self {
            pieces.retain(|(at, old)| *at != offset || old.len() != piece.len());
        }
        self.write(offset, piece)
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
            Self::Unnamed { file, .. } => file.read_exact_at(region.bytes_mut(), 0).map_err(memory)?,
            Self::Named { file, .. } => {
                file.as_file().read_exact_at(region.bytes_mut(), 0).map_err(memory)?
            }
        }
        Ok(region)
    }

    /// Gives the file its name, when all of it is on disk.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let path = match self {
            Self::Memory(_) => return Ok(()),
            Self::Unnamed { file, path } => {
                file.sync_all().and_then(|()| link(&file, &path)).map_err(writing)?;
                path
            }
            Self::Named { file, path } => {
                file.as_file().sync_all().map_err(writing)?;
                file.persist(&path).map_err(|error| writing(error.error))?;
                path
            }
        };
        File::open(directory(&path)).and_then(|directory| directory.sync_all()).map_err(writing)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_name() -> tempfile::Builder<'static, 'static> {
    let mut name = tempfile::Builder::new();
    name.prefix(PREFIX).suffix(".partial").permissions(Permissions::from_mode(MODE));
    name
}

/// A file without a name in `directory`; `None` where there cannot be one that is named later.
#[cfg(target_os = "linux")]
fn unnamed(directory: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::Errno;

    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(directory, flags, Mode::from_raw_mode(MODE)) {
        Ok(file) => {
            let file = File::from(file);
            // Without /proc there is no way to name it.
            Ok(std::fs::symlink_metadata(place_in_proc(&file)).is_ok().then_some(file))
        }
        // Kernels and file systems that do not know such files say so in several ways.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_directory: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
fn place_in_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file))
}

/// Gives `file` the name `path`, in place of what has it.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};

    let place = place_in_proc(file);
    let link_to = |name: &Path| {
        linkat(CWD, place.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    match link_to(path) {
        // No call replaces a name with a file that has none; one that has another name it can be.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let named = temporary_name().make_in(directory(path), link_to)?;
            named.into_temp_path().persist(path).map_err(|error| error.error)
        }
        done => done,
    }
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_whole_and_replaces_what_was_there() {
        for kind in [Output::file, Output::named] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("table");
            for text in ["first", "second"] {
                let before = fs::read(&path).ok();
                let mut output = kind(&path).unwrap();
                output.write(2, text[2..].into()).unwrap();
                output.write(0, text[..2].into()).unwrap();
                assert_eq!(fs::read(&path).ok(), before);
                output.publish().unwrap();
                assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
                assert_eq!(names(directory.path()), ["table"]);
            }
        }
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        for kind in [Output::file, Output::named] {
            let directory = tempfile::tempdir().unwrap();
            let mut output = kind(&directory.path().join("table")).unwrap();
            output.write(0, b"half".to_vec()).unwrap();
            drop(output);
            assert!(names(directory.path()).is_empty());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_in_the_making_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::file(&directory.path().join("table")).unwrap();
        assert!(matches!(output, Output::Unnamed { .. }));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_new_file_has_the_permissions_that_any_new_file_has() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("any"), "").unwrap();
        let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        for (kind, name) in [(Output::file as fn(&Path) -> _, "a"), (Output::named, "b")] {
            kind(&directory.path().join(name)).unwrap().publish().unwrap();
            assert_eq!(mode(name), mode("any"));
        }
    }
}
