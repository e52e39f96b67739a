//! Runs from the command line to the exit status.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::peers::{self, Conduct};
use crate::support::{
    Serving, assert_refused, example_data, file_with, graven, measure, run, run_with_input,
};

#[test]
fn every_language_is_asked_and_every_answer_compared() {
    let example = example_data();
    let keys = example.to_str().unwrap();
    let serving = Serving::start(&[keys]);
    let address = serving.address();
    for target in [
        address.to_owned(),
        format!("http://{address}/v1/kv/{{key}}"),
        format!("redis://{address}"),
        format!("memcached://{address}"),
    ] {
        for further in
            [&["--pipeline", "8"][..], &["--new-connection"], &["--rate", "20000", "--arrivals", "poisson"]]
        {
            let arguments = ["-n", "1000", "-c", "4", "--threads", "2", "--verify", "--miss", "0.2"];
            let (status, run) = measure(&[&[&target, "--keys", keys], &arguments[..], further].concat());
            assert_eq!(status, Some(0), "{target} {further:?}: {run}");
            let count = |name: &str| run["outcomes"][name].as_u64().unwrap();
            assert_eq!(count("hits") + count("misses"), 1_000, "{target} {further:?}");
            assert!((150..250).contains(&count("misses")), "{target} {further:?}: {}", count("misses"));
        }
    }
}

#[test]
fn several_keys_are_asked_for_in_each_request() {
    let example = example_data();
    let keys = example.to_str().unwrap();
    let serving = Serving::start(&[keys]);
    for scheme in ["http", "redis", "memcached"] {
        let target = format!("{scheme}://{}", serving.address());
        let (status, run) =
            measure(&[&target, "--keys", keys, "-n", "100", "--mget", "10", "--verify", "--miss", "0.5"]);
        assert_eq!(status, Some(0), "{target}: {run}");
        let count = |name: &str| run["keys"][name].as_u64().unwrap();
        assert_eq!(count("hits") + count("misses"), 1_000);
        assert!((400..600).contains(&count("misses")), "{}", count("misses"));
    }
}

#[test]
fn keys_come_from_text_a_list_or_a_carved_file() {
    let (directory, data) = file_with(b"a 1\nb 2\n");
    let list = directory.path().join("list");
    std::fs::write(&list, "a\nb\n").unwrap();
    let carved = directory.path().join("carved");
    let mut builder = graven_format::Builder::new(graven_format::Options::default());
    builder.add(b"a", b"1").unwrap();
    builder.add(b"b", b"2").unwrap();
    builder.write(&carved).unwrap();
    let serving = Serving::start(&[&data]);
    for (keys, verify) in [(&data, true), (&list, false), (&carved, true)] {
        let arguments = [serving.address(), "--keys", keys.to_str().unwrap(), "-n", "10"];
        let verify = if verify { &["--verify"][..] } else { &[] };
        let (status, run) = measure(&[&arguments[..], verify].concat());
        assert_eq!((status, run["outcomes"]["hits"].as_u64()), (Some(0), Some(10)), "{}", keys.display());
    }
    let piped = run_with_input(&["bench", serving.address(), "--keys", "-", "-n", "10"], b"a\nb\n");
    assert_eq!(piped.status, Some(0), "{}", piped.err);
    assert!(piped.out.contains("hits                     10"), "{}", piped.out);
}

#[test]
fn a_server_that_answers_otherwise_than_the_data_is_found_out() {
    let (_directory, served) = file_with(b"a 1\nb 2\nc 3\n");
    let (_other, asked) = file_with(b"a 1\nb other\nabsent 3\n");
    let serving = Serving::start(&[&served]);
    let arguments =
        [serving.address(), "--keys", asked.to_str().unwrap(), "-n", "300", "--dist", "sequential"];
    let (status, run) = measure(&[&arguments[..], &["--verify"]].concat());
    assert_eq!(status, Some(1));
    assert_eq!((run["outcomes"]["hits"].as_u64(), run["outcomes"]["wrong"].as_u64()), (Some(100), Some(200)));
    assert!(run["samples"][0].as_str().unwrap().starts_with("wrong: "), "{}", run["samples"]);
    // Whoever does not ask for a comparison gets none.
    let (status, run) = measure(&arguments);
    assert_eq!(status, Some(0));
    assert_eq!(
        (run["outcomes"]["hits"].as_u64(), run["outcomes"]["misses"].as_u64()),
        (Some(200), Some(100))
    );
}

#[test]
fn an_interrupt_prints_what_was_measured_so_far() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, requests) = peers::start(Conduct::Says(ANSWER));
    let child = graven()
        .args(["bench", &address, "--keys", keys.to_str().unwrap(), "-d", "1h", "-c", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..50 {
        requests.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let run = &document["runs"][0];
    assert!(run["outcomes"]["hits"].as_u64().unwrap() >= 49, "{run}");
    assert_eq!(run["sent"], run["outcomes"]["hits"]);
    assert!(run["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_sentence() {
    let (directory, data) = file_with(b"a 1\n");
    let data = data.to_str().unwrap();
    let list = directory.path().join("list");
    std::fs::write(&list, "a\n").unwrap();
    let list = list.to_str().unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    // The address of a listener that is gone.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (arguments, sentence) in [
        (
            &[&closed[..], "--keys", data][..],
            format!("nothing listens on {closed}; start a server there with `graven serve FILE --listen {closed}`"),
        ),
        (
            &[&closed, "--keys", list, "--verify"],
            format!(
                "{list} holds keys without values, so --verify has nothing to compare with; give it `key value` pairs"
            ),
        ),
        (
            &[&closed, "--keys", empty],
            format!(
                "{empty} holds no key that can be asked for; write one key, or one `key value` pair, a line into it"
            ),
        ),
        (
            &["http://h/{key}", "--keys", data, "--mget", "2"],
            "http://h/{key} asks for one key at a time; --mget needs HOST:PORT, whose /v1/mget is asked, or another \
             protocol"
                .into(),
        ),
        (
            &["redis://h", "--keys", data, "-H", "A: b"],
            "redis://h is not asked over HTTP; leave -H out".into(),
        ),
        (
            &["h:1", "--keys", data, "--pipeline", "5000"],
            "5000 is too much for --pipeline; at most 4096 are possible".into(),
        ),
        (
            &["h:1", "--keys", data, "-c", "5", "--sweep", "connections=1,2"],
            "the sweep says how many connections there are; leave -c out".into(),
        ),
        (
            &["h:1", "--keys", data, "--rate", "5", "--sweep", "rate=1,2"],
            "the sweep says the rates; leave --rate out".into(),
        ),
        (
            &["h:1", "--keys", data, "--arrivals", "poisson"],
            "--arrivals spreads the requests of --rate or of a sweep of rates; add one of them".into(),
        ),
    ] {
        assert_refused(&[&["bench"], arguments].concat(), &sentence);
    }
}

#[test]
fn a_header_goes_out_with_every_request() {
    let (_directory, keys) = file_with(b"a 1\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").unwrap();
        String::from_utf8(request).unwrap()
    });
    let keys = keys.to_str().unwrap();
    let ended = run(&[
        "bench",
        &address,
        "--keys",
        keys,
        "-n",
        "1",
        "-c",
        "1",
        "-H",
        "X-Who: me",
        "-H",
        "Host: other",
    ]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(server.join().unwrap(), "GET /?key=a HTTP/1.1\r\nHost: other\r\nX-Who: me\r\n\r\n");
}
