//! Looks at the store: one listing, and the small objects that it shows to be others than before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use graven_objects::ObjectInfo;

use super::{PullState, Pulling};
use crate::catalog::SourceCondition;
use crate::pull::plan::{self, RemoteTable};
use crate::root::bucket::{random, version_of_name};
use crate::root::current::CURRENT_BYTES_MAX;
use crate::root::directory::{BESIDE_BYTES_MAX, CURRENT, SETTINGS, SETTINGS_BYTES_MAX};
use crate::root::{Current, Root, RootError, TableName, TableSettings, VersionName};

/// Looks without a table after which it is removed.
const MISSING_MAX: u32 = 2;

/// What the names of files that are being fetched end with; they begin with a dot.
pub(super) const FETCH_SUFFIX: &str = ".fetch";

/// What the notes about them end with.
const NOTES_SUFFIX: &str = ".fetch.notes";

/// The objects of a table.
#[derive(Debug, Default)]
struct ListedObjects {
    versions: BTreeMap<VersionName, ObjectInfo>,
    /// All others, by their names behind the table's.
    others: BTreeMap<String, ObjectInfo>,
}

/// Small objects that were read, by their keys: what they were when that was.
pub(super) type ReadObjects = BTreeMap<String, (Option<String>, Vec<u8>)>;

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

    /// Looks once; what fails is logged.
    pub(super) fn look_with(&self, small: &mut ReadObjects) -> Result<(), RootError> {
        let looked = self.try_look(small);
        let reason = looked.as_ref().err().map(ToString::to_string);
        let (before, tables) = {
            let mut state = self.state();
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
        for table in here.into_iter().chain(tables).collect::<BTreeSet<_>>() {
            self.report(&table);
        }
        looked
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
            state.unreachable.clone().or(failed)
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

    fn try_look(&self, small: &mut ReadObjects) -> Result<(), RootError> {
        let only = self.state().options.only.clone();
        let listed = group(self.bucket.objects().list("")?, only.as_ref());
        self.read_changed(small, &listed, CURRENT, CURRENT_BYTES_MAX as u64)?;
        self.read_changed(small, &listed, SETTINGS, SETTINGS_BYTES_MAX as u64)?;
        let mut remote = BTreeMap::new();
        for (table, objects) in &listed {
            self.directory.make_table(table)?;
            self.mirror_settings(small, table, objects)?;
            let current = small.get(&format!("{table}/{CURRENT}"));
            let current = current.map(|(_, bytes)| (bytes.clone(), Current::read(bytes).ok()));
            remote.insert(table.clone(), RemoteTable { current, versions: objects.versions.clone() });
        }
        let mut state = self.state();
        state.remote = remote;
        self.follow(&mut state)?;
        self.remove_missing(&mut state)?;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Reads the objects of this name that are others than when they were read last.
    fn read_changed(
        &self,
        small: &mut ReadObjects,
        listed: &BTreeMap<TableName, ListedObjects>,
        name: &str,
        bytes_max: u64,
    ) -> Result<(), RootError> {
        let keys = listed.iter().filter_map(|(table, objects)| {
            let object = objects.others.get(name)?;
            let key = format!("{table}/{name}");
            let is_known = small.get(&key).is_some_and(|(tag, _)| tag.is_some() && *tag == object.tag);
            (!is_known).then_some(key)
        });
        let keys: Vec<String> = keys.collect();
        for (key, read) in keys.iter().zip(self.bucket.objects().read_many(&keys, bytes_max)) {
            match read? {
                Some((bytes, tag)) => small.insert(key.clone(), (tag, bytes)),
                None => small.remove(key),
            };
        }
        let is_listed = |key: &String| {
            let Some((table, found)) = key.split_once('/') else { return false };
            found != name || listed.get(table).is_some_and(|objects| objects.others.contains_key(name))
        };
        small.retain(|key, _| is_listed(key));
        Ok(())
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
        for name in names.into_iter().filter(|name| name != CURRENT && name != SETTINGS) {
            let key = format!("{table}/{name}");
            let Some(object) = objects.others.get(&name) else {
                small.remove(&key);
                self.mirror(table, &name, None)?;
                continue;
            };
            // Of these, what they are is kept, and not what they say.
            if small.get(&key).is_some_and(|(tag, _)| tag.is_some() && *tag == object.tag) {
                continue;
            }
            let read = self.bucket.objects().read(&key, BESIDE_BYTES_MAX as u64)?;
            self.mirror(table, &name, read.as_ref().map(|(bytes, _)| bytes.as_slice()))?;
            if let Some((_, tag)) = read {
                small.insert(key, (tag, Vec::new()));
            }
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
    /// fetched, and removes what the store has no longer.
    pub(super) fn follow(&self, state: &mut PullState) -> Result<(), RootError> {
        let local = self.local()?;
        for (table, listed) in &state.remote {
            let Some((bytes, current)) = &listed.current else { continue };
            let object = current.as_ref().and_then(|current| listed.versions.get(current.version()));
            let here = |object: &ObjectInfo| {
                let version = current.as_ref().map(Current::version)?;
                Some(local.get(table)?.get(version)? == &object.bytes)
            };
            // What is nowhere is said by whoever follows the directory.
            if object.is_none_or(|object| here(object) == Some(true)) {
                self.mirror(table, CURRENT, Some(bytes))?;
            }
        }
        state.wanted = plan::wanted(&state.remote, &local);
        let wanted = &state.wanted;
        state.failed.retain(|(table, version), failed| {
            let again = wanted.iter().find(|wanted| wanted.table == *table && wanted.version == *version);
            again.is_some_and(|wanted| wanted.object == failed.object)
        });
        for (table, version) in plan::gone(&state.remote, &local, &self.answers(&local)) {
            self.directory.remove(&table, &version)?;
            tracing::info!(table = table.as_str(), version = version.as_str(), "removed, as in the store");
        }
        for (table, versions) in &local {
            self.remove_unwanted_fetches(table, state);
            let known = self.catalog.snapshot();
            let known = known.named(table.as_str()).and_then(|known| known.fetched());
            if !known.is_some_and(|known| known.iter().eq(versions.keys())) {
                let id = self.catalog.reserve(table.clone());
                self.catalog.set_fetched(id, versions.keys().cloned().collect());
            }
        }
        Ok(())
    }

    /// Removes what was fetched in part and is not to be here any longer. What cannot be removed
    /// stays until the next look.
    fn remove_unwanted_fetches(&self, table: &TableName, state: &PullState) {
        for entry in fs::read_dir(self.directory.table(table)).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix('.')) else { continue };
            let name = name.strip_suffix(NOTES_SUFFIX).or_else(|| name.strip_suffix(FETCH_SUFFIX));
            let Some(name) = name else { continue };
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
