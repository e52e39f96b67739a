//! Load balancers in front that say by a PROXY header whom they pass on.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use graven_access::{Access, FAILED_LOGINS_PER_SECOND_MAX, Token, Users};
use graven_catalog::Catalog;
use graven_format::Store;
use std::io::Read as _;

use crate::harness::{Server, Stream, serve, serve_users, socket_path, table, threads};

fn one_pair() -> Arc<Store> {
    table([(&b"k"[..], &b"value"[..])])
}

/// A header of version 2 for a client of this address, behind an extension.
fn header(peer: &str) -> Vec<u8> {
    let peer: SocketAddr = peer.parse().unwrap();
    let SocketAddr::V4(peer) = peer else { panic!("an IPv4 address") };
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12".to_vec();
    bytes.extend(peer.ip().octets());
    bytes.extend([198, 51, 100, 1]);
    bytes.extend(peer.port().to_be_bytes());
    bytes.extend([0x01, 0xbb]);
    bytes.extend(b"\x04\0\x03abc");
    bytes
}

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn ask(server: &Server, bytes: &[&[u8]]) -> String {
    let mut stream = server.connect();
    stream.send(&bytes.concat());
    stream.end_output();
    String::from_utf8(stream.rest()).unwrap()
}

/// Whether the server closes the connection without a word.
fn is_closed(mut stream: Stream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => rest.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset && rest.is_empty(),
    }
}

#[test]
fn every_protocol_is_answered_behind_a_header_of_either_version() {
    serve(&one_pair(), &threads(1), &["127.0.0.1:0?proxy=required"], |server| {
        let line = b"PROXY TCP6 2001:db8::7 ::1 50000 443\r\n";
        for header in [&header("192.0.2.7:50000"), LOCAL, line, b"PROXY UNKNOWN\r\n"] {
            assert_eq!(ask(server, &[header, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"]), "$5\r\nvalue\r\n");
            assert_eq!(ask(server, &[header, b"get k\r\n"]), "VALUE k 0 5\r\nvalue\r\nEND\r\n");
            let answer = ask(server, &[header, b"GET /?key=k HTTP/1.0\r\n\r\n"]);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("value"), "{answer}");
        }
        let mut stream = server.connect();
        for byte in [&header("192.0.2.7:50000")[..], b"get k\r\n"].concat().chunks(1) {
            stream.send(byte);
        }
        assert_eq!(stream.exactly(25), b"VALUE k 0 5\r\nvalue\r\nEND\r\n"[..25]);
        // More than a read takes comes in one piece with the header.
        let requests = b"get k\r\n".repeat(100_000);
        let answers = std::thread::scope(|scope| {
            let mut stream = server.connect();
            let Stream::Tcp(tcp) = &stream else { panic!("a TCP stream") };
            let mut writer = tcp.try_clone().unwrap();
            let sent = [&header("192.0.2.7:50000")[..], &requests].concat();
            scope.spawn(move || {
                use std::io::Write as _;
                writer.write_all(&sent).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            stream.rest()
        });
        assert!(answers == b"VALUE k 0 5\r\nvalue\r\nEND\r\n".repeat(100_000));
    });
}

#[test]
fn the_announced_peer_is_the_one_that_is_listed_and_killed() {
    serve(&one_pair(), &threads(2), &["127.0.0.1:0?proxy=required"], |server| {
        let mut announced = server.connect();
        announced.send(&[&header("192.0.2.7:50000")[..], b"*1\r\n$4\r\nPING\r\n"].concat());
        assert_eq!(announced.exactly(7), b"+PONG\r\n");
        let list = ask(server, &[LOCAL, b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n"]);
        assert!(list.contains(" addr=192.0.2.7:50000 laddr=198.51.100.1:443 "), "{list}");
        assert!(list.contains(" addr=127.0.0.1:"), "the check of the balancer itself is its own: {list}");
        let kill = b"*4\r\n$6\r\nCLIENT\r\n$4\r\nKILL\r\n$4\r\nADDR\r\n$15\r\n192.0.2.7:50000\r\n";
        assert_eq!(ask(server, &[LOCAL, kill]), ":1\r\n");
        assert_eq!(announced.rest(), b"");
    });
}

#[test]
fn the_announced_peer_is_known_before_its_first_request() {
    serve(&one_pair(), &threads(1), &["127.0.0.1:0?proxy=required"], |server| {
        let mut silent = server.connect();
        silent.send(&header("192.0.2.8:50000"));
        loop {
            let list = ask(server, &[LOCAL, b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n"]);
            if list.contains(" addr=192.0.2.8:50000 ") {
                break;
            }
        }
    });
}

#[test]
fn guesses_count_for_the_announced_peer_and_not_for_the_balancer() {
    let token = "t".repeat(40);
    let digest = Token::chosen(&token).unwrap().digest();
    let access = Access::new(
        Users::from_toml(&format!("[[users]]\nname = \"shop\"\ntoken = \"{digest}\"\n")).unwrap(),
    );
    let catalog = Catalog::new("table", "only", one_pair());
    serve_users(&catalog, &access, &threads(1), &["127.0.0.1:0?proxy=required"], |server| {
        let guesses = "*2\r\n$4\r\nAUTH\r\n$5\r\nguess\r\n".repeat(5 * FAILED_LOGINS_PER_SECOND_MAX as usize);
        let answers = ask(server, &[&header("192.0.2.7:50000"), guesses.as_bytes()]);
        assert!(answers.contains("too many logins of this address"), "{answers}");
        // In the same second.
        let login = format!("*2\r\n$4\r\nAUTH\r\n$40\r\n{token}\r\nGET k\r\n");
        assert_eq!(ask(server, &[&header("192.0.2.8:50000"), login.as_bytes()]), "+OK\r\n$5\r\nvalue\r\n");
        assert_eq!(ask(server, &[LOCAL, login.as_bytes()]), "+OK\r\n$5\r\nvalue\r\n");
    });
}

#[test]
fn who_begins_without_a_header_or_is_no_trusted_source_is_closed_without_a_word() {
    let endpoints = [
        "127.0.0.1:0?proxy=required",
        "127.0.0.1:0?proxy=required&from=10.0.0.0/8",
        "127.0.0.1:0?from=127.0.0.1&proxy=required",
    ];
    serve(&one_pair(), &threads(1), &endpoints, |server| {
        let longest = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 100][..]].concat();
        let first: [&[u8]; 6] = [
            b"get k\r\n",
            b"GET /?key=k HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01",
            b"PROXY nothing\r\n",
            &longest,
            &[b'P'; 9],
        ];
        for bytes in first {
            let mut stream = server.connect();
            stream.send(bytes);
            assert!(is_closed(stream), "{}", bytes.escape_ascii());
        }
        let mut untrusted = Stream::connect(&server.endpoints[1]);
        untrusted.send(&[&header("192.0.2.7:50000")[..], b"get k\r\n"].concat());
        assert!(is_closed(untrusted));
        // At once, though it sends nothing.
        assert!(is_closed(Stream::connect(&server.endpoints[1])));
        let mut trusted = Stream::connect(&server.endpoints[2]);
        trusted.send(&[&header("192.0.2.7:50000")[..], b"get k\r\n"].concat());
        assert_eq!(trusted.exactly(5), b"VALUE");
        let metrics = ask(server, &[LOCAL, b"GET /metrics HTTP/1.0\r\n\r\n"]);
        assert!(metrics.contains("\ngraven_protocol_errors_total 8\n"), "{metrics}");
    });
}

#[test]
fn over_a_unix_socket_every_header_is_believed() {
    let endpoint = format!("unix:{}?proxy=required", socket_path().display());
    serve(&one_pair(), &threads(1), &[&endpoint], |server| {
        let list = ask(server, &[&header("192.0.2.7:50000"), b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n"]);
        assert!(list.contains(" addr=192.0.2.7:50000 "), "{list}");
        let list = ask(server, &[LOCAL, b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n"]);
        assert!(list.contains(" addr=unix:0 "), "{list}");
    });
}

#[test]
fn a_header_that_does_not_become_whole_is_waited_for_as_long_as_a_handshake() {
    let mut options = threads(1);
    options.tls.handshake_timeout = Duration::from_secs(1);
    serve(&one_pair(), &options, &["127.0.0.1:0?proxy=required"], |server| {
        let whole = header("192.0.2.7:50000");
        let mut waiting = Vec::new();
        for end in 0..whole.len() {
            let mut stream = server.connect();
            stream.send(&whole[..end]);
            waiting.push(stream);
        }
        assert!(waiting.into_iter().all(is_closed));
    });
}
