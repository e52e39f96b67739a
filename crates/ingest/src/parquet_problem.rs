//! What can be wrong with a Parquet file.

use std::fmt;

/// What is wrong with a Parquet file, or with what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParquetProblem {
    /// Bytes that no writer writes: what was found.
    Damaged(String),
    /// A number is above a limit.
    TooLarge {
        /// What the number is of.
        what: &'static str,
        /// The limit.
        most: u64,
        /// The number.
        found: u64,
    },
    /// More rows, or values of a column, than a file of so many bytes may have: each would take time
    /// and none has bytes.
    TooManyRows {
        /// Bytes of the file.
        bytes: u64,
        /// How many it may have.
        most: u64,
        /// How many it says that it has.
        found: u64,
    },
    /// Pages do not fit into the memory that the reading may use.
    Memory {
        /// Bytes that it may use.
        most: u64,
        /// Bytes that it would take.
        found: u64,
    },
    /// Something of the format that is not read: what it is.
    Unsupported(String),
    /// The schema is another than that of the first file.
    SchemaDiffers {
        /// The first file.
        first: String,
        /// How they differ.
        how: String,
    },
}

/// Where in a Parquet file something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParquetPlace {
    /// The row group, from 0; none where the file as a whole is meant.
    pub row_group: Option<usize>,
    /// The column, by its path.
    pub column: Option<String>,
}

impl fmt::Display for ParquetPlace {
    /// The place with a colon behind it, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row_group, &self.column) {
            (Some(row_group), Some(column)) => write!(f, "row group {row_group}, column {column}: "),
            (Some(row_group), None) => write!(f, "row group {row_group}: "),
            (None, Some(column)) => write!(f, "column {column}: "),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for ParquetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "the Parquet data is damaged: {what}"),
            Self::TooLarge { what, most, found } => write!(f, "{what} is {found}, the limit is {most}"),
            Self::TooManyRows { bytes, most, found } => write!(
                f,
                "it has {found} rows or values of a column in {bytes} bytes, the limit for so many bytes is {most}"
            ),
            Self::Memory { most, found } => {
                write!(f, "its pages take {found} bytes of memory, and {most} may be used for them")
            }
            Self::Unsupported(what) => write!(f, "{what}, which is not read here"),
            Self::SchemaDiffers { first, how } => {
                write!(f, "its columns are others than those of {first}: {how}")
            }
        }
    }
}
