//! Names of tables and versions: what may be a file name in a root, a part of a URL and a word in a log line.

use std::borrow::Borrow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::SystemTime;

/// Bytes of a name at most.
pub const NAME_BYTES_MAX: usize = 64;

/// What is wrong with a text that is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAName {
    /// It is empty.
    Empty,
    /// It is too long.
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// It has a character that a name may not have, or not in that place.
    Character {
        /// The character.
        found: char,
        /// Which of the characters it is, from 0.
        at: usize,
    },
    /// It is the name of a table and has digits alone, which Redis clients would take for a number.
    OnlyDigits,
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name has one character at least, found none"),
            Self::TooLong { found } => {
                write!(f, "a name has at most {NAME_BYTES_MAX} bytes, found {found}")
            }
            Self::Character { found, at: 0 } => {
                write!(f, "a name begins with a letter, a digit or _, found {found:?}")
            }
            Self::Character { found, at } => {
                write!(f, "a name has letters, digits, _, . and -, found {found:?} as character {}", at + 1)
            }
            Self::OnlyDigits => f.write_str("a table's name has more than digits, found digits alone"),
        }
    }
}

impl std::error::Error for NotAName {}

fn check(text: &str) -> Result<(), NotAName> {
    if text.is_empty() {
        return Err(NotAName::Empty);
    }
    let is_allowed = |at: usize, found: char| {
        found.is_ascii_alphanumeric() || found == '_' || (at > 0 && (found == '.' || found == '-'))
    };
    if let Some((at, found)) = text.chars().enumerate().find(|&(at, found)| !is_allowed(at, found)) {
        return Err(NotAName::Character { found, at });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NotAName::TooLong { found: text.len() });
    }
    Ok(())
}

/// The name of a table: 1 to 64 letters, digits, `_`, `.` and `-`, the first a letter, a digit or `_`; not digits alone.
///
/// ```
/// use graven_catalog::TableName;
///
/// assert_eq!("prices".parse::<TableName>().unwrap().as_str(), "prices");
/// assert!("17".parse::<TableName>().is_err());
/// assert!("../etc".parse::<TableName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl Borrow<str> for TableName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        check(text)?;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAName::OnlyDigits);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a version, as a table's but that it may have digits alone. Names that [`VersionName::at`] makes sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionName(String);

impl FromStr for VersionName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TableName {
    /// The name of the table that a file holds: its stem, with `_` for what a name may not have.
    ///
    /// ```
    /// use graven_catalog::TableName;
    ///
    /// assert_eq!(TableName::of_file("data/daily prices.graven".as_ref()).as_str(), "daily_prices");
    /// assert_eq!(TableName::of_file("-".as_ref()).as_str(), "table");
    /// ```
    pub fn of_file(path: &Path) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let allowed =
            |found: char| if found.is_ascii_alphanumeric() || "_.-".contains(found) { found } else { '_' };
        let mut name: String = stem.chars().map(allowed).take(NAME_BYTES_MAX).collect();
        if name.starts_with(['.', '-']) {
            name.replace_range(..1, "_");
        }
        if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            name.truncate(NAME_BYTES_MAX - "table".len());
            name.insert_str(0, "table");
            name = name.trim_end_matches('_').to_owned();
        }
        Self(name)
    }
}

impl VersionName {
    /// The name of the version that a file holds whose [identity](graven_format::Store::identity) is this.
    pub fn of_identity(identity: u64) -> Self {
        Self(format!("{identity:016x}"))
    }

    /// The name of a version that is made at `time`, in UTC, such as `20261126T020000Z`.
    pub fn at(time: SystemTime) -> Self {
        let text = humantime::format_rfc3339_seconds(time).to_string();
        Self(text.chars().filter(|found| !matches!(found, '-' | ':')).collect())
    }

    /// As [`Self::at`]; where one of `others` has such a name that does not sort before, for it was made in the same second
    /// or the clock has been set back, the next name behind that.
    pub(crate) fn after<'n>(others: impl Iterator<Item = &'n Self>, time: SystemTime) -> Self {
        let name = Self::at(time);
        let newest = others.filter(|other| other.is_of_a_time() && **other >= name).max();
        newest.map_or(name, Self::next)
    }

    /// Whether [`Self::at`] or [`Self::next`] made it.
    fn is_of_a_time(&self) -> bool {
        let form = |pattern: &str, text: &str| {
            text.len() == pattern.len()
                && text.bytes().zip(pattern.bytes()).all(|(found, expected)| match expected {
                    b'0' => found.is_ascii_digit(),
                    expected => found == expected,
                })
        };
        let mut parts = self.0.split('.');
        parts.next().is_some_and(|time| form("00000000T000000Z", time))
            && parts.all(|number| form("000", number))
    }

    /// The next name behind one that is of a time.
    fn next(&self) -> Self {
        let numbered =
            self.0.rsplit_once('.').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
        match numbered {
            Some((stem, number)) if number < 999 => Self(format!("{stem}.{:03}", number + 1)),
            _ => self.later(1),
        }
    }

    /// The `n`th name behind this one, for versions made in the same second: it sorts behind it.
    pub(crate) fn later(&self, n: u32) -> Self {
        Self(format!("{}.{n:03}", self.0))
    }
}

impl TableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VersionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_are_what_a_path_a_url_and_a_log_line_bear() {
        for name in ["a", "_", "A-b.c_9", "9a", &"x".repeat(64)] {
            assert_eq!(name.parse::<TableName>().unwrap().to_string(), name);
            assert_eq!(name.parse::<VersionName>().unwrap().to_string(), name);
        }
        for name in ["", ".", "..", "-a", "a/b", "a b", "a\n", "é", "a@b", "a:b", &"x".repeat(65)] {
            assert!(name.parse::<TableName>().is_err(), "{name:?}");
            assert!(name.parse::<VersionName>().is_err(), "{name:?}");
        }
        assert_eq!("17".parse::<TableName>(), Err(NotAName::OnlyDigits));
        assert!("17".parse::<VersionName>().is_ok());
    }

    #[test]
    fn names_by_time_sort_by_time() {
        let first = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_658_400);
        assert_eq!(VersionName::at(first).as_str(), "20261126T020000Z");
        let names = [
            VersionName::at(first),
            VersionName::at(first).later(2),
            VersionName::at(first).later(10),
            VersionName::at(first + Duration::from_secs(1)),
            VersionName::at(first + Duration::from_secs(40_000_000)),
        ];
        assert!(names.is_sorted());
    }

    #[test]
    fn a_name_by_time_sorts_behind_those_that_there_are_whatever_the_clock_says() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_658_400);
        let day = Duration::from_secs(24 * 3600);
        for (others, expected) in [
            (&[][..], "20261126T020000Z"),
            (&["20261125T235959Z", "v9", "zzz", "20261126T020000Z-mended", "20261127"], "20261126T020000Z"),
            (&["20261126T020000Z"], "20261126T020000Z.001"),
            // The others of that second were removed meanwhile.
            (&["20261126T020000Z.041"], "20261126T020000Z.042"),
            (&["20261126T020000Z.999"], "20261126T020000Z.999.001"),
            (&["20261127T020000Z", "20261126T020000Z.001"], "20261127T020000Z.001"),
        ] {
            let others: Vec<VersionName> = others.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(VersionName::after(others.iter(), now).as_str(), expected);
        }
        let mut names = vec![VersionName::at(now + day)];
        for _ in 0..3_000 {
            names.push(VersionName::after(names.iter(), now));
        }
        assert!(names.is_sorted_by(|one, other| one < other));
        assert!(names.iter().all(|name| name.as_str().parse::<VersionName>().is_ok()));
    }
}
