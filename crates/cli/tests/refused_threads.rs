//! A system that refuses threads: every subcommand does without or says so, and none panics.

mod support;

use std::fs;
use std::net::TcpListener;

use support::{Ended, carved, example_data, graven};

/// Runs `graven` where each new thread is to have a stack of 128 TiB, which no system gives.
fn run_without_threads(arguments: &[&str]) -> Ended {
    graven().args(arguments).env("RUST_MIN_STACK", "140737488355328").output().unwrap().into()
}

#[test]
fn what_needs_threads_says_that_there_are_none() {
    let (directory, table) = carved(&example_data(), &[]);
    let (text, table) = (example_data(), table.to_str().unwrap().to_owned());
    let text = text.to_str().unwrap();
    let output = directory.path().join("output.graven");
    let output = output.to_str().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for arguments in [
        &["serve", text, "--listen", "127.0.0.1:0"][..],
        &["serve", &table, "--listen", "127.0.0.1:0", "--storage", "disk"],
        &["build", text, "-o", output],
        &["build", text, "-o", output, "--threads", "1"],
        &["bench", &silent, "--keys", text, "--threads", "2"],
    ] {
        let Ended { status, out, err } = run_without_threads(arguments);
        let of_load = "graven: the run had to be given up: resource temporarily unavailable";
        let is_said = err.starts_with("graven: cannot start a thread: resource temporarily unavailable; ")
            || (arguments[0] == "bench" && err.starts_with(of_load));
        assert!(is_said && err.lines().count() == 1, "{arguments:?}: {err}");
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
    }
    assert!(fs::metadata(output).is_err());
}

#[test]
fn what_needs_no_threads_does_its_work() {
    let (_directory, table) = carved(&example_data(), &[]);
    let table = table.to_str().unwrap();
    let key = "53175d61-490b-43df-a1da-6f3dc380d507";
    for arguments in [
        &["get", table, key][..],
        &["get", example_data().to_str().unwrap(), key],
        &["info", table],
        &["verify", table],
        &["dump", table],
        &["gen", "-n", "10"],
    ] {
        let Ended { status, out, err } = run_without_threads(arguments);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!out.is_empty(), "{arguments:?}");
    }
}
