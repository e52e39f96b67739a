//! The pairs of an input, whatever form it has: one file a form, each of which names file and line of what it cannot read.

mod columns;
mod jsonl;
mod lines;
mod tsv;

use std::io::Read;
use std::path::Path;

use clap::ValueEnum;
use graven_format::text::{Block, Blocks, Error, Pair};

use crate::failure::{Failure, Outcome, reason};
use crate::input::{Input, reader};
use crate::progress::bar;

/// The form of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line is a key, a space or a tab, and a value
    Data,
    /// A line is a key, a tab, and a value, which may hold more tabs
    Tsv,
    /// Comma-separated columns, quoted where need be
    Csv,
    /// A line is a JSON object with a key and a value
    Jsonl,
}

impl Format {
    /// What the name of a file says that it holds.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("tsv") => Self::Tsv,
            Some("csv") => Self::Csv,
            Some("jsonl" | "ndjson") => Self::Jsonl,
            _ => Self::Data,
        }
    }
}

/// Where in a row or an object key and value are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    /// A column by name or number, or the name of a JSON field; `None` is the first column, or `key`.
    pub(crate) key: Option<String>,
    /// The same for the value; `None` is the second column, or `value`.
    pub(crate) value: Option<String>,
    /// Whether the first row names the columns, also where none is asked for by name.
    pub(crate) header: bool,
}

/// Calls `each` with every pair of `source`, in order. `name` is what people call it.
pub(crate) fn for_each(
    format: Format,
    fields: &Fields,
    name: &str,
    source: impl Read,
    each: impl FnMut(Pair<'_>) -> Outcome<()>,
) -> Outcome<()> {
    match format {
        Format::Data => data(name, source, each),
        Format::Tsv => tsv::for_each(name, source, each),
        Format::Csv => columns::for_each(fields, name, source, each),
        Format::Jsonl => jsonl::for_each(fields, name, source, each),
    }
}

/// Calls `each` with every pair of an input that is `.data` text, and shows a bar.
pub(crate) fn of_text(input: Input, each: impl FnMut(Pair<'_>) -> Outcome<()>) -> Outcome<()> {
    let source = bar("reading", input.bytes).wrap_read(reader(input.source));
    data(&input.name, source, each)
}

fn data(name: &str, source: impl Read, mut each: impl FnMut(Pair<'_>) -> Outcome<()>) -> Outcome<()> {
    let mut blocks = Blocks::new(source);
    let mut block = Block::default();
    while blocks.next_into(&mut block).map_err(|error| explain(name, &error))? {
        for pair in block.lines() {
            each(pair.map_err(|error| explain(name, &error))?)?;
        }
    }
    Ok(())
}

/// A failure with the line of `.data` text that it is about.
pub(crate) fn explain(name: &str, error: &Error) -> Failure {
    match error {
        Error::Line { line, reason } => at(name, *line, reason),
        Error::Read { line, source } => {
            at(name, *line, format_args!("cannot read further: {}", reason(source)))
        }
        other => Failure::new(format!("{name}: {other}")),
    }
}

/// A failure that names the line.
pub(crate) fn at(name: &str, line: u64, reason: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{name}:{line}: {reason}"))
}
