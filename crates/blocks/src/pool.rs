//! Reads by a few threads that wait for the disk, where the kernel has no io_uring.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use graven_format::Span;
use rustix::event::{PollFd, PollFlags, poll};

use crate::ended::Ended;
use crate::reader::Read;
use crate::room::Room;

/// Threads of one reader: as many reads are under way at once.
const THREADS: usize = 16;

/// Threads that read pieces. They end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// Reads that have ended and were not taken.
    ended: VecDeque<EndedRead>,
}

#[derive(Debug)]
struct Shared {
    signal: Arc<Ended>,
    work: Mutex<Work>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    asked: VecDeque<Read>,
    ended: Vec<EndedRead>,
    over: bool,
}

/// A read that has ended: the room, and how many bytes are in it.
type EndedRead = (Read, io::Result<(Room, usize)>);

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        // No thread panics while it holds the lock, and if one did the queues would still be queues.
        self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn serve(&self) {
        loop {
            let mut work = self.work();
            let read = loop {
                if work.over {
                    return;
                }
                match work.asked.pop_front() {
                    Some(asked) => break asked,
                    None => work = self.more.wait(work).unwrap_or_else(|poisoned| poisoned.into_inner()),
                }
            };
            drop(work);
            let mut room = Room::new(read.span.len, read.span.alignment);
            let filled = fill(&read.file, read.span, room.bytes_mut()).map(|bytes| (room, bytes));
            self.work().ended.push((read, filled));
            // Nothing can be done where it fails, and it does not.
            let _ = self.signal.set();
        }
    }
}

/// Reads as much of `span` as there is.
fn fill(file: &File, span: Span, room: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < span.len {
        match file.read_at(&mut room[done..span.len], span.offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if done % span.alignment != 0 {
            break;
        }
    }
    Ok(done)
}

impl Pool {
    pub(crate) fn new(signal: &Arc<Ended>, under_way_max: usize) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { signal: Arc::clone(signal), work: Mutex::default(), more: Condvar::new() });
        // Dropped on an error, it ends the threads that there are.
        let pool = Self { shared, ended: VecDeque::new() };
        for i in 0..THREADS.min(under_way_max) {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new().name(format!("disk-{i}")).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    pub(crate) fn ask(&mut self, read: Read) {
        self.shared.work().asked.push_back(read);
        self.shared.more.notify_one();
    }

    /// Waits until a read has ended that was not taken.
    pub(crate) fn wait(&self) -> io::Result<()> {
        if self.ended.is_empty() {
            poll(&mut [PollFd::new(&*self.shared.signal, PollFlags::IN)], None)?;
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize {
        self.ended.extend(self.shared.work().ended.drain(..));
        let taken = most.min(self.ended.len());
        for (read, filled) in self.ended.drain(..taken) {
            match filled {
                Ok((room, bytes)) => {
                    ended(&read, Ok(room.bytes().get(read.span.skip..bytes).unwrap_or_default()));
                }
                Err(error) => ended(&read, Err(error)),
            }
        }
        taken
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.work().over = true;
        self.shared.more.notify_all();
    }
}
