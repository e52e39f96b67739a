//! What of a new file Windows does. Who may read it follows from its directory. It always has a name, and instead of a lock it
//! is open in a way in which no other process can open it for writing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

/// `FILE_SHARE_READ | FILE_SHARE_DELETE`: others may read, rename and remove it meanwhile.
const NO_OTHER_WRITER: u32 = 0x1 | 0x4;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: a link is opened itself.
const NO_FOLLOW: u32 = 0x0020_0000;

/// A new file with a temporary name, which nobody takes for left.
pub(super) fn create_named(temporary: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).share_mode(NO_OTHER_WRITER).open(temporary)
}

pub(super) fn take_after_the_old(_path: &Path, _file: &File) -> io::Result<()> {
    Ok(())
}

/// Removes the file at `temporary` if the process that made it has ended.
pub(super) fn remove_if_left(temporary: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).share_mode(NO_OTHER_WRITER).custom_flags(NO_FOLLOW);
    if let Ok(_left) = options.open(temporary) {
        // Nothing can be done where it stays.
        let _ = fs::remove_file(temporary);
    }
}

pub(super) fn unnamed(_directory: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

pub(super) fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A directory cannot be flushed there.
pub(super) fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
