//! One connection: what it has received, what it has to send, and what it waits for.

use std::io;
use std::sync::Arc;

use crate::answer::{ConnectionSlot, Farewell, Next, Responder, Session};
use crate::buffered::Buffered;
use crate::clients::ClientEntry;
use crate::clock::{Clock, TICK, ticks_of};
use crate::input::InputBuffer;
use crate::journal::Journal;
use crate::listener::ListenerRules;
use crate::options::ServerOptions;
use crate::output::OutputBuffer;
use crate::proxied::ProxyRefusal;
use crate::request_log::WaitReason;
use crate::system::{Stream, System};

/// Requests that wait for blocks, in bytes, up to which those behind them are read.
const READ_AHEAD_BYTES: usize = 16 * 1024;

/// The first byte of a TLS handshake, and of no request in any protocol.
const TLS_HANDSHAKE: u8 = 0x16;

/// A TLS alert, fatal: `handshake_failure`.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28];

/// How long a connection that has ended is read from, so that its answers reach a peer that is still sending.
const LINGER_TICKS: u32 = 8;

/// The same while the server shuts down.
const LINGER_TICKS_DRAINING: u32 = 2;

/// How long after a shutdown has begun a connection may go on sending requests and is answered.
const DRAINING_TICKS: u32 = 1;

/// A connection. It holds no buffer while it is idle.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    /// What others may know of it.
    client: Arc<ClientEntry>,
    session: Session,
    /// The beginning of a request that is not whole, or requests that wait.
    input: InputBuffer,
    /// Answers that the stream did not take, from `written` on.
    output: OutputBuffer,
    written: usize,
    phase: Phase,
    /// Since when, in ticks, the connection waits for what it waits for.
    since: u32,
    waits: Waits,
    /// The stream may have bytes that were not read.
    readable: bool,
    /// The peer will send no more than what the stream already has.
    hung_up: bool,
    /// The end of what the peer sends was read, and is read again when all before it is answered.
    ended: bool,
    /// The loop is told when the stream has room.
    watched: bool,
    /// Requests wait for a turn.
    stalled: bool,
    /// Requests wait until a block was read.
    reading: bool,
    /// As many bytes wait as may, and the stream has more.
    brimful: bool,
    /// Bytes in the buffers after the last turn.
    held_bytes: usize,
    /// Its turn is about to come.
    queued: bool,
    /// No request has become whole yet.
    is_fresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last answer was given; it goes on once the output is written. What the peer sends meanwhile is thrown away.
    Ending,
    /// Everything is written and the peer knows; what it still sends is thrown away until it has closed, too.
    Lingering,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For a PROXY header, and the end of the TLS handshake.
    Handshake,
    Request,
    RestOfRequest,
    Reader,
    Block,
    Close,
}

/// What the loop does with a connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopAction {
    /// Nothing, until there is an event.
    Keep,
    /// Serve it again once the others had their turn.
    Again,
    /// Drop it.
    Close,
}

/// What there is to answer in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Nothing(LoopAction),
    /// So many bytes were read into the room, and nothing was waiting before them.
    Read(usize),
    /// What the connection holds.
    Held,
}

/// What all connections of a loop share.
#[derive(Debug)]
pub(crate) struct LoopShared<'a, S: System> {
    pub(crate) system: S,
    pub(crate) responder: Responder<'a, S::Reader>,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) timeouts: TimeoutTicks,
    pub(crate) buffered: &'a Buffered,
    /// The server is shutting down, since this tick.
    pub(crate) draining_since: Option<u32>,
}

/// The timeouts of [`ServerOptions`] in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeoutTicks {
    idle: u32,
    short_lived_idle: u32,
    request: u32,
    stalled: u32,
    write: u32,
    handshake: u32,
}

impl TimeoutTicks {
    pub(crate) fn new(options: &ServerOptions) -> Self {
        Self {
            idle: options.timeouts.idle.map_or(u32::MAX, ticks_of),
            short_lived_idle: options.timeouts.http_idle.map_or(u32::MAX, ticks_of),
            request: ticks_of(options.timeouts.request),
            stalled: ticks_of(options.timeouts.stalled.min(options.timeouts.write)),
            write: ticks_of(options.timeouts.write),
            handshake: ticks_of(options.tls.handshake_timeout),
        }
    }
}

impl<S: Stream> Connection<S> {
    pub(crate) fn new(
        stream: S,
        rules: ListenerRules,
        client: Arc<ClientEntry>,
        options: &ServerOptions,
        ticks: u32,
    ) -> Self {
        let session = Session::new(rules, &client, options);
        let waits = if stream.is_handshaking() { Waits::Handshake } else { Waits::Request };
        Self {
            stream,
            client,
            session,
            input: InputBuffer::default(),
            output: OutputBuffer::default(),
            written: 0,
            phase: Phase::Open,
            since: ticks,
            waits,
            readable: true,
            hung_up: false,
            ended: false,
            watched: false,
            stalled: false,
            reading: false,
            brimful: false,
            held_bytes: 0,
            queued: false,
            is_fresh: true,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) fn client(&self) -> &Arc<ClientEntry> {
        &self.client
    }

    /// Writes down for others how it is now.
    pub(crate) fn record(&self, clock: &Clock) {
        let idle = TICK * clock.ticks().saturating_sub(self.since);
        let mut state = self.client.state();
        state.active = clock.now().checked_sub(idle).unwrap_or(clock.now());
        state.input_bytes = self.input.len();
        state.output_bytes = self.output.len() - self.written;
        self.session.record(&mut state);
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Notes what the loop was told about the stream.
    pub(crate) fn note(&mut self, readable: bool, hung_up: bool) {
        self.readable |= readable;
        self.hung_up |= hung_up;
    }

    /// It has a turn to get although nothing came of its peer, if that peer is to be told of switches; whether it is.
    pub(crate) fn note_switch(&mut self) -> bool {
        let is_told = self.phase == Phase::Open && self.session.is_tracking();
        self.stalled |= is_told && !self.reading;
        is_told
    }

    /// The block has come that its requests were waiting for.
    pub(crate) fn block_has_come(&mut self) {
        self.stalled |= std::mem::replace(&mut self.reading, false);
    }

    /// Whether it has work left from an earlier turn.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.stalled || !self.output.is_empty()
    }

    /// Bytes in this connection's own buffers after its last turn.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Notes that its turn comes: whether that is news.
    pub(crate) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// The first part of a turn: writes answers that were waiting, and reads at most once.
    pub(crate) fn begin<Y: System<Stream = S>>(
        &mut self,
        shared: &mut LoopShared<'_, Y>,
        room: &mut [u8],
    ) -> io::Result<Begun> {
        self.queued = false;
        if !self.output.is_empty() && !self.write_waiting(shared)? {
            let outcome = self.read_on(shared, room)?;
            let goes_on = self.stream.may_take_more();
            return Ok(Begun::Nothing(if goes_on { LoopAction::Again } else { outcome }));
        }
        match self.phase {
            Phase::Open if self.reading && self.input.len() >= READ_AHEAD_BYTES => {
                Ok(Begun::Nothing(LoopAction::Keep))
            }
            Phase::Open if self.stalled => Ok(Begun::Held),
            Phase::Open if self.reading && self.ended => Ok(Begun::Nothing(LoopAction::Keep)),
            Phase::Open if self.readable || self.ended => self.read(shared, room),
            Phase::Open if self.stream.has_unsent() => self.read(shared, room),
            Phase::Open => Ok(Begun::Nothing(LoopAction::Keep)),
            Phase::Ending => self.end_output().map(Begun::Nothing),
            Phase::Lingering => self.throw_away(room).map(Begun::Nothing),
        }
    }

    fn read<Y: System<Stream = S>>(
        &mut self,
        shared: &mut LoopShared<'_, Y>,
        room: &mut [u8],
    ) -> io::Result<Begun> {
        match self.fill(shared, room)? {
            None => Ok(Begun::Nothing(LoopAction::Keep)),
            // The peer sends no more, and is still answered.
            Some(0) if self.reading => {
                self.ended = true;
                Ok(Begun::Nothing(LoopAction::Keep))
            }
            Some(0) => Ok(Begun::Nothing(LoopAction::Close)),
            Some(_) if room[0] == TLS_HANDSHAKE && self.is_fresh && self.input.is_empty() => {
                self.refuse_tls(shared).map(Begun::Nothing)
            }
            Some(bytes) if self.input.is_empty() && !self.reading => Ok(Begun::Read(bytes)),
            Some(bytes) => {
                self.input.extend(&room[..bytes]);
                Ok(Begun::Held)
            }
        }
    }

    /// The peer begins with TLS what is spoken in plain text. It is told so in its own language, which calls it a failed handshake.
    #[cold]
    fn refuse_tls<Y: System<Stream = S>>(
        &mut self,
        shared: &mut LoopShared<'_, Y>,
    ) -> io::Result<LoopAction> {
        shared.responder.loop_counters().protocol_errors.add(1);
        let reason = "the peer speaks TLS, and this listener does not";
        shared.journal.peer(shared.clock.now(), &self.stream, reason);
        // The connection is closed whether or not the peer still hears it.
        let _ = self.stream.write(&TLS_ALERT);
        self.end_output()
    }

    /// Reads once: how many bytes, or `None` when there are none for now.
    fn fill<Y: System<Stream = S>>(
        &mut self,
        shared: &LoopShared<'_, Y>,
        room: &mut [u8],
    ) -> io::Result<Option<usize>> {
        let read = self.stream.read(room);
        if self.waits == Waits::Handshake {
            // The read that ends a handshake may bring no request with it.
            if let Some(ends) = self.stream.announced() {
                self.client.set_announced(ends);
            }
            if !self.stream.is_handshaking() {
                self.client.set_certificate_name(self.stream.certificate_name());
            }
        }
        let bytes = match read {
            Ok(0) => {
                self.readable = false;
                return Ok(Some(0));
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        shared.responder.loop_counters().bytes_read.add(bytes as u64);
        // A read that did not fill the room has emptied the stream, unless its end is still in it.
        self.readable = bytes == room.len() || self.hung_up || self.stream.may_have_more();
        Ok(Some(bytes))
    }

    /// Reads on while answers wait to be read, so that a peer may send everything before it reads anything.
    fn read_on<Y: System<Stream = S>>(
        &mut self,
        shared: &LoopShared<'_, Y>,
        room: &mut [u8],
    ) -> io::Result<LoopAction> {
        if !self.readable {
            self.brimful = false;
            return Ok(LoopAction::Keep);
        }
        if self.phase == Phase::Ending {
            // Or the peer would not come to the end of what it sends, and read why it should not have.
            return self.throw_away(room);
        }
        self.brimful = self.own_bytes() >= shared.buffered.allowance();
        if self.brimful {
            return Ok(LoopAction::Keep);
        }
        match self.fill(shared, room)? {
            None => Ok(LoopAction::Keep),
            Some(0) => {
                self.ended = true;
                Ok(LoopAction::Keep)
            }
            Some(bytes) => {
                self.input.extend(&room[..bytes]);
                self.stalled = true;
                Ok(if self.readable { LoopAction::Again } else { LoopAction::Keep })
            }
        }
    }

    /// What the connection holds to be answered, while it is served; given back with [`Self::finish`].
    pub(crate) fn take_input(&mut self) -> InputBuffer {
        std::mem::take(&mut self.input)
    }

    /// The last part of a turn: keeps what is not answered of `held`, which was taken, or of `read`, which was received; writes
    /// the answers in `slot`, and decides how it goes on.
    pub(crate) fn finish<Y: System<Stream = S>>(
        &mut self,
        token: usize,
        received: Received<'_>,
        next: Next,
        slot: &mut ConnectionSlot,
        shared: &mut LoopShared<'_, Y>,
    ) -> io::Result<LoopAction> {
        if slot.consumed > 0 {
            // A request became whole: the time for the next one begins.
            self.since = shared.clock.ticks();
            self.is_fresh = false;
        }
        let mut next = slot.stop.map_or(next, Next::from);
        if slot.stop.is_some() {
            self.session.rewind();
        }
        match received {
            Received::Now(bytes) => {
                let left = &bytes[slot.consumed..];
                if !left.is_empty() {
                    self.input.extend(left);
                }
            }
            Received::Before(mut input) => {
                input.consume(slot.consumed);
                self.input = input;
            }
        }
        if next == Next::Full && self.input.is_empty() && !self.session.is_unfinished() {
            next = Next::NeedMore;
        }
        self.stalled = next == Next::Full;
        self.reading = next == Next::Reading;
        match next {
            Next::NeedMore | Next::Full | Next::Reading => {}
            Next::Close => self.phase = Phase::Ending,
            Next::Refused(reason) => {
                shared.responder.loop_counters().protocol_errors.add(1);
                shared.journal.peer(shared.clock.now(), &self.stream, reason);
                self.phase = Phase::Ending;
            }
        }
        if self.phase != Phase::Open {
            self.input = InputBuffer::default();
        }
        let all_written = slot.out.is_empty() || self.write_out(token, slot, shared)?;
        if !all_written && self.reading {
            // Blocks are not kept for a peer that does not read: it asks again when it has.
            if let Some(fetcher) = shared.responder.lookups().fetcher() {
                fetcher.forget(token);
            }
            (self.reading, self.stalled) = (false, true);
        }
        match self.phase {
            _ if !all_written => Ok(match self.readable || self.stream.may_take_more() {
                true => LoopAction::Again,
                false => LoopAction::Keep,
            }),
            Phase::Open if self.reading => {
                let reads_ahead = self.readable && self.input.len() < READ_AHEAD_BYTES;
                Ok(if reads_ahead { LoopAction::Again } else { LoopAction::Keep })
            }
            Phase::Open if self.stalled => Ok(LoopAction::Again),
            Phase::Open => Ok(if self.readable || self.ended { LoopAction::Again } else { LoopAction::Keep }),
            _ => self.end_output(),
        }
    }

    /// Writes what has just been answered: whether the stream took it all.
    fn write_out<Y: System<Stream = S>>(
        &mut self,
        token: usize,
        slot: &mut ConnectionSlot,
        shared: &mut LoopShared<'_, Y>,
    ) -> io::Result<bool> {
        let out = &mut slot.out;
        let written = match out.write(0, &mut self.stream) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                out.clear();
                return Err(error);
            }
        };
        shared.responder.loop_counters().bytes_written.add(written as u64);
        if written == out.len() {
            out.clear();
            return Ok(true);
        }
        (self.output, self.written) = out.take_rest(written);
        if !self.watched {
            shared.system.watch_writable(&mut self.stream, token)?;
            self.watched = true;
        }
        Ok(false)
    }

    /// Writes answers that wait: whether the stream took all that is left.
    fn write_waiting<Y: System<Stream = S>>(&mut self, shared: &LoopShared<'_, Y>) -> io::Result<bool> {
        match self.output.write(self.written, &mut self.stream) {
            Ok(written) => {
                self.written += written;
                shared.responder.loop_counters().bytes_written.add(written as u64);
                self.since = shared.clock.ticks();
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

    /// Everything is written: tells the peer, and lingers until it has closed. Closing at once would have the kernel reset the
    /// connection as soon as one more byte came, and the peer might never see its answers.
    fn end_output(&mut self) -> io::Result<LoopAction> {
        self.stream.end_output()?;
        self.phase = Phase::Lingering;
        Ok(if self.readable { LoopAction::Again } else { LoopAction::Keep })
    }

    /// Reads once what nobody wants any more.
    fn throw_away(&mut self, room: &mut [u8]) -> io::Result<LoopAction> {
        match self.stream.read(room) {
            Ok(0) if self.phase == Phase::Lingering => Ok(LoopAction::Close),
            Ok(0) => {
                self.readable = false;
                Ok(LoopAction::Keep)
            }
            Ok(_) => Ok(LoopAction::Again),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(LoopAction::Keep)
            }
            Err(error) => Err(error),
        }
    }

    /// The end of a turn: keeps the books, and says how it goes on.
    pub(crate) fn settle<Y: System<Stream = S>>(
        &mut self,
        outcome: io::Result<LoopAction>,
        shared: &mut LoopShared<'_, Y>,
    ) -> LoopAction {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => LoopAction::Again,
            // The stream cannot go on, and its peer was told why.
            Err(error) if error.kind() == io::ErrorKind::InvalidData && self.phase == Phase::Open => {
                if ProxyRefusal::is_why(&error) {
                    shared.responder.loop_counters().protocol_errors.add(1);
                }
                shared.journal.peer(shared.clock.now(), &self.stream, &error.to_string());
                self.end_output().unwrap_or(LoopAction::Close)
            }
            // The peer is gone; there is nobody to tell.
            Err(_) => LoopAction::Close,
        };
        let outcome = match self.is_ended_by_shutdown(outcome, shared) {
            true => {
                self.input = InputBuffer::default();
                self.end_output().unwrap_or(LoopAction::Close)
            }
            false => outcome,
        };
        let held_now = self.own_bytes();
        let held_before = std::mem::replace(&mut self.held_bytes, held_now);
        shared.buffered.change(held_before, held_now);
        let waits = self.waiting_for();
        if waits != self.waits {
            (self.waits, self.since) = (waits, shared.clock.ticks());
        }
        outcome
    }

    /// Whether the connection goes no further because the server shuts down: what was sent before is answered, and who goes on
    /// sending is ended behind an answer.
    fn is_ended_by_shutdown<Y: System<Stream = S>>(
        &self,
        outcome: LoopAction,
        shared: &LoopShared<'_, Y>,
    ) -> bool {
        let Some(since) = shared.draining_since else { return false };
        if self.phase != Phase::Open || outcome == LoopAction::Close {
            return false;
        }
        let had_its_time = shared.clock.ticks() > since + DRAINING_TICKS;
        match self.waiting_for() {
            Waits::Handshake | Waits::Request => {
                (outcome == LoopAction::Keep && !self.readable) || had_its_time
            }
            Waits::RestOfRequest => !self.stalled && self.readable && had_its_time,
            Waits::Reader | Waits::Block | Waits::Close => false,
        }
    }

    /// What requests wait for that have come whole; `None` where there are none, or that is not known.
    pub(crate) fn waits_with_requests(&self) -> Option<WaitReason> {
        match (self.reading, self.stalled) {
            (true, _) => Some(WaitReason::Disk),
            (_, true) if !self.output.is_empty() => Some(WaitReason::Peer),
            (_, true) => Some(WaitReason::Turn),
            _ => None,
        }
    }

    fn own_bytes(&self) -> usize {
        let own = self.input.held_bytes() + self.output.own_bytes() + self.session.held_bytes();
        own + self.stream.held_bytes()
    }

    fn waiting_for(&self) -> Waits {
        if self.phase == Phase::Lingering {
            Waits::Close
        } else if !self.output.is_empty() {
            Waits::Reader
        } else if self.reading {
            Waits::Block
        } else if !self.input.is_empty() {
            Waits::RestOfRequest
        } else if self.stream.is_handshaking() {
            Waits::Handshake
        } else {
            Waits::Request
        }
    }

    /// What becomes of the connection if it has waited too long; a peer that can be told is told. `None` if it has not.
    pub(crate) fn overdue<Y: System<Stream = S>>(
        &mut self,
        shared: &mut LoopShared<'_, Y>,
    ) -> Option<LoopAction> {
        let timeouts = &shared.timeouts;
        let is_brimful = self.brimful && self.phase == Phase::Open;
        let (most, reason) = match self.waits {
            Waits::Handshake if self.stream.awaits_proxy_header() => {
                (timeouts.handshake, Some("no PROXY header came in time"))
            }
            Waits::Handshake => (timeouts.handshake, Some("the TLS handshake did not end in time")),
            Waits::Request if self.session.is_short_lived() => (timeouts.short_lived_idle, None),
            Waits::Request => (timeouts.idle, None),
            // They wait for their turns, and not for the peer.
            Waits::RestOfRequest if self.stalled => return None,
            Waits::RestOfRequest => (timeouts.request, Some("a request did not become whole in time")),
            // The system answers every read, though it be with an error.
            Waits::Block => return None,
            Waits::Reader if is_brimful => {
                (timeouts.stalled, Some("the peer sends more than may wait and does not read its answers"))
            }
            Waits::Reader => (timeouts.write, Some("the peer does not read its answers")),
            Waits::Close if shared.draining_since.is_some() => (LINGER_TICKS_DRAINING, None),
            Waits::Close => (LINGER_TICKS, None),
        };
        if shared.clock.ticks().saturating_sub(self.since) < most {
            return None;
        }
        if let Some(reason) = reason {
            shared.journal.peer(shared.clock.now(), &self.stream, reason);
            shared.responder.loop_counters().timeouts.add(1);
        }
        match self.waits {
            Waits::Reader if is_brimful => return Some(self.dismiss(Farewell::AnswersNotRead, shared)),
            Waits::RestOfRequest => {
                let mut words = Vec::new();
                shared.responder.say_farewell(&self.session, Farewell::RequestTookTooLong, &mut words);
                // The connection is ended whether or not the peer still hears it.
                let _ = self.stream.write(&words);
                self.input = InputBuffer::default();
                let ended = self.end_output();
                return Some(self.settle(ended, shared));
            }
            _ => {}
        }
        Some(LoopAction::Close)
    }

    /// Closes the connection because it, of all connections, holds most.
    pub(crate) fn relieve<Y: System<Stream = S>>(&mut self, shared: &mut LoopShared<'_, Y>) -> LoopAction {
        let reason = "all connections together hold too many bytes, and this one most of them";
        shared.journal.peer(shared.clock.now(), &self.stream, reason);
        self.dismiss(Farewell::HoldsTheMost, shared)
    }

    /// Lets go of all requests, and ends the connection with `farewell` behind the answers that wait to be read.
    fn dismiss<Y: System<Stream = S>>(
        &mut self,
        farewell: Farewell,
        shared: &mut LoopShared<'_, Y>,
    ) -> LoopAction {
        /// Answers above this many bytes are not kept for a peer that has to go.
        const KEPT_BYTES_MAX: usize = 1024 * 1024;

        if self.phase != Phase::Open || self.output.own_bytes() > KEPT_BYTES_MAX {
            return self.settle(Ok(LoopAction::Close), shared);
        }
        shared.responder.say_farewell(&self.session, farewell, &mut self.output);
        self.session.forget_requests();
        self.input = InputBuffer::default();
        (self.stalled, self.reading, self.brimful) = (false, false, false);
        self.phase = Phase::Ending;
        self.since = shared.clock.ticks();
        self.settle(Ok(LoopAction::Again), shared)
    }
}

/// The bytes that a turn has answered from.
#[derive(Debug)]
pub(crate) enum Received<'r> {
    /// They came in this turn.
    Now(&'r [u8]),
    /// The connection has held them.
    Before(InputBuffer),
}

impl Received<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Now(bytes) => bytes,
            Self::Before(input) => input.left(),
        }
    }
}
