//! Connections that ask which version answers, enough of them to reach every loop of a server.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::stop::Stop;
use crate::versions::stream::Stream;

/// Loops take connections in turn, so that so many reach all of a few.
const CONNECTIONS: usize = 8;
const PAUSE: Duration = Duration::from_micros(300);
/// No version takes as long.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Probe {
    streams: Vec<Stream>,
    request: String,
}

impl Probe {
    /// Asks for a key that is there, of a table.
    pub(crate) fn connect(address: SocketAddr, table: &str, key: &str) -> Result<Self> {
        let streams = (0..CONNECTIONS).map(|_| Stream::connect(address)).collect::<Result<_>>()?;
        let request = format!("GET /v1/tables/{table}/kv/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Ok(Self { streams, request })
    }

    /// The version that a loop answers from.
    pub(crate) fn ask(&mut self, connection: usize) -> Result<String> {
        let stream = &mut self.streams[connection % CONNECTIONS];
        stream.send(self.request.as_bytes())?;
        Ok(stream.http()?.0)
    }

    /// Waits until all answer from `version`, and says how long after `began` the last of them did.
    pub(crate) fn until(&mut self, version: &str, began: Instant, stop: &Stop) -> Result<Duration> {
        for connection in 0..CONNECTIONS {
            while self.ask(connection)? != version {
                stop.check()?;
                ensure!(began.elapsed() < PATIENCE, "{version} never answers");
                thread::sleep(PAUSE);
            }
        }
        Ok(began.elapsed())
    }
}
