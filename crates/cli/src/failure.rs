//! Why a subcommand could not do its work, as one sentence for the person at the keyboard: what
//! happened, where, and what to type next.

use std::fmt;
use std::io;

/// A sentence that `main` prints after `graven: `.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// What a subcommand gives back.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(without_numbers(sentence.into()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that only a build with the feature `feature` has.
#[cfg_attr(feature = "completions", allow(dead_code, reason = "this build has everything"))]
pub(crate) fn not_built_in(what: &str, feature: &str) -> Failure {
    Failure::new(format!(
        "{what}: this build has none; packages have it, and so has a build with `--features {feature}` or `--features full`"
    ))
}

/// The system refuses another thread.
pub(crate) fn cannot_start_thread(error: &io::Error) -> Failure {
    Failure::new(format!(
        "cannot start a thread: {}; allow more processes and memory (see `ulimit -u` and `ulimit -v`), or use fewer threads",
        reason(error)
    ))
}

/// What the system said, without the number that Rust adds to it, and without what a library adds
/// behind that.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(NUMBER) {
        // What the system says begins with a capital; what was said by others is left as it is.
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// How Rust begins the number of the system's error.
const NUMBER: &str = " (os error ";

/// `text` without the system's numbers of errors, as in " (os error 2)".
fn without_numbers(mut text: String) -> String {
    while let Some(start) = text.find(NUMBER) {
        let Some(len) = text[start + NUMBER.len()..].find(')') else { break };
        text.replace_range(start..start + NUMBER.len() + len + 1, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_numbers_are_left_out_wherever_they_stand() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
        let sentence = format!("one {error}; two {error}");
        assert_eq!(
            Failure::new(sentence).to_string(),
            "one No such file or directory; two No such file or directory"
        );
        assert_eq!(Failure::new("odd (os error ").to_string(), "odd (os error ");
        assert_eq!(reason(&io::Error::other("The END")), "The END");
    }
}
