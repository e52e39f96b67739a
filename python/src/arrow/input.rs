//! Arrow tables as the source of a table: each row's key, and its value or its fields.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{
    date32_to_datetime, date64_to_datetime, timestamp_ms_to_datetime, timestamp_ns_to_datetime,
    timestamp_s_to_datetime, timestamp_us_to_datetime,
};
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, TimeUnit};
use graven_format::{ColumnType, FieldInput};

use super::keys::is_uuid;

/// How deep lists and structs may lie in one another.
const DEPTH_MAX: usize = 64;

/// The type that a column of a table has for a field of Arrow; `None` where that follows from the values, and an error for
/// what no column holds.
pub(crate) fn column_type(field: &Field) -> Result<Option<ColumnType>, String> {
    Ok(Some(match field.data_type() {
        _ if is_uuid(field) => ColumnType::Uuid,
        DataType::Null => return Ok(None),
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Int,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => ColumnType::Int,
        // Stays `int` where no number needs the last bit.
        DataType::UInt64 => return Ok(None),
        DataType::Float16 | DataType::Float32 => ColumnType::Float32,
        DataType::Float64 => ColumnType::Float64,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => ColumnType::Decimal,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Bytes
        }
        DataType::Dictionary(_, values) => {
            return column_type(&Field::new(field.name(), (**values).clone(), true));
        }
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _) => {
            column_type(inner)?;
            ColumnType::Json
        }
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| column_type(field).map(drop))?;
            ColumnType::Json
        }
        other => {
            return Err(format!(
                "the column {:?} is of Arrow's type {other}, which no column holds",
                field.name()
            ));
        }
    }))
}

/// A column of a piece of an Arrow table, [unpacked].
pub(crate) struct InputColumn {
    array: ArrayRef,
    is_uuid: bool,
}

impl InputColumn {
    pub(crate) fn new(array: ArrayRef, field: &Field) -> Self {
        Self { array, is_uuid: is_uuid(field) }
    }

    /// Writes the text of what row `i` has, where it is not given as something else; `room` was empty.
    pub(crate) fn write(&self, i: usize, room: &mut String) -> Result<(), String> {
        if self.array.is_null(i) {
            return Ok(());
        }
        match self.array.data_type() {
            other if is_text(other) => write_text(&self.array, i, room),
            other if other.is_nested() => write_json(&self.array, i, 0, room),
            _ => Ok(()),
        }
    }

    /// What row `i` has, of which `text` was [written](Self::write).
    pub(crate) fn field<'a>(&'a self, i: usize, text: &'a str) -> FieldInput<'a> {
        let array = &self.array;
        if array.is_null(i) {
            return FieldInput::Null;
        }
        match array.data_type() {
            DataType::Boolean => FieldInput::Bool(array.as_boolean().value(i)),
            DataType::Int8 => FieldInput::Int(array.as_primitive::<Int8Type>().value(i).into()),
            DataType::Int16 => FieldInput::Int(array.as_primitive::<Int16Type>().value(i).into()),
            DataType::Int32 => FieldInput::Int(array.as_primitive::<Int32Type>().value(i).into()),
            DataType::Int64 => FieldInput::Int(array.as_primitive::<Int64Type>().value(i)),
            DataType::UInt8 => FieldInput::UInt(array.as_primitive::<UInt8Type>().value(i).into()),
            DataType::UInt16 => FieldInput::UInt(array.as_primitive::<UInt16Type>().value(i).into()),
            DataType::UInt32 => FieldInput::UInt(array.as_primitive::<UInt32Type>().value(i).into()),
            DataType::UInt64 => FieldInput::UInt(array.as_primitive::<UInt64Type>().value(i)),
            DataType::Float16 => FieldInput::Float32(array.as_primitive::<Float16Type>().value(i).into()),
            DataType::Float32 => FieldInput::Float32(array.as_primitive::<Float32Type>().value(i)),
            DataType::Float64 => FieldInput::Float64(array.as_primitive::<Float64Type>().value(i)),
            DataType::Utf8 => FieldInput::Text(array.as_string::<i32>().value(i)),
            DataType::LargeUtf8 => FieldInput::Text(array.as_string::<i64>().value(i)),
            DataType::Utf8View => FieldInput::Text(array.as_string_view().value(i)),
            DataType::Binary => FieldInput::Bytes(array.as_binary::<i32>().value(i)),
            DataType::LargeBinary => FieldInput::Bytes(array.as_binary::<i64>().value(i)),
            DataType::BinaryView => FieldInput::Bytes(array.as_binary_view().value(i)),
            DataType::FixedSizeBinary(_) => match array.as_fixed_size_binary().value(i) {
                bytes if self.is_uuid => {
                    FieldInput::Uuid(u128::from_be_bytes(bytes.try_into().unwrap_or_default()))
                }
                bytes => FieldInput::Bytes(bytes),
            },
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => FieldInput::Text(text),
            other if is_text(other) => FieldInput::Number(text),
            other if other.is_nested() => FieldInput::Json(text),
            _ => FieldInput::Null,
        }
    }
}

/// Of a dictionary the entries as they are: its columns are read as if every row had its own.
pub(crate) fn unpacked(array: &ArrayRef) -> Result<ArrayRef, arrow_schema::ArrowError> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Ok(arrow_array::new_null_array(dictionary.values().data_type(), array.len()));
            }
            let entries = dictionary.normalized_keys();
            let numbers: arrow_array::UInt64Array =
                (0..array.len()).map(|i| dictionary.keys().is_valid(i).then(|| entries[i] as u64)).collect();
            arrow_select::take::take(dictionary.values(), &numbers, None)
        }
        _ => Ok(array.clone()),
    }
}

/// Whether a value of it is given as the text of it.
fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

fn write_text(array: &ArrayRef, i: usize, out: &mut String) -> Result<(), String> {
    let time = |time: Option<String>| time.ok_or_else(|| format!("row {i} has a time that has no name"));
    match array.data_type() {
        DataType::Decimal32(precision, scale) => {
            let number = array.as_primitive::<Decimal32Type>().value(i);
            out.push_str(&Decimal32Type::format_decimal(number, *precision, *scale));
        }
        DataType::Decimal64(precision, scale) => {
            let number = array.as_primitive::<Decimal64Type>().value(i);
            out.push_str(&Decimal64Type::format_decimal(number, *precision, *scale));
        }
        DataType::Decimal128(precision, scale) => {
            let number = array.as_primitive::<Decimal128Type>().value(i);
            out.push_str(&Decimal128Type::format_decimal(number, *precision, *scale));
        }
        DataType::Decimal256(precision, scale) => {
            let number = array.as_primitive::<Decimal256Type>().value(i);
            out.push_str(&Decimal256Type::format_decimal(number, *precision, *scale));
        }
        DataType::Date32 => {
            let day = date32_to_datetime(array.as_primitive::<Date32Type>().value(i));
            out.push_str(&time(day.map(|day| day.format("%Y-%m-%d").to_string()))?);
        }
        DataType::Date64 => {
            let day = date64_to_datetime(array.as_primitive::<Date64Type>().value(i));
            out.push_str(&time(day.map(|day| day.format("%Y-%m-%d").to_string()))?);
        }
        // A zone says how a time is shown; the time itself is in UTC.
        DataType::Timestamp(unit, zone) => {
            let (found, form) = match unit {
                TimeUnit::Second => (
                    timestamp_s_to_datetime(array.as_primitive::<TimestampSecondType>().value(i)),
                    "%Y-%m-%dT%H:%M:%S",
                ),
                TimeUnit::Millisecond => (
                    timestamp_ms_to_datetime(array.as_primitive::<TimestampMillisecondType>().value(i)),
                    "%Y-%m-%dT%H:%M:%S%.3f",
                ),
                TimeUnit::Microsecond => (
                    timestamp_us_to_datetime(array.as_primitive::<TimestampMicrosecondType>().value(i)),
                    "%Y-%m-%dT%H:%M:%S%.6f",
                ),
                TimeUnit::Nanosecond => (
                    timestamp_ns_to_datetime(array.as_primitive::<TimestampNanosecondType>().value(i)),
                    "%Y-%m-%dT%H:%M:%S%.9f",
                ),
            };
            out.push_str(&time(found.map(|found| found.format(form).to_string()))?);
            if zone.is_some() {
                out.push('Z');
            }
        }
        other => return Err(format!("a value of Arrow's type {other} has no text")),
    }
    Ok(())
}

/// Writes a value as JSON: what lies in a list or a struct.
fn write_json(array: &ArrayRef, i: usize, depth: usize, out: &mut String) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("row {i} has lists or structs more than {DEPTH_MAX} deep"));
    }
    if array.is_null(i) {
        out.push_str("null");
        return Ok(());
    }
    let list = |values: ArrayRef, out: &mut String| {
        out.push('[');
        for at in 0..values.len() {
            if at > 0 {
                out.push(',');
            }
            write_json(&values, at, depth + 1, out)?;
        }
        out.push(']');
        Ok::<(), String>(())
    };
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>().value(i), out)?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(i), out)?,
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(i), out)?,
        DataType::Map(..) => {
            let entries = array.as_map().value(i);
            let (keys, values) = (entries.column(0), entries.column(1));
            out.push('{');
            for at in 0..entries.len() {
                if at > 0 {
                    out.push(',');
                }
                let mut name = String::new();
                write_json(keys, at, depth + 1, &mut name)?;
                if name.starts_with('"') {
                    out.push_str(&name)
                } else {
                    write_string(&name, out)
                }
                out.push(':');
                write_json(values, at, depth + 1, out)?;
            }
            out.push('}');
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            out.push('{');
            for (at, field) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(field.name(), out);
                out.push(':');
                write_json(columns.column(at), i, depth + 1, out)?;
            }
            out.push('}');
        }
        DataType::Dictionary(..) => {
            // Of this row alone: the numbers of all are gone through otherwise.
            let row = array.slice(i, 1);
            let dictionary = row.as_any_dictionary();
            write_json(dictionary.values(), dictionary.normalized_keys()[0], depth + 1, out)?;
        }
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            out.push('"');
            write_text(array, i, out)?;
            out.push('"');
        }
        other if is_text(other) => write_text(array, i, out)?,
        _ => {
            let column = InputColumn { array: array.clone(), is_uuid: false };
            let written = match column.field(i, "") {
                FieldInput::Bool(value) => write!(out, "{value}"),
                FieldInput::Int(number) => write!(out, "{number}"),
                FieldInput::UInt(number) => write!(out, "{number}"),
                // With an exponent where it is short so.
                FieldInput::Float32(number) if number.is_finite() => write!(out, "{number:?}"),
                FieldInput::Float64(number) if number.is_finite() => write!(out, "{number:?}"),
                FieldInput::Float32(_) | FieldInput::Float64(_) | FieldInput::Null => write!(out, "null"),
                FieldInput::Text(text) => {
                    write_string(text, out);
                    Ok(())
                }
                _ => {
                    return Err(format!(
                        "row {i} has a value of Arrow's type {} in a list or struct",
                        array.data_type()
                    ));
                }
            };
            written.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            char if u32::from(char) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
}
