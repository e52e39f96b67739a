//! Rows as dictionaries: each field as the object that a Python program would have in its place.

use graven_format::{Column, ColumnType, Field, FieldValue, Projection, Row, Schema};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyString};

use crate::keys::uuid_class;

/// Digits behind the point of a second that `datetime.datetime` has.
const DATETIME_DIGITS: u8 = 6;

/// The columns of a table, or some of them.
pub(crate) struct Columns {
    names: Vec<Py<PyString>>,
    projection: Projection,
}

impl Columns {
    /// All columns.
    pub(crate) fn all(py: Python<'_>, schema: &Schema) -> Result<Self, graven_format::Error> {
        let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
        Self::some(py, schema, &names)
    }

    /// The columns of these names.
    pub(crate) fn some<N: AsRef<str>>(
        py: Python<'_>,
        schema: &Schema,
        names: &[N],
    ) -> Result<Self, graven_format::Error> {
        let projection = schema.project(names)?;
        let names = names.iter().map(|name| PyString::intern(py, name.as_ref()).unbind()).collect();
        Ok(Self { names, projection })
    }

    pub(crate) fn projection(&self) -> &Projection {
        &self.projection
    }

    /// The row as a dictionary, without the fields that it was given without.
    pub(crate) fn dictionary<'py>(
        &self,
        py: Python<'py>,
        row: Row<'_>,
    ) -> PyResult<Result<Bound<'py, PyDict>, graven_format::Error>> {
        let dictionary = PyDict::new(py);
        for (name, field) in self.names.iter().zip(self.projection.fields(row)) {
            let value = match field.and_then(|field| Ok((field, field.value()?))) {
                Ok((_, FieldValue::Missing)) => continue,
                Ok((field, value)) => object(py, field, value)?,
                Err(error) => return Ok(Err(error)),
            };
            dictionary.set_item(name, value)?;
        }
        Ok(Ok(dictionary))
    }
}

static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TIME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static DAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn object<'py>(py: Python<'py>, field: Field<'_>, value: FieldValue<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        FieldValue::Bool(value) => pyo3::types::PyBool::new(py, value).to_owned().into_any(),
        FieldValue::Int(value) => PyInt::new(py, value).into_any(),
        FieldValue::UInt(value) => PyInt::new(py, value).into_any(),
        FieldValue::Float32(value) => PyFloat::new(py, value.into()).into_any(),
        FieldValue::Float64(value) => PyFloat::new(py, value).into_any(),
        FieldValue::Text(text) => PyString::new(py, &text).into_any(),
        FieldValue::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
        FieldValue::Decimal(text) => DECIMAL.import(py, "decimal", "Decimal")?.call1((&*text,))?,
        FieldValue::Json(text) => LOADS.import(py, "json", "loads")?.call1((&*text,))?,
        FieldValue::Uuid(number) => {
            let arguments = PyDict::new(py);
            arguments.set_item("int", number)?;
            uuid_class(py)?.call((), Some(&arguments))?
        }
        FieldValue::Timestamp { digits, .. } => {
            text_as(py, field, (digits <= DATETIME_DIGITS).then_some(&TIME), "datetime")?
        }
        FieldValue::Date(_) => text_as(py, field, Some(&DAY), "date")?,
        // A kind of value that this package was not told of has its text at least.
        _ if field.has_value() => text_as(py, field, None, "")?,
        _ => py.None().into_bound(py),
    })
}

/// The text of a field as a time or a day; as text where Python has no such time: of a finer digit than a microsecond, or of a
/// year above 9999.
fn text_as<'py>(
    py: Python<'py>,
    field: Field<'_>,
    parse: Option<&'static PyOnceLock<Py<PyAny>>>,
    class: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let text = PyString::new(py, &field.as_str().unwrap_or_default());
    if let Some(parse) = parse {
        let parse = parse.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
            Ok(py.import("datetime")?.getattr(class)?.getattr("fromisoformat")?.unbind())
        })?;
        if let Ok(parsed) = parse.bind(py).call1((&text,)) {
            return Ok(parsed);
        }
    }
    Ok(text.into_any())
}

/// The columns' names and types.
pub(crate) fn schema_dictionary<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    for column in schema.columns() {
        dictionary.set_item(column.name(), type_name(column.column_type()))?;
    }
    Ok(dictionary)
}

fn type_name(column_type: ColumnType) -> &'static str {
    column_type.name()
}
