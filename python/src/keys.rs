//! Keys as Python has them, as the bytes that a table knows.

use std::ops::Range;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType};

/// Characters of a UUID in its canonical form.
const UUID_CHARS: usize = 36;

static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();

pub(crate) fn uuid_class<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
    UUID.import(py, "uuid", "UUID")
}

/// A key of which Python has the bytes, or that was written in another form.
enum KeyForm<'k> {
    Bytes(&'k [u8]),
    Written { chars: [u8; UUID_CHARS], len: usize },
    Long(Vec<u8>),
}

impl KeyForm<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Written { chars, len } => &chars[..*len],
            Self::Long(bytes) => bytes,
        }
    }

    fn written(text: &[u8]) -> Self {
        let mut chars = [0; UUID_CHARS];
        chars[..text.len()].copy_from_slice(text);
        Self::Written { chars, len: text.len() }
    }
}

/// The bytes of `key`: bytes are themselves, text is its UTF-8, a UUID its canonical text, a whole number its decimal digits.
#[inline]
pub(crate) fn with_key<T>(key: &Bound<'_, PyAny>, ask: impl FnOnce(&[u8]) -> PyResult<T>) -> PyResult<T> {
    if let Ok(bytes) = key.cast::<PyBytes>() {
        return ask(bytes.as_bytes());
    }
    ask(form(key)?.bytes())
}

fn form<'k>(key: &'k Bound<'_, PyAny>) -> PyResult<KeyForm<'k>> {
    if let Ok(bytes) = key.cast::<PyBytes>() {
        return Ok(KeyForm::Bytes(bytes.as_bytes()));
    }
    if let Ok(text) = key.cast::<PyString>() {
        return Ok(KeyForm::Bytes(text.to_str()?.as_bytes()));
    }
    if key.is_instance(uuid_class(key.py())?)? {
        let number: u128 = key.getattr("int")?.extract()?;
        return Ok(KeyForm::Written { chars: uuid_text(number), len: UUID_CHARS });
    }
    if !key.is_instance_of::<PyBool>()
        && let Some(number) = whole_number(key)
    {
        return number;
    }
    if key.is_instance_of::<PyByteArray>() || key.is_instance_of::<PyMemoryView>() {
        return Ok(KeyForm::Long(PyBuffer::<u8>::get(key)?.to_vec(key.py())?));
    }
    let found = key.get_type().name()?;
    Err(PyTypeError::new_err(format!("expected a key of type bytes, str, uuid.UUID or int, found {found}")))
}

/// The digits of a whole number, also of one that is no `int`, such as `numpy.int64`.
fn whole_number<'k>(key: &Bound<'_, PyAny>) -> Option<PyResult<KeyForm<'k>>> {
    let number = match key.cast::<PyInt>() {
        Ok(number) => number.clone(),
        Err(_) => key.call_method0("__index__").ok()?.cast_into::<PyInt>().ok()?,
    };
    if let Ok(number) = number.extract::<i64>() {
        return Some(Ok(KeyForm::written(itoa::Buffer::new().format(number).as_bytes())));
    }
    if let Ok(number) = number.extract::<u64>() {
        return Some(Ok(KeyForm::written(itoa::Buffer::new().format(number).as_bytes())));
    }
    Some(number.str().and_then(|text| Ok(KeyForm::Long(text.to_str()?.as_bytes().to_vec()))))
}

// There is room for whole numbers of 64 bits.
const _: () =
    assert!("-9223372036854775808".len() <= UUID_CHARS && "18446744073709551615".len() <= UUID_CHARS);

/// A UUID in lower case and with dashes.
pub(crate) fn uuid_text(number: u128) -> [u8; UUID_CHARS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; UUID_CHARS];
    let mut at = 0;
    for (i, byte) in number.to_be_bytes().into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

/// Keys that are looked up together. The objects are held, so that their bytes stay while no thread of Python waits.
pub(crate) struct HeldKeys<'py> {
    objects: Bound<'py, PyTuple>,
    /// Keys that had to be written, one behind the other.
    written: Vec<u8>,
    /// Which of `written` is each key's; empty where all keys are in their objects.
    places: Vec<Option<Range<usize>>>,
}

impl<'py> HeldKeys<'py> {
    /// All keys of a sequence or another iterable.
    pub(crate) fn of(keys: &Bound<'py, PyAny>) -> PyResult<Self> {
        let objects = match keys.cast::<PyList>() {
            Ok(list) => list.to_tuple(),
            Err(_) => match keys.cast::<PyTuple>() {
                Ok(tuple) => tuple.clone(),
                Err(_) => Self::of_iterable(keys)?,
            },
        };
        let mut held = Self { objects, written: Vec::new(), places: Vec::new() };
        if !held.objects.iter_borrowed().all(|key| key.is_exact_instance_of::<PyBytes>()) {
            held.write()?;
        }
        Ok(held)
    }

    /// The keys of an array of numpy, a Series of pandas and the like, or of whatever gives them one by one.
    fn of_iterable(keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let is_one = keys.is_instance_of::<PyBytes>()
            || keys.is_instance_of::<PyString>()
            || keys.is_instance_of::<PyByteArray>();
        if is_one {
            return Err(PyTypeError::new_err("expected many keys, found one"));
        }
        // As a list some of their units become whole numbers, which are the keys of something else.
        if let Some(dtype) = keys.getattr_opt("dtype")?
            && let Some(kind) = dtype.getattr_opt("kind")?
            && kind.extract::<&str>().is_ok_and(|kind| matches!(kind, "m" | "M"))
        {
            return Err(PyTypeError::new_err(format!(
                "expected keys of type bytes, str, uuid.UUID or int, found an array of {}",
                dtype.str()?
            )));
        }
        // Objects that Python has, and not a wrapper each.
        let list = match keys.getattr_opt("tolist")? {
            Some(tolist) => tolist.call0()?,
            None => keys.clone(),
        };
        keys.py().get_type::<PyTuple>().call1((list,))?.cast_into::<PyTuple>().map_err(PyErr::from)
    }

    fn write(&mut self) -> PyResult<()> {
        self.places.reserve(self.objects.len());
        for key in self.objects.iter_borrowed() {
            self.places.push(match form(&key)? {
                KeyForm::Bytes(_) => None,
                other => {
                    let start = self.written.len();
                    self.written.extend_from_slice(other.bytes());
                    Some(start..self.written.len())
                }
            });
        }
        Ok(())
    }

    /// The keys as objects, to be borrowed from.
    pub(crate) fn objects(&self) -> Vec<Borrowed<'_, 'py, PyAny>> {
        self.objects.iter_borrowed().collect()
    }

    /// The bytes of each key of `objects`, which are those of [`Self::objects`].
    pub(crate) fn bytes<'k>(&'k self, objects: &'k [Borrowed<'_, 'py, PyAny>]) -> PyResult<Vec<&'k [u8]>> {
        if self.places.is_empty() {
            return objects.iter().map(|key| held_bytes(key)).collect();
        }
        let bytes_of = |(key, place): (&'k Borrowed<'_, 'py, PyAny>, &Option<Range<usize>>)| match place {
            Some(place) => Ok(&self.written[place.clone()]),
            None => held_bytes(key),
        };
        objects.iter().zip(&self.places).map(bytes_of).collect()
    }
}

/// The bytes that a key has itself.
#[inline]
fn held_bytes<'k>(key: &'k Bound<'_, PyAny>) -> PyResult<&'k [u8]> {
    match key.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => Ok(key.cast::<PyString>()?.to_str()?.as_bytes()),
    }
}
