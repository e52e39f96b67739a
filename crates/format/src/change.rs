//! Whether the file that a table was opened from is still the one that it was.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
#[cfg(windows)]
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::store::Store;

/// What has become of the file of a table since it was opened.
///
/// A file that is served must be replaced, never written to: a table that is in memory does not
/// mind, and no other gives a wrong answer, but what was overwritten is lost to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Its size or the time of its last change is another: it was written to or cut.
    Contents,
    /// Its bytes were not written to as far as its times say, but its status was changed: it was
    /// renamed or linked, its owner or mode are others, or its times were set.
    Status,
    /// Its path names another file by now.
    Replaced,
    /// Its path names nothing by now.
    Removed,
}

/// What the system says of a file, by which it is told whether a path still names it and whether
/// it was written to.
///
/// On Windows the standard library tells of no number that a file has for itself. There the time of
/// its creation stands for it, which a file may have from one that was removed under its name some
/// seconds before: then it is another by its length or the time of its last write, and is told as
/// [`Change::Contents`]. [`Change::Status`] is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    place: (u64, u64),
    contents: (u64, i64, i64),
    status: (i64, i64),
}

impl FileStamp {
    /// That of the file at `path`, which is not opened; `None` where there is none. To be taken
    /// before the file is opened: what happens to the file from then on is noticed.
    ///
    /// ```
    /// use graven_format::{Change, FileStamp};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("table.graven");
    /// std::fs::write(&path, "one")?;
    /// let before = FileStamp::of(&path).unwrap();
    /// assert_eq!(before.change(FileStamp::of(&path)), None);
    /// std::fs::write(&path, "another")?;
    /// assert_eq!(before.change(FileStamp::of(&path)), Some(Change::Contents));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }

    /// What has become of the file at a path whose stamp this was and is `now`; `None` while it is
    /// as it was.
    pub fn change(self, now: Option<Self>) -> Option<Change> {
        match now {
            None => Some(Change::Removed),
            Some(now) if now.place != self.place => Some(Change::Replaced),
            Some(now) if now.contents != self.contents => Some(Change::Contents),
            Some(now) => (now.status != self.status).then_some(Change::Status),
        }
    }
}

#[cfg(unix)]
impl From<&Metadata> for FileStamp {
    fn from(about: &Metadata) -> Self {
        Self {
            place: (about.dev(), about.ino()),
            contents: (about.len(), about.mtime(), about.mtime_nsec()),
            status: (about.ctime(), about.ctime_nsec()),
        }
    }
}

#[cfg(windows)]
impl From<&Metadata> for FileStamp {
    fn from(about: &Metadata) -> Self {
        let written = about.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let written = written.unwrap_or_default();
        Self {
            place: (about.creation_time(), 0),
            contents: (about.len(), written.as_secs().cast_signed(), written.subsec_nanos().into()),
            status: (0, 0),
        }
    }
}

/// What a file was when a table was opened from it.
#[derive(Debug)]
pub(crate) struct Origin {
    file: Arc<File>,
    stamp: FileStamp,
    path: Option<PathBuf>,
}

impl Origin {
    pub(crate) fn of(file: &Arc<File>) -> Result<Self, Error> {
        let io = |source| Error::Io { doing: "read what the system says of the file", source };
        let stamp = FileStamp::from(&file.metadata().map_err(io)?);
        Ok(Self { file: Arc::clone(file), stamp, path: None })
    }

    /// The file is the one at `path`.
    pub(crate) fn at(self, path: &Path) -> Self {
        Self { path: Some(path.into()), ..self }
    }
}

impl Store {
    /// When the file that the table was opened from was last written to; `None` for a table that was not opened from a file.
    pub fn written(&self) -> Option<SystemTime> {
        let (_, seconds, nanoseconds) = self.origin.as_ref()?.stamp.contents;
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// What has become of the file that the table was opened from; `None` while it is as it was, and for a table that was
    /// not opened from a file. Whether its path names another file is known of a table that was opened by its path.
    ///
    /// Two questions to the system, and no read of the file: to be asked now and then.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not say.
    ///
    /// ```
    /// use graven_format::{Builder, Change, Options, Store};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("table.graven");
    /// let mut builder = Builder::new(Options::default());
    /// builder.add(b"key", b"value")?;
    /// builder.write(&path)?;
    /// let store = Store::open(&path)?;
    /// assert_eq!(store.changed()?, None);
    /// std::fs::remove_file(&path)?;
    /// assert_eq!(store.changed()?, Some(Change::Removed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changed(&self) -> Result<Option<Change>, Error> {
        let Some(origin) = &self.origin else { return Ok(None) };
        let io = |source| Error::Io { doing: "read what the system says of the file", source };
        let opened = origin.stamp.change(Some(FileStamp::from(&origin.file.metadata().map_err(io)?)));
        let at_path = match origin.path.as_ref().map(std::fs::metadata) {
            Some(Ok(about)) => origin.stamp.change(Some(FileStamp::from(&about))),
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => Some(Change::Removed),
            Some(Err(error)) => return Err(io(error)),
            None => None,
        };
        // That it was written to comes first, and its status alone last.
        let of_itself = opened.filter(|change| *change == Change::Contents);
        let of_path = at_path.filter(|change| matches!(change, Change::Replaced | Change::Removed));
        Ok(of_itself.or(of_path).or(opened))
    }
}
