//! Which interpreter of the process has the package: one, because classes and interned names are shared by all of a process.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// No interpreter has this number.
const NONE: i64 = -1;

/// The interpreter that has imported the package.
static FIRST: AtomicI64 = AtomicI64::new(NONE);

/// An error in every interpreter of the process but the first that imports the package.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the thread is attached to an interpreter, which is the one that is asked for its number.
    let here = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if here < 0 {
        return Err(PyErr::fetch(py));
    }
    match FIRST.compare_exchange(NONE, here, Ordering::SeqCst, Ordering::SeqCst) {
        Err(first) if first != here => Err(PyImportError::new_err(
            "graven cannot be imported in a subinterpreter: another interpreter of this process has it; use threads, or a \
             process",
        )),
        _ => Ok(()),
    }
}
