//! One version of a table.

use std::sync::Arc;
use std::time::SystemTime;

use graven_format::Store;

use crate::root::{TableName, VersionName};

/// One carved file of a table, which never changes.
#[derive(Debug)]
pub struct Version {
    table: TableName,
    name: VersionName,
    store: Arc<Store>,
    since: SystemTime,
}

impl Version {
    pub(crate) fn new(table: TableName, name: VersionName, store: Arc<Store>) -> Self {
        Self { table, name, store, since: SystemTime::now() }
    }

    /// The name of the table.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The name of the version.
    pub fn name(&self) -> &VersionName {
        &self.name
    }

    /// What answers. Whoever keeps the [`Arc`] pins the version: it stays whole and where it is until it is let go.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Since when it has been here.
    pub fn since(&self) -> SystemTime {
        self.since
    }
}
