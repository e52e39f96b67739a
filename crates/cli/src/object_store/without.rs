//! What is said where this graven was built without object stores.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graven_catalog::{Catalog, Directory, Root, RootError};
use graven_objects::without_secrets;

use crate::failure::{Failure, Outcome, not_built_in};
use crate::options::serve::ServeOptions;
use crate::output::Stop;
use crate::table_source::RootSource;

fn without(url: &str) -> Failure {
    not_built_in(&format!("{} is in an object store", without_secrets(url)), "object-store")
}

pub(crate) fn open(url: &Path) -> Outcome<Box<dyn Root>> {
    Err(without(&url.display().to_string()))
}

pub(crate) fn directory(source: &RootSource, _: &ServeOptions) -> Outcome<Directory> {
    Err(without(&source.path.display().to_string()))
}

/// Fetches nothing, and there is none.
pub(crate) struct NoPuller(Infallible);

impl NoPuller {
    pub(crate) fn look(&self) {
        match self.0 {}
    }

    pub(crate) fn set_options(&self, _: NoPullOptions) {
        match self.0 {}
    }
}

/// What there is to say to [`NoPuller`].
pub(crate) struct NoPullOptions;

pub(crate) fn pull_options(_: &RootSource, _: &ServeOptions) -> NoPullOptions {
    NoPullOptions
}

pub(crate) fn pull(
    source: &RootSource,
    _: &Directory,
    _: &ServeOptions,
    _: &Arc<Catalog>,
) -> Result<NoPuller, RootError> {
    let path = source.path.clone();
    Err(RootError::Io { doing: "fetch from", path, source: std::io::ErrorKind::Unsupported.into() })
}

/// A table that cannot be opened.
pub(crate) struct NoObjectTable(Infallible);

impl NoObjectTable {
    pub(crate) fn open(url: &str) -> Outcome<Self> {
        Err(without(url))
    }

    pub(crate) fn has_rows(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, Stop> {
        match self.0 {}
    }
}

/// Files that stand for objects, of which there are none.
pub(crate) struct NoStaging(Infallible);

impl NoStaging {
    pub(crate) fn begin(inputs: &[PathBuf], output: Option<&Path>) -> Outcome<Option<Self>> {
        let mut paths = inputs.iter().map(PathBuf::as_path).chain(output);
        match paths.find(|path| super::stands_for_object(path)) {
            Some(path) => Err(without(&path.display().to_string())),
            None => Ok(None),
        }
    }

    pub(crate) fn inputs(&self) -> &[PathBuf] {
        match self.0 {}
    }

    pub(crate) fn output(&self) -> Option<&Path> {
        match self.0 {}
    }

    pub(crate) fn unstaged(&self, _: &str) -> String {
        match self.0 {}
    }

    pub(crate) fn finish(&self) -> Outcome<()> {
        match self.0 {}
    }
}
