//! Sockets that listen already when the server gets them: a service manager has bound them, and keeps them while one process
//! follows another, so that no client is refused in between.

use std::fmt;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;

use graven_wire::address::Location;

use crate::endpoint::Endpoint;

/// A socket that listens already.
#[derive(Debug)]
pub enum ListeningSocket {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a Unix socket, whose file belongs to whoever made it.
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Whether it listens where `endpoint` says.
    pub fn is_of(&self, endpoint: &Endpoint) -> bool {
        match (self, &endpoint.location) {
            (Self::Tcp(socket), Location::Tcp { host, port }) => {
                let Ok(bound) = socket.local_addr() else { return false };
                let named = (host.as_str(), *port).to_socket_addrs();
                named.is_ok_and(|mut addresses| addresses.any(|address| address == bound))
            }
            (Self::Unix(socket), Location::Unix(path)) => {
                socket.local_addr().is_ok_and(|bound| bound.as_pathname() == Some(path.as_path()))
            }
            _ => false,
        }
    }
}

/// Where it listens, as an endpoint is written.
impl fmt::Display for ListeningSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "an address that the system does not tell";
        match self {
            Self::Tcp(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str(unknown),
            },
            Self::Unix(socket) => match socket.local_addr() {
                Ok(address) => match address.as_pathname() {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => f.write_str("a Unix socket without a path"),
                },
                Err(_) => f.write_str(unknown),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_that_of_the_endpoint_with_its_address_and_of_no_other() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let socket = ListeningSocket::Tcp(socket);
        for same in [format!("127.0.0.1:{port}"), format!("resp://127.0.0.1:{port}?table=a")] {
            assert!(socket.is_of(&same.parse().unwrap()), "{same}");
        }
        let other = port.checked_add(1).unwrap_or(1);
        for other in [format!("127.0.0.1:{other}"), format!("[::1]:{port}"), "unix:/socket".to_owned()] {
            assert!(!socket.is_of(&other.parse().unwrap()), "{other}");
        }
        assert_eq!(socket.to_string(), format!("127.0.0.1:{port}"));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = ListeningSocket::Unix(UnixListener::bind(&path).unwrap());
        let written = format!("unix:{}", path.display());
        assert!(socket.is_of(&written.parse().unwrap()));
        assert!(!socket.is_of(&format!("{written}2").parse().unwrap()));
        assert_eq!(socket.to_string(), written);
    }
}
