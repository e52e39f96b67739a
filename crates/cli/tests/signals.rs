//! Signals: a terminal that goes away stops what has something to take away, and never a server.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{carved, example_data, file_with, graven, open_bytes, run};

/// Starts `graven serve` with its log in a pipe.
fn serve(arguments: &[&str]) -> Child {
    let mut command = graven();
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// The first line of `source` that holds `wanted`.
fn line_with(source: &mut impl BufRead, wanted: &str) -> String {
    let found = source.lines().map(Result::unwrap).find(|line| line.contains(wanted));
    found.unwrap_or_else(|| panic!("no line with {wanted}"))
}

#[test]
fn a_server_says_at_each_sighup_that_there_is_nothing_to_reload_and_goes_on() {
    let (_directory, table) = carved(&example_data(), &[]);
    let mut child = serve(&[table.to_str().unwrap()]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let listening = line_with(&mut out, "listening on ");
    for _ in 0..3 {
        signal(&child, Signal::HUP);
        line_with(&mut log, "SIGHUP: nothing to reload");
    }
    let address = listening.strip_prefix("listening on ").unwrap();
    let key = "53175d61-490b-43df-a1da-6f3dc380d507";
    assert_eq!(run(&["get", address, key]).out, "c yuarj f owzuwsxqz\n");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_sighup_while_a_text_is_read_does_not_end_the_server_and_a_sigterm_does() {
    let mut child = serve(&["-"]);
    child.stdin.as_mut().unwrap().write_all(b"a 1\n").unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    // The text has no end yet, so that the server is not there. The signal is repeated until it is
    // watched for.
    let said = std::thread::scope(|scope| {
        let said = scope.spawn(|| line_with(&mut log, "SIGHUP"));
        // Before anything is watched for, the signal would end the process: it is asked whether it
        // is.
        let status = format!("/proc/{}/status", child.id());
        let is_watched = || {
            let status = std::fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1
        };
        while !is_watched() {
            std::thread::yield_now();
        }
        signal(&child, Signal::HUP);
        said.join().unwrap()
    });
    assert!(said.contains("nothing to reload"), "{said}");
    // Waiting closes the input, and a server whose text has come to its end stops with status 0.
    let input = child.stdin.take();
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    drop(input);
}

#[test]
fn a_command_that_was_told_to_ignore_the_terminal_goes_on_without_it() {
    let (_directory, path) = file_with(b"");
    // As `nohup` does it.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" gen -n 1000000000000 -o \"$1\""])
        .arg(env!("CARGO_BIN_EXE_graven"))
        .arg(&path)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let partial_bytes = || open_bytes(&child, path.parent().unwrap());
    let wait_for_more_than = |bytes| {
        while partial_bytes() <= bytes {
            std::thread::yield_now();
        }
    };
    wait_for_more_than(0);
    signal(&child, Signal::HUP);
    // It goes on writing.
    wait_for_more_than(partial_bytes() + (1 << 20));
    signal(&child, Signal::INT);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("stopped by a signal"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(128 + Signal::INT.as_raw()));
}
