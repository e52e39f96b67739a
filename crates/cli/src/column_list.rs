//! Names of columns as a person types them: with commas between them, in quotes where a name has one
//! itself.

use std::borrow::Cow;

use graven_format::ColumnType;
use graven_ingest::ColumnOptions;

use crate::shell;

/// A list that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadList(&'static str);

impl std::fmt::Display for BadList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadList {}

/// Names of columns; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnList(pub(crate) Vec<String>);

impl ColumnList {
    /// These as the columns of a table, `*` for all but the key, with the types that are said.
    pub(crate) fn to_options(&self, types: &[(String, ColumnType)]) -> ColumnOptions {
        let columns = match &self.0[..] {
            [all] if all == "*" => None,
            columns => Some(columns.to_vec()),
        };
        ColumnOptions { columns, types: types.to_vec() }
    }
}

impl std::fmt::Display for ColumnList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.iter().map(|name| in_list(name)).collect();
        f.write_str(&names.join(","))
    }
}

impl std::str::FromStr for ColumnList {
    type Err = BadList;

    fn from_str(text: &str) -> Result<Self, BadList> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, behind) = match rest.strip_prefix('"') {
                Some(quoted) => in_quotes(quoted)?,
                None => match rest.split_once(',') {
                    Some((name, behind)) => (name.to_owned(), Some(behind)),
                    None => (rest.to_owned(), None),
                },
            };
            names.push(name);
            match behind {
                Some(behind) => rest = behind,
                None if names.len() > 1 && names.iter().any(String::is_empty) => {
                    return Err(BadList("write a name between two commas; \"\" is an empty one"));
                }
                None => return Ok(Self(names)),
            }
        }
    }
}

/// The name up to the quote that closes, and what is behind the comma there.
fn in_quotes(quoted: &str) -> Result<(String, Option<&str>), BadList> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let Some((part, behind)) = rest.split_once('"') else {
            return Err(BadList("the quote before a name is not closed"));
        };
        name.push_str(part);
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None if behind.is_empty() => return Ok((name, None)),
            None => match behind.strip_prefix(',') {
                Some(behind) => return Ok((name, Some(behind))),
                None => return Err(BadList("write a comma behind the quote that closes a name")),
            },
        }
    }
}

/// A name as it stands in a list.
fn in_list(name: &str) -> Cow<'_, str> {
    if name.is_empty() || name.contains(',') || name.starts_with('"') {
        format!("\"{}\"", name.replace('"', "\"\"")).into()
    } else {
        name.into()
    }
}

/// A name as one word of a shell that is read as this name alone.
pub(crate) fn word(name: &str) -> String {
    shell::word(&in_list(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_separated_by_commas_outside_of_quotes() {
        let list = |text: &str| text.parse::<ColumnList>().map(|list| list.0);
        for (text, names) in [
            ("a", &["a"][..]),
            ("a,b c,3", &["a", "b c", "3"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("a\"b", &["a\"b"]),
            ("*", &["*"]),
        ] {
            assert_eq!(list(text).unwrap(), names, "{text}");
            let shown = ColumnList(list(text).unwrap()).to_string();
            assert_eq!(list(&shown).unwrap(), names, "{shown}");
        }
        for text in ["a,,b", ",a", "a,", "\"a", "\"a\"b", "\"a\"\""] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_word_is_read_as_the_name_that_it_was_made_of() {
        for (name, typed) in [("a", "a"), ("a b", "'a b'"), ("a,b", "'\"a,b\"'"), ("\"a", "'\"\"\"a\"'")] {
            assert_eq!(word(name), typed);
            let unquoted = typed.trim_matches('\'');
            assert_eq!(unquoted.parse::<ColumnList>().unwrap().0, [name]);
        }
    }
}
