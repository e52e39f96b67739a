//! `graven serve` as a process: what it says, how it refuses to start, how it stops.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{
    Serving, assert_refused, carved, example_data, example_pairs, file_with, graven, run, run_with_input,
};

/// Sends `request` on a connection of its own and gives the whole answer.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The body that comes for `key`.
fn value_of(address: &str, key: &str) -> String {
    let answer = ask(address, &format!("GET /?key={key} HTTP/1.0\r\n\r\n"));
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn it_says_what_it_loaded_and_where_it_listens() {
    let path = example_data();
    let serving = Serving::start(&[&path]);
    let [line] = &serving.said[..] else { panic!("{:?}", serving.said) };
    let rest =
        line.strip_prefix(&format!("loaded {}: 10000 pairs, 0.7 MB of text, in ", path.display())).unwrap();
    let (seconds, rest) = rest.split_once(" s, ").unwrap();
    assert!(seconds.parse::<f64>().unwrap() < 10.0);
    let megabytes: f64 = rest.strip_suffix(" MB resident").unwrap().parse().unwrap();
    assert!((1.0..100.0).contains(&megabytes), "{line}");
    let port = serving.address().strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
}

#[test]
fn it_listens_on_every_address_that_it_is_told() {
    let (directory, path) = file_with(b"a 1\n");
    let socket = directory.path().join("graven.sock");
    let unix = format!("unix:{}", socket.display());
    let arguments = [
        path.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "http://127.0.0.1:0",
        "--listen",
        &unix,
    ];
    let serving = Serving::start(&arguments);
    assert_eq!(value_of(&serving.endpoints[0], "a"), "1");
    assert_eq!(value_of(serving.endpoints[1].strip_prefix("http://").unwrap(), "a"), "1");
    assert_eq!(serving.endpoints[2], unix);
    assert!(socket.exists());
}

#[test]
fn it_says_a_command_with_which_a_key_of_the_table_can_be_asked_for() {
    let (_directory, carved) = carved(&example_data(), &[]);
    for path in [example_data(), carved] {
        let serving = Serving::start(&[&path]);
        let line = serving.try_line();
        let start = format!("curl 'http://{}/?key=", serving.address());
        let key = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix('\'')).expect(&line);
        let (_, value) = example_pairs().into_iter().find(|(there, _)| there == key).expect(key);
        assert_eq!(value_of(serving.address(), key), value);
    }
}

#[test]
fn a_table_may_come_from_standard_input() {
    let serving = Serving::start_with_input(&["-"], b"a 1\nb 2\n");
    assert!(serving.said[0].starts_with("loaded standard input: 2 pairs, "), "{:?}", serving.said);
    assert_eq!(value_of(serving.address(), "b"), "2");
}

#[test]
fn the_last_of_a_keys_values_counts_unless_told_otherwise_and_the_rest_are_counted() {
    let (_directory, path) = file_with(b"a 1\nb 2\na 3\na 4\n");
    let path = path.to_str().unwrap();
    for (arguments, value, said) in [
        (&[path][..], "4", "2 pairs were replaced, because their key came again"),
        (&[path, "--duplicates", "last"], "4", "2 pairs were replaced, because their key came again"),
        (&[path, "--duplicates", "first"], "1", "2 pairs were skipped, because their key had come before"),
    ] {
        let serving = Serving::start(arguments);
        assert_eq!(value_of(serving.address(), "a"), value);
        assert!(serving.said[0].contains(": 2 pairs, "), "{:?}", serving.said);
        assert_eq!(serving.said[1], said);
    }
    let advice = "keep one of its values with `--duplicates last` or `--duplicates first`";
    assert_refused(
        &["serve", path, "--listen", "127.0.0.1:0", "--duplicates", "error"],
        &format!("{path}: the key a comes more than once; {advice}"),
    );
}

#[test]
fn a_table_without_duplicates_says_nothing_about_them() {
    let (_directory, path) = file_with(b"a 1\nb 2\n");
    assert_eq!(Serving::start(&[&path]).said.len(), 1);
}

#[test]
fn the_log_goes_to_standard_error_and_is_as_long_as_told() {
    for (level, lines) in [("info", 2), ("off", 0)] {
        let mut child = graven()
            .args(["serve", "-", "--listen", "127.0.0.1:0", "--log", level])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"a 1\n").unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line.starts_with("listening on ")));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(log.lines().count(), lines, "{level}: {log}");
    }
}

#[test]
fn the_log_says_why_a_connection_without_a_trusted_proxy_header_is_closed() {
    let endpoints = ["127.0.0.1:0?proxy=required", "127.0.0.1:0?proxy=required&from=10.0.0.0/8"];
    let mut child = graven()
        .args(["serve", "-", "--listen", endpoints[0], "--listen", endpoints[1]])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a 1\n").unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    said.next().unwrap();
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 50000 80\r\n";
    let bad_request = "GET / HTTP/9.9\r\n\r\n";
    let mut peers = Vec::new();
    for (endpoint, sent) in [
        (0, bad_request.to_owned()),
        (1, format!("{header}get a\r\n")),
        (0, format!("{header}{bad_request}")),
    ] {
        while peers.len() <= endpoint {
            let line = said.next().unwrap();
            peers.push(line["listening on ".len()..].split('?').next().unwrap().to_owned());
        }
        let mut stream = TcpStream::connect(&peers[endpoint]).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        // Bytes that nobody has read make the end of the connection a reset.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let closed: Vec<&str> = log.lines().filter(|line| line.contains("connection closed: ")).collect();
    let [missing, untrusted, behind] = closed[..] else { panic!("{log}") };
    assert!(
        missing.contains("it begins with no PROXY header") && missing.contains("peer=\"127.0.0.1:"),
        "{log}"
    );
    let reason = "it is none of the sources whose PROXY headers are trusted";
    assert!(untrusted.contains(reason) && untrusted.contains("peer=\"127.0.0.1:"), "{log}");
    assert!(behind.contains("peer=\"192.0.2.7:50000\""), "{log}");
}

#[test]
fn a_log_of_json_has_an_object_a_line() {
    let mut child = graven()
        .args(["serve", "-", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a 1\n").unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().starts_with("loaded standard input: 1 pair, "));
    let listening = said.next().unwrap();
    let address = listening.strip_prefix("listening on ").unwrap();
    // What a peer did is logged with the peer.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"\x16\x03\x01").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let closed = messages[1];
    assert!(closed.starts_with("connection closed: "), "{closed}");
    assert_eq!(messages, ["serving", closed, "stopped"]);
    assert!(lines.iter().all(|line| line["level"] == "INFO" && line["timestamp"].is_string()), "{log}");
    assert_eq!((&lines[0]["listening"], &lines[0]["pairs"]), (&address.into(), &1.into()));
    assert!(lines[1]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{log}");
}

#[test]
fn a_signal_ends_it_with_status_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let serving = Serving::start(&[example_data()]);
        serving.signal(signal);
        assert_eq!(serving.ended(), Some(0));
    }
}

#[test]
fn a_signal_lets_a_request_in_flight_finish_and_accepts_no_more() {
    let (_directory, path) = file_with(b"a 1\n");
    let serving = Serving::start(&[&path]);
    let address = serving.address().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /?key=a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /?key=a HT").unwrap();
    // The first answer shows that the server holds the beginning of the second request.
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n\r\n1") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        first.push(byte[0]);
    }
    serving.signal(Signal::TERM);
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(b"TP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut second = String::new();
    reader.read_to_string(&mut second).unwrap();
    assert!(second.starts_with("HTTP/1.1 200 ") && second.ends_with("\r\n\r\n1"), "{second}");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_directory, path) = file_with(b"a 1\n");
    let serving = Serving::start(&[&path]);
    let address = serving.address().to_owned();
    // A request that never comes to its end keeps the server draining.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /?key=a HTTP/1.1\r\nHost: localhost\r\n\r\nGET").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    serving.signal(Signal::INT);
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    serving.signal(Signal::INT);
    // Ended by the signal, and not by itself.
    assert_eq!(serving.ended(), None);
}

#[test]
fn a_taken_port_is_named_with_the_next_step() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let next = taken.port().checked_add(1).unwrap_or(0);
    assert_refused(
        &["serve", example_data().to_str().unwrap(), "--listen", &taken.to_string()],
        &format!(
            "{taken} is in use by another process; stop that process, or try `--listen 127.0.0.1:{next}`"
        ),
    );
}

#[test]
fn a_taken_port_is_told_before_the_table_is_read() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let refused = run(&["serve", "nowhere.data", "--listen", &taken]);
    assert!(refused.err.contains("is in use by another process"), "{}", refused.err);
}

#[test]
fn an_address_of_another_machine_is_named_with_the_next_step() {
    assert_refused(
        &["serve", example_data().to_str().unwrap(), "--listen", "192.0.2.1:8000"],
        "192.0.2.1:8000 is not an address of this machine; try `--listen 127.0.0.1:8000`, or an address that \
         `ip address` lists",
    );
}

#[test]
fn an_address_that_is_none_is_status_2() {
    for (address, problem) in [
        ("127.0.0.1", "the port is missing; write it as in 127.0.0.1:8000"),
        ("http://127.0.0.1:1/v1", "/v1 is not used here; leave it out"),
        ("redis://:secret@127.0.0.1:1", "a user or password is not used here; leave it out"),
        ("resp://127.0.0.1:1?tabel=a", "the parameter tabel is not known here; leave it out"),
        (
            "https://127.0.0.1:1?tls=off",
            "the parameter tls: the scheme says that TLS is spoken, and this something else; leave one of them out",
        ),
    ] {
        let refused = run(&["serve", example_data().to_str().unwrap(), "--listen", address]);
        assert_eq!(refused.status, Some(2));
        assert!(refused.err.contains(&format!("'--listen <ADDRESS>': {problem}\n")), "{}", refused.err);
    }
}

#[test]
fn a_file_that_is_missing_is_named_with_the_next_step() {
    assert_refused(
        &["serve", "nowhere.data", "--listen", "127.0.0.1:0"],
        "nowhere.data does not exist; check the path, or make a sample with `graven gen -n 10000 -o nowhere.data`",
    );
}

#[test]
fn a_directory_of_files_is_no_root() {
    let (directory, _path) = file_with(b"");
    let directory = directory.path().to_str().unwrap();
    assert_refused(
        &["serve", directory, "--listen", "127.0.0.1:0"],
        &format!(
            "{directory} is a directory with files and no tables; name one file in it, or make it a root with `graven \
             publish FILE {directory}/TABLE`"
        ),
    );
}

#[test]
fn a_file_without_pairs_is_nothing_to_serve() {
    for (bytes, what) in [(&b""[..], "is empty"), (b"\n\r\n\n", "holds only empty lines")] {
        let (_directory, path) = file_with(bytes);
        let path = path.to_str().unwrap();
        assert_refused(
            &["serve", path, "--listen", "127.0.0.1:0"],
            &format!(
                "{path} {what}, so there is nothing to serve; write one `key value` pair a line into it"
            ),
        );
    }
    let refused = run_with_input(&["serve", "-", "--listen", "127.0.0.1:0"], b"");
    assert!(refused.err.starts_with("graven: standard input is empty, "), "{}", refused.err);
}

#[test]
fn a_bad_line_is_named_with_file_line_and_reason() {
    let long_key = [&b"a 1\nb 2\n"[..], &[b'k'; 65_537], b" v\n"].concat();
    for (bytes, place) in [
        (&b"a 1\n\n\tb\n"[..], "3: the line begins with a separator; a key must come first"),
        (&long_key, "3: the key is longer than 65536 bytes"),
    ] {
        let (_directory, path) = file_with(bytes);
        let path = path.to_str().unwrap();
        assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &format!("{path}:{place}"));
    }
    let refused = run_with_input(&["serve", "-", "--listen", "127.0.0.1:0"], b"a 1\n b\n");
    assert_eq!(
        refused.err,
        "graven: standard input:2: the line begins with a separator; a key must come first\n"
    );
}

#[test]
fn a_file_that_cannot_be_read_any_further_is_named() {
    // The memory of a process is a file whose first page nobody can read.
    assert_refused(
        &["serve", "/proc/self/mem", "--listen", "127.0.0.1:0"],
        "/proc/self/mem:1: cannot read further: input/output error",
    );
}

#[test]
fn a_file_that_this_user_may_not_read_is_named_with_the_next_step() {
    let (directory, path) = file_with(b"a 1\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = graven();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // Root may read everything, so another user has to try, with a binary that this user can reach.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let reachable = directory.path().join("graven");
        // By a process of its own: a file that this one has open for writing cannot be run by a fork of another test.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_graven")).arg(&reachable).status().unwrap();
        assert!(copied.success());
        command = Command::new(reachable);
        command.uid(65534).gid(65534).current_dir("/");
    }
    let output = command.arg("serve").arg(&path).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    let path = path.display();
    let sentence =
        format!("{path} may not be read by this user; allow it with `chmod a+r {path}` or run as its owner");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("graven: {sentence}\n"));
    assert_eq!(output.status.code(), Some(2));
}

/// A server that reads its table from a pipe which says nothing yet, and the path of its Unix socket, which it answers on.
fn waiting_for_its_table(directory: &Path) -> (Child, PathBuf) {
    let socket = directory.join("graven.sock");
    let child = graven()
        .args(["serve", "-", "--listen", &format!("unix:{}", socket.display())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while UnixStream::connect(&socket).is_err() {
        std::thread::yield_now();
    }
    (child, socket)
}

/// Sends `request` over a connection of its own and gives the whole answer.
fn ask_at(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn while_a_text_loads_the_server_lives_and_says_that_it_loads() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, socket) = waiting_for_its_table(directory.path());
    let get = "GET /?key=a HTTP/1.0\r\n\r\n";
    let loading = ask_at(&socket, get);
    assert!(loading.starts_with("HTTP/1.1 503 ") && loading.contains("\r\nRetry-After: 1\r\n"), "{loading}");
    assert!(ask_at(&socket, "GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok"));
    assert!(ask_at(&socket, "GET a\r\nQUIT\r\n").starts_with("-LOADING "));
    assert!(ask_at(&socket, "get a\r\nquit\r\n").starts_with("SERVER_ERROR "));

    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a 1\nb 2").unwrap();
    assert_eq!(ask_at(&socket, get), loading, "half a text answers nothing");
    drop(stdin);
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().starts_with("loaded standard input: 2 pairs, "));
    assert_eq!(said.next().unwrap(), format!("listening on unix:{}", socket.display()));
    assert!(ask_at(&socket, get).ends_with("\r\n\r\n1"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_text_that_cannot_be_loaded_ends_the_server_with_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, socket) = waiting_for_its_table(directory.path());
    // It is told that it is over, and does not wait for this one.
    let mut idle = UnixStream::connect(&socket).unwrap();
    child.stdin.take().unwrap().write_all(b"a 1\n b\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let reason = "standard input:2: the line begins with a separator; a key must come first";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("graven: {reason}\n"));
    assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert!(!socket.exists());
}

#[test]
fn a_signal_ends_a_server_that_loads_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, _socket) = waiting_for_its_table(directory.path());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_host_that_is_refused_is_told_the_flag_that_allows_it() {
    let (_directory, path) = file_with(b"a 1\n");
    let request = "GET /?key=a HTTP/1.1\r\nHost: graven.example:80\r\nConnection: close\r\n\r\n";
    let path = path.to_str().unwrap();
    let refused = ask(Serving::start(&[path]).address(), request);
    let (_, flag) = refused.split_once("start the server with `").unwrap();
    let flag: Vec<&str> = flag.strip_suffix('`').unwrap().split(' ').collect();
    assert!(refused.starts_with("HTTP/1.1 421 "), "{refused}");
    let allowed = ask(Serving::start(&[path, flag[0], flag[1]]).address(), request);
    assert!(allowed.starts_with("HTTP/1.1 200 "), "{allowed}");
}

#[test]
fn values_carry_the_content_type_that_was_said() {
    let (_directory, path) = file_with(b"a {\"b\":1}\n");
    let serving = Serving::start(&[path.to_str().unwrap(), "--content-type", "application/json"]);
    let answer = ask(serving.address(), "GET /?key=a HTTP/1.0\r\n\r\n");
    assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{answer}");
}

#[test]
fn a_failed_start_leaves_no_socket_file() {
    let (directory, path) = file_with(b"");
    let socket = directory.path().join("graven.sock");
    let unix = format!("unix:{}", socket.display());
    assert_eq!(run(&["serve", path.to_str().unwrap(), "--listen", &unix]).status, Some(2));
    assert!(!Path::new(&socket).exists());
}
