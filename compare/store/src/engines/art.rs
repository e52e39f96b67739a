//! An adaptive radix tree on the heap (blart): the trie for speed.

use std::path::Path;

use anyhow::{Result, bail};

use crate::engine::{Engine, Timed};
use crate::pairs;

type Bytes = Box<[u8]>;

struct Tree(blart::TreeMap<Bytes, Bytes>);

pub(super) fn build(text: &Path) -> Result<Box<dyn Timed>> {
    let mut tree = blart::TreeMap::new();
    pairs::for_each(text, |key, value| {
        if tree.try_insert(key.into(), value.into()).is_err() {
            bail!(
                "the key {} begins another or is begun by one, which this trie cannot hold",
                key.escape_ascii()
            );
        }
        Ok(())
    })?;
    Ok(Box::new(Tree(tree)))
}

impl Engine for Tree {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        self.0.get(key).is_some_and(|found| {
            value.extend_from_slice(found);
            true
        })
    }
}
