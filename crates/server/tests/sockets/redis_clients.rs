//! What Redis clients ask beside keys: who is connected, replies switched off, values looked at bit
//! by bit, and commands that take more than a turn.

use std::sync::Arc;

use crate::harness::{Stream, serve, serve_from_everywhere, socket_path, table, threads};
use graven_format::{Builder, Codec, CodecChoice, Options as Build, Store};

fn store() -> Arc<Store> {
    table([(&b"k1"[..], &b"value 1"[..]), (b"k2", b"\r\n\0\xff"), (b"empty", b"")])
}

/// What comes back for inline commands, until the server closes.
fn talk(mut stream: Stream, lines: &str) -> String {
    stream.send(lines.as_bytes());
    stream.end_output();
    String::from_utf8_lossy(&stream.rest()).into_owned()
}

/// The lines of `CLIENT LIST`.
fn listed(stream: &mut Stream) -> Vec<String> {
    stream.send(b"CLIENT LIST\r\n");
    let head = String::from_utf8(stream.until(b"\r\n")).unwrap();
    let len: usize = head.trim_end().trim_start_matches('$').parse().unwrap();
    let text = String::from_utf8(stream.exactly(len + 2)).unwrap();
    text.trim_end().lines().map(str::to_owned).collect()
}

fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// A connection that is known to be served, since it was answered.
fn served(mut stream: Stream, say: &str, until: &[u8]) -> Stream {
    stream.send(say.as_bytes());
    stream.until(until);
    stream
}

#[test]
fn connections_of_all_loops_and_protocols_are_listed_with_their_addresses() {
    let unix = format!("unix:{}", socket_path().display());
    serve(&store(), &threads(3), &["127.0.0.1:0", &unix], |server| {
        let mut first = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        let _redis = served(server.connect(), "CLIENT SETNAME other\r\n", b"+OK\r\n");
        let _http = served(server.connect(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"ok");
        let _memcached = served(server.connect(), "version\r\n", b"\r\n");
        let _local = served(Stream::connect(&server.endpoints[1]), "PING\r\n", b"+PONG\r\n");
        let lines = listed(&mut first);
        let protocols: Vec<&str> = lines.iter().map(|line| field(line, "protocol")).collect();
        assert_eq!(protocols, ["resp", "resp", "http", "memcached", "resp"], "{lines:#?}");
        let names: Vec<&str> = lines.iter().map(|line| field(line, "name")).collect();
        assert_eq!(names, ["", "other", "", "", ""]);
        let ids: Vec<u64> = lines.iter().map(|line| field(line, "id").parse().unwrap()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for line in &lines[..4] {
            assert_eq!(field(line, "laddr"), server.endpoints[0].to_string());
            assert!(field(line, "addr").starts_with("127.0.0.1:"), "{line}");
        }
        assert_eq!((field(&lines[4], "addr"), field(&lines[4], "flags")), ("unix:0", "U"));
        assert_eq!(field(&lines[0], "cmd"), "client|list");
        assert!(lines.iter().all(|line| field(line, "age").parse::<u64>().is_ok()), "{lines:#?}");
    });
}

#[test]
fn more_connections_than_are_listed_in_one_turn_are_all_listed() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let mut first = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        let others: Vec<Stream> =
            (0..150).map(|_| served(server.connect(), "PING\r\n", b"+PONG\r\n")).collect();
        assert_eq!(listed(&mut first).len(), 1 + others.len());
    });
}

#[test]
fn a_connection_that_is_closed_is_not_listed_any_more() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let mut stays = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        let goes = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        assert_eq!(listed(&mut stays).len(), 2);
        drop(goes);
        while listed(&mut stays).len() > 1 {}
    });
}

#[test]
fn what_another_connection_has_done_is_listed_within_seconds() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let mut first = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        let mut other = served(server.connect(), "HELLO 3\r\n", b"modules\r\n*0\r\n");
        other.send(b"CLIENT TRACKING ON BCAST\r\nGET k1\r\nMULTI\r\nGET k1\r\n");
        other.until(b"+QUEUED\r\n");
        loop {
            let lines = listed(&mut first);
            let [_, line] = &lines[..] else { panic!("{lines:#?}") };
            if field(line, "resp") == "3" && field(line, "multi") == "1" {
                assert_eq!((field(line, "flags"), field(line, "cmd")), ("xtB", "get"), "{line}");
                let bytes = |name| field(line, name).parse::<u64>().unwrap();
                assert!(bytes("multi-mem") > 0, "{line}");
                assert_eq!(bytes("tot-mem"), bytes("qbuf") + bytes("obl") + bytes("multi-mem"), "{line}");
                return;
            }
        }
    });
}

#[test]
fn connections_are_killed_by_number_and_address_on_every_loop() {
    serve(&store(), &threads(3), &["127.0.0.1:0"], |server| {
        let mut killer = served(server.connect(), "PING\r\n", b"+PONG\r\n");
        let mut victims: Vec<Stream> =
            (0..4).map(|_| served(server.connect(), "PING\r\n", b"+PONG\r\n")).collect();
        let _http = served(server.connect(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"ok");
        let lines = listed(&mut killer);
        let id = field(&lines[1], "id");
        killer.send(format!("CLIENT KILL ID {id}\r\nCLIENT KILL ID {id} ADDR 1.2.3.4:5\r\n").as_bytes());
        assert_eq!(killer.exactly(8), b":1\r\n:0\r\n");
        assert!(victims[0].rest().is_empty());
        killer.send(format!("CLIENT KILL {}\r\n", field(&lines[2], "addr")).as_bytes());
        assert_eq!(killer.exactly(5), b"+OK\r\n");
        assert!(victims[1].rest().is_empty());
        killer.send(b"CLIENT KILL TYPE pubsub\r\nCLIENT KILL TYPE normal LADDR 1.2.3.4:5\r\n");
        assert_eq!(killer.exactly(8), b":0\r\n:0\r\n");
        killer.send(b"CLIENT KILL TYPE normal\r\n");
        assert_eq!(killer.exactly(4), b":3\r\n");
        assert!(victims[2].rest().is_empty() && victims[3].rest().is_empty());
        while listed(&mut killer).len() > 1 {}
        // Its own answer still comes.
        killer.send(b"CLIENT KILL SKIPME no TYPE normal\r\nPING\r\n");
        assert_eq!(killer.rest(), b":1\r\n");
    });
}

#[test]
fn replies_are_switched_off_and_skipped_however_a_command_is_answered() {
    let many: String = (0..300).map(|_| " k1 none").collect();
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for (lines, expected) in [
            (
                "CLIENT REPLY OFF\r\nGET k1\r\nMGET k1 k2\r\nSCAN 0\r\nCLIENT REPLY ON\r\nPING\r\n",
                "+OK\r\n+PONG\r\n",
            ),
            ("CLIENT REPLY SKIP\r\nGET k1\r\nSTRLEN k1\r\n", ":7\r\n"),
            ("GET k1\r\nCLIENT REPLY SKIP\r\nGET k1\r\nGET empty\r\n", "$7\r\nvalue 1\r\n$0\r\n\r\n"),
            ("CLIENT REPLY SKIP\r\nMGET k1 empty\r\nEXISTS k1\r\n", ":1\r\n"),
            ("CLIENT REPLY SKIP\r\nKEYS *\r\nDBSIZE\r\n", ":3\r\n"),
            ("CLIENT REPLY OFF\r\nMULTI\r\nMGET k1 k1\r\nGET k1\r\nEXEC\r\nCLIENT REPLY ON\r\n", "+OK\r\n"),
            ("CLIENT REPLY OFF\r\n*1\r\nbroken\r\n", ""),
        ] {
            assert_eq!(talk(server.connect(), lines), expected, "{lines}");
        }
        let long =
            format!("CLIENT REPLY SKIP\r\nMGET{many}\r\nPING\r\nCLIENT REPLY OFF\r\nMGET{many}\r\nQUIT\r\n");
        assert_eq!(talk(server.connect(), &long), "+PONG\r\n");
    });
}

#[test]
fn replies_that_are_skipped_in_many_turns_leave_nothing_behind() {
    let mut options = threads(1);
    options.limits.output_bytes_max = 100;
    let keys: Vec<String> = (0..500).map(|i| format!("key-{i}")).collect();
    let store = table(keys.iter().map(|key| (key.as_bytes(), key.as_bytes())));
    serve_from_everywhere(&store, &options, &["127.0.0.1:0"], |server| {
        let all = keys.join(" ");
        let lines = format!(
            "CLIENT REPLY SKIP\r\nMGET {all}\r\nGET key-1\r\nMULTI\r\nCLIENT REPLY OFF\r\nMGET {all}\r\n\
             CLIENT REPLY ON\r\nGET key-2\r\nEXEC\r\nGET key-3\r\n"
        );
        let queued = "+QUEUED\r\n".repeat(4);
        let expected = format!("$5\r\nkey-1\r\n+OK\r\n{queued}*4\r\n+OK\r\n$5\r\nkey-2\r\n$5\r\nkey-3\r\n");
        assert_eq!(talk(server.connect(), &lines), expected);
    });
}

#[test]
fn reads_of_other_types_see_a_wrong_type_or_nothing_wherever_the_table_is() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let lines = "HGETALL k1\r\nHGETALL k3\r\nLLEN k2\r\nSUNION k3 k4 k1\r\nSUNION k3 k4\r\nXREAD STREAMS k3 k1 0 0\r\n";
        let expected = format!("{WRONG}*0\r\n{WRONG}{WRONG}*0\r\n{WRONG}");
        assert_eq!(talk(server.connect(), lines), expected);
        let lines = "GETBIT k2 31\r\nBITCOUNT k2\r\nBITPOS k2 1 1\r\nBITFIELD_RO k2 GET u8 24\r\nLCS k1 k1\r\nLCS k1 k3 LEN\r\n";
        assert_eq!(
            talk(server.connect(), lines),
            ":1\r\n:13\r\n:12\r\n*1\r\n:255\r\n$7\r\nvalue 1\r\n:0\r\n"
        );
    });
}

#[test]
fn large_values_are_looked_at_in_turns_and_give_the_same_answer_compressed_or_not() {
    let mut value = vec![0; 3_000_000];
    value[2_999_999] = 1;
    let text: Vec<u8> = (0..3_000_u32).map(|i| b'a' + (i * i % 7) as u8).collect();
    for codec in [Codec::Raw, Codec::Huffman] {
        let options = Build { codec: CodecChoice::Fixed(codec), ..Build::default() };
        let mut builder = Builder::new(options);
        for (key, value) in [(&b"bits"[..], &value[..]), (b"a", &text), (b"b", &text[500..])] {
            builder.add(key, value).unwrap();
        }
        let store = Arc::new(builder.finish().unwrap().0);
        serve(&store, &threads(1), &["127.0.0.1:0"], |server| {
            let lines = "BITCOUNT bits\r\nBITPOS bits 1\r\nBITPOS bits 0 -1\r\nLCS a b LEN\r\nLCS a b IDX\r\nPING\r\n";
            let said = talk(server.connect(), lines);
            assert!(
                said.starts_with(":1\r\n:23999999\r\n:23999992\r\n:2500\r\n*4\r\n$7\r\nmatches\r\n"),
                "{said}"
            );
            assert!(said.ends_with("$3\r\nlen\r\n:2500\r\n+PONG\r\n"), "{said}");
            let refused = talk(server.connect(), "LCS bits a\r\nPING\r\n");
            assert_eq!(
                refused,
                "-ERR the lengths of the values multiplied may be 16777216, those of these are 9000000000 or more\r\n\
                 +PONG\r\n"
            );
        });
    }
}

#[test]
fn info_has_the_numbers_that_tools_read() {
    serve(&store(), &threads(2), &["127.0.0.1:0"], |server| {
        let said = talk(server.connect(), "INFO\r\n");
        let number = |name: &str| {
            let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_else(|| panic!("no {name} in {said}")).parse::<f64>().unwrap()
        };
        assert!(number("used_memory") > 1e6 && number("used_memory_peak") >= number("used_memory"));
        assert!(number("total_system_memory") > number("used_memory_rss"));
        assert!(number("used_memory_dataset") > 0.0 && number("used_cpu_user") >= 0.0);
        for zero in ["blocked_clients", "loading", "rdb_bgsave_in_progress", "aof_enabled", "cluster_enabled"]
        {
            assert_eq!(number(zero), 0.0, "{zero}");
        }
        assert_eq!((number("connected_clients"), number("connected_slaves")), (1.0, 0.0));
        assert!(said.contains("\r\nrole:master\r\n"), "{said}");
        let sections = talk(server.connect(), "INFO memory cpu\r\n");
        let found: Vec<&str> = sections.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(found, ["# Memory", "# CPU"]);
    });
}

#[test]
fn no_question_about_the_server_may_have_any_number_of_arguments() {
    let names = " get".repeat(1025);
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for command in ["COMMAND INFO", "COMMAND DOCS", "INFO", "PUBSUB NUMSUB", "UNSUBSCRIBE"] {
            let said = talk(server.connect(), &format!("{command}{names}\r\nPING\r\n"));
            assert!(said.ends_with("+PONG\r\n"), "{said}");
            assert!(
                said.starts_with("-ERR this command may have 1024 arguments, this one has 102"),
                "{command}: {said}"
            );
        }
        let pattern = "*".repeat(1025);
        let said = talk(server.connect(), &format!("CONFIG GET {pattern}\r\n"));
        assert_eq!(said, "-ERR a pattern may have 1024 bytes, this one has 1025\r\n");
        let said = talk(server.connect(), &format!("COMMAND LIST FILTERBY PATTERN {pattern}\r\n"));
        assert_eq!(said, "-ERR a pattern may have 256 bytes, this one has 1025\r\n");
    });
}
