//! The access log and the slow log of `graven serve`: where lines go, what SIGHUP does, and what is refused.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use support::{Serving, assert_refused, file_with, graven};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn get(address: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET /?key={key} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The keys in the lines of an access log, once there are `count` of them.
fn keys(path: &Path, count: usize) -> Vec<String> {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        // Of a log that is being written the last line may not be whole yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        if whole.lines().count() >= count {
            let key =
                |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
            return whole.lines().map(key).collect();
        }
        assert!(began.elapsed() < PATIENCE, "{count} lines, found {text}");
        std::thread::yield_now();
    }
}

#[test]
fn an_access_log_that_was_renamed_is_opened_again_at_sighup() {
    let (folder, table) = file_with(b"a 1\nb 2\n");
    let (log, former) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let server = Serving::start(&[
        table.as_os_str(),
        "--access-log".as_ref(),
        log.as_os_str(),
        "--access-log-format=json".as_ref(),
    ]);
    get(server.address(), "first");
    assert_eq!(keys(&log, 1), ["first"]);
    fs::rename(&log, &former).unwrap();
    get(server.address(), "second");
    assert_eq!(keys(&former, 2), ["first", "second"]);
    server.signal(Signal::HUP);
    let began = Instant::now();
    while !log.exists() {
        assert!(began.elapsed() < PATIENCE, "the log is opened again");
    }
    get(server.address(), "third");
    assert_eq!(keys(&log, 1), ["third"]);
    // The end of the server waits for what was answered.
    for i in 0..100 {
        get(server.address(), &i.to_string());
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    assert_eq!((keys(&log, 101).len(), keys(&former, 2).len()), (101, 2));
}

#[test]
fn a_dash_is_standard_output() {
    let (_folder, table) = file_with(b"a 1\n");
    let mut child = graven()
        .arg("serve")
        .arg(&table)
        .args(["--listen", "127.0.0.1:0", "--access-log", "-", "--access-log-sample", "1", "--log", "off"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
    assert!(lines.next().unwrap().starts_with("try: "));
    get(&address, "a");
    let line = lines.next().unwrap();
    assert!(line.contains(" http table@") && line.ends_with(" key=\"a\""), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_access_log_that_cannot_be_opened_is_refused_before_anything_is_served() {
    let (folder, table) = file_with(b"a 1\n");
    let serve = |log: &str| {
        ["serve", table.to_str().unwrap(), "--listen", "127.0.0.1:0", "--access-log", log].map(str::to_owned)
    };
    assert_refused(
        &serve("/none/access.log"),
        "/none/access.log: cannot open the access log: no such file or directory; its folder has to be there",
    );
    let here = folder.path().to_str().unwrap();
    assert_refused(&serve(here), &format!("{here}: cannot open the access log: is a directory"));
    let config = folder.path().join("graven.toml");
    let text = format!(
        "[[tables]]\nfile = {table:?}\n\n[logs]\naccess-log = \"/none/log\"\n[network]\nlisten = \"127.0.0.1:0\"\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    assert_refused(
        &["serve", "--config", config],
        &format!(
            "{config}:5: /none/log: cannot open the access log: no such file or directory; its folder has to be there"
        ),
    );
}

#[test]
fn slow_requests_are_logged_with_where_their_time_went() {
    let (_folder, table) = file_with(b"a 1\n");
    let mut child = graven()
        .arg("serve")
        .arg(&table)
        .args(["--listen", "127.0.0.1:0", "--slow", "0", "--log-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
    get(&address, "a");
    let log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut events = log.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let slow = events.find(|event| event["event"] == "slow_request").unwrap();
    assert_eq!(
        (&slow["level"], &slow["command"], &slow["key"]),
        (&"WARN".into(), &"GET".into(), &"a".into())
    );
    assert!(slow["table"].as_str().unwrap().starts_with("table@"), "{slow}");
    let us = |name: &str| slow[name].as_u64().unwrap_or_else(|| panic!("{name}: {slow}"));
    // Each is rounded down.
    let parts = us("queue_us") + us("disk_us") + us("answer_us") + us("write_us");
    assert!((parts..parts + 4).contains(&us("microseconds")), "{slow}");
    child.kill().unwrap();
    child.wait().unwrap();
}
