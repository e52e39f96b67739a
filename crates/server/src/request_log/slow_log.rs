//! The slow log: the last requests that took long, which `SLOWLOG` tells of.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that are kept, as in Redis; a further one takes the place of the oldest.
const ENTRIES_MAX: usize = 128;

/// A request that took long.
#[derive(Debug)]
pub(crate) struct SlowEntry {
    /// When it was answered, in seconds since 1970.
    pub(crate) at: u64,
    pub(crate) microseconds: u64,
    /// The command and what is kept of its arguments.
    pub(crate) arguments: Vec<Box<[u8]>>,
    pub(crate) peer: String,
    /// What is kept of the name that the client gave itself.
    pub(crate) client_name: Box<[u8]>,
    /// The connection, and the user that has logged in on it.
    pub(crate) client_id: u64,
    pub(crate) user: Option<Arc<str>>,
    /// The table that was asked.
    pub(crate) table: Option<Box<str>>,
}

/// The last of them, of all loops.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    /// The oldest first, each with its number.
    entries: Mutex<VecDeque<(u64, Arc<SlowEntry>)>>,
    count: AtomicU64,
}

impl SlowLog {
    pub(super) fn add(&self, entry: SlowEntry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back((number, Arc::new(entry)));
    }

    /// How many there have been.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Those for which `is_meant`, the latest first.
    pub(crate) fn latest(&self, is_meant: impl Fn(&SlowEntry) -> bool) -> Vec<(u64, Arc<SlowEntry>)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().rev().filter(|(_, entry)| is_meant(entry)).cloned().collect()
    }

    /// Forgets those for which `is_meant`.
    pub(crate) fn forget(&self, is_meant: impl Fn(&SlowEntry) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(_, entry)| !is_meant(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(microseconds: u64) -> SlowEntry {
        SlowEntry {
            at: 0,
            microseconds,
            arguments: Vec::new(),
            peer: String::new(),
            client_name: Box::default(),
            client_id: 1,
            user: None,
            table: None,
        }
    }

    #[test]
    fn the_latest_are_kept_and_keep_their_numbers_when_others_are_forgotten() {
        let log = SlowLog::default();
        (0..200).for_each(|i| log.add(entry(i)));
        let numbers =
            |log: &SlowLog| log.latest(|_| true).iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers(&log), (72..200).rev().collect::<Vec<_>>());
        log.forget(|entry| entry.microseconds < 198);
        log.add(entry(7));
        assert_eq!((numbers(&log), log.count()), (vec![200, 199, 198], 201));
    }
}
