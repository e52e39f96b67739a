//! What signals do to a file that is being written: it does not appear, and the process says why.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

use crate::failure::{Failure, Outcome, reason};

/// What people are told whose signal ended a command.
pub(crate) const STOPPED: &str = "stopped by a signal; what was there before is untouched";

fn cannot(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot watch for signals: {}", reason(&error)))
}

/// From here on SIGINT and SIGTERM set `stopped`, so that what is not whole can be removed; a second one ends the process.
pub(crate) fn stop_on_signals(stopped: &Arc<AtomicBool>) -> Outcome<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(stopped))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stopped)))
            .map_err(cannot)?;
    }
    Ok(())
}

/// From here on a file that may not grow (`ulimit -f`) is an error of the write, as a full disk is, and does not end the
/// process.
pub(crate) fn outlive_file_limits() -> Outcome<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(cannot)?;
    Ok(())
}
