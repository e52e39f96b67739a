//! What one request costs the codec: decoding a plain lookup, finding its key, writing the head of the answer.

use std::hint::black_box;
use std::time::Instant;

use graven_wire::Decoded;
use graven_wire::http::{
    ConnectionHeader, Length, Limits, Representation, ResponseHead, decode_request, encode_head,
    find_parameter, split_target,
};

const ROUNDS: u32 = 2_000_000;

fn main() {
    let bytes = b"GET /?key=8a6e0804-2bd0-4672-b79d-d97027f9071a HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
    let limits = Limits::default();
    per_round("decode", || {
        let Decoded::Message(request, consumed) = decode_request(black_box(bytes), &limits) else {
            unreachable!("the bytes are a request")
        };
        consumed + request.target.len()
    });
    per_round("decode + key", || {
        let Decoded::Message(request, consumed) = decode_request(black_box(bytes), &limits) else {
            unreachable!("the bytes are a request")
        };
        let (path, query) = split_target(request.target);
        let key = query.and_then(|query| find_parameter(query, b"key"));
        consumed + path.len() + key.map_or(0, <[u8]>::len)
    });
    let mut out = Vec::with_capacity(4096);
    per_round("encode head", || {
        out.clear();
        let head = ResponseHead {
            status: 200,
            length: Length::Bytes(black_box(34)),
            content_type: Some("text/plain"),
            date: black_box("Sun, 06 Nov 1994 08:49:37 GMT"),
            connection: ConnectionHeader::Unsaid,
            etag: None,
            representation: Representation::Only,
            allow: None,
            headers: &[],
            last_header: None,
        };
        encode_head(&head, &mut out);
        out.len()
    });
}

fn per_round(what: &str, mut work: impl FnMut() -> usize) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!("{what}: {:.1} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}
