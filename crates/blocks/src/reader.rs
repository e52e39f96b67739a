//! Reads of files that the system has under way, by io_uring or by threads.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use graven_format::{Piece, Span};

use crate::ended::Ended;
use crate::pool::Pool;
#[cfg(target_os = "linux")]
use crate::ring::Ring;

/// A read that is asked for.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where to read; it stays open until the read has ended.
    pub file: Arc<File>,
    /// The [serial](graven_format::Store::serial) of the store that the piece belongs to, or any number of the caller's.
    pub store: u64,
    /// The piece that is wanted.
    pub piece: Piece,
    /// Which bytes of the file to read for it.
    pub span: Span,
}

/// Where blocks come from: many reads are asked for, and taken in as they end, in whatever order that is.
///
/// [`FileReader`] reads files; what reads an object store, or a disk that a test simulates, is another implementation.
pub trait BlockReader: fmt::Debug {
    /// Has a piece read. It may begin only at the next [`Self::flush`].
    fn ask(&mut self, read: Read);

    /// Begins what was asked for since the last call.
    fn flush(&mut self);

    /// Hands over at most `most` reads that have ended, and returns how many these were: each with the bytes of its piece, and
    /// what was read behind them; fewer bytes than the piece has where the file ends early.
    fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize;
}

/// How files are read.
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

/// A reader of files. A loop that has other things to wait for [listens](Self::listen); others [wait](Self::wait).
#[derive(Debug)]
pub struct FileReader {
    engine: Engine,
    /// Reads that the system has, and how many it may have.
    under_way: usize,
    under_way_max: usize,
    /// Reads that have to wait until it has fewer.
    backlog: VecDeque<Read>,
    /// Readable when reads have ended.
    ended: Arc<Ended>,
    listened: bool,
}

#[derive(Debug)]
enum Engine {
    #[cfg(target_os = "linux")]
    Ring(Box<Ring>),
    Pool(Pool),
}

impl Engine {
    #[cfg(target_os = "linux")]
    fn ring(under_way_max: usize) -> io::Result<Self> {
        Ring::new(under_way_max).map(|ring| Self::Ring(Box::new(ring)))
    }

    /// Linux alone has it.
    #[cfg(not(target_os = "linux"))]
    fn ring(_: usize) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no io_uring"))
    }
}

impl FileReader {
    /// A reader that has at most `under_way_max` reads under way at once, and at least one. More can be asked for; they wait
    /// for their turns here. A disk that has too many puts them into an order of its own, in which some wait long.
    ///
    /// # Errors
    /// When the system has no descriptors or threads left, or no io_uring where nothing else was allowed.
    pub fn new(how: DiskReads, under_way_max: usize) -> io::Result<Self> {
        let under_way_max = under_way_max.max(1);
        let ended = Arc::new(Ended::new()?);
        let pool = || Pool::new(&ended, under_way_max).map(Engine::Pool);
        let ring = || Engine::ring(under_way_max);
        let engine = match how {
            DiskReads::Threads => pool()?,
            DiskReads::IoUring => ring()?,
            DiskReads::Auto => match ring() {
                Ok(ring) => ring,
                Err(error) => {
                    tracing::info!(%error, "no io_uring here; threads read tables on disk");
                    pool()?
                }
            },
        };
        let backlog = VecDeque::new();
        Ok(Self { engine, under_way: 0, under_way_max, backlog, ended, listened: false })
    }

    /// A descriptor that becomes readable when reads have ended, and is read by [`BlockReader::take`].
    ///
    /// # Errors
    /// When the system cannot write it.
    pub fn listen(&mut self) -> io::Result<BorrowedFd<'_>> {
        #[cfg(target_os = "linux")]
        if let (Engine::Ring(ring), false) = (&self.engine, self.listened) {
            ring.write_when_ended(&self.ended)?;
            // For reads that have ended before anybody listened.
            self.ended.set()?;
        }
        self.listened = true;
        Ok(self.ended.as_fd())
    }

    /// Begins what was asked for, and sleeps until a read has ended; for ever where none was asked for. A signal may wake it
    /// before.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(&mut self) -> io::Result<()> {
        let woken = match &mut self.engine {
            #[cfg(target_os = "linux")]
            Engine::Ring(ring) => ring.wait(),
            Engine::Pool(pool) => pool.wait(),
        };
        woken.or_else(|error| if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) })
    }
}

impl BlockReader for FileReader {
    fn ask(&mut self, read: Read) {
        if self.under_way >= self.under_way_max {
            self.backlog.push_back(read);
            return;
        }
        self.under_way += 1;
        match &mut self.engine {
            #[cfg(target_os = "linux")]
            Engine::Ring(ring) => ring.ask(read),
            Engine::Pool(pool) => pool.ask(read),
        }
    }

    fn flush(&mut self) {
        #[cfg(target_os = "linux")]
        if let Engine::Ring(ring) = &mut self.engine {
            ring.flush();
        }
    }

    /// As the trait has it. There may be more, for which the descriptor is not written again, when they are `most`. Callers
    /// that take few at a time, and ask for others before the next, keep the disk at work.
    fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize {
        if self.listened || matches!(self.engine, Engine::Pool(_)) {
            self.ended.clear();
        }
        let taken = match &mut self.engine {
            #[cfg(target_os = "linux")]
            Engine::Ring(ring) => ring.take(most, ended),
            Engine::Pool(pool) => pool.take(most, ended),
        };
        self.under_way -= taken;
        for _ in 0..taken {
            let Some(read) = self.backlog.pop_front() else { break };
            self.ask(read);
        }
        taken
    }
}
