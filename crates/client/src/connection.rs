//! One TCP connection: bytes out, answers in, and whether there is more to be had from it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::error::Error;
use crate::http::{self, Answer};
use crate::target::Target;

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

/// The least room that a read gets, in bytes.
const READ_BYTES_MIN: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    timeouts: Timeouts,
    name: String,
    /// Room for answers; those that came and were not handed out are in `start..end`.
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// A value that came in several pieces, put together.
    whole: Vec<u8>,
    answers: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No answer has told yet.
    Unknown,
    KeepsOpen,
    /// The server has closed it, or will.
    Over,
}

impl Connection {
    pub(crate) fn open(target: &Target, timeouts: Timeouts) -> Result<Self, Error> {
        let name = target.to_string();
        let addresses = (target.host(), target.port())
            .to_socket_addrs()
            .map_err(|source| Error::UnknownHost { target: name.clone(), source })?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeouts.connect)
                .and_then(|stream| prepare(stream, timeouts))
            {
                Ok(stream) => {
                    return Ok(Self {
                        stream,
                        timeouts,
                        name,
                        room: Vec::new(),
                        start: 0,
                        end: 0,
                        whole: Vec::new(),
                        answers: 0,
                        state: State::Unknown,
                    });
                }
                Err(error) => failed = error,
            }
        }
        Err(Error::Connect { target: name, source: failed })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(|error| self.failed(error, self.timeouts.write))
    }

    /// The next answer: the value, or `None` when the server does not have the key.
    pub(crate) fn receive(&mut self) -> Result<Option<&[u8]>, Error> {
        let mut ended = false;
        let (answer, bytes) = loop {
            let received = &self.room[self.start..self.end];
            if let Some(answer) = http::decode_answer(received, ended, &self.name, &mut self.whole)? {
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
        self.state = if answer.keep_alive && !ended { State::KeepsOpen } else { State::Over };
        Ok(match answer {
            Answer { value: None, .. } => None,
            Answer { value: Some(http::Value::Whole), .. } => Some(&self.whole),
            Answer { value: Some(http::Value::At(range)), .. } => {
                Some(&self.room[from + range.start..from + range.end])
            }
        })
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
        self.state == State::KeepsOpen
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether `error` is how a connection ends that served before and was closed since, so that a new one may do better.
    pub(crate) fn may_be_stale(&self, error: &Error) -> bool {
        self.answers > 0
            && self.start == self.end
            && matches!(error, Error::Closed { .. } | Error::Broken { .. })
    }

    pub(crate) fn end(&mut self) {
        self.state = State::Over;
    }
}

fn prepare(stream: TcpStream, timeouts: Timeouts) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeouts.read))?;
    stream.set_write_timeout(Some(timeouts.write))?;
    Ok(stream)
}
