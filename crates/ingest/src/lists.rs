//! All values of a key as one JSON array, in the order in which they came.
//!
//! Pairs are kept by a hash of their key in [`PARTS`] parts, in memory as long as it suffices and
//! else in one temporary file. Then one part after the other is sorted and put together, so that a
//! part of the input is in memory at a time.

use std::fs::File;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

use graven_format::{Builder, PositionalFile, VALUE_BYTES_MAX};

use crate::error::{Cause, Fault, Position};

/// Parts of an input, whatever its size: so the table is the same whatever memory there is.
const PARTS: usize = 256;

/// Bytes of the lengths before a key and a value.
const LENGTHS: usize = 8;

/// Pairs that wait until all values of their keys are known.
pub(crate) struct Lists {
    parts: Vec<ListPart>,
    held_bytes: u64,
    /// Bytes that the parts may have in memory.
    memory_bytes: u64,
    directory: PathBuf,
    file: Option<File>,
    file_bytes: u64,
}

#[derive(Default)]
struct ListPart {
    /// What was written, in order: where it begins and how long it is.
    written: Vec<(u64, usize)>,
    held: Vec<u8>,
}

impl Lists {
    /// Keeps what needs more than so much memory in an unnamed file in `directory`.
    pub(crate) fn new(memory_bytes: u64, directory: &Path) -> Self {
        Self {
            parts: (0..PARTS).map(|_| ListPart::default()).collect(),
            held_bytes: 0,
            memory_bytes,
            directory: directory.to_owned(),
            file: None,
            file_bytes: 0,
        }
    }

    /// Keeps a pair, whose value is a JSON text.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(key);
        let held = &mut self.parts[hasher.finish() as usize % PARTS].held;
        for len in [key.len(), value.len()] {
            // Both are checked by who reads them.
            held.extend_from_slice(&(len as u32).to_le_bytes());
        }
        held.extend_from_slice(key);
        held.extend_from_slice(value);
        self.held_bytes += (LENGTHS + key.len() + value.len()) as u64;
        if self.held_bytes > self.memory_bytes { self.spill().map_err(temporary) } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.directory)?,
        };
        let file = self.file.insert(file);
        for part in self.parts.iter_mut().filter(|part| !part.held.is_empty()) {
            file.write_all_at(&part.held, self.file_bytes)?;
            part.written.push((self.file_bytes, part.held.len()));
            self.file_bytes += part.held.len() as u64;
            part.held = Vec::new();
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Adds every key with the array of its values.
    pub(crate) fn add_to(self, builder: &mut Builder) -> Result<(), Fault> {
        let fail = |cause| Fault::new(Position::WHOLE, cause);
        let mut list = Vec::new();
        for part in self.parts {
            let bytes = part.read(self.file.as_ref()).map_err(|error| fail(temporary(error)))?;
            let mut pairs = pairs_of(&bytes);
            // Stable: the values of a key stay in their order.
            pairs.sort_by_key(|&(key, _)| key);
            for of_key in pairs.chunk_by(|a, b| a.0 == b.0) {
                list.clear();
                list.push(b'[');
                for (value, number) in of_key.iter().map(|pair| pair.1).zip(0..) {
                    if number > 0 {
                        list.push(b',');
                    }
                    list.extend_from_slice(value);
                    if list.len() >= VALUE_BYTES_MAX {
                        return Err(fail(Cause::ListTooLong { key: of_key[0].0.to_vec() }));
                    }
                }
                list.push(b']');
                let added = builder.add(of_key[0].0, &list);
                added.map_err(|error| fail(Cause::Table(error.into())))?;
            }
        }
        Ok(())
    }
}

impl ListPart {
    fn read(self, file: Option<&File>) -> io::Result<Vec<u8>> {
        let Some(file) = file.filter(|_| !self.written.is_empty()) else { return Ok(self.held) };
        let written: usize = self.written.iter().map(|&(_, len)| len).sum();
        let mut bytes = vec![0; written];
        let mut rest = bytes.as_mut_slice();
        for (start, len) in self.written {
            let (these, others) = rest.split_at_mut(len);
            file.read_exact_at(these, start)?;
            rest = others;
        }
        bytes.extend_from_slice(&self.held);
        Ok(bytes)
    }
}

/// The pairs that [`Lists::add`] has kept in `bytes`.
fn pairs_of(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut pairs = Vec::new();
    while let Some((lengths, rest)) = bytes.split_first_chunk::<LENGTHS>() {
        let [a, b, c, d, e, f, g, h] = *lengths;
        let (key, rest) = rest.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        let (value, rest) = rest.split_at(u32::from_le_bytes([e, f, g, h]) as usize);
        pairs.push((key, value));
        bytes = rest;
    }
    pairs
}

fn temporary(source: io::Error) -> Cause {
    Cause::Table(Box::new(graven_format::Error::Io { doing: "use a temporary file", source }))
}
