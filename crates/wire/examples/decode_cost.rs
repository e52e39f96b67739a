//! Prints what each codec costs, in nanoseconds a request: `cargo run --release -p graven-wire --example decode_cost`.
//!
//! A buffer of pipelined requests, each with a key of its own, is decoded from end to end again and again, and the best
//! of several rounds is printed: the cost of the code itself, caches warm. Nothing else of a server takes part.

use std::hint::black_box;
use std::time::Instant;

use graven_wire::{Decoded, memcached, resp};

const REQUESTS: usize = 1_000;
const ROUNDS: usize = 400;

fn main() {
    let keys: Vec<String> = (0..REQUESTS)
        .map(|n| format!("{:08x}-9c0b-4ef8-bb6d-{:012x}", n * 2_654_435_761 % 0x1_0000_0000, n * 7_919))
        .collect();
    let value = b"abcdefghijklmnopqrstuvwxyzabcd";
    println!("{:<44} {:>8}", "what", "ns each");

    let mut input = Vec::new();
    keys.iter().for_each(|key| resp::request::encode(&mut input, [b"GET", key.as_bytes()]));
    report("RESP GET: decode and name", REQUESTS, || resp_commands(&input));

    let mut input = Vec::new();
    let names = std::iter::once(&b"MGET"[..]).chain(keys.iter().map(|key| key.as_bytes()));
    resp::request::encode(&mut input, names.collect::<Vec<_>>());
    report("RESP MGET of 1,000: a key", REQUESTS, || resp_commands(&input));

    let mut input = Vec::new();
    keys.iter().for_each(|key| memcached::request::get(&mut input, [key.as_bytes()]));
    report("memcached get: decode", REQUESTS, || memcached_requests(&input));

    let mut input = Vec::new();
    memcached::request::get(&mut input, keys.iter().map(|key| key.as_bytes()));
    report("memcached get of 1,000: a key", REQUESTS, || memcached_requests(&input));

    let mut input = Vec::new();
    keys.iter().for_each(|key| memcached::request::meta_get(&mut input, key.as_bytes(), b"v"));
    report("memcached mg v: decode", REQUESTS, || memcached_requests(&input));

    let mut input = Vec::new();
    keys.iter().for_each(|key| memcached::request::meta_get(&mut input, key.as_bytes(), b"v k f c O123 q"));
    report("memcached mg v k f c O123 q: decode", REQUESTS, || memcached_requests(&input));

    let mut out = Vec::with_capacity(1 << 20);
    report("RESP bulk: encode", REQUESTS, || {
        out.clear();
        keys.iter().for_each(|_| resp::reply::bulk(&mut out, black_box(value)));
        out.len()
    });
    report("RESP bulk: decode", REQUESTS, || resp_replies(&out));

    let mut out = Vec::with_capacity(1 << 20);
    report("memcached VALUE: encode", REQUESTS, || {
        out.clear();
        keys.iter()
            .for_each(|key| memcached::reply::value(&mut out, key.as_bytes(), 0, None, black_box(value)));
        out.len()
    });
    report("memcached VALUE: decode", REQUESTS, || memcached_replies(&out));
}

fn report(what: &str, count: usize, mut run: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        black_box(run());
        best = best.min(begin.elapsed().as_secs_f64());
    }
    println!("{what:<44} {:>8.1}", best * 1e9 / count as f64);
}

fn resp_commands(mut input: &[u8]) -> usize {
    let mut decoder = resp::RequestDecoder::new(resp::Limits::default());
    let mut bytes = 0;
    while let Decoded::Message(resp::Request::Command(args), consumed) = decoder.decode(black_box(input)) {
        match resp::Command::parse(args) {
            Ok(resp::Command::Get { key }) => bytes += black_box(key).len(),
            Ok(resp::Command::MGet { keys }) => keys.for_each(|key| bytes += black_box(key).len()),
            other => panic!("{other:?} was not sent"),
        }
        input = &input[consumed..];
    }
    bytes
}

fn memcached_requests(mut input: &[u8]) -> usize {
    let mut decoder = memcached::RequestDecoder::new(memcached::Limits::default());
    let mut bytes = 0;
    while let Decoded::Message(request, consumed) = decoder.decode(black_box(input)) {
        match request {
            memcached::Request::Get { keys, .. } => keys.for_each(|key| bytes += black_box(key).len()),
            memcached::Request::MetaGet(get) => bytes += black_box(get.plain_key()).map_or(0, <[u8]>::len),
            other => panic!("{other:?} was not sent"),
        }
        input = &input[consumed..];
    }
    bytes
}

fn resp_replies(mut input: &[u8]) -> usize {
    let mut decoder = resp::ReplyDecoder::new(resp::ReplyLimits::default());
    let mut bytes = 0;
    while let Decoded::Message(resp::Reply::Bulk(value), consumed) = decoder.decode(black_box(input)) {
        bytes += black_box(value).len();
        input = &input[consumed..];
    }
    bytes
}

fn memcached_replies(mut input: &[u8]) -> usize {
    let mut decoder = memcached::ReplyDecoder::new(memcached::ReplyLimits::default());
    let mut bytes = 0;
    while let Decoded::Message(memcached::Reply::Value { value, .. }, consumed) =
        decoder.decode(black_box(input))
    {
        bytes += black_box(value).len();
        input = &input[consumed..];
    }
    bytes
}
