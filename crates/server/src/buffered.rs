//! Bytes that wait in the buffers of all connections together, and what happens when they are too many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::options::ServerOptions;

/// A connection may always have this many bytes waiting, about what one read brings.
const ALLOWANCE_MIN: usize = 64 * 1024;

/// How long what a loop has said about its largest connection counts.
const SAID_COUNTS: Duration = Duration::from_millis(200);

/// Bytes that all loops' connections hold.
#[derive(Debug)]
pub(crate) struct Buffered {
    held: AtomicUsize,
    held_max: usize,
    connection_max: usize,
    /// While too many are held: how many each loop's largest connection holds, and when it said so.
    largest: Mutex<Vec<Option<(usize, Instant)>>>,
}

/// What a loop does about too many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relief {
    /// Its largest connection is the largest of all: that is closed.
    CloseLargest,
    /// These loops are woken, so that they look at theirs.
    Wake(Vec<usize>),
}

impl Buffered {
    pub(crate) fn new(options: &ServerOptions) -> Self {
        Self {
            held: AtomicUsize::new(0),
            held_max: options.limits.buffered_bytes_max,
            connection_max: options.limits.connection_buffered_bytes_max,
            largest: Mutex::new(vec![None; options.threads.get()]),
        }
    }

    /// A connection holds `now` bytes where it held `before`.
    #[inline]
    pub(crate) fn change(&self, before: usize, now: usize) {
        if now > before {
            self.held.fetch_add(now - before, Ordering::Relaxed);
        } else if now < before {
            self.held.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// How many bytes one connection may have waiting for now: less while all together have much, so that many connections
    /// come to the limit of all without passing it.
    pub(crate) fn allowance(&self) -> usize {
        let free = self.held_max.saturating_sub(self.held.load(Ordering::Relaxed));
        (free / 2).min(self.connection_max).max(ALLOWANCE_MIN)
    }

    /// Whether too many bytes are held.
    #[inline]
    pub(crate) fn is_too_much(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.held_max
    }

    /// What loop `i` does while too many bytes are held; its largest connection holds `largest`.
    pub(crate) fn relieve(&self, i: usize, largest: usize, now: Instant) -> Relief {
        let mut said = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        said[i] = Some((largest, now));
        let counts = |said: &Option<(usize, Instant)>| {
            said.filter(|(_, when)| now.saturating_duration_since(*when) < SAID_COUNTS)
                .map(|(bytes, _)| bytes)
        };
        let silent: Vec<usize> = (0..said.len()).filter(|&other| counts(&said[other]).is_none()).collect();
        if !silent.is_empty() {
            return Relief::Wake(silent);
        }
        // Of equals the first.
        let most = (0..said.len()).rev().max_by_key(|&other| counts(&said[other])).unwrap_or(i);
        if most != i {
            return Relief::Wake(vec![most]);
        }
        said[i] = None;
        Relief::CloseLargest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffered(threads: usize) -> Buffered {
        let threads = threads.try_into().unwrap();
        let mut options = ServerOptions { threads, ..ServerOptions::default() };
        options.limits.buffered_bytes_max = 1_000_000;
        Buffered::new(&options)
    }

    #[test]
    fn the_largest_connection_of_all_loops_is_closed_whichever_loop_sees_first_that_it_is_too_much() {
        let (buffered, now) = (buffered(3), Instant::now());
        assert_eq!(buffered.relieve(0, 10, now), Relief::Wake(vec![1, 2]));
        assert_eq!(buffered.relieve(1, 30, now), Relief::Wake(vec![2]));
        assert_eq!(buffered.relieve(2, 20, now), Relief::Wake(vec![1]));
        assert_eq!(buffered.relieve(1, 30, now), Relief::CloseLargest);
        assert_eq!(buffered.relieve(1, 25, now), Relief::CloseLargest);
        assert_eq!(buffered.relieve(1, 5, now), Relief::Wake(vec![2]));
    }

    #[test]
    fn what_was_said_long_ago_does_not_count() {
        let (buffered, now) = (buffered(2), Instant::now());
        assert_eq!(buffered.relieve(1, 90, now), Relief::Wake(vec![0]));
        let later = now + SAID_COUNTS;
        // It would be the largest.
        assert_eq!(buffered.relieve(0, 100, later), Relief::Wake(vec![1]));
    }

    #[test]
    fn a_connection_may_hold_less_when_all_hold_much() {
        let buffered = buffered(1);
        assert_eq!(buffered.allowance(), 500_000);
        buffered.change(0, 600_000);
        assert_eq!(buffered.allowance(), 200_000);
        buffered.change(600_000, 1_000_001);
        assert_eq!(buffered.allowance(), ALLOWANCE_MIN);
        assert!(buffered.is_too_much());
        buffered.change(1_000_001, 1_000_000);
        assert!(!buffered.is_too_much());
    }
}
