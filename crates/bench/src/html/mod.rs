//! One page with the figures and plots of a run or a sweep. It asks no network for
//! anything, runs no script, and says so in its own policy.

mod plots;
mod sweep;

use std::fmt::Write as _;

use crate::plot::{Plot, escaped};
use crate::report::{Document, LatencyDistribution, PhaseTime, Report, Sweep};
use crate::summary::process;
use crate::units::{short_time, time};
use plots::{by_percentile, latency_over_time, percentile_curve, rate_over_time};
use sweep::write_sweep;

const HEAD: &str = include_str!("page_head.html");

/// The page.
pub fn page(document: &Document) -> String {
    let mut out = String::new();
    write_page(document, &mut out).expect("a string takes everything");
    out
}

fn write_page(document: &Document, out: &mut String) -> std::fmt::Result {
    out.push_str(HEAD);
    let target = document.runs.first().map_or("", |run| run.parameters.target.as_str());
    writeln!(out, "<h1>{}</h1>", escaped(target))?;
    match document.sweep {
        None => document.runs.iter().try_for_each(|run| write_run(run, out))?,
        Some(sweep) => write_sweep(document, sweep, out)?,
    }
    let command_line: Vec<String> = document.command_line.iter().map(|word| quoted(word)).collect();
    writeln!(
        out,
        "<footer>{}<br><code>{}</code></footer>",
        escaped(&document.generator),
        escaped(&command_line.join(" "))
    )?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

/// A word of a command line, as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn write_warnings(before: &str, run: &Report, out: &mut String) -> std::fmt::Result {
    run.warnings.iter().try_for_each(|warning| {
        writeln!(out, "<p class=\"warning\">{}{}</p>", escaped(before), escaped(warning))
    })
}

fn write_run(run: &Report, out: &mut String) -> std::fmt::Result {
    write_parameters(run, None, out)?;
    write_warnings("", run, out)?;
    let latencies = run.latencies();
    let mut tiles = vec![
        ("requests/s", format!("{:.0}", run.requests_per_second)),
        ("MB/s received", format!("{:.2}", run.bytes_received_per_second / 1e6)),
    ];
    if let Some((_, latency)) = latencies.first() {
        let times = latency.honest();
        for (name, percent) in [("median", 50.0), ("99%", 99.0)] {
            tiles.extend(times.percentile(percent).map(|us| (name, time(us))));
        }
        tiles.push(("slowest", time(times.max_us)));
    }
    if let Some(schedule) = &run.schedule {
        tiles.push(("sent late", schedule.late.to_string()));
        if schedule.unsent > 0 {
            tiles.push(("never sent", schedule.unsent.to_string()));
        }
    }
    tiles.push(("failed", run.all_failures().to_string()));
    out.push_str("<div class=\"tiles\">");
    for (name, value) in tiles {
        write!(out, "<div><b>{}</b><span>{name}</span></div>", escaped(&value))?;
    }
    out.push_str("</div>\n");

    let mut curves = Vec::new();
    if let Some(all_due) = run.schedule.as_ref().and_then(|schedule| schedule.all_due.as_ref()) {
        curves.push(percentile_curve("all that were due".into(), 0, all_due));
    }
    for (name, latency) in &latencies {
        if let Some(response) = &latency.response {
            let name = format!("{name}, from the intended send");
            curves.push(percentile_curve(name, curves.len(), response));
        }
        let name =
            if latency.response.is_some() { format!("{name}, from the actual send") } else { (*name).into() };
        curves.push(percentile_curve(name, curves.len(), &latency.service));
    }
    write_figure("Latency by percentile", (!curves.is_empty()).then(|| by_percentile(curves)).as_ref(), out)?;
    write_figure("Rate over time", Some(&rate_over_time(run)), out)?;
    write_figure("Latency over time", Some(&latency_over_time(run)), out)?;
    write_tables(run, out)
}

/// What all runs have in common.
fn write_parameters(run: &Report, sweep: Option<Sweep>, out: &mut String) -> std::fmt::Result {
    let parameters = &run.parameters;
    let mut said = vec![format!("began {}", run.started_at)];
    if sweep != Some(Sweep::Connections) {
        said.push(format!("connections: {}", parameters.connections));
    }
    said.push(format!("in flight on each: {}", parameters.pipeline));
    said.push(format!("threads: {}", parameters.threads));
    said.push(format!("keys: {}", parameters.spread));
    if sweep.is_none() {
        said.push(format!("measured for {:.3} s", run.seconds));
    }
    match (parameters.rate, &parameters.think) {
        (Some(_), _) if sweep == Some(Sweep::Rate) => said.push(format!("{} arrivals", parameters.pace)),
        (Some(rate), _) => said.push(format!("{rate} requests/s asked for, {} arrivals", parameters.pace)),
        (None, Some(think)) => said.push(format!("users who wait {think}")),
        (None, None) => said.push("each sending when it is answered".into()),
    }
    if parameters.new_connection {
        said.push("a new connection for each request".into());
    }
    if parameters.miss > 0.0 {
        said.push(format!("{} of the keys absent", parameters.miss));
    }
    if parameters.keys_per_request > 1 {
        said.push(format!("{} keys in each request", parameters.keys_per_request));
    }
    if !parameters.fields.is_empty() {
        said.push(format!("columns {}", parameters.fields.join(", ")));
    }
    if parameters.verify {
        said.push("answers compared with the data".into());
    }
    writeln!(out, "<p>{}</p>", escaped(&said.join(" · ")))
}

fn write_figure(title: &str, plot: Option<&Plot>, out: &mut String) -> std::fmt::Result {
    match plot {
        Some(plot) => writeln!(out, "<h2>{title}</h2>\n{}", plot.svg()),
        None => writeln!(out, "<h2>{title}</h2>\n<p>Nothing was answered.</p>"),
    }
}

fn write_tables(run: &Report, out: &mut String) -> std::fmt::Result {
    let latencies = run.latencies();
    let mut columns: Vec<(String, &LatencyDistribution)> = Vec::new();
    for (name, latency) in &latencies {
        if let Some(response) = &latency.response {
            columns.push((format!("{name}, intended"), response));
            columns.push((format!("{name}, actual"), &latency.service));
        } else {
            columns.push(((*name).into(), &latency.service));
        }
    }
    if let Some((_, first)) = columns.first() {
        out.push_str("<h2>Percentiles</h2>\n<table><tr><th>");
        columns.iter().try_for_each(|(name, _)| write!(out, "<th>{name}"))?;
        out.push_str("</tr>\n");
        for (i, percentile) in first.percentiles.iter().enumerate() {
            write!(out, "<tr><th>{}%", percentile.percent)?;
            columns.iter().try_for_each(|(_, times)| write!(out, "<td>{}", time(times.percentiles[i].us)))?;
            out.push_str("</tr>\n");
        }
        out.push_str("<tr><th>slowest");
        columns.iter().try_for_each(|(_, times)| write!(out, "<td>{}", time(times.max_us)))?;
        out.push_str("</tr>\n<tr><th>average");
        columns.iter().try_for_each(|(_, times)| write!(out, "<td>{}", time(times.mean_us)))?;
        out.push_str("</tr>\n<tr><th>standard deviation");
        columns.iter().try_for_each(|(_, times)| write!(out, "<td>{}", time(times.deviation_us)))?;
        out.push_str("</tr></table>\n");
    }
    if let Some((name, latency)) = latencies.first() {
        write_histogram(name, latency.honest(), out)?;
    }
    write_phases(run, out)?;
    out.push_str("<h2>Outcomes</h2>\n<table>");
    let outcomes = &run.outcomes;
    for (name, count, meaning) in [
        ("hits", outcomes.hits, "a value"),
        ("misses", outcomes.misses, "no such key"),
        ("refused", outcomes.refused, "the server answered that it would not or could not"),
        ("wrong", outcomes.wrong, "the answer is not what the data says"),
    ]
    .into_iter()
    .chain(run.failures.named())
    {
        writeln!(out, "<tr><th>{name}<td>{count}<td class=\"w\">{meaning}</tr>")?;
    }
    out.push_str("</table>\n");
    write_processes(run, out)?;
    if !run.samples.is_empty() {
        out.push_str("<h2>What went wrong first</h2>\n<ul>");
        for sample in &run.samples {
            writeln!(out, "<li><code>{}</code>", escaped(sample))?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

fn write_histogram(name: &str, times: &LatencyDistribution, out: &mut String) -> std::fmt::Result {
    let most = times.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    writeln!(out, "<h2>Histogram of {name}</h2>\n<table>")?;
    for bucket in &times.buckets {
        let percent = bucket.count as f64 / most as f64 * 100.0;
        writeln!(
            out,
            "<tr><th>up to {}<td>{}<td class=\"b\"><i style=\"width:{percent:.1}%\"></i></tr>",
            short_time(bucket.up_to_us),
            bucket.count
        )?;
    }
    writeln!(out, "</table>")
}

fn write_phases(run: &Report, out: &mut String) -> std::fmt::Result {
    let phases = &run.phases;
    if phases.total.is_none() {
        return Ok(());
    }
    out.push_str("<h2>Phases of a request</h2>\n<table><tr><th><th>average<th>fastest<th>slowest</tr>\n");
    for (name, times, meaning) in [
        ("connect", phases.connect, "for want of a connection; hey: DNS+dialup"),
        ("write", phases.write, "hey: req write"),
        ("wait", phases.wait, "for the first byte; hey: resp wait"),
        ("read", phases.read, "hey: resp read"),
        ("total", phases.total, "from the actual send"),
        ("(connections)", run.connections.connect, "each made in; most of them before the first request"),
    ] {
        let Some(PhaseTime { mean_us, min_us, max_us }) = times else { continue };
        let [mean, min, max] = [mean_us, min_us, max_us].map(time);
        writeln!(out, "<tr><th>{name}<td>{mean}<td>{min}<td>{max}<td class=\"w\">{meaning}</tr>")?;
    }
    writeln!(out, "</table>")
}

fn write_processes(run: &Report, out: &mut String) -> std::fmt::Result {
    let server = run.server.as_ref().map(|used| (format!("server ({})", used.command), used));
    let load_tester = run.load_tester.as_ref().map(|used| ("load tester".to_owned(), used));
    let used: Vec<_> = server.into_iter().chain(load_tester).collect();
    if used.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>This machine</h2>\n<table>");
    for (name, used) in used {
        writeln!(out, "<tr><th>{}<td class=\"w\">{}</tr>", escaped(&name), process(used))?;
    }
    writeln!(out, "</table>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        for (word, shown) in [
            ("--rate=5", "--rate=5"),
            ("http://h/?key={key}", "'http://h/?key={key}'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
