//! A perfect hash (ptr_hash in its fastest form) over 64-bit hashes of the keys, and an array of records in the order it
//! gives: where a record begins, then the key, so that answers are exact, and the value.

use std::path::Path;

use anyhow::{Context, Result};
use ptr_hash::hash::NoHash;
use ptr_hash::{FastPtrHash, PtrHashParams};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{BATCH, Engine, Timed};
use crate::pairs::Pairs;
use crate::region::Region;

struct Perfect {
    function: FastPtrHash<NoHash>,
    /// Where the record of each slot begins, and after the last where it ends; 4 bytes each.
    starts: Region,
    /// Of each record the length of the key, 4 bytes, the key, the value.
    records: Region,
}

pub(super) fn build(text: &Path) -> Result<Box<dyn Timed>> {
    let pairs = Pairs::read(text)?;
    let hashes: Vec<u64> = pairs.iter().map(|(key, _)| xxh3_64(key)).collect();
    let function = FastPtrHash::<NoHash>::try_new(&hashes, PtrHashParams::default_fast())
        .context("no perfect hash was found: two keys may have one hash")?;
    let mut slots = vec![None; function.max_index()];
    for (hash, pair) in hashes.iter().zip(pairs.iter()) {
        slots[function.index_no_remap(hash)] = Some(pair);
    }
    let (mut starts, mut records) = (Vec::new(), Vec::new());
    for slot in slots {
        starts.extend_from_slice(&u32::try_from(records.len()).context("more than 4 GiB")?.to_le_bytes());
        if let Some((key, value)) = slot {
            records.extend_from_slice(&(key.len() as u32).to_le_bytes());
            records.extend_from_slice(key);
            records.extend_from_slice(value);
        }
    }
    starts.extend_from_slice(&u32::try_from(records.len()).context("more than 4 GiB")?.to_le_bytes());
    let (starts, records) = (Region::copy_of(&starts)?, Region::copy_of(&records)?);
    Ok(Box::new(Perfect { function, starts, records }))
}

impl Perfect {
    /// The record of a slot: the length of the key, then key and value.
    #[inline(always)]
    fn record(&self, slot: usize) -> Option<(u32, &[u8])> {
        let [a, b, c, d, e, f, g, h] = *self.starts.as_ref().get(slot * 4..)?.first_chunk()?;
        let (start, end) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let (len, record) = self.records.as_ref().get(start as usize..end as usize)?.split_first_chunk()?;
        Some((u32::from_le_bytes(*len), record))
    }
}

#[inline(always)]
fn copy(record: Option<(u32, &[u8])>, key: &[u8], value: &mut Vec<u8>) -> bool {
    value.clear();
    match record.and_then(|(len, record)| record.split_at_checked(len as usize)) {
        Some((stored, found)) if stored == key => {
            value.extend_from_slice(found);
            true
        }
        _ => false,
    }
}

impl Engine for Perfect {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        let slot = self.function.index_no_remap(&xxh3_64(key));
        copy(self.record(slot), key, value)
    }

    /// Each step for all keys before the next, so that the waits for memory overlap.
    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]; BATCH], value: &mut Vec<u8>, mut each: impl FnMut(Option<&[u8]>)) {
        let slots = self.function.index_batch::<BATCH, u64>(keys.map(xxh3_64));
        let records = slots.map(|slot| self.record(slot));
        for (key, record) in keys.iter().zip(records) {
            let found = copy(record, key, value);
            each(found.then_some(value));
        }
    }
}
