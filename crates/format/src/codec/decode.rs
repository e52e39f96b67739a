//! Reading what was stored through a prefix code.

use super::bits::load;
use super::{Codec, NARROW_BITS, SYMBOL_BYTES_MAX, SymbolTable, WIDE_BITS};

/// Stored bytes that end in the middle of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Symbols that one load of 64 bits is sure to hold.
const STEPS: usize = 4;

/// The decoder of a column.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    /// Of [`Codec::Huffman`].
    Narrow(Windows<{ 1 << NARROW_BITS }>),
    /// Of [`Codec::Symbols`].
    Wide(Windows<{ 1 << WIDE_BITS }>),
}

impl Decoder {
    /// The decoder of `codec` with `table`; `None` for [`Codec::Raw`], which has none.
    pub(crate) fn new(codec: Codec, table: &SymbolTable) -> Option<Self> {
        match codec {
            Codec::Raw => None,
            Codec::Huffman => Some(Self::Narrow(Windows::new(table))),
            Codec::Symbols => Some(Self::Wide(Windows::new(table))),
        }
    }

    /// Appends what the first `stored` bytes of `bytes` stand for; the bytes behind them are loaded but do not count.
    #[inline(always)]
    pub(crate) fn decode(&self, bytes: &[u8], stored: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Self::Narrow(windows) => windows.decode(bytes, stored, out),
            Self::Wide(windows) => windows.decode(bytes, stored, out),
        }
    }
}

/// A table that finds, from the next bits, all symbols that lie wholly in them; it has an entry for each value of the bits.
#[derive(Clone, Debug)]
pub(crate) struct Windows<const ENTRIES: usize> {
    /// The lowest four bits of an entry are the bits it takes, the next three the bytes it gives, and the bytes begin at
    /// bit 8. An entry of 0 is the escape.
    entries: Box<[u64; ENTRIES]>,
    escape_bits: u32,
}

impl<const ENTRIES: usize> Windows<ENTRIES> {
    const BITS: u32 = ENTRIES.ilog2();

    fn new(table: &SymbolTable) -> Self {
        let mut single = vec![None; ENTRIES];
        for (i, symbol) in table.symbols.iter().enumerate() {
            let bits = u32::from(table.lengths[i]);
            for window in (table.codes[i] as usize..ENTRIES).step_by(1 << bits) {
                single[window] = Some((symbol, bits));
            }
        }
        let mut entries = Box::new([0; ENTRIES]);
        for (window, entry) in entries.iter_mut().enumerate() {
            let (mut taken, mut given, mut bytes) = (0, 0, 0);
            while let Some((symbol, bits)) = single[window >> taken] {
                let len = usize::from(symbol.len);
                if taken + bits > Self::BITS || given + len > SYMBOL_BYTES_MAX {
                    break;
                }
                bytes |= symbol.bytes << (8 * given);
                taken += bits;
                given += len;
            }
            *entry = u64::from(taken) | (given as u64) << 4 | bytes << 8;
        }
        Self { entries, escape_bits: table.escape_bits() }
    }

    #[inline(always)]
    fn decode(&self, bytes: &[u8], stored: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let end = stored * 8;
        let mut at = 0;
        loop {
            let before = at;
            at = self.steps(bytes, at, end, out);
            if at >= end {
                return if at == end { Ok(()) } else { Err(Malformed) };
            }
            if at == before {
                match self.escape(bytes, at, end)? {
                    Some(byte) => out.push(byte),
                    None => return Ok(()),
                }
                at += self.escape_bits as usize + 8;
            }
        }
    }

    /// Takes the symbols of [`STEPS`] windows, fewer where the end or an escape comes first, and says where it stopped.
    #[inline(always)]
    fn steps(&self, bytes: &[u8], mut at: usize, end: usize, out: &mut Vec<u8>) -> usize {
        let mut window = load(bytes, at / 8) >> (at % 8) | u64::MAX.unbounded_shl((end - at) as u32);
        let mut block = [0_u8; 8 * STEPS + 8];
        let mut given = 0;
        for _ in 0..STEPS {
            let entry = self.entries[window as usize % ENTRIES];
            block[given..given + 8].copy_from_slice(&(entry >> 8).to_le_bytes());
            given += (entry >> 4 & 7) as usize;
            let taken = entry as u32 & 15;
            window >>= taken;
            at += taken as usize;
        }
        let start = out.len();
        out.extend_from_slice(&block[..8 * STEPS]);
        out.truncate(start + given);
        at
    }

    /// The byte behind an escape, or `None` where what is left are the ones that fill the last byte.
    #[cold]
    #[inline(never)]
    fn escape(&self, bytes: &[u8], at: usize, end: usize) -> Result<Option<u8>, Malformed> {
        let left = (end - at) as u32;
        if left >= 8 + self.escape_bits {
            let window = load(bytes, at / 8) >> (at % 8);
            return Ok(Some((window >> self.escape_bits) as u8));
        }
        if left < 8 { Ok(None) } else { Err(Malformed) }
    }
}
