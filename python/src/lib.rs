//! The Python package `graven`: what of it is Rust. `graven/__init__.py` is its front door.

mod arrow;
mod build;
mod errors;
mod fields;
mod interpreter;
mod iterate;
mod keys;
mod roots;
mod row;
mod signals;
mod table;
mod view;

use pyo3::pymodule;

/// Compiled parts of the package; use `graven` itself.
// Without the lock of the interpreter no test of it has run.
#[pymodule(gil_used = true)]
mod _graven {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::arrow::ArrowData;
    #[pymodule_export]
    use super::build::{build_arrow, build_pairs};
    #[pymodule_export]
    use super::iterate::TableIterator;
    #[pymodule_export]
    use super::roots::{publish, resume, rollback, switch, versions};
    #[pymodule_export]
    use super::table::{Table, open};
    #[pymodule_export]
    use super::view::TableBytes;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::interpreter::check(module.py())
    }

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
