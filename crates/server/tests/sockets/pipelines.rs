//! Clients that send long pipelines before they read, and clients that never read: everything is answered within the limits,
//! and beyond them the peer is told.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use graven_format::Store;

use crate::harness::{Server, Stream, serve, serve_from_everywhere, table, threads};

const VALUE: &[u8] = &[b'v'; 200];

fn store() -> Arc<Store> {
    table([(&b"key"[..], VALUE)])
}

/// A request for the one key in each protocol, and its answer up to a header that changes.
fn languages() -> [(&'static [u8], Vec<u8>); 3] {
    let value = std::str::from_utf8(VALUE).unwrap();
    [
        (b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", format!("$200\r\n{value}\r\n").into_bytes()),
        (b"get key\r\n", format!("VALUE key 0 200\r\n{value}\r\nEND\r\n").into_bytes()),
        (b"GET /?key=key HTTP/1.1\r\nHost: localhost\r\n\r\n", format!("200\r\n\r\n{value}").into_bytes()),
    ]
}

#[test]
fn a_pipeline_that_is_sent_whole_before_anything_is_read_is_answered_to_the_end() {
    let count = 60_000;
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for (request, answer) in languages() {
            let mut stream = server.connect();
            // All answers are as long as the first; those of HTTP have a date in their heads.
            stream.send(request);
            let first = stream.until(&answer);
            stream.send(&request.repeat(count));
            for _ in 0..count / 100 {
                let hundred = stream.exactly(first.len() * 100);
                assert!(hundred.chunks(first.len()).all(|one| one.ends_with(&answer)));
            }
        }
    });
}

#[test]
fn a_transaction_of_many_commands_that_is_sent_whole_is_answered_to_the_end() {
    let count = 100_000;
    let (get, value) = &languages()[0];
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let commands = [b"MULTI\r\n".as_slice(), &get.repeat(count), b"EXEC\r\nPING\r\n"].concat();
        stream.send(&commands);
        assert_eq!(stream.until(b"\r\n"), b"+OK\r\n");
        for _ in 0..count {
            assert_eq!(stream.exactly(9), b"+QUEUED\r\n");
        }
        assert_eq!(stream.until(b"\r\n"), format!("*{count}\r\n").as_bytes());
        for _ in 0..count {
            assert!(stream.exactly(value.len()) == *value);
        }
        assert_eq!(stream.until(b"\r\n"), b"+PONG\r\n");
    });
}

/// Sends `request` again and again without reading, as much as `bytes_max`, unless the server takes no more for a long while or
/// closes; how many bytes it took.
fn pour(stream: &mut Stream, request: &[u8], bytes_max: usize) -> usize {
    let Stream::Tcp(tcp) = stream else { panic!("a TCP stream") };
    tcp.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let many = request.repeat(1_000);
    let mut sent = 0;
    while sent < bytes_max {
        match tcp.write(&many[sent % many.len()..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => break,
            Err(error) => panic!("{error}"),
        }
    }
    tcp.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    sent
}

fn still_answers(server: &Server) {
    let mut other = server.connect();
    other.send(b"GET key\r\n");
    assert!(other.exactly(208).starts_with(b"$200\r\n"));
}

#[test]
fn a_peer_that_reads_nothing_is_read_from_as_far_as_its_limit_and_then_told() {
    let mut options = threads(1);
    options.limits.connection_buffered_bytes_max = 2 << 20;
    options.timeouts.stalled = Duration::from_millis(200);
    let told = [
        &b"-ERR as many requests wait"[..],
        b"SERVER_ERROR as many requests wait",
        b"HTTP/1.1 503 Service Unavailable\r\n",
    ];
    serve(&store(), &options, &["127.0.0.1:0"], |server| {
        for ((request, _), told) in languages().into_iter().zip(told) {
            let mut stream = server.connect();
            // Far more than may wait here and in the system's buffers: the peer comes to its end because what it sends is
            // thrown away once it was told.
            let sent = pour(&mut stream, request, 64 << 20);
            assert!(sent >= 64 << 20, "the peer was left waiting after {sent} bytes");
            still_answers(server);
            stream.end_output();
            let answers = stream.rest();
            let last = &answers[answers.len().saturating_sub(400)..];
            let is_told = last.windows(told.len()).any(|part| part == told);
            assert!(answers.len() < 32 << 20, "{} bytes were answered", answers.len());
            assert!(is_told, "{} does not tell it", last.escape_ascii());
        }
    });
}

#[test]
fn a_peer_that_reads_slowly_is_slowed_down_and_loses_nothing() {
    let count = 60_000;
    let mut options = threads(1);
    options.limits.connection_buffered_bytes_max = 256 << 10;
    options.timeouts.stalled = Duration::from_secs(10);
    let (get, value) = &languages()[0];
    serve(&store(), &options, &["127.0.0.1:0"], |server| {
        let stream = server.connect();
        let Stream::Tcp(tcp) = stream else { panic!("a TCP stream") };
        let mut reader = tcp.try_clone().unwrap();
        std::thread::scope(|scope| {
            let mut writer = tcp;
            scope.spawn(move || writer.write_all(&get.repeat(count)).unwrap());
            let mut room = vec![0; value.len() * 60];
            for _ in 0..count / 60 {
                reader.read_exact(&mut room).unwrap();
                assert!(room.chunks(value.len()).all(|answer| answer == value));
            }
        });
    });
}

#[test]
fn when_all_hold_too_much_the_one_that_holds_most_is_told_and_newcomers_are_answered() {
    // Kept queued in transactions, requests cannot be put off by not reading on.
    let mut options = threads(2);
    options.limits.buffered_bytes_max = 4 << 20;
    serve(&store(), &options, &["127.0.0.1:0"], |server| {
        let mut modest: Vec<Stream> = (0..4).map(|_| server.connect()).collect();
        for stream in &mut modest {
            stream.send(b"MULTI\r\nGET key\r\n");
            assert_eq!(stream.exactly(14), b"+OK\r\n+QUEUED\r\n");
        }
        let mut greedy = server.connect();
        greedy.send(b"MULTI\r\n");
        assert_eq!(greedy.until(b"\r\n"), b"+OK\r\n");
        let queue = languages()[0].0.repeat(10_000);
        let mut taken = 0;
        let told = 'told: loop {
            greedy.send(&queue);
            for _ in 0..10_000 {
                let line = greedy.until(b"\r\n");
                if line != b"+QUEUED\r\n" {
                    break 'told line;
                }
                taken += 1;
            }
            assert!(taken < 1_000_000, "more than the limit is held");
        };
        assert!(told.starts_with(b"-ERR the server holds as many bytes"), "{}", told.escape_ascii());
        assert!(taken > 50_000, "{taken} commands were queued");
        still_answers(server);
        for stream in &mut modest {
            stream.send(b"EXEC\r\n");
            assert!(stream.exactly(4 + 208).starts_with(b"*1\r\n$200\r\n"));
        }
    });
}
