//! Where a carved file is kept while it is served, and how that is chosen.

use std::fs;

use graven_format::Storage;

/// The words for where a carved file is kept, and what each means.
pub(crate) const WORDS: [(&str, Storage, &str); 3] = [
    ("ram", Storage::Memory, "In memory of its own, checked once"),
    (
        "mmap",
        Storage::Mapped,
        "In the system's page cache, checked at every lookup; it may be larger than memory",
    ),
    (
        "disk",
        Storage::Disk,
        "On disk, one read a lookup past the page cache; only its index and a cache are in memory",
    ),
];

/// The word for where a file is kept.
pub(crate) fn word(storage: Storage) -> &'static str {
    WORDS.iter().find(|(_, of, _)| *of == storage).map_or("", |(word, _, _)| word)
}

/// Where a file of `bytes` bytes is kept, and why, when `wish` was said.
pub(crate) fn choose(wish: Option<Storage>, bytes: u64) -> (Storage, String) {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    match (wish, available_bytes()) {
        (Some(storage), _) => (storage, "as --storage says".into()),
        (None, None) => (Storage::Memory, "how much memory there is, the system does not say".into()),
        // A quarter stays for everything else.
        (None, Some(available)) if bytes <= available / 4 * 3 => {
            (Storage::Memory, format!("{} of memory are available", megabytes(available)))
        }
        (None, Some(available)) => {
            (Storage::Disk, format!("only {} of memory are available", megabytes(available)))
        }
    }
}

/// Memory that this process can still take, in bytes: what the system has, or what its control
/// group leaves it.
fn available_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    let system = kibibytes * 1024;
    Some(group_bytes().map_or(system, |group| group.min(system)))
}

/// What the control group (version 2) and those above it leave this process; `None` where nothing
/// is said.
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
