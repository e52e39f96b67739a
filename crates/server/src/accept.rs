//! New connections: accepted by the first loop, spread evenly over all loops, slowed down when the system runs out.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Counters;
use crate::journal::Journal;
use crate::listener::ListenerRules;
use crate::system::{System, Wake};

/// How long no connection is accepted after the system had no descriptor or memory left for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted in one go before the loop looks after the others.
const ACCEPTS_PER_TURN: usize = 256;

/// Connections on their way to a loop.
#[derive(Debug)]
pub(crate) struct Inbox<S> {
    queue: Mutex<Vec<(S, ListenerRules)>>,
    waker: Arc<dyn Wake>,
}

impl<S> Inbox<S> {
    /// The inbox of the loop that `waker` wakes.
    pub(crate) fn new(waker: Arc<dyn Wake>) -> Self {
        Self { queue: Mutex::default(), waker }
    }

    pub(crate) fn waker(&self) -> &Arc<dyn Wake> {
        &self.waker
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<(S, ListenerRules)> {
        std::mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a connection to the loop, and wakes it.
    pub(crate) fn put(&self, stream: S, rules: ListenerRules) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push((stream, rules));
        self.waker.wake();
    }
}

/// What is known about the listeners.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// Whether each listener may have connections waiting.
    may_have_some: Vec<bool>,
    paused_until: Option<Instant>,
    connections_max: usize,
    /// Where the search for the least loaded loop begins, so that equals take turns.
    next_loop: usize,
}

impl Acceptor {
    pub(crate) fn new(listeners: usize, connections_max: usize) -> Self {
        Self { may_have_some: vec![true; listeners], paused_until: None, connections_max, next_loop: 0 }
    }

    /// The `i`th listener may have connections waiting.
    pub(crate) fn note(&mut self, i: usize) {
        if let Some(may_have_some) = self.may_have_some.get_mut(i) {
            *may_have_some = true;
        }
    }

    /// When to look again although no listener has news.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let waiting = self.may_have_some.contains(&true);
        waiting
            .then(|| self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
    }

    /// Accepts what waits, and returns the streams that fall to the first loop, which this is.
    pub(crate) fn accept<S: System>(
        &mut self,
        system: &mut S,
        inboxes: &[Inbox<S::Stream>],
        counters: &Counters,
        now: Instant,
        journal: &mut Journal,
    ) -> Vec<(S::Stream, ListenerRules)> {
        let mut own = Vec::new();
        if self.paused_until.is_some_and(|until| now < until) {
            return own;
        }
        self.paused_until = None;
        for i in 0..self.may_have_some.len() {
            if !self.may_have_some[i] {
                continue;
            }
            for _ in 0..ACCEPTS_PER_TURN {
                match system.accept(i) {
                    Ok((stream, rules)) => {
                        own.extend(self.place::<S>(stream, rules, inboxes, counters, now, journal));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.may_have_some[i] = false;
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

    /// Hands a stream to the least loaded loop; returned is one that falls to the first.
    fn place<S: System>(
        &mut self,
        stream: S::Stream,
        rules: ListenerRules,
        inboxes: &[Inbox<S::Stream>],
        counters: &Counters,
        now: Instant,
        journal: &mut Journal,
    ) -> Option<(S::Stream, ListenerRules)> {
        // Connections that each loop has or is about to get.
        let loads = counters.connections.iter().map(|open| open.load(Ordering::Relaxed));
        // Whoever accepts is the first loop.
        let loop_counters = &counters.loops[0];
        if loads.clone().sum::<usize>() >= self.connections_max {
            loop_counters.connections_refused.add(1);
            journal.peer(now, &stream, "as many connections are open as may be");
            return None;
        }
        let from_next = |i: usize| (i + inboxes.len() - self.next_loop) % inboxes.len();
        let (least, _) = loads.enumerate().min_by_key(|&(i, load)| (load, from_next(i)))?;
        self.next_loop = (least + 1) % inboxes.len();
        counters.connections[least].fetch_add(1, Ordering::Relaxed);
        loop_counters.connections_opened.add(1);
        if least == 0 {
            return Some((stream, rules));
        }
        inboxes[least].put(stream, rules);
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
