//! A file that appears whole or not at all, in place of what has its name.
//!
//! Until then it has no name where the file system knows such files, and is gone when its process
//! ends, however it ends. Elsewhere it has a temporary name beside its place. Linux has no call
//! that replaces a name with a file that has none, so that a file which replaces another has such
//! a name for a moment too. The name follows from that of the file; it is locked as long as its
//! process lives, and who makes the same file next removes it when it is not.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use system::{create_named, link, remove_if_left, sync_directory, take_after_the_old, unnamed};

/// How many processes can make the same file at a time.
const SLOTS: u32 = 16;

/// A file in the making.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    /// The name that it has meanwhile.
    temporary: Option<PathBuf>,
}

/// Why a file could not be put into its place, and whether it is there.
#[derive(Debug)]
pub enum Unpublished {
    /// What was there before is there still.
    Before(io::Error),
    /// The new file is there, but it is not certain to be there after a crash of the system.
    After(io::Error),
}

impl fmt::Display for Unpublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(source) => source.fmt(f),
            Self::After(source) => {
                write!(
                    f,
                    "the new file is in its place, but may be gone after a crash of the system: {source}"
                )
            }
        }
    }
}

impl std::error::Error for Unpublished {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Before(source) | Self::After(source) => Some(source),
        }
    }
}

impl From<Unpublished> for io::Error {
    fn from(error: Unpublished) -> Self {
        match error {
            Unpublished::Before(source) => source,
            Unpublished::After(ref source) => Self::new(source.kind(), error),
        }
    }
}

impl NewFile {
    /// A file without content that will have the name `path`, and removes what processes that were
    /// killed have left of the same file.
    ///
    /// # Errors
    /// What the system says when there can be no file in that directory.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("table");
    /// let new = graven_format::NewFile::create(&path)?;
    /// new.file().write_all(b"whole")?;
    /// assert!(!path.exists());
    /// new.publish()?;
    /// assert_eq!(std::fs::read(path)?, b"whole");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: &Path) -> io::Result<Self> {
        (0..SLOTS).map(|slot| temporary_path(path, slot)).for_each(|path| remove_if_left(&path));
        match unnamed(directory_of(path))? {
            Some(file) => Ok(Self { file, path: path.into(), temporary: None }),
            None => Self::create_named(path),
        }
    }

    fn create_named(path: &Path) -> io::Result<Self> {
        let (file, temporary) = in_a_slot(path, create_named)?;
        let new = Self { file, path: path.into(), temporary: Some(temporary) };
        // What was not for everybody to read is not meanwhile either.
        take_after_the_old(&new.path, &new.file)?;
        Ok(new)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what was written durable and gives the file its name, with the mode and the owner of
    /// a file that has the name already.
    ///
    /// # Errors
    /// [`Unpublished`] says whether the file is in its place.
    pub fn publish(self) -> Result<(), Unpublished> {
        self.publish_with(sync_directory)
    }

    fn publish_with(
        mut self,
        sync_directory: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), Unpublished> {
        take_after_the_old(&self.path, &self.file)
            .and_then(|()| self.file.sync_all())
            .and_then(|()| self.put_in_place())
            .map_err(Unpublished::Before)?;
        sync_directory(directory_of(&self.path)).map_err(Unpublished::After)
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        if self.temporary.is_none() {
            match link(&self.file, &self.path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done,
            }
            let ((), temporary) = in_a_slot(&self.path, |temporary| link(&self.file, temporary))?;
            self.temporary = Some(temporary);
        }
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing can be done where it stays.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// The directory that `path` is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name beside `path` for the file that will have that name.
fn temporary_path(path: &Path, slot: u32) -> PathBuf {
    let name = path.file_name().map(OsString::from).unwrap_or_default();
    let name = xxh3_64(name.as_encoded_bytes());
    directory_of(path).join(format!(".graven-{name:016x}-{slot}.partial"))
}

/// Does `make` with the first temporary name that no other process has.
fn in_a_slot<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    let mut slot = 0;
    loop {
        let temporary = temporary_path(path, slot);
        slot += 1;
        match make(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && slot < SLOTS => {}
            made => return made.map(|made| (made, temporary)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The two ways in which a file is made.
    pub(super) const KINDS: [fn(&Path) -> io::Result<NewFile>; 2] = [NewFile::create, NewFile::create_named];

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
        for create in KINDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("table");
            for text in ["first", "second"] {
                let before = fs::read(&path).ok();
                let new = create(&path).unwrap();
                new.file().write_all(text.as_bytes()).unwrap();
                assert_eq!(fs::read(&path).ok(), before);
                new.publish().unwrap();
                assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
                assert_eq!(names(directory.path()), ["table"]);
            }
        }
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        for create in KINDS {
            let directory = tempfile::tempdir().unwrap();
            drop(create(&directory.path().join("table")).unwrap());
            assert!(names(directory.path()).is_empty());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_in_the_making_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let new = NewFile::create(&directory.path().join("table")).unwrap();
        assert!(new.temporary.is_none());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn an_error_says_whether_the_file_is_in_its_place() {
        let failing = |_: &Path| Err(io::ErrorKind::StorageFull.into());
        for create in KINDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("table");
            fs::write(&path, "old").unwrap();
            let new = create(&path).unwrap();
            new.file().write_all(b"new").unwrap();
            assert!(matches!(new.publish_with(failing), Err(Unpublished::After(_))));
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(directory.path()), ["table"]);

            let new = create(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            assert!(matches!(new.publish(), Err(Unpublished::Before(_))));
            assert_eq!(names(directory.path()), ["table"]);
        }
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_file_of_the_name_and_nothing_else_does() {
        for create in KINDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("table");
            let other = temporary_path(&directory.path().join("other"), 0);
            fs::write(&other, "").unwrap();
            for slot in [0, 3] {
                fs::write(temporary_path(&path, slot), "left").unwrap();
            }
            let under_way = NewFile::create_named(&path).unwrap();
            assert_eq!(names(directory.path()).len(), 4, "a named file takes the first name that is free");
            NewFile::create(&path).unwrap().publish().unwrap();
            create(&path).unwrap().publish().unwrap();
            let mut expected = [&other, under_way.temporary.as_ref().unwrap(), &path]
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
            expected.sort();
            assert_eq!(names(directory.path()), expected);
            under_way.publish().unwrap();
            assert_eq!(names(directory.path()).len(), 2);
        }
    }
}
