//! What all fields of a column have in common: learnt field by field, and the same in whatever
//! order they come.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::input::{GivenKind, KeptField, is_beyond_json};
use crate::key::digits::parse_uuid;
use crate::row::number::{DIGITS_MAX, PlainNumber, is_number, parse_float, write_float, write_float32};
use crate::row::time::{SECOND_DIGITS_MAX, parse_date, parse_time};
use crate::row::types::{NumberForm, TimeForm};

/// The most different values that a column is counted by, and the most bytes of them.
pub(crate) const DIFFERENT_MAX: usize = 4096;
pub(crate) const DIFFERENT_BYTES_MAX: usize = 64 << 10;

/// A text of so many digits is always the shortest that names its `f64`.
const SURE_DIGITS: u32 = 15;

/// Hashes short texts.
#[derive(Default)]
pub(crate) struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, number: usize) {
        self.0 ^= number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type TextHash = BuildHasherDefault<TextHasher>;

/// Properties that every value so far has; each is a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Properties(u16);

impl Properties {
    pub(crate) const BOOL: Self = Self(1);
    pub(crate) const INT: Self = Self(1 << 1);
    /// A number without an exponent that fits a whole number of 64 bits.
    pub(crate) const PLAIN: Self = Self(1 << 2);
    /// Of those: no zero ends what is behind the point.
    pub(crate) const WHOLE: Self = Self(1 << 3);
    /// Of those: no zero but the first ends it, and there is something behind the point.
    pub(crate) const POINT: Self = Self(1 << 4);
    /// A number in JSON.
    pub(crate) const NUMBER: Self = Self(1 << 5);
    /// The text that one of the forms writes for the `f64` that it is.
    pub(crate) const JAVASCRIPT: Self = Self(1 << 6);
    pub(crate) const PYTHON: Self = Self(1 << 7);
    pub(crate) const RUST: Self = Self(1 << 8);
    pub(crate) const DATE: Self = Self(1 << 9);
    pub(crate) const TIME: Self = Self(1 << 10);
    pub(crate) const UUID: Self = Self(1 << 11);
    pub(crate) const UTF8: Self = Self(1 << 12);
    const NUMERIC: u16 = Self::INT.0
        | Self::PLAIN.0
        | Self::WHOLE.0
        | Self::POINT.0
        | Self::NUMBER.0
        | Self::JAVASCRIPT.0
        | Self::PYTHON.0
        | Self::RUST.0;
    const FLOATS: u16 = Self::JAVASCRIPT.0 | Self::PYTHON.0 | Self::RUST.0;
    const ALL: Self = Self((1 << 13) - 1);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    fn drop(&mut self, bits: u16) {
        self.0 &= !bits;
    }
}

/// The least and the greatest of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range<T> {
    pub(crate) least: T,
    pub(crate) most: T,
}

impl<T: Ord + Copy> Range<T> {
    fn see(&mut self, number: T) {
        self.least = self.least.min(number);
        self.most = self.most.max(number);
    }

    pub(crate) fn is_empty(self) -> bool {
        self.least > self.most
    }
}

impl Range<i64> {
    const NONE: Self = Self { least: i64::MAX, most: i64::MIN };
}

/// What a column's fields have in common.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    /// The bits of the kinds that values were given as.
    pub(crate) kinds: u16,
    pub(crate) shared: Properties,
    pub(crate) values: u64,
    pub(crate) nulls: u64,
    pub(crate) missing: u64,
    /// Empty cells, which are null or an empty text.
    pub(crate) empty: u64,
    /// Whether one is an infinity.
    pub(crate) has_infinities: bool,
    /// Of whole numbers.
    pub(crate) whole: Range<i128>,
    /// Of plain numbers, by their digits behind the point.
    plain: Box<[Range<i64>; DIGITS_MAX as usize + 1]>,
    pub(crate) days: Range<i64>,
    pub(crate) ticks: Range<i64>,
    time: Option<(u8, TimeForm)>,
    /// Of the texts of all values but empty cells.
    pub(crate) bytes: u64,
    pub(crate) lengths: Range<u64>,
    /// All different values, with their kinds, while there are few.
    pub(crate) different: Option<HashSet<Box<[u8]>, TextHash>>,
    different_bytes: usize,
    room: Vec<u8>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            kinds: 0,
            shared: Properties::ALL,
            values: 0,
            nulls: 0,
            missing: 0,
            empty: 0,
            has_infinities: false,
            whole: Range { least: i128::MAX, most: i128::MIN },
            plain: Box::new([Range::NONE; DIGITS_MAX as usize + 1]),
            days: Range::NONE,
            ticks: Range::NONE,
            time: None,
            bytes: 0,
            lengths: Range { least: u64::MAX, most: 0 },
            different: Some(HashSet::default()),
            different_bytes: 0,
            room: Vec::new(),
        }
    }
}

impl Statistics {
    /// A column whose first rows had no such field.
    pub(crate) fn after(missing: u64) -> Self {
        Self { missing, ..Self::default() }
    }

    #[inline]
    pub(crate) fn see(&mut self, field: KeptField<'_>) {
        let (kind, text) = (field.kind(), field.text());
        match kind {
            GivenKind::Missing => {
                self.missing += 1;
                return;
            }
            GivenKind::Null => {
                self.nulls += 1;
                return;
            }
            GivenKind::Cell if text.is_empty() => {
                self.kinds |= kind.bit();
                self.empty += 1;
                return;
            }
            _ => {}
        }
        self.kinds |= kind.bit();
        self.values += 1;
        self.has_infinities |= is_beyond_json(kind, text) && text != b"NaN";
        self.bytes += text.len() as u64;
        self.lengths.see(text.len() as u64);
        if let Some(different) = &mut self.different
            && !different.contains(field.0)
        {
            self.different_bytes += text.len();
            if different.len() == DIFFERENT_MAX || self.different_bytes > DIFFERENT_BYTES_MAX {
                self.different = None;
            } else {
                different.insert(field.0.into());
            }
        }
        self.classify(kind, text);
    }

    fn classify(&mut self, kind: GivenKind, text: &[u8]) {
        let shared = &mut self.shared;
        if shared.has(Properties::BOOL) && !matches!(text, b"true" | b"false") {
            shared.drop(Properties::BOOL.0);
        }
        if shared.any(Properties::NUMERIC) {
            self.see_number(kind, text);
        }
        let shared = &mut self.shared;
        if shared.has(Properties::DATE) {
            match parse_date(text) {
                Some(day) => self.days.see(day),
                None => shared.drop(Properties::DATE.0),
            }
        }
        if shared.has(Properties::TIME) {
            match parse_time(text) {
                Some(time) if self.time.is_none_or(|known| known == (time.digits, time.form)) => {
                    self.time = Some((time.digits, time.form));
                    self.ticks.see(time.ticks);
                }
                _ => shared.drop(Properties::TIME.0),
            }
        }
        if shared.has(Properties::UUID) && parse_uuid(text).is_none() {
            shared.drop(Properties::UUID.0);
        }
        if kind == GivenKind::Bytes
            || (kind == GivenKind::Cell && shared.has(Properties::UTF8) && !is_utf8(text))
        {
            shared.drop(Properties::UTF8.0);
        }
    }

    fn see_number(&mut self, kind: GivenKind, text: &[u8]) {
        let plain = PlainNumber::read(text);
        let shared = &mut self.shared;
        let Some(plain) = plain else {
            shared.drop(Properties::INT.0 | Properties::PLAIN.0 | Properties::WHOLE.0 | Properties::POINT.0);
            if shared.has(Properties::NUMBER) && !is_number(text) {
                shared.drop(Properties::NUMBER.0);
            }
            if shared.any(Properties::FLOATS) {
                self.see_float(kind, text);
            }
            return;
        };
        if plain.digits > 0 {
            shared.drop(Properties::INT.0);
        } else {
            let number = i128::from(plain.magnitude);
            self.whole.see(if plain.is_negative { -number } else { number });
        }
        match (plain.mantissa(), self.plain.get_mut(usize::from(plain.digits))) {
            (Some(mantissa), Some(range)) => range.see(mantissa),
            _ => shared.drop(Properties::PLAIN.0),
        }
        let ends_in_zero = text.ends_with(b"0");
        let is_whole = plain.digits == 0 || !ends_in_zero;
        let is_point = plain.digits == 1 || (plain.digits > 1 && !ends_in_zero);
        if !is_whole {
            shared.drop(Properties::WHOLE.0);
        }
        if !is_point {
            shared.drop(Properties::POINT.0);
        }
        if !shared.any(Properties::FLOATS) {
            return;
        }
        // From 0.001 up, and below 10^15, no form has an exponent.
        let is_sure = plain.magnitude < 10_u64.pow(SURE_DIGITS)
            && is_middling(plain, text)
            && kind != GivenKind::Float32;
        if is_sure {
            if !is_whole {
                shared.drop(Properties::JAVASCRIPT.0);
            }
            if !is_point {
                shared.drop(Properties::PYTHON.0 | Properties::RUST.0);
            }
        } else {
            self.see_float(kind, text);
        }
    }

    /// Finds out which forms write the text for the number that it is.
    fn see_float(&mut self, kind: GivenKind, text: &[u8]) {
        let number = parse_float(text);
        for (bit, form) in [
            (Properties::JAVASCRIPT, NumberForm::JavaScript),
            (Properties::PYTHON, NumberForm::Python),
            (Properties::RUST, NumberForm::Rust),
        ] {
            if !self.shared.has(bit) {
                continue;
            }
            self.room.clear();
            let Some(number) = number else {
                self.shared.drop(bit.0);
                continue;
            };
            if kind == GivenKind::Float32 {
                write_float32(number as f32, form, &mut self.room);
            } else {
                write_float(number, form, &mut self.room);
            }
            // In a csv, `NaN` may be a word.
            let is_word = !number.is_finite() && (kind == GivenKind::Cell || form != NumberForm::Rust);
            if self.room != text || is_word {
                self.shared.drop(bit.0);
            }
        }
    }

    /// The most digits behind the point, the fewest, and the range of the numbers times ten to the
    /// power of the most, where all are plain and that fits.
    pub(crate) fn scaled(&self) -> Option<(u8, u8, Range<i64>)> {
        if !self.shared.has(Properties::PLAIN) {
            return None;
        }
        let seen = || (0..=DIGITS_MAX).zip(self.plain.iter()).filter(|(_, range)| !range.is_empty());
        let (most, fewest) = (seen().next_back()?.0, seen().next()?.0);
        let mut all = Range::NONE;
        for (digits, range) in seen() {
            for number in [range.least, range.most] {
                let plain = PlainNumber { is_negative: number < 0, magnitude: number.unsigned_abs(), digits };
                all.see(plain.scaled(most)?);
            }
        }
        Some((most, fewest, all))
    }

    /// The digits and the form of all times.
    pub(crate) fn time(&self) -> Option<(u8, TimeForm)> {
        self.time.filter(|(digits, _)| self.shared.has(Properties::TIME) && *digits <= SECOND_DIGITS_MAX)
    }
}

fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

/// Whether a plain number is zero, or from 0.001 up.
fn is_middling(plain: PlainNumber, text: &[u8]) -> bool {
    plain.magnitude == 0 || plain.digits <= 3 || {
        let behind = text.len() - usize::from(plain.digits);
        text[..behind].iter().any(|byte| (b'1'..=b'9').contains(byte))
            || text[behind..].iter().take(3).any(|&byte| byte != b'0')
    }
}
