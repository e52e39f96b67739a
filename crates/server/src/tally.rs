//! What has happened since the server started: counted by each loop for itself, added up when
//! somebody asks.
//!
//! Every number is declared once, as a [`Metric`]: `/metrics`, `/stats.json`, Redis' INFO and
//! memcached's `stats` follow from the same entry, and so does the table in docs/OPERATING.md.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use graven_blocks::{Cache, FetchCounts};

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
        pub(crate) struct Tally {
            pub(crate) http: Requests,
            pub(crate) resp: Requests,
            pub(crate) memcached: Requests,
            $(#[doc = $help] pub(crate) $field: Count,)*
        }

        static LOOP_COUNTERS: &[Metric] = &[
            $($metric.help($help).value(Value::Sum(|tally| &tally.$field)),)*
        ];
    };
}

loop_counters! {
    /// Connections accepted
    connections_opened: counter("connections_opened", Unit::None)
        .redis(Section::Stats, "total_connections_received").memcached("total_connections");
    /// Connections closed at once because as many were open as may be
    connections_refused: counter("connections_refused", Unit::None)
        .redis(Section::Stats, "rejected_connections").memcached("rejected_connections");
    /// Connections closed because what came was no request, or passed a limit
    protocol_errors: counter("protocol_errors", Unit::None);
    /// Connections closed because their peer took too long
    timeouts: counter("timeouts", Unit::None);
    /// Bytes read from connections
    bytes_read: counter("read", Unit::Bytes)
        .redis(Section::Stats, "total_net_input_bytes").memcached("bytes_read");
    /// Bytes written to connections
    bytes_written: counter("written", Unit::Bytes)
        .redis(Section::Stats, "total_net_output_bytes").memcached("bytes_written");
    /// Reads of a table on disk
    disk_reads: counter("disk_reads", Unit::None)
        .redis(Section::Storage, "disk_reads").memcached("disk_reads");
    /// Bytes read of a table on disk
    disk_read_bytes: counter("disk_read", Unit::Bytes)
        .redis(Section::Storage, "disk_read_bytes").memcached("disk_read_bytes");
    /// Reads of a table on disk that failed, or whose bytes were damaged
    disk_errors: counter("disk_errors", Unit::None)
        .redis(Section::Storage, "disk_errors").memcached("disk_errors");
    /// Lookups in a table on disk whose bucket was in memory
    cache_hits: counter("cache_hits", Unit::None)
        .redis(Section::Storage, "cache_hits").memcached("cache_hits");
    /// Lookups in a table on disk whose bucket had to be read
    cache_misses: counter("cache_misses", Unit::None)
        .redis(Section::Storage, "cache_misses").memcached("cache_misses");
}

/// What is not counted by the loops one by one.
static OTHERS: &[Metric] = &[
    gauge("pairs", Unit::None)
        .help("Pairs in the table")
        .memcached("curr_items")
        .value(Value::Single(|readings| readings.pairs)),
    gauge("uptime", Unit::Seconds)
        .help("Time since the server started")
        .redis(Section::Server, "uptime_in_seconds")
        .memcached("uptime")
        .value(Value::Single(|readings| readings.tallies.started.elapsed().as_secs())),
    gauge("connections", Unit::None)
        .help("Connections that are open")
        .redis(Section::Clients, "connected_clients")
        .memcached("curr_connections")
        .value(Value::Single(|readings| readings.tallies.open_connections())),
];

/// What the cache of a table on disk says of itself.
static CACHE: &[Metric] = &[
    counter("cache_evictions", Unit::None)
        .help("Buckets that left the cache for others")
        .redis(Section::Storage, "cache_evictions")
        .memcached("cache_evictions")
        .value(Value::Single(|readings| readings.tallies.cache().map_or(0, Cache::evictions))),
    gauge("cache", Unit::Bytes)
        .help("Memory that the cache of a table on disk holds")
        .redis(Section::Storage, "cache_bytes")
        .memcached("cache_bytes")
        .value(Value::Single(|readings| readings.tallies.cache().map_or(0, Cache::bytes))),
];

/// What is counted for each protocol.
static REQUESTS: &[Metric] = &[
    counter("requests", Unit::None)
        .help("Requests answered")
        .value(Value::Protocols(|requests| &requests.requests)),
    counter("hits", Unit::None)
        .help("Keys asked for that were there")
        .redis(Section::Stats, "keyspace_hits")
        .memcached("get_hits")
        .value(Value::Protocols(|requests| &requests.hits)),
    counter("misses", Unit::None)
        .help("Keys asked for that were not there")
        .redis(Section::Stats, "keyspace_misses")
        .memcached("get_misses")
        .value(Value::Protocols(|requests| &requests.misses)),
    Metric { kind: Kind::Histogram, ..counter("wait", Unit::Seconds) }
        .help("Time from when the loop learnt of a request's bytes until the kernel took its answer")
        .value(Value::Waits),
];

/// Every number, in the order in which they are told.
pub(crate) fn metrics() -> impl Iterator<Item = &'static Metric> {
    [OTHERS, LOOP_COUNTERS, CACHE, REQUESTS].into_iter().flatten()
}

/// One number that the server tells of itself, or one for each protocol, under the names that the
/// languages have for it.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Without the unit behind it.
    name: &'static str,
    unit: Unit,
    pub(crate) kind: Kind,
    help: &'static str,
    /// Where Redis' INFO has it, and its name there.
    pub(crate) redis: Option<(Section, &'static str)>,
    /// Its name in memcached's `stats`.
    pub(crate) memcached: Option<&'static str>,
    pub(crate) value: Value,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
pub(crate) enum Section {
    Server,
    Clients,
    Storage,
    Stats,
}

/// Where a number comes from.
#[derive(Debug)]
pub(crate) enum Value {
    Single(fn(&Readings<'_>) -> u64),
    /// The sum of what each loop has counted.
    Sum(fn(&Tally) -> &Count),
    /// The same for each protocol.
    Protocols(fn(&Requests) -> &Count),
    /// How long the requests of each protocol have waited.
    Waits,
}

/// A protocol's name, and its requests in the tally of a loop.
pub(crate) type Protocol = (&'static str, fn(&Tally) -> &Requests);

pub(crate) static PROTOCOLS: [Protocol; 3] =
    [("http", |tally| &tally.http), ("resp", |tally| &tally.resp), ("memcached", |tally| &tally.memcached)];

const fn counter(name: &'static str, unit: Unit) -> Metric {
    let value = Value::Single(|_| 0);
    Metric { name, unit, kind: Kind::Counter, help: "", redis: None, memcached: None, value }
}

const fn gauge(name: &'static str, unit: Unit) -> Metric {
    Metric { kind: Kind::Gauge, ..counter(name, unit) }
}

impl Metric {
    const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    const fn redis(mut self, section: Section, name: &'static str) -> Self {
        self.redis = Some((section, name));
        self
    }

    const fn memcached(mut self, name: &'static str) -> Self {
        self.memcached = Some(name);
        self
    }

    const fn value(mut self, value: Value) -> Self {
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
        let end = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("graven_{}{end}", self.name())
    }

    /// What it counts, in one sentence without its full stop.
    pub(crate) fn about(&self) -> &'static str {
        // A line of documentation begins with a space.
        self.help.trim_ascii()
    }
}

/// What numbers are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings<'a> {
    pub(crate) tallies: &'a Tallies,
    /// Pairs in the table.
    pub(crate) pairs: u64,
}

impl Readings<'_> {
    /// A number as one, the protocols added up; `None` for what is no number.
    pub(crate) fn total(&self, metric: &Metric) -> Option<u64> {
        match metric.value {
            Value::Single(read) => Some(read(self)),
            Value::Sum(count) => Some(self.tallies.sum(count)),
            Value::Protocols(count) => {
                Some(PROTOCOLS.iter().map(|protocol| self.tallies.sum_of(*protocol, count)).sum())
            }
            Value::Waits => None,
        }
    }
}

/// The tallies of all loops, and what they have in common.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) loops: Vec<Tally>,
    /// Connections that each loop has.
    pub(crate) connections: Vec<AtomicUsize>,
    pub(crate) started: Instant,
    /// What is kept of tables on disk, from the first such table on.
    pub(crate) cache: OnceLock<Arc<Cache>>,
}

impl Tally {
    /// Requests of each protocol so far.
    #[inline]
    pub(crate) fn requests(&self) -> [u64; 3] {
        self.protocols().map(|protocol| protocol.requests.get())
    }

    /// The requests that are answered since the tally stood at `before` have waited `wait`.
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

impl Tallies {
    pub(crate) fn new(loops: usize) -> Self {
        Self {
            loops: (0..loops).map(|_| Tally::default()).collect(),
            connections: (0..loops).map(|_| AtomicUsize::new(0)).collect(),
            started: Instant::now(),
            cache: OnceLock::new(),
        }
    }

    /// What all loops have counted together.
    pub(crate) fn sum(&self, count: fn(&Tally) -> &Count) -> u64 {
        self.loops.iter().map(|tally| count(tally).get()).sum()
    }

    /// The same of one protocol.
    pub(crate) fn sum_of(&self, (_, of): Protocol, count: fn(&Requests) -> &Count) -> u64 {
        self.loops.iter().map(|tally| count(of(tally)).get()).sum()
    }

    /// Requests of one protocol by how long they have waited, and the sum of their waits in
    /// microseconds.
    pub(crate) fn waits(&self, (_, of): Protocol) -> ([u64; WAIT_BOUNDS_US.len() + 1], u64) {
        let mut sums = ([0; WAIT_BOUNDS_US.len() + 1], 0);
        for waits in self.loops.iter().map(|tally| &of(tally).waits) {
            sums.1 += waits.microseconds.get();
            for (sum, bucket) in sums.0.iter_mut().zip(&waits.buckets) {
                *sum += bucket.get();
            }
        }
        sums
    }

    fn cache(&self) -> Option<&Cache> {
        self.cache.get().map(AsRef::as_ref)
    }

    fn open_connections(&self) -> u64 {
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
        let tallies = Tallies::new(3);
        for (i, tally) in (1..).zip(&tallies.loops) {
            tally.bytes_read.add(i);
            tally.resp.hits.add(10 * i);
            tally.http.hits.add(100 * i);
            tally.http.waits.add(Duration::from_micros(15), i);
        }
        let readings = Readings { tallies: &tallies, pairs: 7 };
        let total =
            |name: &str| readings.total(metrics().find(|metric| metric.prometheus_name() == name).unwrap());
        assert_eq!(total("graven_pairs"), Some(7));
        assert_eq!(total("graven_read_bytes_total"), Some(6));
        assert_eq!(total("graven_hits_total"), Some(660));
        let (buckets, sum_us) = tallies.waits(PROTOCOLS[0]);
        assert_eq!((buckets[1], buckets.iter().sum(), sum_us), (6, 6, 90));
    }

    #[test]
    fn the_page_for_operators_lists_every_number_as_it_is_declared() {
        let mut page =
            "| name | kind | what it counts | INFO | stats |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for metric in metrics() {
            let of_each = !matches!(metric.value, Value::Single(_) | Value::Sum(_));
            page.push_str(&format!(
                "| `{}` | {} | {}{} | {} | {} |\n",
                metric.prometheus_name(),
                format!("{:?}", metric.kind).to_lowercase(),
                metric.about(),
                if of_each { ", for each `protocol`" } else { "" },
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
