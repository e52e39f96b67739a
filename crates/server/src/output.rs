//! Answers on their way to a peer: bytes, and between them large values that stay where they lie in the table's memory.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};

use arrayvec::ArrayVec;
use graven_format::Store;

use crate::socket::Socket;

/// Values of at least this size are not copied if they need not be. One of this size costs the same either way; at four times
/// the size, copying costs twice as much as lending.
const LENT_BYTES_MIN: usize = 16 * 1024;

/// Answers of at least this size that could not be written are kept by moving the buffer, smaller ones by copying them.
const MOVE_BYTES_MIN: usize = 16 * 1024;

/// Parts that are written at once.
const PARTS_MAX: usize = 64;

/// Answers on their way to a peer. Encoders append to it as to the bytes that it derefs to; [`Self::push_value`] alone may lend.
#[derive(Debug)]
pub(crate) struct Output<'t> {
    /// All but what is lent.
    bytes: Vec<u8>,
    /// Values in the table's memory, each with how many of `bytes` go before it.
    lent: Vec<(usize, &'t [u8])>,
    lent_bytes: usize,
    store: &'t Store,
}

/// A place in an output, to which it can be cut back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    bytes: usize,
    lent: usize,
    lent_bytes: usize,
}

impl<'t> Output<'t> {
    /// An empty output that values of `store` can be lent to.
    pub(crate) fn new(store: &'t Store) -> Self {
        Self { bytes: Vec::new(), lent: Vec::new(), lent_bytes: 0, store }
    }

    /// Appends a value; one that is large and lies in the table's memory is not copied.
    #[inline]
    pub(crate) fn push_value(&mut self, value: &[u8]) {
        if value.len() < LENT_BYTES_MIN {
            self.bytes.extend_from_slice(value);
        } else {
            self.push_large(value);
        }
    }

    #[cold]
    fn push_large(&mut self, value: &[u8]) {
        match self.in_table(value) {
            Some(lent) => {
                self.lent.push((self.bytes.len(), lent));
                self.lent_bytes += lent.len();
            }
            None => self.bytes.extend_from_slice(value),
        }
    }

    /// The same bytes with the table's lifetime, if they lie in its memory.
    fn in_table(&self, value: &[u8]) -> Option<&'t [u8]> {
        let table = self.store.memory();
        let start = value.as_ptr().addr().checked_sub(table.as_ptr().addr())?;
        table.get(start..start.checked_add(value.len())?)
    }

    /// Bytes that the peer is to get.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.lent_bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.lent.is_empty()
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lent.clear();
        self.lent_bytes = 0;
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), lent: self.lent.len(), lent_bytes: self.lent_bytes }
    }

    /// Takes back what was appended since `mark`.
    pub(crate) fn cut(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.lent.truncate(mark.lent);
        self.lent_bytes = mark.lent_bytes;
    }

    /// Empties it, and gives its room back.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.store);
    }

    /// Gives back room for more than `kept` bytes; nothing waits to be written.
    #[inline]
    pub(crate) fn give_back(&mut self, kept: usize) {
        if self.bytes.capacity() > kept {
            self.bytes = Vec::new();
        }
    }

    /// Memory that it holds of its own.
    pub(crate) fn own_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes what is left after `written` bytes, as far as the socket takes it, and says how much that was.
    #[inline]
    pub(crate) fn write(&self, written: usize, socket: &mut Socket) -> io::Result<usize> {
        if self.lent.is_empty() {
            return socket.write(&self.bytes[written..]);
        }
        let mut parts = ArrayVec::<IoSlice<'_>, PARTS_MAX>::new();
        let mut passed = written;
        for part in self.parts() {
            let left = &part[passed.min(part.len())..];
            passed -= part.len() - left.len();
            if !left.is_empty() && parts.try_push(IoSlice::new(left)).is_err() {
                break;
            }
        }
        socket.write_vectored(&parts)
    }

    /// Everything in order.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.lent.iter().map(|&(at, _)| at));
        let ends = self.lent.iter().map(|&(at, _)| at).chain([self.bytes.len()]);
        let lent = self.lent.iter().map(|&(_, lent)| lent).chain([&[][..]]);
        starts.zip(ends).zip(lent).flat_map(|((start, end), lent)| [&self.bytes[start..end], lent])
    }

    /// What is left after `written` bytes, and how much of that is written; this output is empty afterwards.
    pub(crate) fn take_rest(&mut self, written: usize) -> (Self, usize) {
        if self.lent.is_empty() && self.bytes.len() - written < MOVE_BYTES_MIN {
            let rest = Self { bytes: self.bytes[written..].to_vec(), ..Self::new(self.store) };
            self.clear();
            return (rest, 0);
        }
        let emptied = Self::new(self.store);
        (std::mem::replace(self, emptied), written)
    }
}

impl Deref for Output<'_> {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Output<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use graven_format::{Builder, Codec, CodecChoice, Options};
    use mio::net::UnixStream;

    use super::*;

    const LARGE: usize = 100_000;

    fn store() -> Store {
        let options = Options { codec: CodecChoice::Fixed(Codec::Raw), ..Options::default() };
        let mut builder = Builder::new(options);
        for (key, byte) in [("a", b'a'), ("b", b'b')] {
            builder.add(key.as_bytes(), &vec![byte; LARGE]).unwrap();
        }
        builder.finish().unwrap().0
    }

    fn push(output: &mut Output<'_>, store: &Store, key: &str) {
        let mut room = Vec::new();
        output.push_value(store.value(key.as_bytes(), &mut room).unwrap().unwrap());
    }

    /// What a peer receives of `output`, written in as many turns as its socket wants.
    fn received(output: Output<'_>) -> Vec<u8> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut socket, mut output) = (Socket::Unix(ours), output);
        let (mut received, mut written) = (Vec::new(), 0);
        while written < output.len() {
            match output.write(written, &mut socket) {
                Ok(more) => (output, written) = output.take_rest(written + more),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let mut room = [0; 12_345];
            while let Ok(bytes) = theirs.read(&mut room) {
                received.extend_from_slice(&room[..bytes]);
                // Not always all, so that the socket stays full in places of all kinds.
                if received.len() % 3 == 0 {
                    break;
                }
            }
        }
        drop(socket);
        let _ = theirs.read_to_end(&mut received);
        received
    }

    #[test]
    fn large_values_of_the_table_are_lent_and_come_in_their_places() {
        let store = store();
        let mut output = Output::new(&store);
        output.extend_from_slice(b"first ");
        push(&mut output, &store, "a");
        push(&mut output, &store, "b");
        output.extend_from_slice(b" then ");
        push(&mut output, &store, "a");
        assert_eq!((output.own_bytes(), output.len()), (12, 12 + 3 * LARGE));
        let (a, b) = (vec![b'a'; LARGE], vec![b'b'; LARGE]);
        let expected = [b"first ", &a[..], &b, b" then ", &a].concat();
        assert!(received(output) == expected);
    }

    #[test]
    fn small_values_and_those_from_elsewhere_are_copied() {
        let store = store();
        let mut output = Output::new(&store);
        let mut room = Vec::new();
        let a = store.value(b"a", &mut room).unwrap().unwrap();
        output.push_value(&a[..LENT_BYTES_MIN - 1]);
        output.push_value(&vec![b'x'; LARGE]);
        assert_eq!(output.own_bytes(), LENT_BYTES_MIN - 1 + LARGE);
        output.push_value(&a[..LENT_BYTES_MIN]);
        assert_eq!(output.own_bytes(), LENT_BYTES_MIN - 1 + LARGE);
        let x = vec![b'x'; LARGE];
        assert!(received(output) == [&a[..LENT_BYTES_MIN - 1], &x, &a[..LENT_BYTES_MIN]].concat());
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let store = store();
        let mut output = Output::new(&store);
        push(&mut output, &store, "a");
        output.extend_from_slice(b"kept");
        let mark = output.mark();
        output.extend_from_slice(b"not kept");
        push(&mut output, &store, "b");
        output.cut(mark);
        assert_eq!(output.len(), LARGE + 4);
        output.extend_from_slice(b"!");
        assert!(received(output) == [&vec![b'a'; LARGE][..], b"kept!"].concat());
    }

    #[test]
    fn more_parts_than_are_written_at_once_come_all() {
        let store = store();
        let mut output = Output::new(&store);
        let mut expected = Vec::new();
        for i in 0..PARTS_MAX {
            let key = ["a", "b"][i % 2];
            output.extend_from_slice(b"-");
            push(&mut output, &store, key);
            expected.push(b'-');
            expected.extend(vec![key.as_bytes()[0]; LARGE]);
        }
        assert!(received(output) == expected);
    }
}
