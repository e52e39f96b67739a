//! A world without sockets and without waiting: its time passes only while the worker waits, and
//! its server does what a test says. It speaks memcached, one line a request.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::{Readiness, TimeSource, Transport};

/// A clock that stands still unless someone moves it.
#[derive(Clone, Default)]
pub(crate) struct ManualClock(Rc<Cell<u64>>);

impl TimeSource for ManualClock {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

/// What the server does with each request.
#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    /// Sends these bytes.
    Answers(&'static [u8]),
    /// Sends these bytes and closes.
    AnswersAndCloses(&'static [u8]),
    /// Says nothing.
    IsSilent,
}

/// A server that answers every request `service` nanoseconds after it came, whatever else is
/// going on, but nothing while it stalls.
pub(crate) struct Simulation<'a> {
    clock: ManualClock,
    pub(crate) behaviour: Behaviour,
    pub(crate) service: u64,
    /// Answers due in this time come at its end.
    pub(crate) stall: Range<u64>,
    /// How long a connection takes to be made.
    pub(crate) connect: u64,
    /// From this time on no connection is accepted.
    pub(crate) refuses_from: u64,
    /// How much later than it asked for the worker is woken.
    pub(crate) oversleeps: u64,
    /// When `stop` is set.
    pub(crate) stops_at: (u64, Option<&'a AtomicBool>),
    connections: Vec<SimulatedConnection>,
    seen: Rc<ServerCounts>,
}

/// What the server has seen.
#[derive(Default)]
pub(crate) struct ServerCounts {
    pub(crate) connections: Cell<u64>,
    pub(crate) requests: Cell<u64>,
    /// When the last one came.
    pub(crate) last_request: Cell<u64>,
    pub(crate) in_flight_max: Cell<usize>,
}

#[derive(Default)]
struct SimulatedConnection {
    connected_at: Option<u64>,
    told: bool,
    answers: VecDeque<(u64, &'static [u8])>,
    closes_at: Option<u64>,
}

impl Simulation<'_> {
    pub(crate) fn new(connections: usize, behaviour: Behaviour, service: u64) -> (ManualClock, Self) {
        let clock = ManualClock::default();
        // No real clock begins at 0 either.
        clock.0.set(1);
        let simulation = Self {
            clock: clock.clone(),
            behaviour,
            service,
            stall: 0..0,
            connect: 0,
            refuses_from: u64::MAX,
            oversleeps: 0,
            stops_at: (u64::MAX, None),
            connections: (0..connections).map(|_| SimulatedConnection::default()).collect(),
            seen: Rc::default(),
        };
        (clock, simulation)
    }

    pub(crate) fn seen(&self) -> Rc<ServerCounts> {
        Rc::clone(&self.seen)
    }

    /// When something happens next, on any connection.
    fn next_event(&self) -> u64 {
        let of = |peer: &SimulatedConnection| {
            let connected = peer.connected_at.filter(|_| !peer.told);
            [connected, peer.answers.front().map(|(at, _)| *at), peer.closes_at].into_iter().flatten().min()
        };
        self.connections.iter().filter_map(of).min().unwrap_or(u64::MAX)
    }
}

impl Transport for Simulation<'_> {
    fn connect(&mut self, connection: usize) -> io::Result<()> {
        self.connections[connection] = SimulatedConnection {
            connected_at: Some(self.clock.now() + self.connect),
            ..SimulatedConnection::default()
        };
        Ok(())
    }

    fn is_connected(&mut self, connection: usize) -> io::Result<bool> {
        let now = self.clock.now();
        if now >= self.refuses_from {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let is_connected = self.connections[connection].connected_at.is_some_and(|at| at <= now);
        self.seen.connections.set(self.seen.connections.get() + u64::from(is_connected));
        Ok(is_connected)
    }

    fn read(&mut self, connection: usize, room: &mut [u8]) -> io::Result<usize> {
        let now = self.clock.now();
        let peer = &mut self.connections[connection];
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

    fn write(&mut self, connection: usize, bytes: &[u8]) -> io::Result<usize> {
        let now = self.clock.now();
        let mut at = now + self.service;
        if self.stall.contains(&at) {
            at = self.stall.end;
        }
        let peer = &mut self.connections[connection];
        let requests = bytes.iter().filter(|&&byte| byte == b'\n').count();
        for _ in 0..requests {
            match self.behaviour {
                Behaviour::Answers(answer) => peer.answers.push_back((at, answer)),
                Behaviour::AnswersAndCloses(answer) if peer.closes_at.is_none() => {
                    if !answer.is_empty() {
                        peer.answers.push_back((at, answer));
                    }
                    peer.closes_at = Some(at);
                }
                Behaviour::AnswersAndCloses(_) | Behaviour::IsSilent => {}
            }
        }
        self.seen.requests.set(self.seen.requests.get() + requests as u64);
        self.seen.last_request.set(now);
        self.seen.in_flight_max.set(self.seen.in_flight_max.get().max(peer.answers.len()));
        Ok(bytes.len())
    }

    fn close(&mut self, connection: usize) {
        self.connections[connection] = SimulatedConnection::default();
    }

    fn wait(&mut self, until: u64, ready: &mut Vec<Readiness>) -> io::Result<()> {
        ready.clear();
        let now = self.clock.now().max(until.min(self.next_event())) + self.oversleeps;
        self.clock.0.set(now);
        if let (at, Some(stop)) = self.stops_at
            && now >= at
        {
            stop.store(true, Ordering::Relaxed);
        }
        for (connection, peer) in self.connections.iter_mut().enumerate() {
            let writable = !peer.told && peer.connected_at.is_some_and(|at| at <= now);
            peer.told |= writable;
            let readable = peer.answers.front().is_some_and(|(at, _)| *at <= now);
            let ended = peer.closes_at.is_some_and(|at| at <= now);
            if writable || readable || ended {
                ready.push(Readiness { connection, readable, writable, ended });
            }
        }
        Ok(())
    }
}
