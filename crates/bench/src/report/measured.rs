//! A report out of what the threads of a run have measured.

use hdrhistogram::Histogram;

use super::buckets::buckets;
use super::warnings::warnings;
use super::{
    ConnectionCounts, CurvePoint, Ending, FailureCounts, KeyCounts, Latency, LatencyByOutcome,
    LatencyDistribution, Lateness, OutcomeCounts, Parameters, Percentile, PhaseTime, PhaseTimes, Report,
    TimeSeries, TimeStep, WarmUp,
};
use crate::plan::LoadPlan;
use crate::recorder::{GaveUp, LATE, LatencyRecorder, PhaseRecorder, Recorder, RequestFailure};
use crate::reply::AnswerKind;
use crate::run::Measured;
use crate::schedule::{Arrivals, Pace, SECOND};
use crate::series::SeriesRecorder;

/// The percentiles that every distribution has.
pub(crate) const PERCENTILES: [f64; 8] = [10.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// Points of a distribution's curve between each halving of what is left above.
const CURVE_POINTS: u32 = 5;

impl Report {
    /// What a run of `plan` has measured.
    pub(crate) fn new(plan: &LoadPlan, measured: &Measured) -> Self {
        let Measured { recorder, resolved_in, seconds, started_at, server, load_tester } = measured;
        let mut percents: Vec<f64> = PERCENTILES.iter().chain(&plan.percentiles).copied().collect();
        percents.sort_by(f64::total_cmp);
        percents.dedup();
        let latency_of = |kind| recorder.latencies(kind).map(|latencies| latency(latencies, &percents));
        let per_second = |count: u64| if *seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let recognized = match recorder.gave_up {
            Some(GaveUp::Unanswered(found)) => found,
            _ => None,
        };
        let mut report = Self {
            parameters: Parameters::new(plan),
            started_at: humantime::format_rfc3339_seconds(*started_at).to_string(),
            ended: match (recorder.gave_up, recorder.was_stopped) {
                (Some(_), _) => Ending::GaveUp,
                (None, true) => Ending::CutShort,
                (None, false) => Ending::Complete,
            },
            found_protocol: recognized.map(|found| found.to_string()),
            recognized,
            warnings: Vec::new(),
            seconds: *seconds,
            requests_per_second: per_second(recorder.in_time()),
            keys_per_second: per_second(recorder.keys_in_time()),
            sent: recorder.sent,
            outcomes: OutcomeCounts {
                hits: recorder.answers(AnswerKind::Hit),
                misses: recorder.answers(AnswerKind::Miss),
                refused: recorder.answers(AnswerKind::Refused),
                wrong: recorder.answers(AnswerKind::Wrong),
            },
            keys: KeyCounts { hits: recorder.key_hits, misses: recorder.key_misses },
            failures: FailureCounts {
                closed: recorder.failures(RequestFailure::Closed),
                truncated: recorder.failures(RequestFailure::Truncated),
                garbage: recorder.failures(RequestFailure::Garbage),
                broken: recorder.failures(RequestFailure::Broken),
                unconnected: recorder.failures(RequestFailure::Unconnected),
                timed_out: recorder.failures(RequestFailure::TimedOut),
                lost: recorder.failures(RequestFailure::Lost),
            },
            schedule: (plan.pace != Pace::Closed).then_some(Lateness {
                late: recorder.late,
                threshold_us: micros(LATE),
                latest_us: micros(recorder.late_max),
                unsent: recorder.unsent.len(),
                all_due: all_due(recorder).map(|times| distribution(&times, &percents)),
            }),
            cut_off: recorder.cut_off,
            warm_up: WarmUp { requests: recorder.warm_up_requests, failures: recorder.warm_up_failures },
            connections: ConnectionCounts {
                opened: recorder.connections_opened,
                failed: recorder.connections_failed,
                unasked: recorder.connections_unasked,
                resolve_us: resolved_in.map(|took| took.as_secs_f64() * 1e6),
                connect: phase(&recorder.connecting, recorder.connecting.count),
                handshake: phase(&recorder.handshaking, recorder.handshaking.count),
            },
            bytes_sent: recorder.bytes_sent,
            bytes_received: recorder.bytes_received,
            bytes_sent_per_second: per_second(recorder.bytes_sent),
            bytes_received_per_second: per_second(recorder.bytes_in_time()),
            latency: LatencyByOutcome {
                hits: latency_of(AnswerKind::Hit),
                misses: latency_of(AnswerKind::Miss),
                refused: latency_of(AnswerKind::Refused),
                wrong: latency_of(AnswerKind::Wrong),
            },
            phases: PhaseTimes {
                connect: phase(&recorder.phases.connect, recorder.phases.requests()),
                write: phase(&recorder.phases.write, recorder.phases.requests()),
                wait: phase(&recorder.phases.wait, recorder.phases.requests()),
                read: phase(&recorder.phases.read, recorder.phases.requests()),
                total: total(recorder),
            },
            server: server.clone(),
            load_tester: load_tester.clone(),
            over_time: over_time(&recorder.series),
            samples: recorder.samples.clone(),
        };
        report.warnings = warnings(&report, plan, recorder);
        report
    }
}

/// The times of all requests that were due, where some were never sent: of these the time that
/// they had waited.
fn all_due(recorder: &Recorder) -> Option<Histogram<u64>> {
    let answered = KINDS.into_iter().filter_map(|kind| recorder.latencies(kind)?.response.as_ref());
    (!recorder.unsent.is_empty()).then(|| {
        answered.fold(recorder.unsent.clone(), |mut all, times| {
            // All have the same bounds, so nothing is refused.
            let _ = all.add(times);
            all
        })
    })
}

impl Parameters {
    fn new(plan: &LoadPlan) -> Self {
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
            spread: plan.workload.distribution.to_string(),
            miss: plan.workload.miss,
            keys_per_request: plan.workload.keys_per_request,
            fields: plan.target.fields().to_vec(),
            seed: plan.workload.seed,
            verify: plan.workload.verify,
            new_connection: plan.new_connection,
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn latency(latencies: &LatencyRecorder, percents: &[f64]) -> Latency {
    Latency {
        response: latencies.response.as_ref().map(|times| distribution(times, percents)),
        service: distribution(&latencies.service, percents),
    }
}

fn distribution(times: &Histogram<u64>, percents: &[f64]) -> LatencyDistribution {
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
    LatencyDistribution {
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
        buckets: buckets(times),
    }
}

/// A phase of so many requests; those of which it has no record took none.
fn phase(phase: &PhaseRecorder, requests: u64) -> Option<PhaseTime> {
    (requests > 0).then(|| PhaseTime {
        mean_us: phase.sum as f64 / requests as f64 / 1e3,
        min_us: if phase.count < requests { 0.0 } else { micros(phase.min) },
        max_us: micros(phase.max),
    })
}

/// The whole time of requests, which their phases add up to.
fn total(recorder: &Recorder) -> Option<PhaseTime> {
    let requests = recorder.phases.requests();
    let services = || KINDS.into_iter().filter_map(|kind| Some(&recorder.latencies(kind)?.service));
    (requests > 0).then(|| PhaseTime {
        mean_us: recorder.phases.sum() as f64 / requests as f64 / 1e3,
        min_us: services().map(Histogram::min).min().map_or(0.0, micros),
        max_us: services().map(Histogram::max).max().map_or(0.0, micros),
    })
}

const KINDS: [AnswerKind; 4] = [AnswerKind::Hit, AnswerKind::Miss, AnswerKind::Refused, AnswerKind::Wrong];

fn over_time(series: &SeriesRecorder) -> TimeSeries {
    let step_seconds = series.step() as f64 / SECOND as f64;
    let steps = series.steps().iter().enumerate().map(|(i, step)| {
        let quantile = |quantile| {
            (!step.times.is_empty()).then(|| micros(step.times.value_at_quantile(quantile).min(step.max)))
        };
        TimeStep {
            at_seconds: i as f64 * step_seconds,
            answers: step.times.len(),
            failures: step.failures,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            max_us: (!step.times.is_empty()).then(|| micros(step.max)),
        }
    });
    TimeSeries { step_seconds, steps: steps.collect() }
}
