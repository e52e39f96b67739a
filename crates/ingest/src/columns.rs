//! Which columns of a row are key and value.

use crate::error::{Cause, Fault, Position, Role};
use crate::options::ReadOptions;

/// The columns of key and value, counted from 0, and what the others are called.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) key: usize,
    pub(crate) value: usize,
    pub(crate) ignored: Vec<String>,
}

/// The first row of an input, as far as the choice goes.
#[derive(Clone, Copy)]
pub(crate) struct FirstRow<'a> {
    /// What the columns are called, where the row is a header.
    pub(crate) names: Option<&'a [String]>,
    pub(crate) width: usize,
    pub(crate) line: u64,
}

impl ReadOptions {
    /// Whether a column is asked for by name.
    pub(crate) fn names_a_column(&self) -> bool {
        [&self.key, &self.value].into_iter().flatten().any(|wanted| number(wanted).is_none())
    }

    /// Chooses the columns of key and value.
    pub(crate) fn choose(&self, first: FirstRow<'_>) -> Result<Chosen, Fault> {
        let fail = |cause| Fault::new(Position::line(first.line), cause);
        let key = match &self.key {
            Some(wanted) => first.find(Role::Key, wanted)?,
            None => 0,
        };
        let value = match &self.value {
            Some(wanted) => first.find(Role::Value, wanted)?,
            None if first.width > 2 => return Err(fail(Cause::ValueUndecided { columns: first.labels() })),
            None if key == 1 => return Err(fail(Cause::KeyIsValue { column: first.label(1) })),
            None if first.width < 2 => {
                return Err(fail(Cause::NoSuchColumn { role: Role::Value, wanted: 2, found: first.width }));
            }
            None => 1,
        };
        let ignored = (0..first.width).filter(|&column| column != key && column != value);
        Ok(Chosen { key, value, ignored: ignored.map(|column| first.label(column)).collect() })
    }
}

impl FirstRow<'_> {
    /// The column that `wanted` names.
    fn find(self, role: Role, wanted: &str) -> Result<usize, Fault> {
        let fail = |cause| Err(Fault::new(Position::line(self.line), cause));
        if let Some(number) = number(wanted) {
            let (wanted, found) = (number, self.width);
            return if number <= found {
                Ok(number - 1)
            } else {
                fail(Cause::NoSuchColumn { role, wanted, found })
            };
        }
        let names = self.names.unwrap_or_default();
        let mut found = names.iter().enumerate().filter(|(_, name)| *name == wanted);
        match (found.next(), found.next()) {
            (Some((column, _)), None) => Ok(column),
            (Some(_), Some(_)) => fail(Cause::RepeatedColumn { wanted: wanted.into() }),
            (None, _) => fail(Cause::UnknownColumn { role, wanted: wanted.into(), columns: names.to_vec() }),
        }
    }

    /// What people would call a column to ask for it.
    fn label(self, column: usize) -> String {
        let name = self.names.and_then(|names| names.get(column));
        // A name that is empty, or that more than one column has, asks for none.
        let is_only = |name: &&String| {
            !name.is_empty()
                && number(name).is_none()
                && self.names.unwrap_or_default().iter().filter(|other| other == name).count() == 1
        };
        name.filter(is_only).cloned().unwrap_or_else(|| (column + 1).to_string())
    }

    fn labels(self) -> Vec<String> {
        (0..self.width).map(|column| self.label(column)).collect()
    }
}

/// The number of a column that is asked for by its number, from 1.
fn number(wanted: &str) -> Option<usize> {
    wanted.parse().ok().filter(|&number| number > 0)
}
