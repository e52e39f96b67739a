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
    /// A new group whose members take at most `limit_bytes` of memory and nothing of the swap. It is below the group that
    /// this process is in, so that the limits of that one hold for its members, too. `root` is where control groups are kept,
    /// and `own` the text of `/proc/self/cgroup`.
    ///
    /// # Errors
    /// When there are no control groups, or this process may not make one.
    pub(crate) fn new(root: &Path, own: &str, limit_bytes: u64) -> Result<Self> {
        let name = format!("compare-cache-{}", std::process::id());
        let limit = limit_bytes.to_string();
        let first = root.join("memory");
        if first.join("memory.limit_in_bytes").exists() {
            let group = Self::make(below(&first, own, "memory")?.join(name))?;
            group.set("memory.limit_in_bytes", &limit)?;
            // Memory and swap together; not every kernel counts the swap.
            if group.folder.join("memory.memsw.limit_in_bytes").exists() {
                group.set("memory.memsw.limit_in_bytes", &limit)?;
            }
            return Ok(group);
        }
        if !root.join("cgroup.subtree_control").exists() {
            bail!(
                "no control groups for memory in {}; this needs a Linux on which they are mounted there",
                root.display()
            );
        }
        let parent = below(root, own, "")?;
        let control = parent.join("cgroup.subtree_control");
        let controlled = fs::read_to_string(&control).unwrap_or_default();
        if !controlled.split_whitespace().any(|name| name == "memory") {
            bail!(
                "groups below {}, which this process is in, cannot limit memory, as {} does not name it; \
                 start this from a group whose does, such as the topmost",
                parent.display(),
                control.display()
            );
        }
        let group = Self::make(parent.join(name))?;
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

/// The folder below `root` of the group that a process is in, by the text of its `/proc/PID/cgroup`; `controller` is empty
/// for the second version.
fn below(root: &Path, own: &str, controller: &str) -> Result<PathBuf> {
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    });
    let path = path.context("/proc/self/cgroup does not say which control group this process is in")?;
    Ok(root.join(path.trim_start_matches('/')))
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
    fn the_first_version_is_limited_below_the_own_group_of_memory() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("memory/jobs/7");
        fs::create_dir_all(&own).unwrap();
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "").unwrap();
        let group = Group::new(root.path(), "5:cpu:/\n4:hugetlb,memory:/jobs/7\n0::/\n", 40 << 20).unwrap();
        assert_eq!(group.members().parent().unwrap().parent(), Some(&*own));
        assert_eq!(fs::read_to_string(group.folder.join("memory.limit_in_bytes")).unwrap(), "41943040");
        discard(group);
    }

    #[test]
    fn the_second_version_is_limited_below_the_own_group_where_memory_is_controlled() {
        let root = tempfile::tempdir().unwrap();
        let (own, text) = (root.path().join("jobs"), "0::/jobs\n");
        fs::create_dir(&own).unwrap();
        assert!(Group::new(root.path(), text, 1).is_err());
        fs::write(root.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        fs::write(own.join("cgroup.subtree_control"), "cpu pids\n").unwrap();
        let error = Group::new(root.path(), text, 1).err().unwrap();
        assert!(error.to_string().contains("cannot limit memory"), "{error}");
        fs::write(own.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let group = Group::new(root.path(), text, 40 << 20).unwrap();
        assert_eq!(group.members().parent().unwrap().parent(), Some(&*own));
        assert_eq!(fs::read_to_string(group.folder.join("memory.max")).unwrap(), "41943040");
        discard(group);
    }

    #[test]
    fn a_process_whose_group_is_not_told_is_refused() {
        assert!(below(Path::new("/r"), "1:cpu:/a\nnonsense\n", "memory").is_err());
        assert_eq!(below(Path::new("/r"), "1:memory:/\n", "memory").unwrap(), Path::new("/r"));
    }
}
