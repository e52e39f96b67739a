//! The table that lookups within this process are made in.

use std::path::PathBuf;

use anyhow::{Context, Result};
use graven_format::{Storage, Store};

use crate::pairs::Pairs;

/// A table and its pairs, as they are named.
#[derive(clap::Args)]
pub(crate) struct Table {
    /// The table, carved with `graven build --for disk`
    pub(crate) table: PathBuf,
    /// Its pairs, as `.data` text: every value is compared
    pairs: PathBuf,
}

impl Table {
    /// The table, to be read from disk, and its pairs in memory.
    pub(crate) fn open(&self) -> Result<(Store, Pairs)> {
        let context = || {
            format!(
                "cannot look up in {}; `graven build --for disk` carves such a table",
                self.table.display()
            )
        };
        let store = Store::open_as(&self.table, Storage::Disk).with_context(context)?;
        Ok((store, Pairs::read(&self.pairs)?))
    }
}
