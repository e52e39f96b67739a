//! Connections that are gone, the requests that fail with them, and when to give up.

use std::cmp::Reverse;
use std::io;

use graven_wire::{Recognized, recognize};

use super::Worker;
use crate::connection::InFlight;
use crate::plan::RETRY;
use crate::recorder::{GaveUp, RequestFailure};
use crate::transport::{TimeSource, Transport};

/// So many connections of a thread may end without one answer that could be understood, before it
/// gives up: a server that speaks something else would be asked in vain for the whole run.
const FRUITLESS_MAX: usize = 100;

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    pub(super) fn not_connected(&mut self, i: usize, error: &io::Error, now: u64) {
        self.recorder.connections_failed += 1;
        self.recorder.sample_failure(format!("unconnected: {error}"));
        self.wait_a_while(i, now);
        self.fail_each(i, now, |_, _| RequestFailure::Unconnected);
        // A run that only ends when enough was sent would go on for a server that has gone away.
        if self.plan.duration.is_none() && now - self.last_connected > self.timeout {
            self.give_up(GaveUp::Unconnected, now);
        }
    }

    pub(super) fn broken(&mut self, i: usize, error: &io::Error, now: u64) {
        self.recorder.sample_failure(format!("broken: {error}"));
        self.fail(i, RequestFailure::Broken, now);
    }

    /// Closes a connection; the first request in flight on it, if there is one, has failed, and
    /// those behind it are lost.
    pub(super) fn fail(&mut self, i: usize, failure: RequestFailure, now: u64) {
        if !self.is_answered {
            self.note_fruitless(i, now);
        }
        self.fail_each(i, now, |behind, _| if behind == 0 { failure } else { RequestFailure::Lost });
    }

    /// A connection ends, and no answer has been understood yet on any: it is not made again at
    /// once, and at some point no more.
    fn note_fruitless(&mut self, i: usize, now: u64) {
        let own = Recognized::Protocol(self.plan.target.protocol());
        let found = recognize(self.connections[i].received()).filter(|found| *found != own);
        self.fruitless += 1;
        if found.is_some() || self.fruitless == FRUITLESS_MAX {
            self.give_up(GaveUp::Unanswered(found), now);
        }
        self.wait_a_while(i, now);
    }

    /// Has a connection made again only after a while.
    fn wait_a_while(&mut self, i: usize, now: u64) {
        self.connections[i].waits = true;
        self.timers.push(Reverse((now + RETRY, i)));
    }

    /// Ends the run, now.
    fn give_up(&mut self, why: GaveUp, now: u64) {
        self.recorder.gave_up.get_or_insert(why);
        self.end = self.end.min(now);
    }

    pub(super) fn fail_each(
        &mut self,
        i: usize,
        now: u64,
        failure: impl Fn(usize, &InFlight) -> RequestFailure,
    ) {
        self.close(i);
        let failed = std::mem::take(&mut self.connections[i].in_flight);
        self.in_flight -= failed.len();
        for (behind, asked) in failed.iter().enumerate() {
            if asked.intended < self.measured_from {
                self.recorder.warm_up_failures += 1;
            } else {
                self.recorder.failed(failure(behind, asked), now);
                if let Some(recent) = &mut self.live {
                    recent.failures += 1;
                }
            }
        }
        // Its room is used again.
        let connection = &mut self.connections[i];
        connection.in_flight = failed;
        connection.in_flight.clear();
        self.offer(i, now);
    }

    pub(super) fn close(&mut self, i: usize) {
        self.transport.close(i);
        self.connections[i].reset();
    }

    /// Ends the connections on which an answer is overdue.
    pub(super) fn end_overdue(&mut self, now: u64) {
        let timeout = self.timeout;
        let deadline = |asked: &InFlight| asked.sent.saturating_add(timeout);
        let mut overdue = Vec::new();
        self.deadlines_from = u64::MAX;
        for (i, connection) in self.connections.iter().enumerate() {
            match connection.in_flight.front().map(deadline) {
                Some(at) if at <= now => overdue.push(i),
                Some(at) => self.deadlines_from = self.deadlines_from.min(at),
                None => {}
            }
        }
        for i in overdue {
            if self.connections[i].state.unmade_since().is_some() {
                self.not_connected(i, &io::ErrorKind::TimedOut.into(), now);
            } else {
                self.fail_each(i, now, |_, asked| {
                    if deadline(asked) <= now { RequestFailure::TimedOut } else { RequestFailure::Lost }
                });
            }
        }
    }
}
