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
        Self(without_numbers(sentence.into()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `sentence` without the numbers that Rust adds to what the system says, as in ` (os error 2)`.
fn without_numbers(mut sentence: String) -> String {
    const BEGINS: &str = " (os error ";
    while let Some(start) = sentence.find(BEGINS) {
        let number = &sentence[start + BEGINS.len()..];
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || !number[digits..].starts_with(')') {
            break;
        }
        sentence.replace_range(start..start + BEGINS.len() + digits + 1, "");
    }
    sentence
}

/// What the system said, without the number that Rust adds to it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_for_nobody() {
        for (sentence, plain) in [
            ("x: broken (os error 5)", "x: broken"),
            ("x: broken (os error 5); try y (os error 17), z", "x: broken; try y, z"),
            ("x (os error five)", "x (os error five)"),
            ("x (os error ", "x (os error "),
        ] {
            assert_eq!(Failure::new(sentence).to_string(), plain);
        }
    }
}
