//! Looks at the store: one listing, and the small objects that it shows to be others than before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use graven_objects::{NOTES_SUFFIX, ObjectInfo};

use super::{PullState, Pulling};
use crate::catalog::SourceCondition;
use crate::pull::plan::{self, LocalVersions, RemoteTable};
use crate::root::bucket::{random, version_of_name};
use crate::root::current::CURRENT_BYTES_MAX;
use crate::root::directory::{BESIDE_BYTES_MAX, CURRENT, SETTINGS, SETTINGS_BYTES_MAX};
use crate::root::is_beside_name;
use crate::root::{Current, Root, RootError, TableName, TableSettings, VersionName};

/// Looks without a table after which it is removed.
const MISSING_MAX: u32 = 2;

/// What the names of files that are being fetched end with; they begin with a dot.
pub(super) const FETCH_SUFFIX: &str = ".fetch";

/// The objects of a table.
#[derive(Debug, Default)]
struct ListedObjects {
    versions: BTreeMap<VersionName, ObjectInfo>,
    /// All others, by their names behind the table's.
    others: BTreeMap<String, ObjectInfo>,
}

/// Small objects that were read, by their keys: what they were when that was.
pub(super) type ReadObjects = BTreeMap<String, (Option<String>, Vec<u8>)>;

/// What failed of single tables.
pub(super) type TableFailures = BTreeMap<TableName, RootError>;

impl Pulling {
    pub(super) fn keep_looking(&self, mut small: ReadObjects) {
        loop {
            self.wait_for_next_look();
            if self.is_over() {
                return;
            }
            let _ = self.look_with(&mut small);
        }
    }

    /// Waits about as long as between two looks: nodes that were started together do not look
    /// together for long.
    fn wait_for_next_look(&self) {
        let mut state = self.state();
        let poll = state.options.poll;
        let jitter = poll.mul_f64(0.2) * (random() % 1024) as u32 / 1024;
        let due = Instant::now().checked_add(poll.mul_f64(0.9) + jitter);
        while !self.is_over() && !std::mem::take(&mut state.is_asked) {
            let left = due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left.min(Duration::from_secs(3600)));
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Looks once; what fails is logged. An error where nothing could be read of any table.
    pub(super) fn look_with(&self, small: &mut ReadObjects) -> Result<(), RootError> {
        let looked = self.try_look(small);
        if self.is_over() {
            return Err(RootError::Stopped);
        }
        let reason = looked.as_ref().err().map(ToString::to_string);
        let (before, tables) = {
            let mut state = self.state();
            if let Ok(failures) = &looked {
                for (table, failure) in failures {
                    let reason = failure.to_string();
                    if state.failing.get(table) != Some(&reason) {
                        tracing::warn!(table = table.as_str(), "{reason}; what is here goes on answering");
                    }
                }
                state.failing =
                    failures.iter().map(|(table, error)| (table.clone(), error.to_string())).collect();
            }
            let before = std::mem::replace(&mut state.unreachable, reason.clone());
            (before, state.remote.keys().cloned().collect::<BTreeSet<_>>())
        };
        match (before, reason) {
            (None, Some(reason)) => {
                tracing::warn!("{reason}; what is here goes on answering");
            }
            (Some(_), None) => {
                tracing::info!("{} can be read again", self.bucket.name());
                // What failed with it need not wait any longer.
                self.state().failed.retain(|_, failed| failed.retry.is_none());
                self.changed.notify_all();
            }
            _ => {}
        }
        let here = self.directory.tables().unwrap_or_default();
        for table in here.into_iter().chain(tables.iter().cloned()).collect::<BTreeSet<_>>() {
            self.report(&table);
        }
        let failures = looked?;
        let is_none_read = failures.len() == tables.len();
        let mut unread = failures.into_values().filter(|failure| matches!(failure, RootError::Io { .. }));
        unread.next().filter(|_| is_none_read).map_or(Ok(()), Err)
    }

    /// Says how it stands with where a table comes from, but for a version that is being fetched,
    /// which says so itself.
    pub(super) fn report(&self, table: &TableName) {
        let reason = {
            let state = self.state();
            let failed = state.failed.iter().find(|((failed, version), _)| {
                failed == table
                    && state.wanted.iter().any(|wanted| wanted.table == *table && wanted.version == *version)
            });
            let failed = failed.map(|((_, version), failed)| format!("{version}: {}", failed.reason));
            state.unreachable.as_ref().or(state.failing.get(table)).cloned().or(failed)
        };
        match reason {
            Some(reason) => self.set_source(table, SourceCondition::Failing { reason }),
            None => {
                let snapshot = self.catalog.snapshot();
                let known = snapshot.named(table.as_str()).map(|known| known.source());
                if matches!(known, Some(SourceCondition::Failing { .. })) {
                    self.set_source(table, SourceCondition::Fine);
                }
            }
        }
    }

    /// Looks once, and gives what failed of single tables: of these, what was known goes on to
    /// count, and the others are followed all the same.
    fn try_look(&self, small: &mut ReadObjects) -> Result<TableFailures, RootError> {
        let only = self.state().options.only.clone();
        let listed = group(self.bucket.objects().list("")?, only.as_ref());
        let no_current = self.read_changed(small, &listed, CURRENT, CURRENT_BYTES_MAX as u64);
        let no_settings = self.read_changed(small, &listed, SETTINGS, SETTINGS_BYTES_MAX as u64);
        let mut remote = BTreeMap::new();
        let mut failures = TableFailures::new();
        for (table, objects) in &listed {
            let made = self.directory.make_table(table);
            let mirrored = match no_settings.contains_key(table) {
                true => made,
                false => made.and_then(|()| self.mirror_settings(small, table, objects)),
            };
            let current = small.get(&format!("{table}/{CURRENT}"));
            let mut current = current.map(|(_, bytes)| (bytes.clone(), Current::read(bytes)));
            // No version gets by a gate that is not known.
            let is_held = no_settings.contains_key(table)
                && !self.directory.table(table).join(SETTINGS).exists()
                && current
                    .as_ref()
                    .is_some_and(|(_, current)| current.as_ref().is_ok_and(Current::asks_gates));
            let failure = mirrored.err().or_else(|| match &current {
                Some((_, Err(reason))) => {
                    Some(RootError::Current { table: table.clone(), reason: reason.clone() })
                }
                _ => None,
            });
            failures.extend(failure.map(|failure| (table.clone(), failure)));
            let is_known = matches!(current, Some((_, Ok(_)))) || !objects.others.contains_key(CURRENT);
            if is_held || !is_known {
                let here = self.directory.beside(table, CURRENT).ok().flatten();
                current = here.map(|bytes| (bytes.clone(), Current::read(&bytes)));
            }
            let current = current.and_then(|(bytes, current)| Some((bytes, current.ok()?)));
            remote.insert(table.clone(), RemoteTable { current, versions: objects.versions.clone() });
        }
        no_current.into_iter().chain(no_settings).for_each(|(table, failure)| {
            failures.entry(table).or_insert(failure);
        });
        let mut state = self.state();
        state.remote = remote;
        for (table, failure) in self.follow(&mut state)? {
            failures.entry(table).or_insert(failure);
        }
        if failures.is_empty() {
            self.remove_missing(&mut state)?;
        }
        drop(state);
        self.changed.notify_all();
        Ok(failures)
    }

    /// Reads the objects of this name that are others than when they were read last; what failed.
    fn read_changed(
        &self,
        small: &mut ReadObjects,
        listed: &BTreeMap<TableName, ListedObjects>,
        name: &str,
        bytes_max: u64,
    ) -> TableFailures {
        let changed = listed.iter().filter_map(|(table, objects)| {
            let object = objects.others.get(name)?;
            let key = format!("{table}/{name}");
            let is_known = small.get(&key).is_some_and(|(tag, _)| tag.is_some() && *tag == object.tag);
            (!is_known).then_some((table, key))
        });
        let (tables, keys): (Vec<&TableName>, Vec<String>) = changed.unzip();
        let mut failures = TableFailures::new();
        let read = self.bucket.objects().read_many(&keys, bytes_max);
        for ((table, key), read) in tables.into_iter().zip(keys).zip(read) {
            match read {
                Ok(Some((bytes, tag))) => drop(small.insert(key, (tag, bytes))),
                Ok(None) => drop(small.remove(&key)),
                Err(error) => drop(failures.insert(table.clone(), error.into())),
            }
        }
        let is_listed = |key: &String| {
            let Some((table, found)) = key.split_once('/') else { return false };
            found != name || listed.get(table).is_some_and(|objects| objects.others.contains_key(name))
        };
        small.retain(|key, _| is_listed(key));
        failures
    }

    /// Has the settings of a table here, and the files that they name.
    fn mirror_settings(
        &self,
        small: &mut ReadObjects,
        table: &TableName,
        objects: &ListedObjects,
    ) -> Result<(), RootError> {
        let settings = small.get(&format!("{table}/{SETTINGS}")).map(|(_, bytes)| bytes.clone());
        self.mirror(table, SETTINGS, settings.as_deref())?;
        // What cannot be understood is said by whoever follows the directory.
        let settings = settings.and_then(|bytes| TableSettings::read_bytes(&bytes).ok()).unwrap_or_default();
        let marker = |version: &VersionName| Some(format!("{version}.{}", settings.require_marker.as_ref()?));
        let names: BTreeSet<String> =
            settings.probe.iter().cloned().chain(objects.versions.keys().filter_map(marker)).collect();
        let mut failed = None;
        for name in names.into_iter().filter(|name| is_beside_name(name)) {
            if let Err(error) = self.mirror_beside(small, table, &name, objects.others.get(&name)) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Has a file here that settings name, or none where there is no such object.
    fn mirror_beside(
        &self,
        small: &mut ReadObjects,
        table: &TableName,
        name: &str,
        object: Option<&ObjectInfo>,
    ) -> Result<(), RootError> {
        let key = format!("{table}/{name}");
        let Some(object) = object else {
            small.remove(&key);
            return self.mirror(table, name, None);
        };
        // Of these, what they are is kept, and not what they say.
        let is_known = small.get(&key).is_some_and(|(tag, _)| tag.is_some() && *tag == object.tag);
        if is_known && self.directory.table(table).join(name).is_file() {
            return Ok(());
        }
        let read = self.bucket.objects().read(&key, BESIDE_BYTES_MAX as u64)?;
        self.mirror(table, name, read.as_ref().map(|(bytes, _)| bytes.as_slice()))?;
        if let Some((_, tag)) = read {
            small.insert(key, (tag, Vec::new()));
        }
        Ok(())
    }

    /// Has a small file here as it is there.
    fn mirror(&self, table: &TableName, name: &str, bytes: Option<&[u8]>) -> Result<(), RootError> {
        match (self.directory.beside(table, name)?, bytes) {
            (Some(here), Some(bytes)) if here == bytes => Ok(()),
            (None, None) => Ok(()),
            (_, Some(bytes)) => self.directory.write_beside(table, name, bytes),
            (Some(_), None) => self.directory.remove_beside(table, name),
        }
    }

    /// Has `CURRENT` here as it is there where its version is here, decides what is to be
    /// fetched, and removes what the store has no longer. Gives what failed of single tables.
    pub(super) fn follow(&self, state: &mut PullState) -> Result<TableFailures, RootError> {
        let mut failures = TableFailures::new();
        let mut local = self.local()?;
        for (table, listed) in &state.remote {
            let Some((bytes, current)) = &listed.current else { continue };
            let version = current.version();
            let here = local.get(table).and_then(|versions| versions.get(version));
            let is_whole = match (listed.versions.get(version), here) {
                (Some(object), Some(here)) => object.bytes == *here,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => {
                    let found = listed.versions.keys().cloned().collect();
                    let (table, version) = (table.clone(), version.clone());
                    failures.insert(table.clone(), RootError::CurrentMissing { table, version, found });
                    false
                }
            };
            // It is on disk before `CURRENT` names it: whoever starts from here has it.
            if is_whole && let Err(error) = self.mirror(table, CURRENT, Some(bytes)) {
                failures.insert(table.clone(), error);
            }
        }
        for (table, version) in plan::gone(&state.remote, &local, &self.answers(&local)) {
            match self.directory.remove(&table, &version) {
                Ok(()) => {
                    if let Some(versions) = local.get_mut(&table) {
                        versions.remove(&version);
                    }
                    tracing::info!(
                        table = table.as_str(),
                        version = version.as_str(),
                        "removed, as in the store"
                    );
                }
                Err(error) => drop(failures.insert(table, error)),
            }
        }
        state.wanted = plan::wanted(&state.remote, &local);
        let wanted = &state.wanted;
        state.failed.retain(|(table, version), failed| {
            let again = wanted.iter().find(|wanted| wanted.table == *table && wanted.version == *version);
            again.is_some_and(|wanted| wanted.object == failed.object)
        });
        local.keys().for_each(|table| self.remove_unwanted_fetches(table, state));
        self.set_fetched(&local);
        Ok(failures)
    }

    /// Has the catalog say which versions are here.
    pub(super) fn set_fetched(&self, local: &LocalVersions) {
        for (table, versions) in local {
            let known = self.catalog.snapshot();
            let known = known.named(table.as_str()).and_then(|known| known.fetched());
            if !known.is_some_and(|known| known.iter().eq(versions.keys())) {
                let id = self.catalog.reserve(table.clone());
                self.catalog.set_fetched(id, versions.keys().cloned().collect());
            }
        }
    }

    /// Removes what was fetched in part and is not to be here any longer. What cannot be removed
    /// stays until the next look.
    fn remove_unwanted_fetches(&self, table: &TableName, state: &PullState) {
        for entry in fs::read_dir(self.directory.table(table)).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix('.')) else { continue };
            let name = name.strip_suffix(NOTES_SUFFIX).unwrap_or(name);
            let Some(name) = name.strip_suffix(FETCH_SUFFIX) else { continue };
            let is_wanted =
                |wanted: &plan::WantedVersion| wanted.table == *table && wanted.version.as_str() == name;
            if !state.wanted.iter().any(is_wanted) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes tables that the store has no longer. Where it has none at all, somebody may have
    /// lost more than a table.
    fn remove_missing(&self, state: &mut PullState) -> Result<(), RootError> {
        let here = self.directory.tables()?;
        if state.remote.is_empty() && !here.is_empty() {
            return Err(RootError::NoTables { root: self.bucket.name() });
        }
        if state.options.only.is_some() {
            return Ok(());
        }
        for table in here {
            if state.remote.contains_key(&table) {
                state.missing.remove(&table);
                continue;
            }
            let looks = state.missing.entry(table.clone()).or_default();
            *looks += 1;
            if *looks >= MISSING_MAX {
                state.missing.remove(&table);
                self.directory.remove_table(&table)?;
                tracing::info!(table = table.as_str(), "removed, as in the store");
            }
        }
        Ok(())
    }
}

/// Sorts objects by their tables. What is in no table, or deeper than a table, is nobody's.
fn group(objects: Vec<ObjectInfo>, only: Option<&TableName>) -> BTreeMap<TableName, ListedObjects> {
    let mut tables: BTreeMap<TableName, ListedObjects> = BTreeMap::new();
    for object in objects {
        let Some((table, name)) = object.key.split_once('/') else { continue };
        let Ok(table) = table.parse::<TableName>() else { continue };
        if name.is_empty() || name.contains('/') || only.is_some_and(|only| *only != table) {
            continue;
        }
        let listed = tables.entry(table).or_default();
        match version_of_name(name) {
            Some(version) => drop(listed.versions.insert(version, object)),
            None => {
                let name = name.to_owned();
                listed.others.insert(name, object);
            }
        }
    }
    tables
}
