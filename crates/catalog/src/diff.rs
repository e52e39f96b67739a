//! What differs between two tables.

use graven_format::{Error, Store};

/// How a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Only the second table has it.
    Added,
    /// Only the first table has it.
    Removed,
    /// Both have it, with different values.
    Changed,
}

/// How many keys differ, and how many do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Keys that only the second table has.
    pub added: u64,
    /// Keys that only the first table has.
    pub removed: u64,
    /// Keys that both have, with different values.
    pub changed: u64,
    /// Keys that both have with the same value.
    pub same: u64,
}

/// Compares two tables, calls `each` with every key that differs, and counts. One lookup for each pair of both.
///
/// # Errors
/// When one of them is damaged or cannot be read, as "the first" or "the second".
///
/// ```
/// use graven_catalog::{KeyChange, diff};
/// use graven_format::{Builder, Options};
///
/// let table = |pairs: &[(&str, &str)]| {
///     let mut builder = Builder::new(Options::default());
///     pairs.iter().for_each(|(key, value)| builder.add(key.as_bytes(), value.as_bytes()).unwrap());
///     builder.finish().unwrap().0
/// };
/// let (monday, tuesday) = (table(&[("a", "1"), ("b", "1")]), table(&[("b", "2"), ("c", "1")]));
/// let mut changes = Vec::new();
/// let difference = diff(&monday, &tuesday, |key, change| changes.push((key[0], change))).unwrap();
/// assert_eq!((difference.added, difference.removed, difference.changed, difference.same), (1, 1, 1, 0));
/// assert!(changes.contains(&(b'b', KeyChange::Changed)));
/// ```
pub fn diff(
    first: &Store,
    second: &Store,
    mut each: impl FnMut(&[u8], KeyChange),
) -> Result<Difference, (&'static str, Error)> {
    compare(first, second, &mut each)
}

fn compare(
    first: &Store,
    second: &Store,
    each: &mut dyn FnMut(&[u8], KeyChange),
) -> Result<Difference, (&'static str, Error)> {
    let in_first = |error| ("the first", error);
    let in_second = |error| ("the second", error);
    let mut difference = Difference::default();
    let mut value = Vec::new();
    for pair in first.iter() {
        let (key, before) = pair.map_err(in_first)?;
        value.clear();
        if !second.get(&key, &mut value).map_err(in_second)? {
            difference.removed += 1;
            each(&key, KeyChange::Removed);
        } else if value == before {
            difference.same += 1;
        } else {
            difference.changed += 1;
            each(&key, KeyChange::Changed);
        }
    }
    for bucket in 0..second.buckets() {
        let mut keys = Vec::new();
        second.keys_in(bucket, |key| keys.push(key.to_vec())).map_err(in_second)?;
        for key in keys {
            if !first.contains(&key).map_err(in_first)? {
                difference.added += 1;
                each(&key, KeyChange::Added);
            }
        }
    }
    Ok(difference)
}
