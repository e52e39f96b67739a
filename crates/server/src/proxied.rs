//! A stream of a load balancer's that begins with a PROXY header: a [`Stream`] on another, below TLS. What the header says of the peer
//! holds for the connection from then on.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

use graven_wire::Decoded;
use graven_wire::proxy::{HEADER_BYTES_MAX, ProxiedFor, ProxyHeaderError, decode};

use crate::clients::Ends;
use crate::system::Stream;

/// A stream whose peer is known by the PROXY header that it begins with.
#[derive(Debug)]
pub(crate) struct Proxied<T> {
    transport: T,
    header: HeaderState,
}

#[derive(Debug)]
enum HeaderState {
    /// It is not whole; so much of it has come.
    Awaited(Vec<u8>),
    /// Nobody believes what this source says.
    Untrusted,
    /// It was refused: what comes is thrown away.
    Refused,
    /// The peer and the address that it has connected to; none of the balancer itself.
    Known(Option<(SocketAddr, SocketAddr)>),
}

/// Why a connection is closed before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyRefusal {
    /// It comes from somebody else than the balancers that are known.
    UntrustedSource,
    /// What came first is no header.
    Header(ProxyHeaderError),
}

impl fmt::Display for ProxyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntrustedSource => f.write_str("it is none of the sources whose PROXY headers are trusted"),
            Self::Header(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProxyRefusal {}

impl ProxyRefusal {
    fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// Whether this is why a stream does not go on.
    pub(crate) fn is_why(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl<T: Stream> Proxied<T> {
    /// A stream of which nothing has come, whose source is trusted or not.
    pub(crate) fn new(transport: T, is_trusted: bool) -> Self {
        let header = if is_trusted { HeaderState::Awaited(Vec::new()) } else { HeaderState::Untrusted };
        Self { transport, header }
    }

    pub(crate) fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Whether the next read says why it is refused, though nothing may have come.
    pub(crate) fn is_untrusted(&self) -> bool {
        matches!(self.header, HeaderState::Untrusted)
    }

    fn refuse(&mut self, refusal: ProxyRefusal) -> io::Error {
        self.header = HeaderState::Refused;
        refusal.into_io()
    }

    /// Reads the header, and what has come behind it into `room`.
    fn read_header(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while let HeaderState::Awaited(before) = &mut self.header {
            let bytes = self.transport.read(room)?;
            if bytes == 0 {
                return Ok(0);
            }
            let held = before.len();
            let decoded = if held == 0 {
                decode(&room[..bytes])
            } else {
                before.extend_from_slice(&room[..bytes.min(HEADER_BYTES_MAX - held)]);
                decode(before)
            };
            match decoded {
                Decoded::NeedMore if held == 0 => before.extend_from_slice(&room[..bytes]),
                Decoded::NeedMore => {}
                Decoded::Invalid(error) => return Err(self.refuse(ProxyRefusal::Header(error))),
                Decoded::Message(proxied_for, consumed) => {
                    self.header = HeaderState::Known(match proxied_for {
                        ProxiedFor::Peer { peer, local } => Some((peer, local)),
                        _ => None,
                    });
                    // It was not whole with what came before.
                    let behind = consumed - held..bytes;
                    let rest = behind.len();
                    room.copy_within(behind, 0);
                    return self.fill_up(room, rest, bytes == room.len());
                }
            }
        }
        self.transport.read(room)
    }

    /// Reads on behind the first `rest` bytes of `room` as long as there is more, so that, as of any stream, a read that does not fill
    /// its room has emptied it.
    fn fill_up(&mut self, room: &mut [u8], mut rest: usize, mut has_more: bool) -> io::Result<usize> {
        if rest == 0 {
            return self.transport.read(room);
        }
        while has_more && rest < room.len() {
            let left = room.len() - rest;
            match self.transport.read(&mut room[rest..]) {
                Ok(bytes) => {
                    rest += bytes;
                    has_more = bytes == left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The next read says so, too.
                Err(_) => break,
            }
        }
        Ok(rest)
    }
}

impl<T: Stream> Stream for Proxied<T> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.header {
            HeaderState::Known(_) | HeaderState::Refused => self.transport.read(room),
            HeaderState::Awaited(_) => self.read_header(room),
            HeaderState::Untrusted => Err(self.refuse(ProxyRefusal::UntrustedSource)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.transport.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.transport.write_vectored(parts)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.transport.end_output()
    }

    fn peer(&self) -> String {
        match self.header {
            HeaderState::Known(Some((peer, _))) => peer.to_string(),
            _ => self.transport.peer(),
        }
    }

    fn ends(&self) -> Ends {
        self.announced().unwrap_or_else(|| self.transport.ends())
    }

    fn descriptor(&self) -> i32 {
        self.transport.descriptor()
    }

    fn is_handshaking(&self) -> bool {
        self.awaits_proxy_header()
    }

    fn held_bytes(&self) -> usize {
        match &self.header {
            HeaderState::Awaited(before) => before.len(),
            _ => 0,
        }
    }

    fn awaits_proxy_header(&self) -> bool {
        matches!(self.header, HeaderState::Awaited(_) | HeaderState::Untrusted)
    }

    fn announced(&self) -> Option<Ends> {
        match self.header {
            HeaderState::Known(Some((peer, local))) => Some(Ends::Tcp { peer, local }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::{Handle, Random};

    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n";

    /// What a server reads of `sent`, which comes in pieces, into rooms of such lengths as a seed says.
    fn read_in_pieces(
        sent: &[u8],
        seed: u64,
        is_trusted: bool,
    ) -> (Vec<u8>, Option<Ends>, Option<io::Error>) {
        let mut random = Random::new(seed);
        let handle = Handle::new(seed);
        let stream = handle.connect(100_000);
        let wire = stream.wire;
        let mut server = Proxied::new(stream, is_trusted);
        let (mut left, mut read) = (sent, Vec::new());
        let mut room = vec![0; 300];
        while !left.is_empty() || read.len() < sent.len() {
            let piece = random.below(60).min(left.len());
            let sent_now;
            (sent_now, left) = left.split_at(piece);
            handle.world().send(wire, sent_now);
            loop {
                let room_len = 1 + random.below(room.len());
                match server.read(&mut room[..room_len]) {
                    Ok(bytes) => read.extend_from_slice(&room[..bytes]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return (read, server.announced(), Some(error)),
                }
                assert!(server.held_bytes() <= HEADER_BYTES_MAX);
            }
            if left.is_empty() && server.announced().is_some() {
                break;
            }
        }
        assert!(!server.is_handshaking() && server.held_bytes() == 0);
        (read, server.announced(), None)
    }

    #[test]
    fn what_follows_a_header_is_read_whole_whatever_pieces_the_network_makes() {
        let request = b"GET / HTTP/1.1\r\n\r\n".repeat(20);
        let expected = Ends::Tcp {
            peer: "192.0.2.7:50000".parse().unwrap(),
            local: "198.51.100.1:443".parse().unwrap(),
        };
        for seed in 0..200 {
            let (read, announced, error) = read_in_pieces(&[HEADER, &request].concat(), seed, true);
            assert!(read == request && error.is_none(), "seed {seed}: {error:?}");
            assert_eq!(announced, Some(expected));
        }
    }

    #[test]
    fn the_peer_is_the_announced_one_as_soon_as_its_header_is_whole() {
        let handle = Handle::new(3);
        let stream = handle.connect(100_000);
        let (wire, own) = (stream.wire, stream.peer());
        let mut server = Proxied::new(stream, true);
        let mut room = [0; 300];
        let (first, rest) = HEADER.split_at(11);
        handle.world().send(wire, first);
        while server.held_bytes() == 0 {
            assert!(server.read(&mut room).is_err());
        }
        assert_eq!((server.held_bytes(), server.peer(), server.announced()), (11, own, None));
        assert!(server.awaits_proxy_header() && server.is_handshaking() && !server.is_untrusted());
        handle.world().send(wire, &[rest, b"PING\r\n"].concat());
        let read = loop {
            match server.read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.unwrap(),
            }
        };
        assert_eq!(&room[..read], b"PING\r\n");
        assert_eq!((server.held_bytes(), server.peer()), (0, "192.0.2.7:50000".to_owned()));
        assert!(!server.awaits_proxy_header() && server.ends() == server.announced().unwrap());
        assert_eq!(server.descriptor(), server.transport().descriptor());
        assert!(Proxied::new(handle.connect(1), false).is_untrusted());
        let refusals = [ProxyRefusal::UntrustedSource, ProxyRefusal::Header(ProxyHeaderError::Missing)];
        assert!(refusals.iter().all(|refusal| !refusal.to_string().is_empty()));
        assert!(!ProxyRefusal::is_why(&io::ErrorKind::InvalidData.into()));
    }

    fn read_once(server: &mut impl Stream, room: &mut [u8]) -> usize {
        loop {
            match server.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.unwrap(),
            }
        }
    }

    #[test]
    fn a_read_that_does_not_fill_its_room_has_emptied_the_stream() {
        let handle = Handle::new(7);
        for len in HEADER.len() + 1..HEADER.len() + 200 {
            let stream = handle.connect(100_000);
            let wire = stream.wire;
            let mut server = Proxied::new(stream, true);
            let request = vec![b'a'; 150];
            handle.world().send(wire, &[HEADER, &request].concat());
            let mut room = vec![0; len];
            let mut read = read_once(&mut server, &mut room);
            while read < request.len() {
                assert!(read >= len, "the room has {len} bytes, and {read} of {} came", request.len());
                read += read_once(&mut server, &mut room);
            }
        }
    }

    #[test]
    fn who_begins_otherwise_or_is_not_trusted_is_refused_and_nothing_of_it_is_read() {
        for seed in 0..50 {
            for (sent, is_trusted, refusal) in [
                (&b"GET / HTTP/1.1\r\n\r\n"[..], true, ProxyRefusal::Header(ProxyHeaderError::Missing)),
                (&[HEADER, b"GET /"].concat()[..], false, ProxyRefusal::UntrustedSource),
            ] {
                let (read, announced, error) = read_in_pieces(sent, seed, is_trusted);
                let error = error.unwrap();
                assert!(ProxyRefusal::is_why(&error) && read.is_empty() && announced.is_none());
                assert_eq!(error.to_string(), refusal.to_string());
            }
        }
    }
}
