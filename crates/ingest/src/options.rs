//! How an input is to be read.

use crate::format::Format;

/// How an input is to be read. What is left out follows from the input; where it does not follow
/// without a doubt, the reading ends with an error that says between what it is.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The form; without it, the name and the content say it.
    pub format: Option<Format>,
    /// The columns of the key, by name or number, or the fields of a JSON object; without it, the
    /// first column or `key`.
    pub key: Option<KeyColumns>,
    /// What stands between the parts of a key of several columns; without it, `:`. It is not empty.
    pub key_separator: Option<Vec<u8>>,
    /// The same for the value; without it, the second of two columns, what follows the first tab,
    /// or `value`.
    pub value: Option<ValueColumns>,
    /// Whether the first row names the columns; without it, it does where a column is asked for by
    /// name, and where values are objects, whose members need names.
    pub header: Option<bool>,
    /// What separates the columns of a csv; without it, a comma.
    pub delimiter: Option<u8>,
    /// What a line begins with that is passed over.
    pub comment: Option<Vec<u8>>,
    /// Lines at the beginning that are passed over.
    pub skip: u64,
    /// The members of a JSON document that are gone down into: the one of the document, then the one
    /// of that, and so on.
    pub at: Vec<String>,
    /// Whether a quoted cell of a csv may hold several lines that look like rows. Without it they
    /// are an error: so it looks where quotes are missing.
    pub rows_in_quotes: bool,
    /// Whether rows of a csv or tsv may have fewer columns than others: the widest of the first rows
    /// says how many there are, and what a row lacks is empty.
    pub short_rows: bool,
    /// Whether keys may come again though no column was said to be the key. Without it a column whose
    /// first cells are not all different is no key where another's are.
    pub repeated_keys: bool,
    /// Whether spaces and tabs around keys and values are dropped.
    pub trim: bool,
    /// What a value that is null becomes.
    pub nulls: Nulls,
    /// What values are.
    pub value_type: ValueType,
    /// Memory for the pages and rows of Parquet files; without it, 256 MiB.
    pub memory_bytes: Option<u64>,
    /// Threads that decode Parquet files; 0 is one a core.
    pub threads: usize,
}

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// JSON, where all of them are objects or arrays of JSON input, or are made such; else any bytes.
    #[default]
    Found,
    /// Any bytes, whatever they look like.
    Bytes,
    /// JSON: what stands in a text, tsv or csv has to be a JSON text; what stands in a JSON object is
    /// kept as one, a string in its quotes.
    Json,
}

/// The columns of which a key is made.
///
/// ```
/// use graven_ingest::KeyColumns;
///
/// let one = KeyColumns::from("id");
/// let two = KeyColumns(vec!["country".into(), "code".into()]);
/// assert_eq!((one.0.len(), two.0.len()), (1, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumns(pub Vec<String>);

/// The columns of which a value is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueColumns {
    /// What stands in one column.
    One(String),
    /// A JSON object of these columns, in this order.
    Object(Vec<String>),
    /// A JSON object of all columns but those of the key.
    AllOthers,
}

impl From<&str> for KeyColumns {
    fn from(column: &str) -> Self {
        Self(vec![column.to_owned()])
    }
}

impl From<&str> for ValueColumns {
    fn from(column: &str) -> Self {
        Self::One(column.to_owned())
    }
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
