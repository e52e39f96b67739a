//! What a process on this machine has used of it, as `/proc` tells: the server that is measured,
//! where it is local, and the load tester itself.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Instant;

use crate::report::ProcessUse;
use crate::sockets::PeerAddress;

/// Ticks of a second in `/proc/PID/stat`: what the kernel shows to programs, on every machine that
/// is left.
const TICKS_PER_SECOND: f64 = 100.0;

/// A socket that listens, as `/proc/net/tcp` numbers its states.
const LISTENING: &str = "0A";

/// A Unix socket that listens, as `/proc/net/unix` flags it.
const UNIX_LISTENING: &str = "00010000";

/// Processes that are watched together.
#[derive(Debug)]
pub(crate) struct Watched {
    ids: Vec<u32>,
    command: String,
    before: Usage,
    since: Instant,
}

/// What processes have used so far.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
}

impl Watched {
    /// The processes that listen at `address`; `None` where it is not of this machine, or where
    /// this process may not look at them.
    pub(crate) fn listening_at(address: &PeerAddress) -> Option<Self> {
        let inodes = match address {
            PeerAddress::Tcp(address) if is_local(address.ip()) => tcp_listeners(*address),
            PeerAddress::Tcp(_) => return None,
            PeerAddress::Unix(path) => unix_listeners(path),
        };
        Self::begin(owners(&inodes))
    }

    /// This process.
    pub(crate) fn own() -> Option<Self> {
        Self::begin(vec![std::process::id()])
    }

    fn begin(ids: Vec<u32>) -> Option<Self> {
        let command = fs::read_to_string(format!("/proc/{}/comm", ids.first()?)).ok()?;
        let before = Usage::of(&ids)?;
        Some(Self { ids, command: command.trim_end().to_owned(), before, since: Instant::now() })
    }

    /// Begins anew: what they have used before does not count.
    pub(crate) fn restart(&mut self) {
        self.before = Usage::of(&self.ids).unwrap_or(self.before);
        self.since = Instant::now();
    }

    /// What they have used since; `None` where they are gone.
    pub(crate) fn end(&self) -> Option<ProcessUse> {
        let after = Usage::of(&self.ids)?;
        let seconds = self.since.elapsed().as_secs_f64();
        let cpu_seconds = (after.cpu_seconds - self.before.cpu_seconds).max(0.0);
        Some(ProcessUse {
            command: self.command.clone(),
            processes: self.ids.len(),
            cpu_seconds,
            cpu_cores: if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 },
            resident_bytes_before: self.before.resident_bytes,
            resident_bytes: after.resident_bytes,
        })
    }
}

impl Usage {
    /// Of all these processes together; of those that are gone nothing is known.
    fn of(ids: &[u32]) -> Option<Self> {
        ids.iter().filter_map(|id| Self::of_one(*id)).reduce(|all, one| Self {
            cpu_seconds: all.cpu_seconds + one.cpu_seconds,
            resident_bytes: all.resident_bytes + one.resident_bytes,
        })
    }

    fn of_one(id: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).ok();
        // Nanoseconds, but only of threads that are there: this process' own threads come and go.
        let precise = if id == std::process::id() { None } else { cpu_seconds(id) };
        Some(Self {
            cpu_seconds: precise.or_else(|| cpu_seconds_in(&read("stat")?))?,
            resident_bytes: resident_bytes_in(&read("status")?)?,
        })
    }
}

/// The processor time that `/proc/PID/stat` tells.
fn cpu_seconds_in(stat: &str) -> Option<f64> {
    // The second field is the command in parentheses, which may hold anything. What follows is
    // counted from the third on: utime is the 14th field, stime the 15th.
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?) as f64 / TICKS_PER_SECOND)
}

/// The resident memory that `/proc/PID/status` tells.
fn resident_bytes_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The processor time of the threads of a process that are there; `None` where the kernel does not
/// keep it.
fn cpu_seconds(id: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let nanos = threads.filter_map(|thread| {
        let schedule = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        schedule.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.reduce(|all, one| all + one).map(|nanos| nanos as f64 / 1e9)
}

/// Whether `ip` is an address of this machine: only such a one can be bound.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The sockets that listen at `address`, or at every address with its port.
fn tcp_listeners(address: SocketAddr) -> HashSet<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners_in(&table, address))
        .collect()
}

/// The inodes of the sockets in a table as `/proc/net/tcp` and `/proc/net/tcp6` have it.
fn listeners_in(table: &str, address: SocketAddr) -> Vec<u64> {
    let listens = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (ip, port) = fields.get(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let ip = ip_of(ip)?;
        let is_it = ip.is_unspecified() || ip.to_canonical() == address.ip().to_canonical();
        let inode = fields.get(9)?.parse().ok()?;
        (*fields.get(3)? == LISTENING && port == address.port() && is_it).then_some(inode)
    };
    table.lines().skip(1).filter_map(listens).collect()
}

/// An address as the kernel prints it: words of 32 bits, each as a number of this machine's.
fn ip_of(digits: &str) -> Option<IpAddr> {
    let words = (0..digits.len() / 8).map(|i| {
        let word = u32::from_str_radix(digits.get(8 * i..8 * i + 8)?, 16).ok()?;
        // Printed as a number, whose lowest byte came first on the wire if the machine is one that
        // puts it first.
        Some(if cfg!(target_endian = "little") { word.to_le_bytes() } else { word.to_be_bytes() })
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<[u8; 4]>>>()?.concat();
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// The sockets that listen at `path`.
fn unix_listeners(path: &Path) -> HashSet<u64> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let asked = fs::canonicalize(path).ok();
    let listens = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (flags, inode) = (*fields.get(3)?, fields.get(6)?.parse().ok()?);
        let found = fields.get(7..).filter(|words| !words.is_empty())?.join(" ");
        let found = Path::new(&found);
        let is_it = match fs::canonicalize(found) {
            // A server that bound a relative path may have done so elsewhere.
            _ if found.is_relative() => found.file_name() == path.file_name(),
            found => found.ok() == asked,
        };
        (flags == UNIX_LISTENING && is_it).then_some(inode)
    };
    table.lines().skip(1).filter_map(listens).collect()
}

/// The processes that have one of these sockets open, this one left out.
fn owners(inodes: &HashSet<u64>) -> Vec<u32> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let has_one = |id: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
        descriptors.filter_map(Result::ok).filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| {
            let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
            inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode| inodes.contains(&inode))
        })
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| *id != std::process::id())
        .filter(has_one)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_address_or_by_the_one_that_stands_for_all() {
        for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(bound) else { continue };
            let port = listener.local_addr().unwrap().port();
            let asked: SocketAddr = if bound.starts_with("[::1") {
                ([0, 0, 0, 0, 0, 0, 0, 1], port).into()
            } else {
                ([127, 0, 0, 1], port).into()
            };
            assert_eq!(tcp_listeners(asked).len(), 1, "{bound}");
            let other: SocketAddr = ([127, 0, 0, 2], port).into();
            let is_for_all = bound.contains("0.0.0.0") || bound.contains("[::]");
            assert_eq!(tcp_listeners(other).len(), usize::from(is_for_all), "{bound}");
        }
    }

    #[test]
    fn the_socket_of_a_path_is_found() {
        let path = std::env::temp_dir().join(format!("graven-bench-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(unix_listeners(&path).len(), 1);
        drop(listener);
        fs::remove_file(&path).unwrap();
        assert!(unix_listeners(&path).is_empty());
    }

    #[test]
    fn this_process_is_no_server_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = PeerAddress::Tcp(listener.local_addr().unwrap());
        assert!(Watched::listening_at(&address).is_none());
    }

    #[test]
    fn what_a_process_uses_is_measured() {
        let own = Watched::own().unwrap();
        let began = Instant::now();
        let mut sum = 0u64;
        while began.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        let used = own.end().unwrap();
        assert!(used.cpu_seconds > 0.0 && used.cpu_cores > 0.0, "{used:?}");
        assert!(used.resident_bytes > 100_000, "{used:?}");
    }

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let mut fields = vec!["0"; 22];
        (fields[11], fields[12]) = ("150", "50");
        let stat = format!("7 (a) b (c)) {}", fields.join(" "));
        assert_eq!(cpu_seconds_in(&stat), Some(2.0));
        assert_eq!((cpu_seconds_in("7 (a"), cpu_seconds_in("7 (a) S 1")), (None, None));
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_bytes_in("VmHWM:\t  9 kB\nVmRSS:\t  3 kB\n"), Some(3 * 1024));
        assert_eq!((resident_bytes_in("VmRSS: many"), resident_bytes_in("")), (None, None));
    }
}
