//! What `graven serve` is told to serve: a root with all its tables, or files, each a table of its own.

use std::fs;
use std::path::{Path, PathBuf};

use graven_catalog::TableName;
use graven_format::Storage;

use crate::config::ValueOrigin;
use crate::failure::{Failure, Outcome};
use crate::object_store;

/// A table in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSource {
    pub(crate) name: TableName,
    pub(crate) path: PathBuf,
    /// Where it is kept, if that was said of it alone; `Some(None)` chooses by the memory that there is.
    pub(crate) storage: Option<Option<Storage>>,
    /// Whether its changes are followed, if that was said of it alone.
    pub(crate) watch: Option<bool>,
    pub(crate) origin: ValueOrigin,
}

impl FileSource {
    /// Whether it is the same table from the same place, kept alike.
    pub(crate) fn answers_alike(&self, other: &Self) -> bool {
        (&self.name, &self.path, self.storage) == (&other.name, &other.path, other.storage)
    }

    /// Whether it is a pipe or the like, of which nobody knows when the first byte comes.
    pub(crate) fn comes_slowly(&self) -> bool {
        let is_pipe = || fs::metadata(&self.path).is_ok_and(|about| !about.is_file() && !about.is_dir());
        self.path == Path::new("-") || is_pipe()
    }
}

/// A root, or one of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootSource {
    pub(crate) path: PathBuf,
    /// The only table that is served of it; `None` for all.
    pub(crate) only: Option<TableName>,
    /// Where tables are kept of which it says nothing, if that was said of this root alone.
    pub(crate) storage: Option<Option<Storage>>,
    pub(crate) origin: ValueOrigin,
}

impl RootSource {
    /// Whether the same tables are meant, however the root is written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.only == other.only && whole(&self.path) == whole(&other.path)
    }
}

/// All that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) files: Vec<FileSource>,
    pub(crate) roots: Vec<RootSource>,
}

impl Sources {
    /// Sorts out what was written: a directory or a bucket is a root, `NAME=FILE` a file with its table's name, anything else a file whose
    /// table is named after it.
    pub(crate) fn sort_out(texts: &[PathBuf]) -> Outcome<Self> {
        let mut sources = Self::default();
        for text in texts {
            if text.is_dir() || object_store::is_url(text) {
                sources.roots.push(RootSource {
                    path: text.clone(),
                    only: None,
                    storage: None,
                    origin: ValueOrigin::Argument,
                });
                continue;
            }
            let (name, path) = match named(text) {
                Some((name, path)) => (name, path.to_owned()),
                None => (TableName::of_file(text), text.clone()),
            };
            if path.is_dir() {
                return Err(Failure::new(format!(
                    "{} is a directory, whose tables have the names that they have there; write `graven serve {}`",
                    path.display(),
                    path.display()
                )));
            }
            if let Some(other) = sources.files.iter().find(|source| source.name == name) {
                return Err(Failure::new(format!(
                    "{} and {} are both the table {name}; name them apart, as in {name}2={}",
                    other.path.display(),
                    path.display(),
                    path.display()
                )));
            }
            sources.files.push(FileSource {
                name,
                path,
                storage: None,
                watch: None,
                origin: ValueOrigin::Argument,
            });
        }
        Ok(sources)
    }
}

/// `NAME=FILE`, unless there is a file of just that name.
fn named(text: &Path) -> Option<(TableName, &Path)> {
    let (name, path) = text.to_str()?.split_once('=')?;
    let name = name.parse().ok().filter(|_| !path.is_empty() && !text.exists())?;
    Some((name, Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(texts: &[&str]) -> Result<Vec<(String, String)>, String> {
        let texts: Vec<PathBuf> = texts.iter().map(PathBuf::from).collect();
        let sources = Sources::sort_out(&texts).map_err(|failure| failure.to_string())?;
        let pairs = sources.files.iter();
        Ok(pairs.map(|source| (source.name.to_string(), source.path.display().to_string())).collect())
    }

    #[test]
    fn a_file_is_named_after_itself_unless_it_is_given_a_name() {
        let pair = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        let found = sorted(&["a/b.graven", "prices=x=y.data", "-", "no name=c"]).unwrap();
        let expected = [
            pair("b", "a/b.graven"),
            pair("prices", "x=y.data"),
            pair("table", "-"),
            pair("no_name_c", "no name=c"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn two_tables_of_one_name_are_refused_with_both_files() {
        let refused = sorted(&["a/b.graven", "c/b.data"]).unwrap_err();
        assert_eq!(
            refused,
            "a/b.graven and c/b.data are both the table b; name them apart, as in b2=c/b.data"
        );
    }

    #[test]
    fn a_directory_is_a_root_and_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources::sort_out(&[directory.path().to_owned()]).unwrap();
        assert_eq!((sources.roots.len(), sources.files.len()), (1, 0));
        let named = format!("prices={}", directory.path().display());
        let refused = Sources::sort_out(&[PathBuf::from(named)]).unwrap_err().to_string();
        assert!(refused.contains("is a directory"), "{refused}");
    }
}
