//! How keys and values are stored: as they are, or through a prefix code over short strings.
//!
//! One decoder serves both compressed codecs. [`Codec::Huffman`] has a symbol for each byte,
//! [`Codec::Symbols`] one for each of a few thousand strings found in a sample (after FSST, Boncz
//! et al., VLDB 2020, with Huffman's codes in place of one byte a string). The decoder looks at
//! the next bits and finds in one table all symbols that lie wholly in them.

mod abreast;
mod append;
mod bits;
mod code;
mod decode;
mod encode;
mod packed;
mod segments;
mod shared;
mod spread;
mod symbols;
mod train;
mod values;
mod zstd;

pub(crate) use abreast::{ABREAST, Rooms, StoredValue};
pub(crate) use append::{BLOCK_BYTES, append_block, append_bytes};
pub(crate) use bits::load;
pub(crate) use decode::Decoder;
pub(crate) use encode::Encoder;
pub(crate) use packed::{ALPHABET_MAX, Alphabet, UNPACKED};
pub(crate) use shared::{SharedReader, SharedValues};
pub(crate) use symbols::SymbolTable;
pub(crate) use train::train;
pub(crate) use values::{Values, append};
pub(crate) use zstd::{LongDecoder, LongDictionary, LongEncoder, PLAIN_BYTES_MIN, is_plain_frame};

/// How a column of a table is stored. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Codec {
    /// Byte for byte.
    Raw = 0,
    /// An order-0 Huffman code with a static table: for short random text.
    Huffman = 1,
    /// A Huffman code over strings of up to seven bytes: for text and JSON.
    Symbols = 2,
    /// As many bits a byte as tell up to 64 different bytes apart: for digits, hexadecimal,
    /// base64, letters.
    Packed = 3,
    /// zstd, each value on its own, with a dictionary that was trained on a sample: for values of
    /// some hundred bytes and more. Values that it does not make smaller are stored as they are.
    Zstd = 4,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Huffman, Self::Symbols, Self::Packed, Self::Zstd];

    /// The name that `--codec` and `graven info` use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Huffman => "huffman",
            Self::Symbols => "symbols",
            Self::Packed => "packed",
            Self::Zstd => "zstd",
        }
    }
}

impl Codec {
    /// Bits that the decoder looks at at a time, and so the longest code: for bytes as many as
    /// keep the decoder's table in the nearest cache, for strings more, because more strings save
    /// more than the farther cache costs. On disk by their effect: never change.
    pub(crate) const fn window_bits(self) -> u32 {
        match self {
            Self::Raw | Self::Huffman | Self::Packed | Self::Zstd => NARROW_BITS,
            Self::Symbols => WIDE_BITS,
        }
    }
}

/// The window of [`Codec::Huffman`].
const NARROW_BITS: u32 = 12;

/// The window of [`Codec::Symbols`].
const WIDE_BITS: u32 = 14;

/// The longest symbol, in bytes.
const SYMBOL_BYTES_MAX: usize = 7;
