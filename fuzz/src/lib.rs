//! What must hold for every input, one function for each fuzz target; a broken promise is a panic.
//!
//! The targets in `fuzz_targets/` only call these. `tests/seeds.rs` runs them on every file in
//! `seeds/`, on stable Rust, so that a case once found stays found. Every decoder promises that it
//! never panics, consumes at least one byte and never more than there are, and makes the same
//! messages of the same bytes however they arrive.

pub mod address;
pub mod glob;
pub mod http;
pub mod ingest;
pub mod json;
pub mod memcached;
pub mod parquet;
pub mod proxy;
pub mod redis_dump;
pub mod resp;
pub mod rows;
pub mod table;

mod pieces;
