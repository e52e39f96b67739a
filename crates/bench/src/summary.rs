//! The summary that a person reads at the end of a run: rates, outcomes, percentiles, a histogram
//! of bars, phases.

use std::fmt::Write as _;

use crate::key_distribution::whole;
use crate::report::{Document, Latency, LatencyDistribution, PhaseTime, Report, Sweep};

/// Bars of a histogram, and the columns of the longest.
const BARS: usize = 11;
const BAR_COLUMNS: usize = 40;

/// A run as text.
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    write_summary(report, &mut out).expect("a string takes everything");
    out
}

fn write_summary(report: &Report, out: &mut String) -> std::fmt::Result {
    let parameters = &report.parameters;
    let pace = match (parameters.rate, &parameters.think) {
        (Some(rate), _) => format!("{rate} requests/s asked for, {} arrivals", parameters.pace),
        (None, Some(think)) => format!("users who wait {think} after each answer"),
        (None, None) => "each sending when it is answered".into(),
    };
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(out, "{}", parameters.target)?;
    write!(out, "{}", plural(parameters.connections, "connection"))?;
    if parameters.new_connection {
        write!(out, " at a time, a new one for each request")?;
    } else if parameters.pipeline > 1 {
        write!(out, ", {} requests in flight on each", parameters.pipeline)?;
    }
    writeln!(out, ", {}; {pace}\n", plural(parameters.threads, "thread"))?;
    writeln!(out, "Summary:")?;
    writeln!(out, "  Measured       {:>12.3} s", report.seconds)?;
    writeln!(out, "  Requests/s     {:>12.1}", report.requests_per_second)?;
    if parameters.keys_per_request > 1 {
        writeln!(out, "  Keys/s         {:>12.1}", report.keys_per_second)?;
    }
    writeln!(out, "  Sent           {:>12} requests, {}", report.sent, bytes(report.bytes_sent))?;
    writeln!(out, "  Answered       {:>12} requests, {}", report.answers(), bytes(report.bytes_received))?;
    if let Some(schedule) = &report.schedule {
        writeln!(
            out,
            "  Late           {:>12} requests sent more than {} after their time, the latest by {}",
            schedule.late,
            time(schedule.threshold_us),
            time(schedule.latest_us)
        )?;
        if schedule.unsent > 0 {
            writeln!(
                out,
                "  Never sent     {:>12} requests were due, and no connection was free",
                schedule.unsent
            )?;
        }
    }
    if report.cut_off > 0 {
        writeln!(out, "  Cut off        {:>12} requests were in flight at the end", report.cut_off)?;
    }
    if report.warm_up.requests > 0 {
        writeln!(
            out,
            "  Warm-up        {:>12} requests, not counted above or below; {} of them failed",
            report.warm_up.requests, report.warm_up.failures
        )?;
    }
    write_outcomes(report, out)?;
    for (name, latency) in report.latencies() {
        write_timing(name, latency, out)?;
    }
    write_phases(report, out)?;
    if !report.samples.is_empty() {
        writeln!(out, "\nWhat went wrong first:")?;
        for sample in &report.samples {
            writeln!(out, "  {sample}")?;
        }
    }
    Ok(())
}

fn write_outcomes(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nOutcomes:")?;
    let outcomes = &report.outcomes;
    let verified = if report.parameters.verify { ", compared with the data" } else { "" };
    writeln!(out, "  hits           {:>12}{verified}", outcomes.hits)?;
    writeln!(out, "  misses         {:>12}", outcomes.misses)?;
    for (name, count, meaning) in [
        ("refused", outcomes.refused, "the server answered that it would not or could not"),
        ("wrong", outcomes.wrong, "the answer is not what the data says"),
    ]
    .into_iter()
    .chain(report.failures.named())
    {
        if count > 0 {
            writeln!(out, "  {name:<14} {count:>12}  {meaning}")?;
        }
    }
    if report.parameters.keys_per_request > 1 {
        writeln!(out, "  keys           {:>12} found, {} not there", report.keys.hits, report.keys.misses)?;
    }
    let connections = &report.connections;
    write!(out, "  connections    {:>12} opened", connections.opened)?;
    if connections.failed > 0 {
        write!(out, ", {} failed", connections.failed)?;
    }
    if connections.unasked > 0 {
        write!(out, ", {} sent what was not asked for", connections.unasked)?;
    }
    writeln!(out)
}

fn write_timing(name: &str, latency: &Latency, out: &mut String) -> std::fmt::Result {
    let honest = latency.honest();
    writeln!(out, "\nLatency of {name}:")?;
    match &latency.response {
        Some(response) => {
            writeln!(out, "             from the intended send    from the actual send")?;
            let mut row = |label: &str, response: f64, service: f64| {
                writeln!(out, "  {label:<9} {:>20} {:>24}", time(response), time(service))
            };
            let service = &latency.service;
            row("average", response.mean_us, service.mean_us)?;
            row("fastest", response.min_us, service.min_us)?;
            for (ours, theirs) in response.percentiles.iter().zip(&service.percentiles) {
                row(&format!("{}%", ours.percent), ours.us, theirs.us)?;
            }
            row("slowest", response.max_us, service.max_us)?;
        }
        None => {
            let mut row = |label: &str, us: f64| writeln!(out, "  {label:<9} {:>14}", time(us));
            row("average", honest.mean_us)?;
            row("fastest", honest.min_us)?;
            for percentile in &honest.percentiles {
                row(&format!("{}%", percentile.percent), percentile.us)?;
            }
            row("slowest", honest.max_us)?;
        }
    }
    write_bars(honest, out)
}

/// Bars of equal width in time up to the 99th percentile, and one for all that took longer.
fn write_bars(times: &LatencyDistribution, out: &mut String) -> std::fmt::Result {
    let p99 =
        times.percentiles.iter().find(|found| found.percent == 99.0).map_or(times.max_us, |found| found.us);
    let width = (p99 - times.min_us) / (BARS - 1) as f64;
    if width <= 0.0 {
        return Ok(());
    }
    let up_to = |us: f64| {
        let after = times.curve.partition_point(|point| point.us <= us);
        match (times.curve.get(after.wrapping_sub(1)), times.curve.get(after)) {
            (Some(below), Some(above)) if above.us > below.us => {
                let part = (us - below.us) / (above.us - below.us);
                below.count + whole((above.count - below.count) as f64 * part)
            }
            (Some(below), _) => below.count,
            (None, _) => 0,
        }
    };
    let mut bars = Vec::new();
    let mut before = 0;
    for i in 1..=BARS {
        let edge = if i == BARS { times.max_us } else { times.min_us + width * i as f64 };
        let count = if i == BARS { times.count } else { up_to(edge).max(before) };
        bars.push((edge, count - before));
        before = count;
    }
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    writeln!(out)?;
    for (edge, count) in bars {
        let columns = whole((count as f64 / most as f64 * BAR_COLUMNS as f64).round()) as usize;
        let line = format!("  {:>10} [{count:>9}] {}", time(edge), "■".repeat(columns));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn write_phases(report: &Report, out: &mut String) -> std::fmt::Result {
    let phases = &report.phases;
    let named =
        [("connect", phases.connect), ("write", phases.write), ("wait", phases.wait), ("read", phases.read)];
    writeln!(out, "\nPhases (average, fastest, slowest):")?;
    if let Some(us) = phases.resolve_us {
        writeln!(out, "  {:<9} {:>14}, once", "DNS", time(us))?;
    }
    for (name, phase) in named {
        if let Some(PhaseTime { mean_us, min_us, max_us }) = phase {
            writeln!(out, "  {name:<9} {:>14} {:>14} {:>14}", time(mean_us), time(min_us), time(max_us))?;
        }
    }
    Ok(())
}

/// The runs of a sweep, one a line.
pub fn sweep_table(document: &Document) -> String {
    let mut out = String::new();
    let what = match document.sweep {
        Some(Sweep::Rate) => "asked/s",
        _ => "connections",
    };
    let mut line = |cells: [String; 8]| {
        let [first, rest @ ..] = cells;
        out.push_str(&format!("{first:>11}"));
        rest.iter().for_each(|cell| out.push_str(&format!(" {cell:>12}")));
        out.push('\n');
    };
    line([what, "requests/s", "p50", "p90", "p99", "p99.9", "max", "failed"].map(str::to_owned));
    for run in &document.runs {
        let step = match document.sweep {
            Some(Sweep::Rate) => run.parameters.rate.unwrap_or_default().to_string(),
            _ => run.parameters.connections.to_string(),
        };
        let times = run.latencies().first().map(|(_, latency)| latency.honest().clone());
        let at = |percent: f64| {
            let found = times.as_ref()?.percentiles.iter().find(|found| found.percent == percent)?;
            Some(time(found.us))
        };
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let failed = run.all_failures() + run.outcomes.refused + run.outcomes.wrong;
        line([
            step,
            format!("{:.1}", run.requests_per_second),
            cell(at(50.0)),
            cell(at(90.0)),
            cell(at(99.0)),
            cell(at(99.9)),
            cell(times.as_ref().map(|times| time(times.max_us))),
            failed.to_string(),
        ]);
    }
    out
}

/// A time in the unit that suits it.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.1} us"),
        us if us < 1_000_000.0 => format!("{:.3} ms", us / 1e3),
        us => format!("{:.3} s", us / 1e6),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e3 => format!("{bytes} B"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
