//! Errors of the crates below as this package's exceptions, which `graven/_errors.py` defines.

use std::io;
use std::path::Path;

use graven_catalog::root::RootError;
use graven_format::Error;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// An exception of this package, before it is raised.
pub(crate) struct Raised<'a> {
    class: &'static str,
    message: String,
    path: Option<&'a Path>,
    offset: Option<u64>,
    advice: Option<String>,
    errno: Option<i32>,
    reason: Option<&'static str>,
    version: Option<String>,
}

impl<'a> Raised<'a> {
    pub(crate) fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            path: None,
            offset: None,
            advice: None,
            errno: None,
            reason: None,
            version: None,
        }
    }

    pub(crate) fn path(self, path: Option<&'a Path>) -> Self {
        Self { path, ..self }
    }

    pub(crate) fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    fn of_system(message: String, source: &io::Error) -> Self {
        let class = match source.kind() {
            io::ErrorKind::NotFound => "MissingFileError",
            _ => "FileError",
        };
        Self { errno: source.raw_os_error(), ..Self::new(class, message) }
    }

    fn of_version(reason: &'static str, version: Option<String>, message: String) -> Self {
        Self { reason: Some(reason), version, ..Self::new("VersionError", message) }
    }

    pub(crate) fn into_err(self, py: Python<'_>) -> PyErr {
        self.exception(py).map_or_else(|error| error, PyErr::from_value)
    }

    fn exception<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = py.import("graven._errors")?.getattr(self.class)?.cast_into::<PyType>()?;
        let details = PyDict::new(py);
        // As text: an exception that is shown or pickled has no use for a path's type.
        details.set_item("path", self.path.map(|path| path.display().to_string()))?;
        details.set_item("offset", self.offset)?;
        details.set_item("advice", self.advice)?;
        if let Some(errno) = self.errno {
            details.set_item("errno", errno)?;
        }
        if let Some(reason) = self.reason {
            details.set_item("reason", reason)?;
            details.set_item("version", self.version)?;
        }
        class.call((self.message,), Some(&details))
    }
}

/// What the system said, without the number that Rust puts behind it.
fn reason(source: &io::Error) -> String {
    let text = source.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// An error of a table, whose file is at `path`.
pub(crate) fn table_error(py: Python<'_>, path: Option<&Path>, error: &Error) -> PyErr {
    let text = error.to_string();
    // Where there is advice, it stands behind the last semicolon.
    let (message, advice) = match text.rsplit_once("; ") {
        Some((message, advice)) => (message.to_owned(), Some(advice.to_owned())),
        None => (text, None),
    };
    let raised = match error {
        Error::Stopped => return PyKeyboardInterrupt::new_err(()),
        Error::NoColumn { name } => return pyo3::exceptions::PyKeyError::new_err(name.clone()),
        Error::Io { doing, source } => {
            Raised::of_system(format!("cannot {doing}: {}", reason(source)), source)
        }
        Error::NotDurable { source } | Error::Thread { source } => Raised::of_system(message, source),
        Error::Read { offset, source, .. } => {
            Raised { offset: Some(*offset), ..Raised::of_system(message, source) }
        }
        Error::NotCarved => Raised::new("NotATableError", "not a graven table")
            .advice("build one with graven.build or the command `graven build`"),
        Error::Version { .. } | Error::Flags { .. } | Error::Section { .. } => {
            Raised { advice, ..Raised::new("NotATableError", message) }
        }
        Error::Damaged { offset, .. } => {
            Raised { advice, offset: Some(*offset), ..Raised::new("DamagedError", message) }
        }
        Error::Length { .. } | Error::Row { .. } => Raised { advice, ..Raised::new("DamagedError", message) },
        Error::DuplicateKey { .. } => {
            Raised::new("BuildError", message).advice("duplicates=\"last\" or \"first\" keeps one of them")
        }
        _ => Raised { advice, ..Raised::new("BuildError", message) },
    };
    raised.path(path).into_err(py)
}

/// An error of a root.
pub(crate) fn root_error(py: Python<'_>, error: &RootError) -> PyErr {
    let text = error.to_string();
    let version = |reason, version: Option<&graven_catalog::VersionName>| {
        Raised::of_version(reason, version.map(ToString::to_string), text.clone())
    };
    match error {
        RootError::Stopped => PyKeyboardInterrupt::new_err(()),
        RootError::File { path, source } => table_error(py, Some(path), source),
        RootError::Io { doing, path, source } => {
            Raised::of_system(format!("cannot {doing} it: {}", reason(source)), source)
                .path(Some(path))
                .into_err(py)
        }
        RootError::Refused { version: refused, .. } => version("refused", Some(refused))
            .advice("mend it and publish anew, or switch with force=True")
            .into_err(py),
        RootError::Frozen { current, .. } => {
            version("frozen", Some(current)).advice("graven.resume ends that").into_err(py)
        }
        RootError::Bad { version: bad, .. } => {
            version("bad", Some(bad)).advice("graven.switch with force=True does it").into_err(py)
        }
        RootError::Overtaken { version: there, .. } => version("overtaken", Some(there))
            .advice("look at graven.versions, then graven.switch")
            .into_err(py),
        RootError::VersionExists { version: there, .. } => {
            version("exists", Some(there)).advice("graven.switch switches to it").into_err(py)
        }
        RootError::NoVersion { version: missing, .. } => {
            version("missing", Some(missing)).advice("graven.versions lists all").into_err(py)
        }
        RootError::NoTable { .. } => version("missing", None).advice("graven.publish makes it").into_err(py),
        RootError::NothingToRollBackTo { .. } | RootError::NoCurrent { .. } => {
            version("missing", None).advice("name one with graven.switch").into_err(py)
        }
        RootError::Current { .. } => {
            version("current", None).advice("graven.switch writes it anew").into_err(py)
        }
        RootError::Settings { path, .. } => version("settings", None).path(Some(path)).into_err(py),
        _ => Raised::new("Error", text).into_err(py),
    }
}
