//! What stands in the way of a table of what a Redis holds.

use std::fmt;

use super::counts::{OtherKinds, SomeKeys};

/// What a Redis holds that a table does not keep, and about which nothing was said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisProblem {
    /// Several databases have keys.
    Databases {
        /// Their numbers, and the keys of each; of the first sixteen.
        keys: Vec<(u64, u64)>,
    },
    /// Strings and hashes, of which the latter are to be rows.
    Mixed {
        /// How many strings.
        strings: u64,
        /// How many hashes.
        hashes: u64,
    },
    /// Keys that expire.
    Expiring(SomeKeys),
    /// Values that are neither strings nor hashes.
    Others(OtherKinds),
    /// Strings, where columns are asked for.
    NoColumns {
        /// How many.
        strings: u64,
    },
    /// The hashes have more different fields than a table has columns.
    TooManyFields {
        /// The hash with which they are more.
        key: Vec<u8>,
        /// The most columns.
        most: usize,
    },
    /// A hash has a field that is called as the key is where rows are written out again.
    KeyName {
        /// The hash.
        key: Vec<u8>,
        /// The name.
        name: String,
    },
    /// A hash has a field whose name is no text, and columns and JSON have none.
    FieldName {
        /// The hash.
        key: Vec<u8>,
        /// The name of the field.
        field: Vec<u8>,
    },
}

/// Bytes in a sentence: escaped, and not more than anybody reads.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const BYTES: usize = 80;
    match bytes.get(..BYTES) {
        Some(start) if bytes.len() > BYTES => {
            format!("\"{}…\" ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}

fn keys(number: u64) -> String {
    if number == 1 { "1 key".to_owned() } else { format!("{number} keys") }
}

impl fmt::Display for RedisProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |number: u64, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        match self {
            Self::Databases { keys: found } => {
                let list: Vec<String> =
                    found.iter().map(|&(number, count)| format!("{number} ({})", keys(count))).collect();
                write!(f, "expected keys in one database, found databases {}", list.join(", "))
            }
            Self::Mixed { strings, hashes } => write!(
                f,
                "expected strings or hashes, found {} and {}",
                counted(*strings, "string", "strings"),
                counted(*hashes, "hash", "hashes")
            ),
            Self::Expiring(found) => write!(
                f,
                "expected keys that stay, found {} with a time to live, such as {}",
                keys(found.count),
                shown(&found.example)
            ),
            Self::Others(found) => {
                write!(f, "expected strings or hashes, found {found}, such as {}", shown(found.example()))
            }
            Self::NoColumns { strings } => {
                write!(
                    f,
                    "columns are asked for, and {} none",
                    counted(*strings, "string has", "strings have")
                )
            }
            Self::TooManyFields { key, most } => write!(
                f,
                "key {}: expected hashes with at most {most} different fields in all, found more",
                shown(key)
            ),
            Self::KeyName { key, name } => write!(
                f,
                "key {}: expected fields with other names than that of the key, found the field {name}",
                shown(key)
            ),
            Self::FieldName { key, field } => write!(
                f,
                "key {}: expected names of fields in UTF-8, found the field {}",
                shown(key),
                shown(field)
            ),
        }
    }
}
