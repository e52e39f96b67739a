//! What a key is to the file: which bucket it falls into, and what of it is left to be stored
//! there.
//!
//! Keys that spell numbers (UUIDs, hexadecimal, decimal) are turned into those numbers, the bits
//! that all keys share are taken out, and the rest is permuted: the high bits choose the bucket,
//! the low bits are stored, and together they are the key. Other keys are hashed, and stored
//! whole.

pub(crate) mod digits;
mod gather;
mod permute;
mod survey;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cpu::Cpu;
use crate::layout::TAG_BITS;
use gather::Gather;
pub(crate) use permute::fold;
use permute::{Halves, Permutation};
pub(crate) use survey::KeySurvey;

/// How the keys of a table are written. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum KeyKind {
    /// Any bytes.
    Bytes = 0,
    /// Canonical lower-case UUIDs.
    Uuid = 1,
    /// Lower-case hexadecimal of one length, at most 32 digits.
    Hex = 2,
    /// Decimal numbers below 2^64 without leading zeros.
    Decimal = 3,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::Uuid, Self::Hex, Self::Decimal];

    /// The name that `graven info` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Uuid => "uuid",
            Self::Hex => "hex",
            Self::Decimal => "decimal",
        }
    }
}

/// What all keys of a table have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyShape {
    pub(crate) kind: KeyKind,
    /// What every key begins with, before the part that is of the kind.
    pub(crate) prefix: Vec<u8>,
    /// Digits of a hexadecimal key, otherwise 0.
    pub(crate) digits: u8,
    /// Bits of a number that differ between keys.
    pub(crate) mask: u128,
    /// The value of the bits that do not.
    pub(crate) fixed: u128,
}

/// Where a key would be, and what would be stored of it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: u64,
    pub(crate) tag: u8,
    /// What bucket and tag leave of a number; 0 for keys of bytes.
    pub(crate) rest: u128,
}

/// What a key spells.
enum Spelled {
    Number(u128),
    /// Nothing but bytes, with this hash.
    Bytes(u64),
}

/// The order of records in the file. For numeric keys it is the permuted number, and names the
/// key; for others it is the hash of the key, in `high`.
pub(crate) type Order = Halves;

/// Turns keys into places and back: a [`KeyShape`] with a seed and a number of buckets.
#[derive(Clone, Debug)]
pub(crate) struct KeyMap {
    shape: KeyShape,
    seed: u64,
    gather: Gather,
    permutation: Permutation,
    /// How far the bucket's bits lie from the end of `high`, and the bits behind them.
    bucket_shift: u32,
    behind_mask: u64,
    /// Whether keys are UUIDs and nothing else.
    is_plain_uuid: bool,
    /// Bits of `low` behind the tag, where it has all of that.
    behind_tag: Option<u32>,
    /// Bits of `low`, and of what bucket and tag leave.
    low_bits: u32,
    rest_bits: u32,
}

impl KeyMap {
    pub(crate) fn new(shape: KeyShape, seed: u64, bucket_bits: u8) -> Self {
        let gather = Gather::new(shape.mask);
        let bucket_bits = u32::from(bucket_bits);
        let (high_bits, low_bits) = if shape.kind == KeyKind::Bytes {
            (64, 0)
        } else {
            // The bucket is the beginning of the high half, which is the larger one where it must
            // be.
            let high = gather.width().div_ceil(2).max(bucket_bits.min(gather.width()));
            (high, gather.width() - high)
        };
        let gather = gather.halved(low_bits);
        let permutation = Permutation::new(high_bits, low_bits, seed);
        let bucket_shift = high_bits.saturating_sub(bucket_bits);
        let numeric = shape.kind != KeyKind::Bytes;
        let rest_bits = if numeric { (bucket_shift + low_bits).saturating_sub(TAG_BITS) } else { 0 };
        let behind_mask = u64::MAX.unbounded_shr(64 - bucket_shift);
        let is_plain_uuid = shape.kind == KeyKind::Uuid && shape.prefix.is_empty();
        Self {
            shape,
            seed,
            gather,
            permutation,
            bucket_shift,
            behind_mask,
            is_plain_uuid,
            behind_tag: low_bits.checked_sub(TAG_BITS),
            low_bits,
            rest_bits,
        }
    }

    pub(crate) fn shape(&self) -> &KeyShape {
        &self.shape
    }

    /// Whether keys are numbers, of which only a rest is stored.
    #[inline(always)]
    pub(crate) fn is_numeric(&self) -> bool {
        self.shape.kind != KeyKind::Bytes
    }

    /// Bits that are stored of each key beside its tag; 0 for keys of bytes.
    pub(crate) fn rest_bits(&self) -> u32 {
        self.rest_bits
    }

    /// The order of `key`; `None` when no key of this shape is spelled so, and the table therefore
    /// cannot hold it.
    #[inline(always)]
    pub(crate) fn order(&self, cpu: impl Cpu, key: &[u8]) -> Option<Order> {
        let number = if self.is_plain_uuid {
            cpu.parse_uuid(key)?
        } else {
            match self.other_number(key)? {
                Spelled::Number(number) => number,
                Spelled::Bytes(hash) => return Some(Order { high: hash, low: 0 }),
            }
        };
        if number & !self.shape.mask != self.shape.fixed {
            return None;
        }
        Some(self.permutation.forward(self.gather.gather(cpu, number)))
    }

    /// The number that a key other than a plain UUID spells, or its hash. Apart, so that the path
    /// of a UUID stays short.
    #[inline(never)]
    fn other_number(&self, key: &[u8]) -> Option<Spelled> {
        let key = key.strip_prefix(self.shape.prefix.as_slice())?;
        Some(Spelled::Number(match self.shape.kind {
            KeyKind::Bytes => return Some(Spelled::Bytes(xxh3_64_with_seed(key, self.seed))),
            KeyKind::Uuid => digits::parse_uuid(key)?,
            KeyKind::Hex => digits::parse_hex(key, usize::from(self.shape.digits))?,
            KeyKind::Decimal => digits::parse_decimal(key)?,
        }))
    }

    /// The place that goes with an order.
    #[inline(always)]
    pub(crate) fn place(&self, order: Order) -> Place {
        let bucket = order.high.unbounded_shr(self.bucket_shift);
        let behind = order.high & self.behind_mask;
        if let Some(bits) = self.behind_tag {
            // At most 56; a shift that the compiler knows to be below 64 needs no branch.
            let rest = u128::from(behind) << (bits & 63) | u128::from(order.low >> TAG_BITS);
            Place { bucket, tag: order.low as u8, rest }
        } else if self.is_numeric() {
            let remainder = u128::from(behind) << self.low_bits | u128::from(order.low);
            Place { bucket, tag: remainder as u8, rest: remainder >> TAG_BITS }
        } else {
            Place { bucket, tag: behind as u8, rest: 0 }
        }
    }

    /// Appends the text of the numeric key that was stored at `place`.
    pub(crate) fn write_number(&self, place: Place, text: &mut Vec<u8>) {
        let remainder = place.rest << TAG_BITS | u128::from(place.tag);
        let behind = (remainder >> self.low_bits) as u64 & self.behind_mask;
        let high = place.bucket.unbounded_shl(self.bucket_shift) | behind;
        let low = remainder as u64 & u64::MAX.unbounded_shr(64 - self.low_bits);
        let number = self.gather.scatter(self.permutation.backward(Halves { high, low })) | self.shape.fixed;
        text.extend_from_slice(&self.shape.prefix);
        match self.shape.kind {
            KeyKind::Bytes => {}
            KeyKind::Uuid => digits::write_uuid(number, text),
            KeyKind::Hex => digits::write_hex(number, usize::from(self.shape.digits), text),
            KeyKind::Decimal => digits::write_decimal(number, text),
        }
    }

    /// What a key of bytes is stored as.
    #[inline(always)]
    pub(crate) fn stored_bytes<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        &key[self.shape.prefix.len()..]
    }
}
