//! What the server can be told, in groups, each value with its default.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use graven_blocks::DiskReads;
use graven_catalog::TableName;
use graven_wire::{http, memcached, resp};

use crate::request_log::{AccessLog, AccessLogFormat};

/// What the server can be told, in groups. Every limit says what happens when it is passed.
///
/// ```
/// use graven_server::ServerOptions;
///
/// let mut options = ServerOptions { threads: std::num::NonZeroUsize::MIN, ..ServerOptions::default() };
/// options.limits.connections_max = 100;
/// options.timeouts.idle = Some(std::time::Duration::from_secs(600));
/// assert_eq!(options.storage.cache_bytes, 64 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// The number of event loops, each a thread. Default: the number of cores.
    pub threads: NonZeroUsize,
    /// How connections come in, and who may use them.
    pub network: NetworkOptions,
    /// What a request, a connection and all connections together may take.
    pub limits: LimitOptions,
    /// How long a peer may take.
    pub timeouts: TimeoutOptions,
    /// What TLS handshakes may take.
    pub tls: TlsOptions,
    /// How a table on disk is read.
    pub storage: StorageOptions,
    /// What the status page shows besides.
    pub status: StatusOptions,
    /// What is written down of single requests.
    pub requests: RequestLogOptions,
    /// What `GET` of a row answers over Redis' protocol. Default: the row as JSON.
    pub row_get: RowGet,
    /// The numbers by which Redis clients may `SELECT` tables; any may select them by name. 0 is always the default table.
    /// Default: none.
    pub databases: BTreeMap<u32, TableName>,
}

/// How connections come in, and who may use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Connections that the kernel may hold until they are accepted; the kernel has a cap of its own
    /// (`net.core.somaxconn`). Default: 4096.
    pub backlog: u32,
    /// Connections whose first request may come with the packet that opens them, TCP Fast Open (RFC
    /// 7413), as many as may wait until their clients have proved who they are; further ones are opened
    /// in the ordinary way, as all are at 0. A packet that the network doubles has its request answered
    /// twice, which nobody notices of requests that only read. Default: 0.
    pub fast_open_max: u32,
    /// Whose pages may read HTTP answers in a browser (CORS); then `OPTIONS` is answered, too. Default:
    /// `None`, no page but those of the server's own origin, of which there are none.
    pub allow_origin: Option<CorsOrigin>,
    /// Names under which HTTP requests may be sent, besides `localhost`, IP addresses and the names that
    /// are listened on; a request for another `Host` gets 421. It keeps web pages from reading the table
    /// by having their own name point here (DNS rebinding). With none, only listeners on loopback
    /// addresses look at the `Host`, else all do. Requests without one, `/healthz` and `/readyz` are
    /// answered whatever it is. Default: none.
    pub allow_hosts: Vec<HostName>,
    /// What a client is told besides whose `Host` is refused: how whoever runs the server allows it.
    /// `{host}` stands for the host. Default: nothing.
    pub host_advice: String,
    /// What HTTP says of values (`Content-Type`); rows are always JSON. Default: `text/plain`.
    pub content_type: ContentType,
}

/// The status page, `/status`, and the same for programs, `/status.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusOptions {
    /// Both are answered as paths that there are not. Default: no.
    pub off: bool,
    /// What is said of the build besides the version, such as its commit. Default: nothing.
    pub build: String,
    /// What a person types to do something to a table. `{table}` stands for its name; one with `{version}` is shown for each
    /// version at hand that does not answer, and with the word VERSION where there is none. Only those see them who may ask
    /// all tables. Default: none.
    pub commands: Vec<String>,
}

/// What is written down of single requests. Without any of it, requests cost nothing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLogOptions {
    /// Where a line for each request is written. As many lines as come to a mebibyte may wait for it in each loop; further ones
    /// are dropped and counted. Default: `None`.
    pub access_log: Option<AccessLog>,
    /// What a line is. Default: [`AccessLogFormat::Text`].
    pub format: AccessLogFormat,
    /// One request in so many has a line, chosen by chance. Default: 1, all.
    pub sample: u32,
    /// Requests that take at least this long are logged, and the last 128 are kept for `SLOWLOG`. The time is that of
    /// `graven_wait_seconds` and what a request waited for the disk and for its turns before. Default: `None`.
    pub slow: Option<Duration>,
}

impl Default for RequestLogOptions {
    fn default() -> Self {
        Self { access_log: None, format: AccessLogFormat::default(), sample: 1, slow: None }
    }
}

/// What commands for strings, as `GET`, answer over Redis' protocol in a table with columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowGet {
    /// The row as JSON.
    #[default]
    Json,
    /// That it is no string, as Redis says of a hash.
    Error,
}

/// What a request, a connection and all connections together may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitOptions {
    /// Connections that are open at once. One more is closed as soon as it is accepted. Default: 50,000.
    pub connections_max: usize,
    /// Answers that wait for one connection's peer to read them, in bytes. At this many the connection's
    /// further requests wait unanswered. A single answer may be longer than this. Besides, each loop may hold the values of one batch for the moment
    /// in which they are answered: as many as came to this many bytes by the measure of the batch before,
    /// and 64 at most. Default: 256 KiB.
    pub output_bytes_max: usize,
    /// Bytes that one connection may have waiting: requests that are not answered and answers that are
    /// not read. A client may send so much before it reads. Then the connection is not read from until
    /// its peer reads, and after [`TimeoutOptions::stalled`] without a byte read, it is told and closed.
    /// While all connections together hold much, each may hold less: half of what is left of
    /// [`buffered_bytes_max`](Self::buffered_bytes_max). Default: 64 MiB.
    pub connection_buffered_bytes_max: usize,
    /// Bytes that wait in the buffers of all connections together. When they are more, the connection
    /// that holds most is told and closed. Default: 1 GiB.
    pub buffered_bytes_max: usize,
    /// Bytes of the pattern of a `SCAN` or `KEYS`; a longer one is refused. Default: 4 KiB.
    pub pattern_bytes_max: usize,
    /// Limits on an HTTP request, each with its own status code.
    pub http: http::Limits,
    /// Limits on a Redis command. Passed, the client gets an error in Redis' words, and the connection is
    /// closed.
    pub resp: resp::Limits,
    /// Limits on a memcached command. Passed, the client gets an error, and the connection is closed.
    pub memcached: memcached::Limits,
}

/// How long a peer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutOptions {
    /// How long an HTTP connection, or one that has not said anything yet, may stay open between two
    /// requests; `None` for ever. Default: 75 seconds.
    pub http_idle: Option<Duration>,
    /// The same for a Redis or memcached connection; `None`, which is what those servers do and their
    /// clients' pools count on, for ever. Default: `None`.
    pub idle: Option<Duration>,
    /// How long a TCP connection may be silent before the kernel asks whether its peer is still there. It
    /// asks three times, a third of this apart, and then closes the connection. `None` never asks. Whole
    /// seconds, one at least. Default: 300 seconds, as in Redis.
    pub keep_alive: Option<Duration>,
    /// How long a request may take from its first byte to its last. Then an HTTP client gets 408, and the
    /// connection is closed. Default: 30 seconds.
    pub request: Duration,
    /// How long a peer that sends on may leave its answers unread without taking a byte, once as many
    /// requests wait as may, before it is told and its connection is closed. Default: 5 seconds.
    pub stalled: Duration,
    /// How long a peer may leave waiting answers unread without taking a byte, before its connection is
    /// closed. Default: 60 seconds.
    pub write: Duration,
    /// How long a shutdown waits for requests and answers that are under way. Default: 5 seconds.
    pub drain: Duration,
}

/// What TLS handshakes may take, where listeners speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// How long a handshake may take. Then the connection is closed. Default: 10 seconds.
    pub handshake_timeout: Duration,
    /// Handshakes under way at once. At this many, connections to listeners that speak TLS wait in the kernel's queue until
    /// others have ended theirs; each holds about 6 KB. Default: 16,384.
    pub handshakes_max: usize,
    /// Connections that are accepted in a second by listeners that speak TLS, and as many at once; further ones wait in the
    /// kernel's queue. 0 sets no limit: connections with requests come before handshakes in any case. Default: 0.
    pub handshakes_per_second_max: u32,
}

/// How a table on disk is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// By which means of the system. Default: [`DiskReads::Auto`].
    pub disk_reads: DiskReads,
    /// Reads that each loop has under way or is about to answer from, within
    /// [`DISK_READS_RANGE`](Self::DISK_READS_RANGE). At this many further requests wait, and their
    /// connections are not read from. Default: 1024.
    pub disk_reads_max: usize,
    /// Reads that the disk is given at once by all loops together, each an equal share and one at least;
    /// further ones wait for their turns in the order in which they were asked for. Most disks are as
    /// fast as they get with this many, and one that has more than its queue holds lets some wait for
    /// tens of milliseconds. Default: 64.
    pub disk_queue: usize,
    /// Bytes of the table that are kept in memory for the next who asks, shared by all loops; 0 keeps
    /// none. Default: 64 MiB.
    pub cache_bytes: u64,
}

impl StorageOptions {
    /// What [`disk_reads_max`](Self::disk_reads_max) can be; a number outside of it counts as the nearest
    /// end. One request may need two reads at once.
    pub const DISK_READS_RANGE: RangeInclusive<usize> = 16..=16_384;
}

/// The origin of web pages, such as `https://example.org`, or `*` for every origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(String);

impl CorsOrigin {
    /// The origin as it is written in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnOrigin;

impl fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an origin is `*`, or a scheme and a host such as https://example.org")
    }
}

impl std::error::Error for NotAnOrigin {}

impl FromStr for CorsOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let host = text.split_once("://").map(|(_, host)| host);
        let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', ',']);
        let is_origin = text == "*" || host.is_some_and(is_host);
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_origin && is_printable { Ok(Self(text.to_owned())) } else { Err(NotAnOrigin) }
    }
}

/// The name of a host, without scheme and port. `*.example.org` is every name below `example.org`, `*` every name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHostName;

impl fmt::Display for NotAHostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a host is a name without scheme and port such as graven.example.org, *.example.org, or *",
        )
    }
}

impl std::error::Error for NotAHostName {}

impl FromStr for HostName {
    type Err = NotAHostName;

    fn from_str(text: &str) -> Result<Self, NotAHostName> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        let is_host = text == "*" || (starts_well && name.bytes().all(is_name));
        if is_host { Ok(Self(text.to_owned())) } else { Err(NotAHostName) }
    }
}

/// A media type, such as `application/json` or `text/plain; charset=utf-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

impl ContentType {
    /// The type as it is written in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ContentType {
    fn default() -> Self {
        Self("text/plain".to_owned())
    }
}

/// A text that is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAContentType;

impl fmt::Display for NotAContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content type is two words with a slash between them such as application/json")
    }
}

impl std::error::Error for NotAContentType {}

impl FromStr for ContentType {
    type Err = NotAContentType;

    fn from_str(text: &str) -> Result<Self, NotAContentType> {
        let is_token = |word: &str| {
            let is_mark = |byte: &u8| b"!#$%&'*+-.^_`|~".contains(byte);
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(&byte))
        };
        let (media_type, parameters) = text.split_once(';').map_or((text, ""), |(kind, rest)| (kind, rest));
        let is_type = media_type
            .trim_end()
            .split_once('/')
            .is_some_and(|(main, sub)| is_token(main) && is_token(sub) && main != "*" && sub != "*");
        let is_printable = parameters.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if is_type && is_printable { Ok(Self(text.to_owned())) } else { Err(NotAContentType) }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            network: NetworkOptions::default(),
            limits: LimitOptions::default(),
            timeouts: TimeoutOptions::default(),
            tls: TlsOptions::default(),
            storage: StorageOptions::default(),
            status: StatusOptions::default(),
            requests: RequestLogOptions::default(),
            row_get: RowGet::default(),
            databases: BTreeMap::new(),
        }
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            fast_open_max: 0,
            allow_origin: None,
            allow_hosts: Vec::new(),
            host_advice: String::new(),
            content_type: ContentType::default(),
        }
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            output_bytes_max: 256 * 1024,
            connection_buffered_bytes_max: 64 * 1024 * 1024,
            buffered_bytes_max: 1024 * 1024 * 1024,
            pattern_bytes_max: 4 * 1024,
            http: http::Limits::default(),
            resp: resp::Limits::default(),
            memcached: memcached::Limits::default(),
        }
    }
}

impl Default for TimeoutOptions {
    fn default() -> Self {
        Self {
            http_idle: Some(Duration::from_secs(75)),
            idle: None,
            keep_alive: Some(Duration::from_secs(300)),
            request: Duration::from_secs(30),
            stalled: Duration::from_secs(5),
            write: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 16_384,
            handshakes_per_second_max: 0,
        }
    }
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            disk_reads: DiskReads::Auto,
            disk_reads_max: 1024,
            disk_queue: 64,
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_without_scheme_and_port() {
        for (host, is_one) in [
            ("graven", true),
            ("graven.example.org", true),
            ("graven_1.example.org.", true),
            ("10.0.0.1", true),
            ("*", true),
            ("*.example.org", true),
            ("", false),
            ("*.", false),
            ("*example.org", false),
            ("a.*.org", false),
            (".example.org", false),
            ("http://a", false),
            ("a:80", false),
            ("a/b", false),
            ("a b", false),
            ("a\r\nb", false),
        ] {
            assert_eq!(host.parse::<HostName>().is_ok(), is_one, "{host}");
        }
    }

    #[test]
    fn a_content_type_is_two_words_with_a_slash_and_parameters() {
        for (content_type, is_one) in [
            ("application/json", true),
            ("text/plain; charset=utf-8", true),
            ("image/svg+xml", true),
            ("text", false),
            ("text/", false),
            ("/plain", false),
            ("*/*", false),
            ("text/a b", false),
            ("text/plain\r\nX: y", false),
            ("text/plain; a=\u{e4}", false),
        ] {
            assert_eq!(content_type.parse::<ContentType>().is_ok(), is_one, "{content_type}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_or_a_star() {
        for (origin, is_one) in [
            ("*", true),
            ("https://a.b:1", true),
            ("a.b", false),
            ("https://", false),
            ("https://a/b", false),
            ("https://a\r\nb", false),
        ] {
            assert_eq!(origin.parse::<CorsOrigin>().is_ok(), is_one, "{origin}");
        }
    }
}
