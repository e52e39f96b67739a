//! Roots as people name them, and what they are told of a root.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use graven_catalog::root::{Current, RootError, VersionName};
use graven_catalog::{Directory, Root, TableName};

use crate::console::{say, warn};
use crate::failure::{Failure, Outcome, reason};
use crate::object_store;

/// A version is in its root, but was not switched to.
pub(crate) const NOT_SWITCHED: u8 = 3;

/// A table in a root, as `ROOT/TABLE`.
#[derive(Clone, Debug)]
pub(crate) struct TablePath {
    pub(crate) root: PathBuf,
    pub(crate) table: TableName,
}

impl FromStr for TablePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text.trim_end_matches('/'));
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name else {
            return Err("expected ROOT/TABLE, a directory and the name of a table in it".to_owned());
        };
        let table = name.parse().map_err(|error| format!("{name:?} is no table's name: {error}"))?;
        if object_store::is_url(path) && !path.parent().is_some_and(object_store::is_url) {
            return Err("expected ROOT/TABLE, a bucket and the name of a table in it, as s3://BUCKET/TABLE"
                .to_owned());
        }
        let root = match path.parent() {
            Some(root) if root != Path::new("") => root,
            _ => Path::new("."),
        };
        Ok(Self { root: root.to_owned(), table })
    }
}

impl TablePath {
    /// The root, which has to be there.
    pub(crate) fn open(&self) -> Outcome<Box<dyn Root>> {
        if object_store::is_url(&self.root) {
            return object_store::open(&self.root);
        }
        let directory = Directory::open(&self.root).map_err(|error| {
            let table = &self.table;
            explain(&error, &format!("; `graven publish FILE {}/{table}` makes it", self.root.display()))
        })?;
        Ok(Box::new(directory))
    }

    /// The root, which is made if it is not there.
    pub(crate) fn create(&self) -> Outcome<Box<dyn Root>> {
        if object_store::is_url(&self.root) {
            return object_store::open(&self.root);
        }
        let directory = Directory::create(&self.root).map_err(|error| explain(&error, ""))?;
        Ok(Box::new(directory))
    }

    /// The table as it is typed.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}", self.root.display(), self.table)
    }

    /// What came of a command that changes which version answers: said, and its exit status.
    pub(crate) fn report(&self, changed: Result<Current, RootError>) -> Outcome<ExitCode> {
        match changed {
            Ok(current) => {
                say(answers(&self.table, &current))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => self.refused(&error),
        }
    }

    /// Says why nothing was switched, and what to type next.
    pub(crate) fn refused(&self, error: &RootError) -> Outcome<ExitCode> {
        let text = self.text();
        let (advice, status) = match error {
            RootError::Refused { version, .. } => {
                (format!("; mend it and publish anew, or `graven switch {text} {version} --force`"), 1)
            }
            RootError::Frozen { .. } => (format!("; `graven resume {text}` ends that"), NOT_SWITCHED),
            RootError::Overtaken { version, .. } => (
                format!("; look with `graven versions {text}`, then `graven switch {text} {version}`"),
                NOT_SWITCHED,
            ),
            RootError::Bad { version, .. } => (format!("; `graven switch {text} {version} --force` does"), 1),
            RootError::NoVersion { .. } => (format!("; `graven versions {text}` lists all"), 1),
            RootError::NothingToRollBackTo { .. } => {
                (format!("; name one with `graven switch {text} VERSION`"), 1)
            }
            RootError::Claimed { .. } => (String::new(), NOT_SWITCHED - 1),
            RootError::NoCurrent { .. } => (format!("; `graven switch {text} latest` chooses one"), 1),
            RootError::Current { .. } => (format!("; `graven switch {text} VERSION` writes it anew"), 1),
            RootError::File { source, .. } if is_not_whole(source) => (String::new(), 1),
            RootError::NoTable { .. } => {
                return Err(explain(error, &format!("; `graven publish FILE {text}` makes it")));
            }
            RootError::VersionExists { version, .. } => {
                return Err(explain(error, &format!("; `graven switch {text} {version}` switches to it")));
            }
            error => return Err(explain(error, "")),
        };
        warn(explain(error, &advice));
        Ok(ExitCode::from(status))
    }
}

/// Whether a file was read and is not what it has to be.
fn is_not_whole(error: &graven_format::Error) -> bool {
    use graven_format::Error;
    matches!(
        error,
        Error::NotCarved
            | Error::Version { .. }
            | Error::Flags { .. }
            | Error::Section { .. }
            | Error::Length { .. }
            | Error::Damaged { .. }
    )
}

/// Which version answers, as a sentence.
pub(crate) fn answers(table: &TableName, current: &Current) -> String {
    let frozen = if current.is_frozen() { ", frozen until `graven resume`" } else { "" };
    format!("{table}@{} answers{frozen}", current.version())
}

/// An error of a root as a failure, with `advice` behind it.
pub(crate) fn explain(error: &RootError, advice: &str) -> Failure {
    Failure::new(match error {
        RootError::Io { doing, path, source } => {
            format!("cannot {doing} {}: {}{advice}", path.display(), reason(source))
        }
        RootError::File { path, source } => {
            format!("{}{advice}", crate::table::explain(&path.display().to_string(), source))
        }
        RootError::Stopped => crate::signals::STOPPED.to_owned(),
        error => format!("{error}{advice}"),
    })
}

/// What stands for the newest version.
pub(crate) const LATEST: &str = "latest";

/// `latest`, or the name of a version.
pub(crate) fn parse_target(text: &str) -> Result<graven_catalog::root::SwitchTarget, String> {
    use graven_catalog::root::SwitchTarget;
    if text == LATEST {
        return Ok(SwitchTarget::Latest);
    }
    parse_version(text).map(SwitchTarget::Version)
}

/// The name of a version.
pub(crate) fn parse_version(text: &str) -> Result<VersionName, String> {
    text.parse().map_err(|error: graven_catalog::root::NotAName| error.to_string())
}
