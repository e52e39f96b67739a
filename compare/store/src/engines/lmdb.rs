//! LMDB (heed): sorted keys are appended, which fills its pages; one reading transaction answers all lookups.
//!
//! `unsafe` here is the opening of the environment: LMDB maps the file, which nobody must change meanwhile, and the folder
//! is this program's own.
#![allow(unsafe_code)]

use std::path::Path;

use anyhow::{Result, bail};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithTls};

use crate::engine::{Engine, Timed};
use crate::pairs::Pairs;

/// The longest key that LMDB takes.
const KEY_BYTES_MAX: usize = 511;

struct Lmdb {
    read: RoTxn<'static, WithTls>,
    database: Database<Bytes, Bytes>,
}

fn environment(folder: &Path, map_bytes: usize, flags: EnvFlags) -> Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.map_size(map_bytes.next_multiple_of(1 << 20));
    // SAFETY: the folder is this run's own, so nobody else changes the file, and the flags leave all locks in place.
    Ok(unsafe { options.flags(flags).open(folder)? })
}

pub(super) fn write(text: &Path, folder: &Path) -> Result<()> {
    let pairs = Pairs::read(text)?;
    let room = pairs.iter().map(|(key, value)| 2 * (key.len() + value.len()) + 64).sum::<usize>() + (1 << 24);
    let environment = environment(folder, room, EnvFlags::empty())?;
    let mut write = environment.write_txn()?;
    let database: Database<Bytes, Bytes> = environment.create_database(&mut write, None)?;
    for i in pairs.sorted() {
        let (key, value) = pairs.get(i as usize);
        if key.len() > KEY_BYTES_MAX {
            bail!("a key has {} bytes, LMDB takes {KEY_BYTES_MAX}", key.len());
        }
        database.put_with_flags(&mut write, PutFlags::APPEND, key, value)?;
    }
    write.commit()?;
    Ok(())
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Timed>> {
    let bytes = std::fs::metadata(folder.join("data.mdb"))?.len() as usize;
    let environment = environment(folder, bytes, EnvFlags::READ_ONLY)?;
    let read = environment.clone().static_read_txn()?;
    match environment.open_database(&read, None)? {
        Some(database) => Ok(Box::new(Lmdb { read, database })),
        None => bail!("the LMDB file has no database"),
    }
}

impl Engine for Lmdb {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        match self.database.get(&self.read, key) {
            Ok(Some(found)) => {
                value.extend_from_slice(found);
                true
            }
            // A failure is counted as a key that was not found, and the count is compared.
            Ok(None) | Err(_) => false,
        }
    }
}
