//! A finite state transducer (fst), the usual trie for sets that do not change: suffixes are shared as well as prefixes. It
//! maps a key to where its value begins in a second file, in which each value follows its length.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};

use crate::engine::{Engine, Timed};
use crate::pairs::Pairs;
use crate::region::Region;

struct Transducer {
    map: ::fst::Map<Region>,
    values: Region,
}

pub(super) fn write(text: &Path, folder: &Path) -> Result<()> {
    let pairs = Pairs::read(text)?;
    let mut map = ::fst::MapBuilder::new(BufWriter::new(File::create(folder.join("map"))?))?;
    let mut values = Vec::new();
    for i in pairs.sorted() {
        let (key, value) = pairs.get(i as usize);
        map.insert(key, values.len() as u64)?;
        values.extend_from_slice(&(value.len() as u32).to_le_bytes());
        values.extend_from_slice(value);
    }
    map.into_inner()?.into_inner()?.sync_all()?;
    fs::write(folder.join("values"), values).context("cannot write the values")?;
    File::open(folder.join("values"))?.sync_all()?;
    Ok(())
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Timed>> {
    let map = ::fst::Map::new(Region::read(&folder.join("map"))?)?;
    Ok(Box::new(Transducer { map, values: Region::read(&folder.join("values"))? }))
}

impl Engine for Transducer {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        let stored = self.map.get(key).and_then(|start| self.values.as_ref().get(start as usize..));
        let Some((len, rest)) = stored.and_then(|stored| stored.split_first_chunk()) else { return false };
        value.extend_from_slice(&rest[..u32::from_le_bytes(*len) as usize]);
        true
    }
}
