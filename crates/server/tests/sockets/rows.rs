//! Tables with columns: rows as JSON over every language, some of their columns over HTTP, and hashes over Redis' protocol.

use std::sync::Arc;

use crate::harness::{Server, Stream, open, serve, table, threads};
use graven_format::{FieldInput, Options, Purpose, RowBuilder, Storage, Store};
use graven_server::{DiskReads, RowGet, ServerOptions};

/// Three rows: one with all fields, one without a price and with a null, one of long texts.
fn rows(options: Options) -> RowBuilder {
    let mut builder = RowBuilder::new("sku", options);
    for name in ["title", "price", "stock", "note"] {
        builder.column(name, None).unwrap();
    }
    let (text, number) = (FieldInput::Text, FieldInput::Number);
    let long = "so many words ".repeat(500);
    let lamp = [text("Lamp"), number("12.50"), FieldInput::Int(7), text("a \"bright\" one")];
    let chair = [text("Chair"), FieldInput::Missing, FieldInput::Int(-3), FieldInput::Null];
    let desk = [text("Desk"), number("99.00"), FieldInput::Int(0), text(&long)];
    for (key, row) in [("lamp", &lamp), ("chair", &chair), ("desk", &desk)] {
        builder.add(key.as_bytes(), row).unwrap();
    }
    builder
}

fn store() -> Arc<Store> {
    Arc::new(rows(Options::default()).finish().unwrap().0)
}

/// Serves the rows from memory, from a file that is read or mapped, and from disk.
fn serve_rows(options: &ServerOptions, work: impl Fn(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows");
    rows(Options { purpose: Purpose::Disk, ..Options::default() }).write(&path).unwrap();
    serve(&store(), options, &["127.0.0.1:0"], &work);
    for storage in [Storage::Memory, Storage::Mapped, Storage::Disk] {
        for disk_reads in [DiskReads::Auto, DiskReads::Threads] {
            let mut options = options.clone();
            options.storage.disk_reads = disk_reads;
            serve(&open(&path, storage), &options, &["127.0.0.1:0"], &work);
        }
    }
}

fn answers(server: &Server, conversation: &[(&str, &str)]) {
    // One by one, and all at once.
    let mut stream = server.connect();
    for (request, answer) in conversation {
        stream.send(format!("{request}\r\n").as_bytes());
        let found = stream.exactly(answer.len());
        assert_eq!(String::from_utf8_lossy(&found), *answer, "{request}");
    }
    let all: String = conversation.iter().map(|(request, _)| format!("{request}\r\n")).collect();
    let expected: String = conversation.iter().map(|(_, answer)| *answer).collect();
    stream.send(all.as_bytes());
    assert_eq!(String::from_utf8(stream.exactly(expected.len())).unwrap(), expected);
}

const LAMP: &str = r#"{"title":"Lamp","price":12.50,"stock":7,"note":"a \"bright\" one"}"#;

#[test]
fn a_row_is_a_hash() {
    serve_rows(&threads(1), |server| {
        answers(
            server,
            &[
                ("HGET lamp price", "$5\r\n12.50\r\n"),
                ("hget lamp title", "$4\r\nLamp\r\n"),
                ("HGET lamp none", "$-1\r\n"),
                ("HGET chair price", "$-1\r\n"),
                ("HGET chair note", "$-1\r\n"),
                ("HGET none title", "$-1\r\n"),
                ("HMGET lamp stock none title", "*3\r\n$1\r\n7\r\n$-1\r\n$4\r\nLamp\r\n"),
                ("HMGET none stock title", "*2\r\n$-1\r\n$-1\r\n"),
                ("HGETALL chair", "*4\r\n$5\r\ntitle\r\n$5\r\nChair\r\n$5\r\nstock\r\n$2\r\n-3\r\n"),
                ("HGETALL none", "*0\r\n"),
                ("HKEYS chair", "*2\r\n$5\r\ntitle\r\n$5\r\nstock\r\n"),
                ("HVALS chair", "*2\r\n$5\r\nChair\r\n$2\r\n-3\r\n"),
                ("HLEN lamp", ":4\r\n"),
                ("HLEN chair", ":2\r\n"),
                ("HLEN none", ":0\r\n"),
                ("HEXISTS lamp note", ":1\r\n"),
                ("HEXISTS chair note", ":0\r\n"),
                ("HEXISTS lamp none", ":0\r\n"),
                ("HSTRLEN lamp title", ":4\r\n"),
                ("HSTRLEN desk note", ":7000\r\n"),
                ("HSTRLEN lamp none", ":0\r\n"),
                (
                    "HSCAN chair 0",
                    "*2\r\n$1\r\n0\r\n*4\r\n$5\r\ntitle\r\n$5\r\nChair\r\n$5\r\nstock\r\n$2\r\n-3\r\n",
                ),
                ("HSCAN lamp 0 MATCH *t?ck COUNT 1", "*2\r\n$1\r\n0\r\n*2\r\n$5\r\nstock\r\n$1\r\n7\r\n"),
                ("HSCAN lamp 0 NOVALUES MATCH t*", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\ntitle\r\n"),
                ("HSCAN none 0 MATCH", "*2\r\n$1\r\n0\r\n*0\r\n"),
                ("HSCAN lamp 0 MATCH", "-ERR syntax error\r\n"),
                ("HSCAN lamp 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
                ("HSCAN lamp x", "-ERR invalid cursor\r\n"),
                ("HRANDFIELD none", "$-1\r\n"),
                ("HRANDFIELD chair 0", "*0\r\n"),
                ("HGET lamp", "-ERR wrong number of arguments for 'hget' command\r\n"),
                ("HMGET lamp", "-ERR wrong number of arguments for 'hmget' command\r\n"),
                ("HSET lamp price 1", "-READONLY You can't write against a read only replica.\r\n"),
                ("PFCOUNT lamp", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
                ("TYPE lamp", "+hash\r\n"),
                ("TYPE none", "+none\r\n"),
                ("OBJECT ENCODING lamp", "$8\r\nlistpack\r\n"),
                ("OBJECT ENCODING desk", "$9\r\nhashtable\r\n"),
                ("LRANGE lamp 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
                ("SCAN 0 TYPE string", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ],
        );
    });
}

#[test]
fn a_row_is_json_where_a_whole_value_is_asked_for() {
    let bulk = format!("${}\r\n{LAMP}\r\n", LAMP.len());
    let chair = r#"{"title":"Chair","stock":-3,"note":null}"#;
    serve_rows(&threads(1), |server| {
        answers(
            server,
            &[
                ("GET lamp", &bulk),
                ("GET none", "$-1\r\n"),
                ("MGET lamp none chair", &format!("*3\r\n{bulk}$-1\r\n${}\r\n{chair}\r\n", chair.len())),
                ("STRLEN lamp", &format!(":{}\r\n", LAMP.len())),
                ("GETRANGE lamp 2 6", "$5\r\ntitle\r\n"),
            ],
        );
        let mut memcached = server.connect();
        memcached.send(b"get lamp\r\nmg lamp v s\r\nget none lamp\r\n");
        let len = LAMP.len();
        let expected = format!(
            "VALUE lamp 0 {len}\r\n{LAMP}\r\nEND\r\nVA {len} s{len}\r\n{LAMP}\r\nVALUE lamp 0 {len}\r\n{LAMP}\r\nEND\r\n"
        );
        assert_eq!(String::from_utf8(memcached.exactly(expected.len())).unwrap(), expected);
    });
}

#[test]
fn gets_are_refused_where_rows_are_no_strings() {
    let options = ServerOptions { row_get: RowGet::Error, ..threads(1) };
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    serve_rows(&options, |server| {
        answers(
            server,
            &[
                ("GET lamp", wrong),
                ("GET none", "$-1\r\n"),
                ("STRLEN lamp", wrong),
                ("MGET lamp none", "*2\r\n$-1\r\n$-1\r\n"),
                ("LCS lamp chair", "-ERR The specified keys must contain string values\r\n"),
                ("HGET lamp stock", "$1\r\n7\r\n"),
            ],
        );
    });
    // A table without columns has strings all the same.
    serve(&table([(&b"key"[..], &b"value"[..])]), &options, &["127.0.0.1:0"], |server| {
        answers(
            server,
            &[("GET key", "$5\r\nvalue\r\n"), ("HGET key field", wrong), ("HMGET none a", "*1\r\n$-1\r\n")],
        );
    });
}

#[test]
fn hashes_are_maps_in_resp3() {
    serve_rows(&threads(1), |server| {
        let mut stream = server.connect();
        stream.send(b"HELLO 3\r\n");
        stream.until(b"modules\r\n*0\r\n");
        stream.send(b"HGETALL chair\r\nHGET chair price\r\nHRANDFIELD chair 5 WITHVALUES\r\n");
        let all = b"%2\r\n$5\r\ntitle\r\n$5\r\nChair\r\n$5\r\nstock\r\n$2\r\n-3\r\n_\r\n*2\r\n";
        assert_eq!(stream.exactly(all.len()).escape_ascii().to_string(), all.escape_ascii().to_string());
        let pairs = "*2\r\n$5\r\ntitle\r\n$5\r\nChair\r\n*2\r\n$5\r\nstock\r\n$2\r\n-3\r\n";
        let found = String::from_utf8(stream.exactly(pairs.len())).unwrap();
        assert!(found.contains("*2\r\n$5\r\nstock\r\n$2\r\n-3\r\n"), "{found}");
        assert!(found.contains("*2\r\n$5\r\ntitle\r\n$5\r\nChair\r\n"), "{found}");
    });
}

/// The bulk strings of an array.
fn array(stream: &mut Stream) -> Vec<String> {
    let head = String::from_utf8(stream.until(b"\r\n")).unwrap();
    let count: usize = head.trim_start_matches('*').trim_end().parse().unwrap();
    let mut bulk = || {
        stream.until(b"\r\n");
        String::from_utf8(stream.until(b"\r\n")).unwrap().trim_end().to_owned()
    };
    (0..count).map(|_| bulk()).collect()
}

#[test]
fn random_fields_are_different_unless_the_count_is_negative() {
    let mut options = threads(1);
    options.limits.output_bytes_max = 4096;
    serve(&store(), &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            stream.send(b"HRANDFIELD lamp 2\r\nHRANDFIELD lamp 9\r\nHRANDFIELD chair -20000\r\n");
            let two = array(&mut stream);
            assert!(two.len() == 2 && two[0] != two[1], "{two:?}");
            seen.extend(two);
            let mut all = array(&mut stream);
            all.sort();
            assert_eq!(all, ["note", "price", "stock", "title"]);
            let many = array(&mut stream);
            let titles = many.iter().filter(|name| *name == "title").count();
            assert!(many.len() == 20_000 && (9_000..11_000).contains(&titles), "{titles}");
            assert!(many.iter().all(|name| name == "title" || name == "stock"));
        }
        assert_eq!(seen.len(), 4);
    });
}

#[test]
fn hashes_are_read_in_transactions_and_in_long_pipelines() {
    serve_rows(&threads(1), |server| {
        let mut stream = server.connect();
        stream.send(
            b"MULTI\r\nHGET lamp stock\r\nHMGET chair stock price\r\nGET none\r\nHLEN lamp\r\nEXEC\r\n",
        );
        let expected = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n$1\r\n7\r\n*2\r\n$2\r\n-3\r\n$-1\r\n$-1\r\n:4\r\n";
        assert_eq!(
            stream.exactly(expected.len()).escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
        let request = b"*3\r\n$4\r\nHGET\r\n$4\r\nlamp\r\n$5\r\nprice\r\n*2\r\n$4\r\nHLEN\r\n$5\r\nchair\r\n";
        stream.send(&request.repeat(3000));
        let expected = b"$5\r\n12.50\r\n:2\r\n".repeat(3000);
        assert!(stream.exactly(expected.len()) == expected);
    });
}

/// What `target` is answered: the whole response but for its date.
fn get(server: &Server, target: &str, headers: &str) -> (String, String) {
    let mut stream = server.connect();
    stream.send(
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
    );
    let text = String::from_utf8(stream.rest()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn http_answers_rows_as_json_and_some_columns_where_asked() {
    serve_rows(&threads(1), |server| {
        for target in ["/v1/kv/lamp", "/?key=lamp", "/v1/tables/table/kv/lamp"] {
            let (head, body) = get(server, target, "");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
            assert_eq!(body, LAMP, "{target}");
        }
        for (target, expected) in [
            ("/v1/kv/lamp?fields=price,title", r#"{"price":12.50,"title":"Lamp"}"#),
            ("/?key=lamp&fields=stock", r#"{"stock":7}"#),
            ("/?fields=stoc%6B&key=lamp", r#"{"stock":7}"#),
            ("/v1/tables/table/kv/chair?fields=price,note", r#"{"note":null}"#),
            ("/v1/kv/none?fields=stock", "Key not found"),
            (
                "/v1/kv/lamp?fields=stock,color",
                "There is no column `color`; the columns are title, price, stock, note",
            ),
            ("/v1/kv/lamp?fields=", LAMP),
            ("/v1/kv/lamp?fields=stock,title,stock", "The column `stock` is named twice"),
            ("/v1/kv/lamp?fields=%f", "A % in `fields` is not followed by two hexadecimal digits"),
        ] {
            let (head, body) = get(server, target, "");
            assert_eq!(body, expected, "{target}: {head}");
            let status = if expected.starts_with('{') {
                "200"
            } else if expected.starts_with("Key") {
                "404"
            } else {
                "400"
            };
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {head}");
        }
        let (head, _) = get(server, "/v1/kv/lamp?fields=stock", "");
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        let (head, body) = get(server, "/v1/kv/lamp?fields=stock", &format!("If-None-Match: {etag}\r\n"));
        assert!(head.starts_with("HTTP/1.1 304 ") && body.is_empty(), "{head}");
    });
    serve(&table([(&b"key"[..], &b"value"[..])]), &threads(1), &["127.0.0.1:0"], |server| {
        let (head, body) = get(server, "/v1/kv/key?fields=a", "");
        assert!(head.starts_with("HTTP/1.1 400 ") && body == "The table has no columns", "{head} {body}");
        let (head, body) = get(server, "/v1/kv/key?other=a", "");
        assert!(head.contains("\r\nContent-Type: text/plain\r\n") && body == "value", "{head} {body}");
    });
}

fn post(server: &Server, accept: &str, body: &str) -> String {
    let mut stream = server.connect();
    let head = "POST /v1/mget HTTP/1.0\r\nHost: localhost\r\n";
    stream.send(format!("{head}Accept: {accept}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    let text = String::from_utf8(stream.rest()).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn mget_has_rows_as_objects() {
    serve_rows(&threads(1), |server| {
        let found = post(server, "*/*", r#"{"keys":["lamp","none"]}"#);
        assert_eq!(found, format!("{{\"values\":[{LAMP},null]}}\n"));
        let found = post(server, "*/*", r#"{"fields":["stock"],"keys":["chair","lamp"]}"#);
        assert_eq!(found, "{\"values\":[{\"stock\":-3},{\"stock\":7}]}\n");
        let found = post(server, "application/x-ndjson", r#"{"keys":["chair","none"],"fields":["title"]}"#);
        assert_eq!(
            found,
            "{\"key\":\"chair\",\"value\":{\"title\":\"Chair\"}}\n{\"key\":\"none\",\"value\":null}\n"
        );
        let found = post(server, "*/*", r#"{"keys":["lamp"],"fields":["color"]}"#);
        assert_eq!(found, "There is no column `color`; the columns are title, price, stock, note");
        let found = post(server, "*/*", r#"{"keys":["lamp"],"fields":["stock","stock"]}"#);
        assert_eq!(found, "The column `stock` is named twice");
        let found = post(server, "*/*", r#"{"keys":["lamp"],"columns":["color"]}"#);
        assert!(found.contains("unknown field `columns`, expected `keys` or `fields`"), "{found}");
        let found = post(server, "*/*", r#"{"keys":["lamp"],"fields":["stock"],"fields":["stock"]}"#);
        assert!(found.contains("duplicate field `fields`"), "{found}");
    });
}

/// A request of some kilobytes must not make an answer of gigabytes.
#[test]
fn a_long_field_that_is_asked_for_again_and_again_is_refused() {
    let mut builder = RowBuilder::new("key", Options::default());
    builder.column("long", None).unwrap();
    let long = "x".repeat(2 << 20);
    builder.add(b"key", &[FieldInput::Text(&long)]).unwrap();
    let store = Arc::new(builder.finish().unwrap().0);
    serve(&store, &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        for (fields, answer) in [
            (1024, "-ERR the answer is longer than the longest value, ask for fewer fields\r\n"),
            (1025, "-ERR this command may have 1025 arguments, this one has 1026\r\n"),
        ] {
            stream.send(format!("HMGET key{}\r\n", " long".repeat(fields)).as_bytes());
            assert_eq!(String::from_utf8(stream.exactly(answer.len())).unwrap(), answer);
        }
        stream.send(b"HSTRLEN key long\r\n");
        assert_eq!(stream.exactly(10), b":2097152\r\n");
    });
}
