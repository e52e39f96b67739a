//! Where a subcommand writes: standard output, or a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Outcome, reason};

/// A place to write to; nothing is in its place until [`finish`](Self::finish).
pub(crate) enum Output {
    /// `-`, or a device or pipe that has a name: written as it comes.
    Stream(Box<dyn Write>),
    /// A temporary file beside `path`, removed when it is dropped unfinished.
    File { file: NamedTempFile, path: PathBuf },
}

impl Output {
    /// Opens `path`, where `-` is standard output.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stream(Box::new(io::stdout())));
        }
        let cannot =
            |error: io::Error| Failure::new(format!("cannot write {}: {}", path.display(), reason(&error)));
        // A link is followed, so that the file it names is replaced and not the link.
        let path = match fs::canonicalize(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(cannot(error)),
        };
        match fs::metadata(&path) {
            Ok(there) if there.is_dir() => {
                let inside = path.join("sample.data");
                Err(Failure::new(format!(
                    "cannot write {}: it is a directory; name a file in it, such as {}",
                    path.display(),
                    inside.display()
                )))
            }
            Ok(there) if !there.is_file() => {
                Ok(Self::Stream(Box::new(File::options().write(true).open(&path).map_err(cannot)?)))
            }
            _ => {
                let file = tempfile::Builder::new()
                    .prefix(".graven-")
                    .suffix(".partial")
                    .permissions(fs::Permissions::from_mode(0o666))
                    .tempfile_in(directory_of(&path))
                    .map_err(cannot)?;
                Ok(Self::File { file, path })
            }
        }
    }

    /// Makes what was written durable and puts it in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stream(mut stream) => stream.flush(),
            Self::File { file, path } => {
                file.as_file().sync_all()?;
                file.persist(&path).map_err(|error| error.error)?;
                File::open(directory_of(&path))?.sync_all()
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
