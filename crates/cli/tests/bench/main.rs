//! `graven bench` as a process, against this house's server and against servers that fail in every way there is.

mod browser;
mod documents;
mod failing;
mod peers;
mod runs;
mod schema;
mod servers;
#[path = "../support/mod.rs"]
mod support;
