//! `graven bench` against other servers, as Debian has them: redis-server, memcached and nginx.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::other_servers::{self, OtherServer};
use crate::support::{example_data, example_pairs, file_with, graven, measure, run};
use crate::talk::{Ends, talk};

/// Requests of a run.
const REQUESTS: u64 = 2_000;

/// Asserts that every one of [`REQUESTS`] was answered, about a quarter of them with a miss, and that nothing else happened.
#[track_caller]
fn assert_sound(status: Option<i32>, run: &Value, requests: u64) {
    assert_eq!(status, Some(0), "{run}");
    assert_eq!(run["sent"], requests, "{run}");
    let keys = |name: &str| run["keys"][name].as_u64().unwrap();
    let asked = requests * run["parameters"]["keys_per_request"].as_u64().unwrap();
    assert_eq!(keys("hits") + keys("misses"), asked, "{run}");
    assert!((asked / 5..asked * 3 / 10).contains(&keys("misses")), "{run}");
    assert_eq!(failures(run), 0, "{run}");
}

fn failures(run: &Value) -> u64 {
    run["failures"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn redis_and_memcached_are_asked_and_every_answer_compared() {
    let example = example_data();
    let keys = example.to_str().unwrap();
    let pairs = example_pairs();
    let servers = [("redis", other_servers::redis(&pairs)), ("memcached", other_servers::memcached(&pairs))];
    for (scheme, server) in &servers {
        let target = format!("{scheme}://{}", server.address);
        let number = REQUESTS.to_string();
        let asks = [&target[..], "--keys", keys, "-n", &number, "-c", "4", "--verify", "--miss", "0.25"];
        for further in [
            &[][..],
            &["--pipeline", "16"],
            &["--mget", "10"],
            &["--new-connection"],
            &["--rate", "20000", "--arrivals", "poisson"],
        ] {
            let (status, run) = measure(&[&asks[..], further].concat());
            assert_sound(status, &run, REQUESTS);
            let opened = run["connections"]["opened"].as_u64().unwrap();
            assert!(if further == ["--new-connection"] { opened >= REQUESTS } else { opened == 4 }, "{run}");
        }
    }
}

#[test]
fn a_value_that_redis_or_memcached_has_otherwise_is_wrong() {
    let (_directory, keys) = file_with(b"one 1\ntwo other\nthree 3\n");
    let pairs = [("one", "1"), ("two", "2")];
    for (scheme, server) in
        [("redis", other_servers::redis(&pairs)), ("memcached", other_servers::memcached(&pairs))]
    {
        let target = format!("{scheme}://{}", server.address);
        let asks = [&target, "--keys", keys.to_str().unwrap(), "-n", "300", "--dist", "sequential"];
        let (status, run) = measure(&[&asks[..], &["--verify"]].concat());
        assert_eq!(status, Some(1), "{run}");
        let outcomes = ["hits", "misses", "refused", "wrong"].map(|name| run["outcomes"][name].as_u64());
        assert_eq!(outcomes, [Some(100), Some(0), Some(0), Some(200)], "{scheme}");
        let (status, run) = measure(&asks);
        assert_eq!(status, Some(0), "{run}");
        let outcomes = ["hits", "misses", "refused", "wrong"].map(|name| run["outcomes"][name].as_u64());
        assert_eq!(outcomes, [Some(200), Some(100), Some(0), Some(0)], "{scheme}");
    }
}

#[test]
fn redis_refuses_what_it_may_not_answer() {
    let (_directory, keys) = file_with(b"one 1\n");
    let server = other_servers::redis(&[("one", "1")]);
    let said = talk(&server.address, b"CONFIG SET requirepass secret\r\nQUIT\r\n", Ends::Closed);
    assert_eq!(said, b"+OK\r\n+OK\r\n");
    let target = format!("redis://{}", server.address);
    let (status, run) = measure(&[&target, "--keys", keys.to_str().unwrap(), "-n", "100", "--verify"]);
    assert_eq!((status, run["outcomes"]["refused"].as_u64()), (Some(1), Some(100)), "{run}");
    assert!(run["samples"][0].as_str().unwrap().contains("NOAUTH"), "{run}");
}

#[test]
fn a_redis_with_a_password_and_databases_is_asked_with_both() {
    let (_directory, keys) = file_with(b"one 1\ntwo 2\n");
    let server = other_servers::redis(&[("zero", "0")]);
    let conversation =
        b"CONFIG SET requirepass secret\r\nAUTH secret\r\nREPLICAOF NO ONE\r\nSELECT 3\r\nSET one 1\r\nSET two 2\r\nQUIT\r\n";
    assert_eq!(talk(&server.address, conversation, Ends::Closed), b"+OK\r\n".repeat(7));
    for (before, after, status, outcome) in
        [(":secret@", "/3", 0, "hits"), ("default:secret@", "/3", 0, "hits"), (":secret@", "", 1, "wrong")]
    {
        let target = format!("redis://{before}{}{after}", server.address);
        for further in [&[][..], &["--new-connection"], &["--pipeline", "8", "--threads", "2"]] {
            let asks = [&target[..], "--keys", keys.to_str().unwrap(), "-n", "100", "-c", "4", "--verify"];
            let (found, run) = measure(&[&asks[..], further].concat());
            assert_eq!(
                (found, run["outcomes"][outcome].as_u64()),
                (Some(status), Some(100)),
                "{target}: {run}"
            );
        }
        let got = run(&["get", &target, "one"]);
        let expected = if after.is_empty() { (Some(1), "") } else { (Some(0), "1\n") };
        assert_eq!((got.status, got.out.as_str()), expected, "{}", got.err);
    }
    let target = format!("redis://:other@{}", server.address);
    let refused = run(&["bench", &target, "--keys", keys.to_str().unwrap()]);
    assert_eq!(refused.status, Some(2));
    assert!(refused.err.contains("refused the login: -WRONGPASS"), "{}", refused.err);
    assert!(!refused.err.contains("other@"), "{}", refused.err);
}

#[test]
fn a_server_that_is_asked_in_another_protocol_is_named() {
    let (_directory, keys) = file_with(b"one 1\n");
    let keys = keys.to_str().unwrap();
    let redis = other_servers::redis(&[("one", "1")]);
    let memcached = other_servers::memcached(&[("one", "1")]);
    let nginx = other_servers::nginx("location / { return 200 value; }");
    for (scheme, server, named) in [
        // These two close a connection that begins as HTTP does, without a word.
        ("http", &redis, "RESP (Redis)"),
        ("http", &memcached, "memcached"),
        ("memcached", &redis, "RESP (Redis)"),
        ("redis", &memcached, "memcached"),
        ("redis", &nginx, "HTTP"),
        ("memcached", &nginx, "HTTP"),
    ] {
        let target = format!("{scheme}://{}", server.address);
        let (status, measured) = measure(&[&target, "--keys", keys, "-d", "60s"]);
        assert_eq!((status, &measured["ended"]), (Some(2), &"gave_up".into()), "{target}: {measured}");
        assert_eq!(measured["found_protocol"], named, "{target}: {measured}");
        assert!(measured["connections"]["opened"].as_u64().unwrap() <= 300, "{target}: {measured}");
        let got = run(&["get", &target, "one"]);
        assert_eq!(got.status, Some(2), "{target}: {got:?}");
        assert!(got.err.contains(&format!("answers in {named}, not in ")), "{target}: {}", got.err);
    }
}

/// A folder with a file for each of the first pairs of the example, and the list of these pairs.
fn files() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (key, value) in example_pairs().into_iter().take(100) {
        fs::write(directory.path().join(&key), &value).unwrap();
        list.push_str(&format!("{key} {value}\n"));
    }
    fs::write(directory.path().join("list"), list).unwrap();
    let list = directory.path().join("list").to_str().unwrap().to_owned();
    (directory, list)
}

#[test]
fn nginx_is_asked_for_files_and_closes_connections_when_it_likes() {
    let (directory, list) = files();
    let root = directory.path().display();
    let server = other_servers::nginx(&format!("keepalive_requests 100; location / {{ root {root}; }}"));
    let target = format!("http://{}/{{key}}", server.address);
    let number = REQUESTS.to_string();
    let asks = [&target[..], "--keys", &list, "-n", &number, "-c", "4", "--verify", "--miss", "0.25"];
    for further in [&[][..], &["--new-connection"], &["--rate", "20000"]] {
        let (status, run) = measure(&[&asks[..], further].concat());
        assert_sound(status, &run, REQUESTS);
        // It says so with the answer that is the last one: the connection is replaced, and nothing has failed.
        assert!(run["connections"]["opened"].as_u64().unwrap() >= REQUESTS / 100, "{run}");
    }
}

#[test]
fn nginx_answers_what_it_is_told_to_whatever_the_key() {
    let (_directory, list) = files();
    let server = other_servers::nginx(
        "location = /value { return 200 value; } location = /none { return 404; } location = /busy { return 503; }",
    );
    for (path, verified, expected) in [
        ("value", None, (Some(0), "hits")),
        ("value", Some("--verify"), (Some(1), "wrong")),
        ("none", None, (Some(0), "misses")),
        ("busy", None, (Some(0), "refused")),
        ("busy", Some("--verify"), (Some(1), "refused")),
    ] {
        let target = format!("http://{}/{path}?key={{key}}", server.address);
        let asks = [&target[..], "--keys", &list, "-n", "500"];
        let (status, run) = measure(&[&asks[..], verified.as_slice()].concat());
        assert_eq!(status, expected.0, "{path}: {run}");
        assert_eq!(run["outcomes"][expected.1], 500, "{path}: {run}");
        assert_eq!(run["latency"][expected.1]["service"]["count"], 500, "each outcome has its own latency");
    }
}

/// How many requests a server says that it has answered; nginx counts this question among them.
type Asked = fn(&OtherServer) -> u64;

fn redis_has_answered(server: &OtherServer) -> u64 {
    let said = talk(&server.address, b"INFO stats\r\nQUIT\r\n", Ends::Closed);
    number_after("keyspace_hits:", &said)
}

fn memcached_has_answered(server: &OtherServer) -> u64 {
    let said = talk(&server.address, b"stats\r\nquit\r\n", Ends::Closed);
    number_after("STAT get_hits ", &said)
}

fn nginx_has_answered(server: &OtherServer) -> u64 {
    let request = b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let said = String::from_utf8(talk(&server.address, request, Ends::Closed)).unwrap();
    let (_, numbers) = said.split_once("accepts handled requests\n").expect("a status");
    numbers.split_whitespace().nth(2).unwrap().parse().unwrap()
}

fn number_after(label: &str, said: &[u8]) -> u64 {
    let said = String::from_utf8_lossy(said);
    let (_, after) = said.split_once(label).unwrap_or_else(|| panic!("no {label} in {said}"));
    after.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_run_ends_it_in_time() {
    let (directory, list) = files();
    let pairs = example_pairs();
    let nginx = format!(
        "location = /status {{ stub_status; }} location / {{ root {}; }}",
        directory.path().display()
    );
    let servers: [(&str, &str, OtherServer, Asked); 3] = [
        ("redis://", "", other_servers::redis(&pairs), redis_has_answered),
        ("memcached://", "", other_servers::memcached(&pairs), memcached_has_answered),
        ("http://", "/{key}", other_servers::nginx(&nginx), nginx_has_answered),
    ];
    for (before, after, mut server, has_answered) in servers {
        let target = format!("{before}{}{after}", server.address);
        let asks =
            ["bench", &target, "--keys", &list, "-c", "4", "--dist", "sequential", "--verify", "--json"];
        let child = graven()
            .args(asks)
            .args(["-n", "1000000000", "--timeout", "300ms"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Each of these questions may be counted among the answers.
        let mut questions = 0;
        while has_answered(&server) < 500 + questions {
            questions += 1;
        }
        server.kill();
        let killed = Instant::now();
        let ended = child.wait_with_output().unwrap();
        assert!(killed.elapsed() < Duration::from_secs(20), "{target} took {:?}", killed.elapsed());
        assert_eq!(ended.status.code(), Some(1), "{target}: {}", String::from_utf8_lossy(&ended.stderr));
        let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
        let run = &document["runs"][0];
        let failed = |name: &str| run["failures"][name].as_u64().unwrap();
        assert_eq!(run["outcomes"]["wrong"], 0, "{target}: {run}");
        // What was in flight was answered, cut or reset, as the moment would have it; what came after found nobody.
        assert!(failed("unconnected") >= 1, "{target}: {run}");
        let count = |name: &str| run[name].as_u64().unwrap();
        let hits = run["outcomes"]["hits"].as_u64().unwrap();
        assert!(hits > 0, "{target}: {run}");
        assert_eq!(count("sent"), hits + failures(run) + count("cut_off"), "{target}: {run}");
        assert_eq!(failed("unconnected"), run["connections"]["failed"].as_u64().unwrap(), "{target}: {run}");
        assert_eq!(failed("garbage") + failed("timed_out"), 0, "{target}: {run}");
    }
}
