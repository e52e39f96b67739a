//! What a run shows while it goes on. Threads leave their figures here a few times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;

use super::series::coarse_histogram;

/// The figures of all threads together.
#[derive(Debug)]
pub(crate) struct Live {
    failures: AtomicU64,
    recent: Mutex<Histogram<u32>>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { failures: AtomicU64::new(0), recent: Mutex::new(coarse_histogram()) }
    }

    /// Adds what a thread has seen since it last did.
    pub(super) fn add(&self, times: &Histogram<u32>, failures: u64) {
        self.failures.fetch_add(failures, Ordering::Relaxed);
        // Both have the same bounds, so nothing is refused.
        let _ = self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(times);
    }

    /// The failures so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The answers since this was last asked, with their times in nanoseconds.
    pub(crate) fn take_recent(&self) -> Histogram<u32> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut recent, coarse_histogram())
    }
}
