//! Several values decoded in step: each step of one waits for the step before it, so that the
//! processor does the others' meanwhile.

use std::ops::Range;

use super::append_bytes;
use super::bits::load;
use super::decode::{Decoder, Malformed, STEPS, WindowEntry, Windows};

/// Values that are decoded in step.
pub(crate) const ABREAST: usize = 4;

/// Bytes of a value that are decoded in step; of a longer one, the rest is decoded alone.
const ROOM_BYTES: usize = 128;

/// Bytes behind the room that one round may write to.
const SPILL_BYTES: usize = 8 * STEPS + 8;

/// Room for values that are decoded in step, used again and again.
#[derive(Clone, Debug)]
pub(crate) struct Rooms([[u8; ROOM_BYTES + SPILL_BYTES]; ABREAST]);

impl Default for Rooms {
    fn default() -> Self {
        Self([[0; ROOM_BYTES + SPILL_BYTES]; ABREAST])
    }
}

/// A stored value: its first byte begins `bytes`, `len` of them count, and those behind may be
/// loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoredValue<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) len: usize,
}

impl Decoder {
    /// Appends what each of `stored` stands for, at most `most` bytes each (which are many), and
    /// says where each lies in `out`; of malformed ones, which the first is.
    #[inline(always)]
    pub(crate) fn decode_abreast(
        &self,
        stored: [StoredValue<'_>; ABREAST],
        most: usize,
        rooms: &mut Rooms,
        out: &mut Vec<u8>,
    ) -> Result<[Range<usize>; ABREAST], usize> {
        match self {
            Self::Narrow(windows) => windows.decode_abreast(stored, most, rooms, out),
            Self::Wide(windows) => windows.decode_abreast(stored, most, rooms, out),
        }
    }
}

impl<E: WindowEntry, const ENTRIES: usize> Windows<E, ENTRIES> {
    #[inline(always)]
    fn decode_abreast(
        &self,
        stored: [StoredValue<'_>; ABREAST],
        most: usize,
        Rooms(rooms): &mut Rooms,
        out: &mut Vec<u8>,
    ) -> Result<[Range<usize>; ABREAST], usize> {
        debug_assert!(most >= ROOM_BYTES + SPILL_BYTES, "what is decoded in step is not counted");
        let mut at = [0_usize; ABREAST];
        let mut given = [0_usize; ABREAST];
        let mut last = [E::default(); ABREAST];
        loop {
            let mut windows = [0; ABREAST];
            for i in 0..ABREAST {
                let StoredValue { bytes, len } = stored[i];
                // Where bits behind the end were taken, which is refused below, it is of no matter
                // what is filled.
                let left = (len * 8).wrapping_sub(at[i]).cast_signed().min(63).cast_unsigned();
                // The highest bit is set, so that the zeros before it tell how many bits were
                // taken.
                let filled = u64::MAX.wrapping_shl(left as u32);
                windows[i] = load(bytes, at[i] / 8) >> (at[i] % 8) | filled;
                // As the loop's end has it; this spares the checks of the steps.
                given[i] = given[i].min(ROOM_BYTES);
            }
            for _ in 0..STEPS {
                for i in 0..ABREAST {
                    last[i] = self.entry(windows[i]);
                    rooms[i][given[i]..given[i] + 8].copy_from_slice(&last[i].bytes());
                    given[i] += last[i].given();
                    windows[i] >>= last[i].taken();
                }
            }
            for i in 0..ABREAST {
                at[i] += windows[i].leading_zeros() as usize;
            }
            let all_stopped = last.iter().all(|last| last.taken() == 0);
            if all_stopped || given.iter().any(|&given| given > ROOM_BYTES) {
                break;
            }
        }
        let stopped = last.map(|last| last.taken() == 0);
        let mut ranges = [const { 0..0 }; ABREAST];
        for i in 0..ABREAST {
            let start = out.len();
            append_bytes(out, &rooms[i], given[i]);
            let whole = match (stored[i].len * 8).checked_sub(at[i]) {
                // Fewer bits than these are what fills the last byte, once no symbol begins in
                // them.
                Some(left) => {
                    left == 0
                        || stopped[i] && left < 8
                        || self.decode_rest(stored[i], at[i], start + most, out)
                }
                None => false,
            };
            if !whole {
                return Err(i);
            }
            ranges[i] = start..out.len();
        }
        Ok(ranges)
    }

    /// Appends the rest of a value from bit `at` on: whether it is well-formed.
    #[inline(never)]
    fn decode_rest(&self, stored: StoredValue<'_>, at: usize, most: usize, out: &mut Vec<u8>) -> bool {
        self.decode_from(at, stored.bytes, stored.len, most, out) != Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Encoder, train};
    use super::*;

    /// A value, and what it is stored as.
    type StoredAndGiven = (Vec<u8>, Vec<u8>);

    /// Values with escapes, long and empty ones among them.
    fn stored(codec: Codec) -> (Vec<StoredAndGiven>, Decoder) {
        let words = b"once upon a time there was a table that nobody wrote to";
        let table = train(codec, &[words, words]).unwrap();
        let encoder = Encoder::new(&table);
        let values = (0..200_usize).map(|i| {
            let mut value: Vec<u8> = words.iter().cycle().skip(i).take(i * i % 517).copied().collect();
            if i % 3 == 0 {
                value.insert(value.len() / 2, 0xFF);
            }
            let mut stored = Vec::new();
            encoder.encode(&value, &mut stored);
            (value, stored)
        });
        (values.collect(), Decoder::new(codec, &table).unwrap())
    }

    #[test]
    fn values_decoded_abreast_are_those_decoded_alone() {
        for codec in [Codec::Huffman, Codec::Symbols] {
            let (values, decoder) = stored(codec);
            let (mut rooms, mut out) = (Rooms::default(), b"before".to_vec());
            for values in values.chunks_exact(ABREAST) {
                let stored =
                    std::array::from_fn(|i| StoredValue { bytes: &values[i].1, len: values[i].1.len() });
                let ranges = decoder.decode_abreast(stored, 1000, &mut rooms, &mut out).unwrap();
                for ((value, _), range) in values.iter().zip(ranges) {
                    assert_eq!(&out[range], value);
                }
            }
            assert!(out.starts_with(b"before"));
        }
    }

    #[test]
    fn codes_so_short_that_an_entry_could_give_more_than_it_has_room_for_are_decoded() {
        let table = train(Codec::Huffman, &[b"aaaaaaaaaaaaaaab"]).unwrap();
        let decoder = Decoder::new(Codec::Huffman, &table).unwrap();
        for len in 0..300 {
            let value: Vec<u8> = (0..len).map(|i| if i % 7 == 6 { b'b' } else { b'a' }).collect();
            let (mut bytes, mut alone, mut abreast) = (Vec::new(), Vec::new(), Vec::new());
            Encoder::new(&table).encode(&value, &mut bytes);
            decoder.decode(&bytes, bytes.len(), 1000, &mut alone).unwrap();
            assert_eq!(alone, value, "alone");
            let stored = [StoredValue { bytes: &bytes, len: bytes.len() }; ABREAST];
            let ranges = decoder.decode_abreast(stored, 1000, &mut Rooms::default(), &mut abreast).unwrap();
            assert!(ranges.into_iter().all(|range| abreast[range] == value), "abreast, {len} bytes");
        }
    }

    #[test]
    fn any_bytes_are_decoded_abreast_as_alone_or_refused_by_their_place() {
        for codec in [Codec::Huffman, Codec::Symbols] {
            let (values, decoder) = stored(codec);
            let mut rooms = Rooms::default();
            let mut refused = 0;
            for (n, (_, good)) in values.iter().enumerate() {
                for cut in 0..good.len() {
                    let (mut alone, mut abreast) = (Vec::new(), Vec::new());
                    let expected = decoder.decode(good, cut, 300, &mut alone);
                    let place = n % ABREAST;
                    let mut stored = [StoredValue::default(); ABREAST];
                    stored[place] = StoredValue { bytes: good, len: cut };
                    let found = decoder.decode_abreast(stored, 300, &mut rooms, &mut abreast);
                    refused += usize::from(expected.is_err());
                    match expected {
                        Ok(()) => assert_eq!(abreast[found.unwrap()[place].clone()], alone),
                        Err(Malformed) => assert_eq!(found, Err(place)),
                    }
                }
            }
            assert!(refused > 0);
        }
    }
}
