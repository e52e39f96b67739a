//! Hears first of what has changed in a root, goes back at once where a table was rolled back, and
//! tells the thread that loads versions of the rest.
//!
//! That one may be busy with a large version for minutes. A rollback waits for nothing: the
//! version that is gone back to is still loaded, or else answers from its file as it would after a
//! start, and is verified and loaded behind that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use crate::keeper::SharedRoot;
use crate::loading::condition;
use crate::root::{RootChange, TableName};

pub(crate) struct RollbackFollower {
    pub(crate) shared: Arc<SharedRoot>,
    /// Where the rest is told.
    pub(crate) look: Sender<RootChange>,
    pub(crate) over: Arc<AtomicBool>,
}

impl RollbackFollower {
    pub(crate) fn run(self, woken: &Receiver<RootChange>) {
        loop {
            let poll = self.shared.deciding().options.poll;
            let look = match woken.recv_timeout(poll) {
                // What has changed together is looked at together.
                Ok(first) => woken.try_iter().fold(first, RootChange::and),
                Err(RecvTimeoutError::Timeout) => RootChange::All,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            match &look {
                RootChange::Tables(tables) => tables.iter().for_each(|table| self.shared.go_back(table)),
                RootChange::All => {
                    let snapshot = self.shared.catalog.snapshot();
                    snapshot.tables().for_each(|table| self.shared.go_back(table.name()));
                }
            }
            if self.look.send(look).is_err() {
                return;
            }
        }
    }
}

impl SharedRoot {
    /// Has the version answer that a table was rolled back to, if it was and another one answers.
    fn go_back(&self, name: &TableName) {
        let began = Instant::now();
        let deciding = self.deciding();
        if !deciding.options.follows(name) {
            return;
        }
        let Some(id) = self.catalog.snapshot().named(name.as_str()).map(|table| table.id()) else { return };
        let Some(serving) = self.serving(id) else { return };
        // What cannot be read or opened is said by the thread that verifies.
        let Ok(state) = self.root.current(name) else { return };
        let Some(current) = state.known().filter(|current| current.was_gone_back_to()) else { return };
        // A version that was refused gave way to another, even a bad one; it is tried again when
        // something has changed.
        let is_refused = deciding.refused.get(name) == Some(current.version());
        if serving.name() == current.version() || is_refused || !current.bad().contains(serving.name()) {
            return;
        }
        let version = current.version().clone();
        let Ok(opened) = self.open(name, &version) else { return };
        let held = self.held(id, &version, &opened);
        let from = if held.is_some() { "memory" } else { "its file" };
        let store = held.unwrap_or_else(|| Arc::new(opened));
        self.catalog.switch_with(id, version.clone(), store, condition(current));
        self.catalog.set_last_switch(id, began.elapsed());
        let (table, version) = (name.as_str(), version.as_str());
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(event = "table_rolled_back", table, version, seconds, "gone back to, from {from}");
    }
}
