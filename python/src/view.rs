//! Values that stay where they are: bytes of a table's memory behind the buffer protocol.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ops::Range;
use std::sync::Arc;

use graven_format::Store;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// A value in the memory of a table, which lives as long as this does.
#[pyclass(frozen, module = "graven")]
pub(crate) struct TableBytes {
    store: Arc<Store>,
    range: Range<usize>,
}

impl TableBytes {
    pub(crate) fn new(store: Arc<Store>, range: Range<usize>) -> Self {
        Self { store, range }
    }
}

#[pymethods]
impl TableBytes {
    /// # Safety
    /// `view` is what Python hands to this slot: null, or to be filled.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let TableBytes { store, range } = slf.get();
        let bytes = store.memory().get(range.clone()).unwrap_or_default();
        let Ok(len) = ffi::Py_ssize_t::try_from(bytes.len()) else {
            return Err(PyBufferError::new_err("the value is too large for a buffer"));
        };
        // SAFETY: `view` is Python's, and it checks it and `flags`, which must not ask for a writable buffer. The bytes stay as
        // and where they are while the store lives, which `slf` holds, and the view holds `slf`.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes.as_ptr().cast_mut().cast(), len, 1, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }

    /// # Safety
    /// None is needed: nothing is done.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}
