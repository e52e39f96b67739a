//! HTTP requests answered, `GET` and `HEAD` alone: `/?key=K`, `/v1/kv/K`, `/healthz`, `/metrics`, `/stats.json`; and
//! `POST /v1/mget`, whose body is understood in `mget.rs`.

mod heads;
mod mget;

use graven_blocks::BlockReader;
use graven_wire::Decoded;
use graven_wire::http::{
    self, BadEscape, ConnectionHeader, Hosts, Length, Method, Place, Request, RequestDecoder, ResponseHead,
    Version, encode_head, expects_continue, find_parameter, is_plain, split_target, unescape,
};

use super::lookups::LookupOutcome;
use super::pending::Lookup;
use super::{After, ConnectionSlot, Language, NextRequest, Responder, report};
use crate::counters::Readings;
use crate::options::ServerOptions;
use crate::output::OutputBuffer;
use heads::{Heads, ResponseFraming};
use mget::{BodyEnd, Layout, ManyKeys};

const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4";
const LINES: &str = "application/x-ndjson";
const READING_METHODS: &str = "GET, HEAD, OPTIONS";
const MGET_METHODS: &str = "POST, OPTIONS";
const ALL_METHODS: &str = "GET, HEAD, POST, OPTIONS";
const HEALTH: &[u8] = b"/healthz";
/// Where it is answered whether the server is ready. Who asks for that or the health says any `Host`, or none.
const READINESS: &[u8] = b"/readyz";
const MISSING_KEY: &str = "Missing 'key' parameter in the query string";
const EMPTY_KEY: &str = "The key is empty";
const BAD_ESCAPE: &str = "A % in the key is not followed by two hexadecimal digits";
const NO_SUCH_PATH: &str = "No such path: keys are answered at /?key=K, /v1/kv/K and /v1/mget";
const HEALTHY: &str = "ok";

/// What all HTTP connections of a loop share.
#[derive(Debug)]
pub(super) struct HttpShared<'a> {
    pub(super) decoder: RequestDecoder,
    heads: Heads<'a>,
}

impl<'a> HttpShared<'a> {
    pub(super) fn new(options: &'a ServerOptions, hosts: &Hosts) -> Self {
        let decoder = RequestDecoder::new(options.limits.http, hosts.clone());
        Self { decoder, heads: Heads::new(options) }
    }

    #[inline]
    pub(super) fn set_date(&mut self, date: &str) {
        self.heads.set_date(date);
    }

    /// What a request that was looked up together with others is answered.
    #[inline]
    pub(super) fn answer(&self, lookup: HttpLookup, answer: LookupOutcome<'_>, out: &mut OutputBuffer) {
        self.heads.answer_plain(lookup, answer, out);
    }

    /// What a request that was to be looked up is answered while the table has no version.
    pub(super) fn say_loading(&self, out: &mut Vec<u8>) {
        self.heads.loading(ResponseFraming::PLAIN, out);
    }

    /// Says why the connection is about to be closed.
    pub(super) fn refuse(&self, status: u16, words: &str, out: &mut Vec<u8>) {
        self.heads.text(status, words, ResponseFraming::LAST, out);
    }
}

/// What the answer to a lookup has to know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpLookup {
    /// `/?key=K`: the value and nothing else.
    Plain,
    /// `/v1/kv/K`: the answer carries an entity tag.
    Tagged,
}

impl HttpLookup {
    fn at(place: Place) -> Self {
        if place == Place::Path { Self::Tagged } else { Self::Plain }
    }
}

/// What a request asks for.
enum Route<'a> {
    Key(&'a [u8], Place),
    Text(u16, &'static str),
    ManyKeys,
    /// `OPTIONS`: the methods that the path is answered to.
    Methods(&'static str),
    BadMethod(&'static str),
    Metrics,
    Stats,
}

#[inline]
fn route<'a>(request: &Request<'a>) -> Route<'a> {
    let (path, query) = split_target(request.target);
    let known = match path {
        b"/" => match query.and_then(|query| find_parameter(query, b"key")) {
            Some(key) => Route::Key(key, Place::Query),
            None => Route::Text(400, MISSING_KEY),
        },
        b"/v1/mget" if request.method == Method::Post => return Route::ManyKeys,
        b"/v1/mget" => return other_method(request.method, MGET_METHODS),
        HEALTH => Route::Text(200, HEALTHY),
        b"/metrics" => Route::Metrics,
        b"/stats.json" => Route::Stats,
        _ => match path.strip_prefix(b"/v1/kv/") {
            Some([]) => Route::Text(400, EMPTY_KEY),
            Some(key) => Route::Key(key, Place::Path),
            None if request.method == Method::Options => return Route::Methods(ALL_METHODS),
            None => return Route::Text(404, NO_SUCH_PATH),
        },
    };
    match request.method {
        Method::Get | Method::Head => known,
        other => other_method(other, READING_METHODS),
    }
}

/// What a path is answered that knows the methods `allow`, and not this one but for `OPTIONS`.
#[cold]
fn other_method(method: Method, allow: &'static str) -> Route<'static> {
    if method == Method::Options { Route::Methods(allow) } else { Route::BadMethod(allow) }
}

/// What HTTP remembers between two requests.
#[derive(Debug)]
pub(crate) struct HttpSession {
    /// Requests must be for one of the server's hosts.
    checks_host: bool,
    /// `100 Continue` was sent for the request that is being received.
    continue_sent: bool,
    /// An answer to many keys of which a part is written.
    many_keys: Option<Box<ManyKeys>>,
}

impl HttpSession {
    pub(super) fn new(checks_host: bool) -> Self {
        Self { checks_host, continue_sent: false, many_keys: None }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.many_keys.as_ref().map_or(0, |many_keys| many_keys.held_bytes())
    }

    pub(super) fn forget_requests(&mut self) {
        self.many_keys = None;
    }
}

impl Language for HttpSession {
    type Request<'i> = Request<'i>;
    type Invalid = http::Error;

    #[inline]
    fn decode<'i>(&mut self, http: &mut RequestDecoder, input: &'i [u8]) -> NextRequest<'i, Self> {
        match http.decode(input) {
            Decoded::Message(request, bytes) => {
                self.continue_sent = false;
                match plain_lookup(&request, self.checks_host) {
                    Some((key, lookup)) => NextRequest::Lookup(key, Lookup::Http(lookup), bytes),
                    None => NextRequest::Request(request, bytes),
                }
            }
            Decoded::NeedMore => NextRequest::NeedMore,
            Decoded::Invalid(error) => NextRequest::Invalid(error),
        }
    }

    fn rewind(&mut self) {}

    #[inline]
    fn is_unfinished(&self) -> bool {
        self.many_keys.is_some()
    }

    fn go_on<R: BlockReader>(
        &mut self,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let Some(many_keys) = &mut self.many_keys else { return After::Done };
        let after = many_keys.go_on(responder, slot);
        if !matches!(after, After::Unfinished(_)) {
            self.many_keys = None;
        }
        after
    }

    fn answer<R: BlockReader>(
        &mut self,
        request: Request<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let framing = ResponseFraming::of(&request);
        if let Some(refused) = self.refusal(&request, responder.is_loading) {
            responder.loop_counters.http.requests.add(1);
            let heads = &responder.http.heads;
            match refused {
                Refused::Misdirected(host) => heads.misdirected(host, framing, &mut slot.out),
                Refused::Loading => heads.loading(framing, &mut slot.out),
            }
            return if request.keep_alive { After::Done } else { After::Close };
        }
        let Responder {
            store, lookups, http: HttpShared { heads, .. }, line, loop_counters, counters, ..
        } = responder;
        let out = &mut slot.out;
        let route = route(&request);
        if !matches!(route, Route::Key(..)) {
            loop_counters.http.requests.add(1);
        }
        match route {
            Route::Text(status, words) => heads.text(status, words, framing, out),
            Route::ManyKeys => return self.begin_many_keys(&request, framing, responder, slot),
            Route::Methods(allow) => heads.methods(allow, framing, out),
            Route::BadMethod(allow) => heads.bad_method(allow, framing, out),
            Route::Metrics => {
                let page = report::prometheus(&Readings { counters, pairs: store.len() });
                heads.document(METRICS, &page, framing, out);
            }
            Route::Stats => {
                let page = report::stats_json(&Readings { counters, pairs: store.len() });
                heads.document(JSON, &page, framing, out);
            }
            Route::Key(escaped, place) => match unescape(escaped, place, line) {
                Ok(key) => {
                    let answer = lookups.get(store, key);
                    if let LookupOutcome::NotYet = answer {
                        return After::NotYet;
                    }
                    loop_counters.http.requests.add(1);
                    loop_counters.http.add_lookup(answer.is_hit());
                    heads.answer(HttpLookup::at(place), answer, request.if_none_match, framing, out);
                }
                Err(BadEscape) => {
                    loop_counters.http.requests.add(1);
                    heads.text(400, BAD_ESCAPE, framing, out);
                }
            },
        }
        if request.keep_alive { After::Done } else { After::Close }
    }

    fn refuse<R: BlockReader>(
        &mut self,
        error: http::Error,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> &'static str {
        responder.http.refuse(error.status(), error.message(), &mut slot.out);
        error.message()
    }

    fn interim(&mut self, input: &[u8], options: &ServerOptions) -> Option<&'static [u8]> {
        if input.is_empty() || self.continue_sent {
            return None;
        }
        self.continue_sent = expects_continue(input, &options.limits.http);
        self.continue_sent.then_some(b"HTTP/1.1 100 Continue\r\n\r\n")
    }
}

/// Why a request is refused whatever it asks.
enum Refused<'i> {
    /// It is for another host.
    Misdirected(&'i [u8]),
    /// The table has no version yet.
    Loading,
}

impl HttpSession {
    /// Whether a request is refused before it is looked at. Whoever asks whether the server lives is answered.
    #[inline(never)]
    fn refusal<'i>(&self, request: &Request<'i>, is_loading: bool) -> Option<Refused<'i>> {
        let other_host = request.misdirected_to.filter(|_| self.checks_host);
        if other_host.is_none() && !is_loading {
            return None;
        }
        let (path, _) = split_target(request.target);
        match other_host {
            Some(host) if path != HEALTH && path != READINESS => Some(Refused::Misdirected(host)),
            _ if is_loading && path != HEALTH => Some(Refused::Loading),
            _ => None,
        }
    }

    /// Begins the answer to a request for many keys.
    fn begin_many_keys<R: BlockReader>(
        &mut self,
        request: &Request<'_>,
        framing: ResponseFraming,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let lines = request.accept.is_some_and(|accept| accept.prefer(LINES, JSON));
        let layout = if lines { Layout::Lines } else { Layout::Document };
        let (ending, keep_alive, length) = match request.version {
            Version::Http11 => (BodyEnd::Chunked, request.keep_alive, Length::Chunked),
            Version::Http10 => (BodyEnd::Closing, false, Length::Untold),
        };
        let mut body = Vec::new();
        request.body.append_to(&mut body);
        let heads = &responder.http.heads;
        match ManyKeys::read(&body, responder.store.clone(), layout, ending, keep_alive) {
            Ok(many_keys) => {
                let connection = if keep_alive { framing.connection } else { ConnectionHeader::Close };
                let content_type = Some(layout.content_type());
                let head = ResponseHead { length, content_type, connection, ..heads.head(200) };
                encode_head(&head, &mut slot.out);
                self.many_keys = Some(Box::new(many_keys));
                self.go_on(responder, slot)
            }
            Err(reason) => {
                heads.text(400, &reason, framing, &mut slot.out);
                if request.keep_alive { After::Done } else { After::Close }
            }
        }
    }
}

/// The key of a request that can be looked up together with others: a plain HTTP/1.1 `GET` of a key without escapes, on a
/// connection that stays.
#[inline]
fn plain_lookup<'a>(request: &Request<'a>, checks_host: bool) -> Option<(&'a [u8], HttpLookup)> {
    let is_plain_get = request.method == Method::Get
        && request.version == Version::Http11
        && request.keep_alive
        && request.if_none_match.is_none()
        && (request.misdirected_to.is_none() || !checks_host);
    if !is_plain_get {
        return None;
    }
    match route(request) {
        Route::Key(key, place) if is_plain(key, place) => Some((key, HttpLookup::at(place))),
        _ => None,
    }
}
