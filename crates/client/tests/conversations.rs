//! The client against servers that follow a script, well behaved and not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use graven_client::{ANSWER_BYTES_MAX, Client, Error, Target, Timeouts};

/// Runs `script` as a server on a port of its own while `client` talks to it.
fn with_server<T>(script: impl FnOnce(TcpListener) + Send, client: impl FnOnce(&Target) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(|| script(listener));
        let result = client(&target);
        server.join().unwrap();
        result
    })
}

fn connect(target: &Target) -> Client {
    Client::connect(target, Timeouts::default()).unwrap()
}

/// Reads whole requests until `count` are there, and gives their targets.
fn read_requests(stream: &mut TcpStream, count: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches("\r\n\r\n").count() < count {
        let mut piece = [0; 4096];
        let bytes = stream.read(&mut piece).unwrap();
        assert_ne!(bytes, 0, "the client closed after {text:?}");
        text.push_str(std::str::from_utf8(&piece[..bytes]).unwrap());
    }
    assert_eq!(text.matches("\r\n\r\n").count(), count, "no more than {count} requests at a time: {text:?}");
    let requests = text.split_terminator("\r\n\r\n");
    requests.map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect()
}

fn answer(value: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{value}", value.len())
}

fn get_all(client: &mut Client, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
    let mut values = Vec::new();
    client.get_many(keys, |i, value| {
        assert_eq!(i, values.len());
        values.push(value.map(|value| String::from_utf8(value.to_vec()).unwrap()));
        Ok::<(), Error>(())
    })?;
    Ok(values)
}

#[test]
fn a_key_is_escaped_into_the_query() {
    let script = |listener: TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(read_requests(&mut stream, 1), ["/?key=a%20b%2Fc%3F%26%3D%25%2B%FF"]);
        stream.write_all(answer("v").as_bytes()).unwrap();
    };
    let value = with_server(script, |target| connect(target).get(b"a b/c?&=%+\xff").unwrap());
    assert_eq!(value, Some(b"v".to_vec()));
}

#[test]
fn the_first_lookup_travels_alone_and_the_rest_together() {
    let keys: Vec<String> = (0..100).map(|i| format!("k{i}")).collect();
    let script = |listener: TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(read_requests(&mut stream, 1), ["/?key=k0"]);
        stream.write_all(answer("0").as_bytes()).unwrap();
        let rest = read_requests(&mut stream, 99);
        assert_eq!(rest[98], "/?key=k99");
        let answers: String = (1..100).map(|i| answer(&i.to_string())).collect();
        stream.write_all(answers.as_bytes()).unwrap();
    };
    let values = with_server(script, |target| get_all(&mut connect(target), &keys).unwrap());
    assert!(values.into_iter().eq((0..100).map(|i| Some(i.to_string()))));
}

#[test]
fn a_server_that_closes_after_every_answer_is_asked_again_for_the_rest() {
    let keys = ["a", "b", "c"].map(str::to_owned);
    let script = |listener: TcpListener| {
        for (target, answer) in [
            ("/?key=a", "HTTP/1.0 200 OK\r\n\r\nuntil the end"),
            ("/?key=b", "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"),
            ("/?key=c", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nc"),
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(read_requests(&mut stream, 1), [target]);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    };
    let values = with_server(script, |target| get_all(&mut connect(target), &keys).unwrap());
    assert_eq!(values, [Some("until the end".into()), None, Some("c".into())]);
}

#[test]
fn a_connection_that_was_closed_while_it_was_idle_is_made_again() {
    let (closed, wait_until_closed) = std::sync::mpsc::channel();
    let script = move |listener: TcpListener| {
        for value in ["1", "2"] {
            let (mut stream, _) = listener.accept().unwrap();
            read_requests(&mut stream, 1);
            stream.write_all(answer(value).as_bytes()).unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    };
    with_server(script, |target| {
        let mut client = connect(target);
        for value in [b"1", b"2"] {
            assert_eq!(client.get(b"k").unwrap(), Some(value.to_vec()));
            wait_until_closed.recv().unwrap();
        }
    });
}

#[test]
fn an_answer_may_come_in_chunks_and_pieces_and_after_an_interim_one() {
    let whole = "HTTP/1.1 102 Processing\r\n\r\n\
                 HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ngre\r\n2\r\nen\r\n0\r\n\r\n";
    for cut in 0..whole.len() {
        let script = |listener: TcpListener| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            read_requests(&mut stream, 1);
            stream.write_all(&whole.as_bytes()[..cut]).unwrap();
            stream.write_all(&whole.as_bytes()[cut..]).unwrap();
        };
        let value = with_server(script, |target| connect(target).get(b"colour").unwrap());
        assert_eq!(value.as_deref(), Some(&b"green"[..]));
    }
}

#[test]
fn a_value_may_be_much_longer_than_a_read() {
    let long = "x".repeat(3_000_001);
    let script = |listener: TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_requests(&mut stream, 1);
        stream.write_all(answer(&long).as_bytes()).unwrap();
        read_requests(&mut stream, 1);
        stream.write_all(answer("short").as_bytes()).unwrap();
    };
    with_server(script, |target| {
        let mut client = connect(target);
        assert_eq!(client.get(b"long").unwrap().unwrap().len(), long.len());
        assert_eq!(client.get(b"short").unwrap().unwrap(), b"short");
    });
}

/// What a lookup comes to when the server answers it with `bytes` and closes.
fn error_for(bytes: &str) -> Error {
    let script = |listener: TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_requests(&mut stream, 1);
        stream.write_all(bytes.as_bytes()).unwrap();
    };
    with_server(script, |target| connect(target).get(b"k").unwrap_err())
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    for bytes in ["", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour"] {
        assert!(matches!(error_for(bytes), Error::Closed { .. }), "{bytes:?}");
    }
}

#[test]
fn an_answer_that_is_not_http_is_an_error() {
    for bytes in ["-ERR unknown command\r\n", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"] {
        assert!(matches!(error_for(bytes), Error::Malformed { .. }), "{bytes:?}");
    }
    let too_long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ANSWER_BYTES_MAX + 1);
    assert!(matches!(
        error_for(&too_long),
        Error::Malformed { reason, .. } if reason == "The body is larger than the limit"
    ));
}

#[test]
fn a_refusal_carries_its_status_and_what_the_server_said() {
    let error = error_for(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 17\r\n\r\nloading\x1b\r\nmore\r\n\r\n",
    );
    let Error::Status { status, text, .. } = error else { panic!("{error}") };
    assert_eq!((status, text.as_str()), (503, "loading\\x1b"));
}

#[test]
fn a_silent_server_is_waited_for_no_longer_than_told() {
    let (done, wait_until_done) = std::sync::mpsc::channel::<()>();
    let script = move |listener: TcpListener| {
        let connection = listener.accept().unwrap();
        wait_until_done.recv().unwrap();
        drop(connection);
    };
    let waited = Duration::from_millis(20);
    let error = with_server(script, |target| {
        let mut client = Client::connect(target, Timeouts { read: waited, ..Timeouts::default() }).unwrap();
        let error = client.get(b"k").unwrap_err();
        done.send(()).unwrap();
        error
    });
    assert!(error.to_string().ends_with(" was silent for 0.02 s"), "{error}");
}

#[test]
fn a_caller_may_stop_in_the_middle_of_a_batch() {
    let keys: Vec<String> = (0..50).map(|i| format!("k{i}")).collect();
    let script = |listener: TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_requests(&mut stream, 1);
        stream.write_all(answer("0").as_bytes()).unwrap();
        read_requests(&mut stream, 49);
        let answers: String = (1..50).map(|i| answer(&i.to_string())).collect();
        stream.write_all(answers.as_bytes()).unwrap();
        drop(stream);
        // What is left of the batch must not be taken for the answer to the next lookup.
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(read_requests(&mut stream, 1), ["/?key=other"]);
        stream.write_all(answer("other").as_bytes()).unwrap();
    };
    with_server(script, |target| {
        let mut client = connect(target);
        let stop = |i, _: Option<&[u8]>| {
            if i == 10 { Err(Error::Closed { target: "stopped".into() }) } else { Ok(()) }
        };
        client.get_many(&keys, stop).unwrap_err();
        assert_eq!(client.get(b"other").unwrap(), Some(b"other".to_vec()));
    });
}
