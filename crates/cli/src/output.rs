//! Where a subcommand writes: standard output, or a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use graven_format::{NewFile, Unpublished};

use crate::failure::{Failure, Outcome, reason};

/// What a path that is to be written to leads to.
pub(crate) enum Destination {
    /// Standard output, or a device or pipe that has a name.
    Stream(PathBuf),
    /// A file that may be there already.
    File(PathBuf),
}

/// What stands for standard output.
pub(crate) const STANDARD_OUTPUT: &str = "-";

impl Destination {
    /// What `path` leads to; where it is a directory, `inside` is advised as the name of a file in
    /// it.
    pub(crate) fn find(path: &Path, inside: &str) -> Outcome<Self> {
        if path == Path::new(STANDARD_OUTPUT) {
            return Ok(Self::Stream(path.to_owned()));
        }
        // A link is followed, so that the file it names is replaced and not the link. What is none
        // keeps the name that was typed.
        let is_link = |there: fs::Metadata| there.file_type().is_symlink();
        let path = match fs::symlink_metadata(path).map(is_link) {
            Ok(true) => match fs::canonicalize(path) {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
                Err(error) => return Err(cannot(path, &error)),
            },
            Ok(false) => path.to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(cannot(path, &error)),
        };
        match fs::metadata(&path) {
            Ok(there) if there.is_dir() => Err(Failure::new(format!(
                "cannot write {}: it is a directory; name a file in it, such as {}",
                path.display(),
                path.join(inside).display()
            ))),
            Ok(there) if !there.is_file() => Ok(Self::Stream(path)),
            _ => Ok(Self::File(path)),
        }
    }

    /// The path of the file, in whose directory another file can be made.
    pub(crate) fn into_file(self) -> Outcome<PathBuf> {
        match self {
            Self::Stream(path) => Err(Failure::new(format!(
                "cannot write {}: it is not a file, and a carved file is not written from its start to its end; \
                 name a file",
                shown(&path)
            ))),
            Self::File(path) => {
                NewFile::create(&path).map_err(|error| cannot(&path, &error))?;
                Ok(path)
            }
        }
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => format!("; make the directory {} first", directory_of(path).display()),
        _ => String::new(),
    };
    Failure::new(format!("cannot write {}: {}{advice}", path.display(), reason(error)))
}

/// A place to write to; nothing is in its place until [`finish`](Self::finish).
pub(crate) enum OutputWriter {
    /// Written as it comes.
    Stream(Box<dyn Write>),
    /// A file that is not in its place yet.
    File(NewFile),
}

impl OutputWriter {
    /// Opens `path`, where `-` is standard output.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        match Destination::find(path, "sample.data")? {
            Destination::Stream(path) if path == Path::new(STANDARD_OUTPUT) => {
                Ok(Self::Stream(Box::new(io::stdout())))
            }
            Destination::Stream(path) => {
                let stream =
                    File::options().write(true).open(&path).map_err(|error| cannot(&path, &error))?;
                Ok(Self::Stream(Box::new(stream)))
            }
            Destination::File(path) => {
                NewFile::create(&path).map(Self::File).map_err(|error| cannot(&path, &error))
            }
        }
    }

    /// Makes what was written durable and puts it in its place.
    pub(crate) fn finish(self) -> Result<(), Unpublished> {
        match self {
            Self::Stream(mut stream) => stream.flush().map_err(Unpublished::Before),
            Self::File(new) => new.publish(),
        }
    }
}

/// Why a subcommand that writes ended early.
pub(crate) enum Stop {
    /// What it writes to takes no more.
    Output(io::Error),
    /// Something else failed.
    Failure(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Unpublished> for Stop {
    fn from(error: Unpublished) -> Self {
        Self::Output(error.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What came of writing to `path`. Whoever reads a pipe may have had enough, which is no failure.
pub(crate) fn written<T>(done: Result<T, Stop>, path: &Path) -> Outcome<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(Stop::Output(error)) => {
            Err(Failure::new(format!("cannot write {}: {}", shown(path), reason(&error))))
        }
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

impl Write for OutputWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File(new) => new.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File(new) => new.file().flush(),
        }
    }
}

/// The directory that `path` is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What people call the place that `path` leads to.
fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_OUTPUT) { "to standard output".into() } else { path.display().to_string() }
}

/// Whether two paths lead to the same file.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
