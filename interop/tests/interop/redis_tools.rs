//! The tools that people point at a Redis, against `graven serve`: each runs without a warning, an
//! error or a number that is none.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::other_servers::{self, OtherServer};
use crate::programs::{node_packages, python, started, started_or};
use crate::support::{Serving, example_data, example_pairs};

struct Tools {
    serving: Serving,
    port: String,
}

impl Tools {
    fn start() -> Self {
        let serving = Serving::start(&[example_data()]);
        let port = serving.address().split_once(':').unwrap().1.to_owned();
        Self { serving, port }
    }

    /// What `redis-cli` prints, which ends by itself.
    fn redis_cli(&self, arguments: &[&str]) -> String {
        let arguments = [&["-p", &self.port], arguments].concat();
        let output = started("redis-cli", "redis-tools", Command::new("redis-cli").args(&arguments).output());
        said(&arguments, output)
    }
}

/// What a program printed, which has said nothing on standard error.
#[track_caller]
fn said(arguments: &[&str], output: Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn redis_cli_shows_statistics_that_are_numbers() {
    let tools = Tools::start();
    // Where it prints to a pipe, it would keep lines back.
    let spawned = Command::new("stdbuf")
        .args(["-oL", "redis-cli", "-p", &tools.port, "--stat", "-i", "0.05"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started("stdbuf", "coreutils", spawned);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(5).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        lines[1].starts_with("keys       mem      clients blocked requests            connections"),
        "{lines:#?}"
    );
    for line in &lines[2..] {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (memory, unit) = fields[1].split_at(fields[1].len() - 1);
        assert!(memory.parse::<f64>().unwrap() > 1.0 && unit == "M", "{line}");
        assert_eq!([fields[0], fields[2], fields[3]], ["10000", "1", "0"], "{line}");
        assert!(fields[4].parse::<u64>().is_ok() && !line.contains('-'), "{line}");
    }
}

#[test]
fn redis_cli_finds_big_keys_and_measures_latency_and_memory() {
    let tools = Tools::start();
    let pairs = example_pairs();
    let longest = pairs.iter().map(|(_, value)| value.len()).max().unwrap();
    let most = pairs.iter().map(|(key, value)| key.len() + value.len()).max().unwrap();
    let values: usize = pairs.iter().map(|(_, value)| value.len()).sum();
    let keys: usize = pairs.iter().map(|(key, _)| key.len()).sum();
    let big = tools.redis_cli(&["--bigkeys"]);
    assert!(big.contains("Sampled 10000 keys in the keyspace!"), "{big}");
    assert!(big.contains(&format!("has {longest} bytes")), "{big}");
    assert!(big.contains(&format!("10000 strings with {values} bytes")), "{big}");
    let memory = tools.redis_cli(&["--memkeys"]);
    assert!(memory.contains(&format!("has {most} bytes")), "{memory}");
    assert!(memory.contains(&format!("10000 strings with {} bytes", keys + values)), "{memory}");
    let latency = tools.redis_cli(&["--latency"]);
    let numbers: Vec<f64> = latency.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [least, most, mean, samples] = numbers[..] else { panic!("{latency}") };
    assert!(least <= mean && mean <= most && samples >= 1.0, "{latency}");
    assert_eq!(tools.redis_cli(&["--scan"]).lines().count(), 10_000);
}

#[test]
fn redis_cli_in_the_mode_for_clusters_gets_values() {
    let tools = Tools::start();
    let (key, value) = &example_pairs()[0];
    assert_eq!(tools.redis_cli(&["-c", "GET", key]), format!("{value}\n"));
    let refused = tools.redis_cli(&["-c", "CLUSTER", "INFO"]);
    assert_eq!(refused.trim_end(), "ERR This instance has cluster support disabled");
}

fn curl(arguments: &[&str]) -> String {
    let arguments = [&["--silent", "--show-error", "--fail", "--max-time", "60"], arguments].concat();
    said(&arguments, started("curl", "curl", Command::new("curl").args(&arguments).output()))
}

#[test]
fn the_exporter_for_prometheus_scrapes_without_an_error() {
    let tools = Tools::start();
    let target = format!("redis://{}", tools.serving.address());
    let (key, value) = &example_pairs()[0];
    let (program, package) = ("prometheus-redis-exporter", "prometheus-redis-exporter");
    let exporter = other_servers::start(program, package, |port, _| {
        let listen = format!("127.0.0.1:{port}");
        ["-web.listen-address", &listen, "-redis.addr", &target, "-export-client-list"]
            .into_iter()
            .chain(["-check-single-keys", key])
            .map(str::to_owned)
            .collect()
    });
    let page = curl(&[&format!("http://{}/metrics", exporter.address)]);
    let number = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse::<f64>().unwrap()
    };
    assert_eq!(number("redis_up"), 1.0, "{page}");
    assert_eq!(number("redis_exporter_last_scrape_error{err=\"\"}"), 0.0, "{page}");
    assert_eq!(number("redis_db_keys{db=\"db0\"}"), 10_000.0);
    assert_eq!(number("redis_blocked_clients"), 0.0);
    assert_eq!(number(&format!("redis_key_size{{db=\"db0\",key=\"{key}\"}}")), value.len() as f64);
    assert!(number("redis_memory_used_bytes") > 1e6 && number("redis_cpu_user_seconds_total") >= 0.0);
    assert!(number("redis_config_maxclients") > 0.0 && number("redis_slowlog_length") == 0.0);
    assert!(page.contains("redis_connected_clients_details{cmd=\"client|list\""), "{page}");
    assert!(page.contains("role=\"master\""), "{page}");
}

#[test]
fn iredis_gets_values_and_lists_connections() {
    let tools = Tools::start();
    let (key, value) = &example_pairs()[0];
    let program = std::env::var("GRAVEN_TEST_IREDIS").unwrap_or_else(|_| "iredis".to_owned());
    let home = tempfile::tempdir().unwrap();
    // It takes commands from its input where that is no terminal.
    let spawned = Command::new(&program)
        .args(["-p", &tools.port])
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started_or(&program, "pip install iredis==1.16.1", spawned);
    let asked = format!("GET {key}\nCLIENT LIST\nINFO memory\nHGETALL none\nLLEN {key}\nSET a b\n");
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let printed = said(&["iredis"], child.wait_with_output().unwrap());
    assert!(printed.starts_with(&format!("{value}\n")), "{printed}");
    assert!(printed.contains("cmd=client|list") && printed.contains(" addr=127.0.0.1:"), "{printed}");
    assert!(printed.contains("used_memory:") && printed.contains("WRONGTYPE"), "{printed}");
    assert!(printed.contains("write against a read only replica"), "{printed}");
    assert!(!printed.contains("unknown command"), "{printed}");
}

fn commander(tools: &Tools) -> OtherServer {
    let script = node_packages("redis-commander").join("redis-commander/bin/redis-commander.js");
    let script = script.to_str().unwrap().to_owned();
    other_servers::start("node", "nodejs", |port, _| {
        let port = port.to_string();
        [&script, "--redis-host", "127.0.0.1", "--redis-port", &tools.port, "--address", "127.0.0.1"]
            .into_iter()
            .chain(["--port", &port, "--nosave"])
            .map(str::to_owned)
            .collect()
    })
}

#[test]
fn redis_commander_shows_the_server_and_its_keys() {
    let tools = Tools::start();
    let (key, value) = &example_pairs()[0];
    let server = commander(&tools);
    let connection = format!("R:127.0.0.1:{}:0", tools.port);
    let ask = |path: &str| -> Value {
        let answer = curl(&[&format!("http://{}/apiv2/{path}", server.address)]);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    let found = ask(&format!("key/{connection}/{key}"));
    assert_eq!(
        (&found["value"], &found["type"], &found["ttl"]),
        (&value[..].into(), &"string".into(), &(-1).into())
    );
    let tree = ask(&format!("keystree/{connection}/"));
    assert!(tree["data"].as_array().is_some_and(|keys| keys.len() >= 100), "{tree}");
    let info = ask("server/info");
    let fields = info["data"][0]["info"].as_array().unwrap_or_else(|| panic!("{info}"));
    let field = |name: &str| {
        let field = fields.iter().find(|field| field["key"] == name);
        field.unwrap_or_else(|| panic!("no {name} in {info}"))["value"].as_str().unwrap()
    };
    assert_eq!(field("Role"), "master");
    assert!(field("Used memory").parse::<u64>().unwrap() > 1_000_000);
}

#[test]
fn node_redis_caches_values_on_its_side() {
    let tools = Tools::start();
    let (key, value) = &example_pairs()[0];
    let packages = node_packages("redis");
    // Node looks for packages beside the script.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("node_redis.mjs");
    std::fs::write(&script, include_str!("node_redis.mjs")).unwrap();
    std::os::unix::fs::symlink(packages.canonicalize().unwrap(), directory.path().join("node_modules"))
        .unwrap();
    let arguments = [script.to_str().unwrap(), &tools.port, key, value];
    let output = started("node", "nodejs", Command::new("node").args(arguments).output());
    assert_eq!(said(&arguments, output), "done\n");
}

const GLIDE: &str = r#"
import sys
from glide_sync import GlideClient, GlideClientConfiguration, NodeAddress, RequestError
port, key, value = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = GlideClient.create(GlideClientConfiguration([NodeAddress("127.0.0.1", port)]))
assert client.get(key) == value.encode() and client.get("none") is None
try:
    client.set("a", "b")
    raise SystemExit("a write was taken")
except RequestError as error:
    assert "ReadOnly" in str(error), error
client.close()
"#;

/// It talks to no server that is not a master.
#[test]
fn glide_connects_and_is_told_that_writes_are_refused() {
    let tools = Tools::start();
    let (key, value) = &example_pairs()[0];
    let python = python();
    let output = Command::new(&python).args(["-c", GLIDE, &tools.port, key, value]).output();
    let output = started(&python, "python3", output);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        !complaints.contains("ModuleNotFoundError"),
        "`pip install valkey-glide-sync==2.5.3`, and set GRAVEN_TEST_PYTHON: {complaints}"
    );
    assert!(output.status.success(), "{complaints}");
}
