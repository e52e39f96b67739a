//! What of a root in a file system the systems of Unix do: locks, modes, and giving names that nobody has.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, RenameFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use tempfile::{Builder as TemporaryName, NamedTempFile};

use super::{PARTIAL_PREFIX, PARTIAL_SUFFIX};
use crate::root::error::RootError;

/// Who may read and write a new file, before the process's mask takes its part.
const MODE: u32 = 0o666;

/// The file at `path`, made where it is not there, once no other process has its lock.
pub(super) fn lock(path: &Path) -> Result<File, RootError> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    // One that another user made can be locked all the same, but on NFS.
    let opened = opened.or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => File::open(path).map_err(|_| error),
        _ => Err(error),
    });
    let file = opened.map_err(RootError::io("open", path))?;
    retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
        .map_err(|error| RootError::io("lock", path)(error.into()))?;
    Ok(file)
}

/// A file that is being written in the directory, locked so that it is not taken for a stray; made while the table is
/// locked.
pub(super) fn partial(directory: &Path) -> Result<NamedTempFile, RootError> {
    let made = TemporaryName::new()
        .prefix(PARTIAL_PREFIX)
        .suffix(PARTIAL_SUFFIX)
        .permissions(PermissionsExt::from_mode(MODE))
        .tempfile_in(directory);
    let file = made.map_err(RootError::io("make a file in", directory))?;
    let locked = retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive));
    locked.map_err(|error| RootError::io("lock a file in", directory)(error.into()))?;
    Ok(file)
}

/// Removes a file that was being written if nobody locks it.
pub(super) fn remove_if_left(path: &Path) {
    // NFS locks only what is open for writing.
    let Ok(file) = File::options().write(true).open(path) else { return };
    if retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)).is_ok() {
        // Whoever cannot remove it leaves it to the next.
        let _ = fs::remove_file(path);
    }
}

/// Gives a file another name, which nobody may have; `None` where that cannot be done in one step, as on NFS.
pub(super) fn name_in_one_step(from: &Path, to: &Path) -> Option<io::Result<()>> {
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => None,
        renamed => Some(renamed.map_err(io::Error::from)),
    }
}

/// Whether links led around in a circle.
pub(super) fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Has the names in a directory on disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
