//! One connection: bytes out, answers in, and whether there is more to be had from it.

use std::io::{self, Read, Write};
use std::time::Duration;

use graven_wire::address::Protocol;
use graven_wire::resp::{Reply, ReplyDecoder};
use graven_wire::target::{Handshake, Target};
use graven_wire::{Decoded, PROBE, Recognized, recognize};

use crate::answer::{self, Answer, LookupContext, ValueLocation};
use crate::error::Error;
use crate::security::Security;
use crate::stream::ServerStream;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to each of the addresses that the host's name has. Default: 5 seconds.
    pub connect: Duration,
    /// For the next byte of an answer. Default: 30 seconds.
    pub read: Duration,
    /// For the server to take the next byte of a lookup. Default: 30 seconds.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let patient = Duration::from_secs(30);
        Self { connect: Duration::from_secs(5), read: patient, write: patient }
    }
}

/// How long a server that has answered nothing is waited for, when it is asked what it speaks.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// The least room that a read gets, in bytes.
const READ_BYTES_MIN: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct ServerConnection {
    stream: ServerStream,
    protocol: Protocol,
    timeouts: Timeouts,
    name: String,
    /// Room for answers; those that came and were not handed out are in `start..end`.
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// A value that came in several pieces, put together.
    whole: Vec<u8>,
    answers: u64,
    state: KeepAlive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeepAlive {
    /// No answer has said yet whether the server keeps it open.
    Unknown,
    KeepsOpen,
    /// The server has closed it, or will.
    Over,
}

impl ServerConnection {
    pub(crate) fn open(target: &Target, timeouts: Timeouts, security: &Security) -> Result<Self, Error> {
        let name = target.to_string();
        let stream = ServerStream::open(target.address(), &name, timeouts, security)?;
        let protocol = target.protocol();
        // Only HTTP servers close a connection after an answer.
        let state = if protocol == Protocol::Http { KeepAlive::Unknown } else { KeepAlive::KeepsOpen };
        let mut connection = Self {
            stream,
            protocol,
            timeouts,
            name,
            room: Vec::new(),
            start: 0,
            end: 0,
            whole: Vec::new(),
            answers: 0,
            state,
        };
        if let Some(handshake) = target.handshake() {
            connection.shake_hands(&handshake)?;
        }
        Ok(connection)
    }

    fn shake_hands(&mut self, handshake: &Handshake) -> Result<(), Error> {
        self.send(handshake.request())?;
        loop {
            match handshake.read(&self.room[self.start..self.end]) {
                Decoded::Message((), bytes) => {
                    self.start += bytes;
                    return Ok(());
                }
                Decoded::Invalid(refused) => {
                    return Err(Error::Login { target: self.name.clone(), said: refused.said });
                }
                Decoded::NeedMore if self.read_some()? == 0 => {
                    return Err(Error::Closed { target: self.name.clone() });
                }
                Decoded::NeedMore => {}
            }
        }
    }

    /// What the server speaks that closed this connection before it answered anything, where it
    /// says so on another.
    pub(crate) fn recognize_server(&self, target: &Target) -> Option<Recognized> {
        let patience = self.timeouts.read.min(PROBE_PATIENCE);
        let timeouts = Timeouts { connect: patience, read: patience, write: patience };
        let mut stream = ServerStream::open_plain(target.location(), &self.name, timeouts).ok()?;
        stream.write_all(PROBE).ok()?;
        let mut answer = [0; 64];
        let bytes = stream.read(&mut answer).ok()?;
        recognize(&answer[..bytes]).filter(|found| *found != Recognized::Protocol(self.protocol))
    }

    /// Whether nothing has been received on it.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.answers == 0 && self.start == self.end
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .map_err(|error| self.failed(error, self.timeouts.write))
    }

    /// The next answer, to the lookup of `key`: the value, or `None` when the server does not
    /// have it.
    pub(crate) fn receive(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Error> {
        let mut ended = false;
        let (answer, bytes) = loop {
            let received = &self.room[self.start..self.end];
            let asked = LookupContext { protocol: self.protocol, name: &self.name, key };
            if let Some(answer) = answer::decode(asked, received, ended, &mut self.whole)? {
                break answer;
            }
            if ended {
                return Err(Error::Closed { target: self.name.clone() });
            }
            ended = self.read_some()? == 0;
        };
        let from = self.start;
        self.start += bytes;
        self.answers += 1;
        self.state = if answer.keep_alive && !ended { KeepAlive::KeepsOpen } else { KeepAlive::Over };
        Ok(match answer {
            Answer { value: None, .. } => None,
            Answer { value: Some(ValueLocation::Whole), .. } => Some(&self.whole),
            Answer { value: Some(ValueLocation::At(range)), .. } => {
                Some(&self.room[from + range.start..from + range.end])
            }
        })
    }

    /// The next reply of a Redis, whatever it is, handed to `take`.
    pub(crate) fn receive_reply<T>(
        &mut self,
        decoder: &mut ReplyDecoder,
        take: impl FnOnce(Reply<'_>) -> T,
    ) -> Result<T, Error> {
        loop {
            let received = &self.room[self.start..self.end];
            match decoder.decode(received) {
                Decoded::Message(reply, bytes) => {
                    let taken = take(reply);
                    self.start += bytes;
                    self.answers += 1;
                    return Ok(taken);
                }
                Decoded::Invalid(reason) => {
                    let asked = LookupContext { protocol: self.protocol, name: &self.name, key: b"" };
                    return Err(asked.malformed(received, reason));
                }
                Decoded::NeedMore => {}
            }
            if self.read_some()? == 0 {
                return Err(Error::Closed { target: self.name.clone() });
            }
        }
    }

    fn read_some(&mut self) -> Result<usize, Error> {
        if self.start > 0 {
            self.room.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.room.len() - self.end < READ_BYTES_MIN {
            self.room.resize((self.room.len() * 2).max(READ_BYTES_MIN), 0);
        }
        loop {
            match self.stream.read(&mut self.room[self.end..]) {
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error, self.timeouts.read)),
            }
        }
    }

    fn failed(&self, source: io::Error, waited: Duration) -> Error {
        let target = self.name.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut { target, waited },
            _ => Error::Broken { target, source },
        }
    }

    pub(crate) fn keeps_open(&self) -> bool {
        self.state == KeepAlive::KeepsOpen
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == KeepAlive::Over
    }

    /// Whether `error` is how a connection ends that served before and was closed since, so that
    /// a new one may do better.
    pub(crate) fn may_be_stale(&self, error: &Error) -> bool {
        self.answers > 0
            && self.start == self.end
            && matches!(error, Error::Closed { .. } | Error::Broken { .. })
    }

    pub(crate) fn end(&mut self) {
        self.state = KeepAlive::Over;
    }
}
