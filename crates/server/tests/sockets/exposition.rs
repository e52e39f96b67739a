//! What `/metrics` says, read by a parser that holds it to the text format of Prometheus, and
//! beside what the other languages say of the same numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use graven_format::Store;

use crate::harness::{Server, serve, table, threads};

/// The samples of one name.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads a page in the text format of Prometheus, version 0.0.4, and panics on what is not.
fn parse(page: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    let mut closed = BTreeSet::new();
    let mut current = String::new();
    assert!(page.ends_with('\n'), "the last line has an end");
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, about) = rest.split_once(' ').expect("HELP has a text");
            assert!(!about.trim().is_empty(), "{line}");
            assert!(closed.insert(name.to_owned()), "{name} comes twice");
            assert!(is_name(name), "{line}");
            families.insert(name.to_owned(), Family::default());
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a kind");
            assert_eq!(name, current, "TYPE follows HELP of the same name");
            let family = families.get_mut(name).expect("seen above");
            assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family.kind = kind.to_owned();
        } else {
            let sample = sample(line);
            let family = families.get_mut(&current).expect("a family is open");
            let ends: &[&str] = match family.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let of_family = ends.iter().any(|end| sample.name == format!("{current}{end}"));
            assert!(of_family, "{line} stands among those of {current}");
            family.samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label has a value");
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} comes twice in {line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("one space").parse().expect("a number");
    Sample { name: name.to_owned(), labels, value }
}

/// The text up to the next quote, without its escapes, and what follows the quote.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    loop {
        match letters.next().expect("a quote is closed") {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => match letters.next().expect("an escape is whole").1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("\\{other} is no escape"),
            },
            (_, letter) => value.push(letter),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    text.chars().all(is_part) && !text.starts_with(|letter: char| letter.is_ascii_digit()) && !text.is_empty()
}

fn page(server: &Server, path: &str) -> String {
    let mut stream = server.connect();
    stream.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
    let answer = String::from_utf8(stream.rest()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let is_right = match path {
        "/metrics" => head.contains("\r\nContent-Type: text/plain; version=0.0.4\r\n"),
        _ => head.contains("\r\nContent-Type: application/json\r\n"),
    };
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && is_right, "{head}");
    body.to_owned()
}

fn ask_for_some(server: &Server) {
    let mut stream = server.connect();
    stream.send(b"get a\r\nget b\r\nquit\r\n");
    stream.rest();
    let mut stream = server.connect();
    stream.send(b"GET a\r\nGET a\r\nMGET a none\r\nPING\r\nQUIT\r\n");
    stream.rest();
}

fn store() -> Arc<Store> {
    table([(&b"a"[..], &b"1"[..]), (b"b", b"2")])
}

#[test]
fn the_page_for_prometheus_is_in_its_format() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        ask_for_some(server);
        let families = parse(&page(server, "/metrics"));
        assert!(families.len() > 15, "{families:?}");
        for (name, Family { kind, samples }) in &families {
            assert!(!kind.is_empty(), "{name} has no TYPE");
            assert!(!samples.is_empty(), "{name} has no sample");
            assert!(name.starts_with("graven_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
            assert!(samples.iter().all(|sample| sample.value >= 0.0), "{name}");
        }
        let value = |name: &str, protocol: &str| {
            let of = |sample: &&Sample| sample.labels.get("protocol").map_or("", String::as_str) == protocol;
            families[name].samples.iter().find(of).unwrap().value
        };
        assert_eq!(value("graven_pairs", ""), 2.0);
        assert_eq!(value("graven_hits_total", "resp"), 3.0);
        assert_eq!(value("graven_misses_total", "resp"), 1.0);
        assert_eq!(value("graven_requests_total", "memcached"), 3.0);
        assert_eq!(value("graven_connections_opened_total", ""), 3.0);
    });
}

#[test]
fn the_buckets_of_a_histogram_grow_up_to_its_count() {
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        ask_for_some(server);
        let families = parse(&page(server, "/metrics"));
        let Family { samples, kind } = &families["graven_wait_seconds"];
        assert_eq!(kind, "histogram");
        for protocol in ["http", "resp", "memcached"] {
            let of = |end: &str| {
                let name = format!("graven_wait_seconds{end}");
                let in_order = samples
                    .iter()
                    .filter(move |sample| sample.name == name && sample.labels["protocol"] == protocol);
                in_order.collect::<Vec<_>>()
            };
            let bound = |sample: &&Sample| sample.labels["le"].parse::<f64>().expect("a bound is a number");
            let buckets = of("_bucket");
            assert!(buckets.is_sorted_by_key(bound), "{buckets:?}");
            assert!(buckets.is_sorted_by(|a, b| a.value <= b.value), "{buckets:?}");
            assert_eq!(bound(buckets.last().unwrap()), f64::INFINITY);
            assert_eq!(buckets.last().unwrap().value, of("_count")[0].value);
            assert_eq!(of("_sum").len(), 1);
        }
    });
}

#[test]
fn every_number_is_the_same_in_json_as_for_prometheus() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        ask_for_some(server);
        let json: serde_json::Value = serde_json::from_str(&page(server, "/stats.json")).unwrap();
        let families = parse(&page(server, "/metrics"));
        let json = json.as_object().unwrap();
        assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
        let mut compared = 0;
        for (name, Family { kind, samples }) in families {
            let name = name.strip_prefix("graven_").unwrap();
            let name = name.strip_suffix("_total").unwrap_or(name);
            for sample in samples.iter().filter(|_| kind != "histogram") {
                let number = match (sample.labels.get("protocol"), sample.labels.get("table")) {
                    (Some(protocol), _) => &json[protocol][name],
                    (_, Some(table)) => &json["tables"][table][name],
                    _ => &json[name],
                };
                let number = number.as_f64().unwrap_or_else(|| panic!("{name} is not in {json:?}"));
                // What is asked in between is counted, too, and who asked may not be gone yet.
                let moves = [
                    "requests",
                    "connections",
                    "connections_opened",
                    "read_bytes",
                    "written_bytes",
                    "uptime_seconds",
                ];
                assert!(
                    number == sample.value || moves.contains(&name),
                    "{name}: {number}, {}",
                    sample.value
                );
                compared += 1;
            }
        }
        assert!(compared > 20, "{compared}");
    });
}
