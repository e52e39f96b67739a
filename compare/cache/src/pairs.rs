//! The pairs of a `.data` text, held in memory so that every answer can be compared.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use graven_format::text;

use crate::draws::{Draws, Spread};

/// Pairs in the order of the text.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Keys and values, one behind the other
    bytes: Vec<u8>,
    /// One for each pair
    places: Vec<Place>,
}

/// Where a pair lies in the bytes.
#[derive(Debug)]
struct Place {
    /// Where its key begins
    key: usize,
    /// Where its value begins, and its key ends
    value: usize,
    /// Where its value ends
    end: usize,
}

impl Pairs {
    /// All pairs of the text at `path`, of which there is at least one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut pairs = Self::default();
        text::for_each_pair(file, |pair| pairs.push(pair.key, pair.value))
            .with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(!pairs.places.is_empty(), "{} has no pairs", path.display());
        Ok(pairs)
    }

    /// Adds a pair.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.places.push(Place { key: start, value: start + key.len(), end: self.bytes.len() });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Numbers of pairs, without end. A pair's place in the text says nothing of its place in a carved file, whose order is that
    /// of a hash.
    pub(crate) fn draw(&self, spread: Spread, seed: u64) -> Result<impl Iterator<Item = usize> + use<>> {
        Ok(Draws::new(spread, self.len() as u64, seed)?.map(|number| number as usize))
    }

    /// The key of the pair with this number.
    pub(crate) fn key(&self, number: usize) -> &[u8] {
        let place = &self.places[number];
        &self.bytes[place.key..place.value]
    }

    /// The value of the pair with this number.
    pub(crate) fn value(&self, number: usize) -> &[u8] {
        let place = &self.places[number];
        &self.bytes[place.value..place.end]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_and_values_are_told_apart_and_an_empty_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.data");
        fs::write(&path, "a 1\nbc  2\nd\n").unwrap();
        let pairs = Pairs::read(&path).unwrap();
        let read: Vec<_> = (0..pairs.len()).map(|i| (pairs.key(i), pairs.value(i))).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"bc", b" 2"), (b"d", b"")];
        assert_eq!(read, expected);
        fs::write(&path, "\n").unwrap();
        assert!(Pairs::read(&path).unwrap_err().to_string().contains("has no pairs"));
    }
}
