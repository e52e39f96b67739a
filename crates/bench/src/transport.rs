//! What a worker needs of the world: the time, and connections that never block. Sockets are one
//! world; a simulation in which time passes only while the worker waits is another.

use std::io;

/// Time in nanoseconds since some moment; it never goes back.
pub(crate) trait TimeSource {
    fn now(&self) -> u64;
}

/// A connection that has news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The number of the connection.
    pub(crate) connection: usize,
    /// There is something to read, or an error.
    pub(crate) readable: bool,
    /// It is established, or takes bytes again.
    pub(crate) writable: bool,
    /// The other side has closed it: everything up to the end can be read.
    pub(crate) ended: bool,
}

/// Connections, each known by its number.
pub(crate) trait Transport {
    /// Begins to connect. [`Readiness::writable`] says when to ask
    /// [`is_connected`](Self::is_connected).
    ///
    /// # Errors
    /// What the system says; nothing is open then.
    fn connect(&mut self, connection: usize) -> io::Result<()>;

    /// Whether the connection is established.
    ///
    /// # Errors
    /// Why it never will be.
    fn is_connected(&mut self, connection: usize) -> io::Result<bool>;

    /// When the connection came about under its TLS handshake, where it has one, by the clock.
    fn connected_below_tls(&self, connection: usize) -> Option<u64> {
        let _ = connection;
        None
    }

    /// Reads what is there; 0 is the end. After less than `room` there is nothing more until
    /// [`Readiness`] says so.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, else what broke.
    fn read(&mut self, connection: usize, room: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as is taken.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken, else what broke.
    fn write(&mut self, connection: usize, bytes: &[u8]) -> io::Result<usize>;

    /// Closes the connection, if there is one.
    fn close(&mut self, connection: usize);

    /// Waits until a connection has news or the clock has reached `until`, and replaces what is
    /// in `ready`.
    ///
    /// # Errors
    /// When the system can wait no longer.
    fn wait(&mut self, until: u64, ready: &mut Vec<Readiness>) -> io::Result<()>;
}
