//! Rows: values with columns, and how they are read. A row is the value of its key; what its bytes
//! mean is in the table's schema. How they are made is in `build/rows`.

pub(crate) mod bits;
mod byte_reader;
mod field;
pub(crate) mod json;
mod names;
pub(crate) mod number;
mod read;
pub(crate) mod schema;
mod text;
pub(crate) mod time;
pub(crate) mod types;

pub use field::{Field, FieldValue};
pub use json::BASE64_SUFFIX;
pub use read::{Projection, Row};
pub use schema::{Column, KeyColumn, Schema};
pub use text::{LentText, TextRoom};
pub use types::{ColumnType, UnknownType};
