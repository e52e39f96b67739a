//! `graven rollback`: goes back to the version that answered before, and holds the table there.

use std::process::ExitCode;

use graven_catalog::root::{VersionName, rollback};

use crate::failure::Outcome;
use crate::root::{TablePath, parse_version};

/// Go back to the version that answered before, and hold the table there
///
/// The version that answers now is marked bad and never gone back to. Until `graven resume`, what is published is kept and not
/// switched to.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when the earlier version answers, 1 when there is none to go back to, 2 when the root \
    cannot be read or written, 3 when the table was switched by somebody else meanwhile."
)]
pub(crate) struct Arguments {
    /// The table
    #[arg(value_name = "ROOT/TABLE")]
    table: TablePath,
    /// The version to go back to [default: the last that answered before and was not rolled back from]
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    to: Option<VersionName>,
    /// What the history says of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { table, to, reason } = arguments;
    let root = table.open()?;
    table.report(rollback(&*root, &table.table, to.as_ref(), reason))
}
