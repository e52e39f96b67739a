//! What of a new file the systems of Unix do: mode and owner, locks, and on Linux files without a name.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Who may read and write a file that replaces none, before the process's mask takes its part.
const MODE: u32 = 0o666;

/// A new file with a temporary name, locked.
pub(super) fn create_named(temporary: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(temporary)?;
    lock(&file)?;
    // Before it was locked it looked as if its process had ended.
    if file.metadata()?.nlink() == 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    Ok(file)
}

/// Gives `file` the mode and the owner of the one at `path` that it replaces, if it replaces one.
/// Whoever may not give a file away keeps it; those whom it then no longer belongs to may do what
/// everybody may.
pub(super) fn take_after_the_old(path: &Path, file: &File) -> io::Result<()> {
    let Ok(old) = fs::metadata(path) else { return Ok(()) };
    if !old.is_file() {
        return Ok(());
    }
    let new = file.metadata()?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        let given = fchown(file, Some(old.uid()), Some(old.gid()));
        // The group may be one of the process's where the user is not.
        let _ = given.or_else(|_| fchown(file, None, Some(old.gid())));
    }
    file.set_permissions(Permissions::from_mode(mode_after(&old, &file.metadata()?)))
}

/// The mode of a new file in place of an old one.
fn mode_after(old: &Metadata, new: &Metadata) -> u32 {
    let mode = old.mode() & 0o777;
    let for_all = mode & 0o007;
    let (mut owner, mut group) = (mode & 0o700, mode & 0o070);
    if old.uid() != new.uid() {
        owner |= 0o600;
    }
    if old.gid() != new.gid() {
        group &= for_all << 3;
    }
    owner | group | for_all
}

fn lock(file: &File) -> io::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        // Where there are no locks nothing is taken for left: what is locked is never removed.
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK | rustix::io::Errno::INVAL) => Ok(()),
        locked => Ok(locked?),
    }
}

/// Removes the file at `temporary` if the process that made it has ended.
pub(super) fn remove_if_left(temporary: &Path) {
    // Whoever may write here may have put a pipe or a link there.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(temporary) else { return };
    let is_left = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let is_there = || match (file.metadata(), fs::symlink_metadata(temporary)) {
        (Ok(opened), Ok(there)) => (opened.dev(), opened.ino()) == (there.dev(), there.ino()),
        _ => false,
    };
    if is_left && is_there() {
        // Nothing can be done where it stays.
        let _ = fs::remove_file(temporary);
    }
}

/// A locked file without a name in `directory`; `None` where there cannot be one that is named
/// later.
#[cfg(target_os = "linux")]
pub(super) fn unnamed(directory: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::Errno;

    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(directory, flags, Mode::from_raw_mode(MODE)) {
        Ok(file) => {
            let file = File::from(file);
            // Without /proc there is no way to name it.
            if fs::symlink_metadata(place_in_proc(&file)).is_err() {
                return Ok(None);
            }
            lock(&file)?;
            Ok(Some(file))
        }
        // Kernels and file systems that do not know such files say so in several ways.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn unnamed(_directory: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
fn place_in_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file))
}

/// Gives `file`, which has no name, the name `path`.
#[cfg(target_os = "linux")]
pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};

    Ok(linkat(CWD, place_in_proc(file).as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has the names in `directory` on disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::super::NewFile;
    use super::super::tests::KINDS;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_has_the_mode_that_any_new_file_has() {
        let directory = tempfile::tempdir().unwrap();
        let any = directory.path().join("any");
        fs::write(&any, "").unwrap();
        for (create, name) in KINDS.into_iter().zip(["a", "b"]) {
            let path = directory.path().join(name);
            create(&path).unwrap().publish().unwrap();
            assert_eq!(mode(&path), mode(&any));
        }
    }

    #[test]
    fn a_file_that_replaces_another_has_its_mode_and_its_owner() {
        for create in KINDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("table");
            for wanted in [0o600, 0o640, 0o604, 0o444, 0o755] {
                let _ = fs::remove_file(&path);
                fs::write(&path, "").unwrap();
                // Only the superuser can give a file away; for others this leaves it as it is.
                let _ = chown(&path, Some(12_345), Some(23_456));
                fs::set_permissions(&path, Permissions::from_mode(wanted)).unwrap();
                let old = fs::metadata(&path).unwrap();
                create(&path).unwrap().publish().unwrap();
                let new = fs::metadata(&path).unwrap();
                assert_ne!(old.ino(), new.ino());
                assert_eq!(
                    (new.mode(), new.uid(), new.gid()),
                    (old.mode(), old.uid(), old.gid()),
                    "{wanted:o}"
                );
            }
        }
    }

    #[test]
    fn a_secret_is_none_the_less_while_it_has_a_temporary_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let new = NewFile::create_named(&path).unwrap();
        assert_eq!(mode(new.temporary.as_ref().unwrap()), 0o600);
    }
}
