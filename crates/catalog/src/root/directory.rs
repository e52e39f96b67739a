//! A root in a file system.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::fmt::Debug;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::root::current::{CURRENT_BYTES_MAX, Current};
use crate::root::error::RootError;
use crate::root::gates::TableSettings;
use crate::root::name::{TableName, VersionName};
use crate::root::{CurrentState, Root, VersionFile};

pub(crate) const CURRENT: &str = "CURRENT";
pub(crate) const SETTINGS: &str = "table.toml";
const LOCK: &str = ".lock";

/// What the names of files begin and end with that are being written.
const PARTIAL_PREFIX: &str = ".graven-";
const PARTIAL_SUFFIX: &str = ".partial";

/// What the names of versions end with.
pub const VERSION_SUFFIX: &str = ".graven";

/// Bytes of a file beside the versions, at most.
pub(crate) const BESIDE_BYTES_MAX: usize = 64 << 20;

/// Bytes of a table's settings, at most.
pub(crate) const SETTINGS_BYTES_MAX: usize = 1 << 20;

/// Versions that are made in one second, at most.
pub(crate) const SAME_NAME_MAX: u32 = 999;

/// A directory with a directory for every table.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The root at `path`, which is a directory.
    ///
    /// # Errors
    /// When it is not.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        let about = fs::metadata(path).map_err(RootError::io("open the root", path))?;
        if !about.is_dir() {
            return Err(RootError::io("open the root", path)(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// As [`Self::open`]; the directory is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self, RootError> {
        make_directory(path)?;
        Self::open(path)
    }

    /// Makes a table's directory, and removes what was left in it half written.
    #[cfg(feature = "objects")]
    pub(crate) fn make_table(&self, table: &TableName) -> Result<(), RootError> {
        let directory = self.table(table);
        make_directory(&directory)?;
        Self::remove_strays(&directory);
        Ok(())
    }

    /// Writes a small file beside the versions in one step.
    #[cfg(feature = "objects")]
    pub(crate) fn write_beside(&self, table: &TableName, file: &str, bytes: &[u8]) -> Result<(), RootError> {
        let directory = self.table(table);
        let path = directory.join(file);
        let mut partial = system::partial(&directory)?;
        let written = partial.write_all(bytes).and_then(|()| partial.as_file().sync_all());
        written.map_err(RootError::io("write", &path))?;
        partial.persist(&path).map_err(|error| RootError::io("replace", &path)(error.error))?;
        sync_directory(&directory)
    }

    /// Removes a small file beside the versions, if it is there.
    #[cfg(feature = "objects")]
    pub(crate) fn remove_beside(&self, table: &TableName, file: &str) -> Result<(), RootError> {
        let path = self.table(table).join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RootError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Gives the file at `partial`, in the table's directory and on disk, the name of a version, whatever has that name.
    #[cfg(feature = "objects")]
    pub(crate) fn name_version(
        &self,
        table: &TableName,
        version: &VersionName,
        partial: &Path,
    ) -> Result<(), RootError> {
        let path = self.version(table, version);
        fs::rename(partial, &path).map_err(RootError::io("name", path))?;
        sync_directory(&self.table(table))
    }

    /// Removes a table with all that is in its directory.
    #[cfg(feature = "objects")]
    pub(crate) fn remove_table(&self, table: &TableName) -> Result<(), RootError> {
        let directory = self.table(table);
        fs::remove_dir_all(&directory).map_err(RootError::io("remove", directory))
    }

    pub(crate) fn table(&self, table: &TableName) -> PathBuf {
        self.path.join(table.as_str())
    }

    fn version(&self, table: &TableName, version: &VersionName) -> PathBuf {
        self.table(table).join(format!("{version}{VERSION_SUFFIX}"))
    }

    /// Removes what publishers have left that were killed: files that are being written, and that nobody locks.
    fn remove_strays(directory: &Path) {
        let Ok(entries) = again_when_interrupted(|| fs::read_dir(directory)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_partial = name
                .to_str()
                .is_some_and(|name| name.starts_with(PARTIAL_PREFIX) && name.ends_with(PARTIAL_SUFFIX));
            if !is_partial {
                continue;
            }
            system::remove_if_left(&entry.path());
        }
    }
}

/// Makes a directory, and those above it that are not there, so that they are on disk.
fn make_directory(path: &Path) -> Result<(), RootError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !is_here(path) && !path.is_dir()).collect();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(RootError::io("make", path))?,
        }
        sync_directory(path.parent().filter(|above| !is_here(above)).unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Whether a path is the end of a relative path's ancestors.
fn is_here(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// Has the names in a directory on disk.
fn sync_directory(directory: &Path) -> Result<(), RootError> {
    system::sync_directory(directory).map_err(RootError::io("write to disk", directory))
}

/// What an entry of a directory leads to; `None` when that is nothing, for it was removed meanwhile or is a link to nothing.
/// What cannot be read is there: nobody shall take it for removed.
fn leads_to(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound || system::is_loop(&error) => Ok(None),
        about => about.map(Some),
    }
}

/// Opens what is a file; a pipe would be waited for.
fn open_file(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    File::open(path)
}

/// The bytes of a file, of which one more is read than it may have; `None` when it is not there.
fn read_at_most(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, RootError> {
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RootError::io("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(RootError::io("read", path))?;
    Ok(Some(bytes))
}

/// The bytes of a file of at most `bytes_max`; `None` when it is not there.
fn read_bounded(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, RootError> {
    let bytes = read_at_most(path, bytes_max)?;
    if bytes.as_ref().is_some_and(|bytes| bytes.len() > bytes_max) {
        return Err(RootError::io("read", path)(io::Error::other(format!(
            "expected at most {bytes_max} bytes, found more"
        ))));
    }
    Ok(bytes)
}

impl Root for Directory {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn tables(&self) -> Result<Vec<TableName>, RootError> {
        let cannot = |error| RootError::io("read", &self.path)(error);
        let mut tables = Vec::new();
        for entry in again_when_interrupted(|| fs::read_dir(&self.path)).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // Followed, for a table may be a link to a directory.
            if leads_to(&entry.path()).map_err(cannot)?.is_some_and(|about| about.is_dir()) {
                tables.push(name);
            }
        }
        tables.sort();
        Ok(tables)
    }

    fn versions(&self, table: &TableName) -> Result<Vec<VersionFile>, RootError> {
        let directory = self.table(table);
        let entries = match again_when_interrupted(|| fs::read_dir(&directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RootError::io("read", directory)(error)),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let entry = entry.map_err(RootError::io("read", &directory))?;
            let file_name = entry.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(VERSION_SUFFIX)?.parse().ok());
            let Some(name) = name else { continue };
            let path = entry.path();
            let Some(about) = leads_to(&path).map_err(RootError::io("read", path))? else { continue };
            if about.is_file() {
                let put = about.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
                versions.push(VersionFile { name, bytes: about.len(), put });
            }
        }
        versions.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(versions)
    }

    fn current(&self, table: &TableName) -> Result<CurrentState, RootError> {
        let bytes = read_at_most(&self.table(table).join(CURRENT), CURRENT_BYTES_MAX)?;
        let current = bytes.as_ref().map(|bytes| Current::read(bytes));
        Ok(CurrentState { current, tag: bytes })
    }

    fn replace_current(
        &self,
        table: &TableName,
        before: &CurrentState,
        next: &Current,
    ) -> Result<bool, RootError> {
        let directory = self.table(table);
        let path = directory.join(CURRENT);
        if self.current(table)?.tag != before.tag {
            return Ok(false);
        }
        let mut partial = system::partial(&directory)?;
        let written = partial.write_all(&next.to_bytes()).and_then(|()| partial.as_file().sync_all());
        written.map_err(RootError::io("write", &path))?;
        partial.persist(&path).map_err(|error| RootError::io("replace", &path)(error.error))?;
        match sync_directory(&directory) {
            Err(RootError::Io { source, .. }) => {
                let (table, version) = (table.clone(), next.version().clone());
                Err(RootError::NotDurable { table, version, source })
            }
            synced => synced.map(|()| true),
        }
    }

    fn settings(&self, table: &TableName) -> Result<TableSettings, RootError> {
        let path = self.table(table).join(SETTINGS);
        let Some(bytes) = read_bounded(&path, SETTINGS_BYTES_MAX)? else {
            return Ok(TableSettings::default());
        };
        TableSettings::read_bytes(&bytes).map_err(|reason| RootError::Settings { path, reason })
    }

    fn beside(&self, table: &TableName, file: &str) -> Result<Option<Vec<u8>>, RootError> {
        read_bounded(&self.table(table).join(file), BESIDE_BYTES_MAX)
    }

    fn open(&self, table: &TableName, version: &VersionName) -> Result<File, RootError> {
        let path = self.version(table, version);
        match open_file(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let found = self.versions(table)?.into_iter().map(|version| version.name).collect();
                Err(RootError::NoVersion { table: table.clone(), version: version.clone(), found })
            }
            Err(error) => Err(RootError::io("open", path)(error)),
        }
    }

    fn put(
        &self,
        table: &TableName,
        version: &VersionName,
        exact: bool,
        file: &File,
        check: &mut dyn FnMut(&File) -> Result<(), RootError>,
    ) -> Result<VersionName, RootError> {
        let directory = self.table(table);
        make_directory(&directory)?;
        let exists = || RootError::VersionExists { table: table.clone(), version: version.clone() };
        if exact && self.version(table, version).exists() {
            return Err(exists());
        }
        let partial = {
            // A file that is made and not locked yet is not to be taken for a stray.
            let _lock = self.lock(table)?;
            Self::remove_strays(&directory);
            system::partial(&directory)?
        };
        copy(file, partial.as_file()).map_err(RootError::io("copy the file into", &directory))?;
        check(partial.as_file())?;
        partial.as_file().sync_all().map_err(RootError::io("write to disk in", &directory))?;
        let mut name = version.clone();
        let mut attempt = 0;
        let _lock = self.lock(table)?;
        let path = loop {
            let path = self.version(table, &name);
            match name_without_replacing(partial.path(), &path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if exact || attempt == SAME_NAME_MAX {
                        return Err(exists());
                    }
                    attempt += 1;
                    name = version.later(attempt);
                }
                Err(error) => return Err(RootError::io("name", path)(error)),
            }
        };
        // Its name is another now: there is nothing left to be removed under the old one.
        let _ = partial.into_temp_path().keep();
        sync_directory(&directory).inspect_err(|_| {
            // Nobody has switched to it, for the table is locked. Whoever cannot remove it leaves a version that is whole.
            let _ = fs::remove_file(path);
        })?;
        Ok(name)
    }

    fn remove(&self, table: &TableName, version: &VersionName) -> Result<(), RootError> {
        let path = self.version(table, version);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RootError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self, table: &TableName) -> Result<Box<dyn Debug>, RootError> {
        let directory = self.table(table);
        match fs::metadata(&directory) {
            Ok(about) if about.is_dir() => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(RootError::io("open", directory)(error));
            }
            _ => return Err(RootError::NoTable { root: self.name(), table: table.clone() }),
        }
        Ok(Box::new(system::lock(&directory.join(LOCK))?))
    }
}

/// Copies all of `from` to the empty file `to`: sharing its blocks where the file system can, so that later writes to one are
/// not seen in the other.
fn copy(from: &File, to: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let (mut from, mut to) = (from, to);
    from.seek(SeekFrom::Start(0))?;
    to.seek(SeekFrom::Start(0))?;
    // What was interrupted goes on where both files stand.
    again_when_interrupted(|| io::copy(&mut from, &mut to)).map(drop)
}

/// Does again what a signal has interrupted.
fn again_when_interrupted<T>(mut what: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match what() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Gives a file another name, which nobody may have; the caller keeps other publishers away.
fn name_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(named) = system::name_in_one_step(from, to) {
        return named;
    }
    match fs::hard_link(from, to) {
        Ok(()) => {
            // Where it cannot be removed it is a stray, and goes with the next publish.
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Not every file system has hard links.
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}
