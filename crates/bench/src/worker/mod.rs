//! One thread of a run: sends what the schedule says on connections that have room, reads the
//! answers, and counts. It knows time and connections only as [`TimeSource`] and [`Transport`].

mod connect;
mod fail;
mod receive;
mod send;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use graven_wire::target::Handshake;
use hdrhistogram::Histogram;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::connection::LoadConnection;
use crate::live::Live;
use crate::plan::LoadPlan;
use crate::recorder::{Recorder, RequestFailure};
use crate::requests::RequestPool;
use crate::schedule::{Pace, SECOND, Schedule, Think};
use crate::series::coarse_histogram;
use crate::transport::{TimeSource, Transport};

/// How often a thread does something besides its connections, at least, in nanoseconds.
const TICK: u64 = SECOND / 10;

/// How long what is in flight is waited for after a run was stopped, in nanoseconds.
const STOP_PATIENCE: u64 = SECOND;

/// Which part of a run a thread does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadShare {
    pub(crate) index: usize,
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    pub(crate) requests: Option<u64>,
}

/// One thread of a run.
pub(crate) struct Worker<'a, C, T> {
    plan: &'a LoadPlan,
    pool: &'a RequestPool,
    clock: C,
    transport: T,
    share: ThreadShare,
    connections: Vec<LoadConnection>,
    /// The number in the pool of the next request.
    next_item: usize,
    pace: PaceState,
    /// Connections with room, in the order in which they are used. Only in an open loop.
    free: VecDeque<usize>,
    /// Connections that wait, and until when.
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    in_flight: usize,
    /// Requests still to be sent and measured.
    left: u64,
    handshake: Option<Handshake>,
    /// Whether any answer could be understood.
    is_answered: bool,
    /// Connections that ended before one was.
    fruitless: usize,
    timeout: u64,
    measured_from: u64,
    end: u64,
    is_stopped: bool,
    /// Nothing more is sent, for the end has come.
    is_over: bool,
    /// When it was last looked at what is due.
    last_turn: u64,
    /// No request in flight can be overdue before this time.
    deadlines_from: u64,
    last_connected: u64,
    recorder: Recorder,
    live: Option<RecentFigures<'a>>,
}

enum PaceState {
    Closed,
    Open(Schedule),
    Users(Think, Xoshiro256PlusPlus),
}

/// What was seen since it was last shown.
struct RecentFigures<'a> {
    live: &'a Live,
    times: Histogram<u32>,
    failures: u64,
    show_at: u64,
}

impl<'a, C: TimeSource, T: Transport> Worker<'a, C, T> {
    /// A thread that has not begun. `transport` has room for as many connections as its share has.
    pub(crate) fn new(
        plan: &'a LoadPlan,
        pool: &'a RequestPool,
        clock: C,
        transport: T,
        share: ThreadShare,
    ) -> Self {
        let protocol = plan.target.protocol();
        let connections =
            (0..share.connections).map(|_| LoadConnection::new(protocol, plan.pipeline)).collect();
        let is_scheduled = !matches!(plan.pace, Pace::Closed);
        Self {
            plan,
            pool,
            clock,
            transport,
            share,
            connections,
            next_item: share.index * pool.len() / share.threads,
            pace: PaceState::Closed,
            free: VecDeque::new(),
            timers: BinaryHeap::new(),
            in_flight: 0,
            left: share.requests.unwrap_or(u64::MAX),
            handshake: plan.target.handshake(),
            is_answered: false,
            fruitless: 0,
            timeout: u64::try_from(plan.timeout.as_nanos()).unwrap_or(u64::MAX),
            measured_from: 0,
            end: u64::MAX,
            is_stopped: false,
            is_over: false,
            last_turn: 0,
            deadlines_from: u64::MAX,
            last_connected: 0,
            recorder: Recorder::new(is_scheduled),
            live: None,
        }
    }

    /// Runs from `start` to the end of the plan, or until `stop` is set, and gives what was
    /// counted.
    ///
    /// # Errors
    /// When the system can wait for connections no longer.
    pub(crate) fn run(
        mut self,
        start: u64,
        stop: &AtomicBool,
        live: Option<&'a Live>,
    ) -> io::Result<Recorder> {
        self.begin(start, live);
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            self.fire_timers(now);
            self.dispatch(now);
            // What fell due since the last turn has been sent, even if the end came meanwhile: it
            // was not for want of a connection.
            self.last_turn = now;
            self.is_over |= now >= self.end;
            if !self.is_stopped && stop.load(Ordering::Relaxed) {
                self.is_stopped = true;
                self.recorder.was_stopped = true;
                self.end = self.end.min(now);
            }
            if now >= self.deadlines_from {
                self.end_overdue(now);
            }
            if now >= self.last_moment() || (self.in_flight == 0 && !self.has_more(now)) {
                break;
            }
            self.show(now);
            let until = self.wake_at(now);
            self.transport.wait(until, &mut ready)?;
            for readiness in &ready {
                self.on_ready(*readiness);
            }
        }
        Ok(self.finish())
    }

    fn begin(&mut self, start: u64, live: Option<&'a Live>) {
        self.measured_from = start + self.plan.warm_up.as_nanos() as u64;
        self.last_connected = start;
        if let Some(duration) = self.plan.duration {
            self.end = self.measured_from + duration.as_nanos() as u64;
        }
        self.recorder.begin(self.measured_from);
        self.live = live.map(|live| RecentFigures {
            live,
            times: coarse_histogram(),
            failures: 0,
            show_at: start + TICK,
        });
        match self.plan.pace {
            Pace::Closed => (0..self.connections.len()).for_each(|i| self.refill(i, start)),
            Pace::Open { rate, arrivals } => {
                let place = (self.share.index, self.share.threads);
                self.pace =
                    PaceState::Open(Schedule::new(rate, arrivals, start, place, self.plan.workload.seed));
                (0..self.connections.len()).for_each(|i| self.enqueue(i));
            }
            Pace::Users(think) => {
                let seed = self.plan.workload.seed ^ (self.share.index as u64 + 1).rotate_left(32);
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                // Users do not all begin at the same moment.
                let come = Think { least: Duration::ZERO, most: think.most };
                for i in 0..self.connections.len() {
                    self.connections[i].waits = true;
                    self.timers.push(Reverse((start + come.draw(&mut random), i)));
                }
                self.pace = PaceState::Users(think, random);
            }
        }
    }

    /// When the run ends, whatever is still in flight.
    fn last_moment(&self) -> u64 {
        let patience = match self.recorder.gave_up {
            Some(_) => 0,
            None if self.is_stopped => self.timeout.min(STOP_PATIENCE),
            None => self.timeout,
        };
        self.end.saturating_add(patience)
    }

    /// Whether there is anything still to be sent.
    pub(super) fn has_more(&self, now: u64) -> bool {
        self.left > 0
            && !self.is_over
            && match &self.pace {
                PaceState::Open(schedule) => {
                    let next = schedule.next();
                    let is_due_late = now >= self.end && next <= self.last_turn;
                    !self.is_stopped && next < self.end && !is_due_late
                }
                PaceState::Closed | PaceState::Users(..) => now < self.end,
            }
    }

    fn wake_at(&self, now: u64) -> u64 {
        let mut until = (now + TICK).min(self.deadlines_from).min(self.last_moment());
        if let Some(Reverse((at, _))) = self.timers.peek() {
            until = until.min(*at);
        }
        if now < self.end {
            until = until.min(self.end);
        }
        match &self.pace {
            PaceState::Open(schedule) if !self.free.is_empty() && self.has_more(now) => {
                until.min(schedule.next())
            }
            _ => until,
        }
    }

    fn show(&mut self, now: u64) {
        if let Some(recent) = &mut self.live
            && now >= recent.show_at
        {
            recent.live.add(&recent.times, recent.failures);
            recent.times.reset();
            recent.failures = 0;
            recent.show_at = now + TICK;
        }
    }

    fn finish(mut self) -> Recorder {
        let now = self.clock.now();
        for i in 0..self.connections.len() {
            for asked in std::mem::take(&mut self.connections[i].in_flight) {
                if asked.intended < self.measured_from {
                    continue;
                }
                if asked.sent.saturating_add(self.timeout) <= now {
                    self.recorder.failed(RequestFailure::TimedOut, now);
                } else {
                    self.recorder.cut_off += 1;
                }
            }
            self.transport.close(i);
        }
        if let PaceState::Open(schedule) = &self.pace
            && self.end != u64::MAX
        {
            let first = schedule.next().max(self.measured_from);
            let count = schedule.count_between(first, self.end).min(self.left);
            self.recorder.never_sent(count, first, self.end);
        }
        let is_complete = self.left == 0 && self.recorder.cut_off == 0;
        self.recorder.ended = if is_complete { self.recorder.last.min(self.end) } else { self.end.min(now) };
        self.recorder
    }
}
