//! Answers on their way to a peer: bytes, and between them large values that stay where they lie in the table's memory.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use arrayvec::ArrayVec;
use graven_format::Store;
use graven_wire::http::Representation;

use crate::system::Stream;

/// Values of at least this size are not copied if they need not be. One of this size costs the same either way; at four times
/// the size, copying costs twice as much as lending.
pub(crate) const LENT_BYTES_MIN: usize = 16 * 1024;

/// Answers of at least this size that could not be written are kept by moving the buffer, smaller ones by copying them.
const MOVE_BYTES_MIN: usize = 16 * 1024;

/// Parts that are written at once.
const PARTS_MAX: usize = 64;

/// A value on its way into an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    representation: Representation,
    bytes: &'a [u8],
    /// The store in whose memory it lies; `None` where it was copied from one.
    table: Option<&'a Arc<Store>>,
}

impl<'a> Value<'a> {
    /// A value that was copied into `bytes`.
    #[inline]
    pub(crate) fn copied(bytes: &'a [u8]) -> Self {
        Self { representation: Representation::Only, bytes, table: None }
    }

    /// The value that is `range` of the memory of `store`.
    #[inline]
    pub(crate) fn in_table(store: &'a Arc<Store>, range: Range<usize>) -> Self {
        Self { representation: Representation::Only, bytes: &store.memory()[range], table: Some(store) }
    }

    /// The same bytes, which are this representation of the value.
    pub(crate) fn as_representation(self, representation: Representation) -> Self {
        Self { representation, ..self }
    }

    /// Which representation of the value it is.
    #[inline]
    pub(crate) fn representation(self) -> Representation {
        self.representation
    }

    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.bytes.len()
    }

    /// A part of it.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        Self { bytes: &self.bytes[range], ..self }
    }

    /// Where in the memory of `store` it lies, if it does.
    pub(crate) fn range_in(self, store: &Arc<Store>) -> Option<Range<usize>> {
        self.table.filter(|table| Arc::ptr_eq(table, store))?;
        let start = self.bytes.as_ptr().addr() - store.memory().as_ptr().addr();
        Some(start..start + self.bytes.len())
    }

    /// Whether bringing it here has cost time for each of its bytes.
    #[inline]
    pub(crate) fn is_copied(self) -> bool {
        self.table.is_none()
    }
}

/// Answers on their way to a peer. Encoders append to it as to the bytes that it derefs to; [`Self::push_value`] alone may lend.
#[derive(Debug, Default)]
pub(crate) struct OutputBuffer {
    /// All but what is lent.
    bytes: Vec<u8>,
    lent: Vec<Lent>,
    lent_bytes: usize,
}

/// A value in a table's memory.
#[derive(Debug)]
struct Lent {
    /// How many of the output's own bytes go before it.
    at: usize,
    /// Keeps the memory where it is.
    store: Arc<Store>,
    range: Range<usize>,
}

/// A place between two answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OutputPosition {
    bytes: usize,
    lent: usize,
}

impl Lent {
    fn bytes(&self) -> &[u8] {
        &self.store.memory()[self.range.clone()]
    }
}

impl OutputBuffer {
    /// Appends a value; one that is large and lies in the table's memory is not copied.
    #[inline]
    pub(crate) fn push_value(&mut self, value: Value<'_>) {
        if value.len() < LENT_BYTES_MIN {
            self.bytes.extend_from_slice(value.bytes);
        } else {
            self.push_large(value);
        }
    }

    #[cold]
    fn push_large(&mut self, value: Value<'_>) {
        let in_table = value.table.and_then(|store| Some((store, value.range_in(store)?)));
        let Some((store, range)) = in_table else { return self.bytes.extend_from_slice(value.bytes) };
        self.lent.push(Lent { at: self.bytes.len(), store: Arc::clone(store), range });
        self.lent_bytes += value.len();
    }

    /// Where it ends now, for [`Self::cut`].
    pub(crate) fn end(&self) -> OutputPosition {
        OutputPosition { bytes: self.bytes.len(), lent: self.lent.len() }
    }

    /// What came behind `end`: its own bytes, and how many bytes all of it has.
    pub(crate) fn since(&self, end: OutputPosition) -> (&[u8], usize) {
        let own = &self.bytes[end.bytes.min(self.bytes.len())..];
        let lent = &self.lent[end.lent.min(self.lent.len())..];
        (own, own.len() + lent.iter().map(|lent| lent.range.len()).sum::<usize>())
    }

    /// Takes back everything that came behind `end`.
    pub(crate) fn cut(&mut self, end: OutputPosition) {
        self.bytes.truncate(end.bytes);
        let taken = self.lent.drain(end.lent.min(self.lent.len())..);
        self.lent_bytes -= taken.map(|lent| lent.range.len()).sum::<usize>();
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

    /// Empties it, and gives its room back.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
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

    /// Writes what is left after `written` bytes, as far as the stream takes it, and says how much that was.
    #[inline]
    pub(crate) fn write(&self, written: usize, stream: &mut impl Stream) -> io::Result<usize> {
        if self.lent.is_empty() {
            return stream.write(&self.bytes[written..]);
        }
        let mut taken = 0;
        loop {
            let mut parts = ArrayVec::<IoSlice<'_>, PARTS_MAX>::new();
            let (mut passed, mut offered, mut are_all) = (written + taken, 0, true);
            for part in self.parts() {
                let left = &part[passed.min(part.len())..];
                passed -= part.len() - left.len();
                if left.is_empty() {
                    continue;
                }
                if parts.try_push(IoSlice::new(left)).is_err() {
                    are_all = false;
                    break;
                }
                offered += left.len();
            }
            match stream.write_vectored(&parts) {
                Ok(bytes) => {
                    taken += bytes;
                    // A stream that still has room is not waited for: nothing would tell that it has.
                    if are_all || bytes < offered {
                        return Ok(taken);
                    }
                }
                // It comes again with the next write, if it is still so.
                Err(_) if taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
    }

    /// Everything in order.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.lent.iter().map(|lent| lent.at));
        let ends = self.lent.iter().map(|lent| lent.at).chain([self.bytes.len()]);
        let lent = self.lent.iter().map(Lent::bytes).chain([&[][..]]);
        starts.zip(ends).zip(lent).flat_map(|((start, end), lent)| [&self.bytes[start..end], lent])
    }

    /// What is left after `written` bytes, and how much of that is written; this output is empty afterwards.
    pub(crate) fn take_rest(&mut self, written: usize) -> (Self, usize) {
        if self.lent.is_empty() && self.bytes.len() - written < MOVE_BYTES_MIN {
            let rest = Self { bytes: self.bytes[written..].to_vec(), ..Self::default() };
            self.clear();
            return (rest, 0);
        }
        (std::mem::take(self), written)
    }
}

impl Deref for OutputBuffer {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for OutputBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use graven_format::{Builder, Codec, CodecChoice, Found, Options};
    use mio::net::UnixStream;

    use super::*;
    use crate::os::Socket;

    const LARGE: usize = 100_000;

    fn store() -> Arc<Store> {
        let options = Options { codec: CodecChoice::Fixed(Codec::Raw), ..Options::default() };
        let mut builder = Builder::new(options);
        for (key, byte) in [("a", b'a'), ("b", b'b')] {
            builder.add(key.as_bytes(), &vec![byte; LARGE]).unwrap();
        }
        Arc::new(builder.finish().unwrap().0)
    }

    fn value<'s>(store: &'s Arc<Store>, key: &str) -> Value<'s> {
        match store.find(key.as_bytes(), &mut Vec::new()).unwrap() {
            Found::InTable(range) => Value::in_table(store, range),
            other => panic!("{key} is not in the table's memory: {other:?}"),
        }
    }

    fn push(output: &mut OutputBuffer, store: &Arc<Store>, key: &str) {
        output.push_value(value(store, key));
    }

    /// What a peer receives of `output`, written in as many turns as its socket wants.
    fn received(output: OutputBuffer) -> Vec<u8> {
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
        let mut output = OutputBuffer::default();
        output.extend_from_slice(b"first ");
        push(&mut output, &store, "a");
        push(&mut output, &store, "b");
        output.extend_from_slice(b" then ");
        push(&mut output, &store, "a");
        assert_eq!((output.own_bytes(), output.len()), (12, 12 + 3 * LARGE));
        let begin = OutputPosition::default();
        assert_eq!(output.since(begin), (&b"first  then "[..], output.len()));
        assert_eq!(output.since(OutputPosition { bytes: 6, lent: 2 }), (&b" then "[..], 6 + LARGE));
        assert_eq!(output.since(output.end()), (&b""[..], 0));
        let (a, b) = (vec![b'a'; LARGE], vec![b'b'; LARGE]);
        let expected = [b"first ", &a[..], &b, b" then ", &a].concat();
        assert!(received(output) == expected);
    }

    /// A peer whose buffers are never full.
    #[derive(Debug, Default)]
    struct RoomyStream(Vec<u8>);

    impl Stream for RoomyStream {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("it is only written to")
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            parts.iter().for_each(|part| self.0.extend_from_slice(part));
            Ok(parts.iter().map(|part| part.len()).sum())
        }

        fn end_output(&mut self) -> io::Result<()> {
            unreachable!("it is only written to")
        }

        fn peer(&self) -> String {
            String::new()
        }

        fn ends(&self) -> crate::clients::Ends {
            crate::clients::Ends::Unknown
        }

        fn descriptor(&self) -> i32 {
            -1
        }
    }

    #[test]
    fn more_parts_than_the_system_takes_at_once_are_written_without_waiting_for_room() {
        let store = store();
        let mut output = OutputBuffer::default();
        let mut expected = Vec::new();
        for _ in 0..2 * PARTS_MAX {
            output.extend_from_slice(b" and ");
            push(&mut output, &store, "a");
            expected.extend_from_slice(b" and ");
            expected.extend_from_slice(&[b'a'; LARGE]);
        }
        let mut stream = RoomyStream::default();
        assert_eq!(output.write(3, &mut stream).unwrap(), expected.len() - 3);
        assert!(stream.0 == expected[3..]);
    }

    #[test]
    fn small_values_and_those_from_elsewhere_are_copied() {
        let store = store();
        let mut output = OutputBuffer::default();
        let a = value(&store, "a");
        output.push_value(a.part(0..LENT_BYTES_MIN - 1));
        output.push_value(Value::copied(&[b'x'; LARGE]));
        assert_eq!(output.own_bytes(), LENT_BYTES_MIN - 1 + LARGE);
        output.push_value(a.part(7..LENT_BYTES_MIN + 7));
        assert_eq!(output.own_bytes(), LENT_BYTES_MIN - 1 + LARGE);
        let (a, x) = (vec![b'a'; LENT_BYTES_MIN], vec![b'x'; LARGE]);
        assert!(received(output) == [&a[1..], &x, &a].concat());
    }

    #[test]
    fn what_is_cut_off_is_not_sent_and_its_store_is_let_go() {
        let store = store();
        let mut output = OutputBuffer::default();
        output.extend_from_slice(b"first");
        push(&mut output, &store, "a");
        let end = output.end();
        output.extend_from_slice(b"second");
        push(&mut output, &store, "b");
        output.cut(end);
        assert_eq!((output.own_bytes(), output.len()), (5, 5 + LARGE));
        assert_eq!(Arc::strong_count(&store), 2);
        assert!(received(output) == [&b"first"[..], &[b'a'; LARGE]].concat());
    }

    #[test]
    fn room_is_kept_up_to_a_bound() {
        for (len, kept) in [(1_000, true), (10_000, false)] {
            let mut output = OutputBuffer::default();
            output.extend_from_slice(&vec![b'x'; len]);
            output.shrink_to_fit();
            output.clear();
            output.give_back(1_000);
            assert_eq!(output.capacity() > 0, kept, "{len} bytes");
        }
    }

    #[test]
    fn what_is_copied_is_known_and_what_lies_in_the_table_is_not_copied() {
        let store = store();
        assert!(Value::copied(b"x").is_copied() && !value(&store, "a").is_copied());
        let zstd = value(&store, "a").as_representation(Representation::Zstd);
        assert_eq!(
            (zstd.representation(), value(&store, "a").representation()),
            (Representation::Zstd, Representation::Only)
        );
    }

    #[test]
    fn a_lent_value_outlives_every_other_holder_of_its_store() {
        let store = store();
        let mut output = OutputBuffer::default();
        push(&mut output, &store, "b");
        let weak = Arc::downgrade(&store);
        drop(store);
        assert!(weak.upgrade().is_some());
        assert!(received(output) == vec![b'b'; LARGE]);
        assert!(weak.upgrade().is_none(), "the store goes with the last value that was lent of it");
    }

    #[test]
    fn more_parts_than_are_written_at_once_come_all() {
        let store = store();
        let mut output = OutputBuffer::default();
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
