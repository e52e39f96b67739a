//! What of a root in a file system Windows does. Instead of a lock, a file is open in a way in which no other process can open
//! it; who may read it follows from its directory.

use std::fs::{self, File};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder as TemporaryName, NamedTempFile};

use super::{PARTIAL_PREFIX, PARTIAL_SUFFIX};
use crate::root::error::RootError;

/// No other process may open it.
const NOT_SHARED: u32 = 0;

/// `FILE_SHARE_READ | FILE_SHARE_DELETE`: others may read, rename and remove it meanwhile.
const NO_OTHER_WRITER: u32 = 0x1 | 0x4;

/// `ERROR_SHARING_VIOLATION`: it is open elsewhere.
const ERROR_OPEN_ELSEWHERE: i32 = 32;

/// `ERROR_CANT_RESOLVE_FILENAME`: links lead around in a circle.
const ERROR_LOOP: i32 = 1921;

/// How often a file is tried that another process has.
const RETRY: Duration = Duration::from_millis(10);

/// The file at `path`, made where it is not there, once no other process has it open.
pub(super) fn lock(path: &Path) -> Result<File, RootError> {
    loop {
        let mut options = File::options();
        match options.create(true).truncate(false).write(true).share_mode(NOT_SHARED).open(path) {
            Err(error) if error.raw_os_error() == Some(ERROR_OPEN_ELSEWHERE) => std::thread::sleep(RETRY),
            opened => return opened.map_err(RootError::io("open", path)),
        }
    }
}

/// A file that is being written in the directory, and not taken for a stray.
pub(super) fn partial(directory: &Path) -> Result<NamedTempFile, RootError> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).share_mode(NO_OTHER_WRITER);
    let mut name = TemporaryName::new();
    let made =
        name.prefix(PARTIAL_PREFIX).suffix(PARTIAL_SUFFIX).make_in(directory, |path| options.open(path));
    made.map_err(RootError::io("make a file in", directory))
}

/// Removes a file that was being written if nobody has it open for that.
pub(super) fn remove_if_left(path: &Path) {
    if let Ok(_left) = File::options().write(true).share_mode(NO_OTHER_WRITER).open(path) {
        // Whoever cannot remove it leaves it to the next.
        let _ = fs::remove_file(path);
    }
}

/// Nothing gives a file a name that nobody may have, as far as the standard library knows.
pub(super) fn name_in_one_step(_from: &Path, _to: &Path) -> Option<io::Result<()>> {
    None
}

/// Whether links led around in a circle.
pub(super) fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_LOOP)
}

/// A directory cannot be flushed there.
pub(super) fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
