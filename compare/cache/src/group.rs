//! A control group that limits the memory of its members, page cache included, and goes when it is dropped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Where the system keeps control groups.
pub(crate) const ROOT: &str = "/sys/fs/cgroup";

/// How often, and after what time each, the removal of a group is tried again: its last member may still be on its way out.
const REMOVALS: u32 = 50;
const REMOVAL_WAIT: Duration = Duration::from_millis(20);

/// A group without members, unless some have joined.
pub(crate) struct Group {
    folder: PathBuf,
}

impl Group {
    /// A new group below `root` whose members take at most `limit_bytes` of memory and nothing of the swap.
    ///
    /// # Errors
    /// When there are no control groups, or this process may not make one.
    pub(crate) fn new(root: &Path, limit_bytes: u64) -> Result<Self> {
        let name = format!("compare-cache-{}", std::process::id());
        let limit = limit_bytes.to_string();
        let first = root.join("memory");
        if first.join("memory.limit_in_bytes").exists() {
            let group = Self::make(first.join(name))?;
            group.set("memory.limit_in_bytes", &limit)?;
            // Memory and swap together; not every kernel counts the swap.
            if group.folder.join("memory.memsw.limit_in_bytes").exists() {
                group.set("memory.memsw.limit_in_bytes", &limit)?;
            }
            return Ok(group);
        }
        let control = root.join("cgroup.subtree_control");
        let Ok(controlled) = fs::read_to_string(&control) else {
            bail!(
                "no control groups for memory in {}; this needs a Linux on which they are mounted there",
                root.display()
            );
        };
        if !controlled.split_whitespace().any(|name| name == "memory") {
            bail!(
                "groups below {0} cannot limit memory; as root, `echo +memory > {1}` lets them",
                root.display(),
                control.display()
            );
        }
        let group = Self::make(root.join(name))?;
        group.set("memory.max", &limit)?;
        // Not there where the kernel has no swap.
        if group.folder.join("memory.swap.max").exists() {
            group.set("memory.swap.max", "0")?;
        }
        Ok(group)
    }

    fn make(folder: PathBuf) -> Result<Self> {
        fs::create_dir(&folder).with_context(|| {
            format!(
                "cannot make the control group {}; this needs root, and a system that is not a container",
                folder.display()
            )
        })?;
        Ok(Self { folder })
    }

    fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, value).with_context(|| format!("cannot write {value} to {}", path.display()))
    }

    /// The file that a process joins the group through, by writing its number.
    pub(crate) fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(REMOVAL_WAIT),
                Ok(()) => return,
                Err(error) => {
                    eprintln!("cannot remove the control group {}: {error}", self.folder.display());
                    return;
                }
            }
        }
        eprintln!("{} still has members; `rmdir` removes it once they have ended", self.folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes a group that is made of plain files, which do not go with their folder.
    fn discard(group: Group) {
        for entry in fs::read_dir(&group.folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let folder = group.folder.clone();
        drop(group);
        assert!(!folder.exists());
    }

    #[test]
    fn the_first_version_is_limited_below_the_folder_of_memory() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("memory")).unwrap();
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "").unwrap();
        let group = Group::new(root.path(), 40 << 20).unwrap();
        assert!(group.members().starts_with(root.path().join("memory")));
        assert_eq!(fs::read_to_string(group.folder.join("memory.limit_in_bytes")).unwrap(), "41943040");
        discard(group);
    }

    #[test]
    fn the_second_version_is_limited_where_memory_is_controlled() {
        let root = tempfile::tempdir().unwrap();
        assert!(Group::new(root.path(), 1).is_err());
        fs::write(root.path().join("cgroup.subtree_control"), "cpu pids\n").unwrap();
        let error = Group::new(root.path(), 1).err().unwrap();
        assert!(error.to_string().contains("+memory"), "{error}");
        fs::write(root.path().join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let group = Group::new(root.path(), 40 << 20).unwrap();
        assert_eq!(fs::read_to_string(group.folder.join("memory.max")).unwrap(), "41943040");
        discard(group);
    }
}
