//! `graven serve` with a configuration file: what it prints of it, what it refuses, what changes at SIGHUP.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use support::{Ended, graven, root};
use tempfile::TempDir;

/// A folder with the text tables `a.data` and `b.data`, each with its name under the key `k`, and `graven.toml` with this text.
fn folder(config: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::write(folder.path().join(format!("{name}.data")), format!("k {name}\n")).unwrap();
    }
    let path = folder.path().join("graven.toml");
    fs::write(&path, config).unwrap();
    (folder, path)
}

/// Prints the configuration of `graven serve` with these arguments and variables.
fn print(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = graven();
    command.current_dir(folder).args(["serve", "--print-config"]).args(arguments);
    let output: Output = command.envs(variables.iter().copied()).output().unwrap();
    output.into()
}

/// A server with its log in a pipe.
struct LoggedServer {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl LoggedServer {
    fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = graven();
        command.current_dir(folder).arg("serve").args(arguments).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let Some(address) = out.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned())) else {
            let mut said = String::new();
            log.read_to_string(&mut said).unwrap();
            panic!("the server said {said}")
        };
        Self { child, log, address }
    }

    /// Sends SIGHUP, and gives the line of the log about what came of it.
    fn reload(&mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        self.logged("SIGHUP: ")
    }

    /// The next line of the log that holds `wanted`, without the fields behind its message.
    fn logged(&mut self, wanted: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended without {wanted}");
            if line.contains(wanted) {
                return line.split(" event=").next().unwrap().trim_end().to_owned();
            }
        }
    }

    /// The status and the body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        get(&mut TcpStream::connect(&self.address).unwrap(), path)
    }

    /// Waits until a path is answered so.
    fn until(&self, path: &str, wanted: (u16, &str)) {
        while self.get(path) != (wanted.0, wanted.1.to_owned()) {
            thread::yield_now();
        }
    }
}

impl Drop for LoggedServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks on a connection that stays open.
fn get(stream: &mut TcpStream, path: &str) -> (u16, String) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

const TABLES: &str = "[[tables]]\nfile = \"a.data\"\n";

#[test]
fn it_prints_every_option_with_where_it_comes_from_and_serves_nothing() {
    let (folder, _) = folder(&format!(
        "[limits]\nmax-connections = \"6k\"\nmax-output = 1024\nmax-pattern = \"2KiB\"\n{TABLES}"
    ));
    let variables = [
        ("GRAVEN_CONFIG", "graven.toml"),
        ("GRAVEN_MAX_OUTPUT", "2KiB"),
        ("GRAVEN_MAX_PATTERN", "3KiB"),
        ("GRAVEN_LISTEN", "127.0.0.1:1 unix:/a"),
        ("GRAVEN_MAX_CONNECTION", "7"),
        ("GRAVEN_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
    ];
    let printed = print(folder.path(), &["b.data", "--max-pattern", "4000"], &variables);
    assert_eq!(printed.status, Some(0), "{}", printed.err);
    for line in [
        "max-connections = 6000  # graven.toml:2",
        "max-output = \"2KiB\"  # environment",
        "max-pattern = 4000  # flag",
        "listen = [\"127.0.0.1:1\", \"unix:/a\"]  # environment",
        "http-max-head = \"32KiB\"  # default",
        "idle-timeout = \"none\"  # default",
        "# http-allow-origin: none  # default",
        "name = \"b\"  # argument",
        "name = \"a\"  # graven.toml:5",
        &format!("file = \"{}\"  # graven.toml:5", folder.path().join("a.data").display()),
    ] {
        assert!(printed.out.lines().any(|printed| printed == line), "{line} in {}", printed.out);
    }
    assert_eq!(
        printed.err,
        "graven: GRAVEN_MAX_CONNECTION sets no option of graven serve; did you mean GRAVEN_MAX_CONNECTIONS?\n"
    );
}

#[test]
fn what_it_prints_is_a_file_by_which_it_prints_the_same_and_serves() {
    let (folder, _) = folder(&format!("[all-tables]\ndefault = \"a\"\n{TABLES}"));
    let arguments = ["--config", "graven.toml", "--listen", "127.0.0.1:0", "b.data", "--log", "off"];
    let first = print(folder.path(), &arguments, &[]);
    fs::write(folder.path().join("again.toml"), &first.out).unwrap();
    let again = print(Path::new("/"), &["--config", folder.path().join("again.toml").to_str().unwrap()], &[]);
    let values = |printed: &Ended| {
        let lines = printed.out.lines().map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&first));
    let server = LoggedServer::start(folder.path(), &["--config", "again.toml"], &[]);
    assert_eq!(server.get("/?key=k"), (200, "a".into()));
    assert_eq!(server.get("/v1/tables/b/kv/k"), (200, "b".into()));
}

#[test]
fn what_is_wrong_ends_it_with_status_2_and_the_place() {
    let (folder, _) = folder(&format!("[limits]\nmax-connection = 7\n{TABLES}"));
    let refused = print(folder.path(), &["--config", "graven.toml"], &[]);
    let sentence = "graven: graven.toml:2:1: unknown key `max-connection` in [limits]; did you mean `max-connections`?\n";
    assert_eq!(refused, Ended { status: Some(2), out: String::new(), err: sentence.into() });
    let refused = print(folder.path(), &["a.data"], &[("GRAVEN_THREADS", "none")]);
    assert_eq!((refused.status, refused.out.as_str()), (Some(2), ""));
    assert!(refused.err.starts_with("graven: GRAVEN_THREADS: this is not a number"), "{}", refused.err);
    let refused = print(folder.path(), &[], &[]);
    assert!(refused.err.contains("there is nothing to serve"), "{}", refused.err);
}

#[test]
fn no_file_is_read_that_is_not_named() {
    let (folder, _) = folder("this is no configuration");
    assert_eq!(print(folder.path(), &["a.data"], &[]).status, Some(0));
}

#[test]
fn a_table_of_a_file_has_a_storage_of_its_own_and_a_root_may_give_one_table() {
    let (folder, _) = folder(
        "[network]\nlisten = \"127.0.0.1:0\"\n[[tables]]\nname = \"disk\"\nfile = \"a.graven\"\nstorage = \"disk\"\n\
         [[tables]]\nfile = \"b.data\"\n[[tables]]\nroot = \"root\"\nname = \"one\"\nredis = 5\n",
    );
    for arguments in [
        &["build", "a.data", "-o", "a.graven"][..],
        &["publish", "a.graven", "root/one"],
        &["publish", "a.graven", "root/two"],
    ] {
        assert!(graven().current_dir(folder.path()).args(arguments).output().unwrap().status.success());
    }
    let server = LoggedServer::start(folder.path(), &["--config", "graven.toml"], &[]);
    for table in ["disk", "one"] {
        server.until(&format!("/v1/tables/{table}/kv/k"), (200, "a"));
    }
    assert_eq!(server.get("/v1/tables/two/kv/k").0, 404);
    // Only what is on disk is read by reads of its own.
    let stats: serde_json::Value = serde_json::from_str(&server.get("/stats.json").1).unwrap();
    assert!(stats["disk_reads"].as_u64().unwrap() > 0, "{stats}");
    let mut redis = TcpStream::connect(&server.address).unwrap();
    redis.write_all(b"SELECT 5\r\nGET k\r\n").unwrap();
    let mut answer = [0; 12];
    redis.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n$1\r\na\r\n");
}

/// A configuration with the table `a`, which is the default, and with these lines besides.
fn config(options: &str, tables: &str) -> String {
    format!("[network]\nlisten = \"127.0.0.1:0\"\n[all-tables]\ndefault = \"a\"\n{options}{TABLES}{tables}")
}

#[test]
fn sighup_adds_and_removes_tables_under_load_without_a_failed_request() {
    let (folder, path) = folder(&config("", ""));
    let mut server = LoggedServer::start(folder.path(), &["--config", "graven.toml"], &[]);
    let (is_over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let ask = |address: String| {
        let mut stream = TcpStream::connect(address).unwrap();
        while !is_over.load(Ordering::Relaxed) {
            assert_eq!(get(&mut stream, "/?key=k"), (200, "a".to_owned()));
            let (status, body) = get(&mut stream, "/v1/tables/b/kv/k");
            assert!((status, body.as_str()) == (200, "b") || status == 404, "{status} {body}");
            asked.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let ask = &ask;
        let addresses = std::iter::repeat_n(server.address.clone(), 4);
        let asking: Vec<_> = addresses.map(|address| scope.spawn(move || ask(address))).collect();
        for _ in 0..20 {
            for (tables, said, status) in
                [("[[tables]]\nfile = \"b.data\"\n", "added b", 200), ("", "removed b", 404)]
            {
                fs::write(&path, config("", tables)).unwrap();
                let logged = server.reload();
                assert!(logged.ends_with(&format!("SIGHUP: the configuration was read: {said}")), "{logged}");
                assert_eq!(server.get("/v1/tables/b/kv/k").0, status);
                let before = asked.load(Ordering::Relaxed);
                let are_asking = || asking.iter().all(|asking| !asking.is_finished());
                while asked.load(Ordering::Relaxed) < before + 4 && are_asking() {
                    thread::yield_now();
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(server.get("/v1/tables/b/kv/k").1.starts_with("There is no such table"));
    assert!(server.reload().ends_with("nothing has changed"));
}

#[test]
fn what_is_wrong_at_sighup_changes_nothing_and_is_logged_with_its_line() {
    let (folder, path) = folder(&config("", "[[tables]]\nfile = \"b.data\"\n"));
    let mut server = LoggedServer::start(folder.path(), &["--config", "graven.toml"], &[]);
    for (text, says) in [
        ("[limits]\nnothing = 7\n".to_owned(), "SIGHUP: graven.toml:2:1: unknown key `nothing` in [limits]"),
        (String::new(), "SIGHUP: graven.toml: there is nothing to serve"),
        // The table b would be gone, and its successor cannot be opened.
        (config("", "[[tables]]\nfile = \"c.data\"\n"), "SIGHUP: graven.toml:7: c.data does not exist"),
        (
            config("", "[[tables]]\nroot = \"c\"\n"),
            "SIGHUP: graven.toml:7: cannot open the root c: no such file",
        ),
        (config("default = 7\n", ""), "SIGHUP: graven.toml:5:1: duplicate key"),
    ] {
        fs::write(&path, text).unwrap();
        let logged = server.reload();
        assert!(logged.contains(says) && logged.ends_with("; everything stays as it is"), "{logged}");
        assert_eq!(server.get("/v1/tables/b/kv/k"), (200, "b".into()));
    }
    fs::remove_file(&path).unwrap();
    let logged = server.reload();
    assert!(
        logged.contains("cannot read graven.toml: no such file or directory; everything stays"),
        "{logged}"
    );
    assert_eq!(server.get("/?key=k"), (200, "a".into()));
}

#[test]
fn what_can_change_at_sighup_does_and_the_rest_is_named() {
    let (folder, path) = folder(&config("", "[[tables]]\nfile = \"b.data\"\n"));
    let mut server = LoggedServer::start(folder.path(), &["--config", "graven.toml", "--cache", "9KiB"], &[]);
    let mut next = config("watch = true\n", "[[tables]]\nfile = \"b.data\"\n").replace("\"a\"", "\"b\"");
    next.push_str("[limits]\nmax-connections = 77\n[timeouts]\ndrain-timeout = 1\n[storage]\ncache = 1\n");
    fs::write(&path, &next).unwrap();
    let logged = server.reload();
    assert!(logged.ends_with("the configuration was read: changed default, watch"), "{logged}");
    // The cache is a flag, and stays what it is.
    assert!(server.logged("restart").ends_with("needs a restart: max-connections, drain-timeout"));
    assert_eq!(server.get("/?key=k"), (200, "b".into()));
    // What is watched now answers by another file, one that came before the reload as well.
    fs::write(folder.path().join("new"), "k other\n").unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("b.data")).unwrap();
    server.until("/?key=k", (200, "other"));
    // Another file for a table, and the level of the log.
    let next =
        next.replace("file = \"b.data\"", "name = \"b\"\nfile = \"a.data\"") + "[logs]\nlog = \"error\"\n";
    fs::write(&path, &next).unwrap();
    kill_process(Pid::from_child(&server.child), Signal::HUP).unwrap();
    server.until("/?key=k", (200, "a"));
    // Nothing but errors is logged from then on.
    fs::write(&path, "nothing").unwrap();
    let logged = server.reload();
    assert!(logged.contains("ERROR") && logged.contains("graven.toml:1:"), "{logged}");
}

#[test]
fn roots_come_and_go_at_sighup_and_a_file_comes_before_a_table_of_a_root() {
    let whole = "[[tables]]\nroot = \"root\"\n";
    let (folder, path) = folder(&config("", whole));
    for arguments in [
        &["build", "b.data", "-o", "b.graven"][..],
        &["publish", "b.graven", "root/r", "--as", "v1"],
        &["publish", "b.graven", "root/s"],
    ] {
        assert!(graven().current_dir(folder.path()).args(arguments).output().unwrap().status.success());
    }
    let mut server = LoggedServer::start(folder.path(), &["--config", "graven.toml"], &[]);
    server.until("/v1/tables/r/kv/k", (200, "b"));
    let reload = |server: &mut LoggedServer, options: &str, tables: &str| {
        fs::write(&path, config(options, tables)).unwrap();
        server.reload()
    };
    let file = format!("{whole}[[tables]]\nname = \"r\"\nfile = \"a.data\"\n");
    let logged = reload(&mut server, "", &file);
    assert!(logged.ends_with("added r"), "{logged}");
    assert_eq!(server.get("/v1/tables/r/kv/k"), (200, "a".into()));
    assert_eq!(server.get("/v1/tables/s/kv/k"), (200, "b".into()));
    // The root's own answers again.
    assert!(reload(&mut server, "", whole).ends_with("removed r"));
    server.until("/v1/tables/r/kv/k", (200, "b"));
    assert!(reload(&mut server, "hold = [\"r@v1\"]\npoll = 60\n", whole).ends_with("changed hold, poll"));
    assert!(reload(&mut server, "", whole).ends_with("changed hold, poll"));
    // One table is left of the root, and then none.
    let one = format!("{}name = \"s\"\n", whole);
    let logged = reload(&mut server, "", &one);
    assert!(logged.ends_with("added root; removed root"), "{logged}");
    assert_eq!((server.get("/v1/tables/r/kv/k").0, server.get("/v1/tables/s/kv/k").0), (404, 200));
    assert!(reload(&mut server, "", "").ends_with("removed root"));
    assert_eq!((server.get("/v1/tables/s/kv/k").0, server.get("/?key=k").0), (404, 200));
}

#[test]
fn the_example_of_the_page_is_a_configuration_that_sets_what_it_says() {
    let page = fs::read_to_string(root().join("docs/CONFIGURATION.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let (folder, path) = folder(example);
    let printed = print(folder.path(), &["--config", path.to_str().unwrap()], &[]);
    assert_eq!(printed.status, Some(0), "{}", printed.err);
    let from_file = printed.out.lines().filter(|line| line.contains("graven.toml:")).count();
    assert!(from_file >= 15, "{}", printed.out);
}
