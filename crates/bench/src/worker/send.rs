//! Sending: which request goes out when, and on which connection.

use std::cmp::Reverse;
use std::io;

use super::{PaceState, Worker};
use crate::connection::{ConnectionState, InFlight};
use crate::recorder::LATE;
use crate::transport::{TimeSource, Transport};

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    pub(super) fn fire_timers(&mut self, now: u64) {
        while let Some(&Reverse((at, i))) = self.timers.peek()
            && at <= now
        {
            self.timers.pop();
            self.connections[i].waits = false;
            match self.pace {
                PaceState::Users(..) => {
                    if self.has_more(now) && self.push(i, at, now) {
                        self.flush(i, now);
                    }
                }
                _ => self.offer(i, now),
            }
        }
    }

    /// In an open loop, sends what is due on the connections that have room.
    pub(super) fn dispatch(&mut self, now: u64) {
        loop {
            let PaceState::Open(schedule) = &self.pace else { return };
            if schedule.next() > now || !self.has_more(now) {
                return;
            }
            let is_behind = now - schedule.next() > LATE;
            let Some(i) = self.free.pop_front() else { return };
            self.connections[i].queued = false;
            while let PaceState::Open(schedule) = &self.pace {
                let intended = schedule.next();
                if intended > now || !self.has_more(now) || !self.push(i, intended, now) {
                    break;
                }
                if let PaceState::Open(schedule) = &mut self.pace {
                    schedule.advance();
                }
                // Whoever is behind sends several at once.
                if !is_behind || self.connections[i].in_flight.len() == self.plan.pipeline {
                    break;
                }
            }
            self.flush(i, now);
            self.enqueue(i);
        }
    }

    /// Puts a request on a connection that has room for it, unless its bytes would not follow
    /// those that wait there.
    #[inline]
    pub(super) fn push(&mut self, i: usize, intended: u64, now: u64) -> bool {
        let place = self.pool.place(self.next_item);
        let bytes = place.len();
        let connection = &mut self.connections[i];
        if connection.unsent.is_empty() {
            connection.unsent = place;
        } else if connection.unsent.end == place.start {
            connection.unsent.end = place.end;
        } else {
            return false;
        }
        connection.in_flight.push_back(InFlight { intended, sent: now, written: 0, item: self.next_item });
        self.in_flight += 1;
        self.next_item += 1;
        if self.next_item == self.pool.len() {
            self.next_item = 0;
        }
        if intended >= self.measured_from {
            self.left -= 1;
            self.recorder.sent(now - intended);
        } else {
            self.recorder.warm_up_requests += 1;
            connection.unmeasured += bytes;
        }
        self.deadlines_from = self.deadlines_from.min(now.saturating_add(self.timeout));
        true
    }

    /// In a closed loop, fills a connection that has become half empty.
    #[inline]
    pub(super) fn refill(&mut self, i: usize, now: u64) {
        let depth = self.plan.pipeline;
        let connection = &self.connections[i];
        if connection.waits
            || !connection.unsent.is_empty()
            || connection.in_flight.len() > depth / 2
            || !self.has_more(now)
        {
            return;
        }
        while self.connections[i].in_flight.len() < depth && self.left > 0 {
            if !self.push(i, now, now) {
                // The pool begins again, which two writes can do and one cannot.
                self.flush(i, now);
                if !self.connections[i].unsent.is_empty() {
                    return;
                }
            }
        }
        self.flush(i, now);
    }

    /// Writes what a connection has to send, and makes the connection first where there is none.
    pub(super) fn flush(&mut self, i: usize, now: u64) {
        let connection = &mut self.connections[i];
        match connection.state {
            ConnectionState::Connecting(_) | ConnectionState::Greeting(_) => return,
            ConnectionState::Open => {}
            ConnectionState::Closed => {
                match self.transport.connect(i) {
                    Ok(()) => connection.state = ConnectionState::Connecting(now),
                    Err(error) => self.not_connected(i, &error, now),
                }
                return;
            }
        }
        if connection.unsent.is_empty() {
            return;
        }
        while !connection.unsent.is_empty() {
            match self.transport.write(i, self.pool.bytes(connection.unsent.clone())) {
                Ok(bytes) => {
                    connection.unsent.start += bytes;
                    let unmeasured = connection.unmeasured.min(bytes);
                    connection.unmeasured -= unmeasured;
                    self.recorder.bytes_sent += (bytes - unmeasured) as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(i, &error, now),
            }
        }
        let written = self.clock.now();
        for asked in connection.in_flight.iter_mut().rev().take_while(|asked| asked.written == 0) {
            asked.written = written;
        }
    }

    /// Lets a connection that may have become free be used again.
    #[inline]
    pub(super) fn offer(&mut self, i: usize, now: u64) {
        match &mut self.pace {
            PaceState::Closed => self.refill(i, now),
            PaceState::Open(_) => self.enqueue(i),
            PaceState::Users(think, random) => {
                let connection = &mut self.connections[i];
                if connection.in_flight.is_empty() && !connection.waits {
                    connection.waits = true;
                    self.timers.push(Reverse((now + think.draw(random), i)));
                }
            }
        }
    }

    pub(super) fn enqueue(&mut self, i: usize) {
        let connection = &mut self.connections[i];
        let has_room = connection.in_flight.len() < self.plan.pipeline && connection.unsent.is_empty();
        if has_room && !connection.waits && !connection.queued {
            connection.queued = true;
            self.free.push_back(i);
        }
    }
}
