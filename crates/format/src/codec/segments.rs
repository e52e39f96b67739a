//! A long value decoded at several places at once: each step of one waits for the step before it,
//! so that the processor does the others' meanwhile.
//!
//! Nothing says where in the stored bytes a symbol begins, but a prefix code gets into step by
//! itself: a reader that begins anywhere soon comes to where a symbol ends, and from there on it
//! reads what one that began at the beginning reads. So a segment is begun at a guess, remembers
//! where its first steps ended, and counts from the one that the segment before it comes to.

use std::array;
use std::cell::RefCell;

use super::bits::load;
use super::decode::{Malformed, STEPS, WindowEntry, Windows};
use super::{WIDE_BITS, append_bytes};

/// How a run of stored bytes is cut into `N` segments, the first `ROUNDS` rounds of which are
/// remembered.
struct Cut<const N: usize, const ROUNDS: usize>;

/// A long run. Six segments take five sixths of the time of four; eight take longer than four do,
/// because the processor has too few registers for them.
type LongCut = Cut<6, 16>;

/// A short one, of which what is remembered, and decoded until a segment is in step, is a larger
/// part.
type ShortCut = Cut<4, 6>;

/// Stored bytes of a segment: few enough for what it gives to stay in the second-level cache.
const LONG_SEGMENT_BYTES_MIN: usize = 512;
const LONG_SEGMENT_BYTES_MAX: usize = 4 << 10;
const SHORT_SEGMENT_BYTES_MIN: usize = 64;

/// Stored bytes from which a value is decoded in segments.
pub(super) const SEGMENTED_BYTES_MIN: usize = ShortCut::bytes(SHORT_SEGMENT_BYTES_MIN);
const LONG_BYTES_MIN: usize = LongCut::bytes(LONG_SEGMENT_BYTES_MIN);

/// The most stored bytes that a round takes: windows, the last an escape, and its byte.
const ROUND_BYTES_MAX: usize = (STEPS * WIDE_BITS as usize + 8) / 8;

/// Stored bytes behind the last segment, which are left: a round begins in it, and reads eight
/// behind those that it takes.
const BEHIND_BYTES: usize = ROUND_BYTES_MAX + 8;

impl<const N: usize, const ROUNDS: usize> Cut<N, ROUNDS> {
    /// Stored bytes that make segments of so many.
    const fn bytes(of_segment: usize) -> usize {
        assert!(ROUNDS * ROUND_BYTES_MAX <= of_segment, "what is remembered is in the segment");
        N * of_segment + BEHIND_BYTES
    }
}

/// Bytes that a segment can give: it ends before them where its symbols are so long.
const ROOM_BYTES: usize = 24 << 10;

/// Bytes behind the room that one round may write to.
const SPILL_BYTES: usize = 8 * STEPS + 8;

/// What a segment gives.
type SegmentRoom = [u8; ROOM_BYTES + SPILL_BYTES];

thread_local! {
    /// Used again and again.
    static ROOMS: RefCell<Vec<SegmentRoom>> = const { RefCell::new(Vec::new()) };
}

/// Where a step ended, in bits of the value, and what its segment had given until then.
#[derive(Clone, Copy, Default)]
struct StepEnd {
    at: usize,
    given: usize,
}

impl<E: WindowEntry, const ENTRIES: usize> Windows<E, ENTRIES> {
    /// Appends what the bits of the first `stored` bytes from bit `at` on stand for, but for some
    /// at the end, and says where it stopped; `out` may come to more than `most` bytes by those of
    /// a segment.
    #[inline(never)]
    pub(super) fn decode_segments(
        &self,
        mut at: usize,
        bytes: &[u8],
        stored: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Malformed> {
        let bytes = &bytes[..stored];
        ROOMS.with_borrow_mut(|rooms| {
            loop {
                at = match stored - at / 8 {
                    LONG_BYTES_MIN.. => self.decode_together(LongCut {}, at, bytes, rooms, out),
                    SEGMENTED_BYTES_MIN.. => self.decode_together(ShortCut {}, at, bytes, rooms, out),
                    _ => return Ok(at),
                };
                if out.len() > most {
                    return Err(Malformed);
                }
            }
        })
    }

    /// Appends what the bits from `at` on stand for and says where it stopped: at the end of the
    /// last segment, or before it where a segment did not get into step or its room was full.
    fn decode_together<const N: usize, const ROUNDS: usize>(
        &self,
        _: Cut<N, ROUNDS>,
        start: usize,
        bytes: &[u8],
        rooms: &mut Vec<SegmentRoom>,
        out: &mut Vec<u8>,
    ) -> usize {
        let segment_bytes = ((bytes.len() - start / 8 - BEHIND_BYTES) / N).min(LONG_SEGMENT_BYTES_MAX);
        if rooms.len() < N {
            rooms.resize(N, [0; ROOM_BYTES + SPILL_BYTES]);
        }
        let Some(rooms) = rooms.first_chunk_mut::<N>() else { return start };
        let mut at: [usize; N] = array::from_fn(|i| start + i * 8 * segment_bytes);
        let ends = at.map(|at| at + 8 * segment_bytes);
        let mut given = [0; N];
        let mut step_ends = [[[StepEnd::default(); STEPS]; ROUNDS]; N];
        #[allow(clippy::needless_range_loop)] // It is the second index of three.
        for round in 0..ROUNDS {
            self.round(bytes, &mut at, &mut given, rooms, |i, step, end| step_ends[i][round][step] = end);
        }
        while (0..N).all(|i| at[i] < ends[i] && given[i] <= ROOM_BYTES) {
            self.round(bytes, &mut at, &mut given, rooms, |_, _, _| {});
        }
        let mut stop = start;
        for i in 0..N {
            let Some(known) = self.get_into_step(&mut stop, bytes, step_ends[i].as_flattened(), out) else {
                break;
            };
            while at[i] < ends[i] && given[i] <= ROOM_BYTES {
                let (at, given) = (array::from_mut(&mut at[i]), array::from_mut(&mut given[i]));
                self.round(bytes, at, given, array::from_mut(&mut rooms[i]), |_, _, _| {});
            }
            append_bytes(out, &rooms[i][known..], given[i] - known);
            stop = at[i];
            if stop < ends[i] {
                break;
            }
        }
        stop
    }

    /// Decodes [`STEPS`] windows of each segment into its room, and an escape that follows them.
    #[inline(always)]
    fn round<const N: usize>(
        &self,
        bytes: &[u8],
        at: &mut [usize; N],
        given: &mut [usize; N],
        rooms: &mut [SegmentRoom; N],
        mut step_end: impl FnMut(usize, usize, StepEnd),
    ) {
        // The highest bit is set, so that the zeros before it tell how many bits were taken.
        let mut windows: [u64; N] = array::from_fn(|i| load(bytes, at[i] / 8) >> (at[i] % 8) | 1 << 63);
        let mut last = [E::default(); N];
        // As the callers have it; this spares the checks of the steps.
        given.iter_mut().for_each(|given| *given = (*given).min(ROOM_BYTES));
        for step in 0..STEPS {
            for i in 0..N {
                last[i] = self.entry(windows[i]);
                rooms[i][given[i]..given[i] + 8].copy_from_slice(&last[i].bytes());
                given[i] += last[i].given();
                windows[i] >>= last[i].taken();
                let taken = windows[i].leading_zeros() as usize;
                step_end(i, step, StepEnd { at: at[i] + taken, given: given[i] });
            }
        }
        for i in 0..N {
            at[i] += windows[i].leading_zeros() as usize;
            if last[i].taken() == 0 {
                rooms[i][given[i]] = self.escaped(bytes, at[i]);
                given[i] += 1;
                at[i] += self.escape_bits as usize + 8;
            }
        }
    }

    /// Goes on from `at`, where a symbol begins, to where one of the first steps of the next
    /// segment ended, appends what lies between, and says what the segment had given until then;
    /// `None` where it was never in step.
    fn get_into_step(
        &self,
        at: &mut usize,
        bytes: &[u8],
        step_ends: &[StepEnd],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let mut ahead = step_ends.iter().peekable();
        loop {
            while ahead.next_if(|end| end.at < *at).is_some() {}
            let end = ahead.peek()?;
            if end.at == *at {
                return Some(end.given);
            }
            let entry = self.entry(load(bytes, *at / 8) >> (*at % 8));
            if entry.taken() == 0 {
                out.push(self.escaped(bytes, *at));
                *at += self.escape_bits as usize + 8;
            } else {
                out.extend_from_slice(&entry.bytes()[..entry.given()]);
                *at += entry.taken() as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Decoder, Encoder, train};
    use super::*;

    /// What a decoder makes of all of `bytes` in segments, and what in order.
    fn both(decoder: &Decoder, bytes: &[u8], most: usize) -> [Option<Vec<u8>>; 2] {
        fn of<E: WindowEntry, const ENTRIES: usize>(
            windows: &Windows<E, ENTRIES>,
            bytes: &[u8],
            most: usize,
        ) -> [Option<Vec<u8>>; 2] {
            let (mut segments, mut in_order) = (Vec::new(), Vec::new());
            let [a, b] = [
                windows.decode_from(0, bytes, bytes.len(), most, &mut segments),
                windows.decode_in_order(0, bytes, bytes.len(), most, &mut in_order),
            ];
            [a.ok().map(|()| segments), b.ok().map(|()| in_order)]
        }
        match decoder {
            Decoder::Narrow(windows) => of(windows, bytes, most),
            Decoder::Wide(windows) => of(windows, bytes, most),
        }
    }

    /// A text of words, with bytes between them that no code has.
    fn text(len: usize, escapes: usize) -> Vec<u8> {
        let mut random = 9_u64;
        let mut text = Vec::new();
        while text.len() < len {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let word = ["carve ", "stone", "letters, ", "once", " and", "read ", "them", "forever. "];
            text.extend_from_slice(word[(random >> 61) as usize].as_bytes());
            if (random >> 32) as usize % 100 < escapes {
                text.push(0x80 | (random >> 40) as u8);
            }
        }
        text.truncate(len);
        text
    }

    #[test]
    fn a_value_decoded_in_segments_is_the_value() {
        for codec in [Codec::Huffman, Codec::Symbols] {
            let table = train(codec, &[&text(30_000, 0)[..]]).unwrap();
            let decoder = Decoder::new(codec, &table).unwrap();
            for escapes in [0, 1, 100] {
                for len in [1500, 3000, 10_000, 40_000, 200_000] {
                    for len in len..len + 5 {
                        let (value, mut stored) = (text(len, escapes), Vec::new());
                        Encoder::new(&table).encode(&value, &mut stored);
                        let [segments, in_order] = both(&decoder, &stored, len);
                        assert!(segments.as_ref() == Some(&value) && in_order == segments, "{len} {escapes}");
                        let [segments, in_order] = both(&decoder, &stored, len - 1);
                        assert_eq!((segments, in_order), (None, None), "{len} {escapes}");
                        let cut = &stored[..stored.len() - 1 - len % 7];
                        let [segments, in_order] = both(&decoder, cut, len);
                        assert!(segments == in_order, "{len} {escapes}");
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_decoded_in_segments_as_in_order() {
        for codec in [Codec::Huffman, Codec::Symbols] {
            let table = train(codec, &[&text(30_000, 0)[..]]).unwrap();
            let decoder = Decoder::new(codec, &table).unwrap();
            let mut random = 1_u64;
            for len in (SEGMENTED_BYTES_MIN - 2..SEGMENTED_BYTES_MIN + 3).chain([5_000, 20_000, 50_000]) {
                let any = std::iter::repeat_with(|| {
                    random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                    (random >> 56) as u8
                });
                for bytes in [any.take(len).collect(), vec![0; len], vec![0xFF; len], vec![0x55; len]] {
                    let [segments, in_order] = both(&decoder, &bytes, usize::MAX);
                    assert!(segments == in_order, "{len}");
                }
            }
        }
    }

    #[test]
    fn a_value_that_never_gets_into_step_is_decoded_all_the_same() {
        let table = train(Codec::Huffman, &[b"abcabcabc"]).unwrap();
        let decoder = Decoder::new(Codec::Huffman, &table).unwrap();
        let value: Vec<u8> = b"abc".iter().copied().cycle().take(30_001).collect();
        let mut stored = Vec::new();
        Encoder::new(&table).encode(&value, &mut stored);
        let [segments, in_order] = both(&decoder, &stored, value.len());
        assert!(segments.as_ref() == Some(&value) && in_order == segments);
    }

    #[test]
    fn a_value_of_which_few_bytes_stand_for_many_is_decoded_though_rooms_are_full() {
        let table = train(Codec::Symbols, &[&[b'a'; 4096]]).unwrap();
        let decoder = Decoder::new(Codec::Symbols, &table).unwrap();
        let mut stored = Vec::new();
        let value = vec![b'a'; 3_000_000];
        Encoder::new(&table).encode(&value, &mut stored);
        assert!(
            stored.len() > SEGMENTED_BYTES_MIN
                && value.len() / stored.len() * LONG_SEGMENT_BYTES_MAX > ROOM_BYTES
        );
        let [segments, in_order] = both(&decoder, &stored, value.len());
        assert!(segments.as_ref() == Some(&value) && in_order == segments);
    }
}
