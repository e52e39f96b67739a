//! What a run is to do, as one plain value.

use std::time::Duration;

use graven_wire::target::Target;

use crate::key_distribution::KeyDistribution;
use crate::schedule::Pace;

/// How often a connection that was not made is tried again, in nanoseconds.
pub(crate) const RETRY: u64 = 100_000_000;

/// The most requests in flight on one connection.
pub const PIPELINE_MAX: usize = 4_096;

/// The most connections.
pub const CONNECTIONS_MAX: usize = 60_000;

/// The most threads.
pub const THREADS_MAX: usize = 256;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The server.
    pub target: Target,
    /// How many connections there are.
    pub connections: usize,
    /// How many threads send, at most one a connection.
    pub threads: usize,
    /// Requests in flight on each connection, at most.
    pub pipeline: usize,
    /// For how long requests are sent, warm-up not counted; `None` until there were enough.
    pub duration: Option<Duration>,
    /// How many requests are sent, warm-up not counted; `None` until it was long enough.
    pub requests: Option<u64>,
    /// When requests are sent.
    pub pace: Pace,
    /// For how long requests are sent before anything is measured.
    pub warm_up: Duration,
    /// How long an answer, or a connection, may take.
    pub timeout: Duration,
    /// Whether every request has a connection of its own.
    pub new_connection: bool,
    /// Further header lines of HTTP requests.
    pub headers: Vec<(String, String)>,
    /// What is asked for.
    pub workload: Workload,
    /// The percentiles that are reported besides the common ones.
    pub percentiles: Vec<f64>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Workload {
    /// How requests are spread over the keys.
    pub distribution: KeyDistribution,
    /// The part of the keys that are certainly not there, from 0 to 1.
    pub miss: f64,
    /// Keys in each request.
    pub keys_per_request: usize,
    /// The same seed draws the same requests.
    pub seed: u64,
    /// Whether answers are compared with the values.
    pub verify: bool,
    /// No more requests than this are drawn ahead, for no more are ever sent.
    pub requests_max: Option<u64>,
}

impl LoadPlan {
    /// Ten seconds with 50 connections from one thread, each of which sends when it is answered,
    /// for any of the keys.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connections: 50,
            threads: 1,
            pipeline: 1,
            duration: Some(Duration::from_secs(10)),
            requests: None,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(5),
            new_connection: false,
            headers: Vec::new(),
            workload: Workload {
                distribution: KeyDistribution::Uniform,
                miss: 0.0,
                keys_per_request: 1,
                seed: 0,
                verify: false,
                requests_max: None,
            },
            percentiles: Vec::new(),
        }
    }
}
