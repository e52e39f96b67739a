//! Users of `graven serve`: who is let in, what is open, and what SIGHUP changes.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Serving, assert_refused, graven, run, run_with_input};
use tempfile::TempDir;

/// A folder with the text table `t.data`, and `users.toml` with this text.
fn folder(users: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (table, file) = (folder.path().join("t.data"), folder.path().join("users.toml"));
    fs::write(&table, "k value\n").unwrap();
    fs::write(&file, users).unwrap();
    (folder, table, file)
}

/// The status of `GET /?key=k` with this token.
fn status(address: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /?key=k HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer["HTTP/1.1 ".len()..][..3].to_owned()
}

/// A token, and the line for it in a file of users.
fn token() -> (String, String) {
    let made = run(&["token"]);
    assert_eq!((made.status, made.err.as_str()), (Some(0), ""), "{made:?}");
    let (token, line) = made.out.trim_end().split_once('\n').unwrap();
    (token.to_owned(), line.to_owned())
}

#[test]
fn what_token_prints_lets_a_user_in_and_sighup_lets_another_in_instead() {
    let (first, first_line) = token();
    let (second, second_line) = token();
    let user = |line: &str| format!("[[users]]\nname = \"shop\"\n{line}\n");
    let (_folder, table, users) = folder(&user(&first_line));
    let server = Serving::start(&[
        table.as_os_str(),
        "--users".as_ref(),
        users.as_os_str(),
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
    ]);
    let of = |token: &str| status(server.address(), token);
    assert_eq!((of(&first), of(&second)), ("200".into(), "401".into()));
    // What cannot be read changes nothing.
    fs::write(&users, "[[users]]\nname = 7\n").unwrap();
    server.signal(Signal::HUP);
    fs::write(&users, user(&second_line)).unwrap();
    server.signal(Signal::HUP);
    let until = Instant::now() + Duration::from_secs(20);
    while of(&second) != "200" {
        assert!(Instant::now() < until, "the users are read again");
    }
    assert_ne!(of(&first), "200");
}

#[test]
fn commands_ask_as_the_user_that_an_address_names() {
    let (token, line) = token();
    let (_folder, table, users) = folder(&format!("[[users]]\nname = \"shop\"\n{line}\n"));
    let arguments = [
        table.as_os_str(),
        "--users".as_ref(),
        users.as_os_str(),
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
    ];
    let server = Serving::start(&arguments);
    let address = server.address();
    for scheme in ["http", "redis", "memcached"] {
        let got = run(&["get", &format!("{scheme}://shop:{token}@{address}"), "k"]);
        assert_eq!((got.status, got.out.as_str()), (Some(0), "value\n"), "{scheme}: {}", got.err);
        let refused = run(&["get", &format!("{scheme}://{address}"), "k"]);
        assert_eq!((refused.status, refused.out.as_str()), (Some(2), ""), "{scheme}: {}", refused.err);
    }
    let status = run(&["status", &format!("http://shop:{token}@{address}")]);
    assert!(status.status == Some(0) && status.out.contains("serving"), "{status:?}");
    assert!(!status.out.contains(&token) && !status.err.contains(&token), "{status:?}");
    let refused = run(&["status", address]);
    assert!(refused.out.contains("http://USER:TOKEN@HOST:PORT"), "{refused:?}");
    assert_eq!(run(&["ready", address]).status, Some(0));
}

#[test]
fn a_token_of_ones_own_is_read_and_a_short_one_refused() {
    let own = "0123456789abcdef0123456789abcdef";
    let made = run_with_input(&["token", "-"], format!("{own}\n").as_bytes());
    assert_eq!(made.status, Some(0), "{made:?}");
    assert!(made.out.starts_with("token = \"sha256:") && made.out.lines().count() == 1, "{}", made.out);
    let again = run_with_input(&["token", "-"], format!("{own}\r\n").as_bytes());
    assert_eq!(again.out, made.out);
    for (given, says) in
        [("short", "this one has 5"), ("two words that are long enough for it", "without blanks")]
    {
        let refused = run_with_input(&["token", "-"], given.as_bytes());
        assert_eq!(refused.status, Some(2));
        assert!(refused.err.contains(says) && !refused.err.contains(given), "{}", refused.err);
    }
}

#[test]
fn a_file_of_users_that_is_wrong_is_refused_with_its_place() {
    for (users, says) in [
        ("[[users]]\nname = 7\n", "users.toml: line 2: "),
        ("[[users]]\nname = \"a\"\n", "users.toml: user `a`: there is neither a `token` nor a `certificate`"),
        ("[[users]]\nname = \"a\"\ntoken = \"secret\"\n", "`graven token` makes one"),
        ("[[users]]\nname = \"anonymous\"\ntables = \"a b\"\n", "`a b` is the name of no table"),
    ] {
        let (_folder, table, file) = folder(users);
        let ended = graven()
            .arg("serve")
            .arg(&table)
            .args(["--listen", "127.0.0.1:0", "--users"])
            .arg(&file)
            .output()
            .unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{err}");
        assert!(err.contains(says) && !err.contains("secret\""), "{err}");
    }
    let (_folder, table, _) = folder("");
    assert_refused(
        &["serve", table.to_str().unwrap(), "--users", "/none/users.toml"],
        "/none/users.toml: cannot read the users: no such file or directory",
    );
}

#[test]
fn other_machines_reach_no_table_that_nobody_opened() {
    let (line, users) = (token().1, "[[users]]\nname = \"shop\"\n");
    let (_folder, table, file) = folder(&format!("{users}{line}\n"));
    let table = table.to_str().unwrap();
    for address in ["0.0.0.0:0", "resp://0.0.0.0:0", "[::]:0"] {
        let refused = graven().args(["serve", table, "--listen", address]).output().unwrap();
        let err = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{address}: {err}");
        assert!(err.contains("can be reached from other machines") && err.contains("--users FILE"), "{err}");
        assert!(err.contains("--open"), "{err}");
    }
    for allowed in [&["--open"][..], &["--users", file.to_str().unwrap()]] {
        let arguments = [&[table, "--listen", "0.0.0.0:0"], allowed].concat();
        assert!(Serving::start(&arguments).address().contains("0.0.0.0"));
    }
    let opened = graven()
        .args(["serve", table, "--listen", "0.0.0.0:0", "--print-config"])
        .env("GRAVEN_OPEN", "1")
        .output();
    assert!(String::from_utf8(opened.unwrap().stdout).unwrap().contains("open = true"));
    for private in ["127.0.0.1:0", "localhost:0", "127.9.9.9:0"] {
        assert!(!Serving::start(&[table, "--listen", private]).address().is_empty());
    }
}
