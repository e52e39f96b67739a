//! The beginning of a carved file in an object store, as a file of its length that can be opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use graven_format::Front;
use graven_objects::{ObjectInfo, Objects};

use crate::root::error::RootError;

/// Bytes that are in memory at once: what the beginning is said to have may be wrong.
const STEP_BYTES: u64 = 16 << 20;

/// A file of the length of an object that has of it what is read when it is opened. What is not
/// copied is not what was carved, and every lookup checks that.
///
/// # Errors
/// When the object cannot be read or is no carved file, and when no temporary file can be written.
pub fn copy_front(objects: &Objects, info: &ObjectInfo) -> Result<File, RootError> {
    let url = objects.url().of(&info.key);
    let cannot = |source: io::Error| RootError::io("copy the beginning of", &url)(source);
    let copy = tempfile::tempfile().map_err(cannot)?;
    copy.set_len(info.bytes).map_err(cannot)?;
    let read = |start: u64, end: u64| -> Result<Vec<u8>, RootError> {
        let bytes = objects.read_range(&info.key, start..end, info.tag.as_deref())?;
        copy.write_all_at(&bytes, start).map_err(cannot)?;
        Ok(bytes)
    };
    let mut at = info.bytes.min(Front::HEAD_BYTES as u64);
    let head = read(0, at)?;
    let front = Front::read(&head, info.bytes)
        .map_err(|source| RootError::File { path: url.clone().into(), source })?;
    while at < front.opening_bytes {
        let end = front.opening_bytes.min(at + STEP_BYTES);
        read(at, end)?;
        at = end;
    }
    Ok(copy)
}
