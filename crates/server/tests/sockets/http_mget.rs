//! Many keys in one HTTP request: documents, lines, bytes that are no text, and answers larger than any buffer.

use std::cell::RefCell;
use std::sync::Arc;

use crate::harness::{serve_from_everywhere, table, threads};
use graven_format::Store;
use graven_server::ServerOptions;
use graven_wire::Decoded;
use graven_wire::http::{Limits, Method, RequestHead, decode_response, encode_request};

fn store() -> Arc<Store> {
    table([(&b"a"[..], &b"1"[..]), (b"quote", b"\"\n"), (b"\xff", b"\x00\xfe"), (b"empty", b"")])
}

/// Posts `body`, and returns the status, the content type and the body of the answer, which is the same from every storage.
fn post(store: &Arc<Store>, options: &ServerOptions, accept: &str, body: &str) -> (u16, String, String) {
    let said = RefCell::new(None);
    serve_from_everywhere(store, options, &["127.0.0.1:0"], |server| {
        let mut request = Vec::new();
        let headers = [("Accept", accept)];
        let head = RequestHead {
            method: "POST",
            target: b"/v1/mget",
            host: "localhost",
            close: true,
            headers: &headers,
            body: Some(body.as_bytes()),
        };
        encode_request(&head, &mut request);
        let mut stream = server.connect();
        stream.send(&request);
        let bytes = stream.rest();
        let limits = Limits { body_bytes_max: 1 << 30, ..Limits::default() };
        let Decoded::Message(response, consumed) = decode_response(&bytes, Method::Post, true, &limits)
        else {
            panic!("{}", bytes.escape_ascii())
        };
        assert_eq!(consumed, bytes.len());
        let mut body = Vec::new();
        response.body.append_to(&mut body);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let answer = (response.status, text(response.content_type.unwrap()), text(&body));
        assert_eq!(said.borrow_mut().get_or_insert_with(|| answer.clone()), &answer);
    });
    said.into_inner().unwrap()
}

#[test]
fn values_come_in_the_order_of_the_keys_as_text_base64_or_null() {
    let body = r#"{"keys":["a","b",{"base64":"/w=="},"quote","empty"]}"#;
    let (status, kind, body) = post(&store(), &threads(1), "*/*", body);
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    assert_eq!(body, "{\"values\":[\"1\",null,{\"base64\":\"AP4=\"},\"\\\"\\n\",\"\"]}\n");
}

#[test]
fn a_byte_order_mark_before_the_keys_is_passed_over() {
    let (status, _, body) = post(&store(), &threads(1), "*/*", "\u{feff}{\"keys\":[\"a\"]}");
    assert_eq!((status, body.as_str()), (200, "{\"values\":[\"1\"]}\n"));
}

#[test]
fn lines_are_for_those_who_prefer_them() {
    for (accept, lines) in [
        ("application/x-ndjson", true),
        ("application/x-ndjson, */*;q=0.1", true),
        ("application/json, application/x-ndjson", true),
        ("application/x-ndjson;q=0.5, text/html;q=0.9", true),
        ("application/json;q=0.4, application/x-ndjson;q=0.5", true),
        ("application/json;q=0.5, application/x-ndjson;q=0.4", false),
        ("application/x-ndjson;q=0", false),
        ("application/x-ndjson;q=0, */*", false),
        ("application/x-ndjson-foo", false),
        ("application/*", false),
        ("*/*", false),
        ("text/html", false),
    ] {
        let (status, kind, _) = post(&store(), &threads(1), accept, r#"{"keys":["a"]}"#);
        let expected = if lines { "application/x-ndjson" } else { "application/json" };
        assert_eq!((status, kind.as_str()), (200, expected), "{accept}");
    }
}

#[test]
fn no_keys_get_no_values() {
    assert_eq!(post(&store(), &threads(1), "*/*", r#"{"keys":[]}"#).2, "{\"values\":[]}\n");
    assert_eq!(post(&store(), &threads(1), "application/x-ndjson", r#"{"keys":[]}"#).2, "");
}

#[test]
fn lines_name_their_keys() {
    let body = r#"{"keys":["a",{"base64":"/w=="},"b"]}"#;
    let (status, kind, body) = post(&store(), &threads(1), "Application/x-NDJSON, */*;q=0.1", body);
    assert_eq!((status, kind.as_str()), (200, "application/x-ndjson"));
    let want = "{\"key\":\"a\",\"value\":\"1\"}\n\
                {\"key\":{\"base64\":\"/w==\"},\"value\":{\"base64\":\"AP4=\"}}\n\
                {\"key\":\"b\",\"value\":null}\n";
    assert_eq!(body, want);
}

#[test]
fn a_body_that_is_no_list_of_keys_gets_400_and_the_reason() {
    let a_key = "a key; a key is a string or {\"base64\": …}";
    let form = "The body is not of the form {\"keys\":[\"a\",\"b\"]}: ";
    for (body, reason) in [
        ("", format!("{form}EOF")),
        (r#"{"keys":[1]}"#, format!("{form}invalid type: integer `1`, expected {a_key}")),
        (r#"{"keys":[["a"]]}"#, format!("{form}invalid type: sequence, expected {a_key}")),
        (r#"{"keys":[null]}"#, format!("{form}invalid type: null, expected {a_key}")),
        (r#"{"keys":["a",{"base64":["YQ=="]}]}"#, format!("{form}invalid type: sequence, expected a string")),
        (r#"{"keys":[{}]}"#, format!("{form}missing field `base64`")),
        (r#"{"keys":[{"base64":"YQ==","base64":"YQ=="}]}"#, format!("{form}duplicate field `base64`")),
        (r#"{"keys":[{"base64":"YQ==","x":1}]}"#, format!("{form}unknown field `x`, expected `base64`")),
        (r#"{"keys":["a"],"keys":["b"]}"#, format!("{form}duplicate field `keys`")),
        (r#"{"keys":{"a":"b"}}"#, format!("{form}invalid type: map, expected a sequence")),
        (r#"[["a"]]"#, format!("{form}invalid type: sequence, expected {{\"keys\":[\"a\",\"b\"]}}")),
        (r#"["a"]"#, format!("{form}invalid type: sequence, expected")),
        ("{}", format!("{form}missing field `keys`")),
        (r#"{"keys":["a"]} x"#, format!("{form}trailing characters")),
        (r#"{"key":["a"]}"#, format!("{form}unknown field `key`, expected `keys`")),
        (r#"{"keys":[{"base64":"?"}]}"#, "A key is not base64: ".to_owned()),
    ] {
        let (status, _, text) = post(&store(), &threads(1), "*/*", body);
        assert_eq!(status, 400);
        assert!(text.starts_with(&reason), "{text}");
    }
}

#[test]
fn an_answer_far_larger_than_its_buffer_comes_whole() {
    let value = "v".repeat(10_000);
    let store = table([(&b"k"[..], value.as_bytes())]);
    let mut options = threads(1);
    options.limits.output_bytes_max = 1_000;
    let keys = vec!["\"k\""; 1_000].join(",");
    let (_, _, body) = post(&store, &options, "*/*", &format!("{{\"keys\":[{keys}]}}"));
    let want = vec![format!("\"{value}\""); 1_000].join(",");
    assert_eq!(body, format!("{{\"values\":[{want}]}}\n"));
}

#[test]
fn requests_after_one_for_many_keys_are_answered_after_it() {
    let mut options = threads(1);
    options.limits.output_bytes_max = 1;
    serve_from_everywhere(&store(), &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(
            b"POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18\r\n\r\n{\"keys\":[\"a\",\"a\"]}\
              GET /?key=a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        stream.end_output();
        let text = String::from_utf8(stream.rest()).unwrap();
        let (many, one) = text.split_once("0\r\n\r\n").unwrap();
        assert!(many.starts_with("HTTP/1.1 200 OK\r\n"), "{many}");
        assert!(many.contains("\r\nTransfer-Encoding: chunked\r\n"), "{many}");
        assert!(one.starts_with("HTTP/1.1 200 OK\r\n") && one.ends_with("\r\n\r\n1"), "{one}");
    });
}

#[test]
fn an_http_1_0_client_gets_the_values_until_the_close() {
    serve_from_everywhere(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"POST /v1/mget HTTP/1.0\r\nContent-Length: 14\r\n\r\n{\"keys\":[\"a\"]}");
        let text = String::from_utf8(stream.rest()).unwrap();
        assert!(!text.contains("Transfer-Encoding"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"values\":[\"1\"]}\n"), "{text}");
    });
}
