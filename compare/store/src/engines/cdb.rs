//! cdb, the classic constant database, from its public specification: 256 hash tables of twice as many slots as records,
//! eight bytes a slot, and the records before them. No crate of the format is well kept under a licence that may come in.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::engine::{Engine, Timed};
use crate::pairs;
use crate::region::Region;

/// Hash tables of a file, and bytes of the pointers to them that it begins with.
const TABLES: usize = 256;
const POINTERS_BYTES: usize = TABLES * 8;

struct Cdb(Region);

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381_u32, |hash, &byte| (hash << 5).wrapping_add(hash) ^ u32::from(byte))
}

pub(super) fn write(text: &Path, folder: &Path) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(folder.join("cdb"))?);
    file.write_all(&[0; POINTERS_BYTES])?;
    let mut tables = vec![Vec::new(); TABLES];
    let mut end = POINTERS_BYTES as u64;
    let position = |end: u64| u32::try_from(end).context("a cdb has at most 4 GiB");
    pairs::for_each(text, |key, value| {
        let hash = hash(key);
        tables[hash as usize % TABLES].push((hash, position(end)?));
        file.write_all(&(key.len() as u32).to_le_bytes())?;
        file.write_all(&(value.len() as u32).to_le_bytes())?;
        file.write_all(key)?;
        file.write_all(value)?;
        end += 8 + key.len() as u64 + value.len() as u64;
        Ok(())
    })?;
    let mut pointers = Vec::with_capacity(POINTERS_BYTES);
    for table in tables {
        let mut slots = vec![(0, 0); table.len() * 2];
        for (hash, record) in table {
            let mut slot = (hash as usize / TABLES) % slots.len();
            while slots[slot].1 != 0 {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = (hash, record);
        }
        pointers.extend_from_slice(&position(end)?.to_le_bytes());
        pointers.extend_from_slice(&(slots.len() as u32).to_le_bytes());
        for (hash, record) in &slots {
            file.write_all(&hash.to_le_bytes())?;
            file.write_all(&record.to_le_bytes())?;
        }
        end += slots.len() as u64 * 8;
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&pointers)?;
    file.into_inner()?.sync_all()?;
    Ok(())
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Timed>> {
    Ok(Box::new(Cdb(Region::read(&folder.join("cdb"))?)))
}

impl Cdb {
    /// Two numbers that stand one after the other.
    #[inline(always)]
    fn two(&self, at: usize) -> Option<(u32, u32)> {
        let [a, b, c, d, e, f, g, h] = *self.0.as_ref().get(at..)?.first_chunk()?;
        Some((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])))
    }

    #[inline(always)]
    fn find(&self, key: &[u8]) -> Option<&[u8]> {
        let wanted = hash(key);
        let (table, slots) = self.two(wanted as usize % TABLES * 8)?;
        let mut slot = (wanted / TABLES as u32).checked_rem(slots)?;
        for _ in 0..slots {
            let (hash, record) = self.two(table as usize + slot as usize * 8)?;
            if record == 0 {
                return None;
            }
            if hash == wanted {
                let (key_len, value_len) = self.two(record as usize)?;
                let (stored, rest) =
                    self.0.as_ref()[record as usize + 8..].split_at_checked(key_len as usize)?;
                if stored == key {
                    return rest.get(..value_len as usize);
                }
            }
            slot = if slot + 1 == slots { 0 } else { slot + 1 };
        }
        None
    }
}

impl Engine for Cdb {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        self.find(key).is_some_and(|found| {
            value.extend_from_slice(found);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{POINTERS_BYTES, hash, write};

    #[test]
    fn a_file_of_one_pair_lies_as_the_specification_says() {
        assert_eq!(hash(b""), 5381);
        assert_eq!(hash(b"a"), (5381 * 33) ^ 97);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), "a value\n").unwrap();
        write(&folder.path().join("text"), folder.path()).unwrap();
        let bytes = std::fs::read(folder.path().join("cdb")).unwrap();
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let table = POINTERS_BYTES + 8 + 6;
        assert_eq!(bytes.len(), table + 2 * 8);
        assert_eq!((number(POINTERS_BYTES), number(POINTERS_BYTES + 4)), (1, 5));
        assert_eq!(&bytes[POINTERS_BYTES + 8..table], b"avalue");
        let pointer = hash(b"a") as usize % 256 * 8;
        assert_eq!((number(pointer) as usize, number(pointer + 4)), (table, 2));
        let slot = table + hash(b"a") as usize / 256 % 2 * 8;
        assert_eq!((number(slot), number(slot + 4) as usize), (hash(b"a"), POINTERS_BYTES));
    }
}
