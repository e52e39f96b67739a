//! What type a column has, and how its fields are stored: whatever takes the fewest bits in all
//! rows, the tables in the schema counted in.

use std::borrow::Cow;

use super::input::{GivenKind, KeptField};
use super::statistics::{Properties, Range, Statistics};
use crate::row::ColumnType;
use crate::row::bits::bits_for;
use crate::row::json::write_string;
use crate::row::schema::{Absent, Coding, Column, Counts, Entries};
use crate::row::types::NumberForm;

/// Bits that an entry of a dictionary takes beside its text.
const ENTRY_BITS: u64 = 32;

/// A type, with what it says of the texts of its fields, and the coding that follows from it
/// alone, where one does.
struct Typed {
    column_type: ColumnType,
    form: u8,
    digits: u8,
    coding: Option<Coding>,
    /// Of whole numbers, how far the greatest is above the least.
    range: u64,
}

impl Typed {
    fn plain(column_type: ColumnType) -> Self {
        Self { column_type, form: 0, digits: 0, coding: None, range: 0 }
    }

    fn integer(column_type: ColumnType, range: Range<i64>) -> Self {
        let above = range.most.wrapping_sub(range.least).cast_unsigned();
        Self { coding: Some(integer(range)), range: above, ..Self::plain(column_type) }
    }
}

/// The numbers of a range, less the least of them.
fn integer(range: Range<i64>) -> Coding {
    let bits = bits_for(range.most.wrapping_sub(range.least).cast_unsigned());
    Coding::Integer { bits, base: range.least.cast_unsigned() }
}

/// What a field is null of, or has no value in, in a column of this type: an empty cell is a text
/// in a column of text, and null in others.
pub(super) fn is_null(field: KeptField<'_>, column_type: ColumnType) -> bool {
    match field.kind() {
        GivenKind::Null => true,
        GivenKind::Cell => field.text().is_empty() && !column_type.takes_empty(),
        _ => false,
    }
}

/// The text of a field in a column of this type.
pub(super) fn text_of<'a>(field: KeptField<'a>, column_type: ColumnType) -> Cow<'a, [u8]> {
    let is_string = matches!(field.kind(), GivenKind::Text | GivenKind::Cell | GivenKind::Bytes);
    if column_type == ColumnType::Json && is_string {
        let mut quoted = Vec::with_capacity(field.text().len() + 2);
        write_string(field.text(), &mut quoted);
        return Cow::Owned(quoted);
    }
    if column_type == ColumnType::Json && field.is_beyond_json() {
        return Cow::Borrowed(b"null");
    }
    Cow::Borrowed(field.text())
}

/// Bytes that a dictionary of the column takes in the schema; 0 without one.
pub(super) fn dictionary_bytes(column: &Column) -> u64 {
    let Coding::Dictionary { entries, .. } = &column.coding else { return 0 };
    entries.iter().map(|entry| entry.len() as u64 + u64::from(u32::BITS / 8)).sum()
}

/// The column that these fields make, with a dictionary of its values only where there may be one.
pub(super) fn column(
    name: &str,
    said: Option<ColumnType>,
    seen: &Statistics,
    may_have_dictionary: bool,
) -> Column {
    let typed = match said {
        Some(said) => told(said, seen),
        None => inferred(seen),
    };
    let column_type = typed.column_type;
    let empty_nulls = if column_type.takes_empty() { 0 } else { seen.empty };
    let counts = Counts { nulls: seen.nulls + empty_nulls, missing: seen.missing, bytes: 0 };
    let rows = seen.values + seen.nulls + seen.missing + seen.empty;
    let absent = Absent::of(counts.nulls > 0, counts.missing > 0);
    let alone = match typed.coding {
        _ if seen.values == 0 => nothing(column_type),
        None => variable(column_type, seen, absent),
        Some(coding) => with_absent(coding, typed.range, absent),
    };
    let cost = match alone {
        // A field begins with a byte of its own, and has a length.
        Coding::Variable { bits, .. } => u64::from(bits) * rows + 8 * seen.bytes,
        _ => u64::from(alone.bits(column_type)) * rows,
    };
    let dictionary = may_have_dictionary.then(|| dictionary(column_type, seen, absent)).flatten();
    let dictionary = dictionary.filter(|(bits, entries)| {
        let table: u64 = entries.iter().map(|entry| entry.len() as u64 * 8 + ENTRY_BITS).sum();
        u64::from(*bits) * rows + table < cost
            || (entries.len() == 0 && absent != Absent::Never)
            || (entries.len() == 1 && table <= cost + ENTRY_BITS)
    });
    let coding = dictionary.map_or(alone, |(bits, entries)| Coding::Dictionary { bits, entries });
    let (form, digits) = (typed.form, typed.digits);
    Column {
        name: name.to_owned(),
        column_type,
        form,
        digits,
        absent,
        coding,
        counts,
        at: 0,
        absent_bits: 0,
        values_end: 0,
        member: Vec::new(),
    }
}

/// The coding with numbers for fields without a value, which are the greatest.
fn with_absent(coding: Coding, range: u64, absent: Absent) -> Coding {
    match coding {
        Coding::Integer { base, .. } => {
            Coding::Integer { bits: range.checked_add(absent.count()).map_or(64, bits_for), base }
        }
        coding => coding,
    }
}

/// The coding of a column without a value.
fn nothing(column_type: ColumnType) -> Coding {
    match column_type {
        ColumnType::Decimal | ColumnType::Text | ColumnType::Bytes | ColumnType::Json => {
            Coding::Variable { bits: 0, base: 0, code: None }
        }
        ColumnType::Bool => Coding::Integer { bits: 1, base: 0 },
        ColumnType::Uuid => Coding::Wide,
        _ => Coding::Integer { bits: 0, base: 0 },
    }
}

/// The bytes of texts, and their lengths; of a column of JSON the lengths are not known before the
/// texts are written.
fn variable(column_type: ColumnType, seen: &Statistics, absent: Absent) -> Coding {
    let mut range = if seen.lengths.is_empty() { Range { least: 0, most: 0 } } else { seen.lengths };
    if absent != Absent::Never || seen.empty > 0 {
        range.least = 0;
    }
    if column_type == ColumnType::Json {
        // Of a string every byte may be escaped.
        let strings = seen.kinds & (GivenKind::Text.bit() | GivenKind::Cell.bit()) != 0;
        range = Range { least: 0, most: if strings { 6 * range.most + 2 } else { range.most } };
    }
    Coding::Variable { bits: bits_for(range.most - range.least), base: range.least as u32, code: None }
}

/// All different values in ascending order, where they are few, and the bits of their numbers.
fn dictionary(column_type: ColumnType, seen: &Statistics, absent: Absent) -> Option<(u32, Entries)> {
    let different = seen.different.as_ref()?;
    let mut texts: Vec<Cow<'_, [u8]>> =
        different.iter().map(|field| text_of(KeptField(field), column_type)).collect();
    if seen.empty > 0 && column_type.takes_empty() {
        texts.push(Cow::Borrowed(b""));
    }
    texts.sort_unstable();
    texts.dedup();
    let mut entries = Entries::default();
    texts.iter().for_each(|text| entries.push(text));
    Some((Coding::dictionary_bits(entries.len() as u64, absent), entries))
}

fn whole(range: Range<i128>) -> Option<Typed> {
    if let (Ok(least), Ok(most)) = (i64::try_from(range.least), i64::try_from(range.most)) {
        return Some(Typed::integer(ColumnType::Int, Range { least, most }));
    }
    whole_above_zero(range)
}

fn whole_above_zero(range: Range<i128>) -> Option<Typed> {
    let (least, most) = (u64::try_from(range.least).ok()?, u64::try_from(range.most).ok()?);
    let coding = Coding::Integer { bits: bits_for(most - least), base: least };
    Some(Typed { coding: Some(coding), range: most - least, ..Typed::plain(ColumnType::UInt) })
}

/// Numbers, whatever they are.
fn number(seen: &Statistics) -> Option<Typed> {
    let shared = seen.shared;
    if shared.has(Properties::INT) {
        return Some(whole(seen.whole).unwrap_or_else(|| Typed::plain(ColumnType::Decimal)));
    }
    let float = [
        (Properties::JAVASCRIPT, NumberForm::JavaScript),
        (Properties::PYTHON, NumberForm::Python),
        (Properties::RUST, NumberForm::Rust),
    ];
    let float = float.into_iter().find(|&(bit, _)| shared.has(bit)).map(|(_, form)| form);
    if let Some((digits, fewest, range)) = seen.scaled() {
        let point = if shared.has(Properties::PYTHON) { NumberForm::Python } else { NumberForm::Rust };
        let form = match () {
            () if shared.has(Properties::WHOLE) => Some(NumberForm::JavaScript),
            () if shared.has(Properties::POINT) => Some(point),
            () => (digits == fewest).then_some(NumberForm::Digits),
        };
        let is_float = match form {
            Some(NumberForm::JavaScript) => shared.has(Properties::JAVASCRIPT),
            Some(NumberForm::Python | NumberForm::Rust) => {
                shared.has(Properties::PYTHON) || shared.has(Properties::RUST)
            }
            _ => false,
        };
        if let Some(form) = form {
            let column_type = if is_float { ColumnType::Float64 } else { ColumnType::Decimal };
            return Some(Typed { form: form as u8, digits, ..Typed::integer(column_type, range) });
        }
    }
    if let Some(form) = float {
        let coding = Some(Coding::Float);
        return Some(Typed { form: form as u8, coding, ..Typed::plain(ColumnType::Float64) });
    }
    shared.has(Properties::NUMBER).then(|| Typed::plain(ColumnType::Decimal))
}

/// Numbers in the form of Rust, which are all such.
fn floats(column_type: ColumnType, seen: &Statistics) -> Typed {
    let form = NumberForm::Rust as u8;
    let is_scaled = seen.shared.has(Properties::POINT);
    match seen.scaled().filter(|_| is_scaled && seen.values > 0) {
        Some((digits, _, range)) if narrower(range, column_type) => {
            Typed { form, digits, ..Typed::integer(column_type, range) }
        }
        _ => Typed { form, coding: Some(Coding::Float), ..Typed::plain(column_type) },
    }
}

fn narrower(range: Range<i64>, column_type: ColumnType) -> bool {
    integer(range).bits(column_type) < Coding::Float.bits(column_type)
}

fn days_times_uuids(seen: &Statistics) -> Option<Typed> {
    let shared = seen.shared;
    if shared.has(Properties::DATE) {
        return Some(Typed::integer(ColumnType::Date, seen.days));
    }
    if let Some((digits, form)) = seen.time() {
        return Some(Typed { form: form.0, digits, ..Typed::integer(ColumnType::Timestamp, seen.ticks) });
    }
    let coding = Some(Coding::Wide);
    shared.has(Properties::UUID).then(|| Typed { coding, ..Typed::plain(ColumnType::Uuid) })
}

fn booleans() -> Typed {
    let coding = Some(Coding::Integer { bits: 1, base: 0 });
    Typed { coding, range: 1, ..Typed::plain(ColumnType::Bool) }
}

fn text(seen: &Statistics) -> Typed {
    Typed::plain(if seen.shared.has(Properties::UTF8) { ColumnType::Text } else { ColumnType::Bytes })
}

/// The type that all values of a column have.
fn inferred(seen: &Statistics) -> Typed {
    let only = |kinds: &[GivenKind]| {
        let bits = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        seen.kinds & !bits == 0
    };
    if seen.values == 0 {
        return Typed::plain(ColumnType::Text);
    }
    if only(&[GivenKind::Cell]) {
        if seen.shared.has(Properties::BOOL) {
            return booleans();
        }
        return number(seen).or_else(|| days_times_uuids(seen)).unwrap_or_else(|| text(seen));
    }
    if only(&[GivenKind::Text, GivenKind::Cell]) {
        return days_times_uuids(seen).unwrap_or_else(|| text(seen));
    }
    if only(&[GivenKind::Bool]) {
        return booleans();
    }
    if only(&[GivenKind::Float32]) {
        return floats(ColumnType::Float32, seen);
    }
    if only(&[GivenKind::Number, GivenKind::Float32, GivenKind::Cell])
        && let Some(typed) = number(seen)
    {
        return typed;
    }
    if only(&[GivenKind::Text, GivenKind::Cell, GivenKind::Bytes]) {
        return Typed::plain(ColumnType::Bytes);
    }
    Typed::plain(ColumnType::Json)
}

/// The coding of a type that was said, which all values have.
fn told(said: ColumnType, seen: &Statistics) -> Typed {
    if seen.values == 0 {
        return Typed::plain(said);
    }
    match said {
        ColumnType::Bool => booleans(),
        ColumnType::Int => whole(seen.whole).unwrap_or_else(|| Typed::plain(said)),
        ColumnType::UInt => whole_above_zero(seen.whole).unwrap_or_else(|| Typed::plain(said)),
        ColumnType::Float32 | ColumnType::Float64 => floats(said, seen),
        ColumnType::Decimal => match number(seen) {
            // A number of `f64` is a number with digits as well, where it is stored as one.
            Some(typed @ Typed { coding: Some(Coding::Integer { .. }), .. })
                if typed.column_type != ColumnType::UInt =>
            {
                let form =
                    if typed.column_type == ColumnType::Int { NumberForm::Digits as u8 } else { typed.form };
                Typed { column_type: said, form, ..typed }
            }
            _ => Typed::plain(said),
        },
        ColumnType::Timestamp | ColumnType::Date | ColumnType::Uuid => match days_times_uuids(seen) {
            Some(typed) if typed.column_type == said => typed,
            _ => Typed::plain(said),
        },
        ColumnType::Text | ColumnType::Bytes | ColumnType::Json => Typed::plain(said),
    }
}
