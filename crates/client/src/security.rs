//! TLS on a stream to a server, where its address asks for it.

use graven_access::ServerTrust;
use graven_wire::address::{Address, Location};

use crate::connection::Timeouts;
use crate::error::Error;
use crate::stream::ServerStream;

/// What connections to one server are made with; sessions are resumed on later ones.
#[derive(Clone, Debug)]
pub(crate) enum Security {
    Plain,
    #[cfg(feature = "tls")]
    Tls(std::sync::Arc<rustls::ClientConfig>),
}

#[cfg(not(feature = "tls"))]
impl Security {
    pub(crate) fn new(address: &Address, name: &str, _: &ServerTrust) -> Result<Self, Error> {
        if address.is_tls { Err(Error::NoTls { target: name.to_owned() }) } else { Ok(Self::Plain) }
    }

    pub(crate) fn secure(
        &self,
        stream: ServerStream,
        _: &Location,
        _: &str,
        _: Timeouts,
    ) -> Result<ServerStream, Error> {
        Ok(stream)
    }
}

#[cfg(feature = "tls")]
impl Security {
    pub(crate) fn new(address: &Address, name: &str, trust: &ServerTrust) -> Result<Self, Error> {
        use graven_wire::address::Protocol;

        if !address.is_tls {
            return Ok(Self::Plain);
        }
        let alpn: &[&[u8]] = match address.protocol {
            None | Some(Protocol::Http) => &[b"http/1.1"],
            Some(Protocol::Redis | Protocol::Memcached) => &[],
        };
        let config = graven_access::tls::client_config(trust, alpn)
            .map_err(|error| Error::Tls { target: name.to_owned(), reason: error.to_string() })?;
        Ok(Self::Tls(config))
    }

    /// Makes the handshake.
    pub(crate) fn secure(
        &self,
        mut stream: ServerStream,
        location: &Location,
        name: &str,
        timeouts: Timeouts,
    ) -> Result<ServerStream, Error> {
        use std::io;

        let Self::Tls(config) = self else { return Ok(stream) };
        let host = match location {
            Location::Tcp { host, .. } => host,
            Location::Unix(_) => "localhost",
        };
        let failed = |reason: String| Error::Tls { target: name.to_owned(), reason };
        let server = graven_access::tls::server_name(host).map_err(|error| failed(error.to_string()))?;
        let connection = rustls::ClientConnection::new(std::sync::Arc::clone(config), server);
        let mut connection = connection.map_err(|error| failed(error.to_string()))?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut stream) {
                return Err(match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        Error::TimedOut { target: name.to_owned(), waited: timeouts.read }
                    }
                    io::ErrorKind::UnexpectedEof => {
                        failed("the server closed the connection; does it speak TLS?".to_owned())
                    }
                    _ => failed(error.to_string()),
                });
            }
        }
        Ok(ServerStream::Tls(Box::new(rustls::StreamOwned::new(connection, stream))))
    }
}
