//! One request as it is recorded, and its line in the access log.

use std::fmt::{self, Display, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrayvec::ArrayVec;
use graven_catalog::TableVersion;

use super::access_log::AccessLogFormat;
use super::escape::Escaped;
use crate::clients::ClientEntry;
use crate::counters::Requests;
use crate::output::{OutputBuffer, OutputPosition};

/// Bytes of a key, or of one argument, that are kept.
const BYTES_MAX: usize = 128;

/// Arguments of a command that are kept, as in Redis.
const ARGUMENTS_MAX: usize = 32;

/// The beginning of some bytes of a peer, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShortBytes {
    kept: ArrayVec<u8, BYTES_MAX>,
    left_out: usize,
}

impl ShortBytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut kept = ArrayVec::new();
        let end = bytes.len().min(BYTES_MAX);
        kept.extend(bytes[..end].iter().copied());
        Self { kept, left_out: bytes.len() - end }
    }

    /// As Redis puts it, which says what is missing behind the bytes.
    pub(super) fn to_argument(&self) -> Box<[u8]> {
        match self.left_out {
            0 => self.kept.as_slice().into(),
            more => [&self.kept, format!("... ({more} more bytes)").as_bytes()].concat().into(),
        }
    }
}

impl Display for ShortBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.kept).fmt(f)?;
        f.write_str(if self.left_out > 0 { "…" } else { "" })
    }
}

/// What is known of a request before it is answered. Whatever may be a secret is not part of it.
#[derive(Debug, Default)]
pub(crate) struct RequestSummary {
    /// The command, or HTTP's method.
    pub(crate) command: &'static str,
    /// What HTTP asks for: a path, with `{key}` where a key stands. Empty in the other protocols.
    pub(crate) route: &'static str,
    /// The key, the first of several.
    pub(crate) key: Option<ShortBytes>,
    /// It asks a table, and not the server.
    pub(crate) asks_table: bool,
    /// The command and its arguments for the slow log, where these are not the key alone.
    arguments: Vec<Box<[u8]>>,
}

impl RequestSummary {
    pub(crate) fn new(command: &'static str, route: &'static str) -> Self {
        Self { command, route, ..Self::default() }
    }

    /// The same of a request that asks a table, and no one key of it.
    pub(crate) fn of_table(command: &'static str, route: &'static str) -> Self {
        Self { asks_table: true, ..Self::new(command, route) }
    }

    /// The same of a request for a key of a table.
    pub(crate) fn of_key(command: &'static str, route: &'static str, key: &[u8]) -> Self {
        Self { key: Some(ShortBytes::of(key)), asks_table: true, ..Self::new(command, route) }
    }

    /// Keeps a command and its arguments for the slow log, as many and as much of each as Redis does. `count` are all.
    pub(crate) fn keep_arguments<'a>(&mut self, arguments: impl Iterator<Item = &'a [u8]>, count: usize) {
        let kept = if count <= ARGUMENTS_MAX { count } else { ARGUMENTS_MAX - 1 };
        self.arguments.extend(arguments.take(kept).map(|argument| ShortBytes::of(argument).to_argument()));
        if kept < count {
            self.arguments.push(format!("... ({} more arguments)", count - kept).into_bytes().into());
        }
    }

    /// The command and its arguments.
    fn to_arguments(&self) -> Vec<Box<[u8]>> {
        if !self.arguments.is_empty() {
            return self.arguments.clone();
        }
        let words = [self.command, self.route].into_iter().filter(|word| !word.is_empty());
        let words = words.map(|word| Box::from(word.as_bytes()));
        words.chain(self.key.as_ref().map(ShortBytes::to_argument)).collect()
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerStatus {
    Http(u16),
    Ok,
    /// With an error of the protocol.
    Error,
}

impl AnswerStatus {
    /// What the beginning of an answer says.
    fn of(protocol: &str, answer: &[u8]) -> Self {
        let is_error = match protocol {
            "http" => {
                let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
                return digits.and_then(|digits| digits.parse().ok()).map_or(Self::Error, Self::Http);
            }
            "resp" => answer.first() == Some(&b'-'),
            _ => {
                let errors: [&[u8]; 3] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"];
                errors.iter().any(|error| answer.starts_with(error))
            }
        };
        if is_error { Self::Error } else { Self::Ok }
    }
}

impl Display for AnswerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => status.fmt(f),
            Self::Ok => f.write_str("ok"),
            Self::Error => f.write_str("error"),
        }
    }
}

/// A request of which a part may be answered: what is counted while it is.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    summary: RequestSummary,
    user: Option<Arc<str>>,
    protocol: &'static str,
    version: Option<Arc<TableVersion>>,
    hits: u64,
    misses: u64,
    bytes: u64,
    status: Option<AnswerStatus>,
    /// Where the part of the answer begins that this turn adds, and how the counters stood then.
    begin: OutputPosition,
    hits_before: u64,
    misses_before: u64,
}

impl OpenRequest {
    pub(crate) fn new(protocol: &'static str, summary: RequestSummary) -> Self {
        Self {
            summary,
            user: None,
            protocol,
            version: None,
            hits: 0,
            misses: 0,
            bytes: 0,
            status: None,
            begin: OutputPosition::default(),
            hits_before: 0,
            misses_before: 0,
        }
    }

    /// The user that asks.
    pub(crate) fn set_user(&mut self, user: Option<&Arc<str>>) {
        self.user = user.cloned();
    }

    /// More of it is about to be answered, from `begin` on.
    pub(crate) fn go_on(&mut self, begin: OutputPosition, counts: &Requests) {
        self.begin = begin;
        (self.hits_before, self.misses_before) = (counts.hits.get(), counts.misses.get());
    }

    /// Counts what was answered since.
    pub(crate) fn pause(&mut self, out: &OutputBuffer, counts: &Requests) {
        self.hits += counts.hits.get() - self.hits_before;
        self.misses += counts.misses.get() - self.misses_before;
        self.add_answer(self.begin, out);
    }

    /// It asked for one key, which was there or not, and its answer stands from `begin` on. `None`: nothing was looked up.
    pub(crate) fn looked_up(&mut self, is_hit: Option<bool>, begin: OutputPosition, out: &OutputBuffer) {
        (self.hits, self.misses) = (u64::from(is_hit == Some(true)), u64::from(is_hit == Some(false)));
        self.add_answer(begin, out);
    }

    /// The version that answers it; the first holds to the end. What HTTP has looked up nothing for may have been refused before
    /// its table was known.
    pub(super) fn set_version(&mut self, version: Option<&Arc<TableVersion>>) {
        let is_known = self.protocol != "http" || self.hits + self.misses > 0;
        if self.summary.asks_table && is_known && self.version.is_none() {
            self.version = version.cloned();
        }
    }

    fn add_answer(&mut self, begin: OutputPosition, out: &OutputBuffer) {
        let (answer, bytes) = out.since(begin);
        self.bytes += bytes as u64;
        if self.status.is_none() && bytes > 0 {
            self.status = Some(AnswerStatus::of(self.protocol, answer));
        }
    }

    /// It is answered, a request of this slot that ends at `end` of its input.
    pub(super) fn end(self, slot: usize, end: usize) -> RequestRecord {
        let status = self.status.unwrap_or(match self.protocol {
            "http" => AnswerStatus::Error,
            _ => AnswerStatus::Ok,
        });
        let Self { summary, user, protocol, version, hits, misses, bytes, .. } = self;
        RequestRecord { slot, end, protocol, summary, user, version, hits, misses, bytes, status }
    }
}

/// A request that is answered.
#[derive(Debug)]
pub(super) struct RequestRecord {
    /// Its connection's.
    pub(super) slot: usize,
    /// Where it ends in the input of that; 0 if it was read in an earlier turn.
    pub(super) end: usize,
    protocol: &'static str,
    pub(super) summary: RequestSummary,
    pub(super) user: Option<Arc<str>>,
    pub(super) version: Option<Arc<TableVersion>>,
    hits: u64,
    misses: u64,
    bytes: u64,
    status: AnswerStatus,
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestTime {
    /// Waiting for the turns of its connection.
    pub(super) queue: Duration,
    /// Waiting for blocks to be read.
    pub(super) disk: Duration,
    /// In turns: reading and decoding, looking up, encoding. A turn is that of several requests.
    pub(super) answer: Duration,
    /// In the turn that ended it: handing answers to the kernel.
    pub(super) write: Duration,
}

impl RequestTime {
    pub(super) fn total(&self) -> Duration {
        self.queue + self.disk + self.answer + self.write
    }
}

pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl RequestRecord {
    /// The command and its arguments, as `SLOWLOG` has them.
    pub(super) fn arguments(&self) -> Vec<Box<[u8]>> {
        self.summary.to_arguments()
    }

    /// Appends its line.
    pub(super) fn write_line(
        &self,
        format: AccessLogFormat,
        at: SystemTime,
        client: &ClientEntry,
        time: Duration,
        out: &mut Vec<u8>,
    ) {
        let mut text = LineText(out);
        // Writing into memory cannot fail.
        let _ = match format {
            AccessLogFormat::Text => self.write_text(at, client, time, &mut text),
            AccessLogFormat::Json => self.write_json(at, client, time, &mut text),
        };
        out.push(b'\n');
    }

    fn write_text(
        &self,
        at: SystemTime,
        client: &ClientEntry,
        time: Duration,
        f: &mut LineText<'_>,
    ) -> fmt::Result {
        let Self { protocol, summary, hits, misses, bytes, status, .. } = self;
        let table = self.version.as_ref().map_or("-", |version| version.label());
        write!(
            f,
            "{} {} {} {protocol} {table} {}{}{} {status} keys={} hits={hits} misses={misses} bytes={bytes} us={} key=",
            humantime::format_rfc3339_micros(at),
            client.ends().peer(),
            self.user.as_deref().unwrap_or("-"),
            summary.command,
            if summary.route.is_empty() { "" } else { " " },
            summary.route,
            hits + misses,
            microseconds(time),
        )?;
        match &summary.key {
            Some(key) => write!(f, "\"{key}\""),
            None => f.write_char('-'),
        }
    }

    fn write_json(
        &self,
        at: SystemTime,
        client: &ClientEntry,
        time: Duration,
        f: &mut LineText<'_>,
    ) -> fmt::Result {
        let Self { protocol, summary, hits, misses, bytes, status, .. } = self;
        // Names of users, tables and versions hold nothing that JSON escapes, nor do addresses.
        write!(
            f,
            "{{\"time\":\"{}\",\"peer\":\"{}\"",
            humantime::format_rfc3339_micros(at),
            client.ends().peer()
        )?;
        if let Some(user) = &self.user {
            write!(f, ",\"user\":\"{user}\"")?;
        }
        write!(f, ",\"protocol\":\"{protocol}\"")?;
        if let Some(version) = &self.version {
            write!(f, ",\"table\":\"{}\",\"version\":\"{}\"", version.table(), version.name())?;
        }
        write!(f, ",\"command\":\"{}\"", summary.command)?;
        if !summary.route.is_empty() {
            write!(f, ",\"route\":\"{}\"", summary.route)?;
        }
        match status {
            AnswerStatus::Http(status) => write!(f, ",\"status\":{status}")?,
            status => write!(f, ",\"status\":\"{status}\"")?,
        }
        let (keys, us) = (hits + misses, microseconds(time));
        write!(
            f,
            ",\"keys\":{keys},\"hits\":{hits},\"misses\":{misses},\"bytes\":{bytes},\"microseconds\":{us}"
        )?;
        if let Some(key) = &summary.key {
            // What is escaped holds backslashes, and no quotation marks.
            write!(f, ",\"key\":\"{}\"", key.to_string().replace('\\', "\\\\"))?;
        }
        f.write_char('}')
    }
}

/// Text into a buffer of bytes.
struct LineText<'a>(&'a mut Vec<u8>);

impl Write for LineText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_keys_and_many_arguments_the_beginning_is_kept_as_redis_does_it() {
        let long = ShortBytes::of(&[b'k'; 200]);
        assert_eq!(long.to_string(), format!("{}…", "k".repeat(128)));
        let argument = format!("{}... (72 more bytes)", "k".repeat(128));
        assert_eq!(&*long.to_argument(), argument.as_bytes());
        for (count, last) in [(32, "x"), (33, "... (2 more arguments)"), (101, "... (70 more arguments)")] {
            let mut summary = RequestSummary::new("mget", "");
            summary.keep_arguments(std::iter::repeat_n(&b"x"[..], count), count);
            let all = summary.to_arguments();
            assert_eq!(all.len(), 32);
            assert_eq!(all.last().unwrap().as_ref(), last.as_bytes());
        }
    }

    #[test]
    fn the_beginning_of_an_answer_says_how_the_request_was_answered() {
        for (protocol, answer, status) in [
            ("http", &b"HTTP/1.1 404 Not Found\r\n"[..], AnswerStatus::Http(404)),
            ("resp", b"-NOAUTH Authentication required.\r\n", AnswerStatus::Error),
            ("resp", b"$-1\r\n", AnswerStatus::Ok),
            ("memcached", b"SERVER_ERROR read-only\r\n", AnswerStatus::Error),
            ("memcached", b"END\r\n", AnswerStatus::Ok),
        ] {
            assert_eq!(AnswerStatus::of(protocol, answer), status);
        }
    }
}
