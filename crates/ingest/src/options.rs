//! How an input is to be read.

use crate::format::Format;

/// How an input is to be read. What is left out follows from the input; where it does not follow
/// without a doubt, the reading ends with an error that says between what it is.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The form; without it, the name and the content say it.
    pub format: Option<Format>,
    /// The column of the key, by name or number, or the field of a JSON object; without it, the
    /// first column or `key`.
    pub key: Option<String>,
    /// The same for the value; without it, the second of two columns, what follows the first tab,
    /// or `value`.
    pub value: Option<String>,
    /// Whether the first row names the columns; without it, it does where a column is asked for by
    /// name.
    pub header: Option<bool>,
    /// What separates the columns of a csv; without it, a comma.
    pub delimiter: Option<u8>,
    /// What a line begins with that is passed over.
    pub comment: Option<Vec<u8>>,
    /// Whether a quoted cell of a csv may hold several lines that look like rows. Without it they
    /// are an error: so it looks where quotes are missing.
    pub rows_in_quotes: bool,
    /// Whether spaces and tabs around keys and values are dropped.
    pub trim: bool,
    /// What a value that is null becomes.
    pub nulls: Nulls,
    /// Memory for the pages and rows of Parquet files; without it, 256 MiB.
    pub memory_bytes: Option<u64>,
    /// Threads that decode Parquet files; 0 is one a core.
    pub threads: usize,
}

/// What a value that is null becomes. A key is never null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nulls {
    /// An error: a null may mean that there is no pair, and may mean a value.
    #[default]
    Refuse,
    /// The pair is left out.
    Skip,
    /// An empty value.
    Empty,
    /// The four bytes `null`.
    Json,
}
