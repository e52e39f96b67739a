//! `/status.json`: what the status page shows, described by `docs/status.schema.json`.

use std::time::{Instant, SystemTime};

use graven_blocks::Cache;
use graven_catalog::{Snapshot, TableState};
use serde::Serialize;

use crate::answer::Responder;
use crate::answer::access::Asker;
use crate::answer::http::tables::{self, Description};
use crate::answer::report::VERSION;
use crate::counters::{Counters, LoopCounters, PROTOCOLS};
use crate::history::{CountedStep, CounterSample, HISTORY_SPAN, SAMPLE_INTERVAL};
use crate::options::{ServerOptions, StatusOptions};
use crate::process::ProcessUsage;

/// The percentiles of waits that are told, in parts of a thousand.
const PERCENTILES: [u64; 4] = [500, 900, 990, 999];

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    build: &'a str,
    /// Seconds since 1970, UTC.
    now: u64,
    started: u64,
    uptime_seconds: u64,
    threads: usize,
    ready: bool,
    /// The user that asks; none where nobody logs in.
    user: Option<&'a str>,
    /// None without TLS.
    certificate: Option<CertificateStatus>,
    connections: Connections,
    memory: Memory,
    cache: CacheUse,
    disk: DiskUse,
    network: NetworkUse,
    /// Since the server started, and of the last seconds.
    requests: RequestTotals,
    recent: Recent,
    history: PastSteps,
    tables: Vec<TableStatus<'a>>,
}

#[derive(Serialize)]
struct CertificateStatus {
    /// Seconds since 1970, UTC.
    expires: u64,
}

#[derive(Serialize)]
struct Connections {
    open: u64,
    max: usize,
    opened: u64,
    refused: u64,
    timeouts: u64,
    protocol_errors: u64,
    logins_failed: u64,
}

#[derive(Serialize)]
struct Memory {
    resident_bytes: u64,
    peak_bytes: u64,
    system_bytes: u64,
}

#[derive(Serialize)]
struct CacheUse {
    bytes: u64,
    max_bytes: u64,
    hits: u64,
    misses: u64,
    evictions: u64,
}

#[derive(Serialize)]
struct DiskUse {
    reads: u64,
    read_bytes: u64,
    errors: u64,
}

#[derive(Serialize)]
struct NetworkUse {
    read_bytes: u64,
    written_bytes: u64,
}

/// Requests of all protocols, and of each.
#[derive(Serialize)]
struct RequestTotals {
    total: u64,
    hits: u64,
    misses: u64,
    waits_us: WaitPercentiles,
    protocols: Vec<ProtocolTotals>,
}

#[derive(Serialize)]
struct ProtocolTotals {
    name: &'static str,
    requests: u64,
    hits: u64,
    misses: u64,
}

/// What has happened in the last seconds.
#[derive(Serialize)]
struct Recent {
    seconds: f64,
    requests: u64,
    requests_per_second: f64,
    hit_ratio: Option<f64>,
    waits_us: WaitPercentiles,
}

/// The bounds that so many requests have not waited longer than, in microseconds.
#[derive(Serialize)]
struct WaitPercentiles {
    /// Requests whose waits were measured. With some, a percentile that is missing is longer than the last bound.
    requests: u64,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p999: Option<u64>,
}

/// The steps between samples, the oldest first, a list for each number.
#[derive(Default, Serialize)]
struct PastSteps {
    interval_seconds: u64,
    span_seconds: u64,
    /// How long ago each step ended, and how long it was.
    seconds_ago: Vec<f64>,
    seconds: Vec<f64>,
    requests_per_second: Vec<f64>,
    hit_ratio: Vec<Option<f64>>,
    waited: Vec<u64>,
    p50_us: Vec<Option<u64>>,
    p99_us: Vec<Option<u64>>,
    connections: Vec<u64>,
}

#[derive(Serialize)]
struct TableStatus<'a> {
    #[serde(flatten)]
    description: Description<'a>,
    /// What a person types for the table, and for a version of it that does not answer.
    commands: Vec<String>,
}

/// How the server and the tables stand that `asker` may ask.
pub(in crate::answer::http) fn document<R>(responder: &Responder<'_, R>, asker: &Asker) -> String {
    let Responder { snapshot, options, counters, .. } = responder;
    let now = Instant::now();
    let uptime = now.saturating_duration_since(counters.started);
    let time = SystemTime::now();
    let usage = ProcessUsage::now();
    let sum = |count: fn(&LoopCounters) -> &_| counters.sum(count);
    let cache = |read: fn(&Cache) -> u64| counters.cache().map_or(0, read);
    let (current, samples) = (counters.sample(now), counters.history.samples());
    let sees_all = !asker.rule().is_limited();
    let status = Status {
        version: VERSION,
        build: &options.status.build,
        now: tables::unix_seconds(time),
        started: tables::unix_seconds(time.checked_sub(uptime).unwrap_or(time)),
        uptime_seconds: uptime.as_secs(),
        threads: options.threads.get(),
        ready: tables::readiness(snapshot, asker).is_ok(),
        user: asker.name().map(|name| &**name),
        certificate: match counters.handshakes.certificate_expires() {
            0 => None,
            expires => Some(CertificateStatus { expires }),
        },
        connections: Connections {
            open: current.connections,
            max: options.limits.connections_max,
            opened: sum(|counts| &counts.connections_opened),
            refused: sum(|counts| &counts.connections_refused),
            timeouts: sum(|counts| &counts.timeouts),
            protocol_errors: sum(|counts| &counts.protocol_errors),
            logins_failed: sum(|counts| &counts.logins_failed),
        },
        memory: Memory {
            resident_bytes: usage.resident_bytes,
            peak_bytes: usage.peak_bytes,
            system_bytes: usage.system_bytes,
        },
        cache: CacheUse {
            bytes: cache(Cache::bytes),
            max_bytes: cache_max(options, counters),
            hits: sum(|counts| &counts.cache_hits),
            misses: sum(|counts| &counts.cache_misses),
            evictions: cache(Cache::evictions),
        },
        disk: DiskUse {
            reads: sum(|counts| &counts.disk_reads),
            read_bytes: sum(|counts| &counts.disk_read_bytes),
            errors: sum(|counts| &counts.disk_errors),
        },
        network: NetworkUse {
            read_bytes: sum(|counts| &counts.bytes_read),
            written_bytes: sum(|counts| &counts.bytes_written),
        },
        requests: totals(counters, &current),
        recent: recent(&samples, &current),
        history: past_steps(&samples, &current),
        tables: asker
            .rule()
            .of(snapshot)
            .map(|table| table_status(snapshot, table, &options.status, sees_all))
            .collect(),
    };
    tables::json(&status)
}

/// What the cache may hold, once there is one.
fn cache_max(options: &ServerOptions, counters: &Counters) -> u64 {
    counters.cache().map_or(0, |_| options.storage.cache_bytes)
}

fn totals(counters: &Counters, current: &CounterSample) -> RequestTotals {
    let protocols = PROTOCOLS.map(|protocol| ProtocolTotals {
        name: protocol.0,
        requests: counters.sum_of(protocol, |requests| &requests.requests),
        hits: counters.sum_of(protocol, |requests| &requests.hits),
        misses: counters.sum_of(protocol, |requests| &requests.misses),
    });
    RequestTotals {
        total: current.requests,
        hits: current.hits,
        misses: current.misses,
        waits_us: percentiles(&current.since(&CounterSample::default())),
        protocols: protocols.into(),
    }
}

/// What was counted since the youngest sample that is an interval old, or since the oldest.
fn recent(samples: &[CounterSample], current: &CounterSample) -> Recent {
    let is_old = |sample: &&CounterSample| current.at.saturating_sub(sample.at) >= SAMPLE_INTERVAL;
    let before = samples.iter().rev().find(is_old).or(samples.first());
    let step = current.since(&before.copied().unwrap_or_default());
    Recent {
        seconds: step.seconds,
        requests: step.requests,
        requests_per_second: step.requests_per_second(),
        hit_ratio: step.hit_ratio(),
        waits_us: percentiles(&step),
    }
}

fn percentiles(step: &CountedStep) -> WaitPercentiles {
    let [p50, p90, p99, p999] = PERCENTILES.map(|part| step.wait_us(part));
    WaitPercentiles { requests: step.waited(), p50, p90, p99, p999 }
}

fn past_steps(samples: &[CounterSample], current: &CounterSample) -> PastSteps {
    let mut steps = PastSteps {
        interval_seconds: SAMPLE_INTERVAL.as_secs(),
        span_seconds: HISTORY_SPAN.as_secs(),
        ..PastSteps::default()
    };
    // The step that has not come to its end yet is shown, too, once there is something of it.
    let is_begun =
        samples.last().is_some_and(|last| (current.at.saturating_sub(last.at)).as_millis() >= 1000);
    let samples = samples.iter().chain(is_begun.then_some(current));
    for (before, sample) in samples.clone().zip(samples.skip(1)) {
        let ago = current.at.saturating_sub(sample.at);
        if ago > HISTORY_SPAN {
            continue;
        }
        let step = sample.since(before);
        steps.seconds_ago.push(rounded(ago.as_secs_f64()));
        steps.seconds.push(rounded(step.seconds));
        steps.requests_per_second.push(rounded(step.requests_per_second()));
        steps.hit_ratio.push(step.hit_ratio());
        steps.waited.push(step.waited());
        steps.p50_us.push(step.wait_us(500));
        steps.p99_us.push(step.wait_us(990));
        steps.connections.push(sample.connections);
    }
    steps
}

/// As fine as a plot shows it.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn table_status<'a>(
    snapshot: &Snapshot,
    table: &'a TableState,
    options: &StatusOptions,
    sees_all: bool,
) -> TableStatus<'a> {
    let templates = if sees_all { options.commands.as_slice() } else { &[] };
    let current = table.current().map(|version| version.name());
    let mut commands = Vec::new();
    for template in templates {
        let command = template.replace("{table}", table.name().as_str());
        if command.contains("{version}") {
            let others = table.versions().map(|version| version.name());
            let mut others = others.filter(|name| Some(*name) != current).peekable();
            if others.peek().is_none() {
                commands.push(command.replace("{version}", "VERSION"));
            }
            commands.extend(others.map(|name| command.replace("{version}", name.as_str())));
        } else {
            commands.push(command);
        }
    }
    TableStatus { description: tables::describe(snapshot, table), commands }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_two_places() {
        let found = [0.0, 0.004, 0.005, 12.344, 12.346, 98_765.432].map(rounded);
        assert_eq!(found, [0.0, 0.0, 0.01, 12.34, 12.35, 98_765.43]);
    }
}
