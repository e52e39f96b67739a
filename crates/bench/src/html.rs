//! `--html`: one page with the figures and plots of a run or a sweep. It asks no network for
//! anything, runs no script, and says so in its own policy.

use std::fmt::Write as _;

use crate::plot::{Axis, COLOURS, Curve, Plot, Scale, escaped, scale_for};
use crate::report::{Document, LatencyDistribution, Report, Sweep};
use crate::summary::time;

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
    writeln!(out, "<footer>{}</footer>", escaped(&document.generator))?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

fn write_sweep(document: &Document, sweep: Sweep, out: &mut String) -> std::fmt::Result {
    if let Some(run) = document.runs.first() {
        write_parameters(run, Some(sweep), out)?;
    }
    write_figure("Latency against rate", Some(&latency_against_rate(document)), out)?;
    // As many as there are colours, evenly out of all.
    let every = document.runs.len().div_ceil(COLOURS).max(1);
    let curves = document.runs.iter().step_by(every).enumerate().filter_map(|(colour, run)| {
        let (_, latency) = *run.latencies().first()?;
        Some(percentile_curve(step_name(run, sweep), colour, latency.honest()))
    });
    let (what, each) = match sweep {
        Sweep::Connections => ("connections", "number of connections"),
        Sweep::Rate => ("asked for", "rate"),
    };
    let title = format!("Latency by percentile, for each {each}");
    write_figure(&title, Some(&by_percentile(curves.collect())), out)?;
    write!(out, "<table class=\"s\"><tr><th>{what}<th>requests/s")?;
    let first = document.runs.iter().find_map(|run| Some(run.latencies().first()?.1.honest()));
    let percents: Vec<f64> =
        first.iter().flat_map(|times| &times.percentiles).map(|found| found.percent).collect();
    percents.iter().try_for_each(|percent| write!(out, "<th>{percent}%"))?;
    writeln!(out, "<th>slowest<th>failed</tr>")?;
    for run in &document.runs {
        write!(out, "<tr><th>{}<td>{:.0}", step_name(run, sweep), run.requests_per_second)?;
        match run.latencies().first() {
            Some((_, latency)) => {
                let times = latency.honest();
                times.percentiles.iter().try_for_each(|found| write!(out, "<td>{}", brief_time(found.us)))?;
                write!(out, "<td>{}", brief_time(times.max_us))?;
            }
            None => write!(out, "{}", "<td>".repeat(percents.len() + 1))?,
        }
        writeln!(out, "<td>{}</tr>", run.all_failures())?;
    }
    writeln!(out, "</table>")
}

fn write_run(run: &Report, out: &mut String) -> std::fmt::Result {
    write_parameters(run, None, out)?;
    let latencies = run.latencies();
    let mut tiles = vec![("requests/s", format!("{:.0}", run.requests_per_second))];
    if let Some((_, latency)) = latencies.first() {
        let times = latency.honest();
        for percent in [50.0, 99.0] {
            if let Some(found) = times.percentiles.iter().find(|found| found.percent == percent) {
                tiles.push((if percent == 50.0 { "median" } else { "99%" }, time(found.us)));
            }
        }
        tiles.push(("slowest", time(times.max_us)));
    }
    if let Some(schedule) = &run.schedule {
        tiles.push(("sent late", schedule.late.to_string()));
    }
    tiles.push(("failed", run.all_failures().to_string()));
    out.push_str("<div class=\"tiles\">");
    for (name, value) in tiles {
        write!(out, "<div><b>{}</b><span>{name}</span></div>", escaped(&value))?;
    }
    out.push_str("</div>\n");

    let mut curves = Vec::new();
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
    let mut said = Vec::new();
    if sweep != Some(Sweep::Connections) {
        said.push(format!("connections: {}", parameters.connections));
    }
    said.push(format!("in flight on each: {}", parameters.pipeline));
    said.push(format!("threads: {}", parameters.threads));
    said.push(format!("keys: {}", parameters.spread));
    said.push(format!("measured for {:.3} s", run.seconds));
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
        out.push_str("</tr></table>\n");
    }
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
    if !run.samples.is_empty() {
        out.push_str("<h2>What went wrong first</h2>\n<ul>");
        for sample in &run.samples {
            writeln!(out, "<li><code>{}</code>", escaped(sample))?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

/// A time for an axis: no digits that say nothing.
fn short_time(us: f64) -> String {
    let (number, unit) = in_unit(us);
    format!("{} {unit}", plain(number, 2))
}

/// A time for a table with many columns: three digits.
fn brief_time(us: f64) -> String {
    let (number, unit) = in_unit(us);
    let decimals = match number {
        number if number < 10.0 => 2,
        number if number < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

fn in_unit(us: f64) -> (f64, &'static str) {
    match us {
        us if us < 1_000.0 => (us, "us"),
        us if us < 1_000_000.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    }
}

/// A number with at most so many `decimals`, and none that are zeros.
fn plain(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn time_axis(curves: &[Curve]) -> Axis {
    let numbers = curves.iter().flat_map(|curve| curve.points.iter().flatten().map(|point| point.1));
    Axis { label: "latency", scale: scale_for(numbers), room: 0.04, name: short_time, ticks: Vec::new() }
}

/// One part in this many took longer.
fn rarity(percent: f64) -> f64 {
    1.0 / (1.0 - percent / 100.0)
}

fn percentile_curve(name: String, colour: usize, times: &LatencyDistribution) -> Curve {
    // The last point is the maximum, which lies at infinity; it is drawn where one in all of them
    // is.
    let most = times.count as f64;
    let points = times.curve.iter().map(|point| Some((rarity(point.percent).min(most.max(1.0)), point.us)));
    Curve { name, colour, points: points.collect(), is_marked: false }
}

fn by_percentile(curves: Vec<Curve>) -> Plot {
    let name = |rarity: f64| format!("{}%", plain(100.0 - 100.0 / rarity, 6));
    let ticks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999].map(rarity).to_vec();
    let x = Axis { label: "percentile", scale: Scale::Log, room: 0.0, name, ticks };
    Plot { title: "Latency by percentile", x, y: time_axis(&curves), curves }
}

fn seconds_axis() -> Axis {
    Axis {
        label: "time",
        scale: Scale::Linear,
        room: 0.01,
        name: |seconds| format!("{} s", plain(seconds, 3)),
        ticks: Vec::new(),
    }
}

fn count_name(count: f64) -> String {
    match count {
        count if count >= 10_000.0 => format!("{}k", plain(count / 1e3, 3)),
        count => plain(count, 3),
    }
}

fn rate_over_time(run: &Report) -> Plot {
    let step_seconds = run.over_time.step_seconds;
    let of = |count: fn(&crate::report::TimeStep) -> u64| {
        // What comes after the end of the measured time belongs to no rate.
        let steps =
            run.over_time.steps.iter().filter(|step| step.at_seconds + step_seconds <= run.seconds + 1e-9);
        let middle = step_seconds / 2.0;
        steps.map(|step| Some((step.at_seconds + middle, count(step) as f64 / step_seconds))).collect()
    };
    let mut curves =
        vec![Curve { name: "answers".into(), colour: 0, points: of(|step| step.answers), is_marked: false }];
    if run.all_failures() > 0 {
        curves.push(Curve {
            name: "failures".into(),
            colour: 1,
            points: of(|step| step.failures),
            is_marked: false,
        });
    }
    let y =
        Axis { label: "requests/s", scale: Scale::Linear, room: 0.04, name: count_name, ticks: Vec::new() };
    Plot { title: "Rate over time", x: seconds_axis(), y, curves }
}

fn latency_over_time(run: &Report) -> Plot {
    let middle = run.over_time.step_seconds / 2.0;
    let curve = |name: &str, colour, of: fn(&crate::report::TimeStep) -> Option<f64>| Curve {
        name: name.into(),
        colour,
        points: run.over_time.steps.iter().map(|step| Some((step.at_seconds + middle, of(step)?))).collect(),
        is_marked: false,
    };
    let curves = vec![
        curve("median", 0, |step| step.p50_us),
        curve("99%", 1, |step| step.p99_us),
        curve("slowest", 2, |step| step.max_us),
    ];
    Plot { title: "Latency over time", x: seconds_axis(), y: time_axis(&curves), curves }
}

fn step_name(run: &Report, sweep: Sweep) -> String {
    match sweep {
        Sweep::Connections => run.parameters.connections.to_string(),
        Sweep::Rate => format!("{}/s", run.parameters.rate.unwrap_or_default()),
    }
}

fn latency_against_rate(document: &Document) -> Plot {
    let curve = |name: &str, colour, percent: f64| Curve {
        name: name.into(),
        colour,
        points: document
            .runs
            .iter()
            .map(|run| {
                let (_, latency) = *run.latencies().first()?;
                let found = latency.honest().percentiles.iter().find(|found| found.percent == percent)?;
                Some((run.requests_per_second, found.us))
            })
            .collect(),
        is_marked: true,
    };
    let curves = vec![curve("median", 0, 50.0), curve("99%", 1, 99.0), curve("99.9%", 2, 99.9)];
    let x = Axis {
        label: "answered requests/s",
        scale: Scale::Linear,
        room: 0.04,
        name: count_name,
        ticks: Vec::new(),
    };
    Plot { title: "Latency against rate", x, y: time_axis(&curves), curves }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_have_no_digits_that_say_nothing() {
        for (number, decimals, text) in
            [(0.1 * 3.0, 3, "0.3"), (100.0, 3, "100"), (100.0, 0, "100"), (0.0, 2, "0"), (12.345, 2, "12.35")]
        {
            assert_eq!(plain(number, decimals), text);
        }
        assert_eq!([9_000.0, 12_500.0, 300_000.0].map(count_name), ["9000", "12.5k", "300k"]);
        assert_eq!([0.5, 1_500.0, 2e6].map(short_time), ["0.5 us", "1.5 ms", "2 s"]);
        assert_eq!([4.567, 45_678.0, 4.567e8].map(brief_time), ["4.57 us", "45.7 ms", "457 s"]);
    }
}
