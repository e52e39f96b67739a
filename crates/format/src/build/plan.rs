//! What a table will look like, decided from what the survey learnt.

use std::sync::OnceLock;

use super::encode::ValueEncoder;
use super::options::{BUCKET_RECORDS_MAX, CodecChoice, Duplicates, Options, Purpose};
use super::survey::Survey;
use crate::bucket::{BucketShape, Widths};
use crate::codec::{ALPHABET_MAX, Alphabet, Codec, Decoder, Encoder, SymbolTable, Values, train};
use crate::header::Header;
use crate::index::{self, Groups};
use crate::key::{KeyKind, KeyMap};
use crate::layout::{BUCKET_BITS_MAX, Section};

/// Records in a bucket that is to lie in memory, on average, within a factor of the square root of two.
const RAM_BUCKET_RECORDS: u64 = 4;

/// Bytes in a bucket that is to lie on disk, on average, within the same factor.
const DISK_BUCKET_BYTES: u64 = 3072;

/// Buckets that share a check in a table that is to lie in memory, where only lookups that read a file or a mapping check:
/// a check takes 0.15 bytes a pair instead of 1.05, and a lookup from a mapping reads a kilobyte instead of 140 bytes.
const RAM_GROUP_BUCKETS: u8 = 7;

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

/// The most bits that are tried for a value's word in a narrow bucket.
const WORD_BITS_MAX: u8 = 12;

/// What all partitions of a table have in common.
pub(crate) struct Plan {
    pub(crate) keys: KeyMap,
    pub(crate) seed: u64,
    pub(crate) widths: Widths,
    pub(crate) buckets: BucketShape,
    pub(crate) groups: Groups,
    pub(crate) group_buckets: u8,
    pub(crate) bucket_bits: u8,
    pub(crate) inline_max: u32,
    pub(crate) duplicates: Duplicates,
    pub(crate) key_codec: Codec,
    pub(crate) key_table: Option<SymbolTable>,
    pub(crate) value_codec: Codec,
    pub(crate) value_table: Option<SymbolTable>,
    pub(crate) alphabet: Option<Alphabet>,
    /// Lines of the index in a partition; fewer in the last.
    pub(crate) partition_lines: u64,
    /// The identity as it is if no key comes twice; [`Self::settle`] sets it.
    pub(crate) identity: u64,
    values: OnceLock<Values>,
}

/// What is known once every pair was encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encodings {
    /// The sum of [`pair`](crate::checksum::pair) of all pairs.
    pub(crate) sum: u64,
    /// The shortest and the longest stored key, in bytes.
    pub(crate) shortest_key: usize,
    pub(crate) longest_key: usize,
}

impl Default for Encodings {
    fn default() -> Self {
        Self { sum: 0, shortest_key: usize::MAX, longest_key: 0 }
    }
}

impl Encodings {
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            sum: self.sum.wrapping_add(other.sum),
            shortest_key: self.shortest_key.min(other.shortest_key),
            longest_key: self.longest_key.max(other.longest_key),
        }
    }
}

impl Plan {
    pub(crate) fn new(survey: &Survey, options: &Options, threads: usize) -> Self {
        let shape = survey.keys.shape();
        let numeric = shape.kind != KeyKind::Bytes;
        let sample = survey.sample.values();
        let Choice { codec: value_codec, table: value_table, alphabet } =
            choose(options.codec, &sample, survey.value_bytes);
        let stems: Vec<&[u8]> =
            survey.sample.keys().into_iter().map(|key| &key[shape.prefix.len()..]).collect();
        let key_choice = match options.codec {
            _ if numeric => Choice::raw(),
            CodecChoice::Fixed(Codec::Raw) => Choice::raw(),
            _ => choose_text(&stems, survey.keys.bytes),
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
        let (inline_max, group_buckets) = match options.purpose {
            Purpose::Ram => (RAM_INLINE_MAX, RAM_GROUP_BUCKETS),
            Purpose::Disk => (DISK_INLINE_MAX, 1),
        };
        let encoder =
            ValueEncoder::new(value_table.as_ref().map(Encoder::new), alphabet.as_ref(), inline_max);
        let (word_bits, word_base) = words(&encoder, &sample, bucket_records, alphabet.is_some());
        let widths = Widths {
            count_width: if bucket_records > 32 { 2 } else { 1 },
            numeric,
            rest_bits: keys.rest_bits(),
            key_bits: 0,
            key_base: 0,
            word_bits,
            word_base,
            shared: 0,
            symbol_bits: alphabet.as_ref().map_or(0, Alphabet::bits),
        };
        let lines = index::lines(1 << bucket_bits);
        let working = options.memory_bytes / (8 * threads as u64);
        let partition_bytes =
            PARTITION_BYTES.max(survey.pairs * record_bytes / PARTITIONS_MAX).min(working.max(1 << 16));
        let partitions = (survey.pairs * record_bytes).div_ceil(partition_bytes).clamp(1, lines);
        Self {
            seed,
            widths,
            buckets: BucketShape::new(widths),
            groups: Groups::of(group_buckets),
            group_buckets,
            bucket_bits,
            inline_max,
            duplicates: options.duplicates,
            key_codec: key_choice.codec,
            key_table: key_choice.table,
            value_codec,
            value_table,
            alphabet,
            partition_lines: lines.div_ceil(partitions),
            keys,
            identity: 0,
            values: OnceLock::new(),
        }
    }

    /// Takes in what is known once every pair was encoded: the lengths of stored keys, which need just so many bits.
    pub(crate) fn settle(&mut self, encodings: &Encodings) {
        if !self.keys.is_numeric() && encodings.shortest_key <= encodings.longest_key {
            let range = encodings.longest_key - encodings.shortest_key;
            self.widths.key_base = encodings.shortest_key as u32;
            self.widths.key_bits = range.checked_ilog2().map_or(0, |log| log as u8 + 1);
            self.buckets = BucketShape::new(self.widths);
        }
    }

    /// The header as far as it does not depend on the pairs that survive.
    pub(crate) fn header(&self) -> Header {
        Header {
            identity: 0,
            file_bytes: 0,
            pairs: 0,
            key_bytes: 0,
            value_bytes: 0,
            stored_key_bytes: 0,
            stored_value_bytes: 0,
            seed: self.seed,
            keys: self.keys.shape().clone(),
            key_codec: self.key_codec,
            value_codec: self.value_codec,
            long_codec: Codec::Raw,
            key_length_bits: self.widths.key_bits,
            value_word_bits: self.widths.word_bits,
            count_width: self.widths.count_width,
            bucket_bits: self.bucket_bits,
            group_buckets: self.group_buckets,
            key_length_base: self.widths.key_base,
            value_word_base: self.widths.word_base,
            inline_max: self.inline_max,
            shared_values: self.widths.shared,
            sections: Vec::new(),
        }
    }

    /// The contents of the sections that are held in memory while the table is open.
    pub(crate) fn small_sections(&self) -> Vec<(Section, Vec<u8>)> {
        let table = |table: &Option<SymbolTable>| {
            let mut bytes = Vec::new();
            table.iter().for_each(|table| table.write(&mut bytes));
            bytes
        };
        let code = self.alphabet.as_ref().map(|alphabet| alphabet.bytes().to_vec());
        vec![
            (Section::Prefix, self.keys.shape().prefix.clone()),
            (Section::KeyCode, table(&self.key_table)),
            (Section::ValueCode, code.unwrap_or_else(|| table(&self.value_table))),
            (Section::Dictionary, Vec::new()),
            (Section::Shared, Vec::new()),
        ]
    }

    pub(crate) fn value_encoder(&self) -> ValueEncoder<'_> {
        ValueEncoder::new(
            self.value_table.as_ref().map(Encoder::new),
            self.alphabet.as_ref(),
            self.inline_max,
        )
    }

    /// The decoders of the values, which only duplicates need.
    pub(crate) fn values(&self) -> &Values {
        self.values.get_or_init(|| Values {
            decoder: self.value_table.as_ref().and_then(|table| Decoder::new(self.value_codec, table)),
            alphabet: self.alphabet.clone(),
        })
    }
}

/// The bits of a value's word in a narrow bucket, and what is added to it, that make buckets like those of `sample` smallest.
/// A value that has no such word makes its bucket wide, with sixteen bits a value.
fn words(encoder: &ValueEncoder<'_>, sample: &[&[u8]], bucket_records: u64, packed: bool) -> (u8, u32) {
    let mut counts = vec![0_u64; 1 << WORD_BITS_MAX];
    let mut stored = Vec::new();
    for value in sample {
        let encoded = encoder.encode(value, &mut stored);
        let word = if packed { value.len() } else { stored.len() };
        if encoded.form == crate::bucket::Form::Main && !encoded.is_large {
            counts.get_mut(word).into_iter().for_each(|count| *count += 1);
        }
    }
    let total = (sample.len() as f64).max(1.0);
    let mut best = (f64::INFINITY, 0, 0);
    for bits in 0..=WORD_BITS_MAX {
        let window = 1_usize << bits;
        let mut inside: u64 = counts[..window].iter().sum();
        // Of windows that hold as many the first: a table has shorter values than its sample, and longer ones.
        let mut most = (inside, 0);
        for base in 1..=counts.len() - window {
            inside = inside - counts[base - 1] + counts[base + window - 1];
            if inside > most.0 {
                most = (inside, base);
            }
        }
        let narrow = (most.0 as f64 / total).powi(bucket_records.min(1 << 10) as i32);
        let cost = f64::from(bits) * narrow + 16.0 * (1.0 - narrow);
        if cost < best.0 - 0.01 {
            best = (cost, bits, most.1 as u32);
        }
    }
    (best.1, best.2)
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

/// A codec, with its table or its alphabet.
struct Choice {
    codec: Codec,
    table: Option<SymbolTable>,
    alphabet: Option<Alphabet>,
}

impl Choice {
    fn raw() -> Self {
        Self { codec: Codec::Raw, table: None, alphabet: None }
    }
}

/// The first texts of `sample`, which is of data of `bytes` bytes, that are enough to train on.
fn enough<'s, 't>(sample: &'s [&'t [u8]], bytes: u64) -> &'s [&'t [u8]] {
    let mut room = (bytes / TRAINING_PART).max(TRAINING_BYTES_MIN);
    let enough = sample.iter().position(|text| {
        room = room.saturating_sub(text.len() as u64);
        room == 0
    });
    &sample[..enough.map_or(sample.len(), |at| at + 1)]
}

/// The codec that `choice` comes to for values of `bytes` bytes that are like `sample`.
fn choose(choice: CodecChoice, sample: &[&[u8]], bytes: u64) -> Choice {
    match choice {
        CodecChoice::Fixed(Codec::Packed) => match alphabet(sample) {
            Some(alphabet) => Choice { codec: Codec::Packed, table: None, alphabet: Some(alphabet) },
            None => Choice::raw(),
        },
        CodecChoice::Fixed(codec) => {
            Choice { codec, table: train(codec, enough(sample, bytes)), alphabet: None }
        }
        CodecChoice::Auto => choose_text(sample, bytes),
    }
}

/// The bytes that come most often in `sample`, at most as many as an alphabet has; `None` where there is none.
fn alphabet(sample: &[&[u8]]) -> Option<Alphabet> {
    let mut counts = [0_u64; 256];
    sample.iter().flat_map(|text| text.iter()).for_each(|&byte| counts[usize::from(byte)] += 1);
    let mut bytes: Vec<u8> = (0..=255).filter(|&byte| counts[usize::from(byte)] > 0).collect();
    bytes.sort_by_key(|&byte| std::cmp::Reverse(counts[usize::from(byte)]));
    bytes.truncate(ALPHABET_MAX);
    bytes.sort_unstable();
    Alphabet::new(&bytes)
}

/// The codec of those with a table that makes `sample` smallest, if it saves enough.
fn choose_text(sample: &[&[u8]], bytes: u64) -> Choice {
    let sample = enough(sample, bytes);
    let raw: u64 = sample.iter().map(|text| text.len() as u64).sum();
    let mut best = (raw - raw / WORTH, Choice::raw());
    for codec in [Codec::Huffman, Codec::Symbols] {
        if let Some(table) = train(codec, sample) {
            let encoder = Encoder::new(&table);
            let mut stored = Vec::new();
            sample.iter().for_each(|text| encoder.encode(text, &mut stored));
            let bytes = stored.len() as u64;
            let bound = if best.1.table.is_some() { best.0 - best.0 / ALIKE } else { best.0 };
            if bytes < bound {
                best = (bytes, Choice { codec, table: Some(table), alphabet: None });
            }
        }
    }
    best.1
}
