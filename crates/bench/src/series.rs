//! A run over time, in room that does not grow: a fixed number of steps, which become twice as
//! long whenever the run outgrows them.

use hdrhistogram::Histogram;

use crate::schedule::SECOND;

/// The most steps that are kept.
pub(crate) const STEPS_MAX: usize = 512;

/// How long a step is at first, in nanoseconds.
pub(crate) const STEP_MIN: u64 = SECOND / 10;

/// Times are told apart from this one on, to one significant digit, in nanoseconds.
const TIME_MIN: u64 = 1_000;
const TIME_MAX: u64 = 3_600 * SECOND;

/// What happened in each step of time.
#[derive(Clone, Debug)]
pub(crate) struct SeriesRecorder {
    start: u64,
    step: u64,
    steps: Vec<StepRecorder>,
}

/// What happened in one step.
#[derive(Clone, Debug)]
pub(crate) struct StepRecorder {
    pub(crate) failures: u64,
    /// The longest time, exactly.
    pub(crate) max: u64,
    /// How long answers took; from the intended time, where there is one.
    pub(crate) times: Histogram<u32>,
}

impl StepRecorder {
    fn new() -> Self {
        Self { failures: 0, max: 0, times: coarse_histogram() }
    }

    fn add(&mut self, other: &Self) {
        self.failures += other.failures;
        self.max = self.max.max(other.max);
        // Both have the same bounds, so nothing is refused.
        let _ = self.times.add(&other.times);
    }
}

/// A histogram of two kilobytes, whose times are right within 6%.
pub(crate) fn coarse_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(TIME_MIN, TIME_MAX, 1).expect("the bounds are constant and well formed")
}

impl SeriesRecorder {
    /// Nothing yet; the first step begins at `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self { start, step: STEP_MIN, steps: Vec::new() }
    }

    #[inline]
    pub(crate) fn answered(&mut self, at: u64, nanos: u64) {
        let step = self.at(at);
        step.max = step.max.max(nanos);
        step.times.saturating_record(nanos);
    }

    pub(crate) fn failed(&mut self, at: u64) {
        self.at(at).failures += 1;
    }

    #[inline]
    fn at(&mut self, at: u64) -> &mut StepRecorder {
        let place = (at.saturating_sub(self.start) / self.step) as usize;
        if place < self.steps.len() {
            return &mut self.steps[place];
        }
        self.grow(at)
    }

    #[cold]
    fn grow(&mut self, at: u64) -> &mut StepRecorder {
        while at.saturating_sub(self.start) / self.step >= STEPS_MAX as u64 {
            self.coarsen();
        }
        let place = (at.saturating_sub(self.start) / self.step) as usize;
        while self.steps.len() <= place {
            self.steps.push(StepRecorder::new());
        }
        &mut self.steps[place]
    }

    /// Makes every two steps one.
    fn coarsen(&mut self) {
        self.step *= 2;
        let halved = self.steps.len().div_ceil(2);
        for i in 0..halved {
            self.steps.swap(i, 2 * i);
            if 2 * i + 1 < self.steps.len() {
                let (left, right) = self.steps.split_at_mut(2 * i + 1);
                left[i].add(&right[0]);
            }
        }
        self.steps.truncate(halved);
    }

    /// How long a step is, in nanoseconds.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    pub(crate) fn steps(&self) -> &[StepRecorder] {
        &self.steps
    }

    /// Adds what another thread has seen from the same start.
    pub(crate) fn add(&mut self, mut other: Self) {
        while self.step < other.step {
            self.coarsen();
        }
        while other.step < self.step {
            other.coarsen();
        }
        for (i, step) in other.steps.into_iter().enumerate() {
            match self.steps.get_mut(i) {
                Some(all) => all.add(&step),
                None => self.steps.push(step),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(series: &SeriesRecorder) -> Vec<u64> {
        series.steps().iter().map(|step| step.times.len()).collect()
    }

    #[test]
    fn every_answer_falls_into_the_step_of_its_time() {
        let mut series = SeriesRecorder::new(SECOND);
        series.answered(SECOND, 5);
        series.answered(SECOND + STEP_MIN - 1, 7_000_000);
        series.answered(SECOND + 2 * STEP_MIN, 6_000);
        series.failed(SECOND + STEP_MIN);
        assert_eq!(counts(&series), [2, 0, 1]);
        assert_eq!(series.steps().iter().map(|step| step.failures).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(series.steps()[0].max, 7_000_000);
    }

    #[test]
    fn a_long_run_gets_longer_steps_and_loses_nothing() {
        let mut series = SeriesRecorder::new(0);
        for i in 0..10_000 {
            series.answered(i * STEP_MIN, 1_000 + i);
        }
        assert_eq!(series.step(), 32 * STEP_MIN);
        assert_eq!(series.steps().len(), 10_000usize.div_ceil(32));
        assert!(counts(&series)[..312].iter().all(|&count| count == 32));
        assert_eq!(counts(&series).iter().sum::<u64>(), 10_000);
        assert_eq!(series.steps()[1].max, 1_063);
    }

    #[test]
    fn the_series_of_threads_are_added_step_by_step() {
        let mut long = SeriesRecorder::new(0);
        (0..1_000).for_each(|i| long.answered(i * STEP_MIN, 1_000));
        let mut short = SeriesRecorder::new(0);
        (0..3).for_each(|i| short.answered(i * STEP_MIN, 1_000));
        let mut other_way = short.clone();
        other_way.add(long.clone());
        long.add(short);
        assert_eq!(counts(&long)[..3], [4, 3, 2]);
        assert_eq!(counts(&long), counts(&other_way));
    }
}
