//! Where everything lies in a carved file: the one copy of the layout. `docs/FORMAT.md` is the page; a test holds the
//! two together. These numbers are on disk: never change them, add new ones under a new version.
//!
//! All integers are little-endian and of fixed width; all offsets count bytes from the start of the file.

/// The first eight bytes of every carved file. The last two catch transfers that rewrite line ends.
pub const MAGIC: [u8; 8] = *b"graven\r\n";
/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 512;

/// `[u8; 8]`: [`MAGIC`].
pub const MAGIC_OFFSET: usize = 0;
/// `u32`: [`VERSION`].
pub const VERSION_OFFSET: usize = MAGIC_OFFSET + 8;
/// `u32`: features that a reader must know; none exist in version 1.
pub const FLAGS_OFFSET: usize = VERSION_OFFSET + 4;
/// `u64`: bytes of the whole file.
pub const FILE_BYTES_OFFSET: usize = FLAGS_OFFSET + 4;
/// `u64`: number of pairs.
pub const PAIRS_OFFSET: usize = FILE_BYTES_OFFSET + 8;
/// `u64`: seed of the permutation or of the hash.
pub const SEED_OFFSET: usize = PAIRS_OFFSET + 8;
/// `u64`: sum of the lengths of all keys, in bytes.
pub const KEY_BYTES_OFFSET: usize = SEED_OFFSET + 8;
/// `u64`: sum of the lengths of all values, in bytes.
pub const VALUE_BYTES_OFFSET: usize = KEY_BYTES_OFFSET + 8;
/// `u64`: sum of the lengths of all keys as they are stored, in bytes; 0 where keys are numbers.
pub const STORED_KEY_BYTES_OFFSET: usize = VALUE_BYTES_OFFSET + 8;
/// `u64`: sum of the lengths of all values as they are stored, in bytes.
pub const STORED_VALUE_BYTES_OFFSET: usize = STORED_KEY_BYTES_OFFSET + 8;
/// `u128`: the bits of a numeric key that are not the same in all keys.
pub const KEY_MASK_OFFSET: usize = STORED_VALUE_BYTES_OFFSET + 8;
/// `u128`: the bits of a numeric key that are the same in all keys.
pub const KEY_FIXED_OFFSET: usize = KEY_MASK_OFFSET + 16;
/// `u8`: a [`KeyKind`](crate::key::KeyKind).
pub const KEY_KIND_OFFSET: usize = KEY_FIXED_OFFSET + 16;
/// `u8`: digits of a hexadecimal key, otherwise 0.
pub const KEY_DIGITS_OFFSET: usize = KEY_KIND_OFFSET + 1;
/// `u8`: width of a key length in a bucket: 1, 2 or 4 for keys of bytes, 0 for numeric ones.
pub const KEY_LENGTH_WIDTH_OFFSET: usize = KEY_DIGITS_OFFSET + 1;
/// `u8`: width of a value length in a bucket: 0 (all alike), 1 or 2.
pub const VALUE_LENGTH_WIDTH_OFFSET: usize = KEY_LENGTH_WIDTH_OFFSET + 1;
/// `u8`: width of the record count of a bucket: 1 or 2.
pub const COUNT_WIDTH_OFFSET: usize = VALUE_LENGTH_WIDTH_OFFSET + 1;
/// `u8`: base-2 logarithm of the number of buckets.
pub const BUCKET_BITS_OFFSET: usize = COUNT_WIDTH_OFFSET + 1;
/// `u8`: the [`Codec`](crate::codec::Codec) of the keys.
pub const KEY_CODEC_OFFSET: usize = BUCKET_BITS_OFFSET + 1;
/// `u8`: the [`Codec`](crate::codec::Codec) of the values.
pub const VALUE_CODEC_OFFSET: usize = KEY_CODEC_OFFSET + 1;
/// `u32`: the length of every stored value where the width of a value length is 0, otherwise 0.
pub const VALUE_FIXED_OFFSET: usize = VALUE_CODEC_OFFSET + 1;
/// `u32`: the longest stored value that may lie inside a bucket.
pub const INLINE_MAX_OFFSET: usize = VALUE_FIXED_OFFSET + 4;
/// The most that [`INLINE_MAX_OFFSET`] can say: one less than the mark of a value that lies elsewhere.
pub const INLINE_MAX_MOST: u32 = 0xFFFE;
/// The sections, [`SECTIONS`] of them, [`SECTION_BYTES`] each.
pub const SECTIONS_OFFSET: usize = INLINE_MAX_OFFSET + 4;
/// Bytes of one section's entry: offset `u64`, length `u64`, CRC-32C `u32`, zero `u32`.
pub const SECTION_BYTES: usize = 24;
/// How many sections there are.
pub const SECTIONS: usize = 3;
/// `u8` length, then bytes: what all keys begin with.
pub const PREFIX_OFFSET: usize = SECTIONS_OFFSET + SECTIONS * SECTION_BYTES;
/// The longest common beginning that is taken out of the keys.
pub const PREFIX_BYTES_MAX: usize = 255;
const _: () = assert!(PREFIX_OFFSET + 1 + PREFIX_BYTES_MAX <= HEADER_CRC_OFFSET);
/// `u32`: CRC-32C of all header bytes before it.
pub const HEADER_CRC_OFFSET: usize = HEADER_BYTES - 4;

/// What a section holds; the order in the header, and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// The tables of the codecs: that of the keys, then that of the values.
    Tables = 0,
    /// Where the buckets lie.
    Index = 1,
    /// The buckets: those of a line of the index, then the values that are too long to lie in them, then the next line's.
    Records = 2,
}

impl Section {
    /// All sections, in file order.
    pub const ALL: [Self; SECTIONS] = [Self::Tables, Self::Index, Self::Records];

    /// The name that messages and `graven info` use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Index => "index",
            Self::Records => "records",
        }
    }
}

/// The most bytes of the tables: two, each of 16,383 symbols of seven bytes with two lengths, a count and a last length.
pub const TABLES_BYTES_MAX: u64 = 2 * (2 + 16_383 * 9 + 1);

/// Bytes of one line of the index: one cache line.
pub const LINE_BYTES: usize = 64;
/// Buckets that one line of the index covers.
pub const LINE_BUCKETS: u64 = 28;
/// Bytes of a line's base: the offset of its first bucket inside the section of records.
pub const LINE_BASE_BYTES: usize = 6;
/// Where a line keeps the `u16` whose low five bits are the shift of its ends.
pub const LINE_SHIFT_OFFSET: usize = LINE_BASE_BYTES;
/// Where the `u16` ends of a line's buckets begin, relative to its base and in units of `1 << shift` bytes.
pub const LINE_ENDS_OFFSET: usize = LINE_SHIFT_OFFSET + 2;
/// The largest shift.
pub const LINE_SHIFT_MAX: u32 = 31;

/// Bytes of a bucket's CRC-32C, which begins it; it starts from the bucket's number and covers the rest of the bucket.
pub const BUCKET_CRC_BYTES: usize = 4;
/// Bits of a record's tag.
pub const TAG_BITS: u32 = 8;
/// Bytes that stand for a value too long for its bucket: offset from the base of its line `u64`, length `u32`, CRC-32C
/// `u32`.
pub const LARGE_REFERENCE_BYTES: usize = 16;

/// The longest bucket, in bytes: what a lookup may have to read.
pub const BUCKET_BYTES_MAX: usize = 1 << 30;
/// The most bucket bits: 2^40 buckets.
pub const BUCKET_BITS_MAX: u8 = 40;
/// The most pairs.
pub const PAIRS_MAX: u64 = 1 << 40;

/// Zero bytes that follow the last section, so that a reader may load whole blocks.
pub const TAIL_BYTES: usize = 64;
