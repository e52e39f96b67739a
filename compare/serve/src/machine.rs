//! The machine: what it is, which core a thread runs on, how many descriptors are allowed, what a process holds.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The machine in one line: processor, cores, largest cache, kernel.
pub(crate) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let field = |name: &str| {
        cpus.lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim().strip_prefix(':')?.trim().to_owned()))
    };
    let or_unknown =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let cache = read("/sys/devices/system/cpu/cpu0/cache/index3/size");
    let kernel = read("/proc/sys/kernel/osrelease").split('-').next().map(str::to_owned);
    format!(
        "{} (family {}, model {}), {cores} cores, last-level cache {}, Linux {}",
        or_unknown(field("model name")),
        or_unknown(field("cpu family")),
        or_unknown(field("model")),
        or_unknown(Some(cache)),
        or_unknown(kernel),
    )
}

/// Keeps this thread to one core.
pub(crate) fn pin_to(core: usize) -> Result<()> {
    ensure!(core < CpuSet::MAX_CPU, "there is no core {core}");
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot run on core {core}"))
}

/// Allows this process, and those that it starts, so many open descriptors.
pub(crate) fn allow_descriptors(wanted: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .with_context(|| format!("{wanted} descriptors are needed; allow them with `ulimit -Hn {wanted}`"))
}

/// Memory of a process that is resident now, in bytes.
pub(crate) fn resident_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    resident_in(&status).with_context(|| format!("{path} has no VmRSS"))
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::{resident_bytes, resident_in};

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_in("VmHWM:\t 99 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(resident_in("VmHWM:\t 99 kB\n"), None);
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000, "a process takes some memory");
    }
}
