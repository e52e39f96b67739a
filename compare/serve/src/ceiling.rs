//! The ceiling: a bare loop over epoll that answers every request with the same string. It counts line ends, parses nothing
//! and looks up nothing; a wake-up is one read and one write. What a server takes longer than this is its own doing.

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use memchr::memchr_iter;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;

use crate::protocol::Protocol;

/// Answer every request with the same string, from one thread
#[derive(clap::Args)]
pub(crate) struct Arguments {
    protocol: Protocol,
    port: u16,
}

/// Bytes of one read.
const READ_BYTES: usize = 1 << 16;
/// Events of one wake-up.
const EVENTS: usize = 256;

pub(crate) fn run(arguments: &Arguments) -> Result<Infallible> {
    let address = (Ipv4Addr::LOCALHOST, arguments.port);
    serve(TcpListener::bind(address).context("cannot listen")?, arguments.protocol)
}

struct Peer {
    stream: TcpStream,
    requests: Requests,
}

struct Ceiling {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Each at the place of its descriptor.
    peers: Vec<Option<Peer>>,
    lines: usize,
}

/// Answers until something fails.
pub(crate) fn serve(listener: TcpListener, protocol: Protocol) -> Result<Infallible> {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?;
    let number_of_listener = listener.as_raw_fd() as u64;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(number_of_listener), epoll::EventFlags::IN)?;
    let answer = protocol.fixed_answer();
    let mut ceiling = Ceiling { epoll, listener, peers: Vec::new(), lines: protocol.lines_in_request() };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
    let (mut input, mut output) = (vec![0; READ_BYTES], Vec::new());
    loop {
        events.clear();
        match epoll::wait(&ceiling.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for requests"),
        }
        for event in &events {
            let number = event.data.u64();
            if number == number_of_listener {
                ceiling.accept()?;
            } else {
                ceiling.answer(number as usize, &answer, &mut input, &mut output);
            }
        }
    }
}

impl Ceiling {
    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot accept a connection"),
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let place = stream.as_raw_fd() as usize;
            epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
            if place >= self.peers.len() {
                self.peers.resize_with(place + 1, || None);
            }
            self.peers[place] = Some(Peer { stream, requests: Requests::new(self.lines) });
        }
    }

    /// Reads once and answers what was asked. A connection ends when its peer ends it, when it fails, and when the peer
    /// leaves so much unread that the kernel takes no more, which a closed loop never does.
    fn answer(&mut self, place: usize, answer: &[u8], input: &mut [u8], output: &mut Vec<u8>) {
        let Some(peer) = &mut self.peers[place] else { return };
        let kept = match peer.stream.read(input) {
            Ok(0) => false,
            Ok(bytes) => {
                output.clear();
                peer.requests.each(&input[..bytes], || output.extend_from_slice(answer));
                output.is_empty() || peer.stream.write_all(output).is_ok()
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        if !kept {
            self.peers[place] = None;
        }
    }
}

/// Tells requests apart by counting their line ends.
struct Requests {
    lines: usize,
    lines_in_request: usize,
}

impl Requests {
    fn new(lines_in_request: usize) -> Self {
        Self { lines: 0, lines_in_request }
    }

    /// Calls `each` for every request that ends in `bytes`.
    fn each(&mut self, bytes: &[u8], mut each: impl FnMut()) {
        for _ in memchr_iter(b'\n', bytes) {
            self.lines += 1;
            if self.lines == self.lines_in_request {
                self.lines = 0;
                each();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Requests;
    use crate::protocol::Protocol;

    #[test]
    fn requests_are_counted_alike_wherever_they_are_cut() {
        for protocol in Protocol::ALL {
            let mut asked = Vec::new();
            (0..3).for_each(|_| protocol.write_request(b"key", &mut asked));
            for cut in 0..=asked.len() {
                let mut requests = Requests::new(protocol.lines_in_request());
                let mut count = 0;
                requests.each(&asked[..cut], || count += 1);
                assert_eq!(count, cut * 3 / asked.len(), "{protocol:?} cut at {cut}");
                requests.each(&asked[cut..], || count += 1);
                assert_eq!(count, 3, "{protocol:?} cut at {cut}");
            }
        }
    }
}
