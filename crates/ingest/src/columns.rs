//! Which columns of a row are key and value.

use crate::composed::Composition;
use crate::error::{Cause, Fault, LikelyColumns, Position, Role};
use crate::options::{ReadOptions, ValueColumns};

/// The columns of key and value, counted from 0, and what the others are called.
#[derive(Debug)]
pub(crate) struct KeyValueColumns {
    /// Those of the key, then those of the value.
    pub(crate) wanted: Vec<usize>,
    /// What is made of their cells.
    pub(crate) composition: Composition,
    pub(crate) ignored: Vec<String>,
}

/// The first row of an input, as far as the choice goes.
#[derive(Clone, Copy)]
pub(crate) struct FirstRow<'a> {
    /// Its cells.
    pub(crate) cells: &'a [String],
    /// Whether they are the names of the columns.
    pub(crate) is_header: bool,
    /// Whether they could be.
    pub(crate) may_be_header: bool,
    pub(crate) line: u64,
    /// Which of its cells may be in the columns of key and value.
    pub(crate) likely: LikelyColumns,
}

impl ReadOptions {
    /// Whether a column is asked for by name.
    pub(crate) fn names_a_column(&self) -> bool {
        let values: &[String] = match &self.value {
            Some(ValueColumns::One(value)) => std::slice::from_ref(value),
            Some(ValueColumns::Object(values)) => values,
            Some(ValueColumns::AllOthers) | None => &[],
        };
        self.key_names().iter().chain(values).any(|wanted| number(wanted).is_none())
    }

    /// Whether values are objects, whose members are named.
    pub(crate) fn names_members(&self) -> bool {
        matches!(self.value, Some(ValueColumns::Object(_) | ValueColumns::AllOthers))
    }

    /// Whether the first row is taken for the names of the columns.
    pub(crate) fn has_header(&self) -> bool {
        self.header.unwrap_or_else(|| self.names_a_column() || self.names_members())
    }

    /// The columns of the key, none where nothing is said.
    pub(crate) fn key_names(&self) -> &[String] {
        self.key.as_ref().map_or(&[], |key| &key.0)
    }

    /// What stands between the parts of a key.
    pub(crate) fn separator(&self) -> &[u8] {
        self.key_separator.as_deref().unwrap_or(b":")
    }

    /// Chooses the columns of key and value.
    pub(crate) fn choose(&self, first: FirstRow<'_>) -> Result<KeyValueColumns, Fault> {
        let fail = |cause| Fault::new(Position::line(first.line), cause);
        let keys = first.find_keys(self)?;
        let values = match &self.value {
            Some(ValueColumns::One(wanted)) => vec![first.find(Role::Value, wanted)?],
            Some(ValueColumns::Object(wanted)) => {
                wanted.iter().map(|wanted| first.find(Role::Value, wanted)).collect::<Result<_, _>>()?
            }
            Some(ValueColumns::AllOthers) => {
                (0..first.width()).filter(|column| !keys.contains(column)).collect()
            }
            None if first.width() > 2 => {
                let by_name = first.is_header || first.may_be_header && self.header.is_none();
                let columns: Vec<_> = (0..first.width()).map(|column| first.label(column, by_name)).collect();
                let (keys, value) = match self.key_names() {
                    [] => (columns.get(first.likely.key).cloned().into_iter().collect(), first.likely.value),
                    names => {
                        let value = (0..first.width()).find(|column| !keys.contains(column));
                        (names.into(), value.unwrap_or_default())
                    }
                };
                return Err(fail(Cause::ValueUndecided { columns, keys, value }));
            }
            None if keys.contains(&1) => {
                return Err(fail(Cause::KeyIsValue { column: first.label(1, first.is_header) }));
            }
            None if first.width() < 2 => {
                return Err(fail(Cause::NoSuchColumn { role: Role::Value, wanted: 2, found: first.width() }));
            }
            None => vec![1],
        };
        let ignored = (0..first.width()).filter(|column| !keys.contains(column) && !values.contains(column));
        let members = if self.names_members() { Some(first.member_names(&values)?) } else { None };
        let composition = Composition::new(keys.len(), self.separator(), members);
        Ok(KeyValueColumns {
            ignored: ignored.map(|column| first.label(column, first.is_header)).collect(),
            wanted: keys.into_iter().chain(values).collect(),
            composition,
        })
    }
}

impl<'a> FirstRow<'a> {
    /// The names of columns that stand in no row.
    #[cfg(feature = "parquet")]
    pub(crate) fn of_names(names: &'a [String], likely: LikelyColumns) -> Self {
        Self { cells: names, is_header: true, may_be_header: true, line: 0, likely }
    }
}

impl FirstRow<'_> {
    fn width(self) -> usize {
        self.cells.len()
    }

    /// The columns of the key.
    pub(crate) fn find_keys(self, options: &ReadOptions) -> Result<Vec<usize>, Fault> {
        match options.key_names() {
            [] => Ok(vec![0]),
            names => names.iter().map(|wanted| self.find(Role::Key, wanted)).collect(),
        }
    }

    /// What the members of an object are called that has these columns: each its name, or its
    /// number where it has none.
    fn member_names(self, columns: &[usize]) -> Result<Vec<String>, Fault> {
        let name = |&column: &usize| match &self.cells[column] {
            name if self.is_header && !name.is_empty() => name.clone(),
            _ => (column + 1).to_string(),
        };
        let names: Vec<String> = columns.iter().map(name).collect();
        match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            Some((_, name)) => {
                Err(Fault::new(Position::line(self.line), Cause::RepeatedMember { name: name.clone() }))
            }
            None => Ok(names),
        }
    }

    /// The column that `wanted` names.
    pub(crate) fn find(self, role: Role, wanted: &str) -> Result<usize, Fault> {
        let fail = |cause| Err(Fault::new(Position::line(self.line), cause));
        let names = if self.is_header { self.cells } else { &[] };
        let mut named = names.iter().enumerate().filter(|(_, name)| *name == wanted);
        match (named.next(), named.next(), number(wanted)) {
            (Some((column, _)), None, _) => Ok(column),
            (Some(_), Some(_), _) => fail(Cause::RepeatedColumn { wanted: wanted.into() }),
            (None, _, Some(number)) if number <= self.width() => Ok(number - 1),
            (None, _, Some(wanted)) => fail(Cause::NoSuchColumn { role, wanted, found: self.width() }),
            (None, _, None) => {
                fail(Cause::UnknownColumn { role, wanted: wanted.into(), columns: names.to_vec() })
            }
        }
    }

    /// What people would call a column to ask for it: its name, where that asks for one column and
    /// for no other.
    pub(crate) fn label(self, column: usize, by_name: bool) -> String {
        let name = &self.cells[column];
        let is_only = !name.is_empty()
            && number(name).is_none()
            && self.cells.iter().filter(|other| *other == name).count() == 1;
        if by_name && is_only { name.clone() } else { (column + 1).to_string() }
    }
}

/// The number of a column that is asked for by its number, from 1.
fn number(wanted: &str) -> Option<usize> {
    wanted.parse().ok().filter(|&number| number > 0)
}
