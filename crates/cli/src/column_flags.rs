//! Which columns a table is to have, as flags.

use graven_format::ColumnType;
use graven_ingest::ColumnOptions;

/// [`ColumnOptions`] as flags.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ColumnFlags {
    /// Give values columns: these of a csv, tsv, jsonl or Parquet, or '*' for all but the key
    ///
    /// A column is given by its name or number, a field of a jsonl by its name. The first row of a
    /// csv or tsv names them, unless --no-header is given. What columns hold follows from all rows.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', num_args = 1, conflicts_with = "value", help_heading = TABLE)]
    columns: Vec<String>,
    /// What columns hold, where it is not to follow from all rows, as in price:decimal,zip:text
    ///
    /// Types are bool, int, uint, float32, float64, decimal, text, bytes, timestamp, date, uuid and
    /// json.
    #[arg(long, value_name = "A:TYPE,…", value_delimiter = ',', value_parser = said, requires = "columns", help_heading = TABLE)]
    types: Vec<(String, ColumnType)>,
}

const TABLE: &str = "Table";

/// A column and its type.
fn said(text: &str) -> Result<(String, ColumnType), String> {
    let (name, column_type) =
        text.rsplit_once(':').ok_or("write a column, a colon and a type, as in price:decimal")?;
    let column_type = column_type.parse().map_err(|error: graven_format::UnknownType| error.to_string())?;
    Ok((name.to_owned(), column_type))
}

impl ColumnFlags {
    /// What is asked for; nothing where values are to have no columns.
    pub(crate) fn to_options(&self) -> Option<ColumnOptions> {
        let columns = match &self.columns[..] {
            [] => return None,
            [all] if all == "*" => None,
            columns => Some(columns.to_vec()),
        };
        Some(ColumnOptions { columns, types: self.types.clone() })
    }
}
