//! The plots of a page, from the figures of a run or a sweep.

use crate::plot::{Axis, Curve, Plot, Scale, scale_for};
use crate::report::{Document, LatencyDistribution, Report, Sweep, TimeStep};
use crate::units::{plain, short_time};

fn time_axis(curves: &[Curve]) -> Axis {
    let numbers = curves.iter().flat_map(|curve| curve.points.iter().flatten().map(|point| point.1));
    Axis { label: "latency", scale: scale_for(numbers), room: 0.04, name: short_time, ticks: Vec::new() }
}

/// One part in this many took longer.
fn rarity(percent: f64) -> f64 {
    1.0 / (1.0 - percent / 100.0)
}

pub(super) fn percentile_curve(name: String, colour: usize, times: &LatencyDistribution) -> Curve {
    // The last point is the maximum, which lies at infinity; it is drawn where one in all of them
    // is.
    let most = times.count as f64;
    let points = times.curve.iter().map(|point| Some((rarity(point.percent).min(most.max(1.0)), point.us)));
    Curve { name, colour, points: points.collect(), is_marked: false, point_names: Vec::new() }
}

pub(super) fn by_percentile(curves: Vec<Curve>) -> Plot {
    let name = |rarity: f64| format!("{}%", plain(100.0 - 100.0 / rarity, 6));
    let ticks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999].map(rarity).to_vec();
    let x = Axis { label: "percentile", scale: Scale::Log, room: 0.0, name, ticks };
    Plot { title: "Latency by percentile", x, y: time_axis(&curves), curves, names_points: false }
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

pub(super) fn rate_over_time(run: &Report) -> Plot {
    let step_seconds = run.over_time.step_seconds;
    let of = |count: fn(&TimeStep) -> u64| {
        // What comes after the end of the measured time belongs to no rate.
        let steps =
            run.over_time.steps.iter().filter(|step| step.at_seconds + step_seconds <= run.seconds + 1e-9);
        let middle = step_seconds / 2.0;
        steps.map(|step| Some((step.at_seconds + middle, count(step) as f64 / step_seconds))).collect()
    };
    let mut curves = vec![Curve {
        name: "answers".into(),
        colour: 0,
        points: of(|step| step.answers),
        is_marked: false,
        point_names: Vec::new(),
    }];
    if run.all_failures() > 0 {
        curves.push(Curve {
            name: "failures".into(),
            colour: 1,
            points: of(|step| step.failures),
            is_marked: false,
            point_names: Vec::new(),
        });
    }
    let y =
        Axis { label: "requests/s", scale: Scale::Linear, room: 0.04, name: count_name, ticks: Vec::new() };
    Plot { title: "Rate over time", x: seconds_axis(), y, curves, names_points: false }
}

pub(super) fn latency_over_time(run: &Report) -> Plot {
    let middle = run.over_time.step_seconds / 2.0;
    let curve = |name: &str, colour, of: fn(&TimeStep) -> Option<f64>| Curve {
        name: name.into(),
        colour,
        points: run.over_time.steps.iter().map(|step| Some((step.at_seconds + middle, of(step)?))).collect(),
        is_marked: false,
        point_names: Vec::new(),
    };
    let curves = vec![
        curve("median", 0, |step| step.p50_us),
        curve("99%", 1, |step| step.p99_us),
        curve("slowest", 2, |step| step.max_us),
    ];
    Plot { title: "Latency over time", x: seconds_axis(), y: time_axis(&curves), curves, names_points: false }
}

fn rate_axis(label: &'static str) -> Axis {
    Axis { label, scale: Scale::Linear, room: 0.04, name: count_name, ticks: Vec::new() }
}

/// A point for each run of a sweep, named after its step.
fn sweep_curve(
    name: &str,
    colour: usize,
    document: &Document,
    sweep: Sweep,
    of: impl Fn(&Report) -> Option<(f64, f64)>,
) -> Curve {
    Curve {
        name: name.into(),
        colour,
        points: document.runs.iter().map(of).collect(),
        is_marked: true,
        point_names: document.runs.iter().map(|run| step_name(run, sweep)).collect(),
    }
}

/// By the rate asked for, where there is one: what was answered is less than that as soon as the
/// server is at its limit, and all points from there on would lie on each other.
pub(super) fn latency_against_rate(document: &Document, sweep: Sweep, outcome: &str) -> Plot {
    let curve = |name: &str, colour, percent: f64| {
        sweep_curve(name, colour, document, sweep, |run| {
            let rate = match sweep {
                Sweep::Connections => run.requests_per_second,
                Sweep::Rate => run.parameters.rate?,
            };
            Some((rate, run.latency(outcome)?.honest().percentile(percent)?))
        })
    };
    let curves = vec![curve("median", 0, 50.0), curve("99%", 1, 99.0), curve("99.9%", 2, 99.9)];
    let x = rate_axis(match sweep {
        Sweep::Connections => "answered requests/s, for each number of connections",
        Sweep::Rate => "requests/s asked for",
    });
    let names_points = sweep == Sweep::Connections;
    Plot { title: "Latency against rate", x, y: time_axis(&curves), curves, names_points }
}

pub(super) fn answered_by_asked(document: &Document) -> Plot {
    let answered = sweep_curve("answered", 0, document, Sweep::Rate, |run| {
        Some((run.parameters.rate?, run.requests_per_second))
    });
    let asked = sweep_curve("asked for", 7, document, Sweep::Rate, |run| {
        Some((run.parameters.rate?, run.parameters.rate?))
    });
    Plot {
        title: "Answered against the rate asked for",
        x: rate_axis("requests/s asked for"),
        y: rate_axis("requests/s"),
        curves: vec![Curve { is_marked: false, ..asked }, answered],
        names_points: false,
    }
}

pub(super) fn rate_by_connections(document: &Document) -> Plot {
    let answered = sweep_curve("answered", 0, document, Sweep::Connections, |run| {
        Some((run.parameters.connections as f64, run.requests_per_second))
    });
    let numbers = document.runs.iter().map(|run| run.parameters.connections as f64);
    let x = Axis {
        label: "connections",
        scale: scale_for(numbers),
        room: 0.04,
        name: count_name,
        ticks: Vec::new(),
    };
    Plot {
        title: "Rate for each number of connections",
        x,
        y: rate_axis("requests/s"),
        curves: vec![answered],
        names_points: false,
    }
}

pub(super) fn step_name(run: &Report, sweep: Sweep) -> String {
    match sweep {
        Sweep::Connections => run.parameters.connections.to_string(),
        Sweep::Rate => format!("{}/s", run.parameters.rate.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_on_axes_are_short() {
        assert_eq!([9_000.0, 12_500.0, 300_000.0].map(count_name), ["9000", "12.5k", "300k"]);
    }
}
