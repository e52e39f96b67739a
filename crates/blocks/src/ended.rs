//! How a thread that waits for other things too learns that reads have ended: a descriptor that becomes readable.
//!
//! On Linux it is an eventfd, which io_uring writes by itself; elsewhere a pair of sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

#[cfg(target_os = "linux")]
use linux::EventDescriptor as Descriptors;
#[cfg(not(target_os = "linux"))]
use portable::SocketPair as Descriptors;

/// A descriptor that is readable from when reads have ended until it is [cleared](Self::clear).
#[derive(Debug)]
pub(crate) struct Ended(Descriptors);

impl Ended {
    pub(crate) fn new() -> io::Result<Self> {
        Descriptors::new().map(Self)
    }

    /// Makes it readable, which it may be already.
    pub(crate) fn set(&self) -> io::Result<()> {
        self.0.set()
    }

    /// Makes it unreadable until it is set again.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

impl AsFd for Ended {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.readable().as_fd()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::event::{EventfdFlags, eventfd};

    #[derive(Debug)]
    pub(super) struct EventDescriptor(OwnedFd);

    impl EventDescriptor {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        /// Any number but 0 makes it readable. It can only fail when it was written 2^64 times and not read.
        pub(super) fn set(&self) -> io::Result<()> {
            rustix::io::write(&self.0, &1_u64.to_le_bytes())?;
            Ok(())
        }

        pub(super) fn clear(&self) {
            // Nothing to read means that it was not written.
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }

        pub(super) fn readable(&self) -> &OwnedFd {
            &self.0
        }
    }
}

/// Compiled for Linux in tests, which is where it is tested.
#[cfg(any(not(target_os = "linux"), test))]
mod portable {
    use std::io::{self, Read, Write};
    use std::os::unix::net::UnixStream;

    /// Bytes that are taken from the socket at once.
    const ROOM_BYTES: usize = 256;

    #[derive(Debug)]
    pub(super) struct SocketPair {
        readable: UnixStream,
        writable: UnixStream,
    }

    impl SocketPair {
        pub(super) fn new() -> io::Result<Self> {
            let (readable, writable) = UnixStream::pair()?;
            readable.set_nonblocking(true)?;
            writable.set_nonblocking(true)?;
            Ok(Self { readable, writable })
        }

        pub(super) fn set(&self) -> io::Result<()> {
            match (&self.writable).write(&[1]) {
                // So full that it is readable.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                written => written.map(drop),
            }
        }

        pub(super) fn clear(&self) {
            let mut room = [0; ROOM_BYTES];
            // An error says that there is no more.
            while (&self.readable).read(&mut room).is_ok_and(|bytes| bytes > 0) {}
        }

        pub(super) fn readable(&self) -> &UnixStream {
            &self.readable
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(descriptor: &impl AsFd) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&at_once)).unwrap() == 1
    }

    #[test]
    fn a_descriptor_is_readable_from_when_it_is_set_until_it_is_cleared() {
        let ended = Ended::new().unwrap();
        for _ in 0..3 {
            assert!(!is_readable(&ended));
            ended.set().unwrap();
            ended.set().unwrap();
            assert!(is_readable(&ended));
            ended.clear();
        }
        assert!(!is_readable(&ended));
    }

    #[test]
    fn a_pair_of_sockets_does_the_same_even_when_it_is_full() {
        let ended = portable::SocketPair::new().unwrap();
        for times in [1, 2, 300, 100_000] {
            assert!(!is_readable(ended.readable()));
            for _ in 0..times {
                ended.set().unwrap();
            }
            assert!(is_readable(ended.readable()));
            ended.clear();
        }
        assert!(!is_readable(ended.readable()));
    }
}
