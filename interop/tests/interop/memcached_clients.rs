//! memcached's clients and tools as people have them, against `graven serve`: what they read, that a refused write costs
//! them neither the server nor a connection, and which keys they list.

use std::path::Path;
use std::process::{Command, Output};

use crate::programs::{node_packages, python, started};
use crate::support::Serving;
use crate::talk::{Ends, talk};

const PAIRS: &[u8] = b"key value\nnumber 12345\n";

fn serving() -> Serving {
    Serving::start_with_input(&["-"], PAIRS)
}

/// What a client has written on standard output; what it says on standard error is the failure.
#[track_caller]
fn succeeded(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Connections that were opened, but for the one that asks.
fn connections_opened(serving: &Serving) -> u64 {
    let done = Ends::With { ask: b"mn\r\n", answer: b"MN\r\n" };
    let stats = String::from_utf8(talk(serving.address(), b"stats\r\n", done)).unwrap();
    let opened = stats.lines().find_map(|line| line.strip_prefix("STAT total_connections ")).unwrap();
    opened.parse::<u64>().unwrap() - 1
}

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop/memcached_clients")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn node_memcached_keeps_the_server_when_writes_are_refused() {
    let serving = serving();
    let packages = node_packages("memcached");
    // It looks for packages in the folders above its script.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node_memcached.cjs");
    std::fs::copy(script("node_memcached.cjs"), &path).unwrap();
    std::os::unix::fs::symlink(packages.canonicalize().unwrap(), directory.path().join("node_modules"))
        .unwrap();
    let arguments = [path.to_str().unwrap(), serving.address(), "key", "value"];
    assert_eq!(succeeded(started("node", "nodejs", Command::new("node").args(arguments).output())), "done\n");
    assert_eq!(connections_opened(&serving), 1);
}

#[test]
fn pylibmc_keeps_the_server_and_its_connection_when_writes_are_refused() {
    let serving = serving();
    // pylibmc is a library of C's, so that it is Debian's for Debian's Python.
    let mut command = Command::new("/usr/bin/python3");
    command.args([script("pylibmc_client.py").as_str(), serving.address(), "key", "value"]);
    let output = started("/usr/bin/python3", "python3", command.output());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("ModuleNotFoundError"), "`apt-get install python3-pylibmc`: {said}");
    succeeded(output);
    assert_eq!(connections_opened(&serving), 3, "a connection for each of three clients");
}

#[test]
fn php_memcached_keeps_its_connection_and_lists_all_keys() {
    let serving = serving();
    let mut command = Command::new("php");
    command.args([script("memcached.php").as_str(), serving.address(), "key", "value"]);
    let output = started("php", "php-cli", command.output());
    let said = [&output.stdout[..], &output.stderr].concat();
    let is_missing = String::from_utf8_lossy(&said).contains("Class \"Memcached\" not found");
    assert!(!is_missing, "php-memcached is missing; install it with `apt-get install php-memcached`");
    assert_eq!(succeeded(output), "done\n");
    assert_eq!(connections_opened(&serving), 2, "a connection for each of two clients");
}

#[test]
fn pymemcache_in_a_pool_of_servers_keeps_this_one_when_writes_are_refused() {
    const SCRIPT: &str = r#"
import sys
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError
host, port = sys.argv[1].split(":")
client = HashClient([(host, int(port))], default_noreply=False, retry_attempts=0, dead_timeout=60)
assert client.get("key") == b"value"
for write, *arguments in [("set", "key", "x"), ("add", "key", "x"), ("delete", "key"), ("incr", "key", 1), ("touch", "key", 9)]:
    try:
        raise AssertionError(getattr(client, write)(*arguments))
    except MemcacheClientError:
        pass
    assert client.get("key") == b"value", write
"#;
    let serving = serving();
    let output =
        started("python", "python3", Command::new(python()).args(["-c", SCRIPT, serving.address()]).output());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("ModuleNotFoundError"), "`apt-get install python3-pymemcache`: {said}");
    succeeded(output);
}

#[test]
fn dalli_of_the_binary_protocol_finds_no_server_and_no_wrong_value() {
    let serving = serving();
    let mut command = Command::new("ruby");
    command.args([script("dalli.rb").as_str(), serving.address(), "key"]);
    let output = started("ruby", "ruby", command.output());
    let is_missing = String::from_utf8_lossy(&output.stderr).contains("cannot load such file -- dalli");
    assert!(!is_missing, "dalli is missing; install it with `apt-get install ruby-dalli`");
    assert_eq!(succeeded(output), "no server\n");
}

#[test]
fn the_tools_of_libmemcached_and_memcached_list_keys_and_statistics() {
    let serving = serving();
    let servers = format!("--servers={}", serving.address());
    let tool = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        succeeded(started(program, "libmemcached-tools", output))
    };
    let mut keys: Vec<String> = tool("memcdump", &[&servers]).lines().map(str::to_owned).collect();
    keys.sort();
    assert_eq!(keys, ["key", "number"]);
    assert!(tool("memcstat", &[&servers]).contains("curr_items: 2\n"));

    const TOOL: &str = "/usr/share/memcached/scripts/memcached-tool";
    assert!(
        Path::new(TOOL).exists(),
        "memcached-tool is missing; install it with `apt-get install memcached`"
    );
    let memcached_tool = |what: &str| {
        let output = Command::new("perl").args([TOOL, serving.address(), what]).output();
        succeeded(started("perl", "perl", output))
    };
    assert!(memcached_tool("stats").lines().any(|line| line.split_whitespace().eq(["curr_items", "2"])));
    let listed = memcached_tool("keys");
    assert!(listed.contains("key=number exp=-1 ") && listed.contains("key=key exp=-1 "), "{listed}");
    assert!(memcached_tool("dump").contains("add number 0 0 5\r\n12345\r\n"));
}
