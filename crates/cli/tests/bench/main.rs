//! `graven bench` as a process, against graven and against servers that fail in every way there is.

mod documents;
mod ending;
mod failing;
mod figures;
mod peers;
mod rows;
mod runs;
mod schema;
#[path = "../support/mod.rs"]
mod support;
