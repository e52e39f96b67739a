//! Where requests meet the table: bytes of connections in, answers out. No stream is known here.
//!
//! One loop, [`Responder::respond`], serves every language through the small trait [`Language`]. Requests for one key gather
//! in [`Pending`], those of several connections together, and are looked up at once; a request of another kind is answered
//! when those before it are. A request that has more to do than fits into one turn is kept by its session and goes on in the
//! next.

mod access;
mod detect;
mod farewell;
mod http;
mod key_list;
mod language;
mod lookups;
mod memcached;
mod pending;
mod recorded;
mod report;
mod resp;
mod rows;
mod session;
mod slot;
mod tables;

use std::ops::ControlFlow;
use std::sync::Arc;

use graven_access::Access;
use graven_blocks::BlockReader;
use graven_catalog::{Catalog, Snapshot, TableId, TableState, TableVersion};
use graven_format::{Builder, Store, TextRoom};
use graven_wire::http::{Hosts, Representation};

use crate::clients::Clients;
use crate::counters::{Counters, LoopCounters, Readings};
use crate::options::ServerOptions;
use crate::request_log::{OpenRequest, RequestRecorder, RequestSummary};
use access::AccessView;
#[cfg(feature = "tls")]
pub(crate) use detect::first_words;
use detect::{Detected, detect};
pub(crate) use farewell::Farewell;
pub(crate) use language::After;
use language::{DecodeContext, Language, NextRequest};
pub(crate) use lookups::{KEYS_MAX, LookupOutcome, Lookups};
pub(crate) use pending::Pending;
use pending::{Lookup, PendingLookup};
use recorded::{RecordedLookup, begin_part};
use rows::{RowText, row_cost};
pub(crate) use session::Session;
pub(crate) use slot::{ConnectionSlot, FIRST_COST_MAX, FURTHER_COST_MAX, LOOKUP_COST, StopReason};
pub(crate) use tables::Databases;
use tables::{TableChoice, TableRule, Unavailable};

/// How it goes on with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The rest of the input is the beginning of a request: more has to come.
    NeedMore,
    /// There are requests that wait for another turn, or until the answers so far were read.
    Full,
    /// There are requests that have to wait until a block was read.
    Reading,
    /// The last answer was given.
    Close,
    /// The rest is no request; the peer was told, and this is the reason for the log.
    Refused(&'static str),
}

impl From<StopReason> for Next {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Full => Self::Full,
            StopReason::NotYet => Self::Reading,
        }
    }
}

/// One loop's means of answering: the tables, and room that is used again and again.
#[derive(Debug)]
pub(crate) struct Responder<'a, R> {
    catalog: &'a Catalog,
    /// The tables as requests find them that are decoded from now on.
    snapshot: Arc<Snapshot>,
    /// The table that is asked at present; `None` for a version that a request has named.
    asked: Option<TableChoice>,
    /// Its version, or why it has none.
    version: Result<Arc<TableVersion>, Unavailable>,
    /// How often another version has come to answer for a table.
    switches: u64,
    /// What is looked up in: that version's, or an empty one.
    store: Arc<Store>,
    empty: Arc<Store>,
    lookups: Lookups<R>,
    /// Room for rows that are answered as a whole.
    rows: RowText,
    http: http::HttpShared<'a>,
    access: AccessView<'a>,
    /// A key whose escapes were undone, or a command that was typed by hand.
    line: Vec<u8>,
    /// Room for the text of a field.
    text: TextRoom,
    options: &'a ServerOptions,
    databases: &'a Databases,
    clients: &'a Clients,
    counters: &'a Counters,
    loop_counters: &'a LoopCounters,
}

impl<R> Responder<'_, R> {
    /// The table that is asked, if there is one.
    fn table(&self) -> Option<&TableState> {
        match self.asked {
            Some(TableChoice::Default) => self.snapshot.default_table(),
            Some(TableChoice::Table(id)) => self.snapshot.table(id),
            _ => None,
        }
    }

    /// Why nothing can be looked up, where that is so.
    #[inline]
    fn unavailable(&self) -> Option<Unavailable> {
        self.version.as_ref().err().copied()
    }

    /// What the server's numbers are read from.
    fn readings(&self) -> Readings<'_> {
        Readings { counters: self.counters, pairs: self.store.len(), snapshot: &self.snapshot }
    }

    /// The same, of all tables together that may be asked.
    fn readings_of_all(&self, rule: &TableRule) -> Readings<'_> {
        let versions = rule.of(&self.snapshot).filter_map(TableState::current);
        Readings { pairs: versions.map(|version| version.store().len()).sum(), ..self.readings() }
    }
}

impl<'a, R: BlockReader> Responder<'a, R> {
    /// Answers from the tables of `catalog` as they are now.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        catalog: &'a Catalog,
        access: &'a Access,
        options: &'a ServerOptions,
        hosts: &Hosts,
        databases: &'a Databases,
        counters: &'a Counters,
        loop_counters: &'a LoopCounters,
        clients: &'a Clients,
    ) -> Result<Self, graven_format::Error> {
        let build = graven_format::Options { threads: 1, ..graven_format::Options::default() };
        let (empty, _) = Builder::new(build).finish()?;
        let empty = Arc::new(empty);
        let mut responder = Self {
            catalog,
            snapshot: Arc::default(),
            asked: None,
            version: Err(Unavailable::Empty),
            switches: 0,
            store: Arc::clone(&empty),
            empty,
            lookups: Lookups::new(options.limits.output_bytes_max),
            rows: RowText::default(),
            http: http::HttpShared::new(options, hosts),
            access: AccessView::new(access, catalog, loop_counters),
            line: Vec::new(),
            text: TextRoom::default(),
            options,
            databases,
            clients,
            counters,
            loop_counters,
        };
        responder.follow_catalog();
        Ok(responder)
    }

    /// Requests that are decoded from now on are answered from the tables as they are now. Whether another version answers for
    /// one of them.
    pub(crate) fn follow_catalog(&mut self) -> bool {
        let before = self.use_snapshot(self.catalog.snapshot());
        let has_changed = |table: &TableState| {
            let now = self.snapshot.table(table.id()).and_then(TableState::current);
            table.current().map(|version| version.label()) != now.map(|version| version.label())
        };
        let is_switch = before.tables().any(has_changed);
        self.switches += u64::from(is_switch);
        is_switch
    }

    /// A table that is on disk, if there is one.
    pub(crate) fn table_on_disk(&self) -> Option<&Arc<Store>> {
        let versions = self.snapshot.tables().flat_map(TableState::versions);
        versions.map(|version| version.store()).find(|store| store.disk().is_some())
    }

    /// Requests find the tables as they are in `snapshot`. Returns how they found them before.
    fn use_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        // What is no longer asked is let go, whoever asks next.
        self.choose(self.asked.unwrap_or(TableChoice::Default));
        before
    }

    /// Has a table answer.
    #[inline]
    fn ask(&mut self, table: TableChoice) {
        if self.asked != Some(table) {
            self.choose(table);
        }
    }

    #[inline(never)]
    fn choose(&mut self, table: TableChoice) {
        match tables::version(&self.snapshot, table) {
            Ok((id, version)) => {
                let version = Arc::clone(version);
                self.answer_from(id, version);
            }
            Err(unavailable) => {
                self.store = Arc::clone(&self.empty);
                self.version = Err(unavailable);
            }
        }
        self.asked = Some(table);
    }

    /// Has a version of a table answer that a request has named.
    fn answer_from(&mut self, table: TableId, version: Arc<TableVersion>) {
        self.store = Arc::clone(version.store());
        self.http.answer_for(table, &version);
        (self.version, self.asked) = (Ok(version), None);
    }

    /// The value of `Date` headers from now on.
    #[inline]
    pub(crate) fn set_date(&mut self, date: &str) {
        self.http.set_date(date);
    }

    /// Whether every connection waits for blocks of its own, so that its lookups cannot be done with those of others.
    #[inline]
    pub(crate) fn looks_up_apart(&self) -> bool {
        self.store.disk().is_some()
    }

    pub(crate) fn lookups(&mut self) -> &mut Lookups<R> {
        &mut self.lookups
    }

    pub(crate) fn loop_counters(&self) -> &'a LoopCounters {
        self.loop_counters
    }

    /// Answers the requests in `input`, which may end in the middle of one, into the slot of this `number`. Requests for one
    /// key may be left in `pending`, to be [looked up](Self::look_up) with those of other connections. `recorder` learns of those
    /// that are answered.
    pub(crate) fn respond<'i>(
        &mut self,
        session: &mut Session,
        number: usize,
        input: &'i [u8],
        pending: &mut Pending<'i>,
        slots: &mut [ConnectionSlot],
        recorder: Option<&mut RequestRecorder>,
    ) -> Next {
        if let Session::Undecided(rules, client) = session {
            match detect(input) {
                Detected::Is(protocol) => *session = Session::of(protocol, *rules, client, self.options),
                Detected::NeedMore => return Next::NeedMore,
            }
        }
        match session {
            Session::Http(http) => self.respond_in(&mut **http, number, input, pending, slots, recorder),
            Session::Resp(resp) => {
                // Never within an answer.
                if resp.is_tracking() && !resp.is_unfinished() {
                    resp.tell_of_switch(self.switches, &mut slots[number].out);
                }
                let next = self.respond_in(&mut **resp, number, input, pending, slots, recorder);
                if resp.is_tracking() && !resp.is_unfinished() {
                    resp.tell_of_switch(self.switches, &mut slots[number].out);
                }
                next
            }
            Session::Memcached(memcached) => {
                self.respond_in(&mut **memcached, number, input, pending, slots, recorder)
            }
            Session::Undecided(..) => Next::NeedMore,
        }
    }

    fn respond_in<'i, L: Language>(
        &mut self,
        language: &mut L,
        number: usize,
        input: &'i [u8],
        pending: &mut Pending<'i>,
        slots: &mut [ConnectionSlot],
        mut recorder: Option<&mut RequestRecorder>,
    ) -> Next {
        self.access.follow();
        if !self.access.has_found(language.asker()) {
            let asker = self.access.find_again(language.asker(), language.client());
            language.set_asker(asker, &self.access);
        }
        if language.is_unfinished() {
            // It may ask another table.
            self.look_up(pending, slots, recorder.as_deref_mut());
            let slot = &mut slots[number];
            let open = recorder.as_deref_mut().and_then(|recorder| recorder.take_open(number));
            let open = open.map(|open| begin_part::<L>(open, slot, self.loop_counters));
            let after = language.go_on(self, slot);
            if let (Some(recorder), Some(open)) = (recorder.as_deref_mut(), open) {
                self.record::<L>(recorder, number, 0, open, after, slot);
            }
            match after {
                After::Done => {}
                After::NotYet => return Next::Reading,
                After::Unfinished(stop) => return stop.into(),
                After::Close => return Next::Close,
            }
        }
        // Requests up to here are read. Those that are not answered are pending.
        let mut at = 0;
        loop {
            let Self { http, snapshot, access, .. } = self;
            let read = language
                .decode(&mut DecodeContext { http: &mut http.decoder, snapshot, access }, &input[at..]);
            if let NextRequest::Lookup(key, lookup, table, bytes) = read {
                if self.asked != Some(table) {
                    self.look_up(pending, slots, recorder.as_deref_mut());
                    if let Some(stop) = slots[number].stop {
                        return stop.into();
                    }
                    self.choose(table);
                }
                at += bytes;
                pending.push(key, PendingLookup { lookup, slot: number, end: at });
                if let Some(recorder) = recorder.as_deref_mut() {
                    recorder.add_pending(language.asker().name());
                }
                if pending.len() >= self.lookups.batch_keys() {
                    self.look_up(pending, slots, recorder.as_deref_mut());
                    if let Some(stop) = slots[number].stop {
                        return stop.into();
                    }
                }
                continue;
            }
            if let NextRequest::NeedMore = read {
                let Some(interim) = language.interim(&input[at..], self.options) else {
                    return Next::NeedMore;
                };
                self.look_up(pending, slots, recorder.as_deref_mut());
                if let Some(stop) = slots[number].stop {
                    return stop.into();
                }
                slots[number].out.extend_from_slice(interim);
                return Next::NeedMore;
            }
            if !pending.is_empty() {
                self.look_up(pending, slots, recorder.as_deref_mut());
                if let Some(stop) = slots[number].stop {
                    return stop.into();
                }
            }
            let slot = &mut slots[number];
            match read {
                NextRequest::Request(request, bytes) => {
                    self.ask(language.table());
                    let open = recorder.as_deref_mut().and_then(|recorder| {
                        let summary = language.describe(&request, recorder.wants_arguments())?;
                        let open = OpenRequest::new(L::NAME, summary);
                        Some(begin_part::<L>(Box::new(open), slot, self.loop_counters))
                    });
                    let after = language.answer(request, self, slot);
                    if let (Some(recorder), Some(mut open)) = (recorder.as_deref_mut(), open) {
                        // Who asks may be known since just now.
                        open.set_user(language.asker().name());
                        self.record::<L>(recorder, number, at + bytes, open, after, slot);
                    }
                    if after == After::NotYet {
                        return Next::Reading;
                    }
                    at += bytes;
                    slot.consumed = at;
                    slot.spend(LOOKUP_COST);
                    match after {
                        After::Done | After::NotYet if slot.is_full() && at < input.len() => {
                            return Next::Full;
                        }
                        After::Done | After::NotYet => {}
                        After::Unfinished(stop) => return stop.into(),
                        After::Close => return Next::Close,
                    }
                }
                NextRequest::Invalid(invalid) => {
                    slot.consumed = input.len();
                    let open = recorder.is_some().then(|| {
                        let open = OpenRequest::new(L::NAME, RequestSummary::new("invalid", ""));
                        begin_part::<L>(Box::new(open), slot, self.loop_counters)
                    });
                    let reason = language.refuse(invalid, self, slot);
                    if let (Some(recorder), Some(open)) = (recorder.as_deref_mut(), open) {
                        // Where it ends is not known.
                        self.record::<L>(recorder, number, at + 1, open, After::Close, slot);
                    }
                    return Next::Refused(reason);
                }
                NextRequest::Lookup(..) | NextRequest::NeedMore => {}
            }
        }
    }

    /// Looks up what is pending, and answers each request into its connection's slot, as far as that has room. A slot whose
    /// requests are not all answered is stopped.
    #[inline(never)]
    pub(crate) fn look_up(
        &mut self,
        pending: &mut Pending<'_>,
        slots: &mut [ConnectionSlot],
        mut recorder: Option<&mut RequestRecorder>,
    ) {
        let mut first = 0;
        while first < pending.len() {
            first = match recorder.as_deref_mut() {
                None => self.look_up_from::<false>(first, pending, slots, None),
                recorder => self.look_up_from::<true>(first, pending, slots, recorder),
            };
        }
        pending.clear();
        if let Some(recorder) = recorder {
            recorder.clear_pending();
        }
    }

    /// Looks up what is pending from number `first` on. Returns with which to go on: the next connection's, where requests of a
    /// slot that is stopped come first. `RECORDS` says whether there is a recorder: compiled for both, since this is what each
    /// request goes through.
    fn look_up_from<const RECORDS: bool>(
        &mut self,
        first: usize,
        pending: &Pending<'_>,
        slots: &mut [ConnectionSlot],
        mut recorder: Option<&mut RequestRecorder>,
    ) -> usize {
        if let Err(unavailable) = self.version {
            return self.say_unavailable(unavailable, first, pending, slots, recorder.as_deref_mut());
        }
        let Self { store, version, lookups, rows, http, text, options, loop_counters, .. } = self;
        let schema = store.schema();
        let Pending { keys, asked } = pending;
        let mut next = keys.len();
        let wanted = |i: usize| match asked[first + i].lookup {
            Lookup::Http(lookup) => lookup.wanted(schema),
            Lookup::Resp(_) | Lookup::Hash(..) | Lookup::Memcached(_) => Representation::Only,
        };
        lookups.each(store, &keys[first..], wanted, |i, answer| {
            let i = first + i;
            let PendingLookup { lookup, slot: number, end } = &asked[i];
            let slot = &mut slots[*number];
            if let LookupOutcome::NotYet = answer {
                slot.stop = Some(StopReason::NotYet);
                return ControlFlow::Continue(());
            }
            slot.spend_lookup(answer);
            let begin = RECORDS.then(|| slot.out.end());
            let counts = match lookup {
                Lookup::Http(_) => &loop_counters.http,
                Lookup::Resp(_) | Lookup::Hash(..) => &loop_counters.resp,
                Lookup::Memcached(_) => &loop_counters.memcached,
            };
            counts.add_lookup(answer.is_hit());
            counts.requests.add(1);
            if schema.is_none() {
                match lookup {
                    Lookup::Http(lookup) => http.answer(*lookup, answer, &mut slot.out),
                    Lookup::Resp(version) => resp::value_or_null(answer, *version, &mut slot.out),
                    Lookup::Memcached(lookup) => lookup.answer(keys[i], answer, &mut slot.out),
                    Lookup::Hash(version, lookup) => lookup.answer(None, answer, *version, text, slot),
                }
            } else if let Lookup::Hash(version, lookup) = lookup {
                lookup.answer(schema, answer, *version, text, slot);
            } else {
                slot.spend(row_cost(schema));
                let whole = rows.whole(schema, answer);
                match lookup {
                    Lookup::Http(lookup) => http.answer(*lookup, whole, &mut slot.out),
                    Lookup::Resp(version) => {
                        resp::row_or_null(whole, options.row_get, *version, &mut slot.out);
                    }
                    Lookup::Memcached(lookup) => lookup.answer(keys[i], whole, &mut slot.out),
                    Lookup::Hash(..) => {}
                }
            }
            if let (Some(recorder), Some(begin)) = (recorder.as_deref_mut(), begin) {
                let (is_hit, version, out) = (Some(answer.is_hit()), version.as_ref().ok(), &slot.out);
                let (slot, end, key) = (*number, *end, keys[i]);
                let recorded = RecordedLookup { i, slot, end, key, lookup, version, is_hit, begin };
                recorded.record(recorder, out);
            }
            slot.consumed = *end;
            if !slot.is_full() {
                return ControlFlow::Continue(());
            }
            slot.stop = Some(StopReason::Full);
            let behind = pending.next_slot(i);
            if behind == i + 1 {
                return ControlFlow::Continue(());
            }
            next = behind;
            ControlFlow::Break(())
        });
        next
    }

    /// As [`Self::look_up_from`], while there is nothing to look up in.
    #[cold]
    fn say_unavailable(
        &self,
        unavailable: Unavailable,
        first: usize,
        pending: &Pending<'_>,
        slots: &mut [ConnectionSlot],
        mut recorder: Option<&mut RequestRecorder>,
    ) -> usize {
        for (i, asked) in pending.asked.iter().enumerate().skip(first) {
            let slot = &mut slots[asked.slot];
            let begin = slot.out.end();
            let counts = match asked.lookup {
                Lookup::Http(_) => {
                    self.http.say_unavailable(unavailable, &mut slot.out);
                    &self.loop_counters.http
                }
                Lookup::Resp(_) | Lookup::Hash(..) => {
                    resp::say_unavailable(unavailable, &mut slot.out);
                    &self.loop_counters.resp
                }
                Lookup::Memcached(_) => {
                    memcached::say_unavailable(unavailable, &mut slot.out);
                    &self.loop_counters.memcached
                }
            };
            counts.requests.add(1);
            if let Some(recorder) = recorder.as_deref_mut() {
                let (out, key) = (&slot.out, pending.keys[i]);
                let PendingLookup { lookup, slot, end } = &asked;
                let (slot, end) = (*slot, *end);
                let recorded =
                    RecordedLookup { i, slot, end, key, lookup, version: None, is_hit: None, begin };
                recorded.record(recorder, out);
            }
            slot.spend(LOOKUP_COST);
            slot.consumed = asked.end;
            if slot.is_full() {
                slot.stop = Some(StopReason::Full);
                return pending.next_slot(i);
            }
        }
        pending.len()
    }

    /// Tells the peer why the connection is about to be closed, in words that the protocol has for it.
    pub(crate) fn say_farewell(&self, session: &Session, farewell: Farewell, out: &mut Vec<u8>) {
        match session {
            Session::Undecided(..) => {}
            Session::Http(_) => self.http.refuse(farewell.status(), farewell.words(), out),
            Session::Resp(_) if farewell == Farewell::RequestTookTooLong => {}
            Session::Resp(resp) if resp.is_silent() => {}
            Session::Resp(_) => {
                graven_wire::resp::reply::error(out, format!("ERR {}", farewell.words()).as_bytes());
            }
            Session::Memcached(_) if farewell == Farewell::RequestTookTooLong => {}
            Session::Memcached(_) => graven_wire::memcached::reply::server_error(out, farewell.words()),
        }
    }
}

/// A number that stands for a value, the same in every run: CAS numbers and entity tags are made of it.
fn fingerprint(value: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(value)
}
