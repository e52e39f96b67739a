//! Requests for one key or several, as the target's protocol writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graven_wire::address::Protocol;
use graven_wire::target::{HttpOptions, Target};
use graven_wire::{memcached, resp};

/// The path of graven's own batch lookup over HTTP.
const MGET_PATH: &str = "/v1/mget";

/// Appends one request for `keys`, of which there is at least one, to `out`. A target whose URL
/// says where the key goes takes one key, and so does a Redis that is asked for fields.
pub(crate) fn encode(target: &Target, keys: &[&[u8]], options: HttpOptions<'_>, out: &mut Vec<u8>) {
    match (target.protocol(), keys) {
        (_, [key]) => target.encode_lookup(key, options, out),
        (Protocol::Redis, keys) => {
            resp::request::head(out, keys.len() + 1);
            resp::request::arg(out, b"MGET");
            keys.iter().for_each(|key| resp::request::arg(out, key));
        }
        (Protocol::Memcached, keys) => memcached::request::get(out, keys.iter().copied()),
        (Protocol::Http, keys) => {
            let body = mget_body(keys, target.fields());
            target.encode_http("POST", MGET_PATH.as_bytes(), Some(&body), options, out);
        }
    }
}

/// The body of a batch lookup; a key that is no text is written in base64. No fields are all of them.
fn mget_body(keys: &[&[u8]], fields: &[String]) -> Vec<u8> {
    let keys: Vec<serde_json::Value> = keys
        .iter()
        .map(|key| match str::from_utf8(key) {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "base64": STANDARD.encode(key) }),
        })
        .collect();
    let mut body = serde_json::json!({ "keys": keys });
    if !fields.is_empty() {
        body["fields"] = fields.into();
    }
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(target: &str, keys: &[&[u8]]) -> String {
        let mut out = Vec::new();
        encode(&target.parse().unwrap(), keys, HttpOptions::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn several_keys_are_asked_for_at_once() {
        let keys: [&[u8]; 2] = [b"a", b"\"b"];
        assert_eq!(encoded("redis://h", &keys), "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$2\r\n\"b\r\n");
        assert_eq!(encoded("memcached://h", &keys), "get a \"b\r\n");
        let http = encoded("h:1", &keys);
        assert!(http.starts_with("POST /v1/mget HTTP/1.1\r\nHost: h:1\r\n"), "{http}");
        assert!(http.ends_with("\r\n\r\n{\"keys\":[\"a\",\"\\\"b\"]}"), "{http}");
        assert!(encoded("h:1", &[b"\xff\xfe", b"a"]).ends_with("[{\"base64\":\"//4=\"},\"a\"]}"));
    }

    #[test]
    fn fields_are_asked_for_beside_the_keys() {
        let encoded = |target: &str, keys: &[&[u8]]| {
            let target = target.parse::<Target>().unwrap().with_fields(&["a b", "c&d"]).unwrap();
            let mut out = Vec::new();
            encode(&target, keys, HttpOptions::default(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            encoded("redis://h", &[b"k"]),
            "*4\r\n$5\r\nHMGET\r\n$1\r\nk\r\n$3\r\na b\r\n$3\r\nc&d\r\n"
        );
        assert!(encoded("h:1", &[b"k"]).starts_with("GET /?key=k&fields=a%20b,c%26d HTTP/1.1\r\n"));
        let at_path = encoded("http://h/v1/kv/{key}", &[b"k"]);
        assert!(at_path.starts_with("GET /v1/kv/k?fields=a%20b,c%26d HTTP/1.1\r\n"), "{at_path}");
        let several = encoded("h:1", &[b"k", b"l"]);
        assert!(several.ends_with("{\"fields\":[\"a b\",\"c&d\"],\"keys\":[\"k\",\"l\"]}"), "{several}");
    }

    #[test]
    fn one_key_is_asked_for_alone() {
        assert_eq!(encoded("redis://h", &[b"a"]), "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        assert_eq!(encoded("memcached://h", &[b"a"]), "get a\r\n");
        assert_eq!(encoded("http://h/{key}", &[b"a"]), "GET /a HTTP/1.1\r\nHost: h:80\r\n\r\n");
    }
}
