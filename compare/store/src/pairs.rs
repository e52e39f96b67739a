//! The pairs of a text in one flat buffer, read through the same lines for every engine.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use graven_format::text;

/// Pairs in the order of the text.
#[derive(Default)]
pub(crate) struct Pairs {
    bytes: Vec<u8>,
    /// Where each pair ends, and where in it the value begins.
    ends: Vec<(usize, usize)>,
}

impl Pairs {
    /// All pairs of a `.data` text.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut pairs = Self::default();
        for_each(path, |key, value| {
            pairs.push(key, value);
            Ok(())
        })?;
        Ok(pairs)
    }

    /// Adds a pair.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((middle, self.bytes.len()));
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The pair with this number.
    pub(crate) fn get(&self, i: usize) -> (&[u8], &[u8]) {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (middle, end) = self.ends[i];
        (&self.bytes[start..middle], &self.bytes[middle..end])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The numbers of the pairs in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by_key(|&i| self.get(i as usize).0);
        order
    }
}

/// Calls `each` with every pair of a `.data` text, holding a block of it at a time.
pub(crate) fn for_each(path: &Path, mut each: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let context = || format!("cannot read {}", path.display());
    let mut blocks = text::Blocks::new(File::open(path).with_context(context)?);
    let mut block = text::Block::default();
    while blocks.next_into(&mut block).with_context(context)? {
        for pair in block.lines() {
            let pair = pair.with_context(context)?;
            each(pair.key, pair.value)?;
        }
    }
    Ok(())
}
