//! Several tables in one server, from files and roots, and what is said of them: `serve`, `ready`, `status`.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Serving, assert_refused, run};
use tempfile::TempDir;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes a carved file of 100 pairs whose values are `value`.
fn carve(folder: &TempDir, name: &str, value: &str) -> String {
    let (text, carved) =
        (folder.path().join(format!("{name}.data")), folder.path().join(format!("{name}.graven")));
    let lines: String = (0..100).map(|i| format!("k{i} {value}\n")).collect();
    fs::write(&text, lines).unwrap();
    let (text, carved) = (text.to_str().unwrap(), carved.to_str().unwrap());
    assert_eq!(run(&["build", text, "-o", carved]).status, Some(0));
    carved.to_owned()
}

/// What `get` says of a key at `path` of a server.
fn value(server: &Serving, path: &str) -> String {
    run(&["get", &format!("http://{}{path}", server.address()), "k1"]).out.trim_end().to_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

fn publish(file: &str, root: &Path, table: &str, version: &str) {
    let table = format!("{}/{table}", root.display());
    let ended = run(&["publish", file, &table, "--as", version]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
}

#[test]
fn files_are_served_by_the_names_that_they_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (carve(&folder, "one", "1"), carve(&folder, "two", "2"));
    let text = one.replace(".graven", ".data");
    let server = Serving::start(&[format!("prices={one}"), two.clone(), format!("words={text}")]);
    assert_eq!(value(&server, "/v1/tables/prices/kv/{key}"), "1");
    assert_eq!(value(&server, "/v1/tables/two/kv/{key}"), "2");
    assert_eq!(value(&server, "/v1/tables/words/kv/{key}"), "1");
    assert!(server.try_line().contains("/v1/tables/prices/kv/"), "{}", server.try_line());
    drop(server);
    let server = Serving::start(&[format!("prices={one}"), two.clone(), "--default".into(), "two".into()]);
    assert_eq!(value(&server, "/?key={key}"), "2");
    let same = format!("one={two}");
    assert_refused(
        &["serve", &one, &same, "--listen", "127.0.0.1:0"],
        &format!("{one} and {two} are both the table one; name them apart, as in one2={two}"),
    );
    assert_refused(
        &["serve", &one, "--default", "nope", "--listen", "127.0.0.1:0"],
        "--default nope: there is no such table; there are one",
    );
}

#[test]
fn a_root_is_served_whole_and_as_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (carve(&folder, "one", "1"), carve(&folder, "two", "2"));
    let root = folder.path().join("root");
    publish(&one, &root, "prices", "v1");
    let server = Serving::start(&[root.to_str().unwrap()]);
    assert_eq!(server.said, ["prices@v1: 100 pairs, 0.0 MB carved"]);
    assert_eq!(value(&server, "/?key={key}"), "1");
    publish(&two, &root, "prices", "v2");
    until("v2 answers", || value(&server, "/?key={key}") == "2");
    assert_eq!(value(&server, "/v1/tables/prices@v1/kv/{key}"), "1");
    publish(&two, &root, "users", "v1");
    until("a new table answers", || value(&server, "/v1/tables/users/kv/{key}") == "2");
    let table = format!("{}/prices", root.display());
    assert_eq!(run(&["rollback", &table, "--reason", "wrong"]).status, Some(0));
    until("v1 answers again", || value(&server, "/v1/tables/prices/kv/{key}") == "1");

    let status = || {
        let status = run(&["status", server.address(), "--json"]);
        assert_eq!(status.status, Some(0), "{}", status.err);
        let lines: Vec<Value> = serde_json::from_str(&status.out).unwrap();
        let said = |line: &Value| {
            ["table", "version", "state", "storage"].map(|name| line[name].as_str().unwrap_or("-").to_owned())
        };
        lines.iter().map(said).collect::<Vec<_>>()
    };
    let expected = [["prices", "v1", "frozen", "ram"], ["users", "v1", "serving", "ram"]];
    until("both are in memory, and one is frozen", || status() == expected);
    assert!(run(&["status", server.address()]).out.contains("  frozen\n"));
    assert_eq!(run(&["ready", server.address()]).out, "ready\n");
}

#[test]
fn a_version_that_is_refused_is_seen_in_the_status_and_everything_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let one = carve(&folder, "one", "1");
    let root = folder.path().join("root");
    publish(&one, &root, "prices", "v1");
    let server = Serving::start(&[root.to_str().unwrap()]);
    let mut damaged = fs::read(&one).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(root.join("prices/v2.graven"), damaged).unwrap();
    fs::write(root.join("prices/CURRENT"), "v2\n").unwrap();
    until("v2 is refused", || {
        let status = run(&["status", server.address()]);
        status.status == Some(1) && status.out.contains("refused: v2: damaged ")
    });
    assert_eq!(value(&server, "/?key={key}"), "1");
    assert_eq!(run(&["ready", server.address()]).status, Some(0));
}

#[test]
fn an_empty_root_is_served_and_not_ready_until_a_table_comes() {
    let folder = tempfile::tempdir().unwrap();
    let one = carve(&folder, "one", "1");
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let server = Serving::start(&[root.to_str().unwrap()]);
    assert_eq!(server.said, ["the root has no tables yet; `graven publish FILE ROOT/TABLE` adds one"]);
    let ready = run(&["ready", server.address()]);
    assert_eq!(ready.status, Some(1));
    assert_eq!(ready.err, format!("graven: {} is not ready: no table answers\n", server.address()));
    assert_eq!(run(&["status", server.address()]).status, Some(1));
    publish(&one, &root, "prices", "v1");
    assert_eq!(run(&["ready", server.address(), "--wait", "30s"]).status, Some(0));
    assert_eq!(value(&server, "/?key={key}"), "1");
}

#[test]
fn a_version_may_be_held_to_be_tried_before_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (carve(&folder, "one", "1"), carve(&folder, "two", "2"));
    let root = folder.path().join("root");
    publish(&one, &root, "prices", "v1");
    let table = format!("{}/prices", root.display());
    assert_eq!(run(&["publish", &two, &table, "--as", "v2", "--no-switch"]).status, Some(0));
    let server = Serving::start(&[root.to_str().unwrap(), "--hold", "prices@v2"]);
    until("v2 is held", || value(&server, "/v1/tables/prices@v2/kv/{key}") == "2");
    assert_eq!(value(&server, "/?key={key}"), "1");
}

#[test]
fn a_file_that_is_replaced_answers_where_that_is_watched_for() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (carve(&folder, "one", "1"), carve(&folder, "two", "2"));
    let server = Serving::start(&[one.as_str(), "--watch"]);
    assert_eq!(value(&server, "/?key={key}"), "1");
    fs::rename(&two, &one).unwrap();
    until("the other file answers", || value(&server, "/?key={key}") == "2");
    // One that is not whole does not.
    fs::write(&one, "no table").unwrap();
    until("it is refused", || run(&["status", server.address()]).out.contains("refused"));
    assert_eq!(value(&server, "/?key={key}"), "2");
    assert_eq!(run(&["ready", server.address()]).status, Some(0));
}

#[test]
fn servers_that_do_not_answer_are_named_with_why() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let status = run(&["status", &nobody]);
    assert_eq!(status.status, Some(1));
    assert!(status.out.contains("no answer: ") && status.out.contains("refused"), "{}", status.out);
    let ready = run(&["ready", &nobody]);
    assert_eq!(ready.status, Some(1));
    assert_refused(
        &["status", "redis://127.0.0.1:1"],
        "redis://127.0.0.1:1: a server is asked over HTTP; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH",
    );
}

/// A server that takes one connection and answers it with `answer`, or with nothing for as long as it is open.
fn stranger(answer: Option<&'static str>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut room = [0; 4096];
        while stream.read(&mut room).unwrap_or(0) > 0 {
            let Some(answer) = answer else { continue };
            let _ = stream.write_all(answer.as_bytes());
            return;
        }
    });
    address
}

#[test]
fn nothing_that_a_server_says_moves_the_cursor_of_a_terminal() {
    let unready = stranger(Some("HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n\x1b[2J\rnone"));
    let ready = run(&["ready", &unready]);
    assert_eq!(
        (ready.status, ready.err.contains("is not ready: ?[2J?none")),
        (Some(1), true),
        "{}",
        ready.err
    );
    let body = r#"{"ready":true,"tables":[{"name":"a\u001b]0;b\u0007","state":"refused","reason":"1\n2","version":null,"pairs":0,"bytes":0}]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let status = run(&["status", &stranger(Some(answer.leak()))]);
    assert_eq!(status.status, Some(1));
    assert!(status.out.contains("a?]0;b?") && status.out.contains("refused: 1 2"), "{}", status.out);
}

#[test]
fn a_server_that_is_silent_cut_short_or_no_graven_is_a_line_that_says_so() {
    for (answer, says) in [
        (None, "no answer"),
        (Some("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "no answer"),
        (Some("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "is not understood"),
        (Some("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "is it graven 0.2 or newer?"),
        (Some("+PONG\r\n"), "no answer"),
    ] {
        let status = run(&["status", &stranger(answer), "--timeout", "200ms"]);
        assert_eq!(status.status, Some(1), "{answer:?}");
        assert!(status.out.contains(says), "{answer:?}: {}", status.out);
    }
    for command in ["ready", "status"] {
        let refused = run(&[command, "127.0.0.1:1", "--timeout", "0"]);
        assert_eq!(refused.status, Some(2));
        assert!(refused.err.contains("it must be from 1ms to 1d"), "{}", refused.err);
    }
}
