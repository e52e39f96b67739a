//! Follows files that are served by themselves, outside of a root: one that was replaced or written to is noticed, and answers
//! as another version where that is wanted.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use graven_format::{Change, FileStamp, Store};

use crate::catalog::{Catalog, Condition, TableId};
use crate::retry::Retry;
use crate::root::{RootError, TableName, VersionName};

/// Opens, checks and loads what a path holds by now.
pub type Reload = Box<dyn FnMut() -> Result<Store, String> + Send>;

/// A file that answers for a table.
pub struct ServedFile {
    /// The table.
    pub table: TableId,
    /// Its name, for the log.
    pub name: TableName,
    /// Where the file is.
    pub path: PathBuf,
    /// The file that answers.
    pub stamp: Option<FileStamp>,
    /// How another file comes to answer; `None` where a change is only told.
    pub reload: Option<Reload>,
}

impl fmt::Debug for ServedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedFile")
            .field("name", &self.name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A thread that looks at files, until it is dropped.
#[derive(Debug)]
pub struct FileKeeper {
    wake: Sender<()>,
    /// Gives the files back.
    thread: JoinHandle<Vec<ServedFile>>,
}

impl FileKeeper {
    /// Looks at `files` every `poll`. A change is acted upon when the file has been the same for two looks, so that one that is
    /// being copied into its place is not read half. Where it could not be read, it is tried again after a while, and then
    /// less and less often.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(catalog: Arc<Catalog>, files: Vec<ServedFile>, poll: Duration) -> Result<Self, RootError> {
        let (wake, woken) = channel();
        let files = files.into_iter().map(|file| FollowedFile {
            seen: file.stamp,
            told: file.stamp,
            file,
            failed: None,
        });
        let following = FileFollower { catalog, files: files.collect(), poll };
        let started = thread::Builder::new().name("files".into()).spawn(move || following.run(&woken));
        let thread = started.map_err(|source| RootError::Io {
            doing: "start a thread for",
            path: "the files".into(),
            source,
        })?;
        Ok(Self { wake, thread })
    }

    /// Ends the thread, when it has loaded what it is loading, and gives the files back, each with the stamp of what answers.
    pub fn stop(self) -> Vec<ServedFile> {
        drop(self.wake);
        self.thread.join().unwrap_or_default()
    }

    /// Has the files looked at now.
    pub fn look(&self) {
        // Where the thread has ended there is nothing to look for.
        let _ = self.wake.send(());
    }
}

struct FollowedFile {
    file: ServedFile,
    /// What the last look has seen.
    seen: Option<FileStamp>,
    /// What answers, or was last told of, or tried in vain.
    told: Option<FileStamp>,
    failed: Option<FailedReload>,
}

/// A file that could not be read, though it may be later: where memory or descriptors are short, or its medium fails.
struct FailedReload {
    /// It has no name of its own before it can be read.
    version: VersionName,
    reason: String,
    retry: Retry,
}

struct FileFollower {
    catalog: Arc<Catalog>,
    files: Vec<FollowedFile>,
    poll: Duration,
}

impl FileFollower {
    fn run(mut self, woken: &Receiver<()>) -> Vec<ServedFile> {
        loop {
            match woken.recv_timeout(self.poll) {
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            }
            for followed in &mut self.files {
                followed.look(&self.catalog, self.poll);
            }
            self.catalog.drop_unused();
        }
        self.files.into_iter().map(|followed| followed.file).collect()
    }
}

/// What has become of the file at a path, between two looks. Its status alone says nothing of what it holds.
fn change(before: Option<FileStamp>, now: Option<FileStamp>) -> Option<Change> {
    match (before, now) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Replaced),
        (Some(before), now) => before.change(now).filter(|change| *change != Change::Status),
    }
}

impl FollowedFile {
    fn look(&mut self, catalog: &Catalog, poll: Duration) {
        let found = FileStamp::of(&self.file.path);
        let before = std::mem::replace(&mut self.seen, found);
        if change(before, found).is_some() {
            return;
        }
        let changed = change(self.told, found);
        if changed.is_some() {
            self.failed = None;
        }
        let is_due = self.failed.as_ref().is_some_and(|failed| failed.retry.is_due(Instant::now()));
        if changed.is_none() && !is_due {
            return;
        }
        self.told = found;
        let (table, path) = (self.file.name.as_str(), self.file.path.display());
        let what = match changed {
            None => "is tried again",
            Some(Change::Removed) => "was removed",
            Some(Change::Contents) => "was written to",
            Some(_) => "was replaced",
        };
        let (Some(_), Some(reload)) = (found, &mut self.file.reload) else {
            let then = match changed {
                Some(Change::Contents) => {
                    "what is in memory goes on answering, and what is not gets errors where it was changed: replace files, and never write to them"
                }
                _ => "the file that was opened goes on answering",
            };
            tracing::warn!(table, "{path} {what} while it is served; {then}");
            return;
        };
        let began = Instant::now();
        match reload() {
            Ok(store) => {
                let version = VersionName::of_identity(store.identity());
                catalog.switch_to(self.file.table, version.clone(), store);
                self.file.stamp = found;
                self.failed = None;
                catalog.set_last_switch(self.file.table, began.elapsed());
                let (version, seconds) = (version.as_str(), began.elapsed().as_secs_f64());
                tracing::info!(event = "table_switched", table, version, seconds, "{path} {what}: switched");
            }
            Err(reason) => {
                let before = self.failed.take();
                if before.as_ref().is_none_or(|before| before.reason != reason) {
                    tracing::warn!(
                        event = "version_refused",
                        table,
                        reason,
                        "{path} {what}, and is refused: {reason}; what was opened goes on answering"
                    );
                }
                let retry = before.as_ref().map(|before| before.retry);
                let retry = Retry::after(retry, poll, began.elapsed(), Instant::now());
                let version =
                    before.map_or_else(|| VersionName::at(SystemTime::now()), |before| before.version);
                let condition = Condition::Refused { version: version.clone(), reason: reason.clone() };
                catalog.set_condition(self.file.table, condition);
                self.failed = Some(FailedReload { version, reason, retry });
            }
        }
    }
}
