//! The bar that people see while something takes its time. It is on standard error, and only where
//! that is a terminal.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use graven_format::{Progress, Stage};
use graven_ingest::Meter;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::failure::{Outcome, cannot_start_thread};

/// How often a bar moves.
const REDRAW: Duration = Duration::from_millis(100);

/// For bytes whose number is known.
const BYTES: &str = "{msg} {bar:40} {percent}%, {bytes_per_sec}, {eta} left";

/// For keys, of which about so many are expected.
const KEYS: &str = "{msg} {bar:40} {percent}%, {human_pos} keys, {per_sec}, {eta} left";

/// For bytes whose number is not known.
const STREAM: &str = "{msg} {spinner} {bytes}, {bytes_per_sec}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}

/// A bar for `bytes`, which takes itself away when it is dropped.
pub(crate) fn bar(doing: &'static str, bytes: Option<u64>) -> ProgressBar {
    let bar = match bytes {
        Some(bytes) => ProgressBar::new(bytes).with_style(style(BYTES)),
        None => ProgressBar::no_length().with_style(style(STREAM)),
    };
    bar.with_message(doing).with_finish(ProgressFinish::AndClear)
}

/// Does `work` while a thread has `step` move the bar.
pub(crate) fn follow<T>(step: impl Fn() + Sync, work: impl FnOnce() -> T) -> Outcome<T> {
    let (done, changed) = (Mutex::new(false), Condvar::new());
    let wait = || {
        let mut finished = done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*finished {
            step();
            finished = changed.wait_timeout(finished, REDRAW).unwrap_or_else(PoisonError::into_inner).0;
        }
    };
    /// Says that the work is done, however it ended.
    struct AtTheEnd<'a>(&'a Mutex<bool>, &'a Condvar);
    impl Drop for AtTheEnd<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.1.notify_all();
        }
    }
    thread::scope(|scope| {
        let started = thread::Builder::new().name("progress".into()).spawn_scoped(scope, wait);
        started.map_err(|error| cannot_start_thread(&error))?;
        let _end = AtTheEnd(&done, &changed);
        Ok(work())
    })
}

/// The bar of a build: all its stages are one way, so long as the input has bytes.
pub(crate) struct BuildBar<'a> {
    bar: ProgressBar,
    progress: &'a Progress,
    meter: &'a Meter,
    bytes: Option<u64>,
}

impl<'a> BuildBar<'a> {
    /// A bar for an input of `bytes`.
    pub(crate) fn new(progress: &'a Progress, meter: &'a Meter, bytes: Option<u64>) -> Self {
        Self { bar: bar("reading", bytes), progress, meter, bytes }
    }

    /// A bar for about so many keys.
    pub(crate) fn of_keys(progress: &'a Progress, meter: &'a Meter, keys: u64) -> Self {
        Self { bar: bar("reading", Some(keys)).with_style(style(KEYS)), progress, meter, bytes: Some(keys) }
    }

    /// Moves the bar.
    pub(crate) fn step(&self) {
        let (stage, done, of) = self.progress.now();
        // A file of text is read by the build itself, which then counts what it reads.
        let read = if self.meter.read() > 0 { self.meter.read() } else { done };
        if stage == Stage::Read && self.bytes.is_none() {
            self.bar.set_position(read);
            return;
        }
        let bytes = self.bytes.or(self.bar.length()).unwrap_or_else(|| {
            // What came through the pipe is known now.
            self.bar.set_style(style(BYTES));
            self.bar.position()
        });
        let (doing, before, part, done, of) = match stage {
            Stage::Read => ("reading", 0, READ, read, bytes),
            Stage::Partition => ("sorting", READ, PARTITION, done, of),
            _ => ("carving", READ + PARTITION, 100 - READ - PARTITION, done, of),
        };
        self.bar.set_message(doing);
        self.bar.set_length(bytes);
        self.bar.set_position(scale(bytes, before, 100) + scale(scale(bytes, part, 100), done, of));
    }
}

/// Of a hundred parts of a build's time those that the first reading takes, as measured on tables
/// of a million and of ten million pairs.
const READ: u64 = 30;
/// Those that the second reading takes; the rest is carving.
const PARTITION: u64 = 35;

/// The part of `whole` that `done` is of `of`.
pub(crate) fn scale(whole: u64, done: u64, of: u64) -> u64 {
    // At most `whole`, so that it fits.
    (u128::from(whole) * u128::from(done.min(of)) / u128::from(of.max(1))) as u64
}
