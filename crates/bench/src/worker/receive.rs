//! Receiving: what has come, and which request it answers.

use std::io;

use super::Worker;
use crate::connection::{ConnectionState, InFlight};
use crate::recorder::{RequestFailure, Times};
use crate::reply::{AnswerKind, CheckedAnswer, ReplyProgress};
use crate::transport::{Readiness, TimeSource, Transport};

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    pub(super) fn on_ready(&mut self, ready: Readiness) {
        let i = ready.connection;
        match self.connections[i].state {
            ConnectionState::Closed => return,
            ConnectionState::Connecting(_) | ConnectionState::Greeting(_) => match self.establish(i) {
                Ok(false) => return,
                Ok(true) => self.flush(i, self.clock.now()),
                Err(error) => return self.not_connected(i, &error, self.clock.now()),
            },
            ConnectionState::Open if ready.writable && !self.connections[i].unsent.is_empty() => {
                let now = self.clock.now();
                self.flush(i, now);
                self.offer(i, now);
            }
            ConnectionState::Open => {}
        }
        if (ready.readable || ready.ended) && self.connections[i].state == ConnectionState::Open {
            self.receive(i, ready.ended);
        }
    }

    pub(super) fn receive(&mut self, i: usize, ended: bool) {
        loop {
            let room = self.connections[i].room();
            let room_len = room.len();
            match self.transport.read(i, room) {
                Ok(0) => return self.ended(i),
                Ok(bytes) => {
                    let now = self.clock.now();
                    let connection = &mut self.connections[i];
                    connection.was_read(bytes);
                    if connection.first_byte == 0 {
                        connection.first_byte = now;
                    }
                    if !self.digest(i, now, false) {
                        return;
                    }
                    if bytes < room_len && !ended {
                        self.offer(i, now);
                        // What fell due meanwhile does not wait for the other connections.
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
    pub(super) fn digest(&mut self, i: usize, now: u64, ended: bool) -> bool {
        loop {
            let connection = &mut self.connections[i];
            let Some(&asked) = connection.in_flight.front() else { break };
            if connection.received().is_empty() {
                return true;
            }
            match connection.read_reply(self.pool.expected(asked.item), ended) {
                ReplyProgress::NeedMore => return true,
                ReplyProgress::Part(consumed) => {
                    connection.answer_bytes += consumed as u64;
                    connection.consume(consumed);
                }
                ReplyProgress::Answer { checked, consumed, closes } => {
                    self.answered(i, asked, checked, consumed, now);
                    if closes || self.plan.new_connection {
                        self.fail(i, RequestFailure::Closed, now);
                        return false;
                    }
                }
                ReplyProgress::Garbage(why) => {
                    self.recorder.sample_failure(format!("garbage: {why}"));
                    self.fail(i, RequestFailure::Garbage, now);
                    return false;
                }
            }
        }
        if self.connections[i].received().is_empty() {
            return true;
        }
        self.recorder.connections_unasked += 1;
        self.fail(i, RequestFailure::Garbage, now);
        false
    }

    #[inline]
    pub(super) fn answered(
        &mut self,
        i: usize,
        asked: InFlight,
        checked: CheckedAnswer,
        consumed: usize,
        now: u64,
    ) {
        let connection = &mut self.connections[i];
        if matches!(checked.kind, AnswerKind::Refused | AnswerKind::Wrong) {
            let request = self.pool.bytes(self.pool.place(asked.item));
            self.recorder.sample_answer(checked.kind, request, &connection.received()[..consumed]);
        }
        let (first_byte, connected) = (connection.first_byte, connection.connected_at);
        let bytes = std::mem::take(&mut connection.answer_bytes) + consumed as u64;
        connection.consume(consumed);
        connection.in_flight.pop_front();
        connection.first_byte = if connection.received().is_empty() { 0 } else { now };
        self.in_flight -= 1;
        self.is_answered = true;
        if asked.intended < self.measured_from {
            self.recorder.warm_up_failures +=
                u64::from(matches!(checked.kind, AnswerKind::Refused | AnswerKind::Wrong));
            return;
        }
        let InFlight { intended, sent, written, .. } = asked;
        // A part of a request that the system has not taken whole may already have been answered.
        let written = if written == 0 { sent } else { written };
        let times = Times { intended, sent, connected, written, first_byte, done: now };
        self.recorder.answered(checked, bytes, times, self.end);
        if let Some(recent) = &mut self.live {
            recent.times.saturating_record(now - intended);
        }
    }

    /// The server has closed the connection.
    pub(super) fn ended(&mut self, i: usize) {
        let now = self.clock.now();
        if self.digest(i, now, true) {
            let is_amid = self.connections[i].is_amid_answer();
            self.fail(i, if is_amid { RequestFailure::Truncated } else { RequestFailure::Closed }, now);
        }
    }
}
