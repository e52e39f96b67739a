//! A system that refuses threads: the server returns an error, and does not panic.

use std::path::Path;
use std::process::Command;

use graven_access::Access;
use graven_catalog::Catalog;
use graven_format::{Builder, Storage};
use graven_server::{DiskReads, Error, Listener, ServerOptions, Shutdown, run};

use crate::harness::{open, threads};

/// Asks each new thread to have a stack of 128 TiB, which no system gives; the standard library
/// reads it once a process.
const STACK: (&str, &str) = ("RUST_MIN_STACK", "140737488355328");

fn serve(path: &Path, storage: Storage, options: &ServerOptions) -> Result<(), Error> {
    let catalog = Catalog::new("table", "only", open(path, storage));
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), options).unwrap();
    let shutdown = Shutdown::new();
    // Whatever runs in spite of it ends at once.
    shutdown.trigger();
    run(vec![listener], &catalog, &Access::open(), options, &shutdown)
}

#[test]
fn a_server_that_gets_no_threads_says_so() {
    if std::env::var_os(STACK.0).is_none() {
        // The same test once more, in a process without threads.
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "threads::a_server_that_gets_no_threads_says_so", "--test-threads=1"]);
        let ended = child.env(STACK.0, STACK.1).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{ended:?}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let mut builder = Builder::new(graven_format::Options { threads: 1, ..Default::default() });
    builder.add(b"k", b"v").unwrap();
    builder.write(&path).unwrap();

    assert!(matches!(serve(&path, Storage::Memory, &threads(2)), Err(Error::Thread { .. })));
    assert!(serve(&path, Storage::Memory, &threads(1)).is_ok());

    let mut reads = threads(1);
    reads.storage.disk_reads = DiskReads::Threads;
    assert!(matches!(serve(&path, Storage::Disk, &reads), Err(Error::Loop { .. })));
}
