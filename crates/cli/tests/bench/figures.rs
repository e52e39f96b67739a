//! That the figures are what they are called: bytes, phases, verified keys, processes, warnings.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use crate::peers::{self, Conduct};
use crate::support::{Serving, assert_refused, example_data, file_with, measure, run};

fn number(run: &Value, pointer: &str) -> f64 {
    run.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {run}"))
}

#[test]
fn an_answer_for_another_key_is_wrong_where_the_key_is_told() {
    let (_directory, keys) = file_with(b"a 1\nb 2\n");
    let keys = keys.to_str().unwrap();
    for (answer, further, outcome) in [
        (&b"VALUE a 0 1\r\n1\r\nEND\r\n"[..], &[][..], "hits"),
        (b"VALUE x 0 1\r\n1\r\nEND\r\n", &[], "wrong"),
        (b"VALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n", &["--mget", "2"], "hits"),
        (b"VALUE b 0 1\r\n1\r\nVALUE a 0 1\r\n2\r\nEND\r\n", &["--mget", "2"], "wrong"),
    ] {
        let (address, _requests) = peers::start(Conduct::Says(answer));
        let target = format!("memcached://{address}");
        let asks = [&target, "--keys", keys, "-n", "1", "-c", "1", "--dist", "sequential", "--verify"];
        let (_, run) = measure(&[&asks[..], further].concat());
        assert_eq!(run["outcomes"][outcome], 1, "{answer:?}: {run}");
    }
}

#[test]
fn the_phases_of_a_request_add_up_to_its_time() {
    let serving = Serving::start(&[example_data()]);
    let keys = example_data();
    let asks = [serving.address(), "--keys", keys.to_str().unwrap(), "-n", "500", "-c", "4"];
    for (further, connects) in
        [(&["--new-connection"][..], true), (&[][..], false), (&["--pipeline", "8"], false)]
    {
        let (_, run) = measure(&[&asks[..], further].concat());
        let mean = |phase: &str| number(&run, &format!("/phases/{phase}/mean_us"));
        let parts = ["connect", "write", "wait", "read"].map(mean).iter().sum::<f64>();
        assert!((parts - mean("total")).abs() < 0.01, "{parts} {run}");
        assert!((mean("total") / number(&run, "/latency/hits/service/mean_us") - 1.0).abs() < 0.01);
        assert_eq!(mean("connect") > 0.0, connects, "{further:?} {run}");
        assert!(number(&run, "/connections/connect/mean_us") > 0.0, "{run}");
    }
}

#[test]
fn bytes_are_those_of_the_requests_that_are_measured() {
    const ANSWER: &[u8] = b"VALUE a 0 1\r\n1\r\nEND\r\n";
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::Says(ANSWER));
    let target = format!("memcached://{address}");
    let asks = [&target, "--keys", keys.to_str().unwrap(), "-n", "100", "-c", "2"];
    for further in [&[][..], &["--warmup", "100ms"], &["--rate", "5000", "--warmup", "100ms"]] {
        let (_, run) = measure(&[&asks[..], further].concat());
        assert_eq!(run["outcomes"]["hits"], 100, "{run}");
        assert_eq!(run["bytes_sent"], 100 * b"get a\r\n".len(), "{further:?}: {run}");
        assert_eq!(run["bytes_received"], 100 * ANSWER.len(), "{further:?}: {run}");
        assert_eq!(run["warm_up"]["requests"].as_u64().unwrap() > 0, !further.is_empty(), "{run}");
        let rate = number(&run, "/bytes_received_per_second") / number(&run, "/requests_per_second");
        assert!((rate - ANSWER.len() as f64).abs() < 1e-6, "{rate}");
    }
}

#[test]
fn a_server_on_this_machine_is_watched() {
    let serving = Serving::start(&[example_data()]);
    let keys = example_data();
    let asks = [serving.address(), "--keys", keys.to_str().unwrap(), "-n", "5000"];
    for further in [&[][..], &["--warmup", "20ms"]] {
        let (_, run) = measure(&[&asks[..], further].concat());
        assert_eq!((&run["server"]["command"], &run["server"]["processes"]), (&"graven".into(), &1.into()));
        assert!(number(&run, "/server/cpu_seconds") > 0.0, "{run}");
        assert!(number(&run, "/server/resident_bytes") > 1e6, "{run}");
        assert!(number(&run, "/load_tester/resident_bytes") > 1e6, "{run}");
    }
    let ended = run(&[&["bench"], &asks[..]].concat());
    assert!(ended.out.contains("  server ") && ended.out.contains("(graven)"), "{}", ended.out);
}

#[test]
fn keys_that_are_all_missing_are_warned_of() {
    let serving = Serving::start(&[example_data()]);
    let (_directory, keys) = file_with(b"none 1\nnothing 2\n");
    let warning = "Not one key was found: they may be those of another table";
    let asks = ["bench", serving.address(), "--keys", keys.to_str().unwrap(), "-n", "50"];
    let ended = run(&asks);
    assert_eq!((ended.status, ended.out.contains(warning)), (Some(0), true), "{}", ended.out);
    let ended = run(&[&asks[..], &["--json"]].concat());
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["runs"][0]["warnings"], serde_json::json!([format!("{warning}.")]));
    assert_eq!(ended.err, format!("graven: {warning}.\n"));
    // They are meant to be missing, or some are there.
    for further in [&["--miss", "1"][..], &["--keys"]] {
        let keys = example_data();
        let value = if further == ["--keys"] { &[keys.to_str().unwrap()][..] } else { &[] };
        let asks = ["bench", serving.address(), "-n", "50"];
        let own = if value.is_empty() { vec!["--keys", keys.to_str().unwrap()] } else { Vec::new() };
        let ended = run(&[&asks[..], &own, further, value].concat());
        assert!(!ended.out.contains("Warning"), "{}", ended.out);
    }
}

#[test]
fn requests_that_are_all_refused_are_warned_of() {
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::Says(b"-NOAUTH Authentication required.\r\n"));
    let target = format!("redis://{address}");
    let ended = run(&["bench", &target, "--keys", keys.to_str().unwrap(), "-n", "50"]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("Every request was refused.") && ended.out.contains("NOAUTH"),
        "{}",
        ended.out
    );
}

#[test]
fn a_server_that_speaks_another_protocol_is_named_with_the_address_to_write() {
    let example = example_data();
    let data = example.to_str().unwrap();
    let serving = Serving::start(&[
        data,
        "--listen",
        "http://127.0.0.1:0",
        "--listen",
        "resp://127.0.0.1:0",
        "--listen",
        "memcached://127.0.0.1:0",
    ]);
    let addresses: Vec<&str> =
        serving.endpoints.iter().map(|endpoint| endpoint.split_once("://").unwrap().1).collect();
    let [http, resp, memcached] = addresses[..] else { panic!("three listeners") };
    for (asked, address, named, written) in [
        ("http", resp, "RESP (Redis), not in HTTP", "resp"),
        ("http", memcached, "memcached, not in HTTP", "memcached"),
        ("redis", http, "HTTP, not in RESP (Redis)", "http"),
        ("redis", memcached, "memcached, not in RESP (Redis)", "memcached"),
        ("memcached", http, "HTTP, not in memcached", "http"),
    ] {
        let target = format!("{asked}://{address}");
        let ended = run(&["bench", &target, "--keys", data, "-d", "60s", "-c", "10", "--json"]);
        let document: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let run = &document["runs"][0];
        assert_eq!((ended.status, &run["ended"]), (Some(2), &"gave_up".into()), "{target}: {run}");
        // One connection each, and not thousands a second until the end.
        assert!(run["connections"]["opened"].as_u64().unwrap() <= 20, "{target}: {run}");
        let sentence = format!("{target} answers in {named}; write {written}://{address}\n");
        assert!(ended.err.ends_with(&sentence), "{target}: {}", ended.err);
    }
}

#[test]
fn a_server_that_only_closes_is_not_asked_thousands_of_times() {
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, requests) = peers::start(Conduct::SaysAndCloses(b""));
    let asks = ["bench", &address, "--keys", keys.to_str().unwrap(), "-d", "60s", "-c", "20"];
    let ended = run(&asks);
    assert_eq!(ended.status, Some(2), "{}", ended.err);
    let asked = requests.try_iter().count();
    assert!((100..=200).contains(&asked), "{asked}");
    let warning = "Nothing that the server sent could be understood as HTTP, and it was asked no more.";
    assert!(ended.out.contains(warning), "{}", ended.out);
}

/// A server that answers `login` with `agrees`, and everything after that with `answer`.
fn behind_a_login(login: &'static [u8], agrees: &'static [u8], answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut said = vec![0; login.len()];
                let is_known = stream.read_exact(&mut said).is_ok() && said == login;
                let mut reply = if is_known { agrees } else { b"-ERR what?\r\n" };
                let mut room = [0; 4096];
                while stream.write_all(reply).is_ok() && matches!(stream.read(&mut room), Ok(1..)) {
                    reply = answer;
                }
            });
        }
    });
    address
}

#[test]
fn credentials_in_the_address_are_sent_and_never_shown() {
    let (directory, keys) = file_with(b"a 1\n");
    let keys = keys.to_str().unwrap();
    let page = directory.path().join("page.html");
    let page = page.to_str().unwrap();
    let redis = behind_a_login(
        b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n",
        b"+OK\r\n+OK\r\n",
        b"$1\r\n1\r\n",
    );
    let memcached = behind_a_login(
        b"set graven_auth 0 0 9\r\nme secret\r\n",
        b"STORED\r\n",
        b"VALUE a 0 1\r\n1\r\nEND\r\n",
    );
    for target in [format!("Redis://me:secret@{redis}/3"), format!("memcached://me:secret@{memcached}")] {
        for further in [&[][..], &["--new-connection"]] {
            let asks = ["bench", &target, "--keys", keys, "-n", "20", "-c", "2", "--verify", "--html", page];
            for json in [&[][..], &["--json"]] {
                let ended = run(&[&asks[..], further, json].concat());
                assert_eq!(ended.status, Some(0), "{target}: {} {}", ended.err, ended.out);
                let shown = format!("{} {} {}", ended.out, ended.err, std::fs::read_to_string(page).unwrap());
                assert!(!shown.contains("secret") && shown.contains("***"), "{shown}");
            }
        }
    }
}

#[test]
fn a_login_that_is_refused_ends_the_run_before_it_began() {
    let (_directory, keys) = file_with(b"a 1\n");
    let login = b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n";
    let address = behind_a_login(login, b"-WRONGPASS invalid username-password pair\r\n", b"");
    assert_refused(
        &["bench", &format!("redis://:secret@{address}"), "--keys", keys.to_str().unwrap()],
        &format!(
            "redis://:***@{address} refused the login: -WRONGPASS invalid username-password pair; check user, password \
             and database in the address"
        ),
    );
}

#[test]
fn http_credentials_are_sent_as_basic_authorization() {
    let (_directory, keys) = file_with(b"a 1\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        // A folded header, too.
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: a,\r\n b\r\nContent-Length:\r\n 1\r\n\r\n1").unwrap();
        String::from_utf8(request).unwrap()
    });
    let target = format!("HTTP://us:pw@{address}");
    let asks = ["bench", &target, "--keys", keys.to_str().unwrap(), "-n", "1", "-c", "1", "--verify"];
    assert_eq!(run(&asks).status, Some(0));
    let request = server.join().unwrap();
    assert!(request.contains("\r\nAuthorization: Basic dXM6cHc=\r\n"), "{request}");
}
