//! Choosing symbols and codes from a sample.

use std::collections::HashMap;

use super::symbols::Symbol;
use super::{Codec, Encoder, SYMBOL_BYTES_MAX, SymbolTable};

/// How many symbols a table of strings has at most: enough that more do not pay, and few enough
/// that codes stay within the window with room to differ.
const SYMBOLS_MAX: usize = 4096;

/// How often the sample is spelled and the symbols are chosen anew. Symbols can double in length
/// each time.
const ROUNDS: usize = 8;

/// The table of `codec` for data like `sample`; `None` for those that need none.
pub(crate) fn train(codec: Codec, sample: &[&[u8]]) -> Option<SymbolTable> {
    match codec {
        Codec::Raw | Codec::Packed | Codec::Zstd => None,
        Codec::Huffman => Some(SymbolTable::from_weights(codec, bytes(sample))),
        Codec::Symbols => Some(strings(sample)),
    }
}

/// The bytes that the sample has, with how often.
fn bytes(sample: &[&[u8]]) -> Vec<(Symbol, u64)> {
    let mut counts = [0_u64; 256];
    sample.iter().flat_map(|text| text.iter()).for_each(|&byte| counts[usize::from(byte)] += 1);
    let seen = (0..=255).filter(|&byte| counts[usize::from(byte)] > 0);
    let mut symbols: Vec<_> = seen.map(|byte| (Symbol::new(&[byte]), counts[usize::from(byte)])).collect();
    if symbols.is_empty() {
        symbols.push((Symbol::new(&[0]), 1));
    }
    symbols
}

/// Grows strings from bytes: each round spells the sample with what there is, counts the symbols
/// and the neighbours that fit into one, and keeps those that save most.
fn strings(sample: &[&[u8]]) -> SymbolTable {
    let mut table = SymbolTable::from_weights(Codec::Symbols, bytes(sample));
    for round in 0..ROUNDS {
        let encoder = Encoder::new(&table);
        let mut counts: HashMap<Symbol, u64> = HashMap::new();
        let mut total = 0;
        for text in sample {
            let mut before: &[u8] = &[];
            let mut at = 0;
            encoder.for_each_symbol(text, |symbol| {
                *counts.entry(Symbol::new(symbol)).or_default() += 1;
                total += 1;
                let joined = before.len() + symbol.len();
                if round + 1 < ROUNDS && !before.is_empty() && joined <= SYMBOL_BYTES_MAX {
                    *counts.entry(Symbol::new(&text[at - before.len()..at + symbol.len()])).or_default() += 1;
                }
                at += symbol.len();
                before = symbol;
            });
        }
        table = SymbolTable::from_weights(Codec::Symbols, choose(counts, total, sample));
    }
    table
}

/// The symbols that save most: every byte of the sample, and the strings for which count times
/// (bits spelled in bytes less bits as one symbol) is greatest.
fn choose(counts: HashMap<Symbol, u64>, total: u64, sample: &[&[u8]]) -> Vec<(Symbol, u64)> {
    let bytes = bytes(sample);
    let byte_total: u64 = bytes.iter().map(|&(_, count)| count).sum();
    let cost = |count: u64, total: u64| log2(total.max(1)) - log2(count.max(1));
    let mut byte_bits = [0; 256];
    for &(symbol, count) in &bytes {
        byte_bits[symbol.bytes as usize] = cost(count, byte_total);
    }
    let mut ranked: Vec<(i64, Symbol, u64)> = counts
        .iter()
        .filter(|&(symbol, &count)| symbol.len > 1 && count > 1)
        .map(|(&symbol, &count)| {
            let text = symbol.bytes.to_le_bytes();
            let spelled: i64 =
                text[..usize::from(symbol.len)].iter().map(|&byte| byte_bits[usize::from(byte)]).sum();
            (count.cast_signed() * (spelled - cost(count, total)), symbol, count)
        })
        .filter(|&(saved, ..)| saved > 0)
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.truncate(SYMBOLS_MAX.saturating_sub(bytes.len()));
    let singles = bytes.iter().map(|&(symbol, _)| (symbol, counts.get(&symbol).copied().unwrap_or(0)));
    singles.chain(ranked.iter().map(|&(_, symbol, count)| (symbol, count))).collect()
}

/// The logarithm to base 2 of a number above 0, in parts of 65,536. In whole numbers, because the
/// standard library's may differ from machine to machine, and with it the bytes of the file.
fn log2(number: u64) -> i64 {
    let whole = number.ilog2();
    // The number over its highest bit, from 1 to 2, with 31 bits behind the point. Each squaring
    // gives a bit.
    let mut part = if whole <= 31 { number << (31 - whole) } else { number >> (whole - 31) };
    let mut bits = i64::from(whole);
    for _ in 0..16 {
        part = (part * part) >> 31;
        let above = part >> 32;
        part >>= above;
        bits = bits << 1 | above.cast_signed();
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::log2;

    #[test]
    fn logarithms_are_exact_to_sixteen_bits() {
        for number in (1..5000).chain([1 << 31, (1 << 32) - 1, 1 << 32, 3 << 40, u64::MAX]) {
            let error = log2(number) as f64 / 65_536.0 - (number as f64).log2();
            assert!((-0.0001..0.000_001).contains(&error), "{number}: {error}");
        }
        assert_eq!(log2(1), 0);
        assert_eq!(log2(8), 3 << 16);
    }
}
