//! The table is switched while it is asked: every answer is right for one of the versions, and none mixes two.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use graven_catalog::Catalog;
use graven_format::{Builder, Codec, CodecChoice, Purpose, Storage, Store};
use graven_server::ServerOptions;

use crate::harness::{Server, Stream, serve_catalog, threads};

const PAIRS: usize = 2_000;
const LARGE_BYTES: usize = 200_000;

/// A version in which every value says which one it is; one value is large.
fn version(number: u64, path: &Path, storage: Storage) -> Arc<Store> {
    let purpose = if storage == Storage::Disk { Purpose::Disk } else { Purpose::Ram };
    let options =
        graven_format::Options { purpose, codec: CodecChoice::Fixed(Codec::Raw), ..Default::default() };
    let mut builder = Builder::new(options);
    for i in 0..PAIRS {
        builder.add(format!("k{i}").as_bytes(), format!("{number}").as_bytes()).unwrap();
    }
    builder.add(b"large", format!("{number},").repeat(LARGE_BYTES / 2).as_bytes()).unwrap();
    builder.write(path).unwrap();
    let store = Store::open_as(path, storage).unwrap();
    store.load().unwrap();
    Arc::new(store)
}

/// Switches as fast as it can while `clients` ask; then nothing but the last version may be left.
fn switch_under(
    storage: Storage,
    options: &ServerOptions,
    rounds: u64,
    clients: &[fn(&Server, &AtomicBool) -> u64],
) {
    let dir = tempfile::tempdir().unwrap();
    let path = |number: u64| dir.path().join(format!("{number}.graven"));
    let catalog = Catalog::new("table", "0", version(0, &path(0), storage));
    let over = AtomicBool::new(false);
    let asked = AtomicU64::new(0);
    serve_catalog(&catalog, options, &["127.0.0.1:0"], |server| {
        std::thread::scope(|scope| {
            for client in clients {
                let (asked, over) = (&asked, &over);
                scope.spawn(move || asked.fetch_add(client(server, over), Ordering::Relaxed));
            }
            for number in 1..=rounds {
                catalog.switch(&number.to_string(), version(number, &path(number), storage));
                std::fs::remove_file(path(number)).unwrap();
                catalog.drop_unused();
            }
            over.store(true, Ordering::Relaxed);
        });
        // Idle loops let go, too.
        let began = Instant::now();
        while catalog.unnamed() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "{} versions are held", catalog.unnamed());
            catalog.drop_unused();
            std::thread::yield_now();
        }
    });
    assert!(asked.load(Ordering::Relaxed) > rounds, "{asked:?} answers in {rounds} switches");
}

/// Reads a bulk string.
fn bulk(stream: &mut Stream) -> Vec<u8> {
    let head = stream.until(b"\r\n");
    assert_eq!(head[0], b'$', "{}", head.escape_ascii());
    let len: usize = std::str::from_utf8(&head[1..head.len() - 2]).unwrap().parse().unwrap();
    let mut bytes = stream.exactly(len + 2);
    bytes.truncate(len);
    bytes
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

/// Asks until it is `over`; `ask` returns the number of the version that has answered, which never goes back.
fn ask_on(server: &Server, over: &AtomicBool, mut ask: impl FnMut(&mut Stream, usize) -> u64) -> u64 {
    let mut stream = server.connect();
    let (mut asked, mut newest) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let answered = ask(&mut stream, asked as usize);
        assert!(answered >= newest, "version {answered} after version {newest}");
        (asked, newest) = (asked + 1, answered);
    }
    asked
}

fn gets(server: &Server, over: &AtomicBool) -> u64 {
    ask_on(server, over, |stream, i| {
        stream.send(format!("GET k{}\r\n", i % PAIRS).as_bytes());
        number(&bulk(stream))
    })
}

fn memcached_gets(server: &Server, over: &AtomicBool) -> u64 {
    ask_on(server, over, |stream, i| {
        stream.send(format!("get k{}\r\n", i % PAIRS).as_bytes());
        let answer = stream.until(b"END\r\n");
        let value = answer.split(|&byte| byte == b'\n').nth(1).unwrap();
        number(value.trim_ascii())
    })
}

fn many_keys_over_http(server: &Server, over: &AtomicBool) -> u64 {
    let keys: Vec<String> = (0..PAIRS).map(|i| format!("\"k{i}\"")).collect();
    let body = format!("{{\"keys\":[{}]}}", keys.join(","));
    ask_on(server, over, |stream, _| {
        let head =
            format!("POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.send(head.as_bytes());
        stream.send(body.as_bytes());
        let answer = String::from_utf8(stream.until(b"\r\n0\r\n\r\n")).unwrap();
        let values: Vec<&str> = answer.split('"').filter(|part| part.parse::<u64>().is_ok()).collect();
        assert_eq!(values.len(), PAIRS);
        assert!(values.iter().all(|value| *value == values[0]), "two versions in one answer");
        number(values[0].as_bytes())
    })
}

fn mgets(server: &Server, over: &AtomicBool) -> u64 {
    let keys: Vec<String> = (0..PAIRS).map(|i| format!("k{i}")).collect();
    let command = format!("MGET {}\r\n", keys.join(" "));
    ask_on(server, over, |stream, _| {
        stream.send(command.as_bytes());
        assert_eq!(stream.until(b"\r\n"), format!("*{PAIRS}\r\n").as_bytes());
        let values: Vec<Vec<u8>> = (0..PAIRS).map(|_| bulk(stream)).collect();
        assert!(values.iter().all(|value| *value == values[0]), "two versions in one answer");
        number(&values[0])
    })
}

fn transactions(server: &Server, over: &AtomicBool) -> u64 {
    ask_on(server, over, |stream, i| {
        stream.send(b"MULTI\r\n");
        assert_eq!(stream.until(b"\r\n"), b"+OK\r\n");
        for j in 0..100 {
            stream.send(format!("GET k{}\r\n", (i + j) % PAIRS).as_bytes());
            assert_eq!(stream.until(b"\r\n"), b"+QUEUED\r\n");
        }
        stream.send(b"EXEC\r\n");
        assert_eq!(stream.until(b"\r\n"), b"*100\r\n");
        let values: Vec<Vec<u8>> = (0..100).map(|_| bulk(stream)).collect();
        assert!(values.iter().all(|value| *value == values[0]), "two versions in one answer");
        number(&values[0])
    })
}

/// Large values that are lent to the kernel, many at a time and read late.
fn large_values(server: &Server, over: &AtomicBool) -> u64 {
    ask_on(server, over, |stream, _| {
        stream.send("GET large\r\n".repeat(40).as_bytes());
        let mut newest = 0;
        for _ in 0..40 {
            let value = bulk(stream);
            let (first, _) = value.split_at(value.iter().position(|&byte| byte == b',').unwrap());
            let expected = [first, b","].concat().repeat(LARGE_BYTES / 2);
            assert!(value == expected, "a large value of two versions");
            assert!(number(first) >= newest);
            newest = number(first);
        }
        newest
    })
}

const ALL: [fn(&Server, &AtomicBool) -> u64; 7] =
    [gets, gets, memcached_gets, many_keys_over_http, mgets, transactions, large_values];

#[test]
fn switches_in_memory_mix_no_versions_and_leave_none_behind() {
    let mut options = threads(2);
    options.limits.output_bytes_max = 4096;
    switch_under(Storage::Memory, &options, 200, &ALL);
}

#[test]
fn switches_on_disk_mix_no_versions_and_leave_none_behind() {
    for cache_bytes in [0, 1 << 20] {
        let mut options = threads(2);
        options.storage.cache_bytes = cache_bytes;
        options.storage.disk_reads_max = 64;
        switch_under(Storage::Disk, &options, 60, &ALL);
    }
}

#[test]
fn a_table_may_move_from_memory_to_disk_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let storages = [Storage::Memory, Storage::Disk, Storage::Mapped, Storage::Disk, Storage::Memory];
    let stores = storages
        .iter()
        .zip(0..)
        .map(|(&storage, number)| version(number, &dir.path().join(number.to_string()), storage));
    let mut stores: Vec<_> = stores.collect();
    let catalog = Catalog::new("table", "0", stores.remove(0));
    serve_catalog(&catalog, &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        for (store, expected) in stores.into_iter().zip(1..) {
            catalog.switch(&expected.to_string(), store);
            let began = Instant::now();
            loop {
                stream.send(b"GET k7\r\n");
                if number(&bulk(&mut stream)) == expected {
                    break;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "version {expected} never answers");
            }
        }
    });
}
