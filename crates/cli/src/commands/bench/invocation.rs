//! The command line of this process as it may be kept beside the figures: without secrets.

use std::env;
use std::ffi::OsString;

use graven_wire::address::without_password;

/// What a header's name holds whose value is a secret.
const SECRETS: [&str; 5] = ["auth", "cookie", "key", "secret", "token"];

/// The words of the command line.
pub(super) fn invocation() -> Vec<String> {
    let arguments = env::args_os().skip(1);
    ["graven".to_owned()].into_iter().chain(without_secrets(arguments)).collect()
}

fn without_secrets(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = String> {
    let mut is_header = false;
    words.map(move |word| {
        let word = word.to_string_lossy();
        if std::mem::replace(&mut is_header, matches!(&*word, "-H" | "--header")) {
            return header(&word);
        }
        match (word.strip_prefix("--header="), word.strip_prefix("-H")) {
            (Some(value), _) => format!("--header={}", header(value)),
            (None, Some(value)) if !value.is_empty() => format!("-H{}", header(value)),
            _ => without_password(&word),
        }
    })
}

fn header(line: &str) -> String {
    let (name, _) = line.split_once(':').unwrap_or((line, ""));
    let lower = name.to_ascii_lowercase();
    if SECRETS.iter().any(|secret| lower.contains(secret)) {
        return format!("{name}: ***");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_command_line_is_kept() {
        let words = [
            "bench",
            "redis://user:secret@h/1",
            "-H",
            "Authorization: Bearer secret",
            "--header=X-Api-Key: secret",
            "-HCookie: secret",
            "-H",
            "X-Plain: value",
            "-d",
            "1s",
        ];
        let kept: Vec<String> = without_secrets(words.into_iter().map(OsString::from)).collect();
        assert_eq!(
            kept,
            [
                "bench",
                "redis://user:***@h/1",
                "-H",
                "Authorization: ***",
                "--header=X-Api-Key: ***",
                "-HCookie: ***",
                "-H",
                "X-Plain: value",
                "-d",
                "1s"
            ]
        );
    }
}
