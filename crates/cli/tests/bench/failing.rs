//! Servers that fail in every way there is: each way has its own name, and the run ends in time.

use std::time::{Duration, Instant};

use crate::peers::{self, Conduct};
use crate::support::{file_with, measure, run};

#[test]
fn every_way_to_fail_has_its_own_name_and_ends_in_time() {
    let (_directory, keys) = file_with(b"a 1\n");
    let keys = keys.to_str().unwrap();
    for (scheme, conduct, name) in [
        ("http", Conduct::SaysAndCloses(b""), "closed"),
        ("http", Conduct::SaysAndCloses(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1"), "truncated"),
        ("http", Conduct::SaysAndCloses(b"HTTP/1.1 200 OK\r\nContent-Le"), "truncated"),
        ("http", Conduct::Says(b"this is no answer\r\n\r\n"), "garbage"),
        ("http", Conduct::Resets, "broken"),
        ("http", Conduct::IsSilent, "timed_out"),
        ("http", Conduct::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1"), "timed_out"),
        ("redis", Conduct::SaysAndCloses(b""), "closed"),
        ("redis", Conduct::SaysAndCloses(b"$10\r\n1"), "truncated"),
        ("redis", Conduct::Says(b"VALUE a 0 1\r\n1\r\nEND\r\n"), "garbage"),
        ("redis", Conduct::Resets, "broken"),
        ("redis", Conduct::IsSilent, "timed_out"),
        ("memcached", Conduct::SaysAndCloses(b""), "closed"),
        ("memcached", Conduct::SaysAndCloses(b"VALUE a 0 10\r\n1"), "truncated"),
        ("memcached", Conduct::SaysAndCloses(b"VALUE a 0 1\r\n1\r\n"), "truncated"),
        ("memcached", Conduct::Says(b"$1\r\n1\r\n"), "garbage"),
        ("memcached", Conduct::Resets, "broken"),
        ("memcached", Conduct::IsSilent, "timed_out"),
    ] {
        let case = format!("{scheme} {conduct:?}");
        let (address, _requests) = peers::start(conduct);
        let target = format!("{scheme}://{address}");
        let began = Instant::now();
        let asks = ["--keys", keys, "-c", "2", "-d", "300ms", "--timeout", "200ms", "--verify"];
        let (status, run) = measure(&[&[&target[..]], &asks[..]].concat());
        // Loading, 300 ms, and the 200 ms that the last answers may take.
        assert!(began.elapsed() < Duration::from_secs(20), "{case} took {:?}", began.elapsed());
        // Nothing at all was answered, so there is nothing that could be called a measurement.
        assert_eq!(status, Some(2), "{case}");
        let failures = run["failures"].as_object().unwrap();
        assert!(failures[name].as_u64().unwrap() > 0, "{case}: {run}");
        for (other, count) in failures {
            // A connection that the peer closed may also be found broken, or closed, while a request is written to it.
            let may_be = other == name || other == "broken" || (name == "truncated" && other == "closed");
            assert!(may_be || count == 0, "{case}: {count} {other}");
        }
        assert!(run["seconds"].as_f64().unwrap() < 10.0, "{case}: {}", run["seconds"]);
        let latencies = run["latency"].as_object().unwrap();
        assert!(latencies.values().all(serde_json::Value::is_null), "{case} is in no latency");
    }
}

#[test]
fn a_refusal_is_an_answer_and_fails_a_verified_run() {
    let (_directory, keys) = file_with(b"a 1\n");
    for (scheme, answer) in [
        ("http", &b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"[..]),
        ("redis", b"-LOADING not yet\r\n"),
        ("memcached", b"SERVER_ERROR out of memory\r\n"),
    ] {
        let (address, _requests) = peers::start(Conduct::Says(answer));
        let target = format!("{scheme}://{address}");
        let (status, run) =
            measure(&[&target, "--keys", keys.to_str().unwrap(), "-n", "50", "-c", "2", "--verify"]);
        assert_eq!((status, run["outcomes"]["refused"].as_u64()), (Some(1), Some(50)), "{scheme}: {run}");
        assert!(run["latency"]["hits"].is_null(), "{scheme}: a refusal is no fast hit");
        assert_eq!(run["latency"]["refused"]["service"]["count"], 50, "{scheme}");
    }
}

#[test]
fn what_nobody_asked_for_is_counted_and_fails_a_verified_run() {
    let (_directory, keys) = file_with(b"a 1\n");
    for (scheme, answer) in
        [("redis", &b"$1\r\n1\r\n$1\r\n1\r\n"[..]), ("memcached", b"VALUE a 0 1\r\n1\r\nEND\r\nEND\r\n")]
    {
        let (address, _requests) = peers::start(Conduct::Says(answer));
        let target = format!("{scheme}://{address}");
        let (status, run) =
            measure(&[&target, "--keys", keys.to_str().unwrap(), "-n", "50", "-c", "1", "--verify"]);
        assert_eq!((status, run["outcomes"]["hits"].as_u64()), (Some(1), Some(50)), "{scheme}: {run}");
        assert_eq!(run["connections"]["unasked"], 50, "{scheme}: {run}");
    }
}

#[test]
fn a_server_that_answers_nothing_makes_a_run_that_could_not_be_made() {
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::SaysAndCloses(b""));
    let ended = run(&["bench", &address, "--keys", keys.to_str().unwrap(), "-n", "3", "-c", "1"]);
    assert_eq!(ended.status, Some(2));
    assert_eq!(ended.err, format!("graven: {address} answered nothing; what it did instead stands above\n"));
    assert!(ended.out.contains("the server closed the connection before it answered"), "{}", ended.out);
}
