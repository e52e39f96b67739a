//! Headers of the PROXY protocol, versions 1 and 2, by which a load balancer says whose connection it passes on
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! ```
//! use graven_wire::Decoded;
//! use graven_wire::proxy::{ProxiedFor, decode};
//!
//! let bytes = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\nGET / HTTP/1.1\r\n";
//! let Decoded::Message(ProxiedFor::Peer { peer, .. }, consumed) = decode(bytes) else { panic!("a header") };
//! assert_eq!(peer.to_string(), "192.0.2.7:50000");
//! assert_eq!(&bytes[consumed..], b"GET / HTTP/1.1\r\n");
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Decoded;

/// Bytes that a header may have. Of version 2 it can say that it has 65,551, most of them certificates of clients; addresses take
/// 52, and what balancers add to them by themselves some hundred.
pub const HEADER_BYTES_MAX: usize = 4096;

/// Bytes that a header of version 1 may have, its end of line included: the protocol's own limit.
const LINE_BYTES_MAX: usize = 107;

const LINE_START: &[u8] = b"PROXY ";

/// How version 2 begins. No other protocol that a server may meet begins so.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, and how many bytes follow.
const FIXED_BYTES: usize = 16;

/// The byte that says what follows and the two that say how much, in front of each extension.
const EXTENSION_HEAD_BYTES: usize = 3;

/// For whom a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxiedFor {
    /// The balancer itself, as for a health check, or somebody of whom it says no address.
    Balancer,
    /// A client of the balancer.
    Peer {
        /// Its address.
        peer: SocketAddr,
        /// The address that it has connected to.
        local: SocketAddr,
    },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// They begin as none does.
    Missing,
    /// A line of version 1 that is longer than any can be.
    LineTooLong,
    /// A line of version 1 that ends otherwise than with CR and LF, or has something else in it than it may.
    BadLine,
    /// A version that is not known.
    UnknownVersion {
        /// The version; 1 is written as text.
        found: u8,
    },
    /// A command that is not known.
    UnknownCommand {
        /// Its number: 0 and 1 are known.
        found: u8,
    },
    /// A family of addresses, or a transport, that is not known.
    UnknownFamily {
        /// The byte with both.
        found: u8,
    },
    /// More bytes than [`HEADER_BYTES_MAX`].
    TooLong {
        /// How many it says that it has.
        found: usize,
    },
    /// Fewer bytes than its addresses take.
    TooShort {
        /// The bytes that the addresses take.
        expected: usize,
        /// Those that it says follow.
        found: usize,
    },
    /// An extension that ends behind the header.
    BadExtension {
        /// What is left of the header for it.
        room: usize,
        /// How many bytes it says that it has.
        found: usize,
    },
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it begins with no PROXY header"),
            Self::LineTooLong => {
                write!(f, "its PROXY header has no end within {LINE_BYTES_MAX} bytes")
            }
            Self::BadLine => f.write_str("its PROXY header of version 1 is malformed"),
            Self::UnknownVersion { found } => {
                write!(f, "its PROXY header has version {found}, expected 1 or 2")
            }
            Self::UnknownCommand { found } => {
                write!(f, "its PROXY header has the command {found}, expected 0 or 1")
            }
            Self::UnknownFamily { found } => {
                write!(
                    f,
                    "its PROXY header has the address family and transport {found:#04x}, which are not known"
                )
            }
            Self::TooLong { found } => {
                write!(f, "its PROXY header has {found} bytes, expected {HEADER_BYTES_MAX} at most")
            }
            Self::TooShort { expected, found } => {
                write!(f, "its PROXY header has {found} bytes of addresses, expected {expected}")
            }
            Self::BadExtension { room, found } => {
                write!(f, "its PROXY header has an extension of {found} bytes in {room}")
            }
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

/// Decodes the header that `bytes` begin with.
///
/// After [`Decoded::NeedMore`] call again with the same bytes and more behind them; there are fewer than [`HEADER_BYTES_MAX`].
pub fn decode(bytes: &[u8]) -> Decoded<ProxiedFor, ProxyHeaderError> {
    if begins(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, LINE_START) {
        return line(bytes);
    }
    Decoded::Invalid(ProxyHeaderError::Missing)
}

/// Whether `bytes` are the beginning of `start`, or begin with it.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

fn binary(bytes: &[u8]) -> Decoded<ProxiedFor, ProxyHeaderError> {
    use ProxyHeaderError as E;
    let Some((&[version_and_command, family, high, low], _)) =
        bytes.get(SIGNATURE.len()..).and_then(|rest| rest.split_first_chunk())
    else {
        return Decoded::NeedMore;
    };
    let (version, command) = (version_and_command >> 4, version_and_command & 0x0f);
    if version != 2 {
        return Decoded::Invalid(E::UnknownVersion { found: version });
    }
    if command > 1 {
        return Decoded::Invalid(E::UnknownCommand { found: command });
    }
    // Unspecified, IPv4, IPv6 or Unix, each unspecified, as a stream or as datagrams.
    let address_bytes = match family >> 4 {
        0 => 0,
        1 => 12,
        2 => 36,
        3 => 216,
        _ => return Decoded::Invalid(E::UnknownFamily { found: family }),
    };
    if family & 0x0f > 2 {
        return Decoded::Invalid(E::UnknownFamily { found: family });
    }
    let following = usize::from(u16::from_be_bytes([high, low]));
    let len = FIXED_BYTES + following;
    if len > HEADER_BYTES_MAX {
        return Decoded::Invalid(E::TooLong { found: len });
    }
    // Of the balancer itself the addresses are passed over, and need not be there.
    let is_local = command == 0;
    if following < address_bytes && !is_local {
        return Decoded::Invalid(E::TooShort { expected: address_bytes, found: following });
    }
    let Some(following) = bytes.get(FIXED_BYTES..len) else { return Decoded::NeedMore };
    if is_local {
        return Decoded::Message(ProxiedFor::Balancer, len);
    }
    let (addresses, extensions) = following.split_at(address_bytes);
    if let Err(error) = check_extensions(extensions) {
        return Decoded::Invalid(error);
    }
    let port = |at| u16::from_be_bytes(array(addresses, at));
    let proxied_for = match family {
        0x11 => ProxiedFor::Peer {
            peer: (Ipv4Addr::from(array::<4>(addresses, 0)), port(8)).into(),
            local: (Ipv4Addr::from(array::<4>(addresses, 4)), port(10)).into(),
        },
        0x21 => ProxiedFor::Peer {
            peer: (Ipv6Addr::from(array::<16>(addresses, 0)), port(32)).into(),
            local: (Ipv6Addr::from(array::<16>(addresses, 16)), port(34)).into(),
        },
        // No address of a peer on the network.
        _ => ProxiedFor::Balancer,
    };
    Decoded::Message(proxied_for, len)
}

/// The bytes from `at` on, of which there are enough.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// Extensions are not read, but each has to end within the header.
fn check_extensions(mut left: &[u8]) -> Result<(), ProxyHeaderError> {
    while let Some((&[_, high, low], rest)) = left.split_first_chunk::<EXTENSION_HEAD_BYTES>() {
        let found = usize::from(u16::from_be_bytes([high, low]));
        left = rest.get(found..).ok_or(ProxyHeaderError::BadExtension { room: rest.len(), found })?;
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(ProxyHeaderError::BadExtension { room: left.len(), found: EXTENSION_HEAD_BYTES })
}

fn line(bytes: &[u8]) -> Decoded<ProxiedFor, ProxyHeaderError> {
    let start = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', start) else {
        return match start.len() {
            LINE_BYTES_MAX => Decoded::Invalid(ProxyHeaderError::LineTooLong),
            _ => Decoded::NeedMore,
        };
    };
    let fields =
        start[LINE_START.len()..end].strip_suffix(b"\r").and_then(|fields| std::str::from_utf8(fields).ok());
    match fields.and_then(peer_of_line) {
        Some(proxied_for) => Decoded::Message(proxied_for, end + 1),
        None => Decoded::Invalid(ProxyHeaderError::BadLine),
    }
}

/// For whom a line of version 1 is, without what it begins with and its end.
fn peer_of_line(fields: &str) -> Option<ProxiedFor> {
    // What follows is passed over, says the protocol.
    if fields == "UNKNOWN" || fields.starts_with("UNKNOWN ") {
        return Some(ProxiedFor::Balancer);
    }
    let mut fields = fields.split(' ');
    let family = fields.next()?;
    let mut address = || -> Option<IpAddr> {
        let field = fields.next()?;
        match family {
            "TCP4" => field.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => field.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let (peer, local) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let digits = fields.next()?;
        // Not `+80`, which `parse` would take, nor `080`.
        let is_number =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if is_number { digits.parse().ok() } else { None }
    };
    let (peer, local) = (SocketAddr::new(peer, port()?), SocketAddr::new(local, port()?));
    fields.next().is_none().then_some(ProxiedFor::Peer { peer, local })
}
