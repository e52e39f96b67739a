//! TLS from the command line: what a server needs for it, what clients say, and certificates that are renewed while it runs.

mod support;

use support::{assert_refused, example_data};

#[cfg(not(feature = "tls"))]
const WITHOUT: &str = "this graven was built without TLS; build it with `cargo build --release --package graven --features tls`";

#[test]
#[cfg(not(feature = "tls"))]
fn a_graven_without_tls_says_what_has_it() {
    let data = example_data();
    let data = data.to_str().unwrap();
    let serve = |more: &[&'static str]| [&["serve", data, "--listen"], more].concat();
    for (arguments, sentence) in [
        (
            serve(&["127.0.0.1:0", "--tls-cert", "a", "--tls-key", "b"]),
            format!("--tls-cert has no effect: {WITHOUT}"),
        ),
        (
            serve(&["https://127.0.0.1:0?client=none", "--tls-key", "b"]),
            format!("--tls-key has no effect: {WITHOUT}"),
        ),
        (vec!["get", "https://localhost:1", "k"], format!("https://localhost:1: {WITHOUT}")),
        (vec!["bench", "rediss://localhost:1", "--keys", data], format!("rediss://localhost:1: {WITHOUT}")),
    ] {
        assert_refused(&arguments, &sentence);
    }
    let refused = support::run(&serve(&["127.0.0.1:0?tls=both"]));
    assert!(refused.err.contains(&format!("asks for TLS, and {WITHOUT}")), "{}", refused.err);
    assert_eq!(refused.status, Some(2));
}

#[cfg(feature = "tls")]
mod with_tls {
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::support::{graven, run};

    const KEY: &str = "53175d61-490b-43df-a1da-6f3dc380d507";
    const VALUE: &str = "c yuarj f owzuwsxqz\n";

    fn file(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../access/tests/certificates");
        folder.canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
    }

    /// A server whose log is read, and the addresses that it listens on.
    struct Logged {
        child: Child,
        log: BufReader<std::process::ChildStderr>,
        ports: Vec<String>,
    }

    impl Drop for Logged {
        fn drop(&mut self) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }

    impl Logged {
        fn start(arguments: &[&str], listeners: usize) -> Self {
            let mut command = graven();
            command.arg("serve").arg(example_data()).args(arguments);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let log = BufReader::new(child.stderr.take().unwrap());
            let out = BufReader::new(child.stdout.take().unwrap());
            let lines = out.lines().map(Result::unwrap);
            let said = lines.filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
            let port = |address: String| {
                let address = address.split('?').next().unwrap();
                address.rsplit(':').next().unwrap().to_owned()
            };
            let ports = said.take(listeners).map(port).collect();
            Self { child, log, ports }
        }

        fn line_with(&mut self, wanted: &str) -> String {
            let mut line = String::new();
            while !line.contains(wanted) {
                line.clear();
                assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "no line with {wanted}");
            }
            line
        }
    }

    fn asked(address: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let ended = run(&[&["get"], more, &[address, KEY]].concat());
        (ended.status, ended.out, ended.err)
    }

    #[test]
    fn what_is_missing_for_tls_is_said_with_what_to_type() {
        let data = example_data();
        let data = data.to_str().unwrap();
        let (cert, key) = (file("server.pem"), file("server.key"));
        for (arguments, sentence) in [
            (vec!["--tls-cert", &cert], "--tls-cert needs its private key; add `--tls-key FILE`"),
            (vec!["--tls-key", &key], "--tls-key needs its certificate; add `--tls-cert FILE`"),
            (
                vec!["--tls-client-ca", &cert],
                "--tls-client-ca needs a certificate of the server's own; add `--tls-cert FILE --tls-key FILE`",
            ),
        ] {
            let arguments = [&["serve", data, "--listen", "127.0.0.1:0"], &arguments[..]].concat();
            assert_refused(&arguments, sentence);
        }
        for (listen, more, says) in [
            (
                "127.0.0.1:0?tls=on",
                vec![],
                "speaks TLS, which needs a certificate; add `--tls-cert FILE --tls-key FILE`",
            ),
            (
                "127.0.0.1:0?client=optional",
                vec!["--tls-cert", &cert, "--tls-key", &key],
                "asks clients for certificates, and nothing says who issues them; add `--tls-client-ca FILE`",
            ),
            (
                "127.0.0.1:0",
                vec!["--tls-cert", &cert, "--tls-key", &cert],
                "holds a certificate and no private key",
            ),
        ] {
            let refused = run(&[&["serve", data, "--listen", listen], &more[..]].concat());
            assert!(refused.err.contains(says), "{}", refused.err);
            assert_eq!(refused.status, Some(2));
        }
    }

    #[test]
    fn every_client_of_the_command_line_speaks_tls_and_says_whom_it_does_not_trust() {
        let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let listeners = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0?tls=off"];
        let server = Logged::start(&[&listeners[..], &["--tls-cert", &cert, "--tls-key", &key]].concat(), 2);
        let [secured, plain] = [0, 1].map(|i| &server.ports[i]);
        for scheme in ["https", "rediss", "memcacheds"] {
            let address = format!("{scheme}://localhost:{secured}");
            assert_eq!(
                asked(&address, &["--cacert", &ca]),
                (Some(0), VALUE.into(), String::new()),
                "{scheme}"
            );
            assert_eq!(asked(&address, &["--insecure"]), (Some(0), VALUE.into(), String::new()), "{scheme}");
            let (status, _, err) = asked(&address, &["--cacert", &file("other-ca.pem")]);
            assert_eq!(status, Some(2));
            assert!(
                err.contains("UnknownIssuer; name who issued its certificate with `--cacert FILE`"),
                "{err}"
            );
        }
        let (_, _, err) = asked(&format!("https://localhost:{plain}"), &["--cacert", &ca]);
        assert!(err.contains("HandshakeFailure; it may not speak TLS there"), "{err}");
        let (_, _, err) = asked(&format!("redis://localhost:{secured}"), &[]);
        assert!(err.contains("this port speaks TLS"), "{err}");

        let https = format!("https://localhost:{secured}");
        let status = run(&["status", "--cacert", &ca, &https]);
        assert!(status.out.contains("serving"), "{}{}", status.out, status.err);
        assert_eq!(run(&["ready", "--cacert", &ca, &https]).out, "ready\n");
        let data = example_data();
        let bench =
            ["bench", &https, "--cacert", &ca, "--keys", data.to_str().unwrap(), "--verify", "-c", "3"];
        for more in [&["-n", "200", "--json"][..], &["-n", "20", "--new-connection", "--json"]] {
            let ended = run(&[&bench[..], more].concat());
            let run: serde_json::Value =
                serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
            let connections = &run["runs"][0]["connections"];
            assert!(connections["handshake"]["mean_us"].as_f64().unwrap() > 0.0, "{connections}");
            assert!(
                connections["handshake"]["mean_us"].as_f64() <= connections["connect"]["mean_us"].as_f64(),
                "{connections}"
            );
            assert_eq!(ended.status, Some(0));
        }
    }

    #[test]
    fn a_table_is_built_from_a_redis_with_tls_and_compared_with_it() {
        let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let server = Logged::start(&["--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key], 1);
        let target = format!("rediss://localhost:{}", server.ports[0]);
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("copy.graven");
        let output = output.to_str().unwrap();
        let untrusted = ["--cacert", &file("other-ca.pem")];
        for trust in [&["--cacert", &*ca][..], &["--insecure"]] {
            let ended = run(&[&["build", &target, "-o", output], trust].concat());
            assert_eq!(ended.status, Some(0), "{}", ended.err);
            assert!(ended.out.contains("10000 pairs, 10000 keys in"), "{}", ended.out);
            let verify = ["verify", output, "--against", &target, "--sample", "50"];
            let ended = run(&[&verify, trust].concat());
            assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
        }
        for arguments in [&["build", &target, "-o", output][..], &["verify", output, "--against", &target]] {
            let ended = run(&[arguments, &untrusted].concat());
            assert_eq!(ended.status, Some(2));
            assert!(
                ended.err.contains("name who issued its certificate with `--cacert FILE`"),
                "{}",
                ended.err
            );
        }
        let data = example_data();
        let data = data.to_str().unwrap();
        assert_refused(
            &["build", data, "-o", output, "--insecure"],
            &format!(
                "--insecure is for a Redis that is asked with TLS, as rediss://HOST:PORT, and {data} is a file; leave it out"
            ),
        );
    }

    #[test]
    fn a_certificate_is_read_again_at_sighup_and_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let install = |from: &str, to: PathBuf| {
            // As it is renewed by those who do it: another file under the same name.
            let next = at("next");
            fs::copy(file(from), &next).unwrap();
            fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(next, to).unwrap();
        };
        install("server.pem", at("cert.pem"));
        install("server.key", at("key.pem"));
        let (cert, key) = (at("cert.pem"), at("key.pem"));
        let paths = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let mut server = Logged::start(&[&["--listen", "rediss://127.0.0.1:0"], &paths[..]].concat(), 1);
        let address = format!("rediss://localhost:{}", server.ports[0]);
        let ca = file("ca.pem");
        assert!(server.line_with("TLS certificate read").contains("subject=\"CN=localhost\""));

        install("client.pem", at("cert.pem"));
        let said = server.line_with("ERROR");
        assert!(said.contains("does not belong to the certificate"), "{said}");
        assert!(said.contains("the former certificate stays in use"), "{said}");
        assert_eq!(asked(&address, &["--cacert", &ca]).1, VALUE);

        install("rsa.key", at("key.pem"));
        install("rsa.pem", at("cert.pem"));
        kill_process(Pid::from_child(&server.child), Signal::HUP).unwrap();
        assert!(server.line_with("TLS certificate read").contains("subject=\"CN=localhost\""));
        assert_eq!(asked(&address, &["--cacert", &ca]).1, VALUE);
    }
}
