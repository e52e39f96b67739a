//! Tables of what a Redis holds: of its dumps, which `graven-ingest` reads, and of a server that
//! is asked for every key.

mod compare;
mod flags;
mod read;
mod server;

use std::path::Path;

use graven_client::Target;
use graven_wire::address::Protocol;

pub(crate) use compare::compare;
pub(crate) use flags::{RedisBuildOptions, RedisFlags};
pub(crate) use read::{ReadRedis, RedisSource};

use crate::failure::{Failure, Outcome};

/// The server that an input names, where it names one and not a file.
pub(crate) fn target(input: &Path) -> Option<Outcome<Target>> {
    let text = input.to_str()?;
    let scheme = text.split_once(':')?.0.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "redis" | "rediss" | "redis+unix") || input.exists() {
        return None;
    }
    let parsed = text.parse::<Target>().map_err(|error| Failure::new(error.to_string()));
    Some(parsed.and_then(|target| match target.protocol() {
        Protocol::Redis => Ok(target),
        _ => Err(Failure::new(format!("{target} is no Redis; write redis://HOST:PORT"))),
    }))
}
