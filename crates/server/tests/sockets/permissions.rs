//! Every command and every route as each kind of user: nobody, somebody with a wrong token, a user of the table, a user of another
//! table, and clients that show a certificate. What has no row here fails the tests.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use graven_access::{Access, Token, Users};
use graven_catalog::Catalog;
use graven_server::Endpoint;
use graven_wire::resp::Known;

use crate::harness::{Stream, serve_users, table, threads};

/// What is asked for, which decides who is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// To come in or to go.
    Entry,
    /// Something of the server, of which users see their part.
    Server,
    /// Something of the table `prices`.
    Table,
    /// Something of other connections, which no user may ask.
    Others,
}

use Asks::{Entry, Others, Server as OfServer, Table};

/// Each command of Redis that is answered, and some that are refused as writes.
const COMMANDS: &[(Asks, &[&str])] = &[
    // A client that is somebody else after them, or gone, is asked for on its own.
    (Entry, &["AUTH wrong", "HELLO 2 AUTH a b", "QUIT", "RESET"]),
    (Others, &["CLIENT KILL ID 77", "SLOWLOG RESET"]),
    (
        OfServer,
        &[
            "ACL WHOAMI",
            "CLIENT ID",
            "CLIENT LIST",
            "CLUSTER INFO",
            "COMMAND COUNT",
            "CONFIG GET maxmemory",
            "DISCARD",
            "ECHO a",
            "EXEC",
            "HELLO",
            "INFO",
            "LATENCY LATEST",
            "MODULE LIST",
            "MULTI",
            "PING",
            "PUBLISH c m",
            "PUBSUB CHANNELS",
            "PUNSUBSCRIBE",
            "READONLY",
            "READWRITE",
            "ROLE",
            "SELECT 0",
            "SLOWLOG LEN",
            "SPUBLISH c m",
            "SUNSUBSCRIBE",
            "TIME",
            "UNSUBSCRIBE",
            "UNWATCH",
            "WATCH k",
            "WAIT 0 0",
            "SET k v",
            "DEL k",
            "FLUSHALL",
            "EVAL x 0",
            "NONE",
        ],
    ),
    (
        Table,
        &[
            "BITCOUNT k",
            "BITFIELD_RO k GET u4 0",
            "BITPOS k 1",
            "DBSIZE",
            "EXISTS k",
            "EXPIRETIME k",
            "GEODIST none a b",
            "GEOHASH none a",
            "GEOPOS none a",
            "GEORADIUS_RO none 1 1 1 m",
            "GEORADIUSBYMEMBER_RO none a 1 m",
            "GEOSEARCH none FROMMEMBER a BYRADIUS 1 m",
            "GET k",
            "GETBIT k 0",
            "GETEX k",
            "GETRANGE k 0 1",
            "HEXISTS none f",
            "HGET none f",
            "HGETALL none",
            "HKEYS none",
            "HLEN none",
            "HMGET none f",
            "HRANDFIELD none",
            "HSCAN none 0",
            "HSTRLEN none f",
            "HVALS none",
            "KEYS *",
            "LCS k k",
            "LINDEX none 0",
            "LLEN none",
            "LPOS none a",
            "LRANGE none 0 1",
            "MEMORY USAGE k",
            "MGET k",
            "OBJECT ENCODING k",
            "PEXPIRETIME k",
            "PFCOUNT none",
            "PTTL k",
            "RANDOMKEY",
            "SCAN 0",
            "SCARD none",
            "SDIFF none",
            "SINTER none",
            "SINTERCARD 1 none",
            "SISMEMBER none a",
            "SMEMBERS none",
            "SMISMEMBER none a",
            "SORT_RO none",
            "SRANDMEMBER none",
            "SSCAN none 0",
            "STRLEN k",
            "SUBSTR k 0 1",
            "SUNION none",
            "TOUCH k",
            "TTL k",
            "TYPE k",
            "XINFO STREAM none",
            "XLEN none",
            "XPENDING none g",
            "XRANGE none - +",
            "XREAD STREAMS none 0",
            "XREVRANGE none + -",
            "ZCARD none",
            "ZCOUNT none 0 1",
            "ZDIFF 1 none",
            "ZINTER 1 none",
            "ZINTERCARD 1 none",
            "ZLEXCOUNT none - +",
            "ZMSCORE none a",
            "ZRANDMEMBER none",
            "ZRANGE none 0 1",
            "ZRANGEBYLEX none - +",
            "ZRANGEBYSCORE none 0 1",
            "ZRANK none a",
            "ZREVRANGE none 0 1",
            "ZREVRANGEBYLEX none + -",
            "ZREVRANGEBYSCORE none 1 0",
            "ZREVRANK none a",
            "ZSCAN none 0",
            "ZSCORE none a",
            "ZUNION 1 none",
        ],
    ),
];

/// Each command of memcached.
const MEMCACHED: &[(Asks, &[&str])] = &[
    (Entry, &["quit", "set a 0 0 3\r\na b"]),
    (
        OfServer,
        &[
            "mn",
            "version",
            "verbosity 1",
            "stats",
            "slabs reassign 1 1",
            "watch",
            "shutdown",
            "add a 0 0 1\r\n1",
            "replace a 0 0 1\r\n1",
            "append a 0 0 1\r\n1",
            "prepend a 0 0 1\r\n1",
            "cas a 0 0 1 1\r\n1",
            "ms a 1\r\n1",
            "md a",
            "ma a",
            "delete a",
            "incr a 1",
            "decr a 1",
            "touch a 1",
            "flush_all",
            "none",
        ],
    ),
    (Table, &["get k", "gets k", "gat 0 k", "gats 0 k", "mg k v", "lru_crawler metadump all"]),
];

/// Each route over HTTP.
const ROUTES: &[(Asks, &[&str])] = &[
    (Entry, &["GET /healthz", "HEAD /healthz", "GET /readyz", "OPTIONS /v1/kv/k", "OPTIONS /v1/mget"]),
    (
        OfServer,
        &[
            "GET /",
            "GET /?",
            "POST /",
            "GET /metrics",
            "GET /stats.json",
            "GET /status",
            "GET /status.json",
            "GET /v1/tables",
            "GET /v1/tables/",
            "GET /v1/kv/",
            "GET /v1/mget",
            "GET /none",
            "DELETE /v1/kv/k",
        ],
    ),
    (
        Table,
        &[
            "GET /?key=k",
            "HEAD /?key=k",
            "GET /v1/kv/k",
            "POST /v1/mget",
            "GET /v1/tables/prices",
            "GET /v1/tables/prices/kv/k",
            "GET /v1/tables/prices@v1/kv/k",
            "POST /v1/tables/prices/mget",
        ],
    ),
];

fn token(user: &str) -> String {
    format!("{user}-{}", "t".repeat(40))
}

/// `shop` may ask the table `prices`, as may who shows the certificate of `reader`; `audit` another.
fn access() -> Arc<Access> {
    let digest = |user: &str| Token::chosen(&token(user)).unwrap().digest();
    let file = format!(
        "[[users]]\nname = \"shop\"\ntoken = \"{}\"\ntables = \"prices\"\ncertificate = \"reader\"\n\
         [[users]]\nname = \"audit\"\ntoken = \"{}\"\ntables = \"salaries\"\n",
        digest("shop"),
        digest("audit"),
    );
    Access::new(Users::from_toml(&file).unwrap())
}

fn catalog() -> Arc<Catalog> {
    let catalog = Catalog::empty();
    for name in ["prices", "salaries"] {
        let id = catalog.add(name.parse().unwrap());
        catalog.switch_to(id, "v1".parse().unwrap(), table([(&b"k"[..], name.as_bytes())]));
    }
    catalog
}

/// A header that makes each connection another peer's, so that none is slowed by the failures of others.
fn next_peer() -> Vec<u8> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + NEXT.fetch_add(1, Ordering::Relaxed));
    format!("PROXY TCP4 {address} 127.0.0.1 50000 80\r\n").into_bytes()
}

/// Everything that is answered to `bytes`.
fn ask(endpoint: &Endpoint, bytes: &[u8]) -> String {
    let mut stream = Stream::connect(endpoint);
    stream.send(&[&next_peer(), bytes].concat());
    stream.end_output();
    String::from_utf8_lossy(&stream.rest()).into_owned()
}

/// The kinds of users who say what they are by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    Wrong,
    Right,
    /// Right, of another table.
    Other,
}

const KINDS: [Kind; 4] = [Kind::Nobody, Kind::Wrong, Kind::Right, Kind::Other];

impl Kind {
    fn login(self) -> Option<(&'static str, String)> {
        match self {
            Self::Nobody => None,
            Self::Wrong => Some(("shop", "x".repeat(45))),
            Self::Right => Some(("shop", token("shop"))),
            Self::Other => Some(("audit", token("audit"))),
        }
    }

    /// Whether somebody of this kind is refused, and how.
    fn refusal(self, asks: Asks, refusals: &Refusals) -> Option<&'static str> {
        match (self, asks) {
            (_, Entry) => None,
            (Self::Nobody | Self::Wrong, _) => Some(refusals.unknown),
            (_, Others) | (Self::Other, Table) => Some(refusals.not_permitted),
            (Self::Right, _) | (Self::Other, _) => None,
        }
    }
}

/// How answers begin that refuse.
struct Refusals {
    unknown: &'static str,
    not_permitted: &'static str,
}

const REDIS: Refusals = Refusals { unknown: "-NOAUTH", not_permitted: "-NOPERM" };
const OF_MEMCACHED: Refusals = Refusals {
    unknown: "CLIENT_ERROR unauthenticated",
    not_permitted: "CLIENT_ERROR this user may not ask this table",
};
const HTTP: Refusals = Refusals { unknown: "HTTP/1.1 401", not_permitted: "HTTP/1.1 403" };

/// Compares the answer to each row with what somebody is answered who is refused as `refusal` says.
fn check(
    rows: &[(Asks, &[&str])],
    refusals: &Refusals,
    refusal: impl Fn(Asks) -> Option<&'static str>,
    mut answer: impl FnMut(&str) -> String,
) {
    let mut mistakes = Vec::new();
    for (asks, lines) in rows {
        for line in *lines {
            let answer = answer(line);
            let is_right = match refusal(*asks) {
                Some(refusal) => answer.starts_with(refusal),
                None => {
                    !answer.is_empty()
                        && !answer.starts_with(refusals.unknown)
                        && !answer.starts_with(refusals.not_permitted)
                }
            };
            if !is_right {
                mistakes.push(format!("{asks:?} {line}: {}", answer.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}

fn redis_line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", line.split(' ').count())
}

fn http_lines(line: &str, authorization: &str) -> String {
    let body = if line.starts_with("POST") { "Content-Length: 5\r\n\r\n[\"k\"]" } else { "\r\n" };
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}{body}")
}

const ENDPOINTS: [&str; 3] = [
    "resp://127.0.0.1:0?proxy=required&table=prices",
    "memcached://127.0.0.1:0?proxy=required&table=prices",
    "http://127.0.0.1:0?proxy=required",
];

#[test]
fn every_command_of_redis_is_answered_to_who_may_ask_it() {
    serve_users(&catalog(), &access(), &threads(1), &ENDPOINTS, |server| {
        for kind in KINDS {
            let login = kind.login().map(|(name, token)| redis_line(&format!("AUTH {name} {token}")));
            check(
                COMMANDS,
                &REDIS,
                |asks| kind.refusal(asks, &REDIS),
                |line| {
                    let sent = login.iter().cloned().chain([redis_line(line)]).collect::<String>();
                    let answers = ask(&server.endpoints[0], sent.as_bytes());
                    // What answers the login.
                    let skipped = if login.is_some() { answers.find("\r\n").unwrap() + 2 } else { 0 };
                    answers[skipped..].to_owned()
                },
            );
        }
    });
}

#[test]
fn every_command_of_memcached_is_answered_to_who_may_ask_it() {
    serve_users(&catalog(), &access(), &threads(1), &ENDPOINTS, |server| {
        for kind in KINDS {
            let login = kind.login().map(|(name, token)| {
                let data = format!("{name} {token}");
                format!("set auth 0 0 {}\r\n{data}\r\n", data.len())
            });
            check(
                MEMCACHED,
                &OF_MEMCACHED,
                |asks| kind.refusal(asks, &OF_MEMCACHED),
                |line| {
                    let sent = format!("{}{line}\r\n", login.as_deref().unwrap_or_default());
                    let answers = ask(&server.endpoints[1], sent.as_bytes());
                    let skipped = if login.is_some() { answers.find("\r\n").unwrap() + 2 } else { 0 };
                    // `quit` is answered with the end.
                    if line == "quit" { "end".to_owned() } else { answers[skipped..].to_owned() }
                },
            );
        }
    });
}

#[test]
fn every_route_of_http_is_answered_to_who_may_ask_it() {
    serve_users(&catalog(), &access(), &threads(1), &ENDPOINTS, |server| {
        for kind in KINDS {
            let login = kind
                .login()
                .map(|(_, token)| format!("Authorization: Bearer {token}\r\n"))
                .unwrap_or_default();
            check(
                ROUTES,
                &HTTP,
                |asks| kind.refusal(asks, &HTTP),
                |line| {
                    // Without a table of its own, `audit` asks its own where none is named.
                    let named = match kind {
                        Kind::Other if !line.starts_with("OPTIONS") && !line.starts_with("DELETE") => line
                            .replace("/?key=", "/v1/tables/prices/kv/")
                            .replace(" /v1/kv/k", " /v1/tables/prices/kv/k")
                            .replace("POST /v1/mget", "POST /v1/tables/prices/mget"),
                        _ => line.to_owned(),
                    };
                    ask(&server.endpoints[2], http_lines(&named, &login).as_bytes())
                },
            );
        }
    });
}

#[test]
fn nothing_that_is_answered_is_without_a_row() {
    let first_words = |rows: &[(Asks, &[&'static str])]| -> BTreeSet<String> {
        let lines = rows.iter().flat_map(|(_, lines)| lines.iter());
        lines.map(|line| line.split(' ').next().unwrap().to_ascii_lowercase()).collect()
    };
    let commands = first_words(COMMANDS);
    let missing: Vec<&str> =
        Known::all().iter().map(|known| known.name).filter(|name| !commands.contains(*name)).collect();
    assert!(missing.is_empty(), "commands without a row: {missing:?}");

    // The words that the decoder of memcached compares with, and the paths that routes are made of.
    let decoder = include_str!("../../../wire/src/memcached/decode.rs");
    let words = first_words(MEMCACHED);
    let arms = decoder.lines().filter(|line| line.starts_with("            b\"") && line.contains("=>"));
    let compared: Vec<&str> =
        arms.flat_map(|line| line.split("=>").next().unwrap().split('"').skip(1).step_by(2)).collect();
    assert!(compared.len() > 20, "{compared:?}");
    let missing: Vec<&&str> = compared.iter().filter(|word| !words.contains(**word)).collect();
    assert!(missing.is_empty(), "commands of memcached without a row: {missing:?}");

    let routes = include_str!("../../src/answer/http/route.rs").to_owned()
        + include_str!("../../src/answer/http/status/mod.rs");
    let paths: Vec<&str> = routes.split("b\"/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(paths.len() > 10, "{paths:?}");
    let targets: Vec<&str> = ROUTES
        .iter()
        .flat_map(|(_, lines)| lines.iter())
        .map(|line| line.split_once(" /").unwrap().1)
        .collect();
    let missing: Vec<&&str> = paths
        .iter()
        .filter(|path| !targets.iter().any(|target| target.contains(path.trim_matches('/'))))
        .collect();
    assert!(missing.is_empty(), "routes without a row: {missing:?}");
}

/// The same rows for clients that show a certificate, by a stream that [`crate::tls`] makes.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS nobody shows a certificate"))]
pub(crate) fn check_certificates<S: Read + Write>(mut connect: impl FnMut(usize, bool) -> S) {
    let mut rest = |protocol: usize, is_known: bool, sent: String, end: &str| {
        let mut stream = connect(protocol, is_known);
        stream.write_all((sent + end).as_bytes()).unwrap();
        stream.flush().unwrap();
        let mut answer = Vec::new();
        // The end of TLS need not be said by who is gone.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    for is_known in [true, false] {
        let kind = if is_known { Kind::Right } else { Kind::Nobody };
        check(
            COMMANDS,
            &REDIS,
            |asks| kind.refusal(asks, &REDIS),
            |line| rest(0, is_known, redis_line(line), &redis_line("QUIT")),
        );
        check(
            MEMCACHED,
            &OF_MEMCACHED,
            |asks| kind.refusal(asks, &OF_MEMCACHED),
            |line| {
                let answer = rest(1, is_known, format!("{line}\r\n"), "quit\r\n");
                if line == "quit" { "end".to_owned() } else { answer }
            },
        );
        check(
            ROUTES,
            &HTTP,
            |asks| kind.refusal(asks, &HTTP),
            |line| rest(2, is_known, http_lines(line, ""), ""),
        );
    }
}

/// What [`check_certificates`] asks.
#[cfg(feature = "tls")]
pub(crate) fn for_certificates() -> (Arc<Catalog>, Arc<Access>) {
    (catalog(), access())
}
