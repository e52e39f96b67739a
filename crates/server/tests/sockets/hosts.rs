//! What a browser can be made to send: requests for a host that is none of the server's, and requests of HTTP where another
//! language is spoken.

use std::sync::Arc;

use crate::harness::{Server, Stream, serve, socket_path, table, threads};
use graven_format::Store;
use graven_server::{Endpoint, ServerOptions};

fn store() -> Arc<Store> {
    table([(&b"k"[..], &b"v"[..])])
}

fn allowing(hosts: &[&str]) -> ServerOptions {
    let mut options = threads(1);
    options.network.allow_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    options.network.host_advice = "to allow it: --host={host}".to_owned();
    options
}

/// The whole answer to a request for `path` with these lines as its headers.
fn ask(endpoint: &Endpoint, path: &str, lines: &str) -> String {
    let mut stream = Stream::connect(endpoint);
    stream.send(format!("GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n").as_bytes());
    String::from_utf8(stream.rest()).unwrap()
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answer)
}

#[test]
fn a_loopback_listener_answers_for_its_own_hosts_alone() {
    let endpoints = ["127.0.0.1:0", "http://127.0.0.1:0", "[::1]:0", "localhost:0"];
    serve(&store(), &allowing(&[]), &endpoints, |server| {
        for endpoint in &server.endpoints {
            for (host, expected) in [
                ("localhost", "200"),
                ("LOCALHOST:8000", "200"),
                ("127.0.0.1:8000", "200"),
                ("[::1]", "200"),
                ("192.0.2.7", "200"),
                ("", "200"),
                ("evil.example", "421"),
                ("evil.example:8000", "421"),
                ("localhost.evil.example", "421"),
                ("127.0.0.1.evil.example", "421"),
                ("graven", "421"),
            ] {
                for path in ["/?key=k", "/v1/kv/k", "/metrics", "/stats.json", "/nowhere", "/healthz/"] {
                    let answer = ask(endpoint, path, &format!("Host: {host}\r\n"));
                    let expected = match (path, expected) {
                        ("/nowhere" | "/healthz/", "200") => "404",
                        (_, expected) => expected,
                    };
                    assert_eq!(status(&answer), expected, "{endpoint} {path} {host}: {answer}");
                }
                for (path, expected) in [("/healthz", "200"), ("/healthz?x", "200"), ("/readyz", "200")] {
                    assert_eq!(
                        status(&ask(endpoint, path, &format!("Host: {host}\r\n"))),
                        expected,
                        "{host}"
                    );
                }
            }
        }
    });
}

#[test]
fn a_refused_host_is_told_what_to_do_and_a_request_without_one_is_answered() {
    serve(&store(), &allowing(&[]), &["127.0.0.1:0"], |server| {
        let answer = ask(&server.endpoints[0], "/?key=k", "Host: evil.example:80\r\n");
        assert!(
            answer.starts_with("HTTP/1.1 421 Misdirected Request\r\nContent-Type: text/plain\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{answer}");
        let says = "This server is not asked as `evil.example`, the Host of this request; to allow it: \
                    --host=evil.example";
        assert!(answer.ends_with(&format!("\r\n\r\n{says}")), "{answer}");

        let mut stream = server.connect();
        stream.send(b"GET /?key=k HTTP/1.0\r\n\r\n");
        assert_eq!(status(&String::from_utf8(stream.rest()).unwrap()), "200");
        // The target's host counts as much as the header's.
        let answer = ask(&server.endpoints[0], "http://evil.example/?key=k", "Host: localhost\r\n");
        assert_eq!(status(&answer), "421");
    });
}

/// The statuses of requests in one connection.
fn statuses(server: &Server, requests: &[String]) -> Vec<String> {
    let mut stream = server.connect();
    stream.send(requests.concat().as_bytes());
    stream.end_output();
    let text = String::from_utf8(stream.rest()).unwrap();
    text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect()
}

#[test]
fn no_request_of_a_pipeline_is_answered_by_what_was_allowed_to_another() {
    let get = |host: &str| format!("GET /?key=k HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let head = |host: &str| format!("HEAD /?key=k HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let body = r#"{"keys":["k"]}"#;
    let post = |host: &str| {
        format!("POST /v1/mget HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let requests: Vec<String> = (0..40)
        .flat_map(|i| {
            let host = if i % 2 == 0 { "localhost" } else { "evil.example" };
            [get(host), get(host), head(host), post(host)]
        })
        .collect();
    let expected: Vec<&str> = (0..40).flat_map(|i| [if i % 2 == 0 { "200" } else { "421" }; 4]).collect();
    serve(&store(), &allowing(&[]), &["127.0.0.1:0"], |server| {
        assert_eq!(statuses(server, &requests), expected);
    });
}

#[test]
fn listeners_elsewhere_look_at_the_host_once_one_is_allowed_by_name() {
    let unix = format!("unix:{}", socket_path().display());
    let endpoints = ["0.0.0.0:0", unix.as_str()];
    for (allowed, host, expected) in [
        (&[][..], "anything.example", "200"),
        (&["graven.example"], "graven.example", "200"),
        (&["graven.example"], "Graven.Example.:80", "200"),
        (&["graven.example"], "10.1.2.3", "200"),
        (&["graven.example"], "anything.example", "421"),
        (&["*.example"], "graven.example", "200"),
        (&["*.example"], "example", "421"),
        (&["*"], "anything.example", "200"),
    ] {
        serve(&store(), &allowing(allowed), &endpoints, |server| {
            for endpoint in &server.endpoints {
                let answer = ask(endpoint, "/?key=k", &format!("Host: {host}\r\n"));
                assert_eq!(status(&answer), expected, "{endpoint} {host}: {answer}");
            }
        });
    }
    serve(&store(), &allowing(&["graven.example"]), &["127.0.0.1:0"], |server| {
        let answer = ask(&server.endpoints[0], "/?key=k", "Host: graven.example\r\n");
        assert_eq!(status(&answer), "200");
    });
}

#[test]
fn a_listener_on_loopback_beside_one_elsewhere_still_looks() {
    serve(&store(), &allowing(&[]), &["127.0.0.1:0", "0.0.0.0:0"], |server| {
        let statuses = server.endpoints.iter().map(|endpoint| {
            // Twice, since the second time the head is known.
            let mut stream = Stream::connect(endpoint);
            let get = "GET /?key=k HTTP/1.1\r\nHost: a.example\r\n\r\n";
            stream.send(format!("{get}{get}").as_bytes());
            stream.end_output();
            let text = String::from_utf8(stream.rest()).unwrap();
            text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(statuses.collect::<Vec<_>>(), [["421"; 2], ["200"; 2]]);
    });
}

#[test]
fn no_command_in_the_body_of_an_http_request_is_carried_out_by_another_language() {
    let endpoints = ["resp://127.0.0.1:0", "memcached://127.0.0.1:0"];
    let commands = ["GET k\r\n", "get k\r\n"];
    serve(&store(), &allowing(&[]), &endpoints, |server| {
        for (endpoint, command) in server.endpoints.iter().zip(commands) {
            let talk = |bytes: &[u8]| {
                let mut stream = Stream::connect(endpoint);
                stream.send(bytes);
                stream.end_output();
                String::from_utf8(stream.rest()).unwrap()
            };
            assert!(talk(command.as_bytes()).contains("v\r\n"), "{endpoint}: the command itself is answered");
            for head in [
                "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
                "post / HTTP/1.1\r\n\r\n",
                "PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
                "PATCH / HTTP/1.1\r\nhost:a\r\nHOST:\r\n\r\n",
                "OPTIONS / HTTP/1.1\r\nAccept: a\r\n Host: a\r\n\r\n",
            ] {
                let answer = talk(format!("{head}{command}").as_bytes());
                assert!(!answer.contains("v\r\n"), "{endpoint} {head:?}: {answer}");
            }
            let answer = talk(format!("POST / HTTP/1.1\r\n{command}").as_bytes());
            assert_eq!(answer, "", "{endpoint}: it is closed without a word");
            // What was asked before is answered.
            let answer = talk(format!("{command}Host: a\r\n{command}").as_bytes());
            assert_eq!(answer.matches("v\r\n").count(), 1, "{endpoint}: {answer}");
        }
    });
}
