//! A server whose table has no version yet: every language says so, and answers on the same connection once it has one.

use std::sync::Arc;

use crate::harness::{Server, Stream, serve_catalog, table, threads};
use graven_catalog::Catalog;
use graven_format::Store;

fn store() -> Arc<Store> {
    table([(&b"k"[..], &b"v"[..]), (b"k2", b"v2")])
}

/// Sends `bytes` and reads exactly `answer`.
#[track_caller]
fn talk(stream: &mut Stream, bytes: &[u8], answer: &[u8]) {
    stream.send(bytes);
    let found = stream.exactly(answer.len());
    assert_eq!(found.escape_ascii().to_string(), answer.escape_ascii().to_string());
}

/// Status, headers and body of the answer to a request.
fn ask(server: &Server, request: &str) -> (String, String, String) {
    let mut stream = server.connect();
    stream.send(request.as_bytes());
    stream.end_output();
    let text = String::from_utf8(stream.rest()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head["HTTP/1.1 ".len()..][..3].to_owned(), head.to_owned(), body.to_owned())
}

/// Runs `before` while the table has no version, and `after` once it has one; both are given the same connections.
fn while_loading_and_after(
    before: impl FnOnce(&Server, &mut [Stream]),
    after: impl FnOnce(&Server, &mut [Stream]),
) {
    let catalog = Catalog::empty();
    let id = catalog.add("table".parse().unwrap());
    catalog.require(id);
    serve_catalog(&catalog, &threads(2), &["127.0.0.1:0"], |server| {
        let mut streams: Vec<Stream> = (0..4).map(|_| server.connect()).collect();
        before(server, &mut streams);
        catalog.switch_to(id, "first".parse().unwrap(), store());
        after(server, &mut streams);
    });
}

#[test]
fn over_http_the_server_lives_and_keys_are_for_later() {
    let get = "GET /?key=k HTTP/1.1\r\nHost: localhost\r\n\r\n";
    while_loading_and_after(
        |server, streams| {
            let body = r#"{"keys":["k"]}"#;
            for request in [
                get.to_owned(),
                "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                "GET /v1/kv/a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                format!(
                    "POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
            ] {
                let (status, head, body) = ask(server, &request);
                assert_eq!(
                    (status.as_str(), body.as_str()),
                    ("503", "The table is loading, ask again soon"),
                    "{request}"
                );
                assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
            }
            let (status, head, body) = ask(server, &get.replace("GET", "HEAD"));
            assert_eq!((status.as_str(), body.as_str()), ("503", ""), "{head}");
            assert_eq!(ask(server, &get.replace("localhost", "evil.example")).0, "421");
            for request in [
                "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /readyz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            ] {
                let (status, head, body) = ask(server, request);
                assert_eq!((status.as_str(), body.as_str()), ("503", "table: no version answers yet"));
                assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
            }
            // What needs no table is answered.
            for (request, expected) in [
                ("GET /metrics HTTP/1.0\r\n\r\n", "200"),
                ("GET /v1/tables HTTP/1.0\r\n\r\n", "200"),
                ("GET / HTTP/1.0\r\n\r\n", "400"),
                ("OPTIONS / HTTP/1.0\r\n\r\n", "204"),
            ] {
                assert_eq!(ask(server, request).0, expected, "{request}");
            }
            for request in
                ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n"]
            {
                let (status, _, body) = ask(server, request);
                assert_eq!((status.as_str(), body.as_str()), ("200", "ok"));
            }
            // A pipeline of more than is looked up at once.
            let text = {
                let mut stream = server.connect();
                stream.send(get.repeat(200).as_bytes());
                stream.end_output();
                String::from_utf8(stream.rest()).unwrap()
            };
            assert_eq!(text.matches("HTTP/1.1 503 ").count(), 200);
            for stream in streams {
                stream.send(get.as_bytes());
                let answer = stream.until(b"ask again soon");
                assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
            }
        },
        |server, streams| {
            for stream in streams {
                stream.send(get.as_bytes());
                let answer = stream.until(b"\r\n\r\nv");
                assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
            }
            assert_eq!(ask(server, get).0, "200");
        },
    );
}

#[test]
fn redis_clients_hear_the_word_that_they_know() {
    let loading = "-LOADING the table is loading, ask again soon\r\n";
    while_loading_and_after(
        |_, streams| {
            for stream in streams {
                for command in [
                    "GET k",
                    "*2\r\n$3\r\nGET\r\n$1\r\nk",
                    "MGET k k2",
                    "EXISTS k",
                    "STRLEN k",
                    "TYPE k",
                    "TTL k",
                    "SCAN 0",
                    "KEYS *",
                    "RANDOMKEY",
                    "DBSIZE",
                    "PING",
                ] {
                    talk(stream, format!("{command}\r\n").as_bytes(), loading.as_bytes());
                }
                talk(stream, b"SELECT 0\r\nCLIENT SETNAME me\r\nMULTI\r\n", b"+OK\r\n+OK\r\n+OK\r\n");
                let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
                talk(stream, b"GET k\r\nEXEC\r\n", format!("{loading}{aborted}").as_bytes());
                stream.send(b"INFO persistence\r\n");
                let info = String::from_utf8(stream.until(b"rdb_last_bgsave_status:ok\r\n\r\n")).unwrap();
                assert!(info.contains("\r\nloading:1\r\n"), "{info}");
                let many = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(200);
                talk(stream, many.as_bytes(), loading.repeat(200).as_bytes());
            }
        },
        |_, streams| {
            for stream in streams {
                talk(stream, b"GET k\r\nDBSIZE\r\nPING\r\n", b"$1\r\nv\r\n:2\r\n+PONG\r\n");
                talk(stream, b"MULTI\r\nGET k\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*1\r\n$1\r\nv\r\n");
                stream.send(b"INFO persistence\r\n");
                let info = String::from_utf8(stream.until(b"rdb_last_bgsave_status:ok\r\n\r\n")).unwrap();
                assert!(info.contains("\r\nloading:0\r\n"), "{info}");
            }
        },
    );
}

#[test]
fn memcached_clients_hear_an_error_of_the_server() {
    let loading = "SERVER_ERROR the table is loading, ask again soon\r\n";
    while_loading_and_after(
        |_, streams| {
            for stream in streams {
                for command in
                    ["get k", "gets k", "get k k2", "gat 0 k", "mg k v", "mg azE= b v", "stats cachedump 1 0"]
                {
                    talk(stream, format!("{command}\r\n").as_bytes(), loading.as_bytes());
                }
                talk(stream, b"version\r\nmn\r\n", b"VERSION 1.6.18\r\nMN\r\n");
                talk(stream, b"set k 0 0 1\r\nx\r\n", b"CLIENT_ERROR read-only\r\n");
                stream.send(b"stats\r\n");
                let stats = String::from_utf8(stream.until(b"END\r\n")).unwrap();
                assert!(stats.contains("STAT curr_items 0\r\n"), "{stats}");
                talk(stream, "get k\r\n".repeat(200).as_bytes(), loading.repeat(200).as_bytes());
            }
        },
        |_, streams| {
            for stream in streams {
                talk(stream, b"get k\r\nmg k2 v\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\nVA 2\r\nv2\r\n");
            }
        },
    );
}
