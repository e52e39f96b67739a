//! Clients and load testers as people have them, against `graven serve`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::programs::started;
use crate::support::{Serving, carved, example_data, example_pairs, file_with};

/// Runs a client of the Debian package `package` to its end.
pub(crate) fn client(program: &str, package: &str, arguments: &[&str]) -> Output {
    started(program, package, Command::new(program).args(arguments).output())
}

fn curl(arguments: &[&str]) -> Output {
    client("curl", "curl", &[&["--silent", "--show-error", "--max-time", "60"], arguments].concat())
}

/// A carved table of two pages of HTML, stored as one frame of zstd and as several, and these pages.
pub(crate) fn table_of_pages() -> (tempfile::TempDir, PathBuf, Vec<(&'static str, String)>) {
    let page = |paragraphs: usize| {
        let paragraphs: String = (0..paragraphs)
            .map(|i| format!("<p id=p{i}>{} carved once, {} read</p>", i * i, i * 7919))
            .collect();
        format!("<!doctype html><title>{} paragraphs</title>{paragraphs}<p>the end</p>", paragraphs.len())
    };
    let pages = vec![("one", page(800)), ("several", page(10_000))];
    let text: String = pages.iter().map(|(key, page)| format!("{key} {page}\n")).collect();
    let (_kept, text) = file_with(text.as_bytes());
    let (directory, table) = carved(&text, &["--codec", "zstd"]);
    (directory, table, pages)
}

/// Runs a Python script; what it says on standard error is the failure.
fn python(script: &str, arguments: &[&str]) {
    let output = client("python3", "python3", &[&["-c", script], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn curl_gets_a_value_and_nothing_else() {
    let serving = Serving::start(&[example_data()]);
    let (key, value) = &example_pairs()[0];
    for path in [format!("/?key={key}"), format!("/v1/kv/{key}")] {
        let output = curl(&[&format!("http://{}{path}", serving.address())]);
        assert_eq!(output.stdout, value.as_bytes());
    }
}

#[test]
fn curl_that_takes_zstd_gets_fewer_bytes_and_the_same_page() {
    let (_directory, table, pages) = table_of_pages();
    let serving = Serving::start(&[table]);
    for (key, page) in pages {
        for path in [format!("/?key={key}"), format!("/v1/kv/{key}")] {
            let url = format!("http://{}{path}", serving.address());
            let asked = |arguments: &[&str]| {
                let rest = ["--write-out", "\n%{size_download} %header{content-encoding}", &url];
                let output = curl(&[arguments, &rest].concat());
                let text = String::from_utf8(output.stdout).unwrap();
                let (body, told) = text.rsplit_once('\n').unwrap();
                let (bytes, coding) = told.split_once(' ').unwrap();
                assert!(body == page, "{path}, {arguments:?}");
                (bytes.parse::<usize>().unwrap(), coding.to_owned())
            };
            assert_eq!(asked(&[]), (page.len(), String::new()));
            let (bytes, coding) = asked(&["--compressed"]);
            assert!(coding == "zstd" && bytes < page.len() / 2, "{bytes} bytes, {coding:?}");
        }
    }
}

#[test]
fn curl_gets_the_documented_status_for_everything_else() {
    let serving = Serving::start(&[example_data()]);
    let key = &example_pairs()[0].0;
    for (arguments, path, status, body) in [
        (&[][..], "/?key=none".to_owned(), "404", "Key not found"),
        (&[], "/".to_owned(), "400", "Missing 'key' parameter in the query string"),
        (&[], "/nowhere".to_owned(), "404", ""),
        (&["--request", "PUT"], format!("/?key={key}"), "405", ""),
        (&["--head"], format!("/v1/kv/{key}"), "200", ""),
        (&[], "/healthz".to_owned(), "200", ""),
    ] {
        let url = format!("http://{}{path}", serving.address());
        let output = curl(&[arguments, &["--write-out", "\n%{http_code}", &url]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let (answer, code) = text.rsplit_once('\n').unwrap();
        assert_eq!(code, status, "{path}: {text}");
        assert!(answer.trim_end().contains(body), "{path}: {text}");
    }
}

#[test]
fn curl_that_was_led_here_by_another_name_reads_nothing() {
    let serving = Serving::start(&[example_data()]);
    let (key, value) = &example_pairs()[0];
    let (_, port) = serving.address().split_once(':').unwrap();
    for (host, expected) in [("evil.example", None), ("localhost", Some(value)), ("127.0.0.1", Some(value))] {
        // As a resolver does it that was told so by whoever owns the name.
        let resolve = format!("{host}:{port}:127.0.0.1");
        for path in ["/?key=", "/v1/kv/"] {
            let url = format!("http://{host}:{port}{path}{key}");
            let output = curl(&["--resolve", &resolve, "--write-out", "\n%{http_code}", &url]);
            let text = String::from_utf8(output.stdout).unwrap();
            match expected {
                Some(value) => assert_eq!(text, format!("{value}\n200")),
                None => {
                    assert!(text.ends_with("\n421") && !text.contains(value.as_str()), "{text}");
                    assert!(text.contains("`--allow-host evil.example`"), "{text}");
                }
            }
        }
    }
}

#[test]
fn curl_gets_all_ten_thousand_values_over_one_connection() {
    let serving = Serving::start(&[example_data()]);
    let pairs = example_pairs();
    let mut config = String::from("silent\nshow-error\nwrite-out = \" %{num_connects}\\n\"\n");
    let mut expected = String::new();
    for (i, (key, value)) in pairs.iter().enumerate() {
        writeln!(config, "url = \"http://{}/?key={key}\"", serving.address()).unwrap();
        let new_connections = u8::from(i == 0);
        writeln!(expected, "{value} {new_connections}").unwrap();
    }
    let (_directory, path) = file_with(config.as_bytes());
    let output = curl(&["--config", path.to_str().unwrap()]);
    assert!(output.stdout == expected.as_bytes(), "{}", String::from_utf8_lossy(&output.stderr));
}

const KEEP_ALIVE: &str = r#"
import http.client, sys
host, path = sys.argv[1:]
pairs = [line.rstrip(b"\n").split(b" ", 1) for line in open(path, "rb")]
assert len(pairs) == 10000
connection = http.client.HTTPConnection(host, timeout=60)
connection.connect()
first = connection.sock
for key, value in pairs:
    connection.request("GET", "/?key=" + key.decode())
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200 and body == value, (key, answer.status, body)
    assert connection.sock is first, "the server closed the connection"
"#;

#[test]
fn python_gets_all_ten_thousand_values_over_one_keep_alive_connection() {
    let serving = Serving::start(&[example_data()]);
    python(KEEP_ALIVE, &[serving.address(), example_data().to_str().unwrap()]);
}

const CONNECTION_EACH: &str = r#"
import http.client, sys
host, path = sys.argv[1:]
pairs = [line.rstrip(b"\n").split(b" ", 1) for line in open(path, "rb")]
assert len(pairs) == 10000
for key, value in pairs:
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", "/?key=" + key.decode(), headers={"Connection": "close"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200 and body == value, (key, answer.status, body)
    assert answer.will_close
    connection.close()
"#;

#[test]
fn python_gets_all_ten_thousand_values_over_a_connection_each() {
    let serving = Serving::start(&[example_data()]);
    python(CONNECTION_EACH, &[serving.address(), example_data().to_str().unwrap()]);
}

const AWKWARD_KEYS: &str = r#"
import http.client, sys, urllib.parse
connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
for number, key in enumerate([b"a/b", b"a%2Fb", b"a+b", b"a&key=b", b"\xff\x01", b"../x", b"//", "schl\u00fcssel".encode()]):
    quoted = urllib.parse.quote_from_bytes(key, safe="")
    for path in ["/?key=" + quoted, "/v1/kv/" + quoted]:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, body) == (200, b"%d" % number), (path, answer.status, body)
"#;

#[test]
fn python_gets_keys_that_urls_must_escape() {
    let keys: [&[u8]; 8] =
        [b"a/b", b"a%2Fb", b"a+b", b"a&key=b", b"\xff\x01", b"../x", b"//", "schlüssel".as_bytes()];
    let mut table = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        table.extend_from_slice(key);
        table.extend_from_slice(format!(" {number}\n").as_bytes());
    }
    let (_directory, path) = file_with(&table);
    let serving = Serving::start(&[&path]);
    python(AWKWARD_KEYS, &[serving.address()]);
}

#[test]
fn redis_py_and_pymemcache_read_everything() {
    let serving = Serving::start(&[example_data()]);
    let python = crate::programs::python();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/redis_clients.py");
    let (host, port) = serving.address().split_once(':').unwrap();
    let output = client(&python, "python3", &[script, host, port, example_data().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("ModuleNotFoundError"),
        "`apt-get install python3-redis python3-pymemcache`: {said}"
    );
    assert!(output.status.success(), "{said}");
}

/// Reads the slow log of HOST:PORT, where every request is slow.
const SLOW_LOG: &str = r#"
import sys
import redis

host, port = sys.argv[1].rsplit(":", 1)
client = redis.Redis(host=host, port=int(port))
client.slowlog_reset()
client.get("none")
client.mget(["key %d" % i for i in range(40)])
many, one = client.slowlog_get(2)
assert one["command"] == b"get none" and isinstance(one["id"], int) and isinstance(one["duration"], int), one
assert many["id"] == one["id"] + 1 and abs(many["start_time"] - one["start_time"]) < 60, many
assert many["command"].startswith(b"MGET key 0 key 1 ") and many["command"].endswith(b" ... (10 more arguments)"), many
assert client.slowlog_len() == 4, client.slowlog_len()
"#;

#[test]
fn redis_py_and_redis_cli_read_the_slow_log_as_that_of_a_redis() {
    let serving = Serving::start(&[example_data().as_os_str(), "--slow=0".as_ref()]);
    let python = client(&crate::programs::python(), "python3-redis", &["-c", SLOW_LOG, serving.address()]);
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let port = serving.address().split_once(':').unwrap().1;
    let output = client("redis-cli", "redis-tools", &["-p", port, "slowlog", "get", "100"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.contains("\nnone\n127.0.0.1:"), "{printed}");
}

#[test]
fn redis_cli_prints_values() {
    let serving = Serving::start(&[example_data()]);
    let port = serving.address().split_once(':').unwrap().1;
    let (key, value) = &example_pairs()[0];
    for version in ["-2", "-3"] {
        let redis_cli = |arguments: &[&str]| {
            let output = client("redis-cli", "redis-tools", &[&[version, "-p", port], arguments].concat());
            assert!(output.status.success(), "{arguments:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(redis_cli(&["GET", key]), format!("{value}\n"));
        assert_eq!(redis_cli(&["DBSIZE"]), "10000\n");
        assert_eq!(redis_cli(&["--scan"]).lines().count(), 10_000);
        assert!(redis_cli(&["SET", key, "x"]).starts_with("READONLY "));
    }
}

#[test]
fn libmemcached_reads_values() {
    let serving = Serving::start(&[example_data()]);
    let servers = format!("--servers={}", serving.address());
    let (key, value) = &example_pairs()[0];
    let output = client("memccat", "libmemcached-tools", &[&servers, key]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), value);
    let output = client("memcping", "libmemcached-tools", &[&servers]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn load_testers_find_nothing_to_complain_of() {
    let serving = Serving::start(&[example_data()]);
    let port = serving.address().split_once(':').unwrap().1;
    let url = format!("http://{}/?key={}", serving.address(), example_pairs()[0].0);
    let text = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let wrk = text(client("wrk", "wrk", &["-t1", "-c10", "-d1s", &url]));
    assert!(
        wrk.contains("requests in") && !wrk.contains("Socket errors") && !wrk.contains("Non-2xx"),
        "{wrk}"
    );
    let hey = text(client("hey", "hey", &["-n", "1000", "-c", "10", &url]));
    assert!(hey.contains("[200]\t1000 responses") && !hey.contains("Error distribution"), "{hey}");
    let arguments = ["-p", port, "-t", "ping,mget", "-n", "1000", "-c", "10", "-P", "8", "--csv"];
    let benchmark = client("redis-benchmark", "redis-tools", &arguments);
    assert!(!String::from_utf8_lossy(&benchmark.stderr).contains("Error"), "{benchmark:?}");
    let get = ["-p", port, "-n", "1000", "-c", "10", "-P", "8", "-q", "GET", &example_pairs()[0].0];
    let got = text(client("redis-benchmark", "redis-tools", &get));
    assert!(got.contains("requests per second") && !got.contains("Error"), "{got}");
}
