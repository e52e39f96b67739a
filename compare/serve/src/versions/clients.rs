//! Connections that ask in every language and check every answer, each on a thread of its own.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, ensure};
use fastrand::Rng;

use crate::histogram::Histogram;
use crate::versions::content::Content;
use crate::versions::order::{Newest, Progress};
use crate::versions::root::content_of;
use crate::versions::stream::Stream;

/// Keys of one request for many, requests of a pipeline, of a transaction, and of a slow reader's
/// pipeline.
const KEYS: usize = 200;
const PIPELINE: usize = 16;
const TRANSACTION: usize = 32;
const SLOW_PIPELINE: usize = 40;
/// One request of a single key in so many is for a large value.
const LARGE_IN: u64 = 500;
/// Parts of a walk through the table, after which another begins.
const WALK_PARTS: u32 = 20;
/// What a cursor answers whose version is gone, which is no failure.
const EXPIRED: &[u8] = b"-ERR the cursor belongs to a version of the table that is no longer held";

/// What can be wrong with an answer.
#[derive(Debug)]
pub(crate) enum Fault {
    Failed(Error),
    Mixed(Error),
    Older(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Answered = Result<(), Fault>;

/// A way of asking; most connections use the first ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    name: &'static str,
    ask: fn(&mut Asker<'_>) -> Answered,
    is_slow: bool,
    /// Connections of 50.
    share: usize,
}

const fn way(name: &'static str, share: usize, ask: fn(&mut Asker<'_>) -> Answered) -> Way {
    Way { name, ask, is_slow: false, share }
}

const fn slow(name: &'static str, ask: fn(&mut Asker<'_>) -> Answered) -> Way {
    Way { name, ask, is_slow: true, share: 1 }
}

pub(crate) const WAYS: [Way; 12] = [
    way("Redis GET", 8, redis_get),
    way("Redis MGET", 4, redis_mget),
    way("Redis MULTI, EXEC", 4, redis_exec),
    way("Redis SCAN", 2, redis_scan),
    way("HTTP GET", 8, http_get),
    way("HTTP mget", 4, http_mget),
    way("HTTP pipeline", 4, http_pipeline),
    way("memcached get", 6, memcached_get),
    way("memcached get of many", 4, memcached_many),
    way("memcached mg", 4, memcached_meta),
    slow("slow reader, Redis", redis_slow),
    slow("slow reader, HTTP", http_slow),
];

/// The ways of so many connections: the slow ones in any case, and of the others as many of each
/// as in 50.
pub(crate) fn ways(connections: usize) -> Vec<Way> {
    let mut by_share: Vec<Way> = WAYS.iter().filter(|way| way.is_slow).copied().collect();
    let most = WAYS.iter().map(|way| way.share).max().unwrap_or(0);
    for round in 0..most {
        by_share.extend(WAYS.iter().filter(|way| !way.is_slow && round < way.share));
    }
    by_share.into_iter().cycle().take(connections).collect()
}

/// What a connection has seen.
pub(crate) struct Tally {
    pub(crate) answers: u64,
    pub(crate) failed: u64,
    pub(crate) mixed: u64,
    pub(crate) older: u64,
    /// Walks whose version was gone.
    pub(crate) expired: u64,
    /// Waits that overlap with a switch, and the others; none of slow readers.
    pub(crate) during: Histogram,
    pub(crate) beside: Histogram,
    /// The first faults, in words.
    pub(crate) said: Vec<String>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let (during, beside) = (Histogram::new(), Histogram::new());
        Self { answers: 0, failed: 0, mixed: 0, older: 0, expired: 0, during, beside, said: Vec::new() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.failed += other.failed;
        self.mixed += other.mixed;
        self.older += other.older;
        self.expired += other.expired;
        self.during.add(&other.during);
        self.beside.add(&other.beside);
        self.said.extend(other.said);
    }

    fn note(&mut self, way: &Way, fault: Fault) {
        let (count, kind, error) = match fault {
            Fault::Failed(error) => (&mut self.failed, "failed", error),
            Fault::Mixed(error) => (&mut self.mixed, "mixed or wrong", error),
            Fault::Older(error) => (&mut self.older, "older", error),
        };
        *count += 1;
        if self.said.len() < 3 {
            self.said.push(format!("{}: {kind}: {error:#}", way.name));
        }
    }
}

/// A connection that asks.
pub(crate) struct Asker<'a> {
    stream: Stream,
    content: Content,
    progress: &'a Progress,
    newest: Newest,
    random: Rng,
    tally: Tally,
    walk: Walk,
}

/// A walk through the table, which stays in one version.
#[derive(Default)]
struct Walk {
    cursor: String,
    parts: u32,
    /// The version, once a key has told it.
    content: Option<u64>,
    /// Switches that were complete when it began.
    completed: u64,
}

/// Asks in one way until it is over. A connection on which anything is wrong is replaced by
/// another.
pub(crate) fn run(
    way: Way,
    address: SocketAddr,
    content: Content,
    progress: &Progress,
    pause: Duration,
    seed: u64,
) -> Tally {
    let connect = || if way.is_slow { Stream::connect_slow(address) } else { Stream::connect(address) };
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::new();
    while !progress.is_over() {
        let stream = match connect() {
            Ok(stream) => stream,
            Err(error) => {
                tally.note(&way, Fault::Failed(error));
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let (newest, walk) = (Newest::default(), Walk::default());
        let mut asker = Asker { stream, content, progress, newest, random, tally, walk };
        let fault = asker.ask_on(&way, pause);
        (random, tally) = (asker.random, asker.tally);
        if let Some(fault) = fault {
            tally.note(&way, fault);
        }
    }
    tally
}

impl Asker<'_> {
    fn ask_on(&mut self, way: &Way, pause: Duration) -> Option<Fault> {
        while !self.progress.is_over() {
            let (began, was_switching) = (Instant::now(), self.progress.is_switching());
            if let Err(fault) = (way.ask)(self) {
                return Some(fault);
            }
            let wait = began.elapsed();
            if !way.is_slow {
                let during = was_switching || self.progress.is_switching();
                let waits = if during { &mut self.tally.during } else { &mut self.tally.beside };
                waits.record(wait);
            }
            thread::sleep(pause.mul_f64(0.5 + self.random.f64()));
        }
        None
    }

    fn any(&mut self) -> u64 {
        let i = self.random.u64(0..self.content.pairs);
        if self.random.u64(0..LARGE_IN) == 0 { self.content.large(i) } else { i }
    }

    fn any_of(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.random.u64(0..self.content.pairs)).collect()
    }

    fn keys(&self, numbers: &[u64], separator: &str) -> String {
        let keys: Vec<String> = numbers.iter().map(|&i| self.content.key(i)).collect();
        keys.join(separator)
    }

    /// An answer of one value.
    fn see(&mut self, i: u64, value: &[u8], completed: u64) -> Answered {
        self.see_all(&[i], std::iter::once(value.to_vec()), completed)
    }

    /// An answer of many values, all of one version.
    fn see_all(
        &mut self,
        numbers: &[u64],
        values: impl IntoIterator<Item = Vec<u8>>,
        completed: u64,
    ) -> Answered {
        let mut one = None;
        for (&i, value) in numbers.iter().zip(values) {
            let content = self.content.of_value(i, &value).map_err(Fault::Mixed)?;
            if *one.get_or_insert(content) != content {
                let error = anyhow::anyhow!("one answer has values of contents {one:?} and {content}");
                return Err(Fault::Mixed(error));
            }
        }
        self.see_content(one.context("an answer without values")?, completed)
    }

    fn see_content(&mut self, content: u64, completed: u64) -> Answered {
        self.tally.answers += 1;
        self.newest.see(content, completed, self.progress).map_err(Fault::Older)
    }

    /// A value behind an HTTP head that names the same version.
    fn see_http(&mut self, i: u64, version: &str, value: &[u8], completed: u64) -> Answered {
        let content = self.content.of_value(i, value).map_err(Fault::Mixed)?;
        self.is_named(version, content)?;
        self.see_content(content, completed)
    }

    fn is_named(&self, version: &str, content: u64) -> Answered {
        if content_of(version, self.content.cycle) == Some(content) {
            return Ok(());
        }
        Err(Fault::Mixed(anyhow::anyhow!("an answer that names {version} has values of content {content}")))
    }
}

fn get(asker: &Asker<'_>, i: u64) -> String {
    format!("GET /v1/kv/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", asker.content.key(i))
}

fn http_get(asker: &mut Asker<'_>) -> Answered {
    let (i, completed) = (asker.any(), asker.progress.completed());
    asker.stream.send(get(asker, i).as_bytes())?;
    let (version, value) = asker.stream.http()?;
    asker.see_http(i, &version, &value, completed)
}

fn http_pipeline(asker: &mut Asker<'_>) -> Answered {
    let numbers = asker.any_of(PIPELINE);
    http_gets(asker, &numbers)
}

fn http_slow(asker: &mut Asker<'_>) -> Answered {
    let numbers: Vec<u64> = asker.any_of(SLOW_PIPELINE).iter().map(|&i| asker.content.large(i)).collect();
    http_gets(asker, &numbers)
}

fn http_gets(asker: &mut Asker<'_>, numbers: &[u64]) -> Answered {
    let completed = asker.progress.completed();
    let requests: String = numbers.iter().map(|&i| get(asker, i)).collect();
    asker.stream.send(requests.as_bytes())?;
    for &i in numbers {
        let (version, value) = asker.stream.http()?;
        asker.see_http(i, &version, &value, completed)?;
    }
    Ok(())
}

fn http_mget(asker: &mut Asker<'_>) -> Answered {
    let (numbers, completed) = (asker.any_of(KEYS), asker.progress.completed());
    let body = format!("{{\"keys\":[\"{}\"]}}", asker.keys(&numbers, "\",\""));
    let head = format!("POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    asker.stream.send((head + &body).as_bytes())?;
    let (version, body) = asker.stream.http()?;
    let body = String::from_utf8(body).context("an answer that is not text")?;
    let values = body.trim_end().strip_prefix("{\"values\":[\"").and_then(|rest| rest.strip_suffix("\"]}"));
    let values: Vec<&str> = values.context("an answer without values")?.split("\",\"").collect();
    if values.len() != numbers.len() {
        return Err(Fault::Failed(anyhow::anyhow!("{} values of {} keys", values.len(), numbers.len())));
    }
    let first = asker.content.of_value(numbers[0], values[0].as_bytes()).map_err(Fault::Mixed)?;
    asker.is_named(&version, first)?;
    asker.see_all(&numbers, values.into_iter().map(|value| value.as_bytes().to_vec()), completed)
}

fn redis_get(asker: &mut Asker<'_>) -> Answered {
    let (i, completed) = (asker.any(), asker.progress.completed());
    let request = format!("GET {}\r\n", asker.content.key(i));
    asker.stream.send(request.as_bytes())?;
    let value = asker.stream.bulk()?;
    asker.see(i, &value, completed)
}

fn redis_slow(asker: &mut Asker<'_>) -> Answered {
    let numbers: Vec<u64> = asker.any_of(SLOW_PIPELINE).iter().map(|&i| asker.content.large(i)).collect();
    let completed = asker.progress.completed();
    let requests: String = numbers.iter().map(|&i| format!("GET {}\r\n", asker.content.key(i))).collect();
    asker.stream.send(requests.as_bytes())?;
    for i in numbers {
        let value = asker.stream.bulk()?;
        asker.see(i, &value, completed)?;
    }
    Ok(())
}

fn redis_mget(asker: &mut Asker<'_>) -> Answered {
    let (numbers, completed) = (asker.any_of(KEYS), asker.progress.completed());
    let mut request = format!("*{}\r\n$4\r\nMGET\r\n", numbers.len() + 1);
    for &i in &numbers {
        let key = asker.content.key(i);
        request += &format!("${}\r\n{key}\r\n", key.len());
    }
    asker.stream.send(request.as_bytes())?;
    asker.stream.expect(format!("*{KEYS}").as_bytes())?;
    let values = numbers.iter().map(|_| asker.stream.bulk()).collect::<Result<Vec<_>, _>>()?;
    asker.see_all(&numbers, values, completed)
}

fn redis_exec(asker: &mut Asker<'_>) -> Answered {
    let (numbers, completed) = (asker.any_of(TRANSACTION), asker.progress.completed());
    let gets: String = numbers.iter().map(|&i| format!("GET {}\r\n", asker.content.key(i))).collect();
    asker.stream.send(format!("MULTI\r\n{gets}EXEC\r\n").as_bytes())?;
    asker.stream.expect(b"+OK")?;
    for _ in &numbers {
        asker.stream.expect(b"+QUEUED")?;
    }
    asker.stream.expect(format!("*{TRANSACTION}").as_bytes())?;
    let values = numbers.iter().map(|_| asker.stream.bulk()).collect::<Result<Vec<_>, _>>()?;
    asker.see_all(&numbers, values, completed)
}

fn redis_scan(asker: &mut Asker<'_>) -> Answered {
    if asker.walk.parts == 0 {
        let completed = asker.progress.completed();
        asker.walk = Walk { cursor: "0".to_owned(), parts: 0, content: None, completed };
    }
    let request = format!("SCAN {} COUNT {KEYS}\r\n", asker.walk.cursor);
    asker.stream.send(request.as_bytes())?;
    let line = asker.stream.line()?;
    if line.starts_with(EXPIRED) && asker.walk.parts > 0 {
        asker.walk.parts = 0;
        asker.tally.expired += 1;
        return Ok(());
    }
    if line != b"*2" {
        return Err(Fault::Failed(anyhow::anyhow!("expected *2, found {}", line.escape_ascii())));
    }
    asker.walk.cursor = String::from_utf8(asker.stream.bulk()?).context("a cursor that is not text")?;
    let keys = asker.stream.number(b'*')?;
    asker.tally.answers += 1;
    for _ in 0..keys {
        let key = asker.stream.bulk()?;
        let Some(content) = asker.content.of_key(&key).map_err(Fault::Mixed)? else { continue };
        match asker.walk.content {
            None => {
                asker.walk.content = Some(content);
                asker.newest.see(content, asker.walk.completed, asker.progress).map_err(Fault::Older)?;
            }
            Some(before) if before != content => {
                let error = anyhow::anyhow!("one walk has keys of contents {before} and {content}");
                return Err(Fault::Mixed(error));
            }
            Some(_) => {}
        }
    }
    asker.walk.parts = if asker.walk.cursor == "0" { 0 } else { (asker.walk.parts + 1) % WALK_PARTS };
    Ok(())
}

fn memcached_get(asker: &mut Asker<'_>) -> Answered {
    let i = asker.any();
    memcached_gets(asker, &[i])
}

fn memcached_many(asker: &mut Asker<'_>) -> Answered {
    let numbers = asker.any_of(KEYS);
    memcached_gets(asker, &numbers)
}

fn memcached_gets(asker: &mut Asker<'_>, numbers: &[u64]) -> Answered {
    let completed = asker.progress.completed();
    let request = format!("get {}\r\n", asker.keys(numbers, " "));
    asker.stream.send(request.as_bytes())?;
    let mut values = Vec::with_capacity(numbers.len());
    for &i in numbers {
        let line = String::from_utf8(asker.stream.line()?).context("a line that is not text")?;
        let bytes = line.strip_prefix(&format!("VALUE {} 0 ", asker.content.key(i)));
        let bytes = bytes.and_then(|bytes| bytes.parse().ok());
        values.push(asker.stream.bytes(bytes.with_context(|| format!("expected VALUE, found {line}"))?)?);
    }
    asker.stream.expect(b"END")?;
    asker.see_all(numbers, values, completed)
}

fn memcached_meta(asker: &mut Asker<'_>) -> Answered {
    let (i, completed) = (asker.any(), asker.progress.completed());
    asker.stream.send(format!("mg {} v\r\n", asker.content.key(i)).as_bytes())?;
    let line = String::from_utf8(asker.stream.line()?).context("a line that is not text")?;
    let bytes = line.strip_prefix("VA ").and_then(|bytes| bytes.trim_end().parse().ok());
    let value = asker.stream.bytes(bytes.with_context(|| format!("expected VA, found {line}"))?)?;
    asker.see(i, &value, completed)
}

/// Whether each way was asked in at least once.
pub(crate) fn all_are_used(ways: &[Way]) -> anyhow::Result<()> {
    ensure!(
        ways.len() >= WAYS.len(),
        "expected at least {} connections, one for each way of asking",
        WAYS.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{WAYS, ways};

    #[test]
    fn fifty_connections_are_shared_out_as_said_and_few_still_use_every_way() {
        let fifty = ways(50);
        for way in WAYS {
            assert_eq!(
                fifty.iter().filter(|found| found.name == way.name).count(),
                way.share,
                "{}",
                way.name
            );
        }
        let few = ways(WAYS.len());
        assert!(WAYS.iter().all(|way| few.iter().any(|found| found.name == way.name)));
    }
}
