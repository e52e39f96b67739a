//! Tables that lie in several files, as Spark, Hive and DuckDB write them: a folder of parts, whose
//! own folders may name columns.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Cause, Error, Fault, Position};

/// The name of a folder that stands for no value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Folders inside of folders that are looked into.
const DEPTH_MAX: usize = 32;

/// A file of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartFile {
    /// Where it is.
    pub path: PathBuf,
    /// The columns that folders of its path name, as `dt=2026-11-27`, outermost first; no text is
    /// null.
    pub partitions: Vec<(String, Option<String>)>,
}

impl PartFile {
    /// The file at `path`.
    ///
    /// ```
    /// let part = graven_ingest::PartFile::new("shop/dt=2026-11-27/part-0.parquet");
    /// assert_eq!(part.partitions, [("dt".to_owned(), Some("2026-11-27".to_owned()))]);
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let folders = path.parent().into_iter().flat_map(Path::components);
        let partitions = folders.filter_map(|folder| match folder {
            Component::Normal(name) => partition(name.to_str()?),
            _ => None,
        });
        Self { partitions: partitions.collect(), path }
    }

    /// The files of a path: itself, or all files of a folder and of the folders in it, sorted by
    /// name. Names that begin with `_` or `.` are passed over. Where a marker is given, such as
    /// `_SUCCESS`, a folder must have a file of this name.
    ///
    /// # Errors
    /// [`Cause::Open`] when a folder is not read, [`Cause::NoMarker`], and [`Cause::NoFiles`] when
    /// there is none.
    pub fn all_of(path: &Path, marker: Option<&str>) -> Result<Vec<Self>, Error> {
        let fail = |path: &Path, cause| Fault::new(Position::WHOLE, cause).of(&path.display().to_string());
        if !path.is_dir() {
            return Ok(vec![Self::new(path)]);
        }
        if let Some(marker) = marker.filter(|marker| !path.join(marker).exists()) {
            return Err(fail(path, Cause::NoMarker { marker: marker.to_owned() }));
        }
        let (mut files, mut folders) = (Vec::new(), vec![(path.to_owned(), 0)]);
        while let Some((folder, depth)) = folders.pop() {
            let unread = |error| fail(&folder, Cause::Open(error));
            for entry in fs::read_dir(&folder).map_err(unread)? {
                let path = entry.map_err(unread)?.path();
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                if matches!(name.first(), Some(b'_' | b'.')) {
                    continue;
                }
                if !path.is_dir() {
                    files.push(path);
                } else if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            }
        }
        if files.is_empty() {
            return Err(fail(path, Cause::NoFiles));
        }
        files.sort();
        Ok(files.into_iter().map(Self::new).collect())
    }
}

/// The column that a folder names, and its value.
fn partition(folder: &str) -> Option<(String, Option<String>)> {
    let (name, value) = folder.split_once('=').filter(|(name, _)| !name.is_empty())?;
    Some((unescaped(name), (value != NO_VALUE).then(|| unescaped(value))))
}

/// A name without the escapes that Hive writes, as `%3A` for a colon.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let digits =
            behind.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(digits) => {
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
                rest = &behind[2..];
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_columns_and_their_values() {
        let partitions = |path: &str| PartFile::new(path).partitions;
        let is = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(partitions("a/b.parquet"), []);
        assert_eq!(partitions("x=1.parquet"), []);
        assert_eq!(
            partitions("/t/year=2026/m%20m=a%3Ab%2/x=__HIVE_DEFAULT_PARTITION__/=3/y=/f"),
            [is("year", Some("2026")), is("m m", Some("a:b%2")), is("x", None), is("y", Some(""))]
        );
    }

    #[test]
    fn a_folder_is_its_files_by_name_without_those_that_are_no_data() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["b.parquet", "dt=2/a", "dt=1/z", "_SUCCESS", ".b.crc", "_temporary/0/c", "dt=1/_c"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        let names = |marker| {
            let files = PartFile::all_of(root, marker).map_err(|error| error.to_string())?;
            Ok::<_, String>(
                files
                    .into_iter()
                    .map(|file| file.path.strip_prefix(root).unwrap().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let expected = ["b.parquet", "dt=1/z", "dt=2/a"].map(PathBuf::from).to_vec();
        assert_eq!(names(None), Ok(expected.clone()));
        assert_eq!(names(Some("_SUCCESS")), Ok(expected));
        assert!(names(Some("_DONE")).unwrap_err().contains("it has no _DONE"));
        let empty = root.join("_temporary/0/d");
        fs::create_dir(&empty).unwrap();
        assert!(PartFile::all_of(&empty, None).unwrap_err().to_string().contains("no file of data"));
    }
}
