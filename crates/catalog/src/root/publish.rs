//! Putting a version into a root: copied, verified, named, and switched to if the gates let it in.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use graven_format::{Storage, Store};

use crate::root::Root;
use crate::root::current::{Current, Verb};
use crate::root::error::RootError;
use crate::root::name::{TableName, VersionName};
use crate::root::operations::{verify, write_switch};

/// How a version is published.
pub struct Publish<'p> {
    /// The version's name; the time of day where none is given, or a name that sorts behind all such names of the table.
    pub version: Option<VersionName>,
    /// What the history says of it.
    pub note: String,
    /// Whether it is switched to.
    pub switch: bool,
    /// Whether it is switched to whatever the gates say.
    pub force: bool,
    /// Told every now and then how many bytes are verified, and of how many; `false` stops.
    pub progress: &'p mut dyn FnMut(u64, u64) -> bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Published {
    /// The version, which is in the root.
    pub version: VersionName,
    /// What `CURRENT` says where it was switched to; why not, where it was to be.
    pub switched: Option<Result<Current, RootError>>,
}

/// Puts the carved file at `path` into `table` of `root` as a new version.
///
/// The file is copied, so that a later write to it does not change the version; verified whole; on disk before it has its
/// name; and never replaces another. A crash at any moment leaves what was, and no more than a file that the next publish
/// removes.
///
/// # Errors
/// When nothing was published: the file is not whole, the version exists, the root cannot be written. That it was published
/// and not switched to is in [`Published::switched`].
pub fn publish(
    root: &dyn Root,
    table: &TableName,
    path: &Path,
    options: Publish<'_>,
) -> Result<Published, RootError> {
    let Publish { version, note, switch, force, progress } = options;
    let file = File::open(path).map_err(RootError::io("open", path))?;
    let of_file = |source| RootError::File { path: path.to_owned(), source };
    // Said before anything is copied: that it is no carved file at all.
    Store::from_file(file.try_clone().map_err(RootError::io("open", path))?, Storage::Memory)
        .map_err(of_file)?;
    let before = root.current(table)?;
    let mut check = |copy: &File| {
        let copy = copy.try_clone().map_err(RootError::io("open the copy of", path))?;
        let store = Store::from_file(copy, Storage::Memory).map_err(of_file)?;
        verify(&store, progress, &of_file)
    };
    let exact = version.is_some();
    let wanted = match version {
        Some(version) => version,
        None => {
            VersionName::after(root.versions(table)?.iter().map(|version| &version.name), SystemTime::now())
        }
    };
    let version = root.put(table, &wanted, exact, &file, &mut check)?;
    let switched = switch.then(|| {
        let _lock = root.lock(table)?;
        let now = root.current(table)?;
        if now != before {
            let current = now.known().map(|current| current.version().clone());
            return Err(RootError::Overtaken { table: table.clone(), version: version.clone(), current });
        }
        write_switch(root, table, &now, version.clone(), Verb::Publish, &note, force)
    });
    Ok(Published { version, switched })
}
