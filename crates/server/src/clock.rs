//! Time as the loops need it: coarse ticks for timeouts, and the `Date` text, made once a second.

use std::time::{Duration, Instant};

use crate::system::System;

/// The grain of every timeout.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// A loop's clock; it stands still between two calls of [`Clock::read`].
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    now: Instant,
    ticks: u32,
    date: String,
    tick_due: Instant,
}

impl Clock {
    pub(crate) fn start(system: &impl System) -> Self {
        let now = system.now();
        Self {
            start: now,
            now,
            ticks: 0,
            date: httpdate::fmt_http_date(system.time_of_day()),
            tick_due: now + TICK,
        }
    }

    /// Looks at the time, and says whether the date may have changed. It is late by a tick at most.
    #[inline]
    pub(crate) fn read(&mut self, system: &impl System) -> bool {
        self.now = system.now();
        let ticks = self.now >= self.tick_due;
        if ticks {
            self.ticks = (self.now.duration_since(self.start).as_millis() / TICK.as_millis()) as u32;
            self.date = httpdate::fmt_http_date(system.time_of_day());
            self.tick_due = self.start + TICK * (self.ticks + 1);
        }
        ticks
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Ticks since the loop began.
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks
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
