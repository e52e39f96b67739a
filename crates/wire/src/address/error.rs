//! Why a text is no address, or none that can be used here: what was found, and what to write
//! instead.

use std::fmt;

/// A text that is no address, or none that can be used where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    /// The text, with `***` for a password.
    pub text: String,
    /// What is wrong with it.
    pub problem: AddressProblem,
}

impl AddressError {
    /// An error about `text`, which may hold a password.
    pub fn new(text: &str, problem: AddressProblem) -> Self {
        Self { text: without_password(text), problem }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no address that can be used: {}", self.text, self.problem)
    }
}

impl std::error::Error for AddressError {}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressProblem {
    /// The scheme is none that is known.
    UnknownScheme(String),
    /// Nothing stands where the host belongs.
    MissingHost,
    /// The host holds something that no host holds.
    BadHost {
        /// The host.
        host: String,
        /// The first character that does not belong there.
        found: char,
    },
    /// The host is called `unix`, which stands for a socket.
    HostNamedUnix,
    /// `[` without `]`.
    UnclosedBracket,
    /// Something other than a port follows `]`.
    AfterBracket(String),
    /// A host with colons and without brackets.
    BareIpv6(String),
    /// There is neither a port nor a scheme that has one.
    MissingPort {
        /// The host.
        host: String,
    },
    /// The port is no number that a port can be.
    BadPort {
        /// What was found.
        found: String,
        /// The least port: 1 to connect to, 0 to listen on.
        least: u16,
    },
    /// `unix:` without a path behind it.
    MissingSocketPath,
    /// A `%` in user or password is not followed by two hexadecimal digits.
    BadEscape,
    /// A user or password where nobody logs in.
    UnusableCredentials,
    /// A user without a password.
    MissingPassword,
    /// A character that must be escaped in a path or query.
    Unescaped(char),
    /// A `#` and what follows it.
    Fragment,
    /// A path where none belongs.
    UnusablePath {
        /// The path and the query.
        found: String,
    },
    /// A path or a query without a scheme before it.
    PathWithoutScheme {
        /// What to write instead.
        instead: String,
    },
    /// A URL that does not say where the key goes.
    MissingKeyPlace {
        /// A URL that does.
        instead: String,
    },
    /// The path of a Redis address is not the number of a database.
    BadDatabase {
        /// The path.
        found: String,
    },
    /// A parameter that is not known here.
    UnknownParameter {
        /// Its name.
        name: String,
    },
    /// A parameter that is known, with a value that it cannot have.
    BadParameter {
        /// Its name.
        name: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
}

impl fmt::Display for AddressProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownScheme(found) => {
                write!(f, "the scheme {found} is not known; write http, redis, memcached or unix")
            }
            Self::MissingHost => f.write_str("the host is missing; write it as in 127.0.0.1:8000"),
            Self::BadHost { host, found } => {
                write!(f, "the host {host} holds {found:?}; write a name, or an address as in 127.0.0.1:8000")
            }
            Self::HostNamedUnix => f.write_str(
                "unix is no host here: write unix:PATH for a socket, or the host's address or longer name",
            ),
            Self::UnclosedBracket => f.write_str("a bracket is not closed; write it as in [::1]:8000"),
            Self::AfterBracket(found) => {
                write!(f, "{found:?} follows the bracket; write a port, as in [::1]:8000")
            }
            Self::BareIpv6(_) => f.write_str("an IPv6 address needs brackets, as in [::1]:8000"),
            Self::MissingPort { host } if host.contains(':') => {
                write!(f, "the port is missing; write it as in [{host}]:8000")
            }
            Self::MissingPort { host } => write!(f, "the port is missing; write it as in {host}:8000"),
            Self::BadPort { found, least } => {
                write!(f, "the port is {found:?}, not a number from {least} to 65535")
            }
            Self::MissingSocketPath => {
                f.write_str("the path of the Unix socket is missing; write it as in unix:/run/graven.sock")
            }
            Self::BadEscape => f.write_str(
                "a % in user or password is not followed by two hexadecimal digits; write %25 for a % itself",
            ),
            Self::UnusableCredentials => f.write_str("a user or password is not used here; leave it out"),
            Self::MissingPassword => {
                f.write_str("the password is missing; write it as in USER:PASSWORD@HOST, or :PASSWORD@HOST")
            }
            Self::Unescaped(found) => {
                write!(f, "{found:?} must be escaped in a URL; write each of its bytes as % and two digits")
            }
            Self::Fragment => f.write_str("a fragment is never sent; leave # and what follows it out"),
            Self::UnusablePath { found } => write!(f, "{found} is not used here; leave it out"),
            Self::PathWithoutScheme { instead } => {
                write!(f, "a path needs a scheme before it; write {instead}")
            }
            Self::MissingKeyPlace { instead } => write!(
                f,
                "the URL does not say where the key goes; write {{key}} there, as in {instead}, or leave the path out"
            ),
            Self::BadDatabase { found } => write!(
                f,
                "{found} is not the number of a database; write it as in redis://HOST/0, or leave it out"
            ),
            Self::UnknownParameter { name } => {
                write!(f, "the parameter {name} is not known here; leave it out")
            }
            Self::BadParameter { name, reason } => write!(f, "the parameter {name}: {reason}"),
        }
    }
}

/// `text`, which may be an address, with `***` in the place of what may be a password.
pub fn without_password(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    let Some(at) = text[start..end].rfind('@').map(|at| start + at) else { return text.to_owned() };
    match text[start..at].find(':') {
        Some(colon) => format!("{}***{}", &text[..=start + colon], &text[at..]),
        None => text.to_owned(),
    }
}
