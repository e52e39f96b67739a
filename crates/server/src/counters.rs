//! What has happened since the server started: counted by each loop for itself, added up when
//! somebody asks.
//!
//! Every number is declared once, as a [`Metric`]: `/metrics`, `/stats.json`, Redis' INFO and
//! memcached's `stats` follow from the same entry, and so does the table in docs/OPERATING.md.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use graven_blocks::{Cache, FetchCounts};
use graven_catalog::{Condition, Snapshot, TableState};

use crate::handshakes::Handshakes;
use crate::history::{CounterSample, History};
use crate::metric::{InfoSection, Metric, MetricSource, Unit, counter, gauge, histogram};
use crate::options::TlsOptions;
use crate::request_log::{AccessLog, SlowLog};

/// A number that one loop alone changes and anybody may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        // One writer: a load and a store do what a locked addition would.
        self.0.store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    /// Sets it to what was counted elsewhere.
    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Requests of one protocol.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) requests: Count,
    pub(crate) hits: Count,
    pub(crate) misses: Count,
    pub(crate) waits: Histogram,
}

impl Requests {
    /// A key was looked up, and was there or not.
    #[inline]
    pub(crate) fn add_lookup(&self, is_hit: bool) {
        if is_hit { self.hits.add(1) } else { self.misses.add(1) }
    }
}

/// The bounds of a [`Histogram`], in microseconds; one more bucket takes what is longer.
pub(crate) const WAIT_BOUNDS_US: [u64; 14] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000];

/// How long requests have waited, in buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Count; WAIT_BOUNDS_US.len() + 1],
    microseconds: Count,
}

impl Histogram {
    /// `requests` have waited `wait` each.
    #[inline]
    pub(crate) fn add(&self, wait: Duration, requests: u64) {
        let wait_us = wait.as_micros() as u64;
        let bucket = WAIT_BOUNDS_US.partition_point(|&bound| bound < wait_us);
        self.buckets[bucket].add(requests);
        self.microseconds.add(wait_us.saturating_mul(requests));
    }
}

/// Declares what each loop counts: the field that it adds to, and what is said of it. The line of
/// documentation is what Prometheus is told.
macro_rules! loop_counters {
    ($(#[doc = $help:literal] $field:ident: $metric:expr;)*) => {
        /// What one loop has counted. Its alignment keeps two loops from sharing a line of the
        /// cache.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct LoopCounters {
            pub(crate) http: Requests,
            pub(crate) resp: Requests,
            pub(crate) memcached: Requests,
            $(#[doc = $help] pub(crate) $field: Count,)*
        }

        static LOOP_COUNTERS: &[Metric] = &[
            $($metric.help($help).value(MetricSource::Sum(|counts| &counts.$field)),)*
        ];
    };
}

loop_counters! {
    /// Connections accepted
    connections_opened: counter("connections_opened", Unit::None)
        .redis(InfoSection::Stats, "total_connections_received").memcached("total_connections");
    /// Connections closed at once because as many were open as may be
    connections_refused: counter("connections_refused", Unit::None)
        .redis(InfoSection::Stats, "rejected_connections").memcached("rejected_connections");
    /// Connections closed because what came was no request, or passed a limit
    protocol_errors: counter("protocol_errors", Unit::None);
    /// Connections closed because their peer took too long
    timeouts: counter("timeouts", Unit::None);
    /// Logins of users
    logins: counter("logins", Unit::None);
    /// Logins refused because no user has this name and token, or too many of the address had failed
    logins_failed: counter("logins_failed", Unit::None)
        .redis(InfoSection::Stats, "acl_access_denied_auth").memcached("auth_errors");
    /// Bytes read from connections
    bytes_read: counter("read", Unit::Bytes)
        .redis(InfoSection::Stats, "total_net_input_bytes").memcached("bytes_read");
    /// Bytes written to connections
    bytes_written: counter("written", Unit::Bytes)
        .redis(InfoSection::Stats, "total_net_output_bytes").memcached("bytes_written");
    /// Reads of a table on disk
    disk_reads: counter("disk_reads", Unit::None)
        .redis(InfoSection::Storage, "disk_reads").memcached("disk_reads");
    /// Bytes read of a table on disk
    disk_read_bytes: counter("disk_read", Unit::Bytes)
        .redis(InfoSection::Storage, "disk_read_bytes").memcached("disk_read_bytes");
    /// Reads of a table on disk that failed, or whose bytes were damaged
    disk_errors: counter("disk_errors", Unit::None)
        .redis(InfoSection::Storage, "disk_errors").memcached("disk_errors");
    /// Lookups in a table on disk whose bucket was in memory
    cache_hits: counter("cache_hits", Unit::None)
        .redis(InfoSection::Storage, "cache_hits").memcached("cache_hits");
    /// Lookups in a table on disk whose bucket had to be read
    cache_misses: counter("cache_misses", Unit::None)
        .redis(InfoSection::Storage, "cache_misses").memcached("cache_misses");
}

/// What is not counted by the loops one by one.
static OTHERS: &[Metric] = &[
    gauge("pairs", Unit::None)
        .help("Pairs in all tables")
        .memcached("curr_items")
        .value(MetricSource::Single(|readings| readings.pairs)),
    gauge("uptime", Unit::Seconds)
        .help("Time since the server started")
        .redis(InfoSection::Server, "uptime_in_seconds")
        .memcached("uptime")
        .value(MetricSource::Single(|readings| readings.counters.started.elapsed().as_secs())),
    gauge("connections", Unit::None)
        .help("Connections that are open")
        .redis(InfoSection::Clients, "connected_clients")
        .memcached("curr_connections")
        .value(MetricSource::Single(|readings| readings.counters.open_connections())),
];

/// What the cache of a table on disk says of itself.
static CACHE: &[Metric] = &[
    counter("cache_evictions", Unit::None)
        .help("Buckets that left the cache for others")
        .redis(InfoSection::Storage, "cache_evictions")
        .memcached("cache_evictions")
        .value(MetricSource::Single(|readings| readings.counters.cache().map_or(0, Cache::evictions))),
    gauge("cache", Unit::Bytes)
        .help("Memory that the cache of a table on disk holds")
        .redis(InfoSection::Storage, "cache_bytes")
        .memcached("cache_bytes")
        .value(MetricSource::Single(|readings| readings.counters.cache().map_or(0, Cache::bytes))),
];

/// What is told of TLS.
static TLS: &[Metric] = &[
    counter("tls_handshakes", Unit::None)
        .help("TLS handshakes that came to a connection")
        .redis(InfoSection::Stats, "tls_handshakes")
        .memcached("ssl_handshakes")
        .value(MetricSource::Single(|readings| readings.counters.handshakes.done())),
    counter("tls_handshakes_resumed", Unit::None)
        .help("Those of them that went on with an earlier session")
        .value(MetricSource::Single(|readings| readings.counters.handshakes.resumed())),
    counter("tls_handshakes_failed", Unit::None)
        .help("TLS handshakes that failed")
        .redis(InfoSection::Stats, "tls_handshakes_failed")
        .memcached("ssl_handshake_errors")
        .value(MetricSource::HandshakeFailures),
    gauge("tls_handshakes_under_way", Unit::None)
        .help("TLS handshakes that have not ended")
        .value(MetricSource::Single(|readings| readings.counters.handshakes.under_way())),
    gauge("tls_certificate_expires", Unit::Seconds)
        .help("When the TLS certificate expires, since 1970; 0 without one")
        .redis(InfoSection::Server, "tls_certificate_expires")
        .value(MetricSource::Single(|readings| readings.counters.handshakes.certificate_expires())),
];

/// What is told of the logs of requests.
static REQUEST_LOGS: &[Metric] = &[
    counter("slow_requests", Unit::None)
        .help("Requests that took long enough for the slow log")
        .value(MetricSource::Single(|readings| readings.counters.slow_log.count())),
    counter("access_log_dropped_lines", Unit::None)
        .help("Lines of the access log that were not written, because as many waited as may, or it could not be")
        .value(MetricSource::Single(|readings| {
            readings.counters.access_log.as_ref().map_or(0, AccessLog::dropped)
        })),
];

/// What is told of each table.
static TABLES: &[Metric] = &[
    gauge("table_pairs", Unit::None)
        .help("Pairs in the version of a table that answers")
        .value(of_version(|table| Some(table.current()?.store().len() as f64))),
    gauge("table", Unit::Bytes)
        .help("Bytes of the carved file of that version")
        .value(of_version(|table| Some(table.current()?.store().carved_bytes() as f64))),
    gauge("table_version_age", Unit::Seconds)
        .help("Time since that version was published, or its file written")
        .value(of_version(|table| {
            let made = table.current()?.made();
            Some(made.elapsed().unwrap_or_default().as_secs() as f64)
        })),
    gauge("table_ready", Unit::None)
        .help("Whether a version of a table answers, 1 or 0")
        .value(of_table(|table| is(table.current().is_some()))),
    gauge("table_frozen", Unit::None)
        .help("Whether a table was rolled back and waits to be resumed, 1 or 0")
        .value(of_table(|table| is(matches!(table.condition(), Condition::Frozen)))),
    gauge("table_refused", Unit::None)
        .help("Whether the version that was to answer was refused, 1 or 0")
        .value(of_table(|table| is(matches!(table.condition(), Condition::Refused { .. })))),
    counter("table_loads", Unit::None)
        .help("Versions of a table that began to load")
        .value(of_table(|table| Some(table.counts().loads as f64))),
    counter("table_refused_versions", Unit::None)
        .help("Versions of a table that were refused")
        .value(of_table(|table| Some(table.counts().refused as f64))),
    counter("table_switches", Unit::None)
        .help("Times that another version of a table came to answer")
        .value(of_table(|table| Some(table.counts().switches as f64))),
    gauge("table_last_switch", Unit::Seconds)
        .help("How long the last of these took, from the first look at the version until it answered")
        .value(of_table(|table| Some(table.counts().last_switch.as_secs_f64()))),
];

/// 1 or 0.
#[allow(clippy::unnecessary_wraps, reason = "what is told of a table may be missing")]
fn is(condition: bool) -> Option<f64> {
    Some(f64::from(u8::from(condition)))
}

const fn of_version(read: fn(&TableState) -> Option<f64>) -> MetricSource {
    MetricSource::Tables { names_version: true, read }
}

const fn of_table(read: fn(&TableState) -> Option<f64>) -> MetricSource {
    MetricSource::Tables { names_version: false, read }
}

/// What is counted for each protocol.
static REQUESTS: &[Metric] = &[
    counter("requests", Unit::None)
        .help("Requests answered")
        .value(MetricSource::Protocols(|requests| &requests.requests)),
    counter("hits", Unit::None)
        .help("Keys asked for that were there")
        .redis(InfoSection::Stats, "keyspace_hits")
        .memcached("get_hits")
        .value(MetricSource::Protocols(|requests| &requests.hits)),
    counter("misses", Unit::None)
        .help("Keys asked for that were not there")
        .redis(InfoSection::Stats, "keyspace_misses")
        .memcached("get_misses")
        .value(MetricSource::Protocols(|requests| &requests.misses)),
    histogram("wait", Unit::Seconds)
        .help("Time from when the loop learnt of a request's bytes until the kernel took its answer")
        .value(MetricSource::Waits),
];

/// Every number, in the order in which they are told.
pub(crate) fn metrics() -> impl Iterator<Item = &'static Metric> {
    [OTHERS, LOOP_COUNTERS, CACHE, TLS, REQUESTS, REQUEST_LOGS, TABLES].into_iter().flatten()
}

/// A protocol's name, and its requests among the counters of a loop.
pub(crate) type ProtocolRequests = (&'static str, fn(&LoopCounters) -> &Requests);

pub(crate) static PROTOCOLS: [ProtocolRequests; 3] = [
    ("http", |counts| &counts.http),
    ("resp", |counts| &counts.resp),
    ("memcached", |counts| &counts.memcached),
];

/// What numbers are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings<'a> {
    pub(crate) counters: &'a Counters,
    /// Pairs in the table that is asked.
    pub(crate) pairs: u64,
    /// All tables.
    pub(crate) snapshot: &'a Snapshot,
}

impl Readings<'_> {
    /// A number as one, the protocols added up; `None` for what is no number.
    pub(crate) fn total(&self, metric: &Metric) -> Option<u64> {
        match metric.value {
            MetricSource::Single(read) => Some(read(self)),
            MetricSource::Sum(count) => Some(self.counters.sum(count)),
            MetricSource::Protocols(count) => {
                Some(PROTOCOLS.iter().map(|protocol| self.counters.sum_of(*protocol, count)).sum())
            }
            MetricSource::HandshakeFailures => {
                Some(self.counters.handshakes.failed().map(|(_, count)| count).sum())
            }
            MetricSource::Waits | MetricSource::Tables { .. } => None,
        }
    }
}

/// The counters of all loops, and what they have in common.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) loops: Vec<LoopCounters>,
    /// Connections that each loop has.
    pub(crate) connections: Vec<AtomicUsize>,
    pub(crate) started: Instant,
    /// What is kept of tables on disk, from the first such table on.
    pub(crate) cache: OnceLock<Arc<Cache>>,
    pub(crate) handshakes: Arc<Handshakes>,
    pub(crate) history: History,
    /// Lines of requests, and the last that took long, as far as these are wanted.
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) slow_log: Arc<SlowLog>,
}

impl LoopCounters {
    /// Requests of each protocol so far.
    #[inline]
    pub(crate) fn requests(&self) -> [u64; 3] {
        self.protocols().map(|protocol| protocol.requests.get())
    }

    /// The requests that are answered since the counters stood at `before` have waited `wait`.
    #[inline]
    pub(crate) fn add_waits(&self, before: [u64; 3], wait: Duration) {
        for (protocol, before) in self.protocols().into_iter().zip(before) {
            let requests = protocol.requests.get() - before;
            if requests > 0 {
                protocol.waits.add(wait, requests);
            }
        }
    }

    /// Takes over what a fetcher of blocks has counted.
    pub(crate) fn set_fetches(&self, counts: FetchCounts) {
        let FetchCounts { reads, read_bytes, errors, cache_hits, cache_misses } = counts;
        self.disk_reads.set(reads);
        self.disk_read_bytes.set(read_bytes);
        self.disk_errors.set(errors);
        self.cache_hits.set(cache_hits);
        self.cache_misses.set(cache_misses);
    }

    fn protocols(&self) -> [&Requests; 3] {
        [&self.http, &self.resp, &self.memcached]
    }
}

impl Counters {
    pub(crate) fn new(loops: usize) -> Self {
        Self {
            loops: (0..loops).map(|_| LoopCounters::default()).collect(),
            connections: (0..loops).map(|_| AtomicUsize::new(0)).collect(),
            started: Instant::now(),
            cache: OnceLock::new(),
            handshakes: Arc::new(Handshakes::new(&TlsOptions::default())),
            history: History::default(),
            access_log: None,
            slow_log: Arc::default(),
        }
    }

    /// What there is at `now`, of all protocols together.
    pub(crate) fn sample(&self, now: Instant) -> CounterSample {
        let mut sample = CounterSample {
            at: now.saturating_duration_since(self.started),
            connections: self.open_connections(),
            ..CounterSample::default()
        };
        for protocol in PROTOCOLS {
            sample.requests += self.sum_of(protocol, |requests| &requests.requests);
            sample.hits += self.sum_of(protocol, |requests| &requests.hits);
            sample.misses += self.sum_of(protocol, |requests| &requests.misses);
            for (sum, bucket) in sample.waits.iter_mut().zip(self.waits(protocol).0) {
                *sum += bucket;
            }
        }
        sample
    }

    /// Keeps a sample of what there is at `now`, if one is due.
    #[inline]
    pub(crate) fn note_history(&self, now: Instant) {
        self.history.note(now.saturating_duration_since(self.started), || self.sample(now));
    }

    /// What all loops have counted together.
    pub(crate) fn sum(&self, count: fn(&LoopCounters) -> &Count) -> u64 {
        self.loops.iter().map(|counts| count(counts).get()).sum()
    }

    /// The same of one protocol.
    pub(crate) fn sum_of(&self, (_, of): ProtocolRequests, count: fn(&Requests) -> &Count) -> u64 {
        self.loops.iter().map(|counts| count(of(counts)).get()).sum()
    }

    /// Requests of one protocol by how long they have waited, and the sum of their waits in
    /// microseconds.
    pub(crate) fn waits(&self, (_, of): ProtocolRequests) -> ([u64; WAIT_BOUNDS_US.len() + 1], u64) {
        let mut sums = ([0; WAIT_BOUNDS_US.len() + 1], 0);
        for waits in self.loops.iter().map(|counts| &of(counts).waits) {
            sums.1 += waits.microseconds.get();
            for (sum, bucket) in sums.0.iter_mut().zip(&waits.buckets) {
                *sum += bucket.get();
            }
        }
        sums
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.get().map(AsRef::as_ref)
    }

    pub(crate) fn open_connections(&self) -> u64 {
        self.connections.iter().map(|open| open.load(Ordering::Relaxed) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_names_of_its_own_and_a_line_that_says_what_it_counts() {
        let all: Vec<&Metric> = metrics().collect();
        for (i, metric) in all.iter().enumerate() {
            let name = metric.prometheus_name();
            assert!(metric.about().starts_with(char::is_uppercase), "{name}");
            assert!(!metric.about().ends_with('.'), "{name}");
            for other in &all[..i] {
                assert_ne!(other.prometheus_name(), name);
                assert!(metric.redis.is_none() || other.redis != metric.redis, "{name}");
                assert!(metric.memcached.is_none() || other.memcached != metric.memcached, "{name}");
            }
        }
    }

    #[test]
    fn what_the_loops_have_counted_is_added_up() {
        let counters = Counters::new(3);
        for (i, counts) in (1..).zip(&counters.loops) {
            counts.bytes_read.add(i);
            counts.resp.hits.add(10 * i);
            counts.http.hits.add(100 * i);
            counts.http.waits.add(Duration::from_micros(15), i);
        }
        let readings = Readings { counters: &counters, pairs: 7, snapshot: &Snapshot::default() };
        let total =
            |name: &str| readings.total(metrics().find(|metric| metric.prometheus_name() == name).unwrap());
        assert_eq!(total("graven_pairs"), Some(7));
        assert_eq!(total("graven_read_bytes_total"), Some(6));
        assert_eq!(total("graven_hits_total"), Some(660));
        let (buckets, sum_us) = counters.waits(PROTOCOLS[0]);
        assert_eq!((buckets[1], buckets.iter().sum(), sum_us), (6, 6, 90));
    }

    #[test]
    fn the_page_for_operators_lists_every_number_as_it_is_declared() {
        let mut page =
            "| name | kind | what it counts | INFO | stats |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for metric in metrics() {
            page.push_str(&format!(
                "| `{}` | {} | {}{} | {} | {} |\n",
                metric.prometheus_name(),
                format!("{:?}", metric.kind).to_lowercase(),
                metric.about(),
                match metric.value {
                    MetricSource::Single(_) | MetricSource::Sum(_) => "",
                    MetricSource::Protocols(_) | MetricSource::Waits => ", for each `protocol`",
                    MetricSource::HandshakeFailures => ", for each `reason`",
                    MetricSource::Tables { names_version: true, .. } => ", for each `table` and `version`",
                    MetricSource::Tables { names_version: false, .. } => ", for each `table`",
                },
                metric.redis.map_or_else(String::new, |(_, name)| format!("`{name}`")),
                metric.memcached.map_or_else(String::new, |name| format!("`{name}`")),
            ));
        }
        let document = include_str!("../../../docs/OPERATING.md");
        let (_, rest) = document.split_once("<!-- metrics -->\n").unwrap();
        let (found, _) = rest.split_once("<!-- end -->").unwrap();
        assert!(found == page, "between the marks of docs/OPERATING.md must stand:\n{page}");
    }
}
