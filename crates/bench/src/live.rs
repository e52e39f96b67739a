//! The figures of a run while it goes on. Threads leave theirs here a few times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::series::coarse_histogram;

/// The figures of all threads together, while a run goes on.
#[derive(Debug)]
pub struct Live {
    failures: AtomicU64,
    recent: Mutex<Histogram<u32>>,
}

/// What was answered since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveFigures {
    /// Answers.
    pub answers: u64,
    /// The median time, in nanoseconds.
    pub p50: u64,
    /// The time that 99% did not pass.
    pub p99: u64,
    /// The longest time.
    pub max: u64,
    /// Failures since the beginning.
    pub failures: u64,
}

impl Live {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { failures: AtomicU64::new(0), recent: Mutex::new(coarse_histogram()) }
    }

    /// Adds what a thread has seen since it last did.
    pub(crate) fn add(&self, times: &Histogram<u32>, failures: u64) {
        self.failures.fetch_add(failures, Ordering::Relaxed);
        // Both have the same bounds, so nothing is refused.
        let _ = self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(times);
    }

    /// What was answered since this was last asked.
    pub fn take(&self) -> LiveFigures {
        let recent = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *recent, coarse_histogram())
        };
        LiveFigures {
            answers: recent.len(),
            p50: recent.value_at_quantile(0.5),
            p99: recent.value_at_quantile(0.99),
            max: recent.value_at_quantile(1.0),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}
