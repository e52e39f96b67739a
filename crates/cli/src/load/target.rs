//! What is asked, as people write it: an address, a language, and for HTTP the URL with the key's place in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_wire::{http, memcached, resp};

/// What stands for the key in a URL.
const PLACE: &str = "{key}";

/// The path of graven's own batch lookup over HTTP.
const MGET_PATH: &str = "/v1/mget";

/// The language that a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Http,
    Redis,
    Memcached,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A host, without the brackets of an IPv6 address, and a port.
    Tcp(String, u16),
    Unix(PathBuf),
}

/// A server and how to ask it for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    pub(crate) language: Language,
    pub(crate) place: Place,
    /// What `Host` says.
    authority: String,
    /// The URL's path and query before and after the key; `None` where nothing but an address was given.
    template: Option<(String, String)>,
}

/// What a request says besides its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner<'a> {
    /// Further header lines of HTTP requests.
    pub(crate) headers: &'a [(String, String)],
    /// Whether the connection ends with the answer.
    pub(crate) close: bool,
}

impl Target {
    /// Whether one request can ask for several keys.
    pub(crate) fn takes_many(&self) -> bool {
        self.template.is_none()
    }

    /// Whether `key` can be asked for in this language.
    pub(crate) fn takes(&self, key: &[u8]) -> bool {
        self.language != Language::Memcached
            || (key.len() <= memcached::KEY_BYTES_MAX && key.iter().all(|&byte| byte > b' ' && byte != 0x7f))
    }

    /// Appends one request for `keys` to `out`.
    pub(crate) fn encode(&self, keys: &[&[u8]], manner: Manner<'_>, out: &mut Vec<u8>) {
        match (self.language, keys) {
            (Language::Redis, [key]) => resp::request::encode(out, [&b"GET"[..], key]),
            (Language::Redis, keys) => {
                resp::request::head(out, keys.len() + 1);
                resp::request::arg(out, b"MGET");
                keys.iter().for_each(|key| resp::request::arg(out, key));
            }
            (Language::Memcached, keys) => memcached::request::get(out, keys.iter().copied()),
            (Language::Http, [key]) => {
                let (before, after) = match &self.template {
                    Some((before, after)) => (before.as_str(), after.as_str()),
                    None => ("/?key=", ""),
                };
                let mut target = before.as_bytes().to_vec();
                http::escape(key, &mut target);
                target.extend_from_slice(after.as_bytes());
                self.encode_http("GET", &target, None, manner, out);
            }
            (Language::Http, keys) => {
                self.encode_http("POST", MGET_PATH.as_bytes(), Some(&mget_body(keys)), manner, out);
            }
        }
    }

    fn encode_http(
        &self,
        method: &str,
        target: &[u8],
        body: Option<&[u8]>,
        manner: Manner<'_>,
        out: &mut Vec<u8>,
    ) {
        let own_host = manner.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let headers: Vec<(&str, &str)> = manner
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let host = own_host.map_or(self.authority.as_str(), |(_, value)| value);
        let close = manner.close;
        http::encode_request(
            &http::RequestHead { method, target, host, close, headers: &headers, body },
            out,
        );
    }
}

/// The body of a batch lookup; a key that is no text is written in base64.
fn mget_body(keys: &[&[u8]]) -> Vec<u8> {
    let keys: Vec<serde_json::Value> = keys
        .iter()
        .map(|key| match str::from_utf8(key) {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "base64": STANDARD.encode(key) }),
        })
        .collect();
    serde_json::json!({ "keys": keys }).to_string().into_bytes()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text names no target, in words for the person who wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadTarget(&'static str);

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadTarget {}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        for (scheme, language) in [
            ("unix:", Language::Http),
            ("redis+unix:", Language::Redis),
            ("memcached+unix:", Language::Memcached),
        ] {
            if let Some(path) = text.strip_prefix(scheme) {
                if path.is_empty() {
                    return Err(BadTarget("a socket's path must follow `unix:`"));
                }
                return Ok(Self {
                    text: text.to_owned(),
                    language,
                    place: Place::Unix(path.into()),
                    authority: "localhost".into(),
                    template: None,
                });
            }
        }
        let (language, default_port, rest) = match text.split_once("://") {
            None => (Language::Http, None, text),
            Some(("http", rest)) => (Language::Http, Some(80), rest),
            // What `graven serve` calls it.
            Some(("redis" | "resp", rest)) => (Language::Redis, Some(6379), rest),
            Some(("memcached", rest)) => (Language::Memcached, Some(11211), rest),
            Some(("https", _)) => {
                return Err(BadTarget("TLS is not spoken here; use http:// or a proxy that speaks it"));
            }
            Some(_) => {
                return Err(BadTarget("the scheme is none of http, redis, memcached, unix"));
            }
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let template = match path {
            "" | "/" => None,
            _ if language != Language::Http || default_port.is_none() => {
                return Err(BadTarget("a path belongs to a URL, as in http://HOST:PORT/?key={key}"));
            }
            path => Some(template(path)?),
        };
        let (host, port) = host_and_port(authority, default_port)?;
        let shown_host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = format!("{shown_host}:{port}");
        Ok(Self { text: text.to_owned(), language, place: Place::Tcp(host, port), authority, template })
    }
}

fn template(path: &str) -> Result<(String, String), BadTarget> {
    let Some((before, after)) = path.split_once(PLACE) else {
        return Err(BadTarget("the URL must say where the key goes, as in http://HOST:PORT/?key={key}"));
    };
    if before.bytes().chain(after.bytes()).any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err(BadTarget("the URL must be escaped and without a fragment"));
    }
    let slash = if before.starts_with('/') { "" } else { "/" };
    Ok((format!("{slash}{before}"), after.to_owned()))
}

fn host_and_port(authority: &str, default_port: Option<u16>) -> Result<(String, u16), BadTarget> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match (port, default_port) {
        (Some(port), _) => port.parse().ok().filter(|&port| port > 0),
        (None, Some(port)) => Some(port),
        (None, None) => return Err(BadTarget("the port is missing, as in localhost:8000")),
    };
    let port = port.ok_or(BadTarget("the port is not a number from 1 to 65535"))?;
    let bare = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').ok_or(BadTarget("a bracket is not closed"))?,
        None if host.contains(':') => {
            return Err(BadTarget("an IPv6 address needs brackets, as in [::1]:8000"));
        }
        None => host,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
    if bare.is_empty() || !bare.bytes().all(allowed) {
        return Err(BadTarget("the host is missing or malformed"));
    }
    Ok((bare.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(target: &str, keys: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let headers = [("X-One".to_owned(), "1".to_owned())];
        let manner = Manner { headers: &headers, close: false };
        target.parse::<Target>().unwrap().encode(keys, manner, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_form_of_a_target_asks_in_its_own_language() {
        for (target, expected) in [
            ("h:1", "GET /?key=a%20b HTTP/1.1\r\nHost: h:1\r\nX-One: 1\r\n\r\n"),
            ("http://h/", "GET /?key=a%20b HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\n\r\n"),
            (
                "http://[::1]:2/v/{key}.json",
                "GET /v/a%20b.json HTTP/1.1\r\nHost: [::1]:2\r\nX-One: 1\r\n\r\n",
            ),
            ("http://h?k={key}&x=1", "GET /?k=a%20b&x=1 HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\n\r\n"),
            ("unix:/s", "GET /?key=a%20b HTTP/1.1\r\nHost: localhost\r\nX-One: 1\r\n\r\n"),
            ("redis://h", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
            ("resp://h:1", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
            ("redis+unix:/s", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
        ] {
            assert_eq!(encoded(target, &[b"a b"]), expected, "{target}");
        }
        assert_eq!(encoded("memcached://h", &[b"ab"]), "get ab\r\n");
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
        assert!(!"http://h/{key}".parse::<Target>().unwrap().takes_many());
    }

    #[test]
    fn a_given_host_header_takes_the_place_of_the_own_one() {
        let mut out = Vec::new();
        let headers = [("hOST".to_owned(), "other".to_owned())];
        let manner = Manner { headers: &headers, close: true };
        "h:1".parse::<Target>().unwrap().encode(&[b"a"], manner, &mut out);
        assert_eq!(out, b"GET /?key=a HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn memcached_takes_no_key_with_blanks_and_none_that_is_too_long() {
        let target: Target = "memcached://h".parse().unwrap();
        for (key, takes) in [
            (b"ab".to_vec(), true),
            (b"a b".to_vec(), false),
            (b"a\x7f".to_vec(), false),
            (vec![b'a'; 251], false),
        ] {
            assert_eq!(target.takes(&key), takes, "{key:?}");
        }
    }

    #[test]
    fn a_bad_target_is_refused_with_its_reason() {
        for (text, reason) in [
            ("localhost", "the port is missing, as in localhost:8000"),
            ("localhost:0", "the port is not a number from 1 to 65535"),
            ("localhost:1/x", "a path belongs to a URL, as in http://HOST:PORT/?key={key}"),
            ("redis://h/0", "a path belongs to a URL, as in http://HOST:PORT/?key={key}"),
            ("http://h/x", "the URL must say where the key goes, as in http://HOST:PORT/?key={key}"),
            ("http://h/{key} x", "the URL must be escaped and without a fragment"),
            ("https://h", "TLS is not spoken here; use http:// or a proxy that speaks it"),
            ("ftp://h", "the scheme is none of http, redis, memcached, unix"),
            ("unix:", "a socket's path must follow `unix:`"),
            ("::1:80", "an IPv6 address needs brackets, as in [::1]:8000"),
            (":80", "the host is missing or malformed"),
        ] {
            assert_eq!(text.parse::<Target>().map_err(|error| error.0), Err(reason), "{text}");
        }
    }
}
