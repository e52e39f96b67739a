//! What the commands that look up within this process are told alike: how long, how often, and how the disk is read.

use std::time::Duration;

use graven_blocks::DiskReads;

use crate::closed_loop::Run;

/// How long and how often lookups are made, and how the disk is read.
#[derive(clap::Args)]
pub(crate) struct Rounds {
    /// How long each run takes, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Runs of each, in turns with those it is compared with; the medians count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// Threads instead of io_uring
    #[arg(long)]
    threads: bool,
}

impl Rounds {
    /// One of the runs, with at most `in_flight` lookups under way.
    pub(crate) fn run(&self, in_flight: usize) -> Run {
        let how = if self.threads { DiskReads::Threads } else { DiskReads::IoUring };
        Run { how, in_flight, lasts: Some(Duration::from_secs(self.seconds)) }
    }
}
