//! The other servers, each on a free port for as long as a test runs.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::started;
use crate::talk::{Ends, talk};

/// Nothing starts as slowly as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs until it is dropped.
pub(crate) struct OtherServer {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    directory: tempfile::TempDir,
}

impl OtherServer {
    /// Where it keeps its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Ends it at once, without a chance to say good-bye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for OtherServer {
    fn drop(&mut self) {
        // It has ended already when it could not start.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, from below those that the system gives to who asks for any: no server of another test,
/// which listens on port 0, comes between this look and the start of a server.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id());
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts `program` with the arguments for a port and a directory of its own; another port when it was taken meanwhile.
pub(crate) fn start(
    program: &str,
    package: &str,
    arguments: impl Fn(u16, &str) -> Vec<String>,
) -> OtherServer {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        let arguments = arguments(port, directory.path().to_str().unwrap());
        let spawned = Command::new(program)
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = started(program, package, spawned);
        let mut server = OtherServer { child, address: format!("127.0.0.1:{port}"), directory };
        while server.child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if TcpStream::connect(&server.address).is_ok() {
                return server;
            }
            thread::yield_now();
        }
    }
    panic!("{program} did not start")
}

/// A Redis without a key, which takes writes, and writes a dump when it is told to.
pub(crate) fn empty_redis() -> OtherServer {
    start("redis-server", "redis-server", |port, directory| {
        let port = port.to_string();
        let arguments = ["--port", &port, "--dir", directory, "--save", "", "--bind", "127.0.0.1"];
        arguments.into_iter().map(str::to_owned).collect()
    })
}

/// A Redis with `pairs` that answers as a read-only replica.
pub(crate) fn redis(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> OtherServer {
    let server = start("redis-server", "redis-server", |port, directory| {
        let port = port.to_string();
        let arguments = ["--port", &port, "--dir", directory, "--save", "", "--bind", "127.0.0.1"];
        // A machine that is busy makes slow commands, which graven does not keep.
        [&arguments[..], &["--slowlog-log-slower-than", "-1"]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    });
    let mut commands = Vec::new();
    for (key, value) in pairs {
        let (key, value) = (key.as_ref(), value.as_ref());
        write!(commands, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len())
            .unwrap();
    }
    // Nobody listens on port 1: it keeps what it has, and takes no writes.
    commands.extend_from_slice(b"REPLICAOF 127.0.0.1 1\r\n");
    let said =
        talk(&server.address, &commands, Ends::With { ask: b"ECHO done\r\n", answer: b"$4\r\ndone\r\n" });
    assert_eq!(said, b"+OK\r\n".repeat(pairs.len() + 1));
    server
}

/// A memcached with `pairs`.
pub(crate) fn memcached(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> OtherServer {
    let server = start("memcached", "memcached", |port, _| {
        let port = port.to_string();
        ["-p", &port, "-U", "0", "-l", "127.0.0.1", "-u", "nobody"].map(str::to_owned).to_vec()
    });
    let mut commands = Vec::new();
    for (key, value) in pairs {
        let (key, value) = (key.as_ref(), value.as_ref());
        write!(commands, "set {key} 0 0 {}\r\n{value}\r\n", value.len()).unwrap();
    }
    let said = talk(&server.address, &commands, Ends::With { ask: b"mn\r\n", answer: b"MN\r\n" });
    assert_eq!(said, b"STORED\r\n".repeat(pairs.len()));
    server
}

/// An nginx whose only server has these `directives`.
pub(crate) fn nginx(directives: &str) -> OtherServer {
    start("nginx", "nginx", |port, directory| {
        let configuration = format!(
            "daemon off; master_process off; pid {directory}/pid; error_log {directory}/errors;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {directory}; default_type text/plain;\n\
             server {{ listen 127.0.0.1:{port}; {directives} }} }}\n"
        );
        std::fs::write(format!("{directory}/nginx.conf"), configuration).unwrap();
        ["-p", directory, "-c", "nginx.conf", "-e", "errors"].map(str::to_owned).to_vec()
    })
}
