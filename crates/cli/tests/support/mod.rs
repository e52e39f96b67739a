//! Runs `graven` as a process: to its end, or as a server that is asked and stopped. For the tests of the binary, and for those
//! of `interop`, which take this file by its path.
#![allow(dead_code, reason = "every test program takes from here what it needs")]

pub(crate) mod published;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The repository's table of 10,000 pairs.
pub(crate) fn example_data() -> PathBuf {
    root().join("examples/example.data")
}

/// The top of the repository, which the packages whose tests this file belongs to are at different depths of.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap()
}

/// The pairs of the example, cut at the first space by the plainest means.
pub(crate) fn example_pairs() -> Vec<(String, String)> {
    let text = fs::read_to_string(example_data()).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// A carved file of the data file `text`.
pub(crate) fn carved(text: &Path, arguments: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("table.graven");
    let mut build = graven();
    build.arg("build").arg(text).arg("-o").arg(&path).args(arguments).stdout(Stdio::null());
    assert!(build.status().unwrap().success());
    (directory, path)
}

/// The binary under test. Cargo names it to the tests of its own package; tests of another package take that of
/// `GRAVEN_TEST_BINARY`, or have cargo build it.
pub(crate) fn graven() -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(named_or_built);
    stop_ignoring_signals();
    Command::new(option_env!("CARGO_BIN_EXE_graven").map_or_else(|| BUILT.as_path(), Path::new))
}

/// The binary that is named, or one built in the profile of this test, by the path that cargo says.
fn named_or_built() -> PathBuf {
    if let Some(path) = env::var_os("GRAVEN_TEST_BINARY") {
        return path.into();
    }
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--locked",
            "--bin",
            "graven",
            "--features",
            "graven/full",
            "--profile",
            profile,
            "--message-format",
            "json",
        ])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo could not build graven");
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable")
}

/// Children ignore the signals that their parent ignores, as a shell has what it starts in the background ignore SIGINT: tests of
/// signals would wait for ever. A signal that is caught here has its default effect on children again.
fn stop_ignoring_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if ignored & 1 << (signal - 1) != 0 {
                signal_hook::flag::register(signal, Arc::default()).unwrap();
            }
        }
    });
}

/// What a process came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `graven` with `arguments` and an empty standard input.
pub(crate) fn run(arguments: &[impl AsRef<OsStr>]) -> Ended {
    run_with_input(arguments, b"")
}

/// Runs `graven` with `arguments`, feeding it `input`. A server listens on a free port, whatever else listens on the default one:
/// whoever follows the README has a server there when the tests are run.
pub(crate) fn run_with_input(arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Ended {
    let mut child = graven()
        .args(arguments)
        .env("GRAVEN_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A process that ends without reading all of its input is not at fault for that.
    let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = child.wait_with_output().unwrap().into();
    feeder.join().unwrap();
    ended
}

/// Runs `graven bench` with `arguments` and `--json`, and gives the exit status and the only run of the document.
#[track_caller]
pub(crate) fn measure(arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = run(&[&["bench"], arguments, &["--json"]].concat());
    let document: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.status, document["runs"][0].clone())
}

/// Asserts that `graven` refuses `arguments` with exit status 2, prints nothing on standard output, and says `sentence`.
#[track_caller]
pub(crate) fn assert_refused(arguments: &[impl AsRef<OsStr>], sentence: &str) {
    let expected = Ended { status: Some(2), out: String::new(), err: format!("graven: {sentence}\n") };
    assert_eq!(run(arguments), expected);
}

/// Bytes of the files that a process has open in `directory`, those that have no name yet among them.
pub(crate) fn open_bytes(child: &Child, directory: &Path) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let files = open.filter_map(|file| Some(file.ok()?.path()));
    let ours =
        files.filter(|file| std::fs::read_link(file).is_ok_and(|target| target.starts_with(directory)));
    ours.filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum()
}

/// A file with `bytes` in a directory of its own, which goes when the directory is dropped.
pub(crate) fn file_with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.data");
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// A server that runs until it is stopped or dropped.
pub(crate) struct Serving {
    child: Child,
    lines: Receiver<String>,
    /// What it printed before it was ready.
    pub(crate) said: Vec<String>,
    /// The endpoints that it listens on.
    pub(crate) endpoints: Vec<String>,
}

impl Serving {
    /// Starts `graven serve` with `arguments`, and returns when it has said where it listens.
    pub(crate) fn start(arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::start_with_input(arguments, b"")
    }

    /// As [`start`](Self::start), with the table on standard input.
    pub(crate) fn start_with_input(arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Self {
        let listeners = arguments.iter().filter(|argument| argument.as_ref() == "--listen").count();
        let mut command = graven();
        command.args(["serve", "--log", "warn"]).args(arguments);
        if listeners == 0 {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        feed(child.stdin.take().unwrap(), input.to_vec());
        let lines = lines_of(child.stdout.take().unwrap());
        let mut serving = Self { child, lines, said: Vec::new(), endpoints: Vec::new() };
        while serving.endpoints.len() < listeners.max(1) {
            let line = serving.lines.recv_timeout(PATIENCE).expect("the server says where it listens");
            match line.strip_prefix("listening on ") {
                Some(endpoint) => serving.endpoints.push(endpoint.to_owned()),
                None => serving.said.push(line),
            }
        }
        serving
    }

    /// The first endpoint.
    pub(crate) fn address(&self) -> &str {
        &self.endpoints[0]
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The command that it says it can be tried with.
    pub(crate) fn try_line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).expect("the server says how it can be tried");
        line.strip_prefix("try: ").unwrap_or_else(|| panic!("the server said {line}")).to_owned()
    }

    /// Waits for the end and gives the exit status.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let mut line = self.lines.recv_timeout(PATIENCE);
        if line.as_ref().is_ok_and(|line| line.starts_with("try: ")) {
            line = self.lines.recv_timeout(PATIENCE);
        }
        match line {
            Err(RecvTimeoutError::Disconnected) => self.child.wait().unwrap().code(),
            Ok(line) => panic!("the server said more: {line}"),
            Err(RecvTimeoutError::Timeout) => panic!("the server did not end"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already unless the test failed or had no use for its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn feed(mut stdin: ChildStdin, input: Vec<u8>) {
    thread::spawn(move || drop(stdin.write_all(&input)));
}

fn lines_of(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
