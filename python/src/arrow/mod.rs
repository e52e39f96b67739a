//! Arrow's PyCapsule interface: keys and rows that come in, values that go out. Neither pyarrow nor another library of Arrow is
//! needed.
#![allow(unsafe_code)]

pub(crate) mod input;
mod keys;
mod rows;
mod values;

use std::ffi::CStr;
use std::path::Path;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array, ArrayReader, ArrayRef, make_array};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, Field};
use graven_format::Error;
use pyo3::exceptions::{PyImportError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::errors::table_error;
pub(crate) use keys::{ArrowKeys, key_array, keys};
pub(crate) use rows::rows;
pub(crate) use values::values;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// Why values did not become an array.
pub(crate) enum ArrowProblem {
    Table(Error),
    Arrow(ArrowError),
    /// More bytes of values than an array of `binary` has offsets for.
    TooLarge,
}

impl ArrowProblem {
    pub(crate) fn raise(&self, py: Python<'_>, path: &Path) -> PyErr {
        match self {
            Self::Table(error) => table_error(py, Some(path), error),
            Self::Arrow(error) => arrow_error(error),
            Self::TooLarge => PyOverflowError::new_err(
                "the values have more than 2 GiB, the most of an Arrow array; ask for fewer keys",
            ),
        }
    }
}

impl From<Error> for ArrowProblem {
    fn from(error: Error) -> Self {
        Self::Table(error)
    }
}

impl From<ArrowError> for ArrowProblem {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

pub(crate) fn arrow_error(error: &ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Arrays that an object gives, with what it says of them; they are read as they are needed.
pub(crate) enum Arrays {
    One(Field, Option<ArrayData>),
    Many(ArrayStreamReader),
}

impl Arrays {
    pub(crate) fn field(&self) -> &Field {
        match self {
            Self::One(field, _) => field,
            Self::Many(reader) => reader.field(),
        }
    }

    /// The next array, checked: offsets that rise and stay inside, text that is UTF-8, numbers that a dictionary has. Arrow
    /// believes all that of what it imports, and reads it unchecked.
    ///
    /// The interpreter's lock is not held meanwhile: other threads of Python may be what makes the arrays of a stream.
    pub(crate) fn next(&mut self, py: Python<'_>) -> Result<Option<ArrayRef>, ArrowError> {
        match self {
            Self::One(_, data) => {
                let Some(data) = data.take() else { return Ok(None) };
                py.detach(|| data.validate_full())?;
                Ok(Some(make_array(data)))
            }
            Self::Many(reader) => {
                let Some(array) = py.detach(|| reader.next()).transpose()? else { return Ok(None) };
                py.detach(|| array.to_data().validate_full())?;
                Ok(Some(array))
            }
        }
    }
}

/// The arrays of an object that has the PyCapsule interface; `None` of another, and where it asks for a library that is not
/// there.
pub(crate) fn arrays(object: &Bound<'_, PyAny>) -> PyResult<Option<Arrays>> {
    let py = object.py();
    let called = |method: &Bound<'_, PyAny>| match method.call0() {
        Err(error) if error.is_instance_of::<PyImportError>(py) => Ok(None),
        called => called.map(|called| Some(called.unbind())),
    };
    if let Some(method) = object.getattr_opt("__arrow_c_array__")? {
        let Some(pair) = called(&method)? else { return Ok(None) };
        let pair = pair.bind(py).cast::<PyTuple>()?.clone();
        let (schema, array) = (pair.get_item(0)?, pair.get_item(1)?);
        let (schema, array) = (schema.cast::<PyCapsule>()?, array.cast::<PyCapsule>()?);
        let schema = schema.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
        let array = array.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
        // SAFETY: capsules of these names have these structures, which are moved out of them and marked as released. That their
        // buffers are there and as long as lengths and last offsets say is a matter of trust, as the interface has it; what the
        // buffers contain is not: `Arrays::next` checks it.
        let (field, data) = unsafe {
            let schema = FFI_ArrowSchema::from_raw(schema.as_ptr());
            let field = Field::try_from(&schema).map_err(|error| arrow_error(&error))?;
            (field, from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), &schema))
        };
        return Ok(Some(Arrays::One(field, Some(data.map_err(|error| arrow_error(&error))?))));
    }
    if let Some(method) = object.getattr_opt("__arrow_c_stream__")? {
        let Some(capsule) = called(&method)? else { return Ok(None) };
        let capsule = capsule.bind(py).cast::<PyCapsule>()?.clone();
        let stream = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
        // SAFETY: a capsule of this name has this structure, which is moved out of it and marked as released. Of its arrays the
        // same is a matter of trust as above.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
        // It may have to begin its work to know its schema.
        let reader = py.detach(|| ArrayStreamReader::try_new(stream));
        return Ok(Some(Arrays::Many(reader.map_err(|error| arrow_error(&error))?)));
    }
    Ok(None)
}

/// An array in the form of Arrow, to be taken through the PyCapsule interface: ``pyarrow.array(data)``,
/// ``pyarrow.record_batch(data)`` for rows, ``polars.Series(data)``, ``polars.DataFrame(data)``.
#[pyclass(frozen, module = "graven")]
pub(crate) struct ArrowData {
    array: ArrayRef,
    field: Field,
    missing: usize,
}

impl ArrowData {
    pub(crate) fn new(array: ArrayRef, name: &str, missing: usize) -> Self {
        let field = Field::new(name, array.data_type().clone(), array.null_count() > 0 || missing > 0);
        Self { array, field, missing }
    }
}

#[pymethods]
impl ArrowData {
    fn __len__(&self) -> usize {
        self.array.len()
    }

    fn __repr__(&self) -> String {
        let Self { array, missing, .. } = self;
        format!("<graven.ArrowData {}, {} keys, {missing} of them missing>", array.data_type(), array.len())
    }

    /// How many of the keys the table does not hold.
    #[getter]
    fn null_count(&self) -> usize {
        self.missing
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(&self.field).map_err(|error| arrow_error(&error))?;
        PyCapsule::new_with_value(py, schema, SCHEMA)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // As the interface has it, what is wished for is no more than that.
        drop(requested_schema);
        let array = FFI_ArrowArray::new(&self.array.to_data());
        Ok((self.__arrow_c_schema__(py)?, PyCapsule::new_with_value(py, array, ARRAY)?))
    }
}

/// That arrays of a type are not understood here.
pub(crate) fn unexpected(what: &str, found: &arrow_schema::DataType) -> PyErr {
    PyTypeError::new_err(format!("expected {what}, found an Arrow array of {found}"))
}
