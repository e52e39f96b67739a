//! HTTP requests answered. Which path is what stands in `route.rs`; the body of `POST /v1/mget` is understood in `mget.rs`,
//! and what is said of tables is written in `tables.rs`.

mod heads;
mod login;
mod mget;
mod route;
mod status;
mod tables;

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_catalog::{Snapshot, TableId, TableState, TableVersion};
use graven_format::{Projection, Schema};
use graven_wire::Decoded;
use graven_wire::http::{
    self, BadEscape, ConnectionHeader, Hosts, Length, Method, Representation, Request, RequestDecoder,
    ResponseHead, UriComponent, Version, encode_head, expects_continue, find_parameter, is_plain,
    split_target, unescape,
};

use super::access::{AccessRefusal, AccessView, Asker, LoginFailure, Wanted};
use super::lookups::LookupOutcome;
use super::pending::Lookup;
use super::rows::{columns, row_cost};
use super::tables::{TableChoice, Unavailable};
use super::{After, ConnectionSlot, DecodeContext, Language, NextRequest, Responder, report};
use crate::clients::ClientEntry;
use crate::counters::{LoopCounters, Requests};
use crate::listener::ListenerRules;
use crate::options::ServerOptions;
use crate::output::OutputBuffer;
use crate::request_log::RequestSummary;
use heads::{Heads, ResponseFraming};
use login::ClientLogin;
use mget::{BodyEnd, Layout, ManyKeys};
use route::{HEALTH, HEALTHY, MISSING_KEY, NO_SUCH_PATH, READINESS, Route, route};

const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4";
const LINES: &str = "application/x-ndjson";
const BAD_ESCAPE: &str = "A % in the key is not followed by two hexadecimal digits";

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

    /// Answers come from this version of a table from now on.
    pub(super) fn answer_for(&mut self, table: TableId, version: &TableVersion) {
        self.heads.answer_for(table, version);
    }

    /// What a request that was to be looked up is answered where no version answers.
    pub(super) fn say_unavailable(&self, why: Unavailable, out: &mut Vec<u8>) {
        self.heads.unavailable(why, ResponseFraming::PLAIN, out);
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
    /// The same of a client that takes zstd.
    PlainZstd,
    /// `/v1/kv/K`: the answer carries an entity tag.
    Tagged,
    /// The same of a client that takes zstd.
    TaggedZstd,
}

impl HttpLookup {
    #[inline]
    fn of(request: &Request<'_>, place: UriComponent) -> Self {
        match (place, request.takes_zstd) {
            (UriComponent::Query, false) => Self::Plain,
            (UriComponent::Query, true) => Self::PlainZstd,
            (UriComponent::Path, false) => Self::Tagged,
            (UriComponent::Path, true) => Self::TaggedZstd,
        }
    }

    /// Which representation the client wants, where a value has two. A row is read, and has one.
    #[inline]
    pub(super) fn wanted(self, schema: Option<&Schema>) -> Representation {
        match self {
            _ if schema.is_some() => Representation::Only,
            Self::Plain | Self::Tagged => Representation::Identity,
            Self::PlainZstd | Self::TaggedZstd => Representation::Zstd,
        }
    }

    /// Whether the answer carries an entity tag.
    #[inline]
    fn is_tagged(self) -> bool {
        matches!(self, Self::Tagged | Self::TaggedZstd)
    }
}

/// What HTTP remembers between two requests.
#[derive(Debug)]
pub(crate) struct HttpSession {
    /// Requests must be for one of the server's hosts.
    checks_host: bool,
    client: Arc<ClientEntry>,
    /// Who sends the last request that was read.
    asker: Asker,
    /// The table that is asked where a request names none.
    table: TableChoice,
    /// What its `Authorization` said, and why that did not do.
    authorization: Option<Box<Authorization>>,
    /// The number of the headers by which the asker was found, where they have one.
    identified: Option<NonZeroU64>,
    /// `100 Continue` was sent for the request that is being received.
    continue_sent: bool,
    /// An answer to many keys of which a part is written.
    many_keys: Option<Box<ManyKeys>>,
}

/// What a request said of who sends it.
#[derive(Debug)]
struct Authorization {
    header: Vec<u8>,
    failure: Option<LoginFailure>,
}

impl HttpSession {
    pub(super) fn new(client: Arc<ClientEntry>, rules: ListenerRules) -> Self {
        let ListenerRules { checks_host, table, .. } = rules;
        let asker = Asker::new(table);
        let table = asker.rule().first();
        Self {
            checks_host,
            client,
            asker,
            table,
            authorization: None,
            identified: None,
            continue_sent: false,
            many_keys: None,
        }
    }

    /// Why what the last request said of who sends it did not do.
    #[inline]
    fn failure(&self) -> Option<LoginFailure> {
        self.authorization.as_ref().and_then(|said| said.failure)
    }

    /// Finds out who sends a request, which need not be who has sent the last one.
    fn identify(&mut self, request: &Request<'_>, access: &mut AccessView<'_>) {
        let said = self.authorization.as_ref().map(|said| said.header.as_slice());
        match (request.authorization, said) {
            (None, None) => {}
            (None, Some(_)) => {
                self.authorization = None;
                self.asker = access.stranger(&self.asker, &self.client);
                self.asker.note_user(&self.client);
                self.table = self.asker.rule().first();
            }
            // What was not looked at is looked at when it comes again.
            (Some(header), Some(said))
                if http::is_same_secret(header, said) && self.failure() != Some(LoginFailure::TooMany) => {}
            (Some(header), _) => {
                let asker = match ClientLogin::of(header) {
                    Some(ClientLogin { name, token }) => {
                        access.login(&self.asker, name.as_deref(), &token, &self.client)
                    }
                    None => Err(LoginFailure::Wrong),
                };
                let failure = asker.as_ref().err().copied();
                self.asker = asker.unwrap_or_else(|_| access.nobody(&self.asker));
                self.asker.note_user(&self.client);
                self.table = self.asker.rule().first();
                self.authorization = Some(Box::new(Authorization { header: header.to_vec(), failure }));
            }
        }
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

    const NAME: &'static str = "http";

    fn counts(counters: &LoopCounters) -> &Requests {
        &counters.http
    }

    fn describe(&self, request: &Request<'_>, _: bool) -> Option<RequestSummary> {
        let (route, _) = route(request);
        let method = request.method.name().unwrap_or("other");
        Some(match route {
            Route::Key(escaped, place) => {
                let mut room = Vec::new();
                let key = unescape(escaped, place, &mut room).unwrap_or(escaped);
                RequestSummary::of_key(method, route.name(), key)
            }
            Route::ManyKeys => RequestSummary::of_table(method, route.name()),
            _ => RequestSummary::new(method, route.name()),
        })
    }

    #[inline]
    fn decode<'i>(&mut self, shared: &mut DecodeContext<'_, '_>, input: &'i [u8]) -> NextRequest<'i, Self> {
        match shared.http.decode(input) {
            Decoded::Message(request, bytes) => {
                self.continue_sent = false;
                if !shared.access.is_open() {
                    // The same headers say the same, and those that were compared once need not be compared again.
                    let headers = shared.http.headers_number();
                    if headers.is_none() || headers != self.identified {
                        self.identify(&request, shared.access);
                        let was_looked_at = self.failure() != Some(LoginFailure::TooMany);
                        self.identified = headers.filter(|_| was_looked_at);
                    }
                    if self.failure().is_some() {
                        // Why that is has to be said, which is not known where keys are looked up.
                        return NextRequest::Request(request, bytes);
                    }
                }
                match self.plain_lookup(&request, shared.snapshot) {
                    Some((key, lookup, table)) => {
                        NextRequest::Lookup(key, Lookup::Http(lookup), table, bytes)
                    }
                    None => NextRequest::Request(request, bytes),
                }
            }
            Decoded::NeedMore => NextRequest::NeedMore,
            Decoded::Invalid(error) => NextRequest::Invalid(error),
        }
    }

    #[inline]
    fn asker(&self) -> &Asker {
        &self.asker
    }

    fn client(&self) -> &ClientEntry {
        &self.client
    }

    fn set_asker(&mut self, asker: Asker, _: &AccessView<'_>) {
        // Whoever says no more what was right must not be taken for who they were.
        self.authorization = None;
        self.identified = None;
        self.table = asker.rule().first();
        self.asker = asker;
        self.asker.note_user(&self.client);
    }

    #[inline]
    fn table(&self) -> TableChoice {
        self.table
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
        let out = &mut slot.out;
        let heads = &responder.http.heads;
        if let Some(host) = self.other_host(&request) {
            responder.loop_counters.http.requests.add(1);
            heads.misdirected(host, framing, out);
            return if request.keep_alive { After::Done } else { After::Close };
        }
        let (route, table) = route(&request);
        if let Err(refusal) = self.asker.may(wanted(&route)) {
            responder.loop_counters.http.requests.add(1);
            heads.refused(refusal, self.failure(), framing, out);
            return if request.keep_alive { After::Done } else { After::Close };
        }
        if let Some(name) = table
            && let Err(unavailable) = self.name_table(name, responder)
        {
            responder.loop_counters.http.requests.add(1);
            responder.http.heads.unavailable(unavailable, framing, out);
            return if request.keep_alive { After::Done } else { After::Close };
        }
        if let (Route::Key(escaped, place), None) = (&route, responder.unavailable()) {
            let Responder {
                store, lookups, rows, http: HttpShared { heads, .. }, line, loop_counters, ..
            } = responder;
            let schema = store.schema();
            match (unescape(escaped, *place, line), fields(&request, schema)) {
                (Ok(key), Ok(columns)) => {
                    let lookup = HttpLookup::of(&request, *place);
                    let answer = lookups.get_as(lookup.wanted(schema), store, key);
                    if let LookupOutcome::NotYet = answer {
                        return After::NotYet;
                    }
                    loop_counters.http.add_lookup(answer.is_hit());
                    let answer = match schema.zip(columns.as_ref()) {
                        Some((schema, columns)) => rows.some(schema, columns, answer),
                        None => rows.whole(schema, answer),
                    };
                    heads.answer(lookup, answer, request.if_none_match, framing, out);
                    slot.spend(row_cost(schema));
                }
                (Err(BadEscape), _) => heads.text(400, BAD_ESCAPE, framing, out),
                (_, Err(wrong)) => heads.table_text(400, &wrong, framing, out),
            }
            loop_counters.http.requests.add(1);
            return if request.keep_alive { After::Done } else { After::Close };
        }
        responder.loop_counters.http.requests.add(1);
        let heads = &responder.http.heads;
        match (route, responder.unavailable()) {
            (Route::Key(..) | Route::ManyKeys, Some(why)) => heads.unavailable(why, framing, out),
            (Route::Key(..), None) => unreachable!("it was looked up above"),
            (Route::ManyKeys, None) => return self.begin_many_keys(&request, framing, responder, slot),
            (Route::Text(status, words), _) => heads.text(status, words, framing, out),
            (Route::Front, _) if !responder.options.status.off && status::is_for_browser(&request) => {
                heads.see_other(status::LOCATION, framing, out);
            }
            (Route::Front, _) => heads.text(400, MISSING_KEY, framing, out),
            (Route::StatusPage | Route::StatusJson, _) if responder.options.status.off => {
                heads.text(404, NO_SUCH_PATH, framing, out);
            }
            (Route::StatusPage, _) => heads.page(&status::PAGE, framing, out),
            (Route::StatusJson, _) => {
                let page = status::document(responder, &self.asker);
                heads.document(JSON, &page, framing, out);
            }
            (Route::Alive, _) => heads.text(200, HEALTHY, framing, out),
            (Route::Methods(allow), _) => heads.methods(allow, framing, out),
            (Route::BadMethod(allow), _) => heads.bad_method(allow, framing, out),
            (Route::Metrics, _) => {
                heads.document(
                    METRICS,
                    &report::prometheus(&responder.readings_of_all(self.asker.rule()), self.asker.rule()),
                    framing,
                    out,
                );
            }
            (Route::Stats, _) => {
                heads.document(
                    JSON,
                    &report::stats_json(&responder.readings_of_all(self.asker.rule()), self.asker.rule()),
                    framing,
                    out,
                );
            }
            (Route::Ready, _) => match tables::readiness(&responder.snapshot, &self.asker) {
                Ok(words) => heads.text(200, words, framing, out),
                Err(words) => heads.not_yet(&words, framing, out),
            },
            (Route::Tables, _) => {
                let page = tables::all(&responder.snapshot, &self.asker);
                heads.document(JSON, &page, framing, out);
            }
            (Route::Table(name), _) => match self.named(name, &responder.snapshot) {
                Ok(table) => {
                    let page = tables::one(&responder.snapshot, table);
                    heads.document(JSON, &page, framing, out);
                }
                Err(unavailable) => heads.unavailable(unavailable, framing, out),
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

impl HttpSession {
    /// The host that a request is for, where that is none of the server's. Whoever asks whether the server lives or is ready
    /// is answered.
    #[inline]
    fn other_host<'i>(&self, request: &Request<'i>) -> Option<&'i [u8]> {
        let host = request.misdirected_to.filter(|_| self.checks_host)?;
        let (path, _) = split_target(request.target);
        (path != HEALTH && path != READINESS).then_some(host)
    }

    /// The table that a path names, if there is one and it may be asked.
    fn named<'s>(&self, name: &[u8], snapshot: &'s Snapshot) -> Result<&'s TableState, Unavailable> {
        let rule = self.asker.rule();
        let named = std::str::from_utf8(name).ok().and_then(|name| snapshot.named(name));
        match named.filter(|table| rule.permits(table.id())) {
            Some(table) if rule.allows(table.id()) => Ok(table),
            // Where some may not be asked, nothing is said of whether they are there.
            None if rule.is_limited() => Err(Unavailable::Refused(AccessRefusal::NotPermitted)),
            _ => Err(Unavailable::Unknown),
        }
    }

    /// Has the table answer that a path names, or that version of it: `NAME` or `NAME@VERSION`.
    fn name_table<R: BlockReader>(
        &self,
        name: &[u8],
        responder: &mut Responder<'_, R>,
    ) -> Result<(), Unavailable> {
        let mut room = Vec::new();
        let name = match memchr::memchr(b'%', name) {
            Some(_) => {
                unescape(name, UriComponent::Path, &mut room).map_err(|BadEscape| Unavailable::Unknown)?
            }
            None => name,
        };
        let (name, version) = match memchr::memchr(b'@', name) {
            Some(at) => (&name[..at], Some(String::from_utf8_lossy(&name[at + 1..]))),
            None => (name, None),
        };
        let table = self.named(name, &responder.snapshot)?;
        let id = table.id();
        match version.as_ref().map(Cow::as_ref) {
            None => responder.ask(TableChoice::Table(id)),
            Some(version) => {
                let version = Arc::clone(table.version(version).ok_or(Unavailable::NotHeld)?);
                responder.answer_from(id, version);
            }
        }
        Ok(())
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
                let head = ResponseHead { length, content_type, connection, ..heads.table_head(200) };
                encode_head(&head, &mut slot.out);
                self.many_keys = Some(Box::new(many_keys));
                self.go_on(responder, slot)
            }
            Err(reason) => {
                heads.table_text(400, &reason, framing, &mut slot.out);
                if request.keep_alive { After::Done } else { After::Close }
            }
        }
    }

    /// The key of a request that can be looked up together with others, and its table: a plain HTTP/1.1 `GET` of a key without
    /// escapes, on a connection that stays.
    #[inline]
    fn plain_lookup<'a>(
        &self,
        request: &Request<'a>,
        snapshot: &Snapshot,
    ) -> Option<(&'a [u8], HttpLookup, TableChoice)> {
        let is_plain_get = request.method == Method::Get
            && request.version == Version::Http11
            && request.keep_alive
            && request.if_none_match.is_none()
            && (request.misdirected_to.is_none() || !self.checks_host);
        if !is_plain_get {
            return None;
        }
        // Most requests are this one, and one look at the key says all.
        if let Some(key) = request.target.strip_prefix(b"/?key=")
            && !key.is_empty()
            && memchr::memchr3(b'&', b'%', b'+', key).is_none()
        {
            let lookup = HttpLookup::of(request, UriComponent::Query);
            return Some((key, lookup, self.table));
        }
        let (Route::Key(key, place), table) = route(request) else { return None };
        if !is_plain(key, place) || asked_fields(request).is_some() {
            return None;
        }
        let table = match table {
            None => self.table,
            Some(name) => TableChoice::Table(self.named(name, snapshot).ok()?.id()),
        };
        Some((key, HttpLookup::of(request, place), table))
    }
}

/// What a route asks for, but for the table, which is looked at where it is named.
fn wanted(route: &Route<'_>) -> Wanted {
    match route {
        // A browser asks what it may send before it sends who asks.
        Route::Ready | Route::Alive | Route::Methods(_) => Wanted::Entry,
        _ => Wanted::Service,
    }
}

/// What the query of a request for a key says of columns.
#[inline]
fn asked_fields<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let (_, query) = split_target(request.target);
    find_parameter(query?, b"fields")
}

/// The columns that a request for a key asks for, with commas between them; what is wrong with them.
fn fields(request: &Request<'_>, schema: Option<&Schema>) -> Result<Option<Projection>, String> {
    let Some(asked) = asked_fields(request) else { return Ok(None) };
    let mut room = Vec::new();
    let names = unescape(asked, UriComponent::Query, &mut room)
        .map_err(|BadEscape| "A % in `fields` is not followed by two hexadecimal digits".to_owned())?;
    let names = std::str::from_utf8(names).map_err(|_| "`fields` is not UTF-8".to_owned())?;
    let names: Vec<&str> = names.split(',').collect();
    columns(schema, &names).map(Some)
}
