//! Where everything lies in a carved file: the one copy of the layout. `docs/FORMAT.md` is the
//! page; a test holds the two together. These numbers are on disk: never change them, add new ones
//! under a new version.
//!
//! All integers are little-endian and of fixed width; all offsets count bytes from the start of
//! the file.

/// The first eight bytes of every carved file. The last two catch transfers that rewrite line
/// ends.
pub const MAGIC: [u8; 8] = *b"graven\r\n";
/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 2;

/// Bytes of the header, behind which the directory of the sections begins.
pub const HEADER_BYTES: usize = 256;

/// `[u8; 8]`: [`MAGIC`].
pub const MAGIC_OFFSET: usize = 0;
/// `u32`: [`VERSION`].
pub const VERSION_OFFSET: usize = MAGIC_OFFSET + 8;
/// `u32`: features that a reader must know; none exist yet.
pub const FLAGS_OFFSET: usize = VERSION_OFFSET + 4;
/// `u64`: what tells this table from every other; all checks of buckets begin with it.
pub const IDENTITY_OFFSET: usize = FLAGS_OFFSET + 4;
/// `u64`: bytes of the whole file.
pub const FILE_BYTES_OFFSET: usize = IDENTITY_OFFSET + 8;
/// `u64`: number of pairs.
pub const PAIRS_OFFSET: usize = FILE_BYTES_OFFSET + 8;
/// `u64`: sum of the lengths of all keys, in bytes.
pub const KEY_BYTES_OFFSET: usize = PAIRS_OFFSET + 8;
/// `u64`: sum of the lengths of all values, in bytes.
pub const VALUE_BYTES_OFFSET: usize = KEY_BYTES_OFFSET + 8;
/// `u64`: sum of the lengths of all keys as they are stored, in bytes; 0 where keys are numbers.
pub const STORED_KEY_BYTES_OFFSET: usize = VALUE_BYTES_OFFSET + 8;
/// `u64`: sum of the lengths of all values as they are stored, in bytes.
pub const STORED_VALUE_BYTES_OFFSET: usize = STORED_KEY_BYTES_OFFSET + 8;
/// `u64`: seed of the permutation or of the hash.
pub const SEED_OFFSET: usize = STORED_VALUE_BYTES_OFFSET + 8;
/// `u128`: the bits of a numeric key that are not the same in all keys.
pub const KEY_MASK_OFFSET: usize = SEED_OFFSET + 8;
/// `u128`: the bits of a numeric key that are the same in all keys.
pub const KEY_FIXED_OFFSET: usize = KEY_MASK_OFFSET + 16;
/// `u8`: a [`KeyKind`](crate::key::KeyKind).
pub const KEY_KIND_OFFSET: usize = KEY_FIXED_OFFSET + 16;
/// `u8`: digits of a hexadecimal key, otherwise 0.
pub const KEY_DIGITS_OFFSET: usize = KEY_KIND_OFFSET + 1;
/// `u8`: whether case counts in keys; 0, it does. Room for a table that ignores it.
pub const KEY_CASE_OFFSET: usize = KEY_DIGITS_OFFSET + 1;
/// `u8`: the [`Codec`](crate::codec::Codec) of the keys.
pub const KEY_CODEC_OFFSET: usize = KEY_CASE_OFFSET + 1;
/// `u8`: the [`Codec`](crate::codec::Codec) of the values.
pub const VALUE_CODEC_OFFSET: usize = KEY_CODEC_OFFSET + 1;
/// `u8`: the [`Codec`](crate::codec::Codec) of long values; 0 where they have none of their own.
pub const LONG_CODEC_OFFSET: usize = VALUE_CODEC_OFFSET + 1;
/// `u8`: bits of a key's length in a bucket, at most [`KEY_LENGTH_BITS_MAX`]; 0 for numeric keys.
pub const KEY_LENGTH_BITS_OFFSET: usize = LONG_CODEC_OFFSET + 1;
/// `u8`: bits of a value's word in a narrow bucket, at most [`VALUE_WORD_BITS_MAX`].
pub const VALUE_WORD_BITS_OFFSET: usize = KEY_LENGTH_BITS_OFFSET + 1;
/// `u8`: width of the record count of a bucket: 1 or 2 bytes.
pub const COUNT_WIDTH_OFFSET: usize = VALUE_WORD_BITS_OFFSET + 1;
/// `u8`: base-2 logarithm of the number of buckets.
pub const BUCKET_BITS_OFFSET: usize = COUNT_WIDTH_OFFSET + 1;
/// `u8`: buckets that share a check: one of [`GROUPS`].
pub const GROUP_BUCKETS_OFFSET: usize = BUCKET_BITS_OFFSET + 1;
/// `u8`: how many sections the directory has, at most [`SECTIONS_MAX`].
pub const SECTION_COUNT_OFFSET: usize = GROUP_BUCKETS_OFFSET + 1;
/// `u32`: what is added to every key's length in a bucket.
pub const KEY_LENGTH_BASE_OFFSET: usize = SECTION_COUNT_OFFSET + 1;
/// `u32`: what is added to every value's length in a narrow bucket.
pub const VALUE_WORD_BASE_OFFSET: usize = KEY_LENGTH_BASE_OFFSET + 4;
/// `u32`: the longest stored value that may lie inside a bucket.
pub const INLINE_MAX_OFFSET: usize = VALUE_WORD_BASE_OFFSET + 4;
/// `u32`: how many values lie in the section of shared values.
pub const SHARED_VALUES_OFFSET: usize = INLINE_MAX_OFFSET + 4;
/// `u32`: which shard of a table this is, from 0; room for tables that are spread over files.
pub const SHARD_OFFSET: usize = SHARED_VALUES_OFFSET + 4;
/// `u32`: how many shards the table has; 0, it is whole.
pub const SHARDS_OFFSET: usize = SHARD_OFFSET + 4;
/// `u32`: CRC-32C of all header bytes before it, and of the directory.
pub const HEADER_CRC_OFFSET: usize = HEADER_BYTES - 4;
const _: () = assert!(SHARDS_OFFSET + 4 <= HEADER_CRC_OFFSET);

/// Bytes of one section's entry in the directory: name `[u8; 8]`, offset `u64`, length `u64`,
/// CRC-32C `u32`, flags `u32`.
pub const SECTION_BYTES: usize = 32;
/// Where an entry has the section's offset.
pub const ENTRY_START: usize = 8;
/// Where an entry has the section's length.
pub const ENTRY_LENGTH: usize = 16;
/// Where an entry has the section's CRC-32C.
pub const ENTRY_CRC: usize = 24;
/// Where an entry has its flags.
pub const ENTRY_FLAGS: usize = 28;
/// The flag of a section without which the table cannot be read rightly: a reader that does not
/// know it refuses the file.
pub const SECTION_REQUIRED: u32 = 1;
/// The most sections.
pub const SECTIONS_MAX: usize = 24;
/// Every section begins at a multiple of this many bytes, and the tail behind the last.
pub const SECTION_ALIGNMENT: usize = 64;

/// The sections that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// What all keys begin with.
    Prefix = 0,
    /// The table of the keys' codec.
    KeyCode = 1,
    /// The table of the values' codec.
    ValueCode = 2,
    /// The dictionary of the codec of long values.
    Dictionary = 3,
    /// Values that many keys have.
    Shared = 4,
    /// Where the buckets lie.
    Index = 5,
    /// The buckets: those of a line of the index, then the values that are too long to lie in
    /// them, then the next line's.
    Records = 6,
    /// The columns, where values have columns.
    Schema = 7,
    /// What values are, as a media type, where that was said. A reader that does not know it answers
    /// with the same values.
    ValueType = 8,
}

/// How many sections this version knows.
pub const SECTIONS: usize = 9;

impl Section {
    /// All sections, in the order in which a builder writes them.
    pub const ALL: [Self; SECTIONS] = [
        Self::Prefix,
        Self::KeyCode,
        Self::ValueCode,
        Self::Dictionary,
        Self::Shared,
        Self::Schema,
        Self::ValueType,
        Self::Index,
        Self::Records,
    ];

    /// The name that messages and `graven info` use, and the directory, there filled up with
    /// zeros.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::KeyCode => "keycode",
            Self::ValueCode => "valcode",
            Self::Dictionary => "dict",
            Self::Shared => "shared",
            Self::Index => "index",
            Self::Records => "records",
            Self::Schema => "schema",
            Self::ValueType => "valtype",
        }
    }

    /// Whether a reader must know it.
    pub const fn is_required(self) -> bool {
        !matches!(self, Self::ValueType)
    }

    /// Whether it is held in memory while the table is open.
    pub const fn is_small(self) -> bool {
        !matches!(self, Self::Index | Self::Records)
    }

    /// The most bytes that it may have: sections that are held in memory while the table is open
    /// are small.
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Prefix => PREFIX_BYTES_MAX as u64,
            Self::KeyCode | Self::ValueCode => CODE_BYTES_MAX,
            Self::Dictionary => DICTIONARY_BYTES_MAX,
            Self::Shared => SHARED_BYTES_MAX,
            Self::Schema => SCHEMA_BYTES_MAX,
            Self::ValueType => VALUE_TYPE_BYTES_MAX,
            Self::Index | Self::Records => u64::MAX,
        }
    }
}

/// The longest common beginning that is taken out of the keys.
pub const PREFIX_BYTES_MAX: usize = 255;
/// The most bytes of a codec's table: 16,383 symbols of seven bytes with two lengths, a count and
/// a last length.
pub const CODE_BYTES_MAX: u64 = 2 + 16_383 * 9 + 1;
/// The most bytes of the dictionary of long values.
pub const DICTIONARY_BYTES_MAX: u64 = 1 << 20;
/// The most bytes of the section of shared values.
pub const SHARED_BYTES_MAX: u64 = 1 << 20;
/// The most bytes of the section of columns.
pub const SCHEMA_BYTES_MAX: u64 = 4 << 20;
/// The most bytes of the section of the type of values.
pub const VALUE_TYPE_BYTES_MAX: u64 = 255;
/// The type of values that are JSON texts, each a whole one.
pub const JSON_TYPE: &[u8] = b"application/json";
/// The most columns.
pub const COLUMNS_MAX: usize = 1024;
/// The most bytes of a column's name.
pub const COLUMN_NAME_BYTES_MAX: usize = 255;
/// The most codes that texts in rows are stored through.
pub const TEXT_CODES_MAX: usize = 16;

/// Bytes of one line of the index: one cache line.
pub const LINE_BYTES: usize = 64;
/// Buckets that one line of the index covers.
pub const LINE_BUCKETS: u64 = 28;
/// Bytes of a line's base: the offset of its first bucket inside the section of records.
pub const LINE_BASE_BYTES: usize = 6;
/// Where a line keeps the `u16` whose low five bits are the shift of its ends.
pub const LINE_SHIFT_OFFSET: usize = LINE_BASE_BYTES;
/// Where the `u16` ends of a line's buckets begin, relative to its base and in units of `1 <<
/// shift` bytes.
pub const LINE_ENDS_OFFSET: usize = LINE_SHIFT_OFFSET + 2;
/// The largest shift.
pub const LINE_SHIFT_MAX: u32 = 31;

/// How many buckets may share a check: all numbers that share out the buckets of a line evenly.
pub const GROUPS: [u8; 6] = [1, 2, 4, 7, 14, 28];
/// Bytes of a group's CRC-32C, which begins it.
pub const GROUP_CRC_BYTES: usize = 4;

/// Bits of a record's tag.
pub const TAG_BITS: u32 = 8;
/// The most bits of a value's word in a narrow bucket.
pub const VALUE_WORD_BITS_MAX: u8 = 14;
/// The most bits of a key's length in a bucket.
pub const KEY_LENGTH_BITS_MAX: u8 = 24;
/// Bits of the length in the word of a value in a wide bucket; the two above them are the value's
/// form.
pub const WIDE_LENGTH_BITS: u32 = 14;
/// The most that [`INLINE_MAX_OFFSET`] can say: the longest value that a wide word has a length
/// for.
pub const INLINE_MAX_MOST: u32 = (1 << WIDE_LENGTH_BITS) - 1;
/// The word in a wide bucket of a value that lies elsewhere.
pub const LARGE_WORD: u16 = 0xFFFF;
/// Bytes that stand for a value too long for its bucket: offset from the base of its line `i64`,
/// stored bytes `u32`, bytes `u32`, CRC-32C `u32`, form `u8`, three zeros.
pub const LARGE_REFERENCE_BYTES: usize = 24;
/// Bytes of a value that is longer than this lie in parts of so many, each stored, and checked, on
/// its own.
pub const PART_BYTES: usize = 128 * 1024;
/// Bytes that are said of each part before the first: where it ends, in bytes from the first
/// `u32`, and its CRC-32C `u32`.
pub const PART_ENTRY_BYTES: usize = 8;

/// The longest bucket, in bytes: what a lookup may have to read.
pub const BUCKET_BYTES_MAX: usize = 1 << 30;
/// The most bucket bits: 2^40 buckets.
pub const BUCKET_BITS_MAX: u8 = 40;
/// The most pairs.
pub const PAIRS_MAX: u64 = 1 << 40;

/// Zero bytes that follow the last section, so that a reader may load whole blocks.
pub const TAIL_BYTES: usize = 64;
