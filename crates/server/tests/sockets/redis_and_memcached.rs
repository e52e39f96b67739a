//! Redis and memcached conversations on the port that speaks everything, on ports of their own, and cut anywhere.

use std::sync::Arc;

use crate::harness::{Stream, serve, serve_from_everywhere, socket_path, table, threads};
use graven_format::Store;

fn store() -> Arc<Store> {
    table([(&b"k1"[..], &b"value 1"[..]), (b"k2", b"\r\n\0\xff"), (b"empty", b"")])
}

const RESP: &[(&[u8], &[u8])] = &[
    (b"*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n", b"$7\r\nvalue 1\r\n"),
    (b"*2\r\n$3\r\nget\r\n$2\r\nk2\r\n", b"$4\r\n\r\n\0\xff\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$5\r\nempty\r\n*2\r\n$3\r\nGET\r\n$2\r\nk3\r\n", b"$0\r\n\r\n$-1\r\n"),
    (
        b"*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n",
        b"$7\r\nvalue 1\r\n+PONG\r\n$7\r\nvalue 1\r\n",
    ),
    (
        b"*4\r\n$4\r\nMGET\r\n$2\r\nk1\r\n$2\r\nk3\r\n$5\r\nempty\r\n",
        b"*3\r\n$7\r\nvalue 1\r\n$-1\r\n$0\r\n\r\n",
    ),
    (b"*4\r\n$6\r\nEXISTS\r\n$2\r\nk1\r\n$2\r\nk1\r\n$2\r\nk3\r\n", b":2\r\n"),
    (b"PING\r\nGET k1\r\nSTRLEN k1\r\nSTRLEN k3\r\n", b"+PONG\r\n$7\r\nvalue 1\r\n:7\r\n:0\r\n"),
    (b"GETRANGE k1 0 4\r\nGETRANGE k1 -1 -1\r\nGETRANGE k3 0 1\r\n", b"$5\r\nvalue\r\n$1\r\n1\r\n$0\r\n\r\n"),
    (b"TYPE k1\r\nTYPE k3\r\nTTL k1\r\nPTTL k3\r\n", b"+string\r\n+none\r\n:-1\r\n:-2\r\n"),
    (b"OBJECT ENCODING k1\r\nDBSIZE\r\nECHO hi\r\n", b"$6\r\nembstr\r\n:3\r\n$2\r\nhi\r\n"),
    (b"SELECT 0\r\nSELECT 1\r\n", b"+OK\r\n-ERR DB index is out of range\r\n"),
    (
        b"SET a b\r\nNOPE a\r\n",
        b"-READONLY You can't write against a read only replica.\r\n\
          -ERR unknown command 'NOPE', with args beginning with: 'a' \r\n",
    ),
    (
        b"CONFIG GET save\r\nCONFIG GET appendonly\r\n",
        b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n",
    ),
    (
        b"CLIENT SETNAME me\r\nCLIENT GETNAME\r\nRESET\r\nCLIENT GETNAME\r\n",
        b"+OK\r\n$2\r\nme\r\n+RESET\r\n$-1\r\n",
    ),
    (b"AUTH default x\r\nREADONLY\r\nREADWRITE\r\n", b"+OK\r\n+OK\r\n+OK\r\n"),
    (b"QUIT\r\nPING\r\n", b"+OK\r\n"),
    (b"PING\r\n*2147483647\r\n", b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
];

const MEMCACHED: &[(&[u8], &[u8])] = &[
    (b"get k1\r\n", b"VALUE k1 0 7\r\nvalue 1\r\nEND\r\n"),
    (b"get k3\r\n", b"END\r\n"),
    (b"get k1 k3 empty\r\n", b"VALUE k1 0 7\r\nvalue 1\r\nVALUE empty 0 0\r\n\r\nEND\r\n"),
    (b"gat 0 k2\r\n", b"VALUE k2 0 4\r\n\r\n\0\xff\r\nEND\r\n"),
    (
        b"get k1\r\nget k3\r\nmg k1 v\r\nmn\r\n",
        b"VALUE k1 0 7\r\nvalue 1\r\nEND\r\nEND\r\nVA 7\r\nvalue 1\r\nMN\r\n",
    ),
    (b"mg k1\r\nmg k3\r\nmg k3 q\r\nmg k1 s k Oabc v\r\n", b"HD\r\nEN\r\nVA 7 s7 kk1 Oabc\r\nvalue 1\r\n"),
    (b"mg azE= b v\r\n", b"VA 7 b\r\nvalue 1\r\n"),
    (b"set a 0 0 5\r\nhello\r\nget k1\r\n", b"CLIENT_ERROR read-only\r\nVALUE k1 0 7\r\nvalue 1\r\nEND\r\n"),
    (b"set a 0 0 5 noreply\r\nhello\r\nmn\r\n", b"MN\r\n"),
    (
        b"get k1\r\nset a 0 0 5\r\nhello\r\nget k1\r\n",
        b"VALUE k1 0 7\r\nvalue 1\r\nEND\r\nCLIENT_ERROR read-only\r\nVALUE k1 0 7\r\nvalue 1\r\nEND\r\n",
    ),
    (b"verbosity 1\r\nstats reset\r\nstats slabs\r\n", b"OK\r\nRESET\r\nEND\r\n"),
    (
        b"stats items\r\nstats none\r\nstats detail dump\r\nversion\r\n",
        b"STAT items:1:number 3\r\nEND\r\nERROR\r\nEND\r\nVERSION 1.6.18\r\n",
    ),
    // What a connection may begin with.
    (b"lru_crawler\r\nget k3\r\n", b"ERROR\r\nEND\r\n"),
    (b"lru mode flat\r\nget k3\r\n", b"ERROR\r\nEND\r\n"),
    (b"slabs automove 1\r\nget k3\r\n", b"CLIENT_ERROR slab reassignment disabled\r\nEND\r\n"),
    (b"watch fetchers\r\nget k3\r\n", b"CLIENT_ERROR watch commands not allowed\r\nEND\r\n"),
    (b"nothing_like_it\r\nget k3\r\n", b"ERROR\r\nEND\r\n"),
    (b"get\tk1\r\nget k3\r\n", b"ERROR\r\nEND\r\n"),
    (b"stats cachedump 2 0\r\nlru_crawler metadump x\r\n", b"END\r\nBADCLASS invalid class id\r\n"),
    (b"quit\r\nget k1\r\n", b""),
    (
        b"get k1\r\nbad\r\nget k1\r\n",
        b"VALUE k1 0 7\r\nvalue 1\r\nEND\r\nERROR\r\nVALUE k1 0 7\r\nvalue 1\r\nEND\r\n",
    ),
    (b"\x80\x00\x00\x00", b""),
];

fn hold(mut stream: Stream, bytes: &[u8], cut: usize) -> String {
    stream.send(&bytes[..cut]);
    stream.send(&bytes[cut..]);
    stream.end_output();
    stream.rest().escape_ascii().to_string()
}

#[test]
fn every_conversation_goes_as_the_table_says_on_every_socket_number_of_threads_and_storage() {
    let unix = format!("unix:{}", socket_path().display());
    for count in [1, 3] {
        let endpoints = ["127.0.0.1:0", &unix, "resp://127.0.0.1:0", "memcached://127.0.0.1:0"];
        serve_from_everywhere(&store(), &threads(count), &endpoints, |server| {
            for (conversations, own) in [(RESP, 2), (MEMCACHED, 3)] {
                for (bytes, want) in conversations {
                    for endpoint in [0, 1, own].map(|i| &server.endpoints[i]) {
                        let got = hold(Stream::connect(endpoint), bytes, bytes.len());
                        assert_eq!(
                            got,
                            want.escape_ascii().to_string(),
                            "{endpoint}: {}",
                            bytes.escape_ascii()
                        );
                    }
                }
            }
        });
    }
}

#[test]
fn the_same_bytes_cut_anywhere_get_the_same_answers() {
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for (bytes, want) in RESP.iter().chain(MEMCACHED) {
            for cut in 1..bytes.len() {
                let got = hold(server.connect(), bytes, cut);
                assert_eq!(got, want.escape_ascii().to_string(), "{} cut at {cut}", bytes.escape_ascii());
            }
        }
    });
}

#[test]
fn answers_are_whole_and_in_order_however_little_output_may_wait() {
    let keys: Vec<String> = (0..500).map(|i| format!("key-{i}")).collect();
    let store = table(keys.iter().map(|key| (key.as_bytes(), key.as_bytes())));
    for output_bytes_max in [1, 100, 1_000, 100_000] {
        let mut options = threads(1);
        options.limits.output_bytes_max = output_bytes_max;
        serve_from_everywhere(&store, &options, &["127.0.0.1:0"], |server| {
            let (mut asked, mut want) = (format!("*{}\r\n$4\r\nMGET\r\n", keys.len() + 1), String::new());
            want.push_str(&format!("*{}\r\n", keys.len()));
            for key in &keys {
                asked.push_str(&format!("${}\r\n{key}\r\n", key.len()));
                want.push_str(&format!("${}\r\n{key}\r\n", key.len()));
            }
            for key in &keys {
                asked.push_str(&format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()));
                want.push_str(&format!("${}\r\n{key}\r\n", key.len()));
            }
            let asked = asked + "*1\r\n$4\r\nPI";
            assert_eq!(
                hold(server.connect(), asked.as_bytes(), asked.len() / 3),
                want.as_bytes().escape_ascii().to_string()
            );

            let mut asked = format!("get {}\r\n", keys.join(" "));
            let value = |key: &String| format!("VALUE {key} 0 {}\r\n{key}\r\n", key.len());
            let mut want: String = keys.iter().map(value).collect();
            want.push_str("END\r\n");
            for key in &keys {
                asked.push_str(&format!("get {key}\r\nmg {key} v\r\nset a 0 0 1\r\nx\r\n"));
                want.push_str(&format!(
                    "{}END\r\nVA {}\r\n{key}\r\nCLIENT_ERROR read-only\r\n",
                    value(key),
                    key.len()
                ));
            }
            assert_eq!(
                hold(server.connect(), asked.as_bytes(), asked.len() / 3),
                want.as_bytes().escape_ascii().to_string()
            );
        });
    }
}

#[test]
fn memcached_lists_every_key_once_however_little_output_may_wait() {
    let keys: Vec<String> = (0..500).map(|i| format!("key-{i}")).collect();
    let store = table(keys.iter().map(|key| (key.as_bytes(), &key.as_bytes()[..3])));
    for output_bytes_max in [1, 1_000, 1 << 20] {
        let mut options = threads(1);
        options.limits.output_bytes_max = output_bytes_max;
        serve_from_everywhere(&store, &options, &["127.0.0.1:0"], |server| {
            for (asked, end) in [("lru_crawler metadump all", "\n"), ("stats cachedump 1 0", "\r\n")] {
                let mut stream = server.connect();
                stream.send(format!("{asked}\r\nget none\r\n").as_bytes());
                stream.end_output();
                let text = String::from_utf8(stream.rest()).unwrap();
                let lines = text.strip_suffix("END\r\nEND\r\n").unwrap_or_else(|| panic!("{text}"));
                let mut found: Vec<&str> = lines.split_terminator(end).collect();
                found.sort_unstable();
                let mut expected: Vec<String> = keys
                    .iter()
                    .map(|key| match end {
                        "\n" => format!("key={key} size={}", key.len() + 3),
                        _ => format!("ITEM {key} [3 b; 0 s]"),
                    })
                    .collect();
                expected.sort_unstable();
                let short = |line: &&str| match line.split_once(" exp=-1 la=0 cas=") {
                    Some((key, rest)) => {
                        let (cas, size) = rest.split_once(" fetch=no cls=1 ").unwrap();
                        assert!(cas.parse::<u64>().is_ok(), "{line}");
                        format!("{key} {size}")
                    }
                    None => (*line).to_owned(),
                };
                assert_eq!(found.iter().map(short).collect::<Vec<_>>(), expected, "{asked}");
            }
            let mut stream = server.connect();
            stream.send(b"stats cachedump 1 7\r\nstats cachedump 2 7\r\n");
            stream.end_output();
            let text = String::from_utf8(stream.rest()).unwrap();
            assert_eq!((text.matches("ITEM ").count(), text.matches("END\r\n").count()), (7, 2), "{text}");
        });
    }
}

#[test]
fn hello_3_changes_nulls_and_maps() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"HELLO 3 SETNAME me\r\nGET k3\r\nCONFIG GET save\r\nCLIENT GETNAME\r\n");
        let greeting = String::from_utf8(stream.until(b"modules\r\n*0\r\n")).unwrap();
        assert!(greeting.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), "{greeting}");
        assert!(greeting.contains("$5\r\nproto\r\n:3\r\n"), "{greeting}");
        stream.end_output();
        assert_eq!(stream.rest(), b"_\r\n%1\r\n$4\r\nsave\r\n$0\r\n\r\n$2\r\nme\r\n");
    });
}

#[test]
fn what_was_counted_is_told_in_every_protocol() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let mut first = server.connect();
        first.send(b"GET k1\r\nGET k3\r\nMGET k1 k3 empty\r\nINFO stats\r\n");
        let info = String::from_utf8(first.until(b"keyspace_misses:2\r\n")).unwrap();
        assert!(info.contains("\r\nkeyspace_hits:3\r\n"), "{info}");
        let mut second = server.connect();
        second.send(b"get k1\r\nstats\r\n");
        let stats = String::from_utf8(second.until(b"STAT get_misses 2\r\nEND\r\n")).unwrap();
        assert!(stats.contains("\r\nSTAT get_hits 4\r\n"), "{stats}");
        assert!(stats.contains("STAT curr_connections 2\r\n"), "{stats}");
        assert!(stats.contains("STAT curr_items 3\r\n"), "{stats}");
    });
}

#[test]
fn a_scan_from_0_to_0_gives_every_key_once_whatever_its_count() {
    let keys: Vec<String> = (0..500).map(|i| format!("key-{i}")).collect();
    let store = table(keys.iter().map(|key| (key.as_bytes(), key.as_bytes())));
    serve_from_everywhere(&store, &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        for (options, want) in
            [("", 500), ("COUNT 7", 500), ("COUNT 9999 MATCH key-4*", 111), ("TYPE list", 0)]
        {
            let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
            loop {
                stream.send(format!("SCAN {cursor} {options}\r\n").as_bytes());
                let mut line = || String::from_utf8(stream.until(b"\r\n")).unwrap().trim_end().to_owned();
                assert_eq!(line(), "*2");
                line();
                cursor = line();
                let count: usize = line().strip_prefix('*').unwrap().parse().unwrap();
                for _ in 0..count {
                    line();
                    found.push(line());
                }
                if cursor == "0" {
                    break;
                }
            }
            found.sort();
            found.dedup();
            assert_eq!(found.len(), want, "{options}");
            assert!(found.iter().all(|key| keys.contains(key)));
        }
        stream.send(b"KEYS key-49?\r\n");
        assert_eq!(stream.until(b"\r\n"), b"*10\r\n");
        stream.exactly(10 * "$7\r\nkey-490\r\n".len());
        stream.send(b"RANDOMKEY\r\n");
        stream.until(b"\r\n");
        let key = String::from_utf8(stream.until(b"\r\n")).unwrap();
        assert!(keys.contains(&key.trim_end().to_owned()), "{key}");
    });
}
