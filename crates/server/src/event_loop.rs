//! The event loops: each waits for news of its connections and serves them one by one.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use graven_format::Store;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::accept::{Acceptor, Door};
use crate::answer::Desk;
use crate::clock::{Clock, TICK};
use crate::conn::{Conn, Means, Outcome, Timeouts};
use crate::endpoint::Speaks;
use crate::error::Error;
use crate::journal::Journal;
use crate::listener::Listener;
use crate::options::{DISK_READS_MAX, DISK_READS_MIN, Options};
use crate::reads::{Cache, Reads};
use crate::shutdown::Shutdown;
use crate::socket::Socket;
use crate::tally::Tallies;
use crate::wave::{WAVE, Wave};

/// News taken from the kernel at once.
const EVENTS: usize = 256;

/// Connections are looked at for timeouts in this many parts, one each tick.
const SWEEP_PARTS: usize = 4;

const WAKER: Token = Token(usize::MAX);

/// What rings when reads of a table on disk have ended.
const BELL: Token = Token(usize::MAX - 1);

/// The listeners' tokens count down from here.
const FIRST_LISTENER: usize = usize::MAX - 2;

pub(crate) fn run(
    listeners: Vec<Listener>,
    store: &Store,
    options: &Options,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let listening: Vec<String> = listeners.iter().map(|listener| listener.endpoint().to_string()).collect();
    let mut polls = Vec::new();
    let mut doors = Vec::new();
    for _ in 0..options.threads.get() {
        let poll = Poll::new().map_err(Error::doing("make an epoll instance"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(Error::doing("make a waker"))?;
        doors.push(Door::new(Arc::new(waker)));
        polls.push(poll);
    }
    let cache = (store.disk().is_some() && options.cache_bytes > 0).then(|| {
        let block_bytes = store.carved_bytes() / store.buckets();
        Cache::new(options.cache_bytes, block_bytes)
    });
    let tallies = Tallies::new(options.threads.get(), cache);
    let mut acceptor = Acceptor::new(listeners, options.connections_max);
    for (i, listener) in acceptor.listeners().enumerate() {
        let registered = listener.register(polls[0].registry(), FIRST_LISTENER - i);
        registered.map_err(Error::doing("watch a listener"))?;
    }
    let subscribed = Subscribed { doors: &doors, shutdown };
    subscribed.doors.iter().for_each(|door| shutdown.subscribe(Arc::clone(&door.waker)));
    tracing::info!(threads = options.threads, ?listening, pairs = store.len(), "serving");

    let mut acceptor = Some(acceptor);
    let result = thread::scope(|scope| {
        let mut others = Vec::new();
        let mut first = None;
        for (i, poll) in polls.into_iter().enumerate() {
            let all = All { doors: &doors, tallies: &tallies, store, options, shutdown };
            let event_loop = match EventLoop::new(poll, i, all, acceptor.take()) {
                Ok(event_loop) => event_loop,
                Err(error) => {
                    shutdown.trigger();
                    return Err(error);
                }
            };
            if i == 0 {
                first = Some(event_loop);
                continue;
            }
            let builder = thread::Builder::new().name(format!("loop-{i}"));
            let spawned = builder.spawn_scoped(scope, move || event_loop.run());
            match spawned {
                Ok(thread) => others.push(thread),
                Err(error) => {
                    shutdown.trigger();
                    return Err(Error::doing("start a thread")(error));
                }
            }
        }
        let mut result = first.map_or(Ok(()), EventLoop::run);
        for other in others {
            let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(ended);
        }
        result
    });
    drop(subscribed);
    tracing::info!("stopped");
    result
}

/// The loops' wakers in the shutdown handle, for as long as the loops run.
struct Subscribed<'a> {
    doors: &'a [Door],
    shutdown: &'a Shutdown,
}

impl Drop for Subscribed<'_> {
    fn drop(&mut self) {
        self.doors.iter().for_each(|door| self.shutdown.unsubscribe(&door.waker));
    }
}

/// What all loops share.
#[derive(Clone, Copy)]
struct All<'a> {
    doors: &'a [Door],
    tallies: &'a Tallies,
    store: &'a Store,
    options: &'a Options,
    shutdown: &'a Shutdown,
}

struct EventLoop<'a> {
    poll: Poll,
    all: All<'a>,
    /// Which of the loops this is.
    i: usize,
    /// The first loop's; none once the shutdown has begun.
    acceptor: Option<Acceptor>,
    conns: Slab<Conn<'a>>,
    /// Connections that want another turn although their socket has no news.
    again: Vec<usize>,
    means: Means<'a>,
    wave: Wave<'a>,
    /// Connections with news, in the order in which they get their turns.
    called: Vec<usize>,
    /// Connections that can go on; room that is used again and again.
    ready: Vec<usize>,
    /// When the loop last learnt of news.
    woken: Instant,
    sweep_due: Instant,
    sweep_part: usize,
    drained_at: Option<Instant>,
}

/// Ends all loops when one of them ends in a panic: half a server would leave its connections waiting for ever.
struct EndsAll<'a>(&'a Shutdown);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.trigger();
        }
    }
}

impl<'a> EventLoop<'a> {
    fn new(poll: Poll, i: usize, all: All<'a>, acceptor: Option<Acceptor>) -> Result<Self, Error> {
        let All { options, tallies, .. } = all;
        let clock = Clock::start();
        let now = clock.now();
        let tally = &tallies.loops[i];
        let slots_max = options.disk_reads_max.clamp(DISK_READS_MIN, DISK_READS_MAX);
        let under_way_max = options.disk_queue.div_ceil(options.threads.get());
        let cache = tallies.cache.as_ref();
        let mut reads = Reads::new(all.store, cache, tally, options.disk_reads, slots_max, under_way_max)
            .map_err(Error::doing("prepare reads of the table"))?;
        if let Some(reads) = &mut reads {
            let bell = reads.listen().map_err(Error::doing("listen for reads of the table"))?.as_raw_fd();
            let watched = poll.registry().register(&mut SourceFd(&bell), BELL, Interest::READABLE);
            watched.map_err(Error::doing("watch reads of the table"))?;
        }
        let registry = poll.registry().try_clone().map_err(Error::doing("share its epoll instance"))?;
        let means = Means {
            registry,
            desk: Desk::new(all.store, options, tallies, tally, reads),
            clock,
            journal: Journal::new(now),
            timeouts: Timeouts::new(options),
            held_bytes: 0,
            held_bytes_max: options.buffered_bytes_max / options.threads,
            draining: false,
        };
        Ok(Self {
            poll,
            all,
            i,
            acceptor,
            conns: Slab::new(),
            again: Vec::new(),
            means,
            wave: Wave::new(all.store),
            called: Vec::new(),
            ready: Vec::new(),
            woken: now,
            sweep_due: now + TICK,
            sweep_part: 0,
            drained_at: None,
        })
    }

    fn run(mut self) -> Result<(), Error> {
        let _ends_all = EndsAll(self.all.shutdown);
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if self.drained_at.is_none() && self.all.shutdown.is_triggered() {
                self.begin_drain();
            }
            if let Some(until) = self.drained_at
                && (self.conns.is_empty() || self.means.clock.now() >= until)
            {
                return Ok(());
            }
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.all.shutdown.trigger();
                    return Err(Error::doing("wait for events")(error));
                }
                _ => {}
            }
            self.means.clock.read();
            self.woken = self.means.clock.now();
            for token in std::mem::take(&mut self.again) {
                self.call(token);
            }
            self.serve();
            for event in &events {
                match event.token() {
                    WAKER => self.welcome(),
                    BELL => self.take_reads(),
                    Token(conn) if conn < self.conns.capacity() => {
                        if let Some(known) = self.conns.get_mut(conn) {
                            let hung_up = event.is_read_closed() || event.is_error();
                            known.note(event.is_readable(), hung_up);
                            self.call(conn);
                        }
                    }
                    Token(listener) => {
                        if let Some(acceptor) = &mut self.acceptor {
                            acceptor.note(FIRST_LISTENER - listener);
                        }
                    }
                }
            }
            self.serve();
            self.accept();
            self.sweep();
        }
    }

    /// How long the loop may sleep.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.means.clock.now();
        let sweep = (!self.conns.is_empty()).then(|| self.sweep_due.saturating_duration_since(now));
        let accept = self.acceptor.as_ref().and_then(|acceptor| acceptor.due(now));
        [sweep, accept].into_iter().flatten().min()
    }

    /// Has a connection get its turn, once however often it is called.
    fn call(&mut self, token: usize) {
        if self.conns.get_mut(token).is_some_and(Conn::call) {
            self.called.push(token);
        }
    }

    /// Gives each of the connections that were called its turn.
    fn serve(&mut self) {
        let called = std::mem::take(&mut self.called);
        let tally = self.means.desk.tally();
        for some in called.chunks(WAVE) {
            let answered_before = tally.requests();
            for (token, outcome) in self.wave.serve(some, &mut self.conns, &mut self.means) {
                match outcome {
                    Outcome::Keep => {}
                    Outcome::Again => self.again.push(token),
                    Outcome::Close => self.close(token),
                }
            }
            self.means.clock.read();
            tally.add_waits(answered_before, self.means.clock.now().duration_since(self.woken));
        }
        self.called = called;
        self.called.clear();
        if let Some(reads) = self.means.desk.reads() {
            reads.flush(&mut self.ready);
            for token in self.ready.drain(..) {
                if let Some(conn) = self.conns.get_mut(token) {
                    conn.go_on();
                    self.again.push(token);
                }
            }
        }
    }

    /// Calls the connections whose pieces have come.
    fn take_reads(&mut self) {
        let Some(reads) = self.means.desk.reads() else { return };
        reads.complete(&mut self.ready);
        for token in std::mem::take(&mut self.ready) {
            if let Some(conn) = self.conns.get_mut(token) {
                conn.go_on();
                self.call(token);
            }
        }
    }

    fn close(&mut self, token: usize) {
        if let Some(reads) = self.means.desk.reads() {
            reads.forget(token);
        }
        let conn = self.conns.remove(token);
        self.means.held_bytes -= conn.held_bytes();
        self.all.tallies.connections[self.i].fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes in the connections that the first loop has handed over.
    fn welcome(&mut self) {
        for (socket, speaks) in self.all.doors[self.i].arrivals() {
            self.admit(socket, speaks);
        }
    }

    fn admit(&mut self, socket: Socket, speaks: Speaks) {
        let entry = self.conns.vacant_entry();
        let token = entry.key();
        let conn = entry.insert(Conn::new(
            socket,
            speaks,
            self.all.store,
            self.all.options,
            self.means.clock.ticks(),
        ));
        if let Err(error) = conn.socket().register(&self.means.registry, token) {
            self.means.journal.trouble(self.means.clock.now(), &error, "a connection cannot be watched");
            self.close(token);
        } else if self.means.draining {
            self.again.push(token);
        }
    }

    fn accept(&mut self) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let now = self.means.clock.now();
        if acceptor.due(now).is_none() {
            return;
        }
        let own = acceptor.accept(self.all.doors, self.all.tallies, now, &mut self.means.journal);
        for (socket, speaks) in own {
            self.admit(socket, speaks);
        }
    }

    fn sweep(&mut self) {
        let now = self.means.clock.now();
        if now < self.sweep_due {
            return;
        }
        self.sweep_due = now + TICK;
        self.sweep_part = (self.sweep_part + 1) % SWEEP_PARTS;
        let (means, part) = (&mut self.means, self.sweep_part);
        let in_part = self.conns.iter_mut().filter(|(token, _)| token % SWEEP_PARTS == part);
        let overdue: Vec<usize> =
            in_part.filter_map(|(token, conn)| conn.is_overdue(means).then_some(token)).collect();
        overdue.into_iter().for_each(|token| self.close(token));
    }

    /// Stops accepting, and gives every connection the chance to have answered what it has already sent.
    fn begin_drain(&mut self) {
        self.means.clock.read();
        self.drained_at = Some(self.means.clock.now() + self.all.options.drain_timeout);
        self.means.draining = true;
        self.acceptor = None;
        self.welcome();
        for (token, conn) in &mut self.conns {
            conn.note(true, false);
            self.again.push(token);
        }
    }
}
