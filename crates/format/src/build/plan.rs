//! What a table will look like, decided from what the survey learnt.

use std::sync::{Arc, OnceLock};

use super::encode::ValueEncoder;
use super::options::{BUCKET_RECORDS_MAX, CodecChoice, Duplicates, Options, Purpose};
use super::share::{SampleValue, shared_values};
use super::survey::{Survey, Totals};
use crate::bucket::{BucketShape, Widths};
use crate::codec::{
    ALPHABET_MAX, Alphabet, Codec, Decoder, Encoder, LongDecoder, LongDictionary, PLAIN_BYTES_MIN,
    SharedReader, SharedValues, SymbolTable, Values, train,
};
use crate::header::Header;
use crate::index::{self, Groups};
use crate::key::{KeyKind, KeyMap};
use crate::layout::{BUCKET_BITS_MAX, Section};

/// Records in a bucket that is to lie in memory, on average, within a factor of the square root of
/// two.
const RAM_BUCKET_RECORDS: u64 = 4;

/// Bytes in a bucket that is to lie on disk, on average, within the same factor.
const DISK_BUCKET_BYTES: u64 = 3072;

/// Buckets that share a check in a table that is to lie in memory, where only lookups that read a
/// file or a mapping check: a check takes 0.26 bytes a pair instead of 1.05, and a lookup from a
/// mapping reads half a kilobyte instead of 140 bytes.
const RAM_GROUP_BUCKETS: u8 = 4;

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

/// Codecs are trained on at most one part in so many of the data, so that a small table is built
/// at once.
const TRAINING_PART: u64 = 8;

/// Bytes that codecs are trained on where there are as many, however small the data.
const TRAINING_BYTES_MIN: u64 = 16 << 10;

/// Bytes of pairs and their lengths up to which a table is small: it is carved with each codec,
/// and the smallest is taken.
const SMALL_BYTES: u64 = 256 << 10;

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
    pub(crate) long: Option<Arc<LongDictionary>>,
    pub(crate) shared: SharedValues,
    /// The section of the columns; empty where values have none.
    schema: Vec<u8>,
    /// The section of the type of values.
    value_type: Vec<u8>,
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

/// What a plan takes from how many pairs there are and how long they are. Two tables of the same
/// keys and the same sample for which it is the same are carved alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    is_small: bool,
    /// How many keys and values of the sample codecs are trained on.
    trained_keys: usize,
    trained_values: usize,
    /// What they come to where the table is not small.
    key_codec: Codec,
    value_codec: Codec,
    /// Bytes of the dictionary of long values, where one is tried.
    dictionary_bytes: Option<usize>,
    bucket_records: u64,
    bucket_bits: u8,
    /// The logarithm of how many pairs there are.
    pairs_log: u32,
}

/// What is known of a table before it is carved: plans are made of it.
pub(crate) struct Drafts<'s> {
    survey: &'s Survey,
    options: &'s Options,
    keys: Trained,
    values: Trained,
    /// The dictionary for long values, where they are stored through zstd.
    long: Option<Arc<LongDictionary>>,
    /// The section of the columns; empty where values have none.
    schema: &'s [u8],
    /// The section of the type of values; empty where it was not said.
    value_type: &'s [u8],
}

impl<'s> Drafts<'s> {
    pub(crate) fn new(
        survey: &'s Survey,
        options: &'s Options,
        schema: &'s [u8],
        value_type: &'s [u8],
    ) -> Self {
        let totals = &survey.totals;
        let prefix = survey.keys.shape().prefix.len();
        let stems: Vec<&[u8]> = survey.sample.keys().into_iter().map(|key| &key[prefix..]).collect();
        let key_choice = match options.codec {
            _ if survey.keys.shape().kind != KeyKind::Bytes => CodecChoice::Fixed(Codec::Raw),
            CodecChoice::Fixed(Codec::Raw) | CodecChoice::Fastest => CodecChoice::Fixed(Codec::Raw),
            _ => CodecChoice::Auto,
        };
        let sample = survey.sample.values();
        // What a row has of text is stored through codes already.
        let value_choice = if schema.is_empty() { options.codec } else { CodecChoice::Fixed(Codec::Raw) };
        let mut values = Trained::new(value_choice, &sample, totals.value_bytes);
        let price = Price::of(options);
        values.price = Some(price);
        // Of values that are stored in whole frames, whole ones tell what these come to.
        let pieces = if has_long_values(totals) { survey.long.values() } else { sample };
        let long = LongChoice::new(options.codec, &pieces, totals)
            .filter(|long| {
                options.codec == CodecChoice::Fixed(Codec::Zstd)
                    || long.cost(price) < values.cost_of_choice(totals.value_bytes)
            })
            .and_then(|long| long.dictionary(&pieces, options.codec));
        Self {
            survey,
            options,
            keys: Trained::new(key_choice, &stems, totals.key_bytes),
            values,
            long: long.map(Arc::new),
            schema,
            value_type,
        }
    }

    fn is_numeric(&self) -> bool {
        self.survey.keys.shape().kind != KeyKind::Bytes
    }

    fn record_bytes(&self, totals: &Totals) -> u64 {
        totals.value_bytes.checked_div(totals.pairs).unwrap_or(0) + if self.is_numeric() { 14 } else { 24 }
    }

    /// What a plan takes from `totals`.
    pub(crate) fn basis(&self, totals: &Totals) -> Basis {
        let pairs = totals.pairs.min(self.survey.sample.distinct());
        let most = BUCKET_RECORDS_MAX.into();
        let bucket_records = match (self.options.bucket_records, self.options.purpose) {
            (Some(records), _) => u64::from(records).clamp(1, most),
            (None, Purpose::Ram) => RAM_BUCKET_RECORDS,
            (None, Purpose::Disk) => (DISK_BUCKET_BYTES / self.record_bytes(totals)).clamp(1, most),
        };
        let widest = if self.is_numeric() { self.survey.keys.shape().mask.count_ones() } else { 64 };
        Basis {
            is_small: totals.key_bytes + totals.value_bytes + 8 * totals.pairs <= SMALL_BYTES,
            trained_keys: trained_on(&self.keys.lengths, totals.key_bytes),
            trained_values: trained_on(&self.values.lengths, totals.value_bytes),
            key_codec: self.keys.choose(totals.key_bytes),
            value_codec: self.values.choose(totals.value_bytes),
            dictionary_bytes: LongChoice::wished(self.options.codec, self.values.given, totals),
            bucket_records,
            pairs_log: totals.pairs.checked_ilog2().unwrap_or(0),
            bucket_bits: bucket_bits(pairs, bucket_records).min(widest.min(BUCKET_BITS_MAX.into()) as u8),
        }
    }

    /// The codecs of keys and values to carve a table with: one pair of them, or several to see
    /// which is smallest.
    pub(crate) fn candidates(&self) -> Vec<(Codec, Codec)> {
        let basis = self.basis(&self.survey.totals);
        let smallest = matches!(self.options.codec, CodecChoice::Auto | CodecChoice::Smallest);
        if !smallest || !basis.is_small {
            return vec![(basis.key_codec, basis.value_codec)];
        }
        let mut candidates = vec![(Codec::Raw, Codec::Raw)];
        if basis.key_codec != Codec::Raw {
            candidates.push((basis.key_codec, Codec::Raw));
        }
        if self.survey.totals.value_bytes > 0 && self.schema.is_empty() {
            let codecs = [Codec::Packed, Codec::Huffman, Codec::Symbols];
            candidates.extend(codecs.map(|values| (basis.key_codec, values)));
        }
        candidates
    }

    /// The plan for the pairs of the survey.
    pub(crate) fn plan(&self, (key_codec, value_codec): (Codec, Codec), threads: usize) -> Plan {
        let (survey, options, totals) = (self.survey, self.options, &self.survey.totals);
        let Basis { bucket_records, bucket_bits, pairs_log, .. } = self.basis(totals);
        let sample = survey.sample.values();
        let key_choice = self.keys.take(key_codec);
        let Choice { codec: value_codec, table: value_table, alphabet } = self.values.take(value_codec);
        let seed = xxhash_rust::xxh3::xxh3_64(&survey.sample.keys().concat());
        let keys = KeyMap::new(survey.keys.shape(), seed, bucket_bits);
        let (inline_max, group_buckets) = match options.purpose {
            Purpose::Ram => (RAM_INLINE_MAX, RAM_GROUP_BUCKETS),
            Purpose::Disk => (DISK_INLINE_MAX, 1),
        };
        let long = self.long.clone();
        let mut encoder = ValueEncoder::new(
            value_table.as_ref().map(Encoder::new),
            alphabet.as_ref(),
            long.as_ref().and_then(|long| long.encoder()),
            inline_max,
        );
        let sampled = SampleValue::of(&sample, &mut encoder, alphabet.is_some());
        drop(encoder);
        let shared = match options.codec {
            CodecChoice::Fixed(Codec::Raw) | CodecChoice::Fastest => SharedValues::default(),
            _ => shared_values(&sampled, pairs_log),
        };
        let (word_bits, word_base) = words(&sampled, bucket_records, &shared);
        let widths = Widths {
            count_width: if bucket_records > 32 { 2 } else { 1 },
            numeric: self.is_numeric(),
            rest_bits: keys.rest_bits(),
            key_bits: 0,
            key_base: 0,
            word_bits,
            word_base,
            shared: shared.len() as u32,
            symbol_bits: alphabet.as_ref().map_or(0, Alphabet::bits),
        };
        let lines = index::lines(1 << bucket_bits);
        let working = options.memory_bytes / (8 * threads as u64);
        let record_bytes = self.record_bytes(totals);
        let partition_bytes =
            PARTITION_BYTES.max(totals.pairs * record_bytes / PARTITIONS_MAX).min(working.max(1 << 16));
        let partitions = (totals.pairs * record_bytes).div_ceil(partition_bytes).clamp(1, lines);
        Plan {
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
            long: self.long.clone(),
            shared,
            schema: self.schema.to_vec(),
            value_type: self.value_type.to_vec(),
            partition_lines: lines.div_ceil(partitions),
            keys,
            identity: 0,
            values: OnceLock::new(),
        }
    }
}

impl Plan {
    /// Takes in what is known once every pair was encoded: the lengths of stored keys, which need
    /// just so many bits.
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
            long_codec: if self.long.is_some() { Codec::Zstd } else { Codec::Raw },
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
            (Section::Dictionary, self.long.as_ref().map_or_else(Vec::new, |long| long.bytes().to_vec())),
            (Section::Shared, self.shared.section().to_vec()),
            (Section::Schema, self.schema.clone()),
            (Section::ValueType, self.value_type.clone()),
        ]
    }

    pub(crate) fn value_encoder(&self) -> ValueEncoder<'_> {
        ValueEncoder::new(
            self.value_table.as_ref().map(Encoder::new),
            self.alphabet.as_ref(),
            self.long.as_ref().and_then(|long| long.encoder()),
            self.inline_max,
        )
        .sharing(&self.shared)
    }

    /// The decoders of the values, which only duplicates need.
    pub(crate) fn values(&self) -> &Values {
        self.values.get_or_init(|| Values {
            decoder: self.value_table.as_ref().and_then(|table| Decoder::new(self.value_codec, table)),
            alphabet: self.alphabet.clone(),
            long: self.long.as_ref().and_then(|long| LongDecoder::new(long.bytes())),
            shared: SharedReader::read(self.shared.section(), self.shared.len()).unwrap_or_default(),
        })
    }
}

/// The bits of a value's word in a narrow bucket, and what is added to it, that make buckets like
/// those of `sample` smallest. A value that has no such word makes its bucket wide, with sixteen
/// bits a value.
fn words(sample: &[SampleValue<'_>], bucket_records: u64, shared: &SharedValues) -> (u8, u32) {
    let mut counts = vec![0_u64; 1 << WORD_BITS_MAX];
    let (mut numbered, shared_len) = (0, shared.len());
    for value in sample {
        if shared.number(value.value).is_some() {
            numbered += 1;
        } else if let Some(count) = value.word.and_then(|word| counts.get_mut(word)) {
            *count += 1;
        }
    }
    let total = (sample.len() as f64).max(1.0);
    let mut best = (f64::INFINITY, WORD_BITS_MAX, 0);
    // One and two bits of lengths are summed slowly, and save little.
    for bits in (0..=WORD_BITS_MAX).filter(|bits| shared_len > 0 || !(1..3).contains(bits)) {
        let Some(window) = (1_usize << bits).checked_sub(shared_len) else { continue };
        let mut inside: u64 = counts[..window].iter().sum();
        // Of windows that hold as many the first: a table has shorter values than its sample, and
        // longer ones.
        let mut most = (inside, 0);
        for base in 1..=counts.len() - window {
            inside = inside + counts[..base + window].last().map_or(0, |&count| count) - counts[base - 1];
            if window > 0 && inside > most.0 {
                most = (inside, base);
            }
        }
        let narrow = ((most.0 + numbered) as f64 / total).powi(bucket_records.min(1 << 10) as i32);
        let cost = f64::from(bits) * narrow + 16.0 * (1.0 - narrow);
        if cost < best.0 - 0.01 {
            best = (cost, bits, most.1 as u32);
        }
    }
    (best.1, best.2)
}

/// The number of bucket bits that brings the mean within a factor of the square root of two of
/// `records`.
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

/// The bytes that come most often in `sample`, at most as many as an alphabet has; `None` where
/// there is none.
fn alphabet(sample: &[&[u8]]) -> Option<Alphabet> {
    let mut counts = [0_u64; 256];
    sample.iter().flat_map(|text| text.iter()).for_each(|&byte| counts[usize::from(byte)] += 1);
    let mut bytes: Vec<u8> = (0..=255).filter(|&byte| counts[usize::from(byte)] > 0).collect();
    bytes.sort_by_key(|&byte| std::cmp::Reverse(counts[usize::from(byte)]));
    bytes.truncate(ALPHABET_MAX);
    bytes.sort_unstable();
    Alphabet::new(&bytes)
}

/// How many texts of a sample, which have these lengths, codecs are trained on for data of `total`
/// bytes.
pub(crate) fn trained_on(lengths: &[usize], total: u64) -> usize {
    let mut room = (total / TRAINING_PART).max(TRAINING_BYTES_MIN);
    let enough = lengths.iter().position(|&len| {
        room = room.saturating_sub(len as u64);
        room == 0
    });
    enough.map_or(lengths.len(), |at| at + 1)
}

/// What a nanosecond of decoding costs, in bytes of the file: the cost model of `auto`.
///
/// A table in memory is looked up in some 250 ns, so that 32 ns are an eighth of a lookup, and a
/// byte some 3% of a record of the reference pairs. From disk a lookup takes some 50 µs, and a
/// byte costs as much there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    /// Nanoseconds that cost as much as a byte; 0 where they cost nothing.
    nanoseconds_a_byte: u64,
}

impl Price {
    pub(crate) fn of(options: &Options) -> Self {
        let nanoseconds_a_byte = match (options.codec, options.purpose) {
            (CodecChoice::Smallest, _) => 0,
            (_, Purpose::Ram) => 32,
            (_, Purpose::Disk) => 512,
        };
        Self { nanoseconds_a_byte }
    }

    /// What decoding values of `total` bytes costs, by what was measured of each codec.
    pub(crate) fn of_bytes(self, codec: Codec, total: u64) -> u64 {
        let picoseconds = match codec {
            Codec::Raw => 0,
            Codec::Packed => 300,
            Codec::Huffman => 3500,
            Codec::Symbols => 2500,
            Codec::Zstd => 1200,
        };
        self.of_nanoseconds((u128::from(total) * picoseconds / 1000) as u64)
    }

    fn of_nanoseconds(self, nanoseconds: u64) -> u64 {
        nanoseconds.checked_div(self.nanoseconds_a_byte).unwrap_or(0)
    }
}

/// Nanoseconds that zstd takes for a value of no length.
const ZSTD_NANOSECONDS: u64 = 400;

/// Values whose mean is shorter are not tried with zstd.
const LONG_MEAN_BYTES_MIN: u64 = 100;

/// Bytes of a dictionary: one part in so many of the values, within these bounds. A sample of less
/// than eight times as much teaches it nothing.
const DICTIONARY_PART: u64 = 128;
const DICTIONARY_BYTES: std::ops::RangeInclusive<u64> = (4 << 10)..=(256 << 10);

/// How hard zstd tries: for the smallest table, and otherwise.
const LEVEL_SMALLEST: i32 = 19;
const LEVEL: i32 = 12;

/// Whether most of the values' bytes are in values that any decoder of zstd is to read.
fn has_long_values(totals: &Totals) -> bool {
    totals.value_bytes / totals.pairs.max(1) >= PLAIN_BYTES_MIN as u64
}

/// What zstd with a dictionary makes of the values of a table.
pub(crate) struct LongChoice {
    pairs: u64,
    total: u64,
    stored: u64,
    dictionary_bytes: usize,
}

impl LongChoice {
    /// Trains a dictionary on three of four values of the sample and tries it on the others;
    /// `None` where that is not worth trying.
    pub(crate) fn new(choice: CodecChoice, sample: &[&[u8]], totals: &Totals) -> Option<Self> {
        let given = sample.iter().map(|text| text.len() as u64).sum();
        let dictionary_bytes = Self::wished(choice, given, totals)?;
        let part = |wanted: fn(usize) -> bool| {
            let some = sample.iter().enumerate().filter(move |(i, _)| wanted(*i));
            some.map(|(_, text)| *text).collect::<Vec<&[u8]>>()
        };
        let learnt = part(|i| i % 4 != 3);
        let tried = if sample.len() < 4 { learnt.clone() } else { part(|i| i % 4 == 3) };
        let dictionary = LongDictionary::train(&learnt, dictionary_bytes, LEVEL)
            .map_or_else(|| LongDictionary::new(Vec::new(), LEVEL), Some)?;
        let mut encoder = dictionary.encoder()?;
        let (mut stored, mut all, mut of) = (Vec::new(), 0_u64, 0_u64);
        for text in &tried {
            stored.clear();
            encoder.encode(text, true, &mut stored).then_some(())?;
            all += stored.len().min(text.len()) as u64;
            of += text.len() as u64;
        }
        let stored = u128::from(all) * u128::from(totals.value_bytes) / u128::from(of.max(1));
        Some(Self { pairs: totals.pairs, total: totals.value_bytes, stored: stored as u64, dictionary_bytes })
    }

    /// How large a dictionary is tried, for values of which a sample of `given` bytes is known;
    /// `None` where none is.
    fn wished(choice: CodecChoice, given: u64, totals: &Totals) -> Option<usize> {
        let wanted = match choice {
            CodecChoice::Auto | CodecChoice::Smallest => {
                totals.value_bytes >= LONG_MEAN_BYTES_MIN * totals.pairs.max(1)
            }
            CodecChoice::Fixed(codec) => codec == Codec::Zstd,
            CodecChoice::Fastest => false,
        };
        if !wanted || totals.value_bytes == 0 {
            return None;
        }
        // Values that any decoder is to read have no dictionary.
        if has_long_values(totals) {
            return Some(0);
        }
        let wished = (totals.value_bytes / DICTIONARY_PART)
            .clamp(*DICTIONARY_BYTES.start(), *DICTIONARY_BYTES.end())
            .min(given / 8);
        Some(wished as usize)
    }

    pub(crate) fn cost(&self, price: Price) -> u64 {
        self.stored
            + self.dictionary_bytes as u64
            + price.of_bytes(Codec::Zstd, self.total)
            + price.of_nanoseconds(ZSTD_NANOSECONDS * self.pairs)
    }

    /// The dictionary for all values, trained on the whole sample.
    fn dictionary(&self, sample: &[&[u8]], choice: CodecChoice) -> Option<LongDictionary> {
        let level = if choice == CodecChoice::Smallest { LEVEL_SMALLEST } else { LEVEL };
        LongDictionary::train(sample, self.dictionary_bytes, level)
            .map_or_else(|| LongDictionary::new(Vec::new(), level), Some)
    }
}

/// The codecs of keys or of values, trained on a sample of them.
struct Trained {
    choice: CodecChoice,
    /// The lengths of all texts of the sample.
    lengths: Vec<usize>,
    /// Bytes of those that the codecs were trained on.
    given: u64,
    codecs: Vec<TrainedCodec>,
    alphabet: Option<Alphabet>,
    /// What the sample takes packed, and what the alphabet takes.
    packed: Option<(u64, u64)>,
    /// What decoding costs; `None` for keys, where a codec has to save a part of them.
    price: Option<Price>,
}

/// Bytes that are stored of `texts` through a code.
pub(crate) fn stored_bytes(table: &SymbolTable, texts: &[&[u8]]) -> u64 {
    let encoder = Encoder::new(table);
    let mut stored = Vec::new();
    texts.iter().for_each(|text| encoder.encode(text, &mut stored));
    stored.len() as u64
}

/// What a codec that was trained on three of four texts of `sample` would store of all, by what it
/// stores of the others: what it makes of texts that it was trained on promises too much. `None`
/// where there are too few.
pub(crate) fn on_others(codec: Codec, sample: &[&[u8]]) -> Option<u64> {
    let part = |wanted: fn(usize) -> bool| {
        let some = sample.iter().enumerate().filter(move |(i, _)| wanted(*i));
        some.map(|(_, text)| *text).collect::<Vec<&[u8]>>()
    };
    let (learnt, others) = (part(|i| i % 4 != 3), part(|i| i % 4 == 3));
    let bytes = |texts: &[&[u8]]| texts.iter().map(|text| text.len() as u128).sum::<u128>();
    let stored = u128::from(stored_bytes(&train(codec, &learnt)?, &others));
    (stored * bytes(sample)).checked_div(bytes(&others)).map(|stored| stored as u64)
}

/// A codec and what it makes of what it was trained on, or of texts like it.
struct TrainedCodec {
    codec: Codec,
    table: SymbolTable,
    table_bytes: u64,
    stored: u64,
}

impl Trained {
    fn new(choice: CodecChoice, sample: &[&[u8]], total: u64) -> Self {
        let lengths: Vec<usize> = sample.iter().map(|text| text.len()).collect();
        let wanted = match choice {
            CodecChoice::Fixed(codec) => vec![codec],
            CodecChoice::Fastest => vec![],
            CodecChoice::Auto | CodecChoice::Smallest => vec![Codec::Packed, Codec::Huffman, Codec::Symbols],
        };
        let alphabet = if wanted.contains(&Codec::Packed) { alphabet(sample) } else { None };
        let sample = &sample[..trained_on(&lengths, total)];
        let trained = wanted.into_iter().filter_map(|codec| {
            let table = train(codec, sample)?;
            let mut written = Vec::new();
            table.write(&mut written);
            let tried = if choice == CodecChoice::Smallest { on_others(codec, sample) } else { None };
            let stored = tried.unwrap_or_else(|| stored_bytes(&table, sample));
            Some(TrainedCodec { codec, table, table_bytes: written.len() as u64, stored })
        });
        let given = sample.iter().map(|text| text.len() as u64).sum();
        // What is packed is rounded up to a byte where it lies in a wide bucket alone.
        let packed = alphabet.as_ref().map(|alphabet| {
            let mut packed = Vec::new();
            let bits = |text: &&[u8]| {
                packed.clear();
                if alphabet.pack(text, &mut packed) {
                    text.len() as u64 * u64::from(alphabet.bits())
                } else {
                    8 * text.len() as u64 + 64
                }
            };
            (sample.iter().map(bits).sum::<u64>().div_ceil(8), alphabet.bytes().len() as u64)
        });
        Self { choice, codecs: trained.collect(), lengths, given, alphabet, packed, price: None }
    }

    /// The codec that the choice comes to for data of `total` bytes.
    fn choose(&self, total: u64) -> Codec {
        match self.choice {
            CodecChoice::Fixed(Codec::Zstd) | CodecChoice::Fastest => return Codec::Raw,
            CodecChoice::Fixed(codec) => return codec,
            CodecChoice::Auto | CodecChoice::Smallest => {}
        }
        if let Some(price) = self.price {
            return self.cheapest(price, total).1;
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

    /// The codec that costs least for values of `total` bytes, with what it costs.
    fn cheapest(&self, price: Price, total: u64) -> (u64, Codec) {
        let share =
            |bytes: u64| (u128::from(bytes) * u128::from(total) / u128::from(self.given.max(1))) as u64;
        let mut best = (total, Codec::Raw);
        let packed = self.packed.map(|(stored, alphabet)| (Codec::Packed, stored, alphabet));
        let trained = self.codecs.iter().map(|trained| (trained.codec, trained.stored, trained.table_bytes));
        for (codec, stored, table) in packed.into_iter().chain(trained) {
            let cost = share(stored) + table + price.of_bytes(codec, total);
            if cost < best.0 {
                best = (cost, codec);
            }
        }
        best
    }

    /// What the codec that the choice comes to costs for values of `total` bytes.
    fn cost_of_choice(&self, total: u64) -> u64 {
        self.price.map_or(total, |price| self.cheapest(price, total).0)
    }

    /// A codec with what it needs; raw where there is nothing that it could be trained on.
    fn take(&self, codec: Codec) -> Choice {
        if codec == Codec::Packed {
            let packed =
                |alphabet: &Alphabet| Choice { codec, table: None, alphabet: Some(alphabet.clone()) };
            return self.alphabet.as_ref().map_or_else(Choice::raw, packed);
        }
        let trained = self.codecs.iter().find(|trained| trained.codec == codec);
        trained.map_or_else(Choice::raw, |trained| Choice {
            codec,
            table: Some(trained.table.clone()),
            alphabet: None,
        })
    }
}
