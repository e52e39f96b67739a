//! graven's three storages with less memory than the table has bytes, as a control group limits it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::group::{self, Group};
use crate::load::{Report, Subject};
use crate::server::{Served, Server};

/// Requests a second and waits of graven by storage, when the server may take only a part of the table's bytes as memory;
/// needs root and control groups
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// The server may take the table's bytes, divided by this, as memory
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    share: u64,
}

/// The least memory that a server is limited to: with less, it is its code and its buffers that are measured.
const LIMIT_BYTES_MIN: u64 = 32 << 20;

/// The part of the limit that the disk's cache is given where it has one.
const CACHE_SHARE: u64 = 4;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let bytes = arguments.subject.table_bytes()?;
    let limit = limit_bytes(bytes, arguments.share)?;
    let cache = limit / CACHE_SHARE;
    eprintln!("the table has {bytes} bytes, the server {limit}");
    println!("| storage | requests/s | p50 ms | p99 ms | resident MB |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let cached = format!("disk, {:.0} MB of cache", cache as f64 / 1e6);
    let storages = [("ram", "ram", 0), ("mmap", "mmap", 0), ("disk", "disk", 0), (&cached, "disk", cache)];
    for (name, storage, cache_bytes) in storages {
        eprintln!("{name}");
        let served = arguments.subject.served(storage, cache_bytes);
        match measure(arguments, &served, limit)? {
            Some((report, resident)) => println!(
                "| {name} | {:.0} | {:.3} | {:.3} | {:.1} |",
                report.rate,
                report.p50_ms,
                report.p99_ms,
                resident as f64 / 1e6
            ),
            None => println!("| {name} | killed | - | - | - |"),
        }
    }
    Ok(())
}

/// The memory of a server of a table of `bytes` bytes.
fn limit_bytes(bytes: u64, share: u64) -> Result<u64> {
    let limit = bytes / share;
    ensure!(
        limit >= LIMIT_BYTES_MIN,
        "1/{share} of the table are {limit} bytes, and a server needs {LIMIT_BYTES_MIN}; take a table of at least {} bytes",
        LIMIT_BYTES_MIN * share
    );
    Ok(limit)
}

/// A run, and the server's resident bytes at its end; `None` where the system killed the server.
fn measure(arguments: &Arguments, served: &Served<'_>, limit: u64) -> Result<Option<(Report, u64)>> {
    forget_pages(&arguments.subject.table)?;
    // Dropped after the server, as a group with members cannot go.
    let own = std::fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let group = Group::new(Path::new(group::ROOT), &own, limit)?;
    let Some(mut server) = Server::start(served, Some(&group.members()))? else { return Ok(None) };
    let load = arguments.subject.load("uniform");
    // The first run fills the caches, with other draws than those that are measured.
    let measured = load
        .run(server.address(), 1)
        .and_then(|_| load.run(server.address(), 2))
        .and_then(|report| Ok((report, server.resident_bytes()?)));
    match measured {
        Ok(measured) => Ok(Some(measured)),
        Err(_) if server.is_killed()? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Drops the pages of `table` that the page cache holds. Those are charged to whoever read them first, for example the build,
/// so that a server would find the table in memory that its own limit does not count.
fn forget_pages(table: &Path) -> Result<()> {
    let file = File::open(table).with_context(|| format!("cannot read {}", table.display()))?;
    // Pages that are not written yet would stay.
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
        .with_context(|| format!("cannot drop the pages of {}", table.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_leaves_the_server_too_little_is_refused() {
        assert_eq!(limit_bytes(160 << 20, 4).unwrap(), 40 << 20);
        let error = limit_bytes(100 << 20, 4).unwrap_err().to_string();
        assert!(error.contains("at least 134217728 bytes"), "{error}");
    }

    #[test]
    fn a_file_keeps_its_bytes_when_its_pages_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        std::fs::write(&path, "bytes").unwrap();
        forget_pages(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
    }
}
