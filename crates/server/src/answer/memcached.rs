//! memcached's text and meta commands answered.

use graven_wire::Decoded;
use graven_wire::memcached::{
    Invalid, Item, KEY_BYTES_MAX, Keys, Limits, MetaGet, Request, RequestDecoder, reply,
};

use super::batch::{Said, Tried, Unfinished, Waiting};
use super::{Answered, Desk, Next, fingerprint};
use crate::output::Output;
use crate::tally::Requests;

/// The memcached whose behaviour is followed, and our own version behind it: libmemcached takes 0 for an error.
const VERSION: &str = concat!("1.6.18-graven-", env!("CARGO_PKG_VERSION"));

const DAMAGED: &str = "the table is damaged where this key would lie";

/// What memcached's protocol remembers between two requests.
#[derive(Debug)]
pub(crate) struct MemcachedSession {
    decoder: RequestDecoder,
    limits: Limits,
    /// The keys of a `get` that are not answered yet.
    unfinished: Option<(Unfinished, Cas)>,
}

impl MemcachedSession {
    pub(super) fn new(limits: Limits) -> Self {
        Self { decoder: RequestDecoder::new(limits), limits, unfinished: None }
    }

    /// The request that `input` begins with, decoded as if nobody had looked.
    #[inline]
    pub(super) fn decode_lone<'i>(&self, input: &'i [u8]) -> Decoded<Request<'i>, Invalid> {
        self.decoder.clone().decode(input)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |(unfinished, _)| unfinished.held_bytes())
    }
}

/// Whether values carry a CAS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cas {
    Without,
    With,
}

/// A request of one key, which can be answered in a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum One<'b> {
    Get(Cas),
    Meta(MetaGet<'b>),
}

impl One<'_> {
    #[inline]
    pub(super) fn answer(&self, key: &[u8], said: Said<'_>, out: &mut Output<'_>) {
        match (self, said) {
            (Self::Get(cas), said) => {
                if value_or_nothing(*cas, key, said, out) {
                    out.extend_from_slice(reply::END);
                }
            }
            (Self::Meta(get), Said::Value(value)) => {
                // Only the flag asks for it, and only its answer costs a fingerprint.
                let cas = if get.wants_cas() { fingerprint(value) } else { 0 };
                let item = Item { len: value.len(), flags: 0, cas };
                get.hit_head(out, item);
                if get.wants_value() {
                    out.push_value(value);
                    out.extend_from_slice(reply::CRLF);
                }
            }
            (Self::Meta(get), Said::Nothing) => get.miss(out),
            (Self::Meta(_), Said::Damaged) => reply::server_error(out, DAMAGED),
        }
    }
}

/// The one key of a request that can be answered in a batch.
#[inline]
pub(super) fn batched<'b>(request: &Request<'b>) -> Option<(&'b [u8], One<'b>)> {
    match request {
        Request::Get { with_cas, keys } => {
            let mut keys = *keys;
            let key = keys.next()?;
            let cas = if *with_cas { Cas::With } else { Cas::Without };
            keys.next().is_none().then_some((key, One::Get(cas)))
        }
        Request::MetaGet(get) => Some((get.plain_key()?, One::Meta(*get))),
        _ => None,
    }
}

impl Desk<'_> {
    pub(super) fn answer_memcached(
        &mut self,
        session: &mut MemcachedSession,
        input: &[u8],
        out: &mut Output<'_>,
    ) -> Answered {
        if session.unfinished.is_some() && !self.go_on_with_get(session, out) {
            return Answered { consumed: 0, next: Next::Full };
        }
        let mut waiting = Waiting::new();
        // Requests up to `at` are read. Those that are not answered wait.
        let mut at = 0;
        loop {
            if out.len() >= self.options.output_bytes_max && at < input.len() {
                return Answered { consumed: at, next: Next::Full };
            }
            let decoded = session.decoder.decode(&input[at..]);
            let mut other = None;
            if let Decoded::Message(request, bytes) = decoded {
                if let Some((key, one)) = batched(&request) {
                    waiting.push(key, one, at..at + bytes);
                    at += bytes;
                    if waiting.len() < self.scratch.batch_keys {
                        continue;
                    }
                } else {
                    other = Some((request, bytes));
                }
            }
            if !waiting.is_empty() {
                let (end, tried) = self.answer_waiting(&mut waiting, out, |one: &One<'_>, key, said, out| {
                    one.answer(key, said, out);
                });
                self.tally.memcached.requests.add(tried.keys as u64);
                count(&self.tally.memcached, tried);
                if end < at {
                    // What was read beyond is read again.
                    session.decoder = RequestDecoder::new(session.limits);
                    return Answered { consumed: end, next: Next::Full };
                }
            }
            match decoded {
                Decoded::NeedMore => return Answered { consumed: at, next: Next::NeedMore },
                Decoded::Invalid(invalid) => {
                    out.extend_from_slice(invalid.answer());
                    let reason = match invalid {
                        Invalid::BinaryProtocol => "the peer speaks memcached's binary protocol",
                        _ => "the peer passes a limit of memcached's protocol",
                    };
                    return Answered { consumed: input.len(), next: Next::Refused(reason) };
                }
                Decoded::Message(..) => {}
            }
            let Some((request, bytes)) = other else { continue };
            let (before, mark) = (at, out.mark());
            at += bytes;
            match self.answer_other(session, request, out) {
                Next::NeedMore if self.is_pending() => {
                    // The request is answered once the table was read for it; until then it is none.
                    self.tally.memcached.requests.take_back();
                    out.cut(mark);
                    session.decoder = RequestDecoder::new(session.limits);
                    return Answered { consumed: before, next: Next::Full };
                }
                Next::NeedMore => {}
                next => return Answered { consumed: at, next },
            }
        }
    }

    /// Answers a request that is not answered in a batch. [`Next::NeedMore`] when the next one may follow.
    fn answer_other(
        &mut self,
        session: &mut MemcachedSession,
        request: Request<'_>,
        out: &mut Output<'_>,
    ) -> Next {
        if request != Request::Discarded {
            self.tally.memcached.requests.add(1);
        }
        match request {
            Request::Get { with_cas, keys } => {
                return self.get_several(session, keys, if with_cas { Cas::With } else { Cas::Without }, out);
            }
            Request::MetaGet(get) => {
                let mut room = [0; KEY_BYTES_MAX];
                let key = get.key(&mut room);
                let tally = self.tally;
                let said = self.get(key);
                let hit = matches!(said, Said::Value(_));
                One::Meta(get).answer(key, said, out);
                if !self.is_pending() {
                    count(&tally.memcached, Tried { keys: 1, hits: usize::from(hit) });
                }
            }
            Request::MetaNoop => out.extend_from_slice(reply::META_NOOP),
            Request::Version => reply::version(out, VERSION),
            Request::Verbosity { noreply: true } | Request::Write { noreply: true } | Request::Discarded => {}
            Request::Verbosity { noreply: false } => out.extend_from_slice(reply::OK),
            Request::Write { noreply: false } => out.extend_from_slice(reply::READ_ONLY),
            Request::Stats { topic } => self.stats(topic, out),
            Request::Quit => return Next::Close,
            Request::Mistake(mistake) => out.extend_from_slice(mistake.answer()),
            _ => reply::server_error(out, "this command is understood, but not answered here"),
        }
        Next::NeedMore
    }

    /// Answers the keys of a `get` as far as the output has room, and remembers the others.
    fn get_several(
        &mut self,
        session: &mut MemcachedSession,
        keys: Keys<'_>,
        cas: Cas,
        out: &mut Output<'_>,
    ) -> Next {
        let (tried, left) = self.answer_many(keys, out, |key, said, out| {
            value_or_nothing(cas, key, said, out);
        });
        count(&self.tally.memcached, tried);
        if Keys::clone(&left).next().is_none() {
            out.extend_from_slice(reply::END);
            return Next::NeedMore;
        }
        session.unfinished = Some((Unfinished::of(left), cas));
        Next::Full
    }

    /// Goes on with a `get` that had to wait: whether it is finished.
    fn go_on_with_get(&mut self, session: &mut MemcachedSession, out: &mut Output<'_>) -> bool {
        let Some((mut unfinished, cas)) = session.unfinished.take() else { return true };
        let (tried, mut left) = self.answer_many(unfinished.left(), out, |key, said, out| {
            value_or_nothing(cas, key, said, out);
        });
        count(&self.tally.memcached, tried);
        let finished = left.next().is_none();
        if finished {
            out.extend_from_slice(reply::END);
        } else {
            unfinished.answered(tried.keys);
            session.unfinished = Some((unfinished, cas));
        }
        finished
    }

    fn stats(&self, topic: &[u8], out: &mut Vec<u8>) {
        match topic {
            b"" => {
                let sums = self.tallies.sum();
                let all = sums.all();
                reply::stat(out, "pid", std::process::id());
                reply::stat(out, "uptime", sums.uptime_seconds);
                reply::stat(out, "version", VERSION);
                reply::stat(out, "pointer_size", usize::BITS);
                reply::stat(out, "curr_connections", sums.connections);
                reply::stat(out, "total_connections", sums.connections_opened);
                reply::stat(out, "rejected_connections", sums.connections_refused);
                reply::stat(out, "max_connections", self.options.connections_max);
                reply::stat(out, "cmd_get", all.hits + all.misses);
                reply::stat(out, "cmd_set", 0);
                reply::stat(out, "get_hits", all.hits);
                reply::stat(out, "get_misses", all.misses);
                reply::stat(out, "bytes_read", sums.bytes_read);
                reply::stat(out, "bytes_written", sums.bytes_written);
                reply::stat(out, "threads", self.options.threads);
                reply::stat(out, "curr_items", self.store.len());
                reply::stat(out, "evictions", 0);
                sums.storage().into_iter().for_each(|(name, number)| reply::stat(out, name, number));
                out.extend_from_slice(reply::END);
            }
            b"settings" => {
                reply::stat(out, "maxconns", self.options.connections_max);
                reply::stat(out, "num_threads", self.options.threads);
                reply::stat(out, "cas_enabled", "yes");
                reply::stat(out, "binding_protocol", "ascii");
                out.extend_from_slice(reply::END);
            }
            // What follows has nothing to tell about a table that never changes, and is asked for by dashboards.
            b"items" | b"slabs" | b"sizes" | b"conns" => out.extend_from_slice(reply::END),
            b"reset" => out.extend_from_slice(reply::RESET),
            _ => reply::client_error(out, "unknown statistics"),
        }
    }
}

fn count(requests: &Requests, tried: Tried) {
    requests.hits.add(tried.hits as u64);
    requests.misses.add((tried.keys - tried.hits) as u64);
}

/// Writes what `get` says about one key; whether `END` may follow.
#[inline]
fn value_or_nothing(cas: Cas, key: &[u8], said: Said<'_>, out: &mut Output<'_>) -> bool {
    match said {
        Said::Value(value) => {
            let cas = (cas == Cas::With).then(|| fingerprint(value));
            reply::value_head(out, key, 0, cas, value.len());
            out.push_value(value);
            out.extend_from_slice(reply::CRLF);
        }
        Said::Nothing => {}
        Said::Damaged => {
            reply::server_error(out, DAMAGED);
            return false;
        }
    }
    true
}
