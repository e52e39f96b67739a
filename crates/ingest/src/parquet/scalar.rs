//! What the values of a leaf are, by the types that the file declares, and their texts.

use std::io::Write;

use graven_format::ColumnType;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::Type as SchemaType;

use super::leaf::LeafValues;
use crate::parquet_problem::ParquetProblem;
use crate::row::CellKind;

/// Bytes of the longest decimal: 38 digits take 16, and those of 256 bits take 32.
const DECIMAL_BYTES_MAX: usize = 32;

/// What a leaf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Bool,
    Int,
    UInt,
    Float,
    Float16,
    Decimal {
        scale: usize,
    },
    Date,
    Time {
        digits: u8,
    },
    Timestamp {
        digits: u8,
        is_utc: bool,
    },
    /// A timestamp of 96 bits: nanoseconds of a Julian day.
    Int96,
    Interval,
    Uuid,
    Text,
    Json,
    Bytes,
}

fn digits_of(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::MILLIS => 3,
        TimeUnit::MICROS => 6,
        TimeUnit::NANOS => 9,
    }
}

impl ScalarKind {
    /// What a leaf of the schema holds.
    pub(super) fn of(leaf: &SchemaType) -> Self {
        let (about, physical) = (leaf.get_basic_info(), leaf.get_physical_type());
        let scale = usize::try_from(leaf.get_scale()).unwrap_or_default();
        let is_fixed = |len: i32| {
            matches!(leaf, SchemaType::PrimitiveType { type_length, .. } if *type_length == len)
                && physical == Type::FIXED_LEN_BYTE_ARRAY
        };
        let is_number = matches!(physical, Type::INT32 | Type::INT64);
        let is_bytes = matches!(physical, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
        let logical = match about.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum) if is_bytes => Some(Self::Text),
            Some(LogicalType::Json) if is_bytes => Some(Self::Json),
            Some(LogicalType::Uuid) if is_fixed(16) => Some(Self::Uuid),
            Some(LogicalType::Float16) if is_fixed(2) => Some(Self::Float16),
            Some(LogicalType::Decimal(decimal)) if is_number || is_bytes => {
                Some(Self::Decimal { scale: usize::try_from(decimal.scale).unwrap_or_default() })
            }
            Some(LogicalType::Date) if is_number => Some(Self::Date),
            Some(LogicalType::Time(time)) if is_number => Some(Self::Time { digits: digits_of(time.unit) }),
            Some(LogicalType::Timestamp(time)) if is_number => {
                Some(Self::Timestamp { digits: digits_of(time.unit), is_utc: time.is_adjusted_to_u_t_c })
            }
            Some(LogicalType::Integer(int)) if is_number => {
                Some(if int.is_signed { Self::Int } else { Self::UInt })
            }
            _ => None,
        };
        let converted = match about.converted_type() {
            ConvertedType::UTF8 | ConvertedType::ENUM if is_bytes => Some(Self::Text),
            ConvertedType::JSON if is_bytes => Some(Self::Json),
            ConvertedType::DECIMAL if is_number || is_bytes => Some(Self::Decimal { scale }),
            ConvertedType::DATE if is_number => Some(Self::Date),
            ConvertedType::TIME_MILLIS if is_number => Some(Self::Time { digits: 3 }),
            ConvertedType::TIME_MICROS if is_number => Some(Self::Time { digits: 6 }),
            ConvertedType::TIMESTAMP_MILLIS if is_number => Some(Self::Timestamp { digits: 3, is_utc: true }),
            ConvertedType::TIMESTAMP_MICROS if is_number => Some(Self::Timestamp { digits: 6, is_utc: true }),
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
                if is_number =>
            {
                Some(Self::UInt)
            }
            ConvertedType::INTERVAL if is_fixed(12) => Some(Self::Interval),
            _ => None,
        };
        logical.or(converted).unwrap_or(match physical {
            Type::BOOLEAN => Self::Bool,
            Type::INT32 | Type::INT64 => Self::Int,
            Type::INT96 => Self::Int96,
            Type::FLOAT | Type::DOUBLE => Self::Float,
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => Self::Bytes,
        })
    }

    /// The type of a column of a table that holds it; `None` where that follows from the values.
    pub(super) fn column_type(self, physical: Type) -> Option<ColumnType> {
        Some(match self {
            Self::Bool => ColumnType::Bool,
            Self::Int => ColumnType::Int,
            Self::UInt => ColumnType::UInt,
            Self::Float if physical == Type::DOUBLE => ColumnType::Float64,
            Self::Float | Self::Float16 => ColumnType::Float32,
            Self::Decimal { .. } => ColumnType::Decimal,
            Self::Date => ColumnType::Date,
            Self::Timestamp { .. } => ColumnType::Timestamp,
            // It reaches beyond the years that a timestamp has: before 1677 and after 2262.
            Self::Int96 => return None,
            Self::Time { .. } | Self::Interval | Self::Text => ColumnType::Text,
            Self::Uuid => ColumnType::Uuid,
            Self::Json => ColumnType::Json,
            Self::Bytes => ColumnType::Bytes,
        })
    }

    /// Whether its text stands in JSON without quotes.
    pub(super) fn is_bare_in_json(self) -> bool {
        matches!(
            self,
            Self::Bool
                | Self::Int
                | Self::UInt
                | Self::Float
                | Self::Float16
                | Self::Decimal { .. }
                | Self::Json
        )
    }

    /// What a cell of it is.
    pub(super) fn cell(self) -> CellKind {
        if self.is_bare_in_json() { CellKind::Json } else { CellKind::Bytes }
    }

    /// Appends the text of a value.
    pub(super) fn write(
        self,
        values: &LeafValues,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ParquetProblem> {
        match values {
            LeafValues::Bool(values) => out.extend_from_slice(if values[at] { b"true" } else { b"false" }),
            LeafValues::Int32(values) => {
                let number = if self == Self::UInt {
                    i64::from(values[at].cast_unsigned())
                } else {
                    values[at].into()
                };
                self.write_number(number, out);
            }
            LeafValues::Int64(values) => self.write_number(values[at], out),
            LeafValues::Int96(values) => match values[at].data() {
                [low, high, day] => {
                    let nanoseconds = (i128::from(*high) << 32) + i128::from(*low);
                    let day = i128::from(day.cast_signed()) - JULIAN_DAY_OF_1970;
                    write_timestamp(day * SECONDS_A_DAY * 1_000_000_000 + nanoseconds, 9, out);
                }
                _ => return Err(ParquetProblem::Damaged("a time of 96 bits has no three parts".into())),
            },
            LeafValues::Float(values) => write_float(values[at], values[at].is_finite(), out),
            LeafValues::Double(values) => write_float(values[at], values[at].is_finite(), out),
            LeafValues::Bytes(values) => {
                if values[at].is_empty() && matches!(self, Self::Text | Self::Bytes) {
                    return Ok(());
                }
                self.write_bytes(values[at].data(), out)?;
            }
            LeafValues::Fixed(values) => self.write_bytes(values[at].data(), out)?,
        }
        Ok(())
    }

    fn write_number(self, number: i64, out: &mut Vec<u8>) {
        match self {
            Self::UInt => push_display(number.cast_unsigned(), out),
            Self::Decimal { scale } => {
                push_decimal(number < 0, &number.unsigned_abs().to_string(), scale, out);
            }
            Self::Date => write_date(i128::from(number), out),
            Self::Time { digits } => write_clock(i128::from(number), digits, out),
            Self::Timestamp { digits, is_utc } => {
                write_timestamp(i128::from(number), digits, out);
                if is_utc {
                    out.push(b'Z');
                }
            }
            _ => push_display(number, out),
        }
    }

    fn write_bytes(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ParquetProblem> {
        let damaged = |what: String| Err(ParquetProblem::Damaged(what));
        match self {
            Self::Text | Self::Json => {
                if let Err(error) = std::str::from_utf8(bytes) {
                    return damaged(format!("a text is not UTF-8: {error}"));
                }
                if self == Self::Json && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
                    return damaged(format!("expected JSON, found `{}`", shown(bytes)));
                }
                // A value in JSON is kept without the spaces around it.
                out.extend_from_slice(if self == Self::Json { bytes.trim_ascii() } else { bytes });
            }
            Self::Decimal { scale } => {
                if bytes.len() > DECIMAL_BYTES_MAX {
                    let (what, most) = ("the length of a decimal", DECIMAL_BYTES_MAX as u64);
                    return Err(ParquetProblem::TooLarge { what, most, found: bytes.len() as u64 });
                }
                let (is_negative, digits) = digits_of_number(bytes);
                push_decimal(is_negative, &digits, scale, out);
            }
            Self::Uuid => {
                let Some(uuid) = bytes.first_chunk::<16>() else {
                    return damaged("a UUID is too short".into());
                };
                for (i, byte) in uuid.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        out.push(b'-');
                    }
                    out.extend([byte >> 4, byte & 0xF].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
                }
            }
            Self::Float16 => {
                let Some(bits) = bytes.first_chunk::<2>() else {
                    return damaged("a float is too short".into());
                };
                let number = float_of_half(u16::from_le_bytes(*bits));
                write_float(number, number.is_finite(), out);
            }
            Self::Interval => {
                let number = |at: usize| {
                    bytes.get(at..).and_then(<[u8]>::first_chunk).map(|part| u32::from_le_bytes(*part))
                };
                let (Some(months), Some(days), Some(milliseconds)) = (number(0), number(4), number(8)) else {
                    return damaged("an interval is too short".into());
                };
                let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
                // Writing to memory does not fail.
                let _ = write!(out, "P{months}M{days}DT{seconds}.{rest:03}S");
            }
            _ => out.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// The beginning of bytes, for messages.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}

fn push_display(number: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "{number}");
}

/// Appends the shortest text that reads back as the same number.
fn write_float<N: serde::Serialize + std::fmt::Display>(number: N, is_finite: bool, out: &mut Vec<u8>) {
    if !is_finite {
        // `NaN`, `inf` and `-inf`.
        return push_display(number, out);
    }
    let _ = serde_json::to_writer(out, &number);
}

/// The number that 16 bits of IEEE 754 stand for; every one of them is one of 32 bits.
fn float_of_half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, bits >> 10 & 0x1F, u32::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => fraction as f32 / 16_777_216.0,
        0x1F => f32::from_bits(0x7F80_0000 | fraction << 13),
        exponent => f32::from_bits((u32::from(exponent) + 112) << 23 | fraction << 13),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

/// The sign and the digits of a number in two's complement, its highest byte first.
fn digits_of_number(bytes: &[u8]) -> (bool, String) {
    let is_negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
    let mut magnitude: Vec<u8> = bytes.iter().map(|&byte| if is_negative { !byte } else { byte }).collect();
    if is_negative {
        for byte in magnitude.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        // -2^(8n-1) is its own complement, and right without a sign.
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|&byte| byte != 0) {
        let rest = magnitude.iter_mut().fold(0_u32, |rest, byte| {
            let number = rest << 8 | u32::from(*byte);
            *byte = (number / 10) as u8;
            number % 10
        });
        digits.push(b'0' + rest as u8);
    }
    if digits.is_empty() {
        digits.push(b'0');
    }
    digits.reverse();
    (is_negative, String::from_utf8(digits).unwrap_or_default())
}

/// Appends a decimal with `scale` digits behind the point.
fn push_decimal(is_negative: bool, digits: &str, scale: usize, out: &mut Vec<u8>) {
    if is_negative {
        out.push(b'-');
    }
    let padded = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// The Julian day on which 1970 begins.
const JULIAN_DAY_OF_1970: i128 = 2_440_588;

const SECONDS_A_DAY: i128 = 86_400;

/// Appends a day, counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
/// A year that has not four digits gets a sign, as ISO 8601 has it.
fn write_date(day: i128, out: &mut Vec<u8>) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let (year, day) = (year + era * 400 + i128::from(month <= 2), day_of_year - (153 * shifted + 2) / 5 + 1);
    if (0..=9999).contains(&year) {
        push_two(year / 100, out);
        push_two(year % 100, out);
    } else {
        let _ = write!(out, "{year:+05}");
    }
    out.push(b'-');
    push_two(month, out);
    out.push(b'-');
    push_two(day, out);
}

fn push_two(number: i128, out: &mut Vec<u8>) {
    let number = number.unsigned_abs() % 100;
    out.extend([b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

/// Appends a time of day; below zero or beyond a day it has a sign or more hours.
fn write_clock(ticks: i128, digits: u8, out: &mut Vec<u8>) {
    let power = 10_i128.pow(digits.into());
    if ticks < 0 {
        out.push(b'-');
    }
    let ticks = ticks.abs();
    let (seconds, fraction) = (ticks / power, ticks % power);
    let hours = seconds / 3600;
    if hours < 100 {
        push_two(hours, out)
    } else {
        push_display(hours, out)
    }
    out.push(b':');
    push_two(seconds / 60 % 60, out);
    out.push(b':');
    push_two(seconds % 60, out);
    out.push(b'.');
    let _ = write!(out, "{fraction:0width$}", width = usize::from(digits));
}

/// Appends a time, counted from 1970 in parts of a second.
fn write_timestamp(ticks: i128, digits: u8, out: &mut Vec<u8>) {
    let power = 10_i128.pow(digits.into());
    let day = ticks.div_euclid(SECONDS_A_DAY * power);
    write_date(day, out);
    out.push(b'T');
    write_clock(ticks.rem_euclid(SECONDS_A_DAY * power), digits, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_have_all_their_digits() {
        let decimal = |bytes: &[u8], scale| {
            let (is_negative, digits) = digits_of_number(bytes);
            text(|out| push_decimal(is_negative, &digits, scale, out))
        };
        assert_eq!(decimal(&[0], 0), "0");
        assert_eq!(decimal(&[0], 2), "0.00");
        assert_eq!(decimal(&[5], 2), "0.05");
        assert_eq!(decimal(&[0xFB], 2), "-0.05");
        assert_eq!(decimal(&[0x80], 1), "-12.8");
        assert_eq!(decimal(&[0x80, 0], 0), "-32768");
        assert_eq!(decimal(&i128::MIN.to_be_bytes(), 38), "-1.70141183460469231731687303715884105728");
        assert_eq!(decimal(&i128::MAX.to_be_bytes(), 0), i128::MAX.to_string());
    }

    #[test]
    fn times_before_1970_and_beyond_four_digits_of_a_year_are_written() {
        assert_eq!(text(|out| write_timestamp(-1, 6, out)), "1969-12-31T23:59:59.999999");
        assert_eq!(text(|out| write_timestamp(951_782_400_000, 3, out)), "2000-02-29T00:00:00.000");
        assert_eq!(text(|out| write_date(2_932_896, out)), "9999-12-31");
        assert_eq!(text(|out| write_date(2_932_897, out)), "+10000-01-01");
        assert_eq!(text(|out| write_date(-719_529, out)), "-0001-12-31");
        assert!(text(|out| write_date(i64::MAX.into(), out)).starts_with("+252527349277"));
        assert_eq!(text(|out| write_clock(86_399_999_999, 6, out)), "23:59:59.999999");
    }

    #[test]
    fn halves_of_floats_are_exact() {
        for (bits, number) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x2E66, 0.099_975_586),
        ] {
            assert_eq!(float_of_half(bits), number);
        }
        assert!(float_of_half(0x7E00).is_nan() && float_of_half(0xFC00) == f32::NEG_INFINITY);
    }
}
