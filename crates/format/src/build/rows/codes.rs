//! Codes for the texts of columns: which of them are worth their table and their time.

use crate::build::options::CodecChoice;
use crate::build::plan::{Price, on_others, stored_bytes, trained_on};
use crate::codec::{Codec, train};
use crate::layout::TEXT_CODES_MAX;
use crate::row::schema::TextCode;

/// Columns with fewer bytes of text are left as they are.
const BYTES_MIN: u64 = 4096;

/// Columns with a smaller part of all text than one in so many are left as they are.
const PART: u64 = 64;

/// Bytes of a column's sample that codes are trained on.
const SAMPLE_BYTES_MAX: usize = 256 << 10;

/// The texts of a column.
pub(super) struct ColumnTexts<'s> {
    pub(super) column: usize,
    /// Those of the sample.
    pub(super) sample: Vec<&'s [u8]>,
    /// Bytes of all.
    pub(super) bytes: u64,
}

/// A code for the texts of a column.
pub(super) struct ChosenCode {
    pub(super) column: usize,
    pub(super) code: TextCode,
    /// Bytes that it saves, less what its table and its time cost.
    pub(super) saves: u64,
}

/// The columns whose texts a code makes smaller at a price that is worth it, each with its code.
pub(super) fn choose(
    mut columns: Vec<ColumnTexts<'_>>,
    choice: CodecChoice,
    price: Price,
) -> Vec<ChosenCode> {
    let wanted: &[Codec] = match choice {
        CodecChoice::Auto | CodecChoice::Smallest => &[Codec::Huffman, Codec::Symbols],
        CodecChoice::Fixed(Codec::Huffman) => &[Codec::Huffman],
        CodecChoice::Fixed(Codec::Symbols) => &[Codec::Symbols],
        CodecChoice::Fixed(_) | CodecChoice::Fastest => return Vec::new(),
    };
    let all: u64 = columns.iter().map(|texts| texts.bytes).sum();
    columns.retain(|texts| texts.bytes >= BYTES_MIN && texts.bytes >= all / PART);
    columns.sort_by_key(|texts| (std::cmp::Reverse(texts.bytes), texts.column));
    columns.truncate(TEXT_CODES_MAX);
    let mut chosen: Vec<ChosenCode> = columns.iter().filter_map(|texts| best(texts, wanted, price)).collect();
    chosen.sort_by_key(|chosen| chosen.column);
    chosen
}

fn best(texts: &ColumnTexts<'_>, wanted: &[Codec], price: Price) -> Option<ChosenCode> {
    let lengths: Vec<usize> = texts.sample.iter().map(|text| text.len()).collect();
    let mut room = SAMPLE_BYTES_MAX;
    let enough = lengths.iter().take_while(|&&len| {
        let fits = room > 0;
        room = room.saturating_sub(len);
        fits
    });
    let count = enough.count().min(trained_on(&lengths, texts.bytes));
    let sample = &texts.sample[..count];
    let given: u64 = sample.iter().map(|text| text.len() as u64).sum();
    let mut best = (texts.bytes, None);
    for &codec in wanted {
        let Some(table) = train(codec, sample) else { continue };
        let stored = on_others(codec, sample).unwrap_or_else(|| stored_bytes(&table, sample));
        let stored =
            (u128::from(stored) * u128::from(texts.bytes)).checked_div(given.into()).unwrap_or(0) as u64;
        let mut written = Vec::new();
        table.write(&mut written);
        let cost = stored + written.len() as u64 + price.of_bytes(codec, texts.bytes);
        if cost < best.0 {
            best = (cost, TextCode::new(codec, table));
        }
    }
    let (cost, code) = best;
    Some(ChosenCode { column: texts.column, code: code?, saves: texts.bytes - cost })
}
