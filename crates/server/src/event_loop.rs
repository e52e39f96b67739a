//! One event loop: waits for events, and gives the connections that have some their turns.
//!
//! Connections that have little to do come first. What one turn does not finish is done in further turns, some in each round
//! of the loop, so that nobody's work is waited for longer than about a millisecond.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use graven_access::Access;
use graven_blocks::{Cache, Fetcher};
use graven_catalog::Catalog;
use graven_wire::http::Hosts;
use slab::Slab;

use crate::accept::{Acceptor, Inbox};
use crate::answer::{Databases, FIRST_COST_MAX, FURTHER_COST_MAX, Responder};
use crate::buffered::{Buffered, Relief};
use crate::clients::Clients;
use crate::clock::{Clock, TICK};
use crate::connection::{Connection, LoopAction, LoopShared, TimeoutTicks};
use crate::counters::Counters;
use crate::error::Error;
use crate::journal::Journal;
use crate::listener::ListenerRules;
use crate::options::{ServerOptions, StorageOptions};
use crate::request_log::RequestRecorder;
use crate::shutdown::Shutdown;
use crate::system::{Event, Stream, System};
use crate::turn::{TURNS_MAX, Turns};

/// Connections are looked at for timeouts in this many parts, one each tick.
const SWEEP_PARTS: usize = 4;

/// How long one round of the loop works on what earlier turns have left.
const LEFTOVERS_TIME: Duration = Duration::from_micros(500);

/// Connections with work left that have their turns at once: few, so that the time is looked at often.
const LEFTOVERS_AT_ONCE: usize = 4;

/// What all loops have in common.
#[derive(Debug)]
pub(crate) struct Common<'a, S: System> {
    pub(crate) inboxes: &'a [Inbox<S::Stream>],
    pub(crate) counters: &'a Counters,
    pub(crate) clients: &'a Clients,
    pub(crate) buffered: &'a Buffered,
    pub(crate) catalog: &'a Catalog,
    pub(crate) access: &'a Access,
    pub(crate) options: &'a ServerOptions,
    /// The hosts under which requests may be sent, where a listener checks that.
    pub(crate) hosts: &'a Hosts,
    /// The numbers by which Redis clients select tables.
    pub(crate) databases: &'a Databases,
    pub(crate) shutdown: &'a Shutdown,
}

impl<S: System> Clone for Common<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: System> Copy for Common<'_, S> {}

#[derive(Debug)]
pub(crate) struct EventLoop<'a, S: System> {
    common: Common<'a, S>,
    /// Which of the loops this is.
    i: usize,
    /// The first loop's; none once the shutdown has begun.
    acceptor: Option<Acceptor>,
    connections: Slab<Connection<S::Stream>>,
    shared: LoopShared<'a, S>,
    turns: Turns,
    /// Where requests are recorded.
    recorder: Option<Box<RequestRecorder>>,
    /// The catalog's generation when the tables were last looked at.
    generation: u64,
    events: Vec<Event>,
    /// Connections with news, in the order in which they get their turns.
    called: Vec<usize>,
    /// Connections that have work left from earlier turns, likewise.
    leftovers: VecDeque<usize>,
    /// Connections whose blocks have come, and how turns have gone; room that is used again and again.
    ready: Vec<usize>,
    outcomes: Vec<(usize, LoopAction)>,
    /// When the loop last learnt of events.
    woken: Instant,
    sweep_due: Instant,
    sweep_part: usize,
    drained_at: Option<Instant>,
}

/// Ends all loops when one of them ends in a panic: half a server would leave its connections waiting for ever.
struct EndsAll<'a>(&'a Shutdown);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.trigger();
        }
    }
}

impl<'a, S: System> EventLoop<'a, S> {
    pub(crate) fn new(
        system: S,
        i: usize,
        common: Common<'a, S>,
        acceptor: Option<Acceptor>,
    ) -> Result<Self, Error> {
        let Common { options, hosts, databases, counters, clients, buffered, catalog, access, .. } = common;
        let clock = Clock::start(&system);
        let now = clock.now();
        let generation = catalog.generation();
        let loop_counters = &counters.loops[i];
        let responder =
            Responder::new(catalog, access, options, hosts, databases, counters, loop_counters, clients)
                .map_err(|error| Error::doing("make an empty table")(std::io::Error::other(error)))?;
        let shared = LoopShared {
            system,
            responder,
            clock,
            journal: Journal::new(now),
            timeouts: TimeoutTicks::new(options),
            buffered,
            draining_since: None,
        };
        let mut event_loop = Self {
            common,
            i,
            acceptor,
            connections: Slab::new(),
            shared,
            turns: Turns::new(options.limits.output_bytes_max),
            recorder: RequestRecorder::new(&options.requests, &counters.slow_log, i as u64 + 1, now),
            generation,
            events: Vec::new(),
            called: Vec::new(),
            leftovers: VecDeque::new(),
            ready: Vec::new(),
            outcomes: Vec::new(),
            woken: now,
            sweep_due: now + TICK,
            sweep_part: 0,
            drained_at: None,
        };
        event_loop.shared.responder.set_date(event_loop.shared.clock.date());
        event_loop.prepare_reads().map_err(Error::doing("prepare reads of the table"))?;
        Ok(event_loop)
    }

    pub(crate) fn run(mut self) -> Result<(), Error> {
        let _ends_all = EndsAll(self.common.shutdown);
        while self.round()? {}
        Ok(())
    }

    /// Waits for events and works on what they bring; `false` when the loop has come to its end.
    pub(crate) fn round(&mut self) -> Result<bool, Error> {
        if self.drained_at.is_none() && self.common.shutdown.is_triggered() {
            self.begin_drain();
        }
        if let Some(until) = self.drained_at
            && (self.connections.is_empty() || self.shared.clock.now() >= until)
        {
            return Ok(false);
        }
        let patience = self.patience();
        if let Err(error) = self.shared.system.wait(patience, &mut self.events) {
            self.common.shutdown.trigger();
            return Err(Error::doing("wait for events")(error));
        }
        self.read_clock();
        self.woken = self.shared.clock.now();
        self.follow_catalog();
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::Woken => {
                    self.welcome();
                    self.close_killed();
                }
                Event::ReadsEnded => self.take_reads(),
                Event::Stream { token, readable, hung_up } => {
                    if let Some(connection) = self.connections.get_mut(token) {
                        connection.note(readable, hung_up);
                        self.call(token);
                    }
                }
                Event::Listener(i) => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.note(i);
                    }
                }
            }
        }
        self.events = events;
        self.serve_called();
        self.serve_leftovers();
        self.begin_reads();
        self.accept();
        self.sweep();
        if self.common.buffered.is_too_much() {
            self.relieve();
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.hand_over(self.shared.clock.now());
        }
        Ok(true)
    }

    fn read_clock(&mut self) {
        if self.shared.clock.read(&self.shared.system) {
            self.shared.responder.set_date(self.shared.clock.date());
            self.common.counters.note_history(self.shared.clock.now());
        }
    }

    /// How long the loop may sleep.
    fn patience(&self) -> Option<Duration> {
        if !self.leftovers.is_empty() || !self.called.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.shared.clock.now();
        let sweep = (!self.connections.is_empty()).then(|| self.sweep_due.saturating_duration_since(now));
        let accept = self.acceptor.as_ref().and_then(|acceptor| acceptor.due(now));
        [sweep, accept].into_iter().flatten().min()
    }

    /// Has the versions answer that do from now on, if there was a switch.
    fn follow_catalog(&mut self) {
        let generation = self.common.catalog.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        if self.shared.responder.follow_catalog() {
            let told = self
                .connections
                .iter_mut()
                .filter_map(|(token, connection)| connection.note_switch().then_some(token));
            let told: Vec<usize> = told.collect();
            told.into_iter().for_each(|token| self.call(token));
        }
        if let Err(error) = self.prepare_reads() {
            let what = "reads of the new version block the loop, for it could not be prepared for them";
            self.shared.journal.trouble(self.shared.clock.now(), &error, what);
        }
    }

    /// Makes what reads of a table on disk need, if there is one for the first time.
    fn prepare_reads(&mut self) -> std::io::Result<()> {
        let Common { options, counters, .. } = self.common;
        if self.shared.responder.lookups().fetcher().is_some() {
            return Ok(());
        }
        let Some(store) = self.shared.responder.table_on_disk() else { return Ok(()) };
        let reader = self.shared.system.block_reader()?;
        let cache = (options.storage.cache_bytes > 0).then(|| {
            let block_bytes = store.carved_bytes() / store.buckets();
            let cache = || Arc::new(Cache::new(options.storage.cache_bytes, block_bytes));
            Arc::clone(counters.cache.get_or_init(cache))
        });
        let slots = StorageOptions::DISK_READS_RANGE;
        let slots_max = options.storage.disk_reads_max.clamp(*slots.start(), *slots.end());
        self.shared.responder.lookups().set_fetcher(Fetcher::new(reader, cache, slots_max));
        Ok(())
    }

    /// Has a connection get a turn, one however often it is called; behind the others if it has work left.
    fn call(&mut self, token: usize) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !connection.queue() {
            return;
        }
        if connection.has_leftovers() {
            self.leftovers.push_back(token);
        } else {
            self.called.push(token);
        }
    }

    /// Gives each of the connections that were called its turn.
    fn serve_called(&mut self) {
        let mut called = std::mem::take(&mut self.called);
        for tokens in called.chunks(TURNS_MAX) {
            self.serve(tokens, FIRST_COST_MAX);
        }
        called.clear();
        called.append(&mut self.called);
        self.called = called;
    }

    /// Gives turns to connections that have work left, each at most one, until the time for that is up.
    fn serve_leftovers(&mut self) {
        let began = self.shared.clock.now();
        let mut left = self.leftovers.len();
        while left > 0 && self.shared.clock.now().duration_since(began) < LEFTOVERS_TIME {
            let some = left.min(LEFTOVERS_AT_ONCE);
            let tokens: ArrayVec<usize, LEFTOVERS_AT_ONCE> = self.leftovers.drain(..some).collect();
            self.serve(&tokens, FURTHER_COST_MAX);
            left -= some;
        }
    }

    /// Gives at most [`TURNS_MAX`] connections a turn that may cost `cost_max`.
    fn serve(&mut self, tokens: &[usize], cost_max: u64) {
        let loop_counters = self.shared.responder.loop_counters();
        let answered_before = loop_counters.requests();
        let Self { turns, recorder, woken, connections, shared, outcomes, .. } = self;
        turns.serve(tokens, cost_max, *woken, connections, shared, outcomes, recorder.as_deref_mut());
        if let Some(error) = self.shared.responder.lookups().take_error() {
            self.shared.journal.trouble(self.shared.clock.now(), &error, "a lookup failed");
        }
        self.read_clock();
        let now = self.shared.clock.now();
        loop_counters.add_waits(answered_before, now.duration_since(self.woken));
        if let Some(recorder) = &mut self.recorder {
            recorder.end_turn(now, || self.shared.system.time_of_day());
        }
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.drain(..).for_each(|(token, outcome)| self.go_on(token, outcome));
        self.outcomes = outcomes;
    }

    fn go_on(&mut self, token: usize, outcome: LoopAction) {
        match outcome {
            LoopAction::Keep => {}
            LoopAction::Again => {
                if self.connections.get_mut(token).is_some_and(Connection::queue) {
                    self.leftovers.push_back(token);
                }
            }
            LoopAction::Close => self.close(token),
        }
    }

    /// Begins the reads that were asked for.
    fn begin_reads(&mut self) {
        let Some(fetcher) = self.shared.responder.lookups().fetcher() else { return };
        fetcher.flush(&mut self.ready);
        let counts = fetcher.counts();
        self.shared.responder.loop_counters().set_fetches(counts);
        for token in std::mem::take(&mut self.ready) {
            self.block_has_come(token);
        }
    }

    /// Takes in reads that have ended, and calls the connections whose blocks have come.
    fn take_reads(&mut self) {
        let Some(fetcher) = self.shared.responder.lookups().fetcher() else { return };
        fetcher.complete(&mut self.ready);
        let mut ready = std::mem::take(&mut self.ready);
        ready.drain(..).for_each(|token| self.block_has_come(token));
        self.ready = ready;
    }

    fn block_has_come(&mut self, token: usize) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.block_has_come();
            if connection.queue() {
                self.called.push(token);
            }
        }
    }

    fn close(&mut self, token: usize) {
        if let Some(fetcher) = self.shared.responder.lookups().fetcher() {
            fetcher.forget(token);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.forget(token);
        }
        let connection = self.connections.remove(token);
        self.common.buffered.change(connection.held_bytes(), 0);
        self.common.clients.remove(self.i, connection.client());
        self.common.counters.connections[self.i].fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes the connections that a client wants to have closed.
    fn close_killed(&mut self) {
        if !self.common.clients.take_killed(self.i) {
            return;
        }
        let killed = self.connections.iter().filter(|(_, connection)| connection.client().is_killed());
        let killed: Vec<usize> = killed.map(|(token, _)| token).collect();
        killed.into_iter().for_each(|token| self.close(token));
    }

    /// Takes in the connections that the first loop has handed over.
    fn welcome(&mut self) {
        for (stream, rules) in self.common.inboxes[self.i].take() {
            self.admit(stream, rules);
        }
    }

    fn admit(&mut self, stream: S::Stream, rules: ListenerRules) {
        let entry = self.connections.vacant_entry();
        let token = entry.key();
        let ticks = self.shared.clock.ticks();
        let now = self.shared.clock.now();
        let client = self.common.clients.admit(self.i, stream.ends(), stream.descriptor(), now);
        let connection = entry.insert(Connection::new(stream, rules, client, self.common.options, ticks));
        if let Err(error) = self.shared.system.watch(connection.stream(), token) {
            let what = "a connection cannot be watched";
            self.shared.journal.trouble(self.shared.clock.now(), &error, what);
            self.close(token);
        } else if self.shared.draining_since.is_some() {
            self.go_on(token, LoopAction::Again);
        }
    }

    fn accept(&mut self) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let now = self.shared.clock.now();
        if acceptor.due(now).is_none() {
            return;
        }
        let Common { inboxes, counters, .. } = self.common;
        let own = acceptor.accept(&mut self.shared.system, inboxes, counters, now, &mut self.shared.journal);
        for (stream, rules) in own {
            self.admit(stream, rules);
        }
    }

    /// Looks at a part of the connections for what has taken too long, and records how they are.
    fn sweep(&mut self) {
        let now = self.shared.clock.now();
        if now < self.sweep_due {
            return;
        }
        self.sweep_due = now + TICK;
        self.sweep_part = (self.sweep_part + 1) % SWEEP_PARTS;
        let (shared, part) = (&mut self.shared, self.sweep_part);
        let in_part = self.connections.iter_mut().filter(|(token, _)| token % SWEEP_PARTS == part);
        let overdue: Vec<(usize, LoopAction)> = in_part
            .filter_map(|(token, connection)| {
                connection.record(&shared.clock);
                Some((token, connection.overdue(shared)?))
            })
            .collect();
        for (token, outcome) in overdue {
            self.dismissed(token, outcome);
        }
    }

    /// Has the connection closed that holds most, if it is one of this loop's.
    fn relieve(&mut self) {
        let largest = self.connections.iter().max_by_key(|(_, connection)| connection.held_bytes());
        let (token, bytes) =
            largest.map_or((None, 0), |(token, largest)| (Some(token), largest.held_bytes()));
        match self.common.buffered.relieve(self.i, bytes, self.shared.clock.now()) {
            Relief::CloseLargest => {
                let Some(token) = token else { return };
                let outcome = self.connections[token].relieve(&mut self.shared);
                self.dismissed(token, outcome);
            }
            Relief::Wake(others) => {
                others.into_iter().for_each(|other| self.common.inboxes[other].waker().wake());
            }
        }
    }

    /// A connection was told that it has to go, or is closed at once.
    fn dismissed(&mut self, token: usize, outcome: LoopAction) {
        if let Some(fetcher) = self.shared.responder.lookups().fetcher() {
            fetcher.forget(token);
        }
        self.go_on(token, outcome);
    }

    /// Stops accepting, and gives every connection the chance to have answered what it has already sent.
    fn begin_drain(&mut self) {
        self.read_clock();
        self.drained_at = Some(self.shared.clock.now() + self.common.options.timeouts.drain);
        self.shared.draining_since = Some(self.shared.clock.ticks());
        let rest = self.acceptor.take().map_or_else(Vec::new, |mut acceptor| {
            acceptor.accept_rest(&mut self.shared.system, self.common.counters)
        });
        self.shared.system.stop_listening();
        self.welcome();
        for (stream, rules) in rest {
            self.admit(stream, rules);
        }
        let tokens: Vec<usize> = self.connections.iter().map(|(token, _)| token).collect();
        for token in tokens {
            if let Some(connection) = self.connections.get_mut(token) {
                connection.note(true, false);
                self.go_on(token, LoopAction::Again);
            }
        }
    }
}
