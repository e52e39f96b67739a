//! One thread of a run: sends what the schedule says on connections that have room, hears the answers, and counts. It
//! knows time and connections only as [`Clock`] and [`Transport`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use hdrhistogram::Histogram;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::answers::{Heard, Outcome, Verdict};
use super::line::{Asked, Line, State};
use super::live::Live;
use super::plan::{Plan, RETRY};
use super::pool::Pool;
use super::schedule::{Pace, SECOND, Schedule, Think};
use super::series::coarse_histogram;
use super::tally::{Failure, LATE, Tally, Times};
use super::transport::{Clock, Ready, Transport};

/// How often a thread looks up from its connections, at least, in nanoseconds.
const TICK: u64 = SECOND / 10;

/// Connections that are being made at a time: fewer than what most servers let wait.
const CONNECTING_MAX: usize = 128;

/// How long what is in flight is waited for after a run was stopped, in nanoseconds.
const STOP_PATIENCE: u64 = SECOND;

/// Which part of a run a thread does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) index: usize,
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    pub(crate) requests: Option<u64>,
}

/// One thread of a run.
pub(crate) struct Engine<'a, C, T> {
    plan: &'a Plan,
    pool: &'a Pool,
    clock: C,
    transport: T,
    part: Part,
    lines: Vec<Line>,
    /// The place in the pool of the next request.
    next_item: usize,
    pace: Pacing,
    /// Lines with room, in the order in which they are used. Only in an open loop.
    free: VecDeque<usize>,
    /// Lines that wait, and until when.
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    in_flight: usize,
    /// Requests still to be sent and measured.
    left: u64,
    timeout: u64,
    measured_from: u64,
    end: u64,
    is_stopped: bool,
    /// No request in flight can be overdue before this time.
    deadlines_from: u64,
    last_connected: u64,
    tally: Tally,
    live: Option<Recent<'a>>,
}

enum Pacing {
    Closed,
    Open(Schedule),
    Users(Think, Xoshiro256PlusPlus),
}

/// What was seen since it was last shown.
struct Recent<'a> {
    live: &'a Live,
    times: Histogram<u32>,
    failures: u64,
    show_at: u64,
}

impl<'a, C: Clock, T: Transport> Engine<'a, C, T> {
    /// A thread that has not begun. `transport` has room for as many connections as its part has.
    pub(crate) fn new(plan: &'a Plan, pool: &'a Pool, clock: C, transport: T, part: Part) -> Self {
        let lines = (0..part.connections).map(|_| Line::new(plan.target.language, plan.pipeline)).collect();
        let is_scheduled = !matches!(plan.pace, Pace::Closed);
        Self {
            plan,
            pool,
            clock,
            transport,
            part,
            lines,
            next_item: part.index * pool.len() / part.threads,
            pace: Pacing::Closed,
            free: VecDeque::new(),
            timers: BinaryHeap::new(),
            in_flight: 0,
            left: part.requests.unwrap_or(u64::MAX),
            timeout: u64::try_from(plan.timeout.as_nanos()).unwrap_or(u64::MAX),
            measured_from: 0,
            end: u64::MAX,
            is_stopped: false,
            deadlines_from: u64::MAX,
            last_connected: 0,
            tally: Tally::new(is_scheduled),
            live: None,
        }
    }

    /// Opens all connections; where every request has its own, one to see that the server is there.
    ///
    /// # Errors
    /// The last reason why a connection did not come about, when none did.
    pub(crate) fn open(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let lines = if self.plan.new_connection { 1 } else { self.lines.len() };
        let (mut begun, mut pending, mut opened) = (0, 0, 0);
        let mut reason = io::Error::from(io::ErrorKind::Interrupted);
        let mut ready = Vec::new();
        loop {
            while begun < lines && pending < CONNECTING_MAX {
                let now = self.clock.now();
                match self.transport.connect(begun) {
                    Ok(()) => {
                        self.lines[begun].state = State::Connecting(now);
                        pending += 1;
                    }
                    Err(error) => {
                        self.tally.connections_failed += 1;
                        reason = error;
                    }
                }
                begun += 1;
            }
            if pending == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
            let now = self.clock.now();
            self.transport.wait(now + TICK.min(self.timeout), &mut ready)?;
            let now = self.clock.now();
            let overdue =
                |line: &Line| matches!(line.state, State::Connecting(since) if now - since >= self.timeout);
            let overdue: Vec<usize> = (0..begun).filter(|&i| overdue(&self.lines[i])).collect();
            let results = ready
                .iter()
                .map(|ready| (ready.line, None))
                .chain(overdue.into_iter().map(|i| (i, Some(io::Error::from(io::ErrorKind::TimedOut)))));
            for (i, late) in results {
                let State::Connecting(since) = self.lines[i].state else { continue };
                match late.map_or_else(|| self.transport.is_connected(i), Err) {
                    Ok(false) => continue,
                    Ok(true) => {
                        self.connected(i, since, now);
                        opened += 1;
                    }
                    Err(error) => {
                        self.tally.connections_failed += 1;
                        self.close(i);
                        reason = error;
                    }
                }
                pending -= 1;
            }
        }
        if self.plan.new_connection {
            self.close(0);
        }
        if opened == 0 { Err(reason) } else { Ok(()) }
    }

    /// Runs from `start` to the end of the plan, or until `stop` is set, and gives what was counted.
    ///
    /// # Errors
    /// When the system can wait for connections no longer.
    pub(crate) fn run(mut self, start: u64, stop: &AtomicBool, live: Option<&'a Live>) -> io::Result<Tally> {
        self.begin(start, live);
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            self.fire_timers(now);
            self.dispatch(now);
            // What has fallen due before is sent, and so is not told as what no connection was free for.
            if !self.is_stopped && stop.load(Ordering::Relaxed) {
                self.is_stopped = true;
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
            for ready in &ready {
                self.hear_of(*ready);
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
        self.tally.begin(self.measured_from);
        self.live =
            live.map(|live| Recent { live, times: coarse_histogram(), failures: 0, show_at: start + TICK });
        match self.plan.pace {
            Pace::Closed => (0..self.lines.len()).for_each(|i| self.refill(i, start)),
            Pace::Open { rate, arrivals } => {
                let place = (self.part.index, self.part.threads);
                self.pace = Pacing::Open(Schedule::new(rate, arrivals, start, place, self.plan.draw.seed));
                (0..self.lines.len()).for_each(|i| self.enqueue(i));
            }
            Pace::Users(think) => {
                let seed = self.plan.draw.seed ^ (self.part.index as u64 + 1).rotate_left(32);
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                // People do not all come in at the same moment.
                let come = Think { least: std::time::Duration::ZERO, most: think.most };
                for i in 0..self.lines.len() {
                    self.lines[i].waits = true;
                    self.timers.push(Reverse((start + come.draw(&mut random), i)));
                }
                self.pace = Pacing::Users(think, random);
            }
        }
    }

    /// When the run ends, whatever is still in flight.
    fn last_moment(&self) -> u64 {
        self.end.saturating_add(if self.is_stopped { self.timeout.min(STOP_PATIENCE) } else { self.timeout })
    }

    /// Whether there is anything still to be sent.
    fn has_more(&self, now: u64) -> bool {
        self.left > 0
            && match &self.pace {
                Pacing::Open(schedule) => !self.is_stopped && schedule.next() < self.end,
                Pacing::Closed | Pacing::Users(..) => now < self.end,
            }
    }

    fn wake_at(&self, now: u64) -> u64 {
        let mut until = (now + TICK).min(self.deadlines_from).min(self.last_moment());
        if let Some(Reverse((at, _))) = self.timers.peek() {
            until = until.min(*at);
        }
        match &self.pace {
            Pacing::Open(schedule) if !self.free.is_empty() && self.has_more(now) => {
                until.min(schedule.next())
            }
            Pacing::Closed | Pacing::Users(..) if now < self.end => until.min(self.end),
            _ => until,
        }
    }

    fn fire_timers(&mut self, now: u64) {
        while let Some(&Reverse((at, i))) = self.timers.peek()
            && at <= now
        {
            self.timers.pop();
            self.lines[i].waits = false;
            match self.pace {
                Pacing::Users(..) => {
                    if self.has_more(now) && self.push(i, at, now) {
                        self.flush(i, now);
                    }
                }
                _ => self.offer(i, now),
            }
        }
    }

    /// In an open loop, sends what is due on the lines that have room.
    fn dispatch(&mut self, now: u64) {
        loop {
            let Pacing::Open(schedule) = &self.pace else { return };
            if schedule.next() > now || !self.has_more(now) {
                return;
            }
            let is_behind = now - schedule.next() > LATE;
            let Some(i) = self.free.pop_front() else { return };
            self.lines[i].queued = false;
            while let Pacing::Open(schedule) = &self.pace {
                let intended = schedule.next();
                if intended > now || !self.has_more(now) || !self.push(i, intended, now) {
                    break;
                }
                if let Pacing::Open(schedule) = &mut self.pace {
                    schedule.advance();
                }
                // Whoever is behind sends several at once.
                if !is_behind || self.lines[i].in_flight.len() == self.plan.pipeline {
                    break;
                }
            }
            self.flush(i, now);
            self.enqueue(i);
        }
    }

    /// Puts a request on a line that has room for it, unless its bytes would not follow those that wait there.
    #[inline]
    fn push(&mut self, i: usize, intended: u64, now: u64) -> bool {
        let place = self.pool.place(self.next_item);
        let line = &mut self.lines[i];
        if line.unsent.is_empty() {
            line.unsent = place;
        } else if line.unsent.end == place.start {
            line.unsent.end = place.end;
        } else {
            return false;
        }
        line.in_flight.push_back(Asked { intended, sent: now, written: 0, item: self.next_item });
        self.in_flight += 1;
        self.next_item += 1;
        if self.next_item == self.pool.len() {
            self.next_item = 0;
        }
        if intended >= self.measured_from {
            self.left -= 1;
            self.tally.sent(now - intended);
        } else {
            self.tally.warm_up_requests += 1;
        }
        self.deadlines_from = self.deadlines_from.min(now.saturating_add(self.timeout));
        true
    }

    /// In a closed loop, fills a line that has become half empty.
    #[inline]
    fn refill(&mut self, i: usize, now: u64) {
        let depth = self.plan.pipeline;
        let line = &self.lines[i];
        if line.waits || !line.unsent.is_empty() || line.in_flight.len() > depth / 2 || !self.has_more(now) {
            return;
        }
        while self.lines[i].in_flight.len() < depth && self.left > 0 {
            if !self.push(i, now, now) {
                // The pool begins again, which two writes can do and one cannot.
                self.flush(i, now);
                if !self.lines[i].unsent.is_empty() {
                    return;
                }
            }
        }
        self.flush(i, now);
    }

    /// Writes what a line has to send, and makes the connection first where there is none.
    fn flush(&mut self, i: usize, now: u64) {
        let line = &mut self.lines[i];
        match line.state {
            State::Connecting(_) => return,
            State::Open => {}
            State::Closed => {
                match self.transport.connect(i) {
                    Ok(()) => line.state = State::Connecting(now),
                    Err(error) => self.not_connected(i, &error, now),
                }
                return;
            }
        }
        if line.unsent.is_empty() {
            return;
        }
        while !line.unsent.is_empty() {
            match self.transport.write(i, self.pool.bytes(line.unsent.clone())) {
                Ok(bytes) => {
                    line.unsent.start += bytes;
                    self.tally.bytes_sent += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(i, &error, now),
            }
        }
        let written = self.clock.now();
        for asked in line.in_flight.iter_mut().rev().take_while(|asked| asked.written == 0) {
            asked.written = written;
        }
    }

    fn hear_of(&mut self, ready: Ready) {
        let i = ready.line;
        match self.lines[i].state {
            State::Closed => return,
            State::Connecting(since) => match self.transport.is_connected(i) {
                Ok(false) => return,
                Ok(true) => {
                    let now = self.clock.now();
                    self.connected(i, since, now);
                    self.flush(i, now);
                }
                Err(error) => return self.not_connected(i, &error, self.clock.now()),
            },
            State::Open if ready.writable && !self.lines[i].unsent.is_empty() => {
                let now = self.clock.now();
                self.flush(i, now);
                self.offer(i, now);
            }
            State::Open => {}
        }
        if (ready.readable || ready.ended) && self.lines[i].state == State::Open {
            self.receive(i, ready.ended);
        }
    }

    fn receive(&mut self, i: usize, ended: bool) {
        loop {
            let room = self.lines[i].room();
            let room_len = room.len();
            match self.transport.read(i, room) {
                Ok(0) => return self.ended(i),
                Ok(bytes) => {
                    let now = self.clock.now();
                    self.tally.bytes_received += bytes as u64;
                    let line = &mut self.lines[i];
                    line.was_read(bytes);
                    if line.first_byte == 0 {
                        line.first_byte = now;
                    }
                    if !self.digest(i, now, false) {
                        return;
                    }
                    if bytes < room_len && !ended {
                        self.offer(i, now);
                        // What fell due meanwhile does not wait for the other lines.
                        return self.dispatch(now);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.offer(i, self.clock.now());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(i, &error, self.clock.now()),
            }
        }
    }

    /// Takes the answers out of what was read, and says whether the connection is still there.
    fn digest(&mut self, i: usize, now: u64, ended: bool) -> bool {
        loop {
            let line = &mut self.lines[i];
            let Some(&asked) = line.in_flight.front() else { break };
            if line.heard().is_empty() {
                return true;
            }
            match line.hear(self.pool.expected(asked.item), ended) {
                Heard::NeedMore => return true,
                Heard::Part(consumed) => line.consume(consumed),
                Heard::Answer { verdict, consumed, closes } => {
                    self.answered(i, asked, verdict, consumed, now);
                    if closes || self.plan.new_connection {
                        self.fail(i, Failure::Closed, now);
                        return false;
                    }
                }
                Heard::Garbage(why) => {
                    self.tally.sample_failure(format!("garbage: {why}"));
                    self.fail(i, Failure::Garbage, now);
                    return false;
                }
            }
        }
        if self.lines[i].heard().is_empty() {
            return true;
        }
        self.tally.connections_unasked += 1;
        self.fail(i, Failure::Garbage, now);
        false
    }

    #[inline]
    fn answered(&mut self, i: usize, asked: Asked, verdict: Verdict, consumed: usize, now: u64) {
        let line = &mut self.lines[i];
        if matches!(verdict.outcome, Outcome::Refused | Outcome::Wrong) {
            let request = self.pool.bytes(self.pool.place(asked.item));
            self.tally.sample_answer(verdict.outcome, request, &line.heard()[..consumed]);
        }
        let first_byte = line.first_byte;
        line.consume(consumed);
        line.in_flight.pop_front();
        line.first_byte = if line.heard().is_empty() { 0 } else { now };
        self.in_flight -= 1;
        if asked.intended < self.measured_from {
            self.tally.warm_up_failures +=
                u64::from(matches!(verdict.outcome, Outcome::Refused | Outcome::Wrong));
            return;
        }
        let Asked { intended, sent, written, .. } = asked;
        // A part of a request that the system has not taken whole may already have been answered.
        let written = if written == 0 { sent } else { written };
        self.tally.answered(verdict, Times { intended, sent, written, first_byte, done: now }, self.end);
        if let Some(recent) = &mut self.live {
            recent.times.saturating_record(now - intended);
        }
    }

    /// The server has closed the connection.
    fn ended(&mut self, i: usize) {
        let now = self.clock.now();
        if self.digest(i, now, true) {
            let is_amid = self.lines[i].is_amid_answer();
            self.fail(i, if is_amid { Failure::Truncated } else { Failure::Closed }, now);
        }
    }

    fn connected(&mut self, i: usize, since: u64, now: u64) {
        self.lines[i].state = State::Open;
        self.last_connected = now;
        self.tally.connections_opened += 1;
        self.tally.phases.connect.record(now - since);
    }

    fn not_connected(&mut self, i: usize, error: &io::Error, now: u64) {
        self.tally.connections_failed += 1;
        self.tally.sample_failure(format!("unconnected: {error}"));
        self.lines[i].waits = true;
        self.timers.push(Reverse((now + RETRY, i)));
        self.fail_each(i, now, |_, _| Failure::Unconnected);
        // A run that only ends when enough was sent would go on for a server that has gone away.
        if self.plan.duration.is_none() && now - self.last_connected > self.timeout {
            self.end = self.end.min(now);
        }
    }

    fn broken(&mut self, i: usize, error: &io::Error, now: u64) {
        self.tally.sample_failure(format!("broken: {error}"));
        self.fail(i, Failure::Broken, now);
    }

    /// Closes a connection; the first request in flight on it, if there is one, has failed, and those behind it are lost.
    fn fail(&mut self, i: usize, failure: Failure, now: u64) {
        self.fail_each(i, now, |behind, _| if behind == 0 { failure } else { Failure::Lost });
    }

    fn fail_each(&mut self, i: usize, now: u64, failure: impl Fn(usize, &Asked) -> Failure) {
        self.close(i);
        let failed = std::mem::take(&mut self.lines[i].in_flight);
        self.in_flight -= failed.len();
        for (behind, asked) in failed.iter().enumerate() {
            if asked.intended < self.measured_from {
                self.tally.warm_up_failures += 1;
            } else {
                self.tally.failed(failure(behind, asked), now);
                if let Some(recent) = &mut self.live {
                    recent.failures += 1;
                }
            }
        }
        // Its room is used again.
        let line = &mut self.lines[i];
        line.in_flight = failed;
        line.in_flight.clear();
        self.offer(i, now);
    }

    fn close(&mut self, i: usize) {
        self.transport.close(i);
        self.lines[i].reset();
    }

    /// Lets a line that may have become free be used again.
    #[inline]
    fn offer(&mut self, i: usize, now: u64) {
        match &mut self.pace {
            Pacing::Closed => self.refill(i, now),
            Pacing::Open(_) => self.enqueue(i),
            Pacing::Users(think, random) => {
                let line = &mut self.lines[i];
                if line.in_flight.is_empty() && !line.waits {
                    line.waits = true;
                    self.timers.push(Reverse((now + think.draw(random), i)));
                }
            }
        }
    }

    fn enqueue(&mut self, i: usize) {
        let line = &mut self.lines[i];
        let has_room = line.in_flight.len() < self.plan.pipeline && line.unsent.is_empty();
        if has_room && !line.waits && !line.queued {
            line.queued = true;
            self.free.push_back(i);
        }
    }

    /// Gives up the connections on which an answer is overdue.
    fn end_overdue(&mut self, now: u64) {
        let timeout = self.timeout;
        let deadline = |asked: &Asked| asked.sent.saturating_add(timeout);
        let mut overdue = Vec::new();
        self.deadlines_from = u64::MAX;
        for (i, line) in self.lines.iter().enumerate() {
            match line.in_flight.front().map(deadline) {
                Some(at) if at <= now => overdue.push(i),
                Some(at) => self.deadlines_from = self.deadlines_from.min(at),
                None => {}
            }
        }
        for i in overdue {
            if matches!(self.lines[i].state, State::Connecting(_)) {
                self.not_connected(i, &io::ErrorKind::TimedOut.into(), now);
            } else {
                self.fail_each(i, now, |_, asked| {
                    if deadline(asked) <= now { Failure::TimedOut } else { Failure::Lost }
                });
            }
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

    fn finish(mut self) -> Tally {
        let now = self.clock.now();
        for i in 0..self.lines.len() {
            for asked in std::mem::take(&mut self.lines[i].in_flight) {
                if asked.intended < self.measured_from {
                    continue;
                }
                if asked.sent.saturating_add(self.timeout) <= now {
                    self.tally.failed(Failure::TimedOut, now);
                } else {
                    self.tally.cut_off += 1;
                }
            }
            self.transport.close(i);
        }
        if let Pacing::Open(schedule) = &self.pace
            && self.end != u64::MAX
        {
            self.tally.unsent = schedule.left_until(self.end).min(self.left);
        }
        let is_complete = self.left == 0 && self.tally.cut_off == 0;
        self.tally.ended = if is_complete { self.tally.last.min(self.end) } else { self.end.min(now) };
        self.tally
    }
}
