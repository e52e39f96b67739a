//! One field of a row, and what it can be read as.

use std::borrow::Cow;
use std::fmt;

use super::json;
use super::number::{
    parse_float, scaled_to_float, write_float, write_float32, write_int, write_scaled, write_uint,
};
use super::read::damaged;
use super::schema::{Coding, Column, Schema, TextCode};
use super::text::{LentText, TextRoom};
use super::time::{ParsedTime, parse_date, parse_time, write_date, write_time};
use super::types::{ColumnType, TimeForm};
use crate::error::Error;
use crate::key::digits::{parse_uuid, write_uuid};
use crate::limits::VALUE_BYTES_MAX;

/// One field of a [`Row`](crate::Row). Nothing of it is decoded before it is asked for.
#[derive(Clone, Copy)]
pub struct Field<'r> {
    schema: &'r Schema,
    column: &'r Column,
    content: FieldContent<'r>,
}

/// What a field has, as far as it was looked at.
#[derive(Clone, Copy)]
pub(crate) enum FieldContent<'r> {
    Missing,
    Null,
    /// A whole number, in two's complement unless its column has none below zero.
    Number(u64),
    /// The bits of an IEEE 754 number.
    Float(u64),
    Wide(u128),
    /// The text.
    Bytes(&'r [u8]),
    /// The text through a code.
    Coded(&'r TextCode, &'r [u8]),
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldValue<'r> {
    /// Nothing: the row was given without the field.
    Missing,
    /// Null.
    Null,
    /// Of [`ColumnType::Bool`].
    Bool(bool),
    /// Of [`ColumnType::Int`].
    Int(i64),
    /// Of [`ColumnType::UInt`].
    UInt(u64),
    /// Of [`ColumnType::Float32`].
    Float32(f32),
    /// Of [`ColumnType::Float64`].
    Float64(f64),
    /// Of [`ColumnType::Decimal`]: all its digits.
    Decimal(Cow<'r, str>),
    /// Of [`ColumnType::Text`].
    Text(Cow<'r, str>),
    /// Of [`ColumnType::Bytes`].
    Bytes(Cow<'r, [u8]>),
    /// Of [`ColumnType::Timestamp`]: seconds from 1970-01-01 times ten to the power of `digits`.
    Timestamp {
        /// The time.
        ticks: i64,
        /// Digits behind the point of a second.
        digits: u8,
    },
    /// Of [`ColumnType::Date`]: days from 1970-01-01.
    Date(i64),
    /// Of [`ColumnType::Uuid`].
    Uuid(u128),
    /// Of [`ColumnType::Json`]: the JSON text.
    Json(Cow<'r, str>),
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.column.name, self.value())
    }
}

impl<'r> Field<'r> {
    #[inline]
    pub(crate) fn new(schema: &'r Schema, column: &'r Column, content: FieldContent<'r>) -> Self {
        Self { schema, column, content }
    }

    /// The column that it is of.
    pub fn column(&self) -> &'r Column {
        self.column
    }

    /// The columns of its table.
    pub fn schema(&self) -> &'r Schema {
        self.schema
    }

    /// Whether the row was given without it.
    #[inline]
    pub fn is_missing(&self) -> bool {
        matches!(self.content, FieldContent::Missing)
    }

    /// Whether it is null.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self.content, FieldContent::Null)
    }

    /// Whether it has a value: it is neither missing nor null.
    #[inline]
    pub fn has_value(&self) -> bool {
        !self.is_missing() && !self.is_null()
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`Error::Row`] when its bytes are damaged.
    pub fn value(&self) -> Result<FieldValue<'r>, Error> {
        let bad = || damaged(self.column);
        let text = || self.text_utf8();
        Ok(match (self.content, self.column.column_type) {
            (FieldContent::Missing, _) => FieldValue::Missing,
            (FieldContent::Null, _) => FieldValue::Null,
            (_, ColumnType::Bool) => FieldValue::Bool(self.as_bool().ok_or_else(bad)?),
            (_, ColumnType::Int) => FieldValue::Int(self.as_i64().ok_or_else(bad)?),
            (_, ColumnType::UInt) => FieldValue::UInt(self.as_u64().ok_or_else(bad)?),
            (_, ColumnType::Float32) => FieldValue::Float32(self.as_f64().ok_or_else(bad)? as f32),
            (_, ColumnType::Float64) => FieldValue::Float64(self.as_f64().ok_or_else(bad)?),
            (_, ColumnType::Decimal) => FieldValue::Decimal(text()?),
            (_, ColumnType::Text) => FieldValue::Text(text()?),
            (_, ColumnType::Json) => FieldValue::Json(text()?),
            (_, ColumnType::Bytes) => FieldValue::Bytes(self.text()?),
            (_, ColumnType::Timestamp) => {
                let time = self.time().ok_or_else(bad)?;
                FieldValue::Timestamp { ticks: time.ticks, digits: time.digits }
            }
            (_, ColumnType::Date) => FieldValue::Date(match self.content {
                FieldContent::Number(number) => number.cast_signed(),
                _ => parse_date(&self.text()?).ok_or_else(bad)?,
            }),
            (_, ColumnType::Uuid) => FieldValue::Uuid(match self.content {
                FieldContent::Wide(number) => number,
                _ => parse_uuid(&self.text()?).ok_or_else(bad)?,
            }),
        })
    }

    /// The number that it is, of a whole number that `i64` has.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match (self.content, self.column.column_type) {
            (FieldContent::Number(number), ColumnType::Int) => Some(number.cast_signed()),
            (FieldContent::Number(number), ColumnType::UInt) => i64::try_from(number).ok(),
            (FieldContent::Bytes(text), ColumnType::Int | ColumnType::UInt) => {
                std::str::from_utf8(text).ok()?.parse().ok()
            }
            _ => None,
        }
    }

    /// The number that it is, of a whole number that `u64` has.
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        match (self.content, self.column.column_type) {
            (FieldContent::Number(number), ColumnType::UInt) => Some(number),
            (FieldContent::Number(number), ColumnType::Int) => u64::try_from(number.cast_signed()).ok(),
            (FieldContent::Bytes(text), ColumnType::Int | ColumnType::UInt) => {
                std::str::from_utf8(text).ok()?.parse().ok()
            }
            _ => None,
        }
    }

    /// The number that it is, or the nearest that `f64` has.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        match (self.content, self.column.column_type) {
            (FieldContent::Number(number), ColumnType::Int) => Some(number.cast_signed() as f64),
            (FieldContent::Number(number), ColumnType::UInt) => Some(number as f64),
            (FieldContent::Number(number), ColumnType::Float64 | ColumnType::Decimal) => {
                Some(scaled_to_float(number.cast_signed(), self.column.digits))
            }
            (FieldContent::Number(number), ColumnType::Float32) => {
                let mut text = Vec::with_capacity(24);
                write_scaled(number.cast_signed(), self.column.digits, self.column.number_form(), &mut text);
                std::str::from_utf8(&text).ok()?.parse::<f32>().ok().map(f64::from)
            }
            (FieldContent::Float(bits), ColumnType::Float32) => Some(f32::from_bits(bits as u32).into()),
            (FieldContent::Float(bits), _) => Some(f64::from_bits(bits)),
            (FieldContent::Bytes(text), ColumnType::Float32) => {
                std::str::from_utf8(text).ok()?.parse::<f32>().ok().map(f64::from)
            }
            (
                FieldContent::Bytes(_) | FieldContent::Coded(..),
                ColumnType::Int | ColumnType::UInt | ColumnType::Float64 | ColumnType::Decimal,
            ) => parse_float(&self.text().ok()?),
            _ => None,
        }
    }

    /// Whether it is true, of a [`ColumnType::Bool`].
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        match (self.content, self.column.column_type) {
            (FieldContent::Number(number), ColumnType::Bool) => Some(number != 0),
            (FieldContent::Bytes(text), ColumnType::Bool) => Some(text == b"true"),
            _ => None,
        }
    }

    /// The text that it is, of a column of any type: as it was given; none where it has no value,
    /// or is not UTF-8.
    pub fn as_str(&self) -> Option<Cow<'r, str>> {
        if self.has_value() { self.text_utf8().ok() } else { None }
    }

    /// The bytes of its text, as they were given; none where it has no value.
    pub fn as_bytes(&self) -> Option<Cow<'r, [u8]>> {
        if self.has_value() { self.text().ok() } else { None }
    }

    /// Appends the text of it as it was given; `false`, and nothing appended, where it has no value.
    ///
    /// # Errors
    /// [`Error::Row`] when its bytes are damaged.
    #[inline]
    pub fn write_text(&self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let column = self.column;
        match self.content {
            FieldContent::Missing | FieldContent::Null => return Ok(false),
            FieldContent::Bytes(text) => out.extend_from_slice(text),
            FieldContent::Number(number) => {
                let signed = number.cast_signed();
                match column.column_type {
                    ColumnType::Bool => out.extend_from_slice(if number == 0 { b"false" } else { b"true" }),
                    ColumnType::UInt => write_uint(number, out),
                    ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal => {
                        write_scaled(signed, column.digits, column.number_form(), out);
                    }
                    ColumnType::Date => {
                        if !write_date(signed, out) {
                            return Err(damaged(column));
                        }
                    }
                    ColumnType::Timestamp => {
                        let (digits, form) = (column.digits, TimeForm(column.form));
                        if !write_time(ParsedTime { ticks: signed, digits, form }, out) {
                            return Err(damaged(column));
                        }
                    }
                    _ => write_int(signed, out),
                }
            }
            FieldContent::Float(bits) if column.column_type == ColumnType::Float32 => {
                write_float32(f32::from_bits(bits as u32), column.number_form(), out);
            }
            FieldContent::Float(bits) => write_float(f64::from_bits(bits), column.number_form(), out),
            FieldContent::Wide(number) => write_uuid(number, out),
            FieldContent::Coded(code, bytes) => {
                let start = out.len();
                if code.decoder.decode(bytes, bytes.len(), VALUE_BYTES_MAX, out).is_err() {
                    out.truncate(start);
                    return Err(damaged(column));
                }
            }
        }
        Ok(true)
    }

    /// The text of it as it was given; `None` where it has no value. What does not lie in the table
    /// as it is gets written into `room`, whose former content is lost.
    ///
    /// # Errors
    /// [`Error::Row`] when its bytes are damaged.
    pub fn lend_text<'t>(&self, room: &'t mut TextRoom) -> Result<Option<LentText<'t>>, Error>
    where
        'r: 't,
    {
        if let FieldContent::Bytes(text) = self.content {
            return Ok(Some(LentText::new(text, text.len())));
        }
        let text = &mut room.long;
        text.clear();
        Ok(self.write_text(text)?.then_some(LentText::new(text, text.len())))
    }

    /// Appends it as JSON: `null` where it has no value, bytes in base64.
    ///
    /// # Errors
    /// [`Error::Row`] when its bytes are damaged, or are no JSON where they stand for themselves.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let is_bare = self.column.column_type.is_bare_in_json();
        match (self.content, self.column.column_type) {
            (FieldContent::Missing | FieldContent::Null, _) => out.extend_from_slice(b"null"),
            (
                FieldContent::Float(_) | FieldContent::Bytes(_) | FieldContent::Coded(..),
                ColumnType::Float32 | ColumnType::Float64,
            ) if !self.as_f64().is_some_and(f64::is_finite) => {
                out.extend_from_slice(b"null");
            }
            // No builder writes other texts into such columns, but a forged file may have them.
            (FieldContent::Bytes(_) | FieldContent::Coded(..), column_type) if is_bare => {
                let start = out.len();
                self.write_text(out)?;
                if !column_type.takes_bare(&out[start..]) {
                    out.truncate(start);
                    return Err(damaged(self.column));
                }
            }
            _ if is_bare => {
                self.write_text(out)?;
            }
            (_, ColumnType::Bytes) => json::write_base64(&self.text()?, out),
            (FieldContent::Bytes(_) | FieldContent::Coded(..), _) => json::write_string(&self.text()?, out),
            _ => {
                let start = out.len();
                out.push(b'"');
                self.write_text(out).inspect_err(|_| out.truncate(start))?;
                out.push(b'"');
            }
        }
        Ok(())
    }

    fn time(&self) -> Option<ParsedTime> {
        match self.content {
            FieldContent::Number(number) => {
                let (digits, form) = (self.column.digits, TimeForm(self.column.form));
                Some(ParsedTime { ticks: number.cast_signed(), digits, form })
            }
            _ => parse_time(&self.text().ok()?),
        }
    }

    fn text(&self) -> Result<Cow<'r, [u8]>, Error> {
        if let FieldContent::Bytes(text) = self.content {
            return Ok(Cow::Borrowed(text));
        }
        let mut text = Vec::new();
        self.write_text(&mut text)?;
        Ok(Cow::Owned(text))
    }

    fn text_utf8(&self) -> Result<Cow<'r, str>, Error> {
        let bad = || damaged(self.column);
        Ok(match self.text()? {
            Cow::Borrowed(text) => Cow::Borrowed(std::str::from_utf8(text).map_err(|_| bad())?),
            Cow::Owned(text) => Cow::Owned(String::from_utf8(text).map_err(|_| bad())?),
        })
    }
}

impl Column {
    /// Whether its fields are decoded through a code, and so each into room of its own.
    pub fn is_coded(&self) -> bool {
        matches!(self.coding, Coding::Variable { code: Some(_), .. })
    }
}
