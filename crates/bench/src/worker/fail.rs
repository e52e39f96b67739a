//! Connections that come and go, and the requests that fail with them.

use std::cmp::Reverse;
use std::io;

use super::Worker;
use crate::connection::{ConnectionState, InFlight};
use crate::plan::RETRY;
use crate::recorder::RequestFailure;
use crate::transport::{TimeSource, Transport};

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    pub(super) fn connected(&mut self, i: usize, since: u64, now: u64) {
        self.connections[i].state = ConnectionState::Open;
        self.last_connected = now;
        self.recorder.connections_opened += 1;
        self.recorder.phases.connect.record(now - since);
    }

    pub(super) fn not_connected(&mut self, i: usize, error: &io::Error, now: u64) {
        self.recorder.connections_failed += 1;
        self.recorder.sample_failure(format!("unconnected: {error}"));
        self.connections[i].waits = true;
        self.timers.push(Reverse((now + RETRY, i)));
        self.fail_each(i, now, |_, _| RequestFailure::Unconnected);
        // A run that only ends when enough was sent would go on for a server that has gone away.
        if self.plan.duration.is_none() && now - self.last_connected > self.timeout {
            self.end = self.end.min(now);
        }
    }

    pub(super) fn broken(&mut self, i: usize, error: &io::Error, now: u64) {
        self.recorder.sample_failure(format!("broken: {error}"));
        self.fail(i, RequestFailure::Broken, now);
    }

    /// Closes a connection; the first request in flight on it, if there is one, has failed, and
    /// those behind it are lost.
    pub(super) fn fail(&mut self, i: usize, failure: RequestFailure, now: u64) {
        self.fail_each(i, now, |behind, _| if behind == 0 { failure } else { RequestFailure::Lost });
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

    /// Gives up the connections on which an answer is overdue.
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
            if matches!(self.connections[i].state, ConnectionState::Connecting(_)) {
                self.not_connected(i, &io::ErrorKind::TimedOut.into(), now);
            } else {
                self.fail_each(i, now, |_, asked| {
                    if deadline(asked) <= now { RequestFailure::TimedOut } else { RequestFailure::Lost }
                });
            }
        }
    }
}
