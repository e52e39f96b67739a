//! Writing bytes through a prefix code, in the fewest bits that its symbols allow.

use std::collections::HashMap;

use super::SymbolTable;
use super::bits::BitWriter;

/// Bytes that are spelled at a time: spelling takes sixteen times as much memory, and no symbol
/// crosses the seam.
const PIECE_BYTES: usize = 1 << 16;

/// A code and its length.
#[derive(Clone, Copy, Debug, Default)]
struct Code {
    code: u32,
    bits: u32,
}

/// Symbols that begin with the same two bytes, or that one byte, with what choosing among them
/// needs.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    bytes: u64,
    mask: u64,
    len: u8,
    code: Code,
}

/// Writes bytes through the code of a [`SymbolTable`].
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    /// For each byte its own code, or the escape with the byte behind it.
    single: Box<[Code; 256]>,
    /// For each two bytes the range of the candidates that begin with them; empty where every
    /// symbol is one byte.
    ranges: Vec<(u32, u32)>,
    candidates: Vec<Candidate>,
}

impl Encoder {
    pub(crate) fn new(table: &SymbolTable) -> Self {
        let escape = Code { code: table.codes[table.symbols.len()], bits: table.escape_bits() };
        let mut single = Box::new([Code::default(); 256]);
        for (byte, code) in single.iter_mut().enumerate() {
            *code = Code { code: escape.code | (byte as u32) << escape.bits, bits: escape.bits + 8 };
        }
        let mut grouped: HashMap<u16, Vec<Candidate>> = HashMap::new();
        for (i, symbol) in table.symbols.iter().enumerate() {
            let code = Code { code: table.codes[i], bits: u32::from(table.lengths[i]) };
            if symbol.len == 1 {
                single[symbol.bytes as usize] = code;
            } else {
                let mask = u64::MAX >> (64 - 8 * u32::from(symbol.len));
                let candidate = Candidate { bytes: symbol.bytes, mask, len: symbol.len, code };
                grouped.entry(symbol.bytes as u16).or_default().push(candidate);
            }
        }
        let (mut ranges, mut candidates) = (Vec::new(), Vec::new());
        if !grouped.is_empty() {
            ranges.resize(1 << 16, (0, 0));
            let mut groups: Vec<_> = grouped.into_iter().collect();
            groups.sort_unstable_by_key(|&(start, _)| start);
            for (start, group) in groups {
                let from = candidates.len() as u32;
                candidates.extend(group);
                ranges[usize::from(start)] = (from, candidates.len() as u32);
            }
        }
        Self { single, ranges, candidates }
    }

    /// Appends `bytes` in their stored form.
    pub(crate) fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut writer = BitWriter::default();
        if self.ranges.is_empty() {
            for &byte in bytes {
                let Code { code, bits } = self.single[usize::from(byte)];
                writer.write(code, bits, out);
            }
        } else {
            for piece in bytes.chunks(PIECE_BYTES) {
                for (_, code) in self.cheapest(piece) {
                    writer.write(code.code, code.bits, out);
                }
            }
        }
        writer.finish(out);
    }

    /// The symbols of the cheapest spelling of `bytes`: how long each is, and its code. Shortest
    /// path from the end to the start, one step a byte.
    fn cheapest(&self, bytes: &[u8]) -> impl Iterator<Item = (u8, Code)> {
        let mut best: Vec<(u32, u8, Code)> = vec![(0, 0, Code::default()); bytes.len() + 1];
        for at in (0..bytes.len()).rev() {
            let code = self.single[usize::from(bytes[at])];
            let mut choice = (code.bits + best[at + 1].0, 1, code);
            if at + 1 < bytes.len() && !self.ranges.is_empty() {
                let left = bytes.len() - at;
                let word = super::bits::load(&bytes[at..], 0);
                let (from, to) = self.ranges[usize::from(word as u16)];
                for candidate in &self.candidates[from as usize..to as usize] {
                    if word & candidate.mask == candidate.bytes && usize::from(candidate.len) <= left {
                        let cost = candidate.code.bits + best[at + usize::from(candidate.len)].0;
                        if cost < choice.0 {
                            choice = (cost, candidate.len, candidate.code);
                        }
                    }
                }
            }
            best[at] = choice;
        }
        let mut at = 0;
        std::iter::from_fn(move || {
            let &(_, len, code) = best.get(at).filter(|choice| choice.1 > 0)?;
            at += usize::from(len);
            Some((len, code))
        })
    }

    /// Calls `each` with the symbols that `bytes` are spelled with, in order.
    pub(crate) fn for_each_symbol<'b>(&self, bytes: &'b [u8], mut each: impl FnMut(&'b [u8])) {
        let mut at = 0;
        for (len, _) in self.cheapest(bytes) {
            each(&bytes[at..at + usize::from(len)]);
            at += usize::from(len);
        }
    }
}
