//! Which columns a table is to have, as flags.

use graven_format::ColumnType;
use graven_ingest::ColumnOptions;

use crate::column_list::ColumnList;
use crate::options::text::typed;

/// [`ColumnOptions`] as flags.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ColumnFlags {
    /// Give values columns: these, or '*' for all but the key
    ///
    /// A column of a csv or tsv is given by its name or number, a field of JSON objects by its name. The first row of a
    /// csv or tsv names them, unless --no-header is given. What columns hold follows from all rows.
    #[arg(long, value_name = "A,B,…", conflicts_with = "value", help_heading = TABLE)]
    columns: Option<ColumnList>,
    /// What columns hold, where it is not to follow from all rows, as in price:decimal,zip:text
    ///
    /// Types are bool, int, uint, float32, float64, decimal, text, bytes, timestamp, date, uuid and
    /// json.
    #[arg(long, value_name = "A:TYPE,…", value_delimiter = ',', value_parser = typed, requires = "columns", help_heading = TABLE)]
    types: Vec<(String, ColumnType)>,
}

const TABLE: &str = "Table";

impl ColumnFlags {
    /// What is asked for; nothing where values are to have no columns.
    pub(crate) fn to_options(&self) -> Option<ColumnOptions> {
        self.columns.as_ref().map(|columns| columns.to_options(&self.types))
    }
}
