//! What a run is to do, as one plain value.

use std::time::Duration;

use super::pool::Draw;
use super::schedule::Pace;
use super::target::Target;

/// How often a connection that did not come about is tried again, in nanoseconds.
pub(crate) const RETRY: u64 = 100_000_000;

/// The most requests in flight on one connection.
pub(crate) const PIPELINE_MAX: usize = 4_096;

/// The most connections, and the most threads.
pub(crate) const CONNECTIONS_MAX: usize = 60_000;
pub(crate) const THREADS_MAX: usize = 256;

/// What a run is to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Requests in flight on each connection, at most.
    pub(crate) pipeline: usize,
    /// For how long requests are sent, warm-up not counted; `None` until there were enough.
    pub(crate) duration: Option<Duration>,
    /// How many requests are sent, warm-up not counted; `None` until it was long enough.
    pub(crate) requests: Option<u64>,
    pub(crate) pace: Pace,
    /// For how long requests are sent before anything is measured.
    pub(crate) warm_up: Duration,
    pub(crate) timeout: Duration,
    /// Whether every request has a connection of its own.
    pub(crate) new_connection: bool,
    /// Further header lines of HTTP requests.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) draw: Draw,
}
