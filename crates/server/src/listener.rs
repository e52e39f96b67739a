//! Sockets that listen: bound before the server runs, so that a taken port is known before anything is started.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::endpoint::{Address, Endpoint, Speaks};
use crate::error::Error;
use crate::fast_open;
use crate::options::Options;
use crate::os::Socket;

/// A socket that listens on an [`Endpoint`].
#[derive(Debug)]
pub struct Listener {
    endpoint: Endpoint,
    socket: Listening,
}

#[derive(Debug)]
enum Listening {
    Tcp(mio::net::TcpListener),
    Unix { listener: mio::net::UnixListener, _file: SocketFile },
}

/// The file of a Unix socket, removed when the listener is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the socket's file could not be removed");
        }
    }
}

impl Listener {
    /// Binds `endpoint` and listens. A host name is resolved, and the first of its addresses that can be bound is taken;
    /// `[::]` is IPv6 alone. A socket file that no process listens on any more is replaced.
    ///
    /// # Errors
    /// When the address is in use, not permitted, not of this machine, or unknown.
    pub fn bind(endpoint: &Endpoint, options: &Options) -> Result<Self, Error> {
        let backlog = i32::try_from(options.network.backlog).unwrap_or(i32::MAX);
        let fast_open_max = options.network.fast_open_max;
        let speaks = endpoint.speaks;
        match &endpoint.address {
            Address::Tcp(host, port) => {
                let addresses = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|source| Error::UnknownHost { endpoint: endpoint.to_string(), source })?;
                let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in addresses {
                    match bind_tcp(address, backlog, fast_open_max) {
                        Ok((socket, bound)) => {
                            let address = Address::Tcp(bound.ip().to_string(), bound.port());
                            return Ok(Self { endpoint: Endpoint { speaks, address }, socket });
                        }
                        Err(error) => failed = error,
                    }
                }
                Err(Error::listen(endpoint, failed))
            }
            Address::Unix(path) => match bind_unix(path, backlog) {
                Ok(socket) => Ok(Self { endpoint: endpoint.clone(), socket }),
                Err(error) => Err(Error::listen(endpoint, error)),
            },
        }
    }

    /// The endpoint as it was bound: an address for a name, and the port that was given for port 0.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn speaks(&self) -> Speaks {
        self.endpoint.speaks
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // It fails only for a connection that is gone already, which the first read tells as well.
                let _ = stream.set_nodelay(true);
                Ok(Socket::Tcp(stream))
            }
            Listening::Unix { listener, .. } => Ok(Socket::Unix(listener.accept()?.0)),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        let source: &mut dyn Source = match &mut self.socket {
            Listening::Tcp(listener) => listener,
            Listening::Unix { listener, .. } => listener,
        };
        registry.register(source, Token(token), Interest::READABLE)
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32, fast_open_max: u32) -> io::Result<(Listening, SocketAddr)> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Peers that vanish without a word are found out by the kernel.
    socket.set_keepalive(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog)?;
    if fast_open_max > 0 {
        let with_words = |error: io::Error| io::Error::new(error.kind(), format!("TCP Fast Open: {error}"));
        fast_open::set(socket.as_fd(), fast_open_max).map_err(with_words)?;
        if fast_open::is_forbidden() {
            tracing::warn!(
                "TCP Fast Open has no effect until servers may use it: sysctl net.ipv4.tcp_fastopen=3"
            );
        }
    }
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let bound = listener.local_addr()?;
    Ok((Listening::Tcp(mio::net::TcpListener::from_std(listener)), bound))
}

fn bind_unix(path: &Path, backlog: i32) -> io::Result<Listening> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile(path.to_owned());
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    let listener = mio::net::UnixListener::from_std(UnixListener::from(OwnedFd::from(socket)));
    Ok(Listening::Unix { listener, _file: file })
}

/// Whether `path` is a socket that refuses connections, as a process leaves it that was killed.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
