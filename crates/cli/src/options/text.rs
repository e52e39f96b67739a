//! How a text is read that is served as it is, where it does not say that itself.

use graven_format::{ColumnType, UnknownType};
use graven_ingest::{ColumnOptions, KeyColumns, ReadOptions};

use crate::column_list::ColumnList;

/// How texts are read that are served as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextOptions {
    /// Whether blanks around the keys and values are dropped.
    pub(crate) trim: bool,
    /// The columns that are the key.
    pub(crate) key: Option<ColumnList>,
    /// The columns that values are to have; `None` for values without.
    pub(crate) columns: Option<ColumnList>,
    /// What columns hold, as far as that is not to follow from all rows.
    pub(crate) types: Vec<(String, ColumnType)>,
}

impl TextOptions {
    pub(crate) fn to_read_options(&self) -> ReadOptions {
        let key = self.key.clone().map(|list| KeyColumns(list.0));
        ReadOptions { trim: self.trim, key, ..ReadOptions::default() }
    }

    pub(crate) fn to_column_options(&self) -> Option<ColumnOptions> {
        self.columns.as_ref().map(|columns| columns.to_options(&self.types))
    }

    /// The first of these that is set and says which columns there are: a carved file has its own.
    pub(crate) fn says_columns(&self) -> Option<&'static str> {
        let key = self.key.as_ref().map(|_| "--key");
        key.or_else(|| self.columns.as_ref().map(|_| "--columns"))
    }
}

/// A column and its type, as in `price:decimal`.
pub(crate) fn typed(text: &str) -> Result<(String, ColumnType), String> {
    let (name, column_type) =
        text.rsplit_once(':').ok_or("write a column, a colon and a type, as in price:decimal")?;
    let column_type = column_type.parse().map_err(|error: UnknownType| error.to_string())?;
    Ok((name.to_owned(), column_type))
}

/// Several of them, with commas between them.
pub(super) fn types(text: &str) -> Result<Vec<(String, ColumnType)>, String> {
    text.split(',').map(typed).collect()
}

pub(super) fn show_types(types: &[(String, ColumnType)]) -> String {
    let types: Vec<String> = types.iter().map(|(name, of)| format!("{name}:{of}")).collect();
    types.join(",")
}

pub(super) fn show_list(list: Option<&ColumnList>) -> String {
    list.map_or_else(String::new, ColumnList::to_string)
}
