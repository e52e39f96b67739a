//! A timer as fine as the system's clock, which wakes a thread that waits for sockets.
//!
//! Linux waits in milliseconds; a timer of its own is a descriptor that becomes readable. Other systems wait in nanoseconds.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, OwnedFd};

/// The timer's token: no connection has this number.
pub(crate) const TIMER: Token = Token(usize::MAX);

/// The timer of one thread.
#[derive(Debug)]
pub(crate) struct Timer {
    #[cfg(target_os = "linux")]
    descriptor: OwnedFd,
    /// When it goes off; 0 when it does not.
    #[cfg(target_os = "linux")]
    at: u64,
}

#[cfg(target_os = "linux")]
impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When the system gives no descriptor.
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let number = descriptor.as_raw_fd();
        let mut source = mio::unix::SourceFd(&number);
        registry.register(&mut source, TIMER, mio::Interest::READABLE)?;
        Ok(Self { descriptor, at: 0 })
    }

    /// How long to wait so that the wait ends at `until`, which is later than `now`, both in nanoseconds; `None` where the
    /// timer ends it.
    ///
    /// # Errors
    /// When the system does not set the timer.
    pub(crate) fn wake_at(&mut self, until: u64, now: u64) -> io::Result<Option<Duration>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        if self.at != until {
            let it_value = Timespec::try_from(Duration::from_nanos(until - now)).map_err(io::Error::other)?;
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let when = Itimerspec { it_interval: never, it_value };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &when)?;
            self.at = until;
        }
        Ok(None)
    }

    /// It went off.
    pub(crate) fn went_off(&mut self) {
        self.at = 0;
    }
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps)]
impl Timer {
    /// Nothing is needed.
    pub(crate) fn new(_: &Registry) -> io::Result<Self> {
        Ok(Self {})
    }

    /// How long to wait so that the wait ends at `until`, which is later than `now`, both in nanoseconds.
    pub(crate) fn wake_at(&mut self, until: u64, now: u64) -> io::Result<Option<Duration>> {
        Ok(Some(Duration::from_nanos(until - now)))
    }

    /// It never does.
    pub(crate) fn went_off(&mut self) {}
}
