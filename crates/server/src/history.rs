//! The last ten minutes in samples of the counters, for the plots of the status page.
//!
//! Whichever loop finds that a sample is due takes it, in the tick that it has four times a second while it has connections.
//! A server that nobody is connected to takes none: nothing happens there, and the next sample ends a longer step.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::counters::WAIT_BOUNDS_US;

/// How far samples lie apart, at least.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// How far back they go.
pub(crate) const HISTORY_SPAN: Duration = Duration::from_secs(600);

/// Samples that are kept: 20 KiB. One more than there are steps.
const SAMPLES_MAX: usize = (HISTORY_SPAN.as_secs() / SAMPLE_INTERVAL.as_secs()) as usize + 1;

/// What the counters of all loops and protocols came to at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CounterSample {
    /// Since the server started.
    pub(crate) at: Duration,
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Requests by how long they have waited, in the buckets of the counters.
    pub(crate) waits: [u64; WAIT_BOUNDS_US.len() + 1],
    pub(crate) connections: u64,
}

impl CounterSample {
    /// What has been counted since `before`.
    pub(crate) fn since(&self, before: &Self) -> CountedStep {
        let mut waits = self.waits;
        for (bucket, before) in waits.iter_mut().zip(before.waits) {
            *bucket = bucket.saturating_sub(before);
        }
        CountedStep {
            seconds: self.at.saturating_sub(before.at).as_secs_f64(),
            requests: self.requests.saturating_sub(before.requests),
            hits: self.hits.saturating_sub(before.hits),
            misses: self.misses.saturating_sub(before.misses),
            waits,
        }
    }
}

/// What was counted between two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CountedStep {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    hits: u64,
    misses: u64,
    waits: [u64; WAIT_BOUNDS_US.len() + 1],
}

impl CountedStep {
    pub(crate) fn requests_per_second(&self) -> f64 {
        // A step that took no time has no rate.
        if self.seconds > 0.0 { self.requests as f64 / self.seconds } else { 0.0 }
    }

    /// The part of keys asked for that were there; `None` where none was asked for.
    pub(crate) fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits + self.misses;
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }

    /// Requests whose waits were measured.
    pub(crate) fn waited(&self) -> u64 {
        self.waits.iter().sum()
    }

    /// The smallest bound, in microseconds, that this many of a thousand requests have not waited longer than; `None` where
    /// none has waited, or that is longer than the last bound.
    pub(crate) fn wait_us(&self, of_thousand: u64) -> Option<u64> {
        let rank = (self.waited() * of_thousand).div_ceil(1000);
        let mut waited = 0;
        let bucket = self.waits.iter().position(|requests| {
            waited += requests;
            rank > 0 && waited >= rank
        })?;
        WAIT_BOUNDS_US.get(bucket).copied()
    }
}

/// Samples, the oldest first.
#[derive(Debug)]
pub(crate) struct History {
    /// When the next one is due, in milliseconds since the server started.
    due_ms: AtomicU64,
    samples: Mutex<VecDeque<CounterSample>>,
}

impl Default for History {
    /// With the one sample that everything began with.
    fn default() -> Self {
        let mut samples = VecDeque::with_capacity(SAMPLES_MAX);
        samples.push_back(CounterSample::default());
        let due_ms = AtomicU64::new(SAMPLE_INTERVAL.as_millis() as u64);
        Self { due_ms, samples: Mutex::new(samples) }
    }
}

impl History {
    /// Takes a sample if one is due at `at`, the time since the server started.
    #[inline]
    pub(crate) fn note(&self, at: Duration, sample: impl FnOnce() -> CounterSample) {
        let (at_ms, due_ms) = (at.as_millis() as u64, self.due_ms.load(Ordering::Relaxed));
        if at_ms >= due_ms {
            self.take(at_ms, due_ms, sample);
        }
    }

    #[cold]
    fn take(&self, at_ms: u64, due_ms: u64, sample: impl FnOnce() -> CounterSample) {
        let next_ms = at_ms + SAMPLE_INTERVAL.as_millis() as u64;
        // One loop takes it. Where a page is being written, the sample comes a tick later.
        let Ok(mut samples) = self.samples.try_lock() else { return };
        if self.due_ms.compare_exchange(due_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample());
    }

    /// The samples, the oldest first.
    pub(crate) fn samples(&self) -> Vec<CounterSample> {
        let samples = self.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        samples.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, requests: u64) -> CounterSample {
        let mut waits = [0; WAIT_BOUNDS_US.len() + 1];
        waits[0] = requests;
        CounterSample { at: Duration::from_secs(seconds), requests, waits, ..CounterSample::default() }
    }

    #[test]
    fn samples_are_taken_when_they_are_due_and_the_oldest_goes() {
        let history = History::default();
        for seconds in 1..=2000 {
            history.note(Duration::from_secs(seconds), || sample(seconds, seconds));
        }
        let samples = history.samples();
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert_eq!((samples[0].at.as_secs(), samples[SAMPLES_MAX - 1].at.as_secs()), (1400, 2000));
        assert!(samples.windows(2).all(|pair| pair[1].at - pair[0].at == SAMPLE_INTERVAL));
    }

    #[test]
    fn a_step_has_the_rate_of_what_was_counted_in_it() {
        let step = sample(15, 1100).since(&sample(5, 100));
        assert_eq!((step.requests_per_second(), step.hit_ratio()), (100.0, None));
        let moment = sample(5, 100);
        assert_eq!(moment.since(&moment).requests_per_second(), 0.0);
        let hits = CounterSample { hits: 3, misses: 1, ..CounterSample::default() };
        assert_eq!(hits.since(&CounterSample::default()).hit_ratio(), Some(0.75));
    }

    #[test]
    fn a_percentile_is_the_bound_of_the_bucket_that_it_falls_into() {
        let step = |waits: &[(usize, u64)]| {
            let mut sample = CounterSample::default();
            waits.iter().for_each(|(bucket, requests)| sample.waits[*bucket] = *requests);
            sample.since(&CounterSample::default())
        };
        assert_eq!(step(&[]).wait_us(500), None);
        assert_eq!(step(&[(0, 1)]).wait_us(500), Some(10));
        let mixed = step(&[(1, 989), (3, 10), (14, 1)]);
        assert_eq!(
            [500, 989, 990, 999, 1000].map(|part| mixed.wait_us(part)),
            [Some(20), Some(20), Some(100), Some(100), None]
        );
    }
}
