//! Rows as an Arrow array of structs, a field each column.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder, Float32Builder,
    Float64Builder, Int64Builder, StringBuilder, UInt64Builder,
};
use arrow_array::{
    Array, ArrayRef, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_schema::{DECIMAL128_MAX_PRECISION, Field, Fields};
use graven_format::{Column, ColumnType, Error, Field as RowField, FieldValue, Projection, Store};

use super::{ArrowData, ArrowProblem};
use crate::table::{CHUNK_KEYS, with_batch};

/// Bytes of all texts of a column, at most: as far as offsets of 32 bits reach.
const TEXT_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of a UUID.
const UUID_BYTES: i32 = 16;

/// The rows of `keys`, of the columns of `projection`. All fields of a key that is not there are null.
pub(crate) fn rows(
    store: &Store,
    projection: &Projection,
    keys: &[&[u8]],
) -> Result<ArrowData, ArrowProblem> {
    let Some(schema) = store.schema() else { return Err(Error::NoColumns.into()) };
    let columns: Vec<&Column> = projection.columns().iter().map(|&place| &schema.columns()[place]).collect();
    let mut builders: Vec<ColumnBuilder> =
        columns.iter().map(|column| ColumnBuilder::of(column, keys.len())).collect();
    let (mut missing, mut rest) = (0, keys);
    while !rest.is_empty() {
        let chunk = &rest[..rest.len().min(CHUNK_KEYS)];
        let answered = with_batch(|batch| {
            store.get_many(chunk, batch)?;
            for i in 0..batch.len() {
                match batch.value(i, store) {
                    Some(value) => {
                        for (builder, field) in builders.iter_mut().zip(projection.fields(store.row(value)?))
                        {
                            builder.add(field?)?;
                        }
                    }
                    None => {
                        missing += 1;
                        builders.iter_mut().try_for_each(|builder| builder.add_value(FieldValue::Null))?;
                    }
                }
            }
            Ok::<usize, ArrowProblem>(batch.len())
        })?;
        rest = &rest[answered..];
    }
    let arrays = builders.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>, _>>()?;
    let fields: Fields = columns
        .iter()
        .zip(&arrays)
        .map(|(column, array)| Field::new(column.name(), array.data_type().clone(), true))
        .collect();
    // Without columns an array has no length of its own.
    let array = StructArray::try_new_with_length(fields, arrays, None, keys.len())?;
    Ok(ArrowData::new(Arc::new(array), "", missing))
}

/// Takes the fields of one column.
enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    UInt(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder, usize),
    Bytes(BinaryBuilder, usize),
    Date(Date32Builder),
    Uuid(FixedSizeBinaryBuilder),
    Decimal(Decimal128Builder, u8),
    Time { ticks: Vec<Option<i64>>, digits: u8, is_utc: bool },
}

impl ColumnBuilder {
    fn of(column: &Column, rows: usize) -> Self {
        match (column.column_type(), column.digits()) {
            (ColumnType::Bool, _) => Self::Bool(BooleanBuilder::with_capacity(rows)),
            (ColumnType::Int, _) => Self::Int(Int64Builder::with_capacity(rows)),
            (ColumnType::UInt, _) => Self::UInt(UInt64Builder::with_capacity(rows)),
            (ColumnType::Float32, _) => Self::Float32(Float32Builder::with_capacity(rows)),
            (ColumnType::Float64, _) => Self::Float64(Float64Builder::with_capacity(rows)),
            (ColumnType::Bytes, _) => Self::Bytes(BinaryBuilder::new(), 0),
            (ColumnType::Date, _) => Self::Date(Date32Builder::with_capacity(rows)),
            (ColumnType::Uuid, _) => Self::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, UUID_BYTES)),
            (ColumnType::Decimal, Some(digits)) => {
                Self::Decimal(Decimal128Builder::with_capacity(rows), digits)
            }
            (ColumnType::Timestamp, Some(digits)) => {
                Self::Time { ticks: Vec::with_capacity(rows), digits, is_utc: column.is_utc() }
            }
            _ => Self::Text(StringBuilder::new(), 0),
        }
    }

    fn add(&mut self, field: RowField<'_>) -> Result<(), ArrowProblem> {
        self.add_value(field.value()?)
    }

    fn add_value(&mut self, value: FieldValue<'_>) -> Result<(), ArrowProblem> {
        match (self, value) {
            (Self::Bool(builder), value) => builder.append_option(match value {
                FieldValue::Bool(value) => Some(value),
                _ => None,
            }),
            (Self::Int(builder), value) => builder.append_option(match value {
                FieldValue::Int(value) => Some(value),
                _ => None,
            }),
            (Self::UInt(builder), value) => builder.append_option(match value {
                FieldValue::UInt(value) => Some(value),
                _ => None,
            }),
            (Self::Float32(builder), value) => builder.append_option(match value {
                FieldValue::Float32(value) => Some(value),
                _ => None,
            }),
            (Self::Float64(builder), value) => builder.append_option(match value {
                FieldValue::Float64(value) => Some(value),
                _ => None,
            }),
            (Self::Date(builder), value) => builder.append_option(match value {
                FieldValue::Date(days) => i32::try_from(days).ok(),
                _ => None,
            }),
            (
                Self::Text(builder, bytes),
                FieldValue::Text(text) | FieldValue::Decimal(text) | FieldValue::Json(text),
            ) => {
                *bytes = fits(*bytes, text.len())?;
                builder.append_value(text);
            }
            (Self::Text(builder, _), _) => builder.append_null(),
            (Self::Bytes(builder, bytes), FieldValue::Bytes(value)) => {
                *bytes = fits(*bytes, value.len())?;
                builder.append_value(value);
            }
            (Self::Bytes(builder, _), _) => builder.append_null(),
            (Self::Uuid(builder), FieldValue::Uuid(number)) => builder.append_value(number.to_be_bytes())?,
            (Self::Uuid(builder), _) => builder.append_null(),
            (Self::Decimal(builder, digits), FieldValue::Decimal(text)) => {
                let number = scaled(&text, *digits).ok_or_else(|| not_of_column("decimal", &text))?;
                builder.append_value(number);
            }
            (Self::Decimal(builder, _), _) => builder.append_null(),
            (Self::Time { ticks, digits, .. }, FieldValue::Timestamp { ticks: found, digits: finer }) => {
                if finer != *digits {
                    return Err(not_of_column("timestamp", &format!("{finer} digits of a second")));
                }
                ticks.push(Some(
                    arrow_ticks(found, *digits)
                        .ok_or_else(|| not_of_column("timestamp", "a time that its unit does not reach"))?,
                ));
            }
            (Self::Time { ticks, .. }, _) => ticks.push(None),
        }
        Ok(())
    }

    fn finish(self) -> Result<ArrayRef, ArrowProblem> {
        Ok(match self {
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::UInt(mut builder) => Arc::new(builder.finish()),
            Self::Float32(mut builder) => Arc::new(builder.finish()),
            Self::Float64(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder, _) => Arc::new(builder.finish()),
            Self::Bytes(mut builder, _) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Uuid(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder, digits) => {
                let scale = i8::try_from(digits).unwrap_or(i8::MAX);
                Arc::new(builder.finish().with_precision_and_scale(DECIMAL128_MAX_PRECISION, scale)?)
            }
            Self::Time { ticks, digits, is_utc } => {
                let zone = is_utc.then(|| Arc::from("UTC"));
                match digits {
                    0 => Arc::new(TimestampSecondArray::from(ticks).with_timezone_opt(zone)),
                    1..=3 => Arc::new(TimestampMillisecondArray::from(ticks).with_timezone_opt(zone)),
                    4..=6 => Arc::new(TimestampMicrosecondArray::from(ticks).with_timezone_opt(zone)),
                    _ => Arc::new(TimestampNanosecondArray::from(ticks).with_timezone_opt(zone)),
                }
            }
        })
    }
}

fn fits(before: usize, more: usize) -> Result<usize, ArrowProblem> {
    Some(before + more).filter(|&bytes| bytes <= TEXT_BYTES_MAX).ok_or(ArrowProblem::TooLarge)
}

fn not_of_column(expected: &str, found: &str) -> ArrowProblem {
    arrow_schema::ArrowError::InvalidArgumentError(format!(
        "expected a {expected} of its column, found {found}"
    ))
    .into()
}

/// The ticks of the unit that Arrow has for so many digits.
fn arrow_ticks(ticks: i64, digits: u8) -> Option<i64> {
    let unit = u32::from(digits).div_ceil(3) * 3;
    ticks.checked_mul(10_i64.checked_pow(unit - u32::from(digits))?)
}

/// The number of a decimal text, times ten to the power of `digits`; `None` where that is no whole number.
fn scaled(text: &str, digits: u8) -> Option<i128> {
    let (number, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, behind) = number.split_once('.').unwrap_or((number, ""));
    let number: i128 = format!("{whole}{behind}").parse().ok()?;
    let power = i32::from(digits).checked_add(exponent)?.checked_sub(i32::try_from(behind.len()).ok()?)?;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 { number.checked_mul(factor) } else { (number % factor == 0).then(|| number / factor) }
}
