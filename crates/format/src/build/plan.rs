//! What a table will look like, decided from what the survey learnt.

use super::options::{BUCKET_RECORDS_MAX, CodecChoice, Duplicates, Options, Purpose};
use super::survey::Survey;
use crate::bucket::BucketShape;
use crate::codec::{Codec, Encoder, SymbolTable, train};
use crate::index;
use crate::key::{KeyMap, KeyShape};
use crate::layout::BUCKET_BITS_MAX;

/// Records in a bucket that is to lie in memory, on average, within a factor of the square root of two.
const RAM_BUCKET_RECORDS: u64 = 4;

/// Bytes in a bucket that is to lie on disk, on average, within the same factor.
const DISK_BUCKET_BYTES: u64 = 3072;

/// The longest stored value that lies inside a bucket in memory: a lookup reads its whole bucket.
const RAM_INLINE_MAX: u32 = 512;

/// The longest stored value that lies inside a bucket on disk: one read may fetch so much.
const DISK_INLINE_MAX: u32 = 4096;

/// Bytes of records in a partition: few enough to sort in a core's cache.
const PARTITION_BYTES: u64 = 1 << 20;

/// Partitions that a build has at most: each has memory of its own while blocks are read.
const PARTITIONS_MAX: u64 = 1024;

/// Values up to which a codec that saves less than one part in this many is not worth its time.
const WORTH: u64 = 20;

/// Two codecs within one part in this many of each other are alike in size.
const ALIKE: u64 = 50;

/// Codecs are trained on at most one part in so many of the data, so that a small table is built at once.
const TRAINING_PART: u64 = 8;

/// Bytes that codecs are trained on where there are as many, however small the data.
const TRAINING_BYTES_MIN: u64 = 16 << 10;

/// What all partitions of a table have in common.
pub(crate) struct Plan {
    pub(crate) keys: KeyMap,
    pub(crate) seed: u64,
    pub(crate) buckets: BucketShape,
    pub(crate) bucket_bits: u8,
    pub(crate) inline_max: u32,
    pub(crate) duplicates: Duplicates,
    pub(crate) key_codec: Codec,
    pub(crate) key_table: Option<SymbolTable>,
    pub(crate) value_codec: Codec,
    pub(crate) value_table: Option<SymbolTable>,
    /// Lines of the index in a partition; fewer in the last.
    pub(crate) partition_lines: u64,
}

impl Plan {
    pub(crate) fn new(survey: &Survey, options: &Options, threads: usize) -> Self {
        let shape = survey.keys.shape();
        let numeric = shape.kind != crate::key::KeyKind::Bytes;
        let (value_codec, value_table) = choose(options.codec, &survey.sample.values(), survey.value_bytes);
        let stems: Vec<&[u8]> =
            survey.sample.keys().into_iter().map(|key| &key[shape.prefix.len()..]).collect();
        let (key_codec, key_table) = match options.codec {
            _ if numeric => (Codec::Raw, None),
            CodecChoice::Fixed(Codec::Raw) => (Codec::Raw, None),
            _ => choose(CodecChoice::Auto, &stems, survey.keys.bytes),
        };

        let pairs = survey.pairs.min(survey.sample.distinct());
        let record_bytes =
            survey.value_bytes.checked_div(survey.pairs).unwrap_or(0) + if numeric { 14 } else { 24 };
        let most = BUCKET_RECORDS_MAX.into();
        let bucket_records = match (options.bucket_records, options.purpose) {
            (Some(records), _) => u64::from(records).clamp(1, most),
            (None, Purpose::Ram) => RAM_BUCKET_RECORDS,
            (None, Purpose::Disk) => (DISK_BUCKET_BYTES / record_bytes).clamp(1, most),
        };
        let widest = if numeric { shape.mask.count_ones() } else { 64 };
        let bucket_bits = bucket_bits(pairs, bucket_records).min(widest.min(BUCKET_BITS_MAX.into()) as u8);
        let seed = xxhash_rust::xxh3::xxh3_64(&survey.sample.keys().concat());
        let keys = KeyMap::new(shape, seed, bucket_bits);

        let fixed =
            survey.fixed_value().filter(|&len| value_codec == Codec::Raw && len <= RAM_INLINE_MAX as usize);
        let buckets = BucketShape {
            count_width: if bucket_records > 32 { 2 } else { 1 },
            key_width: key_width(keys.shape(), key_codec, survey.keys.longest),
            rest_bits: keys.rest_bits(),
            rest_mask: u128::MAX.unbounded_shr(128 - keys.rest_bits()),
            value_width: match fixed {
                Some(_) => 0,
                // Where few values are long, those few pay.
                None if survey.long_values * 256 <= survey.pairs => 1,
                None => 2,
            },
            value_fixed: fixed.unwrap_or(0) as u32,
        };
        let lines = index::lines(1 << bucket_bits);
        let working = options.memory_bytes / (8 * threads as u64);
        let partition_bytes =
            PARTITION_BYTES.max(survey.pairs * record_bytes / PARTITIONS_MAX).min(working.max(1 << 16));
        let partitions = (survey.pairs * record_bytes).div_ceil(partition_bytes).clamp(1, lines);
        Self {
            seed,
            buckets,
            bucket_bits,
            inline_max: match options.purpose {
                Purpose::Ram => RAM_INLINE_MAX,
                Purpose::Disk => DISK_INLINE_MAX,
            },
            duplicates: options.duplicates,
            key_codec,
            key_table,
            value_codec,
            value_table,
            partition_lines: lines.div_ceil(partitions),
            keys,
        }
    }
}

/// The number of bucket bits that brings the mean within a factor of the square root of two of `records`.
fn bucket_bits(pairs: u64, records: u64) -> u8 {
    let mut bits = 0;
    // pairs / 2^bits > sqrt(2) * records, in whole numbers
    while u128::from(pairs).pow(2) > 2 * (u128::from(records).pow(2) << (2 * bits)) && bits < BUCKET_BITS_MAX
    {
        bits += 1;
    }
    bits
}

/// Bytes of a length that no stored key exceeds, though it be nothing like the sample: each of its bytes then takes the
/// longest code and itself.
fn key_width(shape: &KeyShape, codec: Codec, longest: usize) -> u8 {
    if shape.kind != crate::key::KeyKind::Bytes {
        return 0;
    }
    let given = longest - shape.prefix.len();
    let stored = match codec {
        Codec::Raw => given,
        _ => (given * (codec.window_bits() as usize + 8)).div_ceil(8),
    };
    match stored {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        _ => 4,
    }
}

/// The codec, with its table, that `choice` comes to for data of `bytes` bytes that is like `sample`.
fn choose(choice: CodecChoice, sample: &[&[u8]], bytes: u64) -> (Codec, Option<SymbolTable>) {
    let mut room = (bytes / TRAINING_PART).max(TRAINING_BYTES_MIN);
    let enough = sample.iter().position(|text| {
        room = room.saturating_sub(text.len() as u64);
        room == 0
    });
    let sample = &sample[..enough.map_or(sample.len(), |at| at + 1)];
    let wanted = match choice {
        CodecChoice::Fixed(codec) => return (codec, train(codec, sample)),
        CodecChoice::Auto => [Codec::Huffman, Codec::Symbols],
    };
    let raw: u64 = sample.iter().map(|text| text.len() as u64).sum();
    let mut best = (raw - raw / WORTH, Codec::Raw, None);
    for codec in wanted {
        if let Some(table) = train(codec, sample) {
            let encoder = Encoder::new(&table);
            let mut stored = Vec::new();
            sample.iter().for_each(|text| encoder.encode(text, &mut stored));
            let bytes = stored.len() as u64;
            let bound = if best.2.is_some() { best.0 - best.0 / ALIKE } else { best.0 };
            if bytes < bound {
                best = (bytes, codec, Some(table));
            }
        }
    }
    (best.1, best.2)
}
