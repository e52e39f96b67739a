//! What a server logs for those who look back at what happened to it: one event each, with names that stay.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{graven, run};
use tempfile::TempDir;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose log is read.
struct Audited {
    child: Child,
    events: Receiver<Value>,
    address: String,
}

impl Audited {
    fn start(arguments: &[&str]) -> Self {
        let mut command = graven();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, events) = channel();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        std::thread::spawn(move || said.for_each(drop));
        Self { child, events, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next event of this name; its level and the fields that are named.
    #[track_caller]
    fn next<const N: usize>(&self, name: &str, fields: [&str; N]) -> (String, [String; N]) {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no event {name}"));
            if event["event"] != name {
                continue;
            }
            let field = |field: &str| match &event[field] {
                Value::Null => panic!("no {field}: {event}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert!(event["message"].is_string() && event["timestamp"].is_string(), "{event}");
            return (event["level"].as_str().unwrap().to_owned(), fields.map(field));
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    fn ask(&self, say: &str) -> String {
        let mut stream = self.connect();
        let mut answer = Vec::new();
        // A connection that is refused may be reset, at any of these.
        let _ = stream
            .write_all(say.as_bytes())
            .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
            .and_then(|()| stream.read_to_end(&mut answer).map(drop));
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is(level: &str, fields: [&str; 2]) -> (String, [String; 2]) {
    (level.to_owned(), fields.map(str::to_owned))
}

/// A carved file of pairs whose values are `value`.
fn carve(folder: &TempDir, name: &str, value: &str) -> PathBuf {
    let (text, carved) =
        (folder.path().join(format!("{name}.data")), folder.path().join(format!("{name}.graven")));
    fs::write(&text, format!("k {value}\nl {value}\n")).unwrap();
    assert_eq!(run(&[Path::new("build"), &text, Path::new("-o"), &carved]).status, Some(0));
    carved
}

#[test]
fn versions_of_a_root_that_answer_are_gone_back_to_are_refused_or_go_away() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["1", "2"].map(|value| carve(&folder, value, value));
    let root = folder.path().join("root");
    let table = root.join("ids");
    let (root, table) = (root.to_str().unwrap(), table.to_str().unwrap());
    let publish = |file: &Path, version: &str| {
        let ended = run(&["publish", file.to_str().unwrap(), table, "--as", version]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
    };
    publish(&files[0], "v1");
    let server = Audited::start(&[root, "--poll", "50ms"]);
    assert_eq!(server.next("version_loaded", ["table", "version"]), is("INFO", ["ids", "v1"]));
    publish(&files[1], "v2");
    assert_eq!(server.next("table_switched", ["table", "version"]), is("INFO", ["ids", "v2"]));
    assert_eq!(run(&["rollback", table, "--reason", "a test"]).status, Some(0));
    assert_eq!(server.next("table_rolled_back", ["table", "version"]), is("INFO", ["ids", "v1"]));
    fs::write(format!("{table}/v3.graven"), "no carved file").unwrap();
    fs::write(format!("{table}/CURRENT"), "v3\n").unwrap();
    assert_eq!(server.next("version_refused", ["table", "version"]), is("WARN", ["ids", "v3"]));
    fs::write(format!("{table}/CURRENT"), "no version!\n").unwrap();
    let (level, [found, message]) = server.next("table_not_followed", ["table", "message"]);
    assert!(level == "WARN" && found == "ids" && message.contains("CURRENT"), "{message}");
    fs::remove_dir_all(table).unwrap();
    let (level, [found]) = server.next("table_removed", ["table"]);
    assert_eq!((level.as_str(), found.as_str()), ("INFO", "ids"));
}

#[test]
fn a_watched_file_that_is_replaced_answers_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (carve(&folder, "one", "1"), carve(&folder, "two", "2"));
    let server = Audited::start(&[one.to_str().unwrap(), "--watch"]);
    assert_eq!(server.next("serving", ["pairs", "threads"]).0, "INFO");
    fs::rename(&two, &one).unwrap();
    let (level, [table, version]) = server.next("table_switched", ["table", "version"]);
    assert!(level == "INFO" && table == "one" && !version.is_empty());
    fs::write(&two, "no carved file").unwrap();
    fs::rename(&two, &one).unwrap();
    let (level, [table, reason]) = server.next("version_refused", ["table", "reason"]);
    assert!(level == "WARN" && table == "one" && reason.contains("carved file"), "{reason}");
}

#[test]
fn users_that_are_read_again_or_refused_and_logins_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let (table, users) = (carve(&folder, "t", "1"), folder.path().join("users.toml"));
    let file = |name: &str| {
        format!("[[users]]\nname = \"anonymous\"\n[[users]]\nname = \"{name}\"\ncertificate = \"{name}\"\n")
    };
    fs::write(&users, file("one")).unwrap();
    let server = Audited::start(&[table.to_str().unwrap(), "--users", users.to_str().unwrap()]);
    fs::write(&users, file("two")).unwrap();
    server.signal(Signal::HUP);
    let (level, [count]) = server.next("users_reloaded", ["users"]);
    assert_eq!((level.as_str(), count.as_str()), ("INFO", "2"));
    fs::write(&users, "[[users]]\nname = 7\n").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.next("users_refused", []).0, "ERROR");
    let answer = server.ask("AUTH two no-such-token\r\n");
    assert!(answer.starts_with("-WRONGPASS"), "{answer}");
    let (level, [peer, names_a_user]) = server.next("login_refused", ["peer", "names_a_user"]);
    assert!(level == "WARN" && peer.starts_with("127.0.0.1:") && names_a_user == "true");
}

#[test]
fn a_configuration_that_is_read_again_or_refused_and_what_needs_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let table = carve(&folder, "t", "1");
    let config = folder.path().join("graven.toml");
    let text = format!("[[tables]]\nfile = {table:?}\n");
    fs::write(&config, &text).unwrap();
    let server = Audited::start(&["--config", config.to_str().unwrap()]);
    // Before that a signal is noted, and acted upon later.
    server.next("serving", []);
    fs::write(&config, format!("{text}[limits]\nmax-connections = 7\n")).unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.next("configuration_reloaded", []).0, "INFO");
    let (level, [options]) = server.next("restart_needed", ["options"]);
    assert_eq!((level.as_str(), options.as_str()), ("WARN", "max-connections"));
    fs::write(&config, "[limits]\nmax-connections = no\n").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.next("configuration_refused", []).0, "ERROR");
}

#[test]
fn limits_that_are_reached_connections_that_are_closed_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let table = carve(&folder, "t", "1");
    let log = folder.path().join("access.log");
    let server = Audited::start(&[
        table.to_str().unwrap(),
        "--max-connections",
        "1",
        "--access-log",
        log.to_str().unwrap(),
    ]);
    let answer = server.ask("GET / HTTP/9.9\r\n\r\n");
    assert!(answer.contains(" 505 "), "{answer}");
    let (level, [peer]) = server.next("connection_closed", ["peer"]);
    assert!(level == "INFO" && peer.starts_with("127.0.0.1:"));
    let mut first = server.connect();
    // The one before may not be closed yet.
    while first.write_all(b"PING\r\n").is_err() || first.read_exact(&mut [0; 7]).is_err() {
        first = server.connect();
    }
    server.ask("PING\r\n");
    let (level, [peer, max]) = server.next("connection_refused", ["peer", "connections_max"]);
    assert!(level == "WARN" && peer.starts_with("127.0.0.1:") && max == "1");
    server.signal(Signal::HUP);
    assert_eq!(server.next("access_log_reopened", []).0, "INFO");
    server.signal(Signal::TERM);
    assert_eq!(server.next("stopped", []).0, "INFO");
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_that_is_read_again_or_refused() {
    let given =
        |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../access/tests/certificates").join(name);
    let folder = tempfile::tempdir().unwrap();
    let table = carve(&folder, "t", "1");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::copy(given("server.pem"), &cert).unwrap();
    fs::copy(given("server.key"), &key).unwrap();
    let server = Audited::start(&[
        table.to_str().unwrap(),
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    server.signal(Signal::HUP);
    let (level, [subject, expires]) = server.next("certificate_reloaded", ["subject", "expires"]);
    assert!(level == "INFO" && !subject.is_empty() && expires.ends_with('Z'), "{subject} {expires}");
    fs::write(&cert, "nothing").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.next("certificate_refused", []).0, "ERROR");
}

/// Calls `see` with the text of each source file below a folder.
fn each_source(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_source(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_event_is_in_the_table_for_operators() {
    let document = fs::read_to_string(support::root().join("docs/OPERATING.md")).unwrap();
    let mut events = 0;
    for of in ["catalog", "cli", "server"] {
        each_source(&support::root().join("crates").join(of).join("src"), &mut |text| {
            for (_, rest) in
                text.match_indices("event = \"").map(|(at, found)| text.split_at(at + found.len()))
            {
                let name = rest.split('"').next().unwrap();
                assert!(document.contains(&format!("`{name}`")), "docs/OPERATING.md has no {name}");
                events += 1;
            }
        });
    }
    assert!(events >= 15, "{events}");
}
