//! When something is tried again that failed and may go well later, though nothing has changed.

use std::time::{Duration, Instant};

/// The longest wait between two tries that fail fast.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A try takes no more than one part of the time in so many.
const SHARE: u32 = 10;

/// The next try of something that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    at: Instant,
    wait: Duration,
}

impl Retry {
    /// After a try that took so long and ended now: `first` later, and twice as long after each
    /// further one, up to a minute.
    pub(crate) fn after(before: Option<Self>, first: Duration, took: Duration, now: Instant) -> Self {
        let wait = before.map_or(first, |before| before.wait * 2).min(WAIT_MAX.max(first)).max(took * SHARE);
        Self { at: now + wait, wait }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_up_to_a_minute_and_are_longer_where_a_try_takes_long() {
        let (first, now) = (Duration::from_secs(1), Instant::now());
        let mut retry = None;
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                let next = Retry::after(retry, first, Duration::ZERO, now);
                retry = Some(next);
                assert!(!next.is_due(now) && next.is_due(now + next.wait));
                next.wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let slow = Retry::after(None, first, Duration::from_secs(20), now);
        assert_eq!(slow.wait, Duration::from_secs(200));
    }
}
