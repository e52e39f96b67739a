//! One version of a table.

use std::sync::Arc;

use graven_format::Store;

/// One carved file of a table, which never changes.
#[derive(Debug)]
pub struct Version {
    table: String,
    name: String,
    store: Arc<Store>,
}

impl Version {
    pub(crate) fn new(table: String, name: String, store: Arc<Store>) -> Self {
        Self { table, name, store }
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The name of the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What answers. Whoever keeps the [`Arc`] pins the version: it stays whole and where it is until it is let go.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }
}
