//! A stream to a server, over TCP or a Unix socket, with TLS or without, that waits no longer than it is told.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;

use graven_wire::address::{Address, Location};

use crate::connection::Timeouts;
use crate::error::Error;
use crate::security::Security;

#[derive(Debug)]
pub(crate) enum ServerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, ServerStream>>),
}

impl ServerStream {
    /// Connects to the first place that `address` means and that takes the connection; `name` is what errors call it.
    pub(crate) fn open(
        address: &Address,
        name: &str,
        timeouts: Timeouts,
        security: &Security,
    ) -> Result<Self, Error> {
        let stream = Self::open_plain(&address.location, name, timeouts)?;
        security.secure(stream, &address.location, name, timeouts)
    }

    /// The same without TLS.
    pub(crate) fn open_plain(location: &Location, name: &str, timeouts: Timeouts) -> Result<Self, Error> {
        let cannot = |source| Error::Connect { target: name.to_owned(), source };
        match location {
            Location::Unix(path) => {
                UnixStream::connect(path).and_then(|stream| prepare_unix(stream, timeouts)).map_err(cannot)
            }
            Location::Tcp { host, port } => {
                let addresses = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|source| Error::UnknownHost { target: name.to_owned(), source })?;
                let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in addresses {
                    match TcpStream::connect_timeout(&address, timeouts.connect)
                        .and_then(|stream| prepare_tcp(stream, timeouts))
                    {
                        Ok(stream) => return Ok(stream),
                        Err(error) => failed = error,
                    }
                }
                Err(cannot(failed))
            }
        }
    }
}

fn prepare_tcp(stream: TcpStream, timeouts: Timeouts) -> io::Result<ServerStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeouts.read))?;
    stream.set_write_timeout(Some(timeouts.write))?;
    Ok(ServerStream::Tcp(stream))
}

fn prepare_unix(stream: UnixStream, timeouts: Timeouts) -> io::Result<ServerStream> {
    stream.set_read_timeout(Some(timeouts.read))?;
    stream.set_write_timeout(Some(timeouts.write))?;
    Ok(ServerStream::Unix(stream))
}

impl Read for ServerStream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => match stream.read(room) {
                // Answers say where they end, so that a connection that is cut cuts none unnoticed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for ServerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}
