//! A peer that sends requests in pieces, reads when it likes, and compares every byte of the answers.

use std::collections::BTreeMap;

use super::{Random, World};

/// The table that is asked.
pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What Redis and memcached clients are told where a block could not be read.
const DAMAGED: [&[u8]; 2] = [
    b"-ERR the table is damaged where this key would lie\r\n",
    b"SERVER_ERROR the table is damaged where this key would lie\r\n",
];

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) wire: usize,
    requests: Vec<u8>,
    sent: usize,
    /// The answers, in parts that may each be an error instead where reads fail.
    answers: Vec<Vec<u8>>,
    received: Vec<u8>,
    /// Where the peer breaks the connection, if it does.
    breaks_at: Option<usize>,
    pub(super) broken: bool,
    /// It reads nothing before everything is sent.
    reads_late: bool,
    ended: bool,
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

fn bulk(value: Option<&Vec<u8>>) -> Vec<u8> {
    match value {
        Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
        None => b"$-1\r\n".to_vec(),
    }
}

impl Peer {
    /// A peer of `wire` that asks for keys of `model`, in a language and a manner that `random` chooses.
    pub(super) fn new(wire: usize, model: &Model, random: &mut Random) -> Self {
        let keys: Vec<&Vec<u8>> = model.keys().collect();
        let key = |random: &mut Random| match random.once_in(5) {
            true => format!("absent-{}", random.below(100)).into_bytes(),
            false => keys[random.below(keys.len())].clone(),
        };
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        let language = random.below(3);
        for _ in 0..random.below(80) {
            match (language, random.below(8)) {
                (0, 0) => {
                    let asked: Vec<Vec<u8>> = (0..1 + random.below(150)).map(|_| key(random)).collect();
                    let mut words: Vec<&[u8]> = vec![b"MGET"];
                    words.extend(asked.iter().map(Vec::as_slice));
                    requests.extend(command(&words));
                    answers.push(format!("*{}\r\n", asked.len()).into_bytes());
                    answers.extend(asked.iter().map(|key| bulk(model.get(key))));
                }
                (0, 1) => {
                    let asked: Vec<Vec<u8>> = (0..random.below(20)).map(|_| key(random)).collect();
                    requests.extend(command(&[b"MULTI"]));
                    answers.push(b"+OK\r\n".to_vec());
                    for key in &asked {
                        requests.extend(command(&[b"GET", key]));
                        answers.push(b"+QUEUED\r\n".to_vec());
                    }
                    requests.extend(command(&[b"EXEC"]));
                    answers.push(format!("*{}\r\n", asked.len()).into_bytes());
                    answers.extend(asked.iter().map(|key| bulk(model.get(key))));
                }
                (0, 2) => {
                    let key = key(random);
                    requests.extend(command(&[b"STRLEN", &key]));
                    let len = model.get(&key).map_or(0, Vec::len);
                    answers.push(format!(":{len}\r\n").into_bytes());
                }
                (0, 3) => {
                    requests.extend(b"PING\r\n");
                    answers.push(b"+PONG\r\n".to_vec());
                }
                (0, _) => {
                    let key = key(random);
                    requests.extend(command(&[b"GET", &key]));
                    answers.push(bulk(model.get(&key)));
                }
                (1, 0) => {
                    // Those that are absent are answered with nothing, which could not be told from a failed one.
                    let asked: Vec<&Vec<u8>> =
                        (0..2 + random.below(100)).map(|_| keys[random.below(keys.len())]).collect();
                    requests.extend(b"get");
                    for key in asked {
                        requests.extend([b" ", &key[..]].concat());
                        answers.push(memcached_value(key, &model[key]));
                    }
                    requests.extend(b"\r\n");
                    answers.push(b"END\r\n".to_vec());
                }
                (1, _) => {
                    let key = key(random);
                    requests.extend([b"mg ", &key[..], b" v\r\n"].concat());
                    answers.push(match model.get(&key) {
                        Some(value) => {
                            [format!("VA {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
                        }
                        None => b"EN\r\n".to_vec(),
                    });
                }
                _ => {
                    let key = String::from_utf8(key(random)).expect("keys are text");
                    requests.extend(format!("GET /?key={key} HTTP/1.1\r\nHost: x\r\n\r\n").bytes());
                    answers.push(match model.get(key.as_bytes()) {
                        Some(value) => http("200 OK", value),
                        None => http("404 Not Found", b"Key not found"),
                    });
                }
            }
        }
        let breaks_at = random.once_in(6).then(|| random.below(requests.len() + 1));
        Self {
            wire,
            requests,
            sent: 0,
            answers,
            received: Vec::new(),
            breaks_at,
            broken: false,
            reads_late: random.once_in(3),
            ended: false,
        }
    }

    /// Does something, or nothing.
    pub(super) fn act(&mut self, world: &mut World) {
        if self.is_done(world) {
            return;
        }
        let whole = self.sent == self.requests.len();
        if world.random.once_in(2) && !whole {
            let most = self.requests.len() - self.sent;
            let size = [4, 100, 5_000][world.random.below(3)];
            let more = (1 + world.random.below(size)).min(most);
            world.send(self.wire, &self.requests[self.sent..self.sent + more]);
            self.sent += more;
            if self.breaks_at.is_some_and(|at| self.sent >= at) {
                world.reset(self.wire);
                self.broken = true;
            }
        }
        if whole || !self.reads_late || world.random.once_in(40) {
            let size = [10, 1_000, 100_000][world.random.below(3)];
            let most = world.random.below(size);
            self.received.extend(world.receive(self.wire, most));
        }
        if whole && !self.ended && world.random.once_in(3) {
            world.end(self.wire);
            self.ended = true;
        }
    }

    /// Whether nothing more comes of it.
    pub(super) fn is_done(&self, world: &World) -> bool {
        self.broken || world.is_over(self.wire)
    }

    /// Compares what was received with what had to come; errors are right where reads may fail.
    pub(super) fn check(&self, reads_fail: bool) {
        let mut left = &self.received[..];
        for (i, answer) in self.answers.iter().enumerate() {
            if left.starts_with(answer) {
                left = &left[answer.len()..];
                continue;
            }
            if self.broken && (answer.starts_with(left) || left.len() < 200) {
                return;
            }
            let damaged = http("500 Internal Server Error", b"The table is damaged where this key would lie");
            let error = DAMAGED.iter().copied().chain([&damaged[..]]).find(|error| left.starts_with(error));
            match error {
                Some(error) if reads_fail => left = &left[error.len()..],
                _ => panic!(
                    "answer {i} of {}: {} instead of {}",
                    self.answers.len(),
                    left[..left.len().min(200)].escape_ascii(),
                    answer[..answer.len().min(200)].escape_ascii(),
                ),
            }
        }
        assert!(left.is_empty(), "{} behind the last answer", left.escape_ascii());
    }
}

fn memcached_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    let len = value.len().to_string();
    [b"VALUE ", key, b" 0 ", len.as_bytes(), b"\r\n", value, b"\r\n"].concat()
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Content-Type-Options: nosniff\r\nGraven-Version: table@only\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
