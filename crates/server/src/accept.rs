//! New connections: accepted by the first loop, spread evenly over all loops, slowed down when the system runs out.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;

use crate::endpoint::Speaks;
use crate::journal::Journal;
use crate::listener::Listener;
use crate::socket::Socket;
use crate::tally::Tallies;

/// How long no connection is accepted after the system had no descriptor or memory left for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted in one go before the loop looks after the others.
const ACCEPTS_PER_TURN: usize = 256;

/// Another loop's door.
#[derive(Debug)]
pub(crate) struct Door {
    queue: Mutex<Vec<(Socket, Speaks)>>,
    pub(crate) waker: Arc<Waker>,
}

impl Door {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self { queue: Mutex::default(), waker }
    }

    /// What was handed in since the last call.
    pub(crate) fn arrivals(&self) -> Vec<(Socket, Speaks)> {
        std::mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hand_in(&self, socket: Socket, speaks: Speaks) -> io::Result<()> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push((socket, speaks));
        self.waker.wake()
    }
}

/// The listeners, and what is known about each.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<(Listener, Pending)>,
    paused_until: Option<Instant>,
    connections_max: usize,
    /// Where the search for the least loaded loop begins, so that equals take turns.
    next_door: usize,
}

/// Whether a listener may have connections waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Maybe,
    None,
}

impl Acceptor {
    pub(crate) fn new(listeners: Vec<Listener>, connections_max: usize) -> Self {
        let listeners = listeners.into_iter().map(|listener| (listener, Pending::Maybe)).collect();
        Self { listeners, paused_until: None, connections_max, next_door: 0 }
    }

    pub(crate) fn listeners(&mut self) -> impl Iterator<Item = &mut Listener> {
        self.listeners.iter_mut().map(|(listener, _)| listener)
    }

    /// The `i`th listener has news.
    pub(crate) fn note(&mut self, i: usize) {
        if let Some((_, pending)) = self.listeners.get_mut(i) {
            *pending = Pending::Maybe;
        }
    }

    /// When to look again although no listener has news.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let waiting = self.listeners.iter().any(|(_, pending)| *pending == Pending::Maybe);
        waiting
            .then(|| self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
    }

    /// Accepts what waits, and returns the sockets that fall to the first loop, which this is.
    pub(crate) fn accept(
        &mut self,
        doors: &[Door],
        tallies: &Tallies,
        now: Instant,
        journal: &mut Journal,
    ) -> Vec<(Socket, Speaks)> {
        let mut own = Vec::new();
        if self.paused_until.is_some_and(|until| now < until) {
            return own;
        }
        self.paused_until = None;
        for i in 0..self.listeners.len() {
            let (listener, pending) = &mut self.listeners[i];
            if *pending == Pending::None {
                continue;
            }
            let speaks = listener.speaks();
            for _ in 0..ACCEPTS_PER_TURN {
                match self.listeners[i].0.accept() {
                    Ok(socket) => own.extend(self.place(socket, speaks, doors, tallies, now, journal)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.listeners[i].1 = Pending::None;
                        break;
                    }
                    Err(error) if is_exhaustion(&error) => {
                        journal.trouble(now, &error, "no connection can be accepted for the moment");
                        self.paused_until = Some(now + PAUSE);
                        return own;
                    }
                    // The one that was about to be accepted is gone; the next one may be well.
                    Err(_) => {}
                }
            }
        }
        own
    }

    /// Hands a socket to the least loaded loop; returned is one that falls to the first.
    fn place(
        &mut self,
        socket: Socket,
        speaks: Speaks,
        doors: &[Door],
        tallies: &Tallies,
        now: Instant,
        journal: &mut Journal,
    ) -> Option<(Socket, Speaks)> {
        // Connections that each loop has or is about to get.
        let loads = tallies.connections.iter().map(|open| open.load(Ordering::Relaxed));
        // Whoever accepts is the first loop.
        let tally = &tallies.loops[0];
        if loads.clone().sum::<usize>() >= self.connections_max {
            tally.connections_refused.add(1);
            journal.peer(now, &socket, "as many connections are open as may be");
            return None;
        }
        let from_next = |door: usize| (door + doors.len() - self.next_door) % doors.len();
        let least = loads.enumerate().min_by_key(|&(door, load)| (load, from_next(door)));
        let (door, _) = least?;
        self.next_door = (door + 1) % doors.len();
        tallies.connections[door].fetch_add(1, Ordering::Relaxed);
        tally.connections_opened.add(1);
        if door == 0 {
            return Some((socket, speaks));
        }
        if let Err(error) = doors[door].hand_in(socket, speaks) {
            journal.trouble(now, &error, "an event loop could not be woken for a connection");
        }
        None
    }
}

/// Whether the system has run out of what a connection needs, which closing others may bring back.
fn is_exhaustion(error: &io::Error) -> bool {
    /// `EMFILE`, `ENFILE`, `ENOBUFS` and `ENOMEM` have no `ErrorKind` of their own but the last.
    const EXHAUSTION: [i32; 3] = [24, 23, 105];
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| EXHAUSTION.contains(&code))
}
