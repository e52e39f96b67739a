//! The page of a sweep: its runs beside each other.

use std::fmt::Write as _;

use super::plots::{
    answered_by_asked, by_percentile, latency_against_rate, percentile_curve, rate_by_connections, step_name,
};
use super::{write_figure, write_parameters, write_warnings};
use crate::plot::{COLOURS, Curve};
use crate::report::{Document, Sweep};
use crate::units::brief_time;

pub(super) fn write_sweep(document: &Document, sweep: Sweep, out: &mut String) -> std::fmt::Result {
    if let Some(run) = document.runs.first() {
        write_parameters(run, Some(sweep), out)?;
    }
    for run in document.runs.iter().filter(|run| !run.warnings.is_empty()) {
        write_warnings(&format!("{}: ", step_name(run, sweep)), run, out)?;
    }
    let outcome = document.main_outcome();
    let (what, each) = match sweep {
        Sweep::Connections => ("connections", "number of connections"),
        Sweep::Rate => ("asked for", "rate"),
    };
    write_figure("Latency against rate", Some(&latency_against_rate(document, sweep, outcome)), out)?;
    match sweep {
        Sweep::Connections => {
            write_figure("Rate for each number of connections", Some(&rate_by_connections(document)), out)?;
        }
        Sweep::Rate => {
            write_figure("Answered against the rate asked for", Some(&answered_by_asked(document)), out)?;
        }
    }
    let curves = evenly(document.runs.len(), COLOURS).into_iter().enumerate().filter_map(|(colour, i)| {
        let run = &document.runs[i];
        Some(percentile_curve(step_name(run, sweep), colour, run.latency(outcome)?.honest()))
    });
    let title = format!("Latency by percentile, for each {each}");
    let curves: Vec<Curve> = curves.collect();
    write_figure(&title, (!curves.is_empty()).then(|| by_percentile(curves)).as_ref(), out)?;
    write!(out, "<table class=\"s\"><tr><th>{what}<th>requests/s<th>MB/s")?;
    let first = document.runs.iter().find_map(|run| Some(run.latency(outcome)?.honest()));
    let percents: Vec<f64> =
        first.iter().flat_map(|times| &times.percentiles).map(|found| found.percent).collect();
    percents.iter().try_for_each(|percent| write!(out, "<th>{percent}%"))?;
    writeln!(out, "<th>slowest<th>failed</tr>")?;
    for run in &document.runs {
        let megabytes = run.bytes_received_per_second / 1e6;
        write!(out, "<tr><th>{}<td>{:.0}<td>{megabytes:.2}", step_name(run, sweep), run.requests_per_second)?;
        match run.latency(outcome) {
            Some(latency) => {
                let times = latency.honest();
                times.percentiles.iter().try_for_each(|found| write!(out, "<td>{}", brief_time(found.us)))?;
                write!(out, "<td>{}", brief_time(times.max_us))?;
            }
            None => write!(out, "{}", "<td>".repeat(percents.len() + 1))?,
        }
        writeln!(out, "<td>{}</tr>", run.all_failures() + run.outcomes.refused + run.outcomes.wrong)?;
    }
    writeln!(out, "</table>\n<p>The latencies are those of {outcome}.</p>")
}

/// At most `most` of `count` things, evenly spread, the first and the last among them.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    (0..most).map(|i| i * (count - 1) / (most - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_too_much_of_is_shown_evenly_with_both_ends() {
        assert_eq!(evenly(3, 8), [0, 1, 2]);
        assert_eq!(evenly(8, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(evenly(100, 8), [0, 14, 28, 42, 56, 70, 84, 99]);
        assert_eq!(evenly(9, 8), [0, 1, 2, 3, 4, 5, 6, 8]);
        assert_eq!(evenly(0, 8), [0; 0]);
    }
}
