//! Switching a table to another version, back, and going on after that.

use std::sync::Arc;
use std::time::SystemTime;

use graven_format::{Storage, Store};

use crate::root::current::{Current, HistoryEntry, Verb, one_line};
use crate::root::directory::VERSION_SUFFIX;
use crate::root::error::RootError;
use crate::root::gates::{GateContext, refusals};
use crate::root::name::{TableName, VersionName};
use crate::root::{CurrentState, Root};

/// Which version is switched to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchTarget {
    /// This one.
    Version(VersionName),
    /// The one whose name sorts last, of those that were not rolled back from.
    Latest,
}

impl SwitchTarget {
    /// The version that is meant now.
    ///
    /// # Errors
    /// When the root cannot be read, and [`RootError::NoCurrent`] when it has no version that is the latest.
    pub fn version(&self, root: &dyn Root, table: &TableName) -> Result<VersionName, RootError> {
        match self {
            Self::Version(version) => Ok(version.clone()),
            Self::Latest => latest(root, table, &root.current(table)?),
        }
    }
}

/// Switches a table to a version that is whole and passes its gates; with `force`, whatever those say. Returns what `CURRENT`
/// says then. `progress` is told every now and then how many bytes are verified, and of how many; `false` stops.
///
/// # Errors
/// [`RootError::Frozen`] after a rollback, [`RootError::Bad`], [`RootError::Refused`], [`RootError::NoVersion`],
/// [`RootError::File`], and when the root cannot be read or written. Nothing was switched then.
pub fn switch(
    root: &dyn Root,
    table: &TableName,
    target: &SwitchTarget,
    note: &str,
    force: bool,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Current, RootError> {
    let mut verified = None;
    loop {
        let lock = root.lock(table)?;
        let before = root.current(table)?;
        let version = match target {
            SwitchTarget::Version(version) => version.clone(),
            // By the `CURRENT` that is replaced.
            SwitchTarget::Latest => latest(root, table, &before)?,
        };
        check_may_switch(table, &before, &version, force)?;
        if verified.as_ref() == Some(&version) {
            return write_switch(root, table, &before, version, Verb::Switch, note, force);
        }
        // That may take long, and others shall not wait for it.
        drop(lock);
        let file = root.open_whole(table, &version, progress)?;
        let candidate = Store::from_file(file, Storage::Memory)
            .map_err(|source| file_error(root, table, &version, source))?;
        verify(&candidate, progress, &|source| file_error(root, table, &version, source))?;
        verified = Some(version);
    }
}

/// Reads every byte of a version; `progress` is told how many bytes of how many, and stops with `false`.
pub(crate) fn verify(
    store: &Store,
    progress: &mut dyn FnMut(u64, u64) -> bool,
    explain: &dyn Fn(graven_format::Error) -> RootError,
) -> Result<(), RootError> {
    let mut goes_on = true;
    let verified = store.verify_with(|done, total| goes_on = goes_on && progress(done, total));
    if !goes_on {
        return Err(RootError::Stopped);
    }
    verified.map_err(explain)
}

/// The version whose name sorts last and that was not rolled back from.
fn latest(root: &dyn Root, table: &TableName, before: &CurrentState) -> Result<VersionName, RootError> {
    let bad = before.known().map(Current::bad).unwrap_or_default();
    let newest = root.versions(table)?.into_iter().rev().find(|version| !bad.contains(&version.name));
    newest.map(|version| version.name).ok_or_else(|| RootError::NoCurrent { table: table.clone() })
}

/// That the history does not forbid a switch to `version`.
fn check_may_switch(
    table: &TableName,
    before: &CurrentState,
    version: &VersionName,
    force: bool,
) -> Result<(), RootError> {
    let Some(current) = before.known() else { return Ok(()) };
    if current.is_frozen() {
        return Err(frozen(table, current));
    }
    if current.bad().contains(version) && !force {
        return Err(RootError::Bad { table: table.clone(), version: version.clone() });
    }
    Ok(())
}

/// Writes that `version`, which was verified, answers from now on; the caller holds the lock.
pub(crate) fn write_switch(
    root: &dyn Root,
    table: &TableName,
    before: &CurrentState,
    version: VersionName,
    verb: Verb,
    note: &str,
    force: bool,
) -> Result<Current, RootError> {
    check_may_switch(table, before, &version, force)?;
    let candidate = open(root, table, &version)?;
    if !force {
        check_gates(root, table, &version, &candidate, before)?;
    }
    let time = SystemTime::now();
    let entry = HistoryEntry { version, time, verb, from: None, forced: force, note: one_line(note) };
    replace(root, table, before, entry)
}

/// Goes back to `to`, or to the version that answered before and was not rolled back from; marks the present one bad and
/// freezes the table. Returns what `CURRENT` says then.
///
/// # Errors
/// [`RootError::NothingToRollBackTo`], [`RootError::Bad`], [`RootError::NoVersion`], and when the root cannot be read or
/// written. Nothing was switched then.
pub fn rollback(
    root: &dyn Root,
    table: &TableName,
    to: Option<&VersionName>,
    reason: &str,
) -> Result<Current, RootError> {
    let _lock = root.lock(table)?;
    let before = root.current(table)?;
    let Some(current) = before.known() else { return Err(no_current(table, &before)) };
    let nothing = || RootError::NothingToRollBackTo { table: table.clone() };
    let version = match to {
        Some(version) if current.bad().contains(version) => {
            return Err(RootError::Bad { table: table.clone(), version: version.clone() });
        }
        Some(version) if version == current.version() => return Err(nothing()),
        Some(version) => version.clone(),
        None => {
            // Of a version that is gone, there is nothing to go back to.
            let there: Vec<_> = root.versions(table)?.into_iter().map(|version| version.name).collect();
            current.rollback_target(|version| there.contains(version)).cloned().ok_or_else(nothing)?
        }
    };
    // It answered once; whether it can still be opened is what counts now.
    open(root, table, &version)?;
    let entry = HistoryEntry {
        version,
        time: SystemTime::now(),
        verb: Verb::Rollback,
        from: Some(current.version().clone()),
        forced: false,
        note: one_line(reason),
    };
    replace(root, table, &before, entry)
}

/// Ends the freeze after a rollback. Returns what `CURRENT` says then, which is what it said where nothing was frozen.
///
/// # Errors
/// [`RootError::NoCurrent`], and when the root cannot be read or written.
pub fn resume(root: &dyn Root, table: &TableName, note: &str) -> Result<Current, RootError> {
    let _lock = root.lock(table)?;
    let before = root.current(table)?;
    let Some(current) = before.known() else { return Err(no_current(table, &before)) };
    if !current.is_frozen() {
        return Ok(current.clone());
    }
    let entry = HistoryEntry {
        version: current.version().clone(),
        time: SystemTime::now(),
        verb: Verb::Resume,
        from: None,
        forced: false,
        note: one_line(note),
    };
    replace(root, table, &before, entry)
}

fn frozen(table: &TableName, current: &Current) -> RootError {
    let bad = current.history().find_map(|entry| entry.from.clone());
    RootError::Frozen { table: table.clone(), current: current.version().clone(), bad }
}

fn no_current(table: &TableName, state: &CurrentState) -> RootError {
    match &state.current {
        Some(Err(reason)) => RootError::Current { table: table.clone(), reason: reason.clone() },
        _ => RootError::NoCurrent { table: table.clone() },
    }
}

fn replace(
    root: &dyn Root,
    table: &TableName,
    before: &CurrentState,
    entry: HistoryEntry,
) -> Result<Current, RootError> {
    let version = entry.version.clone();
    let next = Current::after(before.known(), entry);
    if root.replace_current(table, before, &next)? {
        return Ok(next);
    }
    // A person wrote it, who takes no lock.
    let current = root.current(table)?.known().map(|current| current.version().clone());
    Err(RootError::Overtaken { table: table.clone(), version, current })
}

/// Opens a version as far as its header and tables; lookups read its file.
pub(crate) fn open(root: &dyn Root, table: &TableName, version: &VersionName) -> Result<Store, RootError> {
    let file = root.open(table, version)?;
    Store::from_file(file, Storage::Memory).map_err(|source| file_error(root, table, version, source))
}

fn file_error(
    root: &dyn Root,
    table: &TableName,
    version: &VersionName,
    source: graven_format::Error,
) -> RootError {
    RootError::File { path: format!("{}/{table}/{version}{VERSION_SUFFIX}", root.name()).into(), source }
}

/// Asks the gates of a table about one of its versions.
///
/// # Errors
/// [`RootError::Refused`] with every reason, and when the settings cannot be read.
pub(crate) fn check_gates(
    root: &dyn Root,
    table: &TableName,
    version: &VersionName,
    candidate: &Store,
    before: &CurrentState,
) -> Result<(), RootError> {
    let settings = root.settings(table)?;
    let current = match before.known() {
        // Compared with itself, it has not changed; one that is damaged cannot be compared with.
        Some(current) if current.version() != version => open(root, table, current.version()).ok(),
        _ => None,
    };
    let probe = settings.probe.as_ref().map(|file| match root.beside(table, file) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("there is no {file}")),
        Err(error) => Err(error.to_string()),
    });
    let marker = match &settings.require_marker {
        Some(marker) => {
            let file = format!("{version}.{marker}");
            let is_there = root.beside(table, &file)?.is_some();
            Some((file, is_there))
        }
        None => None,
    };
    let context = GateContext { current: current.map(Arc::new), probe, marker };
    let refusals = refusals(&settings, candidate, &context);
    if refusals.is_empty() {
        return Ok(());
    }
    Err(RootError::Refused { table: table.clone(), version: version.clone(), refusals })
}
