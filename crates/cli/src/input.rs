//! What a subcommand reads: a path or standard input, opened.

use std::io;
use std::path::{Path, PathBuf};

use graven_ingest::{Format, Input, Pair, Pairs, ReadOptions};

use crate::advice::{Reads, explain};
use crate::failure::Outcome;
use crate::progress::bar;

/// What people call the input in messages when the path is `-`.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// Opens `path`, where `-` is standard input.
pub(crate) fn open(path: &Path) -> Outcome<Input> {
    open_as(path, Reads::Anything)
}

/// As [`open`], for a subcommand that reads carved files alone.
pub(crate) fn open_carved(path: &Path) -> Outcome<Input> {
    open_as(path, Reads::CarvedFiles)
}

fn open_as(path: &Path, reads: Reads) -> Outcome<Input> {
    let opened = if path == Path::new("-") {
        Input::from_reader(STANDARD_INPUT, io::stdin())
    } else {
        Input::open(path)
    };
    opened.map_err(|error| explain(&error, reads))
}

/// Calls `each` with every pair of an input that is not carved, shows a bar, and says in which
/// form it was.
pub(crate) fn for_each_pair(
    input: Input,
    options: &ReadOptions,
    mut each: impl FnMut(Pair<'_>),
) -> Outcome<Format> {
    let (bar, meter) = (bar("reading", input.bytes()), input.meter());
    let read = || {
        let mut pairs = Pairs::new(input, options)?;
        for number in 0_u64.. {
            let Some(pair) = pairs.next_pair()? else { break };
            each(pair);
            if number.is_multiple_of(LOOK_PAIRS) {
                bar.set_position(meter.read());
            }
        }
        Ok(pairs.format())
    };
    read().map_err(|error| explain(&error, Reads::WhatNeedsNoFlags))
}

/// Pairs after which the bar is moved.
const LOOK_PAIRS: u64 = 4096;

/// Where a table that is built from `input` goes when nothing is said: beside it, under its name
/// without the extensions of a compression and of a form.
pub(crate) fn default_output(input: &Path) -> PathBuf {
    let is_compressed =
        matches!(input.extension().and_then(|extension| extension.to_str()), Some("gz" | "zst"));
    let input = if is_compressed { input.with_extension("") } else { input.to_owned() };
    input.with_extension("graven")
}
