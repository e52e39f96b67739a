//! The client over RESP, memcached and Unix sockets, against servers that follow a script.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use graven_client::{Client, Error, Target, Timeouts};

/// A server that reads each request, as it is expected, and writes the answer to it; then it
/// closes.
fn with_script<T>(before: &str, script: &[(&str, &str)], client: impl FnOnce(&Target) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = before.replace("HOST", &listener.local_addr().unwrap().to_string()).parse().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            converse(&mut stream, script);
        });
        let result = client(&target);
        server.join().unwrap();
        result
    })
}

fn converse(stream: &mut (impl Read + Write), script: &[(&str, &str)]) {
    for (request, answer) in script {
        let mut room = vec![0; request.len()];
        stream.read_exact(&mut room).unwrap();
        assert_eq!(std::str::from_utf8(&room), Ok(*request));
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

fn connect(target: &Target) -> Result<Client, Error> {
    Client::connect(target, Timeouts::default())
}

fn get_all(client: &mut Client, keys: &[&str]) -> Result<Vec<Option<String>>, Error> {
    let mut values = Vec::new();
    client.get_many(keys, |_, value| {
        values.push(value.map(|value| String::from_utf8(value.to_vec()).unwrap()));
        Ok::<(), Error>(())
    })?;
    Ok(values)
}

#[test]
fn keys_are_asked_for_together_over_resp() {
    let script = [(
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$3\r\nb c\r\n*2\r\n$3\r\nGET\r\n$1\r\nd\r\n",
        "$1\r\n1\r\n$-1\r\n$4\r\n\r\n\r\n\r\n",
    )];
    let values =
        with_script("redis://HOST", &script, |target| get_all(&mut connect(target)?, &["a", "b c", "d"]));
    assert_eq!(values.unwrap(), [Some("1".into()), None, Some("\r\n\r\n".into())]);
}

#[test]
fn keys_are_asked_for_together_over_memcached() {
    let script =
        [("get a\r\nget b\r\nget c\r\n", "VALUE a 0 1\r\n1\r\nEND\r\nEND\r\nVALUE c 0 0\r\n\r\nEND\r\n")];
    let values =
        with_script("memcached://HOST", &script, |target| get_all(&mut connect(target)?, &["a", "b", "c"]));
    assert_eq!(values.unwrap(), [Some("1".into()), None, Some(String::new())]);
}

#[test]
fn a_password_and_a_database_are_sent_before_the_first_lookup() {
    for (target, script) in [
        (
            "redis://us:p%20w@HOST/2",
            [
                (
                    "*3\r\n$4\r\nAUTH\r\n$2\r\nus\r\n$3\r\np w\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n",
                    "+OK\r\n+OK\r\n",
                ),
                ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$1\r\n1\r\n"),
            ],
        ),
        (
            "memcached://us:pw@HOST",
            [
                ("set graven_auth 0 0 5\r\nus pw\r\n", "STORED\r\n"),
                ("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"),
            ],
        ),
    ] {
        let values = with_script(target, &script, |target| get_all(&mut connect(target)?, &["a"]));
        assert_eq!(values.unwrap(), [Some("1".into())]);
    }
}

#[test]
fn a_login_that_is_refused_is_an_error_without_the_password() {
    for (target, request, answer, expected) in [
        (
            "redis://:secret@HOST",
            "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n",
            "-WRONGPASS invalid username-password pair\r\n",
            "-WRONGPASS invalid username-password pair",
        ),
        ("memcached://u:secret@HOST", "set graven_auth 0 0 8\r\nu secret\r\n", "ERROR\r\n", "ERROR"),
    ] {
        let error = with_script(target, &[(request, answer)], |target| connect(target).unwrap_err());
        let Error::Login { said, .. } = &error else { panic!("{error}") };
        assert_eq!(said, expected);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn an_answer_of_the_wrong_kind_is_an_error() {
    let resp = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    for (target, request, answer, expected) in [
        ("redis://HOST", resp, "HTTP/1.1 400 Bad Request\r\n", "answers in HTTP, not in RESP (Redis)"),
        ("redis://HOST", resp, ":1\r\n", "the reply is of another type than that of GET"),
        (
            "redis://HOST",
            resp,
            "-NOAUTH Authentication required.\r\n",
            "answered NOAUTH Authentication required.",
        ),
        ("redis://HOST", resp, "$5\r\nab", "closed the connection before it had answered"),
        ("memcached://HOST", "get a\r\n", "$1\r\n1\r\n", "answers in RESP (Redis), not in memcached"),
        ("memcached://HOST", "get a\r\n", "what?\r\n", "does not answer in memcached: the reply is no line"),
        ("memcached://HOST", "get a\r\n", "VALUE b 0 1\r\n1\r\nEND\r\n", "a value of the key b came"),
        (
            "memcached://HOST",
            "get a\r\n",
            "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\n",
            "which was not asked for",
        ),
        ("memcached://HOST", "get a\r\n", "SERVER_ERROR busy\r\n", "answered SERVER_ERROR busy"),
    ] {
        let error =
            with_script(target, &[(request, answer)], |target| connect(target)?.get(b"a")).unwrap_err();
        assert!(error.to_string().contains(expected), "{answer:?}: {error}");
    }
}

#[test]
fn a_key_that_the_protocol_cannot_say_is_not_sent() {
    let error = with_script("memcached://HOST", &[], |target| {
        let mut client = connect(target).unwrap();
        get_all(&mut client, &["a", "b c"]).unwrap_err()
    });
    assert!(matches!(&error, Error::UnaskableKey { key, .. } if key == b"b c"), "{error}");
}

#[test]
fn a_unix_socket_is_asked_in_every_protocol() {
    let path = std::env::temp_dir().join(format!("graven-client-{}.sock", std::process::id()));
    for (scheme, request, answer) in [
        (
            "unix:",
            "GET /?key=a HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
        ),
        ("redis+unix:", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$1\r\n1\r\n"),
        ("memcached+unix:", "get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"),
    ] {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let target: Target = format!("{scheme}{}", path.display()).parse().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| converse(&mut listener.accept().unwrap().0, &[(request, answer)]));
            assert_eq!(connect(&target).unwrap().get(b"a").unwrap(), Some(b"1".to_vec()));
        });
    }
    std::fs::remove_file(&path).unwrap();
    let target: Target = format!("unix:{}", path.display()).parse().unwrap();
    assert!(matches!(connect(&target), Err(Error::Connect { .. })));
}

#[test]
fn a_server_that_closes_without_a_word_is_asked_what_it_speaks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target: Target = listener.local_addr().unwrap().to_string().parse().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(listener.accept().unwrap());
            converse(&mut listener.accept().unwrap().0, &[("PING\r\n", "+PONG\r\n")]);
        });
        let error = connect(&target).unwrap().get(b"a").unwrap_err();
        assert_eq!(error.to_string(), format!("{target} answers in RESP (Redis), not in HTTP"));
    });
}
