//! memcached's text and meta commands answered.

mod listing;
mod stats;

use std::ops::ControlFlow;
use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_catalog::TableId;
use graven_format::Store;
use graven_wire::Decoded;
use graven_wire::memcached::{
    Invalid, Item, KEY_BYTES_MAX, Limits, LoginSets, MetaGet, Mistake, Request, RequestDecoder, reply,
};

use super::access::{AccessRefusal, AccessView, Asker, LoginFailure, Wanted};
use super::key_list::KeyList;
use super::lookups::LookupOutcome;
use super::pending::Lookup;
use super::rows::row_cost;
use super::tables::{TableChoice, Unavailable};
use super::{After, ConnectionSlot, DecodeContext, Language, NextRequest, Responder, fingerprint};
use crate::clients::ClientEntry;
use crate::counters::{LoopCounters, Requests};
use crate::options::ServerOptions;
use crate::output::OutputBuffer;
use crate::request_log::RequestSummary;
use listing::Listing;

/// The memcached whose behaviour is followed, and nothing else: libmemcached takes a version that begins with 0 for an
/// error, and node-memcached reads the numbers at the end.
const VERSION: &str = "1.6.18";

/// The key of the `set` by which a client says who it is, where it need not.
const LOGIN_KEY: &[u8] = b"graven_auth";

const DAMAGED: &str = "the table is damaged where this key would lie";

/// What is said where no version answers.
pub(super) fn say_unavailable(why: Unavailable, out: &mut Vec<u8>) {
    match why {
        Unavailable::Refused(AccessRefusal::LoginFirst) => out.extend_from_slice(reply::LOGIN_FIRST),
        Unavailable::Refused(AccessRefusal::NotPermitted) => reply::client_error(out, why.words()),
        _ => reply::server_error(out, why.words()),
    }
}

/// What memcached's protocol remembers between two requests.
#[derive(Debug)]
pub(crate) struct MemcachedSession {
    decoder: RequestDecoder,
    client: Arc<ClientEntry>,
    asker: Asker,
    /// The table that is asked.
    table: TableChoice,
    /// A request of which a part is not answered.
    unfinished: Option<UnfinishedRequest>,
}

/// A request that may have more to do than fits into one turn.
#[derive(Debug)]
enum UnfinishedRequest {
    Get(UnfinishedGet),
    Listing(Listing),
}

/// A `get` of several keys. It goes on with the version that it began with.
#[derive(Debug)]
struct UnfinishedGet {
    keys: KeyList,
    cas: Cas,
    store: Arc<Store>,
}

impl MemcachedSession {
    pub(super) fn new(client: Arc<ClientEntry>, limits: Limits, listener: Option<TableId>) -> Self {
        let (decoder, asker) = (RequestDecoder::new(limits), Asker::new(listener));
        let table = asker.rule().first();
        Self { decoder, client, asker, table, unfinished: None }
    }

    /// Lets a user in that says a name, a blank and a token.
    fn login<R>(&mut self, data: &[u8], responder: &mut Responder<'_, R>) -> &'static [u8] {
        let Some(end) = memchr::memchr(b' ', data) else { return reply::LOGIN_MALFORMED };
        let (name, token) = (&data[..end], &data[end + 1..]);
        match responder.access.login(&self.asker, Some(name), token, &self.client) {
            Ok(asker) => {
                self.set_asker(asker, &responder.access);
                reply::STORED
            }
            Err(LoginFailure::Wrong | LoginFailure::TooMany) => reply::LOGIN_FAILED,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        match &self.unfinished {
            None => 0,
            Some(UnfinishedRequest::Get(get)) => get.keys.held_bytes(),
            Some(UnfinishedRequest::Listing(listing)) => listing.held_bytes(),
        }
    }

    pub(super) fn forget_requests(&mut self) {
        self.unfinished = None;
    }
}

/// Whether values carry a CAS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cas {
    Without,
    With,
}

impl Cas {
    /// The command that asks so.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Without => "get",
            Self::With => "gets",
        }
    }
}

/// What the answer to a lookup has to know of its request.
#[derive(Clone, Copy, Debug)]
pub(super) enum MemcachedLookup<'b> {
    Get(Cas),
    Meta(MetaGet<'b>),
}

impl MemcachedLookup<'_> {
    #[inline]
    pub(super) fn answer(&self, key: &[u8], answer: LookupOutcome<'_>, out: &mut OutputBuffer) {
        match (self, answer) {
            (Self::Get(cas), answer) => {
                if value_or_nothing(*cas, key, answer, out) {
                    out.extend_from_slice(reply::END);
                }
            }
            (Self::Meta(get), LookupOutcome::Value(value)) => {
                // Only the flag asks for it, and only its answer costs a fingerprint.
                let cas = if get.wants_cas() { fingerprint(value.bytes()) } else { 0 };
                let item = Item { len: value.len(), flags: 0, cas };
                get.hit_head(out, item);
                if get.wants_value() {
                    out.push_value(value);
                    out.extend_from_slice(reply::CRLF);
                }
            }
            (Self::Meta(get), LookupOutcome::Missing) => get.miss(out),
            (Self::Meta(_), LookupOutcome::Damaged | LookupOutcome::NotYet) => {
                reply::server_error(out, DAMAGED)
            }
        }
    }
}

/// The one key of a request that can be looked up together with others.
#[inline]
fn lookup<'b>(request: &Request<'b>) -> Option<(&'b [u8], MemcachedLookup<'b>)> {
    match request {
        Request::Get { with_cas, keys } => {
            let mut keys = *keys;
            let key = keys.next()?;
            let cas = if *with_cas { Cas::With } else { Cas::Without };
            keys.next().is_none().then_some((key, MemcachedLookup::Get(cas)))
        }
        Request::MetaGet(get) => Some((get.plain_key()?, MemcachedLookup::Meta(*get))),
        _ => None,
    }
}

impl Language for MemcachedSession {
    type Request<'i> = Request<'i>;
    type Invalid = Invalid;

    const NAME: &'static str = "memcached";

    fn counts(counters: &LoopCounters) -> &Requests {
        &counters.memcached
    }

    fn describe(&self, request: &Request<'_>, with_arguments: bool) -> Option<RequestSummary> {
        let command = match request {
            Request::Get { with_cas, keys } => {
                let command = if *with_cas { Cas::With } else { Cas::Without }.command();
                let mut summary = match { *keys }.next() {
                    Some(key) => RequestSummary::of_key(command, "", key),
                    None => RequestSummary::new(command, ""),
                };
                if with_arguments {
                    let all = std::iter::once(command.as_bytes()).chain(*keys);
                    summary.keep_arguments(all, 1 + keys.count());
                }
                return Some(summary);
            }
            Request::MetaGet(get) => {
                return Some(RequestSummary::of_key("mg", "", get.key(&mut [0; KEY_BYTES_MAX])));
            }
            Request::ListKeys(_) => return Some(RequestSummary::of_table("lru_crawler", "")),
            Request::MetaNoop => "mn",
            Request::Version => "version",
            Request::Verbosity { .. } => "verbosity",
            Request::Stats { .. } => "stats",
            Request::Quit => "quit",
            Request::Write { .. } => "write",
            Request::Login { .. } => "login",
            // The data block of a write.
            Request::Discarded => return None,
            Request::Mistake(_) => "invalid",
            _ => "unknown",
        };
        Some(RequestSummary::new(command, ""))
    }

    #[inline]
    fn decode<'i>(&mut self, _: &mut DecodeContext<'_, '_>, input: &'i [u8]) -> NextRequest<'i, Self> {
        match self.decoder.decode(input) {
            Decoded::Message(request, bytes) => match lookup(&request) {
                Some((key, lookup)) => NextRequest::Lookup(key, Lookup::Memcached(lookup), self.table, bytes),
                None => NextRequest::Request(request, bytes),
            },
            Decoded::NeedMore => NextRequest::NeedMore,
            Decoded::Invalid(invalid) => NextRequest::Invalid(invalid),
        }
    }

    #[inline]
    fn asker(&self) -> &Asker {
        &self.asker
    }

    fn client(&self) -> &ClientEntry {
        &self.client
    }

    fn set_asker(&mut self, asker: Asker, access: &AccessView<'_>) {
        self.decoder.read_logins(match asker.name() {
            _ if access.is_open() => LoginSets::None,
            // memcached's clients write under keys of their own, and may have been let in by the network alone.
            None if access.has_anonymous() => LoginSets::Key(LOGIN_KEY),
            None => LoginSets::Any,
            Some(_) => LoginSets::None,
        });
        self.table = asker.rule().first();
        self.asker = asker;
        self.asker.note_user(&self.client);
    }

    #[inline]
    fn table(&self) -> TableChoice {
        self.table
    }

    fn rewind(&mut self) {
        self.decoder.rewind();
    }

    #[inline]
    fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    fn go_on<R: BlockReader>(
        &mut self,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let stop = match &mut self.unfinished {
            None => return After::Done,
            Some(UnfinishedRequest::Get(UnfinishedGet { keys, cas, store })) => {
                let Responder { lookups, rows, loop_counters, .. } = responder;
                let (counts, schema) = (&loop_counters.memcached, store.schema());
                let stop = lookups.each_of(store, keys, slot, counts, |key, answer, slot| {
                    slot.spend(row_cost(schema));
                    value_or_nothing(*cas, key, rows.whole(schema, answer), &mut slot.out);
                    ControlFlow::Continue(())
                });
                if stop.is_none() {
                    slot.out.extend_from_slice(reply::END);
                }
                stop
            }
            Some(UnfinishedRequest::Listing(listing)) => {
                listing.go_on(&mut responder.lookups, &mut responder.rows, slot)
            }
        };
        if let Some(stop) = stop {
            return After::Unfinished(stop);
        }
        self.unfinished = None;
        After::Done
    }

    fn answer<R: BlockReader>(
        &mut self,
        request: Request<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let counts = &responder.loop_counters.memcached;
        let out = &mut slot.out;
        let wanted = match request {
            Request::Login { .. } | Request::Mistake(Mistake::BadData) => Wanted::Entry,
            Request::Quit | Request::Discarded => Wanted::Entry,
            _ => Wanted::Service,
        };
        if self.asker.may(wanted).is_err() {
            counts.requests.add(1);
            out.extend_from_slice(reply::LOGIN_FIRST);
            return After::Done;
        }
        match (request, responder.unavailable()) {
            (Request::Login { data }, _) => out.extend_from_slice(self.login(data, responder)),
            (Request::Get { .. } | Request::MetaGet(_) | Request::ListKeys(_), Some(why)) => {
                say_unavailable(why, out);
            }
            (Request::Get { with_cas, keys }, _) => {
                counts.requests.add(1);
                let cas = if with_cas { Cas::With } else { Cas::Without };
                let (keys, store) = (KeyList::of(keys), Arc::clone(&responder.store));
                self.unfinished = Some(UnfinishedRequest::Get(UnfinishedGet { keys, cas, store }));
                return self.go_on(responder, slot);
            }
            (Request::ListKeys(asked), _) => {
                counts.requests.add(1);
                let listing = Listing::new(asked, Arc::clone(&responder.store));
                self.unfinished = Some(UnfinishedRequest::Listing(listing));
                return self.go_on(responder, slot);
            }
            (Request::MetaGet(get), _) => {
                let mut room = [0; KEY_BYTES_MAX];
                let key = get.key(&mut room);
                let answer = responder.lookups.get(&responder.store, key);
                if let LookupOutcome::NotYet = answer {
                    return After::NotYet;
                }
                counts.add_lookup(answer.is_hit());
                let whole = responder.rows.whole(responder.store.schema(), answer);
                MemcachedLookup::Meta(get).answer(key, whole, out);
                slot.spend(row_cost(responder.store.schema()));
            }
            (Request::MetaNoop, _) => out.extend_from_slice(reply::META_NOOP),
            (Request::Version, _) => reply::version(out, VERSION),
            (Request::Verbosity { noreply: true } | Request::Write { noreply: true }, _) => {}
            (Request::Discarded, _) => return After::Done,
            (Request::Verbosity { noreply: false }, _) => out.extend_from_slice(reply::OK),
            (Request::Write { noreply: false }, _) => out.extend_from_slice(reply::READ_ONLY),
            (Request::Stats { topic }, _) => stats::stats(responder, self.asker.rule(), topic, out),
            (Request::Quit, _) => {
                counts.requests.add(1);
                return After::Close;
            }
            (Request::Mistake(mistake), _) => out.extend_from_slice(mistake.answer()),
            _ => reply::server_error(out, "this command is understood, but not answered here"),
        }
        counts.requests.add(1);
        After::Done
    }

    fn refuse<R: BlockReader>(
        &mut self,
        invalid: Invalid,
        _: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> &'static str {
        slot.out.extend_from_slice(invalid.answer());
        match invalid {
            Invalid::BinaryProtocol => "the peer speaks memcached's binary protocol",
            Invalid::HttpRequest => "an HTTP request came where memcached's protocol is spoken",
            _ => "the peer passes a limit of memcached's protocol",
        }
    }

    fn interim(&mut self, _: &[u8], _: &ServerOptions) -> Option<&'static [u8]> {
        None
    }
}

/// Writes what `get` says about one key; whether `END` may follow.
#[inline]
fn value_or_nothing(cas: Cas, key: &[u8], answer: LookupOutcome<'_>, out: &mut OutputBuffer) -> bool {
    match answer {
        LookupOutcome::Value(value) => {
            let cas = (cas == Cas::With).then(|| fingerprint(value.bytes()));
            reply::value_head(out, key, 0, cas, value.len());
            out.push_value(value);
            out.extend_from_slice(reply::CRLF);
        }
        LookupOutcome::Missing => {}
        LookupOutcome::Damaged | LookupOutcome::NotYet => {
            reply::server_error(out, DAMAGED);
            return false;
        }
    }
    true
}
