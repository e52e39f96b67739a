//! What a server says when somebody touches, overwrites, cuts, replaces or removes the file that it serves: one line of its
//! log for each, and right answers from what was opened, or errors.

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use support::{carved, file_with, graven, run};

/// A server of one file, and its log from the line on that says that it serves.
struct Logged {
    child: Child,
    address: String,
    log: Lines<BufReader<ChildStderr>>,
}

impl Logged {
    fn start(path: &Path, storage: &str) -> Self {
        let mut child = graven()
            .args(["serve", "--listen", "127.0.0.1:0", "--storage", storage])
            .arg(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        // Whoever writes to a pipe that nobody holds is told so.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, address, log }
    }

    /// The next warning about the file; what lookups met is logged as well.
    fn warning(&mut self) -> String {
        let is_warning = |line: &String| line.contains(" WARN ") && line.contains("while it is served");
        self.log.by_ref().map(Result::unwrap).find(is_warning).expect("a warning")
    }

    fn get(&self, key: &str) -> (Option<i32>, String) {
        let ended = run(&["get", &self.address, key]);
        (ended.status, ended.out)
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What somebody does to the file of a table, and what is said of it.
type Deed = (fn(&Path), &'static str);

/// The file is as long as before wherever it can be.
const DEEDS: [Deed; 5] = [
    (|path| fs::write(path, other(path)).unwrap(), "was written to"),
    (|path| File::options().write(true).open(path).unwrap().set_len(3).unwrap(), "was written to"),
    (|path| File::options().write(true).open(path).unwrap().set_modified(now()).unwrap(), "was written to"),
    (
        |path| {
            fs::write(path.with_extension("new"), other(path)).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
        "was replaced",
    ),
    (|path| fs::remove_file(path).unwrap(), "was removed"),
];

fn now() -> SystemTime {
    SystemTime::now()
}

/// A table of the same shape with another value.
fn other(path: &Path) -> Vec<u8> {
    let (_directory, text) = file_with(b"key other\n");
    if fs::read(path).unwrap().starts_with(b"graven") {
        let (_carved, table) = carved(&text, &[]);
        return fs::read(table).unwrap();
    }
    fs::read(text).unwrap()
}

/// A file whose time of change is such that every later one is another, however coarse the clock of the file system.
fn made_long_ago(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_change_of_a_served_file_is_logged_once_and_no_answer_is_wrong() {
    let (_text_directory, text) = file_with(b"key value\n");
    let served = |storage: &'static str, deed: Deed| {
        let (act, what) = deed;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("served");
        let (_carved, table) = carved(&text, &[]);
        fs::copy(if storage == "auto" { &text } else { &table }, &path).unwrap();
        made_long_ago(&path);
        let mut server = Logged::start(&path, storage);
        assert_eq!(server.get("key"), (Some(0), "value\n".to_owned()));
        act(&path);
        let line = server.warning();
        let expected = format!("{} {what} while it is served", path.display());
        assert!(line.contains(&expected), "{storage}: {line} does not say {expected}");
        let (status, value) = server.get("key");
        let is_error = status == Some(2) && value.is_empty();
        assert!(value == "value\n" || is_error && what == "was written to", "{storage}, {what}: {value:?}");
        if what != "was removed" {
            // The next warning is that of what comes next.
            fs::remove_file(&path).unwrap();
            let line = server.warning();
            assert!(line.contains("was removed"), "{storage}: {what} is told again: {line}");
        }
    };
    std::thread::scope(|scope| {
        for storage in ["auto", "ram", "mmap", "disk"] {
            for deed in DEEDS {
                let served = &served;
                scope.spawn(move || served(storage, deed));
            }
        }
    });
}
