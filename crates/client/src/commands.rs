//! Any commands to a Redis, many to a round trip.

use graven_access::ServerTrust;
use graven_wire::resp::{Reply, ReplyDecoder, ReplyLimits, request};
use graven_wire::target::Target;

use crate::connection::{ServerConnection, Timeouts};
use crate::error::Error;
use crate::security::Security;
use crate::{ANSWER_BYTES_MAX, PIPELINE_BYTES_MAX};

/// Bytes of a reply beside those of a value: its frame, and the names of a hash's fields.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection to a Redis for commands that are more than lookups. It is not made again when it
/// ends: who walks over keys cannot go on in the midst.
///
/// ```
/// use graven_client::{RedisCommands, Timeouts};
/// use graven_wire::resp::Reply;
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// # let server = std::thread::spawn(move || {
/// #     let (mut stream, _) = listener.accept()?;
/// #     stream.read_exact(&mut [0; 22 + 16])?;
/// #     stream.write_all(b"+string\r\n:7\r\n")
/// # });
///
/// let target = format!("redis://{address}").parse()?;
/// let mut redis = RedisCommands::connect(&target, Timeouts::default())?;
/// redis.push([&b"TYPE"[..], b"color"]);
/// redis.push([&b"DBSIZE"[..]]);
/// let mut replies = Vec::new();
/// redis.exchange(|i, reply| {
///     replies.push(format!("{i}: {reply:?}"));
///     Ok::<(), graven_client::Error>(())
/// })?;
/// assert_eq!(replies[1], "1: Integer(7)");
/// # server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RedisCommands {
    connection: ServerConnection,
    decoder: ReplyDecoder,
    requests: Vec<u8>,
    /// Where each command ends.
    ends: Vec<usize>,
}

impl RedisCommands {
    /// Connects to `target`, whose protocol must be Redis'.
    ///
    /// # Errors
    /// As [`Client::connect`](crate::Client::connect).
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
        let limits =
            ReplyLimits { reply_bytes_max: ANSWER_BYTES_MAX + FRAME_BYTES_MAX, ..ReplyLimits::default() };
        let decoder = ReplyDecoder::new(limits);
        Ok(Self { connection, decoder, requests: Vec::new(), ends: Vec::new() })
    }

    /// Adds a command to those that are sent next.
    pub fn push<'a, I>(&mut self, args: I)
    where
        I: IntoIterator<Item = &'a [u8]>,
        I::IntoIter: ExactSizeIterator,
    {
        request::encode(&mut self.requests, args);
        self.ends.push(self.requests.len());
    }

    /// Sends the commands that were added, some at a time, and hands each reply to `each` with the
    /// number of its command. The first error that `each` gives ends it, and the connection is of
    /// no more use.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TimedOut`], [`Error::Broken`] and [`Error::Closed`].
    pub fn exchange<E: From<Error>>(
        &mut self,
        mut each: impl FnMut(usize, Reply<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut start, mut answered) = (0, 0);
        while answered < self.ends.len() {
            let rest = &self.ends[answered..];
            let fitting = rest.iter().take_while(|&&end| end - start <= PIPELINE_BYTES_MAX).count().max(1);
            let end = rest[fitting - 1];
            self.connection.send(&self.requests[start..end])?;
            for i in answered..answered + fitting {
                self.connection.receive_reply(&mut self.decoder, |reply| each(i, reply))??;
            }
            (start, answered) = (end, answered + fitting);
        }
        self.requests.clear();
        self.ends.clear();
        Ok(())
    }
}
