//! Arrow arrays of keys.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::{arrays, arrow_error, unexpected};
use crate::keys::uuid_text;

/// What an extension type of Arrow is called, and that of UUIDs.
const EXTENSION: &str = "ARROW:extension:name";
const UUID_EXTENSION: &str = "arrow.uuid";

/// Bytes of a UUID.
const UUID_BYTES: i32 = 16;

/// Keys that are looked up together: arrays that have their bytes, or texts that were written for them.
pub(crate) struct ArrowKeys {
    arrays: Vec<KeyArray>,
}

enum KeyArray {
    Bytes(ArrayRef),
    /// Which of the bytes is each key's.
    Written(Vec<u8>, Vec<Range<usize>>),
}

/// The keys of an object that has Arrow's PyCapsule interface; `None` of another.
pub(crate) fn keys(object: &Bound<'_, PyAny>) -> PyResult<Option<ArrowKeys>> {
    if object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let Some(mut arrays) = arrays(object)? else { return Ok(None) };
    let py = object.py();
    let is_uuid = is_uuid(arrays.field());
    let (mut keys, mut before) = (ArrowKeys { arrays: Vec::new() }, 0);
    while let Some(array) = arrays.next(py).map_err(|error| arrow_error(&error))? {
        // Of a dictionary an entry may be null as well as its number.
        let nulls = array.logical_nulls();
        if let Some(at) = nulls.and_then(|nulls| (0..array.len()).find(|&i| nulls.is_null(i))) {
            return Err(PyValueError::new_err(format!(
                "key {} is null; leave out keys that are null",
                before + at
            )));
        }
        before += array.len();
        keys.push(array, is_uuid)?;
    }
    Ok(Some(keys))
}

/// One array of keys, or of values that are bytes.
pub(crate) fn key_array(array: ArrayRef, field: &Field) -> PyResult<ArrowKeys> {
    let mut keys = ArrowKeys { arrays: Vec::new() };
    keys.push(array, is_uuid(field))?;
    Ok(keys)
}

pub(crate) fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(UUID_BYTES)
        && field.metadata().get(EXTENSION).is_some_and(|name| name == UUID_EXTENSION)
}

impl ArrowKeys {
    fn push(&mut self, array: ArrayRef, is_uuid: bool) -> PyResult<()> {
        let written = match array.data_type() {
            DataType::FixedSizeBinary(_) if is_uuid => {
                let keys = array.as_fixed_size_binary();
                written(keys.len(), |i, text| {
                    let bytes: [u8; UUID_BYTES as usize] = keys.value(i).try_into().unwrap_or_default();
                    text.extend_from_slice(&uuid_text(u128::from_be_bytes(bytes)));
                })
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View => KeyArray::Bytes(array),
            DataType::Int8 => decimal::<Int8Type>(&array),
            DataType::Int16 => decimal::<Int16Type>(&array),
            DataType::Int32 => decimal::<Int32Type>(&array),
            DataType::Int64 => decimal::<Int64Type>(&array),
            DataType::UInt8 => decimal::<UInt8Type>(&array),
            DataType::UInt16 => decimal::<UInt16Type>(&array),
            DataType::UInt32 => decimal::<UInt32Type>(&array),
            DataType::UInt64 => decimal::<UInt64Type>(&array),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let mut entries = Self { arrays: Vec::new() };
                entries.push(dictionary.values().clone(), false)?;
                if array.is_empty() {
                    return Ok(());
                }
                let (entries, numbers) = (entries.slices(), dictionary.normalized_keys());
                written(array.len(), |i, text| text.extend_from_slice(entries[numbers[i]]))
            }
            other => return Err(unexpected("keys of binary, text, whole numbers or UUIDs", other)),
        };
        self.arrays.push(written);
        Ok(())
    }

    /// The bytes of each key.
    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let count = self.arrays.iter().map(|array| match array {
            KeyArray::Bytes(array) => array.len(),
            KeyArray::Written(_, places) => places.len(),
        });
        let mut slices = Vec::with_capacity(count.sum());
        for array in &self.arrays {
            match array {
                KeyArray::Written(bytes, places) => {
                    slices.extend(places.iter().map(|place| &bytes[place.clone()]));
                }
                KeyArray::Bytes(array) => push_slices(array, &mut slices),
            }
        }
        slices
    }
}

fn push_slices<'a>(array: &'a ArrayRef, slices: &mut Vec<&'a [u8]>) {
    let all = 0..array.len();
    match array.data_type() {
        DataType::Binary => slices.extend(all.map(|i| array.as_binary::<i32>().value(i))),
        DataType::LargeBinary => slices.extend(all.map(|i| array.as_binary::<i64>().value(i))),
        DataType::BinaryView => slices.extend(all.map(|i| array.as_binary_view().value(i))),
        DataType::FixedSizeBinary(_) => slices.extend(all.map(|i| array.as_fixed_size_binary().value(i))),
        DataType::Utf8 => slices.extend(all.map(|i| array.as_string::<i32>().value(i).as_bytes())),
        DataType::LargeUtf8 => slices.extend(all.map(|i| array.as_string::<i64>().value(i).as_bytes())),
        DataType::Utf8View => slices.extend(all.map(|i| array.as_string_view().value(i).as_bytes())),
        other => unreachable!("{other} was written"),
    }
}

fn written(count: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> KeyArray {
    let (mut bytes, mut places) = (Vec::new(), Vec::with_capacity(count));
    for i in 0..count {
        let start = bytes.len();
        write(i, &mut bytes);
        places.push(start..bytes.len());
    }
    KeyArray::Written(bytes, places)
}

fn decimal<T: ArrowPrimitiveType<Native: itoa::Integer>>(array: &ArrayRef) -> KeyArray {
    let numbers = array.as_primitive::<T>();
    let mut digits = itoa::Buffer::new();
    written(numbers.len(), |i, text| text.extend_from_slice(digits.format(numbers.value(i)).as_bytes()))
}
