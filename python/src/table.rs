//! `graven.Table`: an open table, asked as a mapping.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use graven_format::{Batch, Change, Error, Found, KeyKind, Storage, Store};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMemoryView, PyString, PyTuple};

use crate::arrow::{self, ArrowData};
use crate::errors::table_error;
use crate::iterate::{Item, TableIterator};
use crate::keys::{HeldKeys, with_key};
use crate::roots::{self, Opened};
use crate::row::{Columns, schema_dictionary};
use crate::signals::{Counted, Interrupted, watch};
use crate::view::TableBytes;

/// Keys that are looked up before their values become objects.
pub(crate) const CHUNK_KEYS: usize = 4096;

/// Bytes of decoded values that a chunk ends behind.
pub(crate) const CHUNK_BYTES: usize = 32 << 20;

/// Room above this many bytes is given back by the thread that used it.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static BATCH: Cell<Option<Batch>> = const { Cell::new(None) };
}

fn with_room<T>(ask: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut room = ROOM.take();
    let answer = ask(&mut room);
    if room.capacity() <= KEPT_BYTES {
        ROOM.set(room);
    }
    answer
}

pub(crate) fn with_batch<T>(ask: impl FnOnce(&mut Batch) -> T) -> T {
    let mut batch = BATCH.take().unwrap_or_else(|| Batch::bounded(CHUNK_BYTES));
    let answer = ask(&mut batch);
    if batch.bytes().len() <= KEPT_BYTES {
        BATCH.set(Some(batch));
    }
    answer
}

/// What does not change while a table is open.
pub(crate) struct TableFile {
    /// What was opened: a file, or a table of a root.
    pub(crate) path: PathBuf,
    /// The file that is open.
    pub(crate) file: PathBuf,
    pub(crate) version: String,
    pub(crate) is_in_root: bool,
    pub(crate) storage: Storage,
    pub(crate) columns: Option<Columns>,
}

/// An open table: a read-only mapping of keys to values.
///
/// Values are ``bytes``; in a table with columns they are dictionaries. A key may be given as ``bytes``, as ``str`` (its
/// UTF-8), as ``uuid.UUID`` (its canonical text) or as ``int`` (its decimal digits).
///
/// A table may be used by many threads, and after a fork. Lookups of many keys release the interpreter's lock.
///
/// >>> table = graven.open(colours)
/// >>> table[b"sky"]
/// b'blue'
/// >>> table.get("sea", b"unknown")
/// b'unknown'
/// >>> "grass" in table, len(table)
/// (True, 2)
#[pyclass(frozen, module = "graven", weakref, mapping)]
pub(crate) struct Table {
    store: RwLock<Option<Arc<Store>>>,
    pub(crate) about: Arc<TableFile>,
}

fn is_closed() -> PyErr {
    PyValueError::new_err("the table is closed")
}

impl Table {
    pub(crate) fn new(py: Python<'_>, store: Store, opened: Opened, storage: Storage) -> PyResult<Self> {
        let Opened { path, file, version } = opened;
        let columns = match store.schema() {
            Some(schema) => {
                Some(Columns::all(py, schema).map_err(|error| table_error(py, Some(&file), &error))?)
            }
            None => None,
        };
        let is_in_root = version.is_some();
        let version = version.unwrap_or_else(|| format!("{:016x}", store.identity()));
        let about = Arc::new(TableFile { path, file, version, is_in_root, storage, columns });
        Ok(Self { store: RwLock::new(Some(Arc::new(store))), about })
    }

    pub(crate) fn store(&self) -> PyResult<Arc<Store>> {
        match self.store.read() {
            Ok(store) => store.as_ref().map(Arc::clone).ok_or_else(is_closed),
            Err(_) => Err(is_closed()),
        }
    }

    #[cold]
    pub(crate) fn error(&self, py: Python<'_>, error: &Error) -> PyErr {
        table_error(py, Some(&self.about.file), error)
    }

    /// The columns of these names; all where none are named. No columns where values have none.
    fn columns(
        &self,
        py: Python<'_>,
        store: &Store,
        names: Option<Vec<String>>,
    ) -> PyResult<Option<Columns>> {
        let Some(names) = names else { return Ok(None) };
        let Some(schema) = store.schema() else {
            return Err(PyTypeError::new_err("the values of this table have no columns"));
        };
        Columns::some(py, schema, &names).map(Some).map_err(|error| self.error(py, &error))
    }

    /// The value of one key. Nothing of Python that could wait is run while the store is held: whoever wants to close the table
    /// may be what it waits for.
    #[inline]
    fn find<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        columns: Option<&Columns>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(columns) = columns else {
            let found = with_key(key, |key| {
                let store = self.store.read();
                let Some(store) = store.as_ref().ok().and_then(|store| store.as_deref()) else {
                    return Err(is_closed());
                };
                Ok(with_room(|room| {
                    let found = store.find(key, room)?;
                    Ok(found.value(room, store).map(|value| PyBytes::new(py, value).into_any()))
                }))
            });
            return found?.map_err(|error| self.error(py, &error));
        };
        let store = self.store()?;
        with_key(key, |key| {
            with_room(|room| {
                let found = store.find(key, room).map_err(|error| self.error(py, &error))?;
                let Some(value) = found.value(room, &store) else { return Ok(None) };
                let row = store.row(value).map_err(|error| self.error(py, &error))?;
                let row = columns.dictionary(py, row)?.map_err(|error| self.error(py, &error))?;
                Ok(Some(row.into_any()))
            })
        })
    }

    /// Looks `keys` up chunk by chunk, without the interpreter's lock, and hands each chunk's batch to `take`.
    fn in_chunks(
        &self,
        py: Python<'_>,
        store: &Store,
        keys: &[&[u8]],
        mut take: impl FnMut(&Batch) -> PyResult<()>,
    ) -> PyResult<()> {
        let mut rest = keys;
        while !rest.is_empty() {
            let chunk = &rest[..rest.len().min(CHUNK_KEYS)];
            let answered = with_batch(|batch| {
                py.detach(|| store.get_many(chunk, batch)).map_err(|error| self.error(py, &error))?;
                take(batch)?;
                PyResult::Ok(batch.len())
            })?;
            rest = &rest[answered..];
        }
        Ok(())
    }
}

#[pymethods]
impl Table {
    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.find(py, key, self.about.columns.as_ref())? {
            Some(value) => Ok(value),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let store = self.store()?;
        with_key(key, |key| store.contains(key).map_err(|error| self.error(py, &error)))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.store()?.len() as usize)
    }

    fn __bool__(&self) -> PyResult<bool> {
        Ok(!self.store()?.is_empty())
    }

    fn __iter__(&self) -> PyResult<TableIterator> {
        Ok(TableIterator::new(self.store()?, Arc::clone(&self.about), Item::Key))
    }

    fn __repr__(&self) -> String {
        let TableFile { path, version, .. } = &*self.about;
        match self.store() {
            Ok(store) => format!("<graven.Table {:?} version {version}, {} pairs>", path, store.len()),
            Err(_) => format!("<graven.Table {path:?}, closed>"),
        }
    }

    /// The value of ``key``, or ``default`` where the table does not hold it. ``columns`` names the columns of a row that
    /// are wanted.
    ///
    /// >>> graven.open(colours).get(b"sky")
    /// b'blue'
    /// >>> graven.open(airports).get("OSL", columns=["city"])
    /// {'city': 'Oslo'}
    #[pyo3(signature = (key, default=None, *, columns=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        columns: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = match columns {
            None => self.find(py, key, self.about.columns.as_ref())?,
            names => {
                let some = self.columns(py, &*self.store()?, names)?;
                self.find(py, key, some.as_ref())?
            }
        };
        Ok(found.or(default).unwrap_or_else(|| py.None().into_bound(py)))
    }

    /// The values of many keys, ``default`` for each that the table does not hold. The keys are a list or any other
    /// iterable, or an array of Arrow, numpy or pandas. The interpreter's lock is released while they are looked up.
    ///
    /// >>> graven.open(colours).get_many([b"grass", b"sea"])
    /// [b'green', None]
    #[pyo3(signature = (keys, default=None, *, columns=None))]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        columns: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let store = self.store()?;
        let some = self.columns(py, &store, columns)?;
        let columns = some.as_ref().or(self.about.columns.as_ref());
        let default = default.unwrap_or_else(|| py.None().into_bound(py));
        let object = |value: Option<&[u8]>| -> PyResult<Bound<'py, PyAny>> {
            match (value, columns) {
                (None, _) => Ok(default.clone()),
                (Some(value), None) => Ok(PyBytes::new(py, value).into_any()),
                (Some(value), Some(columns)) => {
                    let row = store.row(value).map_err(|error| self.error(py, &error))?;
                    let row = columns.dictionary(py, row)?.map_err(|error| self.error(py, &error))?;
                    Ok(row.into_any())
                }
            }
        };
        let ask = |keys: &[&[u8]]| {
            let mut values = Vec::with_capacity(keys.len());
            self.in_chunks(py, &store, keys, |batch| {
                for i in 0..batch.len() {
                    values.push(object(batch.value(i, &store))?);
                }
                Ok(())
            })?;
            PyList::new(py, values)
        };
        match arrow::keys(keys)? {
            Some(keys) => ask(&keys.slices()),
            None => {
                let held = HeldKeys::of(keys)?;
                let objects = held.objects();
                ask(&held.bytes(&objects)?)
            }
        }
    }

    /// The values of many keys as an Arrow array of ``binary``, null for each key that the table does not hold; of a table
    /// with columns as a struct array, one field a column, which pyarrow and polars take as a record batch or a data frame.
    /// What is returned has the Arrow PyCapsule interface. No object is made for a key or a value.
    ///
    /// >>> array = graven.open(colours).get_many_arrow([b"grass", b"sea"])
    /// >>> len(array), array.null_count
    /// (2, 1)
    #[pyo3(signature = (keys, *, columns=None))]
    fn get_many_arrow(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        columns: Option<Vec<String>>,
    ) -> PyResult<ArrowData> {
        let store = self.store()?;
        let some = self.columns(py, &store, columns)?;
        let projection = some.as_ref().or(self.about.columns.as_ref()).map(Columns::projection);
        let ask = |keys: &[&[u8]]| {
            let values = py.detach(|| match projection {
                None => arrow::values(&store, keys),
                Some(projection) => arrow::rows(&store, projection, keys),
            });
            values.map_err(|problem| problem.raise(py, &self.about.file))
        };
        match arrow::keys(keys)? {
            Some(keys) => ask(&keys.slices()),
            None => {
                let held = HeldKeys::of(keys)?;
                let objects = held.objects();
                ask(&held.bytes(&objects)?)
            }
        }
    }

    /// The value of ``key`` as a read-only ``memoryview``; ``KeyError`` where the table does not hold it. A value that lies
    /// in the table's memory as it is is not copied: one that is large, stored raw, in a table that is kept in memory. The
    /// view keeps the table's memory.
    ///
    /// >>> bytes(graven.open(colours).view(b"sky"))
    /// b'blue'
    fn view<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyMemoryView>> {
        let store = self.store()?;
        let mut room = Vec::new();
        let found = with_key(key, |key| store.find(key, &mut room).map_err(|error| self.error(py, &error)))?;
        let bytes: Bound<'py, PyAny> = match found {
            Found::InTable(range) => Bound::new(py, TableBytes::new(store, range))?.into_any(),
            Found::Copied(range) => PyBytes::new(py, &room[range]).into_any(),
            _ => return Err(PyKeyError::new_err(key.clone().unbind())),
        };
        PyMemoryView::from(&bytes)
    }

    /// All keys, as ``bytes``, in the order of the file; ``as_type`` may be ``str``, ``int`` or ``uuid.UUID``. They are
    /// read piece by piece.
    ///
    /// >>> sorted(graven.open(colours).keys(as_type=str))
    /// ['grass', 'sky']
    #[pyo3(signature = (*, as_type=None))]
    fn keys(&self, as_type: Option<Bound<'_, PyAny>>) -> PyResult<TableIterator> {
        TableIterator::new(self.store()?, Arc::clone(&self.about), Item::Key).with_key_type(as_type)
    }

    /// All pairs of keys and values, in the order of the file, read piece by piece.
    ///
    /// >>> sorted(graven.open(colours).items(as_type=str))
    /// [('grass', b'green'), ('sky', b'blue')]
    #[pyo3(signature = (*, as_type=None))]
    fn items(&self, as_type: Option<Bound<'_, PyAny>>) -> PyResult<TableIterator> {
        TableIterator::new(self.store()?, Arc::clone(&self.about), Item::Pair).with_key_type(as_type)
    }

    /// All values, in the order of the file, read piece by piece.
    fn values(&self) -> PyResult<TableIterator> {
        Ok(TableIterator::new(self.store()?, Arc::clone(&self.about), Item::Value))
    }

    /// What the table is made of: pairs, bytes, how keys and values are stored.
    ///
    /// >>> graven.open(colours).info()["pairs"]
    /// 2
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let store = self.store()?;
        let info = store.info();
        let about = PyDict::new(py);
        about.set_item("format_version", info.version)?;
        about.set_item("identity", format!("{:016x}", info.identity))?;
        about.set_item("pairs", info.pairs)?;
        about.set_item("file_bytes", info.file_bytes)?;
        about.set_item("key_kind", info.key_kind.name())?;
        about.set_item("key_prefix", PyBytes::new(py, &info.key_prefix))?;
        about.set_item("key_bytes", info.key_bytes)?;
        about.set_item("value_bytes", info.value_bytes)?;
        about.set_item("stored_value_bytes", info.stored_value_bytes)?;
        about.set_item("value_codec", info.value_codec.name())?;
        about.set_item("long_codec", info.long_codec.map(|codec| codec.name()))?;
        about.set_item("shared_values", info.shared_values)?;
        about.set_item("buckets", info.buckets)?;
        let sections = PyDict::new(py);
        for section in &info.sections {
            sections.set_item(section.name.as_str(), section.bytes)?;
        }
        about.set_item("sections", sections)?;
        Ok(about)
    }

    /// Reads every byte and checks it; raises :class:`graven.DamagedError` at the first damage. ``progress`` is called with
    /// how many bytes are done, and of how many.
    ///
    /// >>> graven.open(colours).verify()
    #[pyo3(signature = (*, progress=None))]
    fn verify(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<()> {
        let store = self.store()?;
        let counted = Arc::new(Counted::default());
        let in_work = Arc::clone(&counted);
        // Reading goes on to its end where it was interrupted: it changes nothing, so nobody waits for that.
        let verified = watch(
            py,
            |py| counted.tell(py, progress.as_ref()),
            || {},
            Interrupted::Left,
            move || {
                store.verify_with(|done, total| {
                    in_work.set(done, total);
                })
            },
        )?;
        verified.map_err(|error| self.error(py, &error))
    }

    /// The table as its root has it now: this one where the same version answers, else that which answers now, opened. A
    /// table of a file is opened anew where the file is another.
    fn latest<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let (py, table) = (slf.py(), slf.get());
        let about = &table.about;
        if !about.is_in_root {
            let changed = table.store()?.changed().map_err(|error| table.error(py, &error))?;
            if matches!(changed, None | Some(Change::Status)) {
                return Ok(slf.clone());
            }
        }
        let opened = roots::find(py, &about.path, None)?;
        if opened.version.as_ref() == Some(&about.version) {
            return Ok(slf.clone());
        }
        Bound::new(py, open_found(py, opened, about.storage)?)
    }

    /// Gives the table's memory back, when nothing uses it any more. A closed table answers nothing.
    fn close(&self, py: Python<'_>) {
        // Without the interpreter's lock: a thread that looks a key up may hold the store and wait for that one.
        py.detach(|| {
            let store = self.store.write().ok().and_then(|mut store| store.take());
            drop(store);
        });
    }

    fn __enter__<'py>(slf: Bound<'py, Self>) -> Bound<'py, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, exception: &Bound<'_, PyTuple>) {
        self.close(exception.py());
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let TableFile { path, version, is_in_root, storage, .. } = &*self.about;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let version = is_in_root.then_some(version.as_str());
        let arguments = (path, storage_name(*storage), version).into_pyobject(py)?;
        Ok((py.import("graven")?.getattr("_reopen")?, arguments))
    }

    /// The file, or the table of a root, that was opened.
    #[getter]
    fn path(&self) -> &Path {
        &self.about.path
    }

    /// The version: its name in a root, else the table's identity, which is the same for the same pairs and options.
    #[getter]
    fn version(&self) -> &str {
        &self.about.version
    }

    /// Where the table is kept: ``"ram"``, ``"mmap"`` or ``"disk"``.
    #[getter]
    fn storage(&self) -> &'static str {
        storage_name(self.about.storage)
    }

    /// The columns of the values, with the names of their types; ``None`` where values have no columns.
    ///
    /// >>> graven.open(airports).schema
    /// {'city': 'text', 'runways': 'int'}
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let store = self.store()?;
        store.schema().map(|schema| schema_dictionary(py, schema)).transpose()
    }

    /// How keys are written: ``"bytes"``, ``"uuid"``, ``"hex"`` or ``"decimal"``.
    #[getter]
    fn key_kind(&self) -> PyResult<&'static str> {
        Ok(KeyKind::name(self.store()?.info().key_kind))
    }

    /// Whether the table is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.store().is_err()
    }
}

const STORAGES: [(&str, Storage); 3] =
    [("ram", Storage::Memory), ("mmap", Storage::Mapped), ("disk", Storage::Disk)];

fn storage_name(storage: Storage) -> &'static str {
    STORAGES.iter().find(|(_, known)| *known == storage).map_or("ram", |(name, _)| name)
}

/// Opens a table: a carved file, or a table of a root (``ROOT/TABLE``), of which the version that answers is opened unless
/// ``version`` names another.
///
/// ``storage`` says where its bytes are while it is open: ``"ram"``, in memory of the process, all checked when it is opened;
/// ``"mmap"``, in the system's page cache, shared with other processes; ``"disk"``, where a lookup reads one piece of the
/// file.
///
/// >>> with graven.open(colours, storage="mmap") as table:
/// ...     table["sky"]
/// b'blue'
#[pyfunction]
#[pyo3(signature = (path, *, storage="ram", version=None))]
pub(crate) fn open(py: Python<'_>, path: PathBuf, storage: &str, version: Option<&str>) -> PyResult<Table> {
    let Some((_, storage)) = STORAGES.iter().find(|(name, _)| *name == storage) else {
        return Err(PyValueError::new_err(format!(
            "expected the storage \"ram\", \"mmap\" or \"disk\", found {storage:?}"
        )));
    };
    open_found(py, roots::find(py, &path, version)?, *storage)
}

pub(crate) fn open_found(py: Python<'_>, opened: Opened, storage: Storage) -> PyResult<Table> {
    let store = py.detach(|| {
        let store = Store::open_as(&opened.file, storage)?;
        store.load()?;
        Ok(store)
    });
    match store {
        Ok(store) => Table::new(py, store, opened, storage),
        Err(error) => Err(table_error(py, Some(&opened.file), &error)),
    }
}

/// A key as the type that was asked for.
pub(crate) fn key_text<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(key) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(error) => Err(pyo3::exceptions::PyUnicodeDecodeError::new_utf8(py, key, error)?.into()),
    }
}
