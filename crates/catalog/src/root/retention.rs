//! Which versions are removed when there are too many.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::root::Root;
use crate::root::error::RootError;
use crate::root::name::{TableName, VersionName};

/// What is kept of a table's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest, by their names.
    pub keep: usize,
    /// Those that answered within this time.
    pub grace: Duration,
}

/// Removes the versions of a table that need not be kept, and returns their names. The one that answers stays, the one that a
/// rollback would go back to, and one that is newer than the one that answers.
///
/// # Errors
/// When the root cannot be read, and when a version cannot be removed; others may have been.
pub fn retain(
    root: &dyn Root,
    table: &TableName,
    retention: Retention,
    now: SystemTime,
) -> Result<Vec<VersionName>, RootError> {
    let _lock = root.lock(table)?;
    let state = root.current(table)?;
    let Some(current) = state.known() else { return Ok(Vec::new()) };
    let versions = root.versions(table)?;
    let mut kept: BTreeSet<&VersionName> = BTreeSet::from([current.version()]);
    kept.extend(current.rollback_target());
    let is_recent = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age < retention.grace);
    // Until when each entry's version answered: when the one before it in the list, which is newer, took over.
    let mut until = now;
    for entry in current.history() {
        if is_recent(until) {
            kept.insert(&entry.version);
        }
        until = entry.time;
    }
    kept.extend(versions.iter().rev().take(retention.keep).map(|version| &version.name));
    kept.extend(versions.iter().map(|version| &version.name).filter(|name| *name > current.version()));
    let mut removed = Vec::new();
    for version in &versions {
        if !kept.contains(&version.name) {
            root.remove(table, &version.name)?;
            removed.push(version.name.clone());
        }
    }
    Ok(removed)
}
