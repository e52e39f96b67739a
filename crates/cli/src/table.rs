//! Where a table comes from: the one place that says whether a path is a carved file, which is
//! opened, or text, which is read.

use std::path::Path;

use graven_format::{Error, Source, Storage, Store};
use graven_ingest::{Content, Input};

use crate::failure::{Failure, Outcome, reason};
use crate::input;
use crate::shell;

/// A carved file that is open.
pub(crate) struct OpenTable {
    pub(crate) name: String,
    pub(crate) store: Box<Store>,
}

impl OpenTable {
    /// Opens the file that was looked into, whatever is at its path by now.
    fn open(input: Input) -> Result<Self, Error> {
        let name = input.name().to_owned();
        let Source::File(file) = input.into_source() else { unreachable!("a stream is refused before") };
        let store = Store::from_file(file, Storage::Memory)?;
        Ok(Self { name, store: Box::new(store) })
    }
}

/// What a path holds.
pub(crate) enum Table {
    Carved(OpenTable),
    /// Text that was not read yet.
    Text(Input),
}

impl Table {
    /// Opens `path`, where `-` is standard input.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let input = input::open(path)?;
        match (is_carved(&input), input.path()) {
            (false, _) => Ok(Self::Text(input)),
            (true, Some(_)) => {
                let name = input.name().to_owned();
                let carved = OpenTable::open(input).map_err(|error| explain(&name, &error))?;
                Ok(Self::Carved(carved))
            }
            (true, None) => Err(not_a_stream(input.name())),
        }
    }
}

/// Opens `path`, which must be a carved file, and says what is wrong with it if it is one that is
/// damaged.
pub(crate) fn open_carved(path: &Path) -> Outcome<Result<OpenTable, Error>> {
    let input = input::open_carved(path)?;
    let name = input.name().to_owned();
    match input.path() {
        None => Err(not_a_stream(&name)),
        Some(_) if input.head().is_empty() => Err(Failure::new(format!(
            "{name} is empty; a carved file is made with `graven build INPUT -o {}`",
            shell::file(&name)
        ))),
        Some(_) if !is_carved(&input) => Err(Failure::new(format!(
            "{name} is not a carved file; make one with `graven build {} -o {}`",
            shell::file(&name),
            shell::file(&input::default_output(path).display().to_string())
        ))),
        Some(_) => Ok(OpenTable::open(input)),
    }
}

/// Whether an input begins as a carved file does.
pub(crate) fn is_carved(input: &Input) -> bool {
    input.compression().is_none() && input.foreign() == Some(Content::Carved)
}

fn not_a_stream(name: &str) -> Failure {
    Failure::new(format!(
        "{name} is a stream, and a carved file is not read from its start to its end; name the file's path"
    ))
}

/// A failure with the name of the carved file that it is about.
pub(crate) fn explain(name: &str, error: &Error) -> Failure {
    Failure::new(match error {
        Error::Io { doing, source } => format!("{name}: cannot {doing}: {}", reason(source)),
        Error::NotCarved => format!("{name} is not a carved file; make one with `graven build`"),
        other => format!("{name}: {other}"),
    })
}
