//! System calls that fail under the commands that change a root, one after the other, by strace: the root is as it was or as it
//! was to be, the command says what failed, and what is interrupted is done again.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use crate::programs::started;
use crate::support::Ended;
use crate::support::published::{Listed, PublishedTable, TABLE};

/// The calls that are made to fail. Not `close`: strace does not make a call that it has fail, and an open file would keep
/// its lock.
const FAIL: &str = "openat read pread64 write pwrite64 writev copy_file_range sendfile lseek ioctl fcntl flock fsync \
    fdatasync ftruncate fallocate mkdir linkat link rename renameat renameat2 unlink unlinkat statx newfstatat getdents64 \
    getcwd";

/// Those of them that a signal may interrupt.
const INTERRUPTED: &str = "openat read pread64 write copy_file_range ioctl flock fsync fdatasync";

/// Those at which something on disk may change, or the command may wait.
const CHANGE: &str =
    "openat write copy_file_range flock fsync mkdir renameat renameat2 unlink unlinkat exit_group";

/// A command under strace.
struct Traced {
    ended: Ended,
    calls: Vec<String>,
}

fn trace(table: &PublishedTable, options: &[&str], arguments: &[&str]) -> Traced {
    let log = table.folder().join("calls");
    let command = table.command(arguments);
    let mut strace = std::process::Command::new("strace");
    strace.current_dir(table.folder()).args(["-f", "-o", "calls"]).args(options);
    let traced = strace.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).output();
    let ended = started("strace", "strace", traced).into();
    let calls = fs::read_to_string(log).unwrap();
    // Each line has the number of its process in front.
    let calls = calls.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start().to_owned()));
    Traced { ended, calls: calls.collect() }
}

/// The calls of a command from the first on that has to do with a table: name, and which of its name it is, from 1.
fn calls_of(traced: &Traced) -> Vec<(String, u32)> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut begun = false;
    for call in &traced.calls {
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let count = counts.entry(name).or_default();
        *count += 1;
        begun |= name != "execve" && (arguments.contains("\"b.graven\"") || arguments.contains("\"root"));
        if begun {
            calls.push((name.to_owned(), *count));
        }
    }
    calls
}

/// A command that changes a table.
struct Change<'c> {
    table: PublishedTable,
    arguments: &'c [&'c str],
    old: Listed,
    new: Listed,
    calls: Vec<(String, u32)>,
}

impl<'c> Change<'c> {
    fn new(table: PublishedTable, arguments: &'c [&'c str]) -> Self {
        let old = table.listed();
        let traced = trace(&table, &[], arguments);
        traced.ended.clone().ends_with(0);
        let (new, calls) = (table.listed(), calls_of(&traced));
        assert_ne!(old, new);
        assert!(calls.len() > 20, "{calls:?}");
        Self { table, arguments, old, new, calls }
    }

    /// Has every call that is in `names` meet with `what` once, and `check` what came of it.
    fn at_each(&self, names: &str, what: &str, check: impl Fn(&str, Ended, &Listed)) -> u32 {
        let mut met = 0;
        for (name, count) in &self.calls {
            if !names.split_whitespace().any(|found| found == name) {
                continue;
            }
            self.table.restore();
            let inject = format!("inject={name}:{what}:when={count}");
            let only = format!("trace={name}");
            let mut options = vec!["-e", &only, "-e", &inject];
            // It makes the other calls no slower, and does not send signals.
            if !what.starts_with("signal") {
                options.push("--seccomp-bpf");
            }
            let traced = trace(&self.table, &options, self.arguments);
            let at = format!("{} with {inject}: {:?}", self.arguments[0], traced.ended);
            let injected = traced.calls.iter().find(|call| call.contains("(INJECTED)"));
            // Of a process that is killed, strace does not see the end of the call.
            assert!(injected.is_some() || what.starts_with("signal"), "{at}");
            let found = self.table.assert_sound();
            let is_old = (&found.current, &found.history) == (&self.old.current, &self.old.history);
            let is_new = (&found.current, &found.history) == (&self.new.current, &self.new.history);
            assert!(is_old || is_new, "{at}: {found:?}");
            for version in &self.old.versions {
                let goes = is_new && !self.new.versions.contains(version);
                assert!(goes || found.versions.contains(version), "{at}: {version} is gone");
            }
            check(&format!("{at}, injected: {injected:?}"), traced.ended, &found);
            self.table.assert_next_publish_cleans_up(&found);
            met += 1;
        }
        assert!(met > 0, "none of {names} is called");
        met
    }

    fn fail_each_call(&self) {
        let mut failed = 0;
        for (error, sentence) in [("ENOSPC", "no space left on device"), ("EIO", "input/output error")] {
            failed += self.at_each(FAIL, &format!("error={error}"), |at, ended, found| {
                assert!(!ended.err.contains("panicked"), "{at}");
                if ended.status == Some(0) {
                    assert_eq!(found.current, self.new.current, "{at}");
                    assert_eq!(found.frozen, self.new.frozen, "{at}");
                    return;
                }
                assert_eq!(ended.status, Some(2), "{at}");
                assert!(ended.err.starts_with("graven: ") && ended.err.lines().count() == 1, "{at}");
                assert!(ended.err.to_lowercase().contains(sentence), "{at}");
            });
        }
        let interrupted = self.at_each(INTERRUPTED, "error=EINTR", |at, ended, found| {
            assert_eq!(ended.status, Some(0), "{at}");
            assert_eq!((&found.current, &found.versions), (&self.new.current, &self.new.versions), "{at}");
        });
        let killed = self.at_each(CHANGE, "signal=SIGKILL", |at, ended, _| {
            assert_eq!(ended.status, None, "{at}");
        });
        println!(
            "{}: {failed} calls failed, {interrupted} were interrupted, {killed} were its last",
            self.arguments[0]
        );
    }
}

#[test]
fn a_publish_of_which_a_system_call_fails_leaves_the_old_version_or_the_new_one() {
    let arguments = ["publish", "b.graven", TABLE, "--as", "v4", "--keep", "1", "--keep-grace", "0s"];
    Change::new(PublishedTable::new(200), &arguments).fail_each_call();
}

#[test]
fn a_switch_of_which_a_system_call_fails_is_done_or_not() {
    Change::new(PublishedTable::new(200), &["switch", TABLE, "v1"]).fail_each_call();
}

#[test]
fn a_rollback_of_which_a_system_call_fails_is_done_or_not() {
    Change::new(PublishedTable::new(200), &["rollback", TABLE]).fail_each_call();
}

#[test]
fn a_resume_of_which_a_system_call_fails_is_done_or_not() {
    let mut table = PublishedTable::new(200);
    table.run(&["rollback", TABLE]).ends_with(0);
    table.keep_as_made();
    Change::new(table, &["resume", TABLE]).fail_each_call();
}

#[test]
fn what_is_written_is_on_disk_before_it_has_its_name_and_its_name_before_it_is_said() {
    let table = PublishedTable::new(200);
    let publish = trace(&table, &["-y"], &["publish", "b.graven", "new/root/ids", "--as", "v1"]);
    publish.ended.clone().ends_with(0);
    let at = |what: &str, from: usize, is_it: &dyn Fn(&str) -> bool| {
        let found = publish.calls[from..].iter().position(|call| is_it(call));
        from + found.unwrap_or_else(|| panic!("{what} is not among {:#?}", &publish.calls[from..]))
    };
    let synced = |path: &'static str| move |call: &str| call.starts_with("fsync(") && call.contains(path);
    let made = at("the root", 0, &|call| call.starts_with("mkdir(\"new/root/ids\""));
    let made = at("its name on disk", made, &synced("/new/root>"));
    let version = at("the copy on disk", made, &synced(".partial>"));
    let version = at("its name", version, &|call| call.starts_with("rename") && call.contains("v1.graven\""));
    let version = at("that name on disk", version, &synced("/new/root/ids>"));
    let current = at("CURRENT on disk", version, &synced(".partial>"));
    let current = at("its name", current, &|call| call.starts_with("rename") && call.contains("CURRENT\""));
    let current = at("that name on disk", current, &synced("/new/root/ids>"));
    at("the answer", current, &|call| call.starts_with("write(1<") && call.contains("ids@v1 answers"));
}

#[test]
fn what_only_reads_a_root_opens_nothing_of_it_for_writing() {
    let table = PublishedTable::new(200);
    for arguments in
        [&["versions", "root"][..], &["versions", TABLE, "--json"], &["diff", "root/ids@v1", "root/ids@v3"]]
    {
        let traced = trace(&table, &[], arguments);
        traced.ended.clone().ends_with(0);
        let calls = traced.calls.iter().filter(|call| call.contains("\"root"));
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "unlink", "rename", "flock", "chmod"];
        let writing: Vec<&String> =
            calls.filter(|call| writes.iter().any(|write| call.contains(write))).collect();
        assert!(writing.is_empty(), "{writing:?}");
    }
}
