//! How far a build is, for another thread to look at, and whether it is to stop.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::error::Error;

/// What a build is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stage {
    /// Reading all pairs, to learn what they have in common; counted in bytes of input. How many
    /// there are is not known while this goes on.
    #[default]
    Read = 0,
    /// Putting them into hash order; counted in bytes of input.
    Partition = 1,
    /// Making buckets; counted in partitions.
    Carve = 2,
}

/// How far a build is, and whether it is to stop.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// The stage, how much of it is done, and how much there is to do, 0 where that is not known.
    pub fn now(&self) -> (Stage, u64, u64) {
        let stage = match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Read,
            1 => Stage::Partition,
            _ => Stage::Carve,
        };
        (stage, self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Has the build end soon, with [`Error::Stopped`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// An error when the build is to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    pub(crate) fn begin(&self, stage: Stage, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }
}
