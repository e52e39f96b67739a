//! redb: sorted keys in one transaction, then its own compaction; one open table answers all lookups.

use std::path::Path;

use ::redb::{Database, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, TableDefinition};
use anyhow::Result;

use crate::engine::{Engine, Timed};
use crate::pairs::Pairs;

const PAIRS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("pairs");

struct Redb {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _database: ReadOnlyDatabase,
}

pub(super) fn write(text: &Path, folder: &Path) -> Result<()> {
    let pairs = Pairs::read(text)?;
    let mut database = Database::create(folder.join("redb"))?;
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(PAIRS)?;
        for i in pairs.sorted() {
            let (key, value) = pairs.get(i as usize);
            table.insert(key, value)?;
        }
    }
    write.commit()?;
    database.compact()?;
    Ok(())
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Timed>> {
    let database = ReadOnlyDatabase::open(folder.join("redb"))?;
    let table = database.begin_read()?.open_table(PAIRS)?;
    Ok(Box::new(Redb { table, _database: database }))
}

impl Engine for Redb {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        match self.table.get(key) {
            Ok(Some(found)) => {
                value.extend_from_slice(found.value());
                true
            }
            // A failure is counted as a key that was not found, and the count is compared.
            Ok(None) | Err(_) => false,
        }
    }
}
