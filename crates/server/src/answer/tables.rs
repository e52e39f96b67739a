//! Which table a request is for, which version of it answers, and what is said where none does.

use std::collections::BTreeMap;
use std::sync::Arc;

use graven_catalog::{Catalog, Snapshot, TableId, TableState, TableVersion};

use super::access::AccessRefusal;
use crate::options::ServerOptions;

/// The table that a connection asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableChoice {
    /// The one that answers where none is named.
    Default,
    /// One by its number.
    Table(TableId),
    /// None until one is named.
    NotNamed,
    /// None until the client has said who it is.
    LoginFirst,
    /// None: the listener's table may not be asked.
    NotPermitted,
}

/// Which tables a connection may ask: those of its user, or the one that its listener keeps it to.
#[derive(Debug)]
pub(super) struct TableRule {
    listener: Option<TableId>,
    /// Those of the user, in order; `None` for all.
    among: Option<Vec<TableId>>,
    first: TableChoice,
}

impl TableRule {
    /// Those of `among`, of which `first` is asked until another is named; where a listener has a table, that alone.
    pub(super) fn new(listener: Option<TableId>, among: Option<Vec<TableId>>, first: TableChoice) -> Self {
        let mut rule = Self { listener, among, first };
        if let Some(table) = listener {
            let is_permitted = rule.permits(table);
            rule.first = match is_permitted {
                true => TableChoice::Table(table),
                false => TableChoice::NotPermitted,
            };
        }
        rule
    }

    /// None at all, for somebody who has not said who they are.
    pub(super) fn none() -> Self {
        Self { listener: None, among: Some(Vec::new()), first: TableChoice::LoginFirst }
    }

    /// What is asked at first.
    #[inline]
    pub(super) fn first(&self) -> TableChoice {
        self.first
    }

    /// Whether the user may ask a table.
    pub(super) fn permits(&self, table: TableId) -> bool {
        self.among.as_ref().is_none_or(|among| among.binary_search(&table).is_ok())
    }

    /// Whether a table may be asked.
    pub(super) fn allows(&self, table: TableId) -> bool {
        self.listener.is_none_or(|only| only == table) && self.permits(table)
    }

    /// Whether the user may ask some tables and not others.
    pub(super) fn is_limited(&self) -> bool {
        self.among.is_some()
    }

    /// Whether there is one table, whatever is asked for.
    pub(super) fn is_single(&self) -> bool {
        self.listener.is_some()
    }

    /// The tables that may be asked, in order of their names.
    pub(super) fn of<'s>(&'s self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s TableState> {
        snapshot.tables().filter(|table| self.allows(table.id()))
    }
}

/// The numbers by which Redis clients select tables, besides 0, which is the default one.
#[derive(Debug, Default)]
pub(crate) struct Databases(BTreeMap<u32, TableId>);

impl Databases {
    /// Those of `options`, whose tables need not be there.
    pub(crate) fn new(options: &ServerOptions, catalog: &Catalog) -> Self {
        let named = options.databases.iter();
        Self(named.map(|(number, name)| (*number, catalog.reserve(name.clone()))).collect())
    }

    /// The table of a number.
    pub(super) fn find(&self, number: i64) -> Option<TableChoice> {
        match u32::try_from(number).ok()? {
            0 => Some(TableChoice::Default),
            number => self.0.get(&number).copied().map(TableChoice::Table),
        }
    }

    /// The number of a table, where it has one.
    pub(super) fn number_of(&self, table: TableId) -> Option<u32> {
        self.0.iter().find(|(_, id)| **id == table).map(|(number, _)| *number)
    }

    /// How many numbers there are up to the largest.
    pub(super) fn count(&self) -> u64 {
        self.0.keys().last().map_or(1, |last| u64::from(*last) + 1)
    }
}

/// Why nothing can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// The table has no version yet.
    Loading,
    /// There is no table yet.
    Empty,
    /// There are several, none was named, and none is the default.
    NoDefault,
    /// There is no such table.
    Unknown,
    /// The table has no such version, or holds it no longer.
    NotHeld,
    /// It is not answered to who asks.
    Refused(AccessRefusal),
}

impl Unavailable {
    /// What is said in every language, as the beginning of a sentence without its capital.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Loading => "the table is loading, ask again soon",
            Self::Empty => "there is no table yet, ask again soon",
            Self::NoDefault => "there are several tables, and none is the default: name one",
            Self::Unknown => "there is no such table",
            Self::NotHeld => "the table does not hold that version",
            Self::Refused(AccessRefusal::LoginFirst) => "say who you are first",
            Self::Refused(AccessRefusal::NotPermitted) => "this user may not ask this table",
        }
    }

    /// Whether it may be otherwise in a moment.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Loading | Self::Empty)
    }
}

/// The version that answers for a choice.
pub(super) fn version(
    snapshot: &Snapshot,
    choice: TableChoice,
) -> Result<(TableId, &Arc<TableVersion>), Unavailable> {
    let table = match choice {
        TableChoice::Default => snapshot.default_table(),
        TableChoice::Table(id) => snapshot.table(id),
        TableChoice::NotNamed => return Err(Unavailable::NoDefault),
        TableChoice::LoginFirst => return Err(Unavailable::Refused(AccessRefusal::LoginFirst)),
        TableChoice::NotPermitted => return Err(Unavailable::Refused(AccessRefusal::NotPermitted)),
    };
    match (table, choice) {
        (Some(table), _) => match table.current() {
            Some(version) => Ok((table.id(), version)),
            None => Err(Unavailable::Loading),
        },
        (None, TableChoice::Table(_)) => Err(Unavailable::Unknown),
        // It was chosen, and has not come yet.
        (None, TableChoice::Default) if snapshot.is_default_chosen() => Err(Unavailable::Loading),
        (None, _) if snapshot.tables().next().is_some() => Err(Unavailable::NoDefault),
        (None, _) => Err(Unavailable::Empty),
    }
}
