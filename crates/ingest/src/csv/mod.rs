//! Separated columns, quoted where need be: RFC 4180 as Python's `csv` reads it with
//! `strict=True`.
//!
//! A cell that begins with a quote ends at the next quote that is not doubled, and a delimiter, a
//! line end or the end of the input must follow; the last row may not end inside of quotes. A
//! quote anywhere else is a byte like any other. Rows end in `\n`, `\r\n` or `\r`. Empty lines are
//! passed over.
//!
//! The `csv` crate has no such mode: it takes whatever follows a closing quote into the cell, and
//! an open quote to the end of the input, without a word.

mod reader;
mod rows;

pub use reader::{CsvReader, CsvRow};
pub(crate) use rows::CsvRows;
