//! What has happened since the server started: counted by each loop for itself, added up when somebody asks.

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

/// What one loop has counted. Its alignment keeps two loops from sharing a line of the cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    pub(crate) http: Requests,
    pub(crate) resp: Requests,
    pub(crate) memcached: Requests,
    pub(crate) bytes_read: Count,
    pub(crate) bytes_written: Count,
    pub(crate) connections_opened: Count,
    pub(crate) connections_refused: Count,
    pub(crate) protocol_errors: Count,
    pub(crate) timeouts: Count,
    pub(crate) disk_reads: Count,
    pub(crate) disk_read_bytes: Count,
    pub(crate) disk_errors: Count,
    pub(crate) cache_hits: Count,
    pub(crate) cache_misses: Count,
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

/// Requests of one protocol, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestSums {
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Requests by how long they waited, and the sum of their waits.
    pub(crate) waits: [u64; WAIT_BOUNDS_US.len() + 1],
    pub(crate) waits_us: u64,
}

/// All tallies added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) http: RequestSums,
    pub(crate) resp: RequestSums,
    pub(crate) memcached: RequestSums,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) connections_opened: u64,
    pub(crate) connections_refused: u64,
    pub(crate) connections: u64,
    pub(crate) protocol_errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) disk_reads: u64,
    pub(crate) disk_read_bytes: u64,
    pub(crate) disk_errors: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
    pub(crate) cache_evictions: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) uptime_seconds: u64,
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

    pub(crate) fn sum(&self) -> Sums {
        let mut sums = Sums { uptime_seconds: self.started.elapsed().as_secs(), ..Sums::default() };
        for tally in &self.loops {
            for (sum, requests) in [
                (&mut sums.http, &tally.http),
                (&mut sums.resp, &tally.resp),
                (&mut sums.memcached, &tally.memcached),
            ] {
                sum.requests += requests.requests.get();
                sum.hits += requests.hits.get();
                sum.misses += requests.misses.get();
                sum.waits_us += requests.waits.microseconds.get();
                for (sum, bucket) in sum.waits.iter_mut().zip(&requests.waits.buckets) {
                    *sum += bucket.get();
                }
            }
            for (sum, count) in [
                (&mut sums.bytes_read, &tally.bytes_read),
                (&mut sums.bytes_written, &tally.bytes_written),
                (&mut sums.connections_opened, &tally.connections_opened),
                (&mut sums.connections_refused, &tally.connections_refused),
                (&mut sums.protocol_errors, &tally.protocol_errors),
                (&mut sums.timeouts, &tally.timeouts),
                (&mut sums.disk_reads, &tally.disk_reads),
                (&mut sums.disk_read_bytes, &tally.disk_read_bytes),
                (&mut sums.disk_errors, &tally.disk_errors),
                (&mut sums.cache_hits, &tally.cache_hits),
                (&mut sums.cache_misses, &tally.cache_misses),
            ] {
                *sum += count.get();
            }
        }
        if let Some(cache) = self.cache.get() {
            (sums.cache_bytes, sums.cache_evictions) = (cache.bytes(), cache.evictions());
        }
        sums.connections = self.connections.iter().map(|open| open.load(Ordering::Relaxed) as u64).sum();
        sums
    }
}

impl Sums {
    /// Every protocol together.
    pub(crate) fn all(&self) -> RequestSums {
        let each = [self.http, self.resp, self.memcached];
        RequestSums {
            requests: each.iter().map(|sums| sums.requests).sum(),
            hits: each.iter().map(|sums| sums.hits).sum(),
            misses: each.iter().map(|sums| sums.misses).sum(),
            waits: std::array::from_fn(|i| each.iter().map(|sums| sums.waits[i]).sum()),
            waits_us: each.iter().map(|sums| sums.waits_us).sum(),
        }
    }

    /// What a table on disk has cost, each number with its name; zeros where the table is elsewhere.
    pub(crate) fn storage(&self) -> [(&'static str, u64); 7] {
        [
            ("disk_reads", self.disk_reads),
            ("disk_read_bytes", self.disk_read_bytes),
            ("disk_errors", self.disk_errors),
            ("cache_hits", self.cache_hits),
            ("cache_misses", self.cache_misses),
            ("cache_evictions", self.cache_evictions),
            ("cache_bytes", self.cache_bytes),
        ]
    }

    /// Every other number with its name, units last.
    pub(crate) fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("uptime_seconds", self.uptime_seconds),
            ("connections", self.connections),
            ("connections_opened", self.connections_opened),
            ("connections_refused", self.connections_refused),
            ("protocol_errors", self.protocol_errors),
            ("timeouts", self.timeouts),
            ("read_bytes", self.bytes_read),
            ("written_bytes", self.bytes_written),
        ]
    }

    /// The sums of each protocol with its name.
    pub(crate) fn protocols(&self) -> [(&'static str, RequestSums); 3] {
        [("http", self.http), ("resp", self.resp), ("memcached", self.memcached)]
    }
}
