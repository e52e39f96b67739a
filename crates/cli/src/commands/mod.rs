//! The subcommands, one file each: its arguments as clap reads them, and `run`, which tells what it does.
//!
//! A subcommand gives the exit status, or a [`Failure`](crate::failure::Failure) that `main` prints. Only subcommands
//! write to standard output.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod dump;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod serve;
pub(crate) mod verify;
