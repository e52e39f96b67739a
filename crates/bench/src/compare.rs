//! Two runs side by side.

use std::fmt::Write as _;

use crate::report::{Document, Report};
use crate::units::time;

/// Two documents side by side: of each the run with the highest rate, which is the only one
/// unless it is a sweep.
pub fn compare(names: [&str; 2], documents: [&Document; 2]) -> Option<String> {
    let [a, b] = documents.map(|document| {
        document.runs.iter().max_by(|a, b| a.requests_per_second.total_cmp(&b.requests_per_second))
    });
    let (a, b) = (a?, b?);
    let mut out = String::new();
    let mut line = |label: &str, a: String, b: String, ratio: String| {
        let _ = writeln!(out, "{}", format!("{label:<24} {a:>24} {b:>24} {ratio:>8}").trim_end());
    };
    line("", names[0].into(), names[1].into(), "ratio".into());
    for (label, of) in PARAMETERS {
        line(label, of(a), of(b), String::new());
    }
    let number = |a: f64, b: f64| if a > 0.0 { format!("{:.3}", b / a) } else { "-".into() };
    for (label, of) in RATES {
        line(label, format!("{:.1}", of(a)), format!("{:.1}", of(b)), number(of(a), of(b)));
    }
    for (label, of) in COUNTS {
        if of(a) > 0 || of(b) > 0 {
            line(label, of(a).to_string(), of(b).to_string(), String::new());
        }
    }
    for (name, theirs) in a.latencies() {
        let Some((_, ours)) = b.latencies().into_iter().find(|(other, _)| *other == name) else { continue };
        let (theirs, ours) = (theirs.honest(), ours.honest());
        let mut times = |label: String, a: f64, b: f64| line(&label, time(a), time(b), number(a, b));
        times(format!("{name} average"), theirs.mean_us, ours.mean_us);
        times(format!("{name} deviation"), theirs.deviation_us, ours.deviation_us);
        for percentile in &theirs.percentiles {
            if let Some(us) = ours.percentile(percentile.percent) {
                times(format!("{name} {}%", percentile.percent), percentile.us, us);
            }
        }
        times(format!("{name} slowest"), theirs.max_us, ours.max_us);
    }
    Some(out)
}

/// A row's label, and what it shows of a run.
type ReportRow<T> = (&'static str, fn(&Report) -> T);

const PARAMETERS: [ReportRow<String>; 6] = [
    ("began", |run| run.started_at.clone()),
    ("target", |run| run.parameters.target.clone()),
    ("connections", |run| run.parameters.connections.to_string()),
    ("in flight on each", |run| run.parameters.pipeline.to_string()),
    ("pace", |run| match run.parameters.rate {
        Some(rate) => format!("{} {rate}/s", run.parameters.pace),
        None => run.parameters.pace.clone(),
    }),
    ("ended", |run| run.ended.to_string()),
];

const RATES: [ReportRow<f64>; 4] = [
    ("requests/s", |run| run.requests_per_second),
    ("keys/s", |run| run.keys_per_second),
    ("MB/s received", |run| run.bytes_received_per_second / 1e6),
    ("MB/s sent", |run| run.bytes_sent_per_second / 1e6),
];

const COUNTS: [ReportRow<u64>; 7] = [
    ("hits", |run| run.outcomes.hits),
    ("misses", |run| run.outcomes.misses),
    ("refused", |run| run.outcomes.refused),
    ("wrong", |run| run.outcomes.wrong),
    ("failed", Report::all_failures),
    ("late", |run| run.schedule.as_ref().map_or(0, |schedule| schedule.late)),
    ("never sent", |run| run.schedule.as_ref().map_or(0, |schedule| schedule.unsent)),
];
