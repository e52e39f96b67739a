//! `graven bench` as a process, against this house's server and against servers that fail in every way there is.

mod documents;
mod peers;
mod runs;
mod schema;
#[path = "../support/mod.rs"]
mod support;
