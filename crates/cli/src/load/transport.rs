//! What the engine needs of the world: a clock, and connections that never block. Sockets are one world, a simulation in
//! which time passes only when the engine waits is another.

use std::io;

/// Time in nanoseconds since some moment; it never goes back.
pub(crate) trait Clock {
    fn now(&self) -> u64;
}

/// A connection that has news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Which one.
    pub(crate) line: usize,
    /// There is something to read, or an error.
    pub(crate) readable: bool,
    /// It stands, or takes bytes again.
    pub(crate) writable: bool,
    /// The other side has closed it: everything up to the end can be read.
    pub(crate) ended: bool,
}

/// Connections, each known by its number.
pub(crate) trait Transport {
    /// Begins to connect. [`Ready::writable`] says when to ask [`is_connected`](Self::is_connected).
    ///
    /// # Errors
    /// What the system says; nothing is open then.
    fn connect(&mut self, line: usize) -> io::Result<()>;

    /// Whether the connection stands.
    ///
    /// # Errors
    /// Why it never will.
    fn is_connected(&mut self, line: usize) -> io::Result<bool>;

    /// Reads what is there; 0 is the end. After less than `room` there is nothing more until [`Ready`] says so.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, else what broke.
    fn read(&mut self, line: usize, room: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as is taken.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken, else what broke.
    fn write(&mut self, line: usize, bytes: &[u8]) -> io::Result<usize>;

    /// Closes the connection, if there is one.
    fn close(&mut self, line: usize);

    /// Waits until a connection has news or the clock has reached `until`, and replaces what is in `ready`.
    ///
    /// # Errors
    /// When the system can wait no longer.
    fn wait(&mut self, until: u64, ready: &mut Vec<Ready>) -> io::Result<()>;
}
