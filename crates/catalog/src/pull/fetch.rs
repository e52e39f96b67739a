//! Fetches versions, one at a time: downloaded, verified, on disk, and only then under their
//! names.

use std::io;
use std::time::{Duration, Instant};

use graven_format::{Storage, Store};
use graven_objects::{Download, remove_notes, remove_partial};

use super::look::FETCH_SUFFIX;
use super::{FailedFetch, Pulling};
use crate::catalog::SourceCondition;
use crate::keeper::lower_priority;
use crate::pull::plan::{self, Urgency, WantedVersion};
use crate::retry::Retry;
use crate::root::operations::verify;
use crate::root::{Root, RootError};

/// How often a fetch says how far it is, and looks whether something else is more urgent.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// How often what failed is looked at again.
const RETRY_LOOK: Duration = Duration::from_secs(1);

impl Pulling {
    pub(super) fn keep_fetching(&self) {
        lower_priority();
        while let Some(wanted) = self.next() {
            let began = Instant::now();
            let fetched = self.fetch(&wanted);
            self.set_source(&wanted.table, SourceCondition::Fine);
            match fetched {
                Ok(()) => tracing::info!(
                    table = wanted.table.as_str(),
                    version = wanted.version.as_str(),
                    bytes = wanted.object.bytes,
                    seconds = began.elapsed().as_secs_f64(),
                    "fetched"
                ),
                // Something else is more urgent, or it is not to be here any longer.
                Err(RootError::Stopped) => {}
                Err(error) => self.failed(&wanted, &error),
            }
            self.report(&wanted.table);
        }
    }

    /// The next version to be fetched; waits for one, and is none when it is over.
    fn next(&self) -> Option<WantedVersion> {
        let mut state = self.state();
        loop {
            if self.is_over() {
                return None;
            }
            let now = Instant::now();
            let is_due = |wanted: &&WantedVersion| {
                let failed = state.failed.get(&(wanted.table.clone(), wanted.version.clone()));
                failed.is_none_or(|failed| failed.retry.is_some_and(|retry| retry.is_due(now)))
            };
            if let Some(wanted) = state.wanted.iter().find(is_due) {
                return Some(wanted.clone());
            }
            let longest = if state.wanted.is_empty() { Duration::from_secs(3600) } else { RETRY_LOOK };
            let waited = self.changed.wait_timeout(state, longest);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Whether this is still to be fetched, and nothing is more urgent.
    fn goes_on(&self, wanted: &WantedVersion) -> bool {
        let state = self.state();
        let is_more_urgent = |other: &WantedVersion| {
            let key = (other.table.clone(), other.version.clone());
            other.urgency == Urgency::Current
                && wanted.urgency != Urgency::Current
                && !state.failed.contains_key(&key)
        };
        !self.is_over() && state.wanted.contains(wanted) && !state.wanted.iter().any(is_more_urgent)
    }

    fn fetch(&self, wanted: &WantedVersion) -> Result<(), RootError> {
        let WantedVersion { table, version, object, .. } = wanted;
        self.make_room(wanted, None)?;
        let partial = self.directory.table(table).join(format!(".{version}{FETCH_SUFFIX}"));
        let mut told = None;
        let mut progress = |done, total| {
            if self.is_over() {
                return false;
            }
            if told.is_some_and(|told: Instant| told.elapsed() < REPORT_EVERY) {
                return true;
            }
            told = Some(Instant::now());
            let version = version.clone();
            self.set_source(table, SourceCondition::Fetching { version, done, total });
            self.goes_on(wanted)
        };
        let rate = self.state().options.rate;
        let download = Download { rate, progress: &mut progress };
        let file = self.bucket.objects().download(object, &partial, download)?;
        let whole = file.try_clone().map_err(RootError::io("open", &partial)).and_then(|file| {
            let of_file =
                |source| RootError::File { path: self.bucket.objects().url().of(&object.key).into(), source };
            let store = Store::from_file(file, Storage::Memory).map_err(of_file)?;
            verify(&store, &mut |_, _| !self.is_over(), &of_file)
        });
        match whole {
            Ok(()) => {}
            Err(RootError::Stopped) => return Err(RootError::Stopped),
            Err(error) => {
                // It is fetched anew, from its beginning.
                let _ = remove_partial(&partial);
                return Err(error);
            }
        }
        file.sync_all().map_err(RootError::io("write to disk", &partial))?;
        self.directory.name_version(table, version, &partial)?;
        // Where it cannot be removed, the next look does.
        remove_notes(&partial);
        let mut state = self.state();
        state.failed.remove(&(table.clone(), version.clone()));
        // What fails of another table, the next look says.
        self.follow(&mut state)?.remove(table).map_or(Ok(()), Err)
    }

    /// Removes old versions so that there is room for this one: within what may be here, or of so
    /// many `bytes_max`.
    fn make_room(&self, wanted: &WantedVersion, bytes_max: Option<u64>) -> Result<(), RootError> {
        let state = self.state();
        let Some(bytes_max) = bytes_max.or(state.options.bytes_max) else { return Ok(()) };
        let mut local = self.local()?;
        let answers = self.answers(&local);
        // One of its name and another length is replaced.
        if let Some(versions) = local.get_mut(&wanted.table) {
            versions.remove(&wanted.version);
        }
        let bytes = wanted.object.bytes;
        let evicted = plan::evicted(&state.remote, &local, &answers, wanted, bytes_max);
        let Some(evicted) = evicted else {
            let here = local.values().flat_map(|versions| versions.values()).sum();
            return Err(RootError::NoRoom { version: wanted.version.clone(), bytes, here, bytes_max });
        };
        // Nobody counts on them any longer before they go.
        for (table, version) in &evicted {
            local.get_mut(table).and_then(|versions| versions.remove(version));
        }
        self.set_fetched(&local);
        for (table, version) in evicted {
            self.directory.remove(&table, &version)?;
            tracing::info!(table = table.as_str(), version = version.as_str(), "removed to make room");
        }
        Ok(())
    }

    fn failed(&self, wanted: &WantedVersion, error: &RootError) {
        let is_full =
            matches!(error, RootError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull);
        if is_full {
            let local = self.local().unwrap_or_default();
            let here = local.values().flat_map(|versions| versions.values()).sum();
            // Where that makes no room either, the disk stays full, and that is what is said.
            let _ = self.make_room(wanted, Some(here));
        }
        let reason = error.to_string();
        let key = (wanted.table.clone(), wanted.version.clone());
        let mut state = self.state();
        let poll = state.options.poll;
        let before = state.failed.get(&key);
        let is_known = before.is_some_and(|before| before.reason == reason);
        let was_damaged = before.is_some_and(|before| before.object == wanted.object && before.is_damaged);
        let before = before.and_then(|before| before.retry);
        // Once it may be the copy here that is damaged; then it is the object, until another is
        // there.
        let is_damaged = !may_pass(error);
        let retry =
            (!is_damaged || !was_damaged).then(|| Retry::after(before, poll, Duration::ZERO, Instant::now()));
        if !is_known {
            let (table, version) = (wanted.table.as_str(), wanted.version.as_str());
            tracing::warn!(table, version, "it cannot be fetched: {reason}; what is here goes on answering");
        }
        let is_damaged = is_damaged || was_damaged;
        state.failed.insert(key, FailedFetch { object: wanted.object.clone(), reason, is_damaged, retry });
    }
}

/// Whether what failed may go well later, though no other object is there.
fn may_pass(error: &RootError) -> bool {
    use graven_format::Error::{Io, Read};
    !matches!(error, RootError::File { source, .. } if !matches!(source, Io { .. } | Read { .. }))
}
