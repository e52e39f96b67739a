//! How an input is read, as flags.

use clap::ValueEnum;
use graven_ingest::{Format, KeyColumns, Nulls, ReadOptions, ValueColumns, ValueType};

use crate::column_list::ColumnList;

/// [`ReadOptions`] as flags.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReadFlags {
    /// What the input looks like [default: by its extension, else by its first lines]
    ///
    /// Extensions are .data, .tsv, .csv, .jsonl, .json and .parquet, and behind all but the last .gz and .zst.
    #[arg(long, value_enum, help_heading = INPUT)]
    format: Option<FormatName>,
    /// The key: a column, or a field of JSON objects [default: 1, or key]
    ///
    /// A column is given by its number or by its name, which is written in double quotes if it holds a comma. A key
    /// of several columns has their cells in this order. Without it, the key of a member of a JSON document is its name;
    /// of Parquet it is the column key.
    #[arg(long, value_name = "COLUMN[,…]", help_heading = INPUT)]
    key: Option<ColumnList>,
    /// What stands between the cells of a key of several columns [default: :]
    ///
    /// A row is an error if a cell before the last holds it: other cells could make the same key.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new(),
        requires = "key", help_heading = INPUT, hide_short_help = true)]
    key_separator: Option<String>,
    /// The same for the value, '*' for all but the key [default: the second of two columns, or value]
    ///
    /// A value of several columns, or of all, is a JSON object. What stands in a csv or tsv is a string there, so that
    /// no digit is lost; for numbers see --columns. Without it, Parquet becomes a table with columns.
    #[arg(long, value_name = "COLUMN[,…]", help_heading = INPUT)]
    value: Option<ColumnList>,
    /// Go down into this member of a JSON document first
    ///
    /// Given again, into a member of that. A name is taken as it is, with all dots.
    #[arg(long, value_name = "MEMBER", help_heading = INPUT)]
    at: Vec<String>,
    /// The first row of a csv or tsv names the columns, and is not a pair
    ///
    /// So it is where a column is given by name, and where values are JSON objects.
    #[arg(long, conflicts_with = "no_header", help_heading = INPUT)]
    header: bool,
    /// The first row is a pair, though it looks like the names of the columns
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    no_header: bool,
    /// What separates the columns of a csv: one character, or tab [default: ,]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, help_heading = INPUT, hide_short_help = true)]
    delimiter: Option<u8>,
    /// Pass over lines that begin with this
    #[arg(long, value_name = "PREFIX", value_parser = clap::builder::NonEmptyStringValueParser::new(),
        help_heading = INPUT, hide_short_help = true)]
    comment: Option<String>,
    /// Pass over so many lines at the beginning
    #[arg(long, value_name = "LINES", default_value = "0", help_heading = INPUT, hide_short_help = true)]
    skip: u64,
    /// Quoted cells of a csv may hold lines that look like rows; else they are an error
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    rows_in_quotes: bool,
    /// Rows of a csv or tsv may have fewer columns than others; what they lack is empty
    ///
    /// The widest of the first 200 rows, as far as they are in the first 64 KiB, says how many there are.
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    short_rows: bool,
    /// Drop spaces and tabs around keys and values
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    trim: bool,
    /// What values are [default: json where all are JSON objects or arrays, else bytes]
    ///
    /// A table of JSON is answered as JSON. Where all values are objects or arrays of a JSON input, or are made by
    /// --value or --duplicates list, it is one without being told.
    #[arg(long, value_enum, value_name = "WHAT", help_heading = INPUT, hide_short_help = true)]
    value_type: Option<ValueTypeName>,
    /// What a null of JSON or Parquet becomes as a value
    #[arg(long, value_enum, value_name = "WHAT", default_value = "error", help_heading = INPUT, hide_short_help = true)]
    null: NullName,
}

const INPUT: &str = "Input";

/// [`Format`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// A line is a key, a space or a tab, and a value
    Data,
    /// A line is a key, a tab, and a value, which may hold more tabs; or columns
    Tsv,
    /// Separated columns, quoted where need be
    Csv,
    /// A line is a JSON object with a key and a value
    Jsonl,
    /// One JSON object whose members are the pairs, or one array of objects
    Json,
    /// Stanzas of `Name: text` lines, as Debian's package indexes have
    Deb822,
    /// Columns with names and types; in builds with the feature parquet
    Parquet,
}

/// [`ValueType`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ValueTypeName {
    /// JSON: each value has to be a JSON text; a string of JSON input keeps its quotes
    Json,
    /// Any bytes, whatever they look like
    Bytes,
}

/// [`Nulls`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum NullName {
    /// An error, which names the line
    Error,
    /// No pair
    Skip,
    /// An empty value
    Empty,
    /// The text null
    Json,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [b'"' | b'\n' | b'\r'] => Err("a quote or a line end separates no columns".into()),
        [byte] => Ok(*byte),
        _ => Err("write one character of ASCII, such as ';', or tab".into()),
    }
}

impl ReadFlags {
    pub(crate) fn to_options(&self) -> ReadOptions {
        ReadOptions {
            format: self.format.map(Format::from),
            key: self.key.clone().map(|list| KeyColumns(list.0)),
            key_separator: self.key_separator.clone().map(String::into_bytes),
            value: self.value.clone().map(values),
            header: (self.header || self.no_header).then_some(self.header),
            delimiter: self.delimiter,
            comment: self.comment.clone().map(String::into_bytes),
            skip: self.skip,
            at: self.at.clone(),
            rows_in_quotes: self.rows_in_quotes,
            short_rows: self.short_rows,
            trim: self.trim,
            nulls: self.null.into(),
            value_type: match self.value_type {
                Some(ValueTypeName::Json) => ValueType::Json,
                Some(ValueTypeName::Bytes) => ValueType::Bytes,
                None => ValueType::Found,
            },
            ..ReadOptions::default()
        }
    }
}

/// The columns of a value.
fn values(list: ColumnList) -> ValueColumns {
    match &list.0[..] {
        [all] if all == "*" => ValueColumns::AllOthers,
        [one] => ValueColumns::One(one.clone()),
        _ => ValueColumns::Object(list.0),
    }
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Data => Self::Data,
            FormatName::Tsv => Self::Tsv,
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::Jsonl,
            FormatName::Json => Self::Json,
            FormatName::Deb822 => Self::Deb822,
            FormatName::Parquet => Self::Parquet,
        }
    }
}

impl From<NullName> for Nulls {
    fn from(name: NullName) -> Self {
        match name {
            NullName::Error => Self::Refuse,
            NullName::Skip => Self::Skip,
            NullName::Empty => Self::Empty,
            NullName::Json => Self::Json,
        }
    }
}
