//! Iterators over a table, which read it piece by piece.

use std::ops::Range;
use std::sync::Arc;

use graven_format::{Error, Store};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString, PyType};

use crate::errors::table_error;
use crate::keys::uuid_class;
use crate::table::{TableFile, key_text};

/// Pairs that are read before they become objects, at least while there are more.
const PAIRS: usize = 256;

/// What an iterator gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Key,
    Value,
    Pair,
}

/// What keys become.
enum KeyType {
    Bytes,
    Text,
    /// A class that takes the text.
    Class(Py<PyAny>),
}

/// An iterator over the keys, the values or the pairs of a table.
#[pyclass(module = "graven")]
pub(crate) struct TableIterator {
    store: Arc<Store>,
    about: Arc<TableFile>,
    item: Item,
    key_type: KeyType,
    /// The next bucket.
    bucket: u64,
    piece: Piece,
    /// The next pair of the piece.
    at: usize,
    /// What stopped the reading of the piece, raised behind its pairs.
    error: Option<Error>,
}

/// Pairs that were read: their bytes, one behind the other, and where each key and value are among them.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

impl Piece {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.pairs.push((start..middle, middle..self.bytes.len()));
    }
}

impl TableIterator {
    pub(crate) fn new(store: Arc<Store>, about: Arc<TableFile>, item: Item) -> Self {
        let (key_type, piece) = (KeyType::Bytes, Piece::default());
        Self { store, about, item, key_type, bucket: 0, piece, at: 0, error: None }
    }

    pub(crate) fn with_key_type(self, class: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(class) = class else { return Ok(self) };
        let py = class.py();
        let key_type = if class.is(PyType::new::<PyBytes>(py)) {
            KeyType::Bytes
        } else if class.is(PyType::new::<PyString>(py)) {
            KeyType::Text
        } else if class.is(PyType::new::<PyInt>(py)) || class.is(uuid_class(py)?) {
            KeyType::Class(class.unbind())
        } else {
            return Err(PyTypeError::new_err(format!(
                "expected as_type to be bytes, str, int or uuid.UUID, found {}",
                class.repr()?
            )));
        };
        Ok(Self { key_type, ..self })
    }

    fn fill(&mut self, py: Python<'_>) {
        let Self { store, item, bucket, piece, error, .. } = self;
        piece.bytes.clear();
        piece.pairs.clear();
        self.at = 0;
        let mut read = || {
            while piece.pairs.len() < PAIRS && *bucket < store.buckets() && error.is_none() {
                let read = match item {
                    Item::Key => store.keys_in(*bucket, |key| piece.push(key, &[])),
                    _ => store.scan(*bucket, |entry| piece.push(entry.key, entry.value)),
                };
                *error = read.err();
                *bucket += 1;
            }
        };
        // A short piece of memory is read faster than the lock is given back and taken.
        if store.is_loaded() { read() } else { py.detach(read) }
    }

    fn key<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match &self.key_type {
            KeyType::Bytes => Ok(PyBytes::new(py, key).into_any()),
            KeyType::Text => Ok(key_text(py, key)?.into_any()),
            KeyType::Class(class) => class.bind(py).call1((key_text(py, key)?,)),
        }
    }

    fn value<'py>(&self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let Some(columns) = &self.about.columns else { return Ok(PyBytes::new(py, value).into_any()) };
        let raise = |error: Error| table_error(py, Some(&self.about.file), &error);
        let row = self.store.row(value).map_err(raise)?;
        Ok(columns.dictionary(py, row)?.map_err(raise)?.into_any())
    }
}

#[pymethods]
impl TableIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.at == self.piece.pairs.len() {
            if let Some(error) = self.error.take() {
                return Err(table_error(py, Some(&self.about.file), &error));
            }
            self.fill(py);
        }
        let Some((key, value)) = self.piece.pairs.get(self.at).cloned() else {
            return match self.error.take() {
                Some(error) => Err(table_error(py, Some(&self.about.file), &error)),
                None => Ok(None),
            };
        };
        self.at += 1;
        let (key, value) = (&self.piece.bytes[key], &self.piece.bytes[value]);
        match self.item {
            Item::Key => self.key(py, key).map(Some),
            Item::Value => self.value(py, value).map(Some),
            Item::Pair => {
                Ok(Some((self.key(py, key)?, self.value(py, value)?).into_pyobject(py)?.into_any()))
            }
        }
    }
}
