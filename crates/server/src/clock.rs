//! Time as the loops need it: coarse ticks for timeouts, and the `Date` text, made once a second.

use std::time::{Duration, Instant, SystemTime};

/// The grain of every timeout.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// A loop's clock; it stands still between two calls of [`Clock::read`].
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    now: Instant,
    date: String,
    date_due: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, now, date: httpdate::fmt_http_date(SystemTime::now()), date_due: now + TICK }
    }

    /// Looks at the time. The date is late by a tick at most.
    pub(crate) fn read(&mut self) {
        self.now = Instant::now();
        if self.now >= self.date_due {
            self.date = httpdate::fmt_http_date(SystemTime::now());
            self.date_due = self.now + TICK;
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Ticks since the loop began.
    pub(crate) fn ticks(&self) -> u32 {
        (self.now.duration_since(self.start).as_millis() / TICK.as_millis()) as u32
    }

    /// The value of a `Date` header.
    pub(crate) fn date(&self) -> &str {
        &self.date
    }
}

/// How many ticks a wait lasts, rounded up, and one more because a wait begins somewhere inside a tick.
pub(crate) fn ticks_of(wait: Duration) -> u32 {
    let ticks = wait.as_millis().div_ceil(TICK.as_millis()) + 1;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
