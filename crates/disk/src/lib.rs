//! Reads of a table on disk, many under way at once: pieces are asked for, handed to the system together, and taken in as
//! they come, in whatever order that is.
//!
//! `graven-format` says which piece of the file an answer lies in and what it says; this crate is how the piece comes into
//! memory. A loop that has other things to wait for [listens](Reader::listen) to a bell; who has not, [waits](Reader::wait).
//!
//! ```
//! use graven_disk::{DiskReads, Reader};
//! use graven_format::{Looked, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("table.graven");
//! # let pairs: Vec<(String, String)> = (0..1000).map(|i| (format!("k{i}"), format!("v{i}"))).collect();
//! # let mut builder = graven_format::Builder::new(graven_format::Options::default());
//! # for (key, value) in &pairs {
//! #     builder.add(key.as_bytes(), value.as_bytes())?;
//! # }
//! # builder.write(&path)?;
//! let store = Store::open_on_disk(&path)?;
//! let file = store.disk().expect("it was opened on disk");
//! let mut reader = Reader::new(file, DiskReads::Auto, 64)?;
//!
//! let piece = store.piece(b"k7")?.expect("it may hold such a key");
//! reader.ask(piece, store.span(&piece));
//! reader.flush();
//! let mut value = Vec::new();
//! let mut ended = 0;
//! while ended == 0 {
//!     reader.wait()?;
//!     reader.take(64, |piece, bytes| {
//!         let block = store.block(&piece, bytes.expect("the disk is sound")).expect("so is the table");
//!         assert_eq!(store.look(b"k7", &piece, &block, &mut value).unwrap(), Looked::Found);
//!         ended += 1;
//!     });
//! }
//! assert_eq!(value, b"v7");
//! # Ok(())
//! # }
//! ```

mod pool;
mod ring;
mod room;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use graven_format::{Piece, Span};
use rustix::event::{EventfdFlags, eventfd};

use pool::Pool;
use ring::Ring;

/// How a table on disk is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskReads {
    /// Through io_uring where the kernel allows it, by threads elsewhere.
    #[default]
    Auto,
    /// Through io_uring, or not at all.
    IoUring,
    /// By sixteen threads for each reader.
    Threads,
}

/// Pieces of a file that are being read.
#[derive(Debug)]
pub struct Reader<'f> {
    engine: Engine<'f>,
    /// Reads that the system has, and how many it may have.
    under_way: usize,
    under_way_max: usize,
    /// Reads that have to wait until it has fewer.
    backlog: VecDeque<(Piece, Span)>,
    bell: Arc<OwnedFd>,
    /// Somebody listens to the bell.
    heard: bool,
}

#[derive(Debug)]
enum Engine<'f> {
    Ring(Box<Ring<'f>>),
    Pool(Pool),
}

impl<'f> Reader<'f> {
    /// A reader of `file` that has at most `under_way_max` reads under way at once, and at least one. More can be asked for;
    /// they wait for their turns here. A disk that has too many puts them into an order of its own, in which some wait long.
    ///
    /// # Errors
    /// When the system has no descriptors or threads left, or no io_uring where nothing else was allowed.
    pub fn new(file: &'f File, how: DiskReads, under_way_max: usize) -> io::Result<Self> {
        let under_way_max = under_way_max.max(1);
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let pool = || Pool::new(file, &bell, under_way_max).map(Engine::Pool);
        let ring = || Ring::new(file, under_way_max).map(|ring| Engine::Ring(Box::new(ring)));
        let engine = match how {
            DiskReads::Threads => pool()?,
            DiskReads::IoUring => ring()?,
            DiskReads::Auto => match ring() {
                Ok(ring) => ring,
                Err(error) => {
                    tracing::info!(%error, "no io_uring here; threads read the table");
                    pool()?
                }
            },
        };
        let backlog = VecDeque::new();
        Ok(Self { engine, under_way: 0, under_way_max, backlog, bell, heard: false })
    }

    /// A descriptor that becomes readable when reads have ended, and is read by [`Self::take`].
    ///
    /// # Errors
    /// When the system cannot ring it.
    pub fn listen(&mut self) -> io::Result<BorrowedFd<'_>> {
        if let (Engine::Ring(ring), false) = (&self.engine, self.heard) {
            ring.ring_when_ended(&self.bell)?;
            // For reads that have ended before anybody listened.
            rustix::io::write(&self.bell, &1_u64.to_le_bytes())?;
        }
        self.heard = true;
        Ok(self.bell.as_fd())
    }

    /// Has `piece` read, which lies in `span`. The system may hear of it only at the next [`Self::flush`] or [`Self::wait`].
    pub fn ask(&mut self, piece: Piece, span: Span) {
        if self.under_way >= self.under_way_max {
            self.backlog.push_back((piece, span));
            return;
        }
        self.under_way += 1;
        match &mut self.engine {
            Engine::Ring(ring) => ring.ask(piece, span),
            Engine::Pool(pool) => pool.ask(piece, span),
        }
    }

    /// Hands to the system what was asked for since the last call.
    pub fn flush(&mut self) {
        if let Engine::Ring(ring) = &mut self.engine {
            ring.flush();
        }
    }

    /// Hands over what was asked for, and sleeps until a read has ended; for ever where none was asked for. A signal may wake
    /// it before.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(&mut self) -> io::Result<()> {
        let woken = match &mut self.engine {
            Engine::Ring(ring) => ring.wait(),
            Engine::Pool(pool) => pool.wait(),
        };
        woken.or_else(|error| if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) })
    }

    /// Hands over at most `most` reads that have ended: each piece with its bytes, and what was read behind them; fewer bytes
    /// than the piece has where the file ends early. Returns how many these were. There may be more, for which the bell is not
    /// rung again, when they are `most`.
    ///
    /// Who takes few at a time, and asks for others before the next, keeps the disk at work.
    pub fn take(&mut self, most: usize, mut ended: impl FnMut(Piece, io::Result<&[u8]>)) -> usize {
        let rings = self.heard || matches!(self.engine, Engine::Pool(_));
        if rings {
            // Nothing to read means that it was not rung.
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        let taken = match &mut self.engine {
            Engine::Ring(ring) => ring.take(most, &mut ended),
            Engine::Pool(pool) => pool.take(most, &mut ended),
        };
        self.under_way -= taken;
        for _ in 0..taken {
            let Some((piece, span)) = self.backlog.pop_front() else { break };
            self.ask(piece, span);
        }
        taken
    }
}
