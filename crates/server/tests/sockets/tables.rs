//! Several tables in one server: which one is asked, in each language, and that no answer comes from another.

use std::sync::Arc;

use graven_catalog::{Catalog, TableId};
use graven_format::{Builder, Purpose, Storage, Store};

use crate::harness::{Server, Stream, open, serve_catalog, table, threads};

/// Tables `prices`, `users` and `sites` whose values name their table.
fn catalog(store: impl Fn(&str) -> Arc<Store>) -> (Arc<Catalog>, [TableId; 3]) {
    let catalog = Catalog::empty();
    let ids = ["prices", "users", "sites"].map(|name| {
        let id = catalog.add(name.parse().unwrap());
        catalog.switch_to(id, "v1".parse().unwrap(), store(name));
        id
    });
    (catalog, ids)
}

/// 200 keys `k0`, `k1` and so on, whose values are `NAME VERSION i`.
fn pairs(name: &str, version: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..200).map(|i| (format!("k{i}").into_bytes(), format!("{name} {version} {i}").into_bytes())).collect()
}

fn in_memory(name: &str, version: &str) -> Arc<Store> {
    let pairs = pairs(name, version);
    table(pairs.iter().map(|(key, value)| (&key[..], &value[..])))
}

fn on_disk(directory: &tempfile::TempDir, name: &str, version: &str) -> Arc<Store> {
    let path = directory.path().join(format!("{name}-{version}"));
    let mut builder = Builder::new(graven_format::Options { purpose: Purpose::Disk, ..Default::default() });
    pairs(name, version).iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    builder.write(&path).unwrap();
    open(&path, Storage::Disk)
}

/// Sends a request on a connection of its own and gives the whole answer.
fn ask(server: &Server, at: usize, request: &str) -> String {
    let mut stream = Stream::connect(&server.endpoints[at]);
    stream.send(request.as_bytes());
    stream.end_output();
    String::from_utf8(stream.rest()).unwrap()
}

fn get(server: &Server, at: usize, path: &str) -> String {
    ask(server, at, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// Status, `Graven-Version` and body.
fn parts(answer: &str) -> (&str, Option<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let version = head.lines().find_map(|line| line.strip_prefix("Graven-Version: "));
    (&head["HTTP/1.1 ".len()..][..3], version, body)
}

#[test]
fn over_http_a_path_names_a_table_or_a_version_of_it() {
    let (catalog, [prices, ..]) = catalog(|name| in_memory(name, "v1"));
    catalog.switch_to(prices, "v2".parse().unwrap(), in_memory("prices", "v2"));
    serve_catalog(&catalog, &threads(2), &["127.0.0.1:0"], |server| {
        for (path, expected) in [
            ("/v1/tables/prices/kv/k3", ("200", Some("prices@v2"), "prices v2 3")),
            ("/v1/tables/users/kv/k3", ("200", Some("users@v1"), "users v1 3")),
            ("/v1/tables/prices@v1/kv/k3", ("200", Some("prices@v1"), "prices v1 3")),
            ("/v1/tables/prices%40v1/kv/k3", ("200", Some("prices@v1"), "prices v1 3")),
            ("/v1/tables/prices/kv/%6b3", ("200", Some("prices@v2"), "prices v2 3")),
            ("/v1/tables/prices/kv/none", ("404", Some("prices@v2"), "Key not found")),
            ("/v1/tables/users/kv/", ("400", None, "The key is empty")),
        ] {
            let answer = get(server, 0, path);
            assert_eq!(parts(&answer), expected, "{path}");
        }
        for (path, status, says) in [
            ("/v1/tables/nope/kv/k3", "404", "There is no such table; GET /v1/tables lists all"),
            ("/v1/tables/prices@v9/kv/k3", "404", "The table does not hold that version"),
            ("/v1/tables/@v1/kv/k3", "404", "There is no such table"),
            ("/v1/tables/%zz/kv/k3", "404", "There is no such table"),
            ("/v1/tables/%ff/kv/k3", "404", "There is no such table"),
            ("/v1/tables/nope", "404", "There is no such table"),
            ("/v1/tables/prices/nope", "404", "No such path"),
            // None is the default one, and none is taken for it.
            ("/?key=k3", "404", "There are several tables, and none is the default: name one"),
            ("/v1/kv/k3", "404", "There are several tables"),
        ] {
            let answer = get(server, 0, path);
            let (found, version, body) = parts(&answer);
            assert_eq!((found, version), (status, None), "{path}");
            assert!(body.starts_with(says), "{path}: {body}");
        }
        let body = r#"{"keys":["k1","none"]}"#;
        for (path, version, value) in [
            ("/v1/tables/users/mget", "users@v1", "users v1 1"),
            ("/v1/tables/prices@v1/mget", "prices@v1", "prices v1 1"),
        ] {
            let length = body.len();
            let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
            let answer = ask(server, 0, &request);
            let expected = format!("{{\"values\":[\"{value}\",null]}}\n");
            assert_eq!(parts(&answer), ("200", Some(version), expected.as_str()));
        }
        let tagged = get(server, 0, "/v1/tables/prices/kv/k3");
        let etag = tagged.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        let request = format!("GET /v1/tables/prices/kv/k3 HTTP/1.0\r\nIf-None-Match: {etag}\r\n\r\n");
        assert_eq!(parts(&ask(server, 0, &request)), ("304", Some("prices@v2"), ""));
    });
}

#[test]
fn a_default_table_answers_where_none_is_named_as_the_only_one_does() {
    let (catalog, [_, users, sites]) = catalog(|name| in_memory(name, "v1"));
    serve_catalog(&catalog, &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let mut answered = |request: &str, answer: &str| {
            stream.send(request.as_bytes());
            assert_eq!(String::from_utf8(stream.exactly(answer.len())).unwrap(), answer, "{request}");
        };
        let none = "-ERR there are several tables, and none is the default: name one with SELECT\r\n";
        answered("GET k1\r\n", none);
        answered("MGET k1\r\n", none);
        answered("SELECT 0\r\nGET k1\r\n", &format!("+OK\r\n{none}"));
        catalog.set_default(Some(users));
        answered("GET k1\r\nDBSIZE\r\n", "$10\r\nusers v1 1\r\n:200\r\n");
        assert_eq!(parts(&get(server, 0, "/?key=k1")), ("200", Some("users@v1"), "users v1 1"));
        assert!(ask(server, 0, "get k1\r\n").starts_with("VALUE k1 0 10\r\nusers v1 1\r\n"));
        // One that was chosen and is not there yet is waited for, whatever else there is.
        catalog.set_default(Some(catalog.reserve("later".parse().unwrap())));
        answered("GET k1\r\n", "-LOADING the table is loading, ask again soon\r\n");
        assert_eq!(parts(&get(server, 0, "/?key=k1")).0, "503");
        catalog.set_default(None);
        assert!(ask(server, 0, "get k1\r\n").starts_with("SERVER_ERROR there are several tables"));
        assert!(ask(server, 0, "get k1 k2\r\n").starts_with("SERVER_ERROR there are several tables"));
        // As soon as two of three are gone, the third is the only one.
        catalog.remove(users);
        catalog.remove(sites);
        answered("GET k1\r\n", "$11\r\nprices v1 1\r\n");
    });
}

#[test]
fn redis_clients_select_a_table_by_its_number_or_name() {
    let (catalog, _) = catalog(|name| in_memory(name, "v1"));
    let mut options = threads(1);
    options.databases = [(3, "users".parse().unwrap()), (7, "later".parse().unwrap())].into();
    serve_catalog(&catalog, &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let mut answered = |request: &str, answer: &str| {
            stream.send(request.as_bytes());
            assert_eq!(String::from_utf8(stream.exactly(answer.len())).unwrap(), answer, "{request}");
        };
        answered("SELECT 3\r\nGET k5\r\n", "+OK\r\n$10\r\nusers v1 5\r\n");
        answered("SELECT prices\r\nGET k5\r\n", "+OK\r\n$11\r\nprices v1 5\r\n");
        // In one pipeline, which is looked up together as far as it is of one table.
        answered(
            "GET k1\r\nSELECT users\r\nGET k1\r\nGET k2\r\nSELECT sites\r\nGET k1\r\n",
            "$11\r\nprices v1 1\r\n+OK\r\n$10\r\nusers v1 1\r\n$10\r\nusers v1 2\r\n+OK\r\n$10\r\nsites v1 1\r\n",
        );
        // What cannot be selected leaves what was.
        answered("SELECT 1\r\n", "-ERR DB index is out of range\r\n");
        answered("SELECT -1\r\n", "-ERR DB index is out of range\r\n");
        answered("SELECT 99999999999\r\n", "-ERR DB index is out of range\r\n");
        answered(
            "SELECT nope\r\nGET k1\r\n",
            "-ERR value is not an integer or out of range\r\n$10\r\nsites v1 1\r\n",
        );
        // A table that is not there yet is none, and never another.
        answered("SELECT 7\r\nGET k1\r\n", "+OK\r\n-ERR there is no such table\r\n");
        let later = catalog.add("later".parse().unwrap());
        answered("GET k1\r\n", "-LOADING the table is loading, ask again soon\r\n");
        catalog.switch_to(later, "v1".parse().unwrap(), in_memory("later", "v1"));
        answered("GET k1\r\n", "$10\r\nlater v1 1\r\n");
        answered("RESET\r\nSELECT 3\r\n", "+RESET\r\n+OK\r\n");
        // Within a transaction, too.
        answered(
            "MULTI\r\nGET k1\r\nSELECT prices\r\nGET k1\r\nMGET k1\r\nEXEC\r\nGET k2\r\n",
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n$10\r\nusers v1 1\r\n+OK\r\n\
             $11\r\nprices v1 1\r\n*1\r\n$11\r\nprices v1 1\r\n$11\r\nprices v1 2\r\n",
        );
        answered("CONFIG GET databases\r\n", "*2\r\n$9\r\ndatabases\r\n$1\r\n8\r\n");
        let info = ask(server, 0, "INFO keyspace tables\r\n");
        assert!(info.contains("db3:keys=200,") && info.contains("db7:keys=200,"), "{info}");
        assert!(info.contains("name=prices,version=v1,pairs=200,"), "{info}");
    });
}

#[test]
fn a_listener_of_one_table_is_a_wall() {
    let (catalog, _) = catalog(|name| in_memory(name, "v1"));
    let endpoints = ["127.0.0.1:0?table=users", "127.0.0.1:0?table=nope", "resp://127.0.0.1:0?table=sites"];
    serve_catalog(&catalog, &threads(1), &endpoints, |server| {
        assert_eq!(server.endpoints[0].table.as_ref().unwrap().as_str(), "users");
        assert_eq!(parts(&get(server, 0, "/?key=k1")), ("200", Some("users@v1"), "users v1 1"));
        assert_eq!(parts(&get(server, 0, "/v1/tables/users/kv/k1")).0, "200");
        for path in ["/v1/tables/prices/kv/k1", "/v1/tables/prices@v1/kv/k1", "/v1/tables/prices"] {
            assert_eq!(parts(&get(server, 0, path)).0, "404", "{path}");
        }
        let listed = get(server, 0, "/v1/tables");
        assert!(listed.contains("\"users\"") && !listed.contains("\"prices\""), "{listed}");
        for path in ["/metrics", "/stats.json", "/readyz"] {
            let page = get(server, 0, path);
            assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("prices"), "{page}");
        }
        assert!(get(server, 0, "/metrics").contains("\ngraven_pairs 200\n"));
        assert!(get(server, 1, "/readyz").starts_with("HTTP/1.1 503 "));
        assert!(ask(server, 0, "get k1\r\n").contains("users v1 1"));
        let stats = ask(server, 0, "stats tables\r\n");
        assert!(stats.contains("STAT users:version v1\r\n") && !stats.contains("prices"), "{stats}");
        let wall = "-ERR this address answers for one table alone\r\n";
        for (command, answer) in [
            ("GET k1", "$10\r\nusers v1 1\r\n"),
            ("SELECT 0", "+OK\r\n"),
            ("SELECT users", "+OK\r\n"),
            ("SELECT prices", wall),
            ("SELECT 3", wall),
            ("SELECT nope", wall),
        ] {
            assert_eq!(ask(server, 0, &format!("{command}\r\n")), answer, "{command}");
        }
        let info = ask(server, 0, "INFO keyspace tables\r\n");
        assert!(info.contains("db0:keys=200,") && !info.contains("prices"), "{info}");
        // A table that is not there is not another.
        assert_eq!(parts(&get(server, 1, "/?key=k1")).0, "404");
        assert_eq!(ask(server, 1, "get k1\r\n"), "SERVER_ERROR there is no such table\r\n");
        assert_eq!(ask(server, 2, "GET k1\r\n"), "$10\r\nsites v1 1\r\n");
    });
}

#[test]
fn a_table_says_where_it_answers_from() {
    let directory = tempfile::tempdir().unwrap();
    for (storage, expected) in [
        (Storage::Memory, "file"),
        (Storage::Memory, "ram"),
        (Storage::Mapped, "mmap"),
        (Storage::Disk, "disk"),
    ] {
        let (catalog, _) = catalog(|name| {
            on_disk(&directory, name, "v1");
            let store = open(&directory.path().join(format!("{name}-v1")), storage);
            if expected == "ram" {
                store.load().unwrap();
            }
            store
        });
        serve_catalog(&catalog, &threads(1), &["127.0.0.1:0"], |server| {
            let answer = get(server, 0, "/v1/tables/users");
            let said = format!("\"storage\":\"{expected}\"");
            assert!(answer.contains(&said), "{storage:?}: {answer}");
        });
    }
}

/// Requests for tables by turns, from several connections that are served together, and pieces of them.
#[test]
fn requests_for_several_tables_that_are_served_together_are_each_answered_from_their_own() {
    let directory = tempfile::tempdir().unwrap();
    for kept in ["memory", "disk", "some on disk"] {
        let (catalog, _) = catalog(|name| match (kept, name) {
            ("memory", _) | ("some on disk", "users") => in_memory(name, "v1"),
            _ => on_disk(&directory, name, "v1"),
        });
        let mut options = threads(1);
        options.storage.cache_bytes = 0;
        serve_catalog(&catalog, &options, &["127.0.0.1:0"], |server| {
            let names = ["prices", "users", "sites"];
            let mut streams: Vec<Stream> = (0..12).map(|_| server.connect()).collect();
            let table = |stream: usize, i: usize| names[(stream + i * (1 + stream % 3)) % 3];
            for (at, stream) in streams.iter_mut().enumerate() {
                let mut requests = String::new();
                for i in 0..200 {
                    let name = table(at, i);
                    match at % 2 {
                        0 => requests.push_str(&format!(
                            "GET /v1/tables/{name}/kv/k{i} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                        )),
                        _ => requests.push_str(&format!("SELECT {name}\r\nGET k{i}\r\n")),
                    }
                }
                stream.send(requests.as_bytes());
            }
            for (at, stream) in streams.iter_mut().enumerate() {
                for i in 0..200 {
                    let name = table(at, i);
                    let value = format!("{name} v1 {i}");
                    match at % 2 {
                        0 => {
                            let head = String::from_utf8(stream.until(b"\r\n\r\n")).unwrap();
                            assert!(head.contains(&format!("Graven-Version: {name}@v1\r\n")), "{head}");
                            assert_eq!(String::from_utf8(stream.exactly(value.len())).unwrap(), value);
                        }
                        _ => {
                            let answer = format!("+OK\r\n${}\r\n{value}\r\n", value.len());
                            assert_eq!(String::from_utf8(stream.exactly(answer.len())).unwrap(), answer);
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn an_exec_answers_from_the_tables_as_they_were_when_it_began() {
    let (catalog, [prices, users, _]) = catalog(|name| in_memory(name, "v1"));
    let mut options = threads(1);
    // So little that it takes many turns.
    options.limits.output_bytes_max = 64;
    serve_catalog(&catalog, &options, &["127.0.0.1:0"], |server| {
        let mut switches = 1;
        for round in 0..20 {
            let mut stream = server.connect();
            stream.send(b"MULTI\r\n");
            for i in 0..100 {
                stream.send(format!("SELECT prices\r\nGET k{i}\r\nSELECT users\r\nGET k{i}\r\n").as_bytes());
            }
            stream.send(b"EXEC\r\n");
            stream.exactly("+OK\r\n".len() + 400 * "+QUEUED\r\n".len());
            assert_eq!(stream.until(b"\r\n"), b"*400\r\n");
            let mut versions = Vec::new();
            for i in 0..200 {
                if i % 10 == round % 10 {
                    switches += 1;
                    let version = format!("v{switches}");
                    catalog.switch_to(prices, version.parse().unwrap(), in_memory("prices", &version));
                    catalog.switch_to(users, version.parse().unwrap(), in_memory("users", &version));
                }
                assert_eq!(stream.until(b"\r\n"), b"+OK\r\n");
                stream.until(b"\r\n");
                let value = String::from_utf8(stream.until(b"\r\n")).unwrap();
                let mut words = value.split_whitespace();
                assert_eq!(words.next(), Some(["prices", "users"][i % 2]));
                versions.push(words.next().unwrap().to_owned());
            }
            versions.dedup();
            assert_eq!(versions.len(), 1, "{versions:?}");
        }
    });
}

/// The cursor, and the keys.
fn scan(stream: &mut Stream, cursor: &str) -> Result<(String, Vec<String>), String> {
    stream.send(format!("SCAN {cursor} COUNT 20\r\n").as_bytes());
    let mut line = || String::from_utf8(stream.until(b"\r\n")).unwrap().trim_end().to_owned();
    let first = line();
    if let Some(error) = first.strip_prefix('-') {
        return Err(error.to_owned());
    }
    line();
    let cursor = line();
    let count: usize = line().strip_prefix('*').unwrap().parse().unwrap();
    let keys = (0..count).map(|_| {
        line();
        line()
    });
    Ok((cursor, keys.collect()))
}

#[test]
fn a_cursor_goes_on_in_the_version_that_it_began_with_and_is_refused_once_that_is_gone() {
    let only = |version: &str| {
        let pairs = (0..500).map(|i| (format!("{version}-{i}").into_bytes(), version.as_bytes().to_vec()));
        let pairs: Vec<_> = pairs.collect();
        table(pairs.iter().map(|(key, value)| (&key[..], &value[..])))
    };
    let catalog = Catalog::new("table", "v1", only("v1"));
    serve_catalog(&catalog, &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        let (mut cursor, mut keys) = scan(&mut stream, "0").unwrap();
        assert!(cursor.parse::<u64>().unwrap() < 1 << 53, "{cursor}");
        catalog.switch("v2", only("v2"));
        while cursor != "0" {
            let (next, more) = scan(&mut stream, &cursor).unwrap();
            (cursor, keys) = (next, [keys, more].concat());
        }
        keys.sort();
        keys.dedup();
        assert!(keys.len() == 500 && keys.iter().all(|key| key.starts_with("v1-")), "{keys:?}");
        // The version after next lets the first one go.
        let (cursor, _) = scan(&mut stream, "0").unwrap();
        catalog.switch("v3", only("v3"));
        catalog.switch("v4", only("v4"));
        let refused = scan(&mut stream, &cursor).unwrap_err();
        assert!(refused.starts_with("ERR the cursor belongs to a version"), "{refused}");
        for cursor in ["1", "17592186044417", "9223372036854775807", "18446744073709551615"] {
            assert!(scan(&mut stream, cursor).is_err(), "{cursor}");
        }
        assert!(scan(&mut stream, "0").is_ok());
    });
}

#[test]
fn ready_is_a_server_whose_tables_answer_that_must() {
    let catalog = Catalog::empty();
    serve_catalog(&catalog, &threads(1), &["127.0.0.1:0"], |server| {
        let ready = || {
            let answer = get(server, 0, "/readyz");
            let (status, _, body) = parts(&answer);
            (status.to_owned(), body.to_owned())
        };
        let is = |status: &str, body: &str| (status.to_owned(), body.to_owned());
        assert_eq!(ready(), is("503", "no table answers"));
        let prices = catalog.add("prices".parse().unwrap());
        catalog.require(prices);
        assert_eq!(ready(), is("503", "prices: no version answers yet"));
        catalog.set_condition(
            prices,
            graven_catalog::Condition::Loading { version: "v1".parse().unwrap(), done: 1, total: 4 },
        );
        assert_eq!(ready(), is("503", "prices: v1 is loading, 25 %"));
        catalog.switch_to(prices, "v1".parse().unwrap(), in_memory("prices", "v1"));
        assert_eq!(ready(), is("200", "ready"));
        // A table that comes later makes nobody unready until it has answered.
        let users = catalog.add("users".parse().unwrap());
        assert_eq!(ready(), is("200", "ready"));
        catalog.switch_to(users, "v1".parse().unwrap(), in_memory("users", "v1"));
        catalog.withdraw(users);
        assert_eq!(ready().0, "503");
        catalog.remove(users);
        assert_eq!(ready(), is("200", "ready"));
    });
}

#[test]
fn a_client_that_keeps_values_is_told_to_forget_them_at_a_switch() {
    let catalog = Catalog::new("table", "v1", in_memory("table", "v1"));
    serve_catalog(&catalog, &threads(2), &["127.0.0.1:0"], |server| {
        let invalidate = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
        let mut idle = server.connect();
        let mut never = server.connect();
        let read = |stream: &mut Stream, answer: &str| {
            assert_eq!(String::from_utf8(stream.exactly(answer.len())).unwrap(), answer);
        };
        idle.send(b"HELLO 3\r\n");
        idle.until(b"$7\r\nmodules\r\n*0\r\n");
        idle.send(b"CLIENT TRACKING ON\r\nGET k1\r\n");
        read(&mut idle, "+OK\r\n$10\r\ntable v1 1\r\n");
        never.send(b"GET k1\r\n");
        read(&mut never, "$10\r\ntable v1 1\r\n");
        for i in 2..5 {
            let version = format!("v{i}");
            catalog.switch(&version, in_memory("table", &version));
            // Without asking for anything.
            read(&mut idle, invalidate);
            idle.send(b"GET k1\r\n");
            read(&mut idle, &format!("$10\r\ntable {version} 1\r\n"));
        }
        // What is no switch is nothing to tell.
        catalog.set_condition(
            catalog.snapshot().default_table().unwrap().id(),
            graven_catalog::Condition::Frozen,
        );
        idle.send(b"PING\r\n");
        read(&mut idle, "+PONG\r\n");
        never.send(b"GET k1\r\n");
        read(&mut never, "$10\r\ntable v4 1\r\n");
        // In the middle of an answer that takes many turns it comes behind it.
        idle.send(format!("*{}\r\n$4\r\nMGET\r\n{}", 100_001, "$2\r\nk1\r\n".repeat(100_000)).as_bytes());
        assert_eq!(idle.until(b"\r\n"), b"*100000\r\n");
        catalog.switch("v5", in_memory("table", "v5"));
        for _ in 0..100_000 {
            let head = idle.until(b"\r\n");
            assert_eq!(head, b"$10\r\n");
            idle.until(b"\r\n");
        }
        read(&mut idle, invalidate);
    });
}
