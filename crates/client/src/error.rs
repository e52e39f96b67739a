//! Why a lookup could not be made.

use std::time::Duration;
use std::{fmt, io};

use graven_wire::Recognized;
use graven_wire::address::Protocol;

/// Why a lookup could not be made. That the server does not have a key is no error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
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
    /// The address asks for TLS, and this crate was built without its feature `tls`.
    NoTls {
        /// The server.
        target: String,
    },
    /// No connection with TLS came about.
    Tls {
        /// The server.
        target: String,
        /// What is wrong.
        reason: String,
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
    /// What came back is no answer in the target's protocol, or passes a limit.
    Malformed {
        /// The server.
        target: String,
        /// The protocol.
        protocol: Protocol,
        /// What the server speaks instead, where that can be told.
        found: Option<Recognized>,
        /// What is wrong with it.
        reason: String,
    },
    /// The server did not agree to the user, the password or the database.
    Login {
        /// The server.
        target: String,
        /// What it said, escaped where it is not printable.
        said: String,
    },
    /// The protocol has no way to ask for this key.
    UnaskableKey {
        /// The server.
        target: String,
        /// The protocol.
        protocol: Protocol,
        /// The key.
        key: Vec<u8>,
    },
    /// A Redis or memcached answered with an error.
    Refused {
        /// The server.
        target: String,
        /// The error, escaped where it is not printable.
        text: String,
    },
    /// An HTTP server answered with neither a value nor 404.
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
            Self::UnknownHost { target, source } => write!(f, "the host of {target} is not known: {source}"),
            Self::Connect { target, source } => write!(f, "cannot connect to {target}: {source}"),
            Self::NoTls { target } => {
                write!(f, "{target} asks for TLS, and this program was built without it")
            }
            Self::Tls { target, reason } => write!(f, "no connection with TLS to {target}: {reason}"),
            Self::TimedOut { target, waited } => {
                write!(f, "{target} was silent for {} s", waited.as_secs_f64())
            }
            Self::Broken { target, source } => write!(f, "the connection to {target} broke: {source}"),
            Self::Closed { target } => write!(f, "{target} closed the connection before it had answered"),
            Self::Malformed { target, protocol, found: Some(found), .. } => {
                write!(f, "{target} answers in {found}, not in {protocol}")
            }
            Self::Malformed { target, protocol, found: None, reason } => {
                write!(f, "{target} does not answer in {protocol}: {reason}")
            }
            Self::Login { target, said } => write!(f, "{target} refused the login: {said}"),
            Self::UnaskableKey { target, protocol, key } => {
                let start = key[..key.len().min(40)].escape_ascii();
                write!(f, "{target} cannot be asked for the key {start}: {protocol} has no way to say it")
            }
            Self::Refused { target, text } => write!(f, "{target} answered {text}"),
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
