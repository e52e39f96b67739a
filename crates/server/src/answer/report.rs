//! What the server says about itself: `/metrics` for Prometheus, `/stats.json` for everybody else,
//! and the numbers in Redis' INFO and memcached's `stats`.

use std::fmt::{self, Write};

use super::tables::TableRule;
use crate::counters::{PROTOCOLS, Readings, WAIT_BOUNDS_US, metrics};
use crate::metric::{InfoSection, Metric, MetricKind, MetricSource};

/// The version that every protocol states.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text format of Prometheus, version 0.0.4, of the tables that may be asked.
pub(super) fn prometheus(readings: &Readings<'_>, rule: &TableRule) -> String {
    let mut text = Exposition(String::new());
    for metric in metrics() {
        let name = metric.prometheus_name();
        text.family(&name, metric.about(), metric.kind);
        match metric.value {
            MetricSource::Single(_) | MetricSource::Sum(_) => {
                text.sample(&name, &[], readings.total(metric).unwrap_or_default());
            }
            MetricSource::Protocols(count) => {
                for protocol in PROTOCOLS {
                    let number = readings.counters.sum_of(protocol, count);
                    text.sample(&name, &[("protocol", protocol.0)], number);
                }
            }
            MetricSource::HandshakeFailures => {
                for (reason, number) in readings.counters.handshakes.failed() {
                    text.sample(&name, &[("reason", reason)], number);
                }
            }
            MetricSource::Waits => {
                for protocol in PROTOCOLS {
                    text.waits(&name, protocol.0, readings.counters.waits(protocol));
                }
            }
            MetricSource::Tables { names_version, read } => {
                for table in rule.of(readings.snapshot) {
                    let Some(number) = read(table) else { continue };
                    let version = table.current().filter(|_| names_version);
                    let mut labels = vec![("table", table.name().as_str())];
                    labels.extend(version.map(|version| ("version", version.name().as_str())));
                    text.sample(&name, &labels, number);
                }
            }
        }
    }
    text.0
}

/// One JSON object: a number by its name, those of a protocol and of a table in an object of its own.
pub(super) fn stats_json(readings: &Readings<'_>, rule: &TableRule) -> String {
    let mut text = format!("{{\"version\":\"{VERSION}\"");
    let is_one = |metric: &&Metric| {
        use MetricSource::{HandshakeFailures, Single, Sum};
        matches!(metric.value, Single(_) | Sum(_) | HandshakeFailures)
    };
    for metric in metrics().filter(is_one) {
        let number = readings.total(metric).unwrap_or_default();
        add(&mut text, format_args!(",\"{}\":{number}", metric.name()));
    }
    for protocol in PROTOCOLS {
        add(&mut text, format_args!(",\"{}\":{{", protocol.0));
        let mut separator = "";
        for metric in metrics() {
            if let MetricSource::Protocols(count) = metric.value {
                let number = readings.counters.sum_of(protocol, count);
                add(&mut text, format_args!("{separator}\"{}\":{number}", metric.name()));
                separator = ",";
            }
        }
        text.push('}');
    }
    text.push_str(",\"tables\":{");
    for (i, table) in rule.of(readings.snapshot).enumerate() {
        let separator = if i == 0 { "" } else { "," };
        // Names hold nothing that JSON escapes.
        let version = table.current().map_or("", |version| version.name().as_str());
        add(&mut text, format_args!("{separator}\"{}\":{{\"version\":\"{version}\"", table.name()));
        for metric in metrics() {
            if let MetricSource::Tables { read, .. } = metric.value
                && let Some(number) = read(table)
            {
                add(&mut text, format_args!(",\"{}\":{number}", metric.name()));
            }
        }
        text.push('}');
    }
    text.push_str("}}\n");
    text
}

/// The numbers of one section of Redis' INFO, with their names there.
pub(super) fn info_numbers(readings: &Readings<'_>, section: InfoSection) -> Vec<(&'static str, String)> {
    let in_section = metrics().filter_map(|metric| {
        let (_, name) = metric.redis.filter(|(found, _)| *found == section)?;
        Some((name, readings.total(metric)?.to_string()))
    });
    in_section.collect()
}

/// The numbers of memcached's `stats`, with their names there.
pub(super) fn memcached_numbers(readings: &Readings<'_>) -> impl Iterator<Item = (&'static str, u64)> {
    metrics().filter_map(|metric| Some((metric.memcached?, readings.total(metric)?)))
}

/// Text in the format of Prometheus.
struct Exposition(String);

impl Exposition {
    /// What stands in front of the samples of one name.
    fn family(&mut self, name: &str, about: &str, kind: MetricKind) {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let about = about.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {about}."));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], number: impl fmt::Display) {
        self.0.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let separator = if i == 0 { '{' } else { ',' };
            add(&mut self.0, format_args!("{separator}{label}=\"{value}\""));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.line(format_args!(" {number}"));
    }

    fn waits(&mut self, name: &str, protocol: &str, waits: ([u64; WAIT_BOUNDS_US.len() + 1], u64)) {
        let (buckets, sum_us) = waits;
        let bounds = WAIT_BOUNDS_US.map(|bound_us| (bound_us as f64 / 1e6).to_string());
        let mut requests = 0;
        for (bound, more) in bounds.iter().map(String::as_str).chain(["+Inf"]).zip(buckets) {
            requests += more;
            self.sample(&format!("{name}_bucket"), &[("protocol", protocol), ("le", bound)], requests);
        }
        let protocol = [("protocol", protocol)];
        self.sample(&format!("{name}_sum"), &protocol, sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), &protocol, requests);
    }

    fn line(&mut self, arguments: fmt::Arguments<'_>) {
        add(&mut self.0, arguments);
        self.0.push('\n');
    }
}

fn add(text: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_label_or_a_line_is_escaped() {
        let mut text = Exposition(String::new());
        text.family("a", "one\ntwo \\", MetricKind::Gauge);
        text.sample("a", &[("table", "x\"y\\z\n"), ("version", "")], 1);
        assert_eq!(
            text.0,
            "# HELP a one\\ntwo \\\\.\n# TYPE a gauge\na{table=\"x\\\"y\\\\z\\n\",version=\"\"} 1\n"
        );
    }
}
