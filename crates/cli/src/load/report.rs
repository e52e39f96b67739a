//! What a run came to, as one document: everything that is printed or drawn is taken from it, and `--json` writes it.
//! `docs/bench.schema.json` describes it; times are in microseconds.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Measured;
use super::answers::Outcome;
use super::plan::Plan;
use super::schedule::{Arrivals, Pace, SECOND};
use super::series::Series;
use super::tally::{Failure, LATE, Latencies, Phase};

/// The version of the document's form: it grows when a reader of the old one would misread the new one.
pub(crate) const FORM: u32 = 1;

/// The percentiles that every distribution has.
pub(crate) const PERCENTILES: [f64; 8] = [10.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// Points of a distribution's curve between each halving of what is left above.
const CURVE_POINTS: u32 = 5;

/// One run, or the runs of a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    /// [`FORM`].
    pub(crate) form: u32,
    /// The program that wrote it, and its version.
    pub(crate) generator: String,
    /// Of the only run, or the highest of a sweep.
    pub(crate) requests_per_second: f64,
    /// What grew from run to run.
    pub(crate) sweep: Option<Sweep>,
    pub(crate) runs: Vec<Report>,
}

/// What a sweep changes from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sweep {
    Connections,
    Rate,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) parameters: Parameters,
    /// The measured time.
    pub(crate) seconds: f64,
    /// Answers within the measured time, divided by it.
    pub(crate) requests_per_second: f64,
    pub(crate) keys_per_second: f64,
    pub(crate) sent: u64,
    pub(crate) outcomes: Outcomes,
    pub(crate) keys: Keys,
    pub(crate) failures: Failures,
    /// Only where requests have a time at which they are meant to be sent.
    pub(crate) schedule: Option<Lateness>,
    /// Requests in flight when the run ended, before their time was up.
    pub(crate) cut_off: u64,
    pub(crate) warm_up: WarmUp,
    pub(crate) connections: Connections,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) latency: Latency,
    pub(crate) phases: PhaseTimes,
    pub(crate) over_time: OverTime,
    /// The first few answers and errors that nobody wished for.
    pub(crate) samples: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parameters {
    pub(crate) target: String,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) pipeline: usize,
    /// `closed`, `constant`, `poisson` or `users`.
    pub(crate) pace: String,
    pub(crate) rate: Option<f64>,
    pub(crate) think: Option<String>,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) requests: Option<u64>,
    pub(crate) warm_up_seconds: f64,
    pub(crate) timeout_seconds: f64,
    pub(crate) spread: String,
    pub(crate) miss: f64,
    pub(crate) keys_per_request: usize,
    pub(crate) seed: u64,
    pub(crate) verify: bool,
    pub(crate) new_connection: bool,
}

/// Requests that were answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Outcomes {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) refused: u64,
    pub(crate) wrong: u64,
}

/// Keys of requests that were answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

/// Requests that were not answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) closed: u64,
    pub(crate) truncated: u64,
    pub(crate) garbage: u64,
    pub(crate) broken: u64,
    pub(crate) unconnected: u64,
    pub(crate) timed_out: u64,
    pub(crate) lost: u64,
}

/// How well the schedule was kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Lateness {
    /// Requests sent later than they were meant to be by more than the threshold.
    pub(crate) late: u64,
    pub(crate) threshold_us: f64,
    pub(crate) latest_us: f64,
    /// Requests that were due and never sent.
    pub(crate) unsent: u64,
}

/// What was sent before anything was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct WarmUp {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
}

/// Connections.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Connections {
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    /// On which something came that nobody had asked for.
    pub(crate) unasked: u64,
}

/// How long answers took, by what they said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) hits: Option<Timing>,
    pub(crate) misses: Option<Timing>,
    pub(crate) refused: Option<Timing>,
    pub(crate) wrong: Option<Timing>,
}

/// How long answers took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// From when the request was meant to be sent; only where that is known.
    pub(crate) response: Option<Distribution>,
    /// From when it was sent.
    pub(crate) service: Distribution,
}

impl Timing {
    /// From when the request was meant to be sent, where that is known, else from when it was.
    pub(crate) fn honest(&self) -> &Distribution {
        self.response.as_ref().unwrap_or(&self.service)
    }
}

/// A distribution of times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    pub(crate) mean_us: f64,
    pub(crate) deviation_us: f64,
    pub(crate) min_us: f64,
    pub(crate) max_us: f64,
    pub(crate) percentiles: Vec<Percentile>,
    /// The whole curve, denser towards its end.
    pub(crate) curve: Vec<CurvePoint>,
}

/// A time that this percentage did not pass.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Percentile {
    pub(crate) percent: f64,
    pub(crate) us: f64,
}

/// A point of a distribution's curve.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct CurvePoint {
    pub(crate) percent: f64,
    pub(crate) us: f64,
    /// How many took at most this time.
    pub(crate) count: u64,
}

/// The parts of a request's time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PhaseTimes {
    pub(crate) resolve_us: Option<f64>,
    pub(crate) connect: Option<PhaseTime>,
    pub(crate) write: Option<PhaseTime>,
    pub(crate) wait: Option<PhaseTime>,
    pub(crate) read: Option<PhaseTime>,
}

/// One part of a request's time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PhaseTime {
    pub(crate) mean_us: f64,
    pub(crate) min_us: f64,
    pub(crate) max_us: f64,
}

/// A run over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OverTime {
    pub(crate) step_seconds: f64,
    pub(crate) steps: Vec<Step>,
}

/// What happened in one step of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// When it began, from the beginning of the measured time.
    pub(crate) at_seconds: f64,
    pub(crate) answers: u64,
    pub(crate) failures: u64,
    /// The median time, right within 6%; `None` where nothing was answered.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
}

impl Document {
    /// A document of these runs, of which there is at least one.
    pub(crate) fn new(sweep: Option<Sweep>, runs: Vec<Report>) -> Self {
        Self {
            form: FORM,
            generator: concat!("graven ", env!("CARGO_PKG_VERSION")).into(),
            requests_per_second: runs.iter().map(|run| run.requests_per_second).fold(0.0, f64::max),
            sweep,
            runs,
        }
    }
}

impl Report {
    /// What `measured` says, with `further` percentiles besides the common ones.
    pub(crate) fn new(plan: &Plan, measured: &Measured, further: &[f64]) -> Self {
        let Measured { tally, resolved_in, seconds } = measured;
        let mut percents: Vec<f64> = PERCENTILES.iter().chain(further).copied().collect();
        percents.sort_by(f64::total_cmp);
        percents.dedup();
        let timing = |outcome| tally.latencies(outcome).map(|latencies| timing(latencies, &percents));
        let per_second = |count: u64| if *seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Self {
            parameters: Parameters::new(plan),
            seconds: *seconds,
            requests_per_second: per_second(tally.in_time),
            keys_per_second: per_second(tally.keys_in_time),
            sent: tally.sent,
            outcomes: Outcomes {
                hits: tally.outcomes(Outcome::Hit),
                misses: tally.outcomes(Outcome::Miss),
                refused: tally.outcomes(Outcome::Refused),
                wrong: tally.outcomes(Outcome::Wrong),
            },
            keys: Keys { hits: tally.key_hits, misses: tally.key_misses },
            failures: Failures {
                closed: tally.failures(Failure::Closed),
                truncated: tally.failures(Failure::Truncated),
                garbage: tally.failures(Failure::Garbage),
                broken: tally.failures(Failure::Broken),
                unconnected: tally.failures(Failure::Unconnected),
                timed_out: tally.failures(Failure::TimedOut),
                lost: tally.failures(Failure::Lost),
            },
            schedule: (plan.pace != Pace::Closed).then_some(Lateness {
                late: tally.late,
                threshold_us: micros(LATE),
                latest_us: micros(tally.late_max),
                unsent: tally.unsent,
            }),
            cut_off: tally.cut_off,
            warm_up: WarmUp { requests: tally.warm_up_requests, failures: tally.warm_up_failures },
            connections: Connections {
                opened: tally.connections_opened,
                failed: tally.connections_failed,
                unasked: tally.connections_unasked,
            },
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
            latency: Latency {
                hits: timing(Outcome::Hit),
                misses: timing(Outcome::Miss),
                refused: timing(Outcome::Refused),
                wrong: timing(Outcome::Wrong),
            },
            phases: PhaseTimes {
                resolve_us: resolved_in.map(|took| took.as_secs_f64() * 1e6),
                connect: phase(&tally.phases.connect),
                write: phase(&tally.phases.write),
                wait: phase(&tally.phases.wait),
                read: phase(&tally.phases.read),
            },
            over_time: over_time(&tally.series),
            samples: tally.samples.clone(),
        }
    }

    pub(crate) fn answers(&self) -> u64 {
        let Outcomes { hits, misses, refused, wrong } = self.outcomes;
        hits + misses + refused + wrong
    }

    pub(crate) fn all_failures(&self) -> u64 {
        self.failures.named().iter().map(|(_, count, _)| count).sum()
    }

    /// Whether anything happened that a sound server under a load that it can bear would not do.
    pub(crate) fn went_wrong(&self) -> bool {
        self.outcomes.refused > 0
            || self.outcomes.wrong > 0
            || self.all_failures() > 0
            || self.warm_up.failures > 0
            || self.connections.failed > 0
            || self.connections.unasked > 0
    }

    /// Timings by outcome, each with its name; those that did not happen are left out.
    pub(crate) fn timings(&self) -> Vec<(&'static str, &Timing)> {
        let Latency { hits, misses, refused, wrong } = &self.latency;
        [("hits", hits), ("misses", misses), ("refused", refused), ("wrong", wrong)]
            .into_iter()
            .filter_map(|(name, timing)| Some((name, timing.as_ref()?)))
            .collect()
    }
}

impl Failures {
    /// Every kind with its name, its count and what it means.
    pub(crate) fn named(&self) -> [(&'static str, u64, &'static str); 7] {
        [
            ("closed", self.closed, "the server closed the connection before it answered"),
            ("truncated", self.truncated, "the server closed the connection in the middle of the answer"),
            ("garbage", self.garbage, "what came is no answer in this language"),
            ("broken", self.broken, "the connection broke"),
            ("unconnected", self.unconnected, "no connection came about"),
            ("timed out", self.timed_out, "no answer within --timeout"),
            ("lost", self.lost, "stood behind a request that failed, on the same connection"),
        ]
    }
}

impl Parameters {
    fn new(plan: &Plan) -> Self {
        let (pace, rate, think) = match plan.pace {
            Pace::Closed => ("closed", None, None),
            Pace::Open { rate, arrivals: Arrivals::Constant } => ("constant", Some(rate), None),
            Pace::Open { rate, arrivals: Arrivals::Poisson } => ("poisson", Some(rate), None),
            Pace::Users(think) => ("users", None, Some(think.to_string())),
        };
        Self {
            target: plan.target.to_string(),
            connections: plan.connections,
            threads: plan.threads,
            pipeline: plan.pipeline,
            pace: pace.into(),
            rate,
            think,
            duration_seconds: plan.duration.map(|duration| duration.as_secs_f64()),
            requests: plan.requests,
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            timeout_seconds: plan.timeout.as_secs_f64(),
            spread: plan.draw.spread.to_string(),
            miss: plan.draw.miss,
            keys_per_request: plan.draw.keys_per_request,
            seed: plan.draw.seed,
            verify: plan.draw.verify,
            new_connection: plan.new_connection,
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn timing(latencies: &Latencies, percents: &[f64]) -> Timing {
    Timing {
        response: latencies.response.as_ref().map(|times| distribution(times, percents)),
        service: distribution(&latencies.service, percents),
    }
}

fn distribution(times: &Histogram<u64>, percents: &[f64]) -> Distribution {
    let mut curve: Vec<CurvePoint> = times
        .iter_quantiles(CURVE_POINTS)
        .scan(0, |count, step| {
            *count += step.count_since_last_iteration();
            let percent = step.quantile_iterated_to() * 100.0;
            Some(CurvePoint { percent, us: micros(step.value_iterated_to()), count: *count })
        })
        .collect();
    // The histogram gives the end of the slot that holds the longest time.
    if let Some(last) = curve.last_mut() {
        last.us = last.us.min(micros(times.max()));
    }
    Distribution {
        count: times.len(),
        mean_us: times.mean() / 1e3,
        deviation_us: times.stdev() / 1e3,
        min_us: micros(times.min()),
        max_us: micros(times.max()),
        percentiles: percents
            .iter()
            .map(|&percent| Percentile { percent, us: micros(times.value_at_quantile(percent / 100.0)) })
            .collect(),
        curve,
    }
}

fn phase(phase: &Phase) -> Option<PhaseTime> {
    (phase.count > 0).then(|| PhaseTime {
        mean_us: phase.sum as f64 / phase.count as f64 / 1e3,
        min_us: micros(phase.min),
        max_us: micros(phase.max),
    })
}

fn over_time(series: &Series) -> OverTime {
    let step_seconds = series.step() as f64 / SECOND as f64;
    let steps = series.steps().iter().enumerate().map(|(i, step)| {
        let quantile = |quantile| {
            (!step.times.is_empty()).then(|| micros(step.times.value_at_quantile(quantile).min(step.max)))
        };
        Step {
            at_seconds: i as f64 * step_seconds,
            answers: step.times.len(),
            failures: step.failures,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            max_us: (!step.times.is_empty()).then(|| micros(step.max)),
        }
    });
    OverTime { step_seconds, steps: steps.collect() }
}
