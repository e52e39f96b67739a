//! A small blocking client: one connection to one server, lookups one by one or pipelined, over
//! HTTP, RESP (Redis) or memcached's text protocol.
//!
//! It knows sockets and time-outs; addresses and the bytes on the line are `graven-wire`'s. Each
//! protocol is a file with a function that reads an answer.
//!
//! ```
//! use graven_client::{Client, Timeouts};
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?;
//! # let server = std::thread::spawn(move || {
//! #     let (mut stream, _) = listener.accept()?;
//! #     stream.read_exact(&mut [0; 25])?;
//! #     stream.write_all(b"$5\r\ngreen\r\n")
//! # });
//!
//! let target = format!("redis://{address}").parse()?;
//! let mut client = Client::connect(&target, Timeouts::default())?;
//! assert_eq!(client.get(b"colour")?, Some(b"green".to_vec()));
//! # server.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod commands;
mod connection;
mod error;
mod http;
mod memcached;
mod page;
mod redis;
mod security;
mod stream;

use connection::ServerConnection;
use graven_wire::target::HttpOptions;
use security::Security;

pub use commands::RedisCommands;
pub use connection::Timeouts;
pub use error::Error;
pub use graven_access::ServerTrust;
pub use graven_wire::target::Target;
pub use page::{Page, fetch, fetch_from};

/// The longest answer that is taken, in bytes: the longest value that a table holds. Passed:
/// [`Error::Malformed`].
pub const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Lookups that are sent before the first of their answers is read.
const PIPELINE_LOOKUPS_MAX: usize = 256;
/// Bytes of lookups that are sent before the first of their answers is read, but for a lookup
/// that is longer alone. They fit the buffers of both kernels, so that this side never waits for
/// a server that waits for this side.
const PIPELINE_BYTES_MAX: usize = 16 * 1024;

/// A connection to a server, made again when the server closes it between two answers.
#[derive(Debug)]
pub struct Client {
    target: Target,
    timeouts: Timeouts,
    security: Security,
    connection: ServerConnection,
    requests: Vec<u8>,
}

impl Client {
    /// Connects to `target`.
    ///
    /// # Errors
    /// [`Error::UnknownHost`] and [`Error::Connect`]; with a password or a database in the
    /// address also [`Error::Login`] and those of a connection that fails.
    pub fn connect(target: &Target, timeouts: Timeouts) -> Result<Self, Error> {
        Self::connect_to(target, timeouts, &ServerTrust::System)
    }

    /// The same to a server that is trusted by `trust`, where its address asks for TLS.
    ///
    /// # Errors
    /// Those, and [`Error::Tls`] when the server is not trusted or does not speak TLS.
    pub fn connect_to(target: &Target, timeouts: Timeouts, trust: &ServerTrust) -> Result<Self, Error> {
        let security = Security::new(target.address(), &target.to_string(), trust)?;
        let connection = ServerConnection::open(target, timeouts, &security)?;
        Ok(Self { target: target.clone(), timeouts, security, connection, requests: Vec::new() })
    }

    /// The value of `key`, or `None` when the server does not have it.
    ///
    /// # Errors
    /// As [`get_many`](Self::get_many).
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut found = None;
        self.get_many(&[key], |_, value| {
            found = value.map(<[u8]>::to_vec);
            Ok(())
        })?;
        Ok(found)
    }

    /// Looks all `keys` up, many to a round trip, and hands each answer to `each` in the order of
    /// the keys: the index of the key, and its value or `None`. The first error that `each` gives
    /// ends it.
    ///
    /// The first HTTP lookup on a connection travels alone: only its answer tells whether the
    /// server keeps the connection open, and lookups sent to one that does not would be lost.
    ///
    /// # Errors
    /// [`Error::Status`] and [`Error::Refused`] when the server refuses a lookup,
    /// [`Error::Malformed`] when it does not speak the protocol, [`Error::UnaskableKey`] when the
    /// protocol cannot say a key, [`Error::TimedOut`], [`Error::Broken`] and [`Error::Closed`]
    /// when the connection fails, and those of connecting when the server had closed it.
    pub fn get_many<K, E>(
        &mut self,
        keys: &[K],
        mut each: impl FnMut(usize, Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E>
    where
        K: AsRef<[u8]>,
        E: From<Error>,
    {
        let outcome = self.get_in_order(keys, &mut each);
        if outcome.is_err() {
            // Answers that are still on their way would be taken for those of later lookups.
            self.connection.end();
        }
        outcome
    }

    fn get_in_order<K, E>(
        &mut self,
        keys: &[K],
        each: &mut impl FnMut(usize, Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E>
    where
        K: AsRef<[u8]>,
        E: From<Error>,
    {
        if let Some(key) = keys.iter().map(AsRef::as_ref).find(|key| !self.target.takes(key)) {
            let (target, protocol) = (self.target.to_string(), self.target.protocol());
            return Err(Error::UnaskableKey { target, protocol, key: key.to_vec() }.into());
        }
        let mut answered = 0;
        while answered < keys.len() {
            if self.connection.is_over() {
                self.connection = ServerConnection::open(&self.target, self.timeouts, &self.security)?;
            }
            let sent = answered + self.encode_some(&keys[answered..]);
            let mut outcome = self.connection.send(&self.requests);
            while outcome.is_ok() && answered < sent && !self.connection.is_over() {
                match self.connection.receive(keys[answered].as_ref()) {
                    Ok(value) => {
                        each(answered, value)?;
                        answered += 1;
                    }
                    Err(error) => outcome = Err(error),
                }
            }
            match outcome {
                Err(error) if !self.connection.may_be_stale(&error) => {
                    return Err(self.explain(error).into());
                }
                Err(_) => self.connection.end(),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// A server that closes a connection without a word may speak something else.
    fn explain(&self, error: Error) -> Error {
        let may_tell = matches!(error, Error::Closed { .. } | Error::Broken { .. });
        if !may_tell || !self.connection.is_unanswered() {
            return error;
        }
        match self.connection.recognize_server(&self.target) {
            Some(found) => {
                let (target, protocol) = (self.target.to_string(), self.target.protocol());
                Error::Malformed { target, protocol, found: Some(found), reason: error.to_string() }
            }
            None => error,
        }
    }

    /// Fills `requests` with the lookups of the first of `keys`, and says of how many.
    fn encode_some(&mut self, keys: &[impl AsRef<[u8]>]) -> usize {
        let lookups_max = if self.connection.keeps_open() { PIPELINE_LOOKUPS_MAX } else { 1 };
        self.requests.clear();
        for (lookups, key) in keys.iter().take(lookups_max).enumerate() {
            let end = self.requests.len();
            self.target.encode_lookup(key.as_ref(), HttpOptions::default(), &mut self.requests);
            if lookups > 0 && self.requests.len() > PIPELINE_BYTES_MAX {
                self.requests.truncate(end);
                return lookups;
            }
        }
        keys.len().min(lookups_max)
    }
}
