//! Objects of Python as fields of a row.

use graven_format::{ColumnType, FieldInput};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::keys::uuid_class;

static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DATE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A field, with what has to be kept while it is added.
pub(crate) enum PythonField<'py> {
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(Bound<'py, PyString>),
    Bytes(Bound<'py, PyBytes>),
    /// The text of a time or a day.
    Time(String),
    Number(String),
    Uuid(u128),
    Json(String),
}

/// The type of a column whose first value is this object, where the object says it better than the texts of all do.
pub(crate) fn said_type(value: &Bound<'_, PyAny>) -> PyResult<Option<ColumnType>> {
    let py = value.py();
    Ok(if value.is_instance(DATETIME.import(py, "datetime", "datetime")?)? {
        Some(ColumnType::Timestamp)
    } else if value.is_instance(DATE.import(py, "datetime", "date")?)? {
        Some(ColumnType::Date)
    } else if value.is_instance(uuid_class(py)?)? {
        Some(ColumnType::Uuid)
    } else if value.is_instance(DECIMAL.import(py, "decimal", "Decimal")?)? {
        Some(ColumnType::Decimal)
    } else {
        None
    })
}

impl<'py> PythonField<'py> {
    pub(crate) fn of(value: Option<Bound<'py, PyAny>>) -> PyResult<Self> {
        let Some(value) = value else { return Ok(Self::Missing) };
        let py = value.py();
        if value.is_none() {
            return Ok(Self::Null);
        }
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self::Text(text.clone()));
        }
        if let Ok(value) = value.cast::<PyBool>() {
            return Ok(Self::Bool(value.is_true()));
        }
        if let Ok(number) = value.cast::<PyInt>() {
            return Self::whole(number);
        }
        if let Ok(number) = value.cast::<PyFloat>() {
            return Ok(Self::Float(number.value()));
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if value.is_instance(DATETIME.import(py, "datetime", "datetime")?)? {
            return datetime_text(&value).map(Self::Time);
        }
        if value.is_instance(DATE.import(py, "datetime", "date")?)? {
            return value.call_method0("isoformat")?.extract().map(Self::Time);
        }
        if value.is_instance(uuid_class(py)?)? {
            return value.getattr("int")?.extract().map(Self::Uuid);
        }
        if value.is_instance(DECIMAL.import(py, "decimal", "Decimal")?)? {
            return Ok(Self::Number(value.str()?.to_str()?.to_owned()));
        }
        if value.is_instance_of::<PyList>()
            || value.is_instance_of::<PyTuple>()
            || value.is_instance_of::<PyDict>()
        {
            let dumps = DUMPS.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
                // Compact, and an error for what JSON has no word for.
                let settings = PyDict::new(py);
                settings.set_item("separators", (",", ":"))?;
                settings.set_item("ensure_ascii", false)?;
                settings.set_item("allow_nan", false)?;
                let partial = py.import("functools")?.getattr("partial")?;
                Ok(partial.call((py.import("json")?.getattr("dumps")?,), Some(&settings))?.unbind())
            })?;
            return dumps.bind(py).call1((value,))?.extract().map(Self::Json);
        }
        // A scalar of numpy says what it is in Python.
        if let Some(item) = value.getattr_opt("item")?
            && let Ok(item) = item.call0()
            && !item.get_type().is(value.get_type())
        {
            return Self::of(Some(item));
        }
        Err(PyTypeError::new_err(format!(
            "a field has the type {}, which no column holds",
            value.get_type().name()?
        )))
    }

    fn whole(number: &Bound<'py, PyInt>) -> PyResult<Self> {
        if let Ok(number) = number.extract::<i64>() {
            return Ok(Self::Int(number));
        }
        if let Ok(number) = number.extract::<u64>() {
            return Ok(Self::UInt(number));
        }
        Ok(Self::Number(number.str()?.to_str()?.to_owned()))
    }

    pub(crate) fn input(&self) -> PyResult<FieldInput<'_>> {
        Ok(match self {
            Self::Missing => FieldInput::Missing,
            Self::Null => FieldInput::Null,
            Self::Bool(value) => FieldInput::Bool(*value),
            Self::Int(number) => FieldInput::Int(*number),
            Self::UInt(number) => FieldInput::UInt(*number),
            Self::Float(number) => FieldInput::Float64(*number),
            Self::Text(text) => FieldInput::Text(text.to_str()?),
            Self::Bytes(bytes) => FieldInput::Bytes(bytes.as_bytes()),
            Self::Time(text) => FieldInput::Text(text),
            Self::Number(text) => FieldInput::Number(text),
            Self::Uuid(number) => FieldInput::Uuid(*number),
            Self::Json(text) => FieldInput::Json(text),
        })
    }
}

/// A time in microseconds, in UTC where it says its zone: all of a column are written alike.
fn datetime_text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let settings = PyDict::new(value.py());
    settings.set_item("timespec", "microseconds")?;
    if value.call_method0("utcoffset")?.is_none() {
        return value.call_method("isoformat", (), Some(&settings))?.extract();
    }
    let utc = value.py().import("datetime")?.getattr("timezone")?.getattr("utc")?;
    let text: String =
        value.call_method1("astimezone", (utc,))?.call_method("isoformat", (), Some(&settings))?.extract()?;
    Ok(text.replace("+00:00", "Z"))
}
