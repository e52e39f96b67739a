//! How much memory there is to take.

use std::fs;

/// Memory that this process can still take, in bytes: what the system has, or what its control group leaves it; `None` where
/// the system does not say.
pub fn available_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    let system = kibibytes * 1024;
    Some(group_bytes().map_or(system, |group| group.min(system)))
}

/// What the control group (version 2) and those above it leave this process; `None` where nothing is said.
fn group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |path: &str, name: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{path}/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let mut least = None;
    loop {
        if let (Some(most), Some(now)) = (number(path, "memory.max"), number(path, "memory.current")) {
            let left = most.saturating_sub(now);
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
        if path.is_empty() {
            return least;
        }
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
}
