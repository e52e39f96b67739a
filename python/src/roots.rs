//! Roots: finding the file of a table, and publishing, listing and switching versions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use graven_catalog::root::{
    Current, Publish, Retention, RootError, SwitchTarget, publish as publish_version, resume as resume_table,
    retain, rollback as roll_back, switch as switch_version,
};
use graven_catalog::{Directory, Root, TableName, VersionName};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::{Raised, root_error};
use crate::signals::{Counted, Interrupted, watch};

/// What stands for the newest version.
const LATEST: &str = "latest";

/// A table that was found, before it is opened.
pub(crate) struct Opened {
    /// What was asked for.
    pub(crate) path: PathBuf,
    /// Its file.
    pub(crate) file: PathBuf,
    /// Its name in the root, where it is in one.
    pub(crate) version: Option<String>,
}

/// A table of a root, as `ROOT/TABLE`.
struct TableOfRoot {
    root: PathBuf,
    table: TableName,
}

impl TableOfRoot {
    fn at(path: &Path) -> PyResult<Self> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let expected = "expected ROOT/TABLE, a directory and the name of a table in it";
        let (Some(root), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(PyValueError::new_err(format!("{expected}, found {}", path.display())));
        };
        let name = name.to_string_lossy();
        let table = name
            .parse()
            .map_err(|error| PyValueError::new_err(format!("{name:?} is no table's name: {error}")))?;
        Ok(Self { root: root.to_owned(), table })
    }

    fn directory(&self, py: Python<'_>) -> PyResult<Directory> {
        Directory::open(&self.root).map_err(|error| root_error(py, &error))
    }
}

fn version_name(text: &str) -> PyResult<VersionName> {
    text.parse().map_err(|error| PyValueError::new_err(format!("{text:?} is no version's name: {error}")))
}

/// The file that a path means: itself, or the version of a table of a root that answers, or the one that is named.
pub(crate) fn find(py: Python<'_>, path: &Path, version: Option<&str>) -> PyResult<Opened> {
    if !path.is_dir() {
        if version.is_some() {
            return Err(PyValueError::new_err(format!(
                "a version was named, and {} is no table of a root",
                path.display()
            )));
        }
        return Ok(Opened { path: path.to_owned(), file: path.to_owned(), version: None });
    }
    let at = TableOfRoot::at(path)?;
    let root = at.directory(py)?;
    let raise = |error: RootError| root_error(py, &error);
    let version = match version {
        Some(version) => version_name(version)?,
        None => match root.current(&at.table).map_err(raise)?.current {
            Some(Ok(current)) => current.version().clone(),
            Some(Err(reason)) => return Err(raise(RootError::Current { table: at.table, reason })),
            None if root.versions(&at.table).map_err(raise)?.is_empty() => {
                return Err(Raised::new("NotATableError", "a directory without versions of a table")
                    .path(Some(path))
                    .advice("name a file, or ROOT/TABLE with a version that graven.publish put there")
                    .into_err(py));
            }
            None => return Err(raise(RootError::NoCurrent { table: at.table })),
        },
    };
    // Says which versions there are where this one is not.
    root.open(&at.table, &version).map_err(raise)?;
    let file = path.join(format!("{version}.graven"));
    Ok(Opened { path: path.to_owned(), file, version: Some(version.to_string()) })
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn time<'py>(py: Python<'py>, time: SystemTime) -> PyResult<Bound<'py, PyAny>> {
    let datetime = py.import("datetime")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    datetime.getattr("datetime")?.call_method1("fromtimestamp", (seconds(time), utc))
}

/// Puts the table of ``file`` into a root as a new version of ``table`` (``ROOT/TABLE``, made where it is not there), and
/// switches to it. The file is copied and verified whole; the gates of the table's ``table.toml`` decide whether it is
/// switched to. Returns the version's name.
///
/// ``keep`` versions are kept; of the others, those go that did not answer within ``keep_grace`` seconds.
///
/// >>> graven.publish(colours, root / "colours", version="monday")
/// 'monday'
/// >>> graven.open(root / "colours").version
/// 'monday'
#[pyfunction]
#[pyo3(signature = (file, table, *, version=None, note="", switch=true, force=false, keep=None, keep_grace=86_400.0, progress=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn publish(
    py: Python<'_>,
    file: PathBuf,
    table: PathBuf,
    version: Option<&str>,
    note: &str,
    switch: bool,
    force: bool,
    keep: Option<usize>,
    keep_grace: f64,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    let at = TableOfRoot::at(&table)?;
    let version = version.map(version_name).transpose()?;
    let grace = Duration::try_from_secs_f64(keep_grace)
        .map_err(|error| PyValueError::new_err(format!("keep_grace: {error}")))?;
    // Nothing is made for a file that is not there or not whole.
    if let Err(source) = graven_format::Store::open(&file) {
        return Err(root_error(py, &RootError::File { path: file, source }));
    }
    let root = Directory::create(&at.root).map_err(|error| root_error(py, &error))?;
    let counted = Arc::new(Counted::default());
    let (in_work, table, note) = (Arc::clone(&counted), at.table.clone(), note.to_owned());
    let published = watch(
        py,
        |py| counted.tell(py, progress.as_ref()),
        || counted.stop(),
        Interrupted::Joined,
        move || {
            let mut progress = |done, total| in_work.set(done, total);
            let options = Publish { version, note, switch, force, progress: &mut progress };
            let published = publish_version(&root, &table, &file, options)?;
            if let Some(Err(error)) = published.switched {
                return Err(error);
            }
            let keep = match keep {
                Some(keep) => Some(keep),
                None => root.settings(&table)?.keep,
            };
            if let Some(keep) = keep {
                // Old versions are kept until the next publish where they cannot be removed: the new one answers.
                let _ = retain(&root, &table, Retention { keep, grace }, SystemTime::now());
            }
            Ok(published.version)
        },
    )?;
    published.map(|version| version.to_string()).map_err(|error| root_error(py, &error))
}

/// The versions of ``table`` (``ROOT/TABLE``), the oldest first: a dictionary each, with ``version``, ``bytes``, ``put`` (a
/// time), ``current`` and ``bad``.
///
/// >>> _ = graven.publish(colours, root / "colours", version="monday")
/// >>> [(v["version"], v["current"]) for v in graven.versions(root / "colours")]
/// [('monday', True)]
#[pyfunction]
pub(crate) fn versions<'py>(py: Python<'py>, table: PathBuf) -> PyResult<Bound<'py, PyList>> {
    let at = TableOfRoot::at(&table)?;
    let root = at.directory(py)?;
    let raise = |error: RootError| root_error(py, &error);
    let state = root.current(&at.table).map_err(raise)?;
    let current = state.known();
    let bad = current.map(Current::bad).unwrap_or_default();
    let list = PyList::empty(py);
    for version in root.versions(&at.table).map_err(raise)? {
        let about = PyDict::new(py);
        about.set_item("version", version.name.as_str())?;
        about.set_item("bytes", version.bytes)?;
        about.set_item("put", time(py, version.put)?)?;
        about.set_item("current", current.is_some_and(|current| *current.version() == version.name))?;
        about.set_item("bad", bad.contains(&version.name))?;
        list.append(about)?;
    }
    Ok(list)
}

/// Makes another version of ``table`` (``ROOT/TABLE``) the one that answers: ``"latest"`` is the one whose name sorts last
/// and that was not rolled back from. It is verified whole before. Returns the version's name.
///
/// >>> _ = graven.publish(colours, root / "colours", version="monday", switch=False)
/// >>> graven.switch(root / "colours", "monday")
/// 'monday'
#[pyfunction]
#[pyo3(signature = (table, version, *, note="", force=false, progress=None))]
pub(crate) fn switch(
    py: Python<'_>,
    table: PathBuf,
    version: &str,
    note: &str,
    force: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    let at = TableOfRoot::at(&table)?;
    let target = match version {
        LATEST => SwitchTarget::Latest,
        version => SwitchTarget::Version(version_name(version)?),
    };
    let root = at.directory(py)?;
    let counted = Arc::new(Counted::default());
    let (in_work, note) = (Arc::clone(&counted), note.to_owned());
    let switched = watch(
        py,
        |py| counted.tell(py, progress.as_ref()),
        || counted.stop(),
        Interrupted::Joined,
        move || {
            let mut progress = |done, total| in_work.set(done, total);
            switch_version(&root, &at.table, &target, &note, force, &mut progress)
        },
    )?;
    answering(py, switched)
}

/// Goes back to the version of ``table`` (``ROOT/TABLE``) that answered before, or to ``to``. The present one is marked bad,
/// and the table is frozen: nothing is switched to until :func:`resume`. Returns the version's name.
///
/// >>> for day in "monday", "tuesday":
/// ...     _ = graven.publish(colours, root / "colours", version=day)
/// >>> graven.rollback(root / "colours", reason="wrong prices")
/// 'monday'
#[pyfunction]
#[pyo3(signature = (table, *, reason="", to=None))]
pub(crate) fn rollback(py: Python<'_>, table: PathBuf, reason: &str, to: Option<&str>) -> PyResult<String> {
    let at = TableOfRoot::at(&table)?;
    let to = to.map(version_name).transpose()?;
    let root = at.directory(py)?;
    answering(py, py.detach(|| roll_back(&root, &at.table, to.as_ref(), reason)))
}

/// Ends the freeze of ``table`` (``ROOT/TABLE``) after a rollback. Returns the name of the version that answers.
#[pyfunction]
#[pyo3(signature = (table, *, note=""))]
pub(crate) fn resume(py: Python<'_>, table: PathBuf, note: &str) -> PyResult<String> {
    let at = TableOfRoot::at(&table)?;
    let root = at.directory(py)?;
    answering(py, py.detach(|| resume_table(&root, &at.table, note)))
}

fn answering(py: Python<'_>, current: Result<Current, RootError>) -> PyResult<String> {
    current.map(|current| current.version().to_string()).map_err(|error| root_error(py, &error))
}
