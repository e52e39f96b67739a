//! The order of switches, and whether an answer may come from where it comes from.
//!
//! Switch `s` makes content `s % cycle` the one that answers. A connection has seen switches up to
//! some number, and knows that every loop has switched as far as `completed` was when it asked. An
//! answer must come from no earlier switch, and from none that was not begun. Contents come back
//! after a cycle, so what is older than that is not told from what is new.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, ensure};

/// How far the switches have come; written by one thread.
#[derive(Debug)]
pub(crate) struct Progress {
    cycle: u64,
    begun: AtomicU64,
    completed: AtomicU64,
    /// A switch is under way, or was a moment ago: what is waited for now counts as waited for
    /// during a switch.
    is_switching: AtomicBool,
    over: AtomicBool,
}

impl Progress {
    pub(crate) fn new(cycle: u64) -> Self {
        let (begun, completed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { cycle, begun, completed, is_switching: AtomicBool::new(false), over: AtomicBool::new(false) }
    }

    /// Before the switch is made.
    pub(crate) fn begin(&self, switch: u64) {
        self.is_switching.store(true, Ordering::SeqCst);
        self.begun.store(switch, Ordering::SeqCst);
    }

    /// Every loop answers from it.
    pub(crate) fn complete(&self, switch: u64) {
        self.completed.store(switch, Ordering::SeqCst);
    }

    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::SeqCst)
    }

    pub(crate) fn settle(&self) {
        self.is_switching.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_switching(&self) -> bool {
        self.is_switching.load(Ordering::SeqCst)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// The newest switch that a connection has had an answer from.
#[derive(Debug, Default)]
pub(crate) struct Newest(u64);

impl Newest {
    /// Takes note of an answer from `content` to a request that was sent when `completed` switches
    /// were complete.
    pub(crate) fn see(&mut self, content: u64, completed: u64, progress: &Progress) -> Result<()> {
        let floor = self.0.max(completed);
        let ahead = (content + progress.cycle - floor % progress.cycle) % progress.cycle;
        let begun = progress.begun.load(Ordering::SeqCst);
        ensure!(
            floor + ahead <= begun,
            "an answer from content {content} is older than switch {floor}, which was seen; {begun} were begun"
        );
        self.0 = floor + ahead;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Newest, Progress};

    #[test]
    fn answers_may_come_from_what_was_seen_or_later_and_from_nothing_else() {
        let progress = Progress::new(8);
        let mut newest = Newest::default();
        newest.see(0, 0, &progress).unwrap();
        newest.see(1, 0, &progress).unwrap_err();
        progress.begin(9);
        newest.see(7, 0, &progress).unwrap();
        newest.see(1, 0, &progress).unwrap();
        newest.see(0, 0, &progress).unwrap_err();
        newest.see(7, 0, &progress).unwrap_err();
    }

    #[test]
    fn what_every_loop_had_switched_to_before_the_request_is_seen_as_well() {
        let progress = Progress::new(8);
        progress.begin(5);
        progress.complete(5);
        Newest::default().see(4, 0, &progress).unwrap();
        Newest::default().see(4, 5, &progress).unwrap_err();
        Newest::default().see(5, 5, &progress).unwrap();
    }
}
