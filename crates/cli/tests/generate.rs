//! `graven gen` as a process.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{assert_refused, example_data, file_with, graven, open_bytes, run};

#[test]
fn the_example_in_the_repository_is_what_gen_writes() {
    let written = graven().args(["gen", "-n", "10000", "--values", "words"]).output().unwrap();
    assert!(written.status.success());
    assert!(written.stdout == fs::read(example_data()).unwrap());
}

#[test]
fn a_file_and_standard_output_get_the_same_bytes() {
    let (directory, path) = file_with(b"what was there before");
    for values in ["letters", "words"] {
        let arguments = ["gen", "-n", "20000", "--seed", "7", "--values", values];
        let written = run(&[&arguments[..], &["-o", path.to_str().unwrap()]].concat());
        assert_eq!((written.status, written.out.as_str(), written.err.as_str()), (Some(0), "", ""));
        assert!(fs::read_to_string(&path).unwrap() == run(&arguments).out);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn a_link_is_followed_and_stays_a_link() {
    let (directory, path) = file_with(b"");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(run(&["gen", "-n", "1", "-o", link.to_str().unwrap()]).status, Some(0));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut child = graven()
        .args(["gen", "-n", "1000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_signal_leaves_the_old_file_and_no_litter() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (directory, path) = file_with(b"what was there before");
        let child = graven()
            .args(["gen", "-n", "1000000000000", "-o"])
            .arg(&path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while open_bytes(&child, directory.path()) == 0 {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        let sentence = "stopped by a signal; what was there before is untouched";
        assert_eq!(said, format!("graven: cannot write {}: {sentence}\n", path.display()));
        assert_eq!(ended.status.code(), Some(128 + signal.as_raw()));
        assert_eq!(fs::read(&path).unwrap(), b"what was there before");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let (directory, _path) = file_with(b"");
    let directory = directory.path().canonicalize().unwrap();
    let directory = directory.to_str().unwrap();
    let sentence = format!(
        "cannot write {directory}: it is a directory; name a file in it, such as {directory}/sample.data"
    );
    assert_refused(&["gen", "-n", "1", "-o", directory], &sentence);

    let nowhere = format!("{directory}/nowhere/sample.data");
    let sentence = format!(
        "cannot write {nowhere}: no such file or directory; make the directory {directory}/nowhere first"
    );
    assert_refused(&["gen", "-n", "1", "-o", &nowhere], &sentence);

    assert_refused(&["gen", "-n", "1", "-o", "/dev/full"], "cannot write /dev/full: no space left on device");
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    assert_eq!(run(&["gen", "-n", "1000", "-o", "/dev/null"]).status, Some(0));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn memory_does_not_grow_with_the_number_of_lines() {
    let script = r#"ulimit -d 16384 && exec "$0" gen -n 1500000 -o /dev/null"#;
    let status = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_graven")]).status().unwrap();
    assert!(status.success(), "100 MB of lines need less than 16 MiB");
}

#[test]
fn a_command_line_that_cannot_be_read_is_status_2() {
    for arguments in
        [&["gen"][..], &["gen", "-n", "many"], &["gen", "-n", "1", "--values", "numbers"], &["nonsense"]]
    {
        assert_eq!(run(arguments).status, Some(2), "{arguments:?}");
    }
}
