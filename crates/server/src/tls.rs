//! TLS on a stream: a [`Stream`] on another, so that neither the loop nor a connection knows of it.
//!
//! Bytes that come are read into the room where they are wanted, and decrypted from there into the same room; bytes that go are
//! encrypted in parts of [`PART_BYTES`] from where they lie. What was encrypted counts as written when the system has taken
//! all of it: until then whoever writes comes with the same bytes again, of which those are passed over.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use arrayvec::ArrayVec;
use graven_access::tls::{Acceptance, peer_name};
use graven_wire::address::Protocol;
use rustls::{HandshakeKind, ServerConnection};

use crate::answer::first_words;
use crate::clients::Ends;
use crate::endpoint::Speaks;
use crate::handshakes::{HandshakeFailure, HandshakeUnderWay, Handshakes};
use crate::system::Stream;

/// Bytes that are encrypted before they are handed to the system: four records.
const PART_BYTES: usize = 64 * 1024;

/// Parts that are encrypted together.
const PARTS_MAX: usize = 64;

/// Bytes that are written before others have their turns.
const WRITE_BYTES_MAX: usize = 512 * 1024;

/// Bytes that are read without anything coming of it before others have their turns.
const FRUITLESS_BYTES_MAX: usize = 64 * 1024;

/// The first byte of a TLS handshake, and of no request in any protocol.
const HANDSHAKE: u8 = 0x16;

/// How a listener speaks TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsRules {
    pub(crate) acceptance: Arc<Acceptance>,
    pub(crate) handshakes: Arc<Handshakes>,
    /// Whether plain text is spoken as well.
    pub(crate) takes_plain: bool,
    pub(crate) speaks: Speaks,
}

/// A stream with TLS, or one of which it is not known yet whether it has.
#[derive(Debug)]
pub(crate) enum Secured<T: Stream> {
    /// Nothing has come.
    Undecided(T, TlsRules),
    Plain(T),
    Tls(Box<TlsStream<T>>),
    /// While one becomes the other.
    Changing,
}

impl<T: Stream> Secured<T> {
    pub(crate) fn new(transport: T, rules: &TlsRules) -> io::Result<Self> {
        Ok(match rules.takes_plain {
            true => Self::Undecided(transport, rules.clone()),
            false => Self::Tls(Box::new(TlsStream::new(transport, rules)?)),
        })
    }

    pub(crate) fn transport(&mut self) -> &mut T {
        match self {
            Self::Undecided(transport, _) | Self::Plain(transport) => transport,
            Self::Tls(tls) => &mut tls.transport,
            Self::Changing => unreachable!("it has become one or the other"),
        }
    }

    fn shared(&self) -> &T {
        match self {
            Self::Undecided(transport, _) | Self::Plain(transport) => transport,
            Self::Tls(tls) => &tls.transport,
            Self::Changing => unreachable!("it has become one or the other"),
        }
    }

    fn take_undecided(&mut self) -> (T, TlsRules) {
        match std::mem::replace(self, Self::Changing) {
            Self::Undecided(transport, rules) => (transport, rules),
            _ => unreachable!("only what is undecided is decided"),
        }
    }

    /// Reads the first bytes, which say what it is.
    fn decide(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = match self.transport().read(room) {
            // What comes behind it is thrown away, and no handshake is begun with it.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let (transport, _) = self.take_undecided();
                *self = Self::Plain(transport);
                return Err(error);
            }
            read => read?,
        };
        if bytes == 0 {
            return Ok(0);
        }
        let (transport, rules) = self.take_undecided();
        if room[0] != HANDSHAKE {
            *self = Self::Plain(transport);
            return Ok(bytes);
        }
        let mut tls = Box::new(TlsStream::new(transport, &rules)?);
        tls.received.extend_from_slice(&room[..bytes]);
        *self = Self::Tls(tls);
        // What the first bytes ask for is work, and done behind that of other connections.
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl<T: Stream> Stream for Secured<T> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.read(room),
            Self::Plain(transport) => transport.read(room),
            _ => self.decide(room),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.write_parts(&[IoSlice::new(bytes)]),
            _ => self.transport().write(bytes),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.write_parts(parts),
            _ => self.transport().write_vectored(parts),
        }
    }

    fn end_output(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.say_goodbye();
        }
        self.transport().end_output()
    }

    fn peer(&self) -> String {
        self.shared().peer()
    }

    fn ends(&self) -> Ends {
        self.shared().ends()
    }

    fn descriptor(&self) -> i32 {
        self.shared().descriptor()
    }

    fn is_handshaking(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.under_way.is_some(),
            _ => self.shared().is_handshaking(),
        }
    }

    fn awaits_proxy_header(&self) -> bool {
        self.shared().awaits_proxy_header()
    }

    fn announced(&self) -> Option<Ends> {
        self.shared().announced()
    }

    fn may_have_more(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.may_have_more(),
            _ => self.shared().may_have_more(),
        }
    }

    fn may_take_more(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.may_take_more)
    }

    fn has_unsent(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.unreported == 0 && tls.connection.wants_write())
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Tls(tls) => tls.received.len() + tls.unreported + tls.transport.held_bytes(),
            _ => self.shared().held_bytes(),
        }
    }

    fn certificate_name(&self) -> Option<Arc<str>> {
        let Self::Tls(tls) = self else { return None };
        let certificate = tls.connection.peer_certificates()?.first()?;
        peer_name(certificate).map(Arc::from)
    }
}

/// A stream with TLS.
#[derive(Debug)]
pub(crate) struct TlsStream<T: Stream> {
    transport: T,
    connection: ServerConnection,
    /// The handshake, until it has ended.
    under_way: Option<HandshakeUnderWay>,
    speaks: Speaks,
    /// Bytes from the peer that are not decrypted.
    received: Vec<u8>,
    /// The transport was read from last, and had less than there was room for.
    is_drained: bool,
    /// Decrypted bytes wait.
    has_plaintext: bool,
    /// The peer has said that it sends no more.
    is_ended: bool,
    /// Nothing is understood any more: what comes is thrown away.
    is_broken: bool,
    /// The first bytes have come. What they ask for is work, and done behind that of other connections.
    has_begun: bool,
    /// Bytes at the front of what is written next that are encrypted already.
    unreported: usize,
    may_take_more: bool,
    said_goodbye: bool,
}

impl<T: Stream> TlsStream<T> {
    fn new(transport: T, rules: &TlsRules) -> io::Result<Self> {
        let mut connection = ServerConnection::new(rules.acceptance.current()).map_err(io::Error::other)?;
        // What is encrypted is bounded here.
        connection.set_buffer_limit(None);
        Ok(Self {
            transport,
            connection,
            under_way: Some(rules.handshakes.begin()),
            speaks: rules.speaks,
            received: Vec::new(),
            is_drained: false,
            has_plaintext: false,
            is_ended: false,
            is_broken: false,
            has_begun: false,
            unreported: 0,
            may_take_more: false,
            said_goodbye: false,
        })
    }

    fn may_have_more(&self) -> bool {
        !self.is_drained || self.has_plaintext || self.is_ended || !self.received.is_empty()
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return self.transport.read(room);
        }
        if self.has_plaintext {
            let bytes = self.take_plaintext(room)?;
            if bytes > 0 {
                // The transport was not read from, and may have got more since.
                self.is_drained = false;
                return Ok(bytes);
            }
        }
        // What a handshake has left to say.
        if self.unreported == 0 && self.connection.wants_write() {
            self.flush()?;
        }
        let mut fruitless = 0;
        while !self.is_ended {
            let bytes = if self.received.is_empty() {
                let bytes = match self.transport.read(room) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        // What comes behind it is not even looked at.
                        self.is_broken = true;
                        return Err(error);
                    }
                    read => read?,
                };
                self.is_drained = bytes < room.len();
                if bytes == 0 {
                    return self.transport_ended();
                }
                if !self.has_begun {
                    self.has_begun = true;
                    if room[0] != HANDSHAKE {
                        return Err(self.answer_plain_text(&room[..bytes]));
                    }
                    self.received.extend_from_slice(&room[..bytes]);
                    return Err(io::ErrorKind::Interrupted.into());
                }
                bytes
            } else {
                self.has_begun = true;
                self.is_drained = false;
                let received = std::mem::take(&mut self.received);
                let bytes = received.len().min(room.len());
                room[..bytes].copy_from_slice(&received[..bytes]);
                self.received.extend_from_slice(&received[bytes..]);
                bytes
            };
            let plain = self.decrypt(room, bytes)?;
            if plain > 0 {
                return Ok(plain);
            }
            fruitless += bytes;
            if fruitless >= FRUITLESS_BYTES_MAX {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(0)
    }

    fn transport_ended(&mut self) -> io::Result<usize> {
        if let Some(handshake) = self.under_way.take() {
            handshake.failed(HandshakeFailure::Closed);
        }
        // Requests and answers say where they end, so that a connection that is cut cuts none unnoticed.
        Ok(0)
    }

    /// Decrypts the first `bytes` of `room` into `room`, and says how many came of it.
    fn decrypt(&mut self, room: &mut [u8], bytes: usize) -> io::Result<usize> {
        let (mut fed, mut plain) = (0, 0);
        while fed < bytes && !self.is_ended {
            let mut chunk = &room[fed..bytes];
            match self.connection.read_tls(&mut chunk) {
                Ok(0) => break,
                Ok(more) => fed += more,
                // As much is decrypted as may wait.
                Err(_) => {
                    let before = std::mem::take(&mut self.received);
                    self.received.extend_from_slice(&room[fed..bytes]);
                    self.received.extend_from_slice(&before);
                    break;
                }
            }
            match self.connection.process_new_packets() {
                Ok(state) => {
                    self.has_plaintext = state.plaintext_bytes_to_read() > 0;
                    self.is_ended |= state.peer_has_closed();
                    // Not between the parts of an answer: it goes behind them.
                    if state.tls_bytes_to_write() > 0 && self.unreported == 0 {
                        self.flush()?;
                    }
                }
                Err(error) => return Err(self.failed(&error)),
            }
            if !self.connection.is_handshaking()
                && let Some(handshake) = self.under_way.take()
            {
                handshake.done(self.connection.handshake_kind() == Some(HandshakeKind::Resumed));
            }
            // Behind `fed` lies what is not decrypted.
            if self.has_plaintext && plain < fed {
                plain += self.take_plaintext(&mut room[plain..fed])?;
            }
        }
        Ok(plain)
    }

    fn take_plaintext(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < room.len() {
            match self.connection.reader().read(&mut room[taken..]) {
                Ok(0) => {
                    (self.has_plaintext, self.is_ended) = (false, true);
                    break;
                }
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.has_plaintext = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// The peer breaks the protocol, or the server does not agree with it. The peer is told by an alert.
    fn failed(&mut self, error: &rustls::Error) -> io::Error {
        use rustls::Error;
        let failure = match error {
            Error::AlertReceived(_) => HandshakeFailure::Alert,
            Error::NoCertificatesPresented => HandshakeFailure::NoCertificate,
            Error::InvalidCertificate(_) => HandshakeFailure::Certificate,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeFailure::Incompatible,
            _ => HandshakeFailure::Malformed,
        };
        let during = match self.under_way.take() {
            Some(handshake) => {
                handshake.failed(failure);
                "the TLS handshake failed"
            }
            None => "TLS failed",
        };
        let _ = self.flush();
        self.is_broken = true;
        io::Error::new(io::ErrorKind::InvalidData, format!("{during}: {error}"))
    }

    /// The peer speaks plain text. It is told so in its own language.
    fn answer_plain_text(&mut self, bytes: &[u8]) -> io::Error {
        if let Some(handshake) = self.under_way.take() {
            handshake.failed(HandshakeFailure::PlainText);
        }
        let protocol = self.speaks.only().unwrap_or_else(|| first_words(bytes));
        // The connection is closed whether or not the peer still hears it.
        let _ = self.transport.write(plain_text_refusal(protocol));
        self.is_broken = true;
        let what = format!("the peer speaks {protocol} in plain text, and this listener TLS alone");
        io::Error::new(io::ErrorKind::InvalidData, what)
    }

    /// Hands the system what is encrypted: whether it took all of it.
    fn flush(&mut self) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut BelowTls(&mut self.transport)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn write_parts(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.may_take_more = false;
        let len = parts.iter().map(|part| part.len()).sum();
        if self.under_way.is_some() || self.is_broken {
            // Nobody would understand it.
            return Ok(len);
        }
        let mut written = 0;
        loop {
            if !self.flush()? {
                return if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) };
            }
            written += std::mem::take(&mut self.unreported);
            if written >= len {
                return Ok(written);
            }
            if written >= WRITE_BYTES_MAX {
                self.may_take_more = true;
                return Ok(written);
            }
            let mut some = ArrayVec::<IoSlice<'_>, PARTS_MAX>::new();
            let (mut passed, mut room) = (written, PART_BYTES);
            for part in parts {
                let left = &part[passed.min(part.len())..];
                passed -= part.len() - left.len();
                let left = &left[..left.len().min(room)];
                room -= left.len();
                if !left.is_empty() && some.try_push(IoSlice::new(left)).is_err() {
                    break;
                }
            }
            self.unreported = self.connection.writer().write_vectored(&some)?;
        }
    }

    /// Tells the peer that nothing more will come.
    fn say_goodbye(&mut self) {
        if self.under_way.is_none() && !self.is_broken && !self.said_goodbye {
            self.said_goodbye = true;
            self.connection.send_close_notify();
            // The connection is closed whether or not the peer still hears it.
            let _ = self.flush();
        }
    }
}

impl<T: Stream> Drop for TlsStream<T> {
    fn drop(&mut self) {
        if self.unreported == 0 {
            self.say_goodbye();
        }
        if let Some(handshake) = self.under_way.take() {
            handshake.failed(HandshakeFailure::Closed);
        }
    }
}

/// A stream as rustls writes to it.
struct BelowTls<'a, T>(&'a mut T);

impl<T: Stream> Write for BelowTls<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a peer is told that speaks plain text where TLS is spoken.
fn plain_text_refusal(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http => {
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 56\r\nConnection: close\r\n\r\n\
              This port speaks TLS: write https:// instead of http://\n"
        }
        Protocol::Redis => b"-ERR this port speaks TLS: connect with TLS, as with rediss://\r\n",
        Protocol::Memcached => b"SERVER_ERROR this port speaks TLS: connect with TLS\r\n",
    }
}

#[cfg(test)]
mod tests;
