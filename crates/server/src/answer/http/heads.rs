//! The heads of HTTP answers, and the answers that are a head and a few words.

use std::sync::Arc;

use graven_catalog::{TableId, TableVersion};
use graven_wire::http::{
    ConnectionHeader, EntityTags, Length, Method, ReadyHead, Representation, Request, ResponseHead, Version,
    encode_head,
};

use super::status::StatusPage;
use super::{HttpLookup, JSON};
use crate::answer::access::{AccessRefusal, LoginFailure};
use crate::answer::fingerprint;
use crate::answer::lookups::LookupOutcome;
use crate::answer::tables::Unavailable;
use crate::options::{CorsOrigin, ServerOptions};
use crate::output::{OutputBuffer, Value};

const TEXT: Option<&str> = Some("text/plain");
const HTML: &str = "text/html; charset=utf-8";
pub(super) const NOT_FOUND: &str = "Key not found";
const DAMAGED: &str = "The table is damaged where this key would lie";
/// The methods that some path is answered to, without `OPTIONS`, which all are.
const ASKING_METHODS: &str = "GET, HEAD, POST";

/// Names the table and the version that an answer comes from.
const TABLE_VERSION: &str = "Graven-Version";

/// Browsers shall not take a value for something else than it is said to be.
const NO_SNIFFING: (&str, &str) = ("X-Content-Type-Options", "nosniff");

/// How a client says who it is.
const CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Basic realm=\"graven\", Bearer realm=\"graven\"");

const LOGIN_FIRST: &str = "Say who asks: send the token of a user as `Authorization: Bearer TOKEN`";
const LOGIN_WRONG: &str = "No user has this token and name";
const TOO_MANY_LOGINS: &str = "Too many logins of this address have failed; ask again in a second";
const NOT_PERMITTED: &str = "This user may not ask this table; GET /v1/tables lists those that it may";

/// When to ask again, in seconds.
const RETRY_AFTER: (&str, &str) = ("Retry-After", "1");

/// How an answer has to be framed for the request that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseFraming {
    /// Whether the body is sent and not only its length.
    pub(super) body: bool,
    pub(super) connection: ConnectionHeader,
}

impl ResponseFraming {
    /// That of the answer to a plain HTTP/1.1 `GET`.
    pub(super) const PLAIN: Self = Self { body: true, connection: ConnectionHeader::Unsaid };

    /// That of an answer after which the connection is closed.
    pub(super) const LAST: Self = Self { body: true, connection: ConnectionHeader::Close };

    pub(super) fn of(request: &Request<'_>) -> Self {
        let connection = match (request.keep_alive, request.version) {
            (false, _) => ConnectionHeader::Close,
            (true, Version::Http10) => ConnectionHeader::KeepAlive,
            (true, Version::Http11) => ConnectionHeader::Unsaid,
        };
        Self { body: request.method != Method::Head, connection }
    }
}

/// What every answer of one second carries, and the head of a value's answer ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Heads<'a> {
    /// Header lines of every answer, name and value.
    headers: Vec<(&'a str, &'a str)>,
    date: String,
    /// What is said of values.
    value_type: &'a str,
    /// How to allow a host that is refused.
    host_advice: &'a str,
    /// What was made ready for each table, by its number; and which of them is asked.
    tables: Vec<ReadyTable>,
    table: usize,
    /// How often the date has changed.
    seconds: u64,
}

/// What is made ready once for the answers that a version gives in one second.
#[derive(Debug, Default)]
struct ReadyTable {
    version: Option<Arc<str>>,
    /// Its values are rows, which are answered as JSON, or are JSON themselves.
    has_json: bool,
    second: u64,
    /// The head of a value without an entity tag.
    value: ReadyHead,
}

impl<'a> Heads<'a> {
    pub(super) fn new(options: &'a ServerOptions) -> Self {
        let mut headers = vec![NO_SNIFFING];
        headers.extend(options.network.allow_origin.iter().flat_map(cross_origin_headers));
        let mut heads = Self {
            headers,
            value_type: options.network.content_type.as_str(),
            host_advice: &options.network.host_advice,
            tables: vec![ReadyTable::default()],
            ..Self::default()
        };
        heads.make_ready();
        heads
    }

    /// Answers come from this version of a table from now on.
    pub(super) fn answer_for(&mut self, table: TableId, version: &TableVersion) {
        self.table = table.index();
        if self.tables.len() <= self.table {
            self.tables.resize_with(self.table + 1, ReadyTable::default);
        }
        let ready = &mut self.tables[self.table];
        let is_ready = ready.second == self.seconds && ready.version.as_deref() == Some(&**version.label());
        if !is_ready {
            ready.version = Some(Arc::clone(version.label()));
            let store = version.store();
            ready.has_json = store.schema().is_some() || store.values_are_json();
            self.make_ready();
        }
    }

    /// Answers carry `date` from now on.
    #[inline]
    pub(super) fn set_date(&mut self, date: &str) {
        if self.date != date {
            date.clone_into(&mut self.date);
            self.seconds += 1;
            self.make_ready();
        }
    }

    fn make_ready(&mut self) {
        let value = ReadyHead::new(&self.value_head());
        let ready = &mut self.tables[self.table];
        (ready.value, ready.second) = (value, self.seconds);
    }

    fn value_head(&self) -> ResponseHead<'_> {
        let content_type = if self.tables[self.table].has_json { JSON } else { self.value_type };
        ResponseHead { content_type: Some(content_type), ..self.table_head(200) }
    }

    /// That of the answer that has a value.
    fn head_of(&self, value: Value<'_>) -> ResponseHead<'_> {
        let (length, representation) = (Length::Bytes(value.len()), value.representation());
        ResponseHead { length, representation, ..self.value_head() }
    }

    /// That of an answer of the table that is asked.
    pub(super) fn table_head(&self, status: u16) -> ResponseHead<'_> {
        let version = self.tables[self.table].version.as_deref();
        ResponseHead { last_header: version.map(|version| (TABLE_VERSION, version)), ..self.head(status) }
    }

    pub(super) fn head(&self, status: u16) -> ResponseHead<'_> {
        ResponseHead {
            status,
            length: Length::Untold,
            content_type: TEXT,
            date: &self.date,
            connection: ConnectionHeader::Unsaid,
            etag: None,
            representation: Representation::Only,
            allow: None,
            headers: &self.headers,
            last_header: None,
        }
    }

    /// What a plain HTTP/1.1 `GET` is answered.
    #[inline]
    pub(super) fn answer_plain(&self, lookup: HttpLookup, answer: LookupOutcome<'_>, out: &mut OutputBuffer) {
        match answer {
            LookupOutcome::Value(value)
                if !lookup.is_tagged() && value.representation() == Representation::Only =>
            {
                self.tables[self.table].value.encode(value.len(), out);
                out.push_value(value);
            }
            _ => self.answer(lookup, answer, None, ResponseFraming::PLAIN, out),
        }
    }

    /// The answer to a lookup that has one.
    #[inline]
    pub(super) fn answer(
        &self,
        lookup: HttpLookup,
        answer: LookupOutcome<'_>,
        if_none_match: Option<EntityTags<'_>>,
        framing: ResponseFraming,
        out: &mut OutputBuffer,
    ) {
        match answer {
            LookupOutcome::Value(value) if lookup.is_tagged() => {
                self.tagged(value, if_none_match, framing, out);
            }
            LookupOutcome::Value(value) => {
                let connection = framing.connection;
                encode_head(&ResponseHead { connection, ..self.head_of(value) }, out);
                if framing.body {
                    out.push_value(value);
                }
            }
            LookupOutcome::Missing => self.words(self.table_head(404), NOT_FOUND, framing, out),
            LookupOutcome::Damaged | LookupOutcome::NotYet => {
                self.words(self.table_head(500), DAMAGED, framing, out)
            }
        }
    }

    fn tagged(
        &self,
        value: Value<'_>,
        if_none_match: Option<EntityTags<'_>>,
        framing: ResponseFraming,
        out: &mut OutputBuffer,
    ) {
        let etag = entity_tag(value.bytes());
        let Ok(etag) = std::str::from_utf8(&etag) else {
            unreachable!("hexadecimal digits and quotes are ASCII")
        };
        let connection = framing.connection;
        if if_none_match.is_some_and(|tags| tags.name(etag.as_bytes())) {
            let (etag, representation) = (Some(etag), value.representation());
            let unchanged = self.table_head(304);
            let head = ResponseHead { content_type: None, connection, etag, representation, ..unchanged };
            return encode_head(&head, out);
        }
        encode_head(&ResponseHead { connection, etag: Some(etag), ..self.head_of(value) }, out);
        if framing.body {
            out.push_value(value);
        }
    }

    pub(super) fn text(&self, status: u16, words: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        self.words(self.head(status), words, framing, out);
    }

    /// The same of the table that is asked.
    pub(super) fn table_text(&self, status: u16, words: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        self.words(self.table_head(status), words, framing, out);
    }

    fn words(&self, head: ResponseHead<'_>, words: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        let length = Length::Bytes(words.len());
        encode_head(&ResponseHead { length, connection: framing.connection, ..head }, out);
        if framing.body {
            out.extend_from_slice(words.as_bytes());
        }
    }

    /// The methods that a path is answered to instead.
    pub(super) fn bad_method(&self, allow: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        let words = format!("This path is answered to {allow}");
        let length = Length::Bytes(words.len());
        let connection = framing.connection;
        encode_head(&ResponseHead { length, connection, allow: Some(allow), ..self.head(405) }, out);
        if framing.body {
            out.extend_from_slice(words.as_bytes());
        }
    }

    /// The methods that a path is answered to, for who asks nothing else: load balancers, and browsers before a request from
    /// a page of another origin.
    pub(super) fn methods(&self, allow: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        let connection = framing.connection;
        encode_head(
            &ResponseHead { content_type: None, connection, allow: Some(allow), ..self.head(204) },
            out,
        );
    }

    /// No version answers.
    #[cold]
    pub(super) fn unavailable(&self, why: Unavailable, framing: ResponseFraming, out: &mut Vec<u8>) {
        if let Unavailable::Refused(refusal) = why {
            return self.refused(refusal, None, framing, out);
        }
        let mut words = why.words().to_owned();
        words[..1].make_ascii_uppercase();
        if why.passes() {
            return self.not_yet(&words, framing, out);
        }
        words.push_str("; GET /v1/tables lists all, and keys are answered at /v1/tables/NAME/kv/KEY");
        self.text(404, &words, framing, out);
    }

    /// It is not answered to who asks.
    #[cold]
    pub(super) fn refused(
        &self,
        refusal: AccessRefusal,
        failure: Option<LoginFailure>,
        framing: ResponseFraming,
        out: &mut Vec<u8>,
    ) {
        let (status, words, header) = match (refusal, failure) {
            (AccessRefusal::NotPermitted, _) => (403, NOT_PERMITTED, None),
            (AccessRefusal::LoginFirst, None) => (401, LOGIN_FIRST, Some(CHALLENGE)),
            (AccessRefusal::LoginFirst, Some(LoginFailure::Wrong)) => (401, LOGIN_WRONG, Some(CHALLENGE)),
            (AccessRefusal::LoginFirst, Some(LoginFailure::TooMany)) => {
                (429, TOO_MANY_LOGINS, Some(RETRY_AFTER))
            }
        };
        self.words(ResponseHead { last_header: header, ..self.head(status) }, words, framing, out);
    }

    /// What is asked for is not there yet.
    #[cold]
    pub(super) fn not_yet(&self, words: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        let head = ResponseHead { last_header: Some(RETRY_AFTER), ..self.head(503) };
        self.words(head, words, framing, out);
    }

    /// The request is for another host.
    #[cold]
    pub(super) fn misdirected(&self, host: &[u8], framing: ResponseFraming, out: &mut Vec<u8>) {
        // Without the port: it is the name that has to be allowed.
        let name = host.split(|&byte| byte == b':').next().unwrap_or_default().escape_ascii().to_string();
        let advice = self.host_advice.replace("{host}", &name);
        let separator = if advice.is_empty() { "" } else { "; " };
        let words =
            format!("This server is not asked as `{name}`, the Host of this request{separator}{advice}");
        self.text(421, &words, framing, out);
    }

    /// What is asked for is at another path.
    #[cold]
    pub(super) fn see_other(&self, location: &str, framing: ResponseFraming, out: &mut Vec<u8>) {
        let head = ResponseHead { last_header: Some(("Location", location)), ..self.head(303) };
        // Whether a browser is led there follows from what it says it takes.
        let mut headers = self.headers.clone();
        headers.extend([("Vary", "Accept"), ("Cache-Control", "no-store")]);
        self.words(ResponseHead { headers: &headers, ..head }, location, framing, out);
    }

    /// A page for browsers, which may do what the page needs and nothing else.
    #[cold]
    pub(super) fn page(&self, page: &StatusPage, framing: ResponseFraming, out: &mut Vec<u8>) {
        let mut headers = self.headers.clone();
        headers.extend(page.headers());
        let head = ResponseHead { content_type: Some(HTML), headers: &headers, ..self.head(200) };
        self.words(head, page.text(), framing, out);
    }

    pub(super) fn document(
        &self,
        content_type: &str,
        page: &str,
        framing: ResponseFraming,
        out: &mut Vec<u8>,
    ) {
        let head = ResponseHead {
            length: Length::Bytes(page.len()),
            content_type: Some(content_type),
            connection: framing.connection,
            ..self.head(200)
        };
        encode_head(&head, out);
        if framing.body {
            out.extend_from_slice(page.as_bytes());
        }
    }
}

/// The header lines of an answer that pages of `origin` may read.
fn cross_origin_headers(origin: &CorsOrigin) -> [(&str, &str); 4] {
    [
        ("Access-Control-Allow-Origin", origin.as_str()),
        ("Access-Control-Allow-Methods", ASKING_METHODS),
        ("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, If-None-Match"),
        ("Access-Control-Expose-Headers", "ETag, Graven-Version"),
    ]
}

/// The fingerprint of a value's bytes, or of those of another representation of it, as a strong entity tag.
fn entity_tag(value: &[u8]) -> [u8; 18] {
    let fingerprint = fingerprint(value);
    std::array::from_fn(|i| match i {
        0 | 17 => b'"',
        _ => b"0123456789abcdef"[(fingerprint >> (4 * (16 - i)) & 15) as usize],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_that_is_ready_is_that_of_the_present_second() {
        let mut options = ServerOptions::default();
        options.network.allow_origin = Some("https://example.org".parse().unwrap());
        options.network.content_type = "application/json".parse().unwrap();
        let mut heads = Heads::new(&options);
        for date in ["", "Mon, 23 Nov 2026 03:12:02 GMT", "Mon, 23 Nov 2026 03:12:03 GMT"] {
            heads.set_date(date);
            let value = LookupOutcome::Value(Value::copied(b"value"));
            let (mut expected, mut answer) = (OutputBuffer::default(), OutputBuffer::default());
            heads.answer(HttpLookup::Plain, value, None, ResponseFraming::PLAIN, &mut expected);
            heads.answer_plain(HttpLookup::PlainZstd, value, &mut answer);
            assert_eq!(*answer, *expected);
            let answer = String::from_utf8(answer.to_vec()).unwrap();
            assert!(
                answer.contains(date) && answer.contains("X-Content-Type-Options: nosniff\r\n"),
                "{answer}"
            );
            assert!(answer.contains("Content-Type: application/json\r\n"), "{answer}");
        }
    }
}
