//! Tables of what a Redis holds: `build` of dumps and of servers, and `verify --against`. The
//! servers here are graven itself, and one that does what a busy Redis does; real ones are asked
//! in the tests beside other programs.

#[path = "../../ingest/tests/support/rdb_writer.rs"]
mod rdb_writer;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::{fs, thread};

use graven_wire::Decoded;
use graven_wire::resp::{Limits, Request, RequestDecoder, reply};
use rdb_writer::{RdbWriter, strings};
use support::{Ended, Serving, assert_refused, carved, file_with, graven, run};
use tempfile::TempDir;

fn dump_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("dump.rdb");
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// Runs `graven build` of `input` into `output`.
fn build(input: &str, output: &Path, arguments: &[&str]) -> Ended {
    graven().args(["build", input, "-o"]).arg(output).args(arguments).output().unwrap().into()
}

/// The lines of `graven dump` of a file, in order.
fn lines(table: &Path, format: &str) -> Vec<String> {
    let ended = run(&["dump", table.to_str().unwrap(), "-o", "-", "--format", format]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let mut lines: Vec<String> = ended.out.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn strings_of_a_dump_are_values() {
    let mut dump = RdbWriter::new(11);
    dump.database(0).string("a", "1").string("b", "two words");
    let (directory, path) = dump_file(&dump.end());
    let ended: Ended = graven().arg("build").arg(&path).output().unwrap().into();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("the first pair: \"a\" = \"1\""), "{}", ended.out);
    assert_eq!(lines(&directory.path().join("dump.graven"), "data"), ["a 1", "b two words"]);
}

#[test]
fn what_a_redis_holds_is_read_alone_or_refused() {
    let mut dump = RdbWriter::new(11);
    dump.database(0).string("a", "1");
    let (directory, path) = dump_file(&dump.end());
    let (other, text) = (directory.path().join("other.rdb"), directory.path().join("more.data"));
    fs::copy(&path, &other).unwrap();
    fs::write(&text, "b 2\n").unwrap();
    let output = directory.path().join("out.graven");
    let server = Path::new("redis://127.0.0.1:1");
    for (inputs, expected) in [
        ([path.as_path(), &other], "found 2 inputs, and a Redis dump is read alone; make a table of each"),
        ([path.as_path(), &text], "found 2 inputs, and a Redis dump is read alone; make a table of each"),
        (
            [path.as_path(), server],
            "redis://127.0.0.1:1 is a server, and is read alone; make a table of each input",
        ),
        ([server, &text], "redis://127.0.0.1:1 is a server, and is read alone; make a table of each input"),
    ] {
        let ended: Ended = graven().arg("build").args(inputs).arg("-o").arg(&output).output().unwrap().into();
        assert_eq!(ended.status, Some(2), "{}", ended.out);
        assert!(ended.err.ends_with(&format!("{expected}\n")), "{}", ended.err);
        assert!(!output.exists());
    }
}

#[test]
fn hashes_of_a_dump_are_rows_or_json_as_is_said() {
    let mut dump = RdbWriter::new(11);
    dump.value(4, "u1", &strings(2, &["name", "Ada", "born", "1815"]));
    dump.value(4, "u2", &strings(2, &["born", "1906", "name", "Grace"]));
    let (directory, path) = dump_file(&dump.end());
    let (path, output) = (path.to_str().unwrap(), directory.path().join("out.graven"));
    let ended = build(path, &output, &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.contains("born"), "{}", ended.out);
    let rows = [r#"{"key":"u1","name":"Ada","born":1815}"#, r#"{"key":"u2","name":"Grace","born":1906}"#];
    assert_eq!(lines(&output, "jsonl"), rows);

    assert_eq!(
        build(path, &output, &["--columns", "born", "--types", "born:text", "--key", "id"]).status,
        Some(0)
    );
    assert_eq!(lines(&output, "jsonl"), [r#"{"id":"u1","born":"1815"}"#, r#"{"id":"u2","born":"1906"}"#]);

    assert_eq!(build(path, &output, &["--hashes", "json", "--match", "*1"]).status, Some(0));
    assert_eq!(lines(&output, "data"), [r#"u1 {"name":"Ada","born":"1815"}"#]);
}

/// A dump in which everything is that has to be decided.
fn mixed() -> Vec<u8> {
    let mut dump = RdbWriter::new(11);
    dump.database(0).string("s", "1").value(4, "h", &strings(1, &["f", "v"]));
    dump.value(1, "l", &strings(1, &["a"])).expires_ms(i64::MAX).string("t", "2");
    dump.database(3).string("other", "3");
    dump.end()
}

#[test]
fn what_a_table_does_not_keep_is_refused_at_once_with_what_to_type() {
    let (directory, path) = dump_file(&mixed());
    let output = directory.path().join("out.graven");
    let name = path.display();
    assert_refused(
        &["build", path.to_str().unwrap(), "-o", output.to_str().unwrap()],
        &format!(
            "{name}: expected keys in one database, found databases 0 (4 keys), 3 (1 key); expected strings or hashes, \
             found 1 list, such as \"l\"; expected keys that stay, found 1 key with a time to live, such as \"t\"; \
             expected strings or hashes, found 3 strings and 1 hash; choose one with `--database 0`; leave out all but \
             strings and hashes with `--other skip`; leave out keys that expire with `--ttl skip`, or keep their values \
             for good with `--ttl keep-value`; take one kind with `--only strings` or `--only hashes`, or both, each \
             hash as a JSON object, with `--hashes json`"
        ),
    );
    assert!(!output.exists());
    let flags = ["--database", "0", "--other", "skip", "--ttl", "keep-value", "--hashes", "json"];
    let ended = build(path.to_str().unwrap(), &output, &flags);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.contains("left out: 1 list, 1 key of other databases"), "{}", ended.out);
    assert!(
        ended.out.contains("1 key with a time to live in Redis: in the table they stay"),
        "{}",
        ended.out
    );
    assert_eq!(lines(&output, "data"), [r#"h {"f":"v"}"#, "s 1", "t 2"]);
}

#[test]
fn a_damaged_dump_is_named_with_the_place_and_leaves_nothing() {
    let dump = RdbWriter::new(11).string("a", "1").end();
    let (directory, path) = dump_file(&dump[..dump.len() - 3]);
    let output = directory.path().join("out.graven");
    assert_refused(
        &["build", path.to_str().unwrap(), "-o", output.to_str().unwrap()],
        &format!(
            "{}: byte 20: expected 3 bytes more, found the end; is the file whole? `redis-check-rdb` says it",
            path.display()
        ),
    );
    assert!(!output.exists());
    let (_directory, path) = dump_file(b"REDIS0013\xFA\x01a\x01b\xFF");
    assert_refused(
        &["build", path.to_str().unwrap()],
        &format!(
            "{}: byte 0: expected a dump of version 1 to 12, found version 13; ask the running server with `graven build \
             redis://HOST:PORT -o FILE`",
            path.display()
        ),
    );
    let (_directory, path) = dump_file(&RdbWriter::new(11).about("a", "b").end());
    assert_refused(
        &["build", path.to_str().unwrap()],
        &format!("{} holds no key, so there is nothing to carve", path.display()),
    );
}

#[test]
fn who_reads_no_dumps_says_what_to_do_with_one() {
    let (_directory, path) = dump_file(&RdbWriter::new(11).about("a", "b").string("a", "1").end());
    let name = path.to_str().unwrap();
    let output = path.with_extension("graven");
    let sentence = format!(
        "{name} is a Redis dump; make a carved file of it with `graven build {name} -o \
         {}`",
        output.display()
    );
    assert_refused(&["serve", name], &sentence);
    assert_refused(&["get", name, "a"], &sentence);
}

#[test]
fn flags_of_one_input_are_refused_for_the_other() {
    let (_text_directory, text) = file_with(b"a 1\n");
    let (_dump_directory, dump) = dump_file(&RdbWriter::new(11).about("a", "b").string("a", "1").end());
    let (text, dump) = (text.to_str().unwrap(), dump.to_str().unwrap());
    assert_refused(
        &["build", text, "--ttl", "skip"],
        &format!(
            "--ttl is for what a Redis holds, and {text} is neither a dump of one nor a server; leave it out"
        ),
    );
    assert_refused(
        &["build", dump, "--trim"],
        &format!("--trim is for text, and {dump} is a Redis; leave it out"),
    );
    assert_refused(
        &["build", dump, "--rate", "10"],
        &format!("--rate is for servers, and {dump} is a dump; leave it out"),
    );
}

#[test]
fn a_table_is_built_from_a_server_and_agrees_with_it() {
    let (_directory, text) = carved(&support::example_data(), &[]);
    let server = Serving::start(&[&text]);
    let target = format!("redis://{}", server.address());
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("copy.graven");
    let ended = build(&target, &output, &[]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("10000 pairs, 10000 keys in"), "{}", ended.out);
    assert_eq!(fs::read(&output).unwrap(), fs::read(&text).unwrap(), "the same pairs make the same file");

    let verify = |table: &Path, sample: &str| {
        run(&["verify", table.to_str().unwrap(), "--against", &target, "--sample", sample])
    };
    let ended = verify(&output, "100");
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let name = output.display();
    let agrees =
        format!("{name} agrees with {target}: of 100 of its 10000 keys 0 are missing there and 0 differ");
    assert!(ended.out.ends_with(&format!("{agrees}\n")), "{}", ended.out);

    let pairs = support::example_pairs();
    let (_other_directory, other) =
        file_with(format!("{} other\n{} {}\nnew x\n", pairs[0].0, pairs[1].0, pairs[1].1).as_bytes());
    let (_directory, other) = carved(&other, &[]);
    let ended = verify(&other, "1000");
    assert_eq!(ended.status, Some(1));
    let name = other.display();
    assert!(ended.out.ends_with(&format!(
        "{name} differs from {target}: of 3 of its 3 keys 1 are missing there and 1 differ\n"
    )));
    let mut said: Vec<&str> = ended.err.lines().collect();
    said.sort_unstable();
    let mut expected = [
        format!("graven: {target}: the key {} has another value there", pairs[0].0),
        format!("graven: {target}: the key new is missing there"),
    ];
    expected.sort();
    assert_eq!(said, expected);

    // Of a pattern, and slowly.
    let start = &pairs[0].0[..3];
    let ended = build(&target, &output, &["--match", &format!("{start}*"), "--rate", "1M"]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let expected = pairs.iter().filter(|(key, _)| key.starts_with(start)).count();
    assert_eq!(lines(&output, "data").len(), expected);
}

#[test]
fn rows_come_back_from_a_server_as_rows() {
    let csv = "id,name,born,note\nu1,Ada,1815,\nu2,Grace,1906,x\n";
    let directory = tempfile::tempdir().unwrap();
    let (text, table) = (directory.path().join("p.csv"), directory.path().join("p.graven"));
    fs::write(&text, csv).unwrap();
    assert_eq!(build(text.to_str().unwrap(), &table, &["--columns", "*"]).status, Some(0));
    let server = Serving::start(&[&table]);
    let target = format!("redis://{}", server.address());
    let copy = directory.path().join("copy.graven");
    let ended = build(&target, &copy, &["--key", "id"]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(lines(&copy, "jsonl"), lines(&table, "jsonl"));
    let verify = ["verify", copy.to_str().unwrap(), "--against", &target];
    assert_eq!(run(&verify).status, Some(0));
    // As JSON objects they agree as well.
    assert_eq!(build(&target, &copy, &["--hashes", "json"]).status, Some(0));
    assert_eq!(run(&verify).status, Some(0));
}

/// A Redis whose keys come twice from `SCAN`, expire, and go between two commands.
fn busy_redis() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer_all(stream.unwrap());
        }
    });
    format!("redis://{address}")
}

fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut input, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let mut out = Vec::new();
        while let Decoded::Message(Request::Command(args), consumed) = decoder.decode(&input) {
            let words: Vec<Vec<u8>> = args.map(<[u8]>::to_vec).collect();
            answer(&words, &mut out);
            input.drain(..consumed);
        }
        stream.write_all(&out)?;
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        input.extend_from_slice(&chunk[..read]);
    }
}

fn answer(words: &[Vec<u8>], out: &mut Vec<u8>) {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    match &words[..] {
        [b"DBSIZE"] => reply::integer(out, 5),
        [b"INFO"] => reply::error(out, b"NOPERM this user has no permissions to run the 'info' command"),
        [b"SCAN", b"0", ..] => {
            reply::array_head(out, 2);
            reply::bulk(out, b"17");
            reply::array_head(out, 3);
            [&b"a"[..], b"b", b"gone"].iter().for_each(|key| reply::bulk(out, key));
        }
        [b"SCAN", ..] => {
            reply::array_head(out, 2);
            reply::bulk(out, b"0");
            reply::array_head(out, 5);
            [&b"a"[..], b"late", b"turned", b"soon", b"list"].iter().for_each(|key| reply::bulk(out, key));
        }
        [b"TYPE", b"gone"] => reply::simple(out, b"none"),
        [b"TYPE", b"list"] => reply::simple(out, b"list"),
        [b"TYPE", _] => reply::simple(out, b"string"),
        [b"PTTL", b"gone"] => reply::integer(out, -2),
        [b"PTTL", b"soon"] => reply::integer(out, 5000),
        [b"PTTL", _] => reply::integer(out, -1),
        [b"STRLEN", b"turned"] => {
            reply::error(out, b"WRONGTYPE Operation against a key holding the wrong kind of value");
        }
        // As servers do that keep the keys of each type apart.
        [b"STRLEN", b"list"] => reply::integer(out, 0),
        [b"STRLEN", _] => reply::integer(out, 5),
        [b"GET", b"late"] => reply::null(out, graven_wire::resp::Version::Resp2),
        [b"GET", key] => reply::bulk(out, &[b"v of ", *key].concat()),
        _ => reply::error(out, b"ERR unknown command"),
    }
}

#[test]
fn keys_that_come_twice_or_go_in_between_are_no_errors() {
    let target = busy_redis();
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.graven");
    let ended = build(&target, &output, &["--ttl", "skip", "--other", "skip", "--duplicates", "error"]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains(
            "left out: 1 list, 1 key with a time to live, 3 keys that were gone before they were read"
        ),
        "{}",
        ended.out
    );
    assert_eq!(lines(&output, "data"), ["a v of a", "b v of b"]);

    assert_refused(
        &["build", &target, "--other", "skip", "-o", output.to_str().unwrap()],
        &format!(
            "{target}: expected keys that stay, found 1 key with a time to live, such as \"soon\"; leave out keys that \
             expire with `--ttl skip`, or keep their values for good with `--ttl keep-value`"
        ),
    );
}

#[test]
fn servers_that_are_none_are_named_with_what_to_type() {
    assert_refused(
        &["build", "redis://127.0.0.1:1"],
        "a server has no name to go by; name the output with -o FILE",
    );
    let ended = run(&["build", "redis://127.0.0.1:1", "-o", "/nonexistent/x.graven"]);
    assert_eq!(ended.status, Some(2));
    assert_eq!(
        ended.err,
        "graven: nothing listens on redis://127.0.0.1:1; check the address, and that the Redis runs\n"
    );
    assert_refused(
        &["build", &busy_redis(), "-o", "x.graven", "--database", "3"],
        "--database is for dumps; name the database of a server in its address, as in redis://HOST:PORT/3",
    );
}
