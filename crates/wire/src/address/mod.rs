//! Addresses as people write them: the one grammar of everything that connects or listens.
//!
//! ```text
//! ADDRESS  = [SCHEME "://"] [USER [":" PASSWORD] "@"] HOST [":" PORT] [PATH] ["?" QUERY]
//!          | [SCHEME "+" | SCHEME "://"] "unix:" SOCKETPATH ["?" QUERY]
//! SCHEME   = "http" | "https" | "redis" | "resp" | "rediss" | "memcached" | "memcacheds"
//! HOST     = name | IPv4 address | "[" IPv6 address "]"
//! ```
//!
//! Letters of schemes may be of either case. A scheme without a port has the usual one: 80, 443,
//! 6379, 11211. Without a scheme the port must be there. User and password are percent-decoded;
//! path and query stay as they are written. A `?` in the path of a socket begins the query.
//!
//! An [`Address`] is what the text says, and nothing is decided yet:
//! [`Target`](crate::target::Target) decides what a client can use of it, and the server what a
//! listener can. Nothing here opens a socket or resolves a name.
//!
//! ```
//! use graven_wire::address::{Address, Location, Protocol};
//!
//! let address = Address::to_connect("REDIS://:secret@localhost/3")?;
//! assert_eq!(address.protocol, Some(Protocol::Redis));
//! assert_eq!(address.location, Location::Tcp { host: "localhost".into(), port: 6379 });
//! assert_eq!(address.path, "/3");
//! assert_eq!(address.to_string(), "resp://:***@localhost:6379/3");
//! # Ok::<(), graven_wire::address::AddressError>(())
//! ```

mod error;
mod parse;

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use error::{AddressError, AddressProblem, without_password};

/// The protocol that is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// RESP, the protocol of Redis.
    Redis,
    /// memcached's text protocol.
    Memcached,
}

impl Protocol {
    /// The port that an address with this protocol's scheme means when it names none.
    pub fn default_port(self, is_tls: bool) -> u16 {
        match self {
            Self::Http if is_tls => 443,
            Self::Http => 80,
            Self::Redis => 6379,
            Self::Memcached => 11211,
        }
    }

    fn scheme(self, is_tls: bool) -> &'static str {
        match self {
            Self::Http if is_tls => "https",
            Self::Http => "http",
            Self::Redis if is_tls => "rediss",
            // What it is called where no Redis answers.
            Self::Redis => "resp",
            Self::Memcached if is_tls => "memcacheds",
            Self::Memcached => "memcached",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Redis => "RESP (Redis)",
            Self::Memcached => "memcached",
        })
    }
}

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// TCP.
    Tcp {
        /// A name, or an address without the brackets of IPv6.
        host: String,
        /// The port. 0 only in an address to listen on, where it means any free port.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The user and the password before an `@`, percent-decoded: any bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Empty where the address gives a password alone.
    pub user: Vec<u8>,
    /// `None` where the address gives a user alone.
    pub password: Option<Vec<u8>>,
}

impl Credentials {
    /// How HTTP says them, as the value of `Authorization` (RFC 7617).
    pub fn to_basic(&self) -> String {
        let password = self.password.as_deref().unwrap_or_default();
        format!("Basic {}", STANDARD.encode([&self.user, &b":"[..], password].concat()))
    }
}

impl fmt::Debug for Credentials {
    /// Without the password, so that no log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "***");
        f.debug_struct("Credentials")
            .field("user", &self.user.escape_ascii().to_string())
            .field("password", &password)
            .finish()
    }
}

/// What an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The protocol that its scheme names; `None` without a scheme.
    pub protocol: Option<Protocol>,
    /// Whether its scheme asks for TLS.
    pub is_tls: bool,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Where.
    pub location: Location,
    /// The path as it is written, with its slash; empty where there is none.
    pub path: String,
    /// What stands behind the `?`, as it is written.
    pub query: Option<String>,
}

impl Address {
    /// Reads the address of a server to connect to. Port 0 is refused.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn to_connect(text: &str) -> Result<Self, AddressError> {
        parse::parse(text, 1)
    }

    /// Reads an address to listen on, where port 0 means any free port.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn to_listen(text: &str) -> Result<Self, AddressError> {
        parse::parse(text, 0)
    }

    /// The same location in another protocol.
    pub fn with_protocol(&self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), path: String::new(), query: None, ..self.clone() }
    }

    /// Scheme and location alone: what a server that is asked at this address listens on.
    pub fn to_listener(&self) -> Self {
        Self { credentials: None, path: String::new(), query: None, ..self.clone() }
    }
}

impl fmt::Display for Address {
    /// As an address that reads the same, but that a password is `***`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.protocol.map(|protocol| protocol.scheme(self.is_tls));
        match (&self.location, scheme) {
            (Location::Unix(_), Some(scheme)) => write!(f, "{scheme}+")?,
            (Location::Tcp { .. }, Some(scheme)) => write!(f, "{scheme}://")?,
            (_, None) => {}
        }
        if let Some(Credentials { user, password }) = &self.credentials {
            let mut escaped = Vec::new();
            crate::http::escape(user, &mut escaped);
            f.write_str(&String::from_utf8_lossy(&escaped))?;
            f.write_str(if password.is_some() { ":***@" } else { "@" })?;
        }
        write!(f, "{}{}", self.location, self.path)?;
        self.query.iter().try_for_each(|query| write!(f, "?{query}"))
    }
}
