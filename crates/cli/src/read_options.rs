//! How an input is read, as flags.

use clap::ValueEnum;
use graven_ingest::{Format, Nulls, ReadOptions};

/// [`ReadOptions`] as flags.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReadFlags {
    /// What the input looks like [default: by its extension, else by its first lines]
    ///
    /// Extensions are .data, .tsv, .csv, .jsonl and .parquet, and behind all but the last .gz and
    /// .zst.
    #[arg(long, value_enum, help_heading = INPUT)]
    format: Option<FormatName>,
    /// The column of a csv or tsv, or field of a jsonl, that is the key [default: 1, or key]
    ///
    /// A column is given by its number or by its name. Of Parquet the default is the column key.
    #[arg(long, value_name = "COLUMN", help_heading = INPUT)]
    key: Option<String>,
    /// The same for the value [default: the second of two columns, or value]
    ///
    /// Without it, Parquet becomes a table with columns.
    #[arg(long, value_name = "COLUMN", help_heading = INPUT)]
    value: Option<String>,
    /// The first row of a csv or tsv names the columns, and is not a pair
    ///
    /// So it is where a column is given by name.
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
    /// Quoted cells of a csv may hold lines that look like rows; else they are an error
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    rows_in_quotes: bool,
    /// Drop spaces and tabs around keys and values
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    trim: bool,
    /// What a null of a jsonl or Parquet becomes as a value
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
    /// Columns with names and types; in builds with the feature parquet
    Parquet,
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
            key: self.key.clone(),
            value: self.value.clone(),
            header: (self.header || self.no_header).then_some(self.header),
            delimiter: self.delimiter,
            comment: self.comment.clone().map(String::into_bytes),
            rows_in_quotes: self.rows_in_quotes,
            trim: self.trim,
            nulls: self.null.into(),
            ..ReadOptions::default()
        }
    }
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Data => Self::Data,
            FormatName::Tsv => Self::Tsv,
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::Jsonl,
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
