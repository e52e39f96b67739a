//! Values that are stored as frames of zstd: sent as they are to HTTP clients that take zstd, decoded to all others.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use graven_format::{Builder, Codec, CodecChoice, Encoding, LargeValue, Located, Purpose, Storage, Store};
use graven_server::{DiskReads, ServerOptions};

use crate::harness::{Server, Stream, open, serve, threads};

/// A text that zstd makes shorter, with nothing in it that comes again soon.
fn text(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 1_u64;
    while text.len() < bytes {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let words = ["graven", "carved", "stone", "letter", "forever", "reader"];
        text.push_str(words[(number >> 60) as usize % words.len()]);
        text.push_str(&format!("{:x} ", number >> 52));
    }
    text.truncate(bytes);
    text
}

/// The bytes of a value that is stored as one frame, of one that is stored in three, and of two that are not.
const ONE_FRAME: usize = 16 << 10;
const THREE_FRAMES: usize = (256 << 10) + 100;
const SHORT: usize = ONE_FRAME - 1;
const RAW: usize = 40_000;

/// What does not shrink.
fn noise(bytes: usize) -> Vec<u8> {
    let mut number = 7_u64;
    let mut next = || {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn pairs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("one", text(ONE_FRAME).into_bytes()),
        ("three", text(THREE_FRAMES).into_bytes()),
        ("short", text(SHORT).into_bytes()),
        ("raw", noise(RAW)),
        ("k1", b"value 1".to_vec()),
    ]
}

fn write_table(path: &Path) {
    let codec = CodecChoice::Fixed(Codec::Zstd);
    let mut builder =
        Builder::new(graven_format::Options { codec, purpose: Purpose::Disk, ..Default::default() });
    pairs().iter().for_each(|(key, value)| builder.add(key.as_bytes(), value).unwrap());
    builder.write(path).unwrap();
}

/// The table at `path` in every storage, with a name for each.
fn everywhere(path: &Path) -> Vec<(&'static str, Arc<Store>, ServerOptions)> {
    let loaded = open(path, Storage::Memory);
    loaded.load().unwrap();
    let mut without_cache = threads(1);
    without_cache.storage.cache_bytes = 0;
    let mut by_threads = without_cache.clone();
    by_threads.storage.disk_reads = DiskReads::Threads;
    vec![
        ("ram", loaded, threads(2)),
        ("not loaded yet", open(path, Storage::Memory), threads(1)),
        ("mmap", open(path, Storage::Mapped), threads(1)),
        ("disk", open(path, Storage::Disk), threads(1)),
        ("disk, no cache", open(path, Storage::Disk), without_cache),
        ("disk, by threads", open(path, Storage::Disk), by_threads),
    ]
}

/// An answer: its head, and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn status(&self) -> &str {
        &self.head[9..12]
    }
}

/// The answer to the next request; that to a `HEAD` has no body.
fn next(stream: &mut Stream, is_head: bool) -> Answer {
    let head = String::from_utf8(stream.until(b"\r\n\r\n")).unwrap();
    let mut answer = Answer { head, body: Vec::new() };
    let length = answer.field("Content-Length").map_or(0, |length| length.parse().unwrap());
    if !is_head {
        answer.body = stream.exactly(length);
    }
    answer
}

fn ask(server: &Server, request: &str, headers: &str) -> Answer {
    let mut stream = server.connect();
    stream.send(format!("{request} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
    stream.end_output();
    let answer = next(&mut stream, request.starts_with("HEAD"));
    assert!(stream.rest().is_empty(), "{request}: more than the answer");
    answer
}

/// What zstd makes of `frames`.
fn decoded(frames: &[u8]) -> Vec<u8> {
    let mut decoded = vec![0; THREE_FRAMES + 1];
    let len = zstd_safe::decompress(&mut decoded[..], frames).expect("frames of zstd");
    decoded.truncate(len);
    decoded
}

const ZSTD: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

#[test]
fn who_takes_zstd_gets_the_frames_and_others_the_value_from_every_storage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    for (storage, store, options) in everywhere(&path) {
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            for (key, value) in pairs() {
                let has_two = value.len() >= ONE_FRAME && key != "raw";
                for (path, is_tagged) in
                    [("/?key=", false), ("/v1/kv/", true), ("/v1/tables/table/kv/", true)]
                {
                    // An escaped key takes the other way through the server.
                    let escaped = format!("%{:02x}{}", key.as_bytes()[0], &key[1..]);
                    for key in [key, &escaped] {
                        let target = format!("{path}{key}");
                        let what = format!("{storage}: {target}");
                        let plain = ask(server, &format!("GET {target}"), "");
                        let coded = ask(server, &format!("GET {target}"), ZSTD);
                        assert_eq!((plain.status(), coded.status()), ("200", "200"), "{what}");
                        assert!(plain.body == value, "{what}");
                        assert_eq!(plain.field("Content-Encoding"), None, "{what}");
                        let vary = has_two.then_some("Accept-Encoding");
                        assert_eq!((plain.field("Vary"), coded.field("Vary")), (vary, vary), "{what}");
                        assert_eq!(coded.field("Content-Encoding"), has_two.then_some("zstd"), "{what}");
                        let got = if has_two { decoded(&coded.body) } else { coded.body.clone() };
                        assert!(got == value, "{what}");
                        assert_eq!(has_two, coded.body.len() < plain.body.len(), "{what}");

                        let tags = (plain.field("ETag"), coded.field("ETag"));
                        assert_eq!((tags.0.is_some(), tags.1.is_some()), (is_tagged, is_tagged), "{what}");
                        assert_eq!(has_two && is_tagged, tags.0 != tags.1, "{what}: {tags:?}");
                        for (accepts, answer) in [("", &plain), (ZSTD, &coded)] {
                            let head = ask(server, &format!("HEAD {target}"), accepts);
                            let lines = |answer: &Answer| {
                                let lines = answer.head.lines().filter(|line| !line.starts_with("Date"));
                                lines.map(str::to_owned).collect::<Vec<_>>()
                            };
                            assert_eq!(lines(&head), lines(answer), "{what}");
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn each_representation_has_a_tag_that_spares_sending_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    for (storage, store, options) in everywhere(&path) {
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            for key in ["one", "three"] {
                for method in ["GET", "HEAD"] {
                    let request = format!("{method} /v1/kv/{key}");
                    let tag = |accepts| ask(server, &request, accepts).field("ETag").unwrap().to_owned();
                    let (plain, coded) = (tag(""), tag(ZSTD));
                    for (accepts, named, status) in [
                        ("", plain.clone(), "304"),
                        (ZSTD, coded.clone(), "304"),
                        ("", coded.clone(), "200"),
                        (ZSTD, plain.clone(), "200"),
                        (ZSTD, format!("{plain}, W/{coded}"), "304"),
                        ("", "*".to_owned(), "304"),
                        (ZSTD, "*".to_owned(), "304"),
                        ("Accept-Encoding: zstd;q=0\r\n", coded.clone(), "200"),
                    ] {
                        let what = format!("{storage}: {request}, {accepts:?}, {named}");
                        let headers = format!("{accepts}If-None-Match: {named}\r\n");
                        let answer = ask(server, &request, &headers);
                        assert_eq!(answer.status(), status, "{what}");
                        assert_eq!(answer.field("Vary"), Some("Accept-Encoding"), "{what}");
                        let own = if accepts == ZSTD { &coded } else { &plain };
                        assert_eq!(answer.field("ETag"), Some(own.as_str()), "{what}");
                        if status == "304" {
                            assert!(answer.body.is_empty(), "{what}");
                            assert_eq!(answer.field("Content-Encoding"), None, "{what}");
                            assert_eq!(answer.field("Content-Length"), None, "{what}");
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn requests_of_a_pipeline_get_the_representation_that_each_of_them_wants() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    for (storage, store, options) in everywhere(&path) {
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            let asked: Vec<_> = (0..60)
                .map(|i| (pairs()[i % 5].clone(), [ZSTD, "", "Accept-Encoding: *;q=0\r\n"][i / 5 % 3]))
                .collect();
            let requests = asked.iter().map(|((key, _), accepts)| {
                format!("GET /?key={key} HTTP/1.1\r\nHost: localhost\r\n{accepts}\r\n")
            });
            let mut stream = server.connect();
            stream.send(requests.collect::<String>().as_bytes());
            for ((key, value), accepts) in &asked {
                let answer = next(&mut stream, false);
                let is_coded = *accepts == ZSTD && matches!(*key, "one" | "three");
                assert_eq!(answer.field("Content-Encoding").is_some(), is_coded, "{storage}: {key}");
                let got = if is_coded { decoded(&answer.body) } else { answer.body };
                assert!(got == *value, "{storage}: {key}, {accepts:?}");
            }
        });
    }
}

#[test]
fn other_languages_and_requests_for_many_keys_get_the_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    for (storage, store, options) in everywhere(&path) {
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            let value = text(THREE_FRAMES);
            let mut stream = server.connect();
            stream.send(b"GET three\r\nSTRLEN three\r\nGETRANGE three 131070 131075\r\n");
            let part = &value[131_070..131_076];
            let expected = format!("${THREE_FRAMES}\r\n{value}\r\n:{THREE_FRAMES}\r\n$6\r\n{part}\r\n");
            assert!(stream.exactly(expected.len()) == expected.as_bytes(), "{storage}");
            let mut stream = server.connect();
            stream.send(b"get three one\r\n");
            let expected = format!(
                "VALUE three 0 {THREE_FRAMES}\r\n{value}\r\nVALUE one 0 {ONE_FRAME}\r\n{}\r\nEND\r\n",
                text(ONE_FRAME)
            );
            assert!(stream.exactly(expected.len()) == expected.as_bytes(), "{storage}");
            let mut stream = server.connect();
            let body = r#"{"keys":["three"]}"#;
            let head = format!("POST /v1/mget HTTP/1.0\r\n{ZSTD}Content-Length: {}\r\n\r\n", body.len());
            stream.send(format!("{head}{body}").as_bytes());
            let answer = String::from_utf8(stream.rest()).unwrap();
            assert!(answer.ends_with(&format!("\r\n\r\n{{\"values\":[\"{value}\"]}}\n")), "{storage}");
        });
    }
}

#[test]
fn a_damaged_frame_is_sent_to_nobody_as_if_it_were_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    let (large, at) = place_of(&path, "three");
    assert_eq!((large.len(), large.encoding()), (THREE_FRAMES, Encoding::Zstd));
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    for (storage, store, options) in everywhere(&path) {
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            // In each of the three frames, and in what says where they end.
            for place in [at, at - 1, at + 500, at + large.stored_bytes() / 2, at + large.stored_bytes() - 30]
            {
                let flip = || {
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, place as u64).unwrap();
                    file.write_all_at(&[byte[0] ^ 0x10], place as u64).unwrap();
                    file.sync_all().unwrap();
                };
                flip();
                for (target, accepts) in [("/?key=three", ZSTD), ("/?key=three", ""), ("/v1/kv/three", ZSTD)]
                {
                    let answer = ask(server, &format!("GET {target}"), accepts);
                    let what = format!("{storage}: {target} {accepts:?}, byte {place}");
                    // What is in memory or in the cache was whole when it came there.
                    if answer.status() == "200" {
                        let is_kept = storage == "ram" || storage == "disk";
                        assert!(is_kept, "{what}: answered from a damaged file");
                        let got = if accepts == ZSTD { decoded(&answer.body) } else { answer.body };
                        assert!(got == text(THREE_FRAMES).as_bytes(), "{what}");
                    } else {
                        assert_eq!((answer.status(), storage == "ram"), ("500", false), "{what}");
                        assert_eq!(answer.field("Content-Encoding"), None, "{what}");
                    }
                    assert!(decoded(&ask(server, "GET /?key=one", ZSTD).body) == text(ONE_FRAME).as_bytes());
                }
                flip();
            }
        });
    }
}

/// A large value, and where its frames begin in the file.
fn place_of(path: &Path, key: &str) -> (LargeValue, usize) {
    let store = Store::open_as(path, Storage::Memory).unwrap();
    store.load().unwrap();
    let Located::Large(large) = store.locate(key.as_bytes()).unwrap() else { panic!("it is large") };
    (large, store.frames(&large).unwrap().start)
}
