//! What the server says about itself to HTTP: `/metrics` for Prometheus, `/stats.json` for everybody else.

use std::fmt::Write;

use crate::tally::{Sums, WAIT_BOUNDS_US};

/// The version that every protocol states.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Numbers that go up and down; all others only count.
const GAUGES: [&str; 4] = ["pairs", "connections", "uptime_seconds", "cache_bytes"];

/// The text format of Prometheus, version 0.0.4.
pub(super) fn metrics(pairs: u64, sums: &Sums) -> String {
    let mut text = String::new();
    for (name, number) in [("pairs", pairs)].into_iter().chain(sums.named()).chain(sums.storage()) {
        let (kind, end) = if GAUGES.contains(&name) { ("gauge", "") } else { ("counter", "_total") };
        line(&mut text, format_args!("# TYPE graven_{name}{end} {kind}"));
        line(&mut text, format_args!("graven_{name}{end} {number}"));
    }
    for (i, name) in ["requests", "hits", "misses"].into_iter().enumerate() {
        line(&mut text, format_args!("# TYPE graven_{name}_total counter"));
        for (protocol, sums) in sums.protocols() {
            let number = [sums.requests, sums.hits, sums.misses][i];
            line(&mut text, format_args!("graven_{name}_total{{protocol=\"{protocol}\"}} {number}"));
        }
    }
    line(&mut text, format_args!("# TYPE graven_wait_seconds histogram"));
    for (protocol, sums) in sums.protocols() {
        let mut requests = 0;
        let bounds = WAIT_BOUNDS_US.map(|bound_us| (bound_us as f64 / 1e6).to_string());
        for (bound, more) in bounds.iter().map(String::as_str).chain(["+Inf"]).zip(sums.waits) {
            requests += more;
            line(
                &mut text,
                format_args!(
                    "graven_wait_seconds_bucket{{protocol=\"{protocol}\",le=\"{bound}\"}} {requests}"
                ),
            );
        }
        let seconds = sums.waits_us as f64 / 1e6;
        line(&mut text, format_args!("graven_wait_seconds_sum{{protocol=\"{protocol}\"}} {seconds}"));
        line(&mut text, format_args!("graven_wait_seconds_count{{protocol=\"{protocol}\"}} {requests}"));
    }
    text
}

/// One JSON object.
pub(super) fn stats_json(pairs: u64, sums: &Sums) -> String {
    let mut text = format!("{{\"version\":\"{VERSION}\",\"pairs\":{pairs}");
    for (name, number) in sums.named().into_iter().chain(sums.storage()) {
        add(&mut text, format_args!(",\"{name}\":{number}"));
    }
    for (protocol, sums) in sums.protocols() {
        let (requests, hits, misses) = (sums.requests, sums.hits, sums.misses);
        add(
            &mut text,
            format_args!(",\"{protocol}\":{{\"requests\":{requests},\"hits\":{hits},\"misses\":{misses}}}"),
        );
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    add(text, arguments);
    text.push('\n');
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
