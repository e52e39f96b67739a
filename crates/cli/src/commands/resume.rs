//! `graven resume`: ends the freeze after a rollback.

use std::process::ExitCode;

use graven_catalog::root::resume;

use crate::failure::Outcome;
use crate::root::TablePath;

/// Let a table be switched again after a rollback
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when it may be switched, 1 when no version answers, 2 when the root cannot be read or \
    written."
)]
pub(crate) struct Arguments {
    /// The table
    #[arg(value_name = "ROOT/TABLE")]
    table: TablePath,
    /// What the history says of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { table, note } = arguments;
    let root = table.open()?;
    table.report(resume(&*root, &table.table, note))
}
