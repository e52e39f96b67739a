//! The summary that a person reads at the end of a run: rates, outcomes, percentiles, a histogram
//! of bars, phases.

use std::fmt::Write as _;

use crate::key_distribution::whole;
use crate::report::{Document, Ending, Latency, LatencyDistribution, PhaseTime, ProcessUse, Report, Sweep};
use crate::units::{bytes, short_time, time};

/// The columns of a histogram's longest bar.
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
    writeln!(out, "{}, {}", parameters.target, report.started_at)?;
    write!(out, "{}", plural(parameters.connections, "connection"))?;
    if parameters.new_connection {
        write!(out, " at a time, a new one for each request")?;
    } else if parameters.pipeline > 1 {
        write!(out, ", {} requests in flight on each", parameters.pipeline)?;
    }
    writeln!(out, ", {}; {pace}\n", plural(parameters.threads, "thread"))?;
    if !report.warnings.is_empty() {
        writeln!(out, "Warning:")?;
        report.warnings.iter().try_for_each(|warning| writeln!(out, "  {warning}"))?;
        writeln!(out)?;
    }
    writeln!(out, "Summary:")?;
    writeln!(out, "  Measured       {:>12.3} s", report.seconds)?;
    writeln!(out, "  Requests/s     {:>12.1}", report.requests_per_second)?;
    if parameters.keys_per_request > 1 {
        writeln!(out, "  Keys/s         {:>12.1}", report.keys_per_second)?;
    }
    writeln!(
        out,
        "  MB/s           {:>12.3} received, {:.3} sent",
        mega(report.bytes_received_per_second),
        mega(report.bytes_sent_per_second)
    )?;
    writeln!(out, "  Sent           {:>12} requests, {}", report.sent, bytes(report.bytes_sent as f64))?;
    writeln!(
        out,
        "  Answered       {:>12} requests, {}",
        report.answers(),
        bytes(report.bytes_received as f64)
    )?;
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
    if let Some(all_due) = report.schedule.as_ref().and_then(|schedule| schedule.all_due.as_ref()) {
        writeln!(out, "\nLatency of all requests that were due, with the wait of those never sent:")?;
        write_column(all_due, out)?;
    }
    write_phases(report, out)?;
    write_processes(report, out)?;
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
            row("deviation", response.deviation_us, service.deviation_us)?;
            row("fastest", response.min_us, service.min_us)?;
            for (ours, theirs) in response.percentiles.iter().zip(&service.percentiles) {
                row(&format!("{}%", ours.percent), ours.us, theirs.us)?;
            }
            row("slowest", response.max_us, service.max_us)?;
        }
        None => write_column(honest, out)?,
    }
    write_bars(honest, out)
}

fn write_column(times: &LatencyDistribution, out: &mut String) -> std::fmt::Result {
    let mut row = |label: &str, us: f64| writeln!(out, "  {label:<9} {:>14}", time(us));
    row("average", times.mean_us)?;
    row("deviation", times.deviation_us)?;
    row("fastest", times.min_us)?;
    for percentile in &times.percentiles {
        row(&format!("{}%", percentile.percent), percentile.us)?;
    }
    row("slowest", times.max_us)
}

/// A bar for each bucket of the histogram.
fn write_bars(times: &LatencyDistribution, out: &mut String) -> std::fmt::Result {
    let most = times.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    writeln!(out)?;
    for bucket in &times.buckets {
        let part = bucket.count as f64 / most as f64;
        let columns = whole((part * BAR_COLUMNS as f64).round()) as usize;
        let edge = short_time(bucket.up_to_us);
        let line = format!("  up to {edge:>7} [{:>9}] {}", bucket.count, "■".repeat(columns));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn write_phases(report: &Report, out: &mut String) -> std::fmt::Result {
    let phases = &report.phases;
    if phases.total.is_some() {
        writeln!(out, "\nPhases of a request (average, fastest, slowest), which add up to the total:")?;
    }
    for (name, phase, in_hey) in [
        ("connect", phases.connect, "for want of a connection; hey: DNS+dialup"),
        ("write", phases.write, "hey: req write"),
        ("wait", phases.wait, "for the first byte; hey: resp wait"),
        ("read", phases.read, "hey: resp read"),
        ("total", phases.total, "from the actual send"),
    ] {
        if let Some(times) = phase {
            writeln!(out, "  {name:<9} {}  {in_hey}", three_times(times))?;
        }
    }
    let connections = &report.connections;
    if let Some(times) = connections.connect {
        let name = match connections.resolve_us {
            Some(us) => format!("the name took {}, once", time(us)),
            None => "no name was looked up".into(),
        };
        writeln!(out, "\nConnections, most of them made before the first request:")?;
        writeln!(out, "  {:<9} {}  {name}", "made in", three_times(times))?;
    }
    if let Some(times) = connections.handshake {
        writeln!(out, "  {:<9} {}  the TLS handshake's part of it", "of which", three_times(times))?;
    }
    Ok(())
}

fn three_times(PhaseTime { mean_us, min_us, max_us }: PhaseTime) -> String {
    format!("{:>12} {:>12} {:>12}", time(mean_us), time(min_us), time(max_us))
}

fn write_processes(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.server.is_none() && report.load_tester.is_none() {
        return Ok(());
    }
    writeln!(out, "\nThis machine:")?;
    if let Some(used) = &report.server {
        let more = match used.processes {
            1 => String::new(),
            processes => format!(", {processes} processes"),
        };
        writeln!(out, "  server         {} ({}{more})", process(used), used.command)?;
    }
    if let Some(used) = &report.load_tester {
        writeln!(out, "  load tester    {}", process(used))?;
    }
    Ok(())
}

/// What a process used, in one line.
pub(crate) fn process(used: &ProcessUse) -> String {
    let (before, after) = (used.resident_bytes_before as f64, used.resident_bytes as f64);
    format!(
        "{:.2} cores, {:.2} s of processor time; {} resident, {} before",
        used.cpu_cores,
        used.cpu_seconds,
        bytes(after),
        bytes(before)
    )
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
    let outcome = document.main_outcome();
    for run in &document.runs {
        let step = match document.sweep {
            Some(Sweep::Rate) => run.parameters.rate.unwrap_or_default().to_string(),
            _ => run.parameters.connections.to_string(),
        };
        let times = run.latency(outcome).map(Latency::honest);
        let at = |percent: f64| Some(time(times?.percentile(percent)?));
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let failed = run.all_failures() + run.outcomes.refused + run.outcomes.wrong;
        line([
            step,
            format!("{:.1}", run.requests_per_second),
            cell(at(50.0)),
            cell(at(90.0)),
            cell(at(99.0)),
            cell(at(99.9)),
            cell(times.map(|times| time(times.max_us))),
            failed.to_string(),
        ]);
    }
    if outcome != "hits" {
        out.push_str(&format!("The latencies are those of {outcome}: there were no hits.\n"));
    }
    for (number, run) in document.runs.iter().enumerate() {
        for warning in &run.warnings {
            out.push_str(&format!("Warning, run {}: {warning}\n", number + 1));
        }
    }
    if document.runs.last().is_some_and(|run| run.ended != Ending::Complete) {
        out.push_str("The sweep ended there.\n");
    }
    out
}

fn mega(bytes: f64) -> f64 {
    bytes / 1e6
}
