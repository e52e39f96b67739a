//! curl and Python's `http.client`, as people have them, against `graven serve`. A client that is missing fails its test
//! with the name of the package to install.

mod support;

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::{Command, Output};

use support::{Serving, example_data, example_pairs, file_with};

/// Runs a client of the Debian package `package` to its end.
fn client(program: &str, package: &str, arguments: &[&str]) -> Output {
    match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is missing; install it with `apt-get install {package}`")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn curl(arguments: &[&str]) -> Output {
    client("curl", "curl", &[&["--silent", "--show-error", "--max-time", "60"], arguments].concat())
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
