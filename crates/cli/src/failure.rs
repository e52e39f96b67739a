//! Why a subcommand could not do its work, as one sentence for the person at the keyboard: what happened, where, and
//! what to type next.

use std::fmt;
use std::io;

/// A sentence that `main` prints after `graven: `.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// What a subcommand gives back.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the system said, without the number that Rust adds to it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
