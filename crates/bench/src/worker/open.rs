//! Opening the connections, before anything is sent.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{TICK, Worker};
use crate::connection::{ConnectionState, LoadConnection};
use crate::transport::{TimeSource, Transport};

/// Connections that are being made at a time: fewer than what most servers let wait.
const CONNECTING_MAX: usize = 128;

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    /// Opens all connections; where every request has its own, one to see that the server is
    /// there.
    ///
    /// # Errors
    /// The last reason why a connection did not come about, when none did.
    pub(crate) fn open(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let count = if self.plan.new_connection { 1 } else { self.connections.len() };
        let (mut begun, mut pending, mut opened) = (0, 0, 0);
        let mut reason = io::Error::from(io::ErrorKind::Interrupted);
        let mut ready = Vec::new();
        loop {
            while begun < count && pending < CONNECTING_MAX {
                let now = self.clock.now();
                match self.transport.connect(begun) {
                    Ok(()) => {
                        self.connections[begun].state = ConnectionState::Connecting(now);
                        pending += 1;
                    }
                    Err(error) => {
                        self.recorder.connections_failed += 1;
                        reason = error;
                    }
                }
                begun += 1;
            }
            if pending == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
            let now = self.clock.now();
            self.transport.wait(now + TICK.min(self.timeout), &mut ready)?;
            let now = self.clock.now();
            let overdue = |connection: &LoadConnection| matches!(connection.state, ConnectionState::Connecting(since) if now - since >= self.timeout);
            let overdue: Vec<usize> = (0..begun).filter(|&i| overdue(&self.connections[i])).collect();
            let results = ready
                .iter()
                .map(|ready| (ready.connection, None))
                .chain(overdue.into_iter().map(|i| (i, Some(io::Error::from(io::ErrorKind::TimedOut)))));
            for (i, late) in results {
                let ConnectionState::Connecting(since) = self.connections[i].state else { continue };
                match late.map_or_else(|| self.transport.is_connected(i), Err) {
                    Ok(false) => continue,
                    Ok(true) => {
                        self.connected(i, since, now);
                        opened += 1;
                    }
                    Err(error) => {
                        self.recorder.connections_failed += 1;
                        self.close(i);
                        reason = error;
                    }
                }
                pending -= 1;
            }
        }
        if self.plan.new_connection {
            self.close(0);
        }
        if opened == 0 { Err(reason) } else { Ok(()) }
    }
}
