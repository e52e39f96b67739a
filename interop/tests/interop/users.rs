//! Users as clients have them: who says their name and token is let in, and nobody else.

use std::fs;
use std::process::Command;

use crate::programs::{python, started};
use crate::row_clients::{assert_done, assert_node_done};
use crate::support::{Serving, run};
use crate::tls::file as certificate;

/// A server with the user `shop`.
struct UserServer {
    token: String,
    serving: Serving,
    _folder: tempfile::TempDir,
}

impl UserServer {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that speaks TLS, and the authority that has issued its certificate.
    fn start_with_tls() -> (Self, String) {
        let file = |name: &str| certificate(name);
        let server = Self::start_with(&["--tls-cert", &file("server.pem"), "--tls-key", &file("server.key")]);
        (server, file("ca.pem"))
    }

    fn start_with(options: &[&str]) -> Self {
        let made = run(&["token"]);
        let (token, line) = made.out.trim_end().split_once('\n').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (table, users) = (folder.path().join("t.data"), folder.path().join("users.toml"));
        fs::write(&table, "k value\n").unwrap();
        fs::write(&users, format!("[[users]]\nname = \"shop\"\n{line}\n")).unwrap();
        let arguments = [table.to_str().unwrap(), "--users", users.to_str().unwrap()];
        let serving = Serving::start(&[&arguments[..], options].concat());
        Self { token: token.to_owned(), serving, _folder: folder }
    }

    fn port(&self) -> &str {
        self.serving.address().split('?').next().unwrap().rsplit(':').next().unwrap()
    }
}

fn script(name: &str) -> String {
    format!("{}/tests/interop/user_clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Has a client come as a user, in plain text and over TLS: it is given the port, the name, the token, and over TLS the authority.
fn as_user_with_and_without_tls(come: impl Fn(&[&str])) {
    let server = UserServer::start();
    come(&[server.port(), "shop", &server.token]);
    let (server, ca) = UserServer::start_with_tls();
    come(&[server.port(), "shop", &server.token, &ca]);
}

#[test]
fn redis_py_and_pymemcache_come_as_a_user() {
    as_user_with_and_without_tls(|arguments| {
        let script = script("python_clients.py");
        assert_done(&python(), "python3-redis python3-pymemcache", &[&[script.as_str()], arguments].concat());
    });
}

#[test]
fn node_redis_comes_as_a_user() {
    as_user_with_and_without_tls(|arguments| {
        assert_node_done("redis", "node_redis.mjs", include_str!("user_clients/node_redis.mjs"), arguments);
    });
}

#[test]
fn ioredis_comes_as_a_user() {
    as_user_with_and_without_tls(|arguments| {
        assert_node_done("ioredis", "ioredis.cjs", include_str!("user_clients/ioredis.cjs"), arguments);
    });
}

#[test]
fn hiredis_comes_as_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hiredis");
    let program = program.to_str().unwrap();
    let source = script("hiredis.c");
    let compile = ["-o", program, &source, "-lhiredis"];
    let output = started("cc", "gcc", Command::new("cc").args(compile).output());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`apt-get install libhiredis-dev`: {said}");
    let server = UserServer::start();
    assert_done(program, "libhiredis0.14", &[server.port(), "shop", &server.token]);
}

#[test]
fn libmemcached_comes_as_a_user_as_far_as_it_can() {
    let server = UserServer::start();
    let arguments = [&script("pylibmc_client.py"), server.port(), "shop", &server.token];
    assert_done("/usr/bin/python3", "python3-pylibmc", &arguments);
}

#[test]
fn redis_cli_and_curl_come_as_a_user() {
    let server = UserServer::start();
    redis_cli_and_curl(&server, "http", &[], &[]);
    let (server, ca) = UserServer::start_with_tls();
    redis_cli_and_curl(&server, "https", &["--tls", "--cacert", &ca], &["--cacert", &ca]);
}

fn redis_cli_and_curl(server: &UserServer, scheme: &str, cli_tls: &[&str], curl_tls: &[&str]) {
    let (port, token) = (server.port(), server.token.as_str());
    let cli = |arguments: &[&str]| {
        let arguments = [&["-p", port, "--no-auth-warning"], cli_tls, arguments, &["GET", "k"]].concat();
        let output = started("redis-cli", "redis-tools", Command::new("redis-cli").args(arguments).output());
        String::from_utf8(output.stdout).unwrap()
    };
    for user in [&["--user", "shop", "--pass", token][..], &["-a", token], &["-3", "-a", token]] {
        assert_eq!(cli(user), "value\n", "{user:?}");
    }
    assert!(cli(&[]).contains("NOAUTH Authentication required."));
    let curl = |arguments: &[&str]| {
        let url = format!("{scheme}://127.0.0.1:{port}/?key=k");
        let arguments = [&["-s", "-w", " %{http_code}", &url], curl_tls, arguments].concat();
        let output = started("curl", "curl", Command::new("curl").args(arguments).output());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl(&["-u", &format!("shop:{token}")]), "value 200");
    assert_eq!(curl(&["-H", &format!("Authorization: Bearer {token}")]), "value 200");
    assert!(curl(&[]).ends_with(" 401"));
    assert!(curl(&["-u", "shop:wrong"]).ends_with(" 401"));
}
