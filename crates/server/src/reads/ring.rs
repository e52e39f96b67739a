//! Reads through io_uring: the kernel is handed many at once and rings a bell when some have ended.
//!
//! `unsafe` here is the one call that hands the kernel the address of a room: it must stay where it is, and ours, until the
//! kernel says that the read has ended. Rooms are owned by the ring, never moved while a read is under way, and not freed
//! before every read has ended, however the ring comes to its end.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use graven_format::{Piece, Span};
use io_uring::{IoUring, opcode, types};
use rustix::event::{EventfdFlags, eventfd};
use slab::Slab;

/// Room for bytes that are read, aligned as the disk wants it.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Room {
    pub(super) fn new(len: usize, alignment: usize) -> Self {
        let bytes = vec![0; len + alignment];
        let start = bytes.as_ptr().align_offset(alignment);
        Self { bytes, start, len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// A bell that a loop can listen for: readable when it was rung.
pub(super) fn bell() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

pub(super) fn ring_bell(bell: &OwnedFd) {
    // Any number but 0 rings it. It can only fail when it was rung 2^64 times and not heard.
    let _ = rustix::io::write(bell, &1_u64.to_le_bytes());
}

pub(super) fn silence(bell: &OwnedFd) {
    // Nothing to read means that it was not rung.
    let _ = rustix::io::read(bell, &mut [0; 8]);
}

/// Rooms up to this many bytes are kept for the next reads.
const KEPT_BYTES: usize = 16 * 1024;

/// Reads that the kernel has under way.
pub(super) struct Ring<'a> {
    ring: IoUring,
    bell: OwnedFd,
    file: &'a File,
    /// Reads under way.
    flights: Slab<Flight>,
    /// Rooms that are free.
    rooms: Vec<Room>,
    submitted: bool,
}

struct Flight {
    piece: Piece,
    span: Span,
    room: Room,
}

impl std::fmt::Debug for Ring<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("under_way", &self.flights.len()).finish_non_exhaustive()
    }
}

impl<'a> Ring<'a> {
    /// A ring for at most `reads_max` reads at once.
    pub(super) fn new(file: &'a File, reads_max: usize) -> io::Result<Self> {
        let entries = u32::try_from(reads_max.max(1)).unwrap_or(u32::MAX);
        let ring = IoUring::builder().setup_clamp().setup_coop_taskrun().build(entries)?;
        let bell = bell()?;
        ring.submitter().register_eventfd(bell.as_raw_fd())?;
        Ok(Self { ring, bell, file, flights: Slab::new(), rooms: Vec::new(), submitted: false })
    }

    pub(super) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    pub(super) fn submit(&mut self, piece: Piece, span: Span) {
        let room = match self.rooms.pop() {
            Some(mut room) if span.len <= KEPT_BYTES => {
                room.len = span.len;
                room
            }
            _ => {
                let mut room = Room::new(span.len.max(KEPT_BYTES), span.alignment);
                room.len = span.len;
                room
            }
        };
        let id = self.flights.insert(Flight { piece, span, room });
        let room = self.flights[id].room.bytes_mut();
        let entry = opcode::Read::new(types::Fd(self.file.as_raw_fd()), room.as_mut_ptr(), span.len as u32)
            .offset(span.offset)
            .build()
            .user_data(id as u64);
        // SAFETY: the room's bytes lie on the heap, so they stay where they are when the flight moves. The flight is not
        // touched until its completion is taken, nor dropped: `Drop` waits for all. The file outlives the ring.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.flush();
        }
        self.submitted = true;
    }

    /// Hands over what was submitted.
    pub(super) fn flush(&mut self) {
        while self.submitted {
            match self.ring.submit() {
                Ok(_) => self.submitted = !self.ring.submission().is_empty(),
                // The kernel has no room for more completions until some are taken; they are waited for.
                Err(error) if error.raw_os_error() == Some(EBUSY) => self.wait(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "io_uring takes no reads");
                    return;
                }
            }
        }
    }

    fn wait(&mut self) {
        // What it could not wait for is waited for again.
        let _ = self.ring.submit_and_wait(1);
    }

    pub(super) fn complete(&mut self, ended: &mut impl FnMut(Piece, io::Result<&[u8]>)) {
        silence(&self.bell);
        for completion in self.ring.completion() {
            let Some(Flight { piece, span, room }) = self.flights.try_remove(completion.user_data() as usize)
            else {
                continue;
            };
            match usize::try_from(completion.result()) {
                Ok(bytes) => ended(piece, Ok(room.bytes().get(span.skip..bytes).unwrap_or_default())),
                Err(_) => ended(piece, Err(io::Error::from_raw_os_error(-completion.result()))),
            }
            if room.bytes.len() <= KEPT_BYTES + span.alignment {
                self.rooms.push(room);
            }
        }
    }
}

const EBUSY: i32 = rustix::io::Errno::BUSY.raw_os_error();

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        while !self.flights.is_empty() {
            if self.ring.submit_and_wait(1).is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
                // The kernel may still write into the rooms: they are left to it.
                std::mem::forget(std::mem::take(&mut self.flights));
                return;
            }
            self.complete(&mut |_, _| {});
        }
    }
}
