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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::{Handle, Simulated};

    #[test]
    fn the_clock_goes_on_by_ticks_and_says_when_the_date_may_be_another() {
        let handle = Handle::new(1);
        let system = Simulated::new(handle.clone(), |_: &mut _| {});
        let mut clock = Clock::start(&system);
        let began = clock.now();
        let mut at = |milliseconds| {
            let passed = Duration::from_millis(milliseconds);
            (handle.world().elapsed, handle.world().time_of_day) = (passed, passed);
            let may_differ = clock.read(&system);
            (may_differ, clock.ticks(), clock.now() - began == passed, clock.date().to_owned())
        };
        let date = |text: &str| text.to_owned();
        let first = "Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(at(0), (false, 0, true, date(first)));
        assert_eq!(at(249), (false, 0, true, date(first)));
        assert_eq!(at(250), (true, 1, true, date(first)));
        assert_eq!(at(499), (false, 1, true, date(first)));
        // However long nobody has looked, and wherever in a tick.
        assert_eq!(at(2_600), (true, 10, true, date("Thu, 01 Jan 1970 00:00:02 GMT")));
        assert_eq!(at(2_749), (false, 10, true, date("Thu, 01 Jan 1970 00:00:02 GMT")));
        assert_eq!(at(2_750), (true, 11, true, date("Thu, 01 Jan 1970 00:00:02 GMT")));
        assert_eq!(at(3_000), (true, 12, true, date("Thu, 01 Jan 1970 00:00:03 GMT")));
    }

    #[test]
    fn a_wait_lasts_at_least_as_long_as_it_is_to() {
        let of = |milliseconds| ticks_of(Duration::from_millis(milliseconds));
        assert_eq!([of(0), of(1), of(250), of(251), of(10_000)], [1, 2, 2, 3, 41]);
        assert_eq!(ticks_of(Duration::MAX), u32::MAX);
    }
}
