//! Log lines about peers, at most a few each second, so that no peer decides how much is written.

use std::time::{Duration, Instant};

use crate::system::Stream;

/// Lines that one loop writes within one second.
const LINES_PER_SECOND: u32 = 10;

/// Writes log lines, and counts those that it leaves out.
#[derive(Debug)]
pub(crate) struct Journal {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Journal {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, written: 0, left_out: 0 }
    }

    /// A connection was closed at once, because as many are open as may be.
    pub(crate) fn refused_connection(&mut self, now: Instant, stream: &impl Stream, connections_max: usize) {
        if self.admit(now) {
            let peer = stream.peer();
            tracing::warn!(
                event = "connection_refused",
                peer,
                connections_max,
                "as many connections are open as may be"
            );
        }
    }

    /// A peer did something that ended its connection.
    pub(crate) fn peer(&mut self, now: Instant, stream: &impl Stream, what: &str) {
        if self.admit(now) {
            tracing::info!(event = "connection_closed", peer = stream.peer(), "connection closed: {what}");
        }
    }

    /// Somebody came with a name and token that are nobody's. What they are is not written down: it may be a secret in the
    /// wrong place.
    pub(crate) fn refused_login(&mut self, now: Instant, peer: &str, name: Option<&[u8]>) {
        if self.admit(now) {
            tracing::warn!(event = "login_refused", peer, names_a_user = name.is_some(), "login refused");
        }
    }

    /// Something went wrong on this side.
    pub(crate) fn trouble(&mut self, now: Instant, error: &(dyn std::error::Error + 'static), what: &str) {
        if self.admit(now) {
            tracing::warn!(error, "{what}");
        }
    }

    /// Whether a line may be written now; one that may not is counted.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            if self.left_out > 0 {
                tracing::info!(event = "log_lines_left_out", lines = self.left_out, "log lines left out");
            }
            *self = Self::new(now);
        }
        let admitted = self.written < LINES_PER_SECOND;
        if admitted {
            self.written += 1;
        } else {
            self.left_out += 1;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_has_as_many_again() {
        let began = Instant::now();
        let mut journal = Journal::new(began);
        for second in 0..3 {
            let at = |milliseconds| began + Duration::from_secs(second) + Duration::from_millis(milliseconds);
            let admitted = (0..1000).filter(|&milliseconds| journal.admit(at(milliseconds))).count();
            assert_eq!(admitted, LINES_PER_SECOND as usize);
            assert_eq!(journal.left_out, 1000 - u64::from(LINES_PER_SECOND));
        }
    }
}
