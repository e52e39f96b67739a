//! Why a server could not start or go on.

use std::{fmt, io};

/// Why a server could not start or go on. Errors of a single connection never come this far.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host's name has no address.
    UnknownHost {
        /// The endpoint that names it.
        endpoint: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Another process listens there; or a file that is no socket lies at a Unix socket's path.
    AddressInUse {
        /// The endpoint.
        endpoint: String,
    },
    /// The user may not listen there; ports below 1024 often belong to the administrator.
    PermissionDenied {
        /// The endpoint.
        endpoint: String,
    },
    /// The address belongs to no interface of this machine.
    AddressNotAvailable {
        /// The endpoint.
        endpoint: String,
    },
    /// Listening failed for another reason.
    Listen {
        /// The endpoint.
        endpoint: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The endpoint speaks TLS, and there is no certificate.
    MissingCertificate {
        /// The endpoint.
        endpoint: String,
    },
    /// The operating system refused another thread.
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// The operating system refused an event loop its means.
    Loop {
        /// What the loop was about to do.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn listen(endpoint: &impl fmt::Display, source: io::Error) -> Self {
        let endpoint = endpoint.to_string();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { endpoint },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { endpoint },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable { endpoint },
            _ => Self::Listen { endpoint, source },
        }
    }

    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Loop { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost { endpoint, source } => {
                write!(f, "the host of {endpoint} has no address: {source}")
            }
            Self::AddressInUse { endpoint } => write!(f, "{endpoint} is in use by another process"),
            Self::PermissionDenied { endpoint } => write!(f, "no permission to listen on {endpoint}"),
            Self::AddressNotAvailable { endpoint } => {
                write!(f, "{endpoint} is not an address of this machine")
            }
            Self::Listen { endpoint, source } => write!(f, "cannot listen on {endpoint}: {source}"),
            Self::MissingCertificate { endpoint } => {
                write!(f, "{endpoint} speaks TLS, and there is no certificate")
            }
            Self::Thread { source } => write!(f, "cannot start a thread: {source}"),
            Self::Loop { doing, source } => write!(f, "an event loop failed to {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnknownHost { source, .. }
            | Self::Listen { source, .. }
            | Self::Thread { source }
            | Self::Loop { source, .. } => Some(source),
            _ => None,
        }
    }
}
