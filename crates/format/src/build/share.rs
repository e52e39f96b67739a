//! Which values are shared: those that a sample has so often that their numbers take less than
//! they do.

use std::collections::HashMap;

use super::encode::ValueEncoder;
use super::sample::PIECE_BYTES;
use crate::bucket::Form;
use crate::codec::SharedValues;
use crate::layout::SHARED_BYTES_MAX;

/// The most shared values: as many as words of a narrow bucket have room for.
const VALUES_MAX: usize = 4096;

/// Values are shared where that saves one part in so many of what all take.
const WORTH: u64 = 32;

/// A value of a sample, and what it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleValue<'v> {
    pub(crate) value: &'v [u8],
    /// Bytes that are stored of it.
    stored: u64,
    /// The length that its word in a narrow bucket has, where it has one.
    pub(crate) word: Option<usize>,
}

impl<'v> SampleValue<'v> {
    /// The values of `sample` through `encoder`; `packed`, where it packs them.
    pub(crate) fn of(sample: &[&'v [u8]], encoder: &mut ValueEncoder<'_>, packed: bool) -> Vec<Self> {
        let mut stored = Vec::new();
        let mut sampled = |&value: &&'v [u8]| {
            let encoded = encoder.encode(value, &mut stored);
            let word = if packed { value.len() } else { stored.len() };
            let narrow = encoded.form == Form::Main && !encoded.is_large;
            Self { value, stored: stored.len() as u64, word: narrow.then_some(word) }
        };
        sample.iter().map(&mut sampled).collect()
    }
}

/// The values that are to be shared of a table of which this is a sample; `log` is the logarithm of
/// how many pairs it has, to base 2.
pub(crate) fn shared_values(sample: &[SampleValue<'_>], log: u32) -> SharedValues {
    let mut counts: HashMap<&[u8], (u64, u64, Option<usize>)> = HashMap::new();
    for value in sample {
        counts.entry(value.value).or_insert((0, value.stored, value.word)).0 += 1;
    }
    // Of each different value: how often it comes, what it takes, and its word; those that take
    // most come first.
    let mut different: Vec<(&[u8], u64, u64, Option<usize>)> =
        counts.into_iter().map(|(value, (count, stored, word))| (value, count, stored, word)).collect();
    different.sort_by(|a, b| (b.1 * (b.2 + 1)).cmp(&(a.1 * (a.2 + 1))).then(a.0.cmp(b.0)));
    // A piece of a longer value is not that value.
    let often = different.iter().take_while(|value| value.1 > 1 && value.0.len() < PIECE_BYTES).count();
    let often = often.min(VALUES_MAX);
    // What all of the sample takes in bits, with words that tell the lengths of those that are not
    // shared apart.
    let pairs = sample.len() as u64;
    let cost = |shared: usize| {
        let rest = &different[shared..];
        let lengths = rest.iter().filter_map(|value| value.3);
        let range = lengths.clone().max().map_or(0, |most| most + 1 - lengths.min().unwrap_or(0));
        let word = (shared + range).max(1).next_power_of_two().ilog2().min(16);
        let table: u64 = different[..shared].iter().map(|value| value.0.len() as u64 + 4).sum();
        // The table is paid once, and so less by a part of the pairs than by all.
        let table = (u128::from(table * 8) * u128::from(pairs)) >> log;
        pairs * u64::from(word) + rest.iter().map(|value| value.1 * value.2 * 8).sum::<u64>() + table as u64
    };
    let mut best = (cost(0) - cost(0) / WORTH, 0);
    let mut tried: Vec<usize> =
        (0..usize::BITS).map(|log| 1 << log).take_while(|&count| count < often).collect();
    tried.push(often);
    for shared in tried.into_iter().filter(|&shared| shared > 0) {
        let bytes: u64 = different[..shared].iter().map(|value| value.0.len() as u64 + 4).sum();
        let cost = cost(shared);
        if bytes <= SHARED_BYTES_MAX && cost < best.0 {
            best = (cost, shared);
        }
    }
    let mut values: Vec<&[u8]> = different[..best.1].iter().map(|value| value.0).collect();
    values.sort_unstable();
    SharedValues::new(&values)
}
