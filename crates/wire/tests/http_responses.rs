//! Responses as a table, read back from what was written and from what other servers write.

use graven_wire::Decoded;
use graven_wire::http::{
    ConnectionHeader, Error, Length, Limits, Method, ReadyHead, Representation, Response, ResponseHead,
    Version, decode_response, encode_chunk, encode_head, encode_last_chunk, encode_response,
};

const LIMITS: Limits = Limits { head_bytes_max: 120, headers_max: 4, body_bytes_max: 40 };

fn describe(decoded: Decoded<Response<'_>, Error>) -> String {
    match decoded {
        Decoded::Message(response, consumed) => {
            let mut body = Vec::new();
            response.body.append_to(&mut body);
            let version = if response.version == Version::Http10 { "1.0" } else { "1.1" };
            let stays = if response.keep_alive { "stays" } else { "closes" };
            format!("{} {version} {stays} [{}] {consumed}", response.status, body.escape_ascii())
        }
        Decoded::NeedMore => "waits".to_owned(),
        Decoded::Invalid(error) => format!("{error:?}"),
    }
}

/// What was asked, what came, whether the connection ended with it, and what that is.
const CONVERSATIONS: &[(Method, &str, bool, &str)] = &[
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, "200 1.1 stays [hi] 40"),
    (Method::Get, "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", false, "200 1.1 stays [hi] 37"),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        false,
        "200 1.1 closes [hi] 59",
    ),
    (Method::Get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, "200 1.0 closes [hi] 40"),
    (
        Method::Get,
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
        false,
        "200 1.0 stays [hi] 64",
    ),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        false,
        "200 1.1 stays [hi] 59",
    ),
    (Method::Get, "HTTP/1.1 200 OK\r\n\r\nhi", false, "waits"),
    (Method::Get, "HTTP/1.1 200 OK\r\n\r\nhi", true, "200 1.1 closes [hi] 21"),
    (Method::Head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", false, "200 1.1 stays [] 38"),
    (Method::Get, "HTTP/1.1 304 Not Modified\r\n\r\n", false, "304 1.1 stays [] 29"),
    (Method::Get, "HTTP/1.1 100 Continue\r\n\r\n", false, "100 1.1 stays [] 25"),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true, "Truncated"),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Le", true, "Truncated"),
    (Method::Get, "", true, "Truncated"),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n", false, "BodyTooLarge"),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789",
        true,
        "200 1.1 closes [0123456789012345678901234567890123456789] 59",
    ),
    (Method::Get, "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789", false, "waits"),
    (Method::Get, "HTTP/1.1 200 OK\r\n\r\n01234567890123456789012345678901234567890", false, "BodyTooLarge"),
    (Method::Get, "HTTP/1.1 200 OK\r\n\r\n01234567890123456789012345678901234567890", true, "BodyTooLarge"),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        false,
        "ContentLengthTwice",
    ),
    // Folded lines: obsolete, and still sent by servers and proxies.
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nX-Long: a,\r\n b,\r\n\tc\r\nContent-Length: 2\r\n\r\nab",
        false,
        "200 1.1 stays [ab] 61",
    ),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nab", false, "200 1.1 stays [ab] 42"),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n \r\n\r\nab", false, "200 1.1 stays [ab] 43"),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        false,
        "200 1.1 stays [ab] 61",
    ),
    (
        Method::Get,
        "HTTP/1.1 200 OK\r\nConnection: x,\r\n close\r\nContent-Length: 2\r\n\r\nab",
        false,
        "200 1.1 closes [ab] 64",
    ),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\nab", false, "BadContentLength"),
    (Method::Get, "HTTP/1.1 200 OK\r\n Folded: first\r\n\r\n", false, "BadHeader"),
    (Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", false, "BadContentLength"),
    (Method::Get, "HTTP/1.1 200 OK\r\nA:b\r\nA:b\r\nA:b\r\nA:b\r\nA:b\r\n\r\n", false, "TooManyHeaders"),
    (Method::Get, "+OK\r\n", false, "UnsupportedVersion"),
    (Method::Get, "HTTP/1.1 2x0 OK\r\n\r\n", false, "BadStartLine"),
];

#[test]
fn every_response_reads_as_the_table_says() {
    for (asked, bytes, ended, want) in CONVERSATIONS {
        let got = describe(decode_response(bytes.as_bytes(), *asked, *ended, &LIMITS));
        assert_eq!(got, *want, "{bytes:?}");
    }
}

#[test]
fn a_response_cut_anywhere_waits_for_the_rest() {
    for (asked, bytes, ended, want) in
        CONVERSATIONS.iter().filter(|row| !row.2 && row.3.starts_with(['2', '3']))
    {
        let length: usize = want.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap();
        assert_eq!(length, bytes.len());
        for cut in 0..length {
            let got = describe(decode_response(&bytes.as_bytes()[..cut], *asked, *ended, &LIMITS));
            assert_eq!(got, "waits", "{bytes:?} cut at {cut}");
        }
    }
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let bytes = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(200));
    assert_eq!(
        decode_response(bytes.as_bytes(), Method::Get, false, &LIMITS),
        Decoded::Invalid(Error::HeadTooLarge)
    );
}

const HEAD: ResponseHead<'_> = ResponseHead {
    status: 200,
    length: Length::Bytes(5),
    content_type: Some("text/plain"),
    date: "Sun, 06 Nov 1994 08:49:37 GMT",
    connection: ConnectionHeader::Unsaid,
    etag: None,
    representation: Representation::Only,
    allow: None,
    headers: &[],
    last_header: None,
};

#[test]
fn a_ready_head_is_the_head_of_every_length() {
    let headers = [("Access-Control-Allow-Origin", "*")];
    for head in [
        HEAD,
        ResponseHead { headers: &headers, etag: Some("\"a\""), ..HEAD },
        ResponseHead { status: 404, connection: ConnectionHeader::Close, content_type: None, ..HEAD },
    ] {
        let ready = ReadyHead::new(&head);
        for bytes in [0, 9, 10, 99, 100, 1_000_000, usize::MAX] {
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            encode_head(&ResponseHead { length: Length::Bytes(bytes), ..head }, &mut expected);
            ready.encode(bytes, &mut found);
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_response_is_written_byte_for_byte() {
    let mut out = b"before".to_vec();
    encode_response(&HEAD, b"hello", &mut out);
    let want = "beforeHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                Content-Length: 5\r\n\r\nhello";
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

#[test]
fn every_header_that_is_given_is_written() {
    let head = ResponseHead {
        status: 405,
        length: Length::Bytes(0),
        connection: ConnectionHeader::Close,
        etag: Some("\"1\""),
        allow: Some("GET, HEAD"),
        headers: &[("Retry-After", "1")],
        ..HEAD
    };
    let mut out = Vec::new();
    encode_head(&head, &mut out);
    let limits = Limits::default();
    let Decoded::Message(response, consumed) = decode_response(&out, Method::Get, false, &limits) else {
        panic!()
    };
    assert_eq!((response.status, response.keep_alive, consumed), (405, false, out.len()));
    assert_eq!((response.etag, response.allow), (Some(&b"\"1\""[..]), Some(&b"GET, HEAD"[..])));
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{text}");
    assert!(text.contains("\r\nRetry-After: 1\r\n"), "{text}");
}

#[test]
fn a_header_is_not_taken_for_another_whose_name_is_as_long() {
    let bytes =
        b"HTTP/1.1 200 OK\r\nX-Hit: no\r\nSet-Cookie: close\r\nX-Powered-By: b\r\nX-Cache-Status: hit\r\n\
                  X-RateLimit-Limit: 5\r\nAllow: GET\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi";
    let decoded = decode_response(bytes, Method::Get, false, &Limits::default());
    let Decoded::Message(response, _) = decoded else { panic!("{decoded:?}") };
    assert_eq!((response.allow, response.content_type), (Some(&b"GET"[..]), Some(&b"a/b"[..])));
    assert!(response.keep_alive);
    assert_eq!(response.body.len(), 2);
}

#[test]
fn a_representation_is_told_by_what_it_varies_with_and_how_it_is_coded() {
    for (status, representation, expected) in [
        (200, Representation::Only, ""),
        (200, Representation::Identity, "Vary: Accept-Encoding\r\n"),
        (200, Representation::Zstd, "Vary: Accept-Encoding\r\nContent-Encoding: zstd\r\n"),
        (304, Representation::Identity, "Vary: Accept-Encoding\r\n"),
        (304, Representation::Zstd, "Vary: Accept-Encoding\r\n"),
    ] {
        let head = ResponseHead { status, representation, length: Length::Untold, ..HEAD };
        let (mut found, mut without) = (Vec::new(), Vec::new());
        encode_head(&head, &mut found);
        encode_head(&ResponseHead { representation: Representation::Only, ..head }, &mut without);
        let (found, without) = (String::from_utf8(found).unwrap(), String::from_utf8(without).unwrap());
        assert_eq!(found, without.replace("\r\n\r\n", &format!("\r\n{expected}\r\n")));
    }
}

#[test]
fn a_body_written_in_chunks_reads_back_whole() {
    let mut out = Vec::new();
    encode_head(
        &ResponseHead { length: Length::Chunked, connection: ConnectionHeader::KeepAlive, ..HEAD },
        &mut out,
    );
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for piece in [&body[..1], &[], &body[1..17], &body[17..]] {
        encode_chunk(piece, &mut out);
    }
    encode_last_chunk(&mut out);
    let Decoded::Message(response, consumed) = decode_response(&out, Method::Get, false, &Limits::default())
    else {
        panic!()
    };
    assert_eq!((consumed, response.body.len()), (out.len(), body.len()));
    let mut read = Vec::new();
    response.body.append_to(&mut read);
    assert_eq!(read, body);
}
