//! The types that columns have, and how the text of a number is written.

use std::fmt;
use std::str::FromStr;

use super::json;
use super::number::is_number;

/// What the fields of a column are. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ColumnType {
    /// `true` or `false`.
    Bool = 0,
    /// A whole number from -2^63 to 2^63 - 1.
    Int = 1,
    /// A whole number from 0 to 2^64 - 1, in a column that has one above 2^63 - 1.
    UInt = 2,
    /// An IEEE 754 number of 32 bits.
    Float32 = 3,
    /// An IEEE 754 number of 64 bits.
    Float64 = 4,
    /// A number whose digits all count: `1.50` is not `1.5`.
    Decimal = 5,
    /// Text in UTF-8.
    Text = 6,
    /// Any bytes.
    Bytes = 7,
    /// A time, as `2026-11-27T07:34:25Z`.
    Timestamp = 8,
    /// A day, as `2026-11-27`.
    Date = 9,
    /// A UUID, in lower case and with dashes.
    Uuid = 10,
    /// Any JSON value as it was written: lists, objects, values of several types.
    Json = 11,
}

impl ColumnType {
    /// All types, each at its number.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::Int,
        Self::UInt,
        Self::Float32,
        Self::Float64,
        Self::Decimal,
        Self::Text,
        Self::Bytes,
        Self::Timestamp,
        Self::Date,
        Self::Uuid,
        Self::Json,
    ];

    /// The name that reports and options use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "uint",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Json => "json",
        }
    }

    /// What a field of it is, with what it may be, for messages.
    pub(crate) const fn expectation(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number from -2^63 to 2^63 - 1, as -12",
            Self::UInt => "a whole number from 0 to 2^64 - 1, as 12",
            Self::Float32 | Self::Float64 => "a number, as -1.5 or 1e9",
            Self::Decimal => "a number, as -1.50",
            Self::Text => "text in UTF-8",
            Self::Bytes => "bytes",
            Self::Timestamp => "a time, as 2026-11-27T07:34:25Z",
            Self::Date => "a day, as 2026-11-27",
            Self::Uuid => "a UUID in lower case",
            Self::Json => "a value in JSON",
        }
    }

    /// Whether an empty cell of a csv is a value of it, and not a null.
    pub(crate) fn takes_empty(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }

    /// Whether its text stands in JSON without quotes.
    pub(crate) fn is_bare_in_json(self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Int | Self::UInt | Self::Float32 | Self::Float64 | Self::Decimal | Self::Json
        )
    }
}

impl ColumnType {
    /// Whether `text` is JSON that a column stands for that has no quotes in it.
    pub(crate) fn takes_bare(self, text: &[u8]) -> bool {
        match self {
            Self::Json => json::is_value(text),
            Self::Bool => matches!(text, b"true" | b"false"),
            _ => is_number(text),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no [`ColumnType`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownType(pub String);

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a type, one of ")?;
        for (i, known) in ColumnType::ALL.into_iter().enumerate() {
            write!(f, "{}{known}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, ", found {}", self.0)
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for ColumnType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        let name = if name == "float" { "float64" } else { name };
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| UnknownType(name.to_owned()))
    }
}

/// How the numbers of a column are written. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NumberForm {
    /// With the same number of digits behind the point in every field.
    Digits = 0,
    /// The fewest digits, as JavaScript writes them: `1`, `1e+21`, `1e-7`.
    JavaScript = 1,
    /// The fewest digits, as Python writes them: `1.0`, `1e+16`, `1e-05`.
    Python = 2,
    /// The fewest digits, as Rust's libraries wrote them for long: `1.0`, `1e16`, `1e-6`.
    Rust = 3,
}

impl NumberForm {
    pub(crate) const ALL: [Self; 4] = [Self::Digits, Self::JavaScript, Self::Python, Self::Rust];
}

/// How the times of a column are written: what stands between day and time, and behind them. On
/// disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeForm(pub(crate) u8);

impl TimeForm {
    /// The bit that says that a space stands where others have a `T`.
    pub(crate) const SPACE: u8 = 1;
    /// What stands behind the time, by the bits above.
    pub(crate) const ZONES: [&'static str; 3] = ["", "Z", "+00:00"];

    pub(crate) fn of(is_spaced: bool, zone: usize) -> Self {
        Self(u8::from(is_spaced) | (zone as u8) << 1)
    }

    pub(crate) fn read(byte: u8) -> Option<Self> {
        (usize::from(byte >> 1) < Self::ZONES.len()).then_some(Self(byte))
    }

    pub(crate) fn separator(self) -> u8 {
        if self.0 & Self::SPACE == 0 { b'T' } else { b' ' }
    }

    pub(crate) fn zone(self) -> &'static str {
        Self::ZONES.get(usize::from(self.0 >> 1)).copied().unwrap_or_default()
    }
}
