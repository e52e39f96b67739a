//! Tables of what a real Redis holds: every type that it has is written into one, which then
//! writes a dump and is asked, and the tables of both are compared with what it answers.

use std::io::Write;
use std::path::Path;

use crate::other_servers::{OtherServer, empty_redis};
use crate::support::{Ended, graven, run};
use crate::talk::{Ends, talk};

/// Appends a command.
fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    write!(out, "*{}\r\n", words.len()).unwrap();
    for word in words {
        write!(out, "${}\r\n", word.len()).unwrap();
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn words(out: &mut Vec<u8>, line: &str) {
    command(out, &line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
}

/// What a server answers to `commands`, which must not be errors.
#[track_caller]
fn tell(server: &OtherServer, commands: &[u8]) -> Vec<u8> {
    let said =
        talk(&server.address, commands, Ends::With { ask: b"ECHO done\r\n", answer: b"$4\r\ndone\r\n" });
    let error = said.split(|&byte| byte == b'\n').find(|line| line.starts_with(b"-"));
    assert_eq!(error.map(|line| line.escape_ascii().to_string()), None);
    said
}

/// Strings: short and long, numbers, what LZF makes smaller, any bytes.
fn strings() -> Vec<u8> {
    let mut out = Vec::new();
    for number in [0, 1, -1, 127, -128, 32767, -32768, 65536, i64::from(i32::MIN), i64::MAX] {
        words(&mut out, &format!("SET number:{number} {number}"));
    }
    for i in 0..3000_u32 {
        words(&mut out, &format!("SET user:{i} value-of-{}", i.wrapping_mul(2_654_435_761)));
    }
    command(&mut out, &[b"SET", b"repeated", &b"abc".repeat(5000)]);
    command(&mut out, &[b"SET", b"zeros", &[0; 70_000]]);
    let bytes: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    command(&mut out, &[b"SET", b"bytes", &bytes]);
    command(&mut out, &[b"SET", b"any \xFF\x00\r\n key", b"\xFE\x00\r\n"]);
    command(&mut out, &[b"SET", b"empty", b""]);
    out
}

/// Hashes as listpacks and as tables of their own, with numbers of every width.
fn hashes() -> Vec<u8> {
    let mut out = Vec::new();
    for i in 0..500_i64 {
        let wide = i * i * i * 12_345_678_901 - 5_000_000;
        words(&mut out, &format!("HSET h:{i} id {i} wide {wide} code 0{i} city city-{}", i % 7));
        if i % 3 == 0 {
            command(&mut out, &[b"HSET", format!("h:{i}").as_bytes(), b"note", b""]);
        }
        if i % 5 == 0 {
            // Longer than a listpack takes.
            command(&mut out, &[b"HSET", format!("h:{i}").as_bytes(), b"text", &b"long ".repeat(30)]);
        }
    }
    out
}

/// Everything that is neither, in each of its encodings.
fn others() -> Vec<u8> {
    let mut out = Vec::new();
    words(&mut out, "RPUSH list:small a 1 2 b");
    for i in 0..2000 {
        words(&mut out, &format!("RPUSH list:long element-{i}"));
        words(&mut out, &format!("SADD set:texts member-{i}"));
        words(&mut out, &format!("SADD set:numbers {i}"));
        words(&mut out, &format!("ZADD zset:long {i}.25 member-{i}"));
        words(&mut out, &format!("XADD stream:long {}-0 field value-{i}", i + 1));
    }
    command(&mut out, &[b"RPUSH", b"list:large", &[b'x'; 20_000], b"small"]);
    words(&mut out, "SADD set:small 1 2 300000 5000000000");
    words(&mut out, "ZADD zset:small 1 a -inf b +inf c 2.5 d");
    words(&mut out, "XGROUP CREATE stream:long group 0");
    words(&mut out, "XREADGROUP GROUP group consumer COUNT 10 STREAMS stream:long >");
    words(&mut out, "XDEL stream:long 3-0");
    words(&mut out, "PFADD hll a b c");
    command(
        &mut out,
        &[b"FUNCTION", b"LOAD", b"#!lua name=l\nredis.register_function('f', function() return 1 end)"],
    );
    out
}

#[track_caller]
fn build(input: &str, output: &Path, arguments: &[&str]) -> String {
    let ended: Ended =
        graven().args(["build", input, "-o"]).arg(output).args(arguments).output().unwrap().into();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
    ended.out
}

#[track_caller]
fn assert_agrees(table: &Path, target: &str) {
    let ended = run(&["verify", table.to_str().unwrap(), "--against", target, "--sample", "100000"]);
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
}

#[test]
fn a_dump_and_the_server_that_wrote_it_make_the_same_table() {
    let server = empty_redis();
    tell(&server, &[strings(), hashes(), others()].concat());
    let mut commands = Vec::new();
    words(&mut commands, "SET expires soon EX 100000");
    words(&mut commands, "SELECT 9");
    words(&mut commands, "SET elsewhere x");
    words(&mut commands, "SAVE");
    tell(&server, &commands);
    let dump = server.directory().join("dump.rdb");
    let (dump, target) = (dump.to_str().unwrap(), format!("redis://{}", server.address));

    let directory = tempfile::tempdir().unwrap();
    let [from_dump, from_server] = ["dump", "server"].map(|name| directory.path().join(name));
    let flags = ["--other", "skip", "--ttl", "keep-value"];
    for (only, further) in [("strings", 16), ("hashes", 0)] {
        let flags = [&flags[..], &["--only", only]].concat();
        let of_dump = build(dump, &from_dump, &[&flags[..], &["--database", "0"]].concat());
        let of_server = build(&target, &from_server, &flags);
        let pairs = if only == "strings" { 3000 + further + 1 } else { 500 };
        for said in [&of_dump, &of_server] {
            assert!(said.contains(&format!(": {pairs} pairs")), "{said}");
            assert!(said.contains("left out: 3 lists, 3 sets, 2 sorted sets, 1 stream"), "{said}");
        }
        assert_agrees(&from_dump, &target);
        assert_agrees(&from_server, &target);
        if only == "strings" {
            assert_eq!(std::fs::read(&from_dump).unwrap(), std::fs::read(&from_server).unwrap());
        }
    }

    // Both kinds, hashes as JSON.
    let flags = [&flags[..], &["--hashes", "json"]].concat();
    build(dump, &from_dump, &[&flags[..], &["--database", "0"]].concat());
    build(&target, &from_server, &flags);
    assert_agrees(&from_dump, &target);
    assert_agrees(&from_server, &target);

    build(dump, &from_dump, &["--database", "9"]);
    assert_agrees(&from_dump, &format!("{target}/9"));
    build(&format!("{target}/9"), &from_server, &[]);
    assert_eq!(std::fs::read(&from_dump).unwrap(), std::fs::read(&from_server).unwrap());

    // What changed since is found.
    let mut commands = Vec::new();
    words(&mut commands, "SELECT 9");
    words(&mut commands, "SET elsewhere y");
    tell(&server, &commands);
    let against = format!("{target}/9");
    let ended = run(&["verify", from_dump.to_str().unwrap(), "--against", &against]);
    assert_eq!(ended.status, Some(1));
    assert_eq!(ended.err, format!("graven: {against}: the key elsewhere has another value there\n"));
}

#[test]
fn older_encodings_of_a_real_server_are_read_as_well() {
    let server = empty_redis();
    let mut commands = Vec::new();
    // Without compression and checksum, and hashes that are tables from their first field.
    words(&mut commands, "CONFIG SET rdbcompression no");
    words(&mut commands, "CONFIG SET hash-max-listpack-entries 0");
    commands.extend(strings());
    commands.extend(hashes());
    words(&mut commands, "SAVE");
    tell(&server, &commands);
    let dump = server.directory().join("dump.rdb");
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("table");
    build(dump.to_str().unwrap(), &table, &["--hashes", "json"]);
    assert_agrees(&table, &format!("redis://{}", server.address));
}

#[test]
fn a_password_is_part_of_the_address() {
    let server = empty_redis();
    let mut commands = Vec::new();
    words(&mut commands, "SET a 1");
    words(&mut commands, "ACL SETUSER reader on >secret ~* +@read +@connection +info");
    words(&mut commands, "CONFIG SET requirepass other");
    tell(&server, &commands);
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("table");
    let target = format!("redis://reader:secret@{}", server.address);
    build(&target, &table, &[]);
    assert_agrees(&table, &target);
    let ended: Ended = graven()
        .args(["build", &format!("redis://{}", server.address), "-o"])
        .arg(&table)
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.status, Some(2));
    assert!(ended.err.contains("NOAUTH Authentication required."), "{}", ended.err);
}
