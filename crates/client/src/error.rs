//! Why a lookup could not be made.

use std::time::Duration;
use std::{fmt, io};

/// Why a lookup could not be made. That the server does not have a key is no error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text names no server.
    BadTarget {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host's name has no address.
    UnknownHost {
        /// The server.
        target: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No connection came about.
    Connect {
        /// The server.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server sent or took nothing for too long.
    TimedOut {
        /// The server.
        target: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection broke.
    Broken {
        /// The server.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server closed the connection without a whole answer.
    Closed {
        /// The server.
        target: String,
    },
    /// What came back is not HTTP, or passes a limit.
    Malformed {
        /// The server.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server answered, but with neither a value nor 404.
    Status {
        /// The server.
        target: String,
        /// The status code.
        status: u16,
        /// The first line of the answer's body, escaped where it is not printable.
        text: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadTarget { text, reason } => write!(f, "`{text}` names no server: {reason}"),
            Self::UnknownHost { target, source } => write!(f, "the host of {target} is not known: {source}"),
            Self::Connect { target, source } => write!(f, "cannot connect to {target}: {source}"),
            Self::TimedOut { target, waited } => {
                write!(f, "{target} was silent for {} s", waited.as_secs_f64())
            }
            Self::Broken { target, source } => write!(f, "the connection to {target} broke: {source}"),
            Self::Closed { target } => write!(f, "{target} closed the connection before it had answered"),
            Self::Malformed { target, reason } => write!(f, "{target} does not answer in HTTP/1.1: {reason}"),
            Self::Status { target, status, text } => write!(f, "{target} answered {status}: {text}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnknownHost { source, .. } | Self::Connect { source, .. } | Self::Broken { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
