//! What is written down of single requests: the access log, and the slow log with `SLOWLOG`.

use std::io::{Read, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use graven_access::{Access, Token, Users};
use graven_catalog::Catalog;
use graven_format::Store;
use graven_server::{AccessLog, AccessLogFormat, AccessLogTarget, RequestLogOptions, ServerOptions};
use serde_json::Value;

use crate::harness::{Server, serve, serve_catalog, serve_from_everywhere, serve_users, table, threads};

fn store() -> Arc<Store> {
    table([(&b"k1"[..], &b"value 1"[..]), (b"k2", b"two"), (b"a\"\x01", b"odd")])
}

fn open(path: &Path) -> AccessLog {
    AccessLog::open(AccessLogTarget::File(path.to_owned())).unwrap()
}

fn logged(threads_count: usize, requests: RequestLogOptions) -> ServerOptions {
    ServerOptions { requests, ..threads(threads_count) }
}

/// Requests that take long, which all do.
fn all_slow() -> ServerOptions {
    logged(1, RequestLogOptions { slow: Some(Duration::ZERO), ..RequestLogOptions::default() })
}

/// All that comes back for `sent` until the server closes.
fn ask(server: &Server, endpoint: usize, sent: impl AsRef<[u8]>) -> String {
    let mut stream = crate::harness::Stream::connect(&server.endpoints[endpoint]);
    stream.send(sent.as_ref());
    stream.end_output();
    String::from_utf8_lossy(&stream.rest()).into_owned()
}

fn command(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words.collect::<String>())
}

/// The whole lines of an access log in JSON, each without what differs from run to run; that is checked here. The last
/// line of a log that is being written may not be whole yet.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields = line.as_object_mut().unwrap();
        let time = fields.remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z') && time.as_str().unwrap().len() == 27, "{time}");
        assert!(fields.remove("peer").unwrap().as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(fields.remove("microseconds").unwrap().as_u64().unwrap() < 60_000_000);
        line
    };
    text.split_inclusive('\n').filter_map(|text| text.strip_suffix('\n')).map(line).collect()
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line.trim()).unwrap()).collect()
}

#[test]
fn the_access_log_has_a_line_for_each_request_of_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let access_log = Some(open(&path));
    let requests =
        RequestLogOptions { access_log, format: AccessLogFormat::Json, ..RequestLogOptions::default() };
    serve(&store(), &logged(1, requests), &["127.0.0.1:0"], |server| {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let body = "{\"keys\":[\"k1\",\"k2\",\"none\"]}";
        let many = format!(
            "POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let http = [get("/?key=k1"), get("/v1/kv/none"), get("/v1/kv/a%22%01"), get("/none?secret"), many];
        ask(server, 0, http.concat());
        ask(server, 0, "GET / HTTP/9.9\r\n\r\n");
        let redis = [
            command(&["GET", "k1"]),
            command(&["get", "none"]),
            command(&["MGET", "k1", "none", "k2"]),
            command(&["PING"]),
            command(&["NONE", "x"]),
        ];
        ask(server, 0, redis.concat());
        ask(server, 0, "get k2\r\ngets k1 none\r\nmg k1 v\r\nset a 0 0 1\r\nx\r\n");
        ask(server, 0, "mn\r\nversion\r\nverbosity 1\r\nstats\r\nlru_crawler metadump all\r\nmg\r\n");
    });
    let expected = parsed(
        r#"{"protocol":"http","table":"table","version":"only","command":"GET","route":"/?key={key}","status":200,"keys":1,"hits":1,"misses":0,"key":"k1"}
        {"protocol":"http","table":"table","version":"only","command":"GET","route":"/v1/kv/{key}","status":404,"keys":1,"hits":0,"misses":1,"key":"none"}
        {"protocol":"http","table":"table","version":"only","command":"GET","route":"/v1/kv/{key}","status":200,"keys":1,"hits":1,"misses":0,"key":"a\\x22\\x01"}
        {"protocol":"http","command":"GET","route":"other","status":404,"keys":0,"hits":0,"misses":0}
        {"protocol":"http","table":"table","version":"only","command":"POST","route":"/v1/mget","status":200,"keys":3,"hits":2,"misses":1}
        {"protocol":"http","command":"invalid","status":505,"keys":0,"hits":0,"misses":0}
        {"protocol":"resp","table":"table","version":"only","command":"get","status":"ok","keys":1,"hits":1,"misses":0,"bytes":13,"key":"k1"}
        {"protocol":"resp","table":"table","version":"only","command":"get","status":"ok","keys":1,"hits":0,"misses":1,"bytes":5,"key":"none"}
        {"protocol":"resp","table":"table","version":"only","command":"mget","status":"ok","keys":3,"hits":2,"misses":1,"bytes":31,"key":"k1"}
        {"protocol":"resp","command":"ping","status":"ok","keys":0,"hits":0,"misses":0,"bytes":7}
        {"protocol":"resp","command":"unknown","status":"error","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","table":"table","version":"only","command":"get","status":"ok","keys":1,"hits":1,"misses":0,"bytes":24,"key":"k2"}
        {"protocol":"memcached","table":"table","version":"only","command":"gets","status":"ok","keys":2,"hits":1,"misses":1,"key":"k1"}
        {"protocol":"memcached","table":"table","version":"only","command":"mg","status":"ok","keys":1,"hits":1,"misses":0,"bytes":15,"key":"k1"}
        {"protocol":"memcached","command":"write","status":"error","keys":0,"hits":0,"misses":0,"bytes":24}
        {"protocol":"memcached","command":"mn","status":"ok","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","command":"version","status":"ok","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","command":"verbosity","status":"ok","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","command":"stats","status":"ok","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","table":"table","version":"only","command":"lru_crawler","status":"ok","keys":0,"hits":0,"misses":0}
        {"protocol":"memcached","command":"invalid","status":"error","keys":0,"hits":0,"misses":0}"#,
    );
    let found = lines(&path);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (mut found, expected) in found.into_iter().zip(expected) {
        assert!(found["bytes"].as_u64().unwrap() > 0, "{found}");
        if expected.get("bytes").is_none() {
            found.as_object_mut().unwrap().remove("bytes");
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn lines_of_text_have_the_same_words_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let requests = RequestLogOptions { access_log: Some(open(&path)), ..RequestLogOptions::default() };
    serve(&store(), &logged(1, requests), &["127.0.0.1:0"], |server| {
        ask(server, 0, command(&["GET", "a\"\u{1}"]));
        ask(server, 0, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let (time, peer, us) = (lines[0][0], lines[0][1], lines[0][11]);
    assert!(time.ends_with('Z') && peer.starts_with("127.0.0.1:") && us.starts_with("us="), "{text}");
    let rest = ["-", "resp", "table@only", "get", "ok", "keys=1", "hits=1", "misses=0", "bytes=9"];
    assert_eq!(lines[0][2..11], rest);
    assert_eq!(lines[0][12..], [r#"key="a\x22\x01""#], "{text}");
    assert_eq!(lines[1][2..7], ["-", "http", "-", "GET", "/healthz"], "{text}");
    assert_eq!(lines[1].last(), Some(&"key=-"));
}

#[test]
fn wherever_a_table_is_kept_every_lookup_has_a_line_and_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..600).map(|i| format!("key-{i}")).collect();
    let values: Vec<Vec<u8>> = (0..600).map(|i| vec![b'v'; if i % 50 == 0 { 30_000 } else { i }]).collect();
    let store = table(names.iter().map(String::as_bytes).zip(values.iter().map(Vec::as_slice)));
    let path = folder.path().join("log");
    let access_log = open(&path);
    let requests = RequestLogOptions {
        access_log: Some(access_log.clone()),
        format: AccessLogFormat::Json,
        slow: Some(Duration::from_secs(3600)),
        ..RequestLogOptions::default()
    };
    serve_from_everywhere(&store, &logged(1, requests), &["resp://127.0.0.1:0"], |server| {
        std::fs::write(&path, "").unwrap();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let gets: String = all.iter().map(|name| command(&["GET", name])).collect();
        let mget = command(&[&["MGET", "none"], &all[..]].concat());
        let exists = command(&[&["EXISTS", "none"], &all[..]].concat());
        let answers = ask(server, 0, [&gets, &mget, &exists].map(String::as_str).concat());
        assert!(answers.ends_with(":600\r\n"));
        let stats = ask(server, 0, "INFO stats\r\n");
        assert!(
            stats.contains("keyspace_hits:1800\r\n") && stats.contains("keyspace_misses:2\r\n"),
            "{stats}"
        );
        let bytes: usize = answers.len();
        let lines = loop {
            let lines = lines(&path);
            if lines.len() == 603 {
                break lines;
            }
        };
        let sum = |name: &str| lines.iter().map(|line| line[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("hits"), sum("misses")), (1800, 2));
        let answered = lines[..602].iter().map(|line| line["bytes"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(answered, bytes as u64);
        let mget = lines.iter().find(|line| line["command"] == "mget").unwrap();
        assert_eq!((&mget["keys"], &mget["key"]), (&601.into(), &"none".into()));
    });
}

#[test]
fn of_many_requests_a_part_is_logged_by_chance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let access_log = Some(open(&path));
    let requests = RequestLogOptions {
        access_log,
        sample: 10,
        format: AccessLogFormat::Json,
        ..RequestLogOptions::default()
    };
    serve(&store(), &logged(1, requests), &["127.0.0.1:0"], |server| {
        ask(server, 0, [command(&["GET", "k1"]), command(&["GET", "k2"])].concat().repeat(5_000));
    });
    let lines = lines(&path);
    assert!((500..1_500).contains(&lines.len()), "{}", lines.len());
    // Not every tenth: that would see one of two keys alone.
    let first = lines.iter().filter(|line| line["key"] == "k1").count();
    assert!((200..800).contains(&first), "{first} of {}", lines.len());
}

#[test]
fn an_access_log_that_nobody_reads_holds_up_no_answer_and_counts_what_it_drops() {
    let (mut reader, writer) = pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let access_log = Some(open(Path::new(&path)));
    let requests = RequestLogOptions { access_log, ..RequestLogOptions::default() };
    let options = logged(2, requests);
    drop(writer);
    let dropped = serve(&store(), &options, &["127.0.0.1:0"], |server| {
        let sent = command(&["GET", "k1"]).repeat(50_000);
        assert_eq!(ask(server, 0, sent), "$7\r\nvalue 1\r\n".repeat(50_000));
        let metrics = ask(server, 0, "GET /metrics HTTP/1.0\r\n\r\n");
        let line = metrics.lines().find(|line| line.starts_with("graven_access_log_dropped_lines_total "));
        line.unwrap().rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()
    });
    assert!((30_000..50_000).contains(&dropped), "{dropped}");
    drop(options);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert!(all.lines().all(|line| line.contains(" us=")), "lines come whole");
    // The pages of numbers have a line each, or are dropped as others are.
    assert!((49_999..=50_002).contains(&(all.lines().count() + dropped)), "{}", all.lines().count());
}

/// The entries of an answer to `SLOWLOG GET`: arguments, peer and name of each.
fn entries(answer: &str) -> Vec<Vec<String>> {
    let mut lines = answer.split("\r\n");
    let count = |line: &str, kind: char| line.strip_prefix(kind).unwrap().parse::<usize>().unwrap();
    let all = count(lines.next().unwrap(), '*');
    let mut entries = Vec::new();
    for _ in 0..all {
        assert_eq!(lines.next(), Some("*6"));
        let numbers: Vec<u64> = (0..3).map(|_| count(lines.next().unwrap(), ':') as u64).collect();
        assert!(numbers[1] > 1_700_000_000 && numbers[2] < 60_000_000, "{numbers:?}");
        let words = count(lines.next().unwrap(), '*');
        let mut entry = Vec::new();
        for _ in 0..words + 2 {
            assert!(lines.next().unwrap().starts_with('$'));
            entry.push(lines.next().unwrap().to_owned());
        }
        entries.push(entry);
    }
    entries
}

#[test]
fn slowlog_has_the_last_slow_requests_of_every_protocol_as_redis_has_them() {
    serve(&store(), &all_slow(), &["127.0.0.1:0"], |server| {
        ask(
            server,
            0,
            "CLIENT SETNAME me\r\nGET k1\r\nGETRANGE k1 0 3\r\nAUTH default secret\r\nHELLO 3 AUTH default secret\r\nNONE secret\r\n",
        );
        ask(server, 0, "GET /?key=k2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n");
        ask(server, 0, "mg k1 v\r\nget k1 k2\r\n");
        let answer = ask(server, 0, "SLOWLOG GET -1\r\n");
        assert!(!answer.contains("secret"), "{answer}");
        let found = entries(&answer);
        let arguments: Vec<String> =
            found.iter().rev().map(|entry| entry[..entry.len() - 2].join(" ")).collect();
        let expected = [
            "CLIENT SETNAME me",
            "GET k1",
            "GETRANGE k1 0 3",
            "auth (redacted)",
            "hello (redacted)",
            "unknown",
            "GET /?key={key} k2",
            "mg k1",
            "get k1 k2",
        ];
        assert_eq!(arguments, expected);
        assert!(found.iter().all(|entry| entry[entry.len() - 2].starts_with("127.0.0.1:")), "{found:?}");
        assert_eq!(found[7].last().unwrap(), "me");
        // This and the one before it.
        assert_eq!(ask(server, 0, "SLOWLOG LEN\r\n"), ":10\r\n");
        assert_eq!(entries(&ask(server, 0, "SLOWLOG GET 2\r\n")).len(), 2);
        assert_eq!(ask(server, 0, "SLOWLOG RESET\r\nSLOWLOG LEN\r\n"), "+OK\r\n:0\r\n");
        ask(server, 0, "PING\r\n".repeat(1_000));
        assert_eq!(ask(server, 0, "SLOWLOG LEN\r\n"), ":128\r\n");
        let metrics = ask(server, 0, "GET /metrics HTTP/1.0\r\n\r\n");
        assert!(metrics.contains("\ngraven_slow_requests_total 1015\n"), "{metrics}");
    });
    // Nothing is slow where nobody has said what that is.
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        assert_eq!(
            ask(server, 0, "GET k1\r\nSLOWLOG LEN\r\nSLOWLOG GET\r\n"),
            "$7\r\nvalue 1\r\n:0\r\n*0\r\n"
        );
    });
}

#[test]
fn of_the_name_that_a_client_gives_itself_slowlog_has_the_beginning() {
    serve(&store(), &all_slow(), &["127.0.0.1:0"], |server| {
        let name = "n".repeat(1_024);
        let answer = ask(server, 0, format!("CLIENT SETNAME {name}\r\nSLOWLOG GET -1\r\nCLIENT GETNAME\r\n"));
        assert!(answer.ends_with(&format!("$1024\r\n{name}\r\n")), "{answer}");
        let entries = entries(&ask(server, 0, "SLOWLOG GET -1\r\n"));
        let found = entries.iter().map(|entry| entry.last().unwrap().as_str()).collect::<Vec<_>>();
        let kept = format!("{}... (896 more bytes)", "n".repeat(128));
        assert_eq!(found, [&kept[..]; 3]);
    });
}

/// Two tables, of which the listener at the end answers for one alone.
fn two_tables() -> Arc<Catalog> {
    let catalog = Catalog::empty();
    let ids = ["prices", "salaries"].map(|name| {
        let id = catalog.add(name.parse().unwrap());
        catalog.switch_to(id, "v1".parse().unwrap(), store());
        id
    });
    catalog.set_default(Some(ids[0]));
    catalog
}

#[test]
fn of_slow_requests_a_user_sees_those_for_tables_that_it_may_ask() {
    let token = |user: &str| format!("{user}-{}", "t".repeat(40));
    let user = |user: &str, tables: &str| {
        let digest = Token::chosen(&token(user)).unwrap().digest();
        format!("[[users]]\nname = \"{user}\"\ntoken = \"{digest}\"\n{tables}\n")
    };
    let file = [user("shop", "tables = \"prices\""), user("audit", "default = \"salaries\"")].concat();
    let access = Access::new(Users::from_toml(&file).unwrap());
    serve_users(&two_tables(), &access, &all_slow(), &["127.0.0.1:0"], |server| {
        let as_user = |user: &str, say: &str| ask(server, 0, format!("AUTH {user} {}\r\n{say}", token(user)));
        as_user("audit", "GET k1\r\nSELECT prices\r\nGET k2\r\nECHO mine\r\n");
        let http = format!(
            "GET /v1/tables/prices/kv/k1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            token("shop")
        );
        ask(server, 0, http);
        let seen = |user: &str| {
            let answer = as_user(user, "SLOWLOG GET -1\r\n");
            let entries = entries(answer.strip_prefix("+OK\r\n").unwrap());
            let entry = |entry: &Vec<String>| {
                let (words, peer) = (entry[..entry.len() - 2].join(" "), &entry[entry.len() - 2]);
                format!("{words}{}", if peer.is_empty() { "" } else { " *" })
            };
            entries
                .iter()
                .map(entry)
                .filter(|entry| !["auth", "SLOW"].contains(&&entry[..4]))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen("shop"), ["GET /v1/kv/{key} k1 *", "GET k2"]);
        let of_audit = ["GET /v1/kv/{key} k1", "ECHO mine *", "GET k2 *", "SELECT prices *", "GET k1 *"];
        assert_eq!(seen("audit"), of_audit);
        let refused = "-NOPERM this user has no permissions to run the 'slowlog' command\r\n";
        assert_eq!(as_user("audit", "SLOWLOG RESET\r\n"), format!("+OK\r\n{refused}"));
        assert_eq!(ask(server, 0, "SLOWLOG GET\r\n"), "-NOAUTH Authentication required.\r\n");
    });
    serve_catalog(
        &two_tables(),
        &all_slow(),
        &["127.0.0.1:0", "resp://127.0.0.1:0?table=prices"],
        |server| {
            ask(server, 0, "SELECT salaries\r\nGET k1\r\nSELECT prices\r\nGET k2\r\n");
            // A listener's table is a wall.
            let of_table = entries(&ask(server, 1, "SLOWLOG GET\r\n"));
            assert_eq!(of_table.iter().map(|entry| entry[1].as_str()).collect::<Vec<_>>(), ["k2"]);
            assert_eq!(ask(server, 1, "SLOWLOG RESET\r\n"), "+OK\r\n");
            let left = entries(&ask(server, 0, "SLOWLOG GET -1\r\n"));
            assert!(
                left.iter().any(|entry| entry[1] == "k1") && left.iter().all(|entry| entry[1] != "k2"),
                "{left:?}"
            );
        },
    );
}

#[test]
fn a_request_is_logged_for_the_table_that_answers_it_and_a_refused_one_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let names: Vec<String> = (0..3_000).map(|i| format!("key-{i}")).collect();
    let catalog = Catalog::empty();
    let ids = ["large", "small"].map(|name| {
        let id = catalog.add(name.parse().unwrap());
        let keys = if name == "large" { &names[..] } else { &names[..1] };
        let store = table(keys.iter().map(|name| (name.as_bytes(), &[b'v'; 300][..])));
        catalog.switch_to(id, "v1".parse().unwrap(), store);
        id
    });
    catalog.set_default(Some(ids[1]));
    let access_log = Some(open(&path));
    let requests =
        RequestLogOptions { access_log, format: AccessLogFormat::Json, ..RequestLogOptions::default() };
    serve_catalog(&catalog, &logged(1, requests), &["127.0.0.1:0"], |server| {
        // Each takes several turns, between which the other table is asked.
        let many: Vec<&str> = ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut first = server.connect();
        first.send(format!("SELECT large\r\n{}", command(&many).repeat(5)).as_bytes());
        first.end_output();
        for _ in 0..50 {
            ask(server, 0, command(&["GET", "key-0"]));
        }
        first.rest();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ask(server, 0, [get("/v1/tables/large/kv/key-1"), get("/v1/tables/none/kv/key-1")].concat());
    });
    let lines = lines(&path);
    let of = |command: &str| lines.iter().filter(|line| line["command"] == command).collect::<Vec<_>>();
    assert_eq!((of("mget").len(), of("get").len()), (5, 50));
    assert!(of("mget").iter().all(|line| line["table"] == "large" && line["hits"] == 3_000), "{lines:#?}");
    assert!(of("get").iter().all(|line| line["table"] == "small" && line["hits"] == 1), "{lines:#?}");
    let http: Vec<_> =
        of("GET").iter().map(|line| (line["status"].clone(), line.get("table").cloned())).collect();
    assert_eq!(http, [(200.into(), Some("large".into())), (404.into(), None)]);
}

#[test]
fn what_is_refused_to_who_may_not_ask_belongs_to_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let token = "t".repeat(40);
    let other = "o".repeat(40);
    let user = |name: &str, token: &str, tables: &str| {
        let digest = Token::chosen(token).unwrap().digest();
        format!("[[users]]\nname = \"{name}\"\ntoken = \"{digest}\"\ntables = \"{tables}\"\n")
    };
    let users = [user("shop", &token, "prices"), user("audit", &other, "salaries")].concat();
    let access = Access::new(Users::from_toml(&users).unwrap());
    let access_log = Some(open(&path));
    let format = AccessLogFormat::Json;
    let requests =
        RequestLogOptions { access_log, format, slow: Some(Duration::ZERO), ..RequestLogOptions::default() };
    let endpoints = ["127.0.0.1:0?table=prices", "127.0.0.1:0"];
    serve_users(&two_tables(), &access, &logged(1, requests), &endpoints, |server| {
        for endpoint in 0..2 {
            let resp = "GET k1\r\nMGET k1 k2\r\nSTRLEN k1\r\nSCAN 0\r\nMULTI\r\nGET k1\r\nEXEC\r\n";
            let refused = ask(server, endpoint, resp);
            assert!(refused.starts_with("-NOAUTH") && !refused.contains("value"), "{refused}");
            // Whoever had logged in, and is nobody again.
            let left = format!("AUTH shop {token}\r\nSELECT prices\r\nRESET\r\nGET k1\r\nMGET k1\r\n");
            let refused = ask(server, endpoint, left);
            assert!(refused.contains("+RESET\r\n-NOAUTH") && !refused.contains("value"), "{refused}");
            let refused = ask(server, endpoint, "get k1\r\nget k1 k2\r\nmg k1 v\r\nstats items\r\n");
            assert!(!refused.contains("value"), "{refused}");
            let http = "GET /v1/kv/k1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
            assert!(ask(server, endpoint, http).starts_with("HTTP/1.1 401 "));
        }
        // One of another table comes where there is only this one.
        let refused =
            ask(server, 0, format!("AUTH audit {other}\r\nGET k1\r\nMGET k1\r\nSELECT prices\r\nGET k1\r\n"));
        assert!(refused.matches("\r\n-").count() == 4 && !refused.contains("value"), "{refused}");
        let seen = ask(server, 0, format!("AUTH shop {token}\r\nSLOWLOG GET -1\r\n"));
        let seen = entries(seen.strip_prefix("+OK\r\n").unwrap());
        // Those that the user has sent itself.
        assert!(seen.iter().all(|entry| !entry.iter().any(|word| word == "k1")), "{seen:?}");
    });
    let lines = lines(&path);
    assert!(lines.len() >= 26, "{}", lines.len());
    assert!(lines.iter().all(|line| line.get("table").is_none()), "{lines:#?}");
}
