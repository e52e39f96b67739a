//! Why something could not be done with a root.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::root::current::NotCurrent;
use crate::root::gates::GateRefusal;
use crate::root::name::{TableName, VersionName};

/// Why something could not be done with a root.
#[derive(Debug)]
#[non_exhaustive]
pub enum RootError {
    /// The system refused.
    Io {
        /// What was being done, as in "read".
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root has no such table.
    NoTable {
        /// The root.
        root: String,
        /// The table that was named.
        table: TableName,
    },
    /// The table has no such version.
    NoVersion {
        /// The table.
        table: TableName,
        /// The version that was named.
        version: VersionName,
        /// Those that there are, the newest last.
        found: Vec<VersionName>,
    },
    /// The table has a version of this name already, which is never replaced.
    VersionExists {
        /// The table.
        table: TableName,
        /// The version.
        version: VersionName,
    },
    /// The version is being put there by another publisher, or by one that was killed.
    Claimed {
        /// The table.
        table: TableName,
        /// The version.
        version: VersionName,
        /// What is there as long as somebody does.
        claim: String,
    },
    /// The root has no tables, and had some.
    NoTables {
        /// The root.
        root: String,
    },
    /// A version has no room where versions are kept.
    NoRoom {
        /// The version.
        version: VersionName,
        /// Its bytes.
        bytes: u64,
        /// Bytes of the versions that are there.
        here: u64,
        /// Bytes that may be there.
        bytes_max: u64,
    },
    /// `CURRENT` names a version that is not there.
    CurrentMissing {
        /// The table.
        table: TableName,
        /// The version that it names.
        version: VersionName,
        /// Those that there are, the newest last.
        found: Vec<VersionName>,
    },
    /// `CURRENT` does not say which version answers.
    Current {
        /// The table.
        table: TableName,
        /// What is wrong with it.
        reason: NotCurrent,
    },
    /// `table.toml` is not right.
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        reason: String,
    },
    /// The file is no carved file, or is not whole.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: graven_format::Error,
    },
    /// A gate keeps the version out; nothing was switched.
    Refused {
        /// The table.
        table: TableName,
        /// The version.
        version: VersionName,
        /// Each gate that does.
        refusals: Vec<GateRefusal>,
    },
    /// The table was rolled back and is frozen until it is resumed; nothing was switched.
    Frozen {
        /// The table.
        table: TableName,
        /// The version that answers.
        current: VersionName,
        /// The version that was rolled back from.
        bad: Option<VersionName>,
    },
    /// The version was rolled back from, and is not gone back to.
    Bad {
        /// The table.
        table: TableName,
        /// The version.
        version: VersionName,
    },
    /// Somebody else switched the table meanwhile; the version is there, and was not switched to.
    Overtaken {
        /// The table.
        table: TableName,
        /// The version that is there.
        version: VersionName,
        /// The version that answers.
        current: Option<VersionName>,
    },
    /// `CURRENT` is replaced, and the system does not promise that it is after a crash.
    NotDurable {
        /// The table.
        table: TableName,
        /// The version that answers.
        version: VersionName,
        /// What the system said.
        source: io::Error,
    },
    /// There is no version that a rollback could go back to.
    NothingToRollBackTo {
        /// The table.
        table: TableName,
    },
    /// No version answers yet.
    NoCurrent {
        /// The table.
        table: TableName,
    },
    /// It was told to stop.
    Stopped,
}

impl RootError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::NoTable { root, table } => write!(f, "{root} has no table {table}"),
            Self::CurrentMissing { table, version, found } => {
                write!(f, "CURRENT of {table} names a version that is not there: ")?;
                let (table, version, found) = (table.clone(), version.clone(), found.clone());
                Self::NoVersion { table, version, found }.fmt(f)?;
                f.write_str("; switch to one that is there")
            }
            Self::NoVersion { table, version, found } if found.is_empty() => {
                write!(f, "{table} has no version {version}, nor any other")
            }
            Self::NoVersion { table, version, found } => {
                write!(f, "{table} has no version {version}; it has ")?;
                let newest: Vec<&str> = found.iter().rev().take(5).map(VersionName::as_str).collect();
                f.write_str(&newest.join(", "))?;
                if found.len() > newest.len() {
                    write!(f, " and {} more", found.len() - newest.len())?;
                }
                Ok(())
            }
            Self::VersionExists { table, version } => {
                write!(f, "{table} has a version {version} already, and a version is never replaced")
            }
            Self::Claimed { table, version, claim } => write!(
                f,
                "{table}@{version} is being put there by another publisher; if that was killed, remove {claim}"
            ),
            Self::NoTables { root } => write!(
                f,
                "{root} has no tables any longer; publish to it anew, or look whether this is the root that is meant"
            ),
            Self::NoRoom { version, bytes, here, bytes_max } => write!(
                f,
                "{version} has {bytes} bytes, which have no room beside {here} within {bytes_max}: the others are needed; allow more bytes of versions"
            ),
            Self::Current { table, reason } => write!(f, "CURRENT of {table}: {reason}"),
            Self::Settings { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Refused { table, version, refusals } => {
                write!(f, "{table}@{version} is not switched to: ")?;
                let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
            }
            Self::Frozen { table, current, bad } => {
                write!(f, "{table} was rolled back to {current}")?;
                if let Some(bad) = bad {
                    write!(f, " from {bad}")?;
                }
                f.write_str(" and is frozen until it is resumed")
            }
            Self::Bad { table, version } => {
                write!(f, "{table}@{version} was rolled back from, and is not gone back to")
            }
            Self::Overtaken { table, version, current } => {
                write!(f, "{table} was switched by somebody else meanwhile")?;
                if let Some(current) = current {
                    write!(f, ", to {current}")?;
                }
                write!(f, "; {version} is there, but not switched to")
            }
            Self::NotDurable { table, version, source } => {
                write!(f, "{table}@{version} answers, but may not after a crash of the system: {source}")
            }
            Self::NothingToRollBackTo { table } => {
                write!(f, "{table} has no earlier version that answered and was not rolled back from")
            }
            Self::NoCurrent { table } => write!(f, "no version of {table} answers yet"),
            Self::Stopped => f.write_str("stopped before it was done"),
        }
    }
}

#[cfg(feature = "objects")]
impl From<graven_objects::ObjectError> for RootError {
    fn from(error: graven_objects::ObjectError) -> Self {
        use graven_objects::{ObjectError, ObjectProblem};
        let ObjectError { doing, url, problem } = error;
        match problem {
            ObjectProblem::Stopped => Self::Stopped,
            ObjectProblem::File(source) => Self::Io { doing, path: url.into(), source },
            problem => Self::Io { doing, path: url.into(), source: io::Error::new(problem.kind(), problem) },
        }
    }
}

impl std::error::Error for RootError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NotDurable { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
