//! The pairs of a block as they are in a temporary file: keys that are UUIDs as their numbers, and
//! keys, values and lengths each through zstd, which finds the code of the letters that there are.

use std::io;

use zstd_safe::{CCtx, CParameter, DCtx};

use crate::error::Error;
use crate::key::digits::{UUID_BYTES, parse_uuid, write_uuid};

/// How hard zstd tries: what is not alike gets a code for its letters, which is nearly all that
/// can be had of short values, in some hundred megabytes a second.
const LEVEL: i32 = 1;

/// Bytes of the number of a UUID.
const NUMBER_BYTES: usize = size_of::<u128>();

/// What a packed block begins with: whether keys are texts `u8`, the number of pairs `u64`.
const HEAD_BYTES: usize = 9;

/// What stands before each part of it: how many bytes it has, and how many of them are there,
/// `u64`.
const LENGTHS_BYTES: usize = 16;

/// The pairs of a block, their parts apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairStreams {
    pairs: usize,
    /// Whether keys are texts rather than numbers of UUIDs.
    are_texts: bool,
    keys: Vec<u8>,
    /// Of keys that are texts.
    key_lengths: Vec<u8>,
    value_lengths: Vec<u8>,
    values: Vec<u8>,
}

fn push_length(len: usize, out: &mut Vec<u8>) {
    match u8::try_from(len) {
        Ok(short) if short < u8::MAX => out.push(short),
        _ => {
            out.push(u8::MAX);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
}

/// Takes a length off the front of `lengths`.
#[inline]
fn take_length(lengths: &mut &[u8]) -> Option<usize> {
    let (&short, rest) = lengths.split_first()?;
    *lengths = rest;
    if short < u8::MAX {
        return Some(short.into());
    }
    let (len, rest) = lengths.split_first_chunk()?;
    *lengths = rest;
    Some(u32::from_le_bytes(*len) as usize)
}

impl PairStreams {
    pub(crate) fn clear(&mut self) {
        (self.pairs, self.are_texts) = (0, false);
        for stream in self.streams() {
            stream.clear();
        }
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        push_length(value.len(), &mut self.value_lengths);
        self.values.extend_from_slice(value);
        if !self.are_texts {
            if let Some(number) = parse_uuid(key) {
                return self.keys.extend_from_slice(&number.to_le_bytes());
            }
            self.spell();
        }
        push_length(key.len(), &mut self.key_lengths);
        self.keys.extend_from_slice(key);
    }

    /// Turns the keys so far into texts.
    fn spell(&mut self) {
        let mut texts = Vec::new();
        let (numbers, _) = self.keys.as_chunks::<NUMBER_BYTES>();
        for number in numbers {
            write_uuid(u128::from_le_bytes(*number), &mut texts);
            push_length(UUID_BYTES, &mut self.key_lengths);
        }
        (self.keys, self.are_texts) = (texts, true);
    }

    fn streams(&mut self) -> [&mut Vec<u8>; 4] {
        [&mut self.keys, &mut self.key_lengths, &mut self.value_lengths, &mut self.values]
    }

    /// Puts what [`Self::unpack`] makes the same pairs of at the beginning of `room`, and says how
    /// many bytes that is. What is behind them stays, so that room is used again as it is.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory.
    pub(crate) fn pack(&mut self, room: &mut Vec<u8>) -> Result<usize, Error> {
        let mut context = CCtx::try_create().ok_or_else(no_memory)?;
        context.set_parameter(CParameter::CompressionLevel(LEVEL)).map_err(|_| no_memory())?;
        let bounds = self.streams().map(|stream| LENGTHS_BYTES + zstd_safe::compress_bound(stream.len()));
        let most = HEAD_BYTES + bounds.into_iter().sum::<usize>();
        if room.len() < most {
            room.resize(most, 0);
        }
        room[0] = self.are_texts.into();
        room[1..HEAD_BYTES].copy_from_slice(&(self.pairs as u64).to_le_bytes());
        let mut end = HEAD_BYTES;
        for stream in self.streams() {
            let (lengths, rest) = room[end..].split_at_mut(LENGTHS_BYTES);
            let mut len = context.compress2(rest, stream).map_err(|_| no_memory())?;
            if len >= stream.len() {
                len = stream.len();
                rest[..len].copy_from_slice(stream);
            }
            let (given, stored) = lengths.split_at_mut(LENGTHS_BYTES / 2);
            given.copy_from_slice(&(stream.len() as u64).to_le_bytes());
            stored.copy_from_slice(&(len as u64).to_le_bytes());
            end += LENGTHS_BYTES + len;
        }
        Ok(end)
    }

    /// Puts the pairs of a packed block in place of what is there.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory, or `packed` was not packed.
    pub(crate) fn unpack(&mut self, packed: &[u8]) -> Result<(), Error> {
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        let mut rest = packed;
        let length = |rest: &mut &[u8]| {
            let (length, behind) = rest.split_first_chunk().ok_or_else(changed)?;
            *rest = behind;
            usize::try_from(u64::from_le_bytes(*length)).map_err(|_| changed())
        };
        let (&are_texts, behind) = rest.split_first().ok_or_else(changed)?;
        rest = behind;
        self.are_texts = are_texts != 0;
        self.pairs = length(&mut rest)?;
        for stream in self.streams() {
            let (given, stored) = (length(&mut rest)?, length(&mut rest)?);
            let (bytes, behind) = rest.split_at_checked(stored).ok_or_else(changed)?;
            rest = behind;
            stream.resize(given, 0);
            if given == stored {
                stream.copy_from_slice(bytes);
                continue;
            }
            let unpacked = context.decompress(&mut stream[..], bytes);
            if unpacked != Ok(given) {
                return Err(changed());
            }
        }
        Ok(())
    }

    /// Calls `each` with every pair, in order.
    ///
    /// # Errors
    /// What `each` says; [`Error::Io`] where what was unpacked was not packed here.
    #[inline]
    pub(crate) fn for_each(
        &self,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut keys, mut key_lengths) = (self.keys.as_slice(), self.key_lengths.as_slice());
        let (mut values, mut value_lengths) = (self.values.as_slice(), self.value_lengths.as_slice());
        let mut spelled = Vec::with_capacity(UUID_BYTES);
        for _ in 0..self.pairs {
            let len = take_length(&mut value_lengths).ok_or_else(changed)?;
            let (value, behind) = values.split_at_checked(len).ok_or_else(changed)?;
            values = behind;
            if self.are_texts {
                let len = take_length(&mut key_lengths).ok_or_else(changed)?;
                let (key, behind) = keys.split_at_checked(len).ok_or_else(changed)?;
                keys = behind;
                each(key, value)?;
            } else {
                let (number, behind) = keys.split_first_chunk().ok_or_else(changed)?;
                keys = behind;
                spelled.clear();
                write_uuid(u128::from_le_bytes(*number), &mut spelled);
                each(&spelled, value)?;
            }
        }
        Ok(())
    }
}

fn no_memory() -> Error {
    Error::Io { doing: "get memory", source: io::ErrorKind::OutOfMemory.into() }
}

fn changed() -> Error {
    let source = io::Error::new(io::ErrorKind::InvalidData, "it is not what was written");
    Error::Io { doing: "read a temporary file beside the output again", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back(pairs: &[(Vec<u8>, Vec<u8>)]) -> usize {
        let (mut streams, mut packed) = (PairStreams::default(), b"before".to_vec());
        // What was there before leaves nothing.
        streams.push(b"another", b"pair");
        streams.clear();
        pairs.iter().for_each(|(key, value)| streams.push(key, value));
        let len = streams.pack(&mut packed).unwrap();
        let mut again = PairStreams::default();
        again.push(b"yet", b"another");
        again.unpack(&packed[..len]).unwrap();
        let mut found = Vec::new();
        again
            .for_each(|key, value| {
                found.push((key.to_vec(), value.to_vec()));
                Ok(())
            })
            .unwrap();
        assert!(found == pairs);
        // Room that was used before holds the same.
        packed.fill(0xAA);
        assert_eq!(streams.pack(&mut packed).unwrap(), len);
        again.unpack(&packed[..len]).unwrap();
        assert!(again.values == streams.values && again.keys == streams.keys);
        len
    }

    fn uuid(number: u128) -> Vec<u8> {
        let mut text = Vec::new();
        write_uuid(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), &mut text);
        text
    }

    #[test]
    fn pairs_come_back_as_they_were() {
        let lengths = [0, 1, 30, 254, 255, 256, 70_000];
        let value = |i: usize| vec![b'a' + (i % 26) as u8; lengths[i % lengths.len()]];
        comes_back(&[]);
        comes_back(&[(Vec::new(), Vec::new())]);
        let uuids = |n: usize| (0..n).map(|i| (uuid(i as u128), value(i))).collect::<Vec<_>>();
        comes_back(&uuids(100));
        // Keys are texts from the first that is no UUID on.
        for at in [0, 1, 50, 100] {
            for other in [&b""[..], b"8A35eb59-62b3-481c-8875-1f248df4c952", &[b'k'; 300]] {
                let mut pairs = uuids(100);
                pairs.insert(at, (other.to_vec(), value(at)));
                comes_back(&pairs);
            }
        }
    }

    #[test]
    fn a_uuid_takes_sixteen_bytes_and_a_letter_as_many_bits_as_its_code() {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = 1_u64;
        let mut letter = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            letters[(state >> 58) as usize]
        };
        let pairs: Vec<_> = (0..10_000).map(|i| (uuid(i), (0..30).map(|_| letter()).collect())).collect();
        let a_pair = comes_back(&pairs) as f64 / 10_000.0;
        assert!((38.0..39.5).contains(&a_pair), "{a_pair}");
    }

    #[test]
    fn what_was_not_packed_is_an_error() {
        let mut streams = PairStreams::default();
        (0..50).for_each(|i| streams.push(&uuid(i), b"value value value"));
        let mut packed = Vec::new();
        let len = streams.pack(&mut packed).unwrap();
        for cut in 0..len {
            assert!(streams.unpack(&packed[..cut]).is_err(), "{cut}");
        }
    }
}
