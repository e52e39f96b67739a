//! What a table will look like, decided from what the survey learnt.

use super::options::{BUCKET_RECORDS_MAX, CodecChoice, Duplicates, Options, Purpose};
use super::survey::{Survey, Totals};
use crate::bucket::BucketShape;
use crate::codec::{Codec, Encoder, SymbolTable, train};
use crate::index;
use crate::key::{KeyKind, KeyMap, KeyShape};
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

/// Bytes of pairs and their lengths up to which a table is small: it is carved with each codec, and the smallest is taken.
const SMALL_BYTES: u64 = 256 << 10;

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

/// What a plan takes from how many pairs there are and how long they are. Two tables of the same keys and the same sample
/// for which it is the same are carved alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    is_small: bool,
    /// How many keys and values of the sample codecs are trained on.
    trained_keys: usize,
    trained_values: usize,
    /// What they come to where the table is not small.
    key_codec: Codec,
    value_codec: Codec,
    bucket_records: u64,
    bucket_bits: u8,
    value_width: u8,
    fixed_value: Option<usize>,
}

/// What is known of a table before it is carved: plans are made of it.
pub(crate) struct Drafts<'s> {
    survey: &'s Survey,
    options: &'s Options,
    keys: Trained,
    values: Trained,
}

impl<'s> Drafts<'s> {
    pub(crate) fn new(survey: &'s Survey, options: &'s Options) -> Self {
        let (values, totals) = (survey.sample.values(), &survey.totals);
        let prefix = survey.keys.shape().prefix.len();
        let stems: Vec<&[u8]> = survey.sample.keys().into_iter().map(|key| &key[prefix..]).collect();
        let key_choice = match options.codec {
            _ if survey.keys.shape().kind != KeyKind::Bytes => CodecChoice::Fixed(Codec::Raw),
            CodecChoice::Fixed(Codec::Raw) => CodecChoice::Fixed(Codec::Raw),
            _ => CodecChoice::Auto,
        };
        Self {
            survey,
            options,
            keys: Trained::new(key_choice, &stems, totals.key_bytes),
            values: Trained::new(options.codec, &values, totals.value_bytes),
        }
    }

    /// What a plan takes from `totals`.
    pub(crate) fn basis(&self, totals: &Totals) -> Basis {
        let numeric = self.survey.keys.shape().kind != KeyKind::Bytes;
        let pairs = totals.pairs.min(self.survey.sample.distinct());
        let most = BUCKET_RECORDS_MAX.into();
        let bucket_records = match (self.options.bucket_records, self.options.purpose) {
            (Some(records), _) => u64::from(records).clamp(1, most),
            (None, Purpose::Ram) => RAM_BUCKET_RECORDS,
            (None, Purpose::Disk) => (DISK_BUCKET_BYTES / self.record_bytes(totals)).clamp(1, most),
        };
        let widest = if numeric { self.survey.keys.shape().mask.count_ones() } else { 64 };
        Basis {
            is_small: totals.key_bytes + totals.value_bytes + 8 * totals.pairs <= SMALL_BYTES,
            trained_keys: trained_on(self.keys.lengths(), totals.key_bytes),
            trained_values: trained_on(self.values.lengths(), totals.value_bytes),
            key_codec: self.keys.choose(totals.key_bytes),
            value_codec: self.values.choose(totals.value_bytes),
            bucket_records,
            bucket_bits: bucket_bits(pairs, bucket_records).min(widest.min(BUCKET_BITS_MAX.into()) as u8),
            // Where few values are long, those few pay.
            value_width: if totals.long_values * 256 <= totals.pairs { 1 } else { 2 },
            fixed_value: totals.fixed_value(),
        }
    }

    fn record_bytes(&self, totals: &Totals) -> u64 {
        let numeric = self.survey.keys.shape().kind != KeyKind::Bytes;
        totals.value_bytes.checked_div(totals.pairs).unwrap_or(0) + if numeric { 14 } else { 24 }
    }

    /// The codecs of keys and values to carve a table with: one pair of them, or several to see which is smallest.
    pub(crate) fn candidates(&self) -> Vec<(Codec, Codec)> {
        let basis = self.basis(&self.survey.totals);
        if self.options.codec != CodecChoice::Auto || !basis.is_small {
            return vec![(basis.key_codec, basis.value_codec)];
        }
        let mut candidates = vec![(Codec::Raw, Codec::Raw)];
        if basis.key_codec != Codec::Raw {
            candidates.push((basis.key_codec, Codec::Raw));
        }
        if self.survey.totals.value_bytes > 0 {
            candidates.extend([Codec::Huffman, Codec::Symbols].map(|values| (basis.key_codec, values)));
        }
        candidates
    }

    /// The plan for the pairs of the survey.
    pub(crate) fn plan(&self, (key_codec, value_codec): (Codec, Codec), threads: usize) -> Plan {
        let (survey, options, totals) = (self.survey, self.options, &self.survey.totals);
        let Basis { bucket_records, bucket_bits, value_width, fixed_value, .. } = self.basis(totals);
        let shape = survey.keys.shape();
        let seed = xxhash_rust::xxh3::xxh3_64(&survey.sample.keys().concat());
        let keys = KeyMap::new(shape, seed, bucket_bits);

        let fixed = fixed_value.filter(|&len| value_codec == Codec::Raw && len <= RAM_INLINE_MAX as usize);
        let buckets = BucketShape {
            count_width: if bucket_records > 32 { 2 } else { 1 },
            key_width: key_width(keys.shape(), key_codec, survey.keys.longest),
            rest_bits: keys.rest_bits(),
            rest_mask: u128::MAX.unbounded_shr(128 - keys.rest_bits()),
            value_width: if fixed.is_some() { 0 } else { value_width },
            value_fixed: fixed.unwrap_or(0) as u32,
        };
        let lines = index::lines(1 << bucket_bits);
        let record_bytes = self.record_bytes(totals);
        let working = options.memory_bytes / (8 * threads as u64);
        let partition_bytes =
            PARTITION_BYTES.max(totals.pairs * record_bytes / PARTITIONS_MAX).min(working.max(1 << 16));
        let partitions = (totals.pairs * record_bytes).div_ceil(partition_bytes).clamp(1, lines);
        Plan {
            seed,
            buckets,
            bucket_bits,
            inline_max: match options.purpose {
                Purpose::Ram => RAM_INLINE_MAX,
                Purpose::Disk => DISK_INLINE_MAX,
            },
            duplicates: options.duplicates,
            key_codec,
            key_table: self.keys.table(key_codec),
            value_codec,
            value_table: self.values.table(value_codec),
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
    if shape.kind != KeyKind::Bytes {
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

/// How many texts of a sample codecs are trained on, for data of `total` bytes.
fn trained_on(lengths: impl Iterator<Item = usize>, total: u64) -> usize {
    let mut room = (total / TRAINING_PART).max(TRAINING_BYTES_MIN);
    let mut number = 0;
    for len in lengths {
        if room == 0 {
            break;
        }
        room = room.saturating_sub(len as u64);
        number += 1;
    }
    number
}

/// The codecs of keys or of values, trained on a sample of them.
struct Trained {
    choice: CodecChoice,
    /// The lengths of all texts of the sample.
    lengths: Vec<usize>,
    /// Bytes of those that the codecs were trained on.
    given: u64,
    codecs: Vec<TrainedCodec>,
}

/// A codec and what it makes of what it was trained on.
struct TrainedCodec {
    codec: Codec,
    table: SymbolTable,
    table_bytes: u64,
    stored: u64,
}

impl Trained {
    fn new(choice: CodecChoice, sample: &[&[u8]], total: u64) -> Self {
        let lengths: Vec<usize> = sample.iter().map(|text| text.len()).collect();
        let sample = &sample[..trained_on(lengths.iter().copied(), total)];
        let wanted = match choice {
            CodecChoice::Fixed(codec) => vec![codec],
            CodecChoice::Auto => vec![Codec::Huffman, Codec::Symbols],
        };
        let trained = wanted.into_iter().filter_map(|codec| {
            let table = train(codec, sample)?;
            let encoder = Encoder::new(&table);
            let mut stored = Vec::new();
            sample.iter().for_each(|text| encoder.encode(text, &mut stored));
            let stored = stored.len() as u64;
            let mut written = Vec::new();
            table.write(&mut written);
            Some(TrainedCodec { codec, table, table_bytes: written.len() as u64, stored })
        });
        let given = sample.iter().map(|text| text.len() as u64).sum();
        Self { choice, codecs: trained.collect(), lengths, given }
    }

    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.lengths.iter().copied()
    }

    /// The codec that the choice comes to for data of `total` bytes.
    fn choose(&self, total: u64) -> Codec {
        if let CodecChoice::Fixed(codec) = self.choice {
            return codec;
        }
        // What a codec saves of the sample, it saves of all; its table is paid once.
        let share =
            |bytes: u64| (u128::from(bytes) * u128::from(total) / u128::from(self.given.max(1))) as u64;
        let raw = share(self.given);
        let mut best = (raw - raw / WORTH, Codec::Raw);
        for trained in &self.codecs {
            let bytes = share(trained.stored) + trained.table_bytes;
            let bound = if best.1 == Codec::Raw { best.0 } else { best.0 - best.0 / ALIKE };
            if bytes < bound {
                best = (bytes, trained.codec);
            }
        }
        best.1
    }

    fn table(&self, codec: Codec) -> Option<SymbolTable> {
        self.codecs.iter().find(|trained| trained.codec == codec).map(|trained| trained.table.clone())
    }
}
