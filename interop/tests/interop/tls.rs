//! TLS as others speak it: openssl, sslscan, curl, redis-cli, and the clients of Python. Also the commands of docs/TLS.md.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::{fs, thread};

use crate::programs::{python, started};
use crate::support::{Serving, example_data, example_pairs, root};

/// A certificate, a key or an authority of the tests.
pub(crate) fn file(name: &str) -> String {
    root().join("crates/access/tests/certificates").join(name).to_str().unwrap().to_owned()
}

struct Secured {
    _serving: Serving,
    ports: Vec<String>,
}

impl Secured {
    /// One that asks clients for no certificate, and one that wants to see one.
    fn start() -> Self {
        let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let serving = Serving::start(&[
            example_data().to_str().unwrap(),
            "--listen",
            "127.0.0.1:0?client=none&tls=both",
            "--listen",
            "127.0.0.1:0?client=required",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca,
        ]);
        let port = |endpoint: &String| endpoint["127.0.0.1:".len()..].split('?').next().unwrap().to_owned();
        let ports = serving.endpoints.iter().map(port).collect();
        Self { _serving: serving, ports }
    }

    /// What `openssl s_client` prints that is given `input` and then waits for a moment, as somebody does who types.
    fn s_client(&self, arguments: &[&str], input: &[u8]) -> String {
        let address = format!("127.0.0.1:{}", self.ports[0]);
        let spawned = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-CAfile", &file("ca.pem")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started("openssl", "openssl", spawned);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeding = thread::spawn(move || {
            // It may have ended meanwhile.
            let _ = stdin.write_all(&input);
            thread::sleep(std::time::Duration::from_millis(700));
        });
        let Output { stdout, stderr, .. } = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
    }
}

#[test]
fn openssl_agrees_upon_the_two_new_versions_and_no_older_one_and_never_anew() {
    let server = Secured::start();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let flag = format!("-{}", version.to_lowercase().replace('v', "").replace('.', "_"));
        let said = server.s_client(&[&flag], b"");
        assert!(said.contains(&format!("New, {version}, Cipher is ")), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    for flag in ["-tls1", "-tls1_1"] {
        let said = server.s_client(&[flag, "-cipher", "ALL@SECLEVEL=0"], b"");
        assert!(said.contains("New, (NONE), Cipher is (NONE)") && said.contains("alert"), "{flag}: {said}");
    }
    for cipher in
        ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    {
        let said = server.s_client(&["-tls1_2", "-cipher", cipher], b"");
        assert!(said.contains(&format!("Cipher is {cipher}")), "{said}");
    }
    for cipher in ["ECDHE-ECDSA-AES128-SHA256", "AES128-SHA", "NULL-SHA256@SECLEVEL=0"] {
        assert!(
            server.s_client(&["-tls1_2", "-cipher", cipher], b"").contains("Cipher is (NONE)"),
            "{cipher}"
        );
    }
    let said = server.s_client(&["-tls1_2"], b"R\n");
    assert!(said.contains("no renegotiation"), "{said}");
}

#[test]
fn openssl_resumes_sessions_of_both_versions() {
    let server = Secured::start();
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("session");
    let session = session.to_str().unwrap();
    for flag in ["-tls1_2", "-tls1_3"] {
        let said = server.s_client(&[flag, "-sess_out", session], b"PING\r\n");
        assert!(said.contains("+PONG"), "{said}");
        let said = server.s_client(&[flag, "-sess_in", session], b"PING\r\n");
        assert!(said.contains("Reused, TLSv1.") && said.contains("+PONG"), "{said}");
    }
}

#[test]
fn sslscan_finds_nothing_weak() {
    let server = Secured::start();
    let address = format!("127.0.0.1:{}", server.ports[0]);
    let output = Command::new("sslscan").args(["--no-colour", &address]).output();
    let said = String::from_utf8(started("sslscan", "sslscan", output).stdout).unwrap();
    for line in [
        "SSLv3     disabled",
        "TLSv1.0   disabled",
        "TLSv1.1   disabled",
        "TLSv1.2   enabled",
        "TLSv1.3   enabled",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("Session renegotiation not supported"), "{said}");
    let ciphers = said.lines().filter(|line| line.starts_with("Accepted") || line.starts_with("Preferred"));
    let ciphers: Vec<&str> = ciphers.collect();
    assert!(ciphers.len() >= 6, "{said}");
    assert!(
        ciphers.iter().all(|cipher| cipher.contains("GCM") || cipher.contains("POLY1305")),
        "{ciphers:#?}"
    );
    assert!(
        !said.contains("vulnerable to heartbleed") || said.contains("not vulnerable to heartbleed"),
        "{said}"
    );
}

#[test]
fn curl_and_redis_cli_are_let_in_with_and_without_certificates() {
    let server = Secured::start();
    let (key, value) = example_pairs().swap_remove(0);
    let (ca, cert, own) = (file("ca.pem"), file("client.pem"), file("client.key"));
    for (port, certificate, let_in) in [(0, false, true), (0, true, true), (1, false, false), (1, true, true)]
    {
        let port = &server.ports[port];
        let url = format!("https://localhost:{port}/?key={key}");
        let mut arguments = vec!["-sS", "--cacert", &ca, &url];
        if certificate {
            arguments.extend(["--cert", &cert, "--key", &own]);
        }
        let output = started("curl", "curl", Command::new("curl").args(&arguments).output());
        assert_eq!(
            String::from_utf8_lossy(&output.stdout) == value,
            let_in,
            "{port} {certificate}: {output:?}"
        );

        let mut arguments = vec!["--tls", "--cacert", &ca, "-h", "localhost", "-p", port];
        if certificate {
            arguments.extend(["--cert", &cert, "--key", &own]);
        }
        arguments.extend(["get", &key]);
        let output = started("redis-cli", "redis-tools", Command::new("redis-cli").args(&arguments).output());
        let found = String::from_utf8_lossy(&output.stdout);
        assert_eq!(found.trim_end() == value, let_in, "{port} {certificate}: {output:?}");
    }
}

#[test]
fn clients_of_python_speak_tls() {
    let server = Secured::start();
    let (key, value) = example_pairs().swap_remove(0);
    let script = r#"
import ssl, sys
import redis
from pymemcache.client.base import Client
ca, cert, own, key, open_port, closed_port = sys.argv[1:]
store = redis.Redis(host='localhost', port=int(closed_port), ssl=True, ssl_ca_certs=ca, ssl_certfile=cert, ssl_keyfile=own)
print(store.get(key).decode())
assert int(store.info()['tls_handshakes']) >= 1
assert int(store.info('server')['tls_certificate_expires']) > 4_000_000_000
cache = Client(('localhost', int(open_port)), tls_context=ssl.create_default_context(cafile=ca))
print(cache.get(key).decode())
"#;
    let (ca, cert, own) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let arguments = ["-c", script, &ca, &cert, &own, &key, &server.ports[0], &server.ports[1]];
    let output = started("python3", "python3", Command::new(python()).args(arguments).output());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{value}\n{value}\n"), "{output:?}");
}

#[test]
fn the_commands_of_the_page_about_tls_work_as_written() {
    let page = fs::read_to_string(root().join("docs/TLS.md")).unwrap();
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let block = |wanted: &str| *blocks.iter().find(|block| block.contains(wanted)).unwrap();
    let make = block("openssl req").strip_prefix("sh\n").unwrap();
    let (make, serve) = make.split_once("graven serve example.data ").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-ec", script]).current_dir(dir.path()).output();
        let output = started("sh", "dash", output);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    shell(make);
    let serve = serve.trim_end().replace("cert.pem", dir.path().join("cert.pem").to_str().unwrap());
    let serve = serve.replace("key.pem", dir.path().join("key.pem").to_str().unwrap());
    let data = example_data();
    let arguments: Vec<&str> = [data.to_str().unwrap()].into_iter().chain(serve.split(' ')).collect();
    let serving = Serving::start(&arguments);
    let port = serving.address()["127.0.0.1:".len()..].split('?').next().unwrap();
    let (key, value) = example_pairs().swap_remove(0);
    let graven = crate::support::graven();
    let program = graven.get_program().to_str().unwrap();
    let asked =
        block("curl --cacert").strip_prefix("sh\n").unwrap().replace("8000", port).replace("KEY", &key);
    let said = shell(&asked.replace("graven ", &format!("{program} ")));
    // curl prints no end of a line.
    assert!(said.starts_with(&format!("{value}{value}\n{value}\n")), "{said}");
    assert!(said.contains("serving"), "{said}");
}
