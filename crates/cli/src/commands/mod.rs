//! The subcommands, one file each: its arguments as clap reads them, and `run`, which tells what it does.
//!
//! A subcommand gives the exit status, or a [`Failure`](crate::failure::Failure) that `main` prints. Only subcommands
//! write to standard output.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod dump;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod publish;
pub(crate) mod ready;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod switch;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod versions;
