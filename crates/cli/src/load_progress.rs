//! The line that a person sees while a run goes on: how far it is, the rate, the percentiles, and
//! the rate over the last seconds as a row of bars.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use graven_bench::{Live, LoadPlan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Outcome, cannot_start_thread};

/// How often the line changes.
const REDRAW: Duration = Duration::from_millis(500);

/// How many rates are shown as bars.
const BARS_MAX: usize = 30;

/// A line on a terminal.
pub(crate) struct LoadProgress<'a> {
    live: &'a Live,
    bar: ProgressBar,
    rates: VecDeque<f64>,
}

impl<'a> LoadProgress<'a> {
    /// A line for a run of `plan`, whose figures are in `live`.
    pub(crate) fn new(live: &'a Live, plan: &LoadPlan) -> Self {
        let end = match (plan.duration, plan.requests) {
            (Some(duration), _) => format!(" of {:.0} s", (duration + plan.warm_up).as_secs_f64()),
            (None, Some(requests)) => format!(" for {requests} requests"),
            (None, None) => String::new(),
        };
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{elapsed}{prefix}  {msg}");
        bar.set_style(style.expect("the template above is well formed"));
        bar.set_prefix(end);
        Self { live, bar, rates: VecDeque::new() }
    }

    /// Shows the line while `work` goes on, and takes it away at its end.
    pub(crate) fn follow<T: Send>(mut self, work: impl FnOnce() -> T + Send) -> Outcome<T> {
        let (done, is_done) = channel::<()>();
        thread::scope(|scope| {
            let redraw = move || {
                let mut last = Instant::now();
                while is_done.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                    let seconds = last.elapsed().as_secs_f64();
                    last = Instant::now();
                    self.redraw(seconds);
                }
                self.bar.finish_and_clear();
            };
            let started = thread::Builder::new().name("progress".into()).spawn_scoped(scope, redraw);
            started.map_err(|error| cannot_start_thread(&error))?;
            let result = work();
            drop(done);
            Ok(result)
        })
    }

    fn redraw(&mut self, seconds: f64) {
        let recent = self.live.take();
        let rate = recent.answers as f64 / seconds;
        if self.rates.len() == BARS_MAX {
            self.rates.pop_front();
        }
        self.rates.push_back(rate);
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let failures = match recent.failures {
            0 => String::new(),
            failures => format!("  {failures} failed"),
        };
        let bars = bars(self.rates.make_contiguous());
        self.bar.set_message(format!(
            "{rate:.0}/s  p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms{failures}  {bars}",
            ms(recent.p50),
            ms(recent.p99),
            ms(recent.max)
        ));
    }
}

/// Numbers as a row of bars, the highest one the largest.
fn bars(numbers: &[f64]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().copied().fold(0.0, f64::max);
    let mut bars = String::new();
    for number in numbers {
        // The first height that is not less than seven times the share, rounded.
        let share = if most > 0.0 { number / most * 7.0 } else { 0.0 };
        let height = (0..7).position(|height| share < f64::from(height) + 0.5);
        bars.push(HEIGHTS[height.unwrap_or(7)]);
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_share_of_the_highest() {
        assert_eq!(bars(&[0.0, 50.0, 100.0]), "▁▅█");
        assert_eq!(bars(&[0.0, 0.0]), "▁▁");
    }
}
