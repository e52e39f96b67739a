//! Standard output and standard error that are full or closed, and memory that the system does not
//! give: a sentence and an exit status, and never a panic or a signal.

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{Ended, example_data, example_pairs, graven, run};
use tempfile::TempDir;

/// A carved file and the text of it, and commands that write more than a pipe holds or little.
fn commands() -> (TempDir, Vec<Vec<String>>) {
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("table.graven");
    let (text, table) = (example_data(), table.to_str().unwrap().to_owned());
    let text = text.to_str().unwrap().to_owned();
    assert_eq!(run(&["build", &text, "-o", &table]).status, Some(0));
    let commands = [
        &["build", &text, "-o", &table][..],
        &["verify", &table],
        &["info", &table],
        &["info", "--json", &table],
        &["info", &text],
        &["dump", &table],
        &["dump", "--format", "jsonl", &table],
        &["gen", "-n", "10000"],
        &["get", &table, "53175d61-490b-43df-a1da-6f3dc380d507"],
        &["get", &text, "53175d61-490b-43df-a1da-6f3dc380d507", "none"],
        &["--help"],
        &["build", "--help"],
        &["--version"],
    ];
    (
        directory,
        commands.iter().map(|command| command.iter().map(|&word| word.to_owned()).collect()).collect(),
    )
}

fn command(arguments: &[String]) -> Command {
    let mut command = graven();
    command.args(arguments);
    command
}

/// A device that takes nothing, as a full disk.
fn full() -> fs::File {
    fs::File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn whoever_has_read_enough_is_no_failure() {
    let (_directory, commands) = commands();
    for words in commands {
        let usual = run(&words).status;
        // What reads is gone before the first byte, and after the first one.
        for bytes in [0, 1] {
            let (mut reader, writer) = io::pipe().unwrap();
            let child = command(&words).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
            reader.read_exact(&mut vec![0; bytes]).unwrap();
            drop(reader);
            let ended: Ended = child.wait_with_output().unwrap().into();
            assert!(ended.status == usual || ended.status == Some(0), "{words:?}: {ended:?}");
            assert!(!ended.err.contains("panicked"), "{words:?}: {}", ended.err);
        }
    }
}

#[test]
fn a_standard_output_that_is_full_is_a_failure_with_a_sentence() {
    let (_directory, commands) = commands();
    for words in commands {
        let ended: Ended = command(&words).stdout(full()).output().unwrap().into();
        assert_eq!(ended.status, Some(2), "{words:?}: {}", ended.err);
        let sentence = "cannot write to standard output: no space left on device\n";
        assert!(
            ended.err.starts_with("graven: ") && ended.err.ends_with(sentence),
            "{words:?}: {}",
            ended.err
        );
        let has_built = words[0] == "build" && !words.iter().any(|word| word == "--help");
        assert_eq!(ended.err.contains("is in its place, but"), has_built, "{words:?}: {}", ended.err);
    }
}

#[test]
fn a_standard_error_that_is_full_changes_nothing() {
    let (_directory, commands) = commands();
    let nowhere = ["info", "nowhere"].map(str::to_owned).to_vec();
    let missing = ["get", example_data().to_str().unwrap(), "none"].map(str::to_owned).to_vec();
    for words in commands.into_iter().chain([nowhere, missing]) {
        let usual = run(&words);
        let ended: Ended = command(&words).stderr(full()).output().unwrap().into();
        assert_eq!(ended.status, usual.status, "{words:?}");
        if words[0] == "get" {
            assert_eq!(ended.out, usual.out, "{words:?}");
        }
    }
}

#[test]
fn a_server_whose_log_cannot_be_written_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("damaged.graven");
    let text = example_data();
    assert_eq!(run(&["build", text.to_str().unwrap(), "-o", table.to_str().unwrap()]).status, Some(0));
    let mut bytes = fs::read(&table).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&table, bytes).unwrap();
    let mut child = graven()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg(&table)
        .stdout(Stdio::piped())
        .stderr(full())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address =
        lines.filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).next().unwrap();
    // Damage that a lookup meets is logged.
    let answers = example_pairs().into_iter().map(|(key, value)| (run(&["get", &address, &key]), value));
    let damaged = answers.take(10_000).filter(|(ended, value)| match ended.status {
        Some(0) => {
            assert_eq!(ended.out.trim_end(), value);
            false
        }
        _ => true,
    });
    assert!(damaged.take(1).count() == 1, "one key at least lies where the damage is");
    let (key, value) =
        example_pairs().into_iter().find(|(key, _)| run(&["get", &address, key]).status == Some(0)).unwrap();
    assert_eq!(run(&["get", &address, &key]).out.trim_end(), value);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_build_that_gets_too_little_memory_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let text: PathBuf = directory.path().join("t.data");
    assert_eq!(run(&["gen", "-n", "100000", "-o", text.to_str().unwrap()]).status, Some(0));
    let output = directory.path().join("t.graven");
    fs::write(&output, "old").unwrap();
    let command = ["build", text.to_str().unwrap(), "-o", output.to_str().unwrap()].map(str::to_owned);
    let mut refused = 0;
    // Below, the system cannot map what the program's own data take.
    for kibibytes in (4_000..34_000).step_by(2000) {
        let script = format!("ulimit -d {kibibytes}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_graven")]).args(&command);
        let ended: Ended = shell.output().unwrap().into();
        match ended.status {
            Some(0) => fs::write(&output, "old").unwrap(),
            Some(2) => {
                // What glibc says where it finds no memory for itself is not graven's to leave out.
                let (said, more) = ended.err.split_once('\n').unwrap();
                let is_sentence = said.starts_with("graven: ")
                    && (more.is_empty()
                        || (more.starts_with("Fatal glibc error: ") && more.contains("memory")));
                assert!(is_sentence, "{kibibytes}: {}", ended.err);
                assert_eq!(fs::read(&output).unwrap(), b"old");
                refused += 1;
            }
            // It has come first.
            None if ended.err.starts_with("Fatal glibc error: ") => refused += 1,
            status => panic!("{kibibytes}: {status:?}: {}", ended.err),
        }
    }
    assert!(refused > 0, "some of these limits are too low");
    let names = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(names, 2, "nothing else is left");
}
