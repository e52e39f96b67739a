//! Users: what each kind of them is answered, in each language, alone and within pipelines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use graven_access::{Access, FAILED_LOGINS_PER_SECOND_MAX, Token, Users};
use graven_catalog::Catalog;

use crate::harness::{Server, Stream, serve_users, table, threads};

/// The tokens of the users `shop`, who may ask `prices`, and `audit`, who may ask all.
struct Tokens {
    shop: String,
    audit: String,
}

impl Tokens {
    fn new() -> Self {
        let token = |user: &str| format!("{user}-{}", "t".repeat(40));
        Self { shop: token("shop"), audit: token("audit") }
    }

    fn file(&self, more: &str) -> String {
        let digest = |token: &str| Token::chosen(token).unwrap().digest();
        format!(
            "[[users]]\nname = \"shop\"\ntoken = \"{}\"\ntables = \"prices\"\n\
             [[users]]\nname = \"audit\"\ntoken = \"{}\"\ndefault = \"salaries\"\n{more}",
            digest(&self.shop),
            digest(&self.audit),
        )
    }

    fn access(&self, more: &str) -> Arc<Access> {
        Access::new(Users::from_toml(&self.file(more)).unwrap())
    }
}

const ANONYMOUS: &str = "[[users]]\nname = \"anonymous\"\ntables = [\"prices\"]\n";

/// The tables `prices`, which is the default, and `salaries`, whose values name them.
fn catalog() -> Arc<Catalog> {
    let catalog = Catalog::empty();
    let ids = ["prices", "salaries"].map(|name| {
        let id = catalog.add(name.parse().unwrap());
        catalog.switch_to(id, "v1".parse().unwrap(), table([(&b"k"[..], name.as_bytes())]));
        id
    });
    catalog.set_default(Some(ids[0]));
    catalog
}

fn ask(server: &Server, request: &str) -> String {
    let mut stream = server.connect();
    stream.send(request.as_bytes());
    stream.end_output();
    String::from_utf8(stream.rest()).unwrap()
}

/// Status and body of an HTTP request with this `Authorization`, if any.
fn get(server: &Server, path: &str, authorization: &str) -> (String, String) {
    let header =
        if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
    let answer =
        ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    (head["HTTP/1.1 ".len()..][..3].to_owned(), body.to_owned())
}

fn basic(name: &str, token: &str) -> String {
    let pair = format!("{name}:{token}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[test]
fn over_http_each_kind_of_user_is_answered_what_it_may_ask() {
    let tokens = Tokens::new();
    let shop = format!("Bearer {}", tokens.shop);
    let audit = basic("audit", &tokens.audit);
    let wrong = format!("Bearer {}", "x".repeat(40));
    let other_name = basic("audit", &tokens.shop);
    // Of nobody, a wrong token, a right token with another's name, one who may ask one table, and one who may ask all.
    let table = [
        ("/?key=k", ["401", "401", "401", "200 prices", "200 salaries"]),
        ("/v1/kv/k", ["401", "401", "401", "200 prices", "200 salaries"]),
        ("/v1/tables/prices/kv/k", ["401", "401", "401", "200 prices", "200 prices"]),
        ("/v1/tables/prices@v1/kv/k", ["401", "401", "401", "200 prices", "200 prices"]),
        ("/v1/tables/salaries/kv/k", ["401", "401", "401", "403", "200 salaries"]),
        ("/v1/tables/salaries@v1/kv/k", ["401", "401", "401", "403", "200 salaries"]),
        ("/v1/tables/none/kv/k", ["401", "401", "401", "403", "404"]),
        ("/v1/tables/salaries", ["401", "401", "401", "403", "200"]),
        ("/v1/tables", ["401", "401", "401", "200", "200"]),
        ("/metrics", ["401", "401", "401", "200", "200"]),
        ("/stats.json", ["401", "401", "401", "200", "200"]),
        ("/none", ["401", "401", "401", "404", "404"]),
        ("/healthz", ["200 ok", "200 ok", "200 ok", "200 ok", "200 ok"]),
        ("/readyz", ["200 ready", "200 ready", "200 ready", "200 ready", "200 ready"]),
    ];
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["127.0.0.1:0"], |server| {
        for (path, expected) in table {
            for (user, expected) in ["", &wrong, &other_name, &shop, &audit].into_iter().zip(expected) {
                // What was tried too often is 429 until the second is over, whatever it was.
                let (status, body) = loop {
                    let answer = get(server, path, user);
                    if answer.0 != "429" {
                        break answer;
                    }
                };
                let found = if expected.contains(' ') { format!("{status} {body}") } else { status };
                assert_eq!(found, expected, "{path} of {user}");
                if status_is_refusal(&found) {
                    assert!(!body.contains("salaries") || body.contains("/v1/tables"), "{body}");
                }
            }
        }
        let (_, of_shop) = get(server, "/v1/tables", &shop);
        assert!(of_shop.contains("prices") && !of_shop.contains("salaries"), "{of_shop}");
        let (_, metrics) = get(server, "/metrics", &shop);
        assert!(metrics.contains("table=\"prices\"") && !metrics.contains("salaries"), "{metrics}");
        let (_, metrics) = get(server, "/metrics", &audit);
        assert!(metrics.contains("salaries") && metrics.contains("graven_logins_failed_total"), "{metrics}");
        let unsaid = ask(server, "GET / HTTP/1.0\r\n\r\n");
        assert!(
            unsaid.contains("WWW-Authenticate: Basic realm=\"graven\", Bearer realm=\"graven\"\r\n"),
            "{unsaid}"
        );
    });
}

#[test]
fn which_tables_are_not_ready_is_told_to_those_who_may_ask_them() {
    let tokens = Tokens::new();
    let catalog = catalog();
    catalog.require(catalog.add("payroll".parse().unwrap()));
    serve_users(&catalog, &tokens.access(""), &threads(1), &["127.0.0.1:0"], |server| {
        for (user, expected) in [
            (String::new(), "not ready"),
            (basic("audit", &tokens.shop), "not ready"),
            (basic("shop", &tokens.shop), "not ready"),
            (basic("audit", &tokens.audit), "payroll: no version answers yet"),
        ] {
            assert_eq!(get(server, "/readyz", &user), ("503".to_owned(), expected.to_owned()), "{user}");
        }
    });
}

fn status_is_refusal(status: &str) -> bool {
    status.starts_with("401") || status.starts_with("403")
}

#[test]
fn each_request_of_a_connection_is_answered_to_who_sends_it() {
    let tokens = Tokens::new();
    let request = |token: &str| {
        let header =
            if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        format!("GET /?key=k HTTP/1.1\r\nHost: localhost\r\n{header}\r\n")
    };
    let two = format!(
        "GET /?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\n\r\n",
        tokens.shop
    );
    let asked = [&tokens.shop, &tokens.audit, "", &tokens.shop, "wrong", "", &tokens.audit];
    let pipeline: String =
        asked.iter().map(|token| request(token)).chain([two, request(&tokens.shop)]).collect();
    let expected = ["200", "200", "401", "200", "401", "401", "200", "401", "200"];
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["127.0.0.1:0"], |server| {
        let answers = ask(server, &pipeline);
        let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, expected);
        let refusals: Vec<&str> = answers.split("HTTP/1.1 401").skip(1).collect();
        let says_wrong = |refusal: &&str| refusal.contains("No user has this token and name");
        assert_eq!(
            refusals.iter().map(says_wrong).collect::<Vec<_>>(),
            [false, true, false, true],
            "{answers}"
        );
        let values: Vec<&str> = answers.split("HTTP/1.1 200").skip(1).collect();
        assert!(values[0].contains("prices") && values[1].contains("salaries"), "{answers}");
    });
}

#[test]
fn over_redis_each_kind_of_user_is_answered_what_it_may_ask() {
    let tokens = Tokens::new();
    let Tokens { shop, audit } = &tokens;
    const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
    const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    const NOPERM: &str = "-NOPERM this user has no permissions to ask this table\r\n";
    let conversations: Vec<(String, String)> = vec![
        ("PING\r\nGET k\r\nINFO\r\nMGET k\r\nCOMMAND COUNT\r\nNONE\r\nSELECT salaries\r\n".into(), NOAUTH.repeat(7)),
        ("MULTI\r\nEXEC\r\nSCAN 0\r\nCLIENT LIST\r\n".into(), NOAUTH.repeat(4)),
        ("AUTH wrong\r\nAUTH shop wrong\r\nAUTH a b c\r\nGET k\r\n".into(), format!("{WRONG}{WRONG}-ERR syntax error\r\n{NOAUTH}")),
        (format!("AUTH audit {shop}\r\nGET k\r\n"), format!("{WRONG}{NOAUTH}")),
        (format!("AUTH {shop}\r\nGET k\r\nPING\r\nSELECT 0\r\n"), "+OK\r\n$6\r\nprices\r\n+PONG\r\n+OK\r\n".into()),
        (format!("AUTH default {shop}\r\nACL WHOAMI\r\n"), "+OK\r\n$4\r\nshop\r\n".into()),
        (format!("AUTH shop {shop}\r\nSELECT salaries\r\nSELECT none\r\nGET k\r\n"), format!("+OK\r\n{NOPERM}{NOPERM}$6\r\nprices\r\n")),
        (format!("AUTH {audit}\r\nGET k\r\nSELECT prices\r\nGET k\r\n"), "+OK\r\n$8\r\nsalaries\r\n+OK\r\n$6\r\nprices\r\n".into()),
        // One stays who one was when another login fails, and is asked from the beginning when it does not.
        (format!("AUTH {audit}\r\nAUTH wrong\r\nGET k\r\nAUTH {shop}\r\nGET k\r\n"), format!("+OK\r\n{WRONG}$8\r\nsalaries\r\n+OK\r\n$6\r\nprices\r\n")),
        (format!("AUTH {audit}\r\nRESET\r\nGET k\r\n"), format!("+OK\r\n+RESET\r\n{NOAUTH}")),
        (format!("AUTH {shop}\r\nMULTI\r\nGET k\r\nSELECT salaries\r\nGET k\r\nEXEC\r\n"),
            format!("+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$6\r\nprices\r\n{NOPERM}$6\r\nprices\r\n")),
        (format!("AUTH {shop}\r\nCLIENT KILL ID 1\r\nSLOWLOG RESET\r\n"),
            "+OK\r\n-NOPERM this user has no permissions to run the 'client|kill' command\r\n\
             -NOPERM this user has no permissions to run the 'slowlog' command\r\n".into()),
        ("HELLO 3\r\n".into(), "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
            <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
            at the same time\r\n".into()),
        (format!("HELLO 3 AUTH shop wrong\r\nGET k\r\nAUTH {shop}\r\nHGET none f\r\n"), format!("{WRONG}{NOAUTH}+OK\r\n$-1\r\n")),
        ("QUIT\r\n".into(), "+OK\r\n".into()),
    ];
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["resp://127.0.0.1:0"], |server| {
        for (sent, expected) in &conversations {
            let answer = loop {
                let answer = ask(server, sent);
                if !answer.contains("too many logins") {
                    break answer;
                }
            };
            assert_eq!(answer, *expected, "{sent}");
        }
        let hello = ask(server, &format!("HELLO 3 AUTH shop {shop}\r\nGET k\r\nGET none\r\n"));
        assert!(hello.starts_with("%7\r\n") && hello.ends_with("$6\r\nprices\r\n_\r\n"), "{hello}");
        let info = ask(server, &format!("AUTH {shop}\r\nINFO\r\n"));
        assert!(info.contains("prices") && !info.contains("salaries"), "{info}");
    });
}

#[test]
fn over_memcached_the_first_set_says_who_comes() {
    let tokens = Tokens::new();
    let Tokens { shop, audit } = &tokens;
    const FIRST: &str = "CLIENT_ERROR unauthenticated\r\n";
    const FAILED: &str = "CLIENT_ERROR authentication failure\r\n";
    let set = |data: &str| format!("set auth 0 0 {}\r\n{data}\r\n", data.len());
    let conversations: Vec<(String, String)> = vec![
        (
            "get k\r\nmg k v\r\nversion\r\nstats\r\nmn\r\nget k k\r\ndelete k\r\nnone\r\n".into(),
            FIRST.repeat(8),
        ),
        (set("shop wrong") + "get k\r\n", format!("{FAILED}{FIRST}")),
        (
            set(shop) + &set(&format!("audit {shop}")),
            format!("CLIENT_ERROR bad authentication token format\r\n{FAILED}"),
        ),
        (
            set(&format!("shop {shop}")) + "get k\r\nmg k v\r\n",
            "STORED\r\nVALUE k 0 6\r\nprices\r\nEND\r\nVA 6\r\nprices\r\n".into(),
        ),
        (
            set(&format!("audit {audit}")) + "get k\r\n" + &set("shop x"),
            "STORED\r\nVALUE k 0 8\r\nsalaries\r\nEND\r\nCLIENT_ERROR read-only\r\n".into(),
        ),
        (
            format!("set auth 0 0 {} noreply\r\nshop {shop}\r\nget k\r\n", 5 + shop.len()),
            "STORED\r\nVALUE k 0 6\r\nprices\r\nEND\r\n".into(),
        ),
        (format!("set auth 0 0 3\r\n{shop}\r\n"), "CLIENT_ERROR bad data chunk\r\n".to_owned() + FIRST),
        (format!("set auth 0 0 2000\r\n{}\r\nget k\r\n", "a".repeat(2000)), FIRST.repeat(2)),
    ];
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["memcached://127.0.0.1:0"], |server| {
        for (sent, expected) in &conversations {
            assert_eq!(ask(server, sent), *expected, "{sent}");
        }
        // In as many pieces as it has bytes.
        let mut stream = server.connect();
        for byte in (set(&format!("shop {shop}")) + "get k\r\n").as_bytes().chunks(1) {
            stream.send(byte);
        }
        assert_eq!(stream.exactly(33), b"STORED\r\nVALUE k 0 6\r\nprices\r\nEND\r\n"[..33]);
    });
}

#[test]
fn what_is_open_to_anonymous_is_answered_to_everybody() {
    let tokens = Tokens::new();
    let audit = &tokens.audit;
    let endpoints = ["127.0.0.1:0", "memcached://127.0.0.1:0"];
    serve_users(&catalog(), &tokens.access(ANONYMOUS), &threads(1), &endpoints, |server| {
        assert_eq!(get(server, "/?key=k", ""), ("200".into(), "prices".into()));
        assert_eq!(get(server, "/v1/tables/salaries/kv/k", "").0, "403");
        assert_eq!(get(server, "/?key=k", "Bearer wrong").0, "401");
        assert_eq!(
            ask(
                server,
                &format!(
                    "*1\r\n$4\r\nPING\r\nGET k\r\nSELECT salaries\r\nAUTH {audit}\r\nGET k\r\nRESET\r\nGET k\r\n"
                )
            ),
            "+PONG\r\n$6\r\nprices\r\n-NOPERM this user has no permissions to ask this table\r\n+OK\r\n$8\r\nsalaries\r\n\
             +RESET\r\n$6\r\nprices\r\n"
        );
        let mut stream = Stream::connect(&server.endpoints[1]);
        let login = format!("audit {audit}");
        stream.send(b"get k\r\nset k 0 0 3\r\na b\r\n");
        stream.send(format!("set graven_auth 0 0 {}\r\n{login}\r\nget k\r\n", login.len()).as_bytes());
        stream.end_output();
        assert_eq!(
            String::from_utf8(stream.rest()).unwrap(),
            "VALUE k 0 6\r\nprices\r\nEND\r\nCLIENT_ERROR read-only\r\nSTORED\r\nVALUE k 0 8\r\nsalaries\r\nEND\r\n"
        );
    });
}

#[test]
fn a_listener_with_a_table_answers_who_may_ask_that() {
    let tokens = Tokens::new();
    let Tokens { shop, audit } = &tokens;
    let endpoint = ["127.0.0.1:0?table=salaries"];
    serve_users(&catalog(), &tokens.access(""), &threads(1), &endpoint, |server| {
        assert_eq!(get(server, "/?key=k", &format!("Bearer {shop}")).0, "403");
        assert_eq!(get(server, "/?key=k", &format!("Bearer {audit}")), ("200".into(), "salaries".into()));
        assert_eq!(get(server, "/v1/tables/prices/kv/k", &format!("Bearer {audit}")).0, "404");
        let answers = ask(server, &format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{shop}\r\nGET k\r\n", shop.len()));
        assert_eq!(answers, "+OK\r\n-NOPERM this user has no permissions to ask this table\r\n");
    });
}

#[test]
fn a_token_that_is_taken_away_is_no_ones_from_the_next_request_on() {
    let tokens = Tokens::new();
    let Tokens { shop, audit } = &tokens;
    let access = tokens.access("");
    serve_users(&catalog(), &access, &threads(1), &["127.0.0.1:0"], |server| {
        let http = |token: &str| {
            format!("GET /?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
        };
        let (mut web, mut redis, mut other) = (server.connect(), server.connect(), server.connect());
        web.send(http(shop).as_bytes());
        assert!(web.until(b"\r\n\r\nprices").starts_with(b"HTTP/1.1 200"));
        redis.send(format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{shop}\r\nGET k\r\n", shop.len()).as_bytes());
        redis.until(b"prices\r\n");
        other.send(
            format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{audit}\r\nSELECT prices\r\nGET k\r\n", audit.len())
                .as_bytes(),
        );
        other.until(b"prices\r\n");
        let file = tokens.file("");
        let without_shop = format!("[[users]]\n{}", file.split("[[users]]\n").nth(2).unwrap());
        access.replace(Users::from_toml(&without_shop).unwrap());
        web.send(http(shop).as_bytes());
        assert!(web.until(b"\r\n\r\n").starts_with(b"HTTP/1.1 401"));
        redis.send(b"GET k\r\n");
        assert_eq!(redis.until(b"\r\n"), b"-NOAUTH Authentication required.\r\n");
        // Whose token stays goes on where they were.
        other.send(b"GET k\r\n");
        assert_eq!(other.exactly(12), b"$6\r\nprices\r\n");
    });
}

#[test]
fn who_tries_tokens_is_slowed_and_nobody_else() {
    let tokens = Tokens::new();
    let shop = &tokens.shop;
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["127.0.0.1:0"], |server| {
        let mut known = server.connect();
        known.send(format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{shop}\r\n", shop.len()).as_bytes());
        assert_eq!(known.exactly(5), b"+OK\r\n");
        let guesses = "*2\r\n$4\r\nAUTH\r\n$5\r\nguess\r\n".repeat(5 * FAILED_LOGINS_PER_SECOND_MAX as usize);
        let answers = ask(server, &guesses);
        assert_eq!(answers.matches("-WRONGPASS").count(), 5 * FAILED_LOGINS_PER_SECOND_MAX as usize);
        assert!(answers.contains("too many logins of this address"), "{answers}");
        known.send(b"GET k\r\n");
        assert_eq!(known.exactly(12), b"$6\r\nprices\r\n");
    });
}

#[test]
fn a_right_token_that_came_in_a_second_of_guesses_is_let_in_when_that_is_over() {
    let tokens = Tokens::new();
    let shop = &tokens.shop;
    serve_users(&catalog(), &tokens.access(""), &threads(1), &["127.0.0.1:0"], |server| {
        let request =
            format!("GET /?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shop}\r\n\r\n");
        // Guesses until one connection's first request is not looked at; it goes on with the same header.
        let guesses = "*2\r\n$4\r\nAUTH\r\n$5\r\nguess\r\n".repeat(2 * FAILED_LOGINS_PER_SECOND_MAX as usize);
        let mut web = loop {
            ask(server, &guesses);
            let mut web = server.connect();
            web.send(request.as_bytes());
            if web.until(b"\r\n\r\n").starts_with(b"HTTP/1.1 429") {
                break web;
            }
        };
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            web.send(request.as_bytes());
            let answers = web.until(b"\r\n\r\n");
            if String::from_utf8(answers).unwrap().contains("HTTP/1.1 200") {
                break;
            }
            assert!(Instant::now() < until, "it is let in");
        }
    });
}

#[test]
fn a_user_is_told_of_its_own_connections_and_each_line_names_the_user() {
    let tokens = Tokens::new();
    let Tokens { shop, audit } = &tokens;
    let listed = |server: &Server, login: &str| {
        let answer = ask(server, &format!("{login}CLIENT LIST\r\nCLIENT INFO\r\n"));
        let lines = answer.lines().filter(|line| line.starts_with("id="));
        let field = |line: &str, name: &str| {
            line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap().to_owned()
        };
        let told = lines.map(|line| format!("{} {}", field(line, "user="), field(line, "protocol=")));
        told.collect::<Vec<_>>()
    };
    let open = |server: &Server, say: &str, until: &str| {
        let mut stream = server.connect();
        stream.send(say.as_bytes());
        stream.until(until.as_bytes());
        stream
    };
    serve_users(&catalog(), &tokens.access(ANONYMOUS), &threads(2), &["127.0.0.1:0"], |server| {
        let _first = open(server, &format!("AUTH {shop}\r\n"), "+OK\r\n");
        let _second = open(server, &format!("AUTH {audit}\r\n"), "+OK\r\n");
        let _third = open(server, "PING\r\n", "+PONG\r\n");
        let http = format!("GET /?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shop}\r\n\r\n");
        let _fourth = open(server, &http, "prices");
        let set = format!("set graven_auth 0 0 {}\r\naudit {audit}\r\n", 6 + audit.len());
        let _fifth = open(server, &set, "STORED\r\n");
        assert_eq!(
            listed(server, &format!("AUTH {shop}\r\n")),
            ["shop resp", "shop http", "shop resp", "shop resp"]
        );
        assert_eq!(
            listed(server, &format!("AUTH {audit}\r\n")),
            ["audit resp", "audit memcached", "audit resp", "audit resp"]
        );
        // Nobody knows who else is anonymous.
        assert_eq!(listed(server, ""), ["default resp", "default resp"]);
        // Who has left is nobody's.
        let again = listed(server, &format!("AUTH {shop}\r\nRESET\r\n"));
        assert_eq!(again, ["default resp", "default resp"]);
    });
}
