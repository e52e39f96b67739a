//! Reading what was stored through a prefix code.

use super::bits::load;
use super::segments::SEGMENTED_BYTES_MIN;
use super::{Codec, NARROW_BITS, SYMBOL_BYTES_MAX, SymbolTable, WIDE_BITS, append_block};

/// Stored bytes that end in the middle of a symbol, or that stand for more than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Symbols that one load of 64 bits is sure to hold.
pub(super) const STEPS: usize = 4;

/// The decoder of a column.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    /// Of [`Codec::Huffman`].
    Narrow(Windows<Half, { 1 << NARROW_BITS }>),
    /// Of [`Codec::Symbols`].
    Wide(Windows<Word, { 1 << WIDE_BITS }>),
}

impl Decoder {
    /// The decoder of `codec` with `table`; `None` for those that have none.
    pub(crate) fn new(codec: Codec, table: &SymbolTable) -> Option<Self> {
        match codec {
            Codec::Raw | Codec::Packed | Codec::Zstd => None,
            Codec::Huffman => Some(Self::Narrow(Windows::new(table))),
            Codec::Symbols => Some(Self::Wide(Windows::new(table))),
        }
    }

    /// Appends what the first `stored` bytes of `bytes` stand for, at most `most` bytes; the bytes
    /// behind them are loaded but do not count. A stored byte can stand for 56.
    #[inline(always)]
    pub(crate) fn decode(
        &self,
        bytes: &[u8],
        stored: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        match self {
            Self::Narrow(windows) => windows.decode(bytes, stored, most, out),
            Self::Wide(windows) => windows.decode(bytes, stored, most, out),
        }
    }
}

/// What the next bits stand for: how many of them are taken, and the bytes that they give. Where
/// none is taken, the escape comes next.
pub(crate) trait WindowEntry: Copy + Default {
    /// Bytes that an entry can give.
    const GIVEN_MAX: usize;

    /// An entry that takes `taken` bits, at most 31, and gives the lowest `given` bytes of
    /// `bytes`.
    fn new(taken: u32, given: usize, bytes: u64) -> Self;

    fn taken(self) -> u32;

    fn given(self) -> usize;

    /// The bytes, and what is no matter behind them.
    fn bytes(self) -> [u8; 8];
}

/// A [`WindowEntry`] of half a word, so that a table of 4,096 leaves half of a core's first cache
/// to others: in the highest two bits how many bytes it gives, in the six below how many bits it
/// takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Half(u32);

impl WindowEntry for Half {
    const GIVEN_MAX: usize = 3;

    fn new(taken: u32, given: usize, bytes: u64) -> Self {
        Self(bytes as u32 | taken << 24 | (given as u32) << 30)
    }

    #[inline(always)]
    fn taken(self) -> u32 {
        self.0 >> 24 & 63
    }

    #[inline(always)]
    fn given(self) -> usize {
        (self.0 >> 30) as usize
    }

    #[inline(always)]
    fn bytes(self) -> [u8; 8] {
        u64::from(self.0).to_le_bytes()
    }
}

/// A [`WindowEntry`] of a word: in the highest three bits how many bytes it gives, in the five
/// below how many bits it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word(u64);

impl WindowEntry for Word {
    const GIVEN_MAX: usize = SYMBOL_BYTES_MAX;

    fn new(taken: u32, given: usize, bytes: u64) -> Self {
        Self(bytes | u64::from(taken) << 56 | (given as u64) << 61)
    }

    #[inline(always)]
    fn taken(self) -> u32 {
        (self.0 >> 56) as u32 & 31
    }

    #[inline(always)]
    fn given(self) -> usize {
        (self.0 >> 61) as usize
    }

    #[inline(always)]
    fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// A table that finds, from the next bits, all symbols that lie wholly in them; it has an entry
/// for each value of the bits.
#[derive(Clone, Debug)]
pub(crate) struct Windows<E, const ENTRIES: usize> {
    entries: Box<[E; ENTRIES]>,
    pub(super) escape_bits: u32,
}

impl<E: WindowEntry, const ENTRIES: usize> Windows<E, ENTRIES> {
    const BITS: u32 = ENTRIES.ilog2();

    fn new(table: &SymbolTable) -> Self {
        let mut single = vec![None; ENTRIES];
        for (i, symbol) in table.symbols.iter().enumerate() {
            let bits = u32::from(table.lengths[i]);
            for window in (table.codes[i] as usize..ENTRIES).step_by(1 << bits) {
                single[window] = Some((symbol, bits));
            }
        }
        let mut entries = Box::new([E::default(); ENTRIES]);
        for (window, entry) in entries.iter_mut().enumerate() {
            let (mut taken, mut given, mut bytes) = (0, 0, 0);
            while let Some((symbol, bits)) = single[window >> taken] {
                let len = usize::from(symbol.len);
                if taken + bits > Self::BITS || given + len > E::GIVEN_MAX {
                    break;
                }
                bytes |= symbol.bytes << (8 * given);
                taken += bits;
                given += len;
            }
            *entry = E::new(taken, given, bytes);
        }
        Self { entries, escape_bits: table.escape_bits() }
    }

    #[inline(always)]
    pub(super) fn entry(&self, window: u64) -> E {
        self.entries[window as usize % ENTRIES]
    }

    #[inline(always)]
    fn decode(&self, bytes: &[u8], stored: usize, most: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.decode_from(0, bytes, stored, out.len() + most, out)
    }

    /// Appends what the bits of the first `stored` bytes from bit `at` on stand for, until `out`
    /// has at most `most` bytes.
    #[inline(always)]
    pub(super) fn decode_from(
        &self,
        mut at: usize,
        bytes: &[u8],
        stored: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        if stored - (at / 8).min(stored) >= SEGMENTED_BYTES_MIN {
            at = self.decode_segments(at, bytes, stored, most, out)?;
        }
        self.decode_in_order(at, bytes, stored, most, out)
    }

    /// As [`Self::decode_from`], symbol by symbol.
    #[inline(always)]
    pub(super) fn decode_in_order(
        &self,
        mut at: usize,
        bytes: &[u8],
        stored: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let end = stored * 8;
        loop {
            let (stop, stopped) = self.steps(bytes, at, end, out);
            at = stop;
            if out.len() > most || at > end {
                return Err(Malformed);
            }
            // Fewer bits than these are what fills the last byte, once no symbol begins in them.
            if at == end || stopped && end - at < 8 {
                return Ok(());
            }
            if stopped {
                out.push(self.escape(bytes, at, end)?);
                at += self.escape_bits as usize + 8;
            }
        }
    }

    /// Takes the symbols of [`STEPS`] windows, fewer where the end or an escape comes first, and
    /// says where it stopped and whether that was why.
    #[inline(always)]
    fn steps(&self, bytes: &[u8], mut at: usize, end: usize, out: &mut Vec<u8>) -> (usize, bool) {
        let mut window = load(bytes, at / 8) >> (at % 8) | u64::MAX.unbounded_shl((end - at).min(64) as u32);
        let mut block = [0_u8; 8 * STEPS + 8];
        let mut given = 0;
        let mut stopped = false;
        for _ in 0..STEPS {
            let entry = self.entry(window);
            block[given..given + 8].copy_from_slice(&entry.bytes());
            given += entry.given();
            window >>= entry.taken();
            at += entry.taken() as usize;
            stopped = entry.taken() == 0;
        }
        append_block(out, &block, given);
        (at, stopped)
    }

    /// The byte behind an escape.
    #[cold]
    #[inline(never)]
    fn escape(&self, bytes: &[u8], at: usize, end: usize) -> Result<u8, Malformed> {
        if end - at < 8 + self.escape_bits as usize {
            return Err(Malformed);
        }
        Ok(self.escaped(bytes, at))
    }

    /// The same, where it is known to be there.
    #[inline(always)]
    pub(super) fn escaped(&self, bytes: &[u8], at: usize) -> u8 {
        (load(bytes, at / 8) >> (at % 8) >> self.escape_bits) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Encoder, train};
    use super::*;

    #[test]
    fn stored_bytes_beyond_half_a_gigabyte_are_read_as_the_first_are() {
        let table = train(Codec::Huffman, &[b"abcdefgh"]).unwrap();
        let mut stored = Vec::new();
        let Some(Decoder::Narrow(decoder)) = Decoder::new(Codec::Huffman, &table) else { unreachable!() };
        Encoder::new(&table).encode(b"abc!abcd", &mut stored);
        for end in [1 << 32, (1 << 32) + 5, (1 << 35) + 9] {
            let mut out = Vec::new();
            let (at, stopped) = decoder.steps(&stored, 0, end, &mut out);
            assert_eq!(out, b"abc", "{end} bits");
            assert!(stopped, "{end} bits");
            assert_eq!(decoder.escape(&stored, at, end), Ok(b'!'), "{end} bits");
        }
    }

    #[test]
    fn no_more_is_decoded_than_may_be() {
        let table = train(Codec::Symbols, &[&[b'a'; 4096]]).unwrap();
        let (mut stored, decoder) = (Vec::new(), Decoder::new(Codec::Symbols, &table).unwrap());
        Encoder::new(&table).encode(&[b'a'; 1000], &mut stored);
        let mut out = b"before".to_vec();
        assert_eq!(decoder.decode(&stored, stored.len(), 1000, &mut out), Ok(()));
        assert_eq!(out.len(), 1006);
        assert_eq!(decoder.decode(&stored, stored.len(), 999, &mut out), Err(Malformed));
        assert!(out.len() < 2100);
    }
}
