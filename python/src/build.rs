//! `graven.build`: tables from pairs of Python and from tables of Arrow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use graven_format::{
    Builder, Built, Codec, CodecChoice, ColumnType, Duplicates, Error, FieldInput, Options, Progress,
    Purpose, RowBuilder, Stage,
};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use crate::arrow::input::{InputColumn, column_type, unpacked};
use crate::arrow::{ArrowKeys, arrays, arrow_error, key_array};
use crate::errors::{Raised, table_error};
use crate::fields::{PythonField, said_type};
use crate::keys::with_key;
use crate::signals::{Interrupted, watch};

/// Pairs that are added before signals are looked for.
const PAIRS_BETWEEN_LOOKS: u64 = 1024;

/// Rows of an Arrow table that are added before signals are looked for.
const ROWS_BETWEEN_LOOKS: usize = 8192;

/// How a table is built, as `graven/_build.py` says it.
#[derive(FromPyObject)]
pub(crate) struct BuildOptions {
    path: PathBuf,
    key: Option<String>,
    value: Option<String>,
    columns: Option<Vec<String>>,
    types: Vec<(String, String)>,
    json: bool,
    duplicates: String,
    codec: String,
    purpose: String,
    memory_bytes: u64,
    threads: usize,
    progress: Option<Py<PyAny>>,
}

/// Pairs, duplicates, bytes of input, bytes of the file.
type BuiltCounts = (u64, u64, u64, u64);

/// What takes the pairs: values as they are, or rows.
enum AnyBuilder {
    Plain(Builder),
    Rows(RowBuilder),
}

struct Build {
    options: BuildOptions,
    progress: Arc<Progress>,
    types: Vec<(String, ColumnType)>,
    format: Options,
}

impl Build {
    fn new(options: BuildOptions) -> PyResult<Self> {
        let choice = |name: &str, known: &[&str], found: &str| {
            PyValueError::new_err(format!(
                "expected {name} to be one of {}, found {found:?}",
                known.join(", ")
            ))
        };
        let duplicates = match options.duplicates.as_str() {
            "last" => Duplicates::Last,
            "first" => Duplicates::First,
            "error" => Duplicates::Error,
            other => return Err(choice("duplicates", &["last", "first", "error"], other)),
        };
        let purpose = match options.purpose.as_str() {
            "ram" => Purpose::Ram,
            "disk" => Purpose::Disk,
            other => return Err(choice("purpose", &["ram", "disk"], other)),
        };
        let codec = match options.codec.as_str() {
            "auto" => CodecChoice::Auto,
            "smallest" => CodecChoice::Smallest,
            "fastest" => CodecChoice::Fastest,
            "raw" => CodecChoice::Fixed(Codec::Raw),
            other => return Err(choice("codec", &["auto", "smallest", "fastest", "raw"], other)),
        };
        let types = options.types.iter().map(|(column, name)| {
            let column_type = name
                .parse::<ColumnType>()
                .map_err(|error| PyValueError::new_err(format!("types, column {column:?}: {error}")))?;
            Ok((column.clone(), column_type))
        });
        let types = types.collect::<PyResult<Vec<_>>>()?;
        let directory = match options.path.parent() {
            Some(directory) if directory != Path::new("") => directory,
            _ => Path::new("."),
        };
        let progress = Arc::new(Progress::default());
        let format = Options {
            codec,
            purpose,
            duplicates,
            memory_bytes: options.memory_bytes,
            temporary_dir: directory.to_owned(),
            threads: options.threads,
            progress: Arc::clone(&progress),
            ..Options::default()
        };
        Ok(Self { options, progress, types, format })
    }

    fn error(&self, py: Python<'_>, error: &Error) -> PyErr {
        table_error(py, Some(&self.options.path), error)
    }

    fn wrong(&self, py: Python<'_>, message: impl Into<String>) -> PyErr {
        Raised::new("BuildError", message).into_err(py)
    }

    fn said(&self, column: &str) -> Option<ColumnType> {
        self.types.iter().find(|(name, _)| name == column).map(|(_, column_type)| *column_type)
    }

    fn tell(&self, py: Python<'_>, stage: &str, done: u64, total: Option<u64>) -> PyResult<()> {
        if let Some(progress) = &self.options.progress {
            progress.call1(py, (stage, done, total))?;
        }
        Ok(())
    }

    fn plain(&self) -> Builder {
        let mut builder = Builder::new(self.format.clone());
        builder.values_are_json(self.options.json);
        builder
    }

    fn rows(&self, key: &str) -> RowBuilder {
        RowBuilder::new(key, self.format.clone())
    }

    /// Carves what was added, on threads, while signals are looked for.
    fn carve(&self, py: Python<'_>, builder: AnyBuilder) -> PyResult<BuiltCounts> {
        let (progress, path) = (Arc::clone(&self.progress), self.options.path.clone());
        let built = watch(
            py,
            |py| {
                let (stage, done, total) = progress.now();
                let stage = match stage {
                    Stage::Read => "read",
                    Stage::Partition => "partition",
                    _ => "carve",
                };
                self.tell(py, stage, done, (total > 0).then_some(total))
            },
            || self.progress.stop(),
            Interrupted::Joined,
            move || match builder {
                AnyBuilder::Plain(builder) => builder.write(&path),
                AnyBuilder::Rows(builder) => builder.write(&path),
            },
        )?;
        let Built { pairs, duplicates, input_bytes, carved_bytes } =
            built.map_err(|error| self.error(py, &error))?;
        Ok((pairs, duplicates, input_bytes, carved_bytes))
    }
}

/// Builds a table of pairs of keys and values; values that are mappings become rows.
#[pyfunction]
pub(crate) fn build_pairs(
    py: Python<'_>,
    pairs: &Bound<'_, PyAny>,
    options: BuildOptions,
) -> PyResult<BuiltCounts> {
    let build = Build::new(options)?;
    let mut builder: Option<AnyBuilder> = None;
    let mut columns = PythonColumns::default();
    for (count, pair) in (1_u64..).zip(pairs.try_iter()?) {
        let pair = pair?;
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract().map_err(|_| {
            build.wrong(py, format!("pair {count}: expected a key and a value, found {}", kind(&pair)))
        })?;
        let builder = match &mut builder {
            Some(builder) => builder,
            none => none.insert(if is_mapping(&value) {
                let mut rows = build.rows(build.options.key.as_deref().unwrap_or("key"));
                columns.begin(&build, &mut rows, &value).map_err(|error| at_pair(py, count, error))?;
                AnyBuilder::Rows(rows)
            } else {
                AnyBuilder::Plain(build.plain())
            }),
        };
        let added = with_key(&key, |key| match builder {
            AnyBuilder::Plain(plain) => {
                with_value(&value, |value| plain.add(key, value).map_err(|error| build.error(py, &error)))
            }
            AnyBuilder::Rows(rows) => columns.add(&build, rows, key, &value),
        });
        added.map_err(|error| at_pair(py, count, error))?;
        if count % PAIRS_BETWEEN_LOOKS == 0 {
            py.check_signals()?;
            build.tell(py, "read", count, None)?;
        }
    }
    let builder = match builder {
        Some(builder) => builder,
        None => match &build.options.columns {
            None => AnyBuilder::Plain(build.plain()),
            Some(names) => {
                let mut rows = build.rows(build.options.key.as_deref().unwrap_or("key"));
                for name in names {
                    rows.column(name, build.said(name)).map_err(|error| build.error(py, &error))?;
                }
                AnyBuilder::Rows(rows)
            }
        },
    };
    build.carve(py, builder)
}

/// Says at which pair a type was wrong; other exceptions are left as they are.
fn at_pair(py: Python<'_>, count: u64, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyTypeError>(py) {
        return error;
    }
    let at = PyTypeError::new_err(format!("pair {count}: {}", error.value(py)));
    at.set_cause(py, error.cause(py));
    at
}

fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

fn is_mapping(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyDict>() || value.cast::<PyMapping>().is_ok()
}

/// The bytes of a plain value.
fn with_value<T>(value: &Bound<'_, PyAny>, add: impl FnOnce(&[u8]) -> PyResult<T>) -> PyResult<T> {
    use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return add(bytes.as_bytes());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return add(text.to_str()?.as_bytes());
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        return add(&pyo3::buffer::PyBuffer::<u8>::get(value)?.to_vec(value.py())?);
    }
    Err(PyTypeError::new_err(format!(
        "expected a value of type bytes or str, or a dict of columns in all pairs, found {}",
        kind(value)
    )))
}

/// The columns of rows that come as mappings.
#[derive(Default)]
struct PythonColumns {
    names: Vec<String>,
    /// Whether a name that was not seen before makes a column.
    grows: bool,
}

impl PythonColumns {
    fn begin(&mut self, build: &Build, rows: &mut RowBuilder, first: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = first.py();
        self.grows = build.options.columns.is_none();
        let names = match &build.options.columns {
            Some(names) => names.clone(),
            None => {
                let keys = first.cast::<PyMapping>()?.keys()?;
                keys.iter().map(|name| name.extract()).collect::<PyResult<_>>()?
            }
        };
        for name in names {
            let value = optional_item(first, &name)?;
            self.column(py, build, rows, name, value.as_ref())?;
        }
        Ok(())
    }

    fn column(
        &mut self,
        py: Python<'_>,
        build: &Build,
        rows: &mut RowBuilder,
        name: String,
        first: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let said = match (build.said(&name), first) {
            (Some(said), _) => Some(said),
            (None, Some(first)) => said_type(first)?,
            (None, None) => None,
        };
        rows.column(&name, said).map_err(|error| build.error(py, &error))?;
        self.names.push(name);
        Ok(())
    }

    fn add(
        &mut self,
        build: &Build,
        rows: &mut RowBuilder,
        key: &[u8],
        row: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = row.py();
        if !is_mapping(row) {
            return Err(PyTypeError::new_err(format!(
                "expected a dict of columns, as the first pair has, found {}",
                kind(row)
            )));
        }
        let mut fields = Vec::with_capacity(self.names.len());
        let mut found = 0;
        for name in &self.names {
            let value = optional_item(row, name)?;
            found += usize::from(value.is_some());
            fields.push(PythonField::of(value)?);
        }
        if self.grows && found < row.len()? {
            for name in row.cast::<PyMapping>()?.keys()? {
                let name: String = name.extract()?;
                if !self.names.contains(&name) {
                    let value = optional_item(row, &name)?;
                    self.column(py, build, rows, name, value.as_ref())?;
                    fields.push(PythonField::of(value)?);
                }
            }
        }
        let given = fields.iter().map(PythonField::input).collect::<PyResult<Vec<FieldInput<'_>>>>()?;
        rows.add(key, &given).map_err(|error| build.error(py, &error))
    }
}

fn optional_item<'py>(row: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(dictionary) = row.cast::<PyDict>() {
        return dictionary.get_item(name);
    }
    match row.get_item(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyKeyError>(row.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Builds a table of an Arrow table or stream; `None` where the object gives none.
#[pyfunction]
pub(crate) fn build_arrow(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    options: BuildOptions,
) -> PyResult<Option<BuiltCounts>> {
    let build = Build::new(options)?;
    let Some(mut arrays) = arrays(source)? else { return Ok(None) };
    let DataType::Struct(fields) = arrays.field().data_type().clone() else {
        return Err(build.wrong(
            py,
            format!("expected a table of Arrow, found an array of {}", arrays.field().data_type()),
        ));
    };
    let place = |name: &str| {
        fields.iter().position(|field| field.name() == name).ok_or_else(|| {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            build.wrong(py, format!("there is no column {name:?}; there are {}", names.join(", ")))
        })
    };
    let key = match &build.options.key {
        Some(name) => place(name)?,
        None if fields.is_empty() => {
            return Err(build.wrong(py, "expected a column of keys, found no column"));
        }
        None => 0,
    };
    let value = build.options.value.as_deref().map(place).transpose()?;
    let columns: Vec<usize> = match (&build.options.columns, value) {
        (_, Some(_)) => Vec::new(),
        (Some(names), None) => names.iter().map(|name| place(name)).collect::<PyResult<_>>()?,
        (None, None) => (0..fields.len()).filter(|&column| column != key).collect(),
    };
    let mut builder = match value {
        Some(_) => AnyBuilder::Plain(build.plain()),
        None => {
            let mut rows = build.rows(fields[key].name());
            for &column in &columns {
                let field = &fields[column];
                let typed = column_type(field).map_err(|message| build.wrong(py, message))?;
                rows.column(field.name(), build.said(field.name()).or(typed))
                    .map_err(|error| build.error(py, &error))?;
            }
            AnyBuilder::Rows(rows)
        }
    };
    let mut count = 0;
    while let Some(piece) = arrays.next(py).map_err(|error| build.wrong(py, error.to_string()))? {
        let piece = piece.as_struct();
        let column = |place: usize| -> PyResult<_> {
            unpacked(piece.column(place)).map_err(|error| arrow_error(&error))
        };
        let nullable = |place: usize, what: &str| -> PyResult<_> {
            let array = column(place)?;
            let null =
                (array.null_count() > 0).then(|| (0..array.len()).find(|&i| array.is_null(i))).flatten();
            match null {
                Some(at) => Err(build.wrong(py, format!("row {}: the {what} is null", count + at))),
                None => key_array(array, &fields[place]),
            }
        };
        let keys: ArrowKeys = nullable(key, "key")?;
        let values = value.map(|value| nullable(value, "value")).transpose()?;
        let inputs = columns.iter().map(|&place| Ok(InputColumn::new(column(place)?, &fields[place])));
        let inputs = inputs.collect::<PyResult<Vec<_>>>()?;
        let (keys, values) = (keys.slices(), values.as_ref().map(ArrowKeys::slices));
        for start in (0..piece.len()).step_by(ROWS_BETWEEN_LOOKS) {
            let rows = start..piece.len().min(start + ROWS_BETWEEN_LOOKS);
            let added = py.detach(|| match (&mut builder, &values) {
                (AnyBuilder::Plain(plain), Some(values)) => {
                    rows.clone().try_for_each(|i| Ok(plain.add(keys[i], values[i])?))
                }
                (AnyBuilder::Rows(builder), _) => add_rows(builder, &keys, &inputs, rows.clone()),
                (AnyBuilder::Plain(_), None) => Ok(()),
            });
            added.map_err(|problem| match problem {
                InputProblem::Table(error) => build.error(py, &error),
                InputProblem::Value(message) => build.wrong(py, message),
            })?;
            py.check_signals()?;
            build.tell(py, "read", (count + rows.end) as u64, None)?;
        }
        count += piece.len();
    }
    build.carve(py, builder).map(Some)
}

enum InputProblem {
    Table(Error),
    Value(String),
}

impl From<Error> for InputProblem {
    fn from(error: Error) -> Self {
        Self::Table(error)
    }
}

fn add_rows(
    builder: &mut RowBuilder,
    keys: &[&[u8]],
    columns: &[InputColumn],
    rows: std::ops::Range<usize>,
) -> Result<(), InputProblem> {
    let mut texts = vec![String::new(); columns.len()];
    for i in rows {
        for (column, text) in columns.iter().zip(&mut texts) {
            text.clear();
            column.write(i, text).map_err(InputProblem::Value)?;
        }
        let fields: Vec<FieldInput<'_>> =
            columns.iter().zip(&texts).map(|(column, text)| column.field(i, text)).collect();
        builder.add(keys[i], &fields)?;
    }
    Ok(())
}
