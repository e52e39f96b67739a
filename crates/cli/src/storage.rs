//! Where a carved file is kept while it is served, and how it is read from there, as flags of `graven serve`.

use std::fmt;
use std::fs;

use bytesize::ByteSize;
use clap::ValueEnum;
use graven_server::{DiskReads, Options};

/// What [`Options`] can be told of a table on disk, and whether it is on disk.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Storage {
    /// Where a carved file is kept [default: ram where it has room, else disk]
    #[arg(long, value_enum, value_name = "WHERE", help_heading = STORAGE)]
    pub(crate) storage: Option<Place>,
    /// With --storage disk: how much of the file is kept in memory for the next who asks; 0 turns it off
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = STORAGE)]
    cache: ByteSize,
    /// With --storage disk: how the file is read
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto", help_heading = STORAGE)]
    disk_reads: Reads,
    /// With --storage disk: reads that each thread has under way or is about to answer from, 16 to 16384
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = STORAGE,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(16..=16_384))]
    max_disk_reads: usize,
    /// With --storage disk: reads that the disk is given at once by all threads together, 1 to 16384
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = STORAGE,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=16_384))]
    disk_queue: usize,
}

const STORAGE: &str = "Storage";

/// Where a carved file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// In memory of its own, checked once
    Ram,
    /// In the system's page cache, checked at every lookup; it may be larger than memory
    Mmap,
    /// On disk, one read a lookup past the page cache; only its index and a cache are in memory
    Disk,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ram => "ram",
            Self::Mmap => "mmap",
            Self::Disk => "disk",
        })
    }
}

/// [`DiskReads`] as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reads {
    /// io_uring where the kernel allows it, else threads
    Auto,
    /// io_uring, or not at all
    IoUring,
    /// Sixteen threads for each that answers
    Threads,
}

impl Storage {
    /// Tells `options` what was said here.
    pub(crate) fn tell(&self, options: &mut Options) {
        options.cache_bytes = self.cache.as_u64();
        options.disk_reads_max = self.max_disk_reads;
        options.disk_queue = self.disk_queue;
        options.disk_reads = match self.disk_reads {
            Reads::Auto => DiskReads::Auto,
            Reads::IoUring => DiskReads::IoUring,
            Reads::Threads => DiskReads::Threads,
        };
    }

    /// The size of the cache, as people write it.
    pub(crate) fn cache_size(&self) -> ByteSize {
        self.cache
    }

    /// Where a file of `bytes` bytes is kept, and why.
    pub(crate) fn choose(&self, bytes: u64) -> (Place, String) {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        match (self.storage, available_bytes()) {
            (Some(place), _) => (place, "as --storage says".into()),
            (None, None) => (Place::Ram, "how much memory there is, the system does not say".into()),
            // A quarter stays for everything else.
            (None, Some(available)) if bytes <= available / 4 * 3 => {
                (Place::Ram, format!("{} of memory are available", megabytes(available)))
            }
            (None, Some(available)) => {
                (Place::Disk, format!("only {} of memory are available", megabytes(available)))
            }
        }
    }
}

/// Memory that this process can still take, in bytes: what the system has, or what its control group leaves it.
fn available_bytes() -> Option<u64> {
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
