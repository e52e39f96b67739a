//! The table itself: the text it is read from, the file it is carved into, and the lookups that file answers.
//!
//! This crate knows bytes and files. It opens no socket, prints nothing, and does not know that protocols exist.

mod limits;
mod store;
pub mod text;

pub use limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use store::{Batch, Duplicates, Error, Store, StoreBuilder};
