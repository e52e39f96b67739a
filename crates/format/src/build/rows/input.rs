//! Fields as they are given, and how they are kept until their columns are known.

use crate::key::digits::{parse_uuid, write_uuid};
use crate::row::json;
use crate::row::number::{
    PlainNumber, is_number, parse_float, write_float, write_float32, write_int, write_uint,
};
use crate::row::time::{parse_date, parse_time};
use crate::row::types::{ColumnType, NumberForm};

/// A field of a row that is added to a table.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldInput<'a> {
    /// Nothing: the row has no such field.
    Missing,
    /// Null.
    Null,
    /// Text of a source without types, such as a csv. What it is, all cells of the column say
    /// together; where they are no text, an empty one is null.
    Cell(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number.
    UInt(u64),
    /// A number. NaN and the infinities are null where the column is not of floats but of JSON, which has none.
    Float32(f32),
    /// A number, likewise.
    Float64(f64),
    /// A number as JSON writes it, all of whose digits count.
    Number(&'a str),
    /// A UUID.
    Uuid(u128),
    /// Any other JSON value, as it is written.
    Json(&'a str),
}

/// What a field was given as. It is the last byte of what is kept of it, which begins with its
/// length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum GivenKind {
    Missing = 0,
    Null = 1,
    Cell = 2,
    Text = 3,
    Bytes = 4,
    Bool = 5,
    Number = 6,
    Json = 7,
    Float32 = 8,
}

impl GivenKind {
    const ALL: [Self; 9] = [
        Self::Missing,
        Self::Null,
        Self::Cell,
        Self::Text,
        Self::Bytes,
        Self::Bool,
        Self::Number,
        Self::Json,
        Self::Float32,
    ];

    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A field that was kept: its text with its kind behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptField<'a>(pub(crate) &'a [u8]);

impl<'a> KeptField<'a> {
    pub(crate) const MISSING: KeptField<'static> = KeptField(&[GivenKind::Missing as u8]);

    pub(crate) fn kind(self) -> GivenKind {
        self.0.last().map_or(GivenKind::Missing, |&kind| GivenKind::ALL[usize::from(kind)])
    }

    pub(crate) fn text(self) -> &'a [u8] {
        self.0.split_last().map_or(&[], |(_, text)| text)
    }

    /// Whether it is NaN or an infinity.
    pub(crate) fn is_beyond_json(self) -> bool {
        is_beyond_json(self.kind(), self.text())
    }
}

/// Whether a number is one that JSON does not have: NaN or an infinity.
#[inline]
pub(crate) fn is_beyond_json(kind: GivenKind, text: &[u8]) -> bool {
    matches!(kind, GivenKind::Number | GivenKind::Float32) && matches!(text, b"NaN" | b"inf" | b"-inf")
}

/// The fields of a row that was kept; those behind the last are missing.
pub(crate) struct KeptFields<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for KeptFields<'a> {
    type Item = KeptField<'a>;

    fn next(&mut self) -> Option<KeptField<'a>> {
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        // Of a sample the last may be cut off: what is there of it is no further field.
        let cut = self.0.split_at_checked(len);
        self.0 = cut.map_or(&[], |(_, rest)| rest);
        cut.map(|(field, _)| KeptField(field))
    }
}

fn write_length(mut len: usize, out: &mut Vec<u8>) {
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

/// A value that its column cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// Appends a field to the row that is kept; one of a column whose type was said in the text that
/// this type has. Gives it back.
#[inline]
pub(crate) fn keep<'o>(
    field: FieldInput<'_>,
    said: Option<ColumnType>,
    room: &mut Vec<u8>,
    out: &'o mut Vec<u8>,
) -> Result<KeptField<'o>, Unfit> {
    room.clear();
    let (mut kind, mut text): (GivenKind, &[u8]) = match field {
        FieldInput::Missing => (GivenKind::Missing, &[]),
        FieldInput::Null => (GivenKind::Null, &[]),
        FieldInput::Cell(text) => (GivenKind::Cell, text),
        FieldInput::Text(text) => (GivenKind::Text, text.as_bytes()),
        FieldInput::Bytes(bytes) => (GivenKind::Bytes, bytes),
        FieldInput::Bool(value) => (GivenKind::Bool, if value { b"true" } else { b"false" }),
        FieldInput::Number(text) if is_number(text.as_bytes()) => (GivenKind::Number, text.as_bytes()),
        FieldInput::Json(text) if json::is_value(text.as_bytes()) => (kind_of_json(text), text.as_bytes()),
        FieldInput::Number(_) | FieldInput::Json(_) => return Err(Unfit),
        FieldInput::Int(number) => {
            write_int(number, room);
            (GivenKind::Number, room)
        }
        FieldInput::UInt(number) => {
            write_uint(number, room);
            (GivenKind::Number, room)
        }
        FieldInput::Float32(number) => {
            write_float32(number, NumberForm::Rust, room);
            (GivenKind::Float32, room)
        }
        FieldInput::Float64(number) => {
            write_float(number, NumberForm::Rust, room);
            (GivenKind::Number, room)
        }
        FieldInput::Uuid(number) => {
            write_uuid(number, room);
            (GivenKind::Text, room)
        }
    };
    if said == Some(ColumnType::Json) && is_beyond_json(kind, text) {
        (kind, text) = (GivenKind::Null, &[]);
    }
    let mut other = Vec::new();
    if let Some(said) = said
        && !matches!(kind, GivenKind::Missing | GivenKind::Null)
    {
        if text.is_empty() && kind == GivenKind::Cell && !said.takes_empty() {
            kind = GivenKind::Null;
        } else {
            if !fits(said, kind, text, &mut other) {
                return Err(Unfit);
            }
            if !other.is_empty() {
                text = &other;
            }
            kind = match said {
                ColumnType::Bytes => GivenKind::Bytes,
                // A string is to have its quotes.
                ColumnType::Json if kind == GivenKind::Text => GivenKind::Text,
                ColumnType::Json => GivenKind::Json,
                ColumnType::Bool => GivenKind::Bool,
                ColumnType::Int | ColumnType::UInt | ColumnType::Float64 | ColumnType::Decimal => {
                    GivenKind::Number
                }
                ColumnType::Float32 => GivenKind::Float32,
                ColumnType::Text | ColumnType::Timestamp | ColumnType::Date | ColumnType::Uuid => {
                    GivenKind::Text
                }
            };
        }
    }
    write_length(text.len() + 1, out);
    let field = out.len();
    out.extend_from_slice(text);
    out.push(kind as u8);
    Ok(KeptField(&out[field..]))
}

/// What a JSON value is kept as.
fn kind_of_json(text: &str) -> GivenKind {
    match text.as_bytes().first() {
        Some(b't' | b'f') => GivenKind::Bool,
        Some(b'n') => GivenKind::Null,
        Some(b'-' | b'0'..=b'9') => GivenKind::Number,
        _ => GivenKind::Json,
    }
}

/// Whether a text is a value of a type; in `other` the text that it is kept as, where that is
/// another.
fn fits(said: ColumnType, kind: GivenKind, text: &[u8], other: &mut Vec<u8>) -> bool {
    let parsed = || std::str::from_utf8(text).ok();
    match said {
        ColumnType::Bytes => true,
        _ if kind == GivenKind::Bytes => false,
        ColumnType::Text => parsed().is_some(),
        ColumnType::Json => kind == GivenKind::Text || json::is_value(text),
        ColumnType::Bool => matches!(text, b"true" | b"false"),
        ColumnType::Int => {
            PlainNumber::read(text).is_some_and(|plain| plain.digits == 0 && plain.mantissa().is_some())
        }
        ColumnType::UInt => {
            PlainNumber::read(text).is_some_and(|plain| plain.digits == 0 && !plain.is_negative)
        }
        ColumnType::Decimal => is_number(text),
        ColumnType::Float64 => match parse_float(text) {
            Some(number) if number.is_finite() || matches!(text, b"NaN" | b"inf" | b"-inf") => {
                write_float(number, NumberForm::Rust, other);
                true
            }
            _ => false,
        },
        ColumnType::Float32 => match parsed().and_then(|text| text.parse::<f32>().ok()) {
            Some(number) if number.is_finite() || matches!(text, b"NaN" | b"inf" | b"-inf") => {
                write_float32(number, NumberForm::Rust, other);
                true
            }
            _ => false,
        },
        ColumnType::Timestamp => parse_time(text).is_some(),
        ColumnType::Date => parse_date(text).is_some(),
        ColumnType::Uuid => parse_uuid(text).is_some(),
    }
}
