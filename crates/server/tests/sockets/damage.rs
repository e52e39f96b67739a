//! A file that is damaged or cut short while it is served: what is hit is an error, all else is right, and the server lives.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use graven_format::{Builder, Codec, CodecChoice, Purpose, Storage, Store};
use graven_server::{DiskReads, ServerOptions};

use crate::harness::{Server, open, serve, threads};

const PAIRS: usize = 5_000;

/// Keys asked of each table, in every state that it is in.
const ASKED: usize = 100_000;

/// Of which so many are under way at once.
const AT_ONCE: usize = 100;

fn key(i: usize) -> String {
    format!("key-{i}")
}

fn value(i: usize) -> String {
    format!("value {i} {}", "v".repeat(i % 40))
}

fn write_table(path: &Path) {
    let mut builder = Builder::new(graven_format::Options { purpose: Purpose::Disk, ..Default::default() });
    (0..PAIRS).for_each(|i| builder.add(key(i).as_bytes(), value(i).as_bytes()).unwrap());
    builder.write(path).unwrap();
}

/// Asks for `asked` keys over Redis' protocol, `at_once` of them at a time, and returns how many answers were errors. None may
/// be wrong.
fn errors(server: &Server, asked: usize, at_once: usize) -> usize {
    let mut answers = BufReader::new(server.connect());
    let mut errors = 0;
    for first in (0..asked).step_by(at_once) {
        let several = || (first..first + at_once).map(|n| n * 7919 % (PAIRS * 2));
        let requests: String =
            several().map(|i| format!("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key(i).len(), key(i))).collect();
        answers.get_mut().send(requests.as_bytes());
        for i in several() {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            if line.starts_with("-ERR") {
                errors += 1;
            } else if i < PAIRS {
                let want = value(i);
                assert_eq!(line, format!("${}\r\n", want.len()), "{}", key(i));
                let mut found = String::new();
                answers.read_line(&mut found).unwrap();
                assert_eq!(found, format!("{want}\r\n"), "{}", key(i));
            } else {
                assert_eq!(line, "$-1\r\n", "{}", key(i));
            }
        }
    }
    let mut pong = String::new();
    answers.get_mut().send(b"PING\r\n");
    answers.read_line(&mut pong).unwrap();
    assert_eq!(pong, "+PONG\r\n");
    errors
}

/// What HTTP and memcached say of a key whose place is damaged.
fn words_for(server: &Server, key: &str) -> (String, String) {
    let mut stream = server.connect();
    stream.send(format!("GET /?key={key} HTTP/1.0\r\n\r\n").as_bytes());
    let http = String::from_utf8(stream.rest()).unwrap();
    let mut stream = server.connect();
    stream.send(format!("get {key}\r\n").as_bytes());
    (http, String::from_utf8(stream.until(b"\r\n")).unwrap())
}

fn disk_reads(server: &Server) -> usize {
    let mut stream = server.connect();
    stream.send(b"GET /stats.json HTTP/1.0\r\n\r\n");
    let said = String::from_utf8(stream.rest()).unwrap();
    let (_, number) = said.split_once("\"disk_reads\":").unwrap();
    number[..number.find(',').unwrap()].parse().unwrap()
}

/// Serves a table of `open`'s, damages its file, then cuts it short. Where the file is no longer needed, nothing is lost.
fn damage_while_served(opened: impl Fn(&Path) -> Arc<Store>, options: &ServerOptions, needs_file: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    let store = opened(&path);
    serve(&store, options, &["127.0.0.1:0"], |server| {
        let ask = || errors(server, ASKED, AT_ONCE);
        assert_eq!(ask(), 0, "whole");
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (bytes, mut byte) = (file.metadata().unwrap().len(), [0]);
        file.read_exact_at(&mut byte, bytes / 2).unwrap();
        file.write_all_at(&[byte[0] ^ 4], bytes / 2).unwrap();
        // What was written must be on the disk before it is read past the cache.
        file.sync_all().unwrap();
        let flipped = ask();
        file.set_len(bytes / 4 * 3 / 4096 * 4096).unwrap();
        let cut = ask();
        if needs_file {
            assert!(flipped > 0 && flipped < ASKED / 10, "{flipped} of {ASKED} for a flipped bit");
            assert!(cut > ASKED / 10 && cut < ASKED / 2, "{cut} of {ASKED} for a quarter that is gone");
            let words = (0..PAIRS).map(|i| words_for(server, &key(i)));
            let (http, memcached) =
                words.into_iter().find(|(http, _)| http.starts_with("HTTP/1.1 500 ")).unwrap();
            assert!(http.ends_with("The table is damaged where this key would lie"), "{http}");
            assert!(memcached.starts_with("SERVER_ERROR "), "{memcached}");
        } else {
            assert_eq!((flipped, cut), (0, 0), "in memory");
        }
    });
}

#[test]
fn a_table_in_memory_does_not_notice_its_file() {
    let loaded = |path: &Path| {
        let store = open(path, Storage::Memory);
        store.load().unwrap();
        store
    };
    damage_while_served(loaded, &threads(1), false);
}

#[test]
fn a_mapped_table_answers_what_is_hit_with_errors_and_all_else_rightly() {
    damage_while_served(|path| open(path, Storage::Mapped), &threads(2), true);
}

#[test]
fn a_table_on_disk_answers_what_is_hit_with_errors_and_all_else_rightly() {
    for disk_reads in [DiskReads::Auto, DiskReads::Threads] {
        let mut options = threads(2);
        options.storage.disk_reads = disk_reads;
        options.storage.cache_bytes = 0;
        damage_while_served(|path| open(path, Storage::Disk), &options, true);
    }
}

/// A value too long for its bucket, in bytes that stand for themselves.
fn large_value(i: usize) -> Vec<u8> {
    (0..20_000_usize).map(|at| (at * at + at / 7 + i) as u8).collect()
}

#[test]
fn a_large_value_that_was_damaged_is_an_error_and_no_value() {
    const LARGE: usize = 24;
    for storage in [Storage::Mapped, Storage::Disk] {
        for disk_reads in [DiskReads::Auto, DiskReads::Threads] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("table");
            let mut builder = Builder::new(graven_format::Options {
                purpose: Purpose::Disk,
                codec: CodecChoice::Fixed(Codec::Raw),
                ..Default::default()
            });
            (0..LARGE).for_each(|i| builder.add(key(i).as_bytes(), &large_value(i)).unwrap());
            builder.write(&path).unwrap();
            let store = open(&path, storage);
            let mut options = threads(1);
            options.storage.disk_reads = disk_reads;
            options.storage.cache_bytes = 0;
            serve(&store, &options, &["127.0.0.1:0"], |server| {
                let get = |i: usize| {
                    let mut stream = server.connect();
                    stream.send(format!("GET {}\r\n", key(i)).as_bytes());
                    let head = stream.until(b"\r\n");
                    head.starts_with(b"$").then(|| {
                        assert_eq!(head, b"$20000\r\n");
                        stream.exactly(20_000)
                    })
                };
                (0..LARGE).for_each(|i| assert!(get(i) == Some(large_value(i)), "{i} when whole"));
                let whole = std::fs::read(&path).unwrap();
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                // The first byte, the last, and some between.
                for i in 0..LARGE {
                    let value = large_value(i);
                    let start = whole.windows(value.len()).position(|bytes| bytes == value).unwrap();
                    let at = start + i * (value.len() - 1) / (LARGE - 1);
                    file.write_all_at(&[whole[at] ^ 1 << (i % 8)], at as u64).unwrap();
                }
                file.sync_all().unwrap();
                (0..LARGE).for_each(|i| assert!(get(i).is_none(), "{i} of {storage:?}, damaged"));
            });
        }
    }
}

#[test]
fn each_lookup_on_disk_costs_one_read_whether_or_not_its_key_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    write_table(&path);
    let store = open(&path, Storage::Disk);
    let asked = 10_000;
    for (cache_bytes, reads) in [(0, asked), (1 << 30, store.buckets() as usize)] {
        let mut options = threads(1);
        options.storage.cache_bytes = cache_bytes;
        serve(&store, &options, &["127.0.0.1:0"], |server| {
            assert_eq!(errors(server, asked, 1), 0);
            assert_eq!(disk_reads(server), reads);
        });
    }
}

#[test]
fn peers_that_do_not_read_keep_no_reads_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let mut builder = Builder::new(graven_format::Options { purpose: Purpose::Disk, ..Default::default() });
    let value = vec![b'v'; 10_000];
    (0..200).for_each(|i| builder.add(key(i).as_bytes(), &value).unwrap());
    builder.write(&path).unwrap();
    let store = open(&path, Storage::Disk);
    let mut options = threads(1);
    options.storage.cache_bytes = 0;
    options.storage.disk_reads_max = 16;
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        let mut deaf: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for stream in &mut deaf {
            for i in 0..2_000 {
                stream.send(format!("GET {}\r\n", key(i * 7 % 200)).as_bytes());
            }
        }
        // Until nothing more is read for them: each has as much unread as the system holds.
        let (mut reads, mut same) = (0, 0);
        while same < 50 {
            let now = disk_reads(server);
            same = if now == reads { same + 1 } else { 0 };
            reads = now;
        }
        let mut stream = server.connect();
        for i in 0..200 {
            stream.send(format!("GET {}\r\n", key(i)).as_bytes());
            assert_eq!(stream.until(b"\r\n"), b"$10000\r\n");
            assert!(stream.exactly(10_002).starts_with(&value));
        }
    });
}
