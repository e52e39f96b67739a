//! Users as clients have them: who says their name and token is let in, and nobody else.

use std::fs;
use std::process::Command;

use crate::programs::{python, started};
use crate::row_clients::{assert_done, assert_node_done};
use crate::support::{Serving, run};

/// A server with the user `shop`.
struct UserServer {
    token: String,
    serving: Serving,
    _folder: tempfile::TempDir,
}

impl UserServer {
    fn start() -> Self {
        let made = run(&["token"]);
        let (token, line) = made.out.trim_end().split_once('\n').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (table, users) = (folder.path().join("t.data"), folder.path().join("users.toml"));
        fs::write(&table, "k value\n").unwrap();
        fs::write(&users, format!("[[users]]\nname = \"shop\"\n{line}\n")).unwrap();
        let serving = Serving::start(&[table.as_os_str(), "--users".as_ref(), users.as_os_str()]);
        Self { token: token.to_owned(), serving, _folder: folder }
    }

    fn port(&self) -> &str {
        self.serving.address().rsplit(':').next().unwrap()
    }
}

#[test]
fn redis_py_and_pymemcache_come_as_a_user() {
    let server = UserServer::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/user_clients/python_clients.py");
    let package = "python3-redis python3-pymemcache";
    assert_done(&python(), package, &[script, server.port(), "shop", &server.token]);
}

#[test]
fn node_redis_comes_as_a_user() {
    let server = UserServer::start();
    let script = include_str!("user_clients/node_redis.mjs");
    assert_node_done("redis", "node_redis.mjs", script, &[server.port(), "shop", &server.token]);
}

#[test]
fn ioredis_comes_as_a_user() {
    let server = UserServer::start();
    let script = include_str!("user_clients/ioredis.cjs");
    assert_node_done("ioredis", "ioredis.cjs", script, &[server.port(), "shop", &server.token]);
}

#[test]
fn redis_cli_and_curl_come_as_a_user() {
    let server = UserServer::start();
    let (port, token) = (server.port(), server.token.as_str());
    let cli = |arguments: &[&str]| {
        let arguments = [&["-p", port, "--no-auth-warning"], arguments, &["GET", "k"]].concat();
        let output = started("redis-cli", "redis-tools", Command::new("redis-cli").args(arguments).output());
        String::from_utf8(output.stdout).unwrap()
    };
    for user in [&["--user", "shop", "--pass", token][..], &["-a", token], &["-3", "-a", token]] {
        assert_eq!(cli(user), "value\n", "{user:?}");
    }
    assert!(cli(&[]).contains("NOAUTH Authentication required."));
    let curl = |arguments: &[&str]| {
        let url = format!("http://127.0.0.1:{port}/?key=k");
        let arguments = [&["-s", "-w", " %{http_code}", &url], arguments].concat();
        let output = started("curl", "curl", Command::new("curl").args(arguments).output());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl(&["-u", &format!("shop:{token}")]), "value 200");
    assert_eq!(curl(&["-H", &format!("Authorization: Bearer {token}")]), "value 200");
    assert!(curl(&[]).ends_with(" 401"));
    assert!(curl(&["-u", "shop:wrong"]).ends_with(" 401"));
}
