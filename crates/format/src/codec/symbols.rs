//! The symbols of a code and their lengths, as they are written into a file.

use super::code::{canonical_codes, code_lengths};
use super::{Codec, SYMBOL_BYTES_MAX};

/// A string of 1 to 7 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol {
    /// The bytes, the first lowest.
    pub(crate) bytes: u64,
    /// How many there are.
    pub(crate) len: u8,
}

impl Symbol {
    /// The symbol of `bytes`, 1 to 7 of them.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Self { bytes: word, len: bytes.len() as u8 }
    }
}

/// Symbols with their codes. The code behind the last symbol's is all ones: it stands before a
/// byte that is none of the symbols, and where it meets the end of the stored bytes it is the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SymbolTable {
    pub(crate) symbols: Vec<Symbol>,
    /// A length for each symbol, then that of the escape.
    pub(crate) lengths: Vec<u8>,
    /// A code for each symbol, then that of the escape, first bit lowest.
    pub(crate) codes: Vec<u32>,
}

impl SymbolTable {
    /// The best code of `codec` for symbols that come so often, of which there are at least one
    /// and fewer than its window has values.
    pub(crate) fn from_weights(codec: Codec, mut weighted: Vec<(Symbol, u64)>) -> Self {
        weighted.sort_unstable();
        let mut weights: Vec<u64> = weighted.iter().map(|&(_, weight)| weight.max(1)).collect();
        weights.push(0);
        let lengths = code_lengths(&weights, codec.window_bits());
        let symbols = weighted.into_iter().map(|(symbol, _)| symbol).collect();
        // The escape weighs least and comes last, so it has the last of the longest codes: all
        // ones.
        let codes = canonical_codes(&lengths, codec.window_bits()).unwrap_or_default();
        Self { symbols, lengths, codes }
    }

    /// Appends the table: the number of symbols `u16`; for each its length `u8`, its bytes, and
    /// its code's length `u8`; and the length of the escape's code `u8`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.symbols.len() as u16).to_le_bytes());
        for (symbol, &bits) in self.symbols.iter().zip(&self.lengths) {
            out.push(symbol.len);
            out.extend_from_slice(&symbol.bytes.to_le_bytes()[..usize::from(symbol.len)]);
            out.push(bits);
        }
        out.extend(self.lengths.last());
    }

    /// Reads a table of `codec` and the bytes behind it; `None` when it is none.
    pub(crate) fn read(codec: Codec, bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, mut rest) = bytes.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_le_bytes(*count));
        if count == 0 || count >= 1 << codec.window_bits() {
            return None;
        }
        let (mut symbols, mut lengths) = (Vec::with_capacity(count), Vec::with_capacity(count + 1));
        for _ in 0..count {
            let (&len, tail) = rest.split_first()?;
            if len == 0 || usize::from(len) > SYMBOL_BYTES_MAX {
                return None;
            }
            let (text, tail) = tail.split_at_checked(usize::from(len))?;
            let (&bits, tail) = tail.split_first()?;
            symbols.push(Symbol::new(text));
            lengths.push(bits);
            rest = tail;
        }
        let (&bits, rest) = rest.split_first()?;
        if lengths.iter().any(|&other| other > bits) {
            return None;
        }
        lengths.push(bits);
        let codes = canonical_codes(&lengths, codec.window_bits())?;
        Some((Self { symbols, lengths, codes }, rest))
    }

    /// The length of the escape's code, in bits.
    pub(crate) fn escape_bits(&self) -> u32 {
        u32::from(self.lengths[self.symbols.len()])
    }
}
