//! Roots: where tables and their versions are kept, and the only authority over which version answers.
//!
//! ```text
//! ROOT/prices/20261125T020000Z.graven
//! ROOT/prices/20261126T020000Z.graven
//! ROOT/prices/CURRENT                    the version that answers, and how that came about
//! ROOT/prices/table.toml                 optional: gates and settings
//! ```
//!
//! [`Directory`] is a root in a file system, `BucketRoot` one in an object store. What publishers and servers need of a root is the
//! trait [`Root`].

#[cfg(feature = "objects")]
pub(crate) mod bucket;
pub(crate) mod current;
pub(crate) mod directory;
mod error;
#[cfg(feature = "objects")]
mod front_copy;
mod gates;
mod name;
pub(crate) mod operations;
mod publish;
mod retention;
mod watch;

use std::fmt::Debug;
use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

#[cfg(feature = "objects")]
pub use bucket::BucketRoot;
pub use current::{Current, HISTORY_MAX, HistoryEntry, NOTE_BYTES_MAX, NotCurrent, Verb};
pub use directory::{Directory, VERSION_SUFFIX};
pub use error::RootError;
#[cfg(feature = "objects")]
pub use front_copy::copy_front;
#[cfg(feature = "objects")]
pub(crate) use gates::is_beside_name;
pub use gates::{GateContext, GateRefusal, Share, TableSettings, TableStorage, refusals};
pub use name::{NAME_BYTES_MAX, NotAName, TableName, VersionName};
pub use operations::{SwitchTarget, resume, rollback, switch};
pub use publish::{Publish, Published, publish};
pub use retention::{Retention, retain};
pub(crate) use watch::{RootChange, watch_directory};

/// A version that a root has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFile {
    /// Its name.
    pub name: VersionName,
    /// Its bytes.
    pub bytes: u64,
    /// When it was put there.
    pub put: SystemTime,
}

/// `CURRENT` as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentState {
    /// What it says; `None` when there is none, and an error when it says nothing that can be understood.
    pub current: Option<Result<Current, NotCurrent>>,
    /// By what it is recognized when it is replaced: that it is still this one.
    tag: Option<Vec<u8>>,
}

impl CurrentState {
    /// What it says, where it can be understood.
    pub fn known(&self) -> Option<&Current> {
        self.current.as_ref().and_then(|current| current.as_ref().ok())
    }
}

/// Where tables and their versions are kept.
pub trait Root: Debug + Send + Sync {
    /// The root as people write it.
    fn name(&self) -> String;

    /// Where it is in a file system that can be watched; `None` elsewhere.
    fn directory(&self) -> Option<PathBuf> {
        None
    }

    /// The tables that there are, in order of their names.
    ///
    /// # Errors
    /// When the root cannot be read.
    fn tables(&self) -> Result<Vec<TableName>, RootError>;

    /// The versions of a table, in order of their names; none of a table that is not there.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn versions(&self, table: &TableName) -> Result<Vec<VersionFile>, RootError>;

    /// Which version of a table answers.
    ///
    /// # Errors
    /// When that cannot be read.
    fn current(&self, table: &TableName) -> Result<CurrentState, RootError>;

    /// Replaces `CURRENT` in one step, if it is still what it was as `before`; whether it was.
    ///
    /// # Errors
    /// When it cannot be written; then it is what it was, or what it was to be.
    fn replace_current(
        &self,
        table: &TableName,
        before: &CurrentState,
        next: &Current,
    ) -> Result<bool, RootError>;

    /// The settings of a table.
    ///
    /// # Errors
    /// When they cannot be read or understood.
    fn settings(&self, table: &TableName) -> Result<TableSettings, RootError>;

    /// The content of a small file beside the versions, such as a probe; `None` when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn beside(&self, table: &TableName, file: &str) -> Result<Option<Vec<u8>>, RootError>;

    /// Opens a version, as far as a [`Store`](graven_format::Store) reads it that is opened as
    /// [`Storage::Memory`](graven_format::Storage::Memory) and not asked for a key.
    ///
    /// # Errors
    /// [`RootError::NoVersion`] when it is not there, and when it cannot be read.
    fn open(&self, table: &TableName, version: &VersionName) -> Result<File, RootError>;

    /// As [`Self::open`], for who reads all of it: where that has to be fetched first, `progress` is told how many bytes of how
    /// many are there, and stops with `false`.
    ///
    /// # Errors
    /// As [`Self::open`], and [`RootError::Stopped`].
    fn open_whole(
        &self,
        table: &TableName,
        version: &VersionName,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<File, RootError> {
        let _ = progress;
        self.open(table, version)
    }

    /// Copies `file` into the table as `version`, or the first free name behind it where that is taken and `exact` is not
    /// asked for. The copy is whole, checked by `check` and on disk before it has its name. Returns the name.
    ///
    /// # Errors
    /// [`RootError::VersionExists`], what `check` says, and when the copy cannot be made; then nothing is left of it.
    fn put(
        &self,
        table: &TableName,
        version: &VersionName,
        exact: bool,
        file: &File,
        check: &mut dyn FnMut(&File) -> Result<(), RootError>,
    ) -> Result<VersionName, RootError>;

    /// Removes a version.
    ///
    /// # Errors
    /// When it cannot be removed. That it is not there is none.
    fn remove(&self, table: &TableName, version: &VersionName) -> Result<(), RootError>;

    /// Keeps other publishers, switches and retentions away from a table until the guard is dropped.
    ///
    /// # Errors
    /// When that cannot be had.
    fn lock(&self, table: &TableName) -> Result<Box<dyn Debug>, RootError>;
}
