//! What the system says about this process and this machine: memory, processor, kernel.

use std::fs;

use anyhow::{Context, Result};

/// Memory of this process that is resident now, in bytes: its own and the pages of files that it has mapped.
pub(crate) fn resident_bytes() -> Result<u64> {
    status("VmRSS:")
}

/// The most memory of this process that was ever resident, in bytes.
pub(crate) fn resident_peak_bytes() -> Result<u64> {
    status("VmHWM:")
}

fn status(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024).with_context(|| format!("/proc/self/status has no {field}"))
}

/// The machine in one line: processor, cores, largest cache, kernel, huge pages.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let field = |name: &str| {
        cpus.lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim().strip_prefix(':')?.trim().to_owned()))
    };
    let or_unknown =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cache = read("/sys/devices/system/cpu/cpu0/cache/index3/size");
    let huge = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let huge = huge.split(['[', ']']).nth(1).map(str::to_owned);
    let kernel = read("/proc/sys/kernel/osrelease").split('-').next().map(str::to_owned);
    format!(
        "{} (family {}, model {}), {cores} cores, last-level cache {}, Linux {}, huge pages: {}",
        or_unknown(field("model name")),
        or_unknown(field("cpu family")),
        or_unknown(field("model")),
        or_unknown(Some(cache)),
        or_unknown(kernel),
        or_unknown(huge),
    )
}
