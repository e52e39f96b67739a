//! Follows files that are served by themselves, outside of a root: one that was replaced or written to is noticed, and answers
//! as another version where that is wanted.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use graven_format::Store;

use crate::catalog::{Catalog, Condition, TableId};
use crate::root::{RootError, TableName, VersionName};

/// What is known of a file by looking at its path, without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    place: (u64, u64),
    bytes: u64,
    written: (i64, i64),
}

impl FileStamp {
    /// That of the file at `path`; `None` where there is none. To be taken before the file is opened: what happens to the file
    /// from then on is noticed.
    pub fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            place: (about.dev(), about.ino()),
            bytes: about.len(),
            written: (about.mtime(), about.mtime_nsec()),
        })
    }
}

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
    /// being copied into its place is not read half.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(catalog: Arc<Catalog>, files: Vec<ServedFile>, poll: Duration) -> Result<Self, RootError> {
        let (wake, woken) = channel();
        let files =
            files.into_iter().map(|file| FollowedFile { seen: file.stamp, told: file.stamp, file }).collect();
        let following = FileFollower { catalog, files };
        let started = thread::Builder::new().name("files".into()).spawn(move || following.run(&woken, poll));
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
}

struct FileFollower {
    catalog: Arc<Catalog>,
    files: Vec<FollowedFile>,
}

impl FileFollower {
    fn run(mut self, woken: &Receiver<()>, poll: Duration) -> Vec<ServedFile> {
        loop {
            match woken.recv_timeout(poll) {
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            }
            for followed in &mut self.files {
                followed.look(&self.catalog);
            }
            self.catalog.drop_unused();
        }
        self.files.into_iter().map(|followed| followed.file).collect()
    }
}

impl FollowedFile {
    fn look(&mut self, catalog: &Catalog) {
        let found = FileStamp::of(&self.file.path);
        let is_settled = std::mem::replace(&mut self.seen, found) == found;
        if !is_settled || found == self.told {
            return;
        }
        let before = std::mem::replace(&mut self.told, found);
        let (table, path) = (self.file.name.as_str(), self.file.path.display());
        let what = match (before, found) {
            (_, None) => "was removed",
            (Some(before), Some(found)) if before.place == found.place => "was written to",
            _ => "was replaced",
        };
        let (Some(_), Some(reload)) = (found, &mut self.file.reload) else {
            let then = match what {
                "was written to" => {
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
                catalog.set_last_switch(self.file.table, began.elapsed());
                let (version, seconds) = (version.as_str(), began.elapsed().as_secs_f64());
                tracing::info!(table, version, seconds, "{path} {what}: switched");
            }
            Err(reason) => {
                tracing::warn!(
                    table,
                    "{path} {what}, and is refused: {reason}; what was opened goes on answering"
                );
                // It has no name of its own before it could be read.
                let version = VersionName::at(SystemTime::now());
                catalog.set_condition(self.file.table, Condition::Refused { version, reason });
            }
        }
    }
}
