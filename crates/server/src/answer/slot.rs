//! A connection's place while it is served: its answers, how far its requests are answered, and what it may still cost.

use super::lookups::LookupOutcome;
use crate::output::OutputBuffer;

/// What a lookup costs, in nanoseconds of a core that does little else.
pub(crate) const LOOKUP_COST: u64 = 150;

/// What a byte costs that is decoded or copied, in nanoseconds, rounded up.
const BYTE_COST: u64 = 2;

/// What one connection may cost in a turn that follows upon news from it, in nanoseconds: enough for the pipelines that most
/// clients send. What is left is done in turns of their own, behind the connections that have little to do.
pub(crate) const FIRST_COST_MAX: u64 = 50_000;

/// What one connection may cost in every further turn.
pub(crate) const FURTHER_COST_MAX: u64 = 100_000;

/// Why the requests of a connection are not answered any further in this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// As much is answered as may be in one turn, or waits to be written.
    Full,
    /// A block of a table on disk has to be read first.
    NotYet,
}

/// A connection's place while it is served.
#[derive(Debug, Default)]
pub(crate) struct ConnectionSlot {
    /// Its answers; empty between two turns.
    pub(crate) out: OutputBuffer,
    /// Where in the input the last answered request ends.
    pub(crate) consumed: usize,
    pub(crate) stop: Option<StopReason>,
    cost_left: u64,
    output_bytes_max: usize,
}

impl ConnectionSlot {
    /// Makes it ready for a turn that may cost `cost_max`, and after which at most about `output_bytes_max` wait to be written.
    pub(crate) fn begin(&mut self, cost_max: u64, output_bytes_max: usize) {
        debug_assert!(self.out.is_empty());
        (self.consumed, self.stop) = (0, None);
        (self.cost_left, self.output_bytes_max) = (cost_max, output_bytes_max);
    }

    /// Takes what was done from what the turn may cost.
    #[inline]
    pub(crate) fn spend(&mut self, cost: u64) {
        self.cost_left = self.cost_left.saturating_sub(cost);
    }

    /// The same for a lookup that came to `answer`.
    #[inline]
    pub(super) fn spend_lookup(&mut self, answer: LookupOutcome<'_>) {
        let copied_bytes = match answer {
            LookupOutcome::Value(value) if value.is_copied() => value.len(),
            _ => 0,
        };
        self.spend(LOOKUP_COST + copied_bytes as u64 * BYTE_COST);
    }

    /// What the turn may still cost.
    pub(crate) fn cost_left(&self) -> u64 {
        self.cost_left
    }

    /// Whether no further request is answered in this turn.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.cost_left == 0 || self.out.len() >= self.output_bytes_max
    }
}
