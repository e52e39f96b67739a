//! The status page, and `/status.json` beside `/metrics`.

use std::sync::Arc;

use graven_access::{Access, Token, Users};
use graven_catalog::{Catalog, Condition};
use graven_server::ServerOptions;
use serde_json::Value;

use crate::harness::{Server, serve, serve_catalog, serve_users, table, threads};

/// Head and body of the answer to a request with these header lines.
fn ask(server: &Server, line: &str, headers: &str) -> (String, String) {
    let mut stream = server.connect();
    stream
        .send(format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").as_bytes());
    let answer = String::from_utf8(stream.rest()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (format!("{head}\r\n"), body.to_owned())
}

fn status_of(head: &str) -> &str {
    &head["HTTP/1.1 ".len()..][..3]
}

fn json(server: &Server, headers: &str) -> Value {
    let (head, body) = ask(server, "GET /status.json", headers);
    assert_eq!(status_of(&head), "200", "{head}");
    serde_json::from_str(&body).unwrap()
}

/// What Chromium, Firefox and Safari send for a page.
const BROWSERS: [&str; 2] = [
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n",
    "Accept: text/html, */*\r\n",
];

/// The tables that there can be: one that serves, one that loads, one whose next version is refused, and one that is frozen.
fn catalog() -> Arc<Catalog> {
    let catalog = Catalog::empty();
    let ids = ["serving", "loading", "refused", "frozen"].map(|name| catalog.add(name.parse().unwrap()));
    let store = table([(&b"k"[..], &b"v"[..])]);
    for id in [ids[0], ids[2], ids[3]] {
        catalog.switch_to(id, "v1".parse().unwrap(), Arc::clone(&store));
    }
    let version = || "v2".parse().unwrap();
    catalog.set_condition(ids[1], Condition::Loading { version: version(), done: 1, total: 4 });
    let reason = "</script><script>alert(1)</script>\"'&".to_owned();
    catalog.set_condition(ids[2], Condition::Refused { version: version(), reason });
    catalog.set_condition(ids[3], Condition::Frozen);
    catalog
}

#[test]
fn the_page_has_the_headers_of_a_page_and_other_answers_have_not() {
    serve_catalog(&catalog(), &threads(1), &["127.0.0.1:0"], |server| {
        let (head, body) = ask(server, "GET /status", "");
        assert_eq!(status_of(&head), "200");
        for line in [
            "Content-Type: text/html; charset=utf-8",
            "X-Content-Type-Options: nosniff",
            "X-Frame-Options: DENY",
            "Referrer-Policy: no-referrer",
            "Cache-Control: no-store",
        ] {
            assert!(head.contains(&format!("{line}\r\n")), "{line} is not in {head}");
        }
        let policy = head.lines().find_map(|line| line.strip_prefix("Content-Security-Policy: ")).unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(body.starts_with("<!DOCTYPE html>") && body.ends_with("</html>\n"));
        // Nothing of the tables is in it.
        assert!(!body.contains("alert(1)"));

        let (of_head, nothing) = ask(server, "HEAD /status", "");
        let length = format!("Content-Length: {}\r\n", body.len());
        assert!(of_head.contains(&length) && nothing.is_empty(), "{of_head}");
        let (refused, _) = ask(server, "POST /status", "Content-Length: 0\r\n");
        assert_eq!(status_of(&refused), "405");
        for path in ["/status.json", "/metrics", "/v1/tables", "/?key=k", "/none"] {
            let (head, _) = ask(server, &format!("GET {path}"), BROWSERS[0]);
            assert!(!head.contains("Security-Policy") && !head.contains("X-Frame"), "{path}: {head}");
        }
    });
}

#[test]
fn a_browser_is_led_from_the_front_to_the_page_and_nobody_else() {
    let store = table([(&b"k"[..], &b"v"[..])]);
    serve(&store, &threads(1), &["127.0.0.1:0"], |server| {
        for accept in BROWSERS {
            let (head, _) = ask(server, "GET /", accept);
            assert_eq!(status_of(&head), "303", "{accept}");
            assert!(head.contains("Location: /status\r\n"), "{head}");
        }
        let missing = "Missing 'key' parameter in the query string";
        for (line, headers) in [
            ("GET /", ""),
            ("GET /", "Accept: */*\r\n"),
            ("GET /", "Accept: application/json\r\n"),
            ("GET /", "Accept: text/html;q=0\r\n"),
            ("GET /?", BROWSERS[0]),
            ("GET /?k=1", BROWSERS[0]),
        ] {
            let (head, body) = ask(server, line, headers);
            assert_eq!((status_of(&head), body.as_str()), ("400", missing), "{line} {headers}");
        }
        let (head, body) = ask(server, "GET /?key=k", BROWSERS[0]);
        assert_eq!((status_of(&head), body.as_str()), ("200", "v"));
    });
}

#[test]
fn a_page_that_is_switched_off_is_not_there() {
    let store = table([(&b"k"[..], &b"v"[..])]);
    let mut options = threads(1);
    options.status.off = true;
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        for path in ["/status", "/status.json"] {
            assert_eq!(status_of(&ask(server, &format!("GET {path}"), BROWSERS[0]).0), "404", "{path}");
        }
        assert_eq!(status_of(&ask(server, "GET /", BROWSERS[0]).0), "400");
    });
}

#[test]
fn each_table_is_told_as_it_stands_with_what_can_be_done() {
    let catalog = catalog();
    let serving = catalog.snapshot().named("serving").unwrap().id();
    catalog.switch_to(serving, "v3".parse().unwrap(), table([(&b"k"[..], &b"w"[..]), (b"l", b"x")]));
    let mut options = threads(2);
    options.status.build = "commit abc".to_owned();
    options.status.commands = ["go {table}", "switch {table} {version}"].map(str::to_owned).into();
    serve_catalog(&catalog, &options, &["127.0.0.1:0"], |server| {
        let status = json(server, "");
        assert_eq!((&status["build"], &status["ready"]), (&"commit abc".into(), &true.into()));
        let tables = status["tables"].as_array().unwrap();
        let state = |name: &str| tables.iter().find(|table| table["name"] == name).unwrap();
        for name in ["serving", "loading", "refused", "frozen"] {
            assert_eq!(state(name)["state"], name);
        }
        let serving = state("serving");
        assert_eq!((&serving["version"], &serving["pairs"]), (&"v3".into(), &2.into()));
        assert_eq!(serving["commands"], serde_json::json!(["go serving", "switch serving v1"]));
        assert_eq!(state("loading")["loading"]["done_bytes"], 1);
        assert_eq!(state("refused")["reason"], "v2: </script><script>alert(1)</script>\"'&");
    });
}

/// A number of `/metrics`, added up over its labels.
fn metric(page: &str, name: &str) -> f64 {
    let of_name = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    };
    page.lines().filter(of_name).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

#[test]
fn every_number_is_that_of_the_metrics() {
    let store = table([(&b"a"[..], &b"1"[..]), (b"b", b"2")]);
    serve(&store, &threads(2), &["127.0.0.1:0"], |server| {
        for key in ["a", "b", "none"] {
            ask(server, &format!("GET /?key={key}"), "");
        }
        let mut stream = server.connect();
        stream.send(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nQUIT\r\n");
        stream.rest();
        let (_, metrics) = ask(server, "GET /metrics", "");
        let status = json(server, "");
        for (path, name, more) in [
            ("/requests/hits", "graven_hits_total", 0.0),
            ("/requests/misses", "graven_misses_total", 0.0),
            // The one that asks is counted before it is answered.
            ("/requests/total", "graven_requests_total", 1.0),
            ("/connections/opened", "graven_connections_opened_total", 1.0),
            ("/connections/refused", "graven_connections_refused_total", 0.0),
            ("/connections/timeouts", "graven_timeouts_total", 0.0),
            ("/connections/protocol_errors", "graven_protocol_errors_total", 0.0),
            ("/connections/logins_failed", "graven_logins_failed_total", 0.0),
            ("/cache/bytes", "graven_cache_bytes", 0.0),
            ("/cache/hits", "graven_cache_hits_total", 0.0),
            ("/cache/misses", "graven_cache_misses_total", 0.0),
            ("/cache/evictions", "graven_cache_evictions_total", 0.0),
            ("/disk/reads", "graven_disk_reads_total", 0.0),
            ("/disk/read_bytes", "graven_disk_read_bytes_total", 0.0),
            ("/disk/errors", "graven_disk_errors_total", 0.0),
            ("/tables/0/pairs", "graven_table_pairs", 0.0),
            ("/tables/0/bytes", "graven_table_bytes", 0.0),
        ] {
            let number = status.pointer(path).unwrap().as_f64().unwrap();
            assert_eq!(number, metric(&metrics, name) + more, "{path}");
        }
        assert_eq!((&status["requests"]["hits"], &status["requests"]["misses"]), (&3.into(), &1.into()));
        let waited = status["requests"]["waits_us"]["requests"].as_u64().unwrap();
        assert!(waited >= 4 && status["requests"]["waits_us"]["p50"].is_u64(), "{status}");
        assert!(status["memory"]["resident_bytes"].as_u64().unwrap() > 100_000, "{status}");
        assert_eq!(status["recent"]["hit_ratio"], 0.75);
        assert_eq!(status["certificate"], Value::Null, "no TLS is spoken");
        let steps = |name: &str| status["history"][name].as_array().unwrap().len();
        assert!(steps("seconds") <= 1 && steps("p99_us") == steps("seconds"), "{status}");
    });
}

#[test]
fn with_users_the_page_asks_for_a_login_and_shows_what_may_be_asked() {
    let token = |user: &str| format!("{user}-{}", "t".repeat(40));
    let digest = |user: &str| Token::chosen(&token(user)).unwrap().digest();
    let users = format!(
        "[[users]]\nname = \"some\"\ntoken = \"{}\"\ntables = \"frozen\"\n[[users]]\nname = \"all\"\ntoken = \"{}\"\n",
        digest("some"),
        digest("all"),
    );
    let access = Access::new(Users::from_toml(&users).unwrap());
    let mut options: ServerOptions = threads(1);
    options.status.commands = vec!["go /a/secret/root/{table}".to_owned()];
    serve_users(&catalog(), &access, &options, &["127.0.0.1:0"], |server| {
        for path in ["/", "/status", "/status.json"] {
            let (head, body) = ask(server, &format!("GET {path}"), BROWSERS[0]);
            assert_eq!(status_of(&head), "401", "{path}");
            assert!(head.contains("WWW-Authenticate: Basic") && !body.contains("frozen"), "{head}");
        }
        let header = |user: &str| format!("Authorization: Bearer {}\r\n", token(user));
        assert_eq!(status_of(&ask(server, "GET /status", &header("some")).0), "200");
        let front = ask(server, "GET /", &format!("{}{}", BROWSERS[0], header("some"))).0;
        assert_eq!(status_of(&front), "303");
        let (_, text) = ask(server, "GET /status.json", &header("some"));
        assert!(!text.contains("serving\"") && !text.contains("secret"), "{text}");
        let (some, all) = (json(server, &header("some")), json(server, &header("all")));
        assert_eq!((&some["user"], some["tables"].as_array().unwrap().len()), (&"some".into(), 1));
        assert_eq!((&all["user"], all["tables"].as_array().unwrap().len()), (&"all".into(), 4));
        assert_eq!(all["tables"][0]["commands"][0], "go /a/secret/root/frozen");
    });
}
