//! Logins that are all wrong, in every language, whole and damaged: nobody is let in.
//!
//! `cargo test` tries some thousand sequences. `GRAVEN_LOGIN_SEQUENCES=1000000 cargo test -p graven-server --lib nobody_is_let_in` tries as
//! many as it says.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graven_access::{Access, Token, Users};
use graven_catalog::Catalog;
use graven_format::{Builder, Store};

use super::server::SimulatedServer;
use super::{Random, World};
use crate::options::ServerOptions;

const SEQUENCES_DEFAULT: usize = 4_000;

/// Connections of one run of the loop.
const CONNECTIONS: usize = 100;

/// The one value that nobody may see who has not logged in, and that no request holds.
const SECRET: &[u8] = b"open-sesame";

const USER: &str = "shop";

fn token() -> String {
    "0123456789abcdef".repeat(4)
}

/// Users with a token; with `ANONYMOUS` some may ask the table `open`.
fn access(more: &str) -> Arc<Access> {
    let digest = Token::chosen(&token()).unwrap().digest();
    let file = format!("[[users]]\nname = \"{USER}\"\ntoken = \"{digest}\"\n{more}");
    Access::new(Users::from_toml(&file).unwrap())
}

const ANONYMOUS: &str = "[[users]]\nname = \"anonymous\"\ntables = [\"open\"]\n";

fn catalog() -> Arc<Catalog> {
    let store = |value: &[u8]| -> Arc<Store> {
        let mut builder = Builder::new(graven_format::Options::default());
        builder.add(b"k", value).unwrap();
        Arc::new(builder.finish().unwrap().0)
    };
    let catalog = Catalog::empty();
    for (name, value) in [("secret", SECRET), ("open", b"nothing")] {
        let id = catalog.add(name.parse().unwrap());
        catalog.switch_to(id, "v1".parse().unwrap(), store(value));
        if name == "secret" {
            catalog.set_default(Some(id));
        }
    }
    catalog
}

/// What is nearly the token, and never it.
fn wrong_token(random: &mut Random) -> Vec<u8> {
    let mut token = token().into_bytes();
    match random.below(9) {
        0 => token.clear(),
        1 => token.truncate(random.below(token.len())),
        2 => token.push(b" \0\r\na0:"[random.below(7)]),
        3 => token.insert(0, b" \0a0:"[random.below(5)]),
        4 => {
            let at = random.below(token.len());
            token[at] ^= 1 << random.below(8);
        }
        5 => token.make_ascii_uppercase(),
        6 => token = token.repeat(2),
        7 => token = Token::chosen(&self::token()).unwrap().digest().to_string().into_bytes(),
        _ => {
            token =
                b"* % default anonymous true".split(|&byte| byte == b' ').nth(random.below(5)).unwrap().into()
        }
    }
    token
}

fn name(random: &mut Random) -> &'static str {
    [USER, "SHOP", "default", "anonymous", "", "audit", "*", "shop\0", "graven_auth"][random.below(9)]
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).bytes());
        command.extend_from_slice(word);
        command.extend(b"\r\n");
    }
    command
}

fn redis(random: &mut Random) -> Vec<u8> {
    let (name, token) = (name(random).as_bytes(), wrong_token(random));
    let inline = |words: &[&[u8]]| [&words.join(&b' ')[..], b"\r\n"].concat();
    match random.below(14) {
        0 => command(&[b"AUTH", &token]),
        1 => command(&[b"auth", name, &token]),
        2 => command(&[b"AUTH", name, &token, b""]),
        3 => command(&[b"HELLO", b"3", b"AUTH", name, &token]),
        4 => command(&[b"HELLO", b"2", b"AUTH", name, &token, b"SETNAME", b"n"]),
        5 => command(&[b"HELLO", b"3"]),
        6 => inline(&[b"AUTH", name, &token]),
        7 => inline(&[b"AUTH", &token]),
        8 => command(&[b"MULTI"]),
        9 => command(&[b"EXEC"]),
        10 => command(&[[&b"RESET"[..], b"DISCARD", b"PING", b"INFO", b"READONLY"][random.below(5)]]),
        11 => command(&[b"SELECT", [&b"secret"[..], b"0", b"1"][random.below(3)]]),
        12 => command(&[b"MGET", b"k", b"k"]),
        _ => command(&[b"GET", b"k"]),
    }
}

fn memcached(random: &mut Random) -> Vec<u8> {
    let data = [name(random).as_bytes(), b" ", &wrong_token(random)].concat();
    // One more or less than there are moves what is taken for a command.
    let len = (data.len() + random.below(3)).saturating_sub(random.below(2));
    let key = ["a", "graven_auth", "k"][random.below(3)];
    let set = |verb: &str, options: &str| {
        [format!("{verb} {key} 0 0 {len}{options}\r\n").as_bytes(), &data, b"\r\n"].concat()
    };
    match random.below(9) {
        0..3 => set("set", ""),
        3 => set("set", " noreply"),
        4 => set(["add", "append", "cas"][random.below(3)], " 0"),
        5 => [format!("ms {key} {len} T0\r\n").as_bytes(), &data, b"\r\n"].concat(),
        6 => b"mg k v\r\n".to_vec(),
        7 => b"lru_crawler metadump all\r\n".to_vec(),
        _ => b"get k k\r\n".to_vec(),
    }
}

fn http(random: &mut Random) -> Vec<u8> {
    let path = [
        "/?key=k",
        "/v1/kv/k",
        "/v1/tables/secret/kv/k",
        "/v1/tables/secret@v1/kv/k",
        "/v1/mget",
        "/v1/tables",
    ][random.below(6)];
    let body: &[u8] = if random.once_in(3) { b"[\"k\"]" } else { b"GET /?key=k HTTP/1.1\r\nHost: a\r\n\r\n" };
    let method =
        if path == "/v1/mget" || random.once_in(10) { "POST" } else { ["GET", "HEAD"][random.below(2)] };
    let mut head = format!("{method} {path} HTTP/1.{}\r\nHost: localhost\r\n", random.below(2)).into_bytes();
    for _ in 0..random.below(3) {
        let pair = [name(random).as_bytes(), b":", &wrong_token(random)].concat();
        let field =
            ["Authorization", "authorization", "Proxy-Authorization", "X-Authorization"][random.below(4)];
        let value = match random.below(6) {
            0..2 => [b"Bearer ", &wrong_token(random)[..]].concat(),
            2..4 => format!("Basic {}", STANDARD.encode(pair)).into_bytes(),
            4 => [b"Basic ", &pair[..]].concat(),
            _ => [&b"Bearer"[..], &wrong_token(random)].concat(),
        };
        head.extend([field.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    match random.below(4) {
        0 if method == "POST" => head.extend(b"Transfer-Encoding: chunked\r\n\r\n5\r\n[\"k\"]\r\n0\r\n\r\n"),
        _ if method == "POST" => {
            head.extend(format!("Content-Length: {}\r\n\r\n", body.len() + random.below(2)).bytes());
            head.extend_from_slice(body);
        }
        _ => head.extend(b"\r\n"),
    }
    head
}

/// The right token with a name that is not its user's: nobody's, whatever comes behind it.
fn other_name(language: usize, random: &mut Random) -> Vec<u8> {
    let (name, token) = (["audit", "SHOP", "anonymous", "sho"][random.below(4)], token());
    match language {
        0 => command(&[b"AUTH", name.as_bytes(), token.as_bytes()]),
        1 => {
            format!("set graven_auth 0 0 {}\r\n{name} {token}\r\n", name.len() + 1 + token.len()).into_bytes()
        }
        _ => {
            let pair = STANDARD.encode(format!("{name}:{token}"));
            format!("GET /?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\n\r\n")
                .into_bytes()
        }
    }
}

/// Changes, drops or doubles some bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            _ if bytes.is_empty() => {}
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\r\n \0$*:="[random.below(8)]),
            _ => {
                let end = (at + random.below(20)).min(bytes.len());
                bytes.splice(at..at, bytes[at..end].to_vec());
            }
        }
    }
}

/// Whether damage has made the right login of it, with which somebody would be let in.
fn is_right(sequence: &[u8]) -> bool {
    let (token, pair) = (token(), STANDARD.encode(format!("{USER}:{}", token())));
    [token, pair]
        .iter()
        .any(|right| memchr::memmem::find(sequence, right.trim_end_matches('=').as_bytes()).is_some())
}

/// What one connection sends, in one language for the most part.
fn sequence(random: &mut Random) -> Vec<u8> {
    let language = random.below(3);
    loop {
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(8) {
            match if random.once_in(20) { random.below(3) } else { language } {
                0 => bytes.extend(redis(random)),
                1 => bytes.extend(memcached(random)),
                _ => bytes.extend(http(random)),
            }
        }
        if random.once_in(2) {
            damage(&mut bytes, random);
        }
        if is_right(&bytes) {
            continue;
        }
        if random.once_in(8) {
            bytes.splice(0..0, other_name(language, random));
        }
        return bytes;
    }
}

/// What comes back to connections that send `sequences`, and how many logins were let in.
fn answers(seed: u64, catalog: &Arc<Catalog>, access: &Access, sequences: &[Vec<u8>]) -> (Vec<Vec<u8>>, u64) {
    let server = SimulatedServer::new(seed, ServerOptions::default());
    for _ in sequences {
        server.connect(1 << 20);
    }
    let received = Rc::new(RefCell::new(vec![Vec::new(); sequences.len()]));
    let happen = {
        let (shutdown, received, sequences) =
            (server.shutdown.clone(), Rc::clone(&received), sequences.to_vec());
        let mut sent = vec![0; sequences.len()];
        move |world: &mut World| {
            let mut received = received.borrow_mut();
            let mut is_over = true;
            for (wire, sequence) in sequences.iter().enumerate() {
                received[wire].extend(world.receive(wire, usize::MAX));
                if world.is_over(wire) {
                    continue;
                }
                is_over = false;
                if sent[wire] < sequence.len() {
                    let piece = [3, 60, 2_000][world.random.below(3)];
                    let end = (sent[wire] + 1 + world.random.below(piece)).min(sequence.len());
                    world.send(wire, &sequence[sent[wire]..end]);
                    sent[wire] = end;
                    if end == sequence.len() {
                        world.end(wire);
                    }
                }
            }
            if is_over {
                shutdown.trigger();
            }
        }
    };
    server.run(catalog, access, happen);
    let received = received.take();
    (received, server.counters.sum(|counts| &counts.logins))
}

#[test]
fn nobody_is_let_in_whatever_logins_they_make_up() {
    let count = match std::env::var("GRAVEN_LOGIN_SEQUENCES") {
        Ok(count) => count.parse().expect("GRAVEN_LOGIN_SEQUENCES is a number"),
        Err(_) => SEQUENCES_DEFAULT,
    };
    let catalog = catalog();
    let accesses = [access(""), access(ANONYMOUS)];
    let mut failed = 0;
    for run in 0..count.div_ceil(CONNECTIONS) {
        let mut random = Random::new(run as u64);
        let sequences: Vec<Vec<u8>> = (0..CONNECTIONS).map(|_| sequence(&mut random)).collect();
        let (answers, logins) = answers(run as u64, &catalog, &accesses[run % 2], &sequences);
        for (sequence, answer) in sequences.iter().zip(&answers) {
            let is_told = memchr::memmem::find(answer, SECRET).is_some();
            assert!(
                !is_told,
                "run {run}: {}\nis answered {}",
                sequence.escape_ascii(),
                answer.escape_ascii()
            );
        }
        assert_eq!(logins, 0, "run {run}");
        failed += answers.iter().filter(|answer| says_no(answer)).count();
    }
    // Or the sequences would try nothing.
    assert!(failed > count / 4, "{failed} of {count} connections were refused something");
}

fn says_no(answer: &[u8]) -> bool {
    let refusals: [&[u8]; 5] = [b"-NOAUTH", b"-WRONGPASS", b"-NOPERM", b"HTTP/1.1 401", b"CLIENT_ERROR "];
    refusals.iter().any(|refusal| memchr::memmem::find(answer, refusal).is_some())
}

#[test]
fn the_right_login_is_let_in_in_every_language() {
    let (catalog, token) = (catalog(), token());
    let sequences: Vec<Vec<u8>> = vec![
        [command(&[b"AUTH", token.as_bytes()]), command(&[b"GET", b"k"])].concat(),
        [command(&[b"HELLO", b"3", b"AUTH", USER.as_bytes(), token.as_bytes()]), command(&[b"GET", b"k"])]
            .concat(),
        format!("set graven_auth 0 0 {}\r\n{USER} {token}\r\nget k\r\n", USER.len() + 1 + token.len())
            .into_bytes(),
        format!("GET /?key=k HTTP/1.1\r\nAuthorization: Bearer {token}\r\nHost: a\r\n\r\n").into_bytes(),
        format!(
            "GET /?key=k HTTP/1.1\r\nAuthorization: Basic {}\r\nHost: a\r\n\r\n",
            STANDARD.encode(format!("{USER}:{token}"))
        )
        .into_bytes(),
    ];
    for access in [access(""), access(ANONYMOUS)] {
        let (answers, logins) = answers(1, &catalog, &access, &sequences);
        assert_eq!(logins, sequences.len() as u64);
        for (sequence, answer) in sequences.iter().zip(&answers) {
            assert!(is_right(sequence));
            let is_told = memchr::memmem::find(answer, SECRET).is_some();
            assert!(is_told, "{} is answered {}", sequence.escape_ascii(), answer.escape_ascii());
        }
    }
}
