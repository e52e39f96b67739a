//! The log of a server, on standard error.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// What a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object each, for programs.
    Json,
}

/// How much is logged, which may change.
#[derive(Debug)]
pub struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl LogLevel {
    /// From here on what is logged at `level` and above is written.
    pub fn set(&self, level: LevelFilter) {
        // It fails only when nothing logs any longer.
        let _ = self.0.reload(level);
    }
}

/// From here on what is logged at `level` and above is written, a line each: what graven says, and libraries' warnings.
///
/// # Panics
///
/// Where this process has a log already.
#[must_use]
pub fn start_log(level: LevelFilter, format: LogFormat) -> LogLevel {
    let (filter, handle) = reload::Layer::new(level);
    // A log that cannot be written is no reason to end.
    let lines = fmt::layer().log_internal_errors(false).with_writer(io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_for_operators));
    match format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    LogLevel(handle)
}

/// Whether it is graven that says it, or a library that warns. Libraries tell of each request that they try again, too.
fn is_for_operators(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || metadata.target().starts_with("graven")
}
