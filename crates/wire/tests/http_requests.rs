//! Requests as a table: what comes in, and what the decoder must make of it, however the bytes are cut.

use graven_wire::Decoded;
use graven_wire::http::{
    CHUNK_FRAMING_BYTES_MAX, Error, Hosts, Limits, Method, Request, RequestDecoder, RequestHead, Version,
    decode_request, encode_request, expects_continue,
};

/// Decodes everything in `bytes`, offered in two pieces cut at `cut`: a line for each message, then how it ended.
fn read_all(bytes: &[u8], cut: usize, limits: &Limits) -> Vec<String> {
    let (mut seen, mut at, mut end) = (Vec::new(), 0, cut);
    loop {
        match decode_request(&bytes[at..end], limits) {
            Decoded::Message(request, consumed) => {
                seen.push(describe(&request));
                at += consumed;
            }
            Decoded::NeedMore if end < bytes.len() => end = bytes.len(),
            Decoded::NeedMore => {
                seen.push(format!("{} bytes wait", bytes.len() - at));
                return seen;
            }
            Decoded::Invalid(error) => {
                seen.push(format!("{} {error:?}", error.status()));
                return seen;
            }
        }
    }
}

fn describe(request: &Request<'_>) -> String {
    let mut body = Vec::new();
    request.body.append_to(&mut body);
    assert_eq!((body.len(), body.is_empty()), (request.body.len(), request.body.is_empty()));
    let version = if request.version == Version::Http10 { "1.0" } else { "1.1" };
    let stays = if request.keep_alive { "stays" } else { "closes" };
    let target = request.target.escape_ascii();
    format!("{:?} {target} {version} {stays} [{}]", request.method, body.escape_ascii())
}

const H: &str = "Host: x\r\n";

/// Every conversation, with `~` for the Host line: bytes in, lines out.
const CONVERSATIONS: &[(&str, &[&str])] = &[
    ("GET /?key=1 HTTP/1.1\r\n~\r\n", &["Get /?key=1 1.1 stays []", "0 bytes wait"]),
    (
        "GET /a HTTP/1.1\r\n~\r\nHEAD /b HTTP/1.1\r\n~\r\nGET /c",
        &["Get /a 1.1 stays []", "Head /b 1.1 stays []", "6 bytes wait"],
    ),
    ("\r\n\r\nGET / HTTP/1.1\r\n~\r\n", &["Get / 1.1 stays []", "0 bytes wait"]),
    ("GET / HTTP/1.1\r\nhOsT:x:80\r\n\r\n", &["Get / 1.1 stays []", "0 bytes wait"]),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", &["Get / 1.1 stays []", "0 bytes wait"]),
    ("GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", &["Get / 1.1 stays []", "0 bytes wait"]),
    ("GET http://x:1/a?b HTTP/1.1\r\n~\r\n", &["Get http://x:1/a?b 1.1 stays []", "0 bytes wait"]),
    ("OPTIONS * HTTP/1.1\r\n~\r\n", &["Options * 1.1 stays []", "0 bytes wait"]),
    ("CONNECT x:1 HTTP/1.1\r\n~\r\n", &["Other x:1 1.1 stays []", "0 bytes wait"]),
    ("DELETE /v1/kv/a HTTP/1.1\r\n~\r\n", &["Other /v1/kv/a 1.1 stays []", "0 bytes wait"]),
    // Who keeps the connection.
    ("GET / HTTP/1.1\r\n~Connection: close\r\n\r\n", &["Get / 1.1 closes []", "0 bytes wait"]),
    ("GET / HTTP/1.1\r\n~Connection: te, CLOSE\r\n\r\n", &["Get / 1.1 closes []", "0 bytes wait"]),
    (
        "GET / HTTP/1.1\r\n~Connection: te\r\nConnection: close\r\n\r\n",
        &["Get / 1.1 closes []", "0 bytes wait"],
    ),
    ("GET / HTTP/1.0\r\n\r\n", &["Get / 1.0 closes []", "0 bytes wait"]),
    ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &["Get / 1.0 stays []", "0 bytes wait"]),
    // Bodies.
    (
        "POST /p HTTP/1.1\r\n~Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n~\r\n",
        &["Post /p 1.1 stays [abc]", "Get / 1.1 stays []", "0 bytes wait"],
    ),
    ("POST /p HTTP/1.1\r\n~Content-Length: 0\r\n\r\n", &["Post /p 1.1 stays []", "0 bytes wait"]),
    ("GET / HTTP/1.1\r\n~Content-Length: 3\r\n\r\nab", &["48 bytes wait"]),
    (
        "POST /p HTTP/1.1\r\n~Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nT: t\r\n\r\nGET",
        &["Post /p 1.1 stays [abc0123456789]", "3 bytes wait"],
    ),
    (
        "POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &["Post /p 1.1 stays []", "0 bytes wait"],
    ),
    ("POST /p HTTP/1.1\r\n~Content-Length: 41\r\n\r\n", &["413 BodyTooLarge"]),
    ("POST /p HTTP/1.1\r\n~Content-Length: 99999999999999999999999\r\n\r\n", &["413 BodyTooLarge"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n29\r\n", &["413 BodyTooLarge"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n28\r\n", &["413 BodyTooLarge"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", &["413 BodyTooLarge"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n1\na\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n1;\n\r\na\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n0\r\nT: t\nU: u\r\n\r\n", &["400 BadChunk"]),
    ("POST /p HTTP/1.1\r\n~Transfer-Encoding: chunked\r\n\r\n0\r\n folded\r\n\r\n", &["400 BadChunk"]),
    // Two answers to where the next request begins: none is taken.
    ("GET / HTTP/1.1\r\n~Content-Length: +5\r\n\r\n", &["400 BadContentLength"]),
    ("GET / HTTP/1.1\r\n~Content-Length: -5\r\n\r\n", &["400 BadContentLength"]),
    ("GET / HTTP/1.1\r\n~Content-Length: 5, 5\r\n\r\n", &["400 BadContentLength"]),
    ("GET / HTTP/1.1\r\n~Content-Length: 0x5\r\n\r\n", &["400 BadContentLength"]),
    ("GET / HTTP/1.1\r\n~Content-Length:\r\n\r\n", &["400 BadContentLength"]),
    ("GET / HTTP/1.1\r\n~Content-Length: 5\r\nContent-Length: 5\r\n\r\n", &["400 ContentLengthTwice"]),
    (
        "GET / HTTP/1.1\r\n~Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        &["400 LengthAndEncoding"],
    ),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding: gzip, chunked\r\n\r\n", &["501 UnsupportedTransferEncoding"]),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding: gzip\r\n\r\n", &["501 UnsupportedTransferEncoding"]),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding: chunked, gzip\r\n\r\n", &["400 BadTransferEncoding"]),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding: chunked, chunked\r\n\r\n", &["400 BadTransferEncoding"]),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding:\r\n\r\n", &["400 BadTransferEncoding"]),
    ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &["400 BadTransferEncoding"]),
    ("GET / HTTP/1.1\r\n~Transfer-Encoding : chunked\r\n\r\n", &["400 BadHeader"]),
    // Hosts and targets.
    ("GET / HTTP/1.1\r\n\r\n", &["400 MissingHost"]),
    ("GET / HTTP/1.1\r\n~~\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.0\r\n~~\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", &["400 BadHost"]),
    ("GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", &["400 BadHost"]),
    ("GET /a#b HTTP/1.1\r\n~\r\n", &["400 BadTarget"]),
    ("GET a HTTP/1.1\r\n~\r\n", &["400 BadTarget"]),
    ("GET * HTTP/1.1\r\n~\r\n", &["400 BadTarget"]),
    ("GET ftp://x/ HTTP/1.1\r\n~\r\n", &["400 BadTarget"]),
    ("GET http:///a HTTP/1.1\r\n~\r\n", &["400 BadTarget"]),
    // Heads that are none.
    ("GET / HTTP/2.0\r\n~\r\n", &["505 UnsupportedVersion"]),
    ("GET / HTTP/1.2\r\n~\r\n", &["505 UnsupportedVersion"]),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["505 UnsupportedVersion"]),
    ("GET / HTTP/1.x\r\n~\r\n", &["400 BadStartLine"]),
    ("GET / HTTP/1\r\n~\r\n", &["400 BadStartLine"]),
    ("GET / HTTQ/1.1\r\n~\r\n", &["400 BadStartLine"]),
    ("GET /\r\n\r\n", &["400 BadStartLine"]),
    ("GET  / HTTP/1.1\r\n~\r\n", &["400 BadStartLine"]),
    ("GET / a HTTP/1.1\r\n~\r\n", &["400 BadStartLine"]),
    ("G(T / HTTP/1.1\r\n~\r\n", &["400 BadStartLine"]),
    ("\x16\x03\x01\x02\x00", &["400 BadStartLine"]),
    ("GET / HTTP/1.1\r\n~A: b\r\n c\r\n\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\r\n ~\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\r\n~A\r\n\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\r\n: a\r\n\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\r\n~A: b\x00c\r\n\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\r\n~A: b\rc\r\n\r\n", &["400 BadHeader"]),
    ("GET / HTTP/1.1\n~\r\n", &["400 BareLineFeed"]),
    ("GET / HTTP/1.1\r\nHost: x\n\r\n", &["400 BareLineFeed"]),
    ("GET / HTTP/1.1\r\n~\n", &["400 BareLineFeed"]),
    ("\nGET / HTTP/1.1\r\n~\r\n", &["400 BareLineFeed"]),
    ("GET / HTTP/1.1\r\n~Expect: the impossible\r\n\r\n", &["417 UnsupportedExpectation"]),
];

const SMALL: Limits = Limits { head_bytes_max: 200, headers_max: 4, body_bytes_max: 40 };

#[test]
fn every_conversation_reads_as_the_table_says_wherever_it_is_cut() {
    for (bytes, want) in CONVERSATIONS {
        let bytes = with_host(bytes);
        for cut in 0..=bytes.len() {
            assert_eq!(read_all(&bytes, cut, &SMALL), *want, "{} cut at {cut}", bytes.escape_ascii());
        }
    }
}

fn with_host(text: &str) -> Vec<u8> {
    text.replace('~', H).into_bytes()
}

#[test]
fn a_request_line_over_the_head_limit_gets_414() {
    let long = format!("GET /{} HTTP/1.1\r\n{H}\r\n", "a".repeat(300));
    for cut in 0..=long.len() {
        assert_eq!(read_all(long.as_bytes(), cut, &SMALL), ["414 TargetTooLong"]);
    }
}

#[test]
fn headers_over_the_head_limit_get_431() {
    let long = format!("GET / HTTP/1.1\r\n{H}A: {}\r\n\r\n", "a".repeat(300));
    for cut in 0..=long.len() {
        assert_eq!(read_all(long.as_bytes(), cut, &SMALL), ["431 HeadTooLarge"]);
    }
}

#[test]
fn a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let head = |bytes: usize| {
        let empty = format!("GET / HTTP/1.1\r\n{H}A: \r\n\r\n").len();
        format!("GET / HTTP/1.1\r\n{H}A: {}\r\n\r\n", "a".repeat(bytes - empty)).into_bytes()
    };
    assert_eq!(read_all(&head(200), 0, &SMALL), ["Get / 1.1 stays []", "0 bytes wait"]);
    assert_eq!(read_all(&head(201), 0, &SMALL), ["431 HeadTooLarge"]);
}

#[test]
fn one_header_line_more_than_the_limit_gets_431() {
    let head = |lines: usize| format!("GET / HTTP/1.1\r\n{H}{}\r\n", "A: b\r\n".repeat(lines)).into_bytes();
    assert_eq!(read_all(&head(3), 0, &SMALL), ["Get / 1.1 stays []", "0 bytes wait"]);
    for cut in 0..=head(4).len() {
        assert_eq!(read_all(&head(4), cut, &SMALL), ["431 TooManyHeaders"]);
    }
}

#[test]
fn chunk_framing_beyond_its_limit_gets_413() {
    let mut bytes = format!("POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let head_bytes = bytes.len();
    bytes.extend_from_slice(b"1\r\na\r\n".repeat(20_000).as_slice());
    let limits = Limits { body_bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(decode_request(&bytes, &limits), Decoded::Invalid(Error::BodyTooLarge));
    bytes.truncate(head_bytes);
    bytes.extend_from_slice(format!("1;{}", "x".repeat(70_000)).as_bytes());
    assert_eq!(decode_request(&bytes, &limits), Decoded::Invalid(Error::BodyTooLarge));
    bytes.truncate(head_bytes);
    bytes.extend_from_slice(format!("0\r\n{}", "A: b\r\n".repeat(20_000)).as_bytes());
    assert_eq!(decode_request(&bytes, &limits), Decoded::Invalid(Error::BodyTooLarge));
}

#[test]
fn chunk_framing_is_taken_up_to_its_limit_and_no_further() {
    let head = format!("POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n");
    let padded = |start: &str, end: &str, bytes: usize| {
        format!("{head}{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
    };
    let read = |text: &str| match decode_request(text.as_bytes(), &Limits::default()) {
        Decoded::Message(request, consumed) => {
            assert_eq!(consumed, text.len());
            format!("{} bytes", request.body.len())
        }
        Decoded::NeedMore => "waits".to_owned(),
        Decoded::Invalid(error) => format!("{error:?}"),
    };
    let most = CHUNK_FRAMING_BYTES_MAX;
    for (start, end) in [("0;", "\r\n\r\n"), ("0\r\nA: ", "\r\n\r\n")] {
        assert_eq!(read(&padded(start, end, most)), "0 bytes");
        assert_eq!(read(&padded(start, end, most + 1)), "BodyTooLarge");
    }
    assert_eq!(read(&padded("1;", "\r\n", most)), "waits");
    assert_eq!(read(&(padded("1;", "\r\n", most) + "a")), "waits");
    assert_eq!(read(&padded("1;", "\r\n", most + 1)), "BodyTooLarge");
}

#[test]
fn the_data_of_chunks_is_not_counted_as_their_framing() {
    let data = "d".repeat(CHUNK_FRAMING_BYTES_MAX / 2 + 1);
    let chunk = format!("{:x}\r\n{data}\r\n", data.len());
    let bytes = format!(
        "POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\nA: b\r\n\r\n"
    );
    let limits = Limits::default();
    let Decoded::Message(request, consumed) = decode_request(bytes.as_bytes(), &limits) else { panic!() };
    assert_eq!((request.body.len(), consumed), (data.len() * 3, bytes.len()));
    for left in 1..20 {
        assert_eq!(
            decode_request(&bytes.as_bytes()[..bytes.len() - left], &limits),
            Decoded::NeedMore,
            "{left}"
        );
    }
}

#[test]
fn only_a_waiting_client_with_a_whole_head_expects_continue() {
    let limits = Limits::default();
    let head =
        format!("POST / HTTP/1.1\r\n{H}Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n").into_bytes();
    assert_eq!(decode_request(&head, &limits), Decoded::NeedMore);
    assert!(expects_continue(&head, &limits));
    for cut in 0..head.len() {
        assert!(!expects_continue(&head[..cut], &limits));
    }
    let old = b"POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    assert!(!expects_continue(old, &limits));
}

#[test]
fn lines_of_one_name_are_one_list_wherever_they_stand() {
    let bytes = b"GET /a HTTP/1.1\r\nAccept: a/b;q=0.5,c/d\r\nHost: x\r\nIF-NONE-MATCH:\"1\"\r\naccept:\r\nX-Accept: e/f\r\n\
                  ACCEPT:\t g/h \r\nif-none-match: W/\"2\" , \"3\"\r\n\r\n";
    let mut remembers = RequestDecoder::new(Limits::default(), Hosts::any());
    for _ in 0..2 {
        let Decoded::Message(request, _) = remembers.decode(bytes) else { panic!() };
        let accept = request.accept.unwrap();
        let wanted = ["a/b", "c/d", "e/f", "g/h"].map(|kind| accept.quality_of(kind));
        assert_eq!(wanted, [500, 1000, 0, 1000]);
        let tags = request.if_none_match.unwrap();
        let named = ["\"1\"", "\"2\"", "\"3\"", "\"4\""].map(|tag| tags.name(tag.as_bytes()));
        assert_eq!(named, [true, true, true, false]);
    }
}

/// A request with these lines of one header.
fn with_lines(name: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|value| format!("{name}: {value}\r\n")).collect();
    format!("GET / HTTP/1.1\r\n{H}{lines}\r\n").into_bytes()
}

#[test]
fn an_accept_is_read_with_its_weights_and_parameters() {
    for (lines, json, lines_of_json) in [
        (&["*/*"][..], 1000, 1000),
        (&["application/json"], 1000, 0),
        (&["application/json;q=1, application/x-ndjson;q=0"], 1000, 0),
        (&["application/x-ndjson-foo"], 0, 0),
        (&["x-application/x-ndjson"], 0, 0),
        (&["application/x-ndjson;q=0"], 0, 0),
        (&["application/x-ndjson; Q=0.000, */*"], 1000, 0),
        (&["application/*;q=0.3, application/x-ndjson"], 300, 1000),
        (&["application/x-ndjson, application/*;q=0.3"], 300, 1000),
        (&["*/*;q=0.1", "APPLICATION/X-NDJSON;charset=utf-8;q=0.25"], 100, 250),
        (&["application/json;x=\"a, application/x-ndjson;q=1\";q=0.5"], 500, 0),
        (&["text/html, */*;q=1.5"], 0, 0),
        (&["text/html, */*;q=.5"], 0, 0),
        (&["text/html, */*;q=0.1234"], 0, 0),
        (&["text/html, */*;q=1.001"], 0, 0),
        (&["", ",", ";q=1"], 0, 0),
    ] {
        let bytes = with_lines("Accept", lines);
        let Decoded::Message(request, _) = decode_request(&bytes, &Limits::default()) else { panic!() };
        let quality = |kind| request.accept.unwrap().quality_of(kind);
        assert_eq!(
            (quality("application/json"), quality("application/x-ndjson")),
            (json, lines_of_json),
            "{lines:?}"
        );
    }
}

#[test]
fn an_accept_prefers_what_it_wants_more_or_as_much_and_by_name() {
    for (value, prefers) in [
        ("application/x-ndjson", true),
        ("application/x-ndjson, application/json", true),
        ("application/json, application/x-ndjson;q=1", true),
        ("application/x-ndjson, */*", true),
        ("application/x-ndjson;q=0.5, application/json;q=0.4", true),
        ("application/*, application/json;q=0.9", true),
        ("application/x-ndjson;q=0.5, application/json", false),
        ("application/x-ndjson;q=0.5, */*", false),
        ("application/json", false),
        ("application/*", false),
        ("*/*", false),
        ("text/html", false),
        ("application/x-ndjson;q=0", false),
        ("application/x-ndjson;q=0, application/json;q=0", false),
    ] {
        let bytes = with_lines("Accept", &[value]);
        let Decoded::Message(request, _) = decode_request(&bytes, &Limits::default()) else { panic!() };
        let accept = request.accept.unwrap();
        assert_eq!(accept.prefer("application/x-ndjson", "application/json"), prefers, "{value}");
    }
}

#[test]
fn zstd_is_taken_by_who_wants_it_no_less_than_the_content_as_it_is() {
    for (lines, takes) in [
        (&["zstd"][..], true),
        (&["gzip, deflate, br, zstd"], true),
        (&["ZStd;q=0.001"], true),
        (&["gzip;q=1, zstd;q=0.1"], true),
        (&["gzip", "br, zstd"], true),
        (&["*"], true),
        (&["gzip;q=0.5, *;q=0.1"], true),
        (&["zstd;q=0.5, identity;q=0.5"], true),
        (&["zstd, identity;q=0"], true),
        (&["zstd, *;q=0"], true),
        (&["zstd;q=1.000"], true),
        (&["gzip"], false),
        (&[""], false),
        (&["identity"], false),
        (&["zstd;q=0"], false),
        (&["zstd; Q=0.000, *"], false),
        (&["*;q=0"], false),
        (&["*, identity"], true),
        (&["*;q=0.5, identity"], false),
        (&["zstd;q=0.5, identity"], false),
        (&["zstd;q=0.5", "Identity;q=0.6"], false),
        (&["zstd", "zstd;q=0"], false),
        (&["zstd;q=1.5"], false),
        (&["zstd;q=-1"], false),
        (&["zstd;q="], false),
        (&["xzstd, zstdx, x-zstd"], false),
        (&["gzip;x=\"a, zstd\""], false),
    ] {
        let bytes = with_lines("Accept-Encoding", lines);
        let Decoded::Message(request, _) = decode_request(&bytes, &Limits::default()) else { panic!() };
        assert_eq!(request.takes_zstd, takes, "{lines:?}");
        let mut remembers = RequestDecoder::new(Limits::default(), Hosts::any());
        for _ in 0..2 {
            let Decoded::Message(request, _) = remembers.decode(&bytes) else { panic!() };
            assert_eq!(request.takes_zstd, takes, "{lines:?}, remembered");
        }
    }
    let other = with_lines("X-Accept-Encoding", &["zstd"]);
    let Decoded::Message(request, _) = decode_request(&other, &Limits::default()) else { panic!() };
    assert!(!request.takes_zstd);
}

#[test]
fn an_if_none_match_names_whole_tags() {
    for (lines, names) in [
        (&["\"a\""][..], true),
        (&["W/\"a\""], true),
        (&["\"b\",\"a\""], true),
        (&["\"b\"", "\"a\""], true),
        (&["*"], true),
        (&["\"b\"", "*"], true),
        (&["\"*\""], false),
        (&["\"b,*,c\""], false),
        (&["\"b,\"a\",c\""], false),
        (&["w/\"a\""], false),
        (&["a"], false),
        (&[""], false),
    ] {
        let bytes = with_lines("If-None-Match", lines);
        let Decoded::Message(request, _) = decode_request(&bytes, &Limits::default()) else { panic!() };
        assert_eq!(request.if_none_match.unwrap().name(b"\"a\""), names, "{lines:?}");
    }
}

#[test]
fn a_request_for_another_host_is_told_apart_whether_its_head_is_known_or_not() {
    let hosts = Hosts::only(["Graven.example", "*.inner.example"]);
    let mut remembers = RequestDecoder::new(Limits::default(), hosts);
    for (target, host, misdirected_to) in [
        ("/", "localhost:8000", None),
        ("/", "127.0.0.1", None),
        ("/", "[::1]:8000", None),
        ("/", "192.0.2.1:80", None),
        ("/", "graven.EXAMPLE.:8000", None),
        ("/", "a.inner.example", None),
        ("/", "graven.b.inner.example", None),
        ("/", ".inner.example", Some(".inner.example")),
        ("/", "", None),
        ("/", ":80", None),
        ("/", "evil.example", Some("evil.example")),
        ("/", "evil.example:8000", Some("evil.example:8000")),
        ("/", "localhost.evil.example", Some("localhost.evil.example")),
        ("/", "127.0.0.1.evil.example", Some("127.0.0.1.evil.example")),
        ("/", "inner.example", Some("inner.example")),
        ("/", "evilgraven.example", Some("evilgraven.example")),
        ("/", "127.1", Some("127.1")),
        ("http://localhost/", "evil.example", Some("evil.example")),
        ("http://evil.example:80?key=a", "localhost", Some("evil.example:80")),
        ("http://localhost@evil.example/", "localhost", Some("localhost@evil.example")),
        ("http://localhost/", "localhost", None),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for _ in 0..2 {
            let Decoded::Message(request, _) = remembers.decode(bytes.as_bytes()) else { panic!("{host}") };
            assert_eq!(request.misdirected_to, misdirected_to.map(str::as_bytes), "{target} of {host}");
        }
    }
    let Decoded::Message(request, _) = remembers.decode(b"GET / HTTP/1.0\r\n\r\n") else { panic!() };
    assert_eq!(request.misdirected_to, None);
}

#[test]
fn headers_that_answers_depend_on_are_handed_over() {
    let bytes = format!(
        "GET / HTTP/1.1\r\n{H}IF-none-match: \"a\" \r\naccept: a/b\r\nauthorization:  Bearer c \r\n\r\n"
    );
    let Decoded::Message(request, _) = decode_request(bytes.as_bytes(), &Limits::default()) else { panic!() };
    assert!(request.if_none_match.unwrap().name(b"\"a\""));
    assert_eq!(request.accept.unwrap().quality_of("a/b"), 1000);
    assert_eq!(request.authorization, Some(&b"Bearer c"[..]));
}

#[test]
fn a_header_is_not_taken_for_another_whose_name_is_as_long() {
    let bytes = format!(
        "GET / HTTP/1.1\r\n{H}Date: a b\r\nCookie: a/b\r\nUser-Agent: close\r\nLast-Modified: \"a\"\r\n\
         Accept-Charset: utf-8\r\nAccept-Language: zstd\r\nIf-Modified-Since: 5\r\n\r\n"
    );
    let decoded = decode_request(bytes.as_bytes(), &Limits::default());
    let Decoded::Message(request, consumed) = decoded else { panic!("{decoded:?}") };
    assert_eq!((describe(&request).as_str(), consumed), ("Get / 1.1 stays []", bytes.len()));
    assert_eq!((request.if_none_match, request.accept, request.authorization), (None, None, None));
    assert!(!request.takes_zstd);
}

#[test]
fn an_encoded_request_reads_back() {
    let mut out = Vec::new();
    let head = RequestHead {
        method: "POST",
        target: b"/v1/mget",
        host: "[::1]:8000",
        close: true,
        headers: &[("Accept", "a/b")],
        body: Some(b"hello"),
    };
    encode_request(&head, &mut out);
    let Decoded::Message(request, consumed) = decode_request(&out, &Limits::default()) else { panic!() };
    assert_eq!(consumed, out.len());
    assert_eq!(describe(&request), "Post /v1/mget 1.1 closes [hello]");
    assert_eq!((request.method, request.accept.unwrap().quality_of("a/b")), (Method::Post, 1000));
}

#[test]
fn a_decoder_that_remembers_headers_reads_what_one_that_does_not_reads() {
    let heads: [&[u8]; 12] = [
        b"GET /?key=a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET /?key=another HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"HEAD /?key=a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET /#a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET http://h/a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nIf-None-Match: \"y\"\r\n\r\n",
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\nOrigin: o\r\n\r\n",
        b"GET /b HTTP/1.0\r\nConnection: keep-alive\r\nOrigin: o\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        b"\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    ];
    let limits = Limits { head_bytes_max: 90, ..Limits::default() };
    let mut remembers = RequestDecoder::new(limits, Hosts::any());
    let mut read = 0;
    for first in heads {
        for second in heads {
            for head in [first, second] {
                for end in [head.len(), head.len() - 1, head.len() / 2] {
                    let expected = decode_request(&head[..end], &limits);
                    read += usize::from(matches!(expected, Decoded::Message(..)));
                    assert_eq!(
                        remembers.decode(&head[..end]),
                        expected,
                        "{:?}",
                        head.escape_ascii().to_string()
                    );
                }
            }
        }
    }
    assert!(read > 100);
    let long = [&b"GET /"[..], &[b'a'; 40], &heads[0][11..]].concat();
    let _ = remembers.decode(heads[0]);
    assert_eq!(remembers.decode(&long), decode_request(&long, &limits), "a head that is too long");
}
