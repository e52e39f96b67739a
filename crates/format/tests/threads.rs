//! A system that refuses threads: an error, and no panic.

use std::process::Command;

use graven_format::{Builder, Error, Options};

/// Asks each new thread to have a stack of 128 TiB, which no system gives; the standard library
/// reads it once a process.
const STACK: (&str, &str) = ("RUST_MIN_STACK", "140737488355328");

#[test]
fn a_build_without_threads_is_an_error_and_one_on_one_thread_needs_none() {
    if std::env::var_os(STACK.0).is_none() {
        // The same test once more, in a process without threads.
        let name = "a_build_without_threads_is_an_error_and_one_on_one_thread_needs_none";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(STACK.0, STACK.1);
        let ended = child.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{ended:?}");
        return;
    }
    let build = |threads| {
        let mut builder = Builder::new(Options { threads, ..Options::default() });
        builder.add_text(graven_format::Source::Stream(Box::new(&b"a 1\nb 2\n"[..])))?;
        builder.finish()
    };
    assert!(matches!(build(2), Err(Error::Thread { .. })));
    assert_eq!(build(1).unwrap().0.len(), 2);
}
