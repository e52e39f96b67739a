//! Hash maps on the heap: the standard library's, and hashbrown with ahash. Key and value are boxed, as a program has them
//! that reads pairs of any length.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::Path;

use anyhow::Result;

use crate::engine::{Engine, Timed};
use crate::pairs;

type Bytes = Box<[u8]>;

struct Standard(HashMap<Bytes, Bytes>);

struct Hashbrown<S>(hashbrown::HashMap<Bytes, Bytes, S>);

pub(super) fn standard(text: &Path) -> Result<Box<dyn Timed>> {
    let mut map = HashMap::new();
    pairs::for_each(text, |key, value| {
        map.insert(key.into(), value.into());
        Ok(())
    })?;
    Ok(Box::new(Standard(map)))
}

pub(super) fn hashbrown(text: &Path) -> Result<Box<dyn Timed>> {
    let mut map = hashbrown::HashMap::with_hasher(ahash::RandomState::new());
    pairs::for_each(text, |key, value| {
        map.insert(key.into(), value.into());
        Ok(())
    })?;
    Ok(Box::new(Hashbrown(map)))
}

#[inline(always)]
fn copy(found: Option<&Bytes>, value: &mut Vec<u8>) -> bool {
    value.clear();
    found.is_some_and(|found| {
        value.extend_from_slice(found);
        true
    })
}

impl Engine for Standard {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        copy(self.0.get(key), value)
    }
}

impl<S: BuildHasher> Engine for Hashbrown<S> {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        copy(self.0.get(key), value)
    }
}
