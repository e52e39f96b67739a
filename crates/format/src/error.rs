//! What can go wrong with a table, and what to do about it.

use std::fmt;
use std::io;

use crate::row::ColumnType;
use crate::text;

/// Why a table could not be built, opened or asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system refused to read or write.
    Io {
        /// What was being done, as in "read the index".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A new file is in its place, and the system does not promise that it is there after a crash.
    NotDurable {
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to read a piece of the file, or there was less of it than there was.
    Read {
        /// Where the piece begins, in bytes from the start of the file.
        offset: u64,
        /// Bytes of the piece.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused another thread.
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// The bytes do not begin as a carved file does.
    NotCarved,
    /// The file has a version that this program does not read.
    Version {
        /// The version that the file names.
        found: u32,
    },
    /// The file uses features that this program does not know.
    Flags {
        /// The bits of the unknown features.
        found: u32,
    },
    /// The file has a section that a reader must know, and that this program does not know.
    Section {
        /// The name that the file gives it.
        name: String,
    },
    /// The file is shorter or longer than its header says.
    Length {
        /// Bytes that the header names.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Bytes are not what was written.
    Damaged {
        /// The part of the file.
        section: &'static str,
        /// Where the part that is damaged begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// A key came a second time, and [`Duplicates::Error`](crate::Duplicates::Error) was asked
    /// for.
    DuplicateKey {
        /// The key.
        key: Vec<u8>,
    },
    /// A pair is larger than a table can hold.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most it may be.
        most: u64,
        /// What it is.
        found: u64,
    },
    /// A row is damaged.
    Row {
        /// The column, where it is one.
        column: Option<String>,
        /// What is wrong.
        problem: Problem,
    },
    /// The values of the table have no columns.
    NoColumns,
    /// The table has no column of this name.
    NoColumn {
        /// The name.
        name: String,
    },
    /// A second column has the name of another.
    RepeatedColumn {
        /// The name.
        name: String,
    },
    /// A field does not have the type that its column was said to have.
    Field {
        /// The column.
        column: String,
        /// Its type; none for what is no number or no JSON though it was given as such.
        expected: Option<ColumnType>,
        /// The beginning of what was given.
        found: String,
    },
    /// The text that the table is read from is not right.
    Text(text::Error),
    /// The input was changed while it was read.
    InputChanged,
    /// The build was told to stop, by [`Progress::stop`](crate::Progress::stop).
    Stopped,
}

/// What is wrong with a damaged part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The checksum of the bytes is not the one stored with them.
    Checksum {
        /// The checksum that is stored.
        expected: u32,
        /// The checksum that the bytes have.
        found: u32,
    },
    /// A number is not the one that it has to be.
    Differs {
        /// Which number.
        field: &'static str,
        /// What it has to be here.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A number is none of those that it can be.
    Unknown {
        /// Which number.
        field: &'static str,
        /// What it can be here.
        expected: &'static [u64],
        /// What it is.
        found: u64,
    },
    /// A number is larger than it can be.
    Range {
        /// Which number.
        field: &'static str,
        /// The most it can be here.
        most: u64,
        /// What it is.
        found: u64,
    },
    /// There are fewer bytes than there have to be.
    Short {
        /// Of what.
        what: &'static str,
        /// The fewest there can be here.
        least: u64,
        /// How many there are.
        found: u64,
    },
    /// Two things that are said cannot both be so.
    Contradiction {
        /// What is said, as in "bits of keys are both fixed and not".
        said: &'static str,
    },
    /// A key lies where no lookup finds it, or out of order.
    Misplaced,
    /// The identity is not that of a table with these pairs.
    Identity {
        /// The identity that goes with the pairs.
        expected: u64,
        /// The identity that the header names.
        found: u64,
    },
    /// Bytes that no codec writes.
    Codec,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { expected, found } => {
                write!(f, "expected the checksum {expected:08x}, found {found:08x}")
            }
            Self::Differs { field, expected, found } => {
                write!(f, "expected {field} to be {expected}, found {found}")
            }
            Self::Unknown { field, expected, found } => {
                write!(f, "expected {field} to be ")?;
                for (i, number) in expected.iter().enumerate() {
                    let separator = match i {
                        0 => "",
                        _ if i + 1 == expected.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{separator}{number}")?;
                }
                write!(f, ", found {found}")
            }
            Self::Range { field, most, found } => {
                write!(f, "expected {field} to be at most {most}, found {found}")
            }
            Self::Short { what, least, found } => {
                write!(f, "expected {what} to have at least {least} bytes, found {found}")
            }
            Self::Contradiction { said } => f.write_str(said),
            Self::Misplaced => f.write_str("a key lies where no lookup finds it"),
            Self::Identity { expected, found } => {
                write!(
                    f,
                    "expected the identity {expected:016x}, which follows from the pairs, found {found:016x}"
                )
            }
            Self::Codec => f.write_str("found bytes that its codec never writes"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::NotDurable { source } => {
                write!(
                    f,
                    "the new file is in its place, but may be gone after a crash of the system: {source}"
                )
            }
            Self::Read { offset, bytes, source } => {
                write!(f, "cannot read {bytes} bytes at byte {offset} of the file: {source}")
            }
            Self::Thread { source } => write!(f, "cannot start a thread: {source}"),
            Self::NotCarved => f.write_str("not a carved file"),
            Self::Version { found } => {
                write!(f, "the file has version {found}, this program reads version 2; build it anew")
            }
            Self::Flags { found } => {
                write!(
                    f,
                    "the file uses features {found:#x} that this program does not know; use a newer one"
                )
            }
            Self::Section { name } => write!(
                f,
                "the file has a section `{name}` that this program does not know and cannot do without; use a newer one"
            ),
            Self::Length { expected, found } => {
                write!(
                    f,
                    "the file has {found} bytes where its header says {expected}; copy or build it anew"
                )
            }
            Self::Damaged { section, offset, problem } => {
                write!(f, "damaged {section} at byte {offset}: {problem}; copy or build the file anew")
            }
            Self::DuplicateKey { key } => write!(f, "the key {} comes more than once", key.escape_ascii()),
            Self::TooLarge { what, most, found } => write!(f, "{what} is {found}, the most is {most}"),
            Self::Row { column: Some(column), problem } => {
                write!(f, "damaged row, column `{column}`: {problem}; copy or build the file anew")
            }
            Self::Row { column: None, problem } => {
                write!(f, "damaged row: {problem}; copy or build the file anew")
            }
            Self::NoColumns => f.write_str("the values of the table have no columns"),
            Self::NoColumn { name } => write!(f, "the table has no column `{name}`"),
            Self::RepeatedColumn { name } => write!(f, "two columns have the name `{name}`"),
            Self::Field { column, expected: Some(expected), found } => {
                write!(f, "column `{column}`: expected {}, found `{found}`", expected.expectation())
            }
            Self::Field { column, expected: None, found } => {
                write!(f, "column `{column}`: expected a value in JSON, found `{found}`")
            }
            Self::Text(error) => error.fmt(f),
            Self::Stopped => f.write_str("stopped before it was done"),
            Self::InputChanged => f.write_str("the input was changed while it was read; try again"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. }
            | Self::NotDurable { source }
            | Self::Read { source, .. }
            | Self::Thread { source } => Some(source),
            Self::Text(error) => Some(error),
            _ => None,
        }
    }
}

impl From<text::Error> for Error {
    fn from(error: text::Error) -> Self {
        Self::Text(error)
    }
}
