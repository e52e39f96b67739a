//! One version of a table.

use std::sync::Arc;
use std::time::SystemTime;

use graven_format::Store;

use crate::root::{TableName, VersionName};

/// One carved file of a table, which never changes.
#[derive(Debug)]
pub struct TableVersion {
    table: TableName,
    name: VersionName,
    store: Arc<Store>,
    since: SystemTime,
    made: SystemTime,
    label: Arc<str>,
}

impl TableVersion {
    pub(crate) fn new(table: TableName, name: VersionName, store: Arc<Store>) -> Self {
        let since = SystemTime::now();
        let made = store.written().unwrap_or(since);
        let label = format!("{table}@{name}").into();
        Self { table, name, store, since, made, label }
    }

    /// The name of the table.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The name of the version.
    pub fn name(&self) -> &VersionName {
        &self.name
    }

    /// Both names, as `TABLE@VERSION`.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// What answers. Whoever keeps the [`Arc`] pins the version: it stays whole and where it is until it is let go.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// When its file was written, or when it came where there is no file. A publisher's copy is written when it is published.
    pub fn made(&self) -> SystemTime {
        self.made
    }

    /// Since when it has been here.
    pub fn since(&self) -> SystemTime {
        self.since
    }
}
