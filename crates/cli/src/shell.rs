//! Words of a command line that a person is told to type.

/// `text` as one word of a shell, whatever is in it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The path of a file as one word that no program takes for a flag.
pub(crate) fn file(path: &str) -> String {
    if path.starts_with('-') { word(&format!("./{path}")) } else { word(path) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_every_word_as_what_it_was() {
        for text in
            ["", "a.data", "a b", "it's", "$HOME", "a\\b", "`id`", "a;b", "*", "~", "é", "a\nb", "#a", "!"]
        {
            let script = format!("printf %s {}", word(text));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(said).unwrap(), text);
        }
        assert_eq!(word("a,b=1"), "a,b=1");
    }

    #[test]
    fn no_file_is_taken_for_a_flag() {
        assert_eq!(file("-n"), "./-n");
        assert_eq!(file("a-n"), "a-n");
        assert_eq!(file("-a b"), "'./-a b'");
    }
}
