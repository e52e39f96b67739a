//! What this process takes of the system, asked of `/proc`. Where that is missing, everything is 0.

use std::fs;

/// Ticks a second in which the kernel tells processor time to programs, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory and processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessUsage {
    /// Memory that is resident now, and the most that ever was.
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
    /// Memory that the system has.
    pub(crate) system_bytes: u64,
    /// Seconds of processor time in the kernel, and outside of it.
    pub(crate) system_seconds: f64,
    pub(crate) user_seconds: f64,
}

impl ProcessUsage {
    /// What it is now.
    pub(crate) fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (status, memory, stat) =
            (read("/proc/self/status"), read("/proc/meminfo"), read("/proc/self/stat"));
        let [user_seconds, system_seconds] = processor_seconds(&stat);
        Self {
            resident_bytes: bytes_of(&status, "VmRSS:"),
            peak_bytes: bytes_of(&status, "VmHWM:"),
            system_bytes: bytes_of(&memory, "MemTotal:"),
            system_seconds,
            user_seconds,
        }
    }
}

/// The number of the line that begins with `name`, which is in KiB.
fn bytes_of(text: &str, name: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Processor time outside of the kernel and in it: the 14th and 15th field. The second, the
/// program's name in parentheses, may have spaces and parentheses in it.
fn processor_seconds(stat: &str) -> [f64; 2] {
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let mut fields = behind.split_whitespace().skip(11);
    [(); 2]
        .map(|()| fields.next().and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default())
        .map(|ticks| ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 1234 50 0 0 20 0";
        assert_eq!(processor_seconds(stat), [12.34, 0.5]);
        assert_eq!(processor_seconds(""), [0.0, 0.0]);
        assert_eq!(bytes_of("VmPeak:\t  9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), 12 * 1024);
        assert_eq!(bytes_of("", "VmRSS:"), 0);
    }

    #[test]
    fn this_process_has_memory() {
        let usage = ProcessUsage::now();
        assert!(usage.resident_bytes > 100_000 && usage.peak_bytes >= usage.resident_bytes);
        assert!(usage.system_bytes > usage.resident_bytes);
    }
}
