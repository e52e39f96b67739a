//! Values looked at bit by bit, and two values compared: `GETBIT`, `BITCOUNT`, `BITPOS`,
//! `BITFIELD_RO`, `LCS`. Bit 0 is the highest of the first byte.

use std::ops::Range;

use super::command::Command;
use super::{Args, Refusal};
use crate::decimal;

/// A value may have 512 MiB in Redis, and so many bits.
const OFFSET_END: i64 = 1 << 32;

/// A part of a value in bytes or bits, as `BITCOUNT` and `BITPOS` are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRange {
    start: i64,
    /// The last byte or bit; `None` is the last of the value.
    end: Option<i64>,
    in_bits: bool,
}

impl BitRange {
    /// All of a value.
    pub const ALL: Self = Self { start: 0, end: None, in_bits: false };

    /// Whether it ends where it is told to and not where the value does.
    pub fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// The bits that `BITCOUNT` counts in a value of `len` bytes: those of [`Self::bits`], but none where both ends are counted
    /// from the value's end and the first lies behind the last. Where both lie before the value, `BITPOS` takes its first byte.
    pub fn counted_bits(&self, len: usize) -> Range<u64> {
        let end = self.end.unwrap_or(-1);
        if self.start < 0 && end < 0 && self.start > end { 0..0 } else { self.bits(len) }
    }

    /// The bits that it is of a value of `len` bytes.
    pub fn bits(&self, len: usize) -> Range<u64> {
        let total = if self.in_bits { len as u64 * 8 } else { len as u64 };
        let (start, end) = (self.start, self.end.unwrap_or(-1));
        let from_end = |at: i64| match u64::try_from(at) {
            Ok(at) => at,
            Err(_) => total.saturating_sub(at.unsigned_abs()),
        };
        let (first, last) = (from_end(start), from_end(end).min(total.saturating_sub(1)));
        let unit = if self.in_bits { 1 } else { 8 };
        if total == 0 || first > last { 0..0 } else { first * unit..(last + 1) * unit }
    }
}

/// How many of `bits` in `value` are set.
///
/// ```
/// use graven_wire::resp::count_bits;
/// assert_eq!(count_bits(b"\x0f\x01\xff", 0..16), 5);
/// ```
pub fn count_bits(value: &[u8], bits: Range<u64>) -> u64 {
    let bits = within(value, &bits);
    // Whole words between the first and the last byte; these may count in part.
    let at = |bit: u64| usize::try_from(bit / 8).unwrap_or(usize::MAX);
    let whole = value.get(at(bits.start).saturating_add(1)..at(bits.end)).unwrap_or_default();
    let (words, rest) = whole.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let ends = if whole.is_empty() {
        return bytes_of(value, &bits).map(|(byte, mask)| u64::from((byte & mask).count_ones())).sum();
    } else {
        let first = bits.start..(bits.start / 8 + 1) * 8;
        let last = bits.end / 8 * 8..bits.end;
        count_bits(value, first) + count_bits(value, last)
    };
    ends + in_words + in_rest
}

/// The place of the first of `bits` in `value` that is `bit`.
///
/// ```
/// use graven_wire::resp::find_bit;
/// assert_eq!(find_bit(b"\x00\x01", 0..16, true), Some(15));
/// ```
pub fn find_bit(value: &[u8], bits: Range<u64>, bit: bool) -> Option<u64> {
    let bits = within(value, &bits);
    let first = bits.start / 8;
    bytes_of(value, &bits).zip(first..).find_map(|((byte, mask), at)| {
        let wanted = if bit { byte } else { !byte } & mask;
        (wanted != 0).then(|| at * 8 + u64::from(wanted.leading_zeros()))
    })
}

/// Those of `bits` that `value` has.
fn within(value: &[u8], bits: &Range<u64>) -> Range<u64> {
    let end = bits.end.min(value.len() as u64 * 8);
    bits.start.min(end)..end
}

/// The bytes of `value` that `bits` lie in, each with the bits that count.
fn bytes_of<'v>(value: &'v [u8], bits: &Range<u64>) -> impl Iterator<Item = (u8, u8)> + 'v {
    let Range { start, end } = bits.clone();
    let at = |bit: u64| usize::try_from(bit / 8).unwrap_or(usize::MAX);
    let (first, behind) = (at(start), at(end.div_ceil(8) * 8));
    let part = value.get(first..behind).unwrap_or_default();
    (first as u64..).zip(part).map(move |(at, &byte)| {
        let low = start.saturating_sub(at * 8).min(8);
        let high = end.saturating_sub(at * 8).min(8);
        (byte, (0xFF_u16 >> low) as u8 & !((0xFF_u16 >> high) as u8))
    })
}

/// A `GET` of `BITFIELD_RO`: a number of some bits at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitField {
    signed: bool,
    width: u32,
    offset: u64,
}

impl BitField {
    /// What the bits of `value` say; those behind its end are 0.
    pub fn read(&self, value: &[u8]) -> i64 {
        // From the byte that it begins in, with more than it can need behind it.
        let mut bytes = [0; 16];
        let start = usize::try_from(self.offset / 8).unwrap_or(usize::MAX);
        let behind = value.get(start..).unwrap_or_default();
        let held = behind.len().min(bytes.len());
        bytes[..held].copy_from_slice(&behind[..held]);
        let number = (u128::from_be_bytes(bytes) << (self.offset % 8) >> (128 - self.width)) as u64;
        let unused = 64 - self.width;
        if self.signed { (number << unused).cast_signed() >> unused } else { number.cast_signed() }
    }
}

/// The `GET`s of `BITFIELD_RO`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitFields<'b>(Args<'b>);

impl Iterator for BitFields<'_> {
    type Item = BitField;

    fn next(&mut self) -> Option<BitField> {
        loop {
            let operation = self.0.next()?;
            if operation.eq_ignore_ascii_case(b"get") {
                return field(self.0.next()?, self.0.next()?).ok();
            }
            self.0.next();
        }
    }
}

pub(super) fn get_bit(args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let (Some(key), Some(offset), 2) = (args.at(0), args.at(1), args.len()) else {
        return Err(Refusal::WrongArity { command: "getbit" });
    };
    let offset = offset_of(offset).ok_or(BAD_OFFSET)?;
    Ok(Command::GetBit { key, offset })
}

const BAD_OFFSET: Refusal<'static> = Refusal::Fixed("ERR bit offset is not an integer or out of range");

fn offset_of(text: &[u8]) -> Option<u64> {
    let offset = decimal::canonical(text).filter(|&offset| offset < OFFSET_END)?;
    u64::try_from(offset).ok()
}

pub(super) fn bit_count(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(key) = args.next() else { return Err(Refusal::WrongArity { command: "bitcount" }) };
    let part = match args.len() {
        0 => Ok(BitRange::ALL),
        2.. => part(args),
        _ => Err(BadBitRange::Syntax),
    };
    Ok(Command::BitCount { key, part })
}

pub(super) fn bit_position(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let (Some(key), Some(bit)) = (args.next(), args.next()) else {
        return Err(Refusal::WrongArity { command: "bitpos" });
    };
    let bit = match decimal::canonical(bit).ok_or(Refusal::NotAnInteger)? {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Fixed("ERR The bit argument must be 1 or 0.")),
    };
    let part = if args.len() == 0 { Ok(BitRange::ALL) } else { part(args) };
    Ok(Command::BitPos { key, bit, part })
}

/// What is wrong with the part of a value that is asked for. Redis says so where there is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBitRange {
    /// Other words than `BYTE` and `BIT`, or too many.
    Syntax,
    /// A place that is no integer.
    NotAnInteger,
}

impl From<BadBitRange> for Refusal<'_> {
    fn from(bad: BadBitRange) -> Self {
        match bad {
            BadBitRange::Syntax => Self::Syntax,
            BadBitRange::NotAnInteger => Self::NotAnInteger,
        }
    }
}

/// `start [end [BYTE|BIT]]`.
fn part(mut args: Args<'_>) -> Result<BitRange, BadBitRange> {
    let mut part = BitRange::ALL;
    let integer = |arg: &[u8]| decimal::canonical(arg).ok_or(BadBitRange::NotAnInteger);
    part.start = integer(args.next().unwrap_or_default())?;
    let Some(end) = args.next() else { return Ok(part) };
    if args.len() > 1 {
        return Err(BadBitRange::Syntax);
    }
    if let Some(unit) = args.next() {
        part.in_bits = unit.eq_ignore_ascii_case(b"bit");
        if !part.in_bits && !unit.eq_ignore_ascii_case(b"byte") {
            return Err(BadBitRange::Syntax);
        }
    }
    part.end = Some(integer(end)?);
    Ok(part)
}

pub(super) fn bit_field(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(key) = args.next() else { return Err(Refusal::WrongArity { command: "bitfield_ro" }) };
    let fields = BitFields(args);
    let mut writes = false;
    while let Some(operation) = args.next() {
        let is = |name: &[u8]| operation.eq_ignore_ascii_case(name);
        let argument = args.next().ok_or(Refusal::Syntax)?;
        if is(b"get") {
            field(argument, args.next().ok_or(Refusal::Syntax)?)?;
        } else if is(b"overflow") {
            let known = [&b"wrap"[..], b"sat", b"fail"];
            if !known.iter().any(|name| argument.eq_ignore_ascii_case(name)) {
                return Err(Refusal::Fixed("ERR Invalid OVERFLOW type specified"));
            }
        } else if is(b"set") || is(b"incrby") {
            let (Some(offset), Some(value)) = (args.next(), args.next()) else {
                return Err(Refusal::Syntax);
            };
            field(argument, offset)?;
            decimal::canonical(value).ok_or(Refusal::NotAnInteger)?;
            writes = true;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    if writes {
        return Err(Refusal::Fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    Ok(Command::BitFieldRo { key, fields })
}

fn field(kind: &[u8], offset: &[u8]) -> Result<BitField, Refusal<'static>> {
    const BAD_TYPE: Refusal<'static> = Refusal::Fixed(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    let (signed, width) = match kind {
        [b'i', width @ ..] => (true, width),
        [b'u', width @ ..] => (false, width),
        _ => return Err(BAD_TYPE),
    };
    let width = decimal::canonical(width).and_then(|width| u32::try_from(width).ok());
    let widest = if signed { 64 } else { 63 };
    let width = width.filter(|width| (1..=widest).contains(width)).ok_or(BAD_TYPE)?;
    let offset = match offset.strip_prefix(b"#") {
        Some(number) => {
            let number = decimal::canonical(number).and_then(|number| u64::try_from(number).ok());
            number.and_then(|number| number.checked_mul(u64::from(width)))
        }
        None => offset_of(offset),
    };
    let is_within = |offset: &u64| *offset < OFFSET_END as u64;
    let offset = offset.filter(is_within).ok_or(BAD_OFFSET)?;
    Ok(BitField { signed, width, offset })
}

/// The arguments of `LCS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lcs<'b> {
    /// The two keys.
    pub keys: [&'b [u8]; 2],
    /// What is wanted of the longest common subsequence.
    pub wanted: LcsWanted,
}

/// What is wanted of a longest common subsequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LcsWanted {
    /// Its bytes.
    Bytes,
    /// How many they are.
    Length,
    /// Where its parts lie in both values.
    Matches {
        /// Shorter parts are left out.
        len_min: u32,
        /// Each with its length.
        with_lens: bool,
    },
}

pub(super) fn lcs(mut args: Args<'_>) -> Result<Lcs<'_>, Refusal<'_>> {
    let (Some(a), Some(b)) = (args.next(), args.next()) else {
        return Err(Refusal::WrongArity { command: "lcs" });
    };
    let (mut length, mut matches, mut with_lens, mut len_min) = (false, false, false, 0);
    while let Some(option) = args.next() {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"idx") {
            matches = true;
        } else if is(b"len") {
            length = true;
        } else if is(b"withmatchlen") {
            with_lens = true;
        } else if is(b"minmatchlen") && args.len() > 0 {
            len_min = decimal::canonical(args.next().unwrap_or_default()).ok_or(Refusal::NotAnInteger)?;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    let wanted = match (length, matches) {
        (true, true) => {
            return Err(Refusal::Fixed("ERR If you want both the length and indexes, please just use IDX."));
        }
        (true, false) => LcsWanted::Length,
        (false, false) => LcsWanted::Bytes,
        (false, true) => {
            // No value is as long as the greatest of these.
            let len_min = u32::try_from(len_min.max(0)).unwrap_or(u32::MAX);
            LcsWanted::Matches { len_min, with_lens }
        }
    };
    Ok(Lcs { keys: [a, b], wanted })
}
