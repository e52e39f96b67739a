//! The log of `graven serve`, on standard error.

use std::io;

use tracing_subscriber::filter::LevelFilter;

use crate::options::serve::LogFormat;

/// From here on what is logged at `level` and above is written, a line each.
pub(crate) fn start(level: LevelFilter, format: LogFormat) {
    // A log that cannot be written is no reason to end.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
