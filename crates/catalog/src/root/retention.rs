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
    /// Those that answered or were published within this time.
    pub grace: Duration,
}

/// Removes the versions of a table that need not be kept, and returns their names. The one that answers stays, the one that a
/// rollback would go back to, and one that is newer than the one that answers. Where the clock has been set back, what
/// happened at a time to come has happened lately.
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
    let is_there = |name: &VersionName| versions.iter().any(|version| version.name == *name);
    let mut kept: BTreeSet<&VersionName> = BTreeSet::from([current.version()]);
    kept.extend(current.rollback_target(is_there));
    let is_recent = |time: SystemTime| match now.duration_since(time) {
        Ok(age) => age < retention.grace,
        Err(_) => !retention.grace.is_zero(),
    };
    // Until when each entry's version answered: when the one before it in the list, which is newer, took over.
    let mut until = now;
    for entry in current.history() {
        if is_recent(until) {
            kept.insert(&entry.version);
        }
        // When a person wrote a version is not known.
        if entry.time != SystemTime::UNIX_EPOCH {
            until = entry.time;
        }
    }
    for (newer, version) in versions.iter().rev().enumerate() {
        if newer < retention.keep || version.name > *current.version() || is_recent(version.put) {
            kept.insert(&version.name);
        }
    }
    let mut removed = Vec::new();
    for version in &versions {
        if !kept.contains(&version.name) {
            root.remove(table, &version.name)?;
            removed.push(version.name.clone());
        }
    }
    Ok(removed)
}
