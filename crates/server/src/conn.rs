//! One connection: reads its socket, has its requests answered, writes the answers, and waits when its peer does not read.

use std::io;

use graven_format::Store;
use mio::Registry;

use crate::answer::{Answered, Desk, Lone, Next, Session};
use crate::clock::{Clock, ticks_of};
use crate::endpoint::Speaks;
use crate::journal::Journal;
use crate::options::Options;
use crate::output::Output;
use crate::socket::Socket;

/// Requests that wait for the table, in bytes, up to which those behind them are read.
const READ_AHEAD_BYTES: usize = 16 * 1024;

/// How long a connection that has ended is read from, so that its answers reach a peer that is still sending.
const LINGER_TICKS: u32 = 8;

/// A connection. It holds no buffer while it is idle.
#[derive(Debug)]
pub(crate) struct Conn<'t> {
    socket: Socket,
    session: Session,
    /// The beginning of a request that is not whole, or requests that wait for the peer to read.
    input: Vec<u8>,
    /// Answers that the socket did not take, from `written` on.
    output: Output<'t>,
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
    /// The requests in `input` wait until the table was read for them.
    reading: bool,
    /// Bytes in the buffers after the last turn.
    held_bytes: usize,
    /// Its turn is about to come.
    called: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last answer was given; it goes on once the output is written.
    Ending,
    /// Everything is written and the peer knows; what it still sends is thrown away until it has closed, too.
    Lingering,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Request,
    RestOfRequest,
    Reader,
    Disk,
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

/// What the first half of a turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is nothing to answer.
    Nothing(Outcome),
    /// So many bytes were read into the room, and nothing else is to be answered.
    Bytes(usize),
    /// The connection holds requests that may be whole.
    More,
}

/// What a loop lends to a connection while it is served.
pub(crate) struct Turn<'a, 'store> {
    pub(crate) means: &'a mut Means<'store>,
    pub(crate) token: usize,
    /// Answers to the connection gather here; empty between two turns.
    pub(crate) out: &'a mut Output<'store>,
}

/// What all connections of a loop share.
pub(crate) struct Means<'store> {
    pub(crate) registry: Registry,
    pub(crate) desk: Desk<'store>,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) timeouts: Timeouts,
    /// Bytes that the connections hold, and how many they may.
    pub(crate) held_bytes: usize,
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

impl<'t> Conn<'t> {
    pub(crate) fn new(
        socket: Socket,
        speaks: Speaks,
        store: &'t Store,
        options: &Options,
        ticks: u32,
    ) -> Self {
        Self {
            socket,
            session: Session::new(speaks, options),
            input: Vec::new(),
            output: Output::new(store),
            written: 0,
            phase: Phase::Open,
            since: ticks,
            waits: Waits::Request,
            readable: true,
            hung_up: false,
            watched: false,
            stalled: false,
            reading: false,
            held_bytes: 0,
            called: false,
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

    /// What its requests were waiting for was read.
    pub(crate) fn go_on(&mut self) {
        self.reading = false;
        self.stalled = true;
        // The end of the stream may have been seen and passed over.
        self.readable = true;
    }

    /// Bytes in this connection's own buffers after its last turn.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Notes that its turn comes: whether that is news.
    pub(crate) fn call(&mut self) -> bool {
        !std::mem::replace(&mut self.called, true)
    }

    /// The first half of a turn: writes answers that were waiting, and reads at most once.
    pub(crate) fn hear(&mut self, turn: &mut Turn<'_, 't>, room: &mut [u8]) -> io::Result<Heard> {
        self.called = false;
        if !self.output.is_empty() && !self.write_waiting(turn)? {
            return Ok(Heard::Nothing(Outcome::Keep));
        }
        match self.phase {
            Phase::Open if self.reading => self.read_ahead(turn, room),
            Phase::Open if self.stalled => Ok(Heard::More),
            Phase::Open if self.readable => self.read(turn, room),
            Phase::Open => Ok(Heard::Nothing(Outcome::Keep)),
            Phase::Ending => self.end().map(Heard::Nothing),
            Phase::Lingering => self.linger(room).map(Heard::Nothing),
        }
    }

    /// The key and the manner of a request that was read as `input` and came alone, so that it can be looked up together
    /// with those of other connections.
    pub(crate) fn lone<'i>(&mut self, input: &'i [u8], turn: &mut Turn<'_, 't>) -> Option<Lone<'i>> {
        let lone = turn.means.desk.lone(&self.session, input)?;
        self.since = turn.means.clock.ticks();
        Some(lone)
    }

    /// Answers what was read as `input`, and keeps what is not answered.
    pub(crate) fn answer_read(&mut self, input: &[u8], turn: &mut Turn<'_, 't>) -> Next {
        let answered = self.answer(input, turn);
        self.input.extend_from_slice(&input[answered.consumed..]);
        answered.next
    }

    /// Answers what the connection holds.
    pub(crate) fn answer_held(&mut self, turn: &mut Turn<'_, 't>) -> Next {
        let mut input = std::mem::take(&mut self.input);
        let answered = self.answer(&input, turn);
        input.drain(..answered.consumed);
        self.input = input;
        answered.next
    }

    /// The end of a turn: keeps the books, and says how it goes on.
    pub(crate) fn settle(&mut self, outcome: io::Result<Outcome>, turn: &mut Turn<'_, 't>) -> Outcome {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Outcome::Again,
            // The peer is gone; there is nobody to tell.
            Err(_) => Outcome::Close,
        };
        let held_now = self.own_bytes();
        let held_before = std::mem::replace(&mut self.held_bytes, held_now);
        turn.means.held_bytes = turn.means.held_bytes + self.held_bytes - held_before;
        let waits = self.waiting_for();
        if waits != self.waits {
            (self.waits, self.since) = (waits, turn.means.clock.ticks());
        }
        if self.held_bytes > held_before && turn.means.held_bytes > turn.means.held_bytes_max {
            turn.means.journal.peer(
                turn.means.clock.now(),
                &self.socket,
                "all connections together hold too many bytes",
            );
            return Outcome::Close;
        }
        if turn.means.draining && outcome == Outcome::Keep && waits == Waits::Request && !self.readable {
            return Outcome::Close;
        }
        outcome
    }

    fn own_bytes(&self) -> usize {
        self.input.len() + self.output.own_bytes() + self.session.held_bytes()
    }

    fn waiting_for(&self) -> Waits {
        if self.phase == Phase::Lingering {
            Waits::Farewell
        } else if !self.output.is_empty() {
            Waits::Reader
        } else if self.reading {
            Waits::Disk
        } else if !self.input.is_empty() {
            Waits::RestOfRequest
        } else {
            Waits::Request
        }
    }

    fn read(&mut self, turn: &Turn<'_, 't>, room: &mut [u8]) -> io::Result<Heard> {
        let bytes = match self.socket.read(room) {
            Ok(0) => return Ok(Heard::Nothing(Outcome::Close)),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Heard::Nothing(Outcome::Keep));
            }
            Err(error) => return Err(error),
        };
        turn.means.desk.tally().bytes_read.add(bytes as u64);
        // A read that did not fill the room has emptied the socket, unless the end of the stream is still in it.
        self.readable = bytes == room.len() || self.hung_up;
        if self.input.is_empty() {
            return Ok(Heard::Bytes(bytes));
        }
        self.input.extend_from_slice(&room[..bytes]);
        Ok(Heard::More)
    }

    /// Reads while requests wait for the table, so that those behind them are asked for as well.
    fn read_ahead(&mut self, turn: &Turn<'_, 't>, room: &mut [u8]) -> io::Result<Heard> {
        if !self.may_read_ahead() {
            return Ok(Heard::Nothing(Outcome::Keep));
        }
        match self.read(turn, room)? {
            Heard::Nothing(Outcome::Close) => {
                // The peer sends no more, and is still answered.
                self.readable = false;
                Ok(Heard::Nothing(Outcome::Keep))
            }
            heard => Ok(heard),
        }
    }

    fn may_read_ahead(&self) -> bool {
        self.readable && self.input.len() < READ_AHEAD_BYTES
    }

    fn answer(&mut self, input: &[u8], turn: &mut Turn<'_, 't>) -> Answered {
        let answered = turn.means.desk.answer(&mut self.session, input, turn.means.clock.date(), turn.out);
        if let Some(reads) = turn.means.desk.reads() {
            reads.settle(turn.token);
        }
        if answered.consumed > 0 {
            // A request became whole: the time for the next one begins.
            self.since = turn.means.clock.ticks();
        }
        answered
    }

    /// The second half of a turn: writes the answers that have gathered, and decides how it goes on.
    pub(crate) fn deliver(&mut self, next: Next, turn: &mut Turn<'_, 't>) -> io::Result<Outcome> {
        if let Some(error) = turn.means.desk.take_trouble() {
            turn.means.journal.trouble(turn.means.clock.now(), &error, "a lookup failed");
        }
        self.stalled = next == Next::Full;
        self.reading = next == Next::Reading;
        match next {
            Next::NeedMore | Next::Full | Next::Reading => {}
            Next::Close => self.phase = Phase::Ending,
            Next::Refused(reason) => {
                turn.means.desk.tally().protocol_errors.add(1);
                turn.means.journal.peer(turn.means.clock.now(), &self.socket, reason);
                self.phase = Phase::Ending;
            }
        }
        if self.phase != Phase::Open || self.input.is_empty() {
            self.input = Vec::new();
        }
        let all_written = turn.out.is_empty() || self.write_out(turn)?;
        if !all_written && self.reading {
            // Pieces are not kept for a peer that does not read: it asks again when it has.
            if let Some(reads) = turn.means.desk.reads() {
                reads.forget(turn.token);
            }
            (self.reading, self.stalled) = (false, true);
        }
        match self.phase {
            _ if !all_written => Ok(Outcome::Keep),
            Phase::Open if self.reading && !self.may_read_ahead() => Ok(Outcome::Keep),
            Phase::Open if self.stalled || self.readable => Ok(Outcome::Again),
            Phase::Open => Ok(Outcome::Keep),
            _ => self.end(),
        }
    }

    /// Writes what has just been answered: whether the socket took it all.
    fn write_out(&mut self, turn: &mut Turn<'_, 't>) -> io::Result<bool> {
        let written = match turn.out.write(0, &mut self.socket) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                turn.out.clear();
                return Err(error);
            }
        };
        turn.means.desk.tally().bytes_written.add(written as u64);
        if written == turn.out.len() {
            turn.out.clear();
            return Ok(true);
        }
        (self.output, self.written) = turn.out.take_rest(written);
        if !self.watched {
            self.socket.watch_writable(&turn.means.registry, turn.token)?;
            self.watched = true;
        }
        Ok(false)
    }

    /// Writes answers that wait: whether the socket took all that is left.
    fn write_waiting(&mut self, turn: &mut Turn<'_, 't>) -> io::Result<bool> {
        match self.output.write(self.written, &mut self.socket) {
            Ok(written) => {
                self.written += written;
                turn.means.desk.tally().bytes_written.add(written as u64);
                self.since = turn.means.clock.ticks();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.written < self.output.len() {
            return Ok(false);
        }
        self.output.reset();
        self.written = 0;
        Ok(true)
    }

    /// Everything is written: says so, and lingers until the peer has closed. Closing at once would have the kernel reset the
    /// connection as soon as one more byte came, and the peer might never see its answers.
    fn end(&mut self) -> io::Result<Outcome> {
        self.socket.end_output()?;
        self.phase = Phase::Lingering;
        Ok(if self.readable { Outcome::Again } else { Outcome::Keep })
    }

    fn linger(&mut self, room: &mut [u8]) -> io::Result<Outcome> {
        match self.socket.read(room) {
            Ok(0) => Ok(Outcome::Close),
            Ok(_) => Ok(Outcome::Again),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Outcome::Keep),
            Err(error) => Err(error),
        }
    }

    /// Whether the connection has waited too long. A peer that can be told is told.
    pub(crate) fn is_overdue(&mut self, means: &mut Means<'_>) -> bool {
        let Means { timeouts, clock, journal, desk, .. } = means;
        let (most, reason) = match self.waits {
            Waits::Request if self.session.is_short_lived() => (timeouts.short_lived_idle, None),
            Waits::Request => (timeouts.idle, None),
            Waits::RestOfRequest => (timeouts.request, Some("a request did not become whole in time")),
            // The system answers every read, though it be with an error.
            Waits::Disk => return false,
            Waits::Reader => (timeouts.write, Some("the peer does not read its answers")),
            Waits::Farewell => (LINGER_TICKS, None),
        };
        if clock.ticks().saturating_sub(self.since) < most {
            return false;
        }
        if let Some(reason) = reason {
            journal.peer(clock.now(), &self.socket, reason);
            desk.tally().timeouts.add(1);
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
