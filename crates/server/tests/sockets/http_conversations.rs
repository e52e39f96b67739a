//! HTTP conversations over real sockets: one table, for every kind of socket, one thread and several, cut anywhere.

use std::sync::Arc;

use crate::harness::{Stream, serve, serve_from_everywhere, socket_path, table, threads};
use graven_format::Store;

fn store() -> Arc<Store> {
    table([
        (&b"k1"[..], &b"value 1"[..]),
        (b"a b", b"spaced"),
        (b"a+b", b"plus"),
        (b"a/b", b"slash"),
        (b"//", b"two slashes"),
        (b"..", b"dots"),
        (b"%41", b"escaped letter"),
        (b"\xff\x00", b"\x00\xfe\r\n\r\n"),
        (b"empty", b""),
    ])
}

/// An answer: status and body, with `close` and `keep` for what its `Connection` says, `allow` for its `Allow`.
fn reply(status: &str, said: &str, body: &str) -> String {
    let said = match said {
        "close" => "Connection: close\r\n",
        "keep" => "Connection: keep-alive\r\n",
        "allow" => "Allow: GET, HEAD, OPTIONS\r\n",
        "allow mget" => "Allow: POST, OPTIONS\r\n",
        _ => "",
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nDate: D\r\n{said}X-Content-Type-Options: nosniff\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The same of the table.
fn table_reply(status: &str, said: &str, body: &str) -> String {
    reply(status, said, body).replace("nosniff\r\n", "nosniff\r\nGraven-Version: table@only\r\n")
}

/// The answer to `OPTIONS`.
fn methods(allow: &str) -> String {
    format!("HTTP/1.1 204 No Content\r\nDate: D\r\nAllow: {allow}\r\nX-Content-Type-Options: nosniff\r\n\r\n")
}

/// Requests sent in one connection, whose output then ends, and all that comes back until the server closes.
fn conversations() -> Vec<(&'static [u8], String)> {
    let ok = |body| table_reply("200 OK", "", body);
    let no_key = || reply("400 Bad Request", "", "Missing 'key' parameter in the query string");
    let bad_method =
        || reply("405 Method Not Allowed", "allow", "This path is answered to GET, HEAD, OPTIONS");
    let missing = || table_reply("404 Not Found", "", "Key not found");
    let last = |body| table_reply("200 OK", "close", body);
    let bad = |text| reply("400 Bad Request", "close", text);
    vec![
        (b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"GET /?key=k2 HTTP/1.1\r\nHost: localhost\r\n\r\n", missing()),
        (b"GET /?x=y&key=k1&key=k2 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"GET /?key=a+b HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("spaced")),
        (b"GET /?key=a%2bb HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("plus")),
        (b"GET /?key=%2541 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("escaped letter")),
        (b"GET /?key=empty HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("")),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", no_key()),
        (b"GET /?key= HTTP/1.1\r\nHost: localhost\r\n\r\n", no_key()),
        (b"GET /?key HTTP/1.1\r\nHost: localhost\r\n\r\n", no_key()),
        (b"GET /?key=&x=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", no_key()),
        (b"GET /?key=&key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"HEAD /?key= HTTP/1.1\r\nHost: localhost\r\n\r\n", no_key().replace("Missing 'key' parameter in the query string", "")),
        (b"GET /v1/kv/ HTTP/1.1\r\nHost: localhost\r\n\r\n", reply("400 Bad Request", "", "The key is empty")),
        (
            b"GET /?key=%4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            reply("400 Bad Request", "", "A % in the key is not followed by two hexadecimal digits"),
        ),
        (b"GET /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"GET /v1/kv/k1?key=k2 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"GET /v1/kv/a+b HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("plus")),
        (b"GET /v1/kv/a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("spaced")),
        (b"GET /v1/kv/a/b HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("slash")),
        (b"GET /v1/kv/a%2Fb HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("slash")),
        (b"GET /v1/kv/// HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("two slashes")),
        (b"GET /v1/kv/.. HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("dots")),
        (b"GET http://localhost/v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1")),
        (b"HEAD /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1").replace("value 1", "")),
        (b"HEAD /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\n\r\n", ok("value 1").replace("value 1", "")),
        (b"HEAD /v1/kv/k2 HTTP/1.1\r\nHost: localhost\r\n\r\n", missing().replace("Key not found", "")),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", reply("200 OK", "", "ok")),
        (
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
            reply("404 Not Found", "", "No such path: keys are answered at /?key=K, /v1/kv/K and /v1/mget"),
        ),
        (
            b"DELETE /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bad_method(),
        ),
        (
            b"POST /?key=k1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bad_method() + &ok("value 1"),
        ),
        (
            b"GET /v1/mget HTTP/1.1\r\nHost: localhost\r\n\r\n",
            reply("405 Method Not Allowed", "allow mget", "This path is answered to POST, OPTIONS"),
        ),
        (b"TRACE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", bad_method()),
        // As load balancers ask whether a server lives.
        (b"OPTIONS / HTTP/1.0\r\n\r\n", methods("GET, HEAD, OPTIONS").replace("Allow", "Connection: close\r\nAllow")),
        (b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n", methods("GET, HEAD, OPTIONS")),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", methods("GET, HEAD, POST, OPTIONS")),
        (b"OPTIONS /v1/mget HTTP/1.1\r\nHost: localhost\r\n\r\n", methods("POST, OPTIONS")),
        (b"OPTIONS /v1/kv/ HTTP/1.1\r\nHost: localhost\r\n\r\n", methods("GET, HEAD, OPTIONS")),
        (b"HEAD /healthz HTTP/1.0\r\n\r\n", reply("200 OK", "close", "ok").replace("\r\n\r\nok", "\r\n\r\n")),
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /?key=empty HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ok("value 1") + &ok(""),
        ),
        // Several requests at once are answered in order.
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /?key=k2 HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/kv/a%20b HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/kv/.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ok("value 1") + &missing() + &ok("value 1").replace("value 1", "") + &ok("spaced") + &ok("dots"),
        ),
        // Who ends the connection.
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            last("value 1"),
        ),
        (b"GET /?key=k1 HTTP/1.0\r\n\r\nGET /?key=k1 HTTP/1.0\r\n\r\n", last("value 1")),
        (
            b"GET /?key=k1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /?key=k1 HTTP/1.0\r\n\r\n",
            table_reply("200 OK", "keep", "value 1") + &last("value 1"),
        ),
        (b"GET /?key=k1 HTTP/1.1\r\nHo", String::new()),
        // Requests that are none: what came before is answered, nothing after.
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /?key=k1 HTTP/1.1\r\n\r\nGET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ok("value 1") + &bad("An HTTP/1.1 request needs a Host header"),
        ),
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            bad("Content-Length and Transfer-Encoding come together"),
        ),
        (
            b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
            bad("Content-Length is not a decimal number"),
        ),
        (b"GET /?key=k1 HTTP/1.1\nHost: localhost\r\n\r\n", bad("A line of the head ends in LF without CR")),
        // TLS where none is spoken: an alert that ends the handshake, which its clients understand.
        (b"\x16\x03\x01\x00\xa5\x01", "\x15\x03\x01\0\x02\x02(".to_owned()),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            reply("505 HTTP Version Not Supported", "close", "Only HTTP/1.0 and HTTP/1.1 are spoken here"),
        ),
    ]
}

/// What came back, with the date and entity tags taken out.
fn without_what_varies(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("the table's answers are text");
    let mut lines = text.split("\r\n").map(str::to_owned).collect::<Vec<_>>();
    lines.retain(|line| {
        let tag = line.strip_prefix("ETag: ");
        tag.inspect(|tag| assert_eq!((tag.len(), tag.matches('"').count()), (18, 2), "{tag}")).is_none()
    });
    for line in lines.iter_mut().filter(|line| line.starts_with("Date: ")) {
        assert_eq!(line.len(), "Date: Sun, 06 Nov 1994 08:49:37 GMT".len(), "{line}");
        assert!(line.ends_with(" GMT"), "{line}");
        *line = "Date: D".to_owned();
    }
    lines.join("\r\n")
}

fn hold(mut stream: Stream, bytes: &[u8], cut: usize) -> String {
    stream.send(&bytes[..cut]);
    stream.send(&bytes[cut..]);
    stream.end_output();
    without_what_varies(&stream.rest())
}

#[test]
fn every_conversation_goes_as_the_table_says_on_every_socket_number_of_threads_and_storage() {
    let unix = format!("unix:{}", socket_path().display());
    for count in [1, 3] {
        serve_from_everywhere(
            &store(),
            &threads(count),
            &["127.0.0.1:0", "http://127.0.0.1:0", &unix],
            |server| {
                for endpoint in &server.endpoints {
                    for (bytes, want) in conversations() {
                        let got = hold(Stream::connect(endpoint), bytes, bytes.len());
                        assert_eq!(got, want, "{endpoint}, {count} threads: {}", bytes.escape_ascii());
                    }
                }
            },
        );
    }
}

#[test]
fn the_same_bytes_cut_anywhere_get_the_same_answers() {
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for (bytes, want) in conversations() {
            for cut in 1..bytes.len() {
                let got = hold(server.connect(), bytes, cut);
                assert_eq!(got, want, "{} cut at {cut}", bytes.escape_ascii());
            }
        }
    });
}

#[test]
fn a_value_of_any_bytes_is_answered_byte_for_byte() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"GET /v1/kv/%ff%00 HTTP/1.0\r\n\r\n");
        let answer = stream.rest();
        assert!(answer.ends_with(b"\r\n\r\n\x00\xfe\r\n\r\n"), "{}", answer.escape_ascii());
        assert!(answer.windows(19).any(|line| line == b"Content-Length: 6\r\n"), "{}", answer.escape_ascii());
    });
}

#[test]
fn a_client_that_waits_is_told_to_continue_once() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream
            .send(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        assert_eq!(stream.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.send(b"a");
        stream.send(b"b");
        stream.end_output();
        assert!(stream.rest().starts_with(b"HTTP/1.1 405 "));
    });
}

#[test]
fn an_idle_peer_that_closes_is_answered_with_a_close() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.end_output();
        assert_eq!(stream.rest(), b"");
    });
}

#[test]
fn a_value_is_not_sent_again_to_a_client_that_names_its_entity_tag() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let ask = |tags: &str| {
            let mut stream = server.connect();
            let request =
                format!("GET /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{tags}\r\n");
            stream.send(request.as_bytes());
            String::from_utf8(stream.rest()).unwrap()
        };
        let first = ask("");
        let tag = first.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        for tags in [tag, "*", &format!("\"other\", {tag}"), &format!("W/{tag}")] {
            let again = ask(&format!("If-None-Match: {tags}\r\n"));
            assert!(again.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{again}");
            assert!(again.contains(tag) && again.ends_with("\r\n\r\n"), "{again}");
        }
        assert!(ask("If-None-Match: \"other\"\r\n").ends_with("\r\n\r\nvalue 1"));
    });
}

#[test]
fn the_server_tells_what_it_has_counted() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let ask = |path: &str| {
            let mut stream = server.connect();
            stream.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
            String::from_utf8(stream.rest()).unwrap()
        };
        ask("/?key=k1");
        ask("/v1/kv/nothing");
        let metrics = ask("/metrics");
        for line in [
            "graven_hits_total{protocol=\"http\"} 1",
            "graven_misses_total{protocol=\"http\"} 1",
            "graven_pairs 9",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
        }
        let stats = ask("/stats.json");
        assert!(stats.contains("\r\nContent-Type: application/json\r\n"), "{stats}");
        assert!(stats.contains("\"http\":{\"requests\":4,\"hits\":1,\"misses\":1}"), "{stats}");
    });
}

#[test]
fn the_histogram_counts_every_request_once() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(&b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20));
        stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.rest();
        let mut stream = server.connect();
        stream.send(b"GET /metrics HTTP/1.0\r\n\r\n");
        let metrics = String::from_utf8(stream.rest()).unwrap();
        for line in [
            "graven_wait_seconds_bucket{protocol=\"http\",le=\"+Inf\"} 21",
            "graven_wait_seconds_count{protocol=\"http\"} 21",
            "graven_wait_seconds_count{protocol=\"resp\"} 0",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
        }
    });
}

#[test]
fn values_are_what_the_server_was_told_they_are_and_nothing_else_is() {
    let mut options = threads(1);
    options.network.content_type = "application/json; charset=utf-8".parse().unwrap();
    serve(&store(), &options, &["127.0.0.1:0"], |server| {
        for (request, content_type) in [
            ("GET /?key=k1", "application/json; charset=utf-8"),
            ("GET /?key=a%20b", "application/json; charset=utf-8"),
            ("HEAD /?key=k1", "application/json; charset=utf-8"),
            ("GET /v1/kv/k1", "application/json; charset=utf-8"),
            ("HEAD /v1/kv/k1", "application/json; charset=utf-8"),
            ("GET /?key=none", "text/plain"),
            ("GET /v1/kv/none", "text/plain"),
            ("GET /?key=", "text/plain"),
            ("PUT /", "text/plain"),
            ("GET /healthz", "text/plain"),
        ] {
            let mut stream = server.connect();
            stream.send(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
            stream.end_output();
            let answer = String::from_utf8(stream.rest()).unwrap();
            assert!(answer.contains(&format!("\r\nContent-Type: {content_type}\r\n")), "{request}: {answer}");
            assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{request}: {answer}");
        }
    });
}

#[test]
fn several_lines_of_entity_tags_are_one_list() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let ask = |lines: &str| {
            let mut stream = server.connect();
            let head = "GET /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
            stream.send(format!("{head}{lines}\r\n").as_bytes());
            String::from_utf8(stream.rest()).unwrap()
        };
        let answer = ask("");
        let tag = answer.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        for (lines, status) in [
            (format!("If-None-Match: {tag}\r\n"), "304"),
            (format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}\r\n"), "304"),
            (format!("if-none-match: \"a\"\r\nAccept: */*\r\nIF-NONE-MATCH: \"b\", W/{tag}\r\n"), "304"),
            ("If-None-Match: \"a\"\r\nIf-None-Match: *\r\n".to_owned(), "304"),
            ("If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n".to_owned(), "200"),
            ("If-None-Match: \"a,*\"\r\n".to_owned(), "200"),
        ] {
            assert!(ask(&lines).starts_with(&format!("HTTP/1.1 {status} ")), "{lines}");
        }
    });
}

#[test]
fn pages_of_another_origin_are_answered_only_where_that_is_asked_for() {
    let preflight =
        b"OPTIONS /v1/mget HTTP/1.1\r\nHost: localhost\r\nOrigin: https://b\r\nConnection: close\r\n\r\n";
    let get =
        b"GET /?key=k1 HTTP/1.1\r\nHost: localhost\r\nOrigin: https://b\r\n\r\nGET /none HTTP/1.0\r\n\r\n";
    for (origin, answers) in [(None, 0), (Some("https://b"), 2)] {
        let allow_origin = origin.map(|origin| origin.parse().unwrap());
        let mut options = threads(1);
        options.network.allow_origin = allow_origin;
        serve(&store(), &options, &["127.0.0.1:0"], |server| {
            let ask = |bytes: &[u8]| {
                let mut stream = server.connect();
                stream.send(bytes);
                String::from_utf8(stream.rest()).unwrap()
            };
            let answer = ask(preflight);
            assert!(
                answer.starts_with("HTTP/1.1 204 ") && answer.contains("Allow: POST, OPTIONS\r\n"),
                "{answer}"
            );
            assert_eq!(
                answer.contains("Access-Control-Allow-Methods: GET, HEAD, POST\r\n"),
                origin.is_some()
            );
            let header = "\r\nAccess-Control-Allow-Origin: https://b\r\n";
            assert_eq!(ask(get).matches(header).count(), answers);
        });
    }
}

#[test]
fn values_that_differ_have_tags_and_cas_numbers_that_differ() {
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut tags = std::collections::BTreeSet::new();
        for key in ["k1", "..", "//", "empty", "k1"] {
            let mut stream = server.connect();
            stream.send(
                format!("GET /v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            );
            let answer = String::from_utf8(stream.rest()).unwrap();
            tags.insert(answer.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned());
        }
        assert_eq!(tags.len(), 4, "{tags:?}");
        let mut cas = std::collections::BTreeSet::new();
        for key in ["k1", "..", "//", "empty", "k1"] {
            let mut stream = server.connect();
            stream.send(format!("gets {key}\r\nquit\r\n").as_bytes());
            let answer = String::from_utf8(stream.rest()).unwrap();
            cas.insert(answer.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned());
        }
        assert_eq!(cas.len(), 4, "{cas:?}");
    });
}
