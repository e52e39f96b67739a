//! Which columns of a row are key and value.

use crate::error::{Cause, Fault, Position, Role};
use crate::options::ReadOptions;

/// The columns of key and value, counted from 0, and what the others are called.
#[derive(Debug)]
pub(crate) struct KeyValueColumns {
    pub(crate) key: usize,
    pub(crate) value: usize,
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
}

impl ReadOptions {
    /// Whether a column is asked for by name.
    pub(crate) fn names_a_column(&self) -> bool {
        [&self.key, &self.value].into_iter().flatten().any(|wanted| number(wanted).is_none())
    }

    /// Chooses the columns of key and value.
    pub(crate) fn choose(&self, first: FirstRow<'_>) -> Result<KeyValueColumns, Fault> {
        let fail = |cause| Fault::new(Position::line(first.line), cause);
        let key = match &self.key {
            Some(wanted) => first.find(Role::Key, wanted)?,
            None => 0,
        };
        let value = match &self.value {
            Some(wanted) => first.find(Role::Value, wanted)?,
            None if first.width() > 2 => {
                let by_name = first.is_header || first.may_be_header && self.header.is_none();
                let columns = (0..first.width()).map(|column| first.label(column, by_name)).collect();
                return Err(fail(Cause::ValueUndecided { columns }));
            }
            None if key == 1 => {
                return Err(fail(Cause::KeyIsValue { column: first.label(1, first.is_header) }));
            }
            None if first.width() < 2 => {
                return Err(fail(Cause::NoSuchColumn { role: Role::Value, wanted: 2, found: first.width() }));
            }
            None => 1,
        };
        let ignored = (0..first.width()).filter(|&column| column != key && column != value);
        Ok(KeyValueColumns {
            key,
            value,
            ignored: ignored.map(|column| first.label(column, first.is_header)).collect(),
        })
    }
}

impl FirstRow<'_> {
    fn width(self) -> usize {
        self.cells.len()
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
    fn label(self, column: usize, by_name: bool) -> String {
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
