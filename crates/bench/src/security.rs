//! TLS on the connections of a run, where the target's address asks for it.

use graven_wire::target::Target;

use crate::plan::LoadPlan;
use crate::sockets::PeerStream;

/// What connections are made with.
#[derive(Clone, Debug)]
pub(crate) enum PeerSecurity {
    Plain,
    #[cfg(feature = "tls")]
    Tls(std::sync::Arc<rustls::ClientConfig>, rustls::pki_types::ServerName<'static>),
}

#[cfg(not(feature = "tls"))]
impl PeerSecurity {
    pub(crate) fn new(plan: &LoadPlan) -> Result<Self, String> {
        match needs_tls(&plan.target) {
            true => Err("this program was built without TLS".to_owned()),
            false => Ok(Self::Plain),
        }
    }

    pub(crate) fn secure(&self, stream: PeerStream) -> std::io::Result<PeerStream> {
        Ok(stream)
    }
}

fn needs_tls(target: &Target) -> bool {
    target.address().is_tls
}

#[cfg(feature = "tls")]
pub(crate) use secured::TlsPeer;

#[cfg(feature = "tls")]
mod secured {
    use std::cell::RefCell;
    use std::io::{self, Read, Write};
    use std::sync::Arc;

    use graven_access::tls::{client_config, server_name};
    use graven_wire::address::{Location, Protocol};
    use rustls::ClientConnection;
    use rustls::client::Resumption;

    use super::{LoadPlan, PeerSecurity, PeerStream, needs_tls};

    /// Bytes that are taken from the system at once.
    const READ_BYTES: usize = 64 * 1024;

    /// Bytes that are encrypted before they are handed to the system.
    const PART_BYTES: usize = 64 * 1024;

    thread_local! {
        /// Room for one read, whatever connection it is of.
        static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    impl PeerSecurity {
        pub(crate) fn new(plan: &LoadPlan) -> Result<Self, String> {
            let target = &plan.target;
            if !needs_tls(target) {
                return Ok(Self::Plain);
            }
            let alpn: &[&[u8]] = if target.protocol() == Protocol::Http { &[b"http/1.1"] } else { &[] };
            let mut config = client_config(&plan.trust, alpn).map_err(|error| error.to_string())?;
            if !plan.resume_sessions
                && let Some(config) = Arc::get_mut(&mut config)
            {
                config.resumption = Resumption::disabled();
            }
            let host = match target.location() {
                Location::Tcp { host, .. } => host,
                Location::Unix(_) => "localhost",
            };
            Ok(Self::Tls(config, server_name(host).map_err(|error| error.to_string())?))
        }

        pub(crate) fn secure(&self, stream: PeerStream) -> io::Result<PeerStream> {
            let Self::Tls(config, name) = self else { return Ok(stream) };
            let mut connection =
                ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
            // What is encrypted is bounded here.
            connection.set_buffer_limit(None);
            let received = Vec::new();
            let peer = TlsPeer { stream, connection, connected_at: None, received, unreported: 0 };
            Ok(PeerStream::Tls(Box::new(peer)))
        }
    }

    /// A connection with TLS that never blocks.
    #[derive(Debug)]
    pub(crate) struct TlsPeer {
        stream: PeerStream,
        connection: ClientConnection,
        /// When the connection below was made.
        pub(crate) connected_at: Option<u64>,
        /// Bytes that are not decrypted.
        received: Vec<u8>,
        /// Bytes at the front of what is written next that are encrypted already.
        unreported: usize,
    }

    impl TlsPeer {
        pub(crate) fn transport(&mut self) -> &mut PeerStream {
            &mut self.stream
        }

        /// Goes on with the handshake: whether it is done.
        pub(crate) fn shake_hands(&mut self) -> io::Result<bool> {
            self.flush()?;
            while self.connection.is_handshaking() {
                match self.receive() {
                    Ok(true) => {}
                    Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
                self.flush()?;
            }
            Ok(true)
        }

        /// Takes what has come and decrypts it; `false` at the end.
        fn receive(&mut self) -> io::Result<bool> {
            if self.received.is_empty() {
                let Self { stream, received, .. } = self;
                let bytes = ROOM.with_borrow_mut(|room| {
                    room.resize(READ_BYTES, 0);
                    let bytes = stream.read(room)?;
                    received.extend_from_slice(&room[..bytes]);
                    Ok::<_, io::Error>(bytes)
                })?;
                if bytes == 0 {
                    return Ok(false);
                }
            }
            let mut left = &self.received[..];
            while !left.is_empty() {
                match self.connection.read_tls(&mut left) {
                    Ok(0) => left = &[],
                    Ok(_) => {
                        self.connection
                            .process_new_packets()
                            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                    }
                    // As much is decrypted as may wait.
                    Err(_) => break,
                }
            }
            let left = left.len();
            self.received.drain(..self.received.len() - left);
            Ok(true)
        }

        pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let mut filled = 0;
            while filled < room.len() {
                match self.connection.reader().read(&mut room[filled..]) {
                    Ok(0) => break,
                    Ok(bytes) => filled += bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.receive() {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(error) if filled == 0 => return Err(error),
                        Err(_) => break,
                    },
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(filled)
        }

        pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = 0;
            loop {
                if !self.flush()? {
                    return if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) };
                }
                written += std::mem::take(&mut self.unreported);
                if written == bytes.len() {
                    return Ok(written);
                }
                let part = &bytes[written..(written + PART_BYTES).min(bytes.len())];
                self.connection.writer().write_all(part)?;
                self.unreported = part.len();
            }
        }

        /// Hands the system what is encrypted: whether it took all of it.
        fn flush(&mut self) -> io::Result<bool> {
            struct Below<'a>(&'a mut PeerStream);

            impl Write for Below<'_> {
                fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                    self.0.write(bytes)
                }

                fn flush(&mut self) -> io::Result<()> {
                    Ok(())
                }
            }

            while self.connection.wants_write() {
                match self.connection.write_tls(&mut Below(&mut self.stream)) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        }
    }
}
