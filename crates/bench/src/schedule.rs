//! When requests are meant to be sent: absolute times that do not move when the server is slow,
//! so that what waits in front of a stalled server is measured from when it should have gone out.

use std::fmt;
use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::key_distribution::{unit, whole};

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// How requests of an open loop are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// One every 1 / rate seconds.
    Constant,
    /// Independently of each other, as those of many users: the gaps are exponentially
    /// distributed.
    Poisson,
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as the answer before it has come: a closed loop.
    Closed,
    /// At this many requests a second, whatever the server does: an open loop.
    Open {
        /// Requests a second.
        rate: f64,
        /// How they are spread over time.
        arrivals: Arrivals,
    },
    /// Every connection is a user who waits a while after each answer.
    Users(Think),
}

/// How long a user waits before the next request: a time drawn from an interval, every one as
/// likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Think {
    /// The shortest time.
    pub least: Duration,
    /// The longest time, not less than the shortest.
    pub most: Duration,
}

impl Think {
    /// A waiting time in nanoseconds.
    pub(crate) fn draw(self, random: &mut Xoshiro256PlusPlus) -> u64 {
        let (least, most) = (self.least.as_nanos() as f64, self.most.as_nanos() as f64);
        whole(least + unit(random) * (most - least))
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            return Shown(self.least).fmt(f);
        }
        write!(f, "{}..{}", Shown(self.least), Shown(self.most))
    }
}

/// A duration as it is typed.
struct Shown(Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// The times of one thread's requests, in nanoseconds of the clock, each not before the one
/// before it.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: u64,
    next: u64,
    gaps: Gaps,
}

#[derive(Debug)]
enum Gaps {
    Constant { rate: f64, first: u64, each: u64, sent: u64 },
    Poisson { mean: f64, at: f64, random: Xoshiro256PlusPlus },
}

impl Schedule {
    /// The part of thread `index` out of `threads` in `rate` requests a second that begin at
    /// `start`.
    pub(crate) fn new(
        rate: f64,
        arrivals: Arrivals,
        start: u64,
        (index, threads): (usize, usize),
        seed: u64,
    ) -> Self {
        let gaps = match arrivals {
            Arrivals::Constant => Gaps::Constant { rate, first: index as u64, each: threads as u64, sent: 0 },
            Arrivals::Poisson => Gaps::Poisson {
                mean: SECOND as f64 * threads as f64 / rate,
                at: 0.0,
                random: Xoshiro256PlusPlus::seed_from_u64(seed ^ (index as u64 + 1).rotate_left(32)),
            },
        };
        let mut schedule = Self { start, next: start, gaps };
        schedule.draw();
        schedule
    }

    /// When the next request is meant to be sent.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Goes on to the request after it.
    pub(crate) fn advance(&mut self) {
        if let Gaps::Constant { sent, .. } = &mut self.gaps {
            *sent += 1;
        }
        self.draw();
    }

    fn draw(&mut self) {
        let after_start = match &mut self.gaps {
            // From the number and not from the time before, so that nothing adds up however long
            // a run is.
            Gaps::Constant { rate, first, each, sent } => {
                (*first + *each * *sent) as f64 * (SECOND as f64 / *rate)
            }
            Gaps::Poisson { mean, at, random } => {
                let gap: f64 = Exp1.sample(random);
                *at += gap * *mean;
                *at
            }
        };
        self.next = self.start + whole(after_start);
    }

    /// About how many requests are meant to be sent from one at `first` up to `end`.
    pub(crate) fn count_between(&self, first: u64, end: u64) -> u64 {
        let gap = match &self.gaps {
            Gaps::Constant { rate, each, .. } => SECOND as f64 / rate * *each as f64,
            Gaps::Poisson { mean, .. } => *mean,
        };
        if first >= end { 0 } else { whole(((end - first) as f64 / gap).ceil()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(schedule: &mut Schedule, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let next = schedule.next();
                schedule.advance();
                next
            })
            .collect()
    }

    #[test]
    fn constant_arrivals_are_evenly_spaced_from_the_start() {
        let mut schedule = Schedule::new(4.0, Arrivals::Constant, 1_000, (0, 1), 0);
        assert_eq!(times(&mut schedule, 4), [1_000, 250_001_000, 500_001_000, 750_001_000]);
        assert_eq!(schedule.count_between(schedule.next(), 2 * SECOND + 1_000), 4);
        assert_eq!(schedule.count_between(schedule.next(), SECOND), 0);
    }

    #[test]
    fn the_parts_of_all_threads_are_the_whole_schedule() {
        let mut all: Vec<u64> = (0..3)
            .flat_map(|i| times(&mut Schedule::new(7.0, Arrivals::Constant, 0, (i, 3), 0), 10))
            .collect();
        all.sort_unstable();
        assert_eq!(all, times(&mut Schedule::new(7.0, Arrivals::Constant, 0, (0, 1), 0), 30));
    }

    #[test]
    fn a_constant_schedule_does_not_drift() {
        let mut schedule = Schedule::new(3.0, Arrivals::Constant, 0, (0, 1), 0);
        let last = *times(&mut schedule, 3_000_001).last().unwrap();
        assert!(last.abs_diff(1_000_000 * SECOND) <= 200, "{last}");
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_deviation_of_an_exponential() {
        let mut schedule = Schedule::new(1_000.0, Arrivals::Poisson, 0, (0, 1), 5);
        let times = times(&mut schedule, 200_000);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance.sqrt() - 1.0).abs() < 0.01, "{variance}");
    }

    #[test]
    fn thinking_takes_a_time_from_the_interval() {
        let think = Think { least: Duration::from_secs(1), most: Duration::from_secs(3) };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let drawn: Vec<u64> = (0..1_000).map(|_| think.draw(&mut random)).collect();
        assert!(drawn.iter().all(|time| (SECOND..3 * SECOND).contains(time)));
        assert!(drawn.iter().max().unwrap() - drawn.iter().min().unwrap() > 19 * SECOND / 10);
        let same = Think { least: Duration::from_secs(2), most: Duration::from_secs(2) };
        assert_eq!(same.draw(&mut random), 2 * SECOND);
    }
}
