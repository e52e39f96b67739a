//! What can go wrong while an input is read: what was found, what was expected, and where. What to
//! do about it is for the program to say, which knows how its users spell the options.

use std::fmt;
use std::io;

use graven_format::text::BadLine;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use crate::compressed::{Compression, Undecoded};
use crate::content::Content;
use crate::format::Format;
use crate::parquet_problem::{ParquetPlace, ParquetProblem};
use crate::rdb::RdbDamage;
use crate::redis::RedisProblem;

/// A place in an input. Lines and columns are counted from 1, columns in bytes. In a Parquet file
/// a line is a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The line; none where the input as a whole is meant.
    pub line: Option<u64>,
    /// The column, where it is known.
    pub column: Option<u64>,
}

impl Position {
    /// The whole input.
    pub const WHOLE: Self = Self { line: None, column: None };

    /// A line.
    pub const fn line(line: u64) -> Self {
        Self { line: Some(line), column: None }
    }

    /// A byte of a line.
    pub const fn column(line: u64, column: u64) -> Self {
        Self { line: Some(line), column: Some(column) }
    }
}

/// Why an input could not be read. It is printed as `FILE:LINE:COLUMN: cause`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// What people call the input: its path, as a rule.
    pub input: String,
    /// How it is compressed. Places are those in what it is when it was unpacked.
    pub compression: Option<Compression>,
    /// Where in it.
    pub position: Position,
    /// What is wrong there.
    pub cause: Cause,
}

impl Error {
    /// An error of the whole input that people call `input`.
    pub fn of_whole(input: &str, cause: Cause) -> Self {
        Fault::new(Position::WHOLE, cause).of(input)
    }
}

/// An [`Error`] as a reader knows it: without the name of its input.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault {
    /// Where.
    pub position: Position,
    /// What.
    pub cause: Cause,
    /// What people call the input, where it is one of several.
    pub input: Option<Box<str>>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(position: Position, cause: Cause) -> Self {
        Self { position, cause, input: None }
    }

    /// The same, in one of several inputs, unless it is in another already.
    #[must_use]
    pub fn in_input(mut self, input: &str) -> Self {
        self.input.get_or_insert_with(|| input.into());
        self
    }

    /// The same, where so many lines before the place were not counted.
    pub(crate) fn behind(mut self, lines: u64) -> Self {
        self.position.line = self.position.line.map(|line| line + lines);
        if let Cause::AfterQuote { line, .. } = &mut self.cause {
            *line += lines;
        }
        self
    }

    /// The error of the input that people call `input`.
    pub fn of(self, input: &str) -> Error {
        self.of_compressed(input, None)
    }

    /// As [`Self::of`], of an input that may be compressed.
    pub fn of_compressed(self, input: &str, compression: Option<Compression>) -> Error {
        let input = self.input.map_or_else(|| input.to_owned(), String::from);
        Error { input, compression, position: self.position, cause: self.cause }
    }
}

/// What is wrong with an input.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The system does not open it.
    Open(io::Error),
    /// It is a directory.
    Directory,
    /// The system does not read any further.
    Read(io::Error),
    /// Compressed bytes are damaged or end too early.
    Compressed {
        /// How they are compressed.
        compression: Compression,
        /// What the decoder said.
        source: io::Error,
    },
    /// It holds something that is not read here.
    Content(Content),
    /// An option was given that means nothing for the form of the input.
    NotForFormat {
        /// What it is that the form does not have, as in "columns".
        what: &'static str,
        /// The form.
        format: Format,
    },
    /// A form is read from its end, and a stream has none.
    Stream {
        /// The form.
        format: Format,
    },
    /// There are several inputs, and their form is read of one alone.
    SeveralInputs {
        /// The form.
        format: Format,
        /// How many.
        found: usize,
    },
    /// There are several inputs, the first of them a Redis dump, and these are read one by one.
    SeveralDumps {
        /// How many.
        found: usize,
    },
    /// A further file of a table has another form than the first.
    FormDiffers {
        /// What people call the first.
        first: String,
        /// The form of the first.
        expected: Format,
        /// The form of this one.
        found: Format,
    },
    /// A further file of a table has other columns than the first.
    FileDiffers {
        /// What people call the first.
        first: String,
        /// What is another, as in "it has no column a".
        how: String,
    },
    /// Something in a Parquet file.
    Parquet {
        /// Where.
        place: ParquetPlace,
        /// What.
        problem: Box<ParquetProblem>,
    },
    /// A folder has no file of data.
    NoFiles,
    /// A folder does not have the file that says that it is whole.
    NoMarker {
        /// The name of the file.
        marker: String,
    },
    /// No column is called `key`, and which one is the key was not said.
    KeyUndecided {
        /// The columns.
        columns: Vec<String>,
        /// One that may be: of which no value comes twice in the first rows.
        likely: Option<String>,
    },
    /// The reading was told to stop.
    Stopped,
    /// A line is longer than any pair.
    LineTooLong {
        /// Bytes that a line may have.
        most: usize,
    },
    /// A row is longer than any pair.
    RowTooLong {
        /// Bytes that the cells of a row may have.
        most: usize,
    },
    /// A key is empty where the form has none.
    EmptyKey,
    /// A line begins with a space or a tab, and what stands before the first of them is the key.
    LeadingSeparator,
    /// A key is longer than a table holds.
    KeyTooLong,
    /// A value is longer than a table holds.
    ValueTooLong,
    /// The values of a key make a longer array than a value may be.
    ListTooLong {
        /// The key.
        key: Vec<u8>,
    },
    /// What is to be a JSON text is none; what is wrong with it.
    NotJson(String),
    /// A text that JSON is to hold is not UTF-8.
    NotUtf8,
    /// A line has no tab between key and value.
    NoTab,
    /// A row has more or fewer columns than the first one.
    ColumnCount {
        /// Columns of the first row.
        expected: usize,
        /// Columns of this one.
        found: usize,
    },
    /// A row has more columns than the widest of the first rows.
    TooManyColumns {
        /// Columns of that.
        most: usize,
        /// Columns of this one.
        found: usize,
    },
    /// A column is asked for by a number that the row does not have.
    NoSuchColumn {
        /// What the column was to be.
        role: Role,
        /// The number, from 1.
        wanted: usize,
        /// Columns of the row.
        found: usize,
    },
    /// A column is asked for by a name that the header does not have.
    UnknownColumn {
        /// What the column was to be.
        role: Role,
        /// The name.
        wanted: String,
        /// The names that there are.
        columns: Vec<String>,
    },
    /// A column is asked for by a name that the header has more than once.
    RepeatedColumn {
        /// The name.
        wanted: String,
    },
    /// Rows have more than two columns, and which is the value was not said.
    ValueUndecided {
        /// What the columns can be asked for by: their names, or their numbers.
        columns: Vec<String>,
        /// Those of the key: as they were said, or the one that may be it by what the first rows hold.
        keys: Box<[String]>,
        /// Which of `columns` may be the value, counted from 0.
        value: usize,
    },
    /// The first column, which is the key where nothing is said, has a cell more than once in the
    /// first rows, and another column has none.
    KeyRepeats {
        /// The cell.
        found: String,
        /// What the column that has none can be asked for by.
        other: String,
        /// Whether that is its name, which the first row has.
        has_header: bool,
        /// Whether some rows have fewer columns than others.
        are_short: bool,
    },
    /// Two members of the objects that values are to be would have one name.
    RepeatedMember {
        /// The name.
        name: String,
    },
    /// A part of a key, though not its last, holds what stands between the parts: other parts could
    /// make the same key.
    SeparatorInKey {
        /// Which part, from 1.
        part: usize,
        /// What stands between the parts.
        separator: String,
    },
    /// The key is asked for in the column that is the value where nothing is said.
    KeyIsValue {
        /// The column.
        column: String,
    },
    /// The first row looks like the names of the columns, and whether it is was not said.
    HeaderUndecided {
        /// Its cells.
        cells: Vec<String>,
    },
    /// The first row does not look like the names of the columns, and whether it is was not said.
    HeaderDoubtful {
        /// Its cells.
        cells: Vec<String>,
    },
    /// A type is said of a column that there is none of.
    UntypedColumn {
        /// The name.
        wanted: String,
        /// The names of the columns of the table.
        columns: Vec<String>,
    },
    /// A quote is never closed. The place is where it opens.
    OpenQuote,
    /// A closing quote is followed by something else than a delimiter or a line end. The place is
    /// where the quote opens.
    AfterQuote {
        /// The line of what follows.
        line: u64,
        /// The column of what follows.
        column: u64,
        /// The byte that follows.
        found: u8,
        /// The delimiter.
        delimiter: u8,
    },
    /// A quoted cell holds lines that look like rows.
    RowsInQuotes {
        /// How many.
        lines: u64,
        /// The columns that each of them has, as the rows do.
        columns: usize,
    },
    /// A line of a stanza that goes on with no field, and begins none.
    NoFieldName,
    /// What is no JSON object.
    Json(String),
    /// Something else comes in a JSON document than what must come.
    UnexpectedJson {
        /// What must come.
        expected: &'static str,
        /// The byte that comes; none where the document ends.
        found: Option<u8>,
    },
    /// The string, array or object of a JSON document that begins here does not end.
    OpenJson,
    /// Arrays and objects of a JSON document lie deeper in each other than is read.
    TooDeep {
        /// How deep they may lie.
        most: u32,
    },
    /// What begins here in a JSON document is longer than any pair.
    JsonTooLong {
        /// Bytes that it may have.
        most: usize,
    },
    /// An object or a stanza lacks a field that is asked for.
    NoField {
        /// What the field was to be.
        role: Role,
        /// Its name.
        wanted: Box<str>,
        /// The fields that there are.
        fields: Vec<String>,
        /// Those that may be key and value by what the first objects hold, as far as that was
        /// looked at.
        likely: Option<Box<LikelyFields>>,
    },
    /// An object has a field that is asked for more than once, or a stanza any.
    RepeatedField {
        /// Its name.
        wanted: String,
    },
    /// A key or value is null.
    Null {
        /// Which of them.
        role: Role,
    },
    /// A key is an array or an object.
    CompositeKey {
        /// Which of them.
        found: &'static str,
    },
    /// What is said to be base64 is not.
    Base64(String),
    /// A dump of a Redis is damaged, or of a version that is not read.
    Rdb(Box<RdbDamage>),
    /// A Redis holds what a table does not keep. All that is refused is named.
    Redis(Vec<RedisProblem>),
    /// The table cannot take the pair, or cannot be built.
    Table(Box<graven_format::Error>),
}

/// Two columns, counted from 0, that may be key and value by what the first rows hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LikelyColumns {
    /// One of which no cell comes twice.
    pub key: usize,
    /// The next one of which not all cells are alike.
    pub value: usize,
}

impl Default for LikelyColumns {
    /// The first two, where no rows were looked at.
    fn default() -> Self {
        Self { key: 0, value: 1 }
    }
}

/// The fields of objects that may be key and value by what the first objects hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikelyFields {
    /// One of which no value comes twice.
    pub key: String,
    /// The next one of which not all values are alike; none where a value is not asked for.
    pub value: Option<String>,
}

/// What a column or a field is in a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The key.
    Key,
    /// The value.
    Value,
    /// One of several columns.
    Column,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Column => "table",
        })
    }
}

impl Cause {
    /// What an error of a source means: that a decoder failed, or that the system did.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.downcast::<Undecoded>() {
            Ok(Undecoded { compression, source }) => Self::Compressed { compression, source },
            Err(error) => Self::Read(error),
        }
    }
}

impl From<BadLine> for Cause {
    fn from(bad: BadLine) -> Self {
        match bad {
            BadLine::KeyTooLong => Self::KeyTooLong,
            BadLine::ValueTooLong => Self::ValueTooLong,
            _ => Self::LeadingSeparator,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{line}:{column}"),
            (Some(line), None) => write!(f, "{line}"),
            (None, _) => f.write_str("the input"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.input)?;
        if self.position.line.is_some() {
            write!(f, ":{}", self.position)?;
        }
        write!(f, ": {}", self.cause)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.cause)
    }
}

/// The plural where there is more than one.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("{number} {one}") } else { format!("{number} {one}s") }
}

/// Names in a sentence, but not more than anybody reads.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(source) => write!(f, "cannot open it: {source}"),
            Self::Directory => f.write_str("expected a file, found a directory"),
            Self::Read(source) => write!(f, "cannot read further: {source}"),
            Self::Compressed { compression, source } => {
                write!(f, "the {compression} data cannot be read: {source}")
            }
            Self::Content(found) => write!(f, "expected the pairs of a table, found {found}"),
            Self::NotForFormat { what, format } => {
                write!(f, "the input is read as {format}, which has no {what}")
            }
            Self::Stream { format } => {
                write!(f, "{format} is read from its end, which a stream does not have")
            }
            Self::SeveralInputs { format, found } => {
                write!(f, "found {found} inputs, and {format} is read of one")
            }
            Self::SeveralDumps { found } => {
                write!(f, "found {found} inputs, and a Redis dump is read alone")
            }
            Self::FormDiffers { first, expected, found } => {
                write!(f, "it is read as {found}, and {first} as {expected}")
            }
            Self::FileDiffers { first, how } => {
                write!(f, "its columns are others than those of {first}: {how}")
            }
            Self::Parquet { place, problem } => write!(f, "{place}{problem}"),
            Self::NoFiles => f.write_str("there is no file of data in it"),
            Self::NoMarker { marker } => {
                write!(f, "it has no {marker}, so what writes it may not have ended")
            }
            Self::KeyUndecided { columns, .. } => {
                write!(f, "which column is the key? The columns are {}", list(columns))
            }
            Self::Stopped => f.write_str("stopped before it was read"),
            Self::LineTooLong { most } => write!(f, "the line is longer than {most} bytes"),
            Self::RowTooLong { most } => write!(f, "the row is longer than {most} bytes"),
            Self::EmptyKey => f.write_str("the key is empty"),
            Self::LeadingSeparator => f.write_str("the line begins with a separator; a key must come first"),
            Self::KeyTooLong => write!(f, "the key is longer than {KEY_BYTES_MAX} bytes"),
            Self::ValueTooLong => write!(f, "the value is longer than {VALUE_BYTES_MAX} bytes"),
            Self::ListTooLong { key } => write!(
                f,
                "the values of the key {} make an array of more than {VALUE_BYTES_MAX} bytes",
                key.escape_ascii()
            ),
            Self::NotJson(what) => write!(f, "expected a value that is JSON: {what}"),
            Self::NotUtf8 => f.write_str("the value is not UTF-8, which JSON has to be"),
            Self::NoTab => f.write_str("expected a tab between a key and a value, found none"),
            Self::ColumnCount { expected, found } => {
                write!(f, "expected {} as in the first row, found {found}", count(*expected, "column"))
            }
            Self::TooManyColumns { most, found } => {
                write!(f, "expected at most {} as in the first rows, found {found}", count(*most, "column"))
            }
            Self::NoSuchColumn { role: Role::Column, wanted, found } => {
                write!(f, "expected a column {wanted}, the row has {}", count(*found, "column"))
            }
            Self::NoSuchColumn { role, wanted, found } => {
                write!(f, "the {role} is column {wanted}, the row has {}", count(*found, "column"))
            }
            Self::UnknownColumn { role: Role::Column, wanted, columns } => {
                write!(f, "no column is named {wanted}; the columns are {}", list(columns))
            }
            Self::UnknownColumn { role, wanted, columns } if columns.is_empty() => {
                write!(f, "no column for the {role} is named {wanted}; the columns have no names")
            }
            Self::UnknownColumn { role, wanted, columns } => {
                write!(f, "no column for the {role} is named {wanted}; the columns are {}", list(columns))
            }
            Self::RepeatedColumn { wanted } => write!(f, "more than one column is named {wanted}"),
            Self::ValueUndecided { columns, .. } => write!(
                f,
                "expected two columns, a key and a value, found {}: {}",
                columns.len(),
                list(columns)
            ),
            Self::KeyRepeats { found, other, .. } => write!(
                f,
                "the first column is the key where nothing is said, and has `{found}` more than once; in column \
                 {other} no cell of the first rows comes twice"
            ),
            Self::RepeatedMember { name } => {
                write!(f, "more than one column is named {name}, and a value has one member of a name")
            }
            Self::SeparatorInKey { part, separator } => write!(
                f,
                "part {part} of the key holds `{separator}`, or ends as that begins: other parts could make the same key"
            ),
            Self::KeyIsValue { column } => {
                write!(f, "column {column} is the key, and the value too where no other is named")
            }
            Self::HeaderUndecided { cells } => {
                write!(f, "the first row looks like the names of the columns: {}", list(cells))
            }
            Self::HeaderDoubtful { cells } => {
                write!(f, "the first row does not look like the names of the columns: {}", list(cells))
            }
            Self::UntypedColumn { wanted, columns } => {
                write!(f, "a type is said of column {wanted}; the columns are {}", list(columns))
            }
            Self::OpenQuote => f.write_str("the quote that opens here is never closed"),
            Self::AfterQuote { line, column, found, delimiter } => write!(
                f,
                "the quote that opens here closes before line {line}, column {column}; expected `{}` or the end of \
                 the line there, found `{}`",
                delimiter.escape_ascii(),
                found.escape_ascii()
            ),
            Self::RowsInQuotes { lines, columns } => write!(
                f,
                "a quoted cell holds {lines} lines of {} each, as many as a row has: is a quote missing or too much?",
                count(*columns, "column")
            ),
            Self::NoFieldName => f.write_str(
                "expected the name of a field and a colon, or a blank before what goes on with one",
            ),
            Self::Json(what) => f.write_str(what),
            Self::UnexpectedJson { expected, found: Some(found) } => {
                write!(f, "expected {expected}, found `{}`", found.escape_ascii())
            }
            Self::UnexpectedJson { expected, found: None } => {
                write!(f, "expected {expected}, found the end of the document")
            }
            Self::OpenJson => f.write_str("what begins here has not ended at the end of the document"),
            Self::TooDeep { most } => {
                write!(f, "arrays and objects lie deeper in each other here than {most} levels")
            }
            Self::JsonTooLong { most } => write!(f, "what begins here is longer than {most} bytes"),
            Self::NoField { role: Role::Column, wanted, fields, .. } if fields.is_empty() => {
                write!(f, "the object has no member `{wanted}`; it has none at all")
            }
            Self::NoField { role: Role::Column, wanted, fields, .. } => {
                write!(f, "the object has no member `{wanted}`; its members are {}", list(fields))
            }
            Self::NoField { role, wanted, fields, .. } if fields.is_empty() => {
                write!(f, "there is no field `{wanted}` for the {role}; there is none at all")
            }
            Self::NoField { role, wanted, fields, .. } => {
                write!(f, "there is no field `{wanted}` for the {role}; the fields are {}", list(fields))
            }
            Self::RepeatedField { wanted } => write!(f, "there is more than one field `{wanted}`"),
            Self::Null { role } => write!(f, "the {role} is null"),
            Self::CompositeKey { found } => {
                write!(f, "expected a string, a number or a boolean as key, found {found}")
            }
            Self::Base64(what) => write!(f, "expected base64: {what}"),
            Self::Rdb(damage) => damage.fmt(f),
            Self::Redis(problems) => {
                let problems: Vec<String> = problems.iter().map(RedisProblem::to_string).collect();
                f.write_str(&problems.join("; "))
            }
            Self::Table(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(source) | Self::Read(source) | Self::Compressed { source, .. } => Some(source),
            Self::Table(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
