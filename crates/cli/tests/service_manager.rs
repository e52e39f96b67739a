//! A server under a service manager: sockets that are handed over and kept from one process to the next, and news of when it is
//! ready and when it ends. What systemd does is done here by a shell and a datagram socket.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{carved, example_data, graven, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// `graven serve` with `arguments`, to which `socket` is handed over as a service manager does it.
fn serve_with_socket(socket: OwnedFd, arguments: &[&str]) -> Command {
    // The descriptors that are handed over begin at 3, and their process is named.
    let script = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 </dev/null"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(graven().get_program());
    command.args(["serve", "--log", "error"]).args(arguments);
    command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn end(mut child: Child) {
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Asks for a key of the example over a connection that may have been made before anybody could answer.
fn answer_on(mut connection: impl Read + Write) -> String {
    connection
        .write_all(b"GET /?key=53175d61-490b-43df-a1da-6f3dc380d507 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn connections_that_come_between_two_servers_are_answered_by_the_next() {
    let (_directory, table) = carved(&example_data(), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for _ in 0..3 {
        let early = TcpStream::connect(&address).unwrap();
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = listener.try_clone().unwrap().into();
        let mut server = serve_with_socket(socket, &["--listen", &address, table.to_str().unwrap()]);
        let server = server.spawn().unwrap();
        assert!(answer_on(early).ends_with("c yuarj f owzuwsxqz"));
        end(server);
    }
}

#[test]
fn a_unix_socket_that_was_handed_over_keeps_its_file() {
    let (directory, table) = carved(&example_data(), &[]);
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let endpoint = format!("unix:{}", path.display());
    for _ in 0..2 {
        let early = UnixStream::connect(&path).unwrap();
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = listener.try_clone().unwrap().into();
        let mut server = serve_with_socket(socket, &["--listen", &endpoint, table.to_str().unwrap()]);
        let server = server.spawn().unwrap();
        assert!(answer_on(early).ends_with("c yuarj f owzuwsxqz"));
        end(server);
        assert!(path.exists());
    }
}

#[test]
fn a_socket_that_no_option_names_is_refused_with_what_to_type() {
    let (_directory, table) = carved(&example_data(), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = listener.try_clone().unwrap().into();
    let mut refused = serve_with_socket(socket, &["--listen", "127.0.0.1:0", table.to_str().unwrap()]);
    let refused = refused.output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("listens on {address}, and nothing is to listen there")), "{said}");
    assert!(said.contains(&format!("add `--listen {address}`")), "{said}");
}

#[test]
fn what_is_handed_over_and_is_no_listening_stream_is_refused() {
    let (directory, table) = carved(&example_data(), &[]);
    let no_socket = fs::File::open(directory.path()).unwrap();
    let datagrams = UnixDatagram::bind(directory.path().join("datagrams")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (pair, _other) = UnixStream::pair().unwrap();
    let wrong: [(OwnedFd, &str); 4] = [
        (no_socket.into(), "is not a socket"),
        (datagrams.into(), "is not a valid unix stream socket"),
        (connected.into(), "it does not listen"),
        (pair.into(), "it does not listen"),
    ];
    for (wrong, why) in wrong {
        let mut refused = serve_with_socket(wrong, &["--listen", "127.0.0.1:0", table.to_str().unwrap()]);
        let refused = refused.output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            said.contains("socket 1 of those that the service manager hands over cannot be used")
                && said.contains(why),
            "{said}"
        );
    }
}

#[test]
fn sockets_for_another_process_or_for_none_by_name_are_left_alone() {
    let (_directory, table) = carved(&example_data(), &[]);
    for process in [Some("1"), Some("no number"), Some(""), None] {
        // A file is no socket, and would be refused.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3</dev/null"#, "sh"]).arg(graven().get_program());
        command.args(["serve", "--listen", "127.0.0.1:0"]).arg(&table).arg("--print-config");
        command.env("LISTEN_FDS", "1").env_remove("LISTEN_PID");
        command.envs(process.map(|process| ("LISTEN_PID", process)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{process:?}: {said}");
    }
}

/// A server that says on a socket of this test what it says to a service manager.
fn serve_with_news(folder: &Path, arguments: &[&str]) -> (Child, UnixDatagram) {
    let path = folder.join("notify");
    let news = UnixDatagram::bind(&path).unwrap();
    news.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = graven();
    command.env("NOTIFY_SOCKET", &path).args(["serve", "--log", "error", "--listen", "127.0.0.1:0"]);
    let server = command.args(arguments).stdout(Stdio::null()).spawn().unwrap();
    (server, news)
}

fn next(news: &UnixDatagram) -> String {
    let mut room = [0; 1024];
    let bytes = news.recv(&mut room).unwrap();
    String::from_utf8(room[..bytes].to_vec()).unwrap()
}

#[test]
fn a_service_manager_hears_ready_when_a_table_answers_and_stopping_at_the_end() {
    let (directory, table) = carved(&example_data(), &[]);
    let (server, news) = serve_with_news(directory.path(), &[table.to_str().unwrap()]);
    assert!(next(&news).starts_with("READY=1\n"));
    end(server);
    assert!(next(&news).starts_with("STOPPING=1\n"));
}

#[test]
fn a_server_of_a_root_without_a_version_is_not_ready_before_one_is_published() {
    let (directory, table) = carved(&example_data(), &[]);
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("ids")).unwrap();
    let (server, news) = serve_with_news(directory.path(), &["--poll", "100ms", root.to_str().unwrap()]);
    assert!(next(&news).starts_with("STATUS=waiting"));
    let ids = root.join("ids");
    assert_eq!(run(&["publish", table.to_str().unwrap(), ids.to_str().unwrap()]).status, Some(0));
    assert!(next(&news).starts_with("READY=1\n"));
    end(server);
}
