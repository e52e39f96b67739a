//! How many descriptors the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: standard streams, listeners, files, each thread's own.
const BESIDE: u64 = 128;

/// Raises the process's limit as far as `connections` need and the system allows, and returns how many connections it
/// allows.
#[must_use]
pub fn allow_connections(connections: usize) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + BESIDE;
    let possible = wanted.min(maximum.unwrap_or(u64::MAX));
    let Some(now) = current else { return u64::MAX };
    let raised = Rlimit { current: Some(possible), maximum };
    let allowed = if possible > now && setrlimit(Resource::Nofile, raised).is_ok() { possible } else { now };
    allowed.saturating_sub(BESIDE)
}
