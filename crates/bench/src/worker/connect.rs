//! Making connections: all of them before anything is sent, and again whenever one has gone.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use graven_wire::Decoded;

use super::{TICK, Worker};
use crate::connection::ConnectionState;
use crate::transport::{TimeSource, Transport};

/// Connections that are being made at a time: fewer than what most servers let wait.
const CONNECTING_MAX: usize = 128;

impl<C: TimeSource, T: Transport> Worker<'_, C, T> {
    /// Opens all connections; where every request has its own, one to see that the server is
    /// there.
    ///
    /// # Errors
    /// The last reason why a connection was not made, when none was.
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
            let is_overdue = |i: &usize| {
                let since = self.connections[*i].state.unmade_since();
                since.is_some_and(|since| now - since >= self.timeout)
            };
            let overdue: Vec<usize> = (0..begun).filter(is_overdue).collect();
            let results = ready
                .iter()
                .map(|ready| (ready.connection, None))
                .chain(overdue.into_iter().map(|i| (i, Some(io::Error::from(io::ErrorKind::TimedOut)))));
            for (i, late) in results {
                if self.connections[i].state.unmade_since().is_none() {
                    continue;
                }
                match late.map_or_else(|| self.establish(i), Err) {
                    Ok(false) => continue,
                    Ok(true) => opened += 1,
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

    /// Goes on with making a connection that was begun, and says whether it is made: connected,
    /// and the server has agreed to the handshake where there is one.
    ///
    /// # Errors
    /// Why it never will be.
    pub(super) fn establish(&mut self, i: usize) -> io::Result<bool> {
        let connection = &mut self.connections[i];
        let Some(since) = connection.state.unmade_since() else {
            return Ok(connection.state == ConnectionState::Open);
        };
        if matches!(connection.state, ConnectionState::Connecting(_)) && !self.transport.is_connected(i)? {
            return Ok(false);
        }
        if let Some(handshake) = &self.handshake {
            connection.state = ConnectionState::Greeting(since);
            let request = handshake.request();
            while connection.greeted < request.len() {
                match self.transport.write(i, &request[connection.greeted..]) {
                    Ok(bytes) => connection.greeted += bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            loop {
                match self.transport.read(i, connection.room()) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(bytes) => connection.was_read(bytes),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
                match handshake.read(connection.received()) {
                    Decoded::NeedMore => {}
                    Decoded::Message((), bytes) => break connection.consume(bytes),
                    Decoded::Invalid(refused) => return Err(io::Error::other(refused)),
                }
            }
        }
        let now = self.clock.now();
        connection.state = ConnectionState::Open;
        connection.connected_at = now;
        self.last_connected = now;
        self.recorder.connections_opened += 1;
        self.recorder.connecting.record(now - since);
        if let Some(connected) = self.transport.connected_below_tls(i) {
            self.recorder.handshaking.record(now - connected);
        }
        Ok(true)
    }
}
