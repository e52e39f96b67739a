//! The program as people run it, with the bare loop as its only server: that needs nothing installed.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The system takes far less to end a process.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the comparison of the bare loop with itself.
fn start(arguments: &[&str]) -> (Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("few.data");
    std::fs::write(&text, "first 1\nsecond 22\nthird 333\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_compare-serve"))
        .arg(&text)
        .args(["--only", "bare", "--rounds", "1"])
        .args(arguments)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, folder)
}

/// Starts a comparison that takes very long, and waits until all of its servers listen.
fn start_for_long() -> (Child, tempfile::TempDir, BufReader<ChildStderr>, Vec<String>) {
    let (mut child, folder) = start(&["--seconds", "1000"]);
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut addresses = Vec::new();
    while addresses.len() < 4 {
        let mut line = String::new();
        assert_ne!(progress.read_line(&mut line).unwrap(), 0, "it ended before it was told to");
        addresses.extend(address(line.trim_end()));
    }
    (child, folder, progress, addresses)
}

/// The address of the server that a line of progress says has started.
fn address(line: &str) -> Option<String> {
    line.split_once(" listens on ").map(|(_, address)| address.to_owned())
}

/// Whether nobody listens at the addresses any more and nothing is left of the servers' folders.
fn all_are_gone(addresses: &[String], folder: &tempfile::TempDir) -> bool {
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    addresses.iter().all(|address| TcpStream::connect(address).is_err()) && left == 1
}

#[test]
fn one_command_prints_the_tables_and_leaves_nothing_behind() {
    let (child, folder) = start(&["--seconds", "0.05", "--depth", "1,16", "--idle", "20"]);
    let output = child.wait_with_output().unwrap();
    let (said, progress) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{progress}");
    for part in [
        "### Depth 1, 50 connections\n\n| protocol |",
        "### Depth 16, 50 connections\n\n| protocol |",
        "### Beside 20 idle connections, 3 rounds\n\n| server |",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    for protocol in ["http", "resp", "mc", "mg"] {
        let row = format!("\n| {protocol} | bare loop | ");
        let rates: Vec<f64> =
            said.split(&row).skip(1).map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(rates.len(), 2, "{protocol} has a row in both tables of {said}");
        assert!(rates.iter().all(|&rate| rate > 100.0), "{rates:?}");
    }
    let addresses: Vec<String> = progress.lines().filter_map(address).collect();
    assert_eq!(addresses.len(), 4, "a bare loop for each protocol: {progress}");
    assert!(all_are_gone(&addresses, &folder));
}

#[test]
fn a_signal_stops_every_server() {
    let (mut child, folder, mut progress, addresses) = start_for_long();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    progress.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(rest.contains("stopped by a signal"), "{rest}");
    assert!(all_are_gone(&addresses, &folder));
}

#[test]
fn a_program_that_is_killed_takes_its_servers_with_it() {
    let (mut child, _folder, _progress, addresses) = start_for_long();
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while addresses.iter().any(|address| TcpStream::connect(address).is_ok()) {
        assert!(Instant::now() < deadline, "a server outlives the program that started it");
        thread::yield_now();
    }
}

#[test]
fn what_is_missing_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_compare-serve"))
        .args(["no.data", "--only", "graven", "--graven", "/nowhere/graven"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("graven is missing") && said.contains("cargo build --release"), "{said}");
}
