//! A network, a disk and a clock that a test owns, under the real event loop. Everything that happens follows from a seed:
//! in what pieces bytes arrive, when peers read, which reads of the disk end first, what is cut and what fails.

mod logins;
mod peer;
mod server;
mod tests;
mod timeouts;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use graven_blocks::{BlockReader, Read};

use crate::clients::Ends;
use crate::listener::ListenerRules;
use crate::system::{Event, Stream, System, Wake};

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether something happens that does so once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// One connection, as the kernel between both ends sees it.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Bytes on their way to the server, and from it.
    to_server: VecDeque<u8>,
    from_server: VecDeque<u8>,
    /// How many bytes may be on their way from the server.
    room: usize,
    token: Option<usize>,
    /// The server wants to know when there is room.
    watches_room: bool,
    was_full: bool,
    /// The peer sends no more; the server sends no more; the connection is broken.
    peer_ended: bool,
    server_ended: bool,
    reset: bool,
    /// The server has dropped its end.
    closed: bool,
}

/// All that is simulated.
#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) wires: Vec<Wire>,
    events: Vec<Event>,
    /// Reads that are asked for and have not ended, with what they will bring.
    under_way: Vec<(Read, io::Result<Vec<u8>>)>,
    ended: Vec<(Read, io::Result<Vec<u8>>)>,
    /// One read in so many fails; none at 0.
    pub(super) failing_reads: usize,
    pub(super) elapsed: Duration,
    /// The time of day, since 1970.
    pub(super) time_of_day: Duration,
}

/// The world, shared by the loop's system, its streams and the peers.
#[derive(Clone, Debug)]
pub(super) struct Handle(Rc<RefCell<World>>);

impl Handle {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(World {
            random: Random::new(seed),
            wires: Vec::new(),
            events: Vec::new(),
            under_way: Vec::new(),
            ended: Vec::new(),
            failing_reads: 0,
            elapsed: Duration::ZERO,
            time_of_day: Duration::ZERO,
        })))
    }

    pub(super) fn world(&self) -> std::cell::RefMut<'_, World> {
        self.0.borrow_mut()
    }

    /// A new connection, of which the server gets the returned end.
    pub(super) fn connect(&self, room: usize) -> SimulatedStream {
        let mut world = self.world();
        world.wires.push(Wire { room, ..Wire::default() });
        world.events.push(Event::Woken);
        SimulatedStream { world: self.clone(), wire: world.wires.len() - 1 }
    }
}

impl World {
    fn note_readable(&mut self, wire: usize) {
        let Wire { token, peer_ended, reset, .. } = self.wires[wire];
        if let Some(token) = token {
            self.events.push(Event::Stream { token, readable: true, hung_up: peer_ended || reset });
        }
    }

    /// The peer of `wire` sends `bytes`.
    pub(super) fn send(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].to_server.extend(bytes);
        self.note_readable(wire);
    }

    /// The peer sends no more.
    pub(super) fn end(&mut self, wire: usize) {
        self.wires[wire].peer_ended = true;
        self.note_readable(wire);
    }

    /// The connection breaks.
    pub(super) fn reset(&mut self, wire: usize) {
        self.wires[wire].reset = true;
        self.note_readable(wire);
    }

    /// The peer of `wire` takes at most `bytes_max` bytes.
    pub(super) fn receive(&mut self, wire: usize, bytes_max: usize) -> Vec<u8> {
        let from_server = &mut self.wires[wire].from_server;
        from_server.drain(..bytes_max.min(from_server.len())).collect()
    }

    /// Tells the server where there is room again.
    fn note_room(&mut self) {
        for wire in &mut self.wires {
            let has_room = wire.watches_room && wire.was_full && wire.from_server.len() < wire.room;
            if has_room && let Some(token) = wire.token {
                wire.was_full = false;
                self.events.push(Event::Stream { token, readable: false, hung_up: false });
            }
        }
    }

    /// Whether the server sends no more, and all that it has sent was taken.
    pub(super) fn is_over(&self, wire: usize) -> bool {
        let Wire { from_server, server_ended, closed, reset, .. } = &self.wires[wire];
        *reset || (from_server.is_empty() && (*server_ended || *closed))
    }

    /// Bytes that the server was sent and has not read.
    pub(super) fn unread(&self, wire: usize) -> usize {
        self.wires[wire].to_server.len()
    }

    pub(super) fn is_closed(&self, wire: usize) -> bool {
        self.wires[wire].closed
    }

    /// What is left to be done on each connection, for whoever wants to know why a run does not end.
    pub(super) fn states(&self) -> Vec<String> {
        let state = |wire: &Wire| {
            let Wire { to_server, from_server, watches_room, was_full, .. } = wire;
            let Wire { peer_ended, server_ended, reset, closed, .. } = wire;
            format!(
                "to server {}, from server {}, watches room {watches_room}, was full {was_full}, peer ended {peer_ended}, \
                 server ended {server_ended}, reset {reset}, closed {closed}",
                to_server.len(),
                from_server.len(),
            )
        };
        self.wires.iter().map(state).collect()
    }

    /// Lets one read of the disk end, any of those under way.
    pub(super) fn end_a_read(&mut self) -> bool {
        if self.under_way.is_empty() {
            return false;
        }
        let any = self.random.below(self.under_way.len());
        let read = self.under_way.swap_remove(any);
        self.ended.push(read);
        self.events.push(Event::ReadsEnded);
        true
    }
}

/// The server's end of a connection.
#[derive(Debug)]
pub(super) struct SimulatedStream {
    world: Handle,
    pub(super) wire: usize,
}

impl SimulatedStream {
    fn with<T>(&self, act: impl FnOnce(&mut Wire, &mut Random) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.world();
        let World { wires, random, .. } = &mut *world;
        let wire = &mut wires[self.wire];
        if wire.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        act(wire, random)
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        self.world.world().wires[self.wire].closed = true;
    }
}

impl Stream for SimulatedStream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.with(|wire, random| {
            if random.once_in(50) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let bytes = room.len().min(wire.to_server.len());
            for (byte, sent) in room.iter_mut().zip(wire.to_server.drain(..bytes)) {
                *byte = sent;
            }
            match bytes {
                0 if wire.peer_ended => Ok(0),
                0 => Err(io::ErrorKind::WouldBlock.into()),
                bytes => Ok(bytes),
            }
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|wire, random| {
            assert!(!wire.server_ended, "nothing is written behind the end");
            let room = wire.room - wire.from_server.len().min(wire.room);
            let taken = bytes.len().min(random.below(room + 1));
            wire.was_full |= taken < bytes.len();
            wire.from_server.extend(&bytes[..taken]);
            if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        })
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.write(&bytes)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.with(|wire, _| {
            wire.server_ended = true;
            Ok(())
        })
    }

    fn peer(&self) -> String {
        format!("peer {}", self.wire)
    }

    fn ends(&self) -> Ends {
        Ends::Unknown
    }

    fn descriptor(&self) -> i32 {
        -1
    }
}

/// A disk whose reads end in any order, some late, some not at all well.
#[derive(Debug)]
pub(super) struct SimulatedReader(Handle);

impl BlockReader for SimulatedReader {
    fn ask(&mut self, read: Read) {
        let alignment = read.span.alignment;
        let mut room = vec![0; read.span.len + alignment];
        let start = room.as_ptr().align_offset(alignment);
        let filled = read.file.read_at(&mut room[start..start + read.span.len], read.span.offset);
        let filled = filled.map(|bytes| room[start + read.span.skip.min(bytes)..start + bytes].to_vec());
        let mut world = self.0.world();
        let fails = world.failing_reads > 0 && {
            let times = world.failing_reads;
            world.random.once_in(times)
        };
        let outcome = if fails { Err(io::Error::from_raw_os_error(5)) } else { filled };
        world.under_way.push((read, outcome));
    }

    fn flush(&mut self) {}

    fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize {
        let taken: Vec<_> = {
            let mut world = self.0.world();
            let most = most.min(world.ended.len());
            world.ended.drain(..most).collect()
        };
        for (read, outcome) in &taken {
            match outcome {
                Ok(bytes) => ended(read, Ok(bytes)),
                Err(_) => ended(read, Err(io::Error::from_raw_os_error(5))),
            }
        }
        taken.len()
    }
}

/// The simulated system; `happen` is called for what the rest of the world does whenever the loop waits.
pub(super) struct Simulated<F> {
    world: Handle,
    began: Instant,
    happen: F,
}

impl<F> std::fmt::Debug for Simulated<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulated").finish_non_exhaustive()
    }
}

impl<F: FnMut(&mut World)> Simulated<F> {
    pub(super) fn new(world: Handle, happen: F) -> Self {
        Self { world, began: Instant::now(), happen }
    }
}

impl<F: FnMut(&mut World)> System for Simulated<F> {
    type Stream = SimulatedStream;
    type Reader = SimulatedReader;

    fn now(&self) -> Instant {
        self.began + self.world.world().elapsed
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.world.world().time_of_day
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let mut world = self.world.world();
        (self.happen)(&mut world);
        world.note_room();
        // Time passes with every look at it, and all of the timeout where nothing happens.
        let idle = world.events.is_empty();
        world.elapsed +=
            if idle { timeout.unwrap_or(Duration::from_secs(1)) } else { Duration::from_micros(20) };
        events.clear();
        events.append(&mut world.events);
        Ok(())
    }

    fn watch(&mut self, stream: &mut SimulatedStream, token: usize) -> io::Result<()> {
        let mut world = self.world.world();
        world.wires[stream.wire].token = Some(token);
        // As epoll does it: what is there already is an event.
        world.note_readable(stream.wire);
        Ok(())
    }

    fn watch_writable(&mut self, stream: &mut SimulatedStream, _: usize) -> io::Result<()> {
        let mut world = self.world.world();
        world.wires[stream.wire].watches_room = true;
        Ok(())
    }

    fn listeners(&self) -> usize {
        0
    }

    fn accept(&mut self, _: usize) -> io::Result<(SimulatedStream, ListenerRules)> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn stop_listening(&mut self) {}

    fn block_reader(&mut self) -> io::Result<SimulatedReader> {
        Ok(SimulatedReader(self.world.clone()))
    }
}

/// Nobody else's thread wakes a simulated loop.
#[derive(Debug)]
pub(crate) struct NobodyWakes;

impl Wake for NobodyWakes {
    fn wake(&self) {}
}
