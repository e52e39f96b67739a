//! One number that the server tells of itself, whatever it counts: its names, its kind, and where it
//! comes from.

use graven_catalog::TableState;

use crate::counters::{Count, LoopCounters, Readings, Requests};

/// One number that the server tells of itself, or one for each protocol, under the names that the
/// languages have for it.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Without the unit behind it.
    name: &'static str,
    unit: Unit,
    pub(crate) kind: MetricKind,
    help: &'static str,
    /// Where Redis' INFO has it, and its name there.
    pub(crate) redis: Option<(InfoSection, &'static str)>,
    /// Its name in memcached's `stats`.
    pub(crate) memcached: Option<&'static str>,
    pub(crate) value: MetricSource,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of what was measured, by its size.
    Histogram,
}

/// What a number is in; it stands at the end of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// It counts things.
    None,
    Bytes,
    Seconds,
}

/// A section of Redis' INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InfoSection {
    Server,
    Clients,
    Storage,
    Stats,
}

/// Where a number comes from.
#[derive(Debug)]
pub(crate) enum MetricSource {
    Single(fn(&Readings<'_>) -> u64),
    /// The sum of what each loop has counted.
    Sum(fn(&LoopCounters) -> &Count),
    /// The same for each protocol.
    Protocols(fn(&Requests) -> &Count),
    /// TLS handshakes that failed, by why.
    HandshakeFailures,
    /// How long the requests of each protocol have waited.
    Waits,
    /// One for each table, named with the version that answers where that is asked for.
    Tables {
        names_version: bool,
        read: fn(&TableState) -> Option<f64>,
    },
}

pub(crate) const fn counter(name: &'static str, unit: Unit) -> Metric {
    let value = MetricSource::Single(|_| 0);
    Metric { name, unit, kind: MetricKind::Counter, help: "", redis: None, memcached: None, value }
}

pub(crate) const fn gauge(name: &'static str, unit: Unit) -> Metric {
    Metric { kind: MetricKind::Gauge, ..counter(name, unit) }
}

pub(crate) const fn histogram(name: &'static str, unit: Unit) -> Metric {
    Metric { kind: MetricKind::Histogram, ..counter(name, unit) }
}

impl Metric {
    pub(crate) const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    pub(crate) const fn redis(mut self, section: InfoSection, name: &'static str) -> Self {
        self.redis = Some((section, name));
        self
    }

    pub(crate) const fn memcached(mut self, name: &'static str) -> Self {
        self.memcached = Some(name);
        self
    }

    pub(crate) const fn value(mut self, value: MetricSource) -> Self {
        self.value = value;
        self
    }

    /// The name with the unit: `read_bytes`.
    pub(crate) fn name(&self) -> String {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Bytes => "_bytes",
            Unit::Seconds => "_seconds",
        };
        format!("{}{unit}", self.name)
    }

    /// The name that Prometheus knows: `graven_read_bytes_total`.
    pub(crate) fn prometheus_name(&self) -> String {
        let end = if self.kind == MetricKind::Counter { "_total" } else { "" };
        format!("graven_{}{end}", self.name())
    }

    /// What it counts, in one sentence without its full stop.
    pub(crate) fn about(&self) -> &'static str {
        // A line of documentation begins with a space.
        self.help.trim_ascii()
    }
}
