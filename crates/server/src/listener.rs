//! Sockets that listen: bound before the server runs, so that a taken port is known before
//! anything is started.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "tls")]
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[cfg(feature = "tls")]
use graven_access::tls::{Acceptance, ClientAuth, ServerIdentity, TlsError};
use graven_catalog::{Catalog, TableId};
use graven_wire::address::Location;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};

use crate::clients::Ends;
#[cfg(feature = "tls")]
use crate::endpoint::ClientCertificates;
use crate::endpoint::{Endpoint, Speaks, TlsMode};
use crate::error::Error;
use crate::fast_open;
use crate::handshakes::Handshakes;
use crate::listening_socket::ListeningSocket;
use crate::network::Network;
use crate::options::ServerOptions;
use crate::os::Socket;
use crate::proxied::Proxied;
use crate::system::Stream as _;
#[cfg(feature = "tls")]
use crate::tls::{Secured, TlsRules};

/// A socket that listens on an [`Endpoint`].
#[derive(Debug)]
pub struct Listener {
    endpoint: Endpoint,
    /// The host as it was written, where it was not an address.
    name: Option<String>,
    rules: ListenerRules,
    socket: Listening,
    #[cfg(feature = "tls")]
    tls: Option<ListenerTls>,
}

/// How a listener speaks TLS.
#[cfg(feature = "tls")]
#[derive(Debug)]
struct ListenerTls {
    acceptance: Arc<Acceptance>,
    expires: Arc<AtomicU64>,
    takes_plain: bool,
    /// Once the server runs.
    rules: Option<TlsRules>,
}

/// What holds for the connections that come in by a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerRules {
    pub(crate) speaks: Speaks,
    /// Whether HTTP requests must be for one of the server's hosts.
    pub(crate) checks_host: bool,
    /// The one table that is asked.
    pub(crate) table: Option<TableId>,
}

impl ListenerRules {
    fn of(endpoint: &Endpoint, is_loopback: bool, options: &ServerOptions) -> Self {
        // Pages of anywhere can have a browser on this machine ask it; elsewhere whoever is asked is known by many names.
        let checks_host = is_loopback || !options.network.allow_hosts.is_empty();
        Self { speaks: endpoint.speaks, checks_host, table: None }
    }
}

#[derive(Debug)]
enum Listening {
    Tcp(mio::net::TcpListener),
    /// With the file where it is this server's.
    Unix {
        listener: mio::net::UnixListener,
        _file: Option<SocketFile>,
    },
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
    /// Binds `endpoint` and listens. A host name is resolved, and the first of its addresses that
    /// can be bound is taken; `[::]` is IPv6 alone. A socket file that no process listens on any
    /// more is replaced.
    ///
    /// # Errors
    /// When the address is in use, not permitted, not of this machine, or unknown.
    pub fn bind(endpoint: &Endpoint, options: &ServerOptions) -> Result<Self, Error> {
        let backlog = i32::try_from(options.network.backlog).unwrap_or(i32::MAX);
        let fast_open_max = options.network.fast_open_max;
        let rules = |is_loopback| ListenerRules::of(endpoint, is_loopback, options);
        match &endpoint.location {
            Location::Tcp { host, port } => {
                let addresses = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|source| Error::UnknownHost { endpoint: endpoint.to_string(), source })?;
                let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in addresses {
                    match bind_tcp(address, backlog, fast_open_max, options.timeouts.keep_alive) {
                        Ok((socket, bound)) => {
                            let location = Location::Tcp { host: bound.ip().to_string(), port: bound.port() };
                            let name = host.parse::<IpAddr>().is_err().then(|| host.clone());
                            let rules = rules(bound.ip().to_canonical().is_loopback());
                            let endpoint = Endpoint { location, ..endpoint.clone() };
                            return Ok(Self {
                                endpoint,
                                name,
                                rules,
                                socket,
                                #[cfg(feature = "tls")]
                                tls: None,
                            });
                        }
                        Err(error) => failed = error,
                    }
                }
                Err(Error::listen(endpoint, failed))
            }
            Location::Unix(path) => match bind_unix(path, backlog) {
                Ok(socket) => Ok(Self {
                    endpoint: endpoint.clone(),
                    name: None,
                    rules: rules(false),
                    socket,
                    #[cfg(feature = "tls")]
                    tls: None,
                }),
                Err(error) => Err(Error::listen(endpoint, error)),
            },
        }
    }

    /// Uses a socket that listens already, where `endpoint` [says](ListeningSocket::is_of): it keeps the backlog that it
    /// was given, and its file if it has one.
    ///
    /// # Errors
    /// When the system refuses it an option.
    pub fn from_socket(
        endpoint: &Endpoint,
        options: &ServerOptions,
        socket: ListeningSocket,
    ) -> Result<Self, Error> {
        let failed = |error| Error::listen(endpoint, error);
        let (socket, is_loopback, name) = match socket {
            ListeningSocket::Tcp(socket) => {
                let silence = options.timeouts.keep_alive;
                prepare_tcp((&socket).into(), options.network.fast_open_max, silence).map_err(failed)?;
                socket.set_nonblocking(true).map_err(failed)?;
                let bound = socket.local_addr().map_err(failed)?;
                let name = match &endpoint.location {
                    Location::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => Some(host.clone()),
                    _ => None,
                };
                let listener = mio::net::TcpListener::from_std(socket);
                (Listening::Tcp(listener), bound.ip().to_canonical().is_loopback(), name)
            }
            ListeningSocket::Unix(socket) => {
                socket.set_nonblocking(true).map_err(failed)?;
                let listener = mio::net::UnixListener::from_std(socket);
                (Listening::Unix { listener, _file: None }, false, None)
            }
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            name,
            rules: ListenerRules::of(endpoint, is_loopback, options),
            socket,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Has the listener speak TLS as its endpoint says, with the certificate of `identity`.
    ///
    /// # Errors
    /// When clients are to show certificates and `identity` knows no authority to check them by.
    #[cfg(feature = "tls")]
    pub fn use_tls(&mut self, identity: &ServerIdentity) -> Result<(), TlsError> {
        let is_tcp = matches!(self.endpoint.location, Location::Tcp { .. });
        let mode = self.endpoint.tls.unwrap_or(if is_tcp { TlsMode::On } else { TlsMode::Off });
        if mode == TlsMode::Off {
            return Ok(());
        }
        let clients = match self.endpoint.client {
            Some(ClientCertificates::None) => ClientAuth::None,
            Some(ClientCertificates::Optional) => ClientAuth::Optional,
            Some(ClientCertificates::Required) => ClientAuth::Required,
            None if !identity.checks_clients() => ClientAuth::None,
            // Who speaks plain text there shows none.
            None if mode == TlsMode::Both => ClientAuth::Optional,
            None => ClientAuth::Required,
        };
        if clients == ClientAuth::Required {
            self.endpoint.client = Some(ClientCertificates::Required);
        }
        let speaks_http = matches!(self.endpoint.speaks, Speaks::Any | Speaks::Http);
        let alpn: &[&[u8]] = if speaks_http { &[b"http/1.1"] } else { &[] };
        let acceptance = identity.acceptance(clients, alpn)?;
        self.endpoint.tls = Some(mode);
        let (expires, takes_plain) = (identity.expires(), mode == TlsMode::Both);
        self.tls = Some(ListenerTls { acceptance, expires, takes_plain, rules: None });
        Ok(())
    }

    /// Counts handshakes from now on, and holds to what is allowed of them.
    ///
    /// # Errors
    /// [`Error::MissingCertificate`] when it is to speak TLS and was given no certificate.
    pub(crate) fn begin_handshakes(&mut self, handshakes: &Arc<Handshakes>) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            handshakes.set_expires(Arc::clone(&tls.expires));
            tls.rules = Some(TlsRules {
                acceptance: Arc::clone(&tls.acceptance),
                handshakes: Arc::clone(handshakes),
                takes_plain: tls.takes_plain,
                speaks: self.endpoint.speaks,
            });
            return Ok(());
        }
        let _ = handshakes;
        match self.endpoint.tls {
            Some(TlsMode::On | TlsMode::Both) => {
                Err(Error::MissingCertificate { endpoint: self.endpoint.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// How long no connection is to be accepted, if that is so.
    pub(crate) fn pause(&self) -> Option<Duration> {
        #[cfg(feature = "tls")]
        if let Some(ListenerTls { rules: Some(rules), .. }) = &self.tls {
            return rules.handshakes.pause(std::time::Instant::now());
        }
        None
    }

    /// The endpoint as it was bound: an address for a name, and the port that was given for port
    /// 0.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The host as it was written, where it was a name.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn rules(&self) -> ListenerRules {
        self.rules
    }

    /// Connections are kept to the one table of the endpoint, if it names one. It need not be there.
    pub(crate) fn find_table(&mut self, catalog: &Catalog) {
        if let Some(name) = &self.endpoint.table {
            self.rules.table = Some(catalog.reserve(name.clone()));
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        let mut socket = self.accept_plain()?;
        if let Some(trusted) = &self.endpoint.proxy {
            let is_trusted = match socket.ends() {
                Ends::Tcp { peer, .. } => Network::any_contains(trusted, peer.ip()),
                // The rights of its file say who may connect.
                Ends::Unix => true,
                Ends::Unknown => false,
            };
            socket = Socket::Proxied(Box::new(Proxied::new(socket, is_trusted)));
        }
        #[cfg(feature = "tls")]
        if let Some(ListenerTls { rules: Some(rules), .. }) = &self.tls {
            return Ok(Socket::Tls(Box::new(Secured::new(socket, rules)?)));
        }
        Ok(socket)
    }

    fn accept_plain(&self) -> io::Result<Socket> {
        match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // It fails only for a connection that is gone already, which the first read tells
                // as well.
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

fn bind_tcp(
    address: SocketAddr,
    backlog: i32,
    fast_open_max: u32,
    keep_alive: Option<Duration>,
) -> io::Result<(Listening, SocketAddr)> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog)?;
    prepare_tcp((&socket).into(), fast_open_max, keep_alive)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let bound = listener.local_addr()?;
    Ok((Listening::Tcp(mio::net::TcpListener::from_std(listener)), bound))
}

/// What connections inherit from a socket that listens, and how they come to be.
fn prepare_tcp(socket: SockRef<'_>, fast_open_max: u32, keep_alive: Option<Duration>) -> io::Result<()> {
    if let Some(silence) = keep_alive {
        socket.set_tcp_keepalive(&probes(silence))?;
    }
    if fast_open_max > 0 {
        let with_words = |error: io::Error| io::Error::new(error.kind(), format!("TCP Fast Open: {error}"));
        fast_open::set(socket.as_fd(), fast_open_max).map_err(with_words)?;
        if fast_open::is_forbidden() {
            tracing::warn!(
                "TCP Fast Open has no effect until servers may use it: sysctl net.ipv4.tcp_fastopen=3"
            );
        }
    }
    Ok(())
}

/// How often the kernel asks a silent peer before it takes it for gone.
const PROBES: u32 = 3;

/// Accepted connections inherit this from their listener.
fn probes(silence: Duration) -> TcpKeepalive {
    // The kernel counts seconds.
    let silence = silence.max(Duration::from_secs(1));
    let interval = (silence / PROBES).max(Duration::from_secs(1));
    TcpKeepalive::new().with_time(silence).with_interval(interval).with_retries(PROBES)
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
    Ok(Listening::Unix { listener, _file: Some(file) })
}

/// Whether `path` is a socket that refuses connections, as a process leaves it that was killed.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection as it was accepted by a listener with `keep_alive`.
    fn accepted(keep_alive: Option<Duration>) -> (Socket, std::net::TcpStream) {
        let mut options = ServerOptions::default();
        options.timeouts.keep_alive = keep_alive;
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let stream = std::net::TcpStream::connect(listener.endpoint().to_string()).unwrap();
        loop {
            match listener.accept() {
                Ok(socket) => return (socket, stream),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    #[test]
    fn a_listener_knows_the_name_that_it_was_given_and_the_address_that_it_got() {
        let options = ServerOptions::default();
        for (written, name) in [("127.0.0.1:0", None), ("localhost:0", Some("localhost"))] {
            let listener = Listener::bind(&written.parse().unwrap(), &options).unwrap();
            assert_eq!(listener.name(), name, "{written}");
            assert!(listener.rules().checks_host);
            let Location::Tcp { port, .. } = listener.endpoint().location else { panic!("a port") };
            assert_ne!(port, 0);
        }
        for (written, name) in [("127.0.0.1:80", None), ("localhost:80", Some("localhost"))] {
            let socket = ListeningSocket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
            let listener = Listener::from_socket(&written.parse().unwrap(), &options, socket).unwrap();
            assert_eq!((listener.name(), listener.rules().checks_host), (name, true), "{written}");
        }
    }

    #[test]
    fn a_plain_connection_is_called_as_its_peer_and_holds_nothing_of_its_own() {
        let (socket, peer) = accepted(None);
        assert_eq!(socket.peer(), peer.local_addr().unwrap().to_string());
        assert!(socket.descriptor() > 2);
        assert!(!socket.is_handshaking() && !socket.awaits_proxy_header());
        assert!(!socket.may_have_more() && !socket.may_take_more() && !socket.has_unsent());
        assert_eq!((socket.held_bytes(), socket.announced(), socket.certificate_name()), (0, None, None));
    }

    #[test]
    fn the_kernel_asks_silent_peers_as_often_as_it_was_told() {
        for (silence, time, interval) in [(300_000, 300, 100), (2_000, 2, 1), (10, 1, 1)] {
            let (Socket::Tcp(socket), _peer) = accepted(Some(Duration::from_millis(silence))) else {
                panic!("a TCP connection")
            };
            let socket = SockRef::from(&socket);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(time));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(interval));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        }
        let (Socket::Tcp(socket), _peer) = accepted(None) else { panic!("a TCP connection") };
        assert!(!SockRef::from(&socket).keepalive().unwrap());
    }
}
