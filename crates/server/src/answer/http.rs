//! HTTP requests answered, `GET` and `HEAD` alone: `/?key=K`, `/v1/kv/K`, `/healthz`, `/metrics`, `/stats.json`; and
//! `POST /v1/mget`, whose body is understood in `mget.rs`.

use graven_wire::Decoded;
use graven_wire::http::{
    self, Connection, Length, Method, Place, ReadyHead, Request, ResponseHead, Version, encode_head,
    expects_continue, find_parameter, is_plain, split_target, unescape,
};

use super::batch::{Said, Tried, Waiting};
use super::mget::{Answering, Ending, Layout};
use super::{Answered, Desk, Next, fingerprint, report};
use crate::output::Output;
use crate::tally::Requests;

const TEXT: Option<&str> = Some("text/plain");
const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const METRICS: &str = "text/plain; version=0.0.4";
const READING_METHODS: &str = "GET, HEAD";
const ALL_METHODS: &str = "GET, HEAD, POST";
const NOT_FOUND: &str = "Key not found";
const MISSING_KEY: &str = "Missing 'key' parameter in the query string";
const BAD_ESCAPE: &str = "A % in the key is not followed by two hexadecimal digits";
const NO_SUCH_PATH: &str = "No such path: keys are answered at /?key=K, /v1/kv/K and /v1/mget";
const BAD_METHOD: &str = "This path is not answered to this method, but to those that Allow names";
const DAMAGED: &str = "The table is damaged where this key would lie";
const HEALTHY: &str = "ok";

/// What every answer carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Always<'a> {
    pub(super) date: &'a str,
    /// Header lines, name and value.
    pub(super) headers: &'a [(&'a str, &'a str)],
}

/// What every answer of one second carries, and the head of a value's answer ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Dressing<'a> {
    headers: Vec<(&'a str, &'a str)>,
    /// The date of the head; none before the first.
    date: Option<String>,
    found: ReadyHead,
}

impl<'a> Dressing<'a> {
    /// For answers that carry `headers`.
    pub(super) fn new(headers: Vec<(&'a str, &'a str)>) -> Self {
        Self { headers, ..Self::default() }
    }

    /// What answers carry at `date`.
    #[inline]
    pub(super) fn at<'d>(&'d mut self, date: &'d str) -> (Always<'d>, &'d ReadyHead) {
        if self.date.as_deref() != Some(date) {
            self.date = Some(date.to_owned());
            self.found = ReadyHead::new(&head(200, Always { date, headers: &self.headers }));
        }
        (Always { date, headers: &self.headers }, &self.found)
    }
}

/// The header lines of an answer that pages of `origin` may read.
pub(super) fn headers_for(origin: &str) -> [(&str, &str); 4] {
    [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", ALL_METHODS),
        ("Access-Control-Allow-Headers", "Accept, Content-Type, If-None-Match"),
        ("Access-Control-Expose-Headers", "ETag"),
    ]
}

/// What a request asks for.
enum Route<'a> {
    Key(&'a [u8], Place),
    Text(u16, &'static str),
    ManyKeys,
    /// A page of another origin asks whether it may.
    Preflight,
    BadMethod(&'static str),
    Metrics,
    Stats,
}

fn route<'a>(request: &Request<'a>) -> Route<'a> {
    if request.method == Method::Options {
        return Route::Preflight;
    }
    let (path, query) = split_target(request.target);
    let known = match path {
        b"/" => match query.and_then(|query| find_parameter(query, b"key")) {
            Some(key) => Route::Key(key, Place::Query),
            None => Route::Text(400, MISSING_KEY),
        },
        b"/v1/mget" if request.method == Method::Post => return Route::ManyKeys,
        b"/v1/mget" => return Route::BadMethod("POST"),
        b"/healthz" => Route::Text(200, HEALTHY),
        b"/metrics" => Route::Metrics,
        b"/stats.json" => Route::Stats,
        _ => match path.strip_prefix(b"/v1/kv/") {
            Some(key) => Route::Key(key, Place::Path),
            None => return Route::Text(404, NO_SUCH_PATH),
        },
    };
    match request.method {
        Method::Get | Method::Head => known,
        _ => Route::BadMethod(READING_METHODS),
    }
}

/// What HTTP remembers between two requests.
#[derive(Debug, Default)]
pub(crate) struct HttpSession {
    /// `100 Continue` was sent for the request that is being received.
    continue_sent: bool,
    /// An answer to many keys that is on its way.
    answering: Option<Box<Answering>>,
}

impl HttpSession {
    pub(super) fn held_bytes(&self) -> usize {
        self.answering.as_ref().map_or(0, |answering| answering.held_bytes())
    }
}

/// What the answer to a batched lookup has to know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    No,
    /// The answer carries an entity tag.
    Yes,
}

impl Desk<'_> {
    pub(super) fn answer_http(
        &mut self,
        session: &mut HttpSession,
        input: &[u8],
        date: &str,
        out: &mut Output<'_>,
    ) -> Answered {
        let mut dressing = std::mem::take(&mut self.dressing);
        let (always, ready) = dressing.at(date);
        let answered = self.answer_http_input(session, input, always, ready, out);
        self.dressing = dressing;
        answered
    }

    fn answer_http_input(
        &mut self,
        session: &mut HttpSession,
        input: &[u8],
        always: Always<'_>,
        ready: &ReadyHead,
        out: &mut Output<'_>,
    ) -> Answered {
        if session.answering.is_some() {
            match self.go_on(session, out) {
                Next::NeedMore => {}
                next => return Answered { consumed: 0, next },
            }
        }
        let mut waiting = Waiting::new();
        // Requests up to `at` are read. Those that are neither answered nor wait are none.
        let mut at = 0;
        loop {
            let decoded = match () {
                () if out.len() >= self.options.output_bytes_max && at < input.len() => {
                    return Answered { consumed: at, next: Next::Full };
                }
                () => self.http.decode(&input[at..]),
            };
            if let Decoded::Message(request, bytes) = &decoded {
                session.continue_sent = false;
                if let Some((key, tagged)) = batched_key(request) {
                    waiting.push(key, tagged, at..at + bytes);
                    at += bytes;
                    if waiting.len() < self.scratch.batch_keys {
                        continue;
                    }
                }
            }
            let batched = waiting.len();
            if batched > 0 {
                let end = self.answer_http_waiting(&mut waiting, always, ready, out);
                if end < at {
                    return Answered { consumed: end, next: Next::Full };
                }
            }
            match decoded {
                Decoded::Message(request, _) if batched_key(&request).is_some() => {}
                Decoded::Message(request, bytes) => {
                    let (before, mark) = (at, out.mark());
                    at += bytes;
                    self.tally.http.requests.add(1);
                    match self.answer_one(session, &request, always, out) {
                        next if next != Next::Full && self.is_pending() => {
                            // The request is answered once the table was read for it; until then it is none.
                            self.tally.http.requests.take_back();
                            out.cut(mark);
                            return Answered { consumed: before, next: Next::Full };
                        }
                        Next::NeedMore => {}
                        next => return Answered { consumed: at, next },
                    }
                }
                Decoded::NeedMore => {
                    if at < input.len() && !session.continue_sent {
                        session.continue_sent = expects_continue(&input[at..], &self.options.http);
                        if session.continue_sent {
                            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                        }
                    }
                    return Answered { consumed: at, next: Next::NeedMore };
                }
                Decoded::Invalid(error) => {
                    refuse(error.status(), error.message(), always, out);
                    return Answered { consumed: input.len(), next: Next::Refused(error.message()) };
                }
            }
        }
    }

    /// Answers the lookups that wait, as far as the output has room: where in the input the last answered request ends.
    #[inline]
    fn answer_http_waiting(
        &mut self,
        waiting: &mut Waiting<'_, Tagged>,
        always: Always<'_>,
        ready: &ReadyHead,
        out: &mut Output<'_>,
    ) -> usize {
        let (end, tried) = self.answer_waiting(waiting, out, |tagged, _, said, out| {
            found_plain(said, *tagged, always, ready, out);
        });
        self.tally.http.requests.add(tried.keys as u64);
        count(&self.tally.http, tried);
        end
    }

    /// Answers one request of any kind. [`Next::NeedMore`] when the next one may follow.
    fn answer_one(
        &mut self,
        session: &mut HttpSession,
        request: &Request<'_>,
        always: Always<'_>,
        out: &mut Output<'_>,
    ) -> Next {
        let manner = Manner {
            body: request.method != Method::Head,
            connection: match (request.keep_alive, request.version) {
                (false, _) => Connection::Close,
                (true, Version::Http10) => Connection::KeepAlive,
                (true, Version::Http11) => Connection::Unsaid,
            },
        };
        match route(request) {
            Route::Text(status, words) => text(status, words, manner, always, out),
            Route::ManyKeys => return self.begin_mget(session, request, manner, always, out),
            Route::Preflight if !always.headers.is_empty() => {
                let head = ResponseHead { content_type: None, ..head(204, always) };
                encode_head(&ResponseHead { connection: manner.connection, ..head }, out);
            }
            Route::BadMethod(allow) => bad_method(allow, manner, always, out),
            Route::Preflight => bad_method(ALL_METHODS, manner, always, out),
            Route::Metrics => {
                let page = report::metrics(self.store.len(), &self.tallies.sum());
                document(METRICS, &page, manner, always, out);
            }
            Route::Stats => {
                let page = report::stats_json(self.store.len(), &self.tallies.sum());
                document(JSON, &page, manner, always, out);
            }
            Route::Key(escaped, place) => {
                let tagged = tagged(place);
                let mut room = std::mem::take(&mut self.scratch.line);
                match unescape(escaped, place, &mut room) {
                    Ok(key) => {
                        let said = self.get(key);
                        let tried = Tried { keys: 1, hits: usize::from(matches!(said, Said::Value(_))) };
                        found(said, tagged, request.if_none_match, manner, always, out);
                        if !self.is_pending() {
                            count(&self.tally.http, tried);
                        }
                    }
                    Err(http::BadEscape) => text(400, BAD_ESCAPE, manner, always, out),
                }
                self.scratch.line = room;
            }
        }
        if request.keep_alive { Next::NeedMore } else { Next::Close }
    }

    /// Begins the answer to a request for many keys.
    fn begin_mget(
        &mut self,
        session: &mut HttpSession,
        request: &Request<'_>,
        manner: Manner,
        always: Always<'_>,
        out: &mut Output<'_>,
    ) -> Next {
        let lines = request.accept.is_some_and(|accept| {
            accept.to_ascii_lowercase().windows(LINES.len()).any(|part| part == LINES.as_bytes())
        });
        let layout = if lines { Layout::Lines } else { Layout::Document };
        let (ending, keep_alive, length) = match request.version {
            Version::Http11 => (Ending::Chunked, request.keep_alive, Length::Chunked),
            Version::Http10 => (Ending::Closing, false, Length::Untold),
        };
        let mut body = Vec::new();
        request.body.append_to(&mut body);
        match Answering::read(&body, layout, ending, keep_alive) {
            Ok(answering) => {
                let connection = if keep_alive { manner.connection } else { Connection::Close };
                let content_type = Some(layout.content_type());
                encode_head(&ResponseHead { length, content_type, connection, ..head(200, always) }, out);
                session.answering = Some(Box::new(answering));
                self.go_on(session, out)
            }
            Err(reason) => {
                text(400, &reason, manner, always, out);
                if request.keep_alive { Next::NeedMore } else { Next::Close }
            }
        }
    }

    /// Goes on with an answer to many keys. [`Next::NeedMore`] when it is finished and the next request may follow.
    fn go_on(&mut self, session: &mut HttpSession, out: &mut Output<'_>) -> Next {
        let Some(mut answering) = session.answering.take() else { return Next::NeedMore };
        if !self.go_on_with_http_mget(&mut answering, out) {
            session.answering = Some(answering);
            return Next::Full;
        }
        if answering.keep_alive { Next::NeedMore } else { Next::Close }
    }
}

pub(super) fn count(requests: &Requests, tried: Tried) {
    requests.hits.add(tried.hits as u64);
    requests.misses.add((tried.keys - tried.hits) as u64);
}

/// Entity tags are for `/v1/kv/K`; `/?key=K` answers with the value and nothing else.
fn tagged(place: Place) -> Tagged {
    if place == Place::Path { Tagged::Yes } else { Tagged::No }
}

#[inline]
fn found(
    said: Said<'_>,
    tagged: Tagged,
    if_none_match: Option<&[u8]>,
    manner: Manner,
    always: Always<'_>,
    out: &mut Output<'_>,
) {
    match said {
        Said::Value(value) if tagged == Tagged::Yes => {
            with_tag(value, if_none_match, manner, always, out);
        }
        Said::Value(value) => {
            let length = Length::Bytes(value.len());
            encode_head(&ResponseHead { length, connection: manner.connection, ..head(200, always) }, out);
            if manner.body {
                out.push_value(value);
            }
        }
        Said::Nothing => text(404, NOT_FOUND, manner, always, out),
        Said::Damaged => text(500, DAMAGED, manner, always, out),
    }
}

/// What a plain HTTP/1.1 `GET` is answered.
#[inline]
pub(super) fn found_plain(
    said: Said<'_>,
    tagged: Tagged,
    always: Always<'_>,
    ready: &ReadyHead,
    out: &mut Output<'_>,
) {
    match (said, tagged) {
        (Said::Value(value), Tagged::No) => {
            ready.encode(value.len(), out);
            out.push_value(value);
        }
        _ => found(said, tagged, None, PLAIN, always, out),
    }
}

fn with_tag(
    value: &[u8],
    if_none_match: Option<&[u8]>,
    manner: Manner,
    always: Always<'_>,
    out: &mut Output<'_>,
) {
    let etag = entity_tag(value);
    let Ok(etag) = std::str::from_utf8(&etag) else {
        unreachable!("hexadecimal digits and quotes are ASCII")
    };
    let connection = manner.connection;
    if if_none_match.is_some_and(|tags| names(tags, etag)) {
        let head = ResponseHead { content_type: None, connection, etag: Some(etag), ..head(304, always) };
        return encode_head(&head, out);
    }
    let length = Length::Bytes(value.len());
    encode_head(&ResponseHead { length, connection, etag: Some(etag), ..head(200, always) }, out);
    if manner.body {
        out.push_value(value);
    }
}

/// The value's fingerprint as a strong entity tag.
fn entity_tag(value: &[u8]) -> [u8; 18] {
    let fingerprint = fingerprint(value);
    std::array::from_fn(|i| match i {
        0 | 17 => b'"',
        _ => b"0123456789abcdef"[(fingerprint >> (4 * (16 - i)) & 15) as usize],
    })
}

/// Whether an `If-None-Match` names `etag`, by the weak comparison that RFC 9110 wants here.
fn names(tags: &[u8], etag: &str) -> bool {
    tags.split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// How an answer is dressed for the request that it belongs to.
#[derive(Clone, Copy)]
struct Manner {
    /// Whether the body is sent and not only its length.
    body: bool,
    connection: Connection,
}

/// The answer to a plain HTTP/1.1 `GET`.
const PLAIN: Manner = Manner { body: true, connection: Connection::Unsaid };

/// The key of a request that can be answered in a batch: a plain HTTP/1.1 `GET` of a key without escapes, on a
/// connection that stays.
#[inline]
pub(super) fn batched_key<'a>(request: &Request<'a>) -> Option<(&'a [u8], Tagged)> {
    let is_plain_get = request.method == Method::Get
        && request.version == Version::Http11
        && request.keep_alive
        && request.if_none_match.is_none();
    if !is_plain_get {
        return None;
    }
    match route(request) {
        Route::Key(key, place) if is_plain(key, place) => Some((key, tagged(place))),
        _ => None,
    }
}

fn head(status: u16, always: Always<'_>) -> ResponseHead<'_> {
    ResponseHead {
        status,
        length: Length::Untold,
        content_type: TEXT,
        date: always.date,
        connection: Connection::Unsaid,
        etag: None,
        allow: None,
        headers: always.headers,
    }
}

fn text(status: u16, words: &str, manner: Manner, always: Always<'_>, out: &mut Vec<u8>) {
    let head = ResponseHead {
        length: Length::Bytes(words.len()),
        connection: manner.connection,
        ..head(status, always)
    };
    encode_head(&head, out);
    if manner.body {
        out.extend_from_slice(words.as_bytes());
    }
}

fn bad_method(allow: &str, manner: Manner, always: Always<'_>, out: &mut Vec<u8>) {
    let length = Length::Bytes(BAD_METHOD.len());
    let connection = manner.connection;
    encode_head(&ResponseHead { length, connection, allow: Some(allow), ..head(405, always) }, out);
    if manner.body {
        out.extend_from_slice(BAD_METHOD.as_bytes());
    }
}

fn document(content_type: &str, page: &str, manner: Manner, always: Always<'_>, out: &mut Vec<u8>) {
    let head = ResponseHead {
        length: Length::Bytes(page.len()),
        content_type: Some(content_type),
        connection: manner.connection,
        ..head(200, always)
    };
    encode_head(&head, out);
    if manner.body {
        out.extend_from_slice(page.as_bytes());
    }
}

/// Says why the connection is about to be closed.
pub(super) fn refuse(status: u16, words: &str, always: Always<'_>, out: &mut Vec<u8>) {
    text(status, words, Manner { body: true, connection: Connection::Close }, always, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_that_is_ready_is_that_of_the_present_second() {
        let (store, _) = graven_format::Builder::new(graven_format::Options::default()).finish().unwrap();
        let mut dressing = Dressing::new(vec![("Vary", "Origin")]);
        for date in ["", "Mon, 23 Nov 2026 03:12:02 GMT", "Mon, 23 Nov 2026 03:12:03 GMT"] {
            let (always, ready) = dressing.at(date);
            let (mut expected, mut answer) = (Output::new(&store), Output::new(&store));
            found(Said::Value(b"value"), Tagged::No, None, PLAIN, always, &mut expected);
            found_plain(Said::Value(b"value"), Tagged::No, always, ready, &mut answer);
            assert_eq!(*answer, *expected);
            assert!(String::from_utf8(answer.to_vec()).unwrap().contains(date));
        }
    }
}
