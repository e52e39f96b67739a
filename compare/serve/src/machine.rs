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

/// The processors' time since the system started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&stat).context("/proc/stat has no times of all processors")
    }

    /// The first line sums up all processors; its eighth number is what the host of a virtual machine took away.
    fn parse(stat: &str) -> Option<Self> {
        let times = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        let times: Vec<u64> = times.map(|time| time.parse().ok()).take(8).collect::<Option<_>>()?;
        Some(Self { all: times.iter().sum(), stolen: *times.get(7)? })
    }

    /// How much of the time since `before` the host took away, in percent.
    pub(crate) fn stolen_percent_since(self, before: Self) -> f64 {
        (self.stolen - before.stolen) as f64 * 100.0 / (self.all - before.all).max(1) as f64
    }
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

/// How long a process has computed since it started, in the system's ticks, of which a second has a hundred.
pub(crate) fn processor_ticks(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    ticks_in(&stat).with_context(|| format!("{path} has no times"))
}

/// In user code and in the kernel: the 14th and the 15th field, where the second is a name that may hold anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) resident_bytes: u64,
    /// With its share of what others hold as well.
    pub(crate) proportional_bytes: u64,
    pub(crate) descriptors: u64,
}

impl Held {
    pub(crate) fn by(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/smaps_rollup");
        let rollup = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let pss = kilobytes_in(&rollup, "Pss:").with_context(|| format!("{path} has no Pss"))?;
        let path = format!("/proc/{process}/fd");
        let descriptors = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?.count() as u64;
        Ok(Self { resident_bytes: resident_bytes(process)?, proportional_bytes: pss, descriptors })
    }
}

/// How often the threads of a process were put to rest so far.
pub(crate) fn context_switches(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("cannot list threads")? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let counts = status.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
        sum += counts.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}

/// Memory of a process that is resident now, in bytes.
pub(crate) fn resident_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    kilobytes_in(&status, "VmRSS:").with_context(|| format!("{path} has no VmRSS"))
}

/// The bytes that a line with this name says.
fn kilobytes_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::{Held, Ticks, context_switches, kilobytes_in, resident_bytes, ticks_in};

    #[test]
    fn time_that_the_host_took_away_is_a_part_of_all_time() {
        let before = Ticks::parse("cpu  100 0 50 800 10 0 20 20 0 0\ncpu0 1 2 3\n").unwrap();
        let after = Ticks::parse("cpu  500 0 150 1180 10 0 30 130 0 0\n").unwrap();
        assert_eq!(before, Ticks { all: 1000, stolen: 20 });
        assert_eq!(after.stolen_percent_since(before), 11.0);
        assert_eq!(Ticks::parse("intr 1 2 3"), None);
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "77 (a) 1 2) S 1 77 77 0 -1 4194304 500 600 0 0 21 4 8 9 20 0";
        assert_eq!(ticks_in(stat), Some(25));
        assert_eq!(ticks_in("77 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(kilobytes_in("VmHWM:\t 99 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 * 1024));
        assert_eq!(kilobytes_in("VmHWM:\t 99 kB\n", "VmRSS:"), None);
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000, "a process takes some memory");
        let held = Held::by(std::process::id()).unwrap();
        assert!(held.proportional_bytes > 100_000 && held.descriptors > 2, "{held:?}");
        assert!(context_switches(std::process::id()).unwrap() > 0);
    }
}
