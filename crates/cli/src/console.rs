//! The one way to standard output and standard error, which can be full or closed like any other
//! file.

use std::fmt::Display;
use std::io::{self, Write};

use crate::failure::{Failure, Outcome, reason};

/// Writes a line, or a few, to standard output. Whoever reads a pipe may have had enough, which is
/// no failure.
pub(crate) fn say(text: impl Display) -> Outcome<()> {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// What came of writing to standard output.
pub(crate) fn written(result: io::Result<()>) -> Outcome<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {}", reason(&error))))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Where that cannot be written to there is nobody to tell.
pub(crate) fn warn(text: impl Display) {
    let _ = writeln!(io::stderr(), "graven: {text}");
}

/// A number of things, in the plural where it is not one.
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
