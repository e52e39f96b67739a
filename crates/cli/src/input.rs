//! What a subcommand reads: a path or standard input, opened, with the sentences for what cannot be.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use graven_format::Source;
use graven_format::layout::MAGIC;

use crate::failure::{Failure, Outcome, reason};

/// What people call the input in messages when the path is `-`.
const STANDARD_INPUT: &str = "standard input";

/// An open input.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) source: Source<'static>,
    /// Its length in bytes; unknown for a pipe.
    pub(crate) bytes: Option<u64>,
    /// Where it is; a pipe is nowhere.
    pub(crate) path: Option<PathBuf>,
    /// Whether it begins as a carved file does.
    pub(crate) is_carved: bool,
}

impl Input {
    /// Opens `path`, where `-` is standard input.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        if path == Path::new("-") {
            return Self::stream(STANDARD_INPUT.into(), io::stdin());
        }
        let name = path.display().to_string();
        let cannot = |error: io::Error| Failure::new(format!("cannot open {name}: {}", reason(&error)));
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new(format!(
                "{name} does not exist; check the path, or make a sample with `graven gen -n 10000 -o {name}`"
            )),
            io::ErrorKind::PermissionDenied => Failure::new(format!(
                "{name} may not be read by this user; allow it with `chmod a+r {name}` or run as its owner"
            )),
            _ => cannot(error),
        })?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Failure::new(format!("{name} is a directory; name one file in it")));
        }
        if !about.is_file() {
            return Self::stream(name, file);
        }
        let mut start = [0; MAGIC.len()];
        // Who goes on to read it says why it cannot be read, and where.
        let is_carved = file.read_exact_at(&mut start, 0).is_ok() && start == MAGIC;
        let (bytes, path) = (Some(about.len()), Some(path.to_owned()));
        Ok(Self { name, source: Source::File(file), bytes, path, is_carved })
    }

    fn stream(name: String, mut stream: impl Read + Send + 'static) -> Outcome<Self> {
        let mut start = Vec::new();
        stream
            .by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(|error| Failure::new(format!("cannot read {name}: {}", reason(&error))))?;
        let is_carved = start == MAGIC;
        let source = Source::Stream(Box::new(Cursor::new(start).chain(stream)));
        Ok(Self { name, source, bytes: None, path: None, is_carved })
    }
}

/// The bytes of a source, in order.
pub(crate) fn reader(source: Source<'static>) -> Box<dyn Read + Send> {
    match source {
        Source::File(file) => Box::new(file),
        Source::Stream(stream) => stream,
    }
}
