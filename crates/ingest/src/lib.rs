//! Reads the pairs of a table from the files that people and jobs have: `.data` text, tsv, csv,
//! JSON lines, JSON documents and stanzas, plain or compressed with gzip or zstd, and Parquet.
//!
//! ```
//! use graven_format::{Builder, Options};
//! use graven_ingest::{Input, Pairs, ReadOptions};
//!
//! let people = "id,name,born\n7,Ada,1815\n9,Grace,1906\n";
//! let input = Input::from_reader("people.csv", people.as_bytes())?; // or Input::open(path)
//! let options = ReadOptions {
//!     format: Some(graven_ingest::Format::Csv),
//!     key: Some("id".into()),
//!     value: Some("name".into()),
//!     ..ReadOptions::default()
//! };
//! let mut builder = Builder::new(Options::default());
//! let mut pairs = Pairs::new(input, &options)?;
//! pairs.add_to(&mut builder)?;
//! assert_eq!(pairs.ignored(), ["born"]);
//!
//! let (table, _) = builder.finish()?;
//! let mut name = Vec::new();
//! assert!(table.get(b"9", &mut name)?);
//! assert_eq!(name, b"Grace");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A table with columns is read by [`TableRows`], into a [`RowBuilder`](graven_format::RowBuilder).
//!
//! [`Input`] opens and decompresses, [`Pairs`] decides what the content is and reads it. What
//! cannot be read is an [`Error`] with the input's name, the line, the column where it is known,
//! what was found and what was expected. Nothing is guessed that could be wrong: a file of another
//! kind ([`Content`]), a first row that may or may not be a header, or a third column are errors
//! that [`ReadOptions`] answers.
//!
//! Parquet files are read where this crate has the feature `parquet`, by both; a table may lie in
//! several of them ([`PartFile`], [`Input::open_parts`]).
//!
//! Several inputs go into one table by adding one after the other. A reading shows how far it is,
//! and ends when it is told to, through its [`Meter`]. A further form with columns is a further
//! [`Rows`].
//!
//! What was built is written again by a [`PairWriter`], and [`sample`] makes up tables to try things
//! with.
//!
//! A [`RedisDump`] is read into a [`RedisTable`], as is what a running Redis answers.
//!
//! `.data` text is read by [`graven_format::text`] and
//! [`Builder::add_text`](graven_format::Builder::add_text) there: the builder reads a file of it
//! twice, on all threads and without keeping it, which no reader of pairs one by one can give it.

mod columns;
mod composed;
mod compressed;
mod content;
mod csv;
mod data;
mod error;
mod format;
mod further_files;
mod input;
mod json;
mod judge;
mod likely;
mod lines;
mod lists;
mod options;
mod pairs;
#[cfg(feature = "parquet")]
mod parquet;
mod parquet_problem;
mod parts;
mod placed_bytes;
mod rdb;
mod redis;
mod row;
pub mod sample;
mod stanzas;
mod table_rows;
mod tsv;
mod write;

pub use compressed::Compression;
pub use content::Content;
pub use csv::{CsvReader, CsvRow};
pub use error::{Cause, Error, Fault, LikelyColumns, LikelyFields, Position, Role};
pub use format::Format;
pub use graven_format::BASE64_SUFFIX;
pub use graven_format::text::Pair;
pub use input::{Input, Meter};
pub use options::{KeyColumns, Nulls, ReadOptions, ValueColumns, ValueType};
pub use pairs::Pairs;
pub use parquet_problem::{ParquetPlace, ParquetProblem};
pub use parts::PartFile;
pub use rdb::{RdbDamage, RdbFault, RedisDump};
pub use redis::{
    HashFields, HashForm, KeyFilter, OtherKinds, OtherPolicy, RedisBuilder, RedisCounts, RedisKey, RedisKind,
    RedisOptions, RedisProblem, RedisTable, SomeKeys, TakenKind, TtlPolicy,
};
pub use row::{Cell, InputRow, Rows};
pub use table_rows::{ColumnOptions, TableRows};
pub use write::{PairWriter, Unwritable, json_field};
