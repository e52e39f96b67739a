//! HAProxy in front of graven, with the checks that people switch on by one word.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::other_servers;
use crate::programs::started;
use crate::support::Serving;

/// A check is made every 100 ms; nothing takes as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// What HAProxy says of its checks: a word such as `L7OK`, and the HTTP status.
pub(crate) fn checked(socket: &Path) -> (String, String) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let mut stats = String::new();
        if let Ok(mut stream) = UnixStream::connect(socket) {
            stream.write_all(b"show stat\n").unwrap();
            stream.read_to_string(&mut stats).unwrap();
        }
        let names: Vec<&str> = stats.lines().next().unwrap_or_default().split(',').collect();
        let column = |name: &str| names.iter().position(|found| *found == name);
        let server = stats.lines().find(|line| line.starts_with("graven,one,"));
        if let (Some(server), Some(word), Some(code)) = (server, column("check_status"), column("check_code"))
        {
            let fields: Vec<&str> = server.split(',').collect();
            // A check that is under way has a star; before the first there is none.
            let word = fields[word].trim_start_matches("* ");
            if !word.is_empty() && word != "INI" {
                return (word.to_owned(), fields[code].to_owned());
            }
        }
        std::thread::yield_now();
    }
    panic!("HAProxy has checked nothing")
}

#[test]
fn haproxy_finds_the_server_alive_by_its_checks_and_passes_requests_on() {
    for (check, status) in [
        ("option httpchk", "204"),
        ("option httpchk HEAD /healthz", "200"),
        ("option httpchk GET /healthz", "200"),
        (
            "option httpchk\n  http-check send meth OPTIONS uri /v1/kv/a ver HTTP/1.1 hdr Host any.example",
            "421",
        ),
        ("option httpchk\n  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host any.example", "200"),
    ] {
        let serving = Serving::start_with_input(&["-"], b"a 1\n");
        let sockets = tempfile::tempdir().unwrap();
        let socket = sockets.path().join("stats");
        let haproxy = other_servers::start("haproxy", "haproxy", |port, directory| {
            let configuration = format!(
                "global\n  stats socket {}\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  \
                 timeout server 30s\nfrontend front\n  bind 127.0.0.1:{port}\n  default_backend graven\nbackend graven\n  \
                 {check}\n  server one {} check inter 100ms\n",
                socket.display(),
                serving.address(),
            );
            let path = Path::new(directory).join("haproxy.cfg");
            std::fs::write(&path, configuration).unwrap();
            ["-db", "-f", path.to_str().unwrap()].map(str::to_owned).into()
        });
        let word = if status == "421" { "L7STS" } else { "L7OK" };
        assert_eq!(checked(&socket), (word.to_owned(), status.to_owned()), "{check}");
        if word == "L7OK" {
            let url = format!("http://{}/?key=a", haproxy.address);
            let output =
                Command::new("curl").args(["--silent", "--show-error", "--max-time", "60", &url]).output();
            assert_eq!(started("curl", "curl", output).stdout, b"1");
        }
    }
}
