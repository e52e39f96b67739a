//! Arguments and headers at the edges of what is allowed, and the little things that are easily wrong: each line is one that a
//! changed comparison, sign or table would answer otherwise.

use std::collections::BTreeSet;

use graven_wire::address::{Address, Protocol};
use graven_wire::http::{BadEscape, Error, Method, reason};
use graven_wire::memcached::{Invalid, InvalidReply};
use graven_wire::resp::{BitRange, Command, Known, Limits, Request, RequestDecoder, request};
use graven_wire::target::Target;
use graven_wire::{Decoded, Recognized};

/// What a command of these words is: understood, or refused with this text.
fn said(line: &str) -> String {
    let mut bytes = Vec::new();
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    request::encode(&mut bytes, words.iter().copied());
    let mut decoder = RequestDecoder::new(Limits::default());
    let Decoded::Message(Request::Command(args), _) = decoder.decode(&bytes) else { panic!("{line}") };
    match Command::parse(args) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => {
            let mut out = Vec::new();
            refusal.encode(&mut out);
            String::from_utf8(out).unwrap().trim_end().to_owned()
        }
    }
}

#[test]
fn arguments_are_taken_up_to_their_limits_and_no_further() {
    let offset = "-ERR bit offset is not an integer or out of range";
    let integer = "-ERR value is not an integer or out of range";
    for (line, expected) in [
        ("GETBIT k 4294967295", "ok"),
        ("GETBIT k 4294967296", offset),
        ("CLIENT KILL ID 1", "ok"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0"),
        ("CLIENT KILL ID -1", "-ERR client-id should be greater than 0"),
        ("CLIENT TRACKING ON BCAST PREFIX a", "ok"),
        ("CLIENT TRACKING ON PREFIX", "-ERR syntax error"),
        ("CLIENT TRACKING ON REDIRECT", "-ERR syntax error"),
        ("SINTERCARD 1 a LIMIT 0", "ok"),
        ("SINTERCARD 1 a", "ok"),
        ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args"),
        ("SRANDMEMBER k 3", "ok"),
        ("SRANDMEMBER k 3 4", "-ERR syntax error"),
        ("LRANGE k 0 -1", "ok"),
        ("LRANGE k 0 x", integer),
        ("LRANGE k x 0", integer),
        ("ZRANGE k 0 1 WITHSCORES", "ok"),
        ("ZRANGE k 0 1 BYSCORE LIMIT 0 1", "ok"),
        ("ZRANGE k - + BYLEX", "ok"),
        (
            "ZRANGE k 0 1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("SADD k a b c d", "-READONLY You can't write against a read only replica."),
        ("SADD k", "-ERR wrong number of arguments for 'sadd' command"),
        ("GEOADD k 1 2 a 3 4 b", "-READONLY You can't write against a read only replica."),
        ("ZREM k a b", "-READONLY You can't write against a read only replica."),
        ("CLUSTER MEET a 1 2", "-ERR This instance has cluster support disabled"),
        ("CLUSTER MEET a 1", "-ERR This instance has cluster support disabled"),
        ("CLUSTER RESET", "-ERR This instance has cluster support disabled"),
    ] {
        assert_eq!(said(line), expected, "{line}");
    }
}

#[test]
fn every_write_that_takes_several_keys_takes_more_of_them() {
    for line in
        ["DEL a b c d", "UNLINK a b c", "MSET a 1 b 2", "PFMERGE a b c", "SDIFFSTORE a b c d", "XDEL k 1 2 3"]
    {
        assert!(said(line).starts_with("-READONLY"), "{line}: {}", said(line));
    }
    for line in ["INCR a b", "GETSET a b c", "RENAME a b c", "SMOVE a b c d", "HINCRBY a b 1 2"] {
        assert!(said(line).contains("wrong number of arguments"), "{line}: {}", said(line));
    }
}

#[test]
fn the_topics_of_memory_are_told_apart() {
    let topic = |name: &str| {
        let mut bytes = Vec::new();
        request::encode(&mut bytes, [&b"MEMORY"[..], name.as_bytes()]);
        let mut decoder = RequestDecoder::new(Limits::default());
        let Decoded::Message(Request::Command(args), _) = decoder.decode(&bytes) else { panic!("{name}") };
        match Command::parse(args) {
            Ok(Command::Memory(topic)) => format!("{topic:?}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(topic("DOCTOR"), "Doctor");
    assert_eq!(topic("stats"), "Stats");
    assert_eq!(topic("malloc-stats"), "MallocStats");
    assert_eq!(topic("PURGE"), "Purge");
}

#[test]
fn the_places_of_keys_are_those_that_redis_says() {
    for (name, places) in [
        ("get", (1, 1, 1)),
        ("mget", (1, -1, 1)),
        ("ping", (0, 0, 0)),
        ("hget", (1, 1, 1)),
        ("lcs", (1, 2, 1)),
    ] {
        assert_eq!(Known::find(name.as_bytes()).unwrap().key_places(), places, "{name}");
    }
    for name in ["publish", "pubsub", "punsubscribe", "quit", "client", "hscan", "scan"] {
        let known = Known::find(name.as_bytes()).unwrap();
        assert!(known.arity < 0 || name == "publish", "{name} takes options: {}", known.arity);
    }
}

#[test]
fn parts_of_bits_are_those_that_redis_counts() {
    let bits = |start, end, in_bits| {
        let line = format!("BITCOUNT k {start} {end} {}", if in_bits { "BIT" } else { "BYTE" });
        let mut bytes = Vec::new();
        request::encode(&mut bytes, line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let mut decoder = RequestDecoder::new(Limits::default());
        let Decoded::Message(Request::Command(args), _) = decoder.decode(&bytes) else { panic!("{line}") };
        match Command::parse(args) {
            Ok(Command::BitCount { part: Ok(part), .. }) => part.counted_bits(10),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(BitRange::ALL.bits(10), 0..80);
    assert_eq!(bits(2, 3, false), 16..32);
    assert_eq!(bits(-3, -2, false), 56..72);
    assert_eq!(bits(3, 70, true), 3..71);
    assert_eq!(bits(5, -1, true), 5..80);
    assert_eq!(bits(-2, -3, true), 0..0);
    assert_eq!(bits(9, 200, false), 72..80);
}

#[test]
fn an_address_to_listen_on_has_neither_path_nor_query_nor_password() {
    let address: Address = Address::to_connect("http://127.0.0.1:8000/a/b?table=c").unwrap();
    assert_eq!(address.to_listener().to_string(), "http://127.0.0.1:8000");
    let address: Address = Address::to_connect("redis://:secret@127.0.0.1:6379/1?protocol=3").unwrap();
    assert!(!address.to_listener().to_string().contains(['?', '@']), "{}", address.to_listener());
}

#[test]
fn a_target_says_whether_its_url_names_the_key() {
    let target = |text: &str| text.parse::<Target>().unwrap();
    assert!(target("http://127.0.0.1:8000/v1/kv/{key}").has_url());
    assert!(!target("http://127.0.0.1:8000").has_url());
    assert!(!target("resp://127.0.0.1:8000").has_url());
}

#[test]
fn every_status_that_is_sent_has_its_words() {
    let statuses = [
        100, 200, 204, 303, 304, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 421, 429, 431, 500, 501,
        503, 505,
    ];
    for status in statuses {
        assert!(!reason(status).is_empty(), "{status}");
    }
    assert_eq!(reason(414), "URI Too Long");
    assert_eq!(reason(999), "");
}

#[test]
fn every_method_but_the_unknown_has_its_name() {
    let methods = [Method::Get, Method::Head, Method::Post, Method::Options, Method::Other];
    let names = [Some("GET"), Some("HEAD"), Some("POST"), Some("OPTIONS"), None];
    assert_eq!(methods.map(Method::name), names);
}

#[test]
fn every_error_of_http_says_something_of_its_own() {
    use Error as E;
    let errors = [
        E::BadStartLine,
        E::UnsupportedVersion,
        E::BadHeader,
        E::BareLineFeed,
        E::TargetTooLong,
        E::HeadTooLarge,
        E::TooManyHeaders,
        E::BadTarget,
        E::MissingHost,
        E::BadHost,
        E::BadContentLength,
        E::ContentLengthTwice,
        E::LengthAndEncoding,
        E::BadTransferEncoding,
        E::UnsupportedTransferEncoding,
        E::UnsupportedExpectation,
        E::BadChunk,
        E::BodyTooLarge,
        E::Truncated,
    ];
    for error in errors {
        assert_eq!(error.to_string(), error.message());
    }
    assert_eq!(errors.map(E::message).into_iter().collect::<BTreeSet<_>>().len(), errors.len());
    assert_eq!(E::BodyTooLarge.message(), "The body is larger than the limit");
}

#[test]
fn protocols_and_errors_are_shown_in_words() {
    for (shown, words) in [
        (Protocol::Http.to_string(), "HTTP"),
        (Recognized::Protocol(Protocol::Redis).to_string(), "RESP (Redis)"),
        (Recognized::Protocol(Protocol::Memcached).to_string(), "memcached"),
        (Recognized::Tls.to_string(), "TLS"),
        (Recognized::Ssh.to_string(), "SSH"),
        (BadEscape.to_string(), "a % is not followed by two hexadecimal digits"),
        (Invalid::LineTooLong.to_string(), "a line is longer than the limit"),
        (Invalid::HttpRequest.to_string(), "an HTTP request is no command"),
        (InvalidReply::ValueEnd.to_string(), "a value in the reply does not end with CR LF"),
        (InvalidReply::ValueTooLarge.to_string(), "a value in the reply is larger than the limit"),
    ] {
        assert_eq!(shown, words);
    }
}
