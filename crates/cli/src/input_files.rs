//! The inputs that a command line names, as files: patterns and folders are what they hold.

use std::path::{Component, Path, PathBuf};

use graven_ingest::{Format, Input, PartFile};
use graven_wire::glob;

use crate::advice::{Reads, explain};
use crate::failure::{Failure, Outcome};
use crate::input::{self, STANDARD_INPUT};

/// Opens what `paths` name together: a file, `-`, or the files of folders and patterns.
pub(crate) fn open(paths: &[PathBuf], marker: Option<&str>) -> Outcome<Input> {
    let name = match paths {
        [path] => path.display().to_string(),
        paths => {
            if paths.iter().any(|path| path == Path::new("-")) {
                return Err(Failure::new(format!(
                    "{STANDARD_INPUT} is read alone; name the output with `-o FILE`, or files in place of `-`"
                )));
            }
            let first = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
            format!("{first} and {} more", paths.len().saturating_sub(1))
        }
    };
    let mut files = Vec::new();
    for path in paths {
        if path.exists() || !is_pattern(path) {
            files.push(path.clone());
            continue;
        }
        let found = expand(path);
        if found.is_empty() {
            return Err(Failure::new(format!(
                "no file has a name such as {}; check the path",
                path.display()
            )));
        }
        files.extend(found);
    }
    if let [file] = &files[..]
        && !file.is_dir()
    {
        return input::open(file);
    }
    let mut parts: Vec<PartFile> = Vec::new();
    for file in &files {
        match PartFile::all_of(file, marker) {
            Ok(found) => parts.extend(found),
            Err(error) if cfg!(feature = "parquet") => return Err(explain(&error, Reads::Anything)),
            Err(_) => return input::open(file),
        }
    }
    let is_parquet = |part: &PartFile| Format::of(&part.path) == Some(Format::Parquet);
    if !cfg!(feature = "parquet")
        && let Some(folder) = files.iter().find(|file| file.is_dir())
        && !parts.iter().any(is_parquet)
    {
        // Nothing else that lies in parts is read.
        return input::open(folder);
    }
    Input::open_parts(&name, parts).map_err(|error| explain(&error, Reads::Anything))
}

/// Whether a path that does not exist is meant for many.
fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that a pattern matches, part by part, in the order of their names. Names that begin
/// with a point are matched by patterns that do.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = match part {
            Component::Normal(name) if is_pattern(Path::new(name)) => name.as_encoded_bytes(),
            part => {
                paths.iter_mut().for_each(|path| path.push(part));
                continue;
            }
        };
        let mut found = Vec::new();
        for path in &paths {
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            // What is no folder, or may not be read, holds no file.
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let file = entry.file_name();
                let text = file.as_encoded_bytes();
                if text.starts_with(b".") == name.starts_with(b".") && glob::matches(name, text) {
                    found.push(path.join(file));
                }
            }
        }
        found.sort();
        paths = found;
    }
    paths.retain(|path| path.exists());
    paths
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pattern_is_the_files_that_it_matches_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b/2.parquet", "a/1.parquet", "a/.hidden.parquet", "a/1.csv", "c.parquet"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let paths = expand(&folder.path().join(pattern));
            let names =
                paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(found("*/*.parquet"), ["a/1.parquet", "b/2.parquet"]);
        assert_eq!(found("?.parquet"), ["c.parquet"]);
        assert_eq!(found("[ab]/[0-9].*"), ["a/1.csv", "a/1.parquet", "b/2.parquet"]);
        assert_eq!(found("a/.*"), ["a/.hidden.parquet"]);
        assert!(found("*/3.parquet").is_empty() && found("*.parquet/1").is_empty());
    }
}
