//! Tables whose values are JSON: which are, and how they are answered.

mod support;

use std::fs;
use std::io::{BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use graven_format::{Storage, Store};
use support::{Serving, run};

/// A table of `text` in a file of that name.
#[track_caller]
fn table(name: &str, text: &str, flags: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join(name), directory.path().join("table.graven"));
    fs::write(&input, text).unwrap();
    let build = ["build", input.to_str().unwrap(), "-o", output.to_str().unwrap()];
    let ended = run(&[&build, flags].concat());
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    (directory, output)
}

/// What the server answers a request: its head and its body.
fn ask(server: &Serving, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn get(server: &Serving, key: &str) -> (String, String) {
    ask(server, &format!("GET /v1/kv/{key} HTTP/1.0\r\n\r\n"))
}

/// The line of the answer that holds the values.
fn mget(server: &Serving, accept: &str, keys: &str) -> String {
    let body = format!("{{\"keys\":{keys}}}");
    let length = body.len();
    let (_, body) = ask(
        server,
        &format!("POST /v1/mget HTTP/1.0\r\nAccept: {accept}\r\nContent-Length: {length}\r\n\r\n{body}"),
    );
    body
}

const CSV: &str = "id,name,price\n1,\"a \"\"b\"\"\",35.0\n2,,7\n";

#[test]
fn a_table_of_json_is_answered_as_json() {
    let pretty = "{\"1\": {\n  \"name\": \"a\\u0041\"\r\n},\n\"2\":{}}";
    let jsonl = "{\"key\":1,\"value\":[35.0]}\n{\"key\":2,\"value\":{ }}\n";
    let checked = "1 35.0\n2 \"x\"\n";
    for (name, text, flags, expected) in [
        (
            "t.csv",
            CSV,
            &["--key", "id", "--value", "name,price"][..],
            ["{\"name\":\"a \\\"b\\\"\",\"price\":\"35.0\"}", "{\"name\":\"\",\"price\":\"7\"}"],
        ),
        ("t.json", pretty, &[], ["{   \"name\": \"a\\u0041\"  }", "{}"]),
        ("t.jsonl", jsonl, &[], ["[35.0]", "{ }"]),
        ("t.data", checked, &["--value-type", "json"], ["35.0", "\"x\""]),
        ("t.tsv", "1\ta\n1\tb\\\n2\tc\n", &["--duplicates", "list"], ["[\"a\",\"b\\\\\"]", "[\"c\"]"]),
    ] {
        let (_directory, table) = table(name, text, flags);
        let server = Serving::start(&[&table]);
        for (key, expected) in ["1", "2"].into_iter().zip(expected) {
            let (head, body) = get(&server, key);
            assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{name}: {head}");
            assert_eq!(body.replace(['\n', '\r'], " "), expected, "{name}");
            let lines = mget(&server, "application/x-ndjson", &format!("[\"{key}\"]"));
            assert_eq!(lines, format!("{{\"key\":\"{key}\",\"value\":{expected}}}\n"), "{name}");
        }
        let document = mget(&server, "application/json", "[\"1\",\"0\",\"2\"]");
        assert_eq!(document, format!("{{\"values\":[{},null,{}]}}\n", expected[0], expected[1]), "{name}");
    }
}

#[test]
fn other_tables_are_answered_as_text() {
    for (name, text, flags) in [
        ("t.csv", CSV, &["--key", "id", "--value", "price"][..]),
        ("t.jsonl", "{\"key\":1,\"value\":35.0}\n", &[]),
        ("t.jsonl", "{\"key\":1,\"value\":{}}\n{\"key\":2,\"value\":\"\"}\n", &[]),
        ("t.jsonl", "{\"key\":1,\"value\":{}}\n", &["--value-type", "bytes"]),
        ("t.data", "1 {}\n", &[]),
    ] {
        let (_directory, table) = table(name, text, flags);
        let store = Store::from_bytes(&fs::read(&table).unwrap()).unwrap();
        assert!(!store.values_are_json(), "{name}: {text}");
        store.verify().unwrap();
    }
}

#[test]
fn what_is_said_to_be_json_has_to_be() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, sentence) in [
        ("t.data", "a 1\nb x\n", ":2: expected a value that is JSON: expected value"),
        ("t.csv", "a,[1\n", ":1: expected a value that is JSON: EOF while parsing a list"),
        ("t.tsv", "a\t{} {}\n", ":1: expected a value that is JSON: trailing characters"),
    ] {
        let input = directory.path().join(name);
        fs::write(&input, text).unwrap();
        let ended = run(&["build", input.to_str().unwrap(), "--value-type", "json"]);
        assert_eq!(ended.status, Some(2), "{name}");
        assert!(ended.err.contains(sentence), "{}", ended.err);
    }
}

#[test]
fn all_values_of_a_key_are_one_list_in_their_order_whatever_memory_there_is() {
    let mut lines: Vec<String> = (0..60_000).map(|i| format!("{},value {i}\n", i % 7_001)).collect();
    lines.push("once,\"a, \"\"b\"\"\"\n".to_owned());
    let text = lines.concat();
    let (_directory, whole) = table("t.csv", &text, &["--duplicates", "list"]);
    let (_other, spilled) = table("t.csv", &text, &["--duplicates", "list", "--memory", "4MiB"]);
    let bytes = fs::read(&whole).unwrap();
    assert!(bytes == fs::read(spilled).unwrap(), "memory changes the file");
    let store = Store::from_bytes(&bytes).unwrap();
    assert_eq!(store.len(), 7_002);
    let mut value = Vec::new();
    for key in [0, 1, 6_999, 7_000] {
        value.clear();
        assert!(store.get(key.to_string().as_bytes(), &mut value).unwrap());
        let values: Vec<String> = (key..60_000).step_by(7_001).map(|i| format!("\"value {i}\"")).collect();
        assert_eq!(String::from_utf8_lossy(&value), format!("[{}]", values.join(",")));
    }
    value.clear();
    assert!(store.get(b"once", &mut value).unwrap());
    assert_eq!(value, br#"["a, \"b\""]"#);
    let ended = run(&["build", "x", "--duplicates", "list", "--columns", "*"]);
    assert_eq!(ended.status, Some(2));
}

#[test]
fn info_says_that_values_are_json_and_dump_writes_them_as_they_are() {
    let text = "{\"key\":\"a b\",\"value\":{\"x\": 35.0, \"y\": \"\\\"\"}}\n{\"key\":\"c\",\"value\":[]}\n";
    let (directory, path) = table("t.jsonl", text, &[]);
    let path = path.to_str().unwrap();
    let info = run(&["info", path]);
    assert!(info.out.contains(" given; each is JSON\n"), "{}", info.out);
    let info = run(&["info", "--json", path]);
    assert!(info.out.contains("\"value_type\": \"json\""), "{}", info.out);

    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let dump = run(&["dump", path]);
    assert_eq!(lines(&dump.out), lines(text));
    let (dumped, again) = (directory.path().join("dumped.jsonl"), directory.path().join("again.graven"));
    let dump = run(&["dump", path, "-o", dumped.to_str().unwrap()]);
    assert_eq!(dump.status, Some(0), "{}", dump.err);
    let build = run(&["build", dumped.to_str().unwrap(), "-o", again.to_str().unwrap()]);
    assert_eq!(build.status, Some(0), "{}", build.err);
    assert_eq!(fs::read(again).unwrap(), fs::read(path).unwrap());
}

#[test]
fn a_value_of_several_lines_is_dumped_in_one() {
    let (_directory, path) = table("t.json", "{\"1\": {\n  \"a\": 1\r\n},\n\"2\":{}}", &[]);
    let dump = run(&["dump", "--format", "jsonl", path.to_str().unwrap()]);
    let mut lines: Vec<&str> = dump.out.split_terminator('\n').collect();
    lines.sort_unstable();
    assert_eq!(lines, ["{\"key\":\"1\",\"value\":{   \"a\": 1\r }}", "{\"key\":\"2\",\"value\":{}}"]);
    let (_directory, path) = table("t.csv", "a,b\n1,2\n", &["--key", "a", "--columns", "b"]);
    let info = run(&["info", "--json", path.to_str().unwrap()]);
    assert!(info.out.contains("\"value_type\": \"row\""), "{}", info.out);
    let (_directory, path) = table("t.data", "a {}\n", &[]);
    let info = run(&["info", "--json", path.to_str().unwrap()]);
    assert!(info.out.contains("\"value_type\": \"bytes\""), "{}", info.out);
    assert_eq!(run(&["dump", path.to_str().unwrap()]).out, "a {}\n");
}

#[test]
fn a_document_that_is_larger_than_the_memory_is_read_as_it_comes() {
    const MEMBERS: usize = 250_000;
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("table.graven");
    // 135 MB of text, and less than half of it for what the process writes to. Its addresses are no measure: they hold the
    // program, which is as large as it is compiled, and what the system's library only sets apart.
    let script =
        r#"ulimit -d 60000 && exec "$0" build - --format json --codec raw --memory 8MiB --threads 1 -o "$1""#;
    let mut build = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_graven"), output.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut document, text) = (BufWriter::new(build.stdin.take().unwrap()), "x".repeat(500));
    let member = |number| format!("\"{number}\":{{\"text\":\"{text}\",\"price\":{number}.50}}");
    for number in 0..MEMBERS {
        let before = if number == 0 { "{" } else { ",\n" };
        document.write_all(format!("{before}{}", member(number)).as_bytes()).unwrap();
    }
    document.write_all(b"}").unwrap();
    drop(document);
    assert_eq!(build.wait().unwrap().code(), Some(0));
    let (store, mut value) = (Store::open_as(&output, Storage::Mapped).unwrap(), Vec::new());
    assert_eq!(store.len(), MEMBERS as u64);
    assert!(store.get(b"77", &mut value).unwrap());
    assert!(value.ends_with(b"\",\"price\":77.50}"));
}
