//! Which column or field may be the key, for a person who has not said it: one of which no cell
//! comes twice in the first rows. It is for messages only; nothing is read by it.

use std::collections::{HashMap, HashSet};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{LikelyColumns, LikelyFields};
use crate::lines::BYTE_ORDER_MARK;

/// Objects that are looked at.
const OBJECTS_MAX: usize = 200;

/// Rows of a Parquet file that are looked at.
#[cfg(feature = "parquet")]
pub(crate) const ROWS_MAX: usize = 200;

/// The columns of these rows that may be key and value.
pub(crate) fn columns<T: AsRef<str>>(rows: &[Vec<T>], width: usize) -> LikelyColumns {
    let cells = |column: usize| cells(rows, column);
    let key = key(rows, width).unwrap_or_default();
    let others = || (key + 1..width).chain(0..key);
    let differs = |column: &usize| {
        let first = cells(*column).next();
        cells(*column).any(|cell| Some(cell) != first)
    };
    let value = others().find(differs).or(others().next()).unwrap_or_default();
    LikelyColumns { key, value }
}

/// The column of these rows that may be the key; none where each has a cell that is empty or comes
/// twice, or there is no row.
pub(crate) fn key<T: AsRef<str>>(rows: &[Vec<T>], width: usize) -> Option<usize> {
    let is_measure = |column: &usize| cells(rows, *column).all(is_measure);
    let is_unique = |column: &usize| !rows.is_empty() && are_unique(cells(rows, *column));
    let unique: Vec<usize> = (0..width).filter(is_unique).collect();
    let key = unique.iter().copied().find(|column| !is_measure(column));
    key.or(unique.first().copied())
}

fn cells<T: AsRef<str>>(rows: &[Vec<T>], column: usize) -> impl Iterator<Item = &str> {
    rows.iter().map(move |row| row.get(column).map_or("", AsRef::as_ref))
}

/// Whether a cell is a price, a width or a place on Earth: those often differ too, and are no keys.
fn is_measure(cell: &str) -> bool {
    let is_number = cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    is_number && (cell.contains(['+', '.']) || cell.starts_with('-'))
}

/// Whether no cell is empty, and none comes twice.
fn are_unique<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    cells.into_iter().all(|cell| !cell.is_empty() && seen.insert(cell))
}

/// A cell of the first column that comes twice where those of another one do not, and that column.
pub(crate) fn better_key(rows: &[Vec<String>], width: usize) -> Option<(String, usize)> {
    let mut seen = HashSet::new();
    let mut first = rows.iter().filter_map(|row| row.first());
    let repeated = first.find(|cell| !seen.insert(*cell))?;
    let LikelyColumns { key, .. } = columns(rows, width);
    (key > 0).then(|| (repeated.clone(), key))
}

/// The fields that may be key and value of the objects that a text begins with: one a line, or the
/// elements of an array. None where there are no two.
pub(crate) fn fields(head: &[u8]) -> Option<LikelyFields> {
    let mut text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    text = text.strip_prefix(b"[").unwrap_or(text);
    let (mut names, mut places) = (Vec::new(), HashMap::new());
    let mut rows: Vec<Vec<String>> = Vec::new();
    while rows.len() < OBJECTS_MAX {
        text = text.trim_ascii_start();
        text = text.strip_prefix(b",").unwrap_or(text).trim_ascii_start();
        let mut objects = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
        let Some(Ok(object)) = objects.next() else { break };
        text = &text[objects.byte_offset()..];
        let mut row = Vec::new();
        let visitor = RowVisitor { names: &mut names, places: &mut places, row: &mut row };
        if serde_json::Deserializer::from_str(object.get()).deserialize_map(visitor).is_err() {
            break;
        }
        rows.push(row);
    }
    if rows.len() < 2 || names.len() < 2 {
        return None;
    }
    let LikelyColumns { key, value } = columns(&rows, names.len());
    Some(LikelyFields { key: names[key].clone(), value: Some(names[value].clone()) })
}

/// Fields of one object that are looked at.
const FIELDS_MAX: usize = 256;

/// Reads an object into a row: what is no string, number or boolean is no cell of a key.
struct RowVisitor<'a> {
    names: &'a mut Vec<String>,
    places: &'a mut HashMap<String, usize>,
    row: &'a mut Vec<String>,
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let place = match self.places.get(&name) {
                Some(&place) => place,
                None if self.names.len() < FIELDS_MAX => {
                    self.names.push(name.clone());
                    self.places.insert(name, self.names.len() - 1);
                    self.names.len() - 1
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let raw = map.next_value::<&RawValue>()?.get();
            if self.row.len() <= place {
                self.row.resize(place + 1, String::new());
            }
            self.row[place] = match raw.as_bytes().first() {
                Some(b'{' | b'[' | b'n') => String::new(),
                _ => raw.trim_matches('"').to_owned(),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_differs_in_all_rows_and_no_measure_where_there_is_another() {
        let found = |rows: &[&[&str]]| {
            let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.to_vec()).collect();
            let LikelyColumns { key, value } = columns(&rows, 3);
            (key, value)
        };
        assert_eq!(found(&[&["MA-L", "002272", "x"], &["MA-L", "00D0EF", "y"]]), (1, 2));
        assert_eq!(found(&[&["1.5", "1", "b"], &["2.5", "1", "c"]]), (2, 0));
        assert_eq!(found(&[&["+42-001", "-1", "b"], &["+42+001", "1", "c"]]), (1, 2));
        assert_eq!(found(&[&["1.5", "1", ""], &["2.5", "1", ""]]), (0, 1));
        assert_eq!(found(&[&["a", "", "1"], &["b", "", "2"]]), (0, 2));
        assert_eq!(found(&[&["a", "a", "a"], &["a", "a", "a"]]), (0, 1));
    }

    #[test]
    fn fields_of_lines_and_of_an_array_are_looked_at() {
        let lines = b"{\"z\":1,\"a\":\"x\"}\n{\"z\":2,\"a\":\"y\",\"b\":[]}\n{\"z\":";
        let found = |head| fields(head).map(|likely| [likely.key, likely.value.unwrap()]);
        let z_and_a = Some(["z".to_owned(), "a".to_owned()]);
        assert_eq!(found(&lines[..]), z_and_a);
        let array = b"[{\"z\":1,\"a\":\"x\"},\n {\"a\":\"y\", \"z\": 2}]";
        assert_eq!(found(&array[..]), z_and_a);
        assert_eq!(fields(b"{\"z\":1,\"a\":2}\n"), None);
        assert_eq!(fields(b"nothing"), None);
    }
}
