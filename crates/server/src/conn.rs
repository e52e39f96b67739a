//! One connection: reads its socket, has its requests answered, writes the answers, and waits when its peer does not read.

use std::io;

use mio::Registry;

use crate::answer::{Answered, Desk, Next, Session};
use crate::clock::{Clock, ticks_of};
use crate::endpoint::Speaks;
use crate::journal::Journal;
use crate::options::Options;
use crate::socket::Socket;
use crate::tally::Tally;

/// Answers of at least this size that could not be written are kept by moving the buffer, smaller ones by copying them.
const MOVE_BYTES_MIN: usize = 16 * 1024;

/// How long a connection that was refused is read from, so that the refusal reaches a peer that is still sending.
const LINGER_TICKS: u32 = 8;

/// A connection. It holds no buffer while it is idle.
#[derive(Debug)]
pub(crate) struct Conn {
    socket: Socket,
    session: Session,
    /// The beginning of a request that is not whole, or requests that wait for the peer to read.
    input: Vec<u8>,
    /// Answers that the socket did not take, from `written` on.
    output: Vec<u8>,
    written: usize,
    phase: Phase,
    /// Since when, in ticks, the connection waits for what it waits for.
    since: u32,
    waits: Waits,
    /// The socket may have bytes that were not read.
    readable: bool,
    /// The peer will send no more than what the socket already has.
    hung_up: bool,
    /// The loop is asked to say when the socket has room.
    watched: bool,
    /// `input` holds whole requests.
    stalled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Closes once the output is written.
    Closing,
    /// As `Closing`, but the peer may still be sending.
    Refusing,
    /// Everything is written and the peer knows; what it still sends is thrown away.
    Lingering,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Request,
    RestOfRequest,
    Reader,
    Farewell,
}

/// What the loop does with a connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing, until the socket has news.
    Keep,
    /// Serve it again once the others had their turn.
    Again,
    /// Drop it.
    Close,
}

/// What a loop lends to a connection while it is served.
pub(crate) struct Turn<'a, 'store> {
    pub(crate) registry: &'a Registry,
    pub(crate) token: usize,
    pub(crate) desk: &'a mut Desk<'store>,
    /// What is read lands here.
    pub(crate) room: &'a mut [u8],
    /// Answers gather here; empty between two turns.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) clock: &'a Clock,
    pub(crate) journal: &'a mut Journal,
    /// Bytes that the loop's connections hold, and how many they may.
    pub(crate) held_bytes: &'a mut usize,
    pub(crate) held_bytes_max: usize,
    /// The server is shutting down.
    pub(crate) draining: bool,
}

/// The timeouts of [`Options`] in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    idle: u32,
    short_lived_idle: u32,
    request: u32,
    write: u32,
}

impl Timeouts {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            idle: options.idle_timeout.map_or(u32::MAX, ticks_of),
            short_lived_idle: options.http_idle_timeout.map_or(u32::MAX, ticks_of),
            request: ticks_of(options.request_timeout),
            write: ticks_of(options.write_timeout),
        }
    }
}

impl Conn {
    pub(crate) fn new(socket: Socket, speaks: Speaks, options: &Options, ticks: u32) -> Self {
        Self {
            socket,
            session: Session::new(speaks, options),
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            phase: Phase::Open,
            since: ticks,
            waits: Waits::Request,
            readable: true,
            hung_up: false,
            watched: false,
            stalled: false,
        }
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Notes what the loop was told about the socket.
    pub(crate) fn note(&mut self, readable: bool, hung_up: bool) {
        self.readable |= readable;
        self.hung_up |= hung_up;
    }

    /// Bytes in this connection's own buffers.
    pub(crate) fn held_bytes(&self) -> usize {
        self.input.len() + (self.output.len() - self.written) + self.session.held_bytes()
    }

    /// One turn: at most one read and one write, or two writes when answers were waiting.
    pub(crate) fn serve(&mut self, turn: &mut Turn<'_, '_>) -> Outcome {
        let held_before = self.held_bytes();
        let outcome = match self.progress(turn) {
            Ok(outcome) => outcome,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Outcome::Again,
            // The peer is gone; there is nobody to tell.
            Err(_) => Outcome::Close,
        };
        let held = self.held_bytes();
        *turn.held_bytes = *turn.held_bytes + held - held_before;
        let waits = self.waiting_for();
        if waits != self.waits {
            (self.waits, self.since) = (waits, turn.clock.ticks());
        }
        if held > held_before && *turn.held_bytes > turn.held_bytes_max {
            turn.journal.peer(turn.clock.now(), &self.socket, "all connections together hold too many bytes");
            return Outcome::Close;
        }
        if turn.draining && outcome == Outcome::Keep && waits == Waits::Request && !self.readable {
            return Outcome::Close;
        }
        outcome
    }

    fn waiting_for(&self) -> Waits {
        if self.phase == Phase::Lingering {
            Waits::Farewell
        } else if !self.output.is_empty() {
            Waits::Reader
        } else if !self.input.is_empty() {
            Waits::RestOfRequest
        } else {
            Waits::Request
        }
    }

    fn progress(&mut self, turn: &mut Turn<'_, '_>) -> io::Result<Outcome> {
        if !self.output.is_empty() && !self.write_waiting(turn)? {
            return Ok(Outcome::Keep);
        }
        match self.phase {
            Phase::Open if self.stalled => {
                let input = std::mem::take(&mut self.input);
                let answered = self.answer(&input, turn);
                self.input = input;
                self.input.drain(..answered.consumed);
                self.deliver(answered.next, turn)
            }
            Phase::Open if self.readable => self.read(turn),
            Phase::Open => Ok(Outcome::Keep),
            Phase::Closing | Phase::Refusing => self.end(),
            Phase::Lingering => self.linger(turn),
        }
    }

    fn read(&mut self, turn: &mut Turn<'_, '_>) -> io::Result<Outcome> {
        let bytes = match self.socket.read(turn.room) {
            Ok(0) => return Ok(Outcome::Close),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Outcome::Keep);
            }
            Err(error) => return Err(error),
        };
        turn.desk.tally().bytes_read.add(bytes as u64);
        // A read that did not fill the room has emptied the socket, unless the end of the stream is still in it.
        self.readable = bytes == turn.room.len() || self.hung_up;
        let answered = if self.input.is_empty() {
            let room = std::mem::take(&mut turn.room);
            let answered = self.answer(&room[..bytes], turn);
            if answered.consumed < bytes {
                self.input.extend_from_slice(&room[answered.consumed..bytes]);
            }
            turn.room = room;
            answered
        } else {
            self.input.extend_from_slice(&turn.room[..bytes]);
            let mut input = std::mem::take(&mut self.input);
            let answered = self.answer(&input, turn);
            if answered.consumed < input.len() {
                input.drain(..answered.consumed);
                self.input = input;
            }
            answered
        };
        self.deliver(answered.next, turn)
    }

    fn answer(&mut self, input: &[u8], turn: &mut Turn<'_, '_>) -> Answered {
        let answered = turn.desk.answer(&mut self.session, input, turn.clock.date(), turn.out);
        if answered.consumed > 0 {
            // A request became whole: the time for the next one begins.
            self.since = turn.clock.ticks();
        }
        answered
    }

    /// Writes the answers that have gathered, and decides how it goes on.
    fn deliver(&mut self, next: Next, turn: &mut Turn<'_, '_>) -> io::Result<Outcome> {
        if let Some(error) = turn.desk.take_trouble() {
            turn.journal.trouble(turn.clock.now(), &error, "a lookup failed");
        }
        self.stalled = next == Next::Full;
        match next {
            Next::NeedMore | Next::Full => {}
            Next::Close => self.phase = Phase::Closing,
            Next::Refused(reason) => {
                turn.desk.tally().protocol_errors.add(1);
                turn.journal.peer(turn.clock.now(), &self.socket, reason);
                self.phase = Phase::Refusing;
            }
        }
        let unread = !self.input.is_empty();
        if self.phase != Phase::Open {
            if unread {
                self.phase = Phase::Refusing;
            }
            self.input = Vec::new();
        } else if !unread {
            self.input = Vec::new();
        }
        let all_written = turn.out.is_empty() || self.write_out(turn)?;
        match self.phase {
            _ if !all_written => Ok(Outcome::Keep),
            Phase::Open if self.stalled || self.readable => Ok(Outcome::Again),
            Phase::Open => Ok(Outcome::Keep),
            _ => self.end(),
        }
    }

    /// Writes what has just been answered: whether the socket took it all.
    fn write_out(&mut self, turn: &mut Turn<'_, '_>) -> io::Result<bool> {
        let written = match self.socket.write(turn.out) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                turn.out.clear();
                return Err(error);
            }
        };
        turn.desk.tally().bytes_written.add(written as u64);
        if written == turn.out.len() {
            turn.out.clear();
            return Ok(true);
        }
        if turn.out.len() - written >= MOVE_BYTES_MIN {
            self.output = std::mem::take(turn.out);
            self.written = written;
        } else {
            self.output = turn.out[written..].to_vec();
            self.written = 0;
            turn.out.clear();
        }
        if !self.watched {
            self.socket.watch_writable(turn.registry, turn.token)?;
            self.watched = true;
        }
        Ok(false)
    }

    /// Writes answers that wait: whether the socket took all that is left.
    fn write_waiting(&mut self, turn: &mut Turn<'_, '_>) -> io::Result<bool> {
        match self.socket.write(&self.output[self.written..]) {
            Ok(written) => {
                self.written += written;
                turn.desk.tally().bytes_written.add(written as u64);
                self.since = turn.clock.ticks();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.written < self.output.len() {
            return Ok(false);
        }
        (self.output, self.written) = (Vec::new(), 0);
        Ok(true)
    }

    /// Everything is written: closes, or lingers while the peer may still be sending. Closing at once would have the
    /// kernel reset the connection, and the peer might never see the answer.
    fn end(&mut self) -> io::Result<Outcome> {
        if self.phase == Phase::Closing {
            return Ok(Outcome::Close);
        }
        self.socket.end_output()?;
        self.phase = Phase::Lingering;
        Ok(Outcome::Again)
    }

    fn linger(&mut self, turn: &mut Turn<'_, '_>) -> io::Result<Outcome> {
        match self.socket.read(turn.room) {
            Ok(0) => Ok(Outcome::Close),
            Ok(_) => Ok(Outcome::Again),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Outcome::Keep),
            Err(error) => Err(error),
        }
    }

    /// Whether the connection has waited too long. A peer that can be told is told.
    pub(crate) fn is_overdue(
        &mut self,
        timeouts: &Timeouts,
        clock: &Clock,
        journal: &mut Journal,
        tally: &Tally,
    ) -> bool {
        let (most, reason) = match self.waits {
            Waits::Request if self.session.is_short_lived() => (timeouts.short_lived_idle, None),
            Waits::Request => (timeouts.idle, None),
            Waits::RestOfRequest => (timeouts.request, Some("a request did not become whole in time")),
            Waits::Reader => (timeouts.write, Some("the peer does not read its answers")),
            Waits::Farewell => (LINGER_TICKS, None),
        };
        if clock.ticks().saturating_sub(self.since) < most {
            return false;
        }
        if let Some(reason) = reason {
            journal.peer(clock.now(), &self.socket, reason);
            tally.timeouts.add(1);
        }
        if self.waits == Waits::RestOfRequest {
            let mut farewell = Vec::new();
            self.session.timed_out(clock.date(), &mut farewell);
            // The connection is closed whether or not the peer still hears it.
            let _ = self.socket.write(&farewell);
        }
        true
    }
}
