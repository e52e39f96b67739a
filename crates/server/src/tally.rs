//! What has happened since the server started: counted by each loop for itself, added up when somebody asks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// A number that one loop alone changes and anybody may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        // One writer: a load and a store do what a locked addition would.
        self.0.store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Requests of one protocol.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) requests: Count,
    pub(crate) hits: Count,
    pub(crate) misses: Count,
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
}

/// The tallies of all loops, and what they have in common.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) loops: Vec<Tally>,
    /// Connections that each loop has.
    pub(crate) connections: Vec<AtomicUsize>,
    pub(crate) started: Instant,
}

/// Requests of one protocol, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestSums {
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
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
    pub(crate) uptime_seconds: u64,
}

impl Tallies {
    pub(crate) fn new(loops: usize) -> Self {
        Self {
            loops: (0..loops).map(|_| Tally::default()).collect(),
            connections: (0..loops).map(|_| AtomicUsize::new(0)).collect(),
            started: Instant::now(),
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
            }
            for (sum, count) in [
                (&mut sums.bytes_read, &tally.bytes_read),
                (&mut sums.bytes_written, &tally.bytes_written),
                (&mut sums.connections_opened, &tally.connections_opened),
                (&mut sums.connections_refused, &tally.connections_refused),
                (&mut sums.protocol_errors, &tally.protocol_errors),
                (&mut sums.timeouts, &tally.timeouts),
            ] {
                *sum += count.get();
            }
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
        }
    }

    /// Every number with its name, units last.
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
