//! Reads through io_uring: the kernel is handed many at once and writes an eventfd when some have ended.
//!
//! `unsafe` here is the one call that hands the kernel the address of a room: it must stay where it is, and ours, until the
//! kernel says that the read has ended. Rooms are owned by the ring, never moved while a read is under way, and not freed
//! before every read has ended, however the ring comes to its end.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::{IoUring, opcode, types};
use slab::Slab;

use crate::ended::Ended;
use crate::reader::Read;
use crate::room::Room;

/// Rooms up to this many bytes are kept for the next reads.
const KEPT_BYTES: usize = 16 * 1024;

/// So many reads are handed over together at most: it is the calls and the doorbell that cost, not the reads.
const ASKED_MAX: usize = 16;

/// With fewer reads than this the disk is about to rest, and what is asked for is handed over at once. When all that a turn
/// of a loop asked for was handed over at its end, the reads went from disk to loop to client and back in one clump, and two
/// of the three rested: 64 under way came to 0.65 of what fio reads.
const BUSY_MIN: usize = 8;

/// Reads that the kernel has under way.
pub(crate) struct Ring {
    ring: IoUring,
    /// Reads under way.
    flights: Slab<Flight>,
    /// Rooms that are free.
    rooms: Vec<Room>,
    /// Reads that the system has not heard of.
    asked: usize,
}

struct Flight {
    /// Keeps the file open.
    read: Read,
    room: Room,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("under_way", &self.flights.len()).finish_non_exhaustive()
    }
}

impl Ring {
    /// A ring for at most `under_way_max` reads at once.
    pub(crate) fn new(under_way_max: usize) -> io::Result<Self> {
        let entries = u32::try_from(under_way_max).unwrap_or(u32::MAX);
        let ring = IoUring::builder().setup_clamp().setup_coop_taskrun().build(entries)?;
        Ok(Self { ring, flights: Slab::new(), rooms: Vec::new(), asked: 0 })
    }

    /// Has `ended` set when reads have ended.
    pub(crate) fn write_when_ended(&self, ended: &Ended) -> io::Result<()> {
        self.ring.submitter().register_eventfd(ended.as_fd().as_raw_fd())
    }

    pub(crate) fn ask(&mut self, read: Read) {
        let (span, file) = (read.span, types::Fd(read.file.as_raw_fd()));
        let room = self.room(&span);
        let id = self.flights.insert(Flight { read, room });
        let room = self.flights[id].room.bytes_mut();
        let entry = opcode::Read::new(file, room.as_mut_ptr(), span.len as u32)
            .offset(span.offset)
            .build()
            .user_data(id as u64);
        // SAFETY: the room's bytes lie on the heap, so they stay where they are when the flight moves. The flight is not
        // touched until its completion is taken, nor dropped: `Drop` waits for all. The flight holds the file open.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.flush();
        }
        self.asked += 1;
        let handed_over = self.flights.len() - self.asked;
        if self.asked >= ASKED_MAX || handed_over < BUSY_MIN {
            self.flush();
        }
    }

    /// Room for what lies in `span`.
    fn room(&mut self, span: &graven_format::Span) -> Room {
        if span.len > KEPT_BYTES {
            return Room::new(span.len, span.alignment);
        }
        let mut room = self.rooms.pop().unwrap_or_else(|| Room::new(KEPT_BYTES, span.alignment));
        room.resize(span.len);
        room
    }

    /// Hands over what was asked for.
    pub(crate) fn flush(&mut self) {
        while self.asked > 0 {
            match self.ring.submit() {
                Ok(_) => self.asked = self.ring.submission().len(),
                // The kernel has no room for more completions until some are taken; they are waited for.
                Err(error) if error.raw_os_error() == Some(EBUSY) => {
                    // What it could not wait for is waited for again.
                    let _ = self.wait();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "io_uring takes no reads");
                    return;
                }
            }
        }
    }

    /// Hands over what was asked for, and waits until a read has ended.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let waited = self.ring.submit_and_wait(1);
        self.asked = self.ring.submission().len();
        waited.map(drop)
    }

    pub(crate) fn take(&mut self, most: usize, ended: &mut dyn FnMut(&Read, io::Result<&[u8]>)) -> usize {
        let mut taken = 0;
        for completion in self.ring.completion().take(most) {
            taken += 1;
            let Some(Flight { read, room }) = self.flights.try_remove(completion.user_data() as usize) else {
                continue;
            };
            match usize::try_from(completion.result()) {
                Ok(bytes) => ended(&read, Ok(room.bytes().get(read.span.skip..bytes).unwrap_or_default())),
                Err(_) => ended(&read, Err(io::Error::from_raw_os_error(-completion.result()))),
            }
            if read.span.len <= KEPT_BYTES {
                self.rooms.push(room);
            }
        }
        taken
    }
}

const EBUSY: i32 = rustix::io::Errno::BUSY.raw_os_error();

impl Drop for Ring {
    fn drop(&mut self) {
        while !self.flights.is_empty() {
            if self.ring.submit_and_wait(1).is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
                // The kernel may still write into the rooms: they are left to it.
                std::mem::forget(std::mem::take(&mut self.flights));
                return;
            }
            self.take(usize::MAX, &mut |_, _| {});
        }
    }
}
