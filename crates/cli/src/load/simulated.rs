//! A world without sockets and without waiting: its time passes only while the engine waits, and its server does what a
//! test says. It speaks memcached, one line a request.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::transport::{Clock, Ready, Transport};

/// A clock that stands still unless someone moves it.
#[derive(Clone, Default)]
pub(super) struct HandClock(Rc<Cell<u64>>);

impl Clock for HandClock {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

/// What the server does with each request.
#[derive(Clone, Copy)]
pub(super) enum Conduct {
    /// Sends these bytes.
    Answers(&'static [u8]),
    /// Sends these bytes and closes.
    AnswersAndCloses(&'static [u8]),
    /// Says nothing.
    IsSilent,
}

/// A server that answers every request `service` nanoseconds after it came, whatever else is going on, but nothing while
/// it stalls.
pub(super) struct Simulation<'a> {
    clock: HandClock,
    pub(super) conduct: Conduct,
    pub(super) service: u64,
    /// Answers due in this time come at its end.
    pub(super) stall: Range<u64>,
    /// How long a connection takes to be made.
    pub(super) connect: u64,
    /// From this time on no connection is accepted.
    pub(super) refuses_from: u64,
    /// How much later than it asked for the engine is woken.
    pub(super) oversleeps: u64,
    /// When `stop` is set.
    pub(super) stops_at: (u64, Option<&'a AtomicBool>),
    lines: Vec<Peer>,
    seen: Rc<Seen>,
}

/// What the server has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: Cell<u64>,
    pub(super) requests: Cell<u64>,
    pub(super) in_flight_max: Cell<usize>,
}

#[derive(Default)]
struct Peer {
    connected_at: Option<u64>,
    told: bool,
    answers: VecDeque<(u64, &'static [u8])>,
    closes_at: Option<u64>,
}

impl Simulation<'_> {
    pub(super) fn new(lines: usize, conduct: Conduct, service: u64) -> (HandClock, Self) {
        let clock = HandClock::default();
        // No real clock begins at 0 either.
        clock.0.set(1);
        let simulation = Self {
            clock: clock.clone(),
            conduct,
            service,
            stall: 0..0,
            connect: 0,
            refuses_from: u64::MAX,
            oversleeps: 0,
            stops_at: (u64::MAX, None),
            lines: (0..lines).map(|_| Peer::default()).collect(),
            seen: Rc::default(),
        };
        (clock, simulation)
    }

    pub(super) fn seen(&self) -> Rc<Seen> {
        Rc::clone(&self.seen)
    }

    /// When something happens next, on any line.
    fn next_event(&self) -> u64 {
        let of = |peer: &Peer| {
            let connected = peer.connected_at.filter(|_| !peer.told);
            [connected, peer.answers.front().map(|(at, _)| *at), peer.closes_at].into_iter().flatten().min()
        };
        self.lines.iter().filter_map(of).min().unwrap_or(u64::MAX)
    }
}

impl Transport for Simulation<'_> {
    fn connect(&mut self, line: usize) -> io::Result<()> {
        self.lines[line] = Peer { connected_at: Some(self.clock.now() + self.connect), ..Peer::default() };
        Ok(())
    }

    fn is_connected(&mut self, line: usize) -> io::Result<bool> {
        let now = self.clock.now();
        if now >= self.refuses_from {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let is_connected = self.lines[line].connected_at.is_some_and(|at| at <= now);
        self.seen.connections.set(self.seen.connections.get() + u64::from(is_connected));
        Ok(is_connected)
    }

    fn read(&mut self, line: usize, room: &mut [u8]) -> io::Result<usize> {
        let now = self.clock.now();
        let peer = &mut self.lines[line];
        match peer.answers.front() {
            Some(&(at, bytes)) if at <= now => {
                assert!(bytes.len() <= room.len(), "answers are short here");
                room[..bytes.len()].copy_from_slice(bytes);
                peer.answers.pop_front();
                Ok(bytes.len())
            }
            _ if peer.closes_at.is_some_and(|at| at <= now) => Ok(0),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write(&mut self, line: usize, bytes: &[u8]) -> io::Result<usize> {
        let now = self.clock.now();
        let mut at = now + self.service;
        if self.stall.contains(&at) {
            at = self.stall.end;
        }
        let peer = &mut self.lines[line];
        let requests = bytes.iter().filter(|&&byte| byte == b'\n').count();
        for _ in 0..requests {
            match self.conduct {
                Conduct::Answers(answer) => peer.answers.push_back((at, answer)),
                Conduct::AnswersAndCloses(answer) if peer.closes_at.is_none() => {
                    if !answer.is_empty() {
                        peer.answers.push_back((at, answer));
                    }
                    peer.closes_at = Some(at);
                }
                Conduct::AnswersAndCloses(_) | Conduct::IsSilent => {}
            }
        }
        self.seen.requests.set(self.seen.requests.get() + requests as u64);
        self.seen.in_flight_max.set(self.seen.in_flight_max.get().max(peer.answers.len()));
        Ok(bytes.len())
    }

    fn close(&mut self, line: usize) {
        self.lines[line] = Peer::default();
    }

    fn wait(&mut self, until: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let now = self.clock.now().max(until.min(self.next_event())) + self.oversleeps;
        self.clock.0.set(now);
        if let (at, Some(stop)) = self.stops_at
            && now >= at
        {
            stop.store(true, Ordering::Relaxed);
        }
        for (line, peer) in self.lines.iter_mut().enumerate() {
            let writable = !peer.told && peer.connected_at.is_some_and(|at| at <= now);
            peer.told |= writable;
            let readable = peer.answers.front().is_some_and(|(at, _)| *at <= now);
            let ended = peer.closes_at.is_some_and(|at| at <= now);
            if writable || readable || ended {
                ready.push(Ready { line, readable, writable, ended });
            }
        }
        Ok(())
    }
}
