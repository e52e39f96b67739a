//! One connection's work holds up no other's: what is costly is done in turns.

use std::sync::Arc;

use graven_format::{Builder, Codec, CodecChoice, Store};

use crate::harness::{Server, Stream, serve, serve_from_everywhere, table, threads};

/// Asks a server of one thread for something small on a second connection while the first has sent `work`, and returns how many
/// of the first's requests were answered by then.
fn answered_before_a_newcomer(server: &Server, work: &[u8]) -> u64 {
    let mut busy = server.connect();
    busy.send(&work[..work.iter().position(|&byte| byte == b'\n').unwrap() + 1]);
    busy.until(b"\r\n");
    let before = requests(server);
    busy.send(work);
    let mut newcomer = server.connect();
    newcomer.send(b"PING\r\n");
    newcomer.until(b"\r\n");
    let answered = requests(server) - before;
    drop(busy);
    answered
}

/// Redis and memcached requests so far.
fn requests(server: &Server) -> u64 {
    let mut stream = server.connect();
    stream.send(b"GET /stats.json HTTP/1.0\r\n\r\n");
    let stats = String::from_utf8(stream.rest()).unwrap();
    let count = |protocol: &str| -> u64 {
        let (_, rest) = stats.split_once(&format!("\"{protocol}\":{{\"requests\":")).unwrap();
        rest[..rest.find(',').unwrap()].parse().unwrap()
    };
    count("resp") + count("memcached")
}

/// One value of 300 kB that is compressed, so that it has to be decoded for whatever is asked of it.
fn compressed() -> Arc<Store> {
    let options = graven_format::Options { codec: CodecChoice::Fixed(Codec::Huffman), ..Default::default() };
    let mut builder = Builder::new(options);
    let value: Vec<u8> = (0..300_000_u64).map(|i| b"etaoin shrdlu"[(i * i % 13) as usize]).collect();
    builder.add(b"large", &value).unwrap();
    Arc::new(builder.finish().unwrap().0)
}

#[test]
fn decoding_large_values_again_and_again_leaves_turns_to_others() {
    serve(&compressed(), &threads(1), &["127.0.0.1:0"], |server| {
        let all = ["STRLEN large\r\n", "GETRANGE large 0 9\r\n", "GET large\r\n", "mg large k s\r\n"];
        for work in all {
            let answered = answered_before_a_newcomer(server, work.repeat(2_000).as_bytes());
            assert!(answered < 1_000, "{answered} of 2,000 `{}` came first", work.trim_end());
        }
    });
}

fn many_keys() -> Arc<Store> {
    let pairs: Vec<(String, String)> =
        (0..100_000).map(|i| (format!("key-{i:08}"), format!("value-{i}"))).collect();
    table(pairs.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())))
}

#[test]
fn a_walk_with_a_costly_pattern_leaves_turns_to_others_and_ends_with_the_server() {
    // Every key is compared with the pattern from every place, and fails at its end.
    let pattern = format!("*{}z", "[abcdefghijklmnopqrstuvwxy0-9-]*".repeat(100));
    let scan = |cursor: &str| format!("SCAN {cursor} MATCH {pattern} COUNT 100000000\r\n");
    serve(&many_keys(), &threads(1), &["127.0.0.1:0"], |server| {
        let work: String = (0..50).map(|i| scan(&(i * 500).to_string())).collect();
        let answered = answered_before_a_newcomer(server, work.as_bytes());
        assert!(answered < 25, "{answered} of 50 walks came first");
        // Left at work: the server has to end all the same.
        let mut busy = server.connect();
        busy.send(work.as_bytes());
        std::mem::forget(busy);
    });
}

#[test]
fn a_pattern_longer_than_the_limit_is_refused_with_both_lengths() {
    let mut options = threads(1);
    options.limits.pattern_bytes_max = 10;
    serve(&many_keys(), &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"SCAN 0 MATCH 12345678901\r\n");
        assert_eq!(stream.until(b"\r\n"), b"-ERR a pattern may have 10 bytes, this one has 11\r\n");
        stream.send(b"KEYS 12345678901\r\nPING\r\n");
        let refusals = stream.until(b"PONG\r\n");
        assert!(refusals.starts_with(b"-ERR the table holds too many keys"), "{}", refusals.escape_ascii());
    });
}

/// Every key that a full `SCAN` with `arguments` lists.
fn scan_all(stream: &mut Stream, arguments: &str) -> Vec<Vec<u8>> {
    let (mut cursor, mut keys) = (b"0".to_vec(), Vec::new());
    loop {
        let command = [b"SCAN ".as_slice(), &cursor, arguments.as_bytes(), b"\r\n"].concat();
        stream.send(&command);
        assert_eq!(stream.until(b"\r\n"), b"*2\r\n");
        let bulk = |stream: &mut Stream| {
            let head = stream.until(b"\r\n");
            let len: usize = std::str::from_utf8(&head[1..head.len() - 2]).unwrap().parse().unwrap();
            let mut bytes = stream.exactly(len + 2);
            bytes.truncate(len);
            bytes
        };
        cursor = bulk(stream);
        let head = stream.until(b"\r\n");
        let count: usize = std::str::from_utf8(&head[1..head.len() - 2]).unwrap().parse().unwrap();
        keys.extend((0..count).map(|_| bulk(stream)));
        if cursor == b"0" {
            return keys;
        }
    }
}

#[test]
fn a_walk_lists_every_key_once_from_every_storage() {
    let pairs: Vec<(String, String)> = (0..5_000).map(|i| (format!("k{i}"), "v".repeat(i % 300))).collect();
    let store = table(pairs.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())));
    serve_from_everywhere(&store, &threads(2), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let mut expected: Vec<Vec<u8>> = pairs.iter().map(|(key, _)| key.clone().into_bytes()).collect();
        expected.sort();
        for arguments in ["", " COUNT 1000", " COUNT 3 MATCH k*"] {
            let mut keys = scan_all(&mut stream, arguments);
            keys.sort();
            assert!(keys == expected, "{arguments}");
        }
        let some = scan_all(&mut stream, " COUNT 500 MATCH *[7-9]99");
        assert_eq!(some.len(), 3 * 5, "three of each thousand");
        stream.send(b"KEYS k499?\r\n");
        assert_eq!(stream.until(b"\r\n"), b"*10\r\n");
        for _ in 0..10 {
            stream.until(b"\r\n");
            assert!(stream.until(b"\r\n").starts_with(b"k499"));
        }
        for _ in 0..100 {
            stream.send(b"RANDOMKEY\r\n");
            stream.until(b"\r\n");
            let key = stream.until(b"\r\n");
            assert!(expected.binary_search(&key[..key.len() - 2].to_vec()).is_ok());
        }
    });
}
