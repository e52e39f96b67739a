//! The folder that the files lie in for as long as they are measured.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// What file systems that are in memory call themselves: tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58F6];

/// A folder in `given`, or beside `pairs`, that goes with its files when it is dropped.
pub(super) fn make(given: Option<&Path>, pairs: &Path) -> Result<TempDir> {
    let beside = pairs.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = given.unwrap_or(beside);
    let system = rustix::fs::statfs(folder)
        .with_context(|| format!("cannot use {}; name a folder with --folder", folder.display()))?;
    ensure!(
        !IN_MEMORY.contains(&(system.f_type as u64)),
        "{} is in memory, where there is no disk to read from; name a folder that is on one with --folder",
        folder.display()
    );
    let made = tempfile::Builder::new().prefix("compare-cache-").tempdir_in(folder);
    made.with_context(|| format!("cannot make a folder in {}; name another with --folder", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_given_one_or_beside_the_pairs() {
        let (given, beside) = (tempfile::tempdir_in(".").unwrap(), tempfile::tempdir_in(".").unwrap());
        let pairs = beside.path().join("pairs.data");
        assert_eq!(make(None, &pairs).unwrap().path().parent(), Some(beside.path()));
        assert_eq!(make(Some(given.path()), &pairs).unwrap().path().parent(), Some(given.path()));
        let nowhere = given.path().join("nowhere");
        assert!(make(Some(&nowhere), &pairs).unwrap_err().to_string().contains("--folder"));
    }

    /// Where Linux keeps POSIX shared memory, which is a tmpfs.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_in_memory_is_refused() {
        let error = make(Some(Path::new("/dev/shm")), Path::new("pairs.data")).unwrap_err().to_string();
        assert!(error.contains("is in memory"), "{error}");
    }
}
