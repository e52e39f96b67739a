//! What signals do, alike in every subcommand that has something to finish or to take away: SIGINT
//! and SIGTERM end it in good order, a second one ends it at once. SIGHUP is the terminal that
//! went away and does the same, but for a server, which takes it as a request to reload.
//! Subcommands that only read leave signals to the system. Whoever waits for the process learns of
//! the signal either way: from the system, or by the exit status that a shell gives for it.

use std::fs;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use graven_server::Shutdown;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::failure::{Failure, Outcome, cannot_start_thread, reason};
use crate::service_manager;

/// What people are told whose signal ended a command.
pub(crate) const STOPPED: &str = "stopped by a signal; what was there before is untouched";

fn cannot(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot watch for signals: {}", reason(&error)))
}

/// The number of the last signal that was to stop this process, 0 before.
static LAST: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// What a shell gives for a process that a signal has ended, where one was to end this.
pub(crate) fn status() -> Option<ExitCode> {
    let signal = u8::try_from(LAST.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)?;
    Some(ExitCode::from(128 + signal))
}

/// From here on SIGINT, SIGTERM and SIGHUP set `stopped`, so that what is not whole can be
/// removed; a second one ends the process. SIGHUP stays ignored where it was, as under `nohup`.
pub(crate) fn stop_on_signals(stopped: &Arc<AtomicBool>) -> Outcome<()> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(stopped))
            // Before the flag, so that whoever sees that set knows the signal.
            .and_then(|_| {
                signal_hook::flag::register_usize(signal, Arc::clone(&LAST), signal.unsigned_abs() as usize)
            })
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stopped)))
            .map_err(cannot)?;
    }
    Ok(())
}

/// Whether whoever started this process told it to ignore `signal`.
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// From here on a file that may not grow (`ulimit -f`) is an error of the write, as a full disk
/// is, and does not end the process.
pub(crate) fn outlive_file_limits() -> Outcome<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(cannot)?;
    Ok(())
}

/// What signals do to a server.
#[derive(Clone, Default)]
pub(crate) struct ServerSignals {
    /// Ends the server.
    pub(crate) shutdown: Shutdown,
    is_serving: Arc<AtomicBool>,
}

impl ServerSignals {
    /// From here on SIGHUP has `reload` called, however often it comes. SIGINT and SIGTERM end the
    /// process until the server runs, trigger the shutdown then, and end the process when they
    /// come once more.
    pub(crate) fn watch(reload: impl Fn() + Send + 'static) -> Outcome<Self> {
        let signals = Self::default();
        let watched = signals.clone();
        let mut coming = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(cannot)?;
        let watch = move || {
            for signal in coming.forever() {
                let is_first = !watched.shutdown.is_triggered();
                if signal == SIGHUP {
                    reload();
                } else if is_first && watched.is_serving.load(Ordering::Relaxed) {
                    service_manager::say_stopping();
                    watched.shutdown.trigger();
                } else {
                    // As without a handler, so that whoever waits for the process learns of the
                    // signal.
                    let _ = emulate_default_handler(signal);
                    process::exit(128 + signal);
                }
            }
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(watch)
            .map_err(|error| cannot_start_thread(&error))?;
        Ok(signals)
    }

    /// The server runs, or is about to: what it has in flight is worth waiting for.
    pub(crate) fn serving(&self) {
        self.is_serving.store(true, Ordering::Relaxed);
    }
}
