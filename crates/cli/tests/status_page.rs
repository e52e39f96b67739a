//! The status page of `graven serve`: `/status.json` as its schema says, and what a person is told to type.

#[path = "bench/schema.rs"]
mod schema;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use schema::{assert_valid, check};
use support::{Serving, example_data, root, run};

/// Status and body of the answer to a path.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head["HTTP/1.1 ".len()..][..3].to_owned(), body.to_owned())
}

fn status(serving: &Serving) -> Value {
    let (status, body) = get(serving.address(), "/status.json");
    assert_eq!(status, "200");
    serde_json::from_str(&body).unwrap()
}

fn documented() -> Value {
    let path = root().join("docs/status.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_status_is_what_the_schema_says_and_the_commands_are_for_the_root_that_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let shop = directory.path().join("my shop");
    let text = example_data();
    let carved = directory.path().join("a.graven");
    let carved = carved.to_str().unwrap();
    assert_eq!(run(&["build", text.to_str().unwrap(), "-o", carved]).status, Some(0));
    let table = shop.join("prices");
    for version in ["v1", "v2"] {
        let published = run(&["publish", carved, table.to_str().unwrap(), "--as", version]);
        assert_eq!(published.status, Some(0), "{}", published.err);
    }
    for arguments in [vec![shop.clone()], vec![text]] {
        let serving = Serving::start(&arguments);
        let (_, value) = get(serving.address(), "/?key=none");
        assert_eq!(value, "Key not found");
        let status = status(&serving);
        assert_valid(&documented(), &status);
        assert!(status["build"].as_str().unwrap().starts_with("commit "), "{status}");
        if arguments[0] != shop {
            assert_eq!(status["tables"][0]["commands"], serde_json::json!([]));
            continue;
        }
        let of_table = format!("'{}'/prices", shop.display());
        let words = ["versions TABLE", "switch TABLE VERSION", "rollback TABLE", "resume TABLE"];
        let commands = words.map(|words| format!("graven {}", words.replace("TABLE", &of_table)));
        assert_eq!(status["tables"][0]["commands"], serde_json::json!(commands));
    }
}

#[test]
fn the_schema_turns_down_what_is_no_status() {
    let serving = Serving::start(&[example_data()]);
    let (schema, sound) = (documented(), status(&serving));
    for (path, value) in [
        ("/ready", 1.into()),
        ("/uptime_seconds", (-1).into()),
        ("/requests/waits_us/p50", "fast".into()),
        ("/recent/hit_ratio", 2.into()),
        ("/tables/0/state", "well".into()),
        ("/history", serde_json::json!({})),
    ] {
        let mut status = sound.clone();
        *status.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
        assert!(check(&schema, &schema, &status, "$").is_err(), "{path} was taken");
    }
}

#[test]
fn without_the_page_the_server_answers_as_if_there_were_none() {
    let data = example_data();
    let serving = Serving::start(&["--no-status", data.to_str().unwrap()]);
    for path in ["/status", "/status.json"] {
        assert_eq!(get(serving.address(), path).0, "404");
    }
    assert_eq!(run(&["status", serving.address()]).status, Some(0));
}
