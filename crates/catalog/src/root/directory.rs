//! A root in a file system.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock};
use tempfile::{Builder as TemporaryName, NamedTempFile};

use crate::root::current::{CURRENT_BYTES_MAX, Current};
use crate::root::error::RootError;
use crate::root::gates::TableSettings;
use crate::root::name::{TableName, VersionName};
use crate::root::{CurrentState, Root, VersionFile};

const CURRENT: &str = "CURRENT";
const SETTINGS: &str = "table.toml";
const LOCK: &str = ".lock";

/// What the names of files begin and end with that are being written.
const PARTIAL_PREFIX: &str = ".graven-";
const PARTIAL_SUFFIX: &str = ".partial";

/// What the names of versions end with.
const VERSION_SUFFIX: &str = ".graven";

/// Bytes of a file beside the versions, at most.
const BESIDE_BYTES_MAX: u64 = 64 << 20;

/// Versions that are made in one second, at most.
const SAME_NAME_MAX: u32 = 999;

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
        fs::create_dir_all(path).map_err(RootError::io("make the root", path))?;
        Self::open(path)
    }

    fn table(&self, table: &TableName) -> PathBuf {
        self.path.join(table.as_str())
    }

    fn version(&self, table: &TableName, version: &VersionName) -> PathBuf {
        self.table(table).join(format!("{version}{VERSION_SUFFIX}"))
    }

    /// Removes what publishers have left that were killed: files that are being written, and that nobody locks.
    fn remove_strays(directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_partial = name
                .to_str()
                .is_some_and(|name| name.starts_with(PARTIAL_PREFIX) && name.ends_with(PARTIAL_SUFFIX));
            if !is_partial {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                // Whoever cannot remove it leaves it to the next.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// A file that is being written in the directory, locked so that it is not taken for a stray; made while the table is
    /// locked.
    fn partial(directory: &Path) -> Result<NamedTempFile, RootError> {
        let made = TemporaryName::new()
            .prefix(PARTIAL_PREFIX)
            .suffix(PARTIAL_SUFFIX)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(directory);
        let file = made.map_err(RootError::io("make a file in", directory))?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|error| RootError::io("lock a file in", directory)(error.into()))?;
        Ok(file)
    }
}

/// Has the names in a directory on disk.
fn sync_directory(directory: &Path) -> Result<(), RootError> {
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(RootError::io("write to disk", directory))
}

/// The bytes of a file of at most `bytes_max`; `None` when it is not there.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, RootError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RootError::io("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(RootError::io("read", path))?;
    if bytes.len() as u64 > bytes_max {
        return Err(RootError::io("read", path)(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(bytes))
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
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
            // Followed, for a table may be a link to a directory.
            if let Some(name) = name.filter(|_| fs::metadata(entry.path()).is_ok_and(|about| about.is_dir()))
            {
                tables.push(name);
            }
        }
        tables.sort();
        Ok(tables)
    }

    fn versions(&self, table: &TableName) -> Result<Vec<VersionFile>, RootError> {
        let directory = self.table(table);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RootError::io("read", directory)(error)),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let entry = entry.map_err(RootError::io("read", &directory))?;
            let file_name = entry.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(VERSION_SUFFIX)?.parse().ok());
            // One that was removed meanwhile is none.
            let Some((name, about)) = name.zip(fs::metadata(entry.path()).ok()) else { continue };
            if about.is_file() {
                let put = about.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
                versions.push(VersionFile { name, bytes: about.len(), put });
            }
        }
        versions.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(versions)
    }

    fn current(&self, table: &TableName) -> Result<CurrentState, RootError> {
        let bytes = read_bounded(&self.table(table).join(CURRENT), CURRENT_BYTES_MAX)?;
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
        let mut partial = Self::partial(&directory)?;
        let written = partial.write_all(&next.to_bytes()).and_then(|()| partial.as_file().sync_all());
        written.map_err(RootError::io("write", &path))?;
        partial.persist(&path).map_err(|error| RootError::io("replace", &path)(error.error))?;
        sync_directory(&directory)?;
        Ok(true)
    }

    fn settings(&self, table: &TableName) -> Result<TableSettings, RootError> {
        let path = self.table(table).join(SETTINGS);
        let Some(bytes) = read_bounded(&path, CURRENT_BYTES_MAX)? else {
            return Ok(TableSettings::default());
        };
        let settings = match std::str::from_utf8(&bytes) {
            Ok(text) => TableSettings::read(text),
            Err(_) => Err("expected text, found bytes that are not UTF-8".to_owned()),
        };
        settings.map_err(|reason| RootError::Settings { path, reason })
    }

    fn beside(&self, table: &TableName, file: &str) -> Result<Option<Vec<u8>>, RootError> {
        read_bounded(&self.table(table).join(file), BESIDE_BYTES_MAX)
    }

    fn open(&self, table: &TableName, version: &VersionName) -> Result<File, RootError> {
        let path = self.version(table, version);
        match File::open(&path) {
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
        fs::create_dir_all(&directory).map_err(RootError::io("make", &directory))?;
        let exists = || RootError::VersionExists { table: table.clone(), version: version.clone() };
        if exact && self.version(table, version).exists() {
            return Err(exists());
        }
        let partial = {
            // A file that is made and not locked yet is not to be taken for a stray.
            let _lock = self.lock(table)?;
            Self::remove_strays(&directory);
            Self::partial(&directory)?
        };
        copy(file, partial.as_file()).map_err(RootError::io("copy the file into", &directory))?;
        check(partial.as_file())?;
        partial.as_file().sync_all().map_err(RootError::io("write to disk in", &directory))?;
        let mut name = version.clone();
        let mut attempt = 0;
        loop {
            let path = self.version(table, &name);
            match name_without_replacing(partial.path(), &path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if exact || attempt == SAME_NAME_MAX {
                        return Err(exists());
                    }
                    attempt += 1;
                    name = version.later(attempt);
                }
                Err(error) => return Err(RootError::io("name", path)(error)),
            }
        }
        sync_directory(&directory)?;
        // Its name is another now: there is nothing left to be removed under the old one.
        let _ = partial.into_temp_path().keep();
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
        if !directory.is_dir() {
            return Err(RootError::NoTable { root: self.name(), table: table.clone() });
        }
        let path = directory.join(LOCK);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(RootError::io("open", &path))?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Box::new(file)),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(RootError::io("lock", path)(error.into())),
            }
        }
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
    io::copy(&mut from, &mut to).map(drop)
}

/// Gives a file another name, which nobody may have.
fn name_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}
