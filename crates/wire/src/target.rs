//! A server to be asked for keys: where it is, and how a lookup is written for it.
//!
//! | address | lookup |
//! | --- | --- |
//! | `HOST:PORT`, `http://HOST[:PORT]`, `unix:PATH` | `GET /?key=K` |
//! | `http://HOST[:PORT]/PATH/{key}`, `…?NAME={key}` | `GET` of that URL, key escaped |
//! | `redis://HOST[:PORT][/DATABASE]`, `redis+unix:PATH` | `GET K` |
//! | `memcached://HOST[:PORT]`, `memcached+unix:PATH` | `get K` |
//!
//! [`Target::with_fields`] asks for some columns of a row instead of a whole value.
//!
//! A user and password before the host are sent as HTTP's `Authorization`, with Redis' `AUTH`, or
//! as memcached expects them (a `set`); [`Target::handshake`] has what must be said before the
//! first lookup.
//!
//! ```
//! use graven_wire::target::{HttpOptions, Target};
//!
//! let target: Target = "http://localhost/v1/kv/{key}".parse()?;
//! let mut request = Vec::new();
//! target.encode_lookup(b"a b", HttpOptions::default(), &mut request);
//! assert_eq!(request, b"GET /v1/kv/a%20b HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
//! # Ok::<(), graven_wire::address::AddressError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::address::{Address, AddressError, AddressProblem, Credentials, Location, Protocol};
use crate::{Decoded, http, memcached, resp};

/// What stands for the key in a URL.
const KEY: &str = "{key}";

/// Where graven and the servers it succeeds take a key.
const DEFAULT_LOOKUP: [&str; 2] = ["/?key=", ""];

/// The key of the `set` that logs in to a memcached; memcached itself takes any.
const MEMCACHED_LOGIN_KEY: &str = "graven_auth";

/// The longest line of an answer to a handshake, in bytes. A longer one is no such answer.
const HANDSHAKE_LINE_BYTES_MAX: usize = 4096;

/// A server, and how it is asked for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was written, without a password.
    text: String,
    address: Address,
    /// What `Host` says.
    authority: String,
    /// The path and query around the keys, for HTTP; `None` where the address gives none.
    url: Option<Vec<String>>,
    /// The database of a Redis.
    database: Option<u32>,
    /// The columns that are asked for; none for whole values.
    fields: Vec<String>,
}

/// What an HTTP request says besides its target.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpOptions<'a> {
    /// Further header lines. A `Host` or `Authorization` takes the place of the target's own.
    pub headers: &'a [(String, String)],
    /// Whether the connection ends with the answer.
    pub close: bool,
}

impl Target {
    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.address.location
    }

    /// The protocol; HTTP where the address names none.
    pub fn protocol(&self) -> Protocol {
        self.address.protocol.unwrap_or(Protocol::Http)
    }

    /// The database of a Redis.
    pub fn database(&self) -> u32 {
        self.database.unwrap_or_default()
    }

    /// Whether its URL says where the key goes, so that a request can ask for one key only.
    pub fn has_url(&self) -> bool {
        self.url.is_some()
    }

    /// The same server, asked for these columns of rows alone: with `HMGET`, and over HTTP with `fields=A,B` in the
    /// query. `None` over memcached, which has no way to say them.
    ///
    /// ```
    /// use graven_wire::target::{HttpOptions, Target};
    ///
    /// let target: Target = "localhost:8000".parse()?;
    /// let target = target.with_fields(&["name", "price"]).expect("HTTP has a way to say them");
    /// let mut request = Vec::new();
    /// target.encode_lookup(b"A-1", HttpOptions::default(), &mut request);
    /// assert!(request.starts_with(b"GET /?key=A-1&fields=name,price HTTP/1.1\r\n"));
    /// # Ok::<(), graven_wire::address::AddressError>(())
    /// ```
    #[must_use]
    pub fn with_fields(self, fields: &[impl AsRef<str>]) -> Option<Self> {
        let fields = fields.iter().map(|field| field.as_ref().to_owned()).collect();
        (self.protocol() != Protocol::Memcached).then_some(Self { fields, ..self })
    }

    /// The columns that are asked for; none for whole values.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether `key` can be asked for in this protocol.
    pub fn takes(&self, key: &[u8]) -> bool {
        self.protocol() != Protocol::Memcached
            || (!key.is_empty()
                && key.len() <= memcached::KEY_BYTES_MAX
                && key.iter().all(|&byte| byte > b' ' && byte != 0x7f))
    }

    /// Appends the lookup of `key`, which the protocol must [take](Self::takes).
    pub fn encode_lookup(&self, key: &[u8], options: HttpOptions<'_>, out: &mut Vec<u8>) {
        match self.protocol() {
            Protocol::Redis if !self.fields.is_empty() => {
                resp::request::head(out, self.fields.len() + 2);
                let fields = self.fields.iter().map(String::as_bytes);
                [&b"HMGET"[..], key].into_iter().chain(fields).for_each(|arg| resp::request::arg(out, arg));
            }
            Protocol::Redis => resp::request::encode(out, [&b"GET"[..], key]),
            Protocol::Memcached => memcached::request::get(out, [key]),
            Protocol::Http => {
                let mut target = Vec::new();
                let mut add = |i: usize, piece: &str| {
                    if i > 0 {
                        http::escape(key, &mut target);
                    }
                    target.extend_from_slice(piece.as_bytes());
                };
                match &self.url {
                    Some(url) => url.iter().enumerate().for_each(|(i, piece)| add(i, piece)),
                    None => DEFAULT_LOOKUP.iter().enumerate().for_each(|(i, piece)| add(i, piece)),
                }
                for (i, field) in self.fields.iter().enumerate() {
                    match i {
                        0 if target.contains(&b'?') => target.extend_from_slice(b"&fields="),
                        0 => target.extend_from_slice(b"?fields="),
                        _ => target.push(b','),
                    }
                    http::escape(field.as_bytes(), &mut target);
                }
                self.encode_http("GET", &target, None, options, out);
            }
        }
    }

    /// Appends an HTTP request for `target`, a path and query.
    pub fn encode_http(
        &self,
        method: &str,
        target: &[u8],
        body: Option<&[u8]>,
        options: HttpOptions<'_>,
        out: &mut Vec<u8>,
    ) {
        let given = |name: &str| options.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        let host = given("host").map_or(self.authority.as_str(), |(_, value)| value);
        let authorization = self
            .address
            .credentials
            .as_ref()
            .filter(|_| given("authorization").is_none())
            .map(Credentials::to_basic);
        let headers: Vec<(&str, &str)> = options
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(authorization.iter().map(|value| ("Authorization", value.as_str())))
            .collect();
        let head = http::RequestHead { method, target, host, close: options.close, headers: &headers, body };
        http::encode_request(&head, out);
    }

    /// What must be said on a connection before the first lookup; `None` where nothing must.
    pub fn handshake(&self) -> Option<Handshake> {
        let mut request = Vec::new();
        let mut replies = 0;
        let protocol = self.protocol();
        match (&self.address.credentials, protocol) {
            (Some(Credentials { user, password: Some(password) }), Protocol::Redis) => {
                let user = Some(user).filter(|user| !user.is_empty());
                let words = [Some(&b"AUTH"[..]), user.map(Vec::as_slice), Some(password)];
                let words: Vec<&[u8]> = words.into_iter().flatten().collect();
                resp::request::encode(&mut request, words);
                replies += 1;
            }
            (Some(Credentials { user, password: Some(password) }), Protocol::Memcached) => {
                let bytes = user.len() + 1 + password.len();
                request.extend_from_slice(format!("set {MEMCACHED_LOGIN_KEY} 0 0 {bytes}\r\n").as_bytes());
                request.extend_from_slice(&[user, &b" "[..], password, b"\r\n"].concat());
                replies += 1;
            }
            _ => {}
        }
        if let Some(database) = self.database {
            resp::request::encode(&mut request, [&b"SELECT"[..], database.to_string().as_bytes()]);
            replies += 1;
        }
        let good: &[u8] = if protocol == Protocol::Redis { b"+OK" } else { b"STORED" };
        (replies > 0).then_some(Handshake { request, replies, good })
    }
}

impl fmt::Display for Target {
    /// As it was written, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = Address::to_connect(text)?;
        let understood = understand(text, &address).map_err(|problem| AddressError::new(text, problem))?;
        let authority = match &address.location {
            Location::Unix(_) => "localhost".to_owned(),
            tcp @ Location::Tcp { .. } => tcp.to_string(),
        };
        let text = crate::address::without_password(text);
        let Understood { url, database } = understood;
        Ok(Self { text, address, authority, url, database, fields: Vec::new() })
    }
}

/// What path and query of an address come to.
#[derive(Default)]
struct Understood {
    url: Option<Vec<String>>,
    database: Option<u32>,
}

fn understand(text: &str, address: &Address) -> Result<Understood, AddressProblem> {
    let path = address.path.as_str();
    let query = address.query.as_deref();
    let is_unix = matches!(address.location, Location::Unix(_));
    match address.protocol {
        Some(Protocol::Http) | None if !is_unix => {
            if matches!(path, "" | "/") && query.is_none() {
                return Ok(Understood::default());
            }
            if address.protocol.is_none() {
                return Err(AddressProblem::PathWithoutScheme { instead: with_key(text, path, query) });
            }
            let whole = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
            if !whole.contains(KEY) {
                return Err(AddressProblem::MissingKeyPlace { instead: with_key(text, path, query) });
            }
            let slash = if path.is_empty() { "/" } else { "" };
            let url = format!("{slash}{whole}").split(KEY).map(str::to_owned).collect();
            Ok(Understood { url: Some(url), ..Understood::default() })
        }
        protocol => {
            if let Some(query) = query {
                let name = query.split(['=', '&']).next().unwrap_or_default().to_owned();
                return Err(AddressProblem::UnknownParameter { name });
            }
            if address.credentials.as_ref().is_some_and(|given| given.password.is_none()) {
                return Err(AddressProblem::MissingPassword);
            }
            match path {
                "" | "/" => Ok(Understood::default()),
                path if protocol == Some(Protocol::Redis) => {
                    // Not `/+1`, which `parse` would take.
                    let digits = &path[1..];
                    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                    match digits.parse().ok().filter(|_| is_number) {
                        Some(database) => {
                            Ok(Understood { database: Some(database), ..Understood::default() })
                        }
                        None => Err(AddressProblem::BadDatabase { found: path.to_owned() }),
                    }
                }
                path => Err(AddressProblem::UnusablePath { found: path.to_owned() }),
            }
        }
    }
}

/// The URL of `text` with the place of the key in it, where it is most likely meant to be.
fn with_key(text: &str, path: &str, query: Option<&str>) -> String {
    let text = crate::address::without_password(text);
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?']).map_or(text.len(), |at| start + at);
    let authority = &text[start..end];
    let path = if path.is_empty() { "/" } else { path };
    let named = query.and_then(|query| query.split_once('=')).map(|(name, _)| name);
    let lookup = match (path, named) {
        _ if path.contains(KEY) || query.is_some_and(|query| query.contains(KEY)) => {
            query.map_or(path.to_owned(), |query| format!("{path}?{query}"))
        }
        (path, Some(name)) => format!("{path}?{name}={KEY}"),
        ("/", None) => format!("/?key={KEY}"),
        (path, None) if path.ends_with('/') => format!("{path}{KEY}"),
        (path, None) if path.ends_with("/kv") => format!("{path}/{KEY}"),
        (path, None) => format!("{path}?key={KEY}"),
    };
    format!("http://{authority}{lookup}")
}

/// What is said on a connection before the first lookup: a password, the choice of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    request: Vec<u8>,
    replies: usize,
    good: &'static [u8],
}

impl fmt::Debug for Handshake {
    /// Without the request, which holds the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("replies", &self.replies).finish_non_exhaustive()
    }
}

/// The server did not agree to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeRefused {
    /// What it said, escaped where it is not printable.
    pub said: String,
}

impl fmt::Display for HandshakeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused the login: {}", self.said)
    }
}

impl std::error::Error for HandshakeRefused {}

impl Handshake {
    /// What is sent.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Reads what came back, from its beginning: a message when the server has agreed to
    /// everything.
    pub fn read(&self, bytes: &[u8]) -> Decoded<(), HandshakeRefused> {
        let refused = |line: &[u8]| {
            let shown = &line[..line.len().min(200)];
            Decoded::Invalid(HandshakeRefused { said: shown.trim_ascii().escape_ascii().to_string() })
        };
        let mut consumed = 0;
        for _ in 0..self.replies {
            let rest = &bytes[consumed..];
            match memchr::memchr(b'\n', rest) {
                None if rest.len() > HANDSHAKE_LINE_BYTES_MAX => return refused(rest),
                None => return Decoded::NeedMore,
                Some(end) if rest[..end].trim_ascii_end() == self.good => consumed += end + 1,
                Some(end) => return refused(&rest[..end]),
            }
        }
        Decoded::Message((), consumed)
    }
}
